//! Writes the code of a table: data in one `const`, calls of runtime functions, and the two row structs.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Path, ext::IdentExt as _, spanned::Spanned as _};

use crate::{
    ast::{Field, Part, Table},
    attr::FieldList,
    name,
};

/// Writes a table that was found free of mistakes.
pub(crate) fn expand(table: &Table<'_>, key: &Field<'_>) -> TokenStream {
    let runtime = runtime(table.attrs.krate.as_ref());
    let ident = table.ident;
    let not_null = table.columns().any(|field| field.attrs.sql_type.is_some()).then(|| {
        quote!(
            use __rt::NotNull as _;
        )
    });
    let rows = rows(table);
    let table_impl = table_impl(table, key);
    let select = table.attrs.select.as_ref().map(|role| select_impl(table, role));
    let insert = table.attrs.insert.as_ref().map(|role| insert_impl(table, role));
    let update = table.attrs.update.as_ref().map(|role| update_impl(table, role));
    let delete = table.attrs.delete.as_ref().map(|role| delete_impl(table, role));
    quote! {
        #rows

        #[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
        const _: () = {
            use #runtime::__private as __rt;
            #not_null

            #table_impl
            #select
            #insert
            #update
            #delete

            __rt::inventory::submit! { __rt::Registered(<#ident as __rt::TenantTable>::TABLE) }
        };
    }
}

/// Returns the path of the runtime crate.
pub(crate) fn runtime(given: Option<&Path>) -> TokenStream {
    given.map_or_else(|| quote!(::tenant_runtime), ToTokens::to_token_stream)
}

/// Writes the structs `New…` and `…Changes` of the declared commands.
pub(crate) fn rows(table: &Table<'_>) -> TokenStream {
    let vis = table.vis;
    let allow =
        quote!(#[allow(dead_code, unused_qualifications, clippy::option_option, reason = "written by a derive")]);
    let new = table.attrs.insert.as_ref().map(|_| {
        let (ident, fields) = (new_ident(table), row_fields(table.inserted(), |field| field.attrs.default.is_some()));
        let doc = format!("A row to insert as a [`{}`]; a `None` for a column with a default takes it.", table.ident);
        quote!(#[doc = #doc] #[derive(::core::fmt::Debug)] #allow #vis struct #ident { #(#fields,)* })
    });
    let changes = table.attrs.update.as_ref().map(|_| {
        let (ident, fields) = (changes_ident(table), row_fields(table.changed(), |_| true));
        let doc = format!("What to change of a [`{}`]; a `None` leaves the column as it is.", table.ident);
        quote! {
            #[doc = #doc]
            #[derive(::core::fmt::Debug, ::core::default::Default)]
            #allow
            #vis struct #ident { #(#fields,)* }
        }
    });
    quote!(#new #changes)
}

fn row_fields<'t, 'a: 't>(
    fields: impl Iterator<Item = &'t Field<'a>>,
    optional: impl Fn(&Field<'_>) -> bool,
) -> Vec<TokenStream> {
    fields
        .map(|field| {
            let Field { ident, vis, ty, .. } = field;
            let docs = &field.docs;
            let ty = if optional(field) { quote!(::core::option::Option<#ty>) } else { ty.to_token_stream() };
            quote!(#(#docs)* #vis #ident: #ty)
        })
        .collect()
}

/// Names the struct of a row to insert.
pub(crate) fn new_ident(table: &Table<'_>) -> Ident {
    format_ident!("New{}", table.ident)
}

/// Names the struct of the columns to change.
pub(crate) fn changes_ident(table: &Table<'_>) -> Ident {
    format_ident!("{}Changes", table.ident)
}

fn table_impl(table: &Table<'_>, key: &Field<'_>) -> TokenStream {
    let (ident, id) = (table.ident, key.ty);
    // At the place of the role or tenancy that was named, since that is what is wrong where the tenancy is.
    let named = table.attrs.tenancy.as_ref().or(table.attrs.select.as_ref());
    let at = named.map_or_else(Span::call_site, |path| path.span());
    let tenancy = match (&table.attrs.tenancy, &table.attrs.select) {
        (Some(path), _) => quote_spanned!(path.span()=> type Tenancy = #path;),
        (None, Some(_)) => {
            quote_spanned!(at=> type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;)
        }
        (None, None) => quote!(
            type Tenancy = __rt::Organizations;
        ),
    };
    let rust_name = ident.unraw().to_string();
    let doc = &table.doc;
    let own_tenancy = quote_spanned!(at=> <Self as __rt::TenantTable>::Tenancy);
    let def = quote_spanned!(at=> <#own_tenancy as __rt::Tenancy>::DEF);
    let schema =
        table.attrs.schema.as_ref().map_or_else(|| quote_spanned!(at=> #def.schema), ToTokens::to_token_stream);
    let name = table.attrs.table.as_ref().map_or_else(|| name::table(ident), syn::LitStr::value);
    let scope = table.tenant().map_or_else(
        || quote!(__rt::ScopeDef::Global),
        |field| {
            let (ty, column) = (field.ty, field.column());
            quote_spanned!(at=> __rt::tenant_scope::<#ty, #own_tenancy>(#column))
        },
    );
    let attrs = &table.attrs;
    let select = role_name(attrs.select.as_ref(), "Select", "SelectRole");
    let insert = role_name(attrs.insert.as_ref(), "Insert", "InsertRole");
    let update = role_name(attrs.update.as_ref(), "Update", "UpdateRole");
    let delete = role_name(attrs.delete.as_ref(), "Delete", "DeleteRole");
    let columns = table.columns().map(column);
    let uniques = attrs.uniques.iter().map(|list| column_list(table, list));
    let indexes = attrs.indexes.iter().map(|list| column_list(table, list));
    quote! {
        #[automatically_derived]
        impl __rt::TenantTable for #ident {
            #tenancy
            type Id = #id;
            const NAME: __rt::TableName = __rt::TableName { schema: #schema, table: #name };
            const TABLE: &'static __rt::TableDef = &__rt::TableDef {
                rust_name: #rust_name,
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::NAME,
                doc: #doc,
                tenancy: #def,
                scope: #scope,
                select: #select,
                insert: #insert,
                update: #update,
                delete: #delete,
                columns: &[#(#columns),*],
                uniques: &[#(#uniques),*],
                indexes: &[#(#indexes),*],
            };
        }
    }
}

/// Names a command's role by way of its associated type, so that the literal becomes a type in one place only.
fn role_name(role: Option<&Path>, command: &str, associated: &str) -> TokenStream {
    let (command, associated) = (format_ident!("{command}"), format_ident!("{associated}"));
    option(role.map(|role| quote_spanned!(role.span()=> <<Self as __rt::#command>::#associated as __rt::Role>::NAME)))
}

/// Writes a `ColumnDef`: what every column has comes from a runtime function, the rest is set here.
fn column(field: &Field<'_>) -> TokenStream {
    let Field { ty, attrs, .. } = field;
    let (name, column) = (field.name(), field.column());
    let base = match &attrs.sql_type {
        None => {
            let stored = stored(field);
            quote!(__rt::column(#name, #stored::TYPE))
        }
        Some(sql) => quote!(__rt::column(#name, __rt::custom(#sql, <__rt::Nullability<#ty>>::NULLABLE))),
    };
    let mut set = Vec::new();
    if column != name {
        set.push(quote!(name: #column));
    }
    if !field.doc.is_empty() {
        let doc = &field.doc;
        set.push(quote!(doc: #doc));
    }
    if field.id {
        set.push(quote!(id: true));
    }
    match field.part {
        Part::GeneratedId if attrs.default.is_none() => {
            set.push(quote_spanned!(ty.span()=> supplied: __rt::generated::<#ty>()));
        }
        Part::GeneratedId | Part::Tenant => set.push(quote!(supplied: false)),
        Part::SuppliedId | Part::Plain | Part::Skipped => {}
    }
    if let Some(path) = &attrs.references {
        let action = Ident::new(attrs.on_delete.as_ref().map_or("Refuse", |(_, action)| action), Span::call_site());
        let reference = quote_spanned!(path.span()=> __rt::reference::<#ty, #path>(__rt::OnDelete::#action));
        let reference = option(Some(reference));
        set.push(quote!(references: #reference));
    }
    for (key, text) in [("default", &attrs.default), ("check", &attrs.check)] {
        if let Some(text) = text {
            let (key, text) = (format_ident!("{key}"), option(Some(text.to_token_stream())));
            set.push(quote!(#key: #text));
        }
    }
    for (key, flag) in [("unique", &attrs.unique), ("index", &attrs.index)] {
        if flag.is_some() {
            let key = format_ident!("{key}");
            set.push(quote!(#key: true));
        }
    }
    if set.is_empty() { base } else { quote!(__rt::ColumnDef { #(#set,)* ..#base }) }
}

/// Names the trait by which a field's type is stored, at the place of the type: of a type without it, rustc says the same
/// at the same place for each use, and prints it once.
fn stored(field: &Field<'_>) -> TokenStream {
    let ty = field.ty;
    match &field.attrs.sql_type {
        _ if field.key => quote!(<Self as __rt::StoredKey>),
        None => quote_spanned!(ty.span()=> <#ty as __rt::Stored>),
        Some(_) => quote_spanned!(ty.span()=> <#ty as __rt::StoredAs>),
    }
}

fn column_list(table: &Table<'_>, list: &FieldList) -> TokenStream {
    let columns = list
        .fields
        .iter()
        .filter_map(|ident| table.columns().find(|field| ident.unraw() == field.name()).map(Field::column));
    quote!(&[#(#columns),*])
}

fn select_impl(table: &Table<'_>, role: &Path) -> TokenStream {
    let ident = table.ident;
    let fields = table.fields.iter().map(|field| {
        let Field { ident, ty, .. } = field;
        let value = if field.part == Part::Skipped {
            quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default())
        } else {
            let stored = stored(field);
            quote!(#stored::read(__row)?)
        };
        quote!(#ident: #value)
    });
    quote! {
        #[automatically_derived]
        impl __rt::Select for #ident {
            type SelectRole = #role;
            fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
                ::core::result::Result::Ok(Self { #(#fields,)* })
            }
        }
    }
}

fn insert_impl(table: &Table<'_>, role: &Path) -> TokenStream {
    let (ident, new) = (table.ident, new_ident(table));
    let values = table.inserted().map(|field| set_value(field, field.attrs.default.is_some()));
    quote! {
        #[automatically_derived]
        impl __rt::Insert for #ident {
            type InsertRole = #role;
            type New = #new;
            fn new_values(__row: #new, __values: &mut __rt::Values) {
                #(#values;)*
            }
        }
    }
}

fn update_impl(table: &Table<'_>, role: &Path) -> TokenStream {
    let (ident, changes) = (table.ident, changes_ident(table));
    let values = table.changed().map(|field| set_value(field, true));
    quote! {
        #[automatically_derived]
        impl __rt::Update for #ident {
            type UpdateRole = #role;
            type Changes = #changes;
            fn changed_values(__row: #changes, __values: &mut __rt::Values) {
                #(#values;)*
            }
        }
    }
}

/// Hands a field over; of an optional one only `Some` is written.
fn set_value(field: &Field<'_>, optional: bool) -> TokenStream {
    let (ident, column, stored) = (field.ident, field.column(), stored(field));
    let set = if optional { quote!(set_some) } else { quote!(set) };
    quote!(#stored::#set(__values, #column, __row.#ident))
}

fn delete_impl(table: &Table<'_>, role: &Path) -> TokenStream {
    let ident = table.ident;
    quote! {
        #[automatically_derived]
        impl __rt::Delete for #ident {
            type DeleteRole = #role;
        }
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
