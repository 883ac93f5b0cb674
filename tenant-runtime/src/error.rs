//! What can go wrong, told apart, in words that say what to do next.

mod forbidden;
mod migration;

use std::{fmt, time::Duration};

use sqlx::postgres::PgDatabaseError;

use self::forbidden::ForbiddenReason;
pub use self::migration::MigrationError;
use crate::model::def::TableName;

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what went wrong in the database, or on the way to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The row does not exist, or not for this tenant and role; the two cannot be told apart.
    #[error("`{table}` holds no such row that this context may see")]
    NotFound {
        /// The table.
        table: String,
    },
    /// The database refused the command to the role, or the row to the policy.
    #[error("{} may not {command} `{table}`{}", Who(*.role), ForbiddenReason { table, command, role: *.role, source })]
    Forbidden {
        /// The table, as far as it is known.
        table: String,
        /// What was to be done.
        command: &'static str,
        /// The database role that was refused; unknown after a statement of one's own.
        role: Option<&'static str>,
        /// What the server said.
        source: sqlx::Error,
    },
    /// Another row has the same unique value.
    #[error("`{table}` has a row with this value already, and `{constraint}` allows one")]
    UniqueViolation {
        /// The table.
        table: String,
        /// The unique constraint or index.
        constraint: String,
    },
    /// A foreign key is violated.
    #[error("`{constraint}` of `{table}`: the row names one that this tenant does not have, or others still name it")]
    ForeignKeyViolation {
        /// The table whose foreign key it is.
        table: String,
        /// The foreign key.
        constraint: String,
    },
    /// A value is not one that the table takes.
    #[error("`{table}` does not take this row: `{constraint}` does not hold")]
    CheckViolation {
        /// The table.
        table: String,
        /// The check, or `not null (column)`.
        constraint: String,
    },
    /// The change would leave a tenant without anyone who manages its members.
    #[error("the tenant would be left without anyone who manages its members; give somebody else that role first")]
    LastManager,
    /// A cursor that does not belong to the list, or that somebody changed.
    #[error("this cursor begins no page of `{table}`: {why}; begin with the first page again")]
    InvalidCursor {
        /// The table of the list.
        table: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no such invitation for the user; what of it is wrong is not told.
    #[error(
        "there is no such invitation for this user: it was taken, withdrawn or has expired, it is for another address, or who \
         invited may not any more"
    )]
    NoInvitation,
    /// The context has no user, and the call is about one.
    #[error("this context has no user, and `{table}` says whose its rows are")]
    NoUser {
        /// The table.
        table: String,
    },
    /// The visitor is anonymous, and the call is about a user.
    #[error("nobody is signed in, and {what} takes a user; make the visitor with `UserCtx::assume_authenticated`")]
    Unauthenticated {
        /// What was to be done.
        what: &'static str,
    },
    /// Tenants are to be crossed, and nobody says why.
    #[error("crossing tenants takes a reason, which is recorded; say in words what it is for")]
    NoReason,
    /// The user is no member of the tenant, or there is no such tenant; the two cannot be told apart.
    #[error("the user is no member of this tenant, or there is no such tenant")]
    NotAMember,
    /// The member's role does not include the one that is asked for.
    #[error("the member's role here is `{has}`, and this takes `{needs}` or a role above it")]
    InsufficientRole {
        /// The member's role.
        has: &'static str,
        /// The role that it takes.
        needs: &'static str,
    },
    /// A statement of the transaction failed, so the server kept nothing of it.
    #[error("a statement of this transaction failed, so none of it was kept; handle the first error and begin anew")]
    Aborted,
    /// The server broke the transaction off, since it could not go on beside another one.
    #[error(
        "the transaction collided with another one, so none of it was kept; begin it anew, as `TenantDb::retry` does"
    )]
    Retryable {
        /// What the server said: a deadlock, or that it could not serialize.
        source: sqlx::Error,
    },
    /// The server cancelled a statement, mostly since it took too long.
    #[error(
        "the server cancelled a statement: `statement_timeout` or `lock_timeout` passed, or an administrator did it; \
         see what it waited for, or give its role more time"
    )]
    TimedOut {
        /// What the server said.
        source: sqlx::Error,
    },
    /// The statement would control the transaction, the role or the context, which belong to the transaction's owner.
    #[error(
        "`{keyword}` cannot run inside a tenant transaction, since it could change who acts or when it ends; \
         use `commit`, `rollback` and another context for that"
    )]
    ForbiddenStatement {
        /// The word that is refused.
        keyword: String,
    },
    /// The connection is not in the context that was asked for, or not any more.
    #[error("the tenant context was lost: {what}; the transaction was not committed")]
    ContextLost {
        /// What was expected and what was found.
        what: String,
    },
    /// The login may not act in the role, mostly because the migrations were not applied to this database.
    #[error(
        "the login cannot act as `{role}`; apply the migrations to this database, and check that the URL names \
         the login that they make"
    )]
    RoleUnavailable {
        /// The database role.
        role: &'static str,
        /// What the server said.
        source: sqlx::Error,
    },
    /// The login could pass by row security, so the app must not run on it.
    #[error("the login `{login}` is not safe for an app:{}", List(.findings))]
    UnsafeLogin {
        /// The login.
        login: String,
        /// What is wrong, each with what mends it.
        findings: Vec<String>,
    },
    /// A role of a tenancy whose roles have logins of their own has none.
    #[error("each role has a login of its own, and:{}", List(.findings))]
    RoleWithoutLogin {
        /// What is missing, each with what to do.
        findings: Vec<String>,
    },
    /// The database is not the one that was audited.
    #[error(
        "the database is not as it was track_changes: its fingerprint is `{found}`, and the app asks for `{expected}`; run \
         `gen-migrations audit`, and take the new fingerprint where it finds nothing"
    )]
    FingerprintMismatch {
        /// The fingerprint that the app asks for.
        expected: String,
        /// That of the database.
        found: String,
    },
    /// The database has no such table, or one without some column: mostly since the migrations were not applied to it.
    #[error(
        "this database does not have `{table}` as the models say; apply the migrations to it, or correct the database in the URL"
    )]
    NotMigrated {
        /// The table.
        table: String,
        /// What the server said.
        source: sqlx::Error,
    },
    /// No connection could be made.
    #[error("cannot connect to {target}: {hint}")]
    Connect {
        /// Where to: login, host, port and database, never the password.
        target: String,
        /// What to do.
        hint: String,
        /// What the server or the system said.
        source: sqlx::Error,
    },
    /// All connections of a role stayed in use, or the server cannot be reached any more.
    #[error(
        "no connection for `{role}` within {waited:?}; look for transactions that are held open, raise \
         `max_connections`, or see whether the server is reachable"
    )]
    PoolTimeout {
        /// The database role.
        role: &'static str,
        /// How long it was waited.
        waited: Duration,
    },
    /// Migrations could not be read or applied.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// Anything else that the database or the driver said.
    #[error(transparent)]
    Database(sqlx::Error),
}

