//! Rewrites identifiers in SQL text as PostgreSQL does in policies and check constraints when a table or column is renamed.

use std::{collections::BTreeMap, ops::ControlFlow};

use sqlparser::{
    ast::{Expr, Query, Visit as _, Visitor},
    tokenizer::{Location, Token},
};

use super::{expression_columns::is_name_without_parentheses, sql_expr::parse, sql_tokens::located_tokens};
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

impl NewName<'_> {
    /// Returns whether the old name can occur in SQL text; if it cannot, the text needs no parsing and stays as it is.
    pub(crate) fn may_occur_in(self, text: &str) -> bool {
        let name = match self {
            Self::Table { from, .. } => from.table.as_str(),
            Self::Column { from, .. } => from.as_str(),
        };
        // A quoted name can contain doubled quotes, and the case of other letters can depend on their neighbors.
        let is_plain = name.is_ascii() && !name.contains('"');
        !is_plain || text.to_lowercase().contains(&name.to_ascii_lowercase())
    }
}

/// Rewrites an expression on the rows of a table for a rename.
///
/// `None` if an unqualified name in a subquery can be a column of either the inner or the outer table.
pub(crate) fn renamed(text: &str, on: &QualifiedName, name: NewName<'_>) -> Option<Expression> {
    let located = located_tokens(text).ok()?;
    let mut out: Vec<_> = located.iter().map(|(_, text, _)| (*text).to_owned()).collect();
    // Whitespace is kept in the output and skipped in the analysis.
    let significant: Vec<usize> =
        (0..located.len()).filter(|at| !matches!(located[*at].0, Token::Whitespace(_))).collect();
    let mut names = Names::default();
    let _ = parse(text).ok()?.visit(&mut names);
    let words = Words {
        tokens: significant.iter().map(|at| &located[*at].0).collect(),
        names: significant.iter().map(|at| names.found.get(&located[*at].2).copied()).collect(),
    };
    for at in 0..significant.len() {
        match name {
            NewName::Table { from, to } if words.is_name(at, from) => {
                out[significant[at]] = to.schema.quoted().to_string();
                out[significant[at + 2]] = to.table.quoted().to_string();
            }
            NewName::Column { of, from, to } if words.is(at, from.as_str()) => {
                let is_outer_row = || of == on && !words.is_in_query(at);
                let is_it = match words.qualifier(at) {
                    _ if !words.is_column(at) => false,
                    Some(qualifier) => {
                        words.names_of(of).contains(&qualifier) || qualifier == on.table.as_str() && is_outer_row()
                    }
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

/// Finds the words that are names of columns or their qualifiers, and not keywords, types or functions. Only the parser can tell: a
/// column can have the name `end`, `year` or `zone`, and the FROM in `substring(x from 1)` is not a subquery.
#[derive(Default)]
struct Names {
    /// The depth of subqueries at the current position.
    depth: usize,
    /// The location of each name, and whether it is in a subquery.
    found: BTreeMap<Location, bool>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        let is_in_query = self.depth > 0;
        match expression {
            Expr::Identifier(name) if !is_name_without_parentheses(name) => {
                self.found.insert(name.span.start, is_in_query);
            }
            Expr::CompoundIdentifier(parts) => {
                self.found.extend(parts.iter().map(|part| (part.span.start, is_in_query)));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The tokens of an expression, without whitespace tokens.
struct Words<'t> {
    tokens: Vec<&'t Token>,
    /// For each token that is a name of a column or a qualifier, whether it is in a subquery.
    names: Vec<Option<bool>>,
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

    /// Returns whether a word is the name of a column: not a qualifier, not the field of a composite value, and not the name of
    /// an argument (`f(days => 1)`).
    fn is_column(&self, at: usize) -> bool {
        let is_after_dot = at.checked_sub(1).is_some_and(|before| self.tokens[before] == &Token::Period);
        let next = self.tokens.get(at + 1);
        self.names[at].is_some()
            && !(is_after_dot && self.qualifier(at).is_none())
            && !matches!(next, Some(Token::Period | Token::RArrow | Token::Assignment))
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

    /// Returns whether a name is in a subquery.
    fn is_in_query(&self, at: usize) -> bool {
        self.names[at] == Some(true)
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
        let name = NewName::Column { of: &of, from: &from, to: &to };
        let renamed = renamed(text, &table("notes"), name).map(|text| text.to_string());
        assert!(name.may_occur_in(text) || renamed.as_deref() == Some(text), "{text}");
        renamed
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
                "CASE WHEN title = 'a' THEN title ELSE x END = title::title",
                "CASE WHEN name = 'a' THEN name ELSE x END = name::title",
            ),
            (
                "f(title => title) AND (x).title = 1 AND title[1] = (title).x",
                "f(title => name) AND (x).title = 1 AND name[1] = (name).x",
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
    fn column_whose_name_is_a_word_of_sql_is_renamed_where_it_is_a_column() {
        for (column, text, expected) in [
            (
                "end",
                r#"CASE WHEN "end" > now() THEN true ELSE false END"#,
                "CASE WHEN new > now() THEN true ELSE false END",
            ),
            ("not", r#"NOT "not" AND "not" IS NOT NULL"#, "NOT new AND new IS NOT NULL"),
            ("true", r#""true" = true"#, "new = true"),
            ("select", r#""select" IN (SELECT 1)"#, "new IN (SELECT 1)"),
            (
                "year",
                "extract(year FROM year) > 2000 AND x > interval '1' year",
                "extract(year FROM new) > 2000 AND x > interval '1' year",
            ),
            (
                "from",
                r#"substring("from" from 1 for 2) = '' AND "from" IS DISTINCT FROM 'from'"#,
                "substring(new from 1 for 2) = '' AND new IS DISTINCT FROM 'from'",
            ),
            (
                "zone",
                "x AT TIME ZONE zone > now() AND x AT TIME ZONE 'zone' > now()",
                "x AT TIME ZONE new > now() AND x AT TIME ZONE 'zone' > now()",
            ),
            ("position", "position('a' in position) > 0", "position('a' in new) > 0"),
            (
                "date",
                "date = date '2020-01-01' AND date::date = cast(date AS date)",
                "new = date '2020-01-01' AND new::date = cast(new AS date)",
            ),
            ("lower", "lower(lower) = lower", "lower(new) = new"),
            ("escape", "a LIKE escape ESCAPE '!'", "a LIKE new ESCAPE '!'"),
            ("both", r#"trim(both 'x' from "both") = ''"#, "trim(both 'x' from new) = ''"),
            ("value", "value > 0 AND current_user <> value", "new > 0 AND current_user <> new"),
            ("user", r#""user" = current_user AND user = 'x'"#, "new = current_user AND user = 'x'"),
        ] {
            let (of, from, to) = (table("notes"), ident(column), ident("new"));
            let text = renamed(text, &of, NewName::Column { of: &of, from: &from, to: &to });
            assert_eq!(text.as_ref().map(Expression::as_str), Some(expected), "{column}");
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
    fn text_without_the_old_name_is_recognized() {
        let (of, to) = (table("notes"), ident("new"));
        for (column, text, expected) in [
            ("title", "TiTle <> ''", true),
            ("title", "\"title\" <> ''", true),
            ("title", "name <> ''", false),
            // The letter in this name is the Kelvin sign, whose lower case is the letter k.
            ("key", "\u{212a}ey > 0", true),
            ("a\"b", "\"a\"\"b\" > 0", true),
            ("größe", "GRÖSSE > 0", true),
        ] {
            let from = ident(column);
            let found = NewName::Column { of: &of, from: &from, to: &to }.may_occur_in(text);
            assert_eq!(found, expected, "{column}: {text}");
        }
    }

    #[test]
    fn table_rename_rewrites_the_qualified_name() {
        let (from, to) = (table("other"), table("new one"));
        let text =
            renamed("a IN (SELECT other.a FROM app.other)", &table("notes"), NewName::Table { from: &from, to: &to });
        assert_eq!(text.expect("clear").to_string(), "a IN (SELECT other.a FROM app.\"new one\")");
    }
}
