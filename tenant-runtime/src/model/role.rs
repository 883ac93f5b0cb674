//! The database roles and their purposes.

use crate::{ident::Ident, model::def::TimeoutsDef};

/// A database role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The name.
    pub name: Ident,
    /// The purpose.
    pub kind: RoleKind,
}

/// The purpose of a database role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleKind {
    /// Owns the schemas and tables. NOLOGIN.
    SchemaOwner,
    /// Owns the SECURITY DEFINER functions, whose statements are not subject to the policies for
    /// their callers. NOLOGIN, and a member of no role.
    FunctionOwner,
    /// The role of users without a tenant: has EXECUTE on some functions and no other privileges. NOLOGIN.
    NoTenant,
    /// The application role of a declared role. NOLOGIN.
    Application {
        /// The application roles whose privileges it inherits.
        includes: Vec<Ident>,
    },
    /// The app's login role: no privileges except CONNECT, but it can assume the application roles and the role for
    /// users without a tenant. With a login role for each role, it can assume only the role for users without a tenant.
    Login {
        /// The connection limit.
        connection_limit: u16,
        /// The timeouts of its sessions.
        timeouts: TimeoutsDef,
    },
    /// The login role of one application role: no privileges except CONNECT, but it can assume this application role.
    RoleLogin {
        /// The application role.
        application_role: Ident,
        /// The connection limit.
        connection_limit: u16,
        /// The timeouts of its sessions.
        timeouts: TimeoutsDef,
    },
    /// The role for cross-tenant access, to tables that declare this access and after a reason has been recorded.
    /// NOLOGIN.
    System,
    /// The login role of cross-tenant jobs: no privileges except CONNECT, but it can assume the system role.
    SystemLogin {
        /// The connection limit.
        connection_limit: u16,
        /// The timeouts of its sessions.
        timeouts: TimeoutsDef,
    },
}

impl RoleKind {
    /// Returns the connection limit and the timeouts of a login role.
    pub(crate) fn login(&self) -> Option<(u16, TimeoutsDef)> {
        match self {
            Self::Login { connection_limit, timeouts }
            | Self::RoleLogin { connection_limit, timeouts, .. }
            | Self::SystemLogin { connection_limit, timeouts } => Some((*connection_limit, *timeouts)),
            _ => None,
        }
    }

    /// Returns the roles that a login role can assume.
    pub(crate) fn becomes<'r>(&self, roles: &'r [Role]) -> impl Iterator<Item = &'r Role> {
        let login_per_role = roles.iter().any(|role| matches!(role.kind, Self::RoleLogin { .. }));
        roles.iter().filter(move |role| match (self, &role.kind) {
            (Self::Login { .. }, Self::NoTenant) | (Self::SystemLogin { .. }, Self::System) => true,
            (Self::Login { .. }, Self::Application { .. }) => !login_per_role,
            (Self::RoleLogin { application_role, .. }, Self::Application { .. }) => role.name == *application_role,
            _ => false,
        })
    }
}
