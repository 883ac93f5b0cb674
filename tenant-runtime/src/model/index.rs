//! Indexes and exclusion constraints.

use super::expression::Expression;
use crate::ident::Ident;

/// An index or an exclusion constraint. A unique constraint is a [`Key`](super::schema::Key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The name.
    pub name: Ident,
    /// What the index enforces.
    pub kind: IndexKind,
    /// The method, such as `btree`.
    pub method: Ident,
    /// The columns and expressions in their order.
    pub parts: Vec<IndexPart>,
    /// The columns that the index contains, but does not sort by or compare.
    pub include: Vec<Ident>,
    /// The condition of the rows in the index.
    pub condition: Option<Expression>,
}

impl Index {
    /// Returns whether the index rejects rows.
    pub(crate) fn is_enforced(&self) -> bool {
        self.kind != IndexKind::Plain
    }
}

/// What an index enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexKind {
    /// Nothing.
    Plain,
    /// The values are unique.
    Unique {
        /// Whether NULL counts as a value.
        nulls_not_distinct: bool,
    },
    /// No two rows have parts for which all operators return true: an exclusion constraint.
    Exclusion,
}

/// A column or an expression of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// The column or the expression.
    pub key: IndexKey,
    /// The operator class, with its schema if it belongs to an extension; `None` is the default of the type.
    pub operator_class: Option<Vec<Ident>>,
    /// Whether the order is descending.
    pub descending: bool,
    /// Whether NULL comes first.
    pub nulls_first: bool,
    /// The operator of an exclusion constraint.
    pub operator: Option<Operator>,
}

/// What a part of an index contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexKey {
    /// A column.
    Column(Ident),
    /// An expression over the row's columns.
    Expression(Expression),
}

/// An operator of PostgreSQL, such as `&&`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator(String);

impl Operator {
    /// The operator that compares the tenant columns of an exclusion constraint.
    pub(crate) fn equals() -> Self {
        Self("=".to_owned())
    }

    /// Parses an operator; `None` if the text is not the name of one, or would start a comment.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_name = (1..64).contains(&text.len()) && text.chars().all(|char| "+-*/<>=~!@#%^&|`?".contains(char));
        (is_name && !text.contains("--") && !text.contains("/*")).then(|| Self(text.to_owned()))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IndexPart {
    /// Returns a column in PostgreSQL's default order.
    pub(crate) fn column(name: Ident) -> Self {
        Self {
            key: IndexKey::Column(name),
            operator_class: None,
            descending: false,
            nulls_first: false,
            operator: None,
        }
    }

    /// Returns the column, if the part is a column and not an expression.
    pub(crate) fn as_column(&self) -> Option<&Ident> {
        match &self.key {
            IndexKey::Column(name) => Some(name),
            IndexKey::Expression(_) => None,
        }
    }
}

impl Index {
    /// Returns the index `btree (columns)`.
    pub(crate) fn of_columns(name: Ident, columns: impl IntoIterator<Item = Ident>) -> Self {
        Self {
            name,
            kind: IndexKind::Plain,
            method: Ident::derived(["btree"]),
            parts: columns.into_iter().map(IndexPart::column).collect(),
            include: Vec::new(),
            condition: None,
        }
    }

    /// Returns the columns of the index if it is equal to [`of_columns`](Self::of_columns) except for its kind and the
    /// included columns: such an index finds rows by each prefix of its columns.
    pub(crate) fn plain_columns(&self) -> Option<Vec<&Ident>> {
        let columns: Vec<_> = self.parts.iter().filter_map(IndexPart::as_column).collect();
        let kind = !matches!(self.kind, IndexKind::Exclusion) && self.method.as_str() == "btree";
        let is_plain = |(part, column): (&IndexPart, &&Ident)| *part == IndexPart::column((*column).clone());
        let same = columns.len() == self.parts.len() && self.parts.iter().zip(&columns).all(is_plain);
        (kind && same && self.condition.is_none()).then_some(columns)
    }

    /// Returns the expressions of the index and its condition.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let parts = self.parts.iter().filter_map(|part| match &part.key {
            IndexKey::Column(_) => None,
            IndexKey::Expression(expression) => Some(expression),
        });
        parts.chain(&self.condition)
    }

    /// Returns the expressions of the index and its condition.
    pub(crate) fn expressions_mut(&mut self) -> impl Iterator<Item = &mut Expression> {
        let parts = self.parts.iter_mut().filter_map(|part| match &mut part.key {
            IndexKey::Column(_) => None,
            IndexKey::Expression(expression) => Some(expression),
        });
        parts.chain(&mut self.condition)
    }

    /// Returns the columns of the index, without those in its expressions.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Ident> {
        self.parts.iter().filter_map(IndexPart::as_column).chain(&self.include)
    }

    /// Returns the columns of the index, without those in its expressions.
    pub(crate) fn columns_mut(&mut self) -> impl Iterator<Item = &mut Ident> {
        let parts = self.parts.iter_mut().filter_map(|part| match &mut part.key {
            IndexKey::Column(name) => Some(name),
            IndexKey::Expression(_) => None,
        });
        parts.chain(&mut self.include)
    }
}
