//! Key newtypes of every kind that `tenant_key!` makes: in pagination, filters, sorting and cursors.

use tenant_runtime::{
    Filter, Page, Repository as _, TenantCtx, TenantDb, TenantEnum, TenantTable, TextKey, UserCtx, tenancy, tenant_key,
    testing::TestDatabase,
};
use tenant_tests::ask;
use uuid::Uuid;

use super::database_of;

tenant_key! {
    #[derive(Copy)]
    struct ShopId(Uuid);
}
tenant_key! {
    #[derive(Copy)]
    struct ClerkId(i64);
}
tenant_key! {
    struct Sku(TextKey);
}
tenant_key! {
    /// A key in a key.
    struct OldSku(Sku);
}

tenancy! {
    Shops {
        key: ShopId,
        user: ClerkId,
        role_prefix: "kiosk_",
        roles: {
            Seller,
            Keeper: Seller,
        },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
enum Post {
    Seller,
    Keeper,
}

/// A shop; the database generates all its columns.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "id", select = "seller", creator_role = "keeper")]
struct Shop {
    id: ShopId,
    #[tenant(default = "'new'")]
    name: String,
}

#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "shop_id", select = "seller", membership(user = "clerk_id", role = "post"))]
struct Clerk {
    #[tenant(id, references = Shop)]
    shop_id: ShopId,
    #[tenant(id)]
    clerk_id: ClerkId,
    post: Post,
}

#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "shop_id", select = "seller", insert = "seller")]
struct Article {
    #[tenant(id, app_assigned)]
    id: Sku,
    shop_id: ShopId,
    #[tenant(references = Article)]
    part_of: Option<Sku>,
    old: Option<OldSku>,
    by: ClerkId,
    watchers: Vec<ClerkId>,
}

#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "shop_id", select = "seller", insert = "seller")]
struct Shelf {
    id: ShopId,
    shop_id: ShopId,
}

#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "shop_id", select = "seller", insert = "seller")]
struct Sale {
    id: ClerkId,
    shop_id: ShopId,
    #[tenant(references = Article)]
    article: Sku,
}

fn sku(text: &str) -> Sku {
    Sku::from(TextKey::new(text).expect("a key"))
}

fn article(id: &str, part_of: Option<&str>, old: Option<&str>, by: i64) -> NewArticle {
    let old = old.map(|old| OldSku::from(sku(old)));
    NewArticle { id: sku(id), part_of: part_of.map(sku), old, by: by.into(), watchers: vec![by.into(), 0.into()] }
}

/// Creates a shop as its owner, with five articles.
async fn shop() -> (tenant_tests::Database, TenantDb, TenantCtx<Keeper>) {
    let tables = [Shop::TABLE, Clerk::TABLE, Article::TABLE, Shelf::TABLE, Sale::TABLE];
    let database = database_of(tables).await;
    let db = tenant_tests::app_options().connect(&database.url_of("kiosk_service")).await.expect("connected");
    let visitor = UserCtx::<Shops>::assume_authenticated(7.into());
    let shop =
        db.user_scope(&visitor).create_tenant::<Shop>(NewShop {}).await.expect("a user without a tenant creates one");
    let owner = db
        .user_scope(&visitor)
        .session::<Clerk>(shop)
        .await
        .expect("the creator_role")
        .require::<Keeper>()
        .expect("owner");
    let articles = [
        article("a", None, Some("z"), 1),
        article("b", Some("a"), None, 2),
        article("c", Some("a"), Some("y"), 2),
        article("d", None, None, 3),
        article("e", Some("d"), Some("y"), -1),
    ];
    Article::insert_many(&db.scope(&owner), articles).await.expect("inserted");
    (database, db, owner)
}

#[tokio::test]
async fn tenant_with_only_default_columns_can_be_created() {
    let (database, db, owner) = shop().await;
    let shops = Shop::list(&db.scope(&owner)).await.expect("read");
    let body = "SELECT prosrc FROM pg_proc WHERE proname = 'create_tenant'";
    let body = ask(&mut database.admin().await, body).await;
    let granted = "SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = 'app.shops'::regclass
                   AND attacl::text LIKE '%kiosk_function_owner=ar/%'";
    let granted = ask(&mut database.admin().await, granted).await;
    assert_eq!((shops, granted.as_str()), (vec![Shop { id: *owner.tenant_id(), name: "new".into() }], "id"));
    assert!(body.contains("INSERT INTO app.shops DEFAULT VALUES RETURNING id INTO new_tenant_id;"), "{body}");
}

#[tokio::test]
async fn pagination_supports_every_key_type() {
    let (_database, db, owner) = shop().await;
    let scope = db.scope(&owner);
    let shelves = (0..5).map(|_| NewShelf {});
    Shelf::insert_many(&scope, shelves).await.expect("inserted");
    let sales = (0..5).map(|_| NewSale { article: sku("a") });
    Sale::insert_many(&scope, sales).await.expect("inserted");
    macro_rules! paged {
        ($table:ident, $down:expr) => {{
            let (mut found, mut next): (Vec<_>, Option<String>) = (Vec::new(), None);
            loop {
                let mut list = $table::list(&scope).limit(2);
                if $down {
                    list = list.order($table::ID.desc());
                }
                if let Some(cursor) = next {
                    list = list.after(cursor.parse().expect("a cursor"));
                }
                let Page { rows, next: after } = list.page().await.expect("a page");
                found.extend(rows.into_iter().map(|row| row.id));
                next = after.map(|cursor| cursor.to_string());
                if next.is_none() {
                    break;
                }
            }
            let mut sorted = found.clone();
            sorted.sort();
            sorted.dedup();
            if $down {
                sorted.reverse();
            }
            assert_eq!((&found, found.len()), (&sorted, 5));
        }};
    }
    paged!(Article, false);
    paged!(Article, true);
    paged!(Shelf, false);
    paged!(Shelf, true);
    paged!(Sale, false);
    paged!(Sale, true);
}

#[tokio::test]
async fn filters_support_every_key_type() {
    let (_database, db, owner) = shop().await;
    let old = |text: &str| OldSku::from(sku(text));
    let by = |number: i64| ClerkId::from(number);
    let cases: [(Filter<Article>, &str); 12] = [
        (Article::ID.eq(sku("b")), "b"),
        (Article::ID.lt(sku("c")), "ab"),
        (Article::ID.in_([sku("a"), sku("e"), sku("x")]), "ae"),
        (Article::ID.starts_with("d"), "d"),
        (Article::PART_OF.eq(sku("a")), "bc"),
        (Article::PART_OF.in_([None, Some(sku("d"))]), "ade"),
        (Article::OLD.ge(old("z")), "a"),
        (Article::OLD.like("_"), "ace"),
        (Article::OLD.ne(old("y")), "abd"),
        (Article::BY.le(by(1)), "ae"),
        (Article::BY.in_([by(-1), by(2)]) & Article::SHOP_ID.eq(*owner.tenant_id()), "bce"),
        (Article::WATCHERS.eq(vec![by(3), by(0)]), "d"),
    ];
    for (filter, meant) in cases {
        let said = format!("{filter:?}");
        let rows = Article::list(&db.scope(&owner)).filter(filter).await.expect(&said);
        assert_eq!(rows.iter().map(|row| row.id.to_string()).collect::<String>(), meant, "{said}");
    }
    let of_a = Article::PART_OF.where_parent(Article::BY.eq(by(1)));
    let of_a = Article::count(&db.scope(&owner)).filter(of_a).await.expect("read");
    assert_eq!(of_a, 2);
}

#[tokio::test]
async fn sorting_supports_every_key_type_and_null_cursors() {
    let (_database, db, owner) = shop().await;
    let scope = db.scope(&owner);
    let list = || Article::list(&scope).order(Article::OLD.asc()).order(Article::BY.desc()).limit(1);
    let (mut found, mut page) = (String::new(), list().page().await.expect("a page"));
    loop {
        found.push_str(&page.rows[0].id.to_string());
        let Some(cursor) = page.next else { break };
        page = list().after(cursor).with(Article::PART_OF).page().await.map(first_of_each).expect("a page");
    }
    assert_eq!(found, "ceadb");
}

#[tokio::test]
async fn test_database_supports_custom_key_types() {
    let models = tenant_runtime::models![].only([Shop::TABLE, Clerk::TABLE]);
    let database = TestDatabase::create(&models).await.expect("a database");
    let ctx = database.tenants()[0].context::<Keeper>();
    let shops = Shop::list(&database.app().await.expect("connected").scope(&ctx)).await.expect("a keeper reads");
    assert_eq!(shops.iter().map(|shop| shop.id).collect::<Vec<_>>(), [*ctx.tenant_id()]);
}

/// Drops the parents from a page.
fn first_of_each<P>(page: Page<(Article, P), Article>) -> Page<Article> {
    Page { rows: page.rows.into_iter().map(|(row, _)| row).collect(), next: page.next }
}
