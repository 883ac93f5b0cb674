//! Rules about membership: who belongs to a tenant, and the functions by which that is asked and changed.
//!
//! The functions run as the definer, since the membership table is under row security itself: its policies cannot read it.
//! `authorized_tenant_id()` answers for all policies, once per statement: the tenant in the context, provided that the user in the
//! context is a member there whose role includes the database role of the transaction. So a context that says more than
//! the table does sees nothing, and a member who was removed sees nothing from the next statement on.

use std::collections::BTreeSet;

use super::{
    Known,
    auth_functions::{self, FunctionTemplates, Roles},
    column_ident,
    finding::{Findings, field_place, place},
    invitation::{self, Invitations},
    list,
    policies::may_be_left_out,
    row_id,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, ScopeDef, SqlType, TableDef},
        schema::{Command, Expression, Function, Grant, Policy, QualifiedName, Trigger, TriggerKind},
    },
};

/// A membership table that passed, with what it refers to.
pub(super) struct Membership {
    def: &'static TableDef,
    pub(super) table: QualifiedName,
    pub(super) tenant: Ident,
    pub(super) user: Ident,
    pub(super) role: Ident,
    /// The table of the tenants, where the tenant column refers to it.
    pub(super) tenants: Option<(&'static TableDef, QualifiedName, Ident)>,
    /// The table of the users, where the user column refers to it.
    pub(super) users: Option<(&'static TableDef, QualifiedName)>,
    /// The table of the invitations, where there is one.
    invitations: Option<Invitations>,
    /// The role that manages members; nobody where the table says none.
    pub(super) manager: Option<&'static str>,
    /// The schema of the functions.
    schema: Ident,
}

/// Finds the membership table; `None` where there is none, or where it is wrong.
pub(super) fn membership(known: &Known, tenancy: &Tenancy, findings: &mut Findings) -> Option<Membership> {
    let mut declared = known.by_qualified_name.iter().filter(|(_, def)| def.membership.is_some());
    let (table, def) = declared.next()?;
    for (_, other) in declared {
        findings.error(
            place(other),
            format!("`{}` and `{}` both have `membership(…)`", other.rust_name, def.rust_name),
            "remove `membership(…)` from one of them",
        );
    }
    let columns = def.membership?;
    let ScopeDef::Tenant { column: tenant } = def.scope else {
        findings.error(
            place(def),
            format!("the membership table `{}` has no tenant column", def.rust_name),
            "add `org = \"…\"`",
        );
        return None;
    };
    let user = column(def, columns.user, findings)?;
    let role = column(def, columns.role, findings)?;
    check_role_column(def, role, tenancy, findings);
    if user.ty != tenancy.def.user {
        findings.error(
            field_place(def, user),
            format!("`{}` does not have the type of the tenancy's user key, {}", user.name, tenancy.user_type),
            "give the field the type of the tenancy's user key",
        );
    }
    if row_id(def).map(|id| id.name) != Some(user.name) || def.columns.iter().filter(|column| column.id).count() != 2 {
        findings.error(
            place(def),
            format!(
                "the primary key of the membership table `{}` must consist of the tenant and the user column",
                def.rust_name
            ),
            format!("mark `{tenant}` and `{}`, and no other field, with `#[tenant(id)]`", user.name),
        );
    }
    let managers: Vec<_> = [def.insert, def.update, def.delete].into_iter().flatten().collect();
    let manager = managers.first().copied();
    if managers.iter().any(|role| Some(*role) != manager) {
        findings.error(
            place(def),
            format!(
                "the membership table `{}` has several roles that manage members: {}",
                def.rust_name,
                list(managers.into_iter().collect::<BTreeSet<_>>())
            ),
            "name the same role in `insert`, `update` and `delete`; it adds, changes and removes members",
        );
    }
    let by_function = [tenant, user.name, role.name];
    for column in def.columns.iter().filter(|column| !by_function.contains(&column.name) && !may_be_left_out(column)) {
        findings.error(
            field_place(def, column),
            format!("a member is added with tenant, user and role only, and `{}` has no default", column.name),
            "add `default = \"…\"`, or make the field an `Option`",
        );
    }
    let target = |name: &str| {
        let reference = def.columns.iter().find(|column| column.name == name)?.references?;
        known.by_qualified_name.iter().find(|(_, def)| def.name == reference.table)
    };
    let users = target(user.name).map(|(name, def)| (*def, name.clone()));
    let invitations = invitation::invitations(known, manager, users.as_ref().map(|(def, _)| *def), tenancy, findings);
    Some(Membership {
        def,
        table: table.clone(),
        tenant: column_ident(tenant),
        user: column_ident(user.name),
        role: column_ident(role.name),
        tenants: target(tenant).and_then(|(name, def)| Some((*def, name.clone(), column_ident(row_id(def)?.name)))),
        users,
        invitations,
        manager,
        schema: Ident::derived([tenancy.def.schema, "auth"]),
    })
}

/// Founding a tenant and signing up are functions on the table that the membership table refers to, and on no other.
pub(super) fn not_referred_to(known: &Known, membership: Option<&Membership>, findings: &mut Findings) {
    let tables = known.by_qualified_name.values();
    if membership.is_none() && tables.clone().any(|def| def.membership.is_some()) {
        return;
    }
    let tenants = membership.and_then(|found| Some(found.tenants.as_ref()?.0.name));
    let users = membership.and_then(|found| Some(found.users.as_ref()?.0.name));
    for def in tables {
        let unmet = [
            (def.creator_role.is_some() && tenants != Some(def.name), "creator_role", "tenant"),
            (def.sign_up && users != Some(def.name), "sign_up", "user"),
        ];
        for (_, attribute, key) in unmet.into_iter().filter(|(unmet, ..)| *unmet) {
            findings.error(
                place(def),
                format!("`{attribute}` on `{}` requires a membership table that references it", def.rust_name),
                format!("add `references = {}` to the {key} field of the struct with `membership(…)`", def.rust_name),
            );
        }
    }
}

fn column(def: &'static TableDef, name: &str, findings: &mut Findings) -> Option<&'static ColumnDef> {
    let found = def.columns.iter().find(|column| column.name == name);
    if found.is_none() {
        findings.error(
            place(def),
            format!("`{}` has no column `{name}`", def.rust_name),
            format!("its columns are {}", list(def.columns.iter().map(|column| column.name))),
        );
    }
    found
}

pub(super) fn check_role_column(def: &TableDef, column: &ColumnDef, tenancy: &Tenancy, findings: &mut Findings) {
    let roles = || list(tenancy.def.roles.iter().map(|role| role.name));
    let SqlType::Labels(labels) = column.ty else {
        findings.error(
            field_place(def, column),
            format!("`{}` must be an enum of role names, not free text", column.name),
            format!("use an enum that derives `TenantEnum`, with the labels {}", roles()),
        );
        return;
    };
    let unknown: Vec<_> =
        labels.iter().copied().filter(|label| !tenancy.application_roles.contains_key(label)).collect();
    if !unknown.is_empty() {
        findings.error(
            field_place(def, column),
            format!("not a role of the tenancy: {}", list(unknown)),
            format!("the roles of the tenancy are {}", roles()),
        );
    }
}

impl Membership {
    pub(super) fn is_table(&self, def: &TableDef) -> bool {
        self.def.name == def.name
    }

    pub(super) fn def(&self) -> &'static TableDef {
        self.def
    }

    pub(super) fn table(&self) -> &QualifiedName {
        &self.table
    }

    /// The columns of the membership table that name the tenant and the user.
    pub(super) fn keys(&self) -> (&Ident, &Ident) {
        (&self.tenant, &self.user)
    }

    /// The floor of a tenant table: rows of the tenant for which the membership table lets the user act.
    pub(super) fn floor(&self, column: &Ident) -> Expression {
        Expression::trusted(format!("{} = (SELECT {}())", column.quoted(), self.function("authorized_tenant_id")))
    }

    /// Says whether the functions cross this table.
    pub(super) fn crosses(&self, def: &TableDef) -> bool {
        self.is_table(def)
            || self.tenants.as_ref().is_some_and(|(tenants, ..)| tenants.name == def.name)
            || self
                .users
                .as_ref()
                .is_some_and(|(users, _)| users.name == def.name && (users.sign_up || self.invitations.is_some()))
            || self.is_invitations(def)
    }

    fn is_invitations(&self, def: &TableDef) -> bool {
        self.invitations.as_ref().is_some_and(|invitations| invitations.def.name == def.name)
    }

    /// What the definer may do on a table that its functions cross, no more.
    pub(super) fn function_owner_access(&self, def: &TableDef, function_owner: &Ident) -> (Vec<Policy>, Vec<Grant>) {
        let all = || def.columns.iter().map(|column| column_ident(column.name)).collect::<Vec<_>>();
        // As the functions insert them. Where they leave every column to its default, PostgreSQL asks for some column.
        let inserted = || {
            let columns: Vec<_> = auth_functions::inserted(def).map(|column| column_ident(column.name)).collect();
            let id = row_id(def).map(|id| column_ident(id.name));
            if columns.is_empty() { Vec::from_iter(id) } else { columns }
        };
        let mut rights: Vec<(Command, Vec<Ident>)> = Vec::new();
        if self.is_table(def) {
            rights.push((Command::Select, all()));
            rights.push((Command::Insert, vec![self.tenant.clone(), self.user.clone(), self.role.clone()]));
            rights.push((Command::Update, vec![self.role.clone()]));
            rights.push((Command::Delete, Vec::new()));
        } else if let Some((_, _, id)) = self.tenants.as_ref().filter(|(tenants, ..)| tenants.name == def.name) {
            rights.push((Command::Select, vec![id.clone()]));
            if def.creator_role.is_some() {
                rights.push((Command::Insert, inserted()));
            }
        } else if let Some(invitations) = self.invitations.as_ref().filter(|_| self.is_invitations(def)) {
            rights.extend(invitations.rights());
        } else {
            let email = self.invitations.as_ref().map(|invitations| invitations.email.clone());
            let id = row_id(def).map(|id| column_ident(id.name));
            rights.push((Command::Select, id.into_iter().chain(email).collect()));
            if def.sign_up {
                rights.push((Command::Insert, inserted()));
            }
        }
        let policies = rights.iter().map(|(command, _)| {
            let (reads, writes) = command.clauses();
            let anything = || Expression::trusted("true");
            Policy {
                name: Ident::derived(["function_owner", command.attribute()]),
                comment: format!(
                    "Lets the SECURITY DEFINER functions in {} {} any row; each function limits the rows itself.",
                    self.schema,
                    command.attribute()
                ),
                restrictive: false,
                command: Some(*command),
                role: Some(function_owner.clone()),
                using: reads.then(anything),
                with_check: writes.then(anything),
            }
        });
        let policies = policies.collect();
        let grants = rights
            .into_iter()
            .map(|(command, columns)| Grant { command, columns, role: function_owner.clone() })
            .collect();
        (policies, grants)
    }

    fn function(&self, name: &str) -> String {
        self.name(name).quoted()
    }

    fn name(&self, name: &str) -> QualifiedName {
        QualifiedName { schema: self.schema.clone(), table: Ident::derived([name]) }
    }

    /// The trigger that keeps a tenant from being left without anyone who manages its members.
    pub(super) fn trigger(&self) -> Option<Trigger> {
        self.manager?;
        Some(Trigger {
            name: Ident::derived(["prevent_last_manager_removal"]),
            function: self.name("prevent_last_manager_removal"),
            kind: TriggerKind::AtCommit,
        })
    }

    /// Makes the functions.
    pub(super) fn functions(&self, tenancy: &Tenancy, roles: &Roles<'_>) -> Vec<(QualifiedName, Function)> {
        let sql = FunctionTemplates::new(self, tenancy);
        let mut functions = vec![
            (self.name("authorized_tenant_id"), sql.authorized_tenant_id(roles)),
            (self.name("my_tenants"), sql.my_tenants(roles)),
        ];
        if let Some(manager) = self.manager {
            let managers = sql.up_set(manager);
            functions.extend([
                (self.name("add_member"), sql.add_member(manager, &managers)),
                (self.name("change_member"), sql.change_member(manager, &managers)),
                (self.name("remove_member"), sql.remove_member(roles, &managers)),
                (self.name("prevent_last_manager_removal"), sql.prevent_last_manager_removal(roles, &managers)),
            ]);
        }
        if let (Some(invitations), Some(manager)) = (&self.invitations, self.manager) {
            let managers = sql.up_set(manager);
            functions.push((self.name("invite"), sql.invite(invitations, manager, &managers)));
            if let Some((def, users)) = &self.users {
                let accept = sql.accept_invitation(invitations, roles, def, users, &managers);
                functions.push((self.name("accept_invitation"), accept));
            }
        }
        if let Some((def, table, id)) = &self.tenants
            && let Some(creator_role) = def.creator_role
        {
            functions.push((self.name("create_tenant"), sql.create_tenant(roles, def, table, id, creator_role)));
        }
        if let Some((def, table)) = self.users.as_ref().filter(|(def, _)| def.sign_up) {
            functions.push((self.name("sign_up"), sql.sign_up(roles, def, table)));
        }
        functions
    }
}
