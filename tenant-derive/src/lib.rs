//! The derives of tenant-runtime: [`TenantTable`] and [`TenantView`] for structs, and [`TenantEnum`] for enums.
//!
//! Use them through `tenant_runtime`, which exports them together with the traits of the same names. A derive reports
//! all errors of a declaration in one build, each at the invalid token.

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, parse_macro_input};

use crate::{ast::Table, diag::Diag};

// Data flow: diag, name → item → attr, keys → ast → access → declare → constants → check → expand → fallback, view,
// enums. A module imports only from modules before it.
mod access;
mod ast;
mod attr;
mod check;
mod computed;
mod constants;
mod counter;
mod declare;
mod diag;
mod enums;
mod expand;
mod extensions;
mod fallback;
mod foreign_key_checks;
mod foreign_keys;
mod index_checks;
mod indexes;
mod item;
mod keys;
mod name;
mod pgaudit;
mod soft_delete;
mod system_access;
mod system_and_log;
mod tenancy;
mod tenancy_syntax;
#[cfg(test)]
mod tests;
mod view;

/// Declares a table from a struct: `#[derive(TenantTable)]`.
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
/// assert_eq!(Project::TABLE_NAME.to_string(), "app.projects");
/// let filter = Project::NAME.starts_with("B") & Project::PARENT_ID.is_null();
/// ```
///
/// The struct requires named fields and no generics. The derive generates:
///
/// - `NewProject`, the columns of a new row, if `insert` is declared. With `creator_role` or
///   `sign_up`, it contains only the columns without a default.
/// - `ProjectChanges`, the columns to update, if `update` or `update_own` is declared.
/// - a constant for each column, such as `Project::NAME`, for filters, orders and single values;
/// - a constant for each unique key, such as `Project::BY_NAME`, for upserts, if rows can be inserted and updated.
///
/// A membership table has neither struct, and an invitation table has no `NewProject`. The structs do not implement
/// serde's traits: deserialize requests into a separate struct with the fields that a client can set. The doc comments
/// of the struct and its fields become comments on the table and its columns.
///
/// # On the struct
///
/// `#[tenant(…)]` can be repeated.
///
#[doc = include_str!("../docs/table_keys.md")]
///
/// # On a field
///
#[doc = include_str!("../docs/field_keys.md")]
#[proc_macro_derive(TenantTable, attributes(tenant))]
pub fn derive_table(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    table(&input).into()
}

/// Declares a view of a table: a struct with some of its columns, `#[derive(TenantView)]`.
///
/// A view requires the roles of its columns only: a context whose role cannot read some column of
/// the table can read the other columns through a view.
///
/// ```
/// use tenant_runtime::{TenantTable, TenantView, roles::{Admin, Viewer}};
/// # type Uuid = sqlx::types::Uuid;
///
/// #[derive(TenantTable)]
/// #[tenant(org = "organization_id", select = "viewer")]
/// struct Employee {
///     id: Uuid,
///     organization_id: Uuid,
///     name: String,
///     #[tenant(select = "admin")]
///     salary: i64,
/// }
///
/// #[derive(TenantView)]
/// #[tenant(of = Employee)]
/// struct Colleague {
///     id: Uuid,
///     #[tenant(column = "name")]
///     called: String,
/// }
///
/// assert_eq!(Colleague::columns(), ["id", "name"]);
/// ```
///
/// | key | description |
/// |---|---|
/// | `of = Employee` on the struct | The table. Required. |
/// | `crate = path` on the struct | The path of `tenant_runtime`. Default: `::tenant_runtime`. |
/// | `column = "name"` on a field | The column name. Default: the column of the table's field with the same name. |
///
/// A field must have the type of the table's field. Filters and orders of a view use the constants of the table,
/// such as `Employee::NAME`.
#[proc_macro_derive(TenantView, attributes(tenant))]
pub fn derive_view(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    view::derive(&input).into()
}

/// Declares an enum without data as the type of a column with a fixed set of labels: `#[derive(TenantEnum)]`.
///
/// The column is text with a check constraint, or, with `native`, has an enum type of PostgreSQL.
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
/// let SqlType::Labels(status) = Status::SQL else { panic!("an enum has labels") };
/// assert_eq!(status.labels, ["open", "in-progress", "finished"]);
/// ```
///
/// | key | description |
/// |---|---|
/// | `rename_all = "…"` on the enum | The case of the labels. Default: `snake_case`. Others: `kebab-case`, `lowercase`, `UPPERCASE`, `SCREAMING_SNAKE_CASE`, `PascalCase` or `camelCase`. |
/// | `native` or `native = "…"` on the enum | Stores the labels in an enum type of PostgreSQL, with the enum's name in snake case, or this name. |
/// | `crate = path` on the enum | The path of `tenant_runtime`. Default: `::tenant_runtime`. |
/// | `rename = "…"` on a variant | The label. |
/// | `renamed_from = "…"` on a variant | The label's previous text: the next migration changes it in existing rows. |
/// | `replaces = "…"` on a variant | A label that was removed: existing rows that have it get this variant's label. Can be given several times. |
///
/// Labels must be unique, have 1 to 63 bytes, and contain no quotes, backslashes or control characters. Reading an unknown
/// label from the database is a decode error that names the label and the enum.
#[proc_macro_derive(TenantEnum, attributes(tenant))]
pub fn derive_enum(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    enums::derive(&input).into()
}

