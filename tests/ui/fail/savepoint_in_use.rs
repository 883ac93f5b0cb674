//! While a savepoint is open the transaction runs through it, and is not committed under it.

use tenant_runtime::{Result, TenantTx, roles::Member};

async fn committed_under_it(mut tx: TenantTx<Member>) -> Result<()> {
    let savepoint = tx.savepoint().await?;
    tx.commit().await?;
    savepoint.release().await
}

fn main() {}
