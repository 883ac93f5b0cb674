//! Rules about access: the tenant scope of a table, the roles for its commands, and policy conditions.

use quote::ToTokens as _;
use syn::{LitStr, Path};

use crate::{
    ast::{Field, Table, ValueSource},
    attr::{Rule, is_no_role},
    diag::Diag,
    item::suggestion,
};

/// Checks the access attributes of a table.
pub(crate) fn check(diag: &Diag, table: &Table<'_>) {
    scope(diag, table);
    commands(diag, table);
    owner(diag, table);
    membership(diag, table);
    invitation(diag, table);
    insert_functions(diag, table);
    for rule in &table.attrs.rules {
        condition(diag, table, rule);
    }
    partitions(diag, table);
    for field in table.columns() {
        from_context(diag, field);
        column_roles(diag, table, field);
    }
}

/// Requires a declared scope: a forgotten attribute must not make a table readable by every tenant.
fn scope(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    match (&attrs.org, &attrs.parent, &attrs.global) {
        (Some(org), None, None) => {
            existing(diag, table, org, "be the tenant column", "`org` names the field that holds the tenant ID");
        }
        (None, Some(parent), None) => parent_field(diag, table, parent),
        (None, None, None) if ["org", "parent", "global"].iter().any(|key| attrs.mentions(key)) => {}
        (None, None, None) => diag.error(
            table.ident,
            format_args!("`{}` has no `org`, `parent` or `global` attribute", table.ident),
            "add `org` with the field that holds the tenant ID: `#[tenant(org = \"organization_id\", select = \"viewer\")]`; \
             or add `parent` with the field that references the row's parent: `#[tenant(parent = \"project_id\", select = \"viewer\")]`; \
             or add `#[tenant(global)]` if the rows belong to no tenant",
        ),
        (Some(_), _, Some(global)) => diag.error(
            global,
            "`global` cannot be combined with `org`",
            "remove `global` if the rows belong to a tenant, or `org` if they belong to no tenant",
        ),
        (Some(_), Some(parent), None) => diag.error(
            parent,
            "`parent` cannot be combined with `org`",
            "remove `parent` if the rows contain the tenant ID, or `org` if they do not",
        ),
        (None, Some(_), Some(global)) => diag.error(
            global,
            "`global` cannot be combined with `parent`",
            "remove `global` if the rows belong to a tenant, or `parent` if they belong to no tenant",
        ),
        (None, None, Some(_)) => {}
    }
    if let (Some(key), false) = (attrs.written("visible_through"), attrs.mentions("global")) {
        diag.error(
            key,
            "`visible_through` requires `global`",
            "remove it if the rows belong to a tenant, or add `global` if they belong to members of several tenants",
        );
    }
}

/// Checks `parent`: the parent row must be in another table.
fn parent_field(diag: &Diag, table: &Table<'_>, parent: &LitStr) {
    let purpose = "`parent` names the field that references the parent row, whose tenant the row belongs to";
    let Some(field) = existing(diag, table, parent, "be the parent field", purpose) else { return };
    if let Some(path) = &field.attrs.references
        && (path.is_ident(table.ident) || path.is_ident("Self"))
    {
        diag.error(
            path,
            format_args!("a row of `{}` cannot get its tenant from another row of `{}`", table.ident, table.ident),
            "name the field that references another table in `parent`, or replace `parent` by `org = \"…\"`",
        );
    }
    if !field.attrs.keys.iter().any(|key| key == "references") {
        diag.error(
            parent,
            format_args!("the parent field `{}` has no `references` attribute", field.name()),
            "add `#[tenant(references = Project)]` to it, with the struct of the parent table; if that has several key fields, use `org`",
        );
    }
}

/// Finds the column field that an attribute names, or reports that it does not exist.
fn existing<'t, 'a>(
    diag: &Diag,
    table: &'t Table<'a>,
    name: &LitStr,
    role: &str,
    purpose: &str,
) -> Option<&'t Field<'a>> {
    let written = name.value();
    match table.fields.iter().find(|field| field.name() == written) {
        None => diag.error(
            name,
            format_args!("`{}` has no field `{written}`", table.ident),
            field_suggestion(table, &written, purpose),
        ),
        Some(field) if field.attrs.skip.is_some() => diag.error(
            name,
            format_args!("the field `{written}` has `skip` and cannot {role}"),
            "remove `skip` from the field",
        ),
        found => return found,
    }
    None
}

