//! Error types of the runtime.

mod classified;
mod display;
mod forbidden;
mod migration;
mod server;
mod targets;

use std::time::Duration;

pub(crate) use self::{
    classified::Attempt,
    server::{is_retryable, server_error},
};
use self::{
    display::{CheckName, List, ReadOnly, Reason, RefusedBecause, RoleName, Unavailable},
    forbidden::{ForbiddenReason, InvitationTable},
};
pub use self::{
    migration::MigrationError,
    targets::{DENIED, STATEMENTS},
};

/// The result type of this crate.
///
/// ```
/// async fn count(tx: &mut tenant_runtime::TenantTx<tenant_runtime::roles::Viewer>) -> tenant_runtime::Result<i64> {
///     Ok(sqlx::query_scalar("SELECT count(*) FROM app.projects").fetch_one(tx).await?)
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the database or of the connection to it.
///
/// ```
/// # use tenant_runtime::{Error, Result};
/// fn rename(result: Result<()>) -> Result<&'static str> {
///     match result {
///         Ok(()) => Ok("renamed"),
///         Err(Error::UniqueViolation { .. }) => Ok("another project has this name"),
///         Err(Error::NotFound { .. }) => Ok("no such project"),
///         Err(error) => Err(error),
///     }
/// }
/// # assert!(rename(Err(Error::LastManager)).is_err());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The row does not exist, or is not visible to this tenant and role; the two cases are not
    /// distinguished.
    #[error("no row with this key in `{table}` is visible to the current tenant and role")]
    NotFound {
        /// The table.
        table: String,
    },
    /// The role has no privilege for the command, or a policy rejects the row.
    #[error("{} cannot {command} `{table}`{}", RoleName(*.role), ForbiddenReason { table, command, role: *.role, source })]
    Forbidden {
        /// The table, as far as known.
        table: String,
        /// The command.
        command: &'static str,
        /// The database role; `None` for a custom SQL statement.
        role: Option<&'static str>,
        /// The error of the server.
        source: sqlx::Error,
    },
    /// A unique constraint, a unique index or an exclusion constraint is violated.
    #[error("duplicate key in `{table}` violates unique constraint `{constraint}`")]
    UniqueViolation {
        /// The table.
        table: String,
        /// The constraint or the index.
        constraint: String,
    },
    /// A foreign key is violated.
    #[error(
        "foreign key `{constraint}` on `{table}` violated: the referenced row does not exist in this tenant, or the row is still \
         referenced"
    )]
    ForeignKeyViolation {
        /// The table with the foreign key.
        table: String,
        /// The foreign key.
        constraint: String,
    },
    /// A check constraint or a NOT NULL constraint is violated.
    #[error("row in `{table}` violates {}", CheckName(.constraint))]
    CheckViolation {
        /// The table.
        table: String,
        /// The check constraint, or `not null (column)`.
        constraint: String,
    },
    /// The change would leave the tenant without a member with permission to manage members.
    #[error("cannot remove the last member who can manage members; give that role to another member first")]
    LastManager,
    /// The cursor does not belong to the list, or has been modified.
    #[error("invalid cursor for `{table}`: {reason}; start again from the first page")]
    InvalidCursor {
        /// The table of the list.
        table: String,
        /// The reason.
        reason: &'static str,
    },
    /// The filter of a call nests too many conditions. Nothing was sent.
    #[error(
        "the filter of a call on `{table}` nests more than {limit} conditions; write conditions of one kind as a chain, such as \
         `a | b | c`"
    )]
    FilterTooDeep {
        /// The table, as `schema.table`.
        table: String,
        /// The maximum depth.
        limit: u16,
    },
    /// The user cannot accept an invitation with this token; the reason is not disclosed.
    #[error(
        "no such invitation for this user: it was accepted, withdrawn or has expired, it is for another address, or the member who \
         created it can no longer invite"
    )]
    NoInvitation,
    /// The user has not consented to become a member: an invitation table is declared, and the user is not a member of a
    /// tenant in which the user of the context can manage members. The error does not disclose whether the user exists.
    #[error(
        "cannot add this user without the user's consent: the user is not a member of a tenant in which the user of the context can \
         manage members; invite the user with `{}::invite`", InvitationTable(.table)
    )]
    ConsentRequired {
        /// The membership table; empty for a custom SQL statement.
        table: String,
    },
    /// The operation requires a user, but the context was created without one.
    #[error("this operation on `{table}` requires a user, but the context was created without a user")]
    NoUser {
        /// The table.
        table: String,
    },
    /// The operation requires a signed-in user, but the user context is anonymous.
    #[error("{operation} requires a signed-in user; create the user context with `UserCtx::assume_authenticated`")]
    Unauthenticated {
        /// The operation.
        operation: &'static str,
    },
    /// The reason for cross-tenant access is too short.
    #[error(
        "a reason for cross-tenant access requires at least {min_length} characters, not counting white space around it; describe \
         the purpose of the access, which is recorded"
    )]
    ReasonTooShort {
        /// The minimum number of characters, which `tenancy!` declares.
        min_length: u16,
    },
    /// The reason for cross-tenant access was recorded too long ago.
    #[error(
        "the reason for cross-tenant access was recorded too long ago, so the database gives access to no row; record a new one with \
         `SystemDb::begin_access`"
    )]
    AccessExpired,
    /// The user is not a member of the tenant, or the tenant does not exist; the two cases are not
    /// distinguished.
    #[error("the user is not a member of this tenant, or the tenant does not exist")]
    NotAMember,
    /// The member's role does not include the required role.
    #[error("requires role `{required}` or a role that includes it; this member has role `{role}`")]
    InsufficientRole {
        /// The role of the member.
        role: &'static str,
        /// The required role.
        required: &'static str,
    },
    /// A statement of the transaction failed, so the server keeps none of its changes.
    #[error(
        "an earlier statement of this transaction failed, so the server discards all changes of the transaction; \
         handle the first error and begin a new transaction"
    )]
    Aborted,
    /// The server rolled the transaction back because of a concurrent transaction.
    #[error(
        "serialization failure or deadlock: the transaction was rolled back; retry it, for example with `TenantDb::retry`"
    )]
    Retryable {
        /// The error of the server.
        source: sqlx::Error,
    },
    /// The server cancelled a statement, usually because of a timeout.
    #[error(
        "statement cancelled by the server: `statement_timeout` or `lock_timeout` expired, or an administrator cancelled it; check \
         whether the statement waited for a lock, or increase the timeout of the login role"
    )]
    TimedOut {
        /// The error of the server.
        source: sqlx::Error,
    },
    /// The statement would control the transaction, the role or the settings, lock a table, or print a
    /// plan, or its effects would outlive the transaction.
    #[error(
        "`{keyword}` is not allowed inside a tenant transaction: {}", RefusedBecause(.keyword)
    )]
    ForbiddenStatement {
        /// The keyword for which the statement was refused.
        keyword: String,
    },
    /// The role or the settings on the server differ from the context, or a read-only transaction
    /// has written.
    #[error("the tenant context was lost: {reason}; the transaction was not committed")]
    ContextLost {
        /// The expected context and the context on the server.
        reason: String,
    },
    /// The login cannot assume the role, usually because the migrations have not been applied to
    /// this database.
    #[error(
        "the login cannot assume role `{role}`; apply the migrations to this database, and check that the URL names \
         the login role that the migrations create"
    )]
    RoleUnavailable {
        /// The database role.
        role: &'static str,
        /// The error of the server.
        source: sqlx::Error,
    },
    /// The database did not accept the signature of a context, or a function was called without a signed context.
    #[error(
        "the database did not accept the signature of the context: {}; check with `gen-migrations context-key list` that the key of the \
         app is installed in this database and valid for its login, and that all migrations are applied", Reason(.source)
    )]
    ContextNotSigned {
        /// The error of the server.
        source: sqlx::Error,
    },
    /// The tenancy has `signed_context: true`, and the app has no key.
    #[error(
        "the tenancy of schema `{schema}` has `signed_context: true`, so its contexts must be signed; set the key with \
         `TenantDbOptions::signing_key` (`gen-migrations context-key create` makes one)"
    )]
    SigningKeyRequired {
        /// The schema of the tenancy.
        schema: &'static str,
    },
    /// The app has a key, but no tenancy has `signed_context: true`.
    #[error(
        "`TenantDbOptions::signing_key` is set, but no linked tenancy has `signed_context: true`, so the database checks no signature; \
         add it to `tenancy!` and generate the migration, or remove the key"
    )]
    SigningKeyUnused,
    /// The login can bypass RLS, or assume a role that it should not.
    #[error("the login `{login}` is not safe for an app:{}", List(.findings))]
    UnsafeLogin {
        /// The login.
        login: String,
        /// The reasons, each with its fix.
        findings: Vec<String>,
    },
    /// A role of a tenancy with `login_per_role: true` has no usable login.
    #[error("missing or wrong login URLs for `login_per_role`:{}", List(.findings))]
    RoleWithoutLogin {
        /// The problem with each role's login, and how to fix it.
        findings: Vec<String>,
    },
    /// The fingerprint of the database differs from the expected fingerprint.
    #[error(
        "the schema of the database has changed: its fingerprint is `{found}`, and the app expects `{expected}`; run \
         `gen-migrations audit`, and use the new fingerprint if there are no findings"
    )]
    FingerprintMismatch {
        /// The fingerprint that the app expects.
        expected: String,
        /// The fingerprint of the database.
        found: String,
    },
    /// A table, a column or a function is missing, usually because the migrations have not been
    /// applied to this database.
    #[error(
        "in this database, `{table}` or one of its declared columns or functions is missing; apply the migrations, deploy \
         the app version that matches the database, or correct the database name in the URL"
    )]
    NotMigrated {
        /// The table.
        table: String,
        /// The error of the server.
        source: sqlx::Error,
    },
    /// No connection could be opened.
    #[error("cannot connect to {target}: {hint}")]
    Connect {
        /// The database, the address and the login, but never the password.
        target: String,
        /// The cause and the next step.
        hint: String,
        /// The error of the server or the operating system.
        source: sqlx::Error,
    },
    /// A pooler in transaction mode is between this program and the server.
    #[error(
        "{target} is behind a pooler in transaction mode, which can run each transaction on another connection of the server; this \
         operation requires one session\n  help: use the host and the port of PostgreSQL itself, often 5432, or of a pool in \
         session mode"
    )]
    Pooled {
        /// The database, the address and the login, but never the password.
        target: String,
    },
    /// The server or the database accepts no changes.
    #[error("{target} cannot be changed: {}", ReadOnly(*.is_standby))]
    ReadOnlyServer {
        /// The database, the address and the login, but never the password.
        target: String,
        /// Whether the server is a standby; otherwise, `default_transaction_read_only` is on.
        is_standby: bool,
    },
    /// No connection became available in time: those of the role are in use, or the server is unreachable or refuses more.
    #[error(
        "timed out after {waited:?} waiting for a connection for role `{role}`: {}",
        Unavailable((*.open, *.max), .login, *.connection_limit)
    )]
    PoolTimeout {
        /// The database role.
        role: &'static str,
        /// The time spent waiting.
        waited: Duration,
        /// The number of open connections of the role.
        open: u32,
        /// The maximum number of connections of the role.
        max: u32,
        /// The login role.
        login: String,
        /// The `CONNECTION LIMIT` of the login role, which applies to all roles and to all instances of the app together; `None` if
        /// there is none, or behind a connection pooler.
        connection_limit: Option<u32>,
    },
    /// The connection was lost before the answer to a commit, or to a single call that writes, arrived. The server has kept all of
    /// its changes or none of them.
    #[error(
        "the connection was lost before the server confirmed the write, so it is unknown whether the write took effect; read the \
         rows again before you repeat it"
    )]
    OutcomeUnknown {
        /// The connection's error.
        source: sqlx::Error,
    },
    /// A single call has written and committed, but a value that it returned is not of the declared type.
    #[error(
        "the write to `{table}` was committed, but a value of the returned row is not of the declared Rust type; compare the struct \
         with the database by `gen-migrations audit`"
    )]
    UnreadableResult {
        /// The table, as `schema.table`.
        table: String,
        /// The error of the value.
        source: sqlx::Error,
    },
    /// Migrations could not be read or applied.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// Any other error from the database or the driver.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl Error {
    /// Returns whether the error means that the caller lacks a permission, like HTTP status 403.
    ///
    /// A row that is not visible in the context is [`NotFound`](Self::NotFound) instead.
    ///
    /// ```
    /// # use tenant_runtime::Error;
    /// assert!(Error::NotAMember.is_forbidden());
    /// ```
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            Self::Forbidden { .. } | Self::NotAMember | Self::InsufficientRole { .. } | Self::ConsentRequired { .. }
        )
    }

    /// Wraps the error in an sqlx error, so that it can pass through sqlx traits; [`From`] unwraps it.
    pub(crate) fn into_sqlx(self) -> sqlx::Error {
        match self {
            Self::Database(error) => error,
            error => sqlx::Error::Configuration(Box::new(error)),
        }
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
