//! Errors of a migrations folder, and the files in it that do not match the snapshot.

use std::{io, path::PathBuf};

use super::{
    files::{self, FilesError},
    statement_check::Refused,
};
use crate::snapshot::SnapshotError;

/// A file that does not match the snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A file was edited.
    #[error(
        "`{name}` was edited after the snapshot was written\n  help: restore it from version control; or, if the edit is \
         intended and the migration has not been applied anywhere, run `gen-migrations rehash {name}`"
    )]
    Edited {
        /// The file.
        name: String,
    },
    /// A file has other line endings than when it was recorded, or line endings that other checkouts do not have.
    #[error(
        "`{name}` has Windows line endings (CRLF) or a byte order mark, so its checksum differs from that of other checkouts\n  help: write \
         `*.sql text eol=lf` to the file `.gitattributes` in the folder, and convert the file: `sed -i 's/\\r$//' {name}`"
    )]
    LineEndings {
        /// The file.
        name: String,
    },
    /// A hand-written file contains a statement that a migration must not contain.
    #[error("`{name}`, line {}: `{}` is not allowed in a migration: {}", refused.line, refused.statement, refused.reason)]
    #[non_exhaustive]
    Statement {
        /// The file.
        name: String,
        /// The statement.
        refused: Refused,
    },
    /// A file is missing.
    #[error(
        "`{name}` is missing, and the snapshot lists it\n  help: restore it from version control; or, to remove a migration that \
         has not been applied anywhere, delete both of its files, run `git checkout <commit before it> -- snapshot.json` in the \
         folder, and then `gen-migrations rebase`"
    )]
    Missing {
        /// The file.
        name: String,
    },
    /// A hand-written file has a lower number than a migration that some databases might already have applied.
    #[error(
        "`{name}` was added after migration {newest:04}, so databases that have applied {newest:04} would skip it\n  help: \
         give it the number {:04}", newest + 1
    )]
    Late {
        /// The file.
        name: String,
        /// The newest migration of the snapshot.
        newest: i64,
    },
    /// A generated file that the snapshot does not list.
    #[error(
        "`{name}` was generated, and the snapshot does not list it\n  help: if two branches added migrations, run \
         `gen-migrations rebase`, which generates it again; otherwise delete it"
    )]
    Unknown {
        /// The file.
        name: String,
    },
}

/// All files that do not match the snapshot.
#[derive(Debug)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// Returns the files that do not match.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut problems = self.0.iter().peekable();
        while let Some(problem) = problems.next() {
            match (problem, problems.peek()) {
                // The two files of a migration have the same help, so it is printed once.
                (Problem::Missing { name }, Some(Problem::Missing { name: next }))
                    if files::stem(name) == files::stem(next) =>
                {
                    write!(f, "\n- `{name}` is missing, and the snapshot lists it")?;
                }
                _ => write!(f, "\n- {problem}")?,
            }
        }
        Ok(())
    }
}

/// The reason why a migrations folder cannot be used.
///
/// ```no_run
/// use tenant_runtime::migrate::folder::{Folder, FolderError, Problem};
///
/// if let Err(FolderError::Problems { problems, .. }) = Folder::new("migrations").schema() {
///     let edited = problems.as_slice().iter().filter(|problem| matches!(problem, Problem::Edited { .. }));
///     eprintln!("{} files were edited", edited.count());
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file or the folder cannot be read.
    #[error(
        "cannot read `{}`: {source}\n  help: check the path and its permissions, or set another folder: --dir <FOLDER>",
        path.display()
    )]
    Read {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file or the folder cannot be written.
    #[error("cannot write `{}`: {source}\n  help: check the permissions, or set another folder: --dir <FOLDER>", path.display())]
    Write {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The files cannot be migrations.
    #[error("cannot use the folder `{}`: {source}", path.display())]
    Files {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: FilesError,
    },
    /// The snapshot cannot be read.
    #[error("cannot use the snapshot `{}`: {source}", path.display())]
    Snapshot {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: SnapshotError,
    },
    /// A migration was generated, and its snapshot is missing.
    #[error(
        "`{migration}` was generated, and its snapshot `{}` is missing\n  help: restore it from version control; or, if no \
         migration has been applied anywhere, delete the generated files and start over",
        path.display()
    )]
    NoSnapshot {
        /// The snapshot's path.
        path: PathBuf,
        /// The newest migration.
        migration: String,
    },
    /// Files do not match the snapshot.
    #[error("the files in `{}` do not match its snapshot:{problems}", path.display())]
    Problems {
        /// The folder.
        path: PathBuf,
        /// The files that do not match.
        problems: Problems,
    },
    /// A name is not the name of a file.
    #[error("`{}` has no migration file `{name}`\n  help: name a file in that folder, such as `0002_add_invoices.up.sql`", path.display())]
    NoSuchFile {
        /// The name.
        name: String,
        /// The folder.
        path: PathBuf,
    },
    /// A name is not the name of an edited file.
    #[error(
        "`{name}` was not edited after the snapshot was written\n  help: run `gen-migrations --check` to list the edited files"
    )]
    NotEdited {
        /// The name.
        name: String,
    },
}
