//! The attributes of an enum are checked like those of a struct.

use tenant_runtime::TenantEnum;

#[derive(TenantEnum)]
#[tenant(rename_all = "snake-case", rename = "x", colour)]
enum Status {
    #[tenant(rename = Open)]
    Open,
    #[tenant(renam = "x", rename_all = "lowercase")]
    Closed,
}

fn main() {}
