//! Transactions that are run anew when they collide with others.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::Ordering,
    time::Duration,
};

use super::{TenantDb, TenantTx, TxOptions};
use crate::{
    error::{Error, Result},
    tenant::{Role, TenantCtx},
};

/// The longest pause after the first collision; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl TenantDb {
    /// Runs a transaction, and runs it anew where the server broke it off because of another one: after a deadlock, or
    /// where it could not be serialized.
    ///
    /// The closure gets a new transaction in the same context each time, and commits it itself. After
    /// [`TenantDbOptions::attempts`] of them the collision is the caller's. Any other error ends it at once and is
    /// handed on as it is.
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
    /// What the closure does outside the database is done again as well.
    ///
    /// # Errors
    ///
    /// Those of the closure, and of [`begin`](Self::begin).
    ///
    /// [`TenantDbOptions::attempts`]: super::TenantDbOptions::attempts
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
            // The closure's error may be of a type of its own, so it is the transaction that tells.
            let collided = tx.collided();
            let result = work(tx).await;
            runs += 1;
            let again = result.is_err() && collided.load(Ordering::Relaxed) && runs < self.inner.options().attempts;
            if !again {
                return result;
            }
            tokio::time::sleep(pause(runs)).await;
        }
    }
}

/// Returns how long to wait after so many collisions: a random part of what doubles each time, lest those that collided
/// meet again in step.
fn pause(collisions: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << (collisions - 1).min(10)).min(LONGEST_PAUSE);
    // The keys of a new `RandomState` are random, which is all that is needed here.
    let random = RandomState::new().hash_one(());
    most.mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_backoff_grows_up_to_one_second() {
        let longest = |collisions| (0..200).map(|_| pause(collisions)).max().unwrap_or_default();
        assert!(longest(1) <= FIRST_PAUSE && longest(1) < longest(5) && longest(60) <= LONGEST_PAUSE);
        assert!(longest(60) > Duration::from_millis(500));
    }
}
