//! Prepared statements that SQL leaves under the names of cached ones: the next tenant on the connection never runs them.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, Postgres};
use tenant_examples::Project;
use tenant_runtime::{
    Isolation, Repository as _, Result, Role, SystemDb, TenantCtx, TenantDb, TenantDbOptions, TenantTx, TxOptions,
    roles::{Member, Organizations},
};
use tenant_tests::{Database, Tenant, ask, pgbouncer::PgBouncer, run};
use tokio::time::timeout;

use super::context::{cancel_after_polls, wait_until_idle};

/// Stores another text under the name of each cached statement that reads projects or tenants: it also changes projects or, as the
/// system role cannot, it hides all rows. The text of the statement that calls this shows none of it to the filter.
const POISON: &str = "
    CREATE FUNCTION public.poison() RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE cached record; poisoned bigint := 0; BEGIN
        FOR cached IN SELECT name, statement, pg_catalog.array_to_string(parameter_types, ',') AS types
            FROM pg_catalog.pg_prepared_statements
            WHERE NOT from_sql AND statement ~ '^SELECT .* FROM app.(projects|organizations)' AND statement NOT LIKE '%poison%'
        LOOP
            EXECUTE format('DEALLOCATE %I', cached.name);
            EXECUTE format(
                CASE current_user
                    WHEN 'app_system' THEN 'PREPARE %I %s AS %s WHERE false'
                    ELSE 'PREPARE %I %s AS WITH forged AS (UPDATE app.projects SET description = ''forged'') %s' END,
                cached.name, CASE WHEN cached.types = '' THEN '' ELSE '(' || cached.types || ')' END, cached.statement);
            poisoned := poisoned + 1;
        END LOOP;
        RETURN poisoned;
    END $$;
    CREATE FUNCTION public.forget(which text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE 'DEALLOCATE ' || CASE which WHEN 'all' THEN 'ALL' ELSE (
            SELECT name FROM pg_catalog.pg_prepared_statements WHERE NOT from_sql ORDER BY prepare_time LIMIT 1) END;
    END $$";

/// A database with the functions of the attacker.
async fn attacked() -> Database {
    let database = Database::create().await;
    run(&mut database.admin().await, POISON).await.expect("a superuser can");
    database
}

/// Connects with one connection per role, so that the next transaction runs on the connection of the last one.
async fn narrow(database: &Database) -> TenantDb {
    TenantDb::options().max_connections(1).connect(&database.app_url()).await.expect("connects")
}

/// Reads the projects as an app does, which leaves the statement cached on the connection.
async fn projects<R: Role<Tenancy = Organizations>>(tx: &mut TenantTx<R>) -> Vec<String> {
    sqlx::query_scalar("SELECT concat_ws(' ', id, description) FROM app.projects").fetch_all(tx).await.expect("reads")
}

/// Replaces at least one cached statement with a text of the attacker.
async fn poison<'c>(executor: impl Executor<'c, Database = Postgres>) {
    let poisoned: i64 = sqlx::query_scalar("SELECT public.poison()").fetch_one(executor).await.expect("it runs");
    assert!(poisoned > 0, "nothing was cached, so the attack shows nothing");
}

async fn backend<'c>(executor: impl Executor<'c, Database = Postgres>) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(executor).await.expect("reads")
}

/// Calls the repository and plain SQL for a tenant; returns whether each gave the tenant's row, and nothing else.
async fn reads_its_own(db: &TenantDb, tenant: &Tenant) -> bool {
    let mut tx = db.begin(&tenant.as_member()).await.expect("begins");
    let found = Project::find(&mut tx, tenant.project).await.expect("reads").expect("it is there");
    let plain = projects(&mut tx).await;
    tx.commit().await.expect("commits");
    found.id == tenant.project && found.description.is_none() && plain == [tenant.project.to_string()]
}

/// The end of the attacker's transaction.
#[derive(Debug, Clone, Copy)]
enum End {
    Commit,
    Rollback,
    Drop,
    Failed,
    GivenUp,
    CommitGivenUp,
    Savepoint,
    Panic,
    Retry,
}

