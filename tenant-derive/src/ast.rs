//! The struct as it was written: borrowed syn nodes for their places, attributes read, and the part each field plays.

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::{Attribute, Data, DeriveInput, Fields, LitStr, Path, Type, Visibility, ext::IdentExt as _};

use crate::{
    attr::{self, FieldAttrs, TableAttrs},
    diag::Diag,
    name,
};

/// A struct that is to be a table. It may hold mistakes: [`check`](crate::analyze) finds those.
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
    pub(crate) part: ValueSource,
}

/// Where a field's value comes from when a row is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// No column.
    Skipped,
    /// The tenant column: from the context.
    Tenant,
    /// The user whose row it is: from the context.
    Owner,
    /// The row that says whose this one is: the app gives it, and it stays.
    Parent,
    /// A key that the database makes.
    GeneratedId,
    /// A key that the app gives.
    SuppliedId,
    /// The app gives it, and may change it.
    Plain,
}

/// How rows come to be by the app's hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InsertKind {
    /// By INSERT.
    Insert,
    /// By the function that makes a tenant.
    Founding,
    /// By the function that makes a user.
    SignUp,
}

impl<'a> Table<'a> {
    /// Reads the struct; `None` where it has no named fields of which a table could be made.
    pub(crate) fn read(diag: &Diag, input: &'a DeriveInput) -> Option<Self> {
        let attrs = TableAttrs::read(diag, &input.attrs);
        let fields = named_fields(diag, input, "table")?;
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
                    part: ValueSource::Plain,
                })
            })
            .collect();
        assign_parts(&mut fields, &attrs);
        Some(Self { ident: &input.ident, vis: &input.vis, doc: attr::doc(&input.attrs), attrs, fields })
    }

    /// Returns the fields that are columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.part != ValueSource::Skipped)
    }

    /// Returns the field of the tenant column.
    pub(crate) fn tenant(&self) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.part == ValueSource::Tenant)
    }

    /// Returns the field whose name an attribute says, if it is a column.
    pub(crate) fn named(&self, name: &LitStr) -> Option<&Field<'a>> {
        let name = name.value();
        self.columns().find(|field| field.name() == name)
    }

    /// Whether the tenants themselves are the rows: the tenant column is the key.
    pub(crate) fn is_root(&self) -> bool {
        self.tenant().is_some_and(|field| field.key)
    }

    /// Returns the least role that updates rows: that of one's own, where there is one, since the other includes it.
    pub(crate) fn updater(&self) -> Option<&Path> {
        self.attrs.update_own.as_ref().or(self.attrs.update.as_ref())
    }

    /// Returns the least role that deletes rows.
    pub(crate) fn deleter(&self) -> Option<&Path> {
        self.attrs.delete_own.as_ref().or(self.attrs.delete.as_ref())
    }

    /// Returns how rows come to be by the app's hand, if they do.
    pub(crate) fn making(&self) -> Option<InsertKind> {
        let attrs = &self.attrs;
        match (&attrs.insert, &attrs.creator_role, &attrs.sign_up) {
            _ if attrs.mentions("membership") || attrs.mentions("invitation") => None,
            (Some(_), ..) => Some(InsertKind::Insert),
            (None, Some(_), _) => Some(InsertKind::Founding),
            (None, None, Some(_)) => Some(InsertKind::SignUp),
            (None, None, None) => None,
        }
    }

    /// Whether the app changes rows by a statement of its own, not by a function.
    pub(crate) fn is_changed(&self) -> bool {
        self.updater().is_some() && !self.attrs.mentions("membership")
    }

    /// Returns the field that names a row within its tenant.
    pub(crate) fn key(&self) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.key)
    }

    /// Returns the columns that the app gives when it makes a row. Those with a role of their own are not among them:
    /// of a `Some` in one, rustc would not know. RoleCons a function takes none that the database can fill in.
    pub(crate) fn given(&self, making: InsertKind) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(move |field| {
            let left_out = match making {
                InsertKind::Insert => field.attrs.insert.is_some(),
                InsertKind::Founding | InsertKind::SignUp => field.attrs.default.is_some(),
            };
            field.part.is_supplied() && !left_out
        })
    }

    /// Returns the columns that the app may change.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.part == ValueSource::Plain && field.attrs.update.is_none())
    }
}

