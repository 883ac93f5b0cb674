//! Memberships: the roles that can change them, the access they give, and that the last admin cannot be removed.

use sqlx::AssertSqlSafe;
use tenant_examples::{
    Document, Employee, MemberRole, NewDocument, NewOrganization, NewProject, OrgMember, Organization, Project,
    ProjectChanges, User,
};
use tenant_runtime::{
    Error, Isolation, Members as _, Repository as _, Result, TenantCtx, TenantDb, TxOptions, UserCtx,
    roles::{Admin, Member, Viewer},
};
use tenant_tests::{Database, Tenant, ask, run};
use uuid::Uuid;

use super::session::{join, refused, role, session, sign_up};

fn project(name: &str) -> NewProject {
    NewProject { name: name.to_owned(), description: None, created_at: None }
}

// Changing members ---------------------------------------------------------------------------------------------------

#[tokio::test]
async fn admin_adds_changes_and_removes_members() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let user = sign_up(&db, "new@acme.example").await.expect("sign-up succeeds");
    let ctx = session(&db, acme.id, acme.admin).await.expect("a member").require::<Admin>().expect("admin");
    join(&db, &ctx, user, "new@acme.example", MemberRole::Viewer).await;
    let admin = db.scope(&ctx);
    assert_eq!(role(&db, acme.id, user).await, Some("viewer"));
    OrgMember::change_role(&admin, user, MemberRole::Member).await.expect("an admin changes");
    assert_eq!(role(&db, acme.id, user).await, Some("member"));
    OrgMember::remove_member(&admin, user).await.expect("an admin removes");
    assert_eq!(role(&db, acme.id, user).await, None);
}

#[tokio::test]
async fn invalid_membership_changes_return_specific_errors() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let (admin, nobody) = (db.scope(&acme.as_admin()), Uuid::new_v4());
    let twice = OrgMember::add_member(&admin, acme.viewer, MemberRole::Viewer).await;
    assert!(matches!(&twice, Err(Error::UniqueViolation { table, .. }) if table == "app.org_members"), "{twice:?}");
    let unknown = OrgMember::add_member(&admin, nobody, MemberRole::Viewer).await;
    assert!(matches!(&unknown, Err(Error::ConsentRequired { .. })), "{unknown:?}");
    let changed = OrgMember::change_role(&admin, nobody, MemberRole::Viewer).await;
    assert!(matches!(&changed, Err(Error::NotFound { table }) if table == "app.org_members"), "{changed:?}");
    assert!(matches!(OrgMember::remove_member(&admin, nobody).await, Err(Error::NotFound { .. })));
    // The member wrote a document, whose author must remain a member.
    let author = OrgMember::remove_member(&admin, acme.member).await;
    assert!(matches!(&author, Err(Error::ForeignKeyViolation { .. })), "{author:?}");
}

/// Creates a tenant for a user, and returns its ID and the user's context.
async fn own_tenant(db: &TenantDb, user: Uuid, name: &str) -> TenantCtx<Admin> {
    let scope = db.user_scope(&UserCtx::assume_authenticated(user));
    let new = NewOrganization { name: name.to_owned() };
    let tenant_id = scope.create_tenant::<Organization>(new).await.expect("a signed-in user creates one");
    TenantCtx::assume_authorized(tenant_id, user)
}

#[tokio::test]
async fn creator_of_a_tenant_cannot_add_strangers_and_see_their_data() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let eve = sign_up(&db, "eve@initech.example").await.expect("sign-up succeeds");
    let own = own_tenant(&db, eve, "Initech").await;
    let scope = db.scope(&own);
    let unknown = Uuid::new_v4();
    let mut told = Vec::new();
    for user in [acme.admin, acme.viewer, unknown] {
        let refused = OrgMember::add_member(&scope, user, MemberRole::Viewer).await;
        assert!(matches!(&refused, Err(Error::ConsentRequired { table }) if table == "app.org_members"), "{refused:?}");
        let error = refused.expect_err("refused");
        assert!(error.is_forbidden());
        told.push(error.to_string());
        assert!(User::find(&scope, user).await.expect("reads").is_none());
        assert_eq!(role(&db, *own.tenant_id(), user).await, None);
    }
    assert!(told[0].contains("invite the user with `Invitation::invite`"), "{}", told[0]);
    assert_eq!((&told[0], &told[1]), (&told[2], &told[2]), "the error does not reveal whether the user exists");
    // Too low a role is another error.
    let forged = db.scope(&TenantCtx::<Admin>::assume_authorized(acme.id, acme.member));
    let low = OrgMember::add_member(&forged, eve, MemberRole::Viewer).await;
    assert!(matches!(low, Err(Error::Forbidden { .. })), "{low:?}");
    // With the user's consent.
    join(&db, &own, acme.viewer, "viewer@acme.example", MemberRole::Viewer).await;
    assert!(User::find(&scope, acme.viewer).await.expect("reads").is_some());
}

