//! Before there is a context: visitors, sessions, and the keys and the login that they come with.

use sqlx::PgConnection;
use tenant_examples::{MemberRole, NewOrganization, NewUser, OrgMember, Organization, Project, User};
use tenant_runtime::{
    Error, Repository as _, Result, Session, TenantCtx, TenantDb, Visitor,
    roles::{Admin, Organizations, Viewer},
};
use tenant_tests::{Database, TABLES, ask, connect, run};
use uuid::Uuid;

/// Begins a session of a user.
pub(super) async fn session(db: &TenantDb, org: Uuid, user: Uuid) -> Result<Session<Organizations>> {
    db.visit(&Visitor::vouched(user)).session::<OrgMember>(org).await
}

/// The role of a user in an organization, as the lookup has it.
pub(super) async fn role(db: &TenantDb, org: Uuid, user: Uuid) -> Option<&'static str> {
    match session(db, org, user).await {
        Ok(session) => Some(session.role()),
        Err(Error::NotAMember) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Makes a user.
pub(super) async fn sign_up(db: &TenantDb, email: &str) -> Result<Uuid> {
    let new = NewUser { email: email.to_owned(), full_name: None, password_hash: Some("$argon2id$".into()) };
    db.visit(&Visitor::anonymous()).sign_up::<User>(new).await
}

fn named(name: &str) -> NewOrganization {
    NewOrganization { name: name.to_owned() }
}

/// The SQLSTATE with which the server refuses a text.
pub(super) async fn refused(connection: &mut PgConnection, sql: &str) -> String {
    let error = run(connection, sql).await.expect_err(sql).into_database_error().expect("the server answers");
    error.code().expect("a code").into_owned()
}

#[tokio::test]
async fn who_founds_an_organization_is_its_first_admin() {
    let database = Database::create().await;
    let db = database.app().await;
    let user = sign_up(&db, "eve@initech.example").await.expect("anybody may sign up");
    let visit = db.visit(&Visitor::vouched(user));
    assert_eq!(visit.organizations::<OrgMember>().await.expect("reads"), []);
    let org = visit.found::<Organization>(named("Initech")).await.expect("a signed-in user may found one");
    assert_eq!(visit.organizations::<OrgMember>().await.expect("reads"), [(org, MemberRole::Admin)]);
    let session = visit.session::<OrgMember>(org).await.expect("a member");
    let ctx = session.require::<Admin>().expect("an admin");
    let found = Organization::get(&db.scope(&ctx), org).await.expect("the admin sees it");
    assert_eq!((found.name.as_str(), session.user(), ctx.user()), ("Initech", &user, Some(&user)));
}

#[tokio::test]
async fn a_session_requires_no_more_than_the_members_role() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let session = session(&db, acme.id, acme.viewer).await.expect("a member");
    assert_eq!((session.role(), *session.org()), ("viewer", acme.id));
    let ctx = session.require::<Viewer>().expect("the role it has");
    assert_eq!(Project::count(&db.scope(&ctx)).await.expect("a viewer reads"), 1);
    let refused = session.require::<Admin>().expect_err("a viewer is no admin");
    assert!(refused.is_forbidden() && matches!(refused, Error::RoleTooLow { has: "viewer", needs: "admin" }));
}

#[tokio::test]
async fn an_organization_of_others_is_like_one_that_does_not_exist() {
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
async fn without_a_user_only_signing_up_is_left() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let visit = db.visit(&Visitor::<Organizations>::anonymous());
    assert!(matches!(visit.organizations::<OrgMember>().await, Err(Error::NotSignedIn { .. })));
    assert!(matches!(visit.session::<OrgMember>(acme.id).await, Err(Error::NotSignedIn { .. })));
    assert!(matches!(visit.found::<Organization>(named("x")).await, Err(Error::NotSignedIn { .. })));
    assert!(sign_up(&db, "new@acme.example").await.is_ok());
}

#[tokio::test]
async fn what_a_visitor_gives_is_held_to_the_tables_rules() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let again = sign_up(&db, "admin@acme.example").await;
    assert!(matches!(&again, Err(Error::Conflict { table, .. }) if table == "app.users"), "{again:?}");
    let empty = db.visit(&Visitor::vouched(acme.viewer)).found::<Organization>(named("")).await;
    assert!(matches!(&empty, Err(Error::CheckViolated { table, .. }) if table == "app.organizations"), "{empty:?}");
    let nobody = db.visit(&Visitor::vouched(Uuid::new_v4())).found::<Organization>(named("x")).await;
    assert!(matches!(nobody, Err(Error::InvalidReference { .. })), "{nobody:?}");
    let left = ask(&mut database.admin().await, "SELECT count(*)::text FROM app.organizations").await;
    assert_eq!(left, "2");
}