const ENDS: [End; 9] = [
    End::Commit,
    End::Rollback,
    End::Drop,
    End::Failed,
    End::GivenUp,
    End::CommitGivenUp,
    End::Savepoint,
    End::Panic,
    End::Retry,
];

/// Poisons the statements cached by the attacker's transaction, and ends it.
async fn attack(db: &TenantDb, ctx: &TenantCtx<Member>, project: uuid::Uuid, end: End) {
    let mut tx = db.begin(ctx).await.expect("begins");
    Project::find(&mut tx, project).await.expect("reads");
    projects(&mut tx).await;
    match end {
        End::Commit => {
            poison(&mut tx).await;
            tx.commit().await.expect("commits");
        }
        End::Rollback => {
            poison(&mut tx).await;
            tx.rollback().await.expect("rolls back");
        }
        End::Drop => poison(&mut tx).await,
        End::Failed => {
            poison(&mut tx).await;
            let _failed = sqlx::query("SELECT 1 / 0").execute(&mut tx).await;
            drop(tx);
        }
        End::GivenUp => {
            let slow = sqlx::query("SELECT public.poison(), pg_sleep(0.2)").execute(&mut tx);
            assert!(timeout(Duration::from_millis(50), slow).await.is_err());
        }
        End::CommitGivenUp => {
            poison(&mut tx).await;
            drop(cancel_after_polls(0, tx.commit()).await);
        }
        End::Savepoint => {
            let mut savepoint = tx.savepoint().await.expect("begins");
            poison(&mut savepoint).await;
            savepoint.rollback().await.expect("rolls back");
            tx.commit().await.expect("commits");
        }
        End::Panic => {
            let panicked = tokio::spawn(async move {
                poison(&mut tx).await;
                panic!("in the middle of a transaction");
            });
            assert!(panicked.await.is_err());
        }
        End::Retry => {
            drop(tx);
            let work = |mut tx: TenantTx<Member>| async move {
                poison(&mut tx).await;
                tx.commit().await
            };
            db.retry::<_, (), tenant_runtime::Error, _>(ctx, TxOptions::default(), work).await.expect("commits");
        }
    }
}

