//! The struct as it was written: borrowed syn nodes for their places, attributes read, and the part each field plays.

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::{Attribute, Data, DeriveInput, Fields, Type, Visibility, ext::IdentExt as _};

use crate::{
    attr::{self, FieldAttrs, TableAttrs},
    diag::Diag,
    name,
};

/// A struct that is to be a table. It may hold mistakes: [`check`](crate::check) finds those.
pub(crate) struct Table<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) doc: String,
    pub(crate) attrs: TableAttrs,
    pub(crate) fields: Vec<Field<'a>>,
}

/// A field of the struct.
pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) ty: &'a Type,
    pub(crate) doc: String,
    /// The doc comments as they stand, to repeat them on the row structs.
    pub(crate) docs: Vec<&'a Attribute>,
    pub(crate) attrs: FieldAttrs,
    /// Whether the column is (part of) the primary key.
    pub(crate) id: bool,
    /// Whether it names a row within its tenant.
    pub(crate) key: bool,
    pub(crate) part: Part,
}

/// Where a field's value comes from when a row is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// No column.
    Skipped,
    /// The tenant column: from the context.
    Tenant,
    /// A key that the database makes.
    GeneratedId,
    /// A key that the app gives.
    SuppliedId,
    /// The app gives it, and may change it.
    Plain,
}

impl<'a> Table<'a> {
    /// Reads the struct; `None` where it has no named fields of which a table could be made.
    pub(crate) fn read(diag: &Diag, input: &'a DeriveInput) -> Option<Self> {
        let attrs = TableAttrs::read(diag, &input.attrs);
        let fields = named_fields(diag, input)?;
        let mut fields: Vec<Field<'a>> = fields
            .filter_map(|field| {
                Some(Field {
                    ident: field.ident.as_ref()?,
                    vis: &field.vis,
                    ty: &field.ty,
                    doc: attr::doc(&field.attrs),
                    docs: field.attrs.iter().filter(|attr| attr.path().is_ident("doc")).collect(),
                    attrs: FieldAttrs::read(diag, &field.attrs),
                    id: false,
                    key: false,
                    part: Part::Plain,
                })
            })
            .collect();
        let org = attrs.org.as_ref().and_then(|org| tenant_field(&fields, &org.value()));
        assign_parts(&mut fields, org);
        Some(Self { ident: &input.ident, vis: &input.vis, doc: attr::doc(&input.attrs), attrs, fields })
    }

    /// Returns the fields that are columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.part != Part::Skipped)
    }

    /// Returns the field of the tenant column.
    pub(crate) fn tenant(&self) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.part == Part::Tenant)
    }

    /// Returns the field that names a row within its tenant.
    pub(crate) fn key(&self) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.key)
    }

    /// Returns the columns that the app gives when it inserts a row.
    pub(crate) fn inserted(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.part.is_supplied())
    }

    /// Returns the columns that the app may change.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.part == Part::Plain)
    }
}

impl Field<'_> {
    /// Returns the field's name.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// Returns the column's name.
    pub(crate) fn column(&self) -> String {
        self.attrs.column.as_ref().map_or_else(|| self.name(), syn::LitStr::value)
    }
}

impl Part {
    /// Whether the app gives the value on insert.
    pub(crate) fn is_supplied(self) -> bool {
        matches!(self, Self::SuppliedId | Self::Plain)
    }
}

/// Finds the field that `org` names, or the one that it seems to mean: the mistake is reported, and others should not follow.
fn tenant_field(fields: &[Field<'_>], org: &str) -> Option<usize> {
    let names: Vec<String> = fields.iter().map(Field::name).collect();
    let find = |name: &str| names.iter().position(|field| field == name);
    find(org).or_else(|| name::nearest(org, names.iter().map(String::as_str)).and_then(find))
}

/// Says what each field is for. Where no field is marked `id`, the one of that name is the key.
fn assign_parts(fields: &mut [Field<'_>], org: Option<usize>) {
    let marked = fields.iter().any(|field| field.attrs.id.is_some());
    for field in fields.iter_mut() {
        field.id = field.attrs.skip.is_none() && if marked { field.attrs.id.is_some() } else { field.name() == "id" };
    }
    let composite = org.is_some_and(|org| fields[org].id);
    for (i, field) in fields.iter_mut().enumerate() {
        field.part = if field.attrs.skip.is_some() {
            Part::Skipped
        } else if Some(i) == org {
            Part::Tenant
        } else if !field.id {
            Part::Plain
        } else if composite || field.attrs.supplied.is_some() || field.attrs.references.is_some() {
            Part::SuppliedId
        } else {
            Part::GeneratedId
        };
    }
    let key = fields.iter().position(|field| field.id && field.part != Part::Tenant);
    if let Some(key) = key.or_else(|| fields.iter().position(|field| field.id)) {
        fields[key].key = true;
    }
}

/// Returns the named fields of a struct without parameters, and reports anything else.
fn named_fields<'a>(diag: &Diag, input: &'a DeriveInput) -> Option<impl Iterator<Item = &'a syn::Field> + use<'a>> {
    let help = "write a struct with named fields, one for each column";
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(fields.named.iter()),
            Fields::Unnamed(fields) => {
                diag.error(fields, "the fields of a table have names", help);
                None
            }
            Fields::Unit => {
                diag.error(&input.ident, "a table has columns, and a unit struct has none", help);
                None
            }
        },
        Data::Enum(data) => {
            let help = format!("{help}; for an enum that is a column, derive `TenantEnum`");
            diag.error(data.enum_token, "an enum is no table", help);
            None
        }
        Data::Union(data) => {
            diag.error(data.union_token, "a union is no table", help);
            None
        }
    };
    if !input.generics.params.is_empty() {
        let params = input.generics.params.to_token_stream();
        diag.error(params, "a table has no type parameters", "name the column types themselves");
        return None;
    }
    fields
}
