//! `unique(…)`, `index(…)` and `exclude(…)` list fields of the struct, with options that fit.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", unique(name), index(), unique(name, nam), index(name, name), index(name, cache), unique("name", name))]
#[tenant(index(name desc, id nulls middle), index(name des), unique(name, id, wher = "x"), unique(name, where = "", where = "x"))]
#[tenant(index(name, id, global), exclude(name), index(name with "=", id), index(name, using = gin), unique(name, id, name = ""))]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    #[tenant(skip)]
    cache: i32,
    #[tenant(unique = "globally")]
    slug: String,
}

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer", unique(slug, name, global))]
struct Tenant {
    id: Uuid,
    #[tenant(unique = "global")]
    slug: String,
    name: String,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer", unique(code, name, global))]
struct Country {
    id: Uuid,
    code: String,
    name: String,
}

fn main() {}
