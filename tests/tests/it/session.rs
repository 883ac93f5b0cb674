//! Sessions and users without a tenant: sign-up, creating a tenant, membership lookup, and key types.

use std::time::Duration;

use sqlx::PgConnection;
use tenant_examples::{Invitation, MemberRole, NewOrganization, NewUser, OrgMember, Organization, Project, User};
use tenant_runtime::{
    Error, Invitations as _, Repository as _, Result, Session, TenantCtx, TenantDb, UserCtx,
    roles::{Admin, Organizations, Viewer},
};
use tenant_tests::{Database, TABLES, ask, connect, run};
use uuid::Uuid;

/// Begins a session of a user.
pub(super) async fn session(db: &TenantDb, org: Uuid, user: Uuid) -> Result<Session<Organizations>> {
    db.user_scope(&UserCtx::assume_authenticated(user)).session::<OrgMember>(org).await
}

/// The role of a user in a tenant, as returned by the lookup.
pub(super) async fn role(db: &TenantDb, org: Uuid, user: Uuid) -> Option<&'static str> {
    match session(db, org, user).await {
        Ok(session) => Some(session.role()),
        Err(Error::NotAMember) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Creates a user.
pub(super) async fn sign_up(db: &TenantDb, email: &str) -> Result<Uuid> {
    let new = NewUser { email: email.to_owned(), full_name: None, password_hash: Some("$argon2id$".into()) };
    db.user_scope(&UserCtx::anonymous()).sign_up::<User>(new).await
}

/// Makes a user a member with an invitation, as the user's address requires.
pub(super) async fn join(db: &TenantDb, admin: &TenantCtx<Admin>, user: Uuid, email: &str, role: MemberRole) {
    let day = Duration::from_secs(86_400);
    let token = Invitation::invite(&db.scope(admin), email, role, day).await.expect("an admin invites");
    let scope = db.user_scope(&UserCtx::assume_authenticated(user));
    scope.accept::<Invitation>(&token).await.expect("the user accepts");
}

fn new_organization(name: &str) -> NewOrganization {
    NewOrganization { name: name.to_owned() }
}

/// The SQLSTATE with which the server rejects a statement.
pub(super) async fn refused(connection: &mut PgConnection, sql: &str) -> String {
    let error = run(connection, sql).await.expect_err(sql).into_database_error().expect("the server answers");
    error.code().expect("a code").into_owned()
}

#[tokio::test]
async fn tenant_creator_becomes_its_first_admin() {
    let database = Database::create().await;
    let db = database.app().await;
    let user = sign_up(&db, "eve@initech.example").await.expect("sign-up succeeds");
    let visit = db.user_scope(&UserCtx::assume_authenticated(user));
    assert_eq!(visit.tenants::<OrgMember>().await.expect("reads"), []);
    let org =
        visit.create_tenant::<Organization>(new_organization("Initech")).await.expect("a signed-in user creates one");
    assert_eq!(visit.tenants::<OrgMember>().await.expect("reads"), [(org, MemberRole::Admin)]);
    let session = visit.session::<OrgMember>(org).await.expect("a member");
    let ctx = session.require::<Admin>().expect("an admin");
    let found = Organization::get(&db.scope(&ctx), org).await.expect("the admin sees it");
    assert_eq!((found.name.as_str(), session.user_id(), ctx.user_id()), ("Initech", &user, Some(&user)));
}

#[tokio::test]
async fn session_require_is_limited_to_the_member_role() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let session = session(&db, acme.id, acme.viewer).await.expect("a member");
    assert_eq!((session.role(), *session.tenant_id()), ("viewer", acme.id));
    let ctx = session.require::<Viewer>().expect("the role it has");
    assert_eq!(Project::count(&db.scope(&ctx)).await.expect("a viewer reads"), 1);
    let refused = session.require::<Admin>().expect_err("a viewer is not an admin");
    assert!(refused.is_forbidden() && matches!(refused, Error::InsufficientRole { role: "viewer", required: "admin" }));
}

#[tokio::test]
async fn tenant_of_others_looks_like_a_missing_tenant() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let mut told = Vec::new();
    for org in [database.globex.id, Uuid::new_v4()] {
        let error = session(&db, org, acme.admin).await.expect_err("no member there");
        assert!(error.is_forbidden(), "{error}");
        told.push(error.to_string());
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn unauthenticated_user_can_only_sign_up() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let visit = db.user_scope(&UserCtx::<Organizations>::anonymous());
    assert!(matches!(visit.tenants::<OrgMember>().await, Err(Error::Unauthenticated { .. })));
    assert!(matches!(visit.session::<OrgMember>(acme.id).await, Err(Error::Unauthenticated { .. })));
    assert!(matches!(
        visit.create_tenant::<Organization>(new_organization("x")).await,
        Err(Error::Unauthenticated { .. })
    ));
    assert!(sign_up(&db, "new@acme.example").await.is_ok());
}

