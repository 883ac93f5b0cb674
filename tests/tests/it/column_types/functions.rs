//! Parameters of the generated functions, which have the types of columns.

use std::time::Duration;

use sqlx::types::{
    Decimal,
    chrono::{DateTime, Utc},
};
use tenant_runtime::{
    Error, InlineValues, Invitations as _, Members as _, Repository as _, TenantCtx, TenantDb, TenantEnum, TenantTable,
    UserCtx,
    audit::audit,
    model::def::TableDef,
    tenancy,
    verify::{VerifyOptions, verify},
};
use tenant_tests::{Database, run};
use uuid::Uuid;

use super::migrated;

tenancy! {
    /// Clubs, whose functions have parameters of many types.
    pub(super) Clubs {
        key: Uuid,
        role_prefix: "typed_club_",
        extensions: { citext: "ext" },
        roles: {
            /// Reads rows.
            Reader,
            /// Manages members.
            Boss: Reader,
        },
    }
}

/// A club.
#[derive(Debug, Clone, TenantTable)]
#[expect(dead_code, reason = "not every column is read")]
#[tenant(org = "id", select = "reader", update = "boss", creator_role = "boss")]
struct Club {
    id: Uuid,
    #[tenant(sql_type = "ext.citext", unique)]
    slug: String,
    #[tenant(sql_type = "numeric(3, 1)")]
    size: Decimal,
    #[tenant(sql_type = "varchar(4)[]")]
    words: Vec<String>,
}

/// A person.
#[derive(Debug, Clone, TenantTable)]
#[expect(dead_code, reason = "not every column is read")]
#[tenant(global, visible_through = ClubMember, select = "reader", sign_up)]
struct Person {
    id: Uuid,
    #[tenant(sql_type = "ext.citext", unique)]
    email: String,
    #[tenant(sql_type = "varchar(5)")]
    nick: Option<String>,
    #[tenant(sql_type = "ext.citext[]")]
    tags: Vec<String>,
}

/// The role of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
enum ClubRole {
    Reader,
    Boss,
}

/// A member.
#[derive(Debug, Clone, TenantTable)]
#[expect(dead_code, reason = "not every column is read")]
#[tenant(org = "club_id", select = "reader", insert = "boss", update = "boss", delete = "boss")]
#[tenant(membership(user = "person_id", role = "role"))]
struct ClubMember {
    #[tenant(id, references = Club, on_delete = "cascade")]
    club_id: Uuid,
    #[tenant(id, references = Person)]
    person_id: Uuid,
    role: ClubRole,
}

/// An invitation.
#[derive(Debug, Clone, TenantTable)]
#[expect(dead_code, reason = "not every column is read")]
#[tenant(org = "club_id", select = "boss", insert = "boss", delete = "boss")]
#[tenant(invitation(email = "email", role = "role", token = "token_hash", expires = "expires_at", by = "invited_by"))]
struct ClubInvitation {
    id: Uuid,
    #[tenant(references = Club, on_delete = "cascade")]
    club_id: Uuid,
    #[tenant(sql_type = "ext.citext")]
    email: String,
    role: ClubRole,
    #[tenant(select = "none")]
    token_hash: Vec<u8>,
    expires_at: DateTime<Utc>,
    #[tenant(references = ClubMember, on_delete = "cascade")]
    invited_by: Uuid,
}

const TABLES: [&TableDef; 4] = [Club::TABLE, Person::TABLE, ClubMember::TABLE, ClubInvitation::TABLE];

async fn clubs() -> Database {
    migrated("", TABLES).await
}

fn person(email: &str, nick: Option<&str>) -> NewPerson {
    NewPerson { email: email.to_owned(), nick: nick.map(str::to_owned), tags: vec!["Chess".to_owned()] }
}

