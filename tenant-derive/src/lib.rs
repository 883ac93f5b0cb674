//! The derives of tenant-runtime: [`TenantTable`] for structs and [`TenantEnum`] for enums.
//!
//! Use them through `tenant_runtime`, which exports them beside the traits of the same names; its documentation has
//! them in use. Whatever a derive finds wrong it reports at once, each mistake at the token that is wrong.

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, parse_macro_input};

use crate::{ast::Table, diag::Diag};

// Data flows diag, name → attr → ast → check → expand → fallback, enums; a module imports only what stands before it.
mod ast;
mod attr;
mod check;
mod diag;
mod enums;
mod expand;
mod fallback;
mod name;
#[cfg(test)]
mod tests;

/// Makes a struct a table: `#[derive(TenantTable)]`.
///
/// ```
/// use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
/// # type Uuid = sqlx::types::Uuid;
///
/// /// A project of an organization.
/// #[derive(Debug, Clone, TenantTable)]
/// #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
/// #[tenant(unique(organization_id, name))]
/// pub struct Project {
///     pub id: Uuid,
///     pub organization_id: Uuid,
///     #[tenant(check = "length(name) > 0")]
///     pub name: String,
///     #[tenant(references = Project, on_delete = "set_null")]
///     pub parent_id: Option<Uuid>,
///     #[tenant(default = "false")]
///     pub archived: bool,
/// }
///
/// let new = NewProject { name: "Bridge".into(), parent_id: None, archived: None };
/// let changes = ProjectChanges { parent_id: Some(None), ..ProjectChanges::default() };
/// assert_eq!(Project::NAME.to_string(), "app.projects");
/// ```
///
/// The struct has named fields and no type parameters. Beside it the derive writes `NewProject`, with the columns to
/// insert, where `insert` is declared, and `ProjectChanges`, with the columns to change, where `update` is. The doc
/// comments of the struct and its fields become the comments of the table and its columns.
///
/// # On the struct
///
/// `#[tenant(…)]` may be repeated.
///
/// | key | meaning |
/// |---|---|
/// | `org = "organization_id"` | The rows belong to a tenant, whose key is in this *field*. |
/// | `global` | The rows belong to no tenant. Exactly one of `org` and `global` must be there. |
/// | `select`, `insert`, `update`, `delete` | The least role that may do it: `"viewer"`, which means the type `Viewer` in scope, or `Viewer`. Nobody may do what names no role. A tenant's table has a `select`, and who writes a table can read it. |
/// | `table = "projects"` | The table's name. Else the struct's name in `snake_case` and in the plural, by simple rules: *y* after a consonant becomes *ies*; *s*, *x*, *z*, *ch* and *sh* take *es*; all else takes *s*. |
/// | `schema = "app"` | The schema. Else that of the tenancy. |
/// | `unique(a, b)`, `index(a, b)` | Fields that are unique, or indexed, together. May be repeated. |
/// | `tenancy = Path` | The tenancy of a table that no role reads. Else that of the `select` role, or the shipped one. |
/// | `crate = path` | Where `tenant_runtime` is found, if not at `::tenant_runtime`. |
///
/// # On a field
///
/// | key | meaning |
/// |---|---|
/// | `id` | The key. Else the field named `id`. The tenant column and one other field may both be marked. |
/// | `supplied` | The app gives the key. Else the database makes it, unless it `references` or the tenant column is part of it. |
/// | `column = "name"` | The column's name. Else the field's. |
/// | `default = "now()"` | An SQL expression. In `NewProject` the field is an `Option`, and `None` takes the default. |
/// | `references = Project` | The field holds the key of this table's row. |
/// | `on_delete = "cascade"` | What happens when that row is deleted: `refuse` (which is the default), `cascade` or `set_null`. |
/// | `unique`, `index` | The column is unique, or indexed; within the tenant on a tenant's table. |
/// | `sql_type = "citext"` | The column's type, where the field's type does not say it. |
/// | `check = "length(name) > 0"` | A condition that every row keeps, an SQL expression. |
/// | `skip` | No column; read as `Default::default()`. |
#[proc_macro_derive(TenantTable, attributes(tenant))]
pub fn derive_table(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    table(&input).into()
}

/// Makes an enum without data the type of a text column that holds its labels: `#[derive(TenantEnum)]`.
///
/// ```
/// use tenant_runtime::{PgColumn, SqlType, TenantEnum};
///
/// #[derive(Debug, Clone, Copy, TenantEnum)]
/// #[tenant(rename_all = "kebab-case")]
/// enum Status {
///     Open,
///     InProgress,
///     #[tenant(rename = "finished")]
///     Done,
/// }
///
/// assert_eq!(Status::SQL, SqlType::Labels(&["open", "in-progress", "finished"]));
/// ```
///
/// | key | meaning |
/// |---|---|
/// | `rename_all = "…"` on the enum | The form of the labels: `snake_case` (which is the default), `kebab-case`, `lowercase`, `UPPERCASE`, `SCREAMING_SNAKE_CASE`, `PascalCase` or `camelCase`. |
/// | `crate = path` on the enum | Where `tenant_runtime` is found, if not at `::tenant_runtime`. |
/// | `rename = "…"` on a variant | The label. |
///
/// Labels are unique, have one to 63 bytes, and hold no quote, backslash or control character. Reading a label that the
/// enum does not have is an error that names both.
#[proc_macro_derive(TenantEnum, attributes(tenant))]
pub fn derive_enum(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    enums::derive(&input).into()
}

/// Derives `TenantTable`: read, check, and then expand, or else report and stand in.
fn table(input: &DeriveInput) -> proc_macro2::TokenStream {
    let diag = Diag::new();
    let table = Table::read(&diag, input);
    let key = table.as_ref().and_then(|table| check::check(&diag, table));
    match (diag.finish(), &table, key) {
        (Ok(()), Some(table), Some(key)) => expand::expand(table, key),
        (Err(errors), Some(table), _) => {
            let inert = fallback::expand(table);
            quote!(#errors #inert)
        }
        (Err(errors), ..) => errors,
        (Ok(()), ..) => unreachable!("a table without a key was reported"),
    }
}
