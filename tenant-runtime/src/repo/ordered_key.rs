//! The order by the key of a row, which comes last in every list.

use super::{column_type::PgColumn, ordered::OrderedColumn, page::OrderBy, row_key::RowKey};

/// A key by which rows can be sorted, so that pages have cursors.
///
/// ```
/// use tenant_runtime::{Page, Result, Role, prelude::*, repo::{access::{May, MayRead, RoleOf}, cmd, ordered_key::OrderedKey, table::Select}};
///
/// async fn first_page<T: Select<Id: OrderedKey>, R>(tx: &mut TenantTx<R>) -> Result<Page<T>>
/// where
///     R: Role + RoleOf<T::Tenancy> + May<cmd::Read, T, T::SelectRole> + MayRead<T, T::RowNeeds>,
/// {
///     T::list(tx).page().await
/// }
/// ```
pub trait OrderedKey: RowKey {
    /// Returns the order by each key column.
    #[doc(hidden)]
    fn orders(columns: &[&'static str], descending: bool) -> Vec<OrderBy>;
}

impl<T: OrderedColumn + RowKey> OrderedKey for T {
    fn orders(columns: &[&'static str], descending: bool) -> Vec<OrderBy> {
        columns.iter().map(|column| OrderBy::new::<T>(column, descending)).collect()
    }
}

/// Implements the trait for tuples.
macro_rules! tuples {
    ($($($part:ident),+;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($part: PgColumn + OrderedColumn + Clone),+> OrderedKey for ($($part,)+) {
            fn orders(columns: &[&'static str], descending: bool) -> Vec<OrderBy> {
                let orders: &[fn(&'static str, bool) -> OrderBy] = &[$(OrderBy::new::<$part>),+];
                columns.iter().zip(orders).map(|(column, order)| order(column, descending)).collect()
            }
        }
    )*};
}

tuples! {
    A, B;
    A, B, C;
    A, B, C, D;
    A, B, C, D, E;
    A, B, C, D, E, F;
    A, B, C, D, E, F, G;
    A, B, C, D, E, F, G, H;
}
