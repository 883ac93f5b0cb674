//! Rules for tables, one function for each rule: the functions read the attributes and report errors.
//!
//! Rules about tenants and roles are in [`access`].

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::LitStr;

use crate::{
    access,
    ast::{Field, Table, ValueSource},
    computed, constants, counter,
    diag::Diag,
    foreign_key_checks::{self, MAX_KEYS},
    index_checks, name, soft_delete, system_and_log,
};

/// Checks a table.
pub(crate) fn check(diag: &Diag, table: &Table<'_>) {
    access::check(diag, table);
    system_and_log::check(diag, table);
    soft_delete::check(diag, table);
    for field in &table.fields {
        skip(diag, field);
        app_assigned(diag, field);
        computed::check(diag, table, field);
        counter::check(diag, table, field);
        reference(diag, field);
        texts(diag, field);
        serial(diag, field);
    }
    docs(diag, table);
    names(diag, table);
    columns(diag, table);
    constants(diag, table);
    index_checks::check(diag, table);
    foreign_key_checks::check(diag, table);
    checks(diag, table);
    key(diag, table);
}

/// Checks that a skipped field has no other attribute, because it has no column.
fn skip(diag: &Diag, field: &Field<'_>) {
    if field.attrs.skip.is_none() {
        return;
    }
    for key in field.attrs.keys.iter().filter(|key| *key != "skip") {
        diag.error(
            key,
            format_args!("`{key}` cannot be combined with `skip`"),
            format_args!("remove `{key}`, or `skip` if `{}` is a column", field.name()),
        );
    }
}

/// Checks `app_assigned`, which is allowed only on the primary key, because the application sets
/// every other column anyway.
fn app_assigned(diag: &Diag, field: &Field<'_>) {
    if let (Some(app_assigned), ValueSource::Plain) = (&field.attrs.app_assigned, field.part) {
        diag.error(
            app_assigned,
            "`app_assigned` is allowed only on the primary key",
            "remove `app_assigned`: the application sets every other column anyway",
        );
    }
}

/// Checks that the properties of a foreign key occur only with a reference.
fn reference(diag: &Diag, field: &Field<'_>) {
    let attrs = &field.attrs;
    // An invalid reference is an error of its own.
    if attrs.keys.iter().any(|key| key == "references") {
        return;
    }
    for (key, _) in [&attrs.on_delete, &attrs.on_update, &attrs.deferrable].into_iter().flatten() {
        diag.error(
            key,
            format_args!("`{key}` requires `references`"),
            "add `references = Project`, with the struct of the referenced table",
        );
    }
}

/// Checks that no SQL string and no name is empty.
fn texts(diag: &Diag, field: &Field<'_>) {
    let attrs = &field.attrs;
    for (key, text) in [
        ("default", &attrs.default),
        ("generated", &attrs.generated),
        ("collate", &attrs.collate),
        ("sql_type", &attrs.sql_type),
        ("check", &attrs.check),
        ("backfill", &attrs.backfill),
        ("renamed_from", &attrs.renamed_from),
    ] {
        if let Some(text) = text.as_ref().filter(|text| text.value().trim().is_empty()) {
            diag.error(text, format_args!("`{key}` is empty"), format_args!("write a value, or remove `{key}`"));
        }
    }
}

/// Checks that the type is not one of PostgreSQL's abbreviations for an integer with a sequence: the sequence would not be
/// declared, and the migrating role would own it.
fn serial(diag: &Diag, field: &Field<'_>) {
    let Some(text) = &field.attrs.sql_type else { return };
    let written = text.value().trim().trim_matches('"').to_ascii_lowercase();
    if let Some((_, ty)) = SERIALS.iter().find(|(name, _)| *name == written) {
        diag.error(
            text,
            format_args!("`{written}` is not a type: it stands for `{ty}` with a sequence that is not declared"),
            format_args!(
                "write `{ty}`; an integer key (`#[tenant(id)]`, without `sql_type`) is generated as an identity column"
            ),
        );
    }
}

/// The abbreviations for an integer with a sequence, each with the integer type.
const SERIALS: [(&str, &str); 6] = [
    ("smallserial", "smallint"),
    ("serial2", "smallint"),
    ("serial", "integer"),
    ("serial4", "integer"),
    ("bigserial", "bigint"),
    ("serial8", "bigint"),
];

