//! The keys of rows within their tenant: one value, or a tuple with a value for each key column.

use super::{
    column_type::{ColumnType, PgColumn, RowReader},
    value::{Bound, Values},
};

/// The key of a row within its tenant: the type of the key field, or a tuple in the order of the key fields.
///
/// ```
/// use tenant_runtime::{prelude::*, repo::row_key::RowKey, roles::{Member, Viewer}};
/// # use uuid::Uuid;
///
/// #[derive(TenantTable)]
/// #[tenant(org = "organization_id", select = "viewer", insert = "member", delete = "member")]
/// struct TicketTag {
///     #[tenant(id)]
///     organization_id: Uuid,
///     #[tenant(id)]
///     ticket_id: Uuid,
///     #[tenant(id)]
///     tag: String,
/// }
///
/// fn key<K: RowKey>(key: K) -> K { key }
/// let key: <TicketTag as TenantTable>::Id = key((Uuid::nil(), "bug".to_owned()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a primary key",
    label = "not a key type",
    note = "a key is a column type that implements `Clone` and `Sync`, or a tuple of 2 to 8 such types",
    note = "for a newtype, use `tenant_key!`, or implement `tenant_runtime::PgColumn`"
)]
pub trait RowKey: Clone + Send + Sync + 'static {
    /// Returns the value of each key column.
    #[doc(hidden)]
    fn into_bounds(self) -> Vec<Bound>;

    /// Returns the values of each key column as an array, in the order of the keys.
    #[doc(hidden)]
    fn into_arrays(keys: Vec<Self>) -> Vec<Bound>;

    /// The column's type; only for a key of one column.
    #[doc(hidden)]
    const TYPE: ColumnType;

    /// Reads the next column of a row; `None` if the value does not have the expected type. Only for a key of one column.
    #[doc(hidden)]
    fn read(row: &mut RowReader<'_>) -> Option<Self>;

    /// Writes a key of one column.
    #[doc(hidden)]
    fn set(self, values: &mut Values, column: &'static str);
}

impl<T: PgColumn + Clone + Sync> RowKey for T {
    const TYPE: ColumnType = ColumnType::of::<T>();

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        row.read_or_keep_error()
    }

    fn set(self, values: &mut Values, column: &'static str) {
        values.set(column, self);
    }

    fn into_bounds(self) -> Vec<Bound> {
        vec![Bound::new(self)]
    }

    fn into_arrays(keys: Vec<Self>) -> Vec<Bound> {
        vec![Bound::array(keys)]
    }
}

/// Implements the trait for tuples.
macro_rules! tuples {
    ($($($part:ident $at:tt),+;)*) => {$(
        impl<$($part: PgColumn + Clone + Sync),+> RowKey for ($($part,)+) {
            const TYPE: ColumnType = panic!("a key of several columns has no column of its own");

            fn read(_: &mut RowReader<'_>) -> Option<Self> {
                unreachable!("the derive reads each column of the key")
            }

            fn set(self, _: &mut Values, _: &'static str) {
                unreachable!("the derive writes each column of the key")
            }

            fn into_bounds(self) -> Vec<Bound> {
                vec![$(Bound::new(self.$at)),+]
            }

            fn into_arrays(keys: Vec<Self>) -> Vec<Bound> {
                vec![$(Bound::array(keys.iter().map(|key| key.$at.clone()).collect())),+]
            }
        }
    )*};
}

tuples! {
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}