/// Checks the roles of the commands. A tenant table requires a `select` role, and roles that write
/// require SELECT too, because PostgreSQL checks that privilege for WHERE and RETURNING.
fn commands(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    if attrs.mentions("select") {
        return;
    }
    let writers = [
        ("insert", &attrs.insert),
        ("update", &attrs.update),
        ("delete", &attrs.delete),
        ("update_own", &attrs.update_own),
        ("delete_own", &attrs.delete_own),
    ];
    let mut writers = writers.iter().filter_map(|(key, role)| role.as_ref().map(|role| (key, role))).peekable();
    let scoped = ["org", "parent", "visible_through"].iter().any(|key| attrs.mentions(key));
    if writers.peek().is_none() && scoped {
        diag.error(
            table.ident,
            format_args!("`{}` has no `select` role", table.ident),
            "add `select = \"viewer\"` to `#[tenant(…)]`",
        );
    }
    for (key, role) in writers {
        diag.error(
            role,
            format_args!("`{key}` requires a `select` role, and the table has none"),
            "add `select = \"…\"` with that role or a lower one: writing rows requires SELECT",
        );
    }
}

/// Checks that attributes for rows that the user owns occur only with an `owner` field.
fn owner(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    let purpose = "`owner` names the field that holds the ID of the user who created the row";
    if let Some(owner) = &attrs.owner
        && let Some(field) = existing(diag, table, owner, "be the owner column", purpose)
        && field.part != ValueSource::Owner
    {
        let what = if field.part == ValueSource::Tenant { "the tenant column" } else { "the primary key" };
        diag.error(
            owner,
            format_args!("the field `{}` is {what} and cannot be the owner column", field.name()),
            "name the field that holds the ID of the user who created the row",
        );
    }
    if let Some(visibility) = &attrs.visibility {
        let purpose = "`visibility` names the field that decides whether the tenant's other members see the row";
        existing(diag, table, visibility, "be the visibility column", purpose);
    }
    // On a membership table both attributes are errors, with or without an owner.
    if attrs.mentions("owner") || attrs.mentions("membership") {
        return;
    }
    let help = "add `owner = \"…\"`, the field that holds the ID of the user who created the row";
    if let Some(visibility) = &attrs.visibility {
        diag.error(
            visibility,
            format_args!("`visibility` requires an `owner` field, and `{}` has none", table.ident),
            help,
        );
    }
    for (key, role) in [("update_own", &attrs.update_own), ("delete_own", &attrs.delete_own)] {
        if let Some(role) = role {
            diag.error(role, format_args!("`{key}` requires an `owner` field, and `{}` has none", table.ident), help);
        }
    }
}

/// Checks a membership table: members belong to a tenant, and one role manages them through functions.
fn membership(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    let Some(key) = attrs.written("membership") else { return };
    if !attrs.mentions("org") {
        diag.error(
            key,
            "`membership` requires a tenant column, and the table has none",
            "add `org = \"organization_id\"`, the field that holds the tenant ID",
        );
    }
    if let Some(membership) = &attrs.membership {
        existing(diag, table, &membership.user, "be the user column", "`user` names the field that holds the user ID");
        existing(
            diag,
            table,
            &membership.role,
            "be the role column",
            "`role` names the field that holds the member's role",
        );
    }
    for key in ["owner", "visibility", "update_own", "delete_own"] {
        if let Some(key) = attrs.written(key) {
            diag.error(
                key,
                format_args!("`{key}` is not allowed on a membership table"),
                "remove it: functions manage all members of the tenant",
            );
        }
    }
    let managers = [&attrs.insert, &attrs.update, &attrs.delete];
    let mut managers = managers.into_iter().flatten();
    let Some(manager) = managers.next() else { return };
    for odd in managers.filter(|role| text(role) != text(manager)) {
        diag.error(
            odd,
            "`insert`, `update` and `delete` of a membership table must name one role",
            format_args!("use `{}` in all three: one role adds, changes and removes members", text(manager)),
        );
    }
}

