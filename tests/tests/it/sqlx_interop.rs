//! Plain sqlx inside a tenant transaction: its macros, query builder and row mapping, under the policies.
//!
//! The macros were checked against a database by these commands, with the example's migrations in `dev`; the query data
//! is in `.sqlx`, which the macros read where no `DATABASE_URL` is set:
//!
//! ```sh
//! export DATABASE_URL='postgres://app_service@localhost/dev?options=-crole%3Dapp_admin'
//! SQLX_OFFLINE_DIR=$PWD/tests/.sqlx cargo check -p tenant-tests --tests
//! ```

use sqlx::{Executor as _, Postgres, QueryBuilder, SqlSafeStr as _};
use tenant_examples::{Project, TaskStatus};
use tenant_runtime::{Error, Repository as _, SystemDb, TxStatements, roles::Organizations};
use tenant_tests::{Database, connect, refusal};
use uuid::Uuid;

#[tokio::test]
async fn query_macro_returns_rows_of_the_context_tenant() {
    let database = Database::create().await;
    let db = database.app().await;
    let mut titles = Vec::new();
    for tenant in [&database.acme, &database.globex] {
        let mut tx = db.begin(&tenant.as_viewer()).await.expect("begun");
        let row = sqlx::query!(
            "SELECT t.organization_id, t.title, t.description, p.name AS project
             FROM app.tasks t JOIN app.projects p ON p.id = t.project_id WHERE t.title = $1",
            "one"
        );
        let row = row.fetch_one(&mut tx).await.expect("one each");
        titles.push((row.organization_id == tenant.id, row.title, row.description, row.project));
    }
    assert_eq!(titles, [(); 2].map(|()| (true, "one".to_owned(), None, "first".to_owned())));
}

#[tokio::test]
async fn query_macro_is_limited_by_the_role() {
    let database = Database::create().await;
    let db = database.app().await;
    let delete = || sqlx::query!("DELETE FROM app.projects");
    let mut tx = db.begin(&database.acme.as_member()).await.expect("begun");
    let refused = refusal(delete().execute(&mut tx).await.expect_err("allowed for an admin only"));
    let mut tx = db.begin(&database.acme.as_admin()).await.expect("begun");
    let deleted = delete().execute(&mut tx).await.expect("an admin can").rows_affected();
    tx.commit().await.expect("committed");
    assert_eq!((refused.0.as_str(), deleted), ("42501", 1));
}

/// Asserts that the statement filter refuses to run and to prepare statements that would leave the context.
async fn assert_filtered<C: std::fmt::Debug + Send>(tx: &mut TxStatements<C>) {
    for sql in ["COMMIT", "SET ROLE app_admin", "SET LOCAL app.organization_id = ''", "RESET ROLE"] {
        let refused = Error::from(sqlx::query(sql).execute(&mut *tx).await.expect_err(sql));
        assert!(matches!(refused, Error::ForbiddenStatement { .. }), "{refused:?}");
        let refused = tx.prepare(sql.into_sql_str()).await.map(drop).expect_err(sql);
        assert!(matches!(Error::from(refused), Error::ForbiddenStatement { .. }), "{sql}");
    }
}

#[tokio::test]
async fn dereferenced_transactions_are_executors_with_the_statement_filter() {
    let database = Database::create().await;
    let db = database.app().await;
    let count = "SELECT count(*) FROM app.organizations";
    let mut tx = db.begin(&database.acme.as_viewer()).await.expect("begun");
    let of_acme: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.expect("read");
    assert_filtered(&mut *tx).await;
    let mut savepoint = tx.savepoint().await.expect("begun");
    let within: i64 = sqlx::query_scalar(count).fetch_one(&mut *savepoint).await.expect("read");
    assert_filtered(&mut *savepoint).await;
    savepoint.release().await.expect("released");
    tx.commit().await.expect("committed");

    let jobs = SystemDb::<Organizations>::connect(&database.url_of("app_jobs")).await.expect("connects");
    let system = jobs.begin_access("a count over all tenants").await.expect("recorded");
    let mut tx = system.begin().await.expect("begun");
    let of_all: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.expect("read");
    assert_filtered(&mut *tx).await;
    tx.commit().await.expect("committed");
    assert_eq!((of_acme, within), (1, 1));
    assert!(of_all > 1, "{of_all}");
}

#[tokio::test]
async fn exchanged_transactions_keep_their_contexts() {
    let database = Database::create().await;
    let db = database.app().await;
    let mut acme = db.begin(&database.acme.as_member()).await.expect("begun");
    let mut globex = db.begin(&database.globex.as_member()).await.expect("begun");
    std::mem::swap(&mut *acme, &mut *globex);
    for (tx, tenant) in [(&mut acme, &database.globex), (&mut globex, &database.acme)] {
        assert_eq!(*tx.ctx().tenant_id(), tenant.id);
        let of_tenant: Uuid =
            sqlx::query_scalar("SELECT organization_id FROM app.projects").fetch_one(&mut *tx).await.expect("one each");
        assert_eq!(of_tenant, tenant.id);
        assert_eq!(Project::count(tx).await.expect("read"), 1);
    }
    acme.commit().await.expect("committed");
    globex.commit().await.expect("committed");
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Row {
    title: String,
    status: TaskStatus,
    project_id: Uuid,
}

#[tokio::test]
async fn query_builder_and_from_row_work_in_a_transaction() {
    let database = Database::create().await;
    let db = database.app().await;
    let mut tx = db.begin(&database.acme.as_member()).await.expect("begun");
    let mut insert = QueryBuilder::<Postgres>::new("INSERT INTO app.tasks (organization_id, project_id, title) ");
    insert.push_values(["two", "'; RESET ROLE; --"], |mut row, title| {
        row.push_bind(database.acme.id).push_bind(database.acme.project).push_bind(title);
    });
    insert.build().execute(&mut tx).await.expect("a member can");
    let mut select = QueryBuilder::<Postgres>::new("SELECT title, status, project_id FROM app.tasks WHERE title <> ");
    select.push_bind("one").push(" ORDER BY title");
    let rows: Vec<Row> = select.build_query_as().fetch_all(&mut tx).await.expect("a member can");
    let row =
        |title: &str| Row { title: title.to_owned(), status: TaskStatus::Todo, project_id: database.acme.project };
    assert_eq!(rows, [row("'; RESET ROLE; --"), row("two")]);
}

/// The macros' work at compile time: they describe a statement; the server plans it, which requires the privileges to run it.
#[tokio::test]
async fn query_macro_check_uses_the_role_in_the_database_url() {
    let database = Database::create().await;
    let sql = || "SELECT salary FROM app.employees WHERE id = $1".into_sql_str();
    let mut told = Vec::new();
    for role in ["", "?options=-crole%3Dapp_viewer", "?options=-crole%3Dapp_admin"] {
        let url = database.app_url();
        let url = if url.contains('?') { url + &role.replace('?', "&") } else { url + role };
        let described = connect(&url).await.describe(sql()).await;
        told.push(described.map(|described| described.nullable(0)).map_err(|error| refusal(error).0));
    }
    assert_eq!(told, [Err("42501".to_owned()), Err("42501".to_owned()), Ok(Some(false))]);
}
