//! Tenant isolation by raw SQL: every role, command and table, on rows of the same and of the other tenant.
//!
//! The expected result is computed from the declarations and the existing rows, so that it cannot drift from them.

use sqlx::PgConnection;
use tenant_runtime::{
    Tenancy as _,
    model::def::{ColumnDef, RoleDef, ScopeDef, TableDef},
    roles::Organizations,
};
use tenant_tests::{Database, TABLES, Tenant, ask, connect, refusal, run};

use super::sample_sql::{insert, is_plain, tenant_column, tenant_condition, tenant_condition_of_values};

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Rows(u64),
    NoPrivilege,
    RowSecurity,
    /// The row's parent does not exist in the tenant.
    MissingParent,
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// Reads all columns.
    ReadAll,
    /// Reads the columns on which the role has SELECT.
    Read,
    Lock,
    /// Inserts a row that is owned by the user, where rows have an owner.
    Insert,
    /// Inserts a row in the name of another member.
    InsertAs,
    Update,
    Delete,
    /// Moves a row to the other tenant.
    Move,
    Truncate,
}

/// The rows that an attempt names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TargetRows {
    All,
    Acme,
    Globex,
}

/// The context of an attempt: a member of acme with the role, or a deviation from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    Acme,
    /// The settings were never set in the session.
    Unset,
    /// The settings are empty, as after a transaction that set them.
    Empty,
    /// The tenant is acme, and no user is set.
    NoUser,
    /// A user who has the role, but in globex.
    Stranger,
    /// A viewer of acme, whatever the role.
    Viewer,
}

const CONTEXTS: [Context; 6] =
    [Context::Unset, Context::Acme, Context::Empty, Context::NoUser, Context::Stranger, Context::Viewer];

const CASES: [(Attempt, TargetRows); 19] = [
    (Attempt::ReadAll, TargetRows::All),
    (Attempt::Read, TargetRows::All),
    (Attempt::Read, TargetRows::Acme),
    (Attempt::Read, TargetRows::Globex),
    (Attempt::Lock, TargetRows::All),
    (Attempt::Lock, TargetRows::Globex),
    (Attempt::Insert, TargetRows::Acme),
    (Attempt::Insert, TargetRows::Globex),
    (Attempt::InsertAs, TargetRows::Acme),
    (Attempt::InsertAs, TargetRows::Globex),
    (Attempt::Update, TargetRows::All),
    (Attempt::Update, TargetRows::Acme),
    (Attempt::Update, TargetRows::Globex),
    (Attempt::Delete, TargetRows::All),
    (Attempt::Delete, TargetRows::Acme),
    (Attempt::Delete, TargetRows::Globex),
    (Attempt::Move, TargetRows::Acme),
    (Attempt::Move, TargetRows::Globex),
    (Attempt::Truncate, TargetRows::All),
];

/// The subject of an attempt: a role or, without one, the login before SET ROLE or a user without a tenant.
#[derive(Debug, Clone, Copy)]
enum Actor {
    Login,
    UserCtx,
    Application(&'static RoleDef),
}

fn actors() -> impl Iterator<Item = Actor> {
    [Actor::Login, Actor::UserCtx].into_iter().chain(Organizations::DEF.roles.iter().map(Actor::Application))
}

impl Actor {
    fn set_role(self) -> String {
        let role = match self {
            Self::Login => return String::new(),
            Self::UserCtx => "no_tenant",
            Self::Application(role) => role.name,
        };
        format!("SET LOCAL ROLE {}{role};", Organizations::DEF.role_prefix)
    }

    /// Returns whether the actor has the privileges of the role that an attribute names.
    fn may(self, needed: Option<&str>) -> bool {
        let (Self::Application(role), Some(needed)) = (self, needed) else { return false };
        let below = |name: &&str| Organizations::DEF.roles.iter().find(|role| role.name == *name);
        role.name == needed
            || role.includes.iter().filter_map(below).any(|lower| Self::Application(lower).may(Some(needed)))
    }

