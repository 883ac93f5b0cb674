//! Pools: a size, a timeout and a login for each role, and what they tell an operator.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use tenant_examples::{NewProject, OrgMember, Project};
use tenant_runtime::{
    Error, Repository as _, RoleOptions, TenantCtx, TenantDb, Visitor,
    error::DENIED,
    roles::{Admin, Member, Organizations, Viewer},
};
use tenant_tests::{Database, ask, run};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Makes a login that may become the roles, by the statements that `RoleOptions::url` names.
async fn login(database: &Database, name: &str, roles: &[&str]) -> String {
    let mut admin = database.admin().await;
    let of = ask(&mut admin, "SELECT current_database()::text").await;
    run(&mut admin, &format!("CREATE ROLE {name} LOGIN NOINHERIT")).await.expect("a login");
    run(&mut admin, &format!("GRANT CONNECT ON DATABASE {of} TO {name}")).await.expect("granted");
    let version: u32 = ask(&mut admin, "SELECT current_setting('server_version_num')").await.parse().expect("a number");
    let options = if version >= 160_000 { " WITH INHERIT FALSE, SET TRUE" } else { "" };
    for role in roles {
        run(&mut admin, &format!("GRANT {role} TO {name}{options}")).await.expect("granted");
    }
    database.url_of(name)
}

async fn gone(database: &Database, name: &str) {
    let mut admin = database.admin().await;
    run(&mut admin, &format!("DROP OWNED BY {name}; DROP ROLE {name}")).await.expect("gone");
}

#[tokio::test]
async fn a_role_can_have_a_login_of_its_own_which_injected_sql_cannot_leave() {
    let database = Database::create().await;
    let acme = database.acme;
    let url = login(&database, "login_of_viewers", &["app_viewer"]).await;
    let options = TenantDb::options().role::<Viewer>(RoleOptions::default().url(&url));
    let db = options.connect(&database.app_url()).await.expect("both logins are safe");
    let who = "SELECT concat_ws(' ', session_user, current_user)";
    let mut tx = db.begin(&acme.as_viewer()).await.expect("begins");
    let viewer: String = sqlx::query_scalar(who).fetch_one(&mut tx).await.expect("reads");
    // What the lexer does not see, the server refuses: the login cannot become more.
    let climb = "CREATE FUNCTION app.climb() RETURNS void LANGUAGE plpgsql
                 AS $$ BEGIN EXECUTE 'SET LOCAL ROLE app_admin'; END $$;
                 GRANT EXECUTE ON FUNCTION app.climb() TO app_viewer";
    run(&mut database.admin().await, climb).await.expect("a superuser may");
    let climbed = sqlx::query("SELECT app.climb()").execute(&mut tx).await.map_err(Error::from);
    drop(tx);
    let mut tx = database.app().await.begin(&acme.as_viewer()).await.expect("begins");
    sqlx::query("SELECT app.climb()").execute(&mut tx).await.expect("the login for all roles can");
    drop(tx);
    let mut tx = db.begin(&acme.as_member()).await.expect("begins");
    let member: String = sqlx::query_scalar(who).fetch_one(&mut tx).await.expect("reads");
    drop(tx);
    db.close().await;
    gone(&database, "login_of_viewers").await;
    assert_eq!((viewer.as_str(), member.as_str()), ("login_of_viewers app_viewer", "app_service app_member"));
    assert!(matches!(climbed, Err(Error::Forbidden { .. })), "{climbed:?}");
}

#[tokio::test]
async fn a_login_for_one_role_that_can_become_more_is_refused() {
    let database = Database::create().await;
    let url = login(&database, "login_of_members", &["app_member", "app_admin"]).await;
    let of = |role: RoleOptions| TenantDb::options().role::<Member>(role);
    let too_much = of(RoleOptions::default().url(&url)).connect(&database.app_url()).await;
    let visitors = TenantDb::options().visitors::<Organizations>(RoleOptions::default().url(&url));
    let visitors = visitors.connect(&database.app_url()).await;
    let admins = TenantDb::options().role::<Admin>(RoleOptions::default().url(&url));
    let admins = admins.connect(&database.app_url()).await.map(drop);
    // The statement of the finding mends it.
    run(&mut database.admin().await, "REVOKE app_admin FROM login_of_members").await.expect("mended");
    let mended = of(RoleOptions::default().url(&url)).connect(&database.app_url()).await.map(drop);
    gone(&database, "login_of_members").await;
    let Err(Error::UnsafeLogin { login, findings }) = too_much else { panic!("it was let in") };
    assert_eq!((login.as_str(), findings.len()), ("login_of_members", 1));
    assert!(findings[0].contains("run `REVOKE app_admin FROM login_of_members`"), "{findings:?}");
    let Err(Error::UnsafeLogin { findings, .. }) = visitors else { panic!("it was let in") };
    assert!(findings.iter().any(|finding| finding.contains("`app_viewer`") || finding.contains("`app_member`")));
    assert!(mended.is_ok() && admins.is_ok(), "{mended:?} {admins:?}");
}

