//! The bodies of the functions that read and change the membership table.

use super::{
    column_ident, insert_arguments::insert_arguments, membership::Membership, row_id, signed_conditions,
    tenancy::Tenancy,
};
use crate::{
    ident::{Ident, literal},
    model::{
        def::{SqlType, TableDef},
        names,
        schema::{Expression, Function, QualifiedName, Returns, Volatility},
        sqlstate::{CONSENT_REQUIRED, LAST_MANAGER},
    },
};

// The messages do not say "higher", because two roles can be unrelated: neither includes the other.
pub(super) const GRANT_TOO_HIGH: &str = "cannot grant a role that your role does not include";
const CHANGE_TOO_HIGH: &str = "cannot change a member whose role is not included in your role";
const REMOVE_TOO_HIGH: &str = "cannot remove a member whose role is not included in your role";

/// The database roles that get EXECUTE on the functions.
pub(super) struct Roles<'a> {
    pub(super) owner: &'a Ident,
    pub(super) no_tenant: &'a Ident,
    /// The application roles that include no other role.
    pub(super) lowest: Vec<Ident>,
    /// The role for cross-tenant access, if one exists.
    pub(super) system: Option<&'a Ident>,
}

/// The parts that function bodies are built from. Every name is quoted.
pub(super) struct FunctionTemplates<'a> {
    pub(super) membership: &'a Membership,
    pub(super) tenancy: &'a Tenancy,
    pub(super) table: String,
    pub(super) tenant: String,
    pub(super) user: String,
    pub(super) role: String,
    /// The cast of a role that is read, if its column has an enum type: such a type can lack the labels of some roles.
    pub(super) as_text: &'static str,
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
            as_text: if matches!(membership.role_type(), SqlType::Enum(_)) { "::text" } else { "" },
            org_in_context: Expression::in_context(def.tenant_setting, &tenancy.key_type),
            user_in_context: Expression::in_context(def.user_setting, &user_type),
            user_type,
        }
    }

    /// Returns the labels of the roles that include `role`.
    pub(super) fn up_set(&self, role: &str) -> String {
        let includes = |(_, below): &(&&str, &Vec<&str>)| below.contains(&role);
        let names = self.tenancy.def.roles.iter().filter_map(|def| self.tenancy.below.get_key_value(def.name));
        names
            .filter(|entry| includes(&(entry.0, entry.1)))
            .map(|(name, _)| literal(name))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Returns the database roles that can manage members. A context that was narrowed to a lower
    /// role cannot manage members.
    pub(super) fn manager_roles(&self) -> String {
        let manager = self.membership.manager.unwrap_or_default();
        let application_roles = self.tenancy.def.roles.iter().filter(|role| self.tenancy.includes(role.name, manager));
        let names = application_roles.filter_map(|role| self.tenancy.application_roles.get(role.name));
        names.map(|role| literal(role.as_str())).collect::<Vec<_>>().join(", ")
    }

    /// Returns a text expression as a value of the role column.
    pub(super) fn as_role(&self, expression: &str) -> String {
        match self.membership.role_type() {
            ty @ SqlType::Enum(_) => format!("{expression}::{}", ty.name_in(self.tenancy.def.schema)),
            _ => expression.to_owned(),
        }
    }

    pub(super) fn authorized_tenant_id(&self, roles: &Roles<'_>) -> Function {
        let cases = self.tenancy.def.roles.iter().filter_map(|def| {
            let role = self.tenancy.application_roles.get(def.name)?;
            Some(format!(
                "            WHEN {} THEN m.{}{} IN ({})\n",
                literal(role.as_str()),
                self.role,
                self.as_text,
                self.up_set(def.name)
            ))
        });
        let Self { table, tenant, user, org_in_context, user_in_context, .. } = self;
        let (arguments, acting_role) = match self.tenancy.def.signed_context {
            true => (signed_conditions::role_argument(), signed_conditions::ROLE_ARGUMENT),
            false => (Vec::new(), signed_conditions::CURRENT_ROLE),
        };
        Function {
            comment: "Returns the ID of the current tenant if the signed-in user is a member of it with a role that includes the role \
                      set by SET ROLE; otherwise NULL."
                .into(),
            arguments,
            returns: Returns::Value(self.tenancy.key_type.clone()),
            volatility: Volatility::Stable,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "BEGIN
    RETURN (
        SELECT m.{tenant}
        FROM {table} AS m
        WHERE m.{tenant} = {org_in_context}
          AND m.{user} = {user_in_context}
          AND CASE {acting_role}
{}            ELSE false
          END
    );
END",
                cases.collect::<String>()
            ),
            // The restrictive policy of a table with system access calls this function for the system role too.
            execute: [roles.lowest.clone(), roles.system.into_iter().cloned().collect(), vec![roles.owner.clone()]].concat(),
        }
    }

    pub(super) fn my_tenants(&self, roles: &Roles<'_>) -> Function {
        let Self { table, tenant, user, role, as_text, user_in_context, .. } = self;
        Function {
            comment: "Returns the tenants of the signed-in user, with the user's role in each.".into(),
            arguments: Vec::new(),
            returns: Returns::Rows(vec![
                (Ident::derived([names::MY_TENANTS_TENANT]), self.tenancy.key_type.clone()),
                (Ident::derived([names::MY_TENANTS_ROLE]), Expression::trusted("text")),
            ]),
            volatility: Volatility::Stable,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "BEGIN
    RETURN QUERY
        SELECT m.{tenant}, m.{role}{as_text}
        FROM {table} AS m
        WHERE m.{user} = {user_in_context}
        ORDER BY m.{tenant};
END"
            ),
            execute: vec![roles.no_tenant.clone()],
        }
    }

    /// Returns the start of a function body: it locks the memberships that a change depends on,
    /// always in the same order, and then checks the caller's role.
    fn prologue(&self, managers: &str, declare: &str, allow_self: bool) -> String {
        let Self { table, tenant, user, role, as_text, org_in_context, user_in_context, .. } = self;
        let others = if allow_self { "caller IS DISTINCT FROM p_user AND " } else { "" };
        let application_roles = self.manager_roles();
        format!(
            "#variable_conflict use_variable
DECLARE
    tenant constant {key} := {org_in_context};
    caller constant {user_type} := {user_in_context};
    caller_role text;
{declare}BEGIN
    PERFORM FROM {table} AS m
        WHERE m.{tenant} = tenant AND (m.{role}{as_text} IN ({managers}) OR m.{user} IN (caller, p_user))
        ORDER BY m.{user}
        FOR UPDATE;
    SELECT m.{role} INTO caller_role FROM {table} AS m WHERE m.{tenant} = tenant AND m.{user} = caller;
    IF caller_role IS NULL OR {others}(caller_role NOT IN ({managers}) OR current_setting('role') NOT IN ({application_roles})) THEN
        RAISE EXCEPTION 'managing members requires role {manager} or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
",
            key = self.tenancy.key_type,
            user_type = self.user_type,
            manager = self.membership.manager.unwrap_or_default(),
        )
    }

    /// Returns the statements that look up the role of the member to change, and return false if
    /// there is no such member.
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

    /// Returns the statement that raises `message` unless the role in the expression `holder`
    /// includes the role in the expression `role`.
    pub(super) fn require_included(&self, holder: &str, role: &str, message: &str) -> String {
        let pairs = self.tenancy.def.roles.iter().flat_map(|def| {
            let below = self.tenancy.below.get(def.name).map(Vec::as_slice).unwrap_or_default();
            below.iter().map(|below| format!("({}, {})", literal(def.name), literal(below)))
        });
        format!(
            "    IF (({holder}, {role}) IN (VALUES {})) IS NOT TRUE THEN
        RAISE EXCEPTION '{message}' USING ERRCODE = 'insufficient_privilege';
    END IF;
",
            pairs.collect::<Vec<_>>().join(", ")
        )
    }

    fn not_the_last(&self, managers: &str) -> String {
        let Self { table, tenant, user, role, as_text, .. } = self;
        format!(
            "IF NOT EXISTS (
            SELECT FROM {table} AS m
            WHERE m.{tenant} = tenant AND m.{role}{as_text} IN ({managers}) AND m.{user} <> p_user
        ) THEN
            RAISE EXCEPTION 'cannot remove the last member who can manage members' USING ERRCODE = '{LAST_MANAGER}';
        END IF;"
        )
    }

    fn arguments(&self, with_role: bool) -> Vec<(Ident, Expression)> {
        let user = (Ident::derived(["p_user"]), self.user_type.clone());
        let role = with_role.then(|| (Ident::derived(["p_role"]), Expression::trusted("text")));
        [user].into_iter().chain(role).collect()
    }

    pub(super) fn database_role(&self, role: &str) -> Vec<Ident> {
        self.tenancy.application_roles.get(role).cloned().into_iter().collect()
    }

    /// Returns the function that adds a member. If there are invitations, it requires that the user consented: a stranger
    /// whose key is known would otherwise become visible to the tenant.
    pub(super) fn add_member(&self, manager: &str, managers: &str) -> Function {
        let Self { table, tenant, user, role, .. } = self;
        let (consent, who) = match self.membership.invitations {
            Some(_) => (
                self.require_consent(managers),
                " The user must already be a member of a tenant in which the caller can manage members.",
            ),
            None => (String::new(), ""),
        };
        Function {
            comment: format!(
                "Adds a member to the current tenant. Requires role {manager} or a role that includes it.{who}"
            ),
            arguments: self.arguments(true),
            returns: Returns::Void,
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "{}{}{consent}    INSERT INTO {table} ({tenant}, {user}, {role}) VALUES (tenant, p_user, {});\nEND",
                self.prologue(managers, "", false),
                self.require_included("caller_role", "p_role", GRANT_TOO_HIGH),
                self.as_role("p_role")
            ),
            execute: self.database_role(manager),
        }
    }

    /// Returns the statements that raise an error unless the user is a member of a tenant in which the caller can manage
    /// members. The lock makes a concurrent removal of either of them wait.
    fn require_consent(&self, managers: &str) -> String {
        let Self { table, tenant, user, role, as_text, .. } = self;
        format!(
            "    PERFORM FROM {table} AS m JOIN {table} AS own ON own.{tenant} = m.{tenant}
        WHERE m.{user} = p_user AND own.{user} = caller AND own.{role}{as_text} IN ({managers})
        LIMIT 1
        FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'cannot add a user without the user''s consent: invite the user' USING ERRCODE = '{CONSENT_REQUIRED}';
    END IF;
"
        )
    }

    pub(super) fn change_member(&self, manager: &str, managers: &str) -> Function {
        let Self { table, tenant, user, role, .. } = self;
        Function {
            comment: format!(
                "Changes the role of a member of the current tenant. Requires role {manager} or a role that includes it. \
                 Returns false if the user is not a member."
            ),
            arguments: self.arguments(true),
            returns: Returns::Value(Expression::trusted("boolean")),
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "{}{}{}{}    IF old_role IN ({managers}) AND p_role NOT IN ({managers}) THEN
        {}
    END IF;
    UPDATE {table} AS m SET {role} = {} WHERE m.{tenant} = tenant AND m.{user} = p_user;
    RETURN true;
END",
                self.prologue(managers, "    old_role text;\n", false),
                self.old_role(),
                self.require_included("caller_role", "old_role", CHANGE_TOO_HIGH),
                self.require_included("caller_role", "p_role", GRANT_TOO_HIGH),
                self.not_the_last(managers),
                self.as_role("p_role")
            ),
            execute: self.database_role(manager),
        }
    }

    pub(super) fn remove_member(&self, roles: &Roles<'_>, managers: &str) -> Function {
        let Self { table, tenant, user, .. } = self;
        Function {
            comment: format!(
                "Removes a member from the current tenant. Requires role {} or a role that includes it, unless the \
                 caller leaves the tenant. Returns false if the user is not a member.",
                self.membership.manager.unwrap_or_default()
            ),
            arguments: self.arguments(false),
            returns: Returns::Value(Expression::trusted("boolean")),
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "{}{}{}    IF old_role IN ({managers}) THEN
        {}
    END IF;
    DELETE FROM {table} AS m WHERE m.{tenant} = tenant AND m.{user} = p_user;
    RETURN true;
END",
                self.prologue(managers, "    old_role text;\n", true),
                self.old_role(),
                self.require_included("caller_role", "old_role", REMOVE_TOO_HIGH),
                self.not_the_last(managers)
            ),
            execute: roles.lowest.clone(),
        }
    }

    pub(super) fn prevent_last_manager_removal(&self, roles: &Roles<'_>, managers: &str) -> Function {
        let Self { table, tenant, user, role, as_text, .. } = self;
        let (exists, id) = match &self.membership.tenants {
            Some((_, tenants, id)) => (tenants.quoted(), id.quoted().to_string()),
            None => (table.clone(), tenant.clone()),
        };
        Function {
            comment: "Trigger function: raises an error if a change leaves an existing tenant without a member who can manage members.".into(),
            arguments: Vec::new(),
            returns: Returns::Trigger,
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "BEGIN
    IF EXISTS (SELECT FROM {exists} AS t WHERE t.{id} = OLD.{tenant}) THEN
        -- Lock the remaining managers: a concurrent transaction that removes one of them waits.
        PERFORM FROM {table} AS m
            WHERE m.{tenant} = OLD.{tenant} AND m.{role}{as_text} IN ({managers})
            ORDER BY m.{user}
            FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'cannot remove the last member who can manage members' USING ERRCODE = '{LAST_MANAGER}';
        END IF;
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
        let insert = insert_arguments(def, tenants, id, "new_tenant_id");
        Function {
            comment: format!(
                "Creates a tenant and makes the signed-in user its first member, with role {creator_role}."
            ),
            arguments: insert.arguments,
            returns: Returns::Value(self.tenancy.key_type.clone()),
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "#variable_conflict use_variable
DECLARE
    new_tenant_id {key};
    caller constant {user_type} := {user_in_context};
BEGIN
    IF caller IS NULL THEN
        RAISE EXCEPTION 'creating a tenant requires a signed-in user' USING ERRCODE = 'insufficient_privilege';
    END IF;
    {insert}
    INSERT INTO {table} ({tenant}, {user}, {role}) VALUES (new_tenant_id, caller, {creator_role});
    RETURN new_tenant_id;
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
        let insert = insert_arguments(def, users, &id, "new_user_id");
        Function {
            comment: "Creates a user account that is not a member of any tenant yet.".into(),
            arguments: insert.arguments,
            returns: Returns::Value(self.user_type.clone()),
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "#variable_conflict use_variable\nDECLARE\n    new_user_id {};\nBEGIN\n    {}\n    RETURN new_user_id;\nEND",
                self.user_type, insert.statement
            ),
            execute: vec![roles.no_tenant.clone()],
        }
    }
}
