//! The name of an enum type must be valid, and PostgreSQL cannot remove labels.

use tenant_runtime::TenantEnum;

#[derive(TenantEnum)]
#[tenant(native = "")]
enum Status {
    Open,
    #[tenant(native)]
    Closed,
}

#[derive(TenantEnum)]
#[tenant(native, native = "again")]
enum Level {
    #[tenant(replaces = "lowest")]
    Low,
}

#[derive(TenantEnum)]
#[tenant(native(of))]
enum Kind {
    Wood,
}

fn main() {}
