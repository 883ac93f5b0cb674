//! The functions of the membership table: what their bodies say.

use super::{
    column_ident,
    membership::{Membership, inserted},
    row_id,
    tenancy::Tenancy,
};
use crate::{
    ident::{Ident, literal},
    model::{
        def::{ColumnDef, SqlType, TableDef},
        names,
        schema::{Expression, Function, QualifiedName, Returns},
    },
};

/// The SQLSTATE of a change that would leave a tenant without anyone who manages its members.
const LAST_MANAGER: &str = "TT001";

/// The database roles that functions are granted to.
pub(super) struct Roles<'a> {
    pub(super) owner: &'a Ident,
    pub(super) no_tenant: &'a Ident,
    /// The application roles that include no other.
    pub(super) lowest: Vec<Ident>,
    /// The role of cross-tenant jobs, where there is one.
    pub(super) system: Option<&'a Ident>,
}

/// What the bodies of the functions are put together from; every name in it is quoted.
pub(super) struct FunctionTemplates<'a> {
    pub(super) membership: &'a Membership,
    pub(super) tenancy: &'a Tenancy,
    pub(super) table: String,
    pub(super) tenant: String,
    pub(super) user: String,
    pub(super) role: String,
    pub(super) org_in_context: Expression,
    pub(super) user_in_context: Expression,
    pub(super) user_type: Expression,
}

impl<'a> FunctionTemplates<'a> {
    pub(super) fn new(membership: &'a Membership, tenancy: &'a Tenancy) -> Self {
        let def = tenancy.def;
        let user_type = tenancy.user_type.clone();
        Self {
            membership,
            tenancy,
            table: membership.table.quoted(),
            tenant: membership.tenant.quoted().to_string(),
            user: membership.user.quoted().to_string(),
            role: membership.role.quoted().to_string(),
            org_in_context: Expression::in_context(def.tenant_setting, &tenancy.key_type),
            user_in_context: Expression::in_context(def.user_setting, &user_type),
            user_type,
        }
    }