#[tokio::test]
async fn sign_up_and_create_tenant_enforce_table_constraints() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let again = sign_up(&db, "admin@acme.example").await;
    assert!(matches!(&again, Err(Error::UniqueViolation { table, .. }) if table == "app.users"), "{again:?}");
    let empty = db
        .user_scope(&UserCtx::assume_authenticated(acme.viewer))
        .create_tenant::<Organization>(new_organization(""))
        .await;
    assert!(matches!(&empty, Err(Error::CheckViolation { table, .. }) if table == "app.organizations"), "{empty:?}");
    let nobody = db
        .user_scope(&UserCtx::assume_authenticated(Uuid::new_v4()))
        .create_tenant::<Organization>(new_organization("x"))
        .await;
    assert!(matches!(nobody, Err(Error::ForeignKeyViolation { .. })), "{nobody:?}");
    let left = ask(&mut database.admin().await, "SELECT count(*)::text FROM app.organizations").await;
    assert_eq!(left, "2");
}

#[tokio::test]
async fn no_tenant_role_cannot_read_tables_or_manage_members() {
    let database = Database::create().await;
    let mut app = connect(&database.app_url()).await;
    let begin = format!(
        "SET ROLE app_no_tenant; SET app.organization_id = '{}'; SET app.user_id = '{}'",
        database.acme.id, database.acme.admin
    );
    run(&mut app, &begin).await.expect("the login can use the role of users without a tenant");
    for table in TABLES {
        assert_eq!(refused(&mut app, &format!("SELECT FROM {}", table.name)).await, "42501", "{}", table.name);
    }
    let user = database.acme.viewer;
    let calls = [
        format!("add_member('{user}', 'admin')"),
        format!("change_member('{user}', 'admin')"),
        format!("remove_member('{user}')"),
        "authorized_tenant_id()".to_owned(),
    ];
    for call in calls {
        assert_eq!(refused(&mut app, &format!("SELECT app_auth.{call}")).await, "42501", "{call}");
    }
}

#[tokio::test]
async fn user_scope_settings_do_not_stay_on_the_connection() {
    let database = Database::create().await;
    let acme = database.acme;
    let db =
        tenant_tests::app_options().max_connections(1).connect(&database.app_url()).await.expect("the app connects");
    assert_eq!(role(&db, acme.id, acme.admin).await, Some("admin"));
    let of_nobody = db.user_scope(&UserCtx::assume_authenticated(Uuid::new_v4())).tenants::<OrgMember>().await;
    assert_eq!(of_nobody.expect("reads"), []);
}

// The login, and other keys ------------------------------------------------------------------------------------------

#[tokio::test]
async fn login_check_rejects_a_member_of_the_function_owner() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    run(&mut admin, "CREATE ROLE login_of_definer LOGIN NOINHERIT").await.expect("a login");
    run(&mut admin, "GRANT app_function_owner, app_no_tenant, app_admin TO login_of_definer")
        .await
        .expect("becomes them");
    let of: String = ask(&mut admin, "SELECT current_database()::text").await;
    run(&mut admin, &format!("GRANT CONNECT ON DATABASE {of} TO login_of_definer")).await.expect("connects");
    let url = database.url_of("login_of_definer");
    let connected = TenantDb::connect(&url).await;
    run(&mut admin, "REVOKE app_function_owner FROM login_of_definer").await.expect("mended");
    let mended = TenantDb::connect(&url).await;
    run(&mut admin, "DROP OWNED BY login_of_definer; DROP ROLE login_of_definer").await.expect("gone");
    let Err(Error::UnsafeLogin { findings, .. }) = connected else { panic!("the login was accepted") };
    let found = |text: &str| findings.iter().any(|finding| finding.contains(text));
    assert!(
        found("it can assume the role `app_function_owner`, which owns SECURITY DEFINER functions")
            && found("it is an administrator's login: connect the app with its login role"),
        "{findings:?}"
    );
    assert!(mended.is_ok(), "the role without a tenant and the application roles are not reported: {mended:?}");
}

mod text_keys {
    //! A tenancy whose keys are texts and numbers, on the roles of the example.

    use tenant_runtime::{TextKey, tenancy, tenant_key};

    tenant_key! {
        /// An organization's key.
        pub(super) struct Slug(TextKey);
    }
    tenant_key! {
        /// A user's key.
        #[derive(Copy)]
        pub(super) struct Number(i64);
    }

    tenancy! {
        pub(super) Slugs {
            key: Slug,
            user: Number,
            role_prefix: "app_",
            connection_limit: 5,
            roles: { Viewer },
        }
    }
}

#[tokio::test]
async fn text_and_integer_keys_reach_the_tenant_and_user_settings() {
    let database = Database::create().await;
    let db = database.app().await;
    let slug = text_keys::Slug::from("auth0|acme.eu+x".parse::<tenant_runtime::TextKey>().expect("a key"));
    let ctx = TenantCtx::<text_keys::Viewer>::assume_authorized(slug, text_keys::Number::from(-7));
    let mut tx = db.begin(&ctx).await.expect("begins");
    let sql = "SELECT current_setting('app.organization_id'), current_setting('app.user_id'), $1, $2";
    let seen: (String, String, text_keys::Slug, text_keys::Number) =
        sqlx::query_as(sql).bind(ctx.tenant_id()).bind(ctx.user_id()).fetch_one(&mut tx).await.expect("reads");
    assert_eq!(seen, ("auth0|acme.eu+x".into(), "-7".into(), ctx.tenant_id().clone(), text_keys::Number::from(-7)));
    let text: std::result::Result<text_keys::Slug, _> = sqlx::query_scalar("SELECT 'no key'").fetch_one(&mut tx).await;
    assert!(matches!(text, Err(sqlx::Error::ColumnDecode { .. })), "{text:?}");
}
