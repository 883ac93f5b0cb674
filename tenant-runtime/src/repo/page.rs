//! Orders, pages and cursors (keyset pagination).

use std::{fmt, marker::PhantomData, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sqlx::postgres::PgRow;

use super::{
    access::MayUse,
    column_type::RowReader,
    filter::{Condition, Operator},
    ordered::OrderedColumn,
    tenant_table::TenantTable,
    value::Bound,
};
use crate::{
    error::{Error, Result},
    tenant::Role,
};

/// A column and a direction by which to sort rows of `T`, such as `Project::CREATED_AT.desc()`.
///
/// ```
/// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// # async fn f(tx: &mut TenantTx<Viewer>, newest_first: bool) -> Result<()> {
/// let order = if newest_first { Project::ID.desc() } else { Project::NAME.asc() };
/// let projects = Project::list(&mut *tx).order(order).await?;
/// # Ok(()) }
/// ```
#[must_use = "an order does nothing until it is passed to a list"]
pub struct Order<T, Needs = ()> {
    by: OrderBy,
    marker: PhantomData<fn() -> (T, Needs)>,
}

impl<T, N> Order<T, N> {
    pub(super) fn new<V: OrderedColumn>(column: &'static str, descending: bool) -> Self {
        Self { by: OrderBy::new::<V>(column, descending), marker: PhantomData }
    }

    pub(super) fn into_by(self) -> OrderBy {
        self.by
    }

    /// Raises the required role, so that the order can be chosen at run time.
    ///
    /// ```
    /// # use tenant_runtime::{TenantTable, roles::{Admin, Viewer}};
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Employee { id: uuid::Uuid, organization_id: uuid::Uuid, name: String, #[tenant(select = "admin")] salary: i64 }
    /// # fn f(sort: &str) {
    /// let order = match sort {
    ///     "salary" => Employee::SALARY.desc(),
    ///     _ => Employee::NAME.asc().requires::<Admin>(),
    /// };
    /// # }
    /// ```
    pub fn requires<R: Role + MayUse<T, N>>(self) -> Order<T, R> {
        Order { by: self.by, marker: PhantomData }
    }
}

impl<T, N> fmt::Debug for Order<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.by.fmt(f)
    }
}

/// An order with its types erased; conversions are stored as functions.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct OrderBy {
    pub(super) column: &'static str,
    pub(super) descending: bool,
    nullable: bool,
    read: fn(&PgRow, usize) -> sqlx::Result<Option<String>>,
    bound: fn(Option<&str>) -> Option<Bound>,
}

impl OrderBy {
    pub(super) fn new<V: OrderedColumn>(column: &'static str, descending: bool) -> Self {
        Self {
            column,
            descending,
            nullable: V::NULLABLE,
            read: |row, index| Ok(RowReader::from(row, index).read::<V>()?.to_cursor()),
            bound: |text| V::from_cursor(text).map(Bound::new),
        }
    }
}

impl fmt::Debug for OrderBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.column, if self.descending { "DESC" } else { "ASC" })
    }
}

/// A page of rows and the cursor of the next page. Read by [`List::page`](super::list::List::page).
///
/// ```
/// # use tenant_runtime::{Page, Result, prelude::*, roles::Viewer};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
/// let mut page: Page<Project> = Project::list(&mut *tx).order(Project::NAME.asc()).limit(50).page().await?;
/// while let Some(next) = page.next {
///     page = Project::list(&mut *tx).order(Project::NAME.asc()).limit(50).after(next).page().await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Page<V, T = V> {
    /// The rows.
    pub rows: Vec<V>,
    /// The position after which the next page begins; `None` if there are no further rows.
    pub next: Option<Cursor<T>>,
}

/// The position of a row of `T` in an order. The next page begins after this position.
///
/// As text (`to_string`, `parse`), it can be given to clients. The text contains the row's values
/// in the ordering columns, encoded but not encrypted, and no tenant: a cursor from another tenant,
/// or a modified cursor, leads to rows of the current tenant or to [`Error::InvalidCursor`].
///
/// ```
/// # use tenant_runtime::{Cursor, Result, prelude::*, roles::Viewer};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// fn next_link(next: Cursor<Project>) -> String {
///     format!("/projects?after={next}")
/// }
///
/// fn from_query(after: &str) -> Result<Cursor<Project>> {
///     after.parse()
/// }
/// ```
pub struct Cursor<T> {
    order: u64,
    values: Vec<Option<String>>,
    table: PhantomData<fn() -> T>,
}

impl<T: TenantTable> Cursor<T> {
    /// Reads the cursor of a row; its ordering values begin at column `first`.
    pub(super) fn of(row: &PgRow, first: usize, order: &[OrderBy]) -> sqlx::Result<Self> {
        let values = order.iter().zip(first..).map(|(by, index)| (by.read)(row, index));
        Ok(Self { order: fingerprint::<T>(order), values: values.collect::<sqlx::Result<_>>()?, table: PhantomData })
    }

