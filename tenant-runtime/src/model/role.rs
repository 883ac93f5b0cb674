//! The database roles and their kinds.

use crate::{ident::Ident, model::def::TimeoutsDef};

/// A database role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The name.
    pub name: Ident,
    /// The kind of the role.
    pub kind: RoleKind,
}

/// The kind of a database role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleKind {
    /// The schema owner, which owns the schemas and tables. It has no LOGIN.
    SchemaOwner,
    /// The function owner, which owns the SECURITY DEFINER functions. It is a member of no role and has no LOGIN.
    FunctionOwner,
    /// The role of signed-in users without a tenant: EXECUTE on some functions, and no other privilege.
    NoTenant,
    /// The application role of a declared role. It has no LOGIN.
    Application {
        /// The application roles whose privileges it inherits.
        includes: Vec<Ident>,
    },
    /// The app's login role: it has no privileges on tables and may become each application role and the role without a tenant; only
    /// the latter where each role has a separate login role.
    Login {
        /// Its connection limit.
        connection_limit: u16,
        /// The timeouts of its sessions.
        timeouts: TimeoutsDef,
    },
    /// The login role of one application role: it has no privileges on tables and may become this role only.
    RoleLogin {
        /// The application role.
        tier: Ident,
        /// Its connection limit.
        connection_limit: u16,
        /// The timeouts of its sessions.
        timeouts: TimeoutsDef,
    },
    /// The system role of cross-tenant jobs: the commands that tables name in `system(…)`, after a reason was recorded. It has no
    /// LOGIN.
    System,
    /// The login role of cross-tenant jobs: it has no privileges on tables and may become the system role only.
    SystemLogin {
        /// Its connection limit.
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

    /// Returns the roles that a login role may become.
    pub(crate) fn becomes<'r>(&self, roles: &'r [Role]) -> impl Iterator<Item = &'r Role> {
        let per_tier = roles.iter().any(|role| matches!(role.kind, Self::RoleLogin { .. }));
        roles.iter().filter(move |role| match (self, &role.kind) {
            (Self::Login { .. }, Self::NoTenant) | (Self::SystemLogin { .. }, Self::System) => true,
            (Self::Login { .. }, Self::Application { .. }) => !per_tier,
            (Self::RoleLogin { tier, .. }, Self::Application { .. }) => role.name == *tier,
            _ => false,
        })
    }
}
