//! Rules about invitations: who is asked to become a member, and the functions that ask and let in.

use super::{
    Known,
    auth_functions::{FunctionTemplates, Roles},
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
        schema::{Expression, Function, QualifiedName, Returns},
    },
};

/// The SQLSTATE of an invitation that cannot be taken.
const NO_INVITATION: &str = "TT002";

/// Finds the table of the invitations; `None` where there is none, or where it is wrong.
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
            format!("`{}` holds invitations, and so does `{}`", other.rust_name, def.rust_name),
            "leave `invitation(…)` on one of them",
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
            format!("`{}` has no column {}", def.rust_name, list(missing.into_iter().map(|(name, _)| name))),
            format!("its columns are {}", list(def.columns.iter().map(|column| column.name))),
        );
        return None;
    }
    let (email, role, token, expires, by) = (email.1?, role.1?, token.1?, expires.1?, by.1?);
    check_role_column(def, role, tenancy, findings);
    let mut typed = |column: &ColumnDef, is_right: bool, wanted: &str| {
        if !is_right {
            findings.error(
                field_place(def, column),
                format!("`{}` has another type than an invitation needs", column.name),
                format!("make it {wanted}"),
            );
        }
    };
    typed(token, token.ty == SqlType::Bytea, "a `Vec<u8>`, which holds the hash of the token");
    typed(expires, expires.ty == SqlType::Timestamptz, "a time with a zone, such as `DateTime<Utc>`");
    typed(by, by.ty == tenancy.def.user, "the tenancy's user key");
    if token.select != Some(NO_ROLE) {
        findings.error(
            field_place(def, token),
            format!("`{}` could be read, and whoever knows a token is let in", token.name),
            "add `#[tenant(select = \"nobody\")]` to the field",
        );
    }
    let has_email = users.is_some_and(|users| users.columns.iter().any(|column| column.name == email.name));
    if !has_email {
        findings.error(
            field_place(def, email),
            format!("nothing says which user has the address in `{}`", email.name),
            format!(
                "refer from the members to a table of users (`references = User`) that has a column `{}`",
                email.name
            ),
        );
    }
    if manager.is_none() || def.insert != manager {
        findings.error(
            place(def),
            format!("who invites by `{}` is not who manages members", def.rust_name),
            match manager {
                Some(manager) => format!("name `{manager}` in `insert`, as the membership table does"),
                None => "name a role in `insert` on the membership table, and the same one here".to_owned(),
            },
        );
    }
    let ScopeDef::Tenant { column: tenant } = def.scope else {
        findings.error(
            place(def),
            format!("`{}` asks somebody into a tenant, and has no tenant column", def.rust_name),
            "add `org = \"…\"`",
        );
        return None;
    };
    let filled = [tenant, email.name, role.name, token.name, expires.name, by.name];
    let made = |column: &&ColumnDef| !filled.contains(&column.name) && column.app_assigned && !column.may_be_left_out();
    for column in def.columns.iter().filter(made) {
        findings.error(
            field_place(def, column),
            format!("a function makes invitations, and nothing would fill `{}`", column.name),
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
        token: column_ident(token.name),
        expires: column_ident(expires.name),
        by: column_ident(by.name),
    })
}

/// Finds invitations that nobody could take.
pub(super) fn without_members(known: &Known, findings: &mut Findings) {
    let tables = || known.by_qualified_name.values();
    let invites = tables().find(|def| def.invitation.is_some() && !tables().any(|def| def.membership.is_some()));
    if let Some(def) = invites {
        findings.error(
            place(def),
            format!("`{}` invites into a tenant, and no table says who is a member", def.rust_name),
            "add `membership(…)` to `#[tenant(…)]` on the struct of the members",
        );
    }
}

