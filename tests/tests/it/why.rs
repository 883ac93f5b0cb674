//! `why`: the grant, the policy and the condition that decide, from the declaration and for a live row.

use tenant_examples::{Document, Project, ProjectChanges};
use tenant_runtime::{
    Repository as _, TenantTable as _,
    model::schema::Command,
    models,
    why::{Question, Row, why, why_row},
};
use tenant_tests::{Database, TABLES, ask};

fn explained(role: &str, table: &str, command: Command) -> String {
    let models = models![tenant_examples].only(TABLES);
    match why(&models, &Question::new(role, table, command)) {
        Ok(answer) => answer.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn why_names_a_missing_privilege_and_the_roles_that_have_it() {
    let told = explained("viewer", "app.projects", Command::Delete);
    for words in [
        "role `app_viewer` cannot delete from app.projects",
        "permission denied for table projects",
        "granted to app_admin by",
        "`Project`",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let told = explained("admin", "app.users", Command::Delete);
    assert!(told.contains("no role has this privilege: `User`"), "{told}");
    let told = explained("admin", "org_members", Command::Insert);
    assert!(
        told.starts_with("role `app_admin` can insert into app.org_members only through app_auth.add_member\n")
            && told.contains("app_auth.add_member: this role has EXECUTE"),
        "{told}"
    );
    let told = explained("viewer", "org_members", Command::Insert);
    assert!(
        told.starts_with("role `app_viewer` cannot insert into app.org_members\n")
            && told.contains("app_auth.add_member: this role lacks EXECUTE"),
        "{told}"
    );
}

#[test]
fn why_explains_each_part_of_the_policies() {
    let told = explained("app_member", "Document", Command::Delete);
    for words in [
        "GRANT DELETE ON app.documents TO app_member",
        "delete_own_member (permissive)",
        "tenant_isolation (restrictive)",
        "select_viewer",
        "because WHERE",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!told.contains("delete_admin (permissive)"), "that is for admins: {told}");
}

#[test]
fn why_lists_valid_roles_and_tables_for_unknown_names() {
    assert!(explained("boss", "app.projects", Command::Select).contains("the roles are viewer, member, admin"));
    assert!(explained("admin", "app.things", Command::Select).contains("the tables are app.changes, "));
}

#[tokio::test]
async fn why_explains_a_live_row_without_changing_it() {
    let database = Database::create().await;
    let (acme, globex) = (database.acme, database.globex);
    let models = models![tenant_examples].only(TABLES);
    let url = database.admin_url();
    let of = |tenant: uuid::Uuid, user: uuid::Uuid| {
        Row::new(acme.project.to_string(), tenant.to_string(), Some(user.to_string()))
    };
    let question = Question::new("member", "app.projects", Command::Update);
    let yes = why_row(&models, &question, &of(acme.id, acme.member), &url).await.expect("an answer");
    assert_eq!(yes.is_allowed(), Some(true), "{yes}");
    // Another tenant's row, a role above the membership's, and no user.
    for row in [
        of(globex.id, globex.member),
        of(acme.id, acme.viewer),
        Row::new(acme.project.to_string(), acme.id.to_string(), None),
    ] {
        let no = why_row(&models, &question, &row, &url).await.expect("an answer");
        assert_eq!(no.is_allowed(), Some(false), "{no}");
        assert!(no.to_string().contains("violated:"), "{no}");
    }
    let document = Document::TABLE.name;
    let mut admin = database.admin().await;
    let id = ask(&mut admin, &format!("SELECT id::text FROM {document} WHERE organization_id = '{}'", acme.id)).await;
    let own = Question::new("member", "app.documents", Command::Delete);
    let row = Row::new(id, acme.id.to_string(), Some(acme.admin.to_string()));
    let not_own = why_row(&models, &own, &row, &url).await.expect("an answer").to_string();
    assert!(not_own.contains("violated:  created_by"), "{not_own}");
    let id = acme.id.to_string();
    for (row, option) in [
        (Row::new("one", id.clone(), None), "`--row one` is not a value of type bigint: "),
        (Row::new("1", "acme", None), "`--tenant acme` is not a value of type uuid: "),
        (Row::new("1", id.clone(), Some("me".into())), "`--user me` is not a value of type uuid: "),
    ] {
        let malformed = why_row(&models, &own, &row, &url).await.expect_err("malformed").to_string();
        assert!(malformed.starts_with(option) && malformed.contains("\n  help: "), "{malformed}");
    }
    let refused =
        why_row(&models, &own, &Row::new("1", id, None), &database.app_url()).await.expect_err("no superuser");
    let told = "a question about a row (`--row`) requires a superuser, and `app_service` is not one";
    assert!(refused.to_string().starts_with(told), "{refused}");
    let none = why_row(&models, &own, &Row::new("0", acme.id.to_string(), None), &url).await.expect_err("no such row");
    assert!(none.to_string().contains("there is no row `0`"), "{none}");
}

#[tokio::test]
async fn forbidden_error_explains_the_grant_or_policy() {
    let database = Database::create().await;
    let db = database.app().await;
    let context = database.acme.as_viewer();
    let mut tx = db.begin(&context).await.expect("begun");
    let refused = sqlx::query("DELETE FROM app.projects").execute(&mut tx).await.map_err(tenant_runtime::Error::from);
    assert!(refused.expect_err("a viewer").to_string().contains("see `#[tenant(…)]` on the struct of the table"));
    tx.rollback().await.expect("rolled back");
    // The context claims a higher role than the membership, so the policies reject the row.
    let forged = tenant_runtime::TenantCtx::<tenant_runtime::roles::Member>::assume_authorized(
        database.acme.id,
        database.acme.viewer,
    );
    let scope = db.scope(&forged);
    let inserted =
        Project::insert(&scope, tenant_examples::NewProject { name: "x".into(), description: None, created_at: None });
    let refused = inserted.await.expect_err("no member").to_string();
    assert!(
        refused.contains("cannot insert into `app.projects`: a row-level security policy rejects this row"),
        "{refused}"
    );
    // A grant was taken away: the declaration says that the role may.
    let mut admin = database.admin().await;
    tenant_tests::run(
        &mut admin,
        "REVOKE UPDATE ON app.projects FROM app_member; REVOKE UPDATE (name) ON app.projects FROM app_member",
    )
    .await
    .expect("revoked");
    let changes = ProjectChanges { name: Some("x".into()), ..ProjectChanges::default() };
    let refused = Project::update(&db.scope(&database.acme.as_member()), database.acme.project, changes).await;
    assert!(refused.expect_err("revoked").to_string().contains("the role lacks the privilege on a column"));
}
