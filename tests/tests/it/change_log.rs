//! The change log: the trigger's records, the roles that read it, and that application roles cannot modify it.

use tenant_examples::{Change, Employee, MemberRole, NewEmployee, NewProject, OrgMember, Project, ProjectChanges};
use tenant_runtime::{Members as _, Repository as _};
use tenant_tests::{Database, ask, refusal, run, set_context_sql};

use super::sql_results::{rows, wanted};

/// The change log of a tenant, oldest first: user, role, command and table.
async fn entries(database: &Database, table: &str) -> Vec<Change> {
    let admin = database.app().await;
    let mut changes = Change::list(&admin.scope(&database.acme.as_admin())).await.expect("an admin reads");
    changes.sort_by_key(|change| change.id);
    changes.retain(|change| change.table_name == table);
    changes
}

#[tokio::test]
async fn change_log_records_command_role_user_before_and_after() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let member = db.scope(&acme.as_member());
    let new = NewProject { name: "a".into(), description: None, created_at: None };
    let project = Project::insert(&member, new).await.expect("a member inserts");
    let rename = || ProjectChanges { name: Some("b".into()), ..ProjectChanges::default() };
    Project::update(&member, project.id, rename()).await.expect("a member updates");
    Project::update(&member, project.id, rename()).await.expect("nothing changes");
    Project::delete(&db.scope(&acme.as_admin()), project.id).await.expect("an admin deletes");
    let changes = entries(&database, "app.projects").await;
    let name =
        |image: &Option<serde_json::Value>| image.as_ref().map(|row| row["name"].as_str().unwrap_or("").to_owned());
    let said: Vec<_> = changes
        .iter()
        .filter(|change| change.row_key == project.id.to_string())
        .map(|change| {
            (change.command.as_str(), change.role.as_str(), change.user_id, name(&change.before), name(&change.after))
        })
        .collect();
    let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
    assert_eq!(
        said,
        [
            ("insert", "app_member", Some(acme.member), None, a.clone()),
            ("update", "app_member", Some(acme.member), a, b.clone()),
            ("delete", "app_admin", Some(acme.admin), b, None),
        ]
    );
}

#[tokio::test]
async fn change_log_records_small_numeric_changes() {
    let database = Database::create().await;
    let project = database.acme.project;
    let mut admin = database.admin().await;
    let columns = "ALTER TABLE app.projects ADD COLUMN rate float8 DEFAULT 10.4, ADD COLUMN price numeric DEFAULT 1.0";
    run(&mut admin, columns).await.expect("a superuser can");
    for set in ["rate = 12.9", "price = 1.00"] {
        let sql = format!("SET extra_float_digits = -15; UPDATE app.projects SET {set} WHERE id = '{project}'");
        run(&mut admin, &sql).await.expect("a superuser can");
    }
    let changes = entries(&database, "app.projects").await;
    let rate = |image: &Option<serde_json::Value>| image.as_ref().map(|row| row["rate"].clone());
    let said: Vec<_> = changes
        .iter()
        .filter(|change| change.command == "update")
        .map(|change| (rate(&change.before), rate(&change.after)))
        .collect();
    let (old, new) = (Some(serde_json::json!(10.4)), Some(serde_json::json!(12.9)));
    assert_eq!(said, [(old, new.clone()), (new.clone(), new)]);
}

#[tokio::test]
async fn change_log_records_membership_changes_by_functions() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let admin = db.scope(&acme.as_admin());
    OrgMember::change_role(&admin, acme.viewer, MemberRole::Member).await.expect("an admin changes");
    OrgMember::remove_member(&admin, acme.viewer).await.expect("an admin removes");
    let changes = entries(&database, "app.org_members").await;
    let said: Vec<_> = changes.iter().rev().take(2).map(|change| (change.command.as_str(), change.user_id)).collect();
    assert_eq!(said, [("delete", Some(acme.admin)), ("update", Some(acme.admin))]);
    let role = |image: &Option<serde_json::Value>| image.as_ref().map(|row| row["role"].clone());
    let update = &changes[changes.len() - 2];
    assert_eq!((role(&update.before), role(&update.after)), (Some("viewer".into()), Some("member".into())));
}

