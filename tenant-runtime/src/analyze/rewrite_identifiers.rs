//! Rewrites identifiers in SQL text as PostgreSQL does in policies and check constraints when a table or column is renamed.

use sqlparser::tokenizer::Token;

use super::sql_tokens;
use crate::{
    ident::Ident,
    model::schema::{Expression, QualifiedName},
};

/// A rename of a table or a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NewName<'a> {
    /// A table is renamed.
    Table {
        /// The old name.
        from: &'a QualifiedName,
        /// The new name.
        to: &'a QualifiedName,
    },
    /// A column is renamed.
    Column {
        /// The table.
        of: &'a QualifiedName,
        /// The old name.
        from: &'a Ident,
        /// The new name.
        to: &'a Ident,
    },
}

/// Rewrites an expression on the rows of a table for a rename.
///
/// `None` if an unqualified name in a subquery can be a column of either the inner or the outer table.
pub(crate) fn renamed(text: &str, on: &QualifiedName, name: NewName<'_>) -> Option<Expression> {
    let (tokens, mut out): (Vec<_>, Vec<_>) =
        sql_tokens::tokens(text).ok()?.into_iter().map(|(token, text)| (token, text.to_owned())).unzip();
    // Whitespace is kept in the output and skipped in the analysis.
    let significant: Vec<usize> = (0..tokens.len()).filter(|at| !matches!(tokens[*at], Token::Whitespace(_))).collect();
    let token = |at: usize| significant.get(at).map(|at| &tokens[*at]);
    let words = Words { tokens: (0..significant.len()).filter_map(token).collect() };
    for at in 0..significant.len() {
        match name {
            NewName::Table { from, to } if words.is_name(at, from) => {
                out[significant[at]] = to.schema.quoted().to_string();
                out[significant[at + 2]] = to.table.quoted().to_string();
            }
            NewName::Column { of, from, to } if words.is(at, from.as_str()) => {
                let is_outer_row = || of == on && !words.is_in_query(at);
                let is_it = match words.qualifier(at) {
                    Some(qualifier) => {
                        words.names_of(of).contains(&qualifier) || qualifier == on.table.as_str() && is_outer_row()
                    }
                    None if !words.is_column(at) => false,
                    // The name can be a column of the subquery's tables or of the outer row.
                    None if words.is_in_query(at) => {
                        if of == on || words.reads(of) {
                            return None;
                        }
                        false
                    }
                    None => of == on,
                };
                if is_it {
                    out[significant[at]] = to.quoted().to_string();
                }
            }
            _ => {}
        }
    }
    Some(Expression::trusted(out.concat()))
}

/// The tokens of an expression, without whitespace tokens.
struct Words<'t> {
    tokens: Vec<&'t Token>,
}

