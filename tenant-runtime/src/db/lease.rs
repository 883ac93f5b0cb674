//! Connections that stay out of sqlx's pool between calls, so that a call needs no check of its connection.
//!
//! Each message begins with a reset of its connection, so a connection on which only statements of the repository have ended can
//! be used again at once, and a connection on which SQL of the app ran after a reset and a check. All others go back to sqlx's pool,
//! which resets and checks them, or closes them: connections whose call was dropped or lost.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    denial_counter::DenialCounter, reset::is_clean, signing_key::Challenge, stale_plans::StalePlans, tx_state::TxState,
};

/// A connection that has been kept for longer goes back to sqlx's pool, which closes it at the end of its lifetime.
const KEPT_FOR: Duration = Duration::from_secs(5 * 60);

/// A connection that has not been used for longer goes back to sqlx's pool, which closes it after its idle timeout.
const UNUSED_FOR: Duration = Duration::from_secs(60);

/// Before a write, a connection that has not been used for longer is checked: a write on a lost connection has an unknown outcome.
const UNCHECKED_FOR: Duration = Duration::from_secs(1);

/// The connections of a role.
pub(super) struct RolePool {
    pub(super) pool: PgPool,
    pub(super) denials: DenialCounter,
    pub(super) stale_plans: StalePlans,
    /// One permit for each connection that may be in use. sqlx's pool has as many connections, so a call that has a permit does not
    /// wait for the kept connections.
    permits: Arc<Semaphore>,
    acquire_timeout: Duration,
    /// Whether a connection pooler renames the statements that sqlx prepares.
    pooled: bool,
    /// The kept connections, the last used one last; `None` after the pool was closed. The lock is never held across an await.
    kept: Mutex<Option<Vec<Kept>>>,
}

/// A connection that is not in use.
struct Kept {
    connection: PoolConnection<Postgres>,
    /// When sqlx's pool returned it.
    acquired: Instant,
    used: Instant,
    challenge: Option<Challenge>,
}

/// A connection in use.
pub(super) struct Lease {
    connection: PoolConnection<Postgres>,
    acquired: Instant,
    pool: Arc<RolePool>,
    permit: OwnedSemaphorePermit,
    /// What the signature of the next context must include, as far as known.
    pub(super) challenge: Option<Challenge>,
}

impl RolePool {
    pub(super) fn new(
        pool: PgPool,
        denials: DenialCounter,
        stale_plans: StalePlans,
        max_connections: u32,
        acquire_timeout: Duration,
        pooled: bool,
    ) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(max_connections as usize));
        let kept = Mutex::new(Some(Vec::new()));
        let pool = Arc::new(Self { pool, denials, stale_plans, permits, acquire_timeout, pooled, kept });
        tokio::spawn(return_unused(Arc::downgrade(&pool)));
        pool
    }

    /// Acquires a connection; before a write, one that has answered recently.
    ///
    /// # Errors
    ///
    /// [`sqlx::Error::PoolTimedOut`], [`sqlx::Error::PoolClosed`], or an error of the new connection.
    pub(super) async fn acquire(self: &Arc<Self>, for_write: bool) -> sqlx::Result<Lease> {
        let permits = Arc::clone(&self.permits);
        let permit = match permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => match timeout(self.acquire_timeout, permits.acquire_owned()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_)) => return Err(sqlx::Error::PoolClosed),
                Err(_) => return Err(sqlx::Error::PoolTimedOut),
            },
        };
        while let Some(mut kept) = self.take() {
            if for_write && kept.used.elapsed() > UNCHECKED_FOR && kept.connection.ping().await.is_err() {
                self.release_kept();
                continue;
            }
            let Kept { connection, acquired, challenge, .. } = kept;
            return Ok(Lease { connection, acquired, pool: Arc::clone(self), permit, challenge });
        }
        self.from_pool(permit, for_write).await
    }

    /// Acquires a connection from sqlx's pool.
    async fn from_pool(self: &Arc<Self>, permit: OwnedSemaphorePermit, for_write: bool) -> sqlx::Result<Lease> {
        loop {
            let mut connection = self.pool.acquire().await?;
            // A lost connection is closed when it is dropped, so the pool returns a new one in the end.
            if for_write && connection.ping().await.is_err() {
                continue;
            }
            let (acquired, pool) = (Instant::now(), Arc::clone(self));
            return Ok(Lease { connection, acquired, pool, permit, challenge: None });
        }
    }

    /// Returns the number of connections that are kept.
    pub(super) fn kept(&self) -> usize {
        self.lock().as_ref().map_or(0, Vec::len)
    }

    /// Gives the kept connections back to sqlx's pool: after one of them was lost, the others may be too.
    pub(super) fn release_kept(&self) {
        let released = self.lock().as_mut().map(std::mem::take);
        drop(released);
    }

    /// Closes all connections; waits for those in use.
    pub(super) async fn close(&self) {
        let released = self.lock().take();
        drop(released);
        self.permits.close();
        self.pool.close().await;
    }

    fn take(&self) -> Option<Kept> {
        loop {
            let kept = self.lock().as_mut()?.pop()?;
            // Statements that the connection has prepared may be stale; sqlx's pool closes it then.
            if !self.stale_plans.includes(kept.acquired.elapsed()) {
                return Some(kept);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Returns the state of a new transaction on the connection.
    pub(super) fn tx_state(&self) -> TxState {
        TxState::new(self.pool.denials.clone(), self.pool.stale_plans.clone())
    }

    /// Keeps the connection for the next call. Only for a connection that is idle, after statements of the repository.
    pub(super) fn keep(self) {
        let Self { connection, acquired, pool, permit, challenge } = self;
        if acquired.elapsed() < KEPT_FOR
            && let Some(kept) = &mut *pool.lock()
        {
            kept.push(Kept { connection, acquired, used: Instant::now(), challenge });
        }
        drop(permit);
    }

    /// Resets the connection and keeps it, if it is idle and can be used again.
    pub(super) async fn reset_and_keep(mut self) {
        let (pooled, signed) = (self.pool.pooled, self.challenge.is_some());
        if let Ok(true) = is_clean(&mut self.connection, pooled, signed).await {
            self.keep();
        }
    }

    /// Replaces the connection, which goes back to sqlx's pool.
    pub(super) async fn replaced(self, for_write: bool) -> sqlx::Result<Self> {
        let Self { connection, pool, permit, .. } = self;
        drop(connection);
        pool.from_pool(permit, for_write).await
    }

    /// Gives the kept connections back to sqlx's pool, because this one was lost.
    pub(super) fn lost(&self) {
        self.pool.release_kept();
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Gives connections that are no longer used back to sqlx's pool.
async fn return_unused(pool: Weak<RolePool>) {
    loop {
        tokio::time::sleep(UNUSED_FOR / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let unused: Vec<Kept> = match &mut *pool.lock() {
            Some(kept) => kept.extract_if(.., |kept| kept.used.elapsed() > UNUSED_FOR).collect(),
            None => return,
        };
        drop(unused);
    }
}
