//! Names: default table names, PostgreSQL identifiers, and suggestions for misspelt words.

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use proc_macro2::Ident;
use syn::{LitStr, ext::IdentExt as _};

use crate::diag::Diag;

/// The maximum length of an identifier; PostgreSQL silently truncates longer names.
const MAX_BYTES: usize = 63;

/// Returns the default table name of a struct: its name in `snake_case`, in the plural.
pub(crate) fn table(ident: &Ident) -> String {
    plural(&ident.unraw().to_string().to_snake_case())
}

/// Returns the type that a role's name stands for, with the span of the string.
pub(crate) fn role(name: &LitStr) -> Option<Ident> {
    let text = name.value();
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return None;
    }
    let mut ident: Ident = syn::parse_str(&text.to_upper_camel_case()).ok()?;
    ident.set_span(name.span());
    Some(ident)
}

/// Returns the reason why a name is not a valid PostgreSQL identifier; `None` if it is valid.
pub(crate) fn problem(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("is empty".to_owned())
    } else if let Some(control) = name.chars().find(|c| c.is_control()) {
        Some(format!("contains the control character {control:?}"))
    } else if name.len() > MAX_BYTES {
        Some(format!("has {} bytes, and PostgreSQL allows {MAX_BYTES}", name.len()))
    } else {
        None
    }
}

/// Escapes the control characters in a name for a message.
pub(crate) fn shown(name: &str) -> String {
    let mut shown = String::new();
    for c in name.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Forms the English plural by three rules; `table = "…"` overrides the result.
fn plural(word: &str) -> String {
    let ends = |endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
    match word.strip_suffix('y') {
        Some(stem) if !stem.is_empty() && !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if ends(&["s", "x", "z", "ch", "sh"]) => format!("{word}es"),
        _ => format!("{word}s"),
    }
}

/// Returns the candidate with the smallest edit distance, if the distance is small enough.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(written, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= written.len().max(candidate.len()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the edit distance between two words: insertions, deletions, substitutions and
/// transpositions of adjacent letters.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut cost = (above[j] + usize::from(a != b)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}

/// Lists names for a message.
pub(crate) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Rejects a role whose policies would have the same names as another role's: `update_own_admin` is the policy for
/// `update_own = "admin"` and would also be the policy for `update = "own_admin"`.
pub(crate) fn check_own(diag: &Diag, role: &Ident, label: &str, mut roles: impl Iterator<Item = String>) {
    let Some(other) = roles.find(|other| label.strip_prefix("own_") == Some(other.as_str())) else { return };
    diag.error(
        role,
        format!(
            "the roles `{label}` and `{other}` would give two policies of a table the same name, such as `update_{label}`"
        ),
        "rename one of the roles",
    );
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest, plural, problem, table};

    #[test]
    fn plural_adds_s_es_or_ies() {
        let words = ["project", "category", "day", "address", "box", "quiz", "branch", "wish", "user_account", "y"];
        let plurals = words.map(plural);
        assert_eq!(
            plurals,
            [
                "projects",
                "categories",
                "days",
                "addresses",
                "boxes",
                "quizes",
                "branches",
                "wishes",
                "user_accounts",
                "ys"
            ]
        );
    }

    #[test]
    fn table_name_is_the_plural_snake_case_of_the_struct() {
        let idents: [proc_macro2::Ident; 3] =
            ["ProjectMember", "HttpEntry", "r#Type"].map(|text| syn::parse_str(text).expect("an identifier"));
        assert_eq!(idents.map(|ident| table(&ident)), ["project_members", "http_entries", "types"]);
    }

    #[test]
    fn nearest_suggests_close_names_only() {
        let keys = ["table", "tenancy", "select", "delete"];
        let suggestions = ["tabel", "slect", "deletes", "tenant", "colour"].map(|word| nearest(word, keys));
        assert_eq!(suggestions, [Some("table"), Some("select"), Some("delete"), Some("tenancy"), None]);
    }

    #[test]
    fn edit_distance_counts_a_transposition_as_one() {
        assert_eq!([distance("tabel", "table"), distance("", "abc"), distance("same", "same")], [1, 3, 0]);
    }

    #[test]
    fn name_length_is_limited_to_63_bytes() {
        let problems = [problem(&"é".repeat(32)), problem(&"e".repeat(63)), problem(""), problem("a\0b")];
        assert_eq!(problems.map(|problem| problem.is_some()), [true, false, true, true]);
    }
}
