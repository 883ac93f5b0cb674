//! Derives `TenantView`: a struct with some columns of a table, for roles without SELECT on every column.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{DeriveInput, LitStr, Path, ext::IdentExt as _, spanned::Spanned as _};

use crate::{
    ast::named_fields,
    diag::Diag,
    expand::{FieldValue, from_row, runtime},
    item::{Item, items, set},
};

/// Derives `TenantView`: reads, checks and expands the struct; after errors it writes inert impls if the table is known.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let diag = Diag::new();
    let attrs = ViewAttrs::read(&diag, input);
    let fields = fields(&diag, input);
    if attrs.of.is_none() && !attrs.mentions_of {
        diag.error(
            &input.ident,
            format_args!("`{}` has no `of` attribute", input.ident),
            "add `#[tenant(of = Project)]`, with the struct of the table",
        );
    }
    match (diag.finish(), &attrs.of, fields) {
        (Ok(()), Some(of), Some(fields)) => expand(input, &attrs, of, &fields),
        (Err(errors), Some(of), _) if input.generics.params.is_empty() => {
            let inert = inert(input, &attrs, of);
            quote!(#errors #inert)
        }
        (Err(errors), ..) => errors,
        (Ok(()), ..) => unreachable!("a view without a table or without fields was reported"),
    }
}

/// The attributes of the struct.
#[derive(Default)]
struct ViewAttrs {
    krate: Option<Path>,
    of: Option<Path>,
    /// Whether the key `of` occurs, even if its value is invalid.
    mentions_of: bool,
}

impl ViewAttrs {
    fn read(diag: &Diag, input: &DeriveInput) -> Self {
        let mut this = Self::default();
        for item in items(diag, &input.attrs) {
            match item.name().as_str() {
                "crate" => set(diag, &mut this.krate, &item, Item::path),
                "of" => {
                    this.mentions_of = true;
                    set(diag, &mut this.of, &item, Item::path);
                }
                _ => item.unknown(diag, &["of", "crate"], (&["column"], "on a field")),
            }
        }
        this
    }
}

/// A field of the view and its `column` attribute.
struct ViewField<'a> {
    field: &'a syn::Field,
    column: Option<LitStr>,
}

fn fields<'a>(diag: &Diag, input: &'a DeriveInput) -> Option<Vec<ViewField<'a>>> {
    let fields = named_fields(diag, input, "TenantView")?.map(|field| {
        let mut column = None;
        for item in items(diag, &field.attrs) {
            match item.name().as_str() {
                "column" => set(diag, &mut column, &item, Item::text),
                _ => item.unknown(diag, &["column"], (&["of", "crate"], "on the struct")),
            }
        }
        ViewField { field, column }
    });
    let fields: Vec<_> = fields.collect();
    if fields.is_empty() {
        diag.error(&input.ident, "a view requires at least one field", "add a field of the table");
    }
    Some(fields)
}

/// Writes inert impls for a view with errors, so that code that uses the view causes no further errors.
fn inert(input: &DeriveInput, attrs: &ViewAttrs, of: &Path) -> TokenStream {
    let (ident, runtime) = (&input.ident, runtime(attrs.krate.as_ref()));
    let role = quote_spanned!(of.span()=> <Self::Table as __rt::Select>::SelectRole);
    quote! {
        #[allow(unused_qualifications, reason = "written by a derive")]
        const _: () = {
            use #runtime::__private as __rt;

            impl __rt::Showing for #ident {}

            #[automatically_derived]
            impl __rt::TenantView for #ident {
                type Table = #of;
                type Needs = __rt::OnlyRole<#role>;
                fn columns() -> __rt::Vec<&'static ::core::primitive::str> {
                    ::core::unreachable!()
                }
                fn from_row(_: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
                    ::core::unreachable!()
                }
            }

            #[automatically_derived]
            impl __rt::ViewRepository for #ident {}
        };
    }
}

fn expand(input: &DeriveInput, attrs: &ViewAttrs, of: &Path, fields: &[ViewField<'_>]) -> TokenStream {
    let (ident, runtime) = (&input.ident, runtime(attrs.krate.as_ref()));
    let table = quote_spanned!(of.span()=> <#ident as __rt::TenantView>::Table);
    let def = quote_spanned!(of.span()=> <#table as __rt::TenantTable>::TABLE);
    let shown = of.segments.last().map(|segment| segment.ident.unraw().to_string()).unwrap_or_default();
    let (mut indexes, mut needs, mut names, mut reads) = (Vec::new(), TokenStream::new(), Vec::new(), Vec::new());
    for (i, ViewField { field, column }) in fields.iter().enumerate() {
        let (name, ty) = (&field.ident, &field.ty);
        let (at, find, wanted, missing) = match column {
            Some(column) => {
                let wanted = column.value();
                let missing = format!("the table of `{shown}` has no column `{wanted}`");
                (column.span(), quote_spanned!(column.span()=> column_index), wanted, missing)
            }
            None => {
                let wanted = name.as_ref().map(|name| name.unraw().to_string()).unwrap_or_default();
                let missing = format!("`{shown}` has no column field `{wanted}`");
                (name.span(), quote_spanned!(name.span()=> field_index), wanted, missing)
            }
        };
        let index = format_ident!("__AT_{i}", span = at);
        let def_at = quote_spanned!(at=> <<#ident as __rt::TenantView>::Table as __rt::TenantTable>::TABLE);
        indexes.push(
            quote_spanned!(at=> const #index: ::core::primitive::usize = __rt::#find(#def_at, #wanted, #missing);),
        );
        let columns = quote_spanned!(of.span()=> <#table as __rt::ColumnsAt<{ #index / __rt::GROUP }>>);
        let [role, shown_type] = ["Needs", "Types"].map(|list| {
            let list = Ident::new(list, of.span());
            quote_spanned!(of.span()=> <#columns::#list as __rt::TypeAt<{ #index % __rt::GROUP }>>::Type)
        });
        needs = match i {
            0 => quote!(__rt::OnlyRole<#role>),
            _ => quote!(__rt::RoleCons<#needs, #role>),
        };
        names.push(quote!(__rt::column_name(#def, #index)));
        let shows = quote_spanned!(ty.span()=> <#ty as __rt::Shows<#shown_type>>);
        reads.extend(name.as_ref().map(|name| (name, FieldValue::Read(quote!(#shows::read(__row))))));
    }
    let from_row = from_row(reads.into_iter());
    quote! {
        #[allow(unused_qualifications, reason = "written by a derive")]
        const _: () = {
            use #runtime::__private as __rt;

            #(#indexes)*

            impl __rt::Showing for #ident {}

            #[automatically_derived]
            impl __rt::TenantView for #ident {
                type Table = #of;
                type Needs = #needs;
                fn columns() -> __rt::Vec<&'static ::core::primitive::str> {
                    ::core::convert::From::from([#(#names),*])
                }
                #from_row
            }

            #[automatically_derived]
            impl __rt::ViewRepository for #ident {}
        };
    }
}