/// What a statement of the repository was about, for its errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) table: TableName,
    pub(crate) command: &'static str,
    pub(crate) role: &'static str,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::classified(error, None)
    }
}

impl Attempt {
    /// Tells the errors of the attempted statement apart.
    pub(crate) fn error(&self, error: sqlx::Error) -> Error {
        Error::classified(error, Some(self))
    }
}

// What the server says of a statement of the repository where the database is behind the models.
const UNDEFINED_TABLE: &str = "42P01";
const UNDEFINED_COLUMN: &str = "42703";
const UNDEFINED_FUNCTION: &str = "42883";
const UNDEFINED_SCHEMA: &str = "3F000";

const COULD_NOT_SERIALIZE: &str = "40001";
const DEADLOCK: &str = "40P01";

/// What the functions that change members raise when nobody would be left who manages members.
const LAST_MANAGER: &str = "TT001";
/// What the function that takes an invitation raises where there is none that could be taken.
const NO_INVITATION: &str = "TT002";

impl Error {
    /// Says whether the caller lacks a right, as HTTP's status 403 does.
    ///
    /// A row that the context may not see is [`NotFound`](Self::NotFound) instead.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Forbidden { .. } | Self::NotAMember | Self::InsufficientRole { .. })
    }

    /// Wraps the error so that it passes through sqlx's interfaces; [`From`] unwraps it.
    pub(crate) fn into_sqlx(self) -> sqlx::Error {
        match self {
            Self::Database(error) => error,
            error => sqlx::Error::Configuration(Box::new(error)),
        }
    }

    fn classified(error: sqlx::Error, attempt: Option<&Attempt>) -> Self {
        if let sqlx::Error::Configuration(source) = error {
            return match source.downcast() {
                Ok(own) => *own,
                Err(source) => Self::Database(sqlx::Error::Configuration(source)),
            };
        }
        let Some(server) = server_error(&error) else { return Self::Database(error) };
        let table = || match (attempt, server.schema(), server.table()) {
            // A foreign key's error is about the table that has the key, which another table's command may hit.
            (_, Some(schema), Some(table)) => format!("{schema}.{table}"),
            (Some(attempt), ..) => attempt.table.to_string(),
            _ => server.message().rsplit(' ').next().unwrap_or_default().trim_matches('"').to_owned(),
        };
        let constraint = || match (server.constraint(), server.column()) {
            (Some(constraint), _) => constraint.to_owned(),
            (None, Some(column)) => format!("not null ({column})"),
            (None, None) => "a constraint".to_owned(),
        };
        match server.code() {
            "42501" => {
                let (table, command) = (table(), attempt.map_or("use", |attempt| attempt.command));
                Self::Forbidden { table, command, role: attempt.map(|attempt| attempt.role), source: error }
            }
            "23505" | "23P01" => Self::UniqueViolation { table: table(), constraint: constraint() },
            "23503" => Self::ForeignKeyViolation { table: table(), constraint: constraint() },
            "23514" | "23502" => Self::CheckViolation { table: table(), constraint: constraint() },
            UNDEFINED_TABLE | UNDEFINED_COLUMN | UNDEFINED_FUNCTION | UNDEFINED_SCHEMA if attempt.is_some() => {
                Self::NotMigrated { table: table(), source: error }
            }
            "25P02" => Self::Aborted,
            "57014" | "55P03" => Self::TimedOut { source: error },
            COULD_NOT_SERIALIZE | DEADLOCK => Self::Retryable { source: error },
            LAST_MANAGER => Self::LastManager,
            NO_INVITATION => Self::NoInvitation,
            _ => Self::Database(error),
        }
    }
}

