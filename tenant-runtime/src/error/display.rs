//! Parts of error messages: roles, constraints, lists, and what to do.

use std::fmt;

use super::server::server_error;

/// The beginning of the constraint name in a NOT NULL violation, for which the server reports no name.
pub(super) const NOT_NULL: &str = "not null";

/// Displays the role of a context.
pub(super) struct RoleName(pub(super) Option<&'static str>);

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(role) => write!(f, "role `{role}`"),
            None => f.write_str("the role of this context"),
        }
    }
}

/// Displays why a server cannot be written, and what to do.
pub(super) struct ReadOnly(pub(super) bool);

impl fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 {
            "the server is a standby, which is read-only\n  help: use the URL of the primary"
        } else {
            "`default_transaction_read_only` is on for the server, the database, the login or the URL, and an administrator may \
             have set it on purpose\n  help: find out why; then `ALTER DATABASE … RESET default_transaction_read_only` (or \
             `ALTER ROLE …`, or `ALTER SYSTEM …`)"
        })
    }
}

/// Displays why no connection became available, and what to do: the open and the allowed connections of the role, and the login
/// role with its connection limit.
pub(super) struct Unavailable<'a>(pub(super) (u32, u32), pub(super) &'a str, pub(super) Option<u32>);

impl fmt::Display for Unavailable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self((open, max), login, limit) = *self;
        let limit = limit.map(|limit| format!("{limit} connections of login `{login}` (CONNECTION LIMIT)"));
        if open < max {
            write!(f, "the server has accepted only {open} of {max} connections; check whether it is reachable")?;
            return match limit {
                Some(limit) => write!(
                    f,
                    ", and whether all roles and all instances of the app together use the {limit}: reduce `max_connections`, or \
                     increase `connection_limit` in `tenancy!`"
                ),
                None => Ok(()),
            };
        }
        write!(
            f,
            "all connections of the role ({max}) are in use; check for long-running transactions, or increase `max_connections`"
        )?;
        match limit {
            Some(limit) => write!(f, ", within the {limit}, which all roles and all instances of the app share"),
            None => Ok(()),
        }
    }
}

/// Displays why the statement filter refuses a statement, and what to do instead.
pub(super) struct RefusedBecause<'a>(pub(super) &'a str);

impl fmt::Display for RefusedBecause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keyword = self.0.split(' ').next().unwrap_or_default();
        f.write_str(match keyword {
            _ if ["EXPLAIN", "SET LOCAL debug_print_plan", "SET LOCAL client_min_messages"].contains(&self.0) => {
                "its output can contain the planner's estimates, which come from the rows of all tenants; run it as an \
                 administrator, or set `TenantDbOptions::allow_explain(true)` during development"
            }
            "LOCK" => {
                "a table lock blocks all tenants; lock the tenant's rows with `SELECT … FOR UPDATE` instead"
            }
            "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" => {
                "it would control the transaction; call `commit`, `rollback` or `savepoint` instead"
            }
            "PREPARE" | "DEALLOCATE" | "LISTEN" | "DECLARE" => {
                "its effect would outlive the transaction and reach the next user of the connection"
            }
            "SET" | "RESET" | "DISCARD" | "ALTER" | "UPDATE" | "set_config" => {
                "it could change the role, the tenant or another setting; begin a transaction with another context, or use \
                 `SET LOCAL` for a setting that is not protected"
            }
            _ => "it could run SQL that the statement filter cannot see",
        })
    }
}

/// Displays the message of an error of the server.
pub(super) struct Reason<'a>(pub(super) &'a sqlx::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match server_error(self.0) {
            Some(server) => f.write_str(server.message()),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Displays a violated constraint.
pub(super) struct CheckName<'a>(pub(super) &'a str);

impl fmt::Display for CheckName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.0.starts_with(NOT_NULL) { "constraint" } else { "check constraint" };
        write!(f, "{kind} `{}`", self.0)
    }
}

/// Displays findings, each on a line.
pub(super) struct List<'a>(pub(super) &'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n- {line}"))
    }
}
