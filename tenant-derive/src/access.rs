//! The rules about access that a table keeps: whose rows it holds, which roles touch them, and on what conditions.

use quote::ToTokens as _;
use syn::{LitStr, Path};

use crate::{
    ast::{Field, Table, ValueSource},
    attr::{Rule, is_no_role},
    diag::Diag,
    item::suggestion,
};

/// Checks what the table says about access.
pub(crate) fn check(diag: &Diag, table: &Table<'_>) {
    scope(diag, table);
    commands(diag, table);
    owner(diag, table);
    membership(diag, table);
    invitation(diag, table);
    making(diag, table);
    for rule in &table.attrs.rules {
        condition(diag, table, rule);
    }
    partitions(diag, table);
    for field in table.columns() {
        from_context(diag, field);
        column_roles(diag, table, field);
    }
}

/// A table belongs to tenants or to nobody, and says so: forgetting it must not open a table.
fn scope(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    match (&attrs.org, &attrs.parent, &attrs.global) {
        (Some(org), None, None) => {
            existing(diag, table, org, "be the tenant column", "`org` names the field with the tenant's key");
        }
        (None, Some(parent), None) => parent_field(diag, table, parent),
        (None, None, None) if ["org", "parent", "global"].iter().any(|key| attrs.mentions(key)) => {}
        (None, None, None) => diag.error(
            table.ident,
            format_args!("`{}` does not say whose rows it holds", table.ident),
            "name the field with the tenant's key: `#[tenant(org = \"organization_id\", select = \"viewer\")]`; \
             or the field with the key of a row that has one: `#[tenant(parent = \"project_id\", select = \"viewer\")]`; \
             or write `#[tenant(global)]` for rows that belong to no tenant",
        ),
        (Some(_), _, Some(global)) => diag.error(
            global,
            "a table is either `global` or has an `org`",
            "drop `global` where rows belong to a tenant, `org` where they belong to nobody",
        ),
        (Some(_), Some(parent), None) => diag.error(
            parent,
            "a table has either an `org` or a `parent`",
            "drop `parent` where the rows carry the tenant's key themselves, `org` where they do not",
        ),
        (None, Some(_), Some(global)) => diag.error(
            global,
            "a table is either `global` or has a `parent`",
            "drop `global` where rows belong to a tenant, `parent` where they belong to nobody",
        ),
        (None, None, Some(_)) => {}
    }
    if let (Some(key), false) = (attrs.written("visible_through"), attrs.mentions("global")) {
        diag.error(
            key,
            "`visible_through` without `global`",
            "drop it where rows belong to a tenant; write `global, visible_through = …` where its members have them",
        );
    }
}

/// The row that says whose this one is, is one of another table.
fn parent_field(diag: &Diag, table: &Table<'_>, parent: &LitStr) {
    let purpose = "`parent` names the field with the key of the row that has the tenant";
    let Some(field) = existing(diag, table, parent, "name a parent", purpose) else { return };
    if !field.attrs.keys.iter().any(|key| key == "references") {
        diag.error(
            parent,
            format_args!("the field `{}` refers to no table", field.name()),
            "add `#[tenant(references = Project)]` to it, with the struct of the table that has the tenant column",
        );
    }
}

/// Finds the column field that an attribute names, or reports that there is none.
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
            format_args!("the field `{written}` is skipped and cannot {role}"),
            "drop `skip` from the field",
        ),
        found => return found,
    }
    None
}

/// Some role reads a tenant's table, and who writes a table reads it: PostgreSQL asks that for WHERE and RETURNING.
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
            format_args!("`{}` does not say which role may read it", table.ident),
            "add `select = \"viewer\"` to `#[tenant(…)]`",
        );
    }
    for (key, role) in writers {
        diag.error(
            role,
            format_args!("`{key}` names a role but nobody may read the table"),
            "add `select = \"…\"` with that role or one below it: who writes rows reads them as well",
        );
    }
}

/// A row is its owner's own, and what speaks of that needs an owner.
fn owner(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    let purpose = "`owner` names the field with the key of the user who made the row";
    if let Some(owner) = &attrs.owner
        && let Some(field) = existing(diag, table, owner, "say who owns a row", purpose)
        && field.part != ValueSource::Owner
    {
        let what = if field.part == ValueSource::Tenant { "the tenant column" } else { "the key" };
        diag.error(
            owner,
            format_args!("the field `{}` is {what} and cannot say who owns a row", field.name()),
            "name the field with the key of the user who made the row",
        );
    }
    if let Some(visibility) = &attrs.visibility {
        let purpose = "`visibility` names the field that says who in the tenant sees the row";
        existing(diag, table, visibility, "say who sees a row", purpose);
    }
    // Of a membership table both are wrong, whether it has an owner or not.
    if attrs.mentions("owner") || attrs.mentions("membership") {
        return;
    }
    let help = "add `owner = \"…\"`, the field with the key of the user who made the row";
    if let Some(visibility) = &attrs.visibility {
        diag.error(visibility, format_args!("`{}` has a visibility, and nobody owns its rows", table.ident), help);
    }
    for (key, role) in [("update_own", &attrs.update_own), ("delete_own", &attrs.delete_own)] {
        if let Some(role) = role {
            diag.error(
                role,
                format_args!("`{key}` speaks of a user's own rows, and nobody owns those of `{}`", table.ident),
                help,
            );
        }
    }
}

