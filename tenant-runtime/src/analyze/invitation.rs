//! Checks of the invitation table, and the functions that create and accept invitations.

use super::{
    Known,
    auth_functions::{FunctionTemplates, GRANT_TOO_HIGH, Roles},
    column::is_filled_by_database,
    column_ident,
    finding::{Findings, field_place, place},
    list,
    membership::{Invitations, check_role_column},
    row_id,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, NO_ROLE, ScopeDef, SqlType, TableDef},
        schema::{Expression, Function, QualifiedName, Returns, Volatility},
        sqlstate::NO_INVITATION,
    },
};

const INVITED_TOO_HIGH: &str = "the invited role is not included in the role of the inviting member";

/// Finds the invitation table; `None` if no table is one, or if the table is invalid.
pub(super) fn invitations(
    known: &Known,
    manager: Option<&str>,
    users: Option<&TableDef>,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Option<Invitations> {
    let mut declared = known.by_qualified_name.iter().filter(|(_, def)| def.invitation.is_some());
    let (table, def) = declared.next()?;
    for (_, other) in declared {
        findings.error(
            place(other),
            format!("`{}` and `{}` both have `invitation(…)`", other.rust_name, def.rust_name),
            "remove `invitation(…)` from one of them",
        );
    }
    let names = def.invitation?;
    let column = |name: &str| def.columns.iter().find(|column| column.name == name);
    let [email, role, token, expires, by] =
        [names.email, names.role, names.token, names.expires, names.by].map(|name| (name, column(name)));
    let missing: Vec<_> = [email, role, token, expires, by].into_iter().filter(|(_, found)| found.is_none()).collect();
    if !missing.is_empty() {
        findings.error(
            place(def),
            format!(
                "the invitation table `{}` lacks {}",
                def.rust_name,
                list(missing.into_iter().map(|(name, _)| name))
            ),
            format!("its columns are {}", list(def.columns.iter().map(|column| column.name))),
        );
        return None;
    }
    let (email, role, token, expires, by) = (email.1?, role.1?, token.1?, expires.1?, by.1?);
    check_role_column(def, role, tenancy, findings);
    check_columns(def, [email, token, expires, by], users, tenancy, findings);
    check_manager(def, manager, findings);
    let ScopeDef::Tenant { column: tenant } = def.scope else {
        findings.error(
            place(def),
            format!("the invitation table `{}` has no tenant column", def.rust_name),
            "add `org = \"…\"`",
        );
        return None;
    };
    let filled = [tenant, email.name, role.name, token.name, expires.name, by.name];
    let is_unset = |column: &&ColumnDef| !filled.contains(&column.name) && !is_filled_by_database(def, column);
    for column in def.columns.iter().filter(is_unset) {
        findings.error(
            field_place(def, column),
            format!("the function that creates invitations does not set `{}`, which has no default", column.name),
            "add `default = \"…\"`, or make the field an `Option`",
        );
    }
    Some(Invitations {
        def,
        table: table.clone(),
        id: column_ident(row_id(def)?.name),
        tenant: column_ident(tenant),
        email: column_ident(email.name),
        role: column_ident(role.name),
        role_type: role.ty,
        token: column_ident(token.name),
        expires: column_ident(expires.name),
        by: column_ident(by.name),
    })
}

/// Checks the column types, that no role can read the token, and that the user table has a column
/// for the e-mail address.
fn check_columns(
    def: &TableDef,
    [email, token, expires, by]: [&ColumnDef; 4],
    users: Option<&TableDef>,
    tenancy: &Tenancy,
    findings: &mut Findings,
) {
    let mut require_type = |column: &ColumnDef, is_expected: bool, expected: &str| {
        if !is_expected {
            findings.error(
                field_place(def, column),
                format!("`{}` does not have the type that an invitation requires", column.name),
                format!("change the type of the field to {expected}"),
            );
        }
    };
    require_type(token, token.ty == SqlType::Bytea, "`Vec<u8>`, for the hash of the token");
    require_type(expires, expires.ty == SqlType::Timestamptz, "a time with a time zone, such as `DateTime<Utc>`");
    require_type(by, by.ty == tenancy.def.user, "that of the tenancy's user key");
    if token.select != Some(NO_ROLE) {
        findings.error(
            field_place(def, token),
            format!("the token column `{}` must not be readable", token.name),
            "add `#[tenant(select = \"none\")]` to the field",
        );
    }
    let has_email = users.is_some_and(|users| users.columns.iter().any(|column| column.name == email.name));
    if !has_email {
        findings.error(
            field_place(def, email),
            format!("no user table has the column `{}`, which identifies the invited user", email.name),
            format!(
                "add `references = …` to the user field of the membership table, and name a table that has a column `{}`",
                email.name
            ),
        );
    }
}

/// Checks that the role that can invite is the role that manages members.
fn check_manager(def: &TableDef, manager: Option<&str>, findings: &mut Findings) {
    if manager.is_none() || def.insert != manager {
        findings.error(
            place(def),
            format!("`insert` on the invitation table `{}` must name the role that manages members", def.rust_name),
            match manager {
                Some(manager) => format!("write `insert = \"{manager}\"`, as on the membership table"),
                None => "name one role in `insert`, `update` and `delete` on the membership table, and the same role in `insert` on the \
                         invitation table".to_owned(),
            },
        );
    }
}

/// Reports an invitation table without a membership table.
pub(super) fn without_members(known: &Known, findings: &mut Findings) {
    let tables = || known.by_qualified_name.values();
    let invites = tables().find(|def| def.invitation.is_some() && !tables().any(|def| def.membership.is_some()));
    if let Some(def) = invites {
        findings.error(
            place(def),
            format!("the invitation table `{}` requires a membership table", def.rust_name),
            "add `membership(…)` to `#[tenant(…)]` on the struct of the membership table",
        );
    }
}

/// Returns the condition that a user's address (`u`) is that of an invitation (`i`), ignoring the case of ASCII letters.
///
/// Under the database's collation, `lower` can depend on the language: in Turkish, `lower('INFO')` is not `info`. The
/// collation C changes only the letters from A to Z, so other letters must match exactly.
fn same_address(email: &Ident) -> String {
    let folded = |table: &str| format!("lower({table}.{}::text COLLATE \"C\")", email.quoted());
    format!("{} = {}", folded("u"), folded("i"))
}

impl FunctionTemplates<'_> {
    /// Returns the function that creates an invitation. The function requires that the inviting
    /// member can grant the role.
    pub(super) fn invite(&self, invitations: &Invitations, manager: &str, managers: &str) -> Function {
        let Self { table, tenant, user, role, org_in_context, user_in_context, user_type, .. } = self;
        let Invitations { tenant: of, email, role: wanted, role_type, token, expires, by, .. } = invitations;
        let role_value = match role_type {
            SqlType::Enum(_) => format!("p_role::{}", role_type.name_in(self.tenancy.def.schema)),
            _ => "p_role".to_owned(),
        };
        let argument = |name: &str, ty: &str| (Ident::derived([name]), Expression::trusted(ty));
        Function {
            comment: format!(
                "Creates an invitation to the current tenant for an email address. Stores the hash of the token, not the token. \
                 Requires role {manager} or a role that includes it."
            ),
            arguments: vec![
                argument("p_email", "text"),
                argument("p_role", "text"),
                argument("p_token_hash", "bytea"),
                argument("p_seconds", "double precision"),
            ],
            returns: Returns::Void,
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "#variable_conflict use_variable
DECLARE
    tenant constant {key} := {org_in_context};
    caller constant {user_type} := {user_in_context};
    caller_role text;
BEGIN
    SELECT m.{role} INTO caller_role FROM {table} AS m WHERE m.{tenant} = tenant AND m.{user} = caller FOR SHARE;
    IF caller_role IS NULL OR caller_role NOT IN ({managers}) OR current_setting('role') NOT IN ({application_roles}) THEN
        RAISE EXCEPTION 'inviting members requires role {manager} or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
{within}    INSERT INTO {into} ({of}, {email}, {wanted}, {token}, {expires}, {by})
        VALUES (tenant, p_email, {role_value}, p_token_hash, now() + make_interval(secs => p_seconds), caller);
END",
                key = self.tenancy.key_type,
                application_roles = self.manager_roles(),
                within = self.require_included("caller_role", "p_role", GRANT_TOO_HIGH),
                into = invitations.table.quoted(),
                of = of.quoted(),
                email = email.quoted(),
                wanted = wanted.quoted(),
                token = token.quoted(),
                expires = expires.quoted(),
                by = by.quoted(),
            ),
            execute: self.database_role(manager),
        }
    }

    /// Returns the function that accepts an invitation if the inviting member can still manage
    /// members. The function locks the inviting member's membership before the invitation, in the
    /// same order as the functions that remove members.
    pub(super) fn accept_invitation(
        &self,
        invitations: &Invitations,
        roles: &Roles<'_>,
        users_def: &TableDef,
        users: &QualifiedName,
        managers: &str,
    ) -> Function {
        let Self { table, tenant, user, role, as_text, user_in_context, user_type, .. } = self;
        let Invitations { id, tenant: of, email, role: wanted, role_type, token, expires, by, .. } = invitations;
        let wanted_as_text = if matches!(role_type, SqlType::Enum(_)) { "::text" } else { "" };
        let user_id = row_id(users_def).map_or_else(|| Ident::derived(["id"]), |id| column_ident(id.name));
        Function {
            comment:
                "Accepts the invitation with this token: makes the signed-in user a member of the inviting tenant. The invitation \
                 must be for the user's email address, and the inviting member must still be able to manage members."
                    .into(),
            arguments: vec![(Ident::derived(["p_token"]), Expression::trusted("bytea"))],
            returns: Returns::Value(self.tenancy.key_type.clone()),
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "DECLARE
    caller constant {user_type} := {user_in_context};
    invited record;
    inviter_role text;
BEGIN
    SELECT i.{id} AS id, i.{of} AS tenant, i.{wanted}{wanted_as_text} AS member_role, i.{by} AS inviter INTO invited
        FROM {from} AS i
        JOIN {users} AS u ON u.{user_id} = caller AND {same_address}
        WHERE i.{token} = sha256(p_token) AND i.{expires} > now();
    SELECT m.{role} INTO inviter_role FROM {table} AS m
        WHERE m.{tenant} = invited.tenant AND m.{user} = invited.inviter AND m.{role}{as_text} IN ({managers})
        FOR SHARE;
    -- If two sessions accept the invitation concurrently, only one DELETE finds the row.
    DELETE FROM {from} AS i WHERE i.{id} = invited.id AND i.{of} = invited.tenant AND inviter_role IS NOT NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'invitation not found or no longer valid' USING ERRCODE = '{NO_INVITATION}';
    END IF;
{within}    INSERT INTO {table} ({tenant}, {user}, {role}) VALUES (invited.tenant, caller, {member_role});
    RETURN invited.tenant;
END",
                from = invitations.table.quoted(),
                same_address = same_address(email),
                users = users.quoted(),
                user_id = user_id.quoted(),
                id = id.quoted(),
                of = of.quoted(),
                wanted = wanted.quoted(),
                token = token.quoted(),
                expires = expires.quoted(),
                by = by.quoted(),
                within = self.require_included("inviter_role", "invited.member_role", INVITED_TOO_HIGH),
                member_role = self.as_role("invited.member_role"),
            ),
            execute: vec![roles.no_tenant.clone()],
        }
    }
}