    /// The tenant and the user of a context; in acme's context the user has the actor's role.
    fn claims(self, context: Context, acme: &Tenant, globex: &Tenant) -> Option<(String, String)> {
        let role = if let Self::Application(role) = self { role.name } else { "admin" };
        let user = match context {
            Context::Unset => return None,
            Context::Empty => return Some((String::new(), String::new())),
            Context::NoUser => String::new(),
            Context::Acme => acme.user(role).to_string(),
            Context::Stranger => globex.user(role).to_string(),
            Context::Viewer => acme.viewer.to_string(),
        };
        Some((acme.id.to_string(), user))
    }
}

/// The properties of a row that decide access to it.
#[derive(Debug)]
struct Row {
    of_acme: bool,
    owner: String,
    /// Whether every member of the tenant can see it.
    team: bool,
}

/// A database with rows of several owners and visibilities.
struct Fixture {
    database: Database,
    rows: Vec<Vec<Row>>,
}

impl Fixture {
    async fn create() -> Self {
        let database = Database::create().await;
        let mut admin = database.admin().await;
        for tenant in [database.acme, database.globex] {
            for (owner, label) in [(tenant.member, "private"), (tenant.admin, "team"), (tenant.admin, "private")] {
                let sql = format!(
                    "INSERT INTO app.documents (organization_id, title, created_by, visibility)
                         VALUES ('{}', 'x', '{owner}', '{label}');
                     INSERT INTO app.comments (organization_id, task_id, written_by, body)
                         VALUES ('{}', '{}', '{owner}', 'x')",
                    tenant.id, tenant.id, tenant.task
                );
                run(&mut admin, &sql).await.expect("a superuser can");
            }
        }
        let mut rows = Vec::new();
        for def in TABLES {
            let owner = def.owner.map_or("''".to_owned(), |owner| format!("{owner}::text"));
            let team = def.visibility.map_or("true".to_owned(), |column| format!("{column} = 'team'"));
            let sql = format!("SELECT {}, {owner}, {team} FROM {}", tenant_condition(def, &database.acme), def.name);
            let found: Vec<(bool, String, bool)> =
                sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&mut admin).await.expect("a superuser can");
            let found = found.into_iter().map(|(of_acme, owner, team)| Row { of_acme, owner, team });
            rows.push(found.collect::<Vec<_>>());
        }
        assert!(rows.iter().all(|rows| rows.iter().any(|row| row.of_acme) && rows.iter().any(|row| !row.of_acme)));
        Self { database, rows }
    }

    /// The result that the declaration requires.
    fn expected_outcome(
        &self,
        index: usize,
        actor: Actor,
        context: Context,
        attempt: Attempt,
        aim: TargetRows,
    ) -> Outcome {
        let def = TABLES[index];
        let may = |needed| actor.may(needed);
        let may_either = |any, own| may(any) || may(own);
        let columns =
            |of: fn(&ColumnDef) -> Option<&'static str>| def.columns.iter().all(|c| of(c).is_none() || may(of(c)));
        // Members are changed by functions alone.
        let writable = def.membership.is_none();
        // Invitations are created by a function.
        let makes = writable && def.invitation.is_none();
        let allowed = match attempt {
            Attempt::ReadAll => may(def.select) && columns(|column| column.select),
            Attempt::Read => may(def.select),
            Attempt::Lock => writable && may(def.select) && may_either(def.update, def.update_own),
            Attempt::Insert | Attempt::InsertAs => makes && may(def.insert) && columns(|column| column.insert),
            Attempt::Update => writable && may_either(def.update, def.update_own),
            Attempt::Delete => writable && may_either(def.delete, def.delete_own),
            Attempt::Move | Attempt::Truncate => false,
        };
        if !allowed {
            return Outcome::NoPrivilege;
        }
        let acme = &self.database.acme;
        let acts = match (context, actor) {
            (Context::Acme, _) => true,
            (Context::Viewer, Actor::Application(role)) => role.name == "viewer",
            _ => false,
        };
        if matches!(attempt, Attempt::Insert | Attempt::InsertAs) {
            let others = attempt == Attempt::InsertAs && def.owner.is_some();
            // The database fills the tenant column from the context, and the parent is of another tenant.
            if acts && !others && matches!(def.scope, ScopeDef::Parent { .. }) && aim != TargetRows::Acme {
                return Outcome::MissingParent;
            }
            return if acts && aim == TargetRows::Acme && !others { Outcome::Rows(1) } else { Outcome::RowSecurity };
        }
        let Actor::Application(role) = actor else { return Outcome::Rows(0) };
        let user = acme.user(role.name).to_string();
        let any = match attempt {
            Attempt::Lock | Attempt::Update => may(def.update),
            Attempt::Delete => may(def.delete),
            _ => true,
        };
        let reached = self.rows[index].iter().filter(|row| {
            let own = def.owner.is_some() && row.owner == user;
            acts && row.of_acme && aim != TargetRows::Globex && (row.team || own) && (any || own)
        });
        Outcome::Rows(reached.count() as u64)
    }

