//! Checks of the tenancy: its names, its settings, and its database roles.

use std::collections::BTreeMap;

use super::finding::Findings;
use crate::{
    ident::Ident,
    model::{
        def::{NO_ROLE, SystemAccessDef, TenancyDef, TimeoutsDef},
        names,
        schema::{Expression, LogClasses, QualifiedName, Role, RoleKind},
    },
};

/// The connection limit of the jobs login role; it is low because jobs usually run one at a time.
const JOBS: u16 = 10;

/// The limits of `system_access_timeout`, in seconds.
const MIN_ACCESS_TIMEOUT: u32 = 60;
const MAX_ACCESS_TIMEOUT: u32 = 2_147_483;
/// The upper limit of `system_reason_length`.
const MAX_REASON_LENGTH: u16 = 1000;
const SECONDS_OF_A_DAY: u64 = 86_400;

/// A validated tenancy.
pub(super) struct Tenancy {
    /// The owner roles, then the application roles in their declared order, then the login roles.
    pub(super) roles: Vec<Role>,
    /// The database role for each role name in attributes.
    pub(super) application_roles: BTreeMap<&'static str, Ident>,
    /// Each role with the roles that it includes and itself, by their names in attributes.
    pub(super) below: BTreeMap<&'static str, Vec<&'static str>>,
    /// The setting that holds the tenant ID.
    pub(super) tenant_setting: &'static str,
    /// The type of a tenant ID.
    pub(super) key_type: Expression,
    /// The type of a user ID.
    pub(super) user_type: Expression,
    /// The role that owns the functions, which exists only if there are functions.
    pub(super) function_owner: Ident,
    /// The role of users without a tenant.
    pub(super) no_tenant: Ident,
    /// The role for cross-tenant access.
    pub(super) system: Ident,
    /// The login role of cross-tenant jobs.
    jobs: Ident,
    /// The statement classes that pgaudit logs.
    pub(super) pgaudit: Option<LogClasses>,
    /// The declaration.
    pub(super) def: &'static TenancyDef,
}

pub(super) fn check(def: &'static TenancyDef, findings: &mut Findings) -> Option<Tenancy> {
    check_settings(def, findings);
    check_system_access(def, findings);
    let pgaudit = def.pgaudit.map(LogClasses::parse).transpose().unwrap_or_else(|class| {
        let help = "list classes of pgaudit, separated by commas, such as `ddl, role, write`";
        findings.error("", format!("unknown pgaudit class {class:?}"), help);
        None
    });
    let mut role = |name: &str| {
        let name = format!("{}{name}", def.role_prefix);
        if !is_word(&name) {
            findings.error(
                "",
                format!("invalid role name `{name}`"),
                "use only lower-case letters, digits and `_` in the role prefix and the role names, such as `acme_`",
            );
            return None;
        }
        Ident::new(name)
            .map_err(|error| findings.error("", format!("role name: {error}"), "use a shorter role prefix"))
            .ok()
    };
    let (owner, login) = (role(names::SCHEMA_OWNER)?, role(names::SERVICE)?);
    let (function_owner, no_tenant) = (role(names::FUNCTION_OWNER)?, role(names::NO_TENANT)?);
    let (system, jobs) = (role(names::SYSTEM)?, role(names::JOBS)?);
    let mut application_roles = BTreeMap::new();
    let mut below: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
    let mut roles = vec![Role { name: owner, kind: RoleKind::SchemaOwner }];
    for declared in def.roles {
        let name = role(declared.name)?;
        let includes = declared.includes.iter().filter_map(|below| application_roles.get(below).cloned()).collect();
        roles.push(Role { name: name.clone(), kind: RoleKind::Application { includes } });
        application_roles.insert(declared.name, name);
        let mut all = vec![declared.name];
        all.extend(declared.includes.iter().filter_map(|name| below.get(name)).flatten().copied());
        below.insert(declared.name, all);
    }
    let (connection_limit, timeouts) = (def.connection_limit, def.timeouts);
    roles.push(Role { name: login, kind: RoleKind::Login { connection_limit, timeouts } });
    for declared in def.roles.iter().filter(|_| def.login_per_role) {
        let application_role = application_roles.get(declared.name)?.clone();
        let name = role(&format!("{}_{}", declared.name, names::SERVICE))?;
        roles.push(Role { name, kind: RoleKind::RoleLogin { application_role, connection_limit, timeouts } });
    }
    check_role_names(def, findings);
    Some(Tenancy {
        roles,
        application_roles,
        below,
        tenant_setting: def.tenant_setting,
        key_type: Expression::trusted(def.key.sql_name()?),
        user_type: Expression::trusted(def.user.sql_name()?),
        function_owner,
        no_tenant,
        system,
        jobs,
        pgaudit,
        def,
    })
}

fn check_settings(def: &TenancyDef, findings: &mut Findings) {
    for setting in [def.tenant_setting, def.user_setting] {
        if !is_setting_name(setting) {
            findings.error(
                "",
                format!("invalid setting name `{setting}`"),
                "use two words of lower-case letters, digits and `_`, joined by a dot, such as `app.organization_id`",
            );
        }
    }
}

