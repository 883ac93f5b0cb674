//! Transactions, savepoints and retries can be spawned, and accept custom error types.

use tenant_runtime::{Error, Isolation, TenantCtx, TenantDb, TenantTx, TxOptions, roles::Member};

enum OfTheApp {
    Refused,
    Database,
}

impl From<Error> for OfTheApp {
    fn from(_: Error) -> Self {
        Self::Database
    }
}

async fn rename(tx: &mut TenantTx<Member>, name: &str) -> Result<(), OfTheApp> {
    let mut savepoint = tx.savepoint().await?;
    sqlx::query("UPDATE app.projects SET name = $1").bind(name).execute(&mut savepoint).await.map_err(Error::from)?;
    let inner = savepoint.savepoint().await?;
    drop(inner);
    if name.is_empty() {
        return Err(OfTheApp::Refused);
    }
    savepoint.release().await?;
    Ok(())
}

fn spawned(db: TenantDb, ctx: TenantCtx<Member>) {
    fn send<T: Send + 'static>(_: T) {}
    send(async move {
        let options = TxOptions { isolation: Some(Isolation::Serializable), ..TxOptions::default() };
        let name = String::from("x");
        let name = name.as_str();
        db.retry(&ctx, options, |mut tx| async move {
            rename(&mut tx, name).await?;
            Ok::<_, OfTheApp>(tx.commit().await?)
        })
        .await
    });
}

fn main() {
    let _ = spawned;
}
