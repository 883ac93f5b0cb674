//! Runs declarations on a server: creates the tables, executes statements and records their results.

use std::fmt;

use sqlx::{Connection as _, PgConnection, Row as _};
use tenant_runtime::{
    analyze::check,
    model::{
        def::{ScopeDef, TableDef},
        migration_hints::MigrationHints,
        schema::Schema,
    },
    plan::plan,
    server::Server,
    sql,
};
use tenant_tests::{connect, run};

use super::{
    fixture::{Fixture, MAX_GENERATED_KEY},
    oracle::{Context, NOW, Oracle, Outcome, Row, is_computed, is_deletion_time, row_id},
    random_declarations::Random,
};

/// The reason why a declaration is skipped.
pub(super) enum Untestable {
    /// The check rejects it: the first finding, without the names.
    Refused(String),
    /// The check accepts it, but the server rejects its SQL.
    Broken(String),
}

/// Creates a database with the tables and the rows of a declaration, and connects as the app does.
pub(super) async fn prepare(server: &Server, seed: u64, world: &Fixture) -> Result<PgConnection, Untestable> {
    let models = tenant_runtime::models![].only(world.tables.iter().copied());
    let schema = check(&models).map_err(|findings| Untestable::Refused(finding_shape(&findings.to_string())))?.schema;
    let migrations =
        sql::migrations(&plan(&Schema::default(), &schema, &MigrationHints::default()).expect("a plan from nothing"));
    let name = format!("property_{seed}");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &format!("CREATE DATABASE {name}")).await.expect("a database");
    admin.close().await.expect("closed");
    let mut admin = connect(&server.url("postgres", &name)).await;
    let mut text = format!("BEGIN;\n{}\nCOMMIT;\n", migrations[0].up);
    text += &insert_rows(world);
    run(&mut admin, &text).await.map_err(|error| Untestable::Broken(error.to_string()))?;
    admin.close().await.expect("closed");
    Ok(connect(&server.url(&format!("{}service", world.tenancy.role_prefix), &name)).await)
}

/// Returns the statements that insert the rows of a declaration.
pub(super) fn insert_rows(world: &Fixture) -> String {
    let insert = |row: &Row| {
        let table = world.table(row.table).expect("declared");
        let stored = table.columns.iter().filter(|column| column.generated.is_none());
        let (columns, values): (Vec<_>, Vec<_>) =
            stored.map(|column| (column.name, literal(&row.values[column.name]))).unzip();
        let (columns, values) = (columns.join(", "), values.join(", "));
        format!("INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values});\n", row.table)
    };
    world.rows.iter().map(insert).collect()
}

/// A finding without names.
fn finding_shape(findings: &str) -> String {
    let line = findings.lines().find(|line| line.contains("error")).unwrap_or(findings);
    line.split('`').step_by(2).collect::<Vec<_>>().join("…")
}

fn literal(value: &Option<String>) -> String {
    value.as_ref().map_or_else(|| "NULL".to_owned(), |value| format!("'{}'", value.replace('\'', "''")))
}

/// An executed statement.
#[derive(Debug)]
pub(super) struct Attempt {
    context: Context,
    sql: String,
    pub(super) expected: Outcome,
    pub(super) found: Outcome,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, sql, expected, found } = self;
        write!(f, "as {context:?}\n    {sql}\n    the declaration means {expected:?}\n    the database says {found:?}")
    }
}

/// Tries statements as each role in each tenant for each user; more where the user may act so.
pub(super) async fn attempts(connection: &mut PgConnection, world: &Fixture, random: &mut Random) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let roles = world.tenancy.roles.iter().map(|role| role.name);
    let contexts = roles.flat_map(|role| {
        world.tenants.iter().map(Some).chain([None]).flat_map(move |tenant| {
            let users = world.users.iter().map(Some).chain([None]);
            users.map(move |user| Context { role, tenant: tenant.cloned(), user: user.cloned() })
        })
    });
    for context in contexts {
        let reference = Oracle { world, context: &context, shows_deleted: false };
        let acts = reference.is_authorized_in(&context.tenant);
        if !acts && random.chance(40) {
            continue;
        }
        run(connection, &begin(world, &context)).await.expect("begun");
        for _ in 0..if acts { 8 } else { 1 } {
            let table = random.pick(&world.tables);
            let (mut sql, mut expected) = statement(&reference, table, random);
            // Most roles lack most privileges, and policies have an effect only on roles with the privilege.
            if expected == Outcome::Denied && random.chance(70) {
                (sql, expected) = statement(&reference, table, random);
            }
            let found = attempt(connection, &sql).await;
            attempts.push(Attempt { context: context.clone(), sql, expected, found });
        }
        run(connection, "ROLLBACK").await.expect("rolled back");
    }
    attempts
}

fn begin(world: &Fixture, context: &Context) -> String {
    let def = world.tenancy;
    let mut text = format!("BEGIN; SET LOCAL ROLE {}{};", def.role_prefix, context.role);
    for (setting, value) in [(def.tenant_setting, &context.tenant), (def.user_setting, &context.user)] {
        text += &value.as_ref().map(|value| format!(" SET LOCAL {setting} = '{value}';")).unwrap_or_default();
    }
    text
}