/// Checks an invitation table: functions create and accept invitations, the role that manages
/// members can delete them, and no role updates them.
fn invitation(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    let Some(key) = attrs.written("invitation") else { return };
    for (name, field) in attrs.invitation.iter().flat_map(|invitation| &invitation.fields) {
        let purpose = format!("`{name}` in `invitation(…)` names a field of this struct");
        let field_of_token = existing(diag, table, field, "be a column of the invitation table", &purpose);
        if let Some(found) = field_of_token.filter(|_| *name == "token")
            && !found.attrs.select.as_ref().is_some_and(is_no_role)
        {
            diag.error(
                field,
                format_args!("the token column `{}` must not be readable", found.name()),
                "add `#[tenant(select = \"none\")]` to the field",
            );
        }
    }
    if !attrs.mentions("org") {
        diag.error(
            key,
            "`invitation` requires a tenant column, and the table has none",
            "add `org = \"organization_id\"`, the field that holds the tenant ID",
        );
    }
    if !attrs.mentions("insert") {
        diag.error(
            key,
            "`invitation` requires an `insert` role",
            "add `insert = \"…\"` with the role that manages members",
        );
    }
    for odd in ["update", "update_own", "owner", "visibility", "membership", "creator_role", "sign_up"] {
        if let Some(odd) = attrs.written(odd) {
            diag.error(
                odd,
                format_args!("`{odd}` is not allowed on an invitation table"),
                "remove it: functions create and accept invitations, and no role updates them",
            );
        }
    }
}

/// Returns a path as written in the source.
fn text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

/// Checks `creator_role` and `sign_up`: functions insert the rows of these tables, so the tables have no `insert` role.
fn insert_functions(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    if let Some(creator_role) = &attrs.creator_role {
        if attrs.org.is_some() && !table.is_root() || !attrs.mentions("org") {
            diag.error(
                creator_role,
                format_args!("`creator_role` is allowed only on the table of tenants, and `{}` is not that table", table.ident),
                "remove it; on the table of tenants `org` names the primary key: `#[tenant(org = \"id\", creator_role = \"admin\")]`",
            );
        } else if let Some(insert) = &attrs.insert {
            diag.error(
                insert,
                "`insert` cannot be combined with `creator_role`",
                "remove `insert`: users create tenants through `create_tenant`, and no role of one tenant can create another tenant",
            );
        }
    }
    if let Some(sign_up) = &attrs.sign_up {
        if !attrs.mentions("global") {
            diag.error(
                sign_up,
                "`sign_up` is allowed only on the table of users, which is `global`",
                "remove it; on the table of users write `#[tenant(global, sign_up)]`",
            );
        } else if let Some(insert) = &attrs.insert {
            diag.error(
                insert,
                "`insert` cannot be combined with `sign_up`",
                "remove `insert`: users register through `sign_up`, and no role of a tenant can create users",
            );
        }
    }
}

/// Checks a custom condition, which restricts a command on a tenant's rows.
fn condition(diag: &Diag, table: &Table<'_>, rule: &Rule) {
    let Rule { clause, command, condition } = rule;
    let attrs = &table.attrs;
    if condition.value().trim().is_empty() {
        diag.error(condition, "the condition is empty", "write an SQL expression, or remove the condition");
    }
    if attrs.global.is_some() {
        diag.error(
            clause,
            format_args!("`{clause}` is not allowed on a `global` table"),
            "remove it: rows that belong to no tenant are the same for every tenant",
        );
    } else if attrs.mentions("membership") && command != "select" {
        diag.error(
            command,
            format_args!(
                "a condition on `{command}` has no effect on a membership table, because functions write its rows"
            ),
            "remove the condition; `using(select = \"…\")` can restrict which members are visible",
        );
    } else if !declares(table, &command.to_string()) {
        diag.error(
            command,
            format_args!(
                "a condition on `{command}` requires a role for `{command}`, and `{}` declares none",
                table.ident
            ),
            format_args!("add `{command} = \"…\"` with a role, or remove the condition"),
        );
    }
}

