//! Who reaches which rows: every role, command and table, on the own and the other tenant's rows, as the database decides.
//!
//! What is expected is computed from the declarations, so that it cannot drift from them.

use sqlx::PgConnection;
use tenant_runtime::{
    Tenancy as _,
    model::def::{ColumnDef, RoleDef, ScopeDef, SqlType, TableDef},
    roles::Organizations,
};
use tenant_tests::{Database, TABLES, Tenant, ask, connect, run};
use uuid::Uuid;

/// What the database answered.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Rows(u64),
    NoPrivilege,
    RowSecurity,
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Read,
    Lock,
    Insert,
    Update,
    Delete,
    /// Gives a row to the other tenant.
    Move,
    Truncate,
}

/// Whose rows an attempt names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    All,
    Acme,
    Globex,
}

/// The context in which an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    Acme,
    /// The setting was never made in the session.
    Unset,
    /// The setting is empty, as it is in a session after a transaction that made it.
    Empty,
}

const CASES: [(Attempt, Aim); 13] = [
    (Attempt::Read, Aim::All),
    (Attempt::Read, Aim::Acme),
    (Attempt::Read, Aim::Globex),
    (Attempt::Lock, Aim::All),
    (Attempt::Insert, Aim::Acme),
    (Attempt::Insert, Aim::Globex),
    (Attempt::Update, Aim::All),
    (Attempt::Update, Aim::Acme),
    (Attempt::Update, Aim::Globex),
    (Attempt::Delete, Aim::Acme),
    (Attempt::Delete, Aim::Globex),
    (Attempt::Move, Aim::Acme),
    (Attempt::Truncate, Aim::All),
];

/// The roles in the order of the declaration; `None` is the login before it says SET ROLE.
fn roles() -> impl Iterator<Item = Option<&'static RoleDef>> {
    [None].into_iter().chain(Organizations::DEF.roles.iter().map(Some))
}

/// Says whether a role has the rights of the one that an attribute names.
fn includes(role: Option<&RoleDef>, needed: Option<&str>) -> bool {
    let (Some(role), Some(needed)) = (role, needed) else { return false };
    let below = |name: &&str| Organizations::DEF.roles.iter().find(|role| role.name == *name);
    role.name == needed || role.includes.iter().filter_map(below).any(|lower| includes(Some(lower), Some(needed)))
}

/// What the declaration promises; `own` is how many rows the context's tenant has.
fn promised(def: &TableDef, role: Option<&RoleDef>, context: Context, attempt: Attempt, aim: Aim, own: u64) -> Outcome {
    let may = |needed| includes(role, needed);
    let allowed = match attempt {
        Attempt::Read => may(def.select),
        Attempt::Lock => may(def.select) && may(def.update),
        Attempt::Insert => may(def.insert),
        Attempt::Update => may(def.update),
        Attempt::Delete => may(def.delete),
        Attempt::Move | Attempt::Truncate => false,
    };
    let reaches = def.scope == ScopeDef::Global || (context == Context::Acme && aim != Aim::Globex);
    match (allowed, attempt, reaches) {
        (false, ..) => Outcome::NoPrivilege,
        (true, Attempt::Insert, false) => Outcome::RowSecurity,
        (true, Attempt::Insert | Attempt::Delete, true) => Outcome::Rows(1),
        (true, _, true) => Outcome::Rows(own),
        (true, _, false) => Outcome::Rows(0),
    }
}

/// The tenant column; `id` on a table that belongs to no tenant.
fn tenant_column(def: &TableDef) -> &'static str {
    match def.scope {
        ScopeDef::Tenant { column } => column,
        ScopeDef::Global => "id",
    }
}

/// The column that names a row within its tenant.
fn row_column(def: &TableDef) -> &'static str {
    let mut ids = def.columns.iter().filter(|column| column.id).map(|column| column.name);
    ids.find(|name| *name != tenant_column(def)).unwrap_or(tenant_column(def))
}

