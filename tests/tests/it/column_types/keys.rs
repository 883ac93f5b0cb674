//! Keys whose type `sql_type` sets.

use tenant_runtime::{InlineValues, Repository as _, TenantCtx, TenantDb, TenantTable};
use uuid::Uuid;

use super::{Reader, Writer, migrated};

/// A page with a key that ignores case.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "shop_id", select = "reader", insert = "writer", update = "writer", delete = "writer")]
struct Page {
    #[tenant(id)]
    shop_id: Uuid,
    #[tenant(id, app_assigned, sql_type = "ext.citext")]
    slug: String,
    title: String,
}

/// A visit of a page.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "shop_id", select = "reader", insert = "writer")]
struct Visit {
    id: i64,
    shop_id: Uuid,
    #[tenant(references = Page, sql_type = "ext.citext")]
    page: String,
}

#[tokio::test]
async fn rows_are_found_by_keys_of_the_column_type() {
    let database = migrated("", [Page::TABLE, Visit::TABLE]).await;
    let ctx = TenantCtx::<Writer>::assume_authorized(Uuid::new_v4(), Uuid::new_v4());
    for (number, values) in [InlineValues::None, InlineValues::All].into_iter().enumerate() {
        let db = TenantDb::options().inline_values(values).connect(&database.url_of("typed_shop_service")).await;
        let db = db.expect("connected");
        let scope = db.scope(&ctx);
        let (slug, other) = (format!("Home{number}"), format!("hOME{number}"));
        Page::insert(&scope, NewPage { slug: slug.clone(), title: "a".to_owned() }).await.expect("inserted");
        let found = Page::find(&scope, other.clone()).await.expect("read").expect("the case is ignored");
        assert_eq!(found.slug, slug);
        let changes = PageChanges { title: Some("b".to_owned()) };
        assert_eq!(Page::update(&scope, other.clone(), changes).await.expect("updated").title, "b");
        let again = NewPage { slug: other.clone(), title: "c".to_owned() };
        assert_eq!(Page::upsert(&scope, again, Page::BY_SLUG).await.expect("upserted").slug, slug);
        let visit = Visit::insert(&scope, NewVisit { page: other.clone() }).await.expect("the page exists");
        let pairs = Visit::list(&scope).with(Visit::PAGE).await.expect("read");
        assert!(
            pairs.iter().any(|(row, page)| row.id == visit.id && page.as_ref().is_some_and(|page| page.slug == slug))
        );
        let parents = Visit::PAGE.where_parent(Page::SLUG.eq(other.to_uppercase()));
        assert_eq!(Visit::count(&scope).filter(parents).await.expect("counted"), 1);
        let reader = TenantCtx::<Reader>::assume_authorized(*ctx.tenant_id(), Uuid::new_v4());
        assert!(Page::find(&db.scope(&reader), slug.to_uppercase()).await.expect("read").is_some());
        let stranger = TenantCtx::<Reader>::assume_authorized(Uuid::new_v4(), Uuid::new_v4());
        assert!(Page::find(&db.scope(&stranger), slug).await.expect("read").is_none());
    }
}
