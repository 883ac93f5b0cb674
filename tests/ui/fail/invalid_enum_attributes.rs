//! Unknown and malformed attributes of an enum.

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