/// Writes an INSERT of the columns that an app gives, for a tenant; `user` is somebody who is no member of it.
fn insert(def: &TableDef, tenant: &Tenant, user: Uuid) -> String {
    let is_tenant = |column: &ColumnDef| def.scope == ScopeDef::Tenant { column: column.name };
    let value = |column: &ColumnDef| match (column.references.map(|reference| reference.table.table), column.ty) {
        _ if is_tenant(column) => format!("'{}'", tenant.id),
        (Some("users"), _) => format!("'{user}'"),
        (Some("projects"), _) => format!("'{}'", tenant.project),
        (Some("org_members"), _) => format!("'{}'", tenant.member),
        (None, SqlType::Labels(labels)) => format!("'{}'", labels[0]),
        (None, SqlType::Text | SqlType::Uuid) => format!("'{}'", Uuid::new_v4()),
        (None, SqlType::Int8) => "1".to_owned(),
        (None, SqlType::Timestamptz) => "now()".to_owned(),
        (reference, ty) => panic!("teach this test a value for {} ({ty:?}, {reference:?})", column.name),
    };
    let given = || def.columns.iter().filter(|column| is_tenant(column) || column.supplied);
    let names = given().map(|column| column.name).collect::<Vec<_>>().join(", ");
    let values = given().map(value).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {} ({names}) VALUES ({values})", def.name)
}

/// A database with, in each table and for each tenant, a row that nothing refers to.
struct Fixture {
    database: Database,
    /// By table: the key of acme's spare row, that of globex's, and how many rows acme has.
    rows: Vec<(String, String, u64)>,
}

impl Fixture {
    async fn create() -> Self {
        let database = Database::create().await;
        let mut admin = database.admin().await;
        let mut rows = Vec::new();
        for def in TABLES {
            let (acme, globex) = (&database.acme, &database.globex);
            let spare = |tenant, user| format!("{} RETURNING {}::text", insert(def, tenant, user), row_column(def));
            // A tenant itself is there once.
            let spares = if row_column(def) == tenant_column(def) {
                [acme.id.to_string(), globex.id.to_string()]
            } else {
                [ask(&mut admin, &spare(acme, globex.viewer)).await, ask(&mut admin, &spare(globex, acme.viewer)).await]
            };
            let own = format!("SELECT FROM {} WHERE {} = '{}'", def.name, tenant_column(def), acme.id);
            let [of_acme, of_globex] = spares;
            rows.push((of_acme, of_globex, run(&mut admin, &own).await.expect("the superuser reads all")));
        }
        Self { database, rows }
    }

    fn sql(&self, index: usize, attempt: Attempt, aim: Aim) -> String {
        let (acme, globex) = (&self.database.acme, &self.database.globex);
        let (def, (of_acme, of_globex, _)) = (TABLES[index], &self.rows[index]);
        let (table, tenant, row) = (def.name, tenant_column(def), row_column(def));
        let (whose, of_whom, user, spare) = match aim {
            Aim::All => (String::new(), acme, globex.admin, of_acme),
            Aim::Acme => (format!(" WHERE {tenant} = '{}'", acme.id), acme, globex.admin, of_acme),
            Aim::Globex => (format!(" WHERE {tenant} = '{}'", globex.id), globex, acme.admin, of_globex),
        };
        let plain = def.columns.iter().find(|column| !column.id && column.name != tenant).expect("a column").name;
        match attempt {
            Attempt::Read => format!("SELECT * FROM {table}{whose}"),
            Attempt::Lock => format!("SELECT FROM {table}{whose} FOR UPDATE"),
            Attempt::Insert => insert(def, of_whom, user),
            Attempt::Update => format!("UPDATE {table} SET {plain} = {plain}{whose}"),
            Attempt::Delete => format!("DELETE FROM {table}{whose} AND {row} = '{spare}'"),
            Attempt::Move => format!("UPDATE {table} SET {tenant} = '{}'{whose}", globex.id),
            Attempt::Truncate => format!("TRUNCATE {table}"),
        }
    }
}

/// Tries a statement as a role in a context, and undoes it.
async fn observe(app: &mut PgConnection, role: Option<&RoleDef>, setting: Option<&str>, sql: &str) -> Outcome {
    let role = role.map(|role| format!("SET LOCAL ROLE {}{};", Organizations::DEF.role_prefix, role.name));
    let setting = setting.map(|value| format!("SET LOCAL {} = '{value}'", Organizations::DEF.org_setting));
    let begin = format!("BEGIN; {} {}", role.unwrap_or_default(), setting.unwrap_or_default());
    run(app, &begin).await.expect("the login may become each role");
    let result = run(app, sql).await;
    run(app, "ROLLBACK").await.expect("it can be undone");
    match result {
        Ok(rows) => Outcome::Rows(rows),
        Err(error) => {
            let (code, message) = refusal(error);
            match code.as_str() {
                "42501" if message.starts_with("permission denied") => Outcome::NoPrivilege,
                "42501" if message.contains("row-level security policy") => Outcome::RowSecurity,
                _ => Outcome::Other(format!("{code} {message}")),
            }
        }
    }
}

