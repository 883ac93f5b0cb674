//! SQL that a user writes in an attribute: parsed, so that it cannot end the statement around it.

use sqlparser::{
    dialect::PostgreSqlDialect,
    parser::{Parser, ParserError},
    tokenizer::{Token, Tokenizer, Whitespace},
};

use crate::model::schema::Expression;

/// Takes text that is exactly one expression, such as the value of `default` or `check`.
///
/// # Errors
///
/// With a sentence fragment that says what is wrong.
pub(crate) fn expression(text: &str) -> Result<Expression, String> {
    whole(text, |parser| parser.parse_expr().map(drop))
}

/// Takes text that is exactly one type, such as the value of `sql_type`.
///
/// # Errors
///
/// With a sentence fragment that says what is wrong.
pub(crate) fn data_type(text: &str) -> Result<Expression, String> {
    whole(text, |parser| parser.parse_data_type().map(drop))
}

fn whole(text: &str, parse: impl FnOnce(&mut Parser<'_>) -> Result<(), ParserError>) -> Result<Expression, String> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize().map_err(|error| format!("is not SQL: {error}"))?;
    for token in &tokens {
        match token {
            Token::SemiColon => return Err("holds a `;`".into()),
            // A comment could swallow what the generator writes behind the text.
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                return Err("holds a comment".into());
            }
            Token::Placeholder(name) => return Err(format!("holds the parameter `{name}`")),
            _ => {}
        }
    }
    let mut parser = Parser::new(&dialect).with_tokens(tokens);
    parse(&mut parser).map_err(|error| match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => format!("is not SQL: {text}"),
        ParserError::RecursionLimitExceeded => "is nested too deeply".into(),
    })?;
    match parser.peek_token().token {
        Token::EOF => Ok(Expression::trusted(text.trim())),
        token => Err(format!("has something left over, from `{token}` on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_expressions_pass_as_they_are_written() {
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
        ] {
            assert_eq!(expression(text).map(|e| e.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn text_that_could_end_the_statement_around_it_is_refused() {
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
            "\"open",
        ] {
            assert!(expression(text).is_err(), "{text:?} passed");
        }
    }

    #[test]
    fn a_type_is_one_type() {
        for text in ["numeric(10, 2)", "citext", "app.status", "text[]", "timestamptz", "varchar(20)"] {
            assert!(data_type(text).is_ok(), "{text:?}: {:?}", data_type(text));
        }
        for text in ["", "text DEFAULT 1", "text, b text", "text)", "text; --"] {
            assert!(data_type(text).is_err(), "{text:?} passed");
        }
    }
}