impl Field<'_> {
    /// Returns the field's name.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// Returns the column's name.
    pub(crate) fn column(&self) -> String {
        self.attrs.column.as_ref().map_or_else(|| self.name(), LitStr::value)
    }
}

impl ValueSource {
    /// Whether the app gives the value on insert.
    pub(crate) fn is_supplied(self) -> bool {
        matches!(self, Self::SuppliedId | Self::Plain | Self::Parent)
    }
}

/// Finds the field that an attribute names, or the one that it seems to mean: the mistake is reported, and others should
/// not follow.
fn meant(fields: &[Field<'_>], name: Option<&LitStr>) -> Option<usize> {
    let name = name?.value();
    let names: Vec<String> = fields.iter().map(Field::name).collect();
    let find = |name: &str| names.iter().position(|field| field == name);
    find(&name).or_else(|| name::nearest(&name, names.iter().map(String::as_str)).and_then(find))
}

/// Says what each field is for. Where no field is marked `id`, the one of that name is the key.
fn assign_parts(fields: &mut [Field<'_>], attrs: &TableAttrs) {
    let org = meant(fields, attrs.org.as_ref());
    let owner = meant(fields, attrs.owner.as_ref());
    let parent = meant(fields, attrs.parent.as_ref());
    let marked = fields.iter().any(|field| field.attrs.id.is_some());
    for field in fields.iter_mut() {
        field.id = field.attrs.skip.is_none() && if marked { field.attrs.id.is_some() } else { field.name() == "id" };
    }
    let composite = org.is_some_and(|org| fields[org].id);
    for (i, field) in fields.iter_mut().enumerate() {
        field.part = if field.attrs.skip.is_some() {
            ValueSource::Skipped
        } else if Some(i) == org {
            ValueSource::Tenant
        } else if !field.id {
            match Some(i) {
                i if i == owner => ValueSource::Owner,
                i if i == parent => ValueSource::Parent,
                _ => ValueSource::Plain,
            }
        } else if composite || field.attrs.app_assigned.is_some() || field.attrs.references.is_some() {
            ValueSource::SuppliedId
        } else {
            ValueSource::GeneratedId
        };
    }
    let key = fields.iter().position(|field| field.id && field.part != ValueSource::Tenant);
    if let Some(key) = key.or_else(|| fields.iter().position(|field| field.id)) {
        fields[key].key = true;
    }
}

/// Returns the named fields of a struct without parameters, and reports anything else.
pub(crate) fn named_fields<'a>(
    diag: &Diag,
    input: &'a DeriveInput,
    what: &str,
) -> Option<impl Iterator<Item = &'a syn::Field> + use<'a>> {
    let help = "write a struct with named fields, one for each column";
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(fields.named.iter()),
            Fields::Unnamed(fields) => {
                diag.error(fields, format_args!("the fields of a {what} have names"), help);
                None
            }
            Fields::Unit => {
                diag.error(&input.ident, format_args!("a {what} has columns, and a unit struct has none"), help);
                None
            }
        },
        Data::Enum(data) => {
            let help = format!("{help}; for an enum that is a column, derive `TenantEnum`");
            diag.error(data.enum_token, format_args!("an enum is no {what}"), help);
            None
        }
        Data::Union(data) => {
            diag.error(data.union_token, format_args!("a union is no {what}"), help);
            None
        }
    };
    if !input.generics.params.is_empty() {
        let params = input.generics.params.to_token_stream();
        diag.error(params, format_args!("a {what} has no type parameters"), "name the column types themselves");
        return None;
    }
    fields
}