/// Runs a statement and rolls it back.
async fn attempt(connection: &mut PgConnection, statement: &str) -> Outcome {
    let text = sqlx::AssertSqlSafe(format!("SAVEPOINT attempt; {statement}"));
    let outcome = if statement.contains("SELECT") {
        sqlx::raw_sql(text).fetch_all(&mut *connection).await.map(|rows| {
            let mut rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            rows.sort();
            Outcome::Rows(rows)
        })
    } else {
        let done = sqlx::raw_sql(text).execute(&mut *connection).await;
        done.map(|done| Outcome::Count(usize::try_from(done.rows_affected()).expect("few")))
    };
    run(connection, "ROLLBACK TO attempt").await.expect("rolled back");
    outcome.unwrap_or_else(|error| {
        let Some(error) = error.as_database_error() else { return Outcome::Wrong(error.to_string()) };
        match (error.code().unwrap_or_default().as_ref(), error.message()) {
            ("42501", message) if message.starts_with("permission denied for table") => Outcome::Denied,
            // A GENERATED ALWAYS identity column rejects explicit values from every role.
            ("428C9", _) => Outcome::Denied,
            ("42501", message) if message.contains("row-level security") => Outcome::Refused,
            ("23503" | "23505", _) => Outcome::Broken,
            (code, message) => Outcome::Wrong(format!("{code}: {message}")),
        }
    })
}

/// Generates a statement on a table, with the result that the declaration requires. It sometimes asks for deleted rows.
fn statement(reference: &Oracle<'_>, table: &'static TableDef, random: &mut Random) -> (String, Outcome) {
    let shows_deleted = random.chance(30);
    let reference = Oracle { shows_deleted, ..*reference };
    let (sql, expected) = hiding_statement(&reference, table, random);
    let prefix = reference.world.tenancy.tenant_setting.split('.').next().unwrap_or_default();
    match shows_deleted {
        true => (format!("SET LOCAL {prefix}.deleted_rows = 'shown'; {sql}"), expected),
        false => (sql, expected),
    }
}

fn hiding_statement(reference: &Oracle<'_>, table: &'static TableDef, random: &mut Random) -> (String, Outcome) {
    let (world, name) = (reference.world, table.name);
    let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let tenant = random.below(2);
    let rows: Vec<_> = world.rows_of(name).collect();
    let id = random.pick(&rows).values[row_id(table)].clone().filter(|_| random.chance(80));
    let found = id.as_ref().map(|id| format!(" WHERE {} = '{id}'", row_id(table))).unwrap_or_default();
    match random.below(100) {
        0..2 if table.partitions.is_some() => (format!("SELECT count(*)::text FROM {name}_p0"), Outcome::Denied),
        0..5 => (format!("SELECT count(*)::text FROM {name}"), reference.select(table, &[], false)),
        5..30 => {
            let columns = if random.chance(20) { names } else { vec![random.pick(&names)] };
            let texts: Vec<_> = columns.iter().map(|column| format!("{column}::text")).collect();
            let lock = if random.chance(25) { " FOR UPDATE" } else { "" };
            let sql = format!("SELECT concat_ws('|', {}) FROM {name}{lock}", texts.join(", "));
            (sql, reference.select(table, &columns, !lock.is_empty()))
        }
        30..55 => insert(reference, table, random),
        55..80 => {
            let column = random.pick(&table.columns.iter().collect::<Vec<_>>());
            let mut value = world.value(column, tenant, random);
            if is_deletion_time(table, column.name) && random.chance(50) {
                value = Some(NOW.to_owned());
            }
            let sql = format!("UPDATE {name} SET {} = {}{found}", column.name, literal(&value));
            (sql, reference.update(table, id.as_deref(), column.name, &value))
        }
        _ => (format!("DELETE FROM {name}{found}"), reference.delete(table, id.as_deref())),
    }
}

fn insert(reference: &Oracle<'_>, table: &'static TableDef, random: &mut Random) -> (String, Outcome) {
    let Oracle { world, context, .. } = reference;
    let acting = world.tenants.iter().position(|tenant| context.tenant.as_ref() == Some(tenant));
    let own = |random: &mut Random| acting.filter(|_| random.chance(85)).unwrap_or(random.below(2));
    let (tenant, linked) = (own(random), own(random));
    let owner = random.pick(&world.users.iter().collect::<Vec<_>>());
    let owner = context.user.as_ref().filter(|_| random.chance(85)).unwrap_or(owner);
    let number = MAX_GENERATED_KEY + if random.chance(15) { 1 } else { 500 };
    let mut row = world.row(table, tenant, linked, owner, number, random);
    let mut listed = Vec::new();
    for column in table.columns {
        let is_filled = matches!(table.scope, ScopeDef::Parent { tenant, .. } if tenant == column.name);
        if is_filled && !random.chance(4) {
            row.values.insert(column.name, reference.context.tenant.clone());
            continue;
        }
        let is_from_context =
            table.scope == ScopeDef::Tenant { column: column.name } || table.owner == Some(column.name);
        let is_made = column.id && !column.app_assigned || is_computed(column);
        let is_needed = is_from_context || !column.nullable && column.default.is_none() && !is_made;
        if is_needed || random.chance(if column.app_assigned { 60 } else { 4 }) {
            listed.push(column.name);
        } else if !is_made {
            row.values.insert(column.name, column.default.map(|default| default.trim_matches('\'').to_owned()));
        }
    }
    let values: Vec<_> = listed.iter().map(|name| literal(&row.values[name])).collect();
    let returning = random.chance(30);
    let tail = if returning { format!(" RETURNING {}", row_id(table)) } else { String::new() };
    let sql = format!("INSERT INTO {} ({}) VALUES ({}){tail}", table.name, listed.join(", "), values.join(", "));
    (sql, reference.insert(table, &row, &listed, returning))
}