    fn sql(&self, index: usize, actor: Actor, attempt: Attempt, aim: TargetRows) -> String {
        let (acme, globex) = (&self.database.acme, &self.database.globex);
        let def = TABLES[index];
        let table = def.name;
        let (whose, of_whom) = match aim {
            TargetRows::All => (String::new(), acme),
            TargetRows::Acme => (format!(" WHERE {}", tenant_condition_of_values(def, acme)), acme),
            TargetRows::Globex => (format!(" WHERE {}", tenant_condition_of_values(def, globex)), globex),
        };
        let user = if let Actor::Application(role) = actor { acme.user(role.name) } else { acme.admin };
        let other = if user == acme.member { acme.admin } else { acme.member };
        let plain = def.columns.iter().find(|column| is_plain(def, column)).expect("a column").name;
        match attempt {
            Attempt::ReadAll => format!("SELECT * FROM {table}{whose}"),
            Attempt::Read => {
                let readable = |column: &&ColumnDef| column.select.is_none() || actor.may(column.select);
                let columns = def.columns.iter().filter(readable).map(|column| column.name).collect::<Vec<_>>();
                format!("SELECT {} FROM {table}{whose}", columns.join(", "))
            }
            Attempt::Lock => format!("SELECT FROM {table}{whose} FOR UPDATE"),
            Attempt::Insert => insert(def, of_whom, user),
            Attempt::InsertAs => insert(def, of_whom, other),
            Attempt::Update => format!("UPDATE {table} SET {plain} = {plain}{whose}"),
            Attempt::Delete => format!("DELETE FROM {table}{whose}"),
            Attempt::Move => format!("UPDATE {table} SET {} = '{}'{whose}", tenant_column(def), globex.id),
            Attempt::Truncate => format!("TRUNCATE {table}"),
        }
    }
}

/// Runs a statement as an actor with a tenant and a user, and rolls it back.
async fn observe(app: &mut PgConnection, actor: Actor, claims: Option<(&str, &str)>, sql: &str) -> Outcome {
    let settings = claims.map(|(org, user)| {
        let def = Organizations::DEF;
        format!("SET LOCAL {} = '{org}'; SET LOCAL {} = '{user}'", def.tenant_setting, def.user_setting)
    });
    let begin = format!("BEGIN; {} {}", actor.set_role(), settings.unwrap_or_default());
    run(app, &begin).await.expect("the login can become each role");
    let result = run(app, sql).await;
    run(app, "ROLLBACK").await.expect("it can be undone");
    match result.map_err(refusal) {
        Ok(rows) => Outcome::Rows(rows),
        Err((code, message)) if code == "42501" && message.starts_with("permission denied") => Outcome::NoPrivilege,
        Err((code, message)) if code == "42501" && message.contains("row-level security policy") => {
            Outcome::RowSecurity
        }
        Err((code, _)) if code == "23503" => Outcome::MissingParent,
        Err((code, message)) => Outcome::Other(format!("{code} {message}")),
    }
}

