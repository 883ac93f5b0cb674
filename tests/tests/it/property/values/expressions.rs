//! SQL expressions of the random versions, each with its value in Rust.

use super::{
    super::random_declarations::{Random, leak},
    model::{Column, Kind, Label, Row, Table, Value},
};

/// The names that must be quoted where an expression uses them.
const RESERVED: [&str; 9] = ["end", "not", "true", "select", "from", "order", "user", "case", "when"];

/// Returns a column's name as an expression spells it.
pub(super) fn spelled(name: &str) -> String {
    if RESERVED.contains(&name) { format!("\"{name}\"") } else { name.to_owned() }
}

/// Returns a value as an SQL literal.
pub(super) fn literal(value: &Value) -> String {
    value.as_ref().map_or_else(|| "NULL".to_owned(), |value| format!("'{}'", value.replace('\'', "''")))
}

/// Returns a default as an attribute spells it.
pub(super) fn default_sql(kind: Kind, value: &str) -> &'static str {
    leak(match kind {
        Kind::Integer | Kind::Bigint | Kind::Boolean => value.to_owned(),
        Kind::Date => format!("DATE '{value}'"),
        Kind::Text | Kind::Varchar | Kind::Uuid | Kind::Labels => literal(&Some(value.to_owned())),
    })
}

/// Returns a constant that a column can contain, also before its type was changed.
pub(super) fn constant(column: &Column, random: &mut Random) -> &'static str {
    match column.first_kind {
        Kind::Labels => random.pick(&column.labels.iter().map(|label| label.text).collect::<Vec<_>>()),
        Kind::Integer | Kind::Bigint => random.pick(&["7", "0", "41"]),
        Kind::Text | Kind::Varchar => random.pick(&["none", "it's", "a\\b", "CASE end", "two\nlines", "", "NULL"]),
        Kind::Date => random.pick(&["2020-02-29", "1999-12-31"]),
        Kind::Boolean => random.pick(&["true", "false"]),
        Kind::Uuid => "00000000-0000-4000-8000-000000000099",
    }
}

/// Parts of texts that a careless generator would read as SQL.
const TEXTS: [&str; 16] = [
    "O'Brien",
    "back\\slash",
    "line\nbreak",
    "DROP TABLE x; --",
    "end",
    "NULL",
    "",
    "ünïcödé",
    "\"quoted\"",
    "$$body$$",
    "a b c",
    "tab\there",
    "%s {c} $1",
    "CASE WHEN not true END",
    "/* c */",
    "\r\nselect",
];

/// Returns a value for a column whose first type is `kind`, other than NULL.
pub(super) fn value(kind: Kind, labels: &[Label], random: &mut Random) -> String {
    match kind {
        Kind::Labels => labels[random.below(labels.len())].text.to_owned(),
        Kind::Integer | Kind::Bigint => random.below(1_000_000_000).to_string(),
        Kind::Text => {
            let words: Vec<_> = (0..=random.below(3)).map(|_| random.pick(&TEXTS)).collect();
            format!("{}{}", words.join(" "), random.pick(&["", " 1", " 22", " 'x'"]))
        }
        Kind::Varchar => format!("{} {}", random.pick(&TEXTS), random.below(1_000)),
        Kind::Date => format!("{}-{:02}-{:02}", 1950 + random.below(90), 1 + random.below(12), 1 + random.below(28)),
        Kind::Boolean => random.pick(&["true", "false"]).to_owned(),
        Kind::Uuid => format!("00000000-0000-4000-8000-{:012}", random.below(1_000_000_000)),
    }
}

