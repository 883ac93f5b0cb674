//! Enum labels must be unique, not empty, without quotes or control characters, and at most 63 bytes long.

use tenant_runtime::TenantEnum;

#[derive(TenantEnum)]
enum Status {
    Open,
    #[tenant(rename = "open")]
    Reopened,
    #[tenant(rename = "")]
    Nothing,
    #[tenant(rename = "it's")]
    Quoted,
    #[tenant(rename = "a\nb")]
    Broken,
    #[tenant(rename = "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll")]
    Long,
}

fn main() {}
