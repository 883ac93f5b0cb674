// Custom policy conditions: USING, WITH CHECK, and conditions on the current user.

use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
#[tenant(using(select = "published OR author = caller()", update = "author = caller()", delete = "NOT published"))]
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