    /// Returns the condition that matches the rows after the cursor in this order.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCursor`] if the cursor belongs to another order or its values do not fit the columns.
    pub(super) fn after(&self, order: &[OrderBy]) -> Result<Condition> {
        if self.order != fingerprint::<T>(order) || self.values.len() != order.len() {
            return Err(invalid::<T>("the cursor belongs to a list with another order"));
        }
        let values = order.iter().zip(&self.values).map(|(by, text)| {
            let value = (by.bound)(text.as_deref()).ok_or_else(|| invalid::<T>("the cursor was modified"))?;
            Ok(Place { by: *by, value, null: text.is_none() })
        });
        let places = values.collect::<Result<Vec<Place>>>()?;
        let descending = order.first().is_some_and(|by| by.descending);
        if order.iter().all(|by| by.descending == descending && !by.nullable) {
            // PostgreSQL can evaluate a row comparison with a single index scan.
            return Ok(Condition::Row {
                columns: order.iter().map(|by| by.column).collect(),
                after: !descending,
                values: places.into_iter().map(|place| place.value).collect(),
            });
        }
        Ok(after_one_by_one(&places))
    }
}

/// A column's value in the cursor's row.
struct Place {
    by: OrderBy,
    value: Bound,
    null: bool,
}

impl Place {
    /// Returns the condition that the column has the same value.
    fn same(&self) -> Condition {
        let column = self.by.column;
        if self.null {
            return Condition::Null { column };
        }
        Condition::Compare { column, operator: Operator::Eq, value: self.value.clone() }
    }

    /// Returns the condition that the column's value comes later. As in PostgreSQL, NULL is last in
    /// ascending and first in descending order.
    fn later(&self) -> Option<Condition> {
        let OrderBy { column, descending, nullable, .. } = self.by;
        let null = Condition::Null { column };
        match (self.null, descending) {
            (true, false) => None,
            (true, true) => Some(Condition::Not(Box::new(null))),
            (false, _) => {
                let operator = if descending { Operator::Lt } else { Operator::Gt };
                let later = Condition::Compare { column, operator, value: self.value.clone() };
                Some(if nullable && !descending { later.or(null) } else { later })
            }
        }
    }
}

/// Returns the condition that a row comes later: in one column its value comes later, and all
/// preceding columns are equal.
fn after_one_by_one(places: &[Place]) -> Condition {
    let later = places.iter().enumerate().filter_map(|(i, place)| {
        let same = places[..i].iter().map(Place::same);
        Some(Condition::All(same.chain([place.later()?]).collect()))
    });
    Condition::Any(later.collect())
}

impl<T> Clone for Cursor<T> {
    fn clone(&self) -> Self {
        Self { order: self.order, values: self.values.clone(), table: PhantomData }
    }
}

impl<T> PartialEq for Cursor<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.order, &self.values) == (other.order, &other.values)
    }
}

impl<T> Eq for Cursor<T> {}

impl<T> fmt::Debug for Cursor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cursor").field(&self.to_string()).finish()
    }
}

impl<T> fmt::Display for Cursor<T> {
    /// Writes the order's hash, and each value prefixed with its length, or `-` for NULL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{:x}:", self.order);
        for value in &self.values {
            match value {
                Some(value) => text.push_str(&format!("{}:{value}", value.len())),
                None => text.push('-'),
            }
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(text))
    }
}

impl<T: TenantTable> FromStr for Cursor<T> {
    type Err = Error;

    /// Parses the text of a cursor.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCursor`] if the text has been truncated or modified. Whether the cursor belongs to the list is
    /// checked when the list runs.
    fn from_str(text: &str) -> Result<Self> {
        read(text).ok_or_else(|| invalid::<T>("the cursor was truncated or modified"))
    }
}

fn read<T>(text: &str) -> Option<Cursor<T>> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (order, mut rest) = text.split_once(':')?;
    let order = u64::from_str_radix(order, 16).ok()?;
    let mut values = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('-') {
            values.push(None);
            rest = after;
            continue;
        }
        let (length, after) = rest.split_once(':')?;
        let (value, after) = after.split_at_checked(length.parse().ok()?)?;
        values.push(Some(value.to_owned()));
        rest = after;
    }
    Some(Cursor { order, values, table: PhantomData })
}

fn invalid<T: TenantTable>(why: &'static str) -> Error {
    Error::InvalidCursor { table: T::TABLE_NAME.to_string(), reason: why }
}

/// Hashes an order (with FNV-1a, which is stable across Rust releases), so that a cursor of another list is detected.
fn fingerprint<T: TenantTable>(order: &[OrderBy]) -> u64 {
    let text = format!("{} {order:?}", T::TABLE_NAME);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(values: &[Option<&str>]) -> Cursor<()> {
        let values = values.iter().map(|value| value.map(str::to_owned)).collect();
        Cursor { order: 0xfeed, values, table: PhantomData }
    }

    #[test]
    fn cursor_text_round_trips() {
        for values in [&[][..], &[None], &[Some(""), None, Some("-1:…")], &[Some("3:abc"), Some("a\nb")]] {
            let text = cursor(values).to_string();
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{text}");
            assert_eq!(read(&text), Some(cursor(values)));
        }
    }

    #[test]
    fn malformed_cursor_text_is_rejected() {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for text in ["", "x", "'; DROP TABLE", "…"] {
            assert_eq!(read::<()>(text), None, "{text}");
        }
        for text in ["1", "x:", "1:9:abc", "1:x:abc", "1:2:…", "1:18446744073709551616:a"] {
            assert_eq!(read::<()>(&encoded(text)), None, "{text}");
        }
    }
}