#[tokio::test]
async fn parameters_of_generated_functions_have_the_types_of_the_columns() {
    let database = clubs().await;
    for (number, values) in [InlineValues::None, InlineValues::All].into_iter().enumerate() {
        let db = TenantDb::options().inline_values(values).connect(&database.url_of("typed_club_service")).await;
        let db = db.expect("connected");
        let anonymous = db.user_scope(&UserCtx::<Clubs>::anonymous());
        let ann = anonymous.sign_up::<Person>(person(&format!("Ann{number}@Club"), Some("ann"))).await.expect("a user");
        let again = anonymous.sign_up::<Person>(person(&format!("ANN{number}@club"), None)).await;
        assert!(matches!(again, Err(Error::UniqueViolation { .. })), "{again:?}");
        let long = anonymous.sign_up::<Person>(person(&format!("x{number}@club"), Some("annabel"))).await;
        assert!(long.is_err(), "a value that is too long is not truncated: {long:?}");
        let new = NewClub { slug: format!("Chess{number}"), size: Decimal::new(75, 1), words: vec!["abcd".to_owned()] };
        let club = db.user_scope(&UserCtx::<Clubs>::assume_authenticated(ann)).create_tenant::<Club>(new).await;
        let ctx = TenantCtx::<Boss>::assume_authorized(club.expect("created"), ann);
        let found = Club::list(&db.scope(&ctx)).filter(Club::SLUG.eq(format!("CHESS{number}"))).await.expect("read");
        assert_eq!((found[0].size, &*found[0].words), (Decimal::new(75, 1), &["abcd".to_owned()][..]));
        let bob = anonymous.sign_up::<Person>(person(&format!("Bob{number}@Club"), None)).await.expect("a user");
        let day = Duration::from_secs(86_400);
        let invited = format!("BOB{number}@club");
        let token = ClubInvitation::invite(&db.scope(&ctx), &invited, ClubRole::Reader, day).await.expect("invited");
        let accepted =
            db.user_scope(&UserCtx::<Clubs>::assume_authenticated(bob)).accept::<ClubInvitation>(&token).await;
        assert_eq!(accepted.expect("it is for that address"), *ctx.tenant_id());
        ClubMember::change_role(&db.scope(&ctx), bob, ClubRole::Boss).await.expect("changed");
        ClubMember::remove_member(&db.scope(&ctx), bob).await.expect("removed");
    }
}

#[tokio::test]
async fn audit_finds_an_extension_that_is_missing_moved_or_not_usable() {
    let database = clubs().await;
    let mut admin = database.admin().await;
    let schema = tenant_runtime::analyze::check(&tenant_runtime::models![].only(TABLES)).expect("valid").schema;
    let clean = audit(&mut admin, &schema).await.expect("audited");
    assert!(clean.is_clean(), "{clean}");
    for (drift, expected) in [
        (
            "CREATE SCHEMA elsewhere; ALTER EXTENSION citext SET SCHEMA elsewhere",
            "schema is `elsewhere`, but is declared `ext`",
        ),
        (
            "REVOKE USAGE ON SCHEMA ext FROM typed_club_reader",
            "roles without USAGE on the schema are `typed_club_reader`",
        ),
    ] {
        run(&mut admin, drift).await.expect(drift);
        let report = audit(&mut admin, &schema).await.expect("audited");
        let finding = report.findings.iter().find(|finding| finding.code == "TA127").expect(expected);
        assert!(finding.what.contains(expected), "{}", finding.what);
        run(&mut admin, &finding.fix).await.expect("fixed");
        let report = audit(&mut admin, &schema).await.expect("audited");
        assert!(report.is_clean(), "{report}");
    }
}

#[tokio::test]
async fn verification_tests_tables_with_types_of_extensions() {
    let database = clubs().await;
    let models = tenant_runtime::models![].only(TABLES);
    let report = verify(&database.admin_url(), &models, &VerifyOptions::default()).await.expect("verified");
    assert!(report.is_clean(), "{report}");
}
