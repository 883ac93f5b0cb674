// Custom policy conditions: USING, WITH CHECK, and conditions on the current user.

use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
#[tenant(using(select = "published OR author = caller()", update = "author = caller()", delete = "NOT app.articles.published"))]
#[tenant(with_check(insert = "length(btrim(title)) > 0", update = "author = caller() AND lower(title) <> 'who''s who'"))]
pub struct Article {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub author: Uuid,
    pub title: String,
    pub published: bool,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
#[tenant(using(select = "article_id IN (SELECT a.id FROM app.articles AS a WHERE a.published)"))]
pub struct Comment {
    pub id: Uuid,
    pub organization_id: Uuid,
    #[tenant(references = Article)]
    pub article_id: Uuid,
}

// References to the row by the qualified name of its table, within a subquery on another table and on the same one.
#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", delete = "member")]
#[tenant(using(
    select = "EXISTS (SELECT FROM app.articles AS a WHERE a.id = app.reviews.article_id AND a.published)",
    delete = "app.reviews.article_id IN (SELECT app.articles.id FROM app.articles WHERE app.articles.title <> app.reviews.title)"
))]
pub struct Review {
    pub id: Uuid,
    pub organization_id: Uuid,
    #[tenant(references = Article)]
    pub article_id: Uuid,
    #[tenant(check = "length(app.reviews.title) > 0")]
    pub title: String,
}
