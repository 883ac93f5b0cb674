//! Rules about the membership table, and the requirements of its functions on other tables.
//!
//! The functions are SECURITY DEFINER, because row-level security applies to the membership table too, and the policies
//! of a table cannot read that table. The policies call `authorized_tenant_id()`, which runs once per statement: it
//! returns the tenant in the context if the user in the context is a member of that tenant with a role that includes
//! the database role of the transaction. So a context sees no rows if the membership table does not give its user that
//! tenant and role, and a removed member sees no rows from the next statement on.

use std::collections::BTreeSet;

use super::{
    Known,
    column::is_filled_by_database,
    column_ident,
    finding::{Findings, field_place, place},
    list, row_id, signed_conditions,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, ScopeDef, SqlType, TableDef, TenancyDef},
        migration_hints::MembershipColumns,
        names,
        schema::{Command, Condition, ConditionKind, Expression, Grant, Policy, QualifiedName, Trigger, TriggerKind},
    },
};

/// A valid membership table, with the tables that it references.
pub(super) struct Membership {
    def: &'static TableDef,
    pub(super) table: QualifiedName,
    pub(super) tenant: Ident,
    pub(super) user: Ident,
    pub(super) role: Ident,
    /// The tenant table, if the tenant column references it.
    pub(super) tenants: Option<(&'static TableDef, QualifiedName, Ident)>,
    /// The user table, if the user column references it.
    pub(super) users: Option<(&'static TableDef, QualifiedName)>,
    /// The invitation table, if one is declared.
    pub(super) invitations: Option<Invitations>,
    /// The role that manages members, if the table names one.
    pub(super) manager: Option<&'static str>,
}

/// A valid invitation table.
pub(super) struct Invitations {
    pub(super) def: &'static TableDef,
    pub(super) table: QualifiedName,
    pub(super) id: Ident,
    pub(super) tenant: Ident,
    /// The name of the column with the e-mail address, in the invitation table and in the user table.
    pub(super) email: Ident,
    pub(super) role: Ident,
    pub(super) role_type: SqlType,
    pub(super) token: Ident,
    pub(super) expires: Ident,
    pub(super) by: Ident,
}

impl Invitations {
    /// Returns the commands that the functions run on the table, each with its columns.
    fn privileges(&self) -> [(Command, Vec<Ident>); 3] {
        let Self { id, tenant, email, role, token, expires, by, .. } = self;
        let inserted = [tenant, email, role, token, expires, by].map(Clone::clone).to_vec();
        let read = [vec![id.clone()], inserted.clone()].concat();
        [(Command::Select, read), (Command::Insert, inserted), (Command::Delete, Vec::new())]
    }
}

/// Finds the membership table; `None` if no table is one, or if the table is invalid.
pub(super) fn membership(known: &Known, tenancy: &Tenancy, findings: &mut Findings) -> Option<Membership> {
    let mut declared = known.by_qualified_name.iter().filter(|(_, def)| def.membership.is_some());
    let (table, def) = declared.next()?;
    for (_, other) in declared {
        findings.error(
            place(other),
            format!("both `{}` and `{}` have `membership(…)`", other.rust_name, def.rust_name),
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
            "use the type of the tenancy's user key for the field",
        );
    }
    if row_id(def).map(|id| id.name) != Some(user.name) || def.columns.iter().filter(|column| column.id).count() != 2 {
        findings.error(
            place(def),
            format!(
                "the primary key of the membership table `{}` must consist of the tenant and the user column",
                def.rust_name
            ),
            format!("add `#[tenant(id)]` to `{tenant}` and `{}`, and to no other field", user.name),
        );
    }
    let managers: Vec<_> = [def.insert, def.update, def.delete].into_iter().flatten().collect();
    let manager = managers.first().copied();
    if managers.iter().any(|role| Some(*role) != manager) {
        findings.error(
            place(def),
            format!(
                "several roles manage the members of `{}`: {}",
                def.rust_name,
                list(managers.into_iter().collect::<BTreeSet<_>>())
            ),
            "use the same role in `insert`, `update` and `delete`: one role adds, changes and removes members",
        );
    }
    let by_function = [tenant, user.name, role.name];
    for column in def.columns.iter().filter(|column| !by_function.contains(&column.name) && !column.may_be_left_out()) {
        findings.error(
            field_place(def, column),
            format!("the functions that add members do not set `{}`, which has no default", column.name),
            "add `default = \"…\"`, or make the field an `Option`",
        );
    }
    let target = |name: &str| {
        let reference = def.columns.iter().find(|column| column.name == name)?.references?;
        known.referenced(reference)
    };
    let users = target(user.name).map(|(name, def)| (def, name.clone()));
    Some(Membership {
        def,
        table: table.clone(),
        tenant: column_ident(tenant),
        user: column_ident(user.name),
        role: column_ident(role.name),
        tenants: target(tenant).and_then(|(name, def)| Some((def, name.clone(), column_ident(row_id(def)?.name)))),
        users,
        invitations: None,
        manager,
    })
}

/// Rejects `creator_role` and `sign_up` on tables that the membership table does not reference: the functions use these
/// references.
pub(super) fn check_references(known: &Known, membership: Option<&Membership>, findings: &mut Findings) {
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
                format!("`{}` has `{attribute}`, but the membership table does not reference it", def.rust_name),
                format!("add `references = {}` to the {key} field of the struct with `membership(…)`", def.rust_name),
            );
        }
    }
}

