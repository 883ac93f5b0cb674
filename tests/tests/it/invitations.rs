//! Invitations: which roles can invite, which user can accept, and that each invitation is accepted once.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use tenant_examples::{Change, Invitation, MemberRole, NewProject, OrgMember, Project};
use tenant_runtime::{
    Error, InvitationToken, Invitations as _, Members as _, Repository as _, Result, TenantCtx, TenantDb, UserCtx,
    roles::{Admin, Member},
};
use tenant_tests::{Database, Tenant, ask, connect, dedicated_server, migrate, refusal, run};
use uuid::Uuid;

use super::session::{role, sign_up};

/// The invited email address in each tenant of the tests.
const GUEST: &str = "guest@example";

const DAY: Duration = Duration::from_secs(86_400);

async fn accept(db: &TenantDb, user: Uuid, token: &InvitationToken) -> Result<Uuid> {
    db.user_scope(&UserCtx::assume_authenticated(user)).accept::<Invitation>(token).await
}

async fn invite(db: &TenantDb, ctx: &TenantCtx<Admin>, email: &str, role: MemberRole) -> Result<InvitationToken> {
    Invitation::invite(&db.scope(ctx), email, role, DAY).await
}

#[tokio::test]
async fn accepting_an_invitation_grants_its_role_once() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let token = invite(&db, &acme.as_admin(), "New@acme.example", MemberRole::Member).await.expect("an admin invites");
    let user = sign_up(&db, "new@acme.example").await.expect("sign-up succeeds");
    // The token as sent by email.
    let sent: InvitationToken = token.to_string().parse().expect("a token");
    assert_eq!(accept(&db, user, &sent).await.expect("it is for that address"), acme.id);
    assert_eq!(role(&db, acme.id, user).await, Some("member"));
    let again = accept(&db, user, &sent).await;
    assert!(matches!(again, Err(Error::NoInvitation)), "{again:?}");
}

#[tokio::test]
async fn invitation_is_bound_to_an_email_address_and_expires() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let token = invite(&db, &acme.as_admin(), "new@acme.example", MemberRole::Viewer).await.expect("an admin invites");
    let other = sign_up(&db, "other@acme.example").await.expect("sign-up succeeds");
    let user = sign_up(&db, "new@acme.example").await.expect("sign-up succeeds");
    let mut refused = vec![accept(&db, other, &token).await];
    let wrong = "0".repeat(64).parse().expect("a token");
    refused.push(accept(&db, user, &wrong).await);
    let late =
        Invitation::invite(&db.scope(&acme.as_admin()), "new@acme.example", MemberRole::Viewer, Duration::ZERO).await;
    refused.push(accept(&db, user, &late.expect("an admin invites")).await);
    refused.push(db.user_scope(&UserCtx::anonymous()).accept::<Invitation>(&token).await);
    let told: Vec<_> = refused.iter().map(|refused| matches!(refused, Err(Error::NoInvitation))).collect();
    assert_eq!(told, [true, true, true, false], "{refused:?}");
    assert!(matches!(refused[3], Err(Error::Unauthenticated { .. })));
    accept(&db, user, &token).await.expect("it is still there");
}

#[tokio::test]
async fn addresses_and_the_change_log_do_not_depend_on_the_locale() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let create = "CREATE DATABASE turkish TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'tr'";
    match run(&mut connect(&server.admin_url()).await, create).await.map_err(refusal) {
        Err((_, message)) if message.contains("ICU is not supported") => return eprintln!("SKIPPED: {message}"),
        created => drop(created.expect("a database")),
    }
    let url = server.url("postgres", "turkish");
    migrate(&url).await;
    let mut admin = connect(&url).await;
    assert_eq!(ask(&mut admin, "SELECT lower('INFO')").await, "ınfo");
    let acme = Tenant::new();
    acme.seed(&mut admin, "acme").await;
    let db = TenantDb::connect(&server.url("app_service", "turkish")).await.expect("connects");
    let mut seen = Vec::new();
    for (invited, own) in [
        ("INFO@ACME.EXAMPLE", "info@acme.example"),
        ("idil@acme.example", "IDIL@acme.example"),
        // Letters outside ASCII must match exactly, as must the Turkish letters that resemble an ASCII letter.
        ("ÖMER@acme.example", "ÖMER@ACME.example"),
        ("ömer@acme.example", "Ömer@acme.example"),
        ("İpek@acme.example", "ipek@acme.example"),
        ("ılgaz@acme.example", "ILGAZ@acme.example"),
    ] {
        let user = sign_up(&db, own).await.expect("sign-up succeeds");
        let token = invite(&db, &acme.as_admin(), invited, MemberRole::Viewer).await.expect("an admin invites");
        seen.push(match accept(&db, user, &token).await {
            Ok(_) => true,
            Err(Error::NoInvitation) => false,
            Err(error) => panic!("{error}"),
        });
    }
    assert_eq!(seen, [true, true, true, false, false, false]);
    let project = NewProject { name: "a".into(), description: None, created_at: None };
    Project::insert(&db.scope(&acme.as_member()), project).await.expect("a member inserts");
    let logged = Change::list(&db.scope(&acme.as_admin())).await;
    let logged = logged.expect("an admin reads");
    assert!(logged.len() >= 5 && logged.iter().all(|change| change.command == "insert"), "{logged:?}");
}