impl FunctionTemplates<'_> {
    /// Makes an invitation, which is no more than the one who makes it could give.
    pub(super) fn invite(&self, invitations: &Invitations, manager: &str, managers: &str) -> Function {
        let Self { table, tenant, user, role, org_in_context, user_in_context, user_type, .. } = self;
        let Invitations { tenant: of, email, role: wanted, token, expires, by, .. } = invitations;
        let argument = |name: &str, ty: &str| (Ident::derived([name]), Expression::trusted(ty));
        Function {
            comment: format!(
                "Invites somebody into the tenant in the context, by the hash of a token; for those whose role includes {manager}."
            ),
            arguments: vec![
                argument("p_email", "text"),
                argument("p_role", "text"),
                argument("p_token_hash", "bytea"),
                argument("p_seconds", "double precision"),
            ],
            returns: Returns::Void,
            stable: false,
            exact_floats: false,
            body: format!(
                "#variable_conflict use_variable
DECLARE
    tenant constant {key} := {org_in_context};
    caller constant {user_type} := {user_in_context};
    caller_role text;
BEGIN
    SELECT m.{role} INTO caller_role FROM {table} AS m WHERE m.{tenant} = tenant AND m.{user} = caller FOR SHARE;
    IF caller_role IS NULL OR caller_role NOT IN ({managers}) OR current_setting('role') NOT IN ({application_roles}) THEN
        RAISE EXCEPTION 'only a member whose role includes {manager} invites' USING ERRCODE = 'insufficient_privilege';
    END IF;
{within}    INSERT INTO {into} ({of}, {email}, {wanted}, {token}, {expires}, {by})
        VALUES (tenant, p_email, p_role, p_token_hash, now() + make_interval(secs => p_seconds), caller);
END",
                key = self.tenancy.key_type,
                application_roles = self.acting_managers(),
                within = self.within_own_role("p_role", "give"),
                into = invitations.table.quoted(),
                of = of.quoted(),
                email = email.quoted(),
                wanted = wanted.quoted(),
                token = token.quoted(),
                expires = expires.quoted(),
                by = by.quoted(),
            ),
            execute: self.tier(manager),
        }
    }

    /// Takes an invitation. The one who invited is looked up again, and stays what that one is meanwhile; before the invitation
    /// itself is locked, as whoever removes members does.
    pub(super) fn accept_invitation(
        &self,
        invitations: &Invitations,
        roles: &Roles<'_>,
        users_def: &TableDef,
        users: &QualifiedName,
        managers: &str,
    ) -> Function {
        let Self { table, tenant, user, role, user_in_context, user_type, .. } = self;
        let Invitations { id, tenant: of, email, role: wanted, token, expires, by, .. } = invitations;
        let user_id = row_id(users_def).map_or_else(|| Ident::derived(["id"]), |id| column_ident(id.name));
        Function {
            comment:
                "Makes the user in the context a member of the tenant that invited the user's address by this token."
                    .into(),
            arguments: vec![(Ident::derived(["p_token"]), Expression::trusted("bytea"))],
            returns: Returns::Value(self.tenancy.key_type.clone()),
            stable: false,
            exact_floats: false,
            body: format!(
                "DECLARE
    caller constant {user_type} := {user_in_context};
    invited record;
    caller_role text;
BEGIN
    SELECT i.{id} AS id, i.{of} AS organization, i.{wanted} AS member_role, i.{by} AS inviter INTO invited
        FROM {from} AS i
        JOIN {users} AS u ON u.{user_id} = caller AND lower(u.{email}::text) = lower(i.{email}::text)
        WHERE i.{token} = sha256(p_token) AND i.{expires} > now();
    SELECT m.{role} INTO caller_role FROM {table} AS m
        WHERE m.{tenant} = invited.organization AND m.{user} = invited.inviter AND m.{role} IN ({managers})
        FOR SHARE;
    -- Of two who take it at once, the second finds it gone.
    DELETE FROM {from} AS i WHERE i.{id} = invited.id AND i.{of} = invited.organization AND caller_role IS NOT NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no such invitation' USING ERRCODE = '{NO_INVITATION}';
    END IF;
{within}    INSERT INTO {table} ({tenant}, {user}, {role}) VALUES (invited.organization, caller, invited.member_role);
    RETURN invited.organization;
END",
                from = invitations.table.quoted(),
                users = users.quoted(),
                user_id = user_id.quoted(),
                id = id.quoted(),
                of = of.quoted(),
                email = email.quoted(),
                wanted = wanted.quoted(),
                token = token.quoted(),
                expires = expires.quoted(),
                by = by.quoted(),
                within = self.within_own_role("invited.member_role", "give"),
            ),
            execute: vec![roles.no_tenant.clone()],
        }
    }
}
