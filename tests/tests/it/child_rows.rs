//! Rows with `parent`: the database fills their tenant column, and members see the rows whose parents they see.

use sqlx::{AssertSqlSafe, PgConnection};
use tenant_runtime::{
    Error, Models, Repository as _, SystemDb, TenantCtx, TenantDb, TenantEnum, TenantTable,
    model::schema::Command,
    tenancy,
    verify::{VerifyOptions, verify},
    why::{Question, Row, why_row},
};
use tenant_tests::{Database, app_options, ask, connect, refusal, run};
use uuid::Uuid;

use super::data::database_of;

tenancy! {
    /// Firms and their members.
    pub(super) Firms {
        key: Uuid,
        role_prefix: "firm_",
        tenant_setting: "firm.firm_id",
        user_setting: "firm.user_id",
        roles: {
            /// Reads rows.
            Reader,
            /// Writes rows.
            Writer: Reader,
            /// Deletes boards.
            Boss: Writer,
        },
    }
}

/// Who sees a board.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
pub(super) enum Seen {
    Team,
    Private,
}

/// A board, which a private one hides from all but its author.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "firm_id", select = "reader", insert = "writer", update = "writer", delete = "boss")]
#[tenant(owner = "created_by", visibility = "seen", system(select))]
pub(super) struct Board {
    pub(super) id: Uuid,
    pub(super) firm_id: Uuid,
    pub(super) created_by: Uuid,
    pub(super) seen: Seen,
}

/// A card on a board.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(parent = "board_id", select = "reader", insert = "writer", update = "writer", delete = "writer")]
#[tenant(track_changes, system(select, insert))]
pub(super) struct Card {
    pub(super) id: Uuid,
    #[tenant(references = Board, on_delete = "cascade")]
    pub(super) board_id: Uuid,
    #[tenant(unique)]
    pub(super) slug: String,
    pub(super) text: String,
}

/// A remark on a card.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(parent = "card_id", select = "reader", insert = "writer", update = "writer", delete = "writer")]
pub(super) struct Remark {
    pub(super) id: i64,
    #[tenant(references = Card, on_delete = "cascade")]
    pub(super) card_id: Uuid,
    pub(super) body: String,
}

/// A change of a card.
#[derive(Debug, Clone, TenantTable)]
#[expect(dead_code, reason = "the tests read some of the fields")]
#[tenant(org = "firm_id", select = "boss", change_log)]
pub(super) struct Change {
    pub(super) id: i64,
    pub(super) firm_id: Uuid,
    pub(super) user_id: Option<Uuid>,
    pub(super) role: String,
    pub(super) table_name: String,
    pub(super) row_key: String,
    pub(super) command: String,
    pub(super) before: Option<serde_json::Value>,
    pub(super) after: Option<serde_json::Value>,
}

fn models() -> Models {
    tenant_runtime::models![].only([Board::TABLE, Card::TABLE, Remark::TABLE, Change::TABLE])
}

/// A database with two firms. Each has a boss with a board for the team and a private board, and one card on each board.
struct Office {
    database: Database,
    db: TenantDb,
    boss: TenantCtx<Boss>,
    /// Another member of the same firm.
    writer: TenantCtx<Writer>,
    /// The boss of the other firm.
    other: TenantCtx<Boss>,
    team: Card,
    private: Card,
    foreign: Card,
}

fn card(board: &Board, slug: &str) -> NewCard {
    NewCard { board_id: board.id, slug: slug.to_owned(), text: "x".to_owned() }
}

fn remark(card: &Card, body: &str) -> NewRemark {
    NewRemark { card_id: card.id, body: body.to_owned() }
}

impl Office {
    async fn open() -> Self {
        let database = database_of([Board::TABLE, Card::TABLE, Remark::TABLE, Change::TABLE]).await;
        let db = app_options().connect(&database.url_of("firm_service")).await.expect("connected");
        let boss = || TenantCtx::<Boss>::assume_authorized(Uuid::new_v4(), Uuid::new_v4());
        let (boss, other) = (boss(), boss());
        let mut cards = Vec::new();
        for (ctx, seen) in [(&boss, Seen::Team), (&boss, Seen::Private), (&other, Seen::Team)] {
            let board = Board::insert(&db.scope(ctx), NewBoard { seen }).await.expect("a board");
            // The slugs of a firm differ; those of two firms may be the same.
            let slug = if seen == Seen::Team { "one" } else { "two" };
            cards.push(Card::insert(&db.scope(ctx), card(&board, slug)).await.expect("a card"));
        }
        let writer = TenantCtx::assume_authorized(*boss.tenant_id(), Uuid::new_v4());
        let [team, private, foreign] = cards.try_into().expect("three cards");
        Self { database, db, boss, writer, other, team, private, foreign }
    }