/// The target of the `tracing` events that tell of denied attempts, to filter by. [`PoolStatus`](crate::PoolStatus) counts them.
pub const DENIED: &str = "tenant_runtime::denied";

/// Returns what the server said, where the error comes from it.
pub(crate) fn server_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

/// Says whether the server broke a transaction off because of another one.
pub(crate) fn is_collision(error: &sqlx::Error) -> bool {
    server_error(error).is_some_and(|server| [COULD_NOT_SERIALIZE, DEADLOCK].contains(&server.code()))
}

struct Who(Option<&'static str>);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(role) => write!(f, "the role `{role}`"),
            None => f.write_str("the role of this context"),
        }
    }
}

struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n- {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_error_round_trips_through_sqlx_error() {
        let error = Error::ForbiddenStatement { keyword: "COMMIT".into() };
        assert!(matches!(Error::from(error.into_sqlx()), Error::ForbiddenStatement { keyword } if keyword == "COMMIT"));
    }

    #[test]
    fn driver_error_stays_a_database_error() {
        assert!(matches!(Error::from(sqlx::Error::RowNotFound), Error::Database(sqlx::Error::RowNotFound)));
    }

    #[test]
    fn unsafe_login_error_lists_one_finding_per_line() {
        let error = Error::UnsafeLogin { login: "x".into(), findings: vec!["a".into(), "b".into()] };
        assert_eq!(error.to_string(), "the login `x` is not safe for an app:\n- a\n- b");
    }
}
