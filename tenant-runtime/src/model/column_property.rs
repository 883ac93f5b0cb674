//! The properties of a column as a list, for all code that compares, alters or describes columns.
//!
//! A new column attribute becomes a field of [`Column`] and a variant here; the compiler then reports every place that
//! must handle it.

use super::schema::{Column, ColumnDefault, Expression, QualifiedName};
use crate::ident::Ident;

/// A property of a column that can change while the column keeps its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnProperty {
    /// The type with its collation, which PostgreSQL sets together.
    Type,
    /// Whether PostgreSQL collects no planner statistics of the values.
    Sensitive,
    /// The default expression, `GENERATED ALWAYS AS IDENTITY`, the expression of a generated column, or the table of a counter.
    Default,
    /// The comment.
    Comment,
    /// Whether NULL is allowed.
    Nullable,
}

impl ColumnProperty {
    /// All properties, in the order in which a migration changes them. NOT NULL is last, because it can be set in a
    /// later file, after NULL has been replaced in the existing rows.
    pub const ALL: [Self; 5] = [Self::Type, Self::Sensitive, Self::Default, Self::Comment, Self::Nullable];

    /// Returns whether two versions of a column differ in this property.
    #[must_use]
    pub fn differs(self, before: &Column, after: &Column) -> bool {
        match self {
            Self::Type => (&before.ty, &before.collation) != (&after.ty, &after.collation),
            Self::Sensitive => before.sensitive != after.sensitive,
            Self::Default => before.default != after.default,
            Self::Comment => before.comment != after.comment,
            Self::Nullable => before.nullable != after.nullable,
        }
    }

    /// Returns the property with the given name in the audit's catalog.
    pub(crate) fn from_catalog(name: &str) -> Option<Self> {
        match name {
            "type" | "collation" => Some(Self::Type),
            "sensitive" => Some(Self::Sensitive),
            "default" | "identity" | "generated" => Some(Self::Default),
            "comment" => Some(Self::Comment),
            "not_null" => Some(Self::Nullable),
            _ => None,
        }
    }

    /// Copies this property to another version of the column.
    pub(crate) fn copy(self, from: &Column, to: &mut Column) {
        match self {
            Self::Type => {
                to.ty = from.ty.clone();
                to.collation.clone_from(&from.collation);
            }
            Self::Sensitive => to.sensitive = from.sensitive,
            Self::Default => to.default = from.default.clone(),
            Self::Comment => to.comment.clone_from(&from.comment),
            Self::Nullable => to.nullable = from.nullable,
        }
    }

    /// Describes how this property changes.
    pub(crate) fn describe(self, before: &Column, after: &Column) -> String {
        match self {
            Self::Type => format!("type from `{}` to `{}`", before.sql_type(), after.sql_type()),
            Self::Sensitive if after.sensitive => "collect no statistics of its values".to_owned(),
            Self::Sensitive => "collect statistics of its values".to_owned(),
            Self::Default if before.generated().is_some() || after.generated().is_some() => {
                format!("value from {} to {}", value(before), value(after))
            }
            Self::Default if before.counter().is_some() && after.default.is_none() => {
                "no longer number the rows of each tenant".to_owned()
            }
            Self::Default if before.default.is_none() && after.counter().is_some() => {
                "number the rows of each tenant".to_owned()
            }
            Self::Default => format!("default from {} to {}", default(before), default(after)),
            Self::Comment => "comment".to_owned(),
            Self::Nullable if after.nullable => "drop NOT NULL".to_owned(),
            Self::Nullable => "set NOT NULL".to_owned(),
        }
    }
}

fn default(column: &Column) -> String {
    match &column.default {
        None => "none".to_owned(),
        Some(ColumnDefault::Identity) => "identity".to_owned(),
        Some(ColumnDefault::Counter(_)) => "the next number of the tenant".to_owned(),
        Some(ColumnDefault::Expression(text) | ColumnDefault::Generated(text)) => format!("`{text}`"),
    }
}

/// Describes where the value of a column comes from, for a change to or from a generated column.
fn value(column: &Column) -> String {
    match &column.default {
        Some(ColumnDefault::Generated(text)) => format!("generated as `{text}`"),
        None => "not generated".to_owned(),
        Some(ColumnDefault::Identity | ColumnDefault::Expression(_) | ColumnDefault::Counter(_)) => {
            format!("not generated with the default {}", default(column))
        }
    }
}

impl Column {
    /// Creates a NOT NULL column without a default and without a comment.
    pub(crate) fn new(name: Ident, ty: Expression) -> Self {
        Self { name, comment: String::new(), ty, collation: None, nullable: false, default: None, sensitive: false }
    }

    /// Returns the type with its collation, as in a column definition.
    pub(crate) fn sql_type(&self) -> String {
        match &self.collation {
            Some(collation) => format!("{} COLLATE {}", self.ty, collation.quoted()),
            None => self.ty.to_string(),
        }
    }

    /// Returns the expression of a generated column.
    pub(crate) fn generated(&self) -> Option<&Expression> {
        match &self.default {
            Some(ColumnDefault::Generated(expression)) => Some(expression),
            _ => None,
        }
    }

    /// Returns the table with the last number of each tenant, if the column numbers the rows of each tenant.
    pub(crate) fn counter(&self) -> Option<&QualifiedName> {
        match &self.default {
            Some(ColumnDefault::Counter(table)) => Some(table),
            _ => None,
        }
    }

    /// Returns whether the column is an identity column.
    pub(crate) fn is_identity(&self) -> bool {
        self.default == Some(ColumnDefault::Identity)
    }
}
