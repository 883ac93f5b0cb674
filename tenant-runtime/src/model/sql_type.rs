//! PostgreSQL types of columns.

/// The PostgreSQL type of a Rust type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`
    Numeric,
    /// `text`
    Text,
    /// `bytea`
    Bytea,
    /// `uuid`
    Uuid,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    Timestamptz,
    /// `jsonb`
    Jsonb,
    /// `text` with a check constraint on these labels.
    Labels(LabelsDef),
    /// An array of another type.
    Array(&'static SqlType),
    /// The type in the attribute `sql_type`.
    Custom(&'static str),
}

/// The labels of an enum, and what happened to earlier labels.
///
/// ```
/// use tenant_runtime::{LabelsDef, SqlType};
///
/// let labels = LabelsDef::of(&["open", "done"]);
/// assert_eq!(SqlType::Labels(labels).sql_name().as_deref(), Some("text"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelsDef {
    /// The labels.
    pub labels: &'static [&'static str],
    /// The renamed labels: each label with its previous text.
    pub renamed: &'static [(&'static str, &'static str)],
    /// The removed labels: each with the label that replaces it in existing rows.
    pub replaced: &'static [(&'static str, &'static str)],
}

impl LabelsDef {
    /// Returns labels without a history.
    #[must_use]
    pub const fn of(labels: &'static [&'static str]) -> Self {
        Self { labels, renamed: &[], replaced: &[] }
    }
}

impl SqlType {
    /// Returns the SQL name of the type; `None` for a type that the attribute `sql_type` sets.
    #[must_use]
    pub fn sql_name(self) -> Option<String> {
        let name = match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric => "numeric",
            Self::Text | Self::Labels(_) => "text",
            Self::Bytea => "bytea",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Jsonb => "jsonb",
            Self::Array(element) => return element.sql_name().map(|name| format!("{name}[]")),
            Self::Custom(_) => return None,
        };
        Some(name.to_owned())
    }
}