fn refusal(error: sqlx::Error) -> (String, String) {
    let error = error.into_database_error().expect("the server answers");
    (error.code().unwrap_or_default().into_owned(), error.message().to_owned())
}

#[tokio::test]
async fn each_role_reaches_exactly_the_rows_and_commands_that_are_declared() {
    let fixture = Fixture::create().await;
    let acme = fixture.database.acme.id.to_string();
    let mut wrong = Vec::new();
    for (context, setting) in [(Context::Unset, None), (Context::Acme, Some(&*acme)), (Context::Empty, Some(""))] {
        let mut app = connect(&fixture.database.app_url()).await;
        for role in roles() {
            for (index, def) in TABLES.into_iter().enumerate() {
                for (attempt, aim) in CASES {
                    let sql = fixture.sql(index, attempt, aim);
                    let wanted = promised(def, role, context, attempt, aim, fixture.rows[index].2);
                    let seen = observe(&mut app, role, setting, &sql).await;
                    if seen != wanted {
                        let role = role.map_or("the login", |role| role.name);
                        wrong.push(format!("{role}, context {context:?}: {sql}: {seen:?} instead of {wanted:?}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_malformed_context_is_an_error_and_shows_no_rows() {
    let database = Database::create().await;
    let mut app = connect(&database.app_url()).await;
    let admin = Organizations::DEF.roles.last();
    for def in TABLES.into_iter().filter(|def| def.select.is_some()) {
        for setting in ["acme", "00000000", "'' OR true --", "%", "null", " "] {
            let seen = observe(&mut app, admin, Some(setting), &format!("SELECT * FROM {}", def.name)).await;
            let refused = matches!(&seen, Outcome::Other(text) if text.starts_with("22P02"));
            assert!(refused, "{} with the context {setting:?}: {seen:?}", def.name);
        }
    }
}

#[tokio::test]
async fn statements_without_where_leave_the_other_tenants_rows_as_they_are() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let all = |tenant: Uuid| {
        let tables = TABLES.into_iter().filter(|def| def.scope != ScopeDef::Global);
        let rows =
            tables.map(|def| format!("SELECT t::text FROM {} t WHERE {} = '{tenant}'", def.name, tenant_column(def)));
        format!(
            "SELECT coalesce(string_agg(t, ',' ORDER BY t), '') FROM ({}) rows (t)",
            rows.collect::<Vec<_>>().join(" UNION ALL ")
        )
    };
    let before = ask(&mut admin, &all(database.globex.id)).await;
    let mut app = connect(&database.app_url()).await;
    let sql = format!(
        "BEGIN; SET LOCAL ROLE app_admin; SET LOCAL app.organization_id = '{}';
         UPDATE app.organizations SET name = 'x'; UPDATE app.tasks SET title = 'x'; UPDATE app.employees SET salary = 0;
         DELETE FROM app.tasks; DELETE FROM app.documents; DELETE FROM app.employees; DELETE FROM app.projects;
         DELETE FROM app.org_members; COMMIT",
        database.acme.id
    );
    run(&mut app, &sql).await.expect("an admin may");
    let left = ask(&mut admin, &all(database.acme.id)).await;
    assert_eq!((left.matches('(').count(), ask(&mut admin, &all(database.globex.id)).await), (1, before));
}

/// Begins as an admin of acme.
async fn as_admin_of_acme(database: &Database) -> PgConnection {
    let mut app = connect(&database.app_url()).await;
    let begin = format!("SET ROLE app_admin; SET app.organization_id = '{}'", database.acme.id);
    run(&mut app, &begin).await.expect("the login may become an admin");
    app
}

#[tokio::test]
async fn a_parent_of_another_tenant_is_refused_like_one_that_does_not_exist() {
    let database = Database::create().await;
    let mut app = as_admin_of_acme(&database).await;
    let mut told = Vec::new();
    for parent in [database.globex.project, Uuid::new_v4()] {
        let task = format!(
            "INSERT INTO app.tasks (organization_id, project_id, title) VALUES ('{}', '{parent}', 'x')",
            database.acme.id
        );
        let move_there = format!("UPDATE app.tasks SET project_id = '{parent}'");
        for sql in [task, move_there] {
            let error = run(&mut app, &sql).await.expect_err("the parent is not acme's").into_database_error();
            let error = error.expect("the server answers");
            let error: &sqlx::postgres::PgDatabaseError = error.downcast_ref();
            let told_of = format!("{} {} {:?}", error.code(), error.message(), error.detail());
            told.push(told_of.replace(&parent.to_string(), "parent"));
        }
    }
    assert!(told[0].starts_with("23503") && told[0] == told[2] && told[1] == told[3], "{told:#?}");
}

#[tokio::test]
async fn a_task_is_assigned_to_members_of_its_own_organization_only() {
    let database = Database::create().await;
    let mut app = as_admin_of_acme(&database).await;
    let mut answers = Vec::new();
    for user in [database.acme.viewer, database.globex.member, Uuid::new_v4()] {
        let answer = run(&mut app, &format!("UPDATE app.tasks SET assigned_to = '{user}'")).await;
        answers.push(answer.map_err(|error| refusal(error).0));
    }
    assert_eq!(answers, [Ok(1), Err("23503".to_owned()), Err("23503".to_owned())]);
}

#[tokio::test]
async fn deleting_a_project_deletes_its_tasks_and_no_others() {
    let database = Database::create().await;
    let mut app = as_admin_of_acme(&database).await;
    let sql =
        format!("DELETE FROM app.projects WHERE id IN ('{}', '{}')", database.acme.project, database.globex.project);
    let deleted = run(&mut app, &sql).await.expect("an admin may");
    let left = ask(&mut database.admin().await, "SELECT string_agg(id::text, ',') FROM app.tasks").await;
    assert_eq!((deleted, left), (1, database.globex.task.to_string()));
}

#[tokio::test]
async fn deleting_a_member_frees_the_tasks_and_leaves_them_in_the_organization() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    run(&mut admin, &format!("DELETE FROM app.documents WHERE organization_id = '{}'", database.acme.id))
        .await
        .expect("a member who wrote documents stays");
    let mut app = as_admin_of_acme(&database).await;
    let sql = format!("DELETE FROM app.org_members WHERE user_id = '{}'", database.acme.member);
    run(&mut app, &sql).await.expect("an admin may");
    let task = format!(
        "SELECT organization_id || ' ' || coalesce(assigned_to::text, 'nobody') FROM app.tasks WHERE id = '{}'",
        database.acme.task
    );
    assert_eq!(ask(&mut admin, &task).await, format!("{} nobody", database.acme.id));
}

#[tokio::test]
async fn a_policy_that_somebody_adds_by_hand_opens_no_other_tenants_rows() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let all = TABLES.into_iter().filter(|def| def.scope != ScopeDef::Global);
    for def in all.clone() {
        let policy = format!("CREATE POLICY by_hand ON {} TO PUBLIC USING (true) WITH CHECK (true)", def.name);
        run(&mut admin, &policy).await.expect("a superuser may");
    }
    let acme = database.acme.id.to_string();
    let mut app = connect(&database.app_url()).await;
    let role = Organizations::DEF.roles.last();
    let mut wrong = Vec::new();
    for def in all {
        let others = format!("SELECT FROM {} WHERE {} <> '{acme}'", def.name, tenant_column(def));
        let smuggled = insert(def, &database.globex, database.acme.admin);
        let wanted = if def.insert.is_some() { Outcome::RowSecurity } else { Outcome::NoPrivilege };
        for (sql, wanted) in [(others, Outcome::Rows(0)), (smuggled, wanted)] {
            let seen = observe(&mut app, role, Some(&acme), &sql).await;
            if seen != wanted {
                wrong.push(format!("{sql}: {seen:?} instead of {wanted:?}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn the_owner_of_the_tables_sees_no_rows_either() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    run(&mut admin, "SET ROLE app_owner").await.expect("a superuser may");
    let mut seen = Vec::new();
    for def in TABLES {
        seen.push(run(&mut admin, &format!("SELECT FROM {}", def.name)).await.expect("an owner may ask"));
    }
    assert_eq!(seen, [0; TABLES.len()]);
}
