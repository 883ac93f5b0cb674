//! The database roles, and what each of them is for.

use crate::{ident::Ident, model::def::TimeoutsDef};

/// A database role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The name.
    pub name: Ident,
    /// What the role is for.
    pub kind: RoleKind,
}

/// Says what a database role is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleKind {
    /// Owns the schemas and their tables; nobody logs in as it.
    SchemaOwner,
    /// Owns the functions that look across what their callers may see; a member of nothing, and nobody logs in as it.
    FunctionOwner,
    /// A user who acts in no tenant: may call some functions, and nothing else.
    NoTenant,
    /// Bundles the rights of a declared role; nobody logs in as it.
    Application {
        /// The application_roles whose rights it has as well.
        includes: Vec<Ident>,
    },
    /// The app's login: no right of its own, only that to become a tier, or the visitor. Where the application_roles have logins of their own,
    /// it may become the visitor alone.
    Login {
        /// How many connections it may hold at once.
        connection_limit: u16,
        /// How long its sessions may hold the server up.
        timeouts: TimeoutsDef,
    },
    /// The login of one tier: no right of its own, only that to become this tier.
    RoleLogin {
        /// The tier.
        tier: Ident,
        /// How many connections it may hold at once.
        connection_limit: u16,
        /// How long its sessions may hold the server up.
        timeouts: TimeoutsDef,
    },
    /// Crosses tenants, as far as tables say so and once a reason was recorded; nobody logs in as it.
    System,
    /// The login of jobs that cross tenants: no right of its own, only that to become the system role.
    SystemLogin {
        /// How many connections it may hold at once.
        connection_limit: u16,
        /// How long its sessions may hold the server up.
        timeouts: TimeoutsDef,
    },
}

impl RoleKind {
    /// Returns how many connections a login may hold, and how long its sessions may hold the server up.
    pub(crate) fn login(&self) -> Option<(u16, TimeoutsDef)> {
        match self {
            Self::Login { connection_limit, timeouts }
            | Self::RoleLogin { connection_limit, timeouts, .. }
            | Self::SystemLogin { connection_limit, timeouts } => Some((*connection_limit, *timeouts)),
            _ => None,
        }
    }

    /// Returns which of the roles a login may become; none may have more than it serves.
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
