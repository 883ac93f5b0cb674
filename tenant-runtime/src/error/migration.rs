//! Errors from reading, applying and reverting migrations.

/// The reason why migrations were not applied or reverted.
///
/// ```no_run
/// # use tenant_runtime::{Error, MigrationError, Migrations};
/// # async fn f(migrations: Migrations, admin_url: &str) -> tenant_runtime::Result<()> {
/// match migrations.apply(admin_url, &mut |_| {}).await {
///     Err(Error::Migration(MigrationError::Failed { file, line, message, .. })) => {
///         eprintln!("{file}:{line}: {message}");
///     }
///     applied => println!("applied {:?}", applied?.versions),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The URL names a login role of the app, which cannot change tables.
    #[error(
        "migrations require an administrator; `{login}` is a login role of the app\n  help: use the URL of an administrator, such \
         as the owner of the database"
    )]
    AppLogin {
        /// The login.
        login: String,
    },
    /// The login lacks a privilege on the migrations table or its schema.
    #[error("`{login}` lacks a privilege in database `{database}`: {reason}\n  help: {help}")]
    NotAllowed {
        /// The login.
        login: String,
        /// The database.
        database: String,
        /// The server's message.
        reason: String,
        /// The statement that grants the privilege, or the login to use instead.
        help: String,
    },
    /// The login lacks privileges that the pending files require. Nothing was applied.
    #[error(
        "`{login}` lacks privileges in database `{database}` that the pending migrations require; nothing was applied\n  help: run \
         as a superuser, or apply as an administrator that has these privileges:{}", Statements(.statements)
    )]
    MissingPrivileges {
        /// The login.
        login: String,
        /// The database.
        database: String,
        /// The statements that grant the privileges, each with its purpose.
        statements: Vec<(String, String)>,
    },
    /// Another schema has a table of applied migrations too, so it is unknown which migrations are applied.
    #[error(
        "applied migrations are recorded in {table}, but the database has a table of that name in another schema: {found}\n  help: \
         {help}"
    )]
    HistoryElsewhere {
        /// The table in which this run would record migrations.
        table: String,
        /// The other table.
        found: String,
        /// The statement that leaves one table.
        help: String,
    },
    /// Another session held the lock for too long.
    #[error(
        "waited {seconds} s for the migration lock of this database, which {holder} holds; nothing was changed\n  help: wait until \
         that session has ended, or end it: `SELECT pg_terminate_backend({pid})`; `--lock-timeout` sets the time to wait"
    )]
    Locked {
        /// The time to wait in seconds.
        seconds: u64,
        /// The session that holds the lock.
        holder: String,
        /// The process ID of that session; 0 if unknown.
        pid: i32,
    },
    /// A file contains a statement that a migration must not contain.
    #[error("`{file}`, line {line}: `{statement}` is not allowed in a migration: {reason}")]
    RefusedStatement {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// The beginning of the statement.
        statement: String,
        /// Why it is refused, and what to write instead.
        reason: String,
    },
    /// The folder cannot be read, or a file in it cannot be a migration.
    #[error("cannot read the migrations in {folder}: {reason}")]
    Unreadable {
        /// The folder.
        folder: String,
        /// The cause.
        reason: String,
    },
    /// A file was edited after its migration was applied.
    #[error(
        "`{file}` was edited after it was applied to this database\n  help: restore the file from version control, and put the \
         edit into a new migration"
    )]
    Changed {
        /// The file.
        file: String,
    },
    /// A file has other line endings than when its migration was applied; its text is the same.
    #[error(
        "`{file}` has {now}, but it was applied to this database {applied}, so its checksum differs\n  help: write `*.sql text eol=lf` \
         to the file `.gitattributes` in the folder, and restore the file from version control (delete it, then `git checkout`)"
    )]
    LineEndings {
        /// The file.
        file: String,
        /// What the file has now.
        now: &'static str,
        /// How it was applied.
        applied: &'static str,
    },
    /// The database has applied a migration whose file is missing.
    #[error(
        "migration {version} was applied to the database, and its file is missing\n  help: restore the file from version control, \
         or use the migrations of the newer app version, or of the other app, that applied it"
    )]
    Missing {
        /// The version.
        version: i64,
    },
    /// A pending file has a lower number than an applied file.
    #[error(
        "`{file}` was not applied, although the later migration {newest} was\n  help: give it a number above {newest} and \
         generate again, or see `gen-migrations rebase`"
    )]
    OutOfOrder {
        /// The file.
        file: String,
        /// The highest version that the database has applied.
        newest: i64,
    },
    /// A migration that runs outside a transaction was interrupted.
    #[error(
        "`{file}` runs outside a transaction and was interrupted, so it may be partly applied\n  help: complete or undo its \
         statements manually; then set `success` of version {version} in `_sqlx_migrations` to true, or delete that row to run \
         the file again"
    )]
    Dirty {
        /// The file.
        file: String,
        /// The version.
        version: i64,
    },
    /// No file has the version.
    #[error("migration {version} does not exist\n  help: list the migrations with `gen-migrations status`")]
    Unknown {
        /// The version.
        version: i64,
    },
    /// A migration cannot be reverted.
    #[error("`{file}` cannot be reverted: {reason}\n  help: undo it in a new migration")]
    Irreversible {
        /// The file that was applied.
        file: String,
        /// The cause.
        reason: String,
    },
    /// Reverting the migration would lose data, and data loss was not allowed.
    #[error("reverting `{file}` loses data: {what}\n  help: to confirm, re-run with `--allow-data-loss`")]
    LosesData {
        /// The file that was applied.
        file: String,
        /// The data that would be lost.
        what: String,
    },
    /// A statement of a file failed.
    #[error("`{file}`, line {line}, failed: {message}")]
    Failed {
        /// The file.
        file: String,
        /// The line that the server reports, or the first line of the statement.
        line: usize,
        /// The SQLSTATE code.
        code: String,
        /// The server's message with its code, the failing line, the detail and the hint.
        message: String,
    },
}

/// Displays statements, each on a line with its purpose.
struct Statements<'a>(&'a [(String, String)]);

impl std::fmt::Display for Statements<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(statement, purpose)| write!(f, "\n    {statement};  -- {purpose}"))
    }
}
