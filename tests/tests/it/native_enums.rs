//! Enum types of PostgreSQL and arrays of labels, through the repository, the generated functions, `audit` and `verify`.

use std::time::Duration;

use sqlx::types::chrono::{DateTime, Utc};
use tenant_runtime::{
    Error, InlineValues, Invitations as _, Members as _, Repository as _, TenantCtx, TenantDb, TenantEnum, TenantTable,
    UserCtx,
    analyze::check,
    audit::audit,
    model::def::TableDef,
    tenancy,
    verify::{VerifyOptions, verify},
};
use tenant_tests::{Database, ask, refusal, run};
use uuid::Uuid;

use super::column_types::migrated;

tenancy! {
    /// Boards with cards.
    pub(super) Boards {
        key: Uuid,
        schema: "board",
        role_prefix: "board_",
        roles: {
            /// Reads and writes cards.
            Reader,
            /// Manages members.
            Boss: Reader,
        },
    }
}

/// The state of a card, in an order that is not that of the alphabet.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
#[tenant(native)]
enum CardState {
    Todo,
    InProgress,
    Done,
}

/// Who sees a card.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
#[tenant(native = "Shared with")]
enum Share {
    Team,
    Private,
}

/// A color, which is stored as text.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
enum Color {
    Red,
    Green,
    #[tenant(rename = "null")]
    Blank,
}

/// The role of a member; the type lacks no role.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
#[tenant(native)]
enum MemberRole {
    Reader,
    Boss,
}

/// A board.
#[derive(Debug, Clone, TenantTable)]
#[expect(dead_code, reason = "not every column is read")]
#[tenant(org = "id", select = "reader", creator_role = "boss")]
struct Board {
    id: Uuid,
    state: CardState,
    colors: Vec<Color>,
}

/// A person.
#[derive(Debug, Clone, TenantTable)]
#[expect(dead_code, reason = "not every column is read")]
#[tenant(global, visible_through = Member, select = "reader", sign_up)]
struct Person {
    id: Uuid,
    email: String,
    states: Vec<CardState>,
}

/// A member.
#[derive(Debug, Clone, TenantTable)]
#[expect(dead_code, reason = "not every column is read")]
#[tenant(org = "board_id", select = "reader", insert = "boss", update = "boss", delete = "boss")]
#[tenant(membership(user = "person_id", role = "role"))]
struct Member {
    #[tenant(id, references = Board, on_delete = "cascade")]
    board_id: Uuid,
    #[tenant(id, references = Person)]
    person_id: Uuid,
    role: MemberRole,
}

/// An invitation.
#[derive(Debug, Clone, TenantTable)]
#[expect(dead_code, reason = "not every column is read")]
#[tenant(org = "board_id", select = "boss", insert = "boss", delete = "boss")]
#[tenant(invitation(email = "email", role = "role", token = "token_hash", expires = "expires_at", by = "invited_by"))]
struct Invite {
    id: Uuid,
    #[tenant(references = Board, on_delete = "cascade")]
    board_id: Uuid,
    email: String,
    role: MemberRole,
    #[tenant(select = "none")]
    token_hash: Vec<u8>,
    expires_at: DateTime<Utc>,
    #[tenant(references = Member, on_delete = "cascade")]
    invited_by: Uuid,
}

/// A card.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "board_id", select = "reader", insert = "reader", update = "reader", delete = "reader")]
#[tenant(owner = "author", visibility = "share")]
struct Card {
    id: i64,
    board_id: Uuid,
    author: Uuid,
    #[tenant(default = "'team'")]
    share: Share,
    #[tenant(default = "'todo'", check = "state <> 'done' OR previous IS NOT NULL")]
    state: CardState,
    previous: Option<CardState>,
    #[tenant(default = "'{}'")]
    states: Vec<CardState>,
    #[tenant(default = "'{}'")]
    colors: Vec<Color>,
    title: String,
}

