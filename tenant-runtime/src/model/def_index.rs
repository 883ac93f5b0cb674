//! The declaration of unique constraints, indexes and exclusion constraints.

/// A unique constraint, an index or an exclusion constraint of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexDef<'a> {
    /// What the index enforces.
    pub kind: IndexKindDef,
    /// The name; `None` derives the name from the table and the columns.
    pub name: Option<&'static str>,
    /// The columns and expressions in their order.
    pub parts: &'a [IndexPartDef],
    /// The columns that the index contains, but does not sort by or compare.
    pub include: &'a [&'static str],
    /// The condition of the rows in the index, an SQL expression.
    pub condition: Option<&'static str>,
    /// The index method, such as `gin`; `None` is `btree`, or `gist` for an exclusion constraint.
    pub method: Option<&'static str>,
}

impl<'a> IndexDef<'a> {
    /// Returns an index without options.
    #[must_use]
    pub const fn blank(kind: IndexKindDef, parts: &'a [IndexPartDef]) -> Self {
        Self { kind, name: None, parts, include: &[], condition: None, method: None }
    }
}

/// What an index enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKindDef {
    /// Nothing.
    Plain,
    /// The values are unique.
    Unique {
        /// The rows that are compared.
        scope: UniqueScope,
        /// Whether NULL counts as a value.
        nulls_not_distinct: bool,
    },
    /// No two rows have parts for which all operators return true.
    Exclusion,
}

impl IndexKindDef {
    /// Unique within the tenant.
    pub const UNIQUE: Self = Self::Unique { scope: UniqueScope::Tenant, nulls_not_distinct: false };
}

/// The rows among which a value is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueScope {
    /// The rows of the tenant; all rows if the table has no tenant column, and on the tenant table.
    Tenant,
    /// The rows of all tenants: a violation reveals that another tenant has the value.
    Global,
}

/// A column or an expression of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexPartDef {
    /// The column or the expression.
    pub key: IndexKeyDef,
    /// The operator class, with its schema if it belongs to an extension.
    pub operator_class: Option<&'static str>,
    /// Whether the order is descending.
    pub descending: bool,
    /// Whether NULL comes first; `None` is PostgreSQL's default: last if ascending, first if descending.
    pub nulls_first: Option<bool>,
    /// The operator of an exclusion constraint.
    pub operator: Option<&'static str>,
}

impl IndexPartDef {
    /// Returns a column without options.
    #[must_use]
    pub const fn column(name: &'static str) -> Self {
        Self {
            key: IndexKeyDef::Column(name),
            operator_class: None,
            descending: false,
            nulls_first: None,
            operator: None,
        }
    }
}

/// What a part of an index contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKeyDef {
    /// A column.
    Column(&'static str),
    /// An SQL expression over the row's columns.
    Expression(&'static str),
}
