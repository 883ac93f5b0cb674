//! Identifiers and literals: validated once, and quoted here and nowhere else.

use std::fmt;

/// The most bytes that PostgreSQL keeps of an identifier; it cuts longer ones without an error.
pub const MAX_BYTES: usize = 63;

/// A PostgreSQL identifier: 1 to 63 bytes without NUL.
///
/// Its text is the bare name; [`quoted`](Self::quoted) is how it stands in SQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "generate", derive(serde::Serialize))]
pub struct Ident(String);

impl Ident {
    /// Takes a name as an identifier.
    ///
    /// # Errors
    ///
    /// When the name is empty, longer than 63 bytes, or holds NUL.
    pub fn new(name: impl Into<String>) -> Result<Self, IdentError> {
        let name = name.into();
        if name.is_empty() {
            Err(IdentError::Empty)
        } else if name.len() > MAX_BYTES {
            Err(IdentError::TooLong { bytes: name.len(), name })
        } else if name.contains('\0') {
            Err(IdentError::Nul)
        } else {
            Ok(Self(name))
        }
    }

    /// Makes the name of a constraint or an index in PostgreSQL's own manner, `table_column_suffix`.
    ///
    /// What is too long is cut, with a hash of the whole so that it stays unique and stable.
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

    /// Returns the name as it stands in SQL.
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

/// Says why a name is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentError {
    /// The name has no characters.
    #[error("the name is empty")]
    Empty,
    /// PostgreSQL would cut the name.
    #[error("`{name}` has {bytes} bytes, and PostgreSQL keeps {MAX_BYTES}")]
    TooLong {
        /// The name.
        name: String,
        /// Its length in bytes.
        bytes: usize,
    },
    /// The name holds a NUL character.
    #[error("the name holds a NUL character")]
    Nul,
}

/// A name as it stands in SQL: in double quotes unless it reads the same without them.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(&'a str);

/// Quotes a name that was not validated; the server judges it.
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

/// Quotes a text as a string literal, safe whatever `standard_conforming_strings` says.
#[must_use]
pub fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''").replace('\0', "");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// Hashes bytes by FNV-1a: stable across builds, machines and versions, unlike the standard library's hashers.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The keywords that need quotes as a name, of PostgreSQL 15 to 18; sorted. A test holds them against a live server.
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
    fn identifier_over_63_bytes_is_rejected() {
        assert!(Ident::new("x".repeat(63)).is_ok());
        assert!(matches!(Ident::new("x".repeat(64)), Err(IdentError::TooLong { bytes: 64, .. })));
    }
}
