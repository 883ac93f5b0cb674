//! The derives of tenant-runtime: [`TenantTable`] and [`TenantView`] for structs, and [`TenantEnum`] for enums.
//!
//! Use them through `tenant_runtime`, which exports them beside the traits of the same names; its documentation has
//! them in use. Whatever a derive finds wrong it reports at once, each mistake at the token that is wrong.

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, parse_macro_input};

use crate::{ast::Table, diag::Diag};

// Data flows diag, name → item → attr → ast → access → constants → check → declare → expand → fallback, view, enums; a module imports
// only what stands before it.
mod access;
mod ast;
mod attr;
mod check;
mod constants;
mod declare;
mod diag;
mod enums;
mod expand;
mod fallback;
mod item;
mod name;
mod pgaudit;
mod system_and_log;
mod tenancy;
#[cfg(test)]
mod tests;
mod view;

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
/// assert_eq!(Project::TABLE_NAME.to_string(), "app.projects");
/// let filter = Project::NAME.starts_with("B") & Project::PARENT_ID.is_null();
/// ```
///
/// The struct has named fields and no type parameters. Beside it the derive writes `NewProject`, with the columns to
/// insert, where `insert` is declared, and `ProjectChanges`, with the columns to change, where `update` or `update_own`
/// is; and a constant for each column, `Project::NAME` and the like, with which conditions, orders and single values are
/// written. Where rows can be inserted and updated there is one for each unique key as well, such as `Project::BY_NAME`. With
/// `creator_role` or `sign_up`, `NewProject` has the columns without a default. A membership table has neither, and a table
/// of invitations no `NewProject`. They are not read from requests, since serde's traits are not on them: what a client may set is
/// a struct of the app's own. The
/// doc comments of the struct and its fields become the comments of the table and its columns.
///
/// # On the struct
///
/// `#[tenant(…)]` may be repeated.
///
/// | key | meaning |
/// |---|---|
/// | `org = "organization_id"` | The rows belong to a tenant, whose key is in this *field*. |
/// | `parent = "project_id"` | The rows belong to the tenant of the row that this field refers to: it has `references`. |
/// | `global` | The rows belong to no tenant. Exactly one of `org`, `parent` and `global` must be there. |
/// | `visible_through = OrgMember` | Beside `global`: a tenant sees the rows of its members, whom this membership table names. |
/// | `select`, `insert`, `update`, `delete` | The least role that may do it: `"viewer"`, which means the type `Viewer` in scope, or `Viewer`. Nobody may do what names no role. A tenant's table has a `select`, and who writes a table can read it. |
/// | `owner = "created_by"` | The field with the key of the user whose row it is. The context gives its value, which stays. |
/// | `update_own`, `delete_own` | The least role that may do it to rows of its own. Alone, or beside a higher role in `update` or `delete` that may do it to any. |
/// | `visibility = "visibility"` | The field that says who in the tenant sees a row: with the label `team` everybody, else its owner alone. |
/// | `using(select = "…")`, `with_check(insert = "…")` | Conditions besides the tenant's, SQL expressions in which `caller()` is the user in the context: `using` on rows that are there (`select`, `update`, `delete`), `check` on those to be (`insert`, `update`). |
/// | `membership(user = "user_id", role = "role")` | The table says who is a member of a tenant, by these fields. `insert`, `update` and `delete` name the one role that manages members, which functions do. |
/// | `invitation(email = "email", role = "role", token = "token_hash", expires = "expires_at", by = "invited_by")` | The table holds invitations, by these fields; that of the token is for `"none"`. `insert` names the role that manages members, who invite; functions make invitations and take them. |
/// | `creator_role = "admin"` | On the table of the tenants: who founds one has this role there. It stands in place of `insert`. |
/// | `sign_up` | On the table of the users, which is `global`: a visitor may become one. It stands in place of `insert`. |
/// | `change_log` | A table that a trigger fills with who changed what; nobody else writes it. |
/// | `track_changes` | Each change of a row is written to the change log. |
/// | `system(select, delete)` | What the system role may do, by which jobs cross tenants; nothing where it is left out. |
/// | `partition_by_hash = 16` | The table is hashed by the tenant column into so many partitions. |
/// | `table = "projects"` | The table's name. Else the struct's name in `snake_case` and in the plural, by simple rules: *y* after a consonant becomes *ies*; *s*, *x*, *z*, *ch* and *sh* take *es*; all else takes *s*. |
/// | `schema = "app"` | The schema. Else that of the tenancy. |
/// | `renamed_from = "works"` | What the table was called before, with its schema where that was another: the next migration renames it. May stay. |
/// | `unique(a, b)`, `index(a, b)` | Fields that are unique, or indexed, together. May be repeated. |
/// | `tenancy = Path` | The tenancy of a table that no role reads. Else that of the `select` role, or the shipped one. |
/// | `crate = path` | Where `tenant_runtime` is found, if not at `::tenant_runtime`. |
///
/// # On a field
///
/// | key | meaning |
/// |---|---|
/// | `id` | The key. Else the field named `id`. The tenant column and one other field may both be marked. |
/// | `app_assigned` | The app gives the key. Else the database makes it, unless it `references` or the tenant column is part of it. |
/// | `column = "name"` | The column's name. Else the field's. |
/// | `renamed_from = "title"` | What the column was called before: the next migration renames it. May stay. |
/// | `backfill = "lower(name)"` | What fills the column in the rows that are there when it is new, or takes NULL no more: an SQL expression on their other columns. May stay. |
/// | `default = "now()"` | An SQL expression. In `NewProject` the field is an `Option`, and `None` takes the default. |
/// | `references = Project` | The field holds the key of this table's row. |
/// | `on_delete = "cascade"` | What happens when that row is deleted: `refuse` (which is the default), `cascade` or `set_null`. |
/// | `unique`, `index` | The column is unique, or indexed; within the tenant on a tenant's table. |
/// | `sql_type = "citext"` | The column's type, where the field's type does not say it. |
/// | `check = "length(name) > 0"` | A condition that every row keeps, an SQL expression. |
/// | `select`, `insert`, `update` | The least role that may do it to this column, one above the table's. A column with an `insert` role is not in `NewProject`, one with an `update` role not in `ProjectChanges`: `.set(Project::NAME, …)` writes it. Who may not read it reads the others through a [`TenantView`]. `"none"` closes the column to every role: a field with `select = "none"`, such as the hash of a password, is read as `Default::default()`. |
/// | `skip` | No column; read as `Default::default()`. |
#[proc_macro_derive(TenantTable, attributes(tenant))]
pub fn derive_table(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    table(&input).into()
}