/// Returns a condition that all values of a type meet; `{c}` is the column.
pub(super) fn template(kind: Kind, random: &mut Random) -> &'static str {
    match kind {
        Kind::Integer | Kind::Bigint => random.pick(&[
            "CASE WHEN {c} > -5000 THEN true ELSE {c} IS NULL END",
            "{c} > -5000",
            "NOT ({c} = -9999)",
            "CASE {c} WHEN -1 THEN false ELSE true END",
        ]),
        Kind::Text | Kind::Varchar | Kind::Labels => random.pick(&[
            "substring({c} from 1 for 3) <> 'zzz'",
            "{c} <> 'zzz {c} end'",
            "NOT {c} LIKE 'zzz%'",
            "position('zzz' in {c}) = 0",
            "trim(both 'x' from {c}) <> 'it''s zzz'",
            "overlay({c} placing 'end' from 1 for 2) <> 'zzz\\'",
        ]),
        Kind::Date => random.pick(&[
            "extract(year from {c}) > 1900",
            "{c} BETWEEN DATE '1900-01-01' AND DATE '2900-01-01'",
            "CASE WHEN {c} IS NOT NULL THEN extract(year from {c}) > 1 ELSE true END",
        ]),
        Kind::Boolean => random.pick(&["{c} IS NOT NULL OR NOT {c} IS TRUE", "{c} IN (true, false)"]),
        Kind::Uuid => "{c}::text <> ''",
    }
}

/// A condition on a column, as a check constraint or in a policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    pub(super) command: &'static str,
    pub(super) column: usize,
    pub(super) template: &'static str,
}

/// Returns a condition over a column; the `{c}` in a string literal stays.
pub(super) fn condition(template: &str, name: &str) -> &'static str {
    let parts = template.split('\'').enumerate();
    let parts = parts.map(|(at, part)| if at % 2 == 0 { part.replace("{c}", &spelled(name)) } else { part.to_owned() });
    leak(parts.collect::<Vec<_>>().join("'"))
}

/// An expression that fills a column.
#[derive(Debug, Clone)]
pub(super) enum Backfill {
    Constant(Kind, &'static str),
    /// The first word of a text.
    First(usize),
    /// The text after its first word.
    Rest(usize),
    /// Two texts or numbers, of which either can be NULL.
    Joined(usize, usize),
    /// A text, or another one instead of NULL.
    Copy(usize),
    /// A number after another.
    Next(usize),
}

impl Backfill {
    /// Returns the columns that the expression reads.
    pub(super) fn reads(&self) -> Vec<usize> {
        match *self {
            Self::Constant(..) => Vec::new(),
            Self::First(a) | Self::Rest(a) | Self::Copy(a) | Self::Next(a) => vec![a],
            Self::Joined(a, b) => vec![a, b],
        }
    }

    /// Returns the expression in the version of `new`: a column that it drops has the name from `old`.
    pub(super) fn sql(&self, old: Option<&Table>, new: &Table) -> &'static str {
        let name = |id: usize| {
            let column = new.column(id).or_else(|| old.and_then(|old| old.column(id)));
            spelled(column.expect("a backfill reads existing columns").name)
        };
        leak(match *self {
            Self::Constant(kind, value) => default_sql(kind, value).to_owned(),
            Self::First(a) => format!("split_part(coalesce({}, ''), ' ', 1)", name(a)),
            Self::Rest(a) => {
                format!("substr(coalesce({0}, ''), length(split_part(coalesce({0}, ''), ' ', 1)) + 2)", name(a))
            }
            Self::Joined(a, b) => format!("concat_ws(' ', {}, {})", name(a), name(b)),
            Self::Copy(a) => format!("coalesce({}, 'from nothing')", name(a)),
            Self::Next(a) => format!("coalesce({}, 0) + 1", name(a)),
        })
    }

    pub(super) fn value(&self, row: &Row) -> String {
        let text = |id: &usize| row[id].clone().unwrap_or_default();
        match self {
            Self::Constant(_, value) => (*value).to_owned(),
            Self::First(a) => text(a).split(' ').next().unwrap_or_default().to_owned(),
            Self::Rest(a) => text(a).split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap_or_default(),
            Self::Joined(a, b) => [&row[a], &row[b]].into_iter().flatten().cloned().collect::<Vec<_>>().join(" "),
            Self::Copy(a) => row[a].clone().unwrap_or_else(|| "from nothing".to_owned()),
            Self::Next(a) => (row[a].as_ref().map_or(0, |n| n.parse::<i64>().expect("a number")) + 1).to_string(),
        }
    }
}
