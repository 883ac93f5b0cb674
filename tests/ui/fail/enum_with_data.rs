//! Variants of a `TenantEnum` cannot hold data.

use tenant_runtime::TenantEnum;

#[derive(TenantEnum)]
enum Status {
    Open,
    Closed(String),
    Moved { to: i64 },
}

fn main() {}