/// Declares a tenancy: the types of tenant and user IDs, settings, and roles, each of which becomes a type.
///
/// ```
/// use tenant_runtime::{TenantTable, tenancy};
///
/// tenancy! {
///     /// Clinics and their staff.
///     pub Clinics {
///         key: i64,
///         role_prefix: "clinic_",
///         tenant_setting: "clinic.id",
///         user_setting: "clinic.person",
///         roles: {
///             /// Reads charts.
///             Staff,
///             Nurse: Staff,
///             Clerk: Staff,
///             /// Includes `Nurse` and `Clerk`, and through them `Staff`.
///             Head: Nurse + Clerk,
///         },
///     }
/// }
///
/// #[derive(TenantTable)]
/// #[tenant(org = "clinic_id", select = "staff", insert = "nurse", delete = "head")]
/// struct Chart {
///     id: i64,
///     clinic_id: i64,
///     text: String,
/// }
/// ```
///
/// | key | description |
/// |---|---|
/// | `key: Uuid` | The type of tenant IDs: `Uuid`, `i64`, `TextKey`, or a newtype declared with `tenant_key!`. Required. |
/// | `user: Uuid` | The type of user IDs. Default: the type of tenant IDs. |
/// | `roles: { … }` | The roles, each declared after the roles that it includes: `Head: Nurse + Clerk`. Required. |
/// | `role_prefix: "acme_"` | The prefix of the database roles. Default: the package name and `_`. |
/// | `schema: "app"` | The schema of tables without a `schema` attribute. Default: `app`. |
/// | `tenant_setting`, `user_setting` | The PostgreSQL settings that carry the context. Default: `app.organization_id` and `app.user_id`. |
/// | `connection_limit: 50` | `CONNECTION LIMIT` of each app's login role. Default: 50. |
/// | `login_per_role: true` | A login role for each role, such as `acme_viewer_service`, which can assume that role and the roles it includes; `acme_service` then serves users without a tenant only. `TenantDbOptions::login_per_role` sets the URLs. After the migration, an app that uses one login role is refused. Default: false. |
/// | `signed_context: true` | The database accepts a tenant, a user and a role only with a signature of the app (`TenantDbOptions::signing_key`), so injected SQL cannot change them. Default: false. |
/// | `external_roles: true` | Another tool, such as Terraform, creates the database roles. The migrations create none and fail unless each role exists as required; the error contains the fix. Default: false. |
/// | `pgaudit: "ddl, role, write"` | The classes of statements that pgaudit logs for every session in the database, on servers that load it. Default: not configured. |
/// | `extensions: { citext: "ext" }` | The extensions that the models use, each with its schema. Default: none. |
/// | `statement_timeout: 30` | `statement_timeout` of the app's login roles in seconds. Default: 30; 0 disables the timeout. |
/// | `lock_timeout: 5` | `lock_timeout` in seconds. Default: 5; 0 disables the timeout. |
/// | `idle_in_transaction_timeout: 60` | `idle_in_transaction_session_timeout` in seconds. Default: 60; 0 disables the timeout. |
/// | `system_access_timeout: 28800` | The number of seconds for which the recorded reason of a cross-tenant job gives access. Default: 8 hours. |
/// | `system_reason_length: 10` | The minimum number of characters of such a reason. Default: 10. |
/// | `system_log_retention: 90` | The number of days for which a recorded reason cannot be deleted. Default: 90. |
/// | `crate: path` | The path of `tenant_runtime`. Default: `::tenant_runtime`. |
#[proc_macro]
pub fn tenancy(input: TokenStream) -> TokenStream {
    tenancy::expand(input.into()).into()
}

/// Derives `TenantTable`: reads, checks and expands the struct; after errors it writes inert impls.
fn table(input: &DeriveInput) -> proc_macro2::TokenStream {
    let diag = Diag::new();
    let table = Table::read(&diag, input);
    if let Some(table) = &table {
        check::check(&diag, table);
    }
    match (diag.finish(), &table) {
        (Ok(()), Some(table)) => expand::expand(table),
        (Err(errors), Some(table)) => {
            let inert = fallback::expand(table);
            quote!(#errors #inert)
        }
        (Err(errors), None) => errors,
        (Ok(()), None) => unreachable!("a struct that cannot be read was reported"),
    }
}
