//! The parsed struct: borrowed syn nodes for spans, the attributes, and the source of each field's value.

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::{Attribute, Data, DeriveInput, Fields, LitStr, Path, Type, Visibility, ext::IdentExt as _};

use crate::{
    attr::{self, FieldAttrs, TableAttrs},
    diag::Diag,
    keys, name,
};

/// A struct that derives `TenantTable`. It can contain errors, which [`check`](crate::check) reports.
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
    /// The doc comments, which are repeated on the row structs.
    pub(crate) docs: Vec<&'a Attribute>,
    pub(crate) attrs: FieldAttrs,
    /// Whether the column is (part of) the primary key.
    pub(crate) id: bool,
    /// Whether the field is (part of) the key that identifies a row within its tenant.
    pub(crate) key: bool,
    /// Whether the field alone is that key.
    pub(crate) whole_key: bool,
    /// Whether the field references the row's parent.
    pub(crate) parent: bool,
    pub(crate) part: ValueSource,
}

/// Where a field's value comes from when a row is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// A field without a column.
    Skipped,
    /// The tenant column: the value comes from the context.
    Tenant,
    /// The owner column: the value is the user in the context.
    Owner,
    /// The reference to the parent row: the application sets it on INSERT and never updates it.
    Parent,
    /// A primary key that the database generates.
    GeneratedId,
    /// A primary key that the application sets.
    AppAssignedId,
    /// A column that the database sets on INSERT and on UPDATE, and that no statement can set.
    Computed,
    /// A column that the application sets and updates.
    Plain,
}

/// How the application creates rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InsertKind {
    /// With INSERT.
    Insert,
    /// With the function `create_tenant`.
    CreateTenant,
    /// With the function `sign_up`.
    SignUp,
}