/// A card without arrays, of which several are inserted by one statement.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "board_id", select = "reader", insert = "reader", update = "reader")]
#[tenant(unique(state, title))]
struct Step {
    id: i64,
    board_id: Uuid,
    state: CardState,
    previous: Option<CardState>,
    title: String,
}

const TABLES: [&TableDef; 6] = [Board::TABLE, Person::TABLE, Member::TABLE, Invite::TABLE, Card::TABLE, Step::TABLE];

fn card(title: &str) -> NewCard {
    NewCard {
        share: None,
        state: None,
        previous: None,
        states: Some(vec![CardState::Done, CardState::Todo]),
        colors: Some(vec![Color::Blank, Color::Red]),
        title: title.to_owned(),
    }
}

fn step(state: CardState, title: &str) -> NewStep {
    NewStep { state, previous: (title != "a").then_some(CardState::Todo), title: title.to_owned() }
}

/// A database, and the app in both ways of sending values.
async fn boards() -> (Database, [TenantDb; 2]) {
    let database = migrated("", TABLES).await;
    let url = database.url_of("board_service");
    let app = async |values| TenantDb::options().inline_values(values).connect(&url).await.expect("connected");
    let apps = [app(InlineValues::None).await, app(InlineValues::All).await];
    (database, apps)
}

async fn person(db: &TenantDb, email: &str) -> Uuid {
    let new = NewPerson { email: email.to_owned(), states: vec![CardState::Todo] };
    db.user_scope(&UserCtx::<Boards>::anonymous()).sign_up::<Person>(new).await.expect("a user")
}

async fn board(db: &TenantDb, founder: Uuid) -> TenantCtx<Boss> {
    let new = NewBoard { state: CardState::InProgress, colors: vec![Color::Green] };
    let scope = db.user_scope(&UserCtx::<Boards>::assume_authenticated(founder));
    TenantCtx::assume_authorized(scope.create_tenant::<Board>(new).await.expect("created"), founder)
}