/// Members belong to a tenant; functions manage them, for one role.
fn membership(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    let Some(key) = attrs.written("membership") else { return };
    if !attrs.mentions("org") {
        diag.error(
            key,
            "`membership` says who belongs to a tenant, and the table has no tenant column",
            "add `org = \"organization_id\"`, the field with the tenant's key",
        );
    }
    if let Some(membership) = &attrs.membership {
        existing(diag, table, &membership.user, "name a member", "`user` names the field with the user's key");
        existing(diag, table, &membership.role, "hold a role", "`role` names the field with the member's role");
    }
    for key in ["owner", "visibility", "update_own", "delete_own"] {
        if let Some(key) = attrs.written(key) {
            diag.error(
                key,
                format_args!("`{key}` does not go on a membership table"),
                "drop it: members are managed by functions, for all rows of the tenant alike",
            );
        }
    }
    let managers = [&attrs.insert, &attrs.update, &attrs.delete];
    let mut managers = managers.into_iter().flatten();
    let Some(manager) = managers.next() else { return };
    for odd in managers.filter(|role| text(role) != text(manager)) {
        diag.error(
            odd,
            "members are managed by one role, and this is another",
            format_args!(
                "name `{}` in `insert`, `update` and `delete`; it adds, changes and removes members",
                text(manager)
            ),
        );
    }
}

/// Functions make invitations and take them; whoever manages members may withdraw them, and nobody changes them.
fn invitation(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    let Some(key) = attrs.written("invitation") else { return };
    for (name, field) in attrs.invitation.iter().flat_map(|invitation| &invitation.fields) {
        let purpose = format!("`{name}` names one of the fields that an invitation has");
        let field_of_token = existing(diag, table, field, "be part of an invitation", &purpose);
        if let Some(found) = field_of_token.filter(|_| *name == "token")
            && !found.attrs.select.as_ref().is_some_and(is_no_role)
        {
            diag.error(
                field,
                format_args!("`{}` could be read, and whoever knows a token is let in", found.name()),
                "add `#[tenant(select = \"nobody\")]` to the field",
            );
        }
    }
    if !attrs.mentions("org") {
        diag.error(
            key,
            "`invitation` asks somebody into a tenant, and the table has no tenant column",
            "add `org = \"organization_id\"`, the field with the tenant's key",
        );
    }
    if !attrs.mentions("insert") {
        diag.error(key, "nobody may invite", "add `insert = \"…\"` with the role that manages members");
    }
    for odd in ["update", "update_own", "owner", "visibility", "membership", "creator_role", "sign_up"] {
        if let Some(odd) = attrs.written(odd) {
            diag.error(
                odd,
                format_args!("`{odd}` does not go on a table of invitations"),
                "drop it: functions make them and take them, and nobody changes them",
            );
        }
    }
}

/// Returns a path as it is written.
fn text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

/// Tenants are founded and users sign up through functions, which no INSERT goes past.
fn making(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    if let Some(creator_role) = &attrs.creator_role {
        if attrs.org.is_some() && !table.is_root() || !attrs.mentions("org") {
            diag.error(
                creator_role,
                format_args!("`creator_role` goes on the table of the tenants, and `{}` is another", table.ident),
                "drop it; on that table `org` names the key: `#[tenant(org = \"id\", creator_role = \"admin\")]`",
            );
        } else if let Some(insert) = &attrs.insert {
            diag.error(
                insert,
                "`insert` beside `creator_role`",
                "drop `insert`: a user founds a tenant, and no role of one tenant makes another",
            );
        }
    }
    if let Some(sign_up) = &attrs.sign_up {
        if !attrs.mentions("global") {
            diag.error(
                sign_up,
                "`sign_up` goes on the table of the users, which belongs to no tenant",
                "drop it; on that table write `#[tenant(global, sign_up)]`",
            );
        } else if let Some(insert) = &attrs.insert {
            diag.error(
                insert,
                "`insert` beside `sign_up`",
                "drop `insert`: a user signs up, and no role of a tenant makes users",
            );
        }
    }
}

