//! PostgreSQL types of columns.

use crate::ident::quoted;

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
    /// An enum type of PostgreSQL.
    Enum(EnumDef),
    /// An array of another type.
    Array(&'static SqlType),
    /// The type in the attribute `sql_type`.
    Custom(&'static str),
}

/// An enum type of PostgreSQL, in the schema of the tenancy.
///
/// ```
/// use tenant_runtime::{EnumDef, LabelsDef, SqlType};
///
/// let mood = SqlType::Enum(EnumDef { name: "mood", labels: LabelsDef::of(&["sad", "happy"]) });
/// assert_eq!(mood.name_in("app"), "app.mood");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnumDef {
    /// The name of the type.
    pub name: &'static str,
    /// The labels, in the order in which PostgreSQL sorts them.
    pub labels: LabelsDef,
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
    /// Returns the labels of an enum, which is stored as text or as an enum type of PostgreSQL.
    #[must_use]
    pub const fn labels(self) -> Option<LabelsDef> {
        match self {
            Self::Labels(labels) | Self::Enum(EnumDef { labels, .. }) => Some(labels),
            _ => None,
        }
    }

    /// Returns the SQL name of the type in a tenancy whose schema has the given name.
    #[must_use]
    pub fn name_in(self, schema: &str) -> String {
        match self {
            Self::Enum(EnumDef { name, .. }) => format!("{}.{}", quoted(schema), quoted(name)),
            Self::Array(element) => format!("{}[]", element.name_in(schema)),
            Self::Custom(text) => text.to_owned(),
            other => other.sql_name().unwrap_or_default(),
        }
    }

    /// Returns the SQL name of the type; `None` for a type that the attribute `sql_type` sets, and for an enum type, whose name
    /// contains the schema of the tenancy.
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
            Self::Custom(_) | Self::Enum(_) => return None,
        };
        Some(name.to_owned())
    }
}

/// Returns a type without its modifiers, such as `numeric` for `numeric(10, 2)`.
///
/// A cast to a type with a length truncates the value, and a comparison with the result would match other values. `char` and
/// `bit` without a length have a length of 1, so their names in `pg_catalog` are returned.
pub(crate) fn without_modifiers(text: &str) -> String {
    let mut name = String::new();
    let (mut in_quotes, mut depth) = (false, 0_u32);
    for c in text.trim().chars() {
        match c {
            '"' => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            name.push(c);
        }
    }
    let (element, dimensions) = match name.find('[').filter(|_| !name.contains('"')) {
        Some(at) => name.split_at(at),
        None => (&*name, ""),
    };
    let words: Vec<String> = element.split_whitespace().map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let element = match words[..] {
        ["char" | "character" | "nchar"] | ["national", "char" | "character"] => "pg_catalog.bpchar",
        ["bit"] => "pg_catalog.\"bit\"",
        // The modifier is the precision, which decides between two types.
        ["float"] => return text.trim().to_owned(),
        ["interval", ..] => "interval",
        _ => element.trim_end(),
    };
    format!("{element}{dimensions}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_removed_from_types() {
        for (text, expected) in [
            ("numeric(10, 2)", "numeric"),
            ("varchar(5)[]", "varchar[]"),
            ("character varying (5)", "character varying"),
            ("CHAR(5)[]", "pg_catalog.bpchar[]"),
            ("national character(3)", "pg_catalog.bpchar"),
            ("bit(3)", "pg_catalog.\"bit\""),
            ("bit varying(3)", "bit varying"),
            ("timestamp(3) with time zone", "timestamp with time zone"),
            ("interval day to second(3)", "interval"),
            ("float(24)", "float(24)"),
            ("ext.geometry(Point, 4326)", "ext.geometry"),
            ("\"Odd (1)\".\"a[]\"[]", "\"Odd (1)\".\"a[]\"[]"),
            ("\"char\"", "\"char\""),
        ] {
            assert_eq!(without_modifiers(text), expected, "{text}");
        }
    }
}
