//! The sizes of the pools: by default, all pools of a login role fit into its connection limit.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    login_check::{self, CheckedLogin},
    options::TenantDbOptions,
};
use crate::{
    model::{def::TenancyDef, names},
    registry::Registered,
};

/// The size of a pool that no option sets, if the connection limit allows it.
const DEFAULT: u32 = 10;

/// A login role and its connection limit.
#[derive(Debug, Clone)]
pub(super) struct LoginLimit {
    pub(super) login: String,
    /// `None` without a `CONNECTION LIMIT`, and behind a connection pooler.
    pub(super) connections: Option<u32>,
}

impl LoginLimit {
    /// Returns the limit of the app's connections.
    pub(super) fn of(login: &CheckedLogin, pooled: bool) -> Self {
        Self { login: login.name.clone(), connections: login.connection_limit.filter(|_| !pooled) }
    }
}

/// The size of each role's pool, and the limit of its login role.
#[derive(Debug)]
pub(super) struct PoolSizes {
    /// The login role of the main URL, and the default size of its pools.
    main: (LoginLimit, u32),
    /// The login roles of single roles, by database role, and the default sizes of their pools.
    own: BTreeMap<String, (LoginLimit, u32)>,
}

impl PoolSizes {
    /// Divides the connection limit of each login role among its pools. Returns warnings about sizes that exceed a limit.
    ///
    /// `main` is the login role of the main URL with the database roles that it serves, and `own` are the login roles of single
    /// roles.
    pub(super) fn new(
        options: &TenantDbOptions,
        (main, served): (LoginLimit, BTreeSet<String>),
        own: BTreeMap<String, LoginLimit>,
    ) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let mut share = |limit: LoginLimit, roles: &BTreeSet<String>| {
            let default = default_size(&limit, roles, options);
            let total = sum(roles.iter().map(|role| options.max_connections_of(role).unwrap_or(default)));
            if let Some(connections) = limit.connections.filter(|connections| *connections < total) {
                warnings.push(format!(
                    "the pools of login `{}` can open {total} connections, but its CONNECTION LIMIT is {connections}; reduce \
                     `max_connections` in `TenantDbOptions`, or increase `connection_limit` in `tenancy!`",
                    limit.login
                ));
            }
            (limit, default)
        };
        let main = share(main, &served);
        let own = own.into_iter().map(|(role, limit)| {
            let roles = BTreeSet::from([role.clone()]);
            (role, share(limit, &roles))
        });
        (Self { main, own: own.collect() }, warnings)
    }

    /// Returns the size of a role's pool.
    pub(super) fn of(&self, role: &str, options: &TenantDbOptions) -> u32 {
        options.max_connections_of(role).unwrap_or(self.entry(role).1)
    }

    /// Returns the limit of a role's login role.
    pub(super) fn limit(&self, role: &str) -> &LoginLimit {
        &self.entry(role).0
    }

    fn entry(&self, role: &str) -> &(LoginLimit, u32) {
        self.own.get(role).unwrap_or(&self.main)
    }
}

/// Returns the size of each pool without an option.
fn default_size(limit: &LoginLimit, roles: &BTreeSet<String>, options: &TenantDbOptions) -> u32 {
    let Some(connections) = limit.connections else { return DEFAULT };
    let set: Vec<u32> = roles.iter().filter_map(|role| options.max_connections_of(role)).collect();
    let rest = u32::try_from(roles.len() - set.len()).unwrap_or(u32::MAX);
    connections.saturating_sub(sum(set)).checked_div(rest).unwrap_or(DEFAULT).clamp(1, DEFAULT)
}

fn sum(sizes: impl IntoIterator<Item = u32>) -> u32 {
    sizes.into_iter().fold(0, u32::saturating_add)
}

/// Returns the database roles whose transactions use the login role of the main URL.
pub(super) fn served_by(login: &str) -> BTreeSet<String> {
    let tenancies = login_check::tenancies();
    let is_own = |tenancy: &&TenancyDef| tenancy.has_login(login);
    let own: Vec<_> = tenancies.iter().copied().filter(is_own).collect();
    let tenancies = if own.is_empty() { tenancies } else { own };
    tenancies.into_iter().flat_map(|tenancy| roles_of(tenancy, login)).collect()
}

fn roles_of(tenancy: &TenancyDef, login: &str) -> Vec<String> {
    let roles = tenancy.roles.iter().map(|role| role.name);
    let roles = roles.filter(|role| !tenancy.login_per_role || tenancy.login(Some(role)) == login);
    let is_for_users = !tenancy.login_per_role || tenancy.login(None) == login;
    let no_tenant = (is_for_users && has_members(tenancy)).then_some(names::NO_TENANT);
    roles.chain(no_tenant).map(|role| tenancy.database_role(role)).collect()
}

/// Returns whether a linked table of the tenancy is a membership table, which the no-tenant role requires.
fn has_members(tenancy: &TenancyDef) -> bool {
    inventory::iter::<Registered>().any(|table| table.0.membership.is_some() && table.0.tenancy == tenancy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(connections: Option<u32>) -> LoginLimit {
        LoginLimit { login: "shop_service".to_owned(), connections }
    }

    fn sizes(connections: Option<u32>, roles: usize, options: &TenantDbOptions) -> (u32, usize) {
        let roles: BTreeSet<_> = (0..roles).map(|role| format!("role_{role}")).collect();
        let (sizes, warnings) = PoolSizes::new(options, (limit(connections), roles), BTreeMap::new());
        (sizes.of("role_0", options), warnings.len())
    }

    #[test]
    fn pools_without_an_option_share_the_connection_limit() {
        let none = TenantDbOptions::default();
        assert_eq!(sizes(None, 20, &none), (10, 0));
        assert_eq!(sizes(Some(50), 6, &none), (8, 0));
        assert_eq!(sizes(Some(50), 3, &none), (10, 0));
        assert_eq!(sizes(Some(50), 0, &none), (10, 0));
        assert_eq!(sizes(Some(3), 6, &none), (1, 1));
        assert_eq!(sizes(Some(0), 1, &none), (1, 1));
    }

    #[test]
    fn larger_sizes_than_the_connection_limit_are_a_warning() {
        let set = TenantDbOptions::default().max_connections(20);
        assert_eq!(sizes(Some(50), 2, &set), (20, 0));
        assert_eq!(sizes(Some(50), 3, &set), (20, 1));
        assert_eq!(sizes(Some(50), 3, &TenantDbOptions::default().max_connections(u32::MAX)), (u32::MAX, 1));
        let own = BTreeMap::from([("shop_admin".to_owned(), limit(Some(5)))]);
        let (sizes, warnings) = PoolSizes::new(&set, (limit(None), BTreeSet::new()), own);
        assert_eq!((sizes.of("shop_admin", &set), sizes.limit("shop_admin").connections), (20, Some(5)));
        assert_eq!(
            warnings,
            ["the pools of login `shop_service` can open 20 connections, but its CONNECTION LIMIT is 5; reduce \
              `max_connections` in `TenantDbOptions`, or increase `connection_limit` in `tenancy!`"]
        );
    }
}