/// A condition narrows what a role may do to the rows of a tenant.
fn condition(diag: &Diag, table: &Table<'_>, rule: &Rule) {
    let Rule { clause, command, condition } = rule;
    let attrs = &table.attrs;
    let verb = if command == "select" { "read".to_owned() } else { command.to_string() };
    if condition.value().trim().is_empty() {
        diag.error(condition, "the condition is empty", "write SQL here, or drop the condition");
    }
    if attrs.global.is_some() {
        diag.error(
            clause,
            format_args!("`{clause}` goes on tables with a tenant"),
            "drop it: rows that belong to no tenant are the same for all",
        );
    } else if attrs.mentions("membership") && command != "select" {
        diag.error(
            command,
            format_args!("no condition on `{command}` reaches members, who are managed by functions"),
            "drop it; `using(select = \"…\")` can say which members are seen",
        );
    } else if !declares(table, &command.to_string()) {
        diag.error(
            command,
            format_args!("a condition on `{command}`, and nobody may {verb} `{}`", table.ident),
            format_args!("add `{command} = \"…\"` with a role, or drop the condition"),
        );
    }
}

/// Whether some role may do it.
fn declares(table: &Table<'_>, command: &str) -> bool {
    table.attrs.mentions(command) || table.attrs.mentions(&format!("{command}_own"))
}

/// The tenant column says in which partition a row is.
fn partitions(diag: &Diag, table: &Table<'_>) {
    let Some(partitions) = &table.attrs.partitions else { return };
    if !partitions.base10_parse::<u16>().is_ok_and(|count| (2..=1024).contains(&count)) {
        diag.error(
            partitions,
            format_args!("{partitions} partitions make no sense"),
            "take 2 to 1024, best a power of two",
        );
    }
    if !table.attrs.mentions("org") {
        diag.error(
            partitions,
            "a table is partitioned by its tenant column, and this one has none",
            "drop `partition_by_hash`, or add `org = \"…\"`",
        );
    }
}

/// The tenant column takes its value from the context and its type from the tenancy, and so does the owner's.
fn from_context(diag: &Diag, field: &Field<'_>) {
    let what = match field.part {
        ValueSource::Tenant => "tenant",
        ValueSource::Owner => "owner",
        _ => return,
    };
    for key in &field.attrs.keys {
        let name = key.to_string();
        if ["default", "app_assigned", "sql_type", "insert", "update"].contains(&name.as_str()) {
            diag.error(
                key,
                format_args!("`{name}` does not go on the {what} column"),
                format_args!("drop it: `{}` takes its value from the context", field.name()),
            );
        }
    }
}

/// A role of a column's own is one for what the app may do with the column at all.
fn column_roles(diag: &Diag, table: &Table<'_>, field: &Field<'_>) {
    let attrs = &field.attrs;
    for (command, role) in [("select", &attrs.select), ("insert", &attrs.insert), ("update", &attrs.update)] {
        let Some(role) = role else { continue };
        let key = attrs.keys.iter().find(|key| *key == command);
        let verb = if command == "select" { "read" } else { command };
        let never = match (command, field.part) {
            ("insert" | "update", ValueSource::Tenant | ValueSource::Owner) => continue,
            ("select", ValueSource::Tenant) => Some("every statement says whose rows it means"),
            ("select", _) if field.id => Some("every reader finds rows by their key"),
            ("insert", ValueSource::GeneratedId) => Some("the database makes the key"),
            ("insert", ValueSource::SuppliedId | ValueSource::Parent) => Some("no row is inserted without it"),
            ("update", ValueSource::SuppliedId | ValueSource::GeneratedId | ValueSource::Parent) => {
                Some("it stays as it is")
            }
            _ => None,
        };
        if let Some(why) = never {
            diag.error(
                key,
                format_args!("`{}` has no `{command}` role of its own", field.name()),
                format_args!("drop it: {why}"),
            );
        } else if table.attrs.mentions("membership") && command != "select" {
            diag.error(
                key,
                format_args!("no `{command}` role reaches members, who are managed by functions"),
                "drop it",
            );
        } else if !declares(table, command) {
            diag.error(
                role,
                format_args!("`{command}` names a role for a column, and nobody may {verb} `{}`", table.ident),
                format_args!("add `{command} = \"…\"` to `#[tenant(…)]` on the struct"),
            );
        }
    }
}

/// Says which field may have been meant.
pub(crate) fn field_suggestion(table: &Table<'_>, written: &str, otherwise: &str) -> String {
    let fields: Vec<String> = table.columns().map(Field::name).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    if fields.is_empty() { otherwise.to_owned() } else { format!("{otherwise}; {}", suggestion(written, &fields)) }
}
