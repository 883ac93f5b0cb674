//! What the derive implements for a struct: one trait for the table, and one for each declared command.

use super::{
    access::{CanRead, RoleOf, cmd},
    column_type::{PgColumn, RowReader},
    declared::Declares,
    value::Values,
};
use crate::{
    model::def::{TableDef, TableName},
    tenant::{Role, Tenancy},
};

/// A struct that is a table. Implemented by `#[derive(TenantTable)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table",
    label = "not a table",
    note = "derive `TenantTable` on it"
)]
pub trait TenantTable: Sized + Send + 'static {
    /// The tenancy to which the table belongs.
    type Tenancy: Tenancy;
    /// Which commands the attributes declare: the traits of the commands look it up here.
    #[doc(hidden)]
    type Declared;
    /// The key that names a row (within its tenant).
    type Id: PgColumn + Clone + Sync;
    /// The table's name.
    const TABLE_NAME: TableName;
    /// The declaration.
    const TABLE: &'static TableDef;
}

/// A table of which some role may read rows.
#[diagnostic::on_unimplemented(
    message = "nobody may read `{Self}`",
    label = "no role may read this table",
    note = "add `select = \"…\"` to `#[tenant(…)]` on `{Self}`"
)]
pub trait Select: TenantTable + Declares<cmd::Read> {
    /// The least role that may read.
    type SelectRole: Role + RoleOf<Self::Tenancy>;
    /// The roles that it takes to read whole rows: that one, and those of columns that take a higher one.
    #[doc(hidden)]
    type RowNeeds;

    /// Reads a struct from a row with the declared columns in their order.
    ///
    /// # Errors
    ///
    /// When a value is not of its column's type.
    #[doc(hidden)]
    fn from_row(row: &mut RowReader<'_>) -> sqlx::Result<Self>;
}

/// A table into which some role may insert rows.
#[diagnostic::on_unimplemented(
    message = "nobody may insert `{Self}`",
    label = "no role may insert into this table",
    note = "add `insert = \"…\"` to `#[tenant(…)]` on `{Self}`",
    note = "the rows of a `membership(…)` table are changed by `add_member`, `change_role` and `remove_member`"
)]
pub trait Insert: Select + Declares<cmd::Insert> {
    /// The least role that may insert.
    type InsertRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
    /// A row to insert: the columns that neither the context nor the database fills in.
    type New: Send + 'static;

    /// Hands over the columns to write.
    #[doc(hidden)]
    fn new_values(new: Self::New, values: &mut Values);
}

/// A table of which some role may update rows.
#[diagnostic::on_unimplemented(
    message = "nobody may update `{Self}`",
    label = "no role may update this table",
    note = "add `update = \"…\"` to `#[tenant(…)]` on `{Self}`",
    note = "the rows of a `membership(…)` table are changed by `add_member`, `change_role` and `remove_member`"
)]
pub trait Update: Select + Declares<cmd::Update> {
    /// The least role that may update.
    type UpdateRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
    /// What to change: `None` leaves a column as it is.
    type Changes: Send + 'static;

    /// Hands over the columns to write.
    #[doc(hidden)]
    fn changed_values(changes: Self::Changes, values: &mut Values);
}

/// A table of which some role may delete rows.
#[diagnostic::on_unimplemented(
    message = "nobody may delete `{Self}`",
    label = "no role may delete from this table",
    note = "add `delete = \"…\"` to `#[tenant(…)]` on `{Self}`",
    note = "the rows of a `membership(…)` table are changed by `add_member`, `change_role` and `remove_member`"
)]
pub trait Delete: Select + Declares<cmd::Delete> {
    /// The least role that may delete.
    type DeleteRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
}