#[tokio::test]
async fn enum_types_work_in_every_repository_method() {
    let (_database, apps) = boards().await;
    for (number, db) in apps.iter().enumerate() {
        let ann = person(db, &format!("ann{number}")).await;
        let ctx = board(db, ann).await;
        let scope = db.scope(&ctx);
        let new = Card::insert(&scope, card("a")).await.expect("inserted");
        assert_eq!((new.share, new.state, new.previous), (Share::Team, CardState::Todo, None));
        assert_eq!(
            (&*new.states, &*new.colors),
            (&[CardState::Done, CardState::Todo][..], &[Color::Blank, Color::Red][..])
        );
        assert_eq!(Card::find(&scope, new.id).await.expect("read").as_ref(), Some(&new));
        let changes = CardChanges {
            state: Some(CardState::Done),
            previous: Some(Some(CardState::InProgress)),
            states: Some(vec![CardState::InProgress]),
            colors: Some(Vec::new()),
            ..CardChanges::default()
        };
        let changed = Card::update(&scope, new.id, changes).await.expect("updated");
        assert_eq!((changed.state, changed.previous), (CardState::Done, Some(CardState::InProgress)));
        assert_eq!((changed.states, changed.colors), (vec![CardState::InProgress], Vec::new()));
        let refused = CardChanges { previous: Some(None), ..CardChanges::default() };
        let refused = Card::update(&scope, new.id, refused).await;
        assert!(matches!(refused, Err(Error::CheckViolation { .. })), "{refused:?}");
        for (name, filter, expected) in [
            ("eq", Card::STATE.eq(CardState::Done), 1),
            ("ne", Card::STATE.ne(CardState::Done), 0),
            ("in", Card::STATE.in_([CardState::Todo, CardState::Done]), 1),
            ("not in", Card::STATE.in_([CardState::Todo]), 0),
            ("gt", Card::STATE.gt(CardState::InProgress), 1),
            ("nullable eq", Card::PREVIOUS.eq(CardState::InProgress), 1),
            ("nullable in", Card::PREVIOUS.in_([None, Some(CardState::Todo)]), 0),
            ("array eq", Card::STATES.eq(vec![CardState::InProgress]), 1),
            ("array in", Card::STATES.in_([vec![], vec![CardState::InProgress]]), 1),
            ("array of text labels", Card::COLORS.eq(vec![]), 1),
            ("array of text labels ne", Card::COLORS.ne(vec![Color::Red]), 1),
        ] {
            let found = Card::count(&scope).filter(filter.clone()).await;
            assert_eq!(found.unwrap_or_else(|error| panic!("{name}: {error}")), expected, "{name}");
            let rows = Card::list(&scope).filter(filter).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(rows.len(), usize::try_from(expected).expect("few"), "{name}");
        }
        let many = vec![step(CardState::Done, "a"), step(CardState::Todo, "b"), step(CardState::InProgress, "c")];
        let many = Step::insert_many(&scope, many).await.expect("inserted");
        assert_eq!((many[0].previous, many[1].previous), (None, Some(CardState::Todo)));
        let (mut titles, mut after) = (String::new(), None);
        loop {
            let list = Step::list(&scope).order(Step::STATE.asc()).limit(1);
            let page = if let Some(cursor) = after { list.after(cursor).page().await } else { list.page().await };
            let page = page.expect("read");
            titles.extend(page.rows.into_iter().map(|step| step.title));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(titles, "bca", "the order is that of the declaration");
        let again = NewStep { previous: None, ..step(CardState::Todo, "b") };
        let upserted = Step::upsert(&scope, again, Step::BY_STATE_AND_TITLE).await.expect("upserted");
        assert_eq!((upserted.id, upserted.previous), (many[1].id, None));
        let to_done = StepChanges { state: Some(CardState::Done), ..StepChanges::default() };
        let updated = Step::update_where(&scope, Step::STATE.le(CardState::Todo), to_done).await.expect("updated");
        assert_eq!(updated, 1);
        assert_eq!(Card::delete_where(&scope, Card::STATE.in_([CardState::Done])).await.expect("deleted"), 1);
    }
}

#[tokio::test]
async fn roles_and_visibility_of_an_enum_type_decide_who_sees_a_row() {
    let (_database, apps) = boards().await;
    for (number, db) in apps.iter().enumerate() {
        let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| format!("{name}{number}@board"));
        let [ann, bob, eve] = [person(db, &ann).await, person(db, &bob).await, person(db, &eve).await];
        let ctx = board(db, ann).await;
        let other = board(db, eve).await;
        let scope = db.scope(&ctx);
        let day = Duration::from_secs(86_400);
        let token =
            Invite::invite(&scope, &format!("bob{number}@board"), MemberRole::Reader, day).await.expect("invited");
        let user = db.user_scope(&UserCtx::<Boards>::assume_authenticated(bob));
        assert_eq!(user.accept::<Invite>(&token).await.expect("accepted"), *ctx.tenant_id());
        Card::insert(&scope, card("shared")).await.expect("inserted");
        Card::insert(&scope, NewCard { share: Some(Share::Private), ..card("private") }).await.expect("inserted");
        let of_bob = TenantCtx::<Reader>::assume_authorized(*ctx.tenant_id(), bob);
        let seen = Card::list(&db.scope(&of_bob)).await.expect("read");
        assert_eq!(seen.iter().map(|card| &*card.title).collect::<Vec<_>>(), ["shared"]);
        assert_eq!(Card::count(&scope).await.expect("counted"), 2);
        assert_eq!(Card::count(&db.scope(&other)).await.expect("counted"), 0);
        let forged = TenantCtx::<Boss>::assume_authorized(*ctx.tenant_id(), bob);
        assert_eq!(Card::count(&db.scope(&forged)).await.expect("counted"), 0, "the membership has the role reader");
        Member::change_role(&scope, bob, MemberRole::Boss).await.expect("changed");
        assert_eq!(Card::count(&db.scope(&forged)).await.expect("counted"), 1, "the membership has the role boss");
        Member::add_member(&db.scope(&other), bob, MemberRole::Reader).await.expect_err("consent is required");
        Member::remove_member(&scope, bob).await.expect("removed");
        let last = Member::leave(&scope).await;
        assert!(matches!(last, Err(Error::LastManager)), "{last:?}");
    }
}