/// Rejects tables into which `create_tenant` or `sign_up` could never insert a row.
pub(super) fn check_insertable(membership: &Membership, findings: &mut Findings) {
    let tenants = membership.tenants.iter().map(|(def, ..)| *def).filter(|def| def.creator_role.is_some());
    let users = membership.users.iter().map(|(def, _)| *def).filter(|def| def.sign_up);
    let functions = tenants.map(|def| (def, names::CREATE_TENANT)).chain(users.map(|def| (def, names::SIGN_UP)));
    for (def, function) in functions {
        let set: Vec<_> = inserted(def).map(|column| column.name).collect();
        let is_unset = |column: &&ColumnDef| !set.contains(&column.name) && !is_filled_by_database(def, column);
        for column in def.columns.iter().filter(is_unset) {
            let (reason, help) = if column.id && (def.insert.is_some() || column.references.is_some()) {
                (
                    "the key comes from the context of an insert, or from a referenced row",
                    "remove `insert = …` from the table, and `references = …` from the field".to_owned(),
                )
            } else if column.id {
                (
                    "the database generates only keys of type `Uuid` and of integer types",
                    "add `default = \"…\"`, such as `default = \"gen_random_uuid()::text\"`".to_owned(),
                )
            } else if def.owner == Some(column.name) {
                (
                    "the owner comes from the context of an insert by a member",
                    "add `default = \"…\"`, make the field an `Option`, or remove `owner = …`".to_owned(),
                )
            } else {
                ("the column has no default", "add `default = \"…\"`, or make the field an `Option`".to_owned())
            };
            findings.error(
                field_place(def, column),
                format!("`{function}` could never insert a row: it does not set `{}`, and {reason}", column.name),
                help,
            );
        }
    }
    if let (Some((def, ..)), Some(labels)) = (&membership.tenants, membership.role_type().labels())
        && let Some(role) = def.creator_role.filter(|role| !labels.labels.contains(role))
    {
        findings.error(
            place(def),
            format!(
                "`{}` could never add the first member: `{}` has no label `{role}`",
                names::CREATE_TENANT,
                membership.role
            ),
            format!("use one of its labels in `creator_role`: {}", list(labels.labels.iter().copied())),
        );
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
    let Some(labels) = column.ty.labels() else {
        findings.error(
            field_place(def, column),
            format!("`{}` must be an enum of role names, not free text", column.name),
            format!("use an enum that derives `TenantEnum`, with the labels {}", roles()),
        );
        return;
    };
    let unknown: Vec<_> =
        labels.labels.iter().copied().filter(|label| !tenancy.application_roles.contains_key(label)).collect();
    if !unknown.is_empty() {
        findings.error(
            field_place(def, column),
            format!("the tenancy has no role {}", list(unknown)),
            format!("its roles are {}", roles()),
        );
    }
}

impl Membership {
    pub(super) fn is_table(&self, def: &TableDef) -> bool {
        self.def.name == def.name
    }

    /// Returns the columns, for statements about members.
    pub(super) fn columns(&self, tenancy: &TenancyDef) -> MembershipColumns {
        MembershipColumns {
            table: self.table.clone(),
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            role: self.role.clone(),
            role_prefix: tenancy.role_prefix.to_owned(),
        }
    }

    pub(super) fn role_type(&self) -> SqlType {
        let role = self.def.columns.iter().find(|column| column.name == self.role.as_str());
        role.map_or(SqlType::Text, |column| column.ty)
    }

    pub(super) fn def(&self) -> &'static TableDef {
        self.def
    }

    pub(super) fn table(&self) -> &QualifiedName {
        &self.table
    }

    /// Returns the columns with the tenant ID and the user ID.
    pub(super) fn keys(&self) -> (&Ident, &Ident) {
        (&self.tenant, &self.user)
    }

    /// Returns the condition for the rows of a tenant in which the membership table gives the user the required role.
    pub(super) fn condition(&self, column: &Ident, tenancy: &Tenancy) -> Condition {
        let function = tenancy.function(names::AUTHORIZED_TENANT_ID).quoted();
        let role = signed_conditions::statement_role(tenancy);
        let sql = Expression::trusted(format!("{} = (SELECT {function}({role}))", column.quoted()));
        Condition::new(ConditionKind::Membership, sql)
    }

    /// Returns whether the functions read or write a table.
    pub(super) fn is_used_by_functions(&self, def: &TableDef) -> bool {
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

    /// Returns the function owner's policies and grants on a table that the functions use: only what they need.
    pub(super) fn function_owner_access(&self, def: &TableDef, tenancy: &Tenancy) -> (Vec<Policy>, Vec<Grant>) {
        let role = &tenancy.function_owner;
        let schema = names::auth_schema(tenancy.def.schema);
        let privileges = self.function_owner_privileges(def);
        let policies = privileges.iter().map(|(command, _)| {
            let comment = format!(
                "Lets the SECURITY DEFINER functions in {schema} {} any row; each function limits the rows itself.",
                command.keyword()
            );
            Policy::of_function_owner(*command, role, comment)
        });
        let policies = policies.collect();
        let grants =
            privileges.into_iter().map(|(command, columns)| Grant { command, columns, role: role.clone() }).collect();
        (policies, grants)
    }

    /// Returns the commands that the functions run on a table, each with its columns.
    fn function_owner_privileges(&self, def: &TableDef) -> Vec<(Command, Vec<Ident>)> {
        if self.is_table(def) {
            let all = def.columns.iter().map(|column| column_ident(column.name)).collect();
            return vec![
                (Command::Select, all),
                (Command::Insert, vec![self.tenant.clone(), self.user.clone(), self.role.clone()]),
                (Command::Update, vec![self.role.clone()]),
                (Command::Delete, Vec::new()),
            ];
        }
        if let Some((_, _, id)) = self.tenants.as_ref().filter(|(tenants, ..)| tenants.name == def.name) {
            let insert = def.creator_role.map(|_| (Command::Insert, inserted_idents(def)));
            return [(Command::Select, vec![id.clone()])].into_iter().chain(insert).collect();
        }
        if let Some(invitations) = self.invitations.as_ref().filter(|_| self.is_invitations(def)) {
            return invitations.privileges().into();
        }
        let email = self.invitations.as_ref().map(|invitations| invitations.email.clone());
        let id = row_id(def).map(|id| column_ident(id.name));
        let insert = def.sign_up.then(|| (Command::Insert, inserted_idents(def)));
        [(Command::Select, id.into_iter().chain(email).collect())].into_iter().chain(insert).collect()
    }

    /// Returns the trigger that rejects a change that would leave a tenant without a manager.
    pub(super) fn trigger(&self, tenancy: &Tenancy) -> Option<Trigger> {
        self.manager?;
        Some(Trigger {
            name: Ident::derived([names::PREVENT_LAST_MANAGER_REMOVAL]),
            function: tenancy.function(names::PREVENT_LAST_MANAGER_REMOVAL),
            kind: TriggerKind::AtCommit,
        })
    }
}

/// Returns the columns for the INSERT grant. If a function sets no column and all get their
/// defaults, the grant still has to name a column.
fn inserted_idents(def: &TableDef) -> Vec<Ident> {
    let columns: Vec<_> = inserted(def).map(|column| column_ident(column.name)).collect();
    if columns.is_empty() { row_id(def).map(|id| column_ident(id.name)).into_iter().collect() } else { columns }
}

/// Returns the columns that a function inserts: app-assigned columns without a default.
pub(super) fn inserted(def: &TableDef) -> impl Iterator<Item = &'static ColumnDef> + use<> {
    let columns: &'static [ColumnDef] = def.columns;
    columns.iter().filter(|column| column.app_assigned && column.default.is_none())
}
