//! Inert impls for a table with errors, so that code that uses the struct causes no further errors.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::Path;

use crate::{ast::Table, constants, declare, expand, foreign_key_checks::MAX_KEYS};

/// Writes impls of every command with empty bodies, and no registry entry.
pub(crate) fn expand(table: &Table<'_>) -> TokenStream {
    let (ident, attrs) = (table.ident, &table.attrs);
    let runtime = expand::runtime(attrs.krate.as_ref());
    let rows = expand::rows(table);
    let constants = constants::inert(table);
    let id = match table.keys().count() {
        1..=MAX_KEYS => declare::key_type(table),
        _ => quote!(i64),
    };
    let commands = commands(table);
    let membership = membership(table);
    quote! {
        #rows

        #[allow(unused_qualifications, reason = "written by a derive")]
        const _: () = {
            use #runtime::__private as __rt;

            #[automatically_derived]
            impl __rt::TenantTable for #ident {
                type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
                type Declared = __rt::Everything;
                type Id = #id;
                const TABLE_NAME: __rt::TableName = __rt::TableName { schema: "", table: "" };
                const TABLE: &'static __rt::TableDef =
                    &__rt::inert(<<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF);
            }

            impl __rt::ColumnsAt<0> for #ident {
                type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
                type Types = __rt::Each<__rt::AnyColumn>;
            }

            #commands

            #membership

            #constants
        };
    }
}

/// Writes inert impls of the traits of all commands.
fn commands(table: &Table<'_>) -> TokenStream {
    let (ident, attrs) = (table.ident, &table.attrs);
    let unit = quote!(());
    let new = table.insert_kind().map_or(unit.clone(), |_| expand::new_ident(table).to_token_stream());
    let changes = if table.is_changed() { expand::changes_ident(table).to_token_stream() } else { unit };
    let roles = [attrs.select.as_ref(), attrs.insert.as_ref(), table.updater(), table.deleter()];
    let select_role = roles.into_iter().flatten().next().map_or_else(|| quote!(__rt::Viewer), Path::to_token_stream);
    let role = |declared: Option<&Path>| match (declared, &attrs.select) {
        // If `select` is missing, the first of these roles is used instead.
        (Some(role), Some(_)) => role.to_token_stream(),
        _ => quote!(<Self as __rt::Select>::SelectRole),
    };
    let (insert_role, update_role, delete_role) =
        (role(attrs.insert.as_ref()), role(table.updater()), role(table.deleter()));
    let (restore_role, purge_role) = (role(attrs.restore.as_ref()), role(attrs.purge.as_ref()));
    quote! {
        #[automatically_derived]
        impl __rt::Select for #ident {
        type SelectRole = #select_role;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
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

        #[automatically_derived]
        impl __rt::Restore for #ident {
        type RestoreRole = #restore_role;
        }

        #[automatically_derived]
        impl __rt::Purge for #ident {
        type PurgeRole = #purge_role;
        }

        #[automatically_derived]
        impl __rt::CreateTenant for #ident {
        type New = #new;
        fn create_tenant_values(_: #new, _: &mut __rt::Values) {}
        }

        #[automatically_derived]
        impl __rt::SignUp for #ident {
        type New = #new;
        fn sign_up_values(_: #new, _: &mut __rt::Values) {}
        }
    }
}

/// Writes the inert impls of a membership table.
fn membership(table: &Table<'_>) -> Option<TokenStream> {
    let (ident, attrs) = (table.ident, &table.attrs);
    let member_role = attrs.membership.as_ref().and_then(|membership| table.named(&membership.role));
    member_role.map(|field| {
        let ty = field.ty;
        quote! {
            #[automatically_derived]
            impl __rt::Membership for #ident {
                type MemberRole = #ty;
            }

            #[automatically_derived]
            impl __rt::ManagedMembership for #ident {
                type ManageRole = <Self as __rt::Select>::SelectRole;
            }
        }
    })
}
