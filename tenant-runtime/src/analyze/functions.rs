//! The functions of a schema: for the membership table, the change log, times of updates, counters and cross-tenant jobs.

use std::collections::BTreeMap;

use super::{
    Known,
    auth_functions::{FunctionTemplates, Roles},
    change_log::ChangeLog,
    computed_column, counter, counter_functions, cross_tenant,
    finding::{Findings, place},
    membership::Membership,
    signed_context,
    tenancy::Tenancy,
};
use crate::model::{
    names,
    schema::{Function, QualifiedName, Table},
};

/// Creates the functions, and adds the roles that the functions require and the table of reasons
/// for cross-tenant access.
pub(super) fn functions(
    membership: Option<&Membership>,
    log: Option<&ChangeLog>,
    known: &Known,
    tenancy: &mut Tenancy,
    tables: &mut BTreeMap<QualifiedName, Table>,
    findings: &mut Findings,
) -> BTreeMap<QualifiedName, Function> {
    let mut functions = BTreeMap::new();
    let has_system = known.by_qualified_name.values().any(|def| !def.system.is_empty());
    let is_touched = known.by_qualified_name.values().any(|def| def.columns.iter().any(|column| column.updated_at));
    let is_numbered = known.by_qualified_name.values().any(|def| counter::has_counter(def));
    let is_used_by_tables = is_touched || is_numbered || log.is_some();
    let has_functions = has_system || is_used_by_tables || membership.is_some() || tenancy.def.signed_context;
    let Some(owner) = tenancy.owner().cloned().filter(|_| has_functions) else { return functions };
    let (no_tenant, lowest, system) = (tenancy.no_tenant.clone(), tenancy.lowest(), tenancy.system.clone());
    let roles = Roles { owner: &owner, no_tenant: &no_tenant, lowest, system: has_system.then_some(&system) };
    tenancy.add_function_owner();
    if let Some(membership) = membership {
        tenancy.add_no_tenant();
        functions.extend(membership_functions(membership, tenancy, &roles));
    }
    functions.extend(log.map(|log| log.function(tenancy, &roles)));
    functions.extend(computed_column::functions(known, tenancy, &owner));
    counter_functions::add(&mut functions, tables, known, membership, tenancy, &owner, findings);
    if has_system {
        tenancy.add_system();
        let (name, log) = cross_tenant::access_log(tenancy);
        functions.extend(cross_tenant::functions(&name, tenancy, &roles));
        known.add_generated(tables, name, log, "to log cross-tenant access", findings);
    }
    signed_context::add(&mut functions, tables, known, membership.is_some(), tenancy, &roles, findings);
    functions
}

impl Known {
    /// Adds a table that the generator creates for a purpose; no declared table can have its name.
    pub(super) fn add_generated(
        &self,
        tables: &mut BTreeMap<QualifiedName, Table>,
        name: QualifiedName,
        table: Table,
        purpose: &str,
        findings: &mut Findings,
    ) {
        if let Some(def) = self.by_qualified_name.get(&name) {
            findings.error(
                place(def),
                format!("the table name `{name}` is reserved: the generator creates this table {purpose}"),
                "set another table name: `#[tenant(table = \"…\")]`",
            );
        }
        tables.insert(name, table);
    }
}

/// Creates the functions of a membership table.
fn membership_functions(
    membership: &Membership,
    tenancy: &Tenancy,
    roles: &Roles<'_>,
) -> Vec<(QualifiedName, Function)> {
    let sql = FunctionTemplates::new(membership, tenancy);
    let mut functions = vec![
        (names::AUTHORIZED_TENANT_ID, sql.authorized_tenant_id(roles)),
        (names::MY_TENANTS, sql.my_tenants(roles)),
    ];
    if let Some(manager) = membership.manager {
        let managers = sql.up_set(manager);
        functions.extend([
            (names::ADD_MEMBER, sql.add_member(manager, &managers)),
            (names::CHANGE_MEMBER, sql.change_member(manager, &managers)),
            (names::REMOVE_MEMBER, sql.remove_member(roles, &managers)),
            (names::PREVENT_LAST_MANAGER_REMOVAL, sql.prevent_last_manager_removal(roles, &managers)),
        ]);
    }
    if let (Some(invitations), Some(manager)) = (&membership.invitations, membership.manager) {
        let managers = sql.up_set(manager);
        functions.push((names::INVITE, sql.invite(invitations, manager, &managers)));
        if let Some((def, users)) = &membership.users {
            let accept = sql.accept_invitation(invitations, roles, def, users, &managers);
            functions.push((names::ACCEPT_INVITATION, accept));
        }
    }
    if let Some((def, table, id)) = &membership.tenants
        && let Some(creator_role) = def.creator_role
    {
        functions.push((names::CREATE_TENANT, sql.create_tenant(roles, def, table, id, creator_role)));
    }
    if let Some((def, table)) = membership.users.as_ref().filter(|(def, _)| def.sign_up) {
        functions.push((names::SIGN_UP, sql.sign_up(roles, def, table)));
    }
    functions.into_iter().map(|(name, function)| (tenancy.function(name), function)).collect()
}