impl<'a> Table<'a> {
    /// Reads the struct; returns `None` if it has no named fields.
    pub(crate) fn read(diag: &Diag, input: &'a DeriveInput) -> Option<Self> {
        let attrs = keys::table(diag, &input.attrs);
        let fields = named_fields(diag, input, "TenantTable")?;
        let mut fields: Vec<Field<'a>> = fields
            .filter_map(|field| {
                Some(Field {
                    ident: field.ident.as_ref()?,
                    vis: &field.vis,
                    ty: &field.ty,
                    doc: attr::doc(&field.attrs),
                    docs: field.attrs.iter().filter(|attr| attr.path().is_ident("doc")).collect(),
                    attrs: keys::field(diag, &field.attrs),
                    id: false,
                    key: false,
                    whole_key: false,
                    parent: false,
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

    /// Returns the field that references the row's parent, with the parent's struct.
    pub(crate) fn parent(&self) -> Option<(&Field<'a>, &Path)> {
        let field = self.columns().find(|field| field.parent)?;
        Some((field, field.attrs.references.as_ref()?))
    }

    /// Returns the column field that an attribute names.
    pub(crate) fn named(&self, name: &LitStr) -> Option<&Field<'a>> {
        let name = name.value();
        self.columns().find(|field| field.name() == name)
    }

    /// Returns whether this is the table of tenants: the tenant column is the primary key.
    pub(crate) fn is_root(&self) -> bool {
        self.tenant().is_some_and(|field| field.key)
    }

    /// Returns the minimum role for UPDATE: the role in `update_own` if declared, because the role
    /// in `update` includes it.
    pub(crate) fn updater(&self) -> Option<&Path> {
        self.attrs.update_own.as_ref().or(self.attrs.update.as_ref())
    }

    /// Returns the minimum role for DELETE.
    pub(crate) fn deleter(&self) -> Option<&Path> {
        self.attrs.delete_own.as_ref().or(self.attrs.delete.as_ref())
    }

    /// Returns the field with the time of the deletion, if deleted rows are kept.
    pub(crate) fn soft_delete(&self) -> Option<&Field<'a>> {
        self.columns().find(|field| field.attrs.soft_delete.is_some())
    }

    /// Returns how the application creates rows, if it can.
    pub(crate) fn insert_kind(&self) -> Option<InsertKind> {
        let attrs = &self.attrs;
        match (&attrs.insert, &attrs.creator_role, &attrs.sign_up) {
            _ if attrs.mentions("membership") || attrs.mentions("invitation") => None,
            (Some(_), ..) => Some(InsertKind::Insert),
            (None, Some(_), _) => Some(InsertKind::CreateTenant),
            (None, None, Some(_)) => Some(InsertKind::SignUp),
            (None, None, None) => None,
        }
    }

    /// Returns whether the application updates rows with UPDATE and not through a function.
    pub(crate) fn is_changed(&self) -> bool {
        self.updater().is_some() && !self.attrs.mentions("membership")
    }

    /// Returns the fields that identify a row within its tenant, in the order of the struct.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.key)
    }

    /// Returns whether several fields identify a row within its tenant.
    pub(crate) fn has_several_keys(&self) -> bool {
        self.keys().count() > 1
    }

    /// Returns the columns that the application sets on a new row. Columns with a role are excluded, because rustc
    /// could not check the role for a `Some`. A function has no parameter for a column with a default.
    pub(crate) fn given(&self, making: InsertKind) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(move |field| {
            let left_out = match making {
                InsertKind::Insert => field.attrs.insert.is_some(),
                InsertKind::CreateTenant | InsertKind::SignUp => field.attrs.default.is_some(),
            };
            field.part.is_app_assigned() && !left_out
        })
    }

    /// Returns the columns that the application can update.
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
    /// Returns whether the application sets the value on INSERT.
    pub(crate) fn is_app_assigned(self) -> bool {
        matches!(self, Self::AppAssignedId | Self::Plain | Self::Parent)
    }
}

/// Finds the field that an attribute names, or the field with the most similar name: a wrong name
/// is reported elsewhere and should not cause further errors.
fn meant(fields: &[Field<'_>], name: Option<&LitStr>) -> Option<usize> {
    let name = name?.value();
    let names: Vec<String> = fields.iter().map(Field::name).collect();
    let find = |name: &str| names.iter().position(|field| field == name);
    find(&name).or_else(|| name::nearest(&name, names.iter().map(String::as_str)).and_then(find))
}

/// Assigns the source of each field's value. If no field is marked `id`, a field named `id` is the primary key.
fn assign_parts(fields: &mut [Field<'_>], attrs: &TableAttrs) {
    let org = meant(fields, attrs.org.as_ref());
    let owner = meant(fields, attrs.owner.as_ref());
    let parent = meant(fields, attrs.parent.as_ref());
    let marked = fields.iter().any(|field| field.attrs.id.is_some());
    for field in fields.iter_mut() {
        field.id = field.attrs.skip.is_none() && if marked { field.attrs.id.is_some() } else { field.name() == "id" };
    }
    let own = |field: &(usize, &Field<'_>)| field.1.id && Some(field.0) != org;
    let own_keys = fields.iter().enumerate().filter(own).count();
    // The database generates only a key that is one column.
    let composite = own_keys > 1 || org.is_some_and(|org| fields[org].id);
    for (i, field) in fields.iter_mut().enumerate() {
        field.parent = Some(i) == parent && field.attrs.skip.is_none();
        field.part = if field.attrs.skip.is_some() {
            ValueSource::Skipped
        } else if Some(i) == org {
            ValueSource::Tenant
        } else if !field.id {
            match Some(i) {
                i if i == owner => ValueSource::Owner,
                i if i == parent => ValueSource::Parent,
                _ if field.attrs.computed().is_some() => ValueSource::Computed,
                _ => ValueSource::Plain,
            }
        } else if composite || field.attrs.app_assigned.is_some() || field.attrs.references.is_some() {
            ValueSource::AppAssignedId
        } else {
            ValueSource::GeneratedId
        };
    }
    for field in fields.iter_mut() {
        field.key = field.id && (field.part != ValueSource::Tenant || own_keys == 0);
        field.whole_key = field.key && own_keys <= 1;
    }
}

/// Returns the named fields of a struct without generics, and reports any other input.
pub(crate) fn named_fields<'a>(
    diag: &Diag,
    input: &'a DeriveInput,
    derive: &str,
) -> Option<impl Iterator<Item = &'a syn::Field> + use<'a>> {
    let only = format!("`{derive}` can only be derived for structs with named fields");
    let help = "write a struct with named fields, one for each column";
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(fields.named.iter()),
            Fields::Unnamed(fields) => {
                diag.error(fields, only, help);
                None
            }
            Fields::Unit => {
                diag.error(&input.ident, only, help);
                None
            }
        },
        Data::Enum(data) => {
            diag.error(data.enum_token, only, "for an enum that is a column, derive `TenantEnum`");
            None
        }
        Data::Union(data) => {
            diag.error(data.union_token, only, help);
            None
        }
    };
    if !input.generics.params.is_empty() {
        let params = input.generics.params.to_token_stream();
        diag.error(params, format_args!("`{derive}` cannot be derived for a generic struct"), "write the column types");
        return None;
    }
    fields
}
