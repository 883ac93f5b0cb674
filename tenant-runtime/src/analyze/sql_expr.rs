//! Validates SQL in attributes by parsing it, so that it cannot end the enclosing statement.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{Expr, Query, Visit as _, Visitor, visit_expressions},
    dialect::PostgreSqlDialect,
    parser::{Parser, ParserError},
    tokenizer::{Token, Whitespace},
};

use super::sql_tokens::tokens;
use crate::model::schema::Expression;

/// A validated expression with its parse tree, so that each check of the expression need not parse it again.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) expression: Expression,
    pub(super) tree: Expr,
}

/// Parses text that must be exactly one expression, such as the value of `default` or `check`.
///
/// # Errors
///
/// Returns a predicate that describes the problem, such as "contains a `;`".
pub(super) fn parsed(text: &str) -> Result<Parsed, String> {
    whole(text, |parser| parser.parse_expr()).map(|(expression, tree)| Parsed { expression, tree })
}

/// Validates text that must be exactly one expression.
///
/// # Errors
///
/// Those of [`parsed`].
pub(crate) fn expression(text: &str) -> Result<Expression, String> {
    parsed(text).map(|parsed| parsed.expression)
}

/// Parses text that must be exactly one type, such as the value of `sql_type`.
///
/// # Errors
///
/// Returns a predicate that describes the problem, such as "contains a `;`".
pub(crate) fn data_type(text: &str) -> Result<Expression, String> {
    whole(text, |parser| parser.parse_data_type()).map(|(text, _)| text)
}

/// Parses the text of an expression that [`expression`] has accepted.
pub(super) fn parse(text: &str) -> Result<Expr, ParserError> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(text)?.parse_expr()
}

/// Returns whether an expression or one of its subexpressions matches.
pub(super) fn contains(expr: &Expr, matches: fn(&Expr) -> bool) -> bool {
    let found = visit_expressions(expr, |inner| match matches(inner) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Returns whether an expression calls `caller()`, which only the conditions of policies can use.
pub(super) fn calls_caller(expr: &Expr) -> bool {
    contains(expr, |inner| match inner {
        Expr::Function(function) => function.name.to_string().eq_ignore_ascii_case("caller"),
        _ => false,
    })
}

/// Returns whether an expression contains a query, also as in `ARRAY(SELECT …)`.
pub(super) fn has_query(expr: &Expr) -> bool {
    struct AnyQuery;
    impl Visitor for AnyQuery {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut AnyQuery).is_break()
}

/// Returns whether PostgreSQL reads a token as the start of a comment, which would extend to the
/// SQL that follows the text.
///
/// In PostgreSQL an operator ends where a comment begins; this tokenizer reads `@--` as one operator.
fn starts_comment(token: &Token, written: &str) -> bool {
    let opaque = match token {
        Token::Word(word) => word.quote_style.is_some(),
        token => written.ends_with('\'') || matches!(token, Token::DollarQuotedString(_)),
    };
    !opaque && (written.contains("--") || written.contains("/*"))
}

fn starts_with_digit(tag: Option<&str>) -> bool {
    tag.is_some_and(|tag| tag.starts_with(|first: char| first.is_ascii_digit()))
}

/// Validates text that must be exactly what `parse` reads, and returns the text with its parse tree.
fn whole<T>(
    text: &str,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<(Expression, T), String> {
    if text.contains('\0') {
        return Err("contains a NUL character, which PostgreSQL cannot store in text".into());
    }
    let dialect = PostgreSqlDialect {};
    let tokens = tokens(text).map_err(|error| format!("is not valid SQL: {error}"))?;
    for (token, written) in &tokens {
        match token {
            Token::SemiColon => return Err("contains a `;`".into()),
            Token::Placeholder(name) => return Err(format!("contains the parameter `{name}`")),
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                return Err("contains a comment".into());
            }
            token if starts_comment(token, written) => return Err("contains a comment".into()),
            // PostgreSQL reads `$` and the digits as a parameter, and does not read the rest as a string.
            Token::DollarQuotedString(string) if starts_with_digit(string.tag.as_deref()) => {
                return Err("is not valid SQL: the tag of a dollar-quoted string begins with a digit".into());
            }
            _ => {}
        }
    }
    let tokens = tokens.into_iter().map(|(token, _)| token).collect();
    let mut parser = Parser::new(&dialect).with_tokens(tokens);
    let tree = parse(&mut parser).map_err(|error| match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => format!("is not valid SQL: {text}"),
        ParserError::RecursionLimitExceeded => "is nested too deeply".into(),
    })?;
    match parser.peek_token().token {
        Token::EOF => Ok((Expression::trusted(text.trim()), tree)),
        token => Err(format!("contains unexpected text, starting with `{token}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_expressions_are_kept_verbatim() {
        for text in [
            "now()",
            "'todo'",
            "gen_random_uuid()",
            "length(name) > 0 AND name <> ''",
            "status IN ('a', 'b')",
            "amount >= 0",
            "'{}'::jsonb",
            "email ~ '^[^@]+@[^@]+$'",
            "now() + interval '7 days'",
            "ARRAY[]::text[]",
            "E'it\\'s'",
            "'--' || \"/*\" || $a$--$a$ || E'/*' || N'--'",
        ] {
            assert_eq!(expression(text).map(|e| e.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn expressions_that_could_end_the_statement_are_rejected() {
        for text in [
            "",
            "1); DROP TABLE app.users; --",
            "1)",
            "(1",
            "'open",
            "1 -- and the rest is a comment",
            "1 /* c */",
            "1, 2",
            "1 AS x",
            "$1 > 0",
            "now(); SELECT 1",
            "$$ open",
            "$1a$ ' $1a$",
            "\"open",
            // PostgreSQL ends an operator where a comment begins.
            "1 @-- 2",
            "a ||-- b",
            "a ->-- b",
            "a ->/* b",
            "a &/* b",
            "a |/*b*/ c",
        ] {
            assert!(expression(text).is_err(), "{text:?} passed");
        }
    }

    #[test]
    fn data_type_accepts_exactly_one_type() {
        for text in ["numeric(10, 2)", "citext", "app.status", "text[]", "timestamptz", "varchar(20)"] {
            assert!(data_type(text).is_ok(), "{text:?}: {:?}", data_type(text));
        }
        for text in ["", "text DEFAULT 1", "text, b text", "text)", "text; --"] {
            assert!(data_type(text).is_err(), "{text:?} passed");
        }
    }
}
