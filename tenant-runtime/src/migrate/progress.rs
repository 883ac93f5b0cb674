//! The progress of a run, which callers display.

use std::time::Duration;

/// Progress of a run, for display.
///
/// ```
/// use tenant_runtime::migrate::Progress;
///
/// fn show(step: Progress<'_>) {
///     match step {
///         Progress::Statement { index, of, .. } => eprintln!("  statement {index} of {of}"),
///         Progress::Done { file, elapsed, .. } => eprintln!("{file} took {elapsed:?}"),
///         _ => {}
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The run takes the lock, which another migrating session might hold.
    Locking,
    /// Another session holds the lock, and the run waits for it.
    Waiting {
        /// The session: its process ID, its login, its application name, and when it began.
        holder: &'a str,
    },
    /// A file starts.
    File {
        /// The file.
        file: &'a str,
        /// Its version.
        version: i64,
        /// Its position among the files to run, from 1.
        index: usize,
        /// The number of files to run.
        of: usize,
    },
    /// A statement of the file starts.
    Statement {
        /// The text of the statement.
        text: &'a str,
        /// Its position in the file, from 1.
        index: usize,
        /// The number of statements in the file.
        of: usize,
    },
    /// A file that was rolled back because of a conflict with another session is retried.
    Retrying {
        /// The file.
        file: &'a str,
        /// The conflict.
        reason: &'static str,
        /// The number of the attempt that starts, from 2.
        attempt: u32,
    },
    /// Drops an invalid index that an interrupted run has left, before building the index again.
    Clearing {
        /// The index.
        index: &'a str,
    },
    /// A file is finished.
    Done {
        /// The file.
        file: &'a str,
        /// Its version.
        version: i64,
        /// Its duration.
        elapsed: Duration,
    },
}

/// A callback for progress.
pub(super) type OnProgress<'w, 'f> = &'w mut (dyn FnMut(Progress<'_>) + Send + 'f);
