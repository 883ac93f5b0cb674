//! Rules for `foreign_key(…)` on a struct.

use proc_macro2::Ident;
use syn::ext::IdentExt as _;

use crate::{
    access::field_suggestion,
    ast::{Table, ValueSource},
    diag::Diag,
    foreign_keys::ForeignKeyAttr,
};

/// The maximum number of key fields, without the tenant column: the runtime implements its traits for tuples up to this size.
pub(crate) const MAX_KEYS: usize = 8;

/// Checks the fields of each foreign key.
pub(crate) fn check(diag: &Diag, table: &Table<'_>) {
    for foreign_key in &table.attrs.foreign_keys {
        let ForeignKeyAttr { key, columns, .. } = foreign_key;
        if columns.len() < 2 {
            diag.error(
                key,
                "`foreign_key` requires at least two fields",
                "for one field write `#[tenant(references = Ad)]` on the field; the tenant column is always part of the foreign key",
            );
        } else if columns.len() > MAX_KEYS {
            diag.error(key, format_args!("`foreign_key` has more than {MAX_KEYS} fields"), "list fewer fields");
        }
        for (at, ident) in columns.iter().enumerate() {
            check_field(diag, table, ident, columns[..at].contains(ident));
        }
    }
}

fn check_field(diag: &Diag, table: &Table<'_>, ident: &Ident, again: bool) {
    let written = ident.unraw().to_string();
    let found = table.columns().find(|field| field.name() == written);
    match found.map(|field| field.part) {
        _ if again => diag.error(ident, format_args!("duplicate field `{written}`"), "list each field once"),
        None => diag.error(
            ident,
            format_args!("`{}` has no column field `{written}`", table.ident),
            field_suggestion(table, &written, "list fields of the struct without `skip`"),
        ),
        Some(ValueSource::Tenant) => diag.error(
            ident,
            format_args!("the tenant column `{written}` is part of every foreign key between tenant tables"),
            "remove it from the list",
        ),
        Some(ValueSource::Computed) => diag.error(
            ident,
            format_args!("the database computes `{written}`, so it cannot reference a row"),
            "list fields that the application sets",
        ),
        Some(_) => {}
    }
}
