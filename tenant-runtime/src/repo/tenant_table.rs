//! The trait of a table, which the derive implements.

use super::row_key::RowKey;
use crate::{
    model::def::{TableDef, TableName},
    tenant::Tenancy,
};

/// A struct that is a table. Implemented by `#[derive(TenantTable)]`.
///
/// ```
/// # use tenant_runtime::{prelude::*, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// assert_eq!(Project::TABLE_NAME.to_string(), "app.projects");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table",
    label = "not a table",
    note = "derive `TenantTable` for it"
)]
pub trait TenantTable: Sized + Send + 'static {
    /// The tenancy to which the table belongs.
    type Tenancy: Tenancy;
    /// The list of declared commands, in which the command traits look up commands.
    #[doc(hidden)]
    type Declared;
    /// The primary key of a row within its tenant: the type of the key field, or a tuple of the types of several key fields.
    type Id: RowKey;
    /// The table's name.
    const TABLE_NAME: TableName;
    /// The declaration.
    const TABLE: &'static TableDef;
}