#[tokio::test]
async fn inviting_requires_member_management() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    // A member who claims to be an admin, an admin of another tenant, and a role without EXECUTE on the function.
    let forged = TenantCtx::<Admin>::assume_authorized(acme.id, acme.member);
    let of_another = TenantCtx::<Admin>::assume_authorized(acme.id, database.globex.admin);
    for ctx in [forged, of_another, TenantCtx::assume_authorized_job(acme.id)] {
        let refused = invite(&db, &ctx, "x@acme.example", MemberRole::Viewer).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    }
    for role in ["app_viewer", "app_member", "app_no_tenant"] {
        let mut session = database.raw(role, acme.id, acme.admin).await;
        let refused = run(&mut session, "SELECT app_auth.invite('x', 'viewer', '', 60)").await.expect_err("no right");
        assert_eq!(refusal(refused).0, "42501", "{role}");
    }
    let mut session = database.raw("app_admin", acme.id, acme.admin).await;
    for sql in [
        "INSERT INTO app.invitations (email) VALUES ('x')",
        "UPDATE app.invitations SET role = 'admin'",
        "SELECT token_hash FROM app.invitations",
        "SELECT app_auth.accept_invitation('')",
        "SELECT app_auth.invite('x', 'owner', '', 60)",
    ] {
        assert_eq!(refusal(run(&mut session, sql).await.expect_err("the statement is denied")).0, "42501", "{sql}");
    }
}

#[tokio::test]
async fn invitation_is_void_once_the_inviter_loses_the_role() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let admin = db.scope(&acme.as_admin());
    OrgMember::change_role(&admin, acme.member, MemberRole::Admin).await.expect("an admin makes another");
    let second = TenantCtx::<Admin>::assume_authorized(acme.id, acme.member);
    let first = invite(&db, &second, "new@acme.example", MemberRole::Admin).await.expect("an admin invites");
    let user = sign_up(&db, "new@acme.example").await.expect("sign-up succeeds");
    OrgMember::change_role(&admin, acme.member, MemberRole::Viewer).await.expect("demoted");
    let demoted = accept(&db, user, &first).await;
    assert!(matches!(demoted, Err(Error::NoInvitation)), "{demoted:?}");
    OrgMember::change_role(&admin, acme.viewer, MemberRole::Admin).await.expect("an admin makes another");
    let third = TenantCtx::<Admin>::assume_authorized(acme.id, acme.viewer);
    invite(&db, &third, "x@acme.example", MemberRole::Viewer).await.expect("an admin invites");
    OrgMember::remove_member(&admin, acme.viewer).await.expect("removed");
    let left = ask(
        &mut database.admin().await,
        &format!("SELECT string_agg(email, ' ') FROM app.invitations WHERE email <> '{GUEST}'"),
    )
    .await;
    assert_eq!((left.as_str(), role(&db, acme.id, user).await), ("new@acme.example", None));
}

