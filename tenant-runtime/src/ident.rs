//! Identifiers and literals: validation and quoting, which all generated SQL uses.

use std::fmt;

/// The maximum length of an identifier in bytes; PostgreSQL truncates longer identifiers without an error.
pub const MAX_BYTES: usize = 63;

/// A PostgreSQL identifier: 1 to 63 bytes without control characters.
///
/// `Display` writes the bare name; [`quoted`](Self::quoted) quotes the name for use in SQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "generate", derive(serde::Serialize))]
pub struct Ident(String);

impl Ident {
    /// Validates a name.
    ///
    /// # Errors
    ///
    /// If the name is empty, longer than 63 bytes, or contains a control character.
    pub fn new(name: impl Into<String>) -> Result<Self, IdentError> {
        let name = name.into();
        if name.is_empty() {
            Err(IdentError::Empty)
        } else if name.len() > MAX_BYTES {
            Err(IdentError::TooLong { bytes: name.len(), name })
        } else if let Some(control) = name.chars().find(|c| c.is_control()) {
            Err(IdentError::Control { control })
        } else {
            Ok(Self(name))
        }
    }

    /// Builds the name of a constraint or an index as PostgreSQL does: `table_column_suffix`.
    ///
    /// A name longer than 63 bytes is truncated, and a hash of the full name is appended, so that the name stays
    /// distinct and stable.
    #[must_use]
    pub fn derived<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let name = parts.into_iter().collect::<Vec<_>>().join("_").replace('\0', "");
        if name.len() <= MAX_BYTES {
            return Self(name);
        }
        let hash = format!("_{:08x}", fnv1a(name.as_bytes()));
        let cut = (0..=MAX_BYTES - hash.len()).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        Self(format!("{}{hash}", &name[..cut]))
    }

    /// Returns the bare name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name quoted for SQL.
    #[must_use]
    pub fn quoted(&self) -> Quoted<'_> {
        Quoted(&self.0)
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason why a name is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentError {
    /// The name is empty.
    #[error("the name is empty")]
    Empty,
    /// The name is too long; PostgreSQL would truncate it.
    #[error("`{name}` has {bytes} bytes, and PostgreSQL allows {MAX_BYTES}")]
    TooLong {
        /// The name.
        name: String,
        /// The name's length in bytes.
        bytes: usize,
    },
    /// The name contains a control character, such as a line break, which would end an SQL comment that contains the
    /// name.
    #[error("the name contains the control character {control:?}")]
    Control {
        /// The first control character.
        control: char,
    },
}

/// A name quoted for SQL: in double quotes unless they are redundant.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(&'a str);

/// Quotes a name that was not validated.
#[must_use]
pub fn quoted(name: &str) -> Quoted<'_> {
    Quoted(name)
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0;
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && KEYWORDS.binary_search(&name).is_err();
        if plain { f.write_str(name) } else { write!(f, "\"{}\"", name.replace('"', "\"\"")) }
    }
}

/// Quotes a string as a literal that is safe with either value of `standard_conforming_strings`.
#[must_use]
pub fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''").replace('\0', "");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// Writes an element of an array, a bound of a range or an attribute of a composite value in double quotes.
pub(crate) fn in_double_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// FNV-1a hash: stable across builds, machines and versions, unlike the hashers of the standard library.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The keywords of PostgreSQL 15 to 18 that must be quoted when used as a name, sorted. A test
/// compares the list with a live server.
pub(crate) const KEYWORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "merge_action",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// Returns the edit distance between two words: the number of inserted, missing and wrong
/// characters; two adjacent characters that are swapped count once.
#[cfg(feature = "generate")]
pub(crate) fn edit_distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<_>, Vec<_>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut cost = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                cost = cost.min(rows[i - 1][j - 1] + 1);
            }
            row.push(cost);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyword_list_is_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn identifiers_are_quoted_only_when_required() {
        let cases = [
            ("projects", "projects"),
            ("user", "\"user\""),
            ("Projects", "\"Projects\""),
            ("a\"b", "\"a\"\"b\""),
            ("1st", "\"1st\""),
            ("größe", "\"größe\""),
            ("", "\"\""),
        ];
        for (name, sql) in cases {
            assert_eq!(quoted(name).to_string(), sql);
        }
    }

    #[test]
    fn literals_escape_quotes_and_backslashes() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("\\'; DROP"), "E'\\\\''; DROP'");
    }

    #[test]
    fn derived_names_are_shortened_to_63_bytes_and_stay_distinct() {
        let (a, b) = ("ä".repeat(40), format!("{}b", "ä".repeat(40)));
        let (a, b) = (Ident::derived([a.as_str(), "key"]), Ident::derived([b.as_str(), "key"]));
        assert!(a.as_str().len() <= MAX_BYTES && b.as_str().len() <= MAX_BYTES);
        assert_ne!(a, b);
    }

    #[test]
    fn identifier_with_a_control_character_is_rejected() {
        for name in ["a\nb", "a\rb", "a\0b", "a\u{85}b"] {
            assert!(matches!(Ident::new(name), Err(IdentError::Control { .. })), "{name:?}");
        }
    }

    #[test]
    fn identifier_over_63_bytes_is_rejected() {
        assert!(Ident::new("x".repeat(63)).is_ok());
        assert!(matches!(Ident::new("x".repeat(64)), Err(IdentError::TooLong { bytes: 64, .. })));
    }
}
