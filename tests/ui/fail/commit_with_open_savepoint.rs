//! A transaction cannot be committed while a savepoint is open.

use tenant_runtime::{Result, TenantTx, roles::Member};

async fn committed_under_it(mut tx: TenantTx<Member>) -> Result<()> {
    let savepoint = tx.savepoint().await?;
    tx.commit().await?;
    savepoint.release().await
}

fn main() {}