#[tokio::test]
async fn a_visitor_sees_no_table_at_all_and_manages_nobody() {
    let database = Database::create().await;
    let mut app = connect(&database.app_url()).await;
    let begin = format!(
        "SET ROLE app_visitor; SET app.organization_id = '{}'; SET app.user_id = '{}'",
        database.acme.id, database.acme.admin
    );
    run(&mut app, &begin).await.expect("the login may become a visitor");
    for table in TABLES {
        assert_eq!(refused(&mut app, &format!("SELECT FROM {}", table.name)).await, "42501", "{}", table.name);
    }
    let user = database.acme.viewer;
    let calls = [
        format!("add_member('{user}', 'admin')"),
        format!("change_member('{user}', 'admin')"),
        format!("remove_member('{user}')"),
        "acting_tenant()".to_owned(),
    ];
    for call in calls {
        assert_eq!(refused(&mut app, &format!("SELECT app_auth.{call}")).await, "42501", "{call}");
    }
}

#[tokio::test]
async fn nothing_of_a_visit_stays_on_its_connection() {
    let database = Database::create().await;
    let acme = database.acme;
    let db = TenantDb::options().max_connections(1).connect(&database.app_url()).await.expect("the app connects");
    assert_eq!(role(&db, acme.id, acme.admin).await, Some("admin"));
    let of_nobody = db.visit(&Visitor::vouched(Uuid::new_v4())).organizations::<OrgMember>().await;
    assert_eq!(of_nobody.expect("reads"), []);
}

// The login, and other keys ------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_boot_guard_refuses_a_login_that_can_become_the_owner_of_the_functions() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    run(&mut admin, "CREATE ROLE login_of_definer LOGIN NOINHERIT").await.expect("a login");
    run(&mut admin, "GRANT app_definer, app_visitor, app_admin TO login_of_definer").await.expect("becomes them");
    let of: String = ask(&mut admin, "SELECT current_database()::text").await;
    run(&mut admin, &format!("GRANT CONNECT ON DATABASE {of} TO login_of_definer")).await.expect("connects");
    let url = database.url_of("login_of_definer");
    let connected = TenantDb::connect(&url).await;
    run(&mut admin, "REVOKE app_definer FROM login_of_definer").await.expect("mended");
    let mended = TenantDb::connect(&url).await;
    run(&mut admin, "DROP OWNED BY login_of_definer; DROP ROLE login_of_definer").await.expect("gone");
    let Err(Error::UnsafeLogin { findings, .. }) = connected else { panic!("it was let in") };
    let found = |text: &str| findings.iter().any(|finding| finding.contains(text));
    assert!(found("can become `app_definer`") && found("REVOKE app_definer FROM login_of_definer"), "{findings:?}");
    assert!(mended.is_ok(), "the visitor and the tiers are no finding: {mended:?}");
}

mod slugs {
    //! A tenancy whose keys are texts and numbers, on the roles of the example.

    use tenant_runtime::{
        Role, Tenancy, TextKey,
        model::def::{RoleDef, SqlType, TenancyDef},
        tenant::Tier,
        tenant_key,
    };

    tenant_key! {
        /// An organization's key.
        pub(super) struct Slug(TextKey);
    }
    tenant_key! {
        /// A user's key.
        #[derive(Copy)]
        pub(super) struct Number(i64);
    }

    #[derive(Debug)]
    pub(super) enum Slugs {}

    impl Tenancy for Slugs {
        type Key = Slug;
        type User = Number;
        const DEF: &'static TenancyDef = &TenancyDef {
            schema: "app",
            role_prefix: "app_",
            key: SqlType::Text,
            user: SqlType::Int8,
            org_setting: "app.organization_id",
            user_setting: "app.user_id",
            connection_limit: 5,
            roles: &[RoleDef { name: "viewer", includes: &[] }],
            ..TenancyDef::blank()
        };
    }

    #[derive(Debug)]
    pub(super) enum Reader {}

    impl Role for Reader {
        type Tenancy = Slugs;
        type Kind = Tier;
        const NAME: &'static str = "viewer";
        const DB_ROLE: &'static str = "app_viewer";
    }
}

#[tokio::test]
async fn keys_of_other_types_reach_the_settings_as_they_are() {
    let database = Database::create().await;
    let db = database.app().await;
    let slug = slugs::Slug::from("auth0|acme.eu+x".parse::<tenant_runtime::TextKey>().expect("a key"));
    let ctx = TenantCtx::<slugs::Reader>::vouched(slug, slugs::Number::from(-7));
    let mut tx = db.begin(&ctx).await.expect("begins");
    let sql = "SELECT current_setting('app.organization_id'), current_setting('app.user_id'), $1, $2";
    let seen: (String, String, slugs::Slug, slugs::Number) =
        sqlx::query_as(sql).bind(ctx.org()).bind(ctx.user()).fetch_one(&mut tx).await.expect("reads");
    assert_eq!(seen, ("auth0|acme.eu+x".into(), "-7".into(), ctx.org().clone(), slugs::Number::from(-7)));
    let text: std::result::Result<slugs::Slug, _> = sqlx::query_scalar("SELECT 'no key'").fetch_one(&mut tx).await;
    assert!(matches!(text, Err(sqlx::Error::ColumnDecode { .. })), "{text:?}");
}