#[tokio::test]
async fn manager_of_two_tenants_adds_current_members_of_one_to_the_other() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let own = own_tenant(&db, acme.admin, "Initech").await;
    let scope = db.scope(&own);
    OrgMember::add_member(&scope, acme.viewer, MemberRole::Member).await.expect("an admin of both tenants");
    assert_eq!(role(&db, *own.tenant_id(), acme.viewer).await, Some("member"));
    // A fellow member who manages no common tenant cannot.
    let of_member = own_tenant(&db, acme.member, "Hooli").await;
    let refused = OrgMember::add_member(&db.scope(&of_member), acme.viewer, MemberRole::Viewer).await;
    assert!(matches!(refused, Err(Error::ConsentRequired { .. })), "{refused:?}");
    // A former member is a stranger again, also in a transaction that still sees the membership.
    let options = TxOptions { isolation: Some(Isolation::RepeatableRead), ..TxOptions::default() };
    OrgMember::remove_member(&scope, acme.viewer).await.expect("removes");
    let mut tx = db.begin_with(&own, options).await.expect("begins");
    OrgMember::count(&mut tx).await.expect("the snapshot is taken");
    OrgMember::leave(&db.scope(&acme.as_viewer())).await.expect("a viewer leaves");
    let stale = OrgMember::add_member(&mut tx, acme.viewer, MemberRole::Viewer).await;
    assert!(matches!(stale, Err(Error::Retryable { .. })), "{stale:?}");
    drop(tx);
    let former = OrgMember::add_member(&scope, acme.viewer, MemberRole::Viewer).await;
    assert!(matches!(former, Err(Error::ConsentRequired { .. })), "{former:?}");
}

#[tokio::test]
async fn members_can_leave_and_a_context_without_user_cannot() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    OrgMember::leave(&db.scope(&acme.as_viewer())).await.expect("a viewer leaves");
    assert_eq!(role(&db, acme.id, acme.viewer).await, None);
    let again = OrgMember::leave(&db.scope(&acme.as_viewer())).await;
    assert!(matches!(&again, Err(Error::Forbidden { .. })), "{again:?}");
    let job = OrgMember::leave(&db.scope(&TenantCtx::<Viewer>::assume_authorized_job(acme.id))).await;
    assert!(matches!(job, Err(Error::NoUser { .. })), "{job:?}");
}

#[tokio::test]
async fn members_of_another_tenant_cannot_be_changed() {
    let database = Database::create().await;
    let (db, acme, globex) = (database.app().await, database.acme, database.globex);
    let admin = db.scope(&acme.as_admin());
    let changed = OrgMember::change_role(&admin, globex.viewer, MemberRole::Admin).await;
    let removed = OrgMember::remove_member(&admin, globex.viewer).await;
    assert!(matches!((&changed, &removed), (Err(Error::NotFound { .. }), Err(Error::NotFound { .. }))));
    assert!(OrgMember::find(&admin, globex.viewer).await.expect("reads").is_none());
    assert!(User::find(&admin, globex.viewer).await.expect("reads").is_none());
    assert_eq!(User::count(&admin).await.expect("reads"), 3);
    // An admin of one tenant has no access to another, whatever the context claims.
    let forged = db.scope(&TenantCtx::<Admin>::assume_authorized(globex.id, acme.admin));
    let added = OrgMember::add_member(&forged, acme.admin, MemberRole::Admin).await;
    assert!(matches!(added, Err(Error::Forbidden { .. })), "{added:?}");
}

// Access by membership -----------------------------------------------------------------------------------------------

#[tokio::test]
async fn removed_member_loses_access_within_an_open_transaction() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let mut tx = db.begin(&acme.as_viewer()).await.expect("begins");
    assert_eq!(Project::count(&mut tx).await.expect("reads"), 1);
    OrgMember::remove_member(&db.scope(&acme.as_admin()), acme.viewer).await.expect("an admin removes");
    assert_eq!(Project::count(&mut tx).await.expect("reads"), 0);
    assert!(Project::find(&mut tx, acme.project).await.expect("reads").is_none());
}

