//! Rules for `unique(…)`, `index(…)` and `exclude(…)` on a struct.

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;

use crate::{access::field_suggestion, ast::Table, diag::Diag, indexes::IndexAttr, name};

/// Checks the indexes of a struct.
pub(crate) fn check(diag: &Diag, table: &Table<'_>) {
    for field in table.columns() {
        if let Some(global) = field.attrs.unique.as_ref().and_then(|unique| unique.global.as_ref()) {
            global_fits(diag, table, global);
        }
    }
    for index in &table.attrs.indexes {
        check_options(diag, table, index);
        let mut listed = Vec::new();
        let columns = index.parts.iter().filter_map(|part| part.column.as_ref().ok()).chain(&index.include);
        for ident in columns {
            check_field(diag, table, ident, listed.contains(&ident));
            listed.push(ident);
        }
    }
}

fn check_options(diag: &Diag, table: &Table<'_>, index: &IndexAttr) {
    let IndexAttr { key, parts, .. } = index;
    let is = |word: &str| key == word;
    if parts.is_empty() || parts.len() == 1 && !index.has_options() && !is("exclude") {
        diag.error(
            key,
            format_args!("`{key}` on a struct requires at least two fields, or an option"),
            format_args!("for one column write `#[tenant({key})]` on the field"),
        );
    }
    for text in [&index.condition, &index.method].into_iter().flatten() {
        if text.value().trim().is_empty() {
            diag.error(text, "the text is empty", "write a value, or remove the option");
        }
    }
    if let Some(text) = &index.name
        && let Some(problem) = name::problem(&text.value())
    {
        let shown = name::shown(&text.value());
        let help = "set another name, or remove `name` for the default";
        diag.error(text, format_args!("the name `{shown}` {problem}"), help);
    }
    for flag in [&index.global, &index.nulls_not_distinct].into_iter().flatten().filter(|_| !is("unique")) {
        let help = format!("write `unique(…, {flag})`; if `{flag}` is a field, write `r#{flag}`");
        diag.error(flag, format_args!("`{flag}` is an option of `unique`, and not of `{key}`"), help);
    }
    if let Some(global) = index.global.as_ref().filter(|_| is("unique")) {
        global_fits(diag, table, global);
    }
    for part in parts {
        let at = match &part.column {
            Ok(ident) => ident.to_token_stream(),
            Err(text) => text.to_token_stream(),
        };
        if part.operator.is_none() && is("exclude") {
            diag.error(
                at,
                "no operator",
                "write the operator that compares two rows: `exclude(room with \"=\", during with \"&&\")`",
            );
        } else if let Some(operator) = part.operator.as_ref().filter(|_| !is("exclude")) {
            diag.error(
                operator,
                format_args!("`with` is not valid in `{key}`"),
                "write `exclude(…)`, or remove `with`",
            );
        }
    }
}

/// Checks that there are tenants between which a value can be unique.
fn global_fits(diag: &Diag, table: &Table<'_>, at: impl quote::ToTokens) {
    let whole = if table.attrs.global.is_some() {
        "the rows of a `global` table belong to no tenant"
    } else if table.is_root() && table.fields.iter().filter(|field| field.id).count() == 1 {
        "each row of the tenants table is a tenant"
    } else {
        return;
    };
    diag.error(at, format_args!("{whole}, so `unique` compares all rows"), "remove `global`");
}

fn check_field(diag: &Diag, table: &Table<'_>, ident: &Ident, again: bool) {
    let written = ident.unraw().to_string();
    if again {
        diag.error(ident, format_args!("duplicate field `{written}`"), "list each field once");
    } else if !table.columns().any(|field| field.name() == written) {
        diag.error(
            ident,
            format_args!("`{}` has no column field `{written}`", table.ident),
            field_suggestion(table, &written, "list fields of the struct without `skip`"),
        );
    }
}
