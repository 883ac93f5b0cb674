//! Candidate values for columns of any type, in the order in which they are tried.

use crate::model::{def::SqlType, schema::Check};

/// Returns candidate values as text for a column of the given type, the likeliest first; `mark` identifies the row's
/// tenant.
pub(super) fn candidates(ty: SqlType, mark: &str, number: u32, checks: &[&Check]) -> Vec<String> {
    let harvest = || checks.iter().flat_map(|check| literals(check.condition.as_str()));
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let numbers = |first: &str| {
        let near = harvest().filter_map(|text| text.parse::<i64>().ok()).flat_map(|n| [n, n + 1, n - 1]);
        [first.to_owned()]
            .into_iter()
            .chain(near.map(|n| n.to_string()))
            .chain(texts(&["1", "0", "10", "-1"]))
            .collect()
    };
    let mut found: Vec<String> = match ty {
        SqlType::Bool => texts(&["true", "false"]),
        SqlType::Int2 | SqlType::Float4 | SqlType::Float8 | SqlType::Numeric => numbers(&(number % 32_000).to_string()),
        SqlType::Int4 | SqlType::Int8 => numbers(&number.to_string()),
        SqlType::Uuid => vec![format!("76657269-6679-4000-9000-{number:012}")],
        SqlType::Bytea => vec![format!("\\x{number:08x}"), format!("\\x{:064x}", number), String::new()],
        SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz => {
            let days = |year: u32| format!("{year}-01-{:02}", number % 28 + 1);
            [days(2020), days(2120), days(1980)].into_iter().chain(harvest()).collect()
        }
        SqlType::Time => vec![format!("10:{:02}", number % 60)],
        SqlType::Jsonb => {
            [format!("{{\"verify\": \"{mark}\"}}"), "{}".into(), "[]".into()].into_iter().chain(harvest()).collect()
        }
        SqlType::Labels(labels) => texts(labels),
        SqlType::Array(element) => {
            let one = candidates(*element, mark, number, checks).into_iter().next().unwrap_or_default();
            vec!["{}".into(), format!("{{\"{one}\"}}")]
        }
        SqlType::Text => {
            let plain = [
                mark.to_owned(),
                format!("{mark}@verify.example"),
                format!("https://verify.example/{mark}"),
                format!("P{number}"),
                format!("p{number}"),
                number.to_string(),
            ];
            let others = texts(&["a", "A", "ab", "AB", "abc", "ABC", "abcd", "+49301234567", "1.0.0", "{}"]);
            plain.into_iter().chain(harvest()).chain(others).collect()
        }
        // A cast in the database determines which of the values are valid.
        SqlType::Custom(_) => {
            let kinds =
                [SqlType::Text, SqlType::Int4, SqlType::Bool, SqlType::Timestamptz, SqlType::Uuid, SqlType::Jsonb];
            let all = kinds.into_iter().flat_map(|kind| candidates(kind, mark, number, checks));
            all.chain(texts(&["10.0.0.1", "08:00:2b:01:02:03", "(0,0)", "[1,2)", "1 day"])).collect()
        }
    };
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|value| seen.insert(value.clone()));
    found
}

/// Returns the string and number constants of an expression.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '\'' || c.is_ascii_digit()) {
        let before = rest[..at].chars().next_back();
        let (value, after) = if rest[at..].starts_with('\'') {
            let inner = &rest[at + 1..];
            let end = inner.find('\'').unwrap_or(inner.len());
            (&inner[..end], inner.get(end + 1..).unwrap_or_default())
        } else {
            let inner = &rest[at..];
            let end = inner.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(inner.len());
            (&inner[..end], &inner[end..])
        };
        // A digit within a name does not start a number.
        if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            found.push(value.to_owned());
        }
        rest = after;
    }
    found
}

/// Returns whether an expression contains the name of a column.
pub(super) fn names(expression: &str, column: &str) -> bool {
    let quoted = format!("\"{}\"", column.replace('"', "\"\""));
    expression.contains(&quoted)
        || expression.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_constraint_literals_are_used_as_test_values() {
        assert_eq!(literals("state IN ('new', 'paid') AND col2 BETWEEN 5 AND 10.5"), ["new", "paid", "5", "10.5"]);
    }

    #[test]
    fn column_names_are_found_as_whole_words_or_quoted() {
        assert!(names("length(name) > 0", "name"));
        assert!(!names("length(rename) > 0", "name"));
        assert!(names("\"Odd name\" > 0", "Odd name"));
    }
}