#[tokio::test]
async fn audit_finds_changes_of_an_enum_type() {
    let (database, _) = boards().await;
    let mut admin = database.admin().await;
    let schema = check(&tenant_runtime::models![].only(TABLES)).expect("valid").schema;
    let clean = audit(&mut admin, &schema).await.expect("audited");
    assert!(clean.is_clean(), "{clean}");
    for (drift, code, expected, undo) in [
        (
            "ALTER TYPE board.card_state RENAME VALUE 'done' TO 'over'",
            "TA128",
            "labels are `todo`, `in_progress`, `over`, but are declared `todo`, `in_progress`, `done`",
            "ALTER TYPE board.card_state RENAME VALUE 'over' TO 'done'",
        ),
        (
            "ALTER TYPE board.card_state OWNER TO postgres",
            "TA128",
            "owner is `postgres`, but is declared `board_schema_owner`",
            "",
        ),
        (
            "GRANT USAGE ON TYPE board.member_role TO board_reader",
            "TA111",
            "it is in the database but not declared",
            "",
        ),
        ("GRANT USAGE ON TYPE board.\"Shared with\" TO PUBLIC", "TA111", "it is in the database but not declared", ""),
        ("REVOKE USAGE ON TYPE board.card_state FROM board_function_owner", "TA112", "it is declared but missing", ""),
        (
            "ALTER TYPE board.card_state ADD VALUE 'lost'",
            "TA128",
            "labels are `todo`, `in_progress`, `done`, `lost`",
            "-",
        ),
    ] {
        run(&mut admin, drift).await.expect(drift);
        let report = audit(&mut admin, &schema).await.expect("audited");
        let finding =
            report.failing().find(|finding| finding.code == code).unwrap_or_else(|| panic!("{drift}: {report}"));
        assert!(finding.what.starts_with(expected), "{drift}: {}", finding.what);
        let fix = if undo.is_empty() { &*finding.fix } else { undo };
        if fix == "-" {
            break;
        }
        run(&mut admin, fix).await.expect("fixed");
        let report = audit(&mut admin, &schema).await.expect("audited");
        assert!(report.is_clean(), "{drift}: {report}");
    }
}

#[tokio::test]
async fn verification_makes_rows_with_enum_types_and_arrays_of_labels() {
    let (database, _) = boards().await;
    let models = tenant_runtime::models![].only(TABLES);
    let report = verify(&database.admin_url(), &models, &VerifyOptions::default()).await.expect("verified");
    assert!(report.is_clean(), "{report}");
    // A policy that ignores the visibility is found.
    let mut admin = database.admin().await;
    run(&mut admin, "ALTER POLICY select_reader ON board.cards USING (true)").await.expect("altered");
    let report = verify(&database.admin_url(), &models, &VerifyOptions::default()).await.expect("verified");
    assert!(!report.is_clean(), "{report}");
}

#[tokio::test]
async fn arrays_contain_only_labels() {
    let (database, apps) = boards().await;
    let ann = person(&apps[0], "ann").await;
    let ctx = board(&apps[0], ann).await;
    let id = Card::insert(&apps[0].scope(&ctx), card("a")).await.expect("inserted").id;
    let mut admin = database.admin().await;
    for (value, code) in
        [("colors = '{red,blue}'", "23514"), ("colors = '{NULL}'", "23514"), ("states = '{lost}'", "22P02")]
    {
        let refused = run(&mut admin, &format!("UPDATE board.cards SET {value} WHERE id = {id}")).await;
        assert_eq!(refusal(refused.expect_err(value)).0, code, "{value}");
    }
    let colors = ask(&mut admin, "SELECT colors::text FROM board.cards").await;
    assert_eq!(colors, "{\"null\",red}");
}
