//! Names over 63 bytes are rejected, since PostgreSQL would truncate them.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(global, table = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", schema = "ääääääääääääääääääääääääääääääää")]
struct Country {
    #[tenant(column = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")]
    id: Uuid,
    // 63 bytes: this one is fine.
    ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc: String,
    dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd: String,
}

#[derive(TenantTable)]
#[tenant(global)]
struct Eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee {
    id: Uuid,
}

fn main() {}
