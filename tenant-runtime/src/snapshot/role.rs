//! The entries of roles.

use serde::{Deserialize, Serialize};

use super::{
    SnapshotError,
    value::{ident, idents, texts},
};
use crate::model::{
    def::TimeoutsDef,
    schema::{Role, RoleKind},
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleEntry {
    name: String,
    kind: KindEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum KindEntry {
    SchemaOwner,
    FunctionOwner,
    NoTenant,
    Application { includes: Vec<String> },
    Login(LoginEntry),
    RoleLogin { application_role: String, login: LoginEntry },
    System,
    SystemLogin(LoginEntry),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginEntry {
    connection_limit: u16,
    statement_timeout: u32,
    lock_timeout: u32,
    idle_in_transaction_timeout: u32,
}

impl LoginEntry {
    fn new(connection_limit: u16, timeouts: TimeoutsDef) -> Self {
        let TimeoutsDef { statement, lock, idle_in_transaction } = timeouts;
        Self {
            connection_limit,
            statement_timeout: statement,
            lock_timeout: lock,
            idle_in_transaction_timeout: idle_in_transaction,
        }
    }

    fn timeouts(&self) -> TimeoutsDef {
        TimeoutsDef {
            statement: self.statement_timeout,
            lock: self.lock_timeout,
            idle_in_transaction: self.idle_in_transaction_timeout,
        }
    }
}

impl From<&Role> for RoleEntry {
    fn from(role: &Role) -> Self {
        let kind = match &role.kind {
            RoleKind::SchemaOwner => KindEntry::SchemaOwner,
            RoleKind::FunctionOwner => KindEntry::FunctionOwner,
            RoleKind::NoTenant => KindEntry::NoTenant,
            RoleKind::Application { includes } => KindEntry::Application { includes: texts(includes) },
            RoleKind::Login { connection_limit, timeouts } => {
                KindEntry::Login(LoginEntry::new(*connection_limit, *timeouts))
            }
            RoleKind::RoleLogin { application_role, connection_limit, timeouts } => KindEntry::RoleLogin {
                application_role: application_role.to_string(),
                login: LoginEntry::new(*connection_limit, *timeouts),
            },
            RoleKind::System => KindEntry::System,
            RoleKind::SystemLogin { connection_limit, timeouts } => {
                KindEntry::SystemLogin(LoginEntry::new(*connection_limit, *timeouts))
            }
        };
        Self { name: role.name.to_string(), kind }
    }
}

pub(super) fn role(entry: RoleEntry) -> Result<Role, SnapshotError> {
    let kind = match entry.kind {
        KindEntry::SchemaOwner => RoleKind::SchemaOwner,
        KindEntry::FunctionOwner => RoleKind::FunctionOwner,
        KindEntry::NoTenant => RoleKind::NoTenant,
        KindEntry::Application { includes } => RoleKind::Application { includes: idents(includes)? },
        KindEntry::Login(entry) => {
            RoleKind::Login { connection_limit: entry.connection_limit, timeouts: entry.timeouts() }
        }
        KindEntry::RoleLogin { application_role, login } => RoleKind::RoleLogin {
            application_role: ident(application_role)?,
            connection_limit: login.connection_limit,
            timeouts: login.timeouts(),
        },
        KindEntry::System => RoleKind::System,
        KindEntry::SystemLogin(entry) => {
            RoleKind::SystemLogin { connection_limit: entry.connection_limit, timeouts: entry.timeouts() }
        }
    };
    Ok(Role { name: ident(entry.name)?, kind })
}