    /// The roles that include `role`, as labels.
    pub(super) fn up_set(&self, role: &str) -> String {
        let includes = |(_, below): &(&&str, &Vec<&str>)| below.contains(&role);
        let names = self.tenancy.def.roles.iter().filter_map(|def| self.tenancy.below.get_key_value(def.name));
        names
            .filter(|entry| includes(&(entry.0, entry.1)))
            .map(|(name, _)| literal(name))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The database roles of those who manage members: a context that was narrowed manages none.
    pub(super) fn acting_managers(&self) -> String {
        let manager = self.membership.manager.unwrap_or_default();
        let application_roles = self.tenancy.def.roles.iter().filter(|role| self.tenancy.includes(role.name, manager));
        let names = application_roles.filter_map(|role| self.tenancy.application_roles.get(role.name));
        names.map(|tier| literal(tier.as_str())).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn authorized_tenant_id(&self, roles: &Roles<'_>) -> Function {
        let cases = self.tenancy.def.roles.iter().filter_map(|def| {
            let tier = self.tenancy.application_roles.get(def.name)?;
            Some(format!(
                "            WHEN {} THEN m.{} IN ({})\n",
                literal(tier.as_str()),
                self.role,
                self.up_set(def.name)
            ))
        });
        let Self { table, tenant, user, org_in_context, user_in_context, .. } = self;
        Function {
            comment: "The tenant in the context, for a member there whose role includes the role of the transaction; else NULL."
                .into(),
            arguments: Vec::new(),
            returns: Returns::Value(self.tenancy.key_type.clone()),
            stable: true,
            exact_floats: false,
            body: format!(
                "BEGIN
    RETURN (
        SELECT m.{tenant}
        FROM {table} AS m
        WHERE m.{tenant} = {org_in_context}
          AND m.{user} = {user_in_context}
          AND CASE current_setting('role')
{}            ELSE false
          END
    );
END",
                cases.collect::<String>()
            ),
            // The floor of a table that the system role reaches names it as well.
            execute: [roles.lowest.clone(), roles.system.into_iter().cloned().collect(), vec![roles.owner.clone()]].concat(),
        }
    }

    pub(super) fn my_tenants(&self, roles: &Roles<'_>) -> Function {
        let Self { table, tenant, user, role, user_in_context, .. } = self;
        Function {
            comment: "The tenants of the user in the context, with the user's role in each.".into(),
            arguments: Vec::new(),
            returns: Returns::Rows(vec![
                (Ident::derived([names::MY_TENANTS_TENANT]), self.tenancy.key_type.clone()),
                (Ident::derived([names::MY_TENANTS_ROLE]), Expression::trusted("text")),
            ]),
            stable: true,
            exact_floats: false,
            body: format!(
                "BEGIN
    RETURN QUERY
        SELECT m.{tenant}, m.{role}
        FROM {table} AS m
        WHERE m.{user} = {user_in_context}
        ORDER BY m.{tenant};
END"
            ),
            execute: vec![roles.no_tenant.clone()],
        }
    }

    /// Locks, in one order for all who do, the members on whom a change depends; then judges the caller.
    fn prologue(&self, managers: &str, declare: &str, may_be_oneself: bool) -> String {
        let Self { table, tenant, user, role, org_in_context, user_in_context, .. } = self;
        let others = if may_be_oneself { "caller IS DISTINCT FROM p_user AND " } else { "" };
        let application_roles = self.acting_managers();
        format!(
            "#variable_conflict use_variable
DECLARE
    tenant constant {key} := {org_in_context};
    caller constant {user_type} := {user_in_context};
    caller_role text;
{declare}BEGIN
    PERFORM FROM {table} AS m
        WHERE m.{tenant} = tenant AND (m.{role} IN ({managers}) OR m.{user} IN (caller, p_user))
        ORDER BY m.{user}
        FOR UPDATE;
    SELECT m.{role} INTO caller_role FROM {table} AS m WHERE m.{tenant} = tenant AND m.{user} = caller;
    IF caller_role IS NULL OR {others}(caller_role NOT IN ({managers}) OR current_setting('role') NOT IN ({application_roles})) THEN
        RAISE EXCEPTION 'only a member whose role includes {manager} manages members' USING ERRCODE = 'insufficient_privilege';
    END IF;
",
            key = self.tenancy.key_type,
            user_type = self.user_type,
            manager = self.membership.manager.unwrap_or_default(),
        )
    }

    /// Looks up the role of the member on whom a function acts; without one the function says so.
    fn old_role(&self) -> String {
        let Self { table, tenant, user, role, .. } = self;
        format!(
            "    SELECT m.{role} INTO old_role FROM {table} AS m WHERE m.{tenant} = tenant AND m.{user} = p_user;
    IF old_role IS NULL THEN
        RETURN false;
    END IF;
"
        )
    }

    /// Refuses what goes above the caller's own role: `wanted` is an expression.
    pub(super) fn within_own_role(&self, wanted: &str, what: &str) -> String {
        let pairs = self.tenancy.def.roles.iter().flat_map(|role| {
            let below = self.tenancy.below.get(role.name).map(Vec::as_slice).unwrap_or_default();
            below.iter().map(|below| format!("({}, {})", literal(role.name), literal(below)))
        });
        format!(
            "    IF ((caller_role, {wanted}) IN (VALUES {})) IS NOT TRUE THEN
        RAISE EXCEPTION 'a member cannot {what} a role above the own one' USING ERRCODE = 'insufficient_privilege';
    END IF;
",
            pairs.collect::<Vec<_>>().join(", ")
        )
    }

    fn not_the_last(&self, managers: &str) -> String {
        let Self { table, tenant, user, role, .. } = self;
        format!(
            "IF NOT EXISTS (
            SELECT FROM {table} AS m
            WHERE m.{tenant} = tenant AND m.{role} IN ({managers}) AND m.{user} <> p_user
        ) THEN
            RAISE EXCEPTION 'the tenant would be left without anyone who manages its members' USING ERRCODE = '{LAST_MANAGER}';
        END IF;"
        )
    }

    fn arguments(&self, with_role: bool) -> Vec<(Ident, Expression)> {
        let user = (Ident::derived(["p_user"]), self.user_type.clone());
        let role = with_role.then(|| (Ident::derived(["p_role"]), Expression::trusted("text")));
        [user].into_iter().chain(role).collect()
    }

    pub(super) fn tier(&self, role: &str) -> Vec<Ident> {
        self.tenancy.application_roles.get(role).cloned().into_iter().collect()
    }

    pub(super) fn add_member(&self, manager: &str, managers: &str) -> Function {
        let Self { table, tenant, user, role, .. } = self;
        Function {
            comment: format!("Adds a member to the tenant in the context; for those whose role includes {manager}."),
            arguments: self.arguments(true),
            returns: Returns::Void,
            stable: false,
            exact_floats: false,
            body: format!(
                "{}{}    INSERT INTO {table} ({tenant}, {user}, {role}) VALUES (tenant, p_user, p_role);\nEND",
                self.prologue(managers, "", false),
                self.within_own_role("p_role", "give")
            ),
            execute: self.tier(manager),
        }
    }

    pub(super) fn change_member(&self, manager: &str, managers: &str) -> Function {
        let Self { table, tenant, user, role, .. } = self;
        Function {
            comment: format!(
                "Changes a member's role in the tenant in the context; for those whose role includes {manager}."
            ),
            arguments: self.arguments(true),
            returns: Returns::Value(Expression::trusted("boolean")),
            stable: false,
            exact_floats: false,
            body: format!(
                "{}{}{}{}    IF old_role IN ({managers}) AND p_role NOT IN ({managers}) THEN
        {}
    END IF;
    UPDATE {table} AS m SET {role} = p_role WHERE m.{tenant} = tenant AND m.{user} = p_user;
    RETURN true;
END",
                self.prologue(managers, "    old_role text;\n", false),
                self.old_role(),
                self.within_own_role("old_role", "change"),
                self.within_own_role("p_role", "give"),
                self.not_the_last(managers)
            ),
            execute: self.tier(manager),
        }
    }

    pub(super) fn remove_member(&self, roles: &Roles<'_>, managers: &str) -> Function {
        let Self { table, tenant, user, .. } = self;
        Function {
            comment: "Removes a member from the tenant in the context; for those who manage members, and for oneself."
                .into(),
            arguments: self.arguments(false),
            returns: Returns::Value(Expression::trusted("boolean")),
            stable: false,
            exact_floats: false,
            body: format!(
                "{}{}{}    IF old_role IN ({managers}) THEN
        {}
    END IF;
    DELETE FROM {table} AS m WHERE m.{tenant} = tenant AND m.{user} = p_user;
    RETURN true;
END",
                self.prologue(managers, "    old_role text;\n", true),
                self.old_role(),
                self.within_own_role("old_role", "remove"),
                self.not_the_last(managers)
            ),
            execute: roles.lowest.clone(),
        }
    }

    pub(super) fn prevent_last_manager_removal(&self, roles: &Roles<'_>, managers: &str) -> Function {
        let Self { table, tenant, role, .. } = self;
        let (exists, id) = match &self.membership.tenants {
            Some((_, tenants, id)) => (tenants.quoted(), id.quoted().to_string()),
            None => (table.clone(), tenant.clone()),
        };
        Function {
            comment: "Refuses to leave a tenant that still exists without anyone who manages its members.".into(),
            arguments: Vec::new(),
            returns: Returns::Trigger,
            stable: false,
            exact_floats: false,
            body: format!(
                "BEGIN
    IF EXISTS (SELECT FROM {exists} AS t WHERE t.{id} = OLD.{tenant})
        AND NOT EXISTS (SELECT FROM {table} AS m WHERE m.{tenant} = OLD.{tenant} AND m.{role} IN ({managers}))
    THEN
        RAISE EXCEPTION 'the tenant would be left without anyone who manages its members' USING ERRCODE = '{LAST_MANAGER}';
    END IF;
    RETURN NULL;
END"
            ),
            execute: vec![roles.owner.clone()],
        }
    }

    pub(super) fn create_tenant(
        &self,
        roles: &Roles<'_>,
        def: &TableDef,
        tenants: &QualifiedName,
        id: &Ident,
        creator_role: &str,
    ) -> Function {
        let Self { table, tenant, user, role, user_in_context, .. } = self;
        let insert = insert_arguments(def, tenants, id, "organization");
        Function {
            comment: format!("Makes a tenant, of which the user in the context becomes {creator_role}."),
            arguments: insert.arguments,
            returns: Returns::Value(self.tenancy.key_type.clone()),
            stable: false,
            exact_floats: false,
            body: format!(
                "#variable_conflict use_variable
DECLARE
    organization {key};
    caller constant {user_type} := {user_in_context};
BEGIN
    IF caller IS NULL THEN
        RAISE EXCEPTION 'only a signed-in user founds an organization' USING ERRCODE = 'insufficient_privilege';
    END IF;
    {insert}
    INSERT INTO {table} ({tenant}, {user}, {role}) VALUES (organization, caller, {creator_role});
    RETURN organization;
END",
                key = self.tenancy.key_type,
                user_type = self.user_type,
                insert = insert.statement,
                creator_role = literal(creator_role)
            ),
            execute: vec![roles.no_tenant.clone()],
        }
    }

    pub(super) fn sign_up(&self, roles: &Roles<'_>, def: &TableDef, users: &QualifiedName) -> Function {
        let id = row_id(def).map_or_else(|| Ident::derived(["id"]), |id| column_ident(id.name));
        let insert = insert_arguments(def, users, &id, "user_key");
        Function {
            comment: "Adds a user, who is a member of no tenant yet.".into(),
            arguments: insert.arguments,
            returns: Returns::Value(self.user_type.clone()),
            stable: false,
            exact_floats: false,
            body: format!(
                "#variable_conflict use_variable\nDECLARE\n    user_key {};\nBEGIN\n    {}\n    RETURN user_key;\nEND",
                self.user_type, insert.statement
            ),
            execute: vec![roles.no_tenant.clone()],
        }
    }
}

/// A function's arguments that are a row's columns, and the statement that inserts them.
struct InsertArguments {
    arguments: Vec<(Ident, Expression)>,
    statement: String,
}

/// Takes the columns as arguments.
fn insert_arguments(def: &TableDef, table: &QualifiedName, id: &Ident, into: &str) -> InsertArguments {
    let columns: Vec<_> = inserted(def).collect();
    let argument = |column: &ColumnDef| Ident::derived(["p", column.name]);
    let ty = |column: &ColumnDef| match column.ty {
        SqlType::Custom(text) => text.to_owned(),
        ty => ty.sql_name().unwrap_or_default(),
    };
    let names = columns.iter().map(|column| column_ident(column.name).quoted().to_string()).collect::<Vec<_>>();
    let values = columns.iter().map(|column| argument(column).quoted().to_string()).collect::<Vec<_>>();
    let row = match columns[..] {
        [] => "DEFAULT VALUES".to_owned(),
        _ => format!("({}) VALUES ({})", names.join(", "), values.join(", ")),
    };
    InsertArguments {
        arguments: columns.iter().map(|column| (argument(column), Expression::trusted(ty(column)))).collect(),
        statement: format!("INSERT INTO {} {row} RETURNING {} INTO {into};", table.quoted(), id.quoted()),
    }
}
