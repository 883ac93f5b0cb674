//! Retries transactions after serialization failures, deadlocks and stale prepared statements.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::Ordering,
    time::Duration,
};

use super::{tenant_db::TenantDb, tx::TenantTx, tx_options::TxOptions};
use crate::{
    error::{Error, Result},
    tenant::{Role, TenantCtx},
};

/// The longest pause after the first failure; it doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl TenantDb {
    /// Runs a transaction, and retries it after a serialization failure, a deadlock, or a prepared statement whose result type a
    /// migration has changed.
    ///
    /// For each attempt, the closure receives a new transaction in the same context and must commit
    /// it. After [`TenantDbOptions::attempts`] attempts, the error is returned. Any other error is
    /// returned immediately.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Member};
    /// # async fn f(db: TenantDb, ctx: TenantCtx<Member>, name: &str) -> Result<()> {
    /// let options = TxOptions { isolation: Some(Isolation::Serializable), ..TxOptions::default() };
    /// db.retry(&ctx, options, |mut tx| async move {
    ///     sqlx::query("UPDATE app.projects SET name = $1").bind(name).execute(&mut tx).await?;
    ///     tx.commit().await
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// Side effects of the closure outside the database are repeated as well.
    ///
    /// # Errors
    ///
    /// The closure's errors; [`Error::PoolTimeout`], [`Error::Connect`] and [`Error::Database`] if no
    /// connection can be acquired.
    ///
    /// [`TenantDbOptions::attempts`]: crate::TenantDbOptions::attempts
    pub async fn retry<R, T, E, F>(
        &self,
        ctx: &TenantCtx<R>,
        options: TxOptions,
        mut work: impl FnMut(TenantTx<R>) -> F,
    ) -> Result<T, E>
    where
        R: Role,
        E: From<Error>,
        F: Future<Output = Result<T, E>>,
    {
        let mut runs = 0;
        loop {
            let tx = self.begin_with(ctx, options).await?;
            // The error of the closure can have any type, so the transaction records whether it is
            // retryable.
            let retryable = tx.retryable();
            let result = work(tx).await;
            runs += 1;
            let again = result.is_err() && retryable.load(Ordering::Relaxed) && runs < self.inner.options().attempts;
            if !again {
                return result;
            }
            tokio::time::sleep(pause(runs)).await;
        }
    }
}

/// Returns the pause after the given number of failures: a random fraction of an interval that
/// doubles with each failure, so that the failed transactions do not all retry at the same time.
fn pause(failures: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_PAUSE);
    // The keys of a new `RandomState` are random, which is sufficient here.
    let random = RandomState::new().hash_one(());
    most.mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_backoff_grows_up_to_one_second() {
        let longest = |failures| (0..200).map(|_| pause(failures)).max().unwrap_or_default();
        assert!(longest(1) <= FIRST_PAUSE && longest(1) < longest(5) && longest(60) <= LONGEST_PAUSE);
        assert!(longest(60) > Duration::from_millis(500));
    }
}
