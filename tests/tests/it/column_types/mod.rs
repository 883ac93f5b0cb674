//! Columns whose type `sql_type` sets: extensions, lengths, domains, ranges and arrays of these, in every repository method,
//! with bound values and with values in the text.

mod functions;
mod keys;

use std::ops::Bound;

use sqlx::{postgres::types::PgRange, types::Decimal};
use tenant_runtime::{
    Error, InlineValues, Migrations, Repository as _, TenantCtx, TenantDb, TenantTable,
    migrate::{folder::Folder, generate::generate},
    model::def::TableDef,
    tenancy,
};
use tenant_tests::{Database, TempDir, run};
use uuid::Uuid;

tenancy! {
    /// Shops with columns of many types.
    pub(super) Shops {
        key: Uuid,
        role_prefix: "typed_shop_",
        extensions: { citext: "ext" },
        roles: {
            /// Reads rows.
            Reader,
            /// Writes rows.
            Writer: Reader,
        },
    }
}

/// A row with a column of each type.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "shop_id", select = "reader", insert = "writer", update = "writer", delete = "writer")]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) shop_id: Uuid,
    #[tenant(sql_type = "ext.citext", unique)]
    pub(super) email: String,
    #[tenant(sql_type = "ext.citext")]
    pub(super) alias: Option<String>,
    #[tenant(sql_type = "char(5)")]
    pub(super) code: String,
    #[tenant(sql_type = "varchar(5)")]
    pub(super) short: String,
    #[tenant(sql_type = "types.sku")]
    pub(super) sku: String,
    #[tenant(sql_type = "types.contact")]
    pub(super) contact: String,
    #[tenant(sql_type = "types.short_text")]
    pub(super) label: String,
    #[tenant(sql_type = "numeric(6, 2)")]
    pub(super) price: Decimal,
    #[tenant(sql_type = "int2")]
    pub(super) rank: i16,
    #[tenant(sql_type = "int4range")]
    pub(super) span: PgRange<i32>,
    #[tenant(sql_type = "varchar(5)[]")]
    pub(super) words: Vec<String>,
    #[tenant(sql_type = "char(3)[]")]
    pub(super) codes: Vec<String>,
    #[tenant(sql_type = "types.sku[]")]
    pub(super) skus: Vec<String>,
    #[tenant(sql_type = "ext.citext[]")]
    pub(super) tags: Vec<String>,
}

/// A row without columns that cannot be part of one statement for several rows.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "shop_id", select = "reader", insert = "writer", update = "writer", delete = "writer")]
pub(super) struct Part {
    pub(super) id: i64,
    pub(super) shop_id: Uuid,
    #[tenant(sql_type = "ext.citext", unique)]
    pub(super) email: String,
    #[tenant(sql_type = "char(5)")]
    pub(super) code: String,
    #[tenant(sql_type = "varchar(5)")]
    pub(super) short: Option<String>,
    #[tenant(sql_type = "types.sku")]
    pub(super) sku: String,
    #[tenant(sql_type = "types.contact")]
    pub(super) contact: String,
    #[tenant(sql_type = "numeric(6, 2)")]
    pub(super) price: Decimal,
}

/// Creates the domains that the tables use. Their extension exists before the migrations, which accept it.
const DOMAINS: &str = "
    CREATE SCHEMA ext;
    CREATE EXTENSION citext SCHEMA ext;
    CREATE SCHEMA types;
    CREATE DOMAIN types.sku AS text CHECK (VALUE ~ '^[A-Z]+$');
    CREATE DOMAIN types.contact AS ext.citext;
    CREATE DOMAIN types.short_text AS varchar(5);
    GRANT USAGE ON SCHEMA types TO PUBLIC";