#[tokio::test]
async fn invitation_is_listed_and_deleted_only_by_admins_of_its_tenant() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let token = invite(&db, &acme.as_admin(), "new@acme.example", MemberRole::Viewer).await.expect("an admin invites");
    let mut seen = Invitation::list(&db.scope(&acme.as_admin())).await.expect("an admin reads");
    seen.retain(|invitation| invitation.email != GUEST);
    assert_eq!((seen.len(), seen[0].email.as_str(), seen[0].token_hash.len()), (1, "new@acme.example", 0));
    let elsewhere = db.scope(&database.globex.as_admin());
    assert_eq!(Invitation::count(&elsewhere).await.expect("an admin counts"), 1);
    assert!(matches!(Invitation::delete(&elsewhere, seen[0].id).await, Err(Error::NotFound { .. })));
    Invitation::delete(&db.scope(&acme.as_admin()), seen[0].id).await.expect("an admin withdraws");
    let user = sign_up(&db, "new@acme.example").await.expect("sign-up succeeds");
    assert!(matches!(accept(&db, user, &token).await, Err(Error::NoInvitation)));
}

#[tokio::test]
async fn only_the_hash_of_an_invitation_token_is_stored() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let token = invite(&db, &acme.as_admin(), "new@acme.example", MemberRole::Viewer).await.expect("an admin invites");
    let mut admin = database.admin().await;
    let kept =
        ask(&mut admin, &format!("SELECT encode(token_hash, 'hex') FROM app.invitations WHERE email <> '{GUEST}'"))
            .await;
    let hashed = ask(&mut admin, &format!("SELECT encode(sha256('\\x{token}'), 'hex')")).await;
    let user = sign_up(&db, "new@acme.example").await.expect("sign-up succeeds");
    let by_hash = accept(&db, user, &kept.parse().expect("64 digits")).await;
    assert_eq!((kept == hashed, kept == token.to_string(), by_hash.is_ok()), (true, false, false));
}

#[tokio::test]
async fn concurrent_acceptance_adds_one_member() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let mut admin = database.admin().await;
    for round in 0..20 {
        let email = format!("user{round}@acme.example");
        let user = sign_up(&db, &email).await.expect("sign-up succeeds");
        let token = invite(&db, &acme.as_admin(), &email, MemberRole::Viewer).await.expect("an admin invites");
        let (one, other) = tokio::join!(accept(&db, user, &token), accept(&db, user, &token));
        let won = usize::from(one.is_ok()) + usize::from(other.is_ok());
        let lost = one.err().or(other.err());
        let members = format!("SELECT count(*)::text FROM app.org_members WHERE user_id = '{user}'");
        let told = matches!(lost, Some(Error::NoInvitation));
        assert_eq!((won, told, ask(&mut admin, &members).await.as_str()), (1, true, "1"), "{lost:?}");
    }
}

#[tokio::test]
async fn existing_member_keeps_the_role_and_the_invitation() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let email =
        ask(&mut database.admin().await, &format!("SELECT email FROM app.users WHERE id = '{}'", acme.viewer)).await;
    let token = invite(&db, &acme.as_admin(), &email, MemberRole::Admin).await.expect("an admin invites");
    let refused = accept(&db, acme.viewer, &token).await;
    assert!(matches!(refused, Err(Error::UniqueViolation { .. })), "{refused:?}");
    assert_eq!(role(&db, acme.id, acme.viewer).await, Some("viewer"));
    assert_eq!(Invitation::count(&db.scope(&acme.as_admin())).await.expect("an admin reads"), 2);
}

#[tokio::test]
async fn member_role_cannot_read_invitations() {
    let database = Database::create().await;
    let ctx: TenantCtx<Member> = database.acme.as_member();
    let mut tx = database.app().await.begin(&ctx).await.expect("begins");
    let refused = sqlx::query(AssertSqlSafe("SELECT email FROM app.invitations")).execute(&mut tx).await;
    assert!(matches!(refused.map_err(Error::from), Err(Error::Forbidden { .. })));
}

#[tokio::test]
async fn invitation_lookup_uses_the_token_hash_index() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    // A table of two rows is scanned sequentially unless the planner is discouraged from it.
    run(&mut admin, "SET ROLE app_function_owner; SET enable_seqscan = off").await.expect("a superuser can");
    let asked = "EXPLAIN SELECT id FROM app.invitations WHERE token_hash = sha256('x'::bytea)";
    let plan: Vec<String> = sqlx::query_scalar(asked).fetch_all(&mut admin).await.expect("a plan");
    assert!(plan.iter().any(|line| line.trim().starts_with("Index Cond: (token_hash =")), "{plan:#?}");
}
