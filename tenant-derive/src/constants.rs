//! Writes the constants of a table: one for each column, and one for each unique key that an upsert can use.

use std::collections::BTreeMap;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::{Path, ext::IdentExt as _, spanned::Spanned as _};

use crate::{
    ast::{Field, InsertKind, Table, ValueSource},
    attr::is_no_role,
    declare,
    indexes::IndexAttr,
};

/// Writes the constants of a table without errors.
pub(crate) fn expand(table: &Table<'_>) -> TokenStream {
    let columns = table.columns().enumerate().map(|(i, field)| column(field, &access(field, i)));
    let vis = table.vis;
    let keys = keys(table)
        .into_iter()
        .map(|(ident, columns)| quote!(#vis const #ident: __rt::Key<Self> = __rt::unique_by(&[#(#columns),*]);));
    constants(table, columns.chain(keys))
}

/// Writes the constants of a table with errors, whose roles are unknown.
pub(crate) fn inert(table: &Table<'_>) -> TokenStream {
    let mut seen = Vec::new();
    let fields = table.columns().filter(|field| {
        let ident = ident(field);
        let new = !seen.contains(&ident);
        seen.push(ident);
        new
    });
    let columns = fields.map(|field| column(field, &quote!()));
    let keys = keys(table).into_keys().filter(|ident| !table.columns().any(|field| self::ident(field) == *ident));
    let vis = table.vis;
    constants(
        table,
        columns.chain(keys.map(|ident| quote!(#vis const #ident: __rt::Key<Self> = __rt::unique_by(&[]);))),
    )
}

fn constants(table: &Table<'_>, constants: impl Iterator<Item = TokenStream>) -> TokenStream {
    let ident = table.ident;
    quote! {
        #[automatically_derived]
        #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
        impl #ident { #(#constants)* }
    }
}

/// Returns the name of a column's constant: the field's name in capitals.
pub(crate) fn ident(field: &Field<'_>) -> Ident {
    Ident::new(&field.name().to_uppercase(), field.ident.span())
}

fn column(field: &Field<'_>, access: &TokenStream) -> TokenStream {
    let Field { vis, ty, .. } = field;
    let (ident, name) = (ident(field), field.column());
    quote!(#vis const #ident: __rt::Column<Self, #ty #access> = __rt::named(#name);)
}

/// Writes a column's access and referenced table if they differ from the default.
fn access(field: &Field<'_>, index: usize) -> TokenStream {
    let fixed = || Some(quote!(__rt::NotSettable));
    let own = |role: &Option<Path>| match role {
        Some(role) if is_no_role(role) => fixed(),
        role => role.as_ref().map(|role| role.to_token_stream()),
    };
    let read = field.attrs.select.as_ref().map(|role| declare::column_role(index, role.span()));
    let (insert, update) = match field.part {
        ValueSource::Plain => (own(&field.attrs.insert), own(&field.attrs.update)),
        ValueSource::AppAssignedId | ValueSource::Parent => (own(&field.attrs.insert), fixed()),
        ValueSource::Tenant
        | ValueSource::Owner
        | ValueSource::GeneratedId
        | ValueSource::Computed
        | ValueSource::Skipped => (fixed(), fixed()),
    };
    let roles = [read, insert, update];
    let parent = field.attrs.references.as_ref().map(|parent| quote!(, #parent));
    match (roles.iter().all(Option::is_none), parent) {
        (true, None) => quote!(),
        (true, Some(parent)) => quote!(, __rt::DefaultAccess #parent),
        (false, parent) => {
            let [read, insert, update] = roles.map(|role| role.unwrap_or_else(|| quote!(())));
            quote!(, __rt::Access<#read, #insert, #update> #parent)
        }
    }
}

/// Returns the unique keys of a table with INSERT and UPDATE: its unique columns and its app-assigned primary key. None if the
/// table has a counter: an upsert that finds a row has already used a number, which no row would have.
fn keys(table: &Table<'_>) -> BTreeMap<Ident, Vec<String>> {
    let mut keys = BTreeMap::new();
    let has_counter = table.columns().any(|field| field.attrs.counter.is_some());
    if table.insert_kind() != Some(InsertKind::Insert) || !table.is_changed() || has_counter {
        return keys;
    }
    // An upsert finds the row by the tenant column and the given values of these columns, so no key contains a column that the
    // database computes. On the tenants table, it would find every tenant.
    let is_unique = |field: &&Field<'_>| {
        let in_tenant = field.attrs.unique.as_ref().is_some_and(|unique| unique.global.is_none());
        in_tenant && !table.is_root()
    };
    let single = table.columns().filter(is_unique).map(|field| vec![field]);
    let primary: Vec<_> = table.keys().collect();
    let primary = Some(primary).filter(|keys| keys.iter().all(|field| field.part == ValueSource::AppAssignedId));
    let lists = table.attrs.indexes.iter().filter(|_| !table.is_root()).filter_map(IndexAttr::unique_columns);
    let lists = lists.map(|list| {
        let named = |ident: &Ident| table.columns().find(|field| ident.unraw() == field.name());
        list.into_iter().filter_map(named).filter(|field| field.part != ValueSource::Tenant).collect::<Vec<_>>()
    });
    let is_given =
        |fields: &Vec<&Field<'_>>| !fields.is_empty() && fields.iter().all(|field| field.part != ValueSource::Computed);
    for fields in single.chain(primary).chain(lists).filter(is_given) {
        let names = fields.iter().map(|field| field.name().to_uppercase()).collect::<Vec<_>>().join("_AND_");
        keys.insert(format_ident!("BY_{names}"), fields.iter().map(|field| field.column()).collect());
    }
    keys
}