#[tokio::test]
async fn the_next_tenant_runs_its_own_statements_however_the_attackers_transaction_ends() {
    let mut wrong = Vec::new();
    for end in ENDS {
        let database = attacked().await;
        let db = narrow(&database).await;
        attack(&db, &database.acme.as_member(), database.acme.project, end).await;
        let own = reads_its_own(&db, &database.globex).await && reads_its_own(&db, &database.globex).await;
        let forged = format!(
            "SELECT count(*)::text FROM app.projects WHERE description = 'forged' AND organization_id = '{}'",
            database.globex.id
        );
        let forged = ask(&mut database.admin().await, &forged).await;
        if !own || forged != "0" {
            wrong.push(format!("{end:?}: {forged} rows of the other tenant were changed"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn a_job_for_the_next_tenant_runs_its_own_statements() {
    let database = attacked().await;
    let options = TenantDbOptions::default().max_connections(1);
    let jobs = SystemDb::<Organizations>::connect_with(&database.url_of("app_jobs"), options).await.expect("connects");
    let system = jobs.begin_access("a test of jobs").await.expect("recorded");
    let names = "SELECT name FROM app.organizations";
    for (poisons, reads) in [(database.acme, database.globex), (database.globex, database.acme)] {
        let mut tx = system.begin_for(&poisons.id).await.expect("begins");
        sqlx::query(names).fetch_all(&mut tx).await.expect("reads");
        poison(&mut tx).await;
        // From here on, the same transaction runs the attacker's text.
        assert_eq!(sqlx::query(names).fetch_all(&mut tx).await.expect("reads").len(), 0);
        drop(tx);
        let mut tx = system.begin_for(&reads.id).await.expect("begins");
        assert_eq!(sqlx::query(names).fetch_all(&mut tx).await.expect("reads rows of its tenant").len(), 1);
        tx.commit().await.expect("commits");
    }
    let mut all = system.begin().await.expect("begins");
    sqlx::query(names).fetch_all(&mut all).await.expect("reads");
    poison(&mut all).await;
    all.commit().await.expect("commits");
    let mut all = system.begin().await.expect("begins");
    assert_eq!(sqlx::query(names).fetch_all(&mut all).await.expect("reads").len(), 2);
}

#[tokio::test]
async fn statements_that_sql_deallocated_are_prepared_again_for_the_next_tenant() {
    for which in ["all", "the first"] {
        for commits in [true, false] {
            let database = attacked().await;
            let db = narrow(&database).await;
            assert!(reads_its_own(&db, &database.globex).await);
            let mut tx = db.begin(&database.acme.as_member()).await.expect("begins");
            sqlx::query("SELECT public.forget($1)").bind(which).execute(&mut tx).await.expect("it runs");
            if commits {
                tx.commit().await.expect("commits");
            } else {
                drop(tx);
            }
            assert!(reads_its_own(&db, &database.globex).await, "{which}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_nothing_was_done_to_is_kept_with_its_cached_statements() {
    let database = attacked().await;
    let db = narrow(&database).await;
    let mut backends = Vec::new();
    for tenant in [database.acme, database.globex, database.acme] {
        let mut tx = db.begin(&tenant.as_member()).await.expect("begins");
        projects(&mut tx).await;
        backends.push(backend(&mut tx).await);
        let mut given_up = tx.savepoint().await.expect("begins");
        drop(cancel_after_polls(1, sqlx::query("SELECT 1 AS given_up").execute(&mut given_up)).await);
        drop(given_up);
        tx.commit().await.expect("commits");
    }
    let mut tx = db.begin(&database.globex.as_member()).await.expect("begins");
    let cached = "SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE statement LIKE '%app.projects%'";
    let cached: i64 = sqlx::query_scalar(cached).persistent(false).fetch_one(&mut tx).await.expect("reads");
    assert_eq!((cached, backend(&mut tx).await, backends[2]), (1, backends[0], backends[0]));
    poison(&mut tx).await;
    tx.commit().await.expect("commits");
    let mut tx = db.begin(&database.globex.as_member()).await.expect("begins");
    assert_ne!(backend(&mut tx).await, backends[0]);
}

#[tokio::test]
async fn text_of_custom_statements_does_not_reach_the_next_tenant() {
    let database = Database::create().await;
    let read = "SELECT coalesce(string_agg(statement, ' '), '') FROM pg_catalog.pg_prepared_statements";
    let mut seen = Vec::new();
    for (custom, persistent) in [(true, true), (true, false), (false, true)] {
        let options = TenantDb::options().max_connections(1).prepared_custom_statements(custom);
        let db = options.connect(&database.app_url()).await.expect("connects");
        let mut tx = db.begin(&database.acme.as_member()).await.expect("begins");
        let name = |name: &str| Project::NAME.eq(name.to_owned());
        Project::list(&mut tx).filter(name("bound by the repository")).await.expect("reads");
        let bound = sqlx::query("SELECT 1 WHERE $1 <> 'x'").bind("bound by the app").persistent(persistent);
        bound.execute(&mut tx).await.expect("runs");
        let text = AssertSqlSafe("SELECT 'written into the text'".to_owned());
        sqlx::query(text).persistent(persistent).fetch_all(&mut tx).await.expect("runs");
        let first = backend(&mut tx).await;
        tx.commit().await.expect("commits");
        let mut tx = db.begin(&database.globex.as_member()).await.expect("begins");
        assert_eq!(backend(&mut tx).await, first, "the same connection");
        let texts: String = sqlx::query_scalar(read).persistent(false).fetch_one(&mut tx).await.expect("reads");
        assert!(texts.contains("FROM app.projects"), "the repository's statement remains prepared: {texts}");
        assert!(!texts.contains("bound by"), "a bound value is not part of a text: {texts}");
        seen.push(texts.contains("written into the text"));
    }
    assert_eq!(seen, [true, false, false]);
}

/// Objects that shadow the server's objects, so that an unqualified name in the clean-up would resolve to them.
#[tokio::test]
async fn the_clean_up_is_not_led_astray_by_a_search_path() {
    let database = attacked().await;
    let mut admin = database.admin().await;
    let evil = "
        CREATE SCHEMA evil;
        CREATE VIEW evil.pg_prepared_statements AS SELECT ''::text AS name, false AS from_sql;
        CREATE FUNCTION evil.never(bigint, integer) RETURNS boolean LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR evil.< (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = evil.never);
        CREATE FUNCTION evil.pg_advisory_unlock_all() RETURNS void LANGUAGE sql AS '';
        CREATE DOMAIN evil.int4 AS text;
        GRANT USAGE ON SCHEMA evil TO PUBLIC;
        GRANT SELECT ON evil.pg_prepared_statements TO PUBLIC";
    run(&mut admin, evil).await.expect("a superuser can");
    let db = narrow(&database).await;
    // The login check ran before the login was changed.
    let path = "ALTER ROLE app_service IN DATABASE {} SET search_path = evil, pg_catalog";
    let name = ask(&mut admin, "SELECT current_database()::text").await;
    run(&mut admin, &path.replace("{}", &name)).await.expect("a superuser can");
    attack(&db, &database.acme.as_member(), database.acme.project, End::Commit).await;
    assert!(reads_its_own(&db, &database.globex).await);
    let mut tx = db.begin(&database.acme.as_member()).await.expect("begins");
    sqlx::query("SELECT public.forget('all')").execute(&mut tx).await.expect("it runs");
    tx.commit().await.expect("commits");
    assert!(reads_its_own(&db, &database.globex).await);
}

/// Behind a pooler the next transaction can run on another server connection than the one that was cleared.
#[tokio::test]
async fn behind_a_pooler_the_next_tenant_runs_its_own_statements_too() {
    let database = attacked().await;
    let Some(bouncer) = PgBouncer::start(&database).await else {
        eprintln!("SKIPPED: no PgBouncer is installed, and TENANT_TEST_PGBOUNCER names none");
        return;
    };
    let db = bouncer.options().max_connections(4).connect(&bouncer.url(&database)).await.expect("connects");
    let kinds = [
        TxOptions::default(),
        TxOptions { read_only: true, ..TxOptions::default() },
        TxOptions { isolation: Some(Isolation::Serializable), read_only: true, deferrable: true },
    ];
    for kind in kinds {
        for _ in 0..6 {
            let mut tx = db.begin(&database.acme.as_member()).await.expect("begins");
            Project::find(&mut tx, database.acme.project).await.expect("reads");
            projects(&mut tx).await;
            // An older PgBouncer keeps no prepared statements, so none can be poisoned.
            sqlx::query("SELECT public.poison()").execute(&mut tx).await.expect("it runs");
            tx.commit().await.expect("commits");
            let mut tx = db.begin_with(&database.globex.as_member(), kind).await.expect("begins");
            let read: Result<Option<Project>> = Project::find(&mut tx, database.globex.project).await;
            assert!(read.expect("reads").is_some_and(|project| project.description.is_none()), "{kind:?}");
            assert_eq!(projects(&mut tx).await, [database.globex.project.to_string()], "{kind:?}");
            drop(tx);
            assert!(reads_its_own(&db, &database.globex).await);
        }
    }
    let forged = AssertSqlSafe(format!(
        "SELECT count(*) FROM app.projects WHERE description = 'forged' AND organization_id = '{}'",
        database.globex.id
    ));
    let mut admin = database.admin().await;
    wait_until_idle(&mut admin).await;
    let forged: i64 = sqlx::query_scalar(forged).fetch_one(&mut admin).await.expect("a superuser can");
    assert_eq!(forged, 0);
}