/// Returns whether the table declares a role for a command.
fn declares(table: &Table<'_>, command: &str) -> bool {
    table.attrs.mentions(command) || table.attrs.mentions(&format!("{command}_own"))
}

/// Checks `partition_by_hash`: rows are partitioned by the tenant column, so the table must have one.
fn partitions(diag: &Diag, table: &Table<'_>) {
    let Some(partitions) = &table.attrs.partitions else { return };
    if !partitions.base10_parse::<u16>().is_ok_and(|count| (2..=1024).contains(&count)) {
        diag.error(
            partitions,
            format_args!("invalid number of partitions `{partitions}`"),
            "use 2 to 1024, preferably a power of two",
        );
    }
    if !table.attrs.mentions("org") {
        diag.error(
            partitions,
            "`partition_by_hash` requires the tenant column in the primary key, and the struct has no tenant column",
            "remove `partition_by_hash`, or add `org = \"…\"`",
        );
    }
}

/// Checks the tenant column and the owner column: the context sets their values, and the tenancy
/// determines their types.
fn from_context(diag: &Diag, field: &Field<'_>) {
    let what = match field.part {
        ValueSource::Tenant => "tenant",
        ValueSource::Owner => "owner",
        _ => return,
    };
    for key in &field.attrs.keys {
        let name = key.to_string();
        if name == "sensitive" && field.part == ValueSource::Tenant {
            diag.error(
                key,
                "`sensitive` is not allowed on the tenant column",
                "remove it: the policies compare the column in every statement, so each plan depends on its statistics",
            );
        }
        if ["default", "app_assigned", "sql_type", "insert", "update"].contains(&name.as_str()) {
            diag.error(
                key,
                format_args!("`{name}` is not allowed on the {what} column"),
                format_args!("remove it: the context sets `{}`", field.name()),
            );
        }
    }
}

/// Checks the roles of a column: it can have a role only for a command that the application can run on it.
fn column_roles(diag: &Diag, table: &Table<'_>, field: &Field<'_>) {
    let attrs = &field.attrs;
    for (command, role) in [("select", &attrs.select), ("insert", &attrs.insert), ("update", &attrs.update)] {
        let Some(role) = role else { continue };
        let key = attrs.keys.iter().find(|key| *key == command);
        let never = match (command, field.part) {
            ("insert" | "update", ValueSource::Tenant | ValueSource::Owner) => continue,
            ("select", ValueSource::Tenant) => Some("every statement names the tenant column"),
            ("select", _) if field.id => Some("every reader selects the primary key"),
            ("insert", ValueSource::GeneratedId) => Some("the database generates the primary key"),
            ("insert", ValueSource::AppAssignedId | ValueSource::Parent) => {
                Some("every inserted row contains this column")
            }
            ("update", ValueSource::AppAssignedId | ValueSource::GeneratedId | ValueSource::Parent) => {
                Some("this column cannot be updated")
            }
            _ => None,
        };
        if let Some(why) = never {
            diag.error(
                key,
                format_args!("`{command}` is not allowed on `{}`", field.name()),
                format_args!("remove it: {why}"),
            );
        } else if table.attrs.mentions("membership") && command != "select" {
            diag.error(
                key,
                format_args!(
                    "`{command}` is not allowed on a column of a membership table, because functions write its rows"
                ),
                format_args!("remove `{command}` from the field"),
            );
        } else if !declares(table, command) {
            diag.error(
                role,
                format_args!(
                    "`{command}` on a field requires `{command}` on the struct, and `{}` has none",
                    table.ident
                ),
                format_args!("add `{command} = \"…\"` to `#[tenant(…)]` on the struct"),
            );
        }
    }
}

/// Suggests the field with the most similar name for a help message.
pub(crate) fn field_suggestion(table: &Table<'_>, written: &str, otherwise: &str) -> String {
    let fields: Vec<String> = table.columns().map(Field::name).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    if fields.is_empty() { otherwise.to_owned() } else { format!("{otherwise}; {}", suggestion(written, &fields)) }
}
