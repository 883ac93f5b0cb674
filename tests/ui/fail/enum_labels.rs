//! Labels are unique, and plain enough to stand anywhere.

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