/// Reports limits of cross-tenant access with which no access would be possible, or records could be deleted too early.
fn check_system_access(def: &TenancyDef, findings: &mut Findings) {
    let SystemAccessDef { timeout, reason_length, retention_days } = def.system_access;
    if !(MIN_ACCESS_TIMEOUT..=MAX_ACCESS_TIMEOUT).contains(&timeout) {
        findings.error(
            "",
            format!("invalid `system_access_timeout` of {timeout} seconds"),
            format!("write a number of seconds from {MIN_ACCESS_TIMEOUT} to {MAX_ACCESS_TIMEOUT}"),
        );
    }
    if !(1..=MAX_REASON_LENGTH).contains(&reason_length) {
        findings.error(
            "",
            format!("invalid `system_reason_length` of {reason_length} characters"),
            format!("write a number from 1 to {MAX_REASON_LENGTH}"),
        );
    }
    if u64::from(retention_days) * SECONDS_OF_A_DAY < u64::from(timeout) {
        findings.error(
            "",
            format!("`system_log_retention` of {retention_days} days is shorter than `system_access_timeout`: records that still give access could be deleted"),
            "increase `system_log_retention`, or decrease `system_access_timeout`",
        );
    }
}

/// Reports role names that conflict with generated roles or policies.
fn check_role_names(def: &TenancyDef, findings: &mut Findings) {
    let is_declared = |name: &str| def.roles.iter().any(|role| role.name == name);
    for declared in def.roles {
        let of_login = declared
            .name
            .strip_suffix(names::SERVICE)
            .and_then(|name| name.strip_suffix('_'))
            .filter(|of| def.login_per_role && is_declared(of));
        if let Some(of) = of_login {
            findings.error(
                "",
                format!(
                    "the role `{0}` conflicts with `{1}{0}`, the login role of `{of}`",
                    declared.name, def.role_prefix
                ),
                "rename the role",
            );
        }
        let of_own_rows = declared.name.strip_prefix(names::OWN).and_then(|name| name.strip_prefix('_'));
        if let Some(of) = of_own_rows.filter(|of| is_declared(of)) {
            findings.error(
                "",
                format!(
                    "the roles `{}` and `{of}` would give two policies of a table the same name, such as `update_{}`",
                    declared.name, declared.name
                ),
                "rename one of the roles",
            );
        }
        if names::RESERVED_ROLES.contains(&declared.name) {
            findings.error(
                "",
                format!(
                    "the role `{0}` conflicts with the database role `{1}{0}`, which the generator creates",
                    declared.name, def.role_prefix
                ),
                "rename the role",
            );
        }
        if declared.name == NO_ROLE {
            findings.error(
                "",
                format!("`{NO_ROLE}` cannot be a role name: on a column, `{NO_ROLE}` denies a command to every role"),
                "rename the role",
            );
        }
    }
}

impl Tenancy {
    /// Adds the role that owns the functions.
    pub(super) fn add_function_owner(&mut self) {
        self.roles.insert(1, Role { name: self.function_owner.clone(), kind: RoleKind::FunctionOwner });
    }

    /// Adds the role for users without a tenant.
    pub(super) fn add_no_tenant(&mut self) {
        self.roles.insert(2, Role { name: self.no_tenant.clone(), kind: RoleKind::NoTenant });
    }

    /// Adds the role for cross-tenant access and its login role. Jobs have the app's lock timeout but no statement
    /// timeout.
    pub(super) fn add_system(&mut self) {
        let timeouts = TimeoutsDef { statement: 0, ..self.def.timeouts };
        let login = RoleKind::SystemLogin { connection_limit: JOBS, timeouts };
        self.roles.push(Role { name: self.system.clone(), kind: RoleKind::System });
        self.roles.push(Role { name: self.jobs.clone(), kind: login });
    }

    /// Returns the application roles that include no other role.
    pub(super) fn lowest(&self) -> Vec<Ident> {
        let lowest = |role: &&Role| matches!(&role.kind, RoleKind::Application { includes } if includes.is_empty());
        self.roles.iter().filter(lowest).map(|role| role.name.clone()).collect()
    }

    /// Returns the schema owner.
    pub(super) fn owner(&self) -> Option<&Ident> {
        self.roles.iter().find(|role| role.kind == RoleKind::SchemaOwner).map(|role| &role.name)
    }

    /// Returns the qualified name of a function in the schema of the functions.
    pub(super) fn function(&self, name: &str) -> QualifiedName {
        QualifiedName { schema: names::auth_schema(self.def.schema), table: Ident::derived([name]) }
    }

    /// Returns whether a role includes another role or is the same role, by their names in attributes.
    pub(super) fn includes(&self, role: &str, other: &str) -> bool {
        self.below.get(role).is_some_and(|below| below.contains(&other))
    }
}

fn is_setting_name(name: &str) -> bool {
    name.split('.').count() == 2 && name.split('.').all(is_word) && name.len() <= crate::ident::MAX_BYTES
}

/// Returns whether a name needs no quotes anywhere, not even in the body of a DO block.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
