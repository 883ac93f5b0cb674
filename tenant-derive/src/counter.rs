//! Rules for columns that number the rows of each tenant (`counter`).

use crate::{
    ast::{Field, Table},
    computed::is_option,
    diag::Diag,
};

/// Checks a column with `counter`. The rules about other sources of its value are those of all columns that the database sets.
pub(crate) fn check(diag: &Diag, table: &Table<'_>, field: &Field<'_>) {
    let Some(key) = &field.attrs.counter else { return };
    let attrs = &table.attrs;
    let counts = "a counter numbers the rows of each tenant";
    if let Some(of) = ["membership", "invitation", "change_log"].iter().find(|of| attrs.mentions(of)) {
        diag.error(
            key,
            format_args!("`counter` is not allowed in a table with `{of}`"),
            "remove it: functions write these rows, and do not number them",
        );
    } else if !attrs.mentions("org") && !attrs.mentions("parent") {
        diag.error(
            key,
            format_args!("`counter` requires a tenant column, and `{}` has none", table.ident),
            format_args!("add `org = \"organization_id\"` or `parent = \"…\"`, or remove `counter`: {counts}"),
        );
    } else if table.is_root() {
        diag.error(
            key,
            format_args!("`counter` is not allowed in the table of the tenants"),
            format_args!("remove it: {counts}, and each row of `{}` is a tenant", table.ident),
        );
    }
    if is_option(field.ty) {
        diag.error(
            field.ty,
            "`counter` requires an integer, not an `Option`",
            "the database numbers every row: remove the `Option`",
        );
    }
    for other in ["sql_type", "backfill"] {
        if let Some(written) = field.attrs.keys.iter().find(|written| *written == other) {
            let why = match other {
                "sql_type" => "the type of the field determines the type of the column",
                _ => "the migration that adds the column numbers the existing rows by their key",
            };
            diag.error(
                written,
                format_args!("`{other}` cannot be combined with `counter`"),
                format_args!("remove `{other}`: {why}"),
            );
        }
    }
    if field.attrs.unique.as_ref().is_some_and(|unique| unique.global.is_some()) {
        diag.error(
            field.attrs.keys.iter().find(|written| *written == "unique"),
            "`unique = \"global\"` cannot be combined with `counter`",
            "remove it: each tenant has its own numbers, which are unique within the tenant without `unique` as well",
        );
    }
}