/// Checks that doc comments, which become comments in the database, contain no NUL character.
fn docs(diag: &Diag, table: &Table<'_>) {
    let fields = table.fields.iter().map(|field| (field.ident, &field.doc));
    for (ident, doc) in [(table.ident, &table.doc)].into_iter().chain(fields) {
        if doc.contains('\0') {
            diag.error(
                ident,
                format_args!(
                    "the doc comment of `{ident}` contains a NUL character, which PostgreSQL cannot store in text"
                ),
                "remove the `\\0`",
            );
        }
    }
}

/// Checks that names are valid PostgreSQL identifiers, which can have at most 63 bytes.
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
            format_args!("set another name: `{key} = \"…\"`"),
        );
    }
}

/// Checks that column names are unique.
fn columns(diag: &Diag, table: &Table<'_>) {
    let mut seen = BTreeSet::new();
    for field in table.columns() {
        let column = field.column();
        if !seen.insert(column.clone()) {
            let at = field.attrs.column.as_ref().map_or(field.ident.to_token_stream(), ToTokens::to_token_stream);
            diag.error(
                at,
                format_args!("duplicate column `{column}`"),
                "set another name on one of the fields: `column = \"…\"`",
            );
        }
    }
}

/// Checks that the names of the constants are unique; each is the name of its field in capitals.
fn constants(diag: &Diag, table: &Table<'_>) {
    let mut seen = BTreeSet::new();
    for field in table.columns() {
        let constant = constants::ident(field);
        if !seen.insert(constant.clone()) {
            diag.error(
                field.ident,
                format_args!("two fields would have the same constant `{}::{constant}`", table.ident),
                "rename one of the fields; `column = \"…\"` keeps the column name",
            );
        }
    }
}

/// Checks that no check constraint of the struct is empty, and that the given names are valid and unique.
fn checks(diag: &Diag, table: &Table<'_>) {
    let mut seen = BTreeSet::new();
    for check in &table.attrs.checks {
        if check.condition.value().trim().is_empty() {
            diag.error(&check.condition, "`check` is empty", "write a condition, or remove `check`");
        }
        let Some(name) = &check.name else { continue };
        let text = name.value();
        if let Some(problem) = name::problem(&text) {
            let shown = name::shown(&text);
            let help = "set another name, or remove `name` for the default";
            diag.error(name, format_args!("the constraint name `{shown}` {problem}"), help);
        } else if !seen.insert(text) {
            let help = "names are unique within a table: set another name on one of the checks";
            diag.error(name, format_args!("duplicate constraint name `{}`", name.value()), help);
        }
    }
}

/// Requires a key: one field, or several fields and, on a tenant table, the tenant column.
fn key(diag: &Diag, table: &Table<'_>) {
    if table.keys().next().is_none() && !table.fields.iter().any(|field| field.attrs.id.is_some()) {
        diag.error(
            table.ident,
            format_args!("`{}` has no primary key", table.ident),
            "mark the primary key field with `#[tenant(id)]`, or name it `id`",
        );
    }
    if !table.has_several_keys() {
        return;
    }
    let keys: Vec<_> = table.keys().filter_map(|field| field.attrs.id.as_ref()).collect();
    if let Some(key) = keys.get(MAX_KEYS) {
        diag.error(
            key,
            format_args!("the primary key has more than {MAX_KEYS} fields, not counting the tenant column"),
            "mark fewer fields; for other keys use `unique(…)` on the struct",
        );
    }
    if let Some(tenant) = table.tenant().filter(|tenant| !tenant.id) {
        diag.error(
            keys.get(1),
            "a primary key of several fields must contain the tenant column",
            format_args!(
                "mark `{}` with `#[tenant(id)]` as well: otherwise an INSERT would reveal whether another tenant has the same key; or \
                 mark one field, and use `unique(…)` on the struct",
                tenant.name()
            ),
        );
    }
    for key in ["invitation", "visible_through", "sign_up"] {
        if let Some(key) = table.attrs.written(key) {
            diag.error(
                key,
                format_args!("`{key}` requires a primary key of one field"),
                "mark one field with `#[tenant(id)]`, and use `unique(…)` on the struct for the others",
            );
        }
    }
}
