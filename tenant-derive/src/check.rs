//! The rules a table keeps, each a function: they look at what was written and report, and change nothing.
//!
//! Those about whose rows there are and who may touch them are in [`access`].

use std::collections::BTreeSet;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{LitStr, ext::IdentExt as _};

use crate::{
    access::{self, field_suggestion},
    ast::{Field, Table, ValueSource},
    constants,
    diag::Diag,
    name, system_and_log,
};

/// Checks a table and returns its key; `None` only where a mistake was reported.
pub(crate) fn check<'t, 'a>(diag: &Diag, table: &'t Table<'a>) -> Option<&'t Field<'a>> {
    access::check(diag, table);
    system_and_log::check(diag, table);
    for field in &table.fields {
        skip(diag, field);
        app_assigned(diag, field);
        reference(diag, field);
        texts(diag, field);
    }
    names(diag, table);
    columns(diag, table);
    constants(diag, table);
    lists(diag, table);
    key(diag, table)
}

/// A skipped field is no column, so nothing else can be said about it.
fn skip(diag: &Diag, field: &Field<'_>) {
    if field.attrs.skip.is_none() {
        return;
    }
    for key in field.attrs.keys.iter().filter(|key| *key != "skip") {
        diag.error(
            key,
            format_args!("`{key}` is said of a field that is skipped"),
            format_args!("drop `{key}`, or `skip` if `{}` is a column", field.name()),
        );
    }
}

/// OnlyRole a key can be made by the database, so only a key says that it is not.
fn app_assigned(diag: &Diag, field: &Field<'_>) {
    if let (Some(app_assigned), ValueSource::Plain) = (&field.attrs.app_assigned, field.part) {
        diag.error(
            app_assigned,
            "`app_assigned` goes on the field that is the key",
            "drop it: the app gives the value of every other column anyway",
        );
    }
}

/// `on_delete` is about the row that the field refers to.
fn reference(diag: &Diag, field: &Field<'_>) {
    if let (Some((key, _)), None) = (&field.attrs.on_delete, &field.attrs.references) {
        diag.error(key, "`on_delete` without `references`", "add `references = Project`, with the struct of the table");
    }
}

/// An SQL text says something.
fn texts(diag: &Diag, field: &Field<'_>) {
    let attrs = &field.attrs;
    for (key, text) in [
        ("default", &attrs.default),
        ("sql_type", &attrs.sql_type),
        ("check", &attrs.check),
        ("backfill", &attrs.backfill),
        ("renamed_from", &attrs.renamed_from),
    ] {
        if let Some(text) = text.as_ref().filter(|text| text.value().trim().is_empty()) {
            diag.error(text, format_args!("`{key}` is empty"), format_args!("write SQL here, or drop `{key}`"));
        }
    }
}

/// PostgreSQL takes 63 bytes of a name.
fn names(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    let default = LitStr::new(&name::table(table.ident), table.ident.span());
    one_name(diag, "table", attrs.table.as_ref().unwrap_or(&default));
    if let Some(schema) = &attrs.schema {
        one_name(diag, "schema", schema);
    }
    for field in table.columns() {
        let default = LitStr::new(&field.name(), field.ident.span());
        one_name(diag, "column", field.attrs.column.as_ref().unwrap_or(&default));
    }
}

fn one_name(diag: &Diag, key: &str, name: &LitStr) {
    let text = name.value();
    if let Some(problem) = name::problem(&text) {
        let shown = name::shown(&text);
        diag.error(
            name,
            format_args!("the {key} name `{shown}` {problem}"),
            format_args!("choose another: `{key} = \"…\"`"),
        );
    }
}

/// No two columns share a name.
fn columns(diag: &Diag, table: &Table<'_>) {
    let mut seen = BTreeSet::new();
    for field in table.columns() {
        let column = field.column();
        if !seen.insert(column.clone()) {
            let at = field.attrs.column.as_ref().map_or(field.ident.to_token_stream(), ToTokens::to_token_stream);
            diag.error(
                at,
                format_args!("there are two columns `{column}`"),
                "give one of them another name: `column = \"…\"`",
            );
        }
    }
}

/// No two constants share a name, which is that of the field in capitals.
fn constants(diag: &Diag, table: &Table<'_>) {
    let mut seen = BTreeSet::new();
    for field in table.columns() {
        let constant = constants::ident(field);
        if !seen.insert(constant.clone()) {
            diag.error(
                field.ident,
                format_args!("two fields become the constant `{}::{constant}`", table.ident),
                "rename one of them; `column = \"…\"` keeps the column's name",
            );
        }
    }
}

/// `unique(…)` and `index(…)` name two or more columns by their fields.
fn lists(diag: &Diag, table: &Table<'_>) {
    for list in table.attrs.uniques.iter().chain(&table.attrs.indexes) {
        if list.fields.len() < 2 {
            diag.error(
                &list.key,
                format_args!("`{}` on a struct takes two fields or more", list.key),
                format_args!("for a single column write `#[tenant({})]` on the field", list.key),
            );
        }
        for (i, ident) in list.fields.iter().enumerate() {
            listed(diag, table, ident, list.fields[..i].contains(ident));
        }
    }
}

fn listed(diag: &Diag, table: &Table<'_>, ident: &Ident, again: bool) {
    let written = ident.unraw().to_string();
    if again {
        diag.error(ident, format_args!("`{written}` is listed twice"), "name each field once");
    } else if !table.columns().any(|field| field.name() == written) {
        diag.error(
            ident,
            format_args!("`{}` has no column field `{written}`", table.ident),
            field_suggestion(table, &written, "name fields of the struct that are not skipped"),
        );
    }
}

/// A table has one key field, beside which the tenant column may be part of the key.
fn key<'t, 'a>(diag: &Diag, table: &'t Table<'a>) -> Option<&'t Field<'a>> {
    let key = table.key();
    if key.is_none() && !table.fields.iter().any(|field| field.attrs.id.is_some()) {
        diag.error(
            table.ident,
            format_args!("`{}` has no key", table.ident),
            "mark the field that names a row with `#[tenant(id)]`, or call it `id`",
        );
    }
    let others = table.fields.iter().filter(|field| field.id && field.part != ValueSource::Tenant).skip(1);
    for id in others.filter_map(|field| field.attrs.id.as_ref()) {
        diag.error(
            id,
            "a second field is marked `id`",
            "a key is one field, or the tenant column and one field; for more use `unique(…)` on the struct",
        );
    }
    key
}
