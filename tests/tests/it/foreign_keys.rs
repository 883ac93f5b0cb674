//! Foreign keys: no reference to another tenant's row, error messages that reveal nothing, and ON DELETE actions.

use sqlx::PgConnection;
use tenant_tests::{Database, ask, refusal, run};
use uuid::Uuid;

/// Begins as an admin of acme.
async fn as_admin_of_acme(database: &Database) -> PgConnection {
    database.raw("app_admin", database.acme.id, database.acme.admin).await
}

#[tokio::test]
async fn foreign_key_to_another_tenant_fails_like_a_missing_row() {
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
async fn child_of_another_tenants_parent_fails_like_a_missing_parent() {
    let database = Database::create().await;
    let mut app = as_admin_of_acme(&database).await;
    let mut told = Vec::new();
    for task in [database.globex.task, Uuid::new_v4()] {
        let sql = format!(
            "INSERT INTO app.comments (task_id, written_by, body) VALUES ('{task}', '{}', 'x')",
            database.acme.admin
        );
        told.push(refusal(run(&mut app, &sql).await.expect_err("the task is not acme's")));
    }
    let told: Vec<_> = told.iter().map(|(state, message)| (state.as_str(), message)).collect();
    assert!(told[0].0 == "23503" && told[0] == told[1], "{told:?}");
}

#[tokio::test]
async fn assignee_must_be_a_member_of_the_tenant() {
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
async fn delete_cascades_to_children_of_the_tenant_only() {
    let database = Database::create().await;
    let mut app = as_admin_of_acme(&database).await;
    let sql =
        format!("DELETE FROM app.projects WHERE id IN ('{}', '{}')", database.acme.project, database.globex.project);
    let deleted = run(&mut app, &sql).await.expect("an admin can");
    let left = "SELECT concat((SELECT string_agg(id::text, ',') FROM app.tasks), ' ',
                    (SELECT string_agg(task_id::text, ',') FROM app.comments))";
    let left = ask(&mut database.admin().await, left).await;
    assert_eq!((deleted, left), (1, format!("{0} {0}", database.globex.task)));
}

#[tokio::test]
async fn removing_a_member_sets_references_to_null_and_keeps_the_tenant() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    run(&mut admin, &format!("DELETE FROM app.documents WHERE organization_id = '{}'", database.acme.id))
        .await
        .expect("a member who wrote documents stays");
    let mut app = as_admin_of_acme(&database).await;
    let sql = format!("SELECT app_auth.remove_member('{}')", database.acme.member);
    run(&mut app, &sql).await.expect("an admin can");
    let task = format!(
        "SELECT organization_id || ' ' || coalesce(assigned_to::text, 'nobody') FROM app.tasks WHERE id = '{}'",
        database.acme.task
    );
    assert_eq!(ask(&mut admin, &task).await, format!("{} nobody", database.acme.id));
}