#[tokio::test]
async fn demoted_members_context_cannot_write() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let member = db.scope(&acme.as_member());
    Project::insert(&member, project("before")).await.expect("a member inserts");
    OrgMember::change_role(&db.scope(&acme.as_admin()), acme.member, MemberRole::Viewer).await.expect("changes");
    let after = Project::insert(&member, project("after")).await;
    assert!(matches!(after, Err(Error::Forbidden { .. })), "{after:?}");
    assert_eq!(Project::count(&member).await.expect("the role is there, the membership is not"), 0);
}

#[tokio::test]
async fn context_above_the_membership_role_has_no_access() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let forged = db.scope(&TenantCtx::<Admin>::assume_authorized(acme.id, acme.viewer));
    assert_eq!(Project::count(&forged).await.expect("reads"), 0);
    assert_eq!(Employee::list(&forged).await.expect("reads").len(), 0);
    assert_eq!(OrgMember::count(&forged).await.expect("reads"), 0);
    let changes = ProjectChanges { name: Some("x".into()), ..ProjectChanges::default() };
    assert!(matches!(Project::update(&forged, acme.project, changes).await, Err(Error::NotFound { .. })));
    assert!(matches!(Project::delete(&forged, acme.project).await, Err(Error::NotFound { .. })));
    assert!(matches!(Project::insert(&forged, project("x")).await, Err(Error::Forbidden { .. })));
    let added = OrgMember::add_member(&forged, acme.viewer, MemberRole::Admin).await;
    assert!(matches!(added, Err(Error::Forbidden { .. })), "{added:?}");
    let raised = OrgMember::change_role(&forged, acme.viewer, MemberRole::Admin).await;
    assert!(matches!(raised, Err(Error::Forbidden { .. })), "{raised:?}");
    assert_eq!(role(&db, acme.id, acme.viewer).await, Some("viewer"));
}

#[tokio::test]
async fn raw_sql_of_an_admin_cannot_write_memberships() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let statements = [
        format!(
            "INSERT INTO app.org_members (organization_id, user_id, role) VALUES ('{}', '{}', 'admin')",
            acme.id, acme.viewer
        ),
        format!("UPDATE app.org_members SET role = 'admin' WHERE user_id = '{}'", acme.viewer),
        "DELETE FROM app.org_members".to_owned(),
    ];
    for sql in statements {
        let mut tx = db.begin(&acme.as_admin()).await.expect("begins");
        let error = sqlx::query(AssertSqlSafe(sql)).execute(&mut tx).await.map_err(Error::from).expect_err("no grant");
        assert!(matches!(error, Error::Forbidden { .. }), "{error}");
    }
}

#[tokio::test]
async fn member_role_cannot_manage_other_members() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let mut tx = db.begin(&acme.as_member()).await.expect("begins");
    let raise = sqlx::query("SELECT app_auth.change_member($1, 'admin')").bind(acme.member);
    let error = raise.execute(&mut tx).await.map_err(Error::from).expect_err("the role may not call it");
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
    let mut tx = db.begin(&acme.as_member()).await.expect("begins");
    let throw_out = sqlx::query("SELECT app_auth.remove_member($1)").bind(acme.viewer);
    let error =
        throw_out.execute(&mut tx).await.map_err(Error::from).expect_err("a member can remove only their membership");
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
}

#[tokio::test]
async fn insert_sets_the_owner_from_the_context_user() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let new = || NewDocument { title: "mine".into(), content: None, visibility: None };
    let document = Document::insert(&db.scope(&acme.as_member()), new()).await.expect("a member writes");
    assert_eq!(document.created_by, acme.member);
    let job = Document::insert(&db.scope(&TenantCtx::<Member>::assume_authorized_job(acme.id)), new()).await;
    assert!(matches!(&job, Err(Error::NoUser { table }) if table == "app.documents"), "{job:?}");
}