    /// A session as a role of the firm, as the app's login.
    async fn session(&self, role: &str, firm: &str) -> PgConnection {
        let mut session = connect(&self.database.url_of("firm_service")).await;
        let set = format!("SET ROLE {role}; SET firm.firm_id = '{firm}'; SET firm.user_id = '{}'", Uuid::new_v4());
        run(&mut session, &set).await.expect("the login can");
        session
    }
}

async fn state(session: &mut PgConnection, sql: &str) -> Result<u64, String> {
    run(session, sql).await.map_err(|error| refusal(error).0)
}

#[tokio::test]
async fn database_fills_the_tenant_column_from_the_context() {
    let office = Office::open().await;
    let firms = "SELECT string_agg((c.firm_id = b.firm_id)::text, ' ') FROM app.cards AS c JOIN app.boards AS b ON b.id = c.board_id";
    assert_eq!(ask(&mut office.database.admin().await, firms).await, "true true true");
    // SQL of the app does not name the column either, and cannot.
    let mut session = office.session("firm_writer", &office.boss.tenant_id().to_string()).await;
    let own = format!("INSERT INTO app.cards (board_id, slug, text) VALUES ('{}', 'sql', 'x')", office.team.board_id);
    let forged = |firm: &Uuid| {
        format!(
            "INSERT INTO app.cards (firm_id, board_id, slug, text) VALUES ('{firm}', '{}', 'forged', 'x')",
            office.foreign.board_id
        )
    };
    let attempts = [
        own.clone(),
        forged(office.boss.tenant_id()),
        forged(office.other.tenant_id()),
        format!("UPDATE app.cards SET firm_id = '{}'", office.other.tenant_id()),
        format!("UPDATE app.cards SET board_id = '{}'", office.private.board_id),
    ];
    let mut seen = Vec::new();
    for sql in &attempts {
        seen.push(state(&mut session, sql).await);
    }
    let denied = || Err("42501".to_owned());
    assert_eq!(seen, [Ok(1), denied(), denied(), denied(), denied()]);
    // Without a tenant in the context, the tenant column would be NULL.
    run(&mut session, "SET firm.firm_id = ''").await.expect("set");
    assert_eq!(state(&mut session, &own.replace("sql", "none")).await, denied());
}

#[tokio::test]
async fn rows_of_hidden_and_foreign_parents_are_hidden() {
    let office = Office::open().await;
    let (boss, writer, other) =
        (office.db.scope(&office.boss), office.db.scope(&office.writer), office.db.scope(&office.other));
    for card in [&office.team, &office.private] {
        Remark::insert(&boss, remark(card, "by the boss")).await.expect("the boss sees both boards");
    }
    let counts = [
        (Card::count(&boss).await, Remark::count(&boss).await),
        (Card::count(&writer).await, Remark::count(&writer).await),
        (Card::count(&other).await, Remark::count(&other).await),
    ];
    let counts = counts.map(|(cards, remarks)| (cards.expect("read"), remarks.expect("read")));
    assert_eq!(counts, [(2, 2), (1, 1), (1, 0)]);
    let of_private = Remark::CARD_ID.eq(office.private.id);
    let changes = || RemarkChanges { body: Some("changed".to_owned()) };
    assert_eq!(Remark::update_where(&writer, of_private.clone(), changes()).await.expect("nothing"), 0);
    assert_eq!(Remark::delete_where(&writer, of_private.clone()).await.expect("nothing"), 0);
    assert_eq!(Remark::update_where(&boss, of_private, changes()).await.expect("the boss can"), 1);
    let found = Card::find(&writer, office.private.id).await.expect("read");
    let gone = Card::delete(&other, office.team.id).await.map(drop);
    assert!(found.is_none() && matches!(gone, Err(Error::NotFound { .. })), "{found:?} {gone:?}");
}

