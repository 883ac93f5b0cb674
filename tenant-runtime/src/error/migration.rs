//! What can go wrong where migrations are read, applied and reverted.

/// Says why migrations were not applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The URL names a login of the app, which owns nothing and may change no table.
    #[error(
        "`{login}` is a login of the app, which may change no table; migrate as an administrator, such as the owner of the \
         database"
    )]
    AppLogin {
        /// The login.
        login: String,
    },
    /// The folder cannot be read, or a file in it cannot be a migration.
    #[error("cannot read the migrations in {folder}: {reason}")]
    Unreadable {
        /// The folder.
        folder: String,
        /// What is wrong.
        reason: String,
    },
    /// A file was changed after it had been applied.
    #[error(
        "`{file}` was changed after it had been applied to this database; restore the file from version control, \
         and put what is new into a new migration"
    )]
    Changed {
        /// The file.
        file: String,
    },
    /// The database has a migration of which there is no file.
    #[error(
        "the database has applied migration {version}, which is not among the files; it was migrated by a newer \
         version of the app, or by another app"
    )]
    Missing {
        /// The version.
        version: i64,
    },
    /// A file's number is lower than one that was applied.
    #[error(
        "`{file}` was not applied, though the later migration {newest} was; give it a number above {newest}, and \
         generate again"
    )]
    OutOfOrder {
        /// The file.
        file: String,
        /// The highest version that the database has.
        newest: i64,
    },
    /// A migration that runs outside a transaction was interrupted.
    #[error(
        "`{file}` runs outside a transaction and was interrupted, so it may be done in part\n  help: finish or undo by hand what \
         it does; then set `success` of version {version} in `_sqlx_migrations` to true, or delete that row to run it again"
    )]
    Dirty {
        /// The file.
        file: String,
        /// The version.
        version: i64,
    },
    /// No file has the version.
    #[error("there is no migration {version}\n  help: see which there are with `status`")]
    Unknown {
        /// The version.
        version: i64,
    },
    /// A migration cannot be reverted.
    #[error("`{file}` cannot be reverted: {reason}\n  help: undo it by a new migration, or by hand")]
    Irreversible {
        /// The file that was applied.
        file: String,
        /// Why.
        reason: String,
    },
    /// To revert a migration loses data, and nobody said that it may.
    #[error("reverting `{file}` loses data: {what}\n  help: say that it may, with `--allow-data-loss`")]
    LosesData {
        /// The file that was applied.
        file: String,
        /// What is lost.
        what: String,
    },
    /// The server refused a statement of a file.
    #[error("`{file}`, line {line}, failed: {message}")]
    Failed {
        /// The file.
        file: String,
        /// The line at which the server points, or on which the statement begins.
        line: usize,
        /// The SQLSTATE code.
        code: String,
        /// What the server said, with its code and the line, its detail and hint.
        message: String,
    },
}
