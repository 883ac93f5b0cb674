//! A view requires `of` and a struct with named fields.

use tenant_runtime::{TenantTable, TenantView, roles::Viewer};
use uuid::Uuid;

#[derive(TenantView)]
struct OfNothing {
    id: Uuid,
}

#[derive(TenantView)]
#[tenant(of = User, column = "id")]
struct Misplaced {
    #[tenant(of = User, colum = "id")]
    key: Uuid,
}

#[derive(TenantView)]
#[tenant(of = User)]
struct Tuple(Uuid);

#[derive(TenantView)]
#[tenant(of = User)]
struct Empty {}

#[derive(TenantView)]
#[tenant(of = User)]
enum Choice {}

#[derive(TenantView)]
#[tenant(of = Usr)]
struct Misspelt {
    id: Uuid,
}

#[derive(TenantView)]
#[tenant(of = Secret)]
struct Unread {
    id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer")]
struct User {
    id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global)]
struct Secret {
    id: Uuid,
}

fn main() {}