#[tokio::test]
async fn insert_requires_a_visible_parent_in_the_tenant() {
    let office = Office::open().await;
    let writer = office.db.scope(&office.writer);
    let to = |card: &Card| remark(card, "new");
    let visible = Remark::insert(&writer, to(&office.team)).await.expect("a visible card");
    assert_eq!(visible.card_id, office.team.id);
    let missing = Card { id: Uuid::new_v4(), ..office.team.clone() };
    // A hidden card, one of another firm and a missing one give the same error.
    for card in [&office.private, &office.foreign, &missing] {
        let refused = Remark::insert(&writer, to(card)).await.map(drop);
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    }
    let many = Remark::insert_many(&writer, [to(&office.team), to(&office.private)]).await.map(drop);
    assert!(matches!(many, Err(Error::Forbidden { .. })), "{many:?}");
    let boss = Remark::insert(&office.db.scope(&office.boss), to(&office.private)).await.map(drop);
    assert!(boss.is_ok(), "{boss:?}");
}

#[tokio::test]
async fn unique_values_of_child_rows_are_unique_within_the_tenant() {
    let office = Office::open().await;
    let boss = office.db.scope(&office.boss);
    let board = Board::get(&boss, office.team.board_id).await.expect("the board");
    let taken = Card::insert(&boss, card(&board, "one")).await.map(drop);
    assert!(matches!(taken, Err(Error::UniqueViolation { .. })), "{taken:?}");
    let new = NewCard { text: "changed".to_owned(), ..card(&board, "one") };
    let upserted = Card::upsert(&boss, new, Card::BY_SLUG).await.expect("upserted");
    assert_eq!((upserted.id, upserted.text.as_str()), (office.team.id, "changed"));
    let theirs = Card::get(&office.db.scope(&office.other), office.foreign.id).await.expect("unchanged");
    assert_eq!((theirs.slug.as_str(), theirs.text.as_str()), ("one", "x"));
}

#[tokio::test]
async fn change_log_records_child_rows_without_the_values_that_hidden_parents_hide() {
    let office = Office::open().await;
    let (boss, other) = (office.db.scope(&office.boss), office.db.scope(&office.other));
    let logged = Change::list(&boss).await.expect("a boss reads");
    let theirs = Change::list(&other).await.expect("a boss reads").len();
    let keys: Vec<_> = logged.iter().map(|change| change.row_key.clone()).collect();
    let after = serde_json::json!({ "id": office.team.id, "firm_id": office.boss.tenant_id() });
    assert_eq!((keys, theirs), (vec![office.team.id.to_string(), office.private.id.to_string()], 1));
    assert_eq!(logged[0].after.as_ref(), Some(&after));
}

#[tokio::test]
async fn cross_tenant_job_names_the_tenant_of_a_child_row() {
    let office = Office::open().await;
    let jobs = SystemDb::<Firms>::connect(&office.database.url_of("firm_jobs")).await.expect("connected");
    let system = jobs.begin_access("a test of child rows").await.expect("a reason");
    let board = office.foreign.board_id;
    let insert = |firm: String| {
        format!(
            "INSERT INTO app.cards (firm_id, board_id, slug, text) SELECT {firm}, id, 'job', 'x' FROM app.boards WHERE id = '{board}'"
        )
    };
    let mut seen = Vec::new();
    for sql in [
        insert("firm_id".to_owned()),
        insert(format!("'{}'", office.boss.tenant_id())),
        format!("INSERT INTO app.cards (board_id, slug, text) VALUES ('{board}', 'job', 'x')"),
    ] {
        let mut tx = system.begin().await.expect("begun");
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut tx).await;
        seen.push(done.map(|done| done.rows_affected()).map_err(|error| refusal(error).0));
    }
    // The foreign key requires the tenant of the parent, and NOT NULL a tenant.
    assert_eq!(seen, [Ok(1), Err("23503".to_owned()), Err("23502".to_owned())]);
    let new = |slug: &str| NewCard { board_id: board, slug: slug.to_owned(), text: "x".to_owned() };
    let mut tx = system.begin_for(office.other.tenant_id()).await.expect("begun");
    let inserted = Card::insert(&mut tx, new("job")).await.expect("the tenant of the context");
    let named = format!("UPDATE app.cards SET text = 'y' WHERE firm_id = '{}'", office.boss.tenant_id());
    let denied = sqlx::query(AssertSqlSafe(named)).execute(&mut tx).await.map_err(|error| refusal(error).0);
    assert_eq!((inserted.board_id, denied.map(drop)), (board, Err("42501".to_owned())));
    drop(tx);
    let mut tx = system.begin_for(office.boss.tenant_id()).await.expect("begun");
    let foreign = Card::insert(&mut tx, new("job")).await.map(drop);
    assert!(matches!(foreign, Err(Error::ForeignKeyViolation { .. })), "{foreign:?}");
    drop(tx);
    let mut tx = system.begin_for(office.boss.tenant_id()).await.expect("begun");
    let forged = sqlx::query(AssertSqlSafe(insert(format!("'{}'", office.other.tenant_id()))));
    // The job does not read the board of the other tenant, so it inserts no row.
    assert_eq!(forged.execute(&mut tx).await.expect("no rows").rows_affected(), 0);
    let forged = format!(
        "INSERT INTO app.cards (firm_id, board_id, slug, text) VALUES ('{}', '{board}', 'job', 'x')",
        office.other.tenant_id()
    );
    let forged = sqlx::query(AssertSqlSafe(forged)).execute(&mut tx).await.map_err(|error| refusal(error).0);
    assert_eq!(forged.map(drop), Err("42501".to_owned()));
}

