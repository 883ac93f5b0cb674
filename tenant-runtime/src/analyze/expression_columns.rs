//! Reads the columns that a valid expression names, and the text of an expression that is a string constant.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArguments, visit_expressions};

use super::sql_expr::{contains, parse};
use crate::{
    ident::Ident,
    model::{index::Index, schema::Expression},
};

/// Functions that are called without parentheses in SQL, so that the parser returns each as a name. PostgreSQL reserves these words,
/// so a column of such a name must be quoted.
const NAMES_WITHOUT_PARENTHESES: [&str; 8] = [
    "current_catalog",
    "current_role",
    "current_schema",
    "current_user",
    "localtimestamp",
    "session_user",
    "system_user",
    "user",
];

/// Returns whether the parser's name is a call of a function without parentheses.
pub(super) fn is_name_without_parentheses(name: &sqlparser::ast::Ident) -> bool {
    name.quote_style.is_none() && NAMES_WITHOUT_PARENTHESES.contains(&name.value.to_lowercase().as_str())
}

/// Returns the columns that a parsed expression names, as PostgreSQL reads them, each with the
/// qualifier before the dot, if any. Returns no columns if the expression contains a subquery.
pub(super) fn columns(parsed: &Expr) -> Vec<(Option<String>, String)> {
    if has_subquery(parsed) { Vec::new() } else { columns_of(parsed) }
}

/// Returns the columns that a parsed expression without a subquery names.
fn columns_of(parsed: &Expr) -> Vec<(Option<String>, String)> {
    let mut columns = Vec::new();
    let folded = |name: &sqlparser::ast::Ident| match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    };
    let mut names_of_arguments = Vec::new();
    let _ = visit_expressions(parsed, |inner| {
        match inner {
            // The parser returns the name in `f(name => 1)` as an expression as well.
            Expr::Function(Function { args: FunctionArguments::List(list), .. }) => {
                names_of_arguments.extend(list.args.iter().filter_map(|argument| match argument {
                    FunctionArg::ExprNamed { name: Expr::Identifier(name), .. } => Some(folded(name)),
                    _ => None,
                }));
            }
            Expr::Identifier(name) if !is_name_without_parentheses(name) => columns.push((None, folded(name))),
            Expr::CompoundIdentifier(names) => {
                let mut names = names.iter().rev().map(folded);
                let column = names.next();
                columns.extend(column.map(|column| (names.next(), column)));
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    for argument in names_of_arguments {
        if let Some(at) = columns.iter().position(|(qualifier, name)| qualifier.is_none() && *name == argument) {
            columns.remove(at);
        }
    }
    columns
}

/// Returns whether a valid expression can read a column. In an expression with a subquery, every word counts.
pub(crate) fn may_read(expression: &Expression, column: &Ident) -> bool {
    let Ok(parsed) = parse(expression.as_str()) else { return true };
    if has_subquery(&parsed) {
        return mentions_column(expression, column);
    }
    columns_of(&parsed).iter().any(|(_, name)| name == column.as_str())
}

/// Returns whether an index contains a column, or can read it in an expression or in its condition.
pub(crate) fn index_may_read(index: &Index, column: &Ident) -> bool {
    index.columns().any(|name| name == column) || index.expressions().any(|text| may_read(text, column))
}

/// Returns whether an expression contains the name of a column as a word, quoted or not.
pub(crate) fn mentions_column(expression: &Expression, column: &Ident) -> bool {
    let text = expression.as_str();
    mentions(text, column.as_str()) || mentions(text, &column.quoted().to_string())
}

/// Returns whether SQL text contains a name as a word.
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&name)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}

fn has_subquery(parsed: &Expr) -> bool {
    contains(parsed, |inner| matches!(inner, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. }))
}

/// Returns the text of a parsed expression that is a string constant.
pub(super) fn string_constant(parsed: &Expr) -> Option<String> {
    match parsed {
        Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sql_expr::parsed, *};

    #[test]
    fn columns_of_an_expression_are_only_names_that_postgresql_reads_as_columns() {
        let none = [
            "now()",
            "current_date - interval '1 day'",
            "CURRENT_USER",
            "current_setting('app.x')::uuid",
            "'a'::text || E'b'",
            "ARRAY[1, 2]::int[]",
            "true AND NULL",
            "localtimestamp",
            "make_interval(days => 3)",
            "nextval('app.numbers'::regclass)",
        ];
        for text in none {
            assert_eq!(columns(&parsed(text).expect("valid").tree), [], "{text}");
        }
        let read =
            |text| columns(&parsed(text).expect("valid").tree).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(read("extract(year FROM Made) > 1 AND \"Odd\" @> '{}'"), ["made", "Odd"]);
        assert_eq!(
            read("CASE WHEN kind = 'a' THEN notes.cents IS NOT NULL ELSE tags[1] <> '' END"),
            ["kind", "cents", "tags"]
        );
    }
}
