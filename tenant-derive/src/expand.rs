//! Writes the code of a table: its declaration, an impl for each command, and the row structs.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Path, spanned::Spanned as _};

use crate::{
    ast::{Field, InsertKind, Table, ValueSource},
    attr::is_no_role,
    constants,
    declare::{self, stored},
};

/// Writes a table without errors.
pub(crate) fn expand(table: &Table<'_>) -> TokenStream {
    let runtime = runtime(table.attrs.krate.as_ref());
    let ident = table.ident;
    let not_null = table.columns().any(|field| field.attrs.sql_type.is_some()).then(|| {
        quote!(
            use __rt::NotNull as _;
        )
    });
    let rows = rows(table);
    let table_impl = declare::table_impl(table);
    let columns = declare::column_impls(table);
    let constants = constants::expand(table);
    let select = table.attrs.select.as_ref().map(|role| select_impl(table, role));
    let making = table.insert_kind().map(|making| making_impl(table, making));
    let update = table.updater().filter(|_| table.is_changed()).map(|role| update_impl(table, role));
    let delete =
        table.deleter().filter(|_| !table.attrs.mentions("membership")).map(|role| role_impl(table, "Delete", role));
    let restore = table.attrs.restore.as_ref().map(|role| role_impl(table, "Restore", role));
    let purge = table.attrs.purge.as_ref().map(|role| role_impl(table, "Purge", role));
    let membership = membership_impls(table);
    let invitation = invitation_impl(table);
    quote! {
        #rows

        #[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
        const _: () = {
            use #runtime::__private as __rt;
            #not_null

            #table_impl
            #columns
            #constants
            #select
            #making
            #update
            #delete
            #restore
            #purge
            #membership
            #invitation

            __rt::inventory::submit! { __rt::Registered(<#ident as __rt::TenantTable>::TABLE) }
        };
    }
}

/// Returns the path of the runtime crate.
pub(crate) fn runtime(given: Option<&Path>) -> TokenStream {
    given.map_or_else(|| quote!(::tenant_runtime), ToTokens::to_token_stream)
}

/// Writes the struct `New…` if the application inserts rows, and `…Changes` if it updates rows.
pub(crate) fn rows(table: &Table<'_>) -> TokenStream {
    let vis = table.vis;
    let allow =
        quote!(#[allow(dead_code, unused_qualifications, clippy::option_option, reason = "written by a derive")]);
    let new = table.insert_kind().map(|making| {
        let ident = new_ident(table);
        let fields = row_fields(table.given(making), |field| field.attrs.default.is_some());
        let doc = match making {
            InsertKind::Insert => {
                format!("A new row of [`{}`]. `None` in a column with a default uses the default.", table.ident)
            }
            InsertKind::CreateTenant => format!("The columns of a new [`{}`] that a user creates.", table.ident),
            InsertKind::SignUp => format!("The columns of a new [`{}`] that signs up.", table.ident),
        };
        quote!(#[doc = #doc] #[derive(::core::fmt::Debug)] #allow #vis struct #ident { #(#fields,)* })
    });
    let changes = table.is_changed().then(|| {
        let (ident, fields) = (changes_ident(table), row_fields(table.changed(), |_| true));
        let idents = table.changed().map(|field| field.ident);
        let doc = format!("Changes of a [`{}`]. `None` leaves a column unchanged.", table.ident);
        quote! {
            #[doc = #doc]
            #[derive(::core::fmt::Debug)]
            #allow
            #vis struct #ident { #(#fields,)* }
            // Derived, it would call a function for each field, with a path on which the earlier ones are dropped.
            #[automatically_derived]
            impl ::core::default::Default for #ident {
                fn default() -> Self {
                    Self { #(#idents: ::core::option::Option::None,)* }
                }
            }
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

/// Returns the name of the struct of a new row.
pub(crate) fn new_ident(table: &Table<'_>) -> Ident {
    format_ident!("New{}", table.ident)
}

/// Returns the name of the struct of changes.
pub(crate) fn changes_ident(table: &Table<'_>) -> Ident {
    format_ident!("{}Changes", table.ident)
}

fn select_impl(table: &Table<'_>, role: &Path) -> TokenStream {
    let ident = table.ident;
    let fields = table.fields.iter().map(|field| {
        let ty = field.ty;
        let is_unread = field.part == ValueSource::Skipped || field.attrs.select.as_ref().is_some_and(is_no_role);
        if is_unread {
            FieldValue::Given(quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default()))
        } else {
            let stored = stored(field);
            FieldValue::Read(quote!(#stored::read(__row)))
        }
    });
    let from_row = from_row(table.fields.iter().map(|field| field.ident).zip(fields));
    let needs = declare::row_needs(table);
    quote! {
        #[automatically_derived]
        impl __rt::Select for #ident {
            type SelectRole = #role;
            type RowNeeds = #needs;
            #from_row
        }
    }
}

/// How `from_row` obtains the value of a field.
pub(crate) enum FieldValue {
    /// An expression that reads the next column and is `None` if that failed.
    Read(TokenStream),
    /// An expression of the field's type.
    Given(TokenStream),
}

/// Writes the function `from_row` of a table or a view. One `let … else` tests all columns, because a branch for each
/// column makes rustc slower.
pub(crate) fn from_row<'t>(fields: impl Iterator<Item = (&'t Ident, FieldValue)>) -> TokenStream {
    let (mut values, mut locals, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for (ident, value) in fields {
        let value = match value {
            FieldValue::Given(value) => value,
            FieldValue::Read(read) => {
                let local = format_ident!("__{}", locals.len());
                reads.push(read);
                locals.push(local.clone());
                local.into_token_stream()
            }
        };
        values.push(quote!(#ident: #value));
    }
    // Without columns, the pattern would be irrefutable.
    let read = (!reads.is_empty()).then(
        || quote!(let (#(::core::option::Option::Some(#locals),)*) = (#(#reads,)*) else { return __row.error() };),
    );
    quote! {
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            #read
            ::core::result::Result::Ok(Self { #(#values,)* })
        }
    }
}

fn making_impl(table: &Table<'_>, making: InsertKind) -> TokenStream {
    let (ident, new) = (table.ident, new_ident(table));
    let values = table.given(making).map(|field| set_value(field, field.attrs.default.is_some()));
    let (command, function) = match making {
        InsertKind::Insert => (quote!(Insert), quote!(new_values)),
        InsertKind::CreateTenant => (quote!(CreateTenant), quote!(create_tenant_values)),
        InsertKind::SignUp => (quote!(SignUp), quote!(sign_up_values)),
    };
    let role = table.attrs.insert.as_ref().filter(|_| making == InsertKind::Insert);
    let role = role.map(|role| quote!(type InsertRole = #role;));
    quote! {
        #[automatically_derived]
        impl __rt::#command for #ident {
            #role
            type New = #new;
            fn #function(__row: #new, __values: &mut __rt::Values) {
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

/// Adds a field to the values; an optional field is added only if it is `Some`.
fn set_value(field: &Field<'_>, optional: bool) -> TokenStream {
    let (ident, column, stored) = (field.ident, field.column(), stored(field));
    let set = if optional { quote!(set_some) } else { quote!(set) };
    quote!(#stored::#set(__values, #column, __row.#ident))
}

/// Writes the impl of a command that needs only its role: `Delete`, `Restore` or `Purge`.
fn role_impl(table: &Table<'_>, command: &str, role: &Path) -> TokenStream {
    let (ident, command, associated) = (table.ident, format_ident!("{command}"), format_ident!("{command}Role"));
    quote! {
        #[automatically_derived]
        impl __rt::#command for #ident {
            type #associated = #role;
        }
    }
}

/// Writes the impl of an invitation table, which names the role that can invite and the enum of roles.
fn invitation_impl(table: &Table<'_>) -> Option<TokenStream> {
    let (ident, attrs) = (table.ident, &table.attrs);
    let role = table.named(attrs.invitation.as_ref()?.field("role")?)?.ty;
    let inviter = attrs.insert.as_ref()?;
    Some(quote! {
        #[automatically_derived]
        impl __rt::Invitation for #ident {
            type InviteRole = #inviter;
            type MemberRole = #role;
        }
    })
}

/// Writes the impls of a membership table, which name the enum of member roles and the role that manages members.
fn membership_impls(table: &Table<'_>) -> Option<TokenStream> {
    let (ident, attrs) = (table.ident, &table.attrs);
    let role = table.named(&attrs.membership.as_ref()?.role)?.ty;
    let manager = attrs.insert.as_ref().or(attrs.update.as_ref()).or(attrs.delete.as_ref());
    let managed = manager.map(|manager| {
        quote! {
            #[automatically_derived]
            impl __rt::ManagedMembership for #ident {
                type ManageRole = #manager;
            }
        }
    });
    Some(quote! {
        #[automatically_derived]
        impl __rt::Membership for #ident {
            type MemberRole = #role;
        }
        #managed
    })
}