#[tokio::test]
async fn a_role_has_the_time_for_statements_that_it_was_given() {
    let database = Database::create().await;
    let acme = database.acme;
    let db = TenantDb::options()
        .statement_timeout(Duration::from_millis(50))
        .role::<Admin>(RoleOptions::default().statement_timeout(Duration::from_secs(20)))
        .connect(&database.app_url())
        .await
        .expect("connects");
    let sleep = "SELECT pg_sleep(0.2)";
    let mut tx = db.begin(&acme.as_member()).await.expect("begins");
    let member = sqlx::query(sleep).execute(&mut tx).await.map_err(Error::from);
    let mut tx = db.begin(&acme.as_admin()).await.expect("begins");
    let admin = sqlx::query(sleep).execute(&mut tx).await.map_err(Error::from);
    assert!(matches!(member, Err(Error::TimedOut { .. })), "{member:?}");
    admin.expect("an admin has more time");
}

#[tokio::test]
async fn a_role_has_the_connections_that_it_was_given_and_the_pools_say_how_they_stand() {
    let database = Database::create().await;
    let acme = database.acme;
    let db = TenantDb::options()
        .max_connections(2)
        .acquire_timeout(Duration::from_millis(300))
        .role::<Admin>(RoleOptions::default().max_connections(1))
        .connect(&database.app_url())
        .await
        .expect("connects");
    let _admin = db.begin(&acme.as_admin()).await.expect("begins");
    let second = db.begin(&acme.as_admin()).await.map(drop);
    let _members = (db.begin(&acme.as_member()).await.expect("begins"), db.begin(&acme.as_member()).await);
    let pools: Vec<_> = db.pools().into_iter().map(|pool| (pool.role, pool.open, pool.idle, pool.max)).collect();
    assert_eq!(pools, [("app_admin", 1, 0, 1), ("app_member", 2, 0, 2)]);
    assert!(matches!(second, Err(Error::PoolTimeout { role: "app_admin", .. })), "{second:?}");
    assert!(_members.1.is_ok());
}

/// Keeps what spans say, one line a span.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name() == "tenant_tx" || metadata.target() == DENIED
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.0.lock().expect("no panic");
        let mut line = span.metadata().name().to_owned();
        span.record(&mut Line(&mut line));
        spans.push(line);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut spans = self.0.lock().expect("no panic");
        values.record(&mut Line(&mut spans[span.into_u64() as usize - 1]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = event.metadata().target().to_owned();
        event.record(&mut Line(&mut line));
        self.0.lock().expect("no panic").push(line);
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_transactions_span_names_the_role_and_the_tenant_only_where_that_was_asked_for() {
    let database = Database::create().await;
    let acme = database.acme;
    let spans = Spans::default();
    let quiet = database.app().await;
    let told = TenantDb::options().trace_tenants(true).connect(&database.app_url()).await.expect("connects");
    let guard = tracing::subscriber::set_default(spans.clone());
    for db in [&quiet, &told] {
        db.begin(&acme.as_member()).await.expect("begins").commit().await.expect("commits");
    }
    Project::count(&quiet.scope(&acme.as_viewer())).await.expect("reads");
    drop(guard);
    let spans = spans.0.lock().expect("no panic").clone();
    let expected = [
        "tenant_tx role=app_member outcome=committed".to_owned(),
        format!("tenant_tx role=app_member tenant={} outcome=committed", acme.id),
        "tenant_tx role=app_viewer".to_owned(),
    ];
    assert_eq!(spans, expected);
}

#[tokio::test]
async fn an_attempt_that_the_database_denies_is_told_to_the_operator() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let spans = Spans::default();
    let guard = tracing::subscriber::set_default(spans.clone());
    let forged = db.scope(&TenantCtx::<Member>::vouched(acme.id, acme.viewer));
    let denied = Project::insert(&forged, NewProject { name: "x".into(), description: None, created_at: None }).await;
    drop(guard);
    assert!(matches!(denied, Err(Error::Forbidden { .. })), "{denied:?}");
    let told = spans.0.lock().expect("no panic").iter().find(|line| line.starts_with(DENIED)).cloned();
    let expected = "tenant_runtime::denied message=the database refused what a role may not do table=app.projects command=insert into";
    assert_eq!(told.as_deref(), Some(expected));
}

#[tokio::test]
async fn a_session_is_looked_up_by_the_visitors_login() {
    let database = Database::create().await;
    let acme = database.acme;
    let url = login(&database, "login_of_visitors", &["app_visitor"]).await;
    let options = TenantDb::options().visitors::<Organizations>(RoleOptions::default().url(&url));
    let db = options.connect(&database.app_url()).await.expect("safe");
    let role =
        db.visit(&Visitor::vouched(acme.admin)).session::<OrgMember>(acme.id).await.map(|session| session.role());
    db.close().await;
    gone(&database, "login_of_visitors").await;
    assert_eq!(role.expect("a member"), "admin");
}