pub(super) async fn migrated<const N: usize>(prepare: &str, tables: [&'static TableDef; N]) -> Database {
    let database = Database::empty().await;
    run(&mut database.admin().await, prepare).await.expect("prepared");
    let folder = TempDir::new();
    let files = Folder::new(folder.path());
    let plan = generate(&tenant_runtime::models![].only(tables), &files).expect("generated");
    plan.write(&files, &std::collections::BTreeSet::new()).expect("written");
    let migrations = Migrations::from_dir(folder.path()).await.expect("read");
    migrations.apply(&database.admin_url(), &mut |_| {}).await.expect("applied");
    database
}

/// A database with the tables, and the app in both ways of sending values.
struct Shop {
    _database: Database,
    apps: [TenantDb; 2],
    ctx: TenantCtx<Writer>,
}

impl Shop {
    async fn open() -> Self {
        let database = migrated(DOMAINS, [Item::TABLE, Part::TABLE]).await;
        let url = database.url_of("typed_shop_service");
        let app = async |values| TenantDb::options().inline_values(values).connect(&url).await.expect("connected");
        let apps = [app(InlineValues::None).await, app(InlineValues::All).await];
        Self { apps, ctx: TenantCtx::assume_authorized(Uuid::new_v4(), Uuid::new_v4()), _database: database }
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn item(email: &str) -> NewItem {
    NewItem {
        email: email.to_owned(),
        alias: Some("It's \\ Ä".to_owned()),
        code: "ab".to_owned(),
        short: "abcde".to_owned(),
        sku: "SKU".to_owned(),
        contact: "Me@Home".to_owned(),
        label: "label".to_owned(),
        price: Decimal::new(150, 2),
        rank: 7,
        span: PgRange { start: Bound::Included(1), end: Bound::Excluded(5) },
        words: texts(&["one", "two"]),
        codes: texts(&["a", "abc"]),
        skus: texts(&["A", "B"]),
        tags: texts(&["Red", "Blue"]),
    }
}

fn part(email: &str, short: Option<&str>) -> NewPart {
    NewPart {
        email: email.to_owned(),
        code: "ab".to_owned(),
        short: short.map(str::to_owned),
        sku: "SKU".to_owned(),
        contact: "Me@Home".to_owned(),
        price: Decimal::new(150, 2),
    }
}

#[tokio::test]
async fn filters_compare_values_as_the_type_of_the_column() {
    let shop = Shop::open().await;
    Item::insert(&shop.apps[0].scope(&shop.ctx), item("Ann@Shop.example")).await.expect("inserted");
    let span = |end| PgRange { start: Bound::Included(1), end: Bound::Excluded(end) };
    for db in &shop.apps {
        let scope = db.scope(&shop.ctx);
        for (name, filter, expected) in [
            ("citext eq", Item::EMAIL.eq("ann@SHOP.example"), 1),
            ("citext eq other", Item::EMAIL.eq("ann@shop"), 0),
            ("citext ne", Item::EMAIL.ne("ANN@shop.example"), 0),
            ("citext in", Item::EMAIL.in_(["x", "ANN@shop.example"]), 1),
            ("citext gt", Item::EMAIL.gt("ANN"), 1),
            ("citext le", Item::EMAIL.le("ann@shop.EXAMPLE"), 1),
            ("citext like", Item::EMAIL.like("%@shop.%"), 1),
            ("citext prefix", Item::EMAIL.starts_with("ann@"), 1),
            ("citext prefix is literal", Item::EMAIL.starts_with("a_n"), 0),
            ("citext prefix is literal", Item::EMAIL.starts_with("%\\"), 0),
            ("nullable citext eq", Item::ALIAS.eq(Some("IT'S \\ Ä".to_owned())), 1),
            ("nullable citext null", Item::ALIAS.eq(None), 0),
            ("char is padded", Item::CODE.eq("ab"), 1),
            ("char ignores trailing spaces", Item::CODE.eq("ab "), 1),
            ("char is not truncated", Item::CODE.eq("ab   x"), 0),
            ("char in", Item::CODE.in_(["ab"]), 1),
            ("char in is not truncated", Item::CODE.in_(["ab   x"]), 0),
            ("varchar eq", Item::SHORT.eq("abcde"), 1),
            ("varchar is not truncated", Item::SHORT.eq("abcdef"), 0),
            ("varchar in is not truncated", Item::SHORT.in_(["abcdef"]), 0),
            ("varchar like", Item::SHORT.like("abc%"), 1),
            ("domain eq", Item::SKU.eq("SKU"), 1),
            ("value outside a domain", Item::SKU.eq("not a sku"), 0),
            ("domain in", Item::SKU.in_(["SKU"]), 1),
            ("domain over citext eq", Item::CONTACT.eq("me@HOME"), 1),
            ("domain over citext in", Item::CONTACT.in_(["me@HOME"]), 1),
            ("domain over citext prefix", Item::CONTACT.starts_with("ME@"), 1),
            ("domain over varchar eq", Item::LABEL.eq("label"), 1),
            ("domain over varchar is not truncated", Item::LABEL.eq("label2"), 0),
            ("numeric eq", Item::PRICE.eq(Decimal::new(15, 1)), 1),
            ("numeric is not rounded", Item::PRICE.eq(Decimal::new(1_501, 3)), 0),
            ("numeric in is not rounded", Item::PRICE.in_([Decimal::new(1_501, 3)]), 0),
            ("smallint", Item::RANK.eq(7), 1),
            ("smallint lt", Item::RANK.lt(8), 1),
            ("smallint in", Item::RANK.in_([7, 8]), 1),
            ("range eq", Item::SPAN.eq(span(5)), 1),
            ("range in", Item::SPAN.in_([span(4), span(5)]), 1),
            ("array of varchar eq", Item::WORDS.eq(texts(&["one", "two"])), 1),
            ("array of varchar is not truncated", Item::WORDS.eq(texts(&["one", "two000"])), 0),
            ("array in", Item::WORDS.in_([texts(&["x"]), texts(&["one", "two"])]), 1),
            ("array is not its element", Item::WORDS.in_([texts(&["one"])]), 0),
            ("array of char eq", Item::CODES.eq(texts(&["a", "abc"])), 1),
            ("array of domain eq", Item::SKUS.eq(texts(&["A", "B"])), 1),
            ("array of citext eq", Item::TAGS.eq(texts(&["RED", "blue"])), 1),
            ("array of citext ne", Item::TAGS.ne(texts(&["RED", "blue"])), 0),
        ] {
            let found = Item::count(&scope).filter(filter.clone()).await;
            assert_eq!(found.unwrap_or_else(|error| panic!("{name}: {error}")), expected, "{name}");
            // Reading rows binds the values.
            let rows = Item::list(&scope).filter(filter).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(rows.len(), usize::try_from(expected).expect("few"), "{name}");
        }
    }
}

#[tokio::test]
async fn rows_are_written_and_read_with_their_types() {
    let shop = Shop::open().await;
    for (number, db) in shop.apps.iter().enumerate() {
        let scope = db.scope(&shop.ctx);
        let new = Item::insert(&scope, item(&format!("{number}@Shop"))).await.expect("inserted");
        assert_eq!((&*new.email, &*new.code, new.price), (&*format!("{number}@Shop"), "ab   ", Decimal::new(150, 2)));
        assert_eq!((&*new.codes, &*new.tags), (&texts(&["a  ", "abc"])[..], &texts(&["Red", "Blue"])[..]));
        let found = Item::find(&scope, new.id).await.expect("read");
        assert_eq!(found.as_ref(), Some(&new));
        let changes = ItemChanges {
            alias: Some(None),
            sku: Some("NEW".to_owned()),
            tags: Some(texts(&["Green"])),
            rank: Some(8),
            ..ItemChanges::default()
        };
        let changed = Item::update(&scope, new.id, changes).await.expect("updated");
        assert_eq!((changed.alias, &*changed.sku, changed.rank), (None, "NEW", 8));
        assert_eq!(changed.tags, texts(&["Green"]));
        let all = ItemChanges { contact: Some("you@home".to_owned()), ..ItemChanges::default() };
        let updated = Item::update_where(&scope, Item::EMAIL.eq(format!("{number}@SHOP")), all).await.expect("updated");
        assert_eq!(updated, 1);
        let upserted = Item::upsert(&scope, item(&format!("{number}@SHOP")), Item::BY_EMAIL).await.expect("upserted");
        assert_eq!((upserted.id, &*upserted.contact), (new.id, "Me@Home"));
        assert_eq!(Item::delete_where(&scope, Item::TAGS.eq(texts(&["RED", "BLUE"]))).await.expect("deleted"), 1);
    }
}

#[tokio::test]
async fn values_that_do_not_fit_are_errors_and_are_not_truncated() {
    let shop = Shop::open().await;
    for db in &shop.apps {
        let scope = db.scope(&shop.ctx);
        let long = || "abcdef".to_owned();
        for (name, new) in [
            ("char", NewItem { code: long(), ..item("a") }),
            ("varchar", NewItem { short: long(), ..item("a") }),
            ("domain over varchar", NewItem { label: long(), ..item("a") }),
            ("domain", NewItem { sku: "low".to_owned(), ..item("a") }),
            ("array of varchar", NewItem { words: vec![long()], ..item("a") }),
            ("array of char", NewItem { codes: vec![long()], ..item("a") }),
            ("array of domain", NewItem { skus: texts(&["low"]), ..item("a") }),
        ] {
            let refused = Item::insert(&scope, new).await;
            assert!(matches!(refused, Err(Error::Database(_) | Error::CheckViolation { .. })), "{name}: {refused:?}");
        }
        let refused = Part::insert_many(&scope, vec![part("a", None), part("b", Some("abcdef"))]).await;
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(Item::count(&scope).await.expect("counted") + Part::count(&scope).await.expect("counted"), 0);
    }
}

#[tokio::test]
async fn many_rows_are_inserted_with_their_types() {
    let shop = Shop::open().await;
    for (number, db) in shop.apps.iter().enumerate() {
        let scope = db.scope(&shop.ctx);
        let email = |name: &str| format!("{name}{number}@Shop");
        let parts = vec![part(&email("a"), Some("abc")), part(&email("b"), None), part(&email("c"), Some("abcde"))];
        let parts = Part::insert_many(&scope, parts).await.expect("inserted");
        let read: Vec<_> = parts.iter().map(|part| (&*part.email, &*part.code, part.short.as_deref())).collect();
        assert_eq!(read[0], (&*email("a"), "ab   ", Some("abc")));
        assert_eq!((read[1].2, read[2].2), (None, Some("abcde")));
        let items = vec![item(&email("a")), item(&email("b"))];
        let items = Item::insert_many(&scope, items).await.expect("inserted");
        assert_eq!(items.iter().map(|item| item.words.len()).collect::<Vec<_>>(), [2, 2]);
    }
}

#[tokio::test]
async fn pages_follow_the_order_of_the_column_type() {
    let shop = Shop::open().await;
    for (number, db) in shop.apps.iter().enumerate() {
        let ctx = TenantCtx::<Writer>::assume_authorized(Uuid::new_v4(), Uuid::new_v4());
        let scope = db.scope(&ctx);
        // As texts, capitals would come first.
        let emails = ["b", "A", "D", "c"].map(|name| part(name, (number == 0 || name != "c").then_some("x")));
        Part::insert_many(&scope, Vec::from(emails)).await.expect("inserted");
        for order in [Part::EMAIL.asc(), Part::EMAIL.desc()] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let list = Part::list(&scope).order(order_again(&order)).limit(1);
                let page = match after {
                    Some(cursor) => list.after(cursor).page().await,
                    None => list.page().await,
                };
                let page = page.expect("read");
                seen.extend(page.rows.into_iter().map(|part| part.email));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let mut expected = texts(&["A", "b", "c", "D"]);
            if format!("{order:?}").contains("DESC") {
                expected.reverse();
            }
            assert_eq!(seen, expected);
        }
        let by_short = Part::list(&scope).order(Part::SHORT.desc()).order(Part::CONTACT.asc()).limit(2).page().await;
        let next = by_short.expect("read").next.expect("more rows");
        let rest = Part::list(&scope).order(Part::SHORT.desc()).order(Part::CONTACT.asc()).limit(9).after(next).page();
        assert_eq!(rest.await.expect("read").rows.len(), 2);
    }
}

/// Returns an equal order, which cannot be cloned.
fn order_again(order: &tenant_runtime::repo::page::Order<Part>) -> tenant_runtime::repo::page::Order<Part> {
    if format!("{order:?}").contains("DESC") { Part::EMAIL.desc() } else { Part::EMAIL.asc() }
}
