//! Connection pools: size and timeout per role, pool status, tracing spans and counters of denied statements.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::TryStreamExt as _;
use tenant_examples::{NewProject, Project};
use tenant_runtime::{
    Error, PoolStatus, Repository as _, RoleOptions, SystemDb, TenantCtx, TenantDb,
    error::DENIED,
    roles::{Admin, Member, Organizations},
};
use tenant_tests::{Database, connect, dedicated_server, migrate, run};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use uuid::Uuid;

#[tokio::test]
async fn statement_timeout_can_be_set_per_role() {
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
async fn max_connections_can_be_set_per_role_and_pool_status_is_reported() {
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

#[tokio::test]
async fn pools_fit_into_the_connection_limit_and_a_timeout_names_it() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    migrate(&server.admin_url()).await;
    let mut admin = connect(&server.admin_url()).await;
    let url = server.url("app_service", "postgres");
    let acme = TenantCtx::<Member>::assume_authorized(Uuid::new_v4(), Uuid::new_v4());
    let size = |db: &TenantDb| db.pools().iter().map(|pool| pool.max).max();

    let db = TenantDb::connect(&url).await.expect("connects");
    drop(db.begin(&acme).await.expect("begins"));
    assert!(size(&db).is_some_and(|size| (1..=10).contains(&size)), "{:?}", db.pools());
    assert!(!db.warnings().iter().any(|warning| warning.contains("CONNECTION LIMIT")), "{:?}", db.warnings());
    db.close().await;

    run(&mut admin, "ALTER ROLE app_service CONNECTION LIMIT 2").await.expect("altered");
    let db = TenantDb::connect(&url).await.expect("connects");
    drop(db.begin(&acme).await.expect("begins"));
    assert_eq!(size(&db), Some(1));
    assert!(db.warnings().iter().any(|warning| warning.contains("its CONNECTION LIMIT is 2")), "{:?}", db.warnings());
    let wait = Duration::from_millis(400);
    let waiting = TenantDb::options().max_connections(1).acquire_timeout(wait).connect(&url).await.expect("connects");
    let held = waiting.begin(&acme).await.expect("begins");
    let full = waiting.begin(&acme).await.map(drop).expect_err("the pool is full");
    assert_eq!(
        full.to_string(),
        "timed out after 400ms waiting for a connection for role `app_member`: all connections of the role (1) are in use; check for \
         long-running transactions, or increase `max_connections`, within the 2 connections of login `app_service` (CONNECTION \
         LIMIT), which all roles and all instances of the app share"
    );
    drop(held);
    waiting.close().await;
    db.close().await;

    let db = TenantDb::options().max_connections(3).acquire_timeout(wait).connect(&url).await.expect("connects");
    let _two = (db.begin(&acme).await.expect("begins"), db.begin(&acme).await.expect("begins"));
    let refused = db.begin(&acme).await.map(drop).expect_err("the login has no connection left");
    assert!(
        matches!(&refused, Error::PoolTimeout { open: 2, max: 3, connection_limit: Some(2), login, .. } if login == "app_service"),
        "{refused:?}"
    );
    let text = refused.to_string();
    assert!(text.contains("accepted only 2 of 3 connections") && text.contains("reduce `max_connections`"), "{text}");
}

/// Records the fields of spans, one line a span.
#[derive(Clone, Default)]
struct RecordedSpans(Arc<Mutex<Vec<String>>>);

struct SpanLine<'a>(&'a mut String);

impl Visit for SpanLine<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }
}

impl Subscriber for RecordedSpans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ["tenant_tx", "system_tx"].contains(&metadata.name()) || metadata.target() == DENIED
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.0.lock().expect("no panic");
        let mut line = span.metadata().name().to_owned();
        span.record(&mut SpanLine(&mut line));
        spans.push(line);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut spans = self.0.lock().expect("no panic");
        values.record(&mut SpanLine(&mut spans[span.into_u64() as usize - 1]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = event.metadata().target().to_owned();
        event.record(&mut SpanLine(&mut line));
        self.0.lock().expect("no panic").push(line);
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn tx_span_names_the_role_and_the_tenant_only_with_trace_tenants() {
    let database = Database::create().await;
    let acme = database.acme;
    let spans = RecordedSpans::default();
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
        "tenant_tx role=app_viewer outcome=committed".to_owned(),
    ];
    assert_eq!(spans, expected);
}

#[tokio::test]
async fn job_span_names_the_access_record() {
    let database = Database::create().await;
    let jobs = SystemDb::<Organizations>::connect(&database.url_of("app_jobs")).await.expect("connects");
    let spans = RecordedSpans::default();
    let guard = tracing::subscriber::set_default(spans.clone());
    let system = jobs.begin_access("a span for the trace").await.expect("recorded");
    system.begin().await.expect("begins").commit().await.expect("commits");
    system.begin_for(&database.acme.id).await.expect("begins").commit().await.expect("commits");
    drop(guard);
    let expected = [
        format!("system_tx role=app_system record={} outcome=committed", system.record()),
        "tenant_tx role=app_system outcome=committed".to_owned(),
    ];
    assert_eq!(*spans.0.lock().expect("no panic"), expected);
}

#[tokio::test]
async fn denied_statement_emits_a_tracing_event() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let spans = RecordedSpans::default();
    let guard = tracing::subscriber::set_default(spans.clone());
    let forged = db.scope(&TenantCtx::<Member>::assume_authorized(acme.id, acme.viewer));
    let denied = Project::insert(&forged, NewProject { name: "x".into(), description: None, created_at: None }).await;
    drop(guard);
    assert!(matches!(denied, Err(Error::Forbidden { .. })), "{denied:?}");
    let told = spans.0.lock().expect("no panic").iter().find(|line| line.starts_with(DENIED)).cloned();
    let expected = "tenant_runtime::denied message=permission denied by the database role=app_member reason=new row \
                    violates row-level security policy \"tenant_isolation\" for table \"projects\"";
    assert_eq!(told.as_deref(), Some(expected));
}

#[tokio::test]
async fn denied_statements_are_counted_per_role() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let jobs = SystemDb::<Organizations>::connect(&database.url_of("app_jobs")).await.expect("connects");
    let spans = RecordedSpans::default();
    let guard = tracing::subscriber::set_default(spans.clone());
    let mut tx = db.begin(&acme.as_viewer()).await.expect("begins");
    for sql in ["DELETE FROM projects", "SELECT salary FROM employees", "SET ROLE app_admin", "SELECT 1/0", "SELECT 1"]
    {
        let mut savepoint = tx.savepoint().await.expect("begins");
        let _ = sqlx::query(sql).execute(&mut savepoint).await;
    }
    let streamed = sqlx::query("DELETE FROM tasks").fetch(&mut tx).try_next().await;
    drop(tx);
    Project::count(&db.scope(&acme.as_member())).await.expect("a member reads");
    let mut system = jobs.begin_access("a test of jobs").await.expect("a reason").begin().await.expect("begins");
    let _ = sqlx::query("DELETE FROM projects").execute(&mut system).await;
    drop(guard);
    let denied = |pools: Vec<PoolStatus>| pools.into_iter().map(|pool| (pool.role, pool.denied)).collect::<Vec<_>>();
    let told = spans.0.lock().expect("no panic").iter().filter(|line| line.starts_with(DENIED)).count();
    assert!(streamed.is_err());
    assert_eq!(
        (denied(db.pools()), denied(jobs.pools())),
        (vec![("app_member", 0), ("app_viewer", 4)], vec![("app_system", 1)])
    );
    assert_eq!(told, 5, "each is reported once");
}
