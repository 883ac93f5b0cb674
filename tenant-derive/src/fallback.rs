//! Stands in for a table that has mistakes: inert impls, so that code which uses the struct adds no errors of its own.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::Path;

use crate::{ast::Table, expand};

/// Writes impls of every command, whose bodies do nothing, and no entry in the registry.
pub(crate) fn expand(table: &Table<'_>) -> TokenStream {
    let (ident, attrs) = (table.ident, &table.attrs);
    let runtime = expand::runtime(attrs.krate.as_ref());
    let rows = expand::rows(table);
    let id = table.key().map_or_else(|| quote!(i64), |field| field.ty.to_token_stream());
    let unit = quote!(());
    let new = attrs.insert.as_ref().map_or(unit.clone(), |_| expand::new_ident(table).to_token_stream());
    let changes = attrs.update.as_ref().map_or(unit, |_| expand::changes_ident(table).to_token_stream());
    let select_role =
        attrs.select.as_ref().or(attrs.insert.as_ref()).or(attrs.update.as_ref()).or(attrs.delete.as_ref());
    let select_role = select_role.map_or_else(|| quote!(__rt::Viewer), Path::to_token_stream);
    let role = |declared: &Option<Path>| match (declared, &attrs.select) {
        // Where `select` is missing, it stands for the first of these already.
        (Some(role), Some(_)) => role.to_token_stream(),
        _ => quote!(<Self as __rt::Select>::SelectRole),
    };
    let (insert_role, update_role, delete_role) = (role(&attrs.insert), role(&attrs.update), role(&attrs.delete));
    quote! {
        #rows

        #[allow(unused_qualifications, reason = "written by a derive")]
        const _: () = {
            use #runtime::__private as __rt;

            #[automatically_derived]
            impl __rt::TenantTable for #ident {
                type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
                type Id = #id;
                const NAME: __rt::TableName = __rt::TableName { schema: "", table: "" };
                const TABLE: &'static __rt::TableDef =
                    &__rt::inert(<<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF);
            }

            #[automatically_derived]
            impl __rt::Select for #ident {
                type SelectRole = #select_role;
                fn from_row(_: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
                    ::core::unreachable!()
                }
            }

            #[automatically_derived]
            impl __rt::Insert for #ident {
                type InsertRole = #insert_role;
                type New = #new;
                fn new_values(_: Self::New, _: &mut __rt::Values) {}
            }

            #[automatically_derived]
            impl __rt::Update for #ident {
                type UpdateRole = #update_role;
                type Changes = #changes;
                fn changed_values(_: Self::Changes, _: &mut __rt::Values) {}
            }

            #[automatically_derived]
            impl __rt::Delete for #ident {
                type DeleteRole = #delete_role;
            }
        };
    }
}