#[tokio::test]
async fn change_log_cannot_be_modified_by_application_roles() {
    let database = Database::create().await;
    let acme = database.acme;
    for role in ["app_viewer", "app_member", "app_admin"] {
        let mut app = database.raw(role, acme.id, acme.admin).await;
        for sql in [
            "DELETE FROM app.changes",
            "UPDATE app.changes SET command = 'x'",
            "TRUNCATE app.changes",
            "INSERT INTO app.changes (organization_id, role, table_name, row_key, command)
                 SELECT current_setting('app.organization_id')::uuid, 'x', 'x', 'x', 'x'",
            "SELECT app_auth.log_change()",
            "ALTER TABLE app.projects DISABLE TRIGGER log_change",
        ] {
            let error = run(&mut app, sql).await.expect_err(sql);
            assert_eq!(refusal(error).0, "42501", "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn change_log_is_readable_by_admins_of_the_same_tenant_only() {
    let database = Database::create().await;
    let (acme, globex) = (database.acme, database.globex);
    let count = "SELECT count(*)::text FROM app.changes";
    let mut admin = database.raw("app_admin", acme.id, acme.admin).await;
    let total: u32 = ask(&mut admin, count).await.parse().expect("a number");
    assert!(total > 0);
    assert_eq!(ask(&mut admin, &format!("{count} WHERE organization_id <> '{}'", acme.id)).await, "0");
    run(&mut admin, &set_context_sql("app_admin", globex.id, acme.admin)).await.expect("a claim");
    assert_eq!(ask(&mut admin, count).await, "0", "an admin of one tenant has no access to another");
    let mut member = database.raw("app_member", acme.id, acme.member).await;
    let error = run(&mut member, count).await.expect_err("a member cannot read the log");
    assert_eq!(refusal(error).0, "42501");
}

#[tokio::test]
async fn change_log_omits_columns_its_readers_cannot_select() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let employee = NewEmployee { name: "Ann".into(), email: "ann@acme.example".into(), salary: 7 };
    Employee::insert(&db.scope(&acme.as_admin()), employee).await.expect("an admin inserts");
    let employees = entries(&database, "app.employees").await;
    let salary = employees.last().and_then(|change| change.after.as_ref()).map(|row| row["salary"].clone());
    assert_eq!(salary, Some(7.into()), "admins may read salaries");
    // A private document is visible to its author only.
    let mut member = database.raw("app_member", acme.id, acme.member).await;
    let sql = format!(
        "INSERT INTO app.documents (organization_id, title, created_by, visibility) VALUES ('{}', 'secret', '{}', 'private')",
        acme.id, acme.member
    );
    run(&mut member, &sql).await.expect("a member writes a document");
    let documents = entries(&database, "app.documents").await;
    let keys = documents.last().and_then(|change| change.after.as_ref()).and_then(|row| row.as_object().cloned());
    let keys: Vec<String> = keys.expect("an image").keys().cloned().collect();
    assert_eq!(keys, ["id", "organization_id"]);
}

#[tokio::test]
async fn change_log_records_superuser_changes_and_skips_rolled_back_ones() {
    let database = Database::create().await;
    let acme = database.acme;
    let mut admin = database.admin().await;
    let before = entries(&database, "app.projects").await.len();
    run(&mut admin, &format!("BEGIN; DELETE FROM app.projects WHERE organization_id = '{}'; ROLLBACK", acme.id))
        .await
        .expect("a superuser can");
    assert_eq!(entries(&database, "app.projects").await.len(), before);
    run(&mut admin, &format!("UPDATE app.projects SET name = 'seized' WHERE id = '{}'", acme.project))
        .await
        .expect("may");
    let changes = entries(&database, "app.projects").await;
    let last = changes.last().expect("an entry");
    assert_eq!((last.role.as_str(), last.user_id), ("postgres", None));
}

#[tokio::test]
async fn change_log_outlives_a_deleted_tenant() {
    let database = Database::create().await;
    let acme = database.acme;
    let mut admin = database.admin().await;
    run(&mut admin, &format!("DELETE FROM app.organizations WHERE id = '{}'", acme.id)).await.expect("a superuser can");
    let count =
        format!("SELECT count(*)::text FROM app.changes WHERE organization_id = '{}' AND command = 'delete'", acme.id);
    let deleted: u32 = ask(&mut admin, &count).await.parse().expect("a number");
    assert!(deleted >= 5, "members, project, document and employee were deleted: {deleted}");
}

#[tokio::test]
async fn triggers_match_the_declaration() {
    let database = Database::create().await;
    let sql = "SELECT pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger WHERE NOT tgisinternal";
    let seen = rows(&mut database.admin().await, sql).await;
    let keep = "CREATE CONSTRAINT TRIGGER prevent_last_manager_removal AFTER DELETE OR UPDATE ON app.org_members \
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app_auth.prevent_last_manager_removal()";
    // The table, its tenant, its key, and the columns that admins cannot read.
    let log = [
        ("documents", "'id', 'title', 'content', 'created_by', 'visibility'"),
        ("employees", "'id'"),
        ("org_members", "'user_id'"),
        ("projects", "'id'"),
    ];
    let log = log.map(|(table, rest)| {
        format!(
            "CREATE TRIGGER log_change AFTER INSERT OR DELETE OR UPDATE ON app.{table} FOR EACH ROW \
             EXECUTE FUNCTION app_auth.log_change('app.{table}', 'organization_id', {rest})"
        )
    });
    assert_eq!(seen, wanted([keep.to_owned()].into_iter().chain(log)));
}