impl Words<'_> {
    /// Returns the identifier at a position, in lower case unless it is quoted.
    fn name(&self, at: usize) -> Option<String> {
        match self.tokens.get(at) {
            Some(Token::Word(word)) if word.quote_style.is_some() => Some(word.value.clone()),
            Some(Token::Word(word)) => Some(word.value.to_lowercase()),
            _ => None,
        }
    }

    fn is(&self, at: usize, name: &str) -> bool {
        self.name(at).is_some_and(|found| found == name)
    }

    fn is_name(&self, at: usize, name: &QualifiedName) -> bool {
        self.is(at, name.schema.as_str())
            && self.tokens.get(at + 1) == Some(&&Token::Period)
            && self.is(at + 2, name.table.as_str())
    }

    /// Returns the qualifier of an identifier: the name before the dot.
    fn qualifier(&self, at: usize) -> Option<String> {
        let dot = at.checked_sub(1).filter(|dot| self.tokens[*dot] == &Token::Period)?;
        dot.checked_sub(1).and_then(|before| self.name(before))
    }

    /// Returns whether an identifier can be a column: it is not a type after `::` or AS, not a
    /// function name, and not a qualifier.
    fn is_column(&self, at: usize) -> bool {
        let before = at.checked_sub(1);
        !before.is_some_and(|before| self.tokens[before] == &Token::DoubleColon || self.is(before, "as"))
            && !matches!(self.tokens.get(at + 1), Some(Token::LParen | Token::Period))
    }

    fn reads(&self, table: &QualifiedName) -> bool {
        (0..self.tokens.len()).any(|at| self.is_name(at, table))
    }

    /// Returns the names by which the expression's subqueries refer to a table: its aliases, or its name.
    fn names_of(&self, table: &QualifiedName) -> Vec<String> {
        let read = (0..self.tokens.len()).filter(|at| self.is_name(*at, table));
        let known = read.map(|at| {
            let alias = if self.is(at + 3, "as") { at + 4 } else { at + 3 };
            let is_keyword =
                |name: &String| ["where", "join", "inner", "on", "group", "order", "limit"].contains(&name.as_str());
            self.name(alias).filter(|name| !is_keyword(name)).unwrap_or_else(|| table.table.to_string())
        });
        known.collect()
    }

    /// Returns whether a position is inside parentheses that contain FROM.
    fn is_in_query(&self, at: usize) -> bool {
        let mut open = Vec::new();
        for (place, token) in self.tokens.iter().enumerate() {
            match token {
                Token::LParen => open.push((place, false)),
                Token::RParen => {
                    if let Some((start, true)) = open.pop()
                        && (start..place).contains(&at)
                    {
                        return true;
                    }
                }
                _ if self.is(place, "from") => {
                    if let Some((_, reads)) = open.last_mut() {
                        *reads = true;
                    }
                }
                _ => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ident(name: &str) -> Ident {
        Ident::new(name).expect("a name")
    }

    fn table(name: &str) -> QualifiedName {
        QualifiedName { schema: ident("app"), table: ident(name) }
    }

    /// Returns an expression on `app.notes` after a table's column `title` was renamed to `name`.
    fn column(text: &str, of: &str) -> Option<String> {
        let (of, from, to) = (table(of), ident("title"), ident("name"));
        renamed(text, &table("notes"), NewName::Column { of: &of, from: &from, to: &to }).map(|text| text.to_string())
    }

    #[test]
    fn column_rename_rewrites_identifiers_only() {
        for (text, expected) in [
            ("title <> '' AND Title <> 'title'", "name <> '' AND name <> 'title'"),
            ("\"title\" = title(x) OR x::title = 'a'", "name = title(x) OR x::title = 'a'"),
            (
                "title = (SELECT NULLIF(current_setting('a.b', true), ''))",
                "name = (SELECT NULLIF(current_setting('a.b', true), ''))",
            ),
            (
                r"title <> 'it''s'  OR E'a\'b' = title OR tItLe = $a$'$a$",
                r"name <> 'it''s'  OR E'a\'b' = name OR name = $a$'$a$",
            ),
            ("title IN (SELECT p.title FROM app.other AS p)", "name IN (SELECT p.title FROM app.other AS p)"),
        ] {
            assert_eq!(column(text, "notes").as_deref(), Some(expected));
        }
    }

    #[test]
    fn column_rename_follows_table_aliases_in_subqueries() {
        let text = "title IN (SELECT p.title FROM app.other AS p WHERE p.title <> 'x')";
        assert_eq!(
            column(text, "other").as_deref(),
            Some("title IN (SELECT p.name FROM app.other AS p WHERE p.name <> 'x')")
        );
        let text = "EXISTS (SELECT 1 FROM app.other WHERE other.title = 'a')";
        assert_eq!(column(text, "other").as_deref(), Some("EXISTS (SELECT 1 FROM app.other WHERE other.name = 'a')"));
    }

    #[test]
    fn ambiguous_unqualified_column_is_not_renamed() {
        assert_eq!(column("id IN (SELECT id FROM app.other WHERE title = 'x')", "notes"), None);
        assert_eq!(column("id IN (SELECT id FROM app.other WHERE title = 'x')", "other"), None);
    }

    #[test]
    fn table_rename_rewrites_the_qualified_name() {
        let (from, to) = (table("other"), table("new one"));
        let text =
            renamed("a IN (SELECT other.a FROM app.other)", &table("notes"), NewName::Table { from: &from, to: &to });
        assert_eq!(text.expect("clear").to_string(), "a IN (SELECT other.a FROM app.\"new one\")");
    }
}