#[tokio::test]
async fn why_explains_that_the_parent_of_a_row_is_hidden() {
    let office = Office::open().await;
    let url = office.database.admin_url();
    let question = Question::new("writer", "app.cards", Command::Update);
    for (card, allowed) in [(&office.team, true), (&office.private, false)] {
        let (tenant, user) = (office.writer.tenant_id().to_string(), Some(Uuid::new_v4().to_string()));
        let row = Row::new(card.id.to_string(), tenant, user);
        let answer = why_row(&models(), &question, &row, &url).await.expect("an answer");
        let text = answer.to_string();
        assert_eq!(answer.is_allowed(), Some(allowed), "{text}");
        assert_eq!(text.contains("violated:  EXISTS (SELECT FROM app.boards AS parent"), !allowed, "{text}");
    }
}

/// A defect in the protection of child rows, and the statements that cause it.
const MUTATIONS: [(&str, &str); 9] = [
    (
        "rows of hidden parents are visible",
        "ALTER POLICY select_reader ON app.cards USING (firm_id = (SELECT NULLIF(current_setting('firm.firm_id', true), '')::uuid))",
    ),
    (
        "rows of hidden grandparents are visible",
        "ALTER POLICY select_reader ON app.remarks USING (firm_id = (SELECT NULLIF(current_setting('firm.firm_id', true), '')::uuid))",
    ),
    (
        "rows of hidden parents can be inserted",
        "ALTER POLICY insert_writer ON app.cards WITH CHECK (firm_id = (SELECT NULLIF(current_setting('firm.firm_id', true), '')::uuid))",
    ),
    (
        "rows of all tenants are visible",
        "ALTER POLICY tenant_isolation ON app.cards USING (true); ALTER POLICY select_reader ON app.cards USING (true)",
    ),
    (
        "the foreign key omits the tenant",
        "ALTER TABLE app.remarks DROP CONSTRAINT remarks_firm_id_card_id_fkey, ADD FOREIGN KEY (card_id) REFERENCES app.cards (id) ON DELETE CASCADE;
         ALTER POLICY insert_writer ON app.remarks WITH CHECK (firm_id = (SELECT NULLIF(current_setting('firm.firm_id', true), '')::uuid))",
    ),
    ("the tenant column has no default", "ALTER TABLE app.cards ALTER COLUMN firm_id DROP DEFAULT"),
    ("the tenant of a new row can be named", "GRANT INSERT (firm_id) ON app.cards TO firm_writer"),
    ("the tenant of a row can be changed", "GRANT UPDATE (firm_id) ON app.cards TO firm_writer"),
    (
        "a job in a tenant adds to others",
        "ALTER POLICY tenant_isolation ON app.cards WITH CHECK (true); ALTER POLICY insert_system ON app.cards WITH CHECK ((SELECT app_auth.is_system_context()))",
    ),
];

#[tokio::test]
async fn verify_detects_defects_in_the_protection_of_child_rows() {
    let database = database_of([Board::TABLE, Card::TABLE, Remark::TABLE, Change::TABLE]).await;
    let url = database.admin_url();
    let clean = verify(&url, &models(), &VerifyOptions::default()).await.expect("a report");
    assert!(clean.is_clean(), "{clean}");
    let mut alive = Vec::new();
    for (what, statements) in MUTATIONS {
        let options = VerifyOptions::default().until_first_violation().after(statements);
        let report = verify(&url, &models(), &options).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        if report.is_clean() {
            alive.push(what);
        }
    }
    assert_eq!(alive, Vec::<&str>::new());
}
