// Extensions in a schema of their own and in `public`, with columns and conditions of their types.

use tenant_runtime::{TenantTable, tenancy};
use uuid::Uuid;

tenancy! {
    pub Libraries {
        key: Uuid,
        role_prefix: "library_",
        extensions: { citext: "ext", pg_trgm: "ext", "uuid-ossp": "public" },
        roles: { Reader, Librarian: Reader },
    }
}

#[derive(TenantTable)]
#[tenant(org = "library_id", select = "reader", insert = "librarian", update = "librarian", delete = "librarian")]
#[tenant(using(delete = "title <> 'Catalog'"), system(select))]
pub struct Book {
    #[tenant(default = "public.uuid_generate_v4()")]
    pub id: Uuid,
    pub library_id: Uuid,
    #[tenant(sql_type = "ext.citext", unique, check = "title <> 'untitled'", default = "'New'")]
    pub title: String,
    #[tenant(sql_type = "ext.citext[]")]
    pub tags: Vec<String>,
}