#[tokio::test]
async fn each_role_reaches_exactly_the_declared_rows_and_commands() {
    let fixture = Fixture::create().await;
    let (acme, globex) = (&fixture.database.acme, &fixture.database.globex);
    let mut wrong = Vec::new();
    for context in CONTEXTS {
        let mut app = connect(&fixture.database.app_url()).await;
        for actor in actors() {
            let claims = actor.claims(context, acme, globex);
            let claims = claims.as_ref().map(|(org, user)| (org.as_str(), user.as_str()));
            for (index, (attempt, aim)) in (0..TABLES.len()).flat_map(|index| CASES.map(|case| (index, case))) {
                let sql = fixture.sql(index, actor, attempt, aim);
                let wanted = fixture.expected_outcome(index, actor, context, attempt, aim);
                let seen = observe(&mut app, actor, claims, &sql).await;
                if seen != wanted {
                    wrong.push(format!("{actor:?}, context {context:?}: {sql}: {seen:?} instead of {wanted:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn each_role_reads_exactly_the_declared_columns() {
    let database = Database::create().await;
    let mut app = connect(&database.app_url()).await;
    let acme = database.acme;
    let mut wrong = Vec::new();
    for actor in actors() {
        let (org, user) = actor.claims(Context::Acme, &acme, &database.globex).expect("of acme");
        for (def, column) in TABLES.into_iter().flat_map(|def| def.columns.iter().map(move |column| (def, column))) {
            let sql = format!("SELECT {} FROM {}", column.name, def.name);
            let seen = observe(&mut app, actor, Some((&org, &user)), &sql).await;
            let wanted = actor.may(def.select) && (column.select.is_none() || actor.may(column.select));
            if matches!(seen, Outcome::Rows(1..)) != wanted || (seen == Outcome::NoPrivilege) == wanted {
                wrong.push(format!("{actor:?}: {sql}: {seen:?}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn malformed_tenant_setting_is_an_error() {
    let database = Database::create().await;
    let mut app = connect(&database.app_url()).await;
    let admin = actors().last().expect("a role");
    let (org, user) = (database.acme.id.to_string(), database.acme.admin.to_string());
    for def in TABLES.into_iter().filter(|def| def.select.is_some()) {
        for text in ["acme", "00000000", "'' OR true --", "%", "null", " "] {
            for claims in [(text, user.as_str()), (org.as_str(), text)] {
                let seen = observe(&mut app, admin, Some(claims), &format!("SELECT FROM {}", def.name)).await;
                let refused = matches!(&seen, Outcome::Other(text) if text.starts_with("22P02"));
                assert!(refused, "{} with the context {claims:?}: {seen:?}", def.name);
            }
        }
    }
}

#[tokio::test]
async fn update_and_delete_without_where_affect_one_tenant_only() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let all = |tenant: &Tenant, tables: &[&TableDef]| {
        let rows = tables
            .iter()
            .map(|def| format!("SELECT t::text FROM {} t WHERE {}", def.name, tenant_condition(def, tenant)));
        format!(
            "SELECT coalesce(string_agg(t, ',' ORDER BY t), '') FROM ({}) rows (t)",
            rows.collect::<Vec<_>>().join(" UNION ALL ")
        )
    };
    let before = ask(&mut admin, &all(&database.globex, &TABLES)).await;
    let mut app = database.raw("app_admin", database.acme.id, database.acme.admin).await;
    let sql = "BEGIN; UPDATE app.organizations SET name = 'x'; UPDATE app.tasks SET title = 'x';
               UPDATE app.employees SET salary = 0; DELETE FROM app.comments; DELETE FROM app.tasks;
               DELETE FROM app.documents; DELETE FROM app.employees; DELETE FROM app.projects;
               DELETE FROM app.invitations; COMMIT";
    run(&mut app, sql).await.expect("an admin can");
    let deletable: Vec<_> = TABLES.into_iter().filter(|def| def.delete.is_some() && def.membership.is_none()).collect();
    let left = ask(&mut admin, &all(&database.acme, &deletable)).await;
    assert_eq!(
        (deletable.len(), left, ask(&mut admin, &all(&database.globex, &TABLES)).await),
        (6, String::new(), before)
    );
}

#[tokio::test]
async fn extra_permissive_policy_does_not_open_other_tenants() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let all = TABLES.into_iter().filter(|def| def.scope != ScopeDef::Global);
    for def in all.clone() {
        let policy = format!("CREATE POLICY by_hand ON {} TO PUBLIC USING (true) WITH CHECK (true)", def.name);
        run(&mut admin, &policy).await.expect("a superuser can");
    }
    let (org, user) = (database.acme.id.to_string(), database.acme.admin.to_string());
    let mut app = connect(&database.app_url()).await;
    let role = actors().last().expect("a role");
    let mut wrong = Vec::new();
    for def in all {
        let others =
            format!("SELECT FROM {} WHERE NOT ({})", def.name, tenant_condition_of_values(def, &database.acme));
        let smuggled = insert(def, &database.globex, database.acme.admin);
        let by_statement = def.membership.is_none() && def.invitation.is_none();
        let may_insert = def.insert.is_some() && by_statement;
        let refused = match def.scope {
            _ if !may_insert => Outcome::NoPrivilege,
            ScopeDef::Parent { .. } => Outcome::MissingParent,
            _ => Outcome::RowSecurity,
        };
        for (sql, wanted) in [(others, Outcome::Rows(0)), (smuggled, refused)] {
            let seen = observe(&mut app, role, Some((&org, &user)), &sql).await;
            if seen != wanted {
                wrong.push(format!("{sql}: {seen:?} instead of {wanted:?}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn direct_partition_access_returns_no_rows() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let (org, user) = (database.acme.id.to_string(), database.acme.admin.to_string());
    let mut app = connect(&database.app_url()).await;
    let role = actors().last().expect("a role");
    let mut seen: Vec<Outcome> = Vec::new();
    for number in 0..4 {
        let sql = format!("SELECT FROM app.events_p{number}");
        seen.push(observe(&mut app, role, Some((&org, &user)), &sql).await);
        run(&mut admin, &format!("GRANT SELECT ON app.events_p{number} TO app_admin")).await.expect("a mistaken grant");
        seen.push(observe(&mut app, role, Some((&org, &user)), &sql).await);
    }
    assert_eq!(seen, vec![[Outcome::NoPrivilege, Outcome::Rows(0)]; 4].concat());
}

#[tokio::test]
async fn schema_owner_sees_no_rows_under_force_rls() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    run(&mut admin, "SET ROLE app_schema_owner").await.expect("a superuser can");
    let mut seen = Vec::new();
    for def in TABLES {
        seen.push(run(&mut admin, &format!("SELECT FROM {}", def.name)).await.expect("an owner can ask"));
    }
    assert_eq!(seen, [0; TABLES.len()]);
}
