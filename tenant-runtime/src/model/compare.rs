//! Compares strings in const functions, in which `==` on `str` is not available.

/// Returns whether two strings are equal.
pub(crate) const fn same(one: &str, other: &str) -> bool {
    same_bytes(one.as_bytes(), other.as_bytes())
}

/// Returns whether a string is the concatenation of two other strings.
pub(crate) const fn is_joined(text: &str, first: &str, second: &str) -> bool {
    match text.as_bytes().split_at_checked(first.len()) {
        Some((start, rest)) => same_bytes(start, first.as_bytes()) && same_bytes(rest, second.as_bytes()),
        None => false,
    }
}

const fn same_bytes(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn const_comparison_matches_equality() {
        assert!(same("", "") && same("admin", "admin") && is_joined("app_admin", "app_", "admin"));
        assert!(!same("admin", "admi") && !same("admin", "admin2") && !same("a", "b"));
        for (text, first, second) in
            [("app_admin", "app_", "admi"), ("app", "app_", ""), ("app_schema_owner", "app_", "admin")]
        {
            assert!(!is_joined(text, first, second), "{text}");
        }
    }
}