/// Makes a struct a view of a table: `#[derive(TenantView)]`.
///
/// A view shows some columns, and asks of its reader the roles that these take: where a column has a `select` role of its
/// own, who has a lower one reads the others so.
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
/// | key | meaning |
/// |---|---|
/// | `of = Employee` on the struct | The table. |
/// | `crate = path` on the struct | Where `tenant_runtime` is found, if not at `::tenant_runtime`. |
/// | `column = "name"` on a field | The column's name. Else the field is the table's field of the same name. |
///
/// A field has the type of the table's field. Conditions and orders of a view's rows are written with the constants of the table,
/// `Employee::NAME`.
#[proc_macro_derive(TenantView, attributes(tenant))]
pub fn derive_view(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    view::derive(&input).into()
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

/// Declares a tenancy: the types of its keys, its settings, and its roles, each a type.
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
///             /// Reads.
///             Staff,
///             Nurse: Staff,
///             Clerk: Staff,
///             /// Includes both, and so the staff.
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
/// | key | meaning |
/// |---|---|
/// | `key: Uuid` | The type of a tenant's key: `Uuid`, `i64`, `TextKey`, or a newtype made by `tenant_key!`. |
/// | `user: Uuid` | The type of a user's key; else that of a tenant's. |
/// | `roles: { … }` | The roles, each after those that it includes, of which there may be several: `Head: Nurse + Clerk`. |
/// | `role_prefix: "acme_"` | What the names of the database roles begin with; else the package's name. |
/// | `schema: "app"` | The schema of the tables that name none; `app` if left out. |
/// | `tenant_setting`, `user_setting` | The settings that carry the context; `app.organization_id` and `app.user_id` if left out. |
/// | `connection_limit: 50` | How many connections the app's login may hold, or each of them. |
/// | `login_per_role: true` | Each role has a login of its own, such as `acme_viewer_service`, which may become that role and none above it; `acme_service` is left to visitors. `TenantDbOptions::login_per_role` takes the URLs. An app that runs on one login is refused from that migration on. |
/// | `external_roles: true` | Something else makes the database roles, such as Terraform. The migrations make none, and refuse to run until each is as it must be; the error names what mends it. |
/// | `pgaudit: "ddl, role, write"` | What pgaudit logs of any session in the database, on servers that load it: classes of statements with commas between them. |
/// | `statement_timeout: 30` | For how many seconds a statement of the app may run; 30 if left out, and 0 is for ever. |
/// | `lock_timeout: 5` | For how many seconds a statement may wait for a lock; 5 if left out. |
/// | `idle_in_transaction_timeout: 60` | For how many seconds a transaction may stay open while nothing runs in it; 60 if left out. |
/// | `crate: path` | Where `tenant_runtime` is found, if not at `::tenant_runtime`. |
#[proc_macro]
pub fn tenancy(input: TokenStream) -> TokenStream {
    tenancy::expand(input.into()).into()
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
