//! Rules for tables that keep deleted rows.

use crate::{ast::Table, diag::Diag};

/// Checks `soft_delete`, `restore` and `purge`.
pub(crate) fn check(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    let mut fields = table.columns().filter_map(|field| Some((field, field.attrs.soft_delete.as_ref()?)));
    let Some((first, key)) = fields.next() else {
        // An invalid field is an error of its own.
        let is_written = table.fields.iter().flat_map(|field| &field.attrs.keys).any(|key| key == "soft_delete");
        for key in ["restore", "purge"].into_iter().filter_map(|key| attrs.written(key)).filter(|_| !is_written) {
            diag.error(
                key,
                format_args!("`{key}` requires a `soft_delete` field, and `{}` has none", table.ident),
                format_args!(
                    "add `#[tenant(soft_delete)]` to a field such as `deleted_at: Option<DateTime<Utc>>`, or remove `{key}`"
                ),
            );
        }
        return;
    };
    for (second, key) in fields {
        diag.error(
            key,
            format_args!("both `{}` and `{}` have `soft_delete`", first.name(), second.name()),
            "remove it from one of them: a row has one time of its deletion",
        );
    }
    let refusals = [
        ("global", "a `global` table", "no role of a tenant deletes rows that belong to no tenant"),
        ("membership", "a membership table", "a deleted member would keep the privileges of the membership"),
        ("invitation", "an invitation table", "an invitation that is kept could still be accepted"),
        ("change_log", "a change log", "its rows are never deleted"),
    ];
    if let Some((_, what, why)) = refusals.into_iter().find(|(other, ..)| attrs.mentions(other)) {
        diag.error(key, format_args!("`soft_delete` is not allowed on {what}"), format_args!("remove it: {why}"));
        return;
    }
    if table.is_root() {
        diag.error(
            key,
            "`soft_delete` is not allowed on the table of tenants",
            "remove it: the members of a deleted tenant would keep their access; end their memberships instead",
        );
        return;
    }
    if !attrs.mentions("delete") && !attrs.mentions("delete_own") {
        diag.error(
            key,
            format_args!("`soft_delete` requires a role that deletes rows, and `{}` has none", table.ident),
            "add `delete = \"…\"` or `delete_own = \"…\"` to `#[tenant(…)]` on the struct",
        );
    }
    if let (Some(purge), false) = (attrs.written("purge"), attrs.mentions("restore")) {
        diag.error(
            purge,
            "`purge` requires `restore`, whose role reads deleted rows",
            "add `restore = \"…\"` with the role of `purge` or a role that it includes",
        );
    }
}