// The last admin -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn last_admin_cannot_be_removed_demoted_or_leave() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let admin = db.scope(&acme.as_admin());
    assert!(matches!(OrgMember::remove_member(&admin, acme.admin).await, Err(Error::LastManager)));
    assert!(matches!(OrgMember::change_role(&admin, acme.admin, MemberRole::Member).await, Err(Error::LastManager)));
    assert!(matches!(OrgMember::leave(&admin).await, Err(Error::LastManager)));
    OrgMember::change_role(&admin, acme.viewer, MemberRole::Admin).await.expect("an admin makes another");
    OrgMember::leave(&admin).await.expect("another admin remains");
    assert_eq!(role(&db, acme.id, acme.admin).await, None);
}

#[tokio::test]
async fn superuser_cannot_remove_the_last_admin_except_with_the_tenant() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let orphan = format!("DELETE FROM app.org_members WHERE user_id = '{}'", database.acme.admin);
    assert_eq!(refused(&mut admin, &orphan).await, "TT001");
    let deleted = run(&mut admin, &format!("DELETE FROM app.organizations WHERE id = '{}'", database.acme.id)).await;
    assert_eq!(deleted.expect("with everything in it"), 1);
}

#[tokio::test]
async fn concurrent_removals_by_a_superuser_leave_one_admin() {
    let database = Database::create().await;
    let acme = database.acme;
    let (mut first, mut second) = (database.admin().await, database.admin().await);
    let promote = format!("UPDATE app.org_members SET role = 'admin' WHERE user_id = '{}'", acme.viewer);
    run(&mut first, &promote).await.expect("two admins");
    for (session, user) in [(&mut first, acme.admin), (&mut second, acme.viewer)] {
        run(session, "BEGIN").await.expect("begins");
        run(session, &format!("DELETE FROM app.org_members WHERE user_id = '{user}'")).await.expect("another remains");
    }
    let (one, other) = tokio::join!(run(&mut first, "COMMIT"), run(&mut second, "COMMIT"));
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
    let admins =
        format!("SELECT count(*)::text FROM app.org_members WHERE organization_id = '{}' AND role = 'admin'", acme.id);
    assert_eq!(ask(&mut database.admin().await, &admins).await, "1");
}

/// Two admins who remove each other, or both leave, at the same time.
async fn concurrent_admin_changes(
    db: &TenantDb,
    acme: Tenant,
    isolation: Isolation,
    leave: bool,
) -> (Result<()>, Result<()>) {
    let options = TxOptions { isolation: Some(isolation), ..TxOptions::default() };
    let act = async |own: Uuid, other: Uuid| {
        let mut tx = db.begin_with(&TenantCtx::<Admin>::assume_authorized(acme.id, own), options).await?;
        // The transaction has seen two admins before either of them acts.
        OrgMember::count(&mut tx).await?;
        tokio::task::yield_now().await;
        if leave {
            OrgMember::leave(&mut tx).await?;
        } else {
            OrgMember::change_role(&mut tx, other, MemberRole::Viewer).await?;
        }
        tx.commit().await
    };
    tokio::join!(act(acme.admin, acme.viewer), act(acme.viewer, acme.admin))
}

#[tokio::test]
async fn concurrent_admin_removal_leaves_one_admin() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let mut admin = database.admin().await;
    let reset = format!(
        "INSERT INTO app.org_members (organization_id, user_id, role) VALUES ('{org}', '{}', 'admin'), ('{org}', '{}', 'admin')
         ON CONFLICT (organization_id, user_id) DO UPDATE SET role = 'admin'",
        acme.admin,
        acme.viewer,
        org = acme.id
    );
    let left =
        format!("SELECT count(*)::text FROM app.org_members WHERE organization_id = '{}' AND role = 'admin'", acme.id);
    for isolation in [Isolation::ReadCommitted, Isolation::RepeatableRead] {
        for race_of in 0..40 {
            run(&mut admin, &reset).await.expect("two admins");
            let ended = concurrent_admin_changes(&db, acme, isolation, race_of % 2 == 0).await;
            let won = usize::from(ended.0.is_ok()) + usize::from(ended.1.is_ok());
            let lost = ended.0.err().or(ended.1.err());
            let told = match (&lost, isolation) {
                (Some(Error::LastManager | Error::Forbidden { .. }), _) => true,
                // The rows of the snapshot have changed: retryable, like any conflict at this isolation level.
                (Some(Error::Retryable { .. }), Isolation::RepeatableRead) => true,
                _ => false,
            };
            assert_eq!((won, told, ask(&mut admin, &left).await.as_str()), (1, true, "1"), "{isolation:?}: {lost:?}");
        }
    }
}
