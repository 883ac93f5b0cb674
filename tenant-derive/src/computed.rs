//! Rules for columns that the database sets (`generated`, `updated_at`, `counter`, `soft_delete`), and for collations.

use syn::{GenericArgument, PathArguments, Type};

use crate::{
    ast::{Field, Table, ValueSource},
    diag::Diag,
    name,
};

/// Checks the attributes of a column that the database sets, and the collation.
pub(crate) fn check(diag: &Diag, table: &Table<'_>, field: &Field<'_>) {
    if field.part == ValueSource::Skipped {
        return;
    }
    value(diag, table, field);
    collation(diag, table, field);
    if let Some(key) = &field.attrs.updated_at
        && is_option(field.ty)
    {
        diag.error(
            field.ty,
            format_args!("`{key}` requires a time, not an `Option`"),
            "the database sets it on INSERT as well: remove the `Option`",
        );
    }
    if let Some(key) = &field.attrs.soft_delete
        && !is_option(field.ty)
    {
        diag.error(
            field.ty,
            format_args!("`{key}` requires an `Option` of a time"),
            "write `Option<…>`: the column is NULL until the row is deleted",
        );
    }
}

/// Checks that a value that the database sets has no other source.
fn value(diag: &Diag, table: &Table<'_>, field: &Field<'_>) {
    let attrs = &field.attrs;
    let Some(key) = attrs.computed() else { return };
    for second in attrs.all_computed().skip(1).filter(|second| *second != key) {
        diag.error(
            second,
            format_args!("`{second}` cannot be combined with `{key}`"),
            format_args!("remove one of them: the database sets `{}` in one way", field.name()),
        );
    }
    let elsewhere = match field.part {
        ValueSource::Tenant => Some("the tenant column"),
        ValueSource::Owner => Some("the owner column"),
        ValueSource::Parent => Some("the parent field"),
        ValueSource::GeneratedId | ValueSource::AppAssignedId => Some("the primary key"),
        _ => named(table, field),
    };
    if let Some(what) = elsewhere {
        let help = format!("remove it, or `{key}` from another field: `{}` has another source", field.name());
        diag.error(key, format_args!("`{key}` is not allowed on {what}"), help);
        return;
    }
    let others = ["default", "references", "app_assigned", "insert", "update"];
    // The values of a generated column are computed for existing rows as well.
    let of_generated = ["backfill"].into_iter().filter(|_| attrs.generated.is_some() || attrs.soft_delete.is_some());
    // Each statement of the repository reads the time of the deletion.
    let of_deletion = ["select", "sql_type"].into_iter().filter(|_| attrs.soft_delete.is_some());
    for other in others.into_iter().chain(of_generated).chain(of_deletion) {
        if let Some(written) = attrs.keys.iter().find(|written| *written == other) {
            diag.error(
                written,
                format_args!("`{other}` cannot be combined with `{key}`"),
                match other {
                    "select" => format!("remove `{other}`: each statement of the repository reads `{}`", field.name()),
                    _ => format!("remove `{other}`: the database sets `{}`", field.name()),
                },
            );
        }
    }
}

/// Returns what a field is if an attribute of the struct names it as a column that the app or a function writes.
fn named(table: &Table<'_>, field: &Field<'_>) -> Option<&'static str> {
    let attrs = &table.attrs;
    let is_field = |name: &syn::LitStr| name.value() == field.name();
    if attrs.visibility.as_ref().is_some_and(is_field) {
        return Some("the visibility column");
    }
    let membership = attrs.membership.as_ref();
    if membership.is_some_and(|membership| is_field(&membership.user) || is_field(&membership.role)) {
        return Some("a column of `membership(…)`");
    }
    let invitation = attrs.invitation.as_ref();
    invitation
        .is_some_and(|invitation| invitation.fields.iter().any(|(_, name)| is_field(name)))
        .then_some("a column of `invitation(…)`")
}

/// Checks the name of a collation. Columns that policies compare keep the default collation: with another one, different
/// texts can be equal.
fn collation(diag: &Diag, table: &Table<'_>, field: &Field<'_>) {
    let Some(text) = &field.attrs.collate else { return };
    let written = text.value();
    let parts = written.split_once('.').map_or_else(|| vec![written.as_str()], |(schema, name)| vec![schema, name]);
    if let Some(problem) = parts.iter().find_map(|part| name::problem(part)).filter(|_| !written.trim().is_empty()) {
        let shown = name::shown(&written);
        diag.error(
            text,
            format_args!("the collation name `{shown}` {problem}"),
            "write the name as in the catalog, without quotes: `collate = \"C\"` or `collate = \"app.by_name\"`",
        );
    }
    let is_user = table.attrs.membership.as_ref().is_some_and(|membership| membership.user.value() == field.name());
    let what = match field.part {
        ValueSource::Tenant => "the tenant column",
        ValueSource::Owner => "the owner column",
        _ if is_user => "the user column of a membership table",
        _ => return,
    };
    diag.error(
        field.attrs.keys.iter().find(|key| *key == "collate"),
        format_args!("`collate` is not allowed on {what}"),
        "remove it: policies compare this column, and with some collations different texts are equal",
    );
}

/// Returns whether a type is written as an `Option`.
pub(crate) fn is_option(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| {
        let has_type = matches!(&last.arguments, PathArguments::AngleBracketed(list)
            if list.args.iter().any(|argument| matches!(argument, GenericArgument::Type(_))));
        last.ident == "Option" && has_type
    })
}
