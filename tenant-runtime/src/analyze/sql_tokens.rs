//! Tokenizes SQL text and keeps the source text of each token.

use sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Location, Token, Tokenizer, TokenizerError},
};

/// Splits SQL text into tokens, each with its source text; the source texts concatenate to the input.
///
/// sqlparser's `Display` of a token cannot replace the source text: it writes the string `'it''s'` without the doubled
/// quote, so the string would end too early.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, &str)>, TokenizerError> {
    Ok(located_tokens(text)?.into_iter().map(|(token, text, _)| (token, text)).collect())
}

/// Splits SQL text into tokens, each with its source text and the location of its first character.
pub(super) fn located_tokens(text: &str) -> Result<Vec<(Token, &str, Location)>, TokenizerError> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location()?;
    let (mut line, mut column, mut at) = (1, 1, 0);
    let mut starts = Vec::with_capacity(tokens.len());
    for token in &tokens {
        let start = token.span.start;
        for character in text[at..].chars() {
            if (line, column) >= (start.line, start.column) {
                break;
            }
            at += character.len_utf8();
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        starts.push(at);
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let parts: Vec<&str> = starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect();
    Ok(tokens.into_iter().zip(parts).map(|(token, part)| (token.token, part, token.span.start)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lexer_tokens_concatenate_to_the_input() {
        for text in [
            "name <> 'it''s'",
            " name <> E'it\\'s'\n AND \"a\"\"b\" = $x$'$x$ ",
            "ä = 'ö''ü' AND\r\n\tb > 1.5e3",
            "U&'d\\0061t' || B'01'",
            "",
        ] {
            let parts: String = tokens(text).expect("tokens").into_iter().map(|(_, part)| part).collect();
            assert_eq!(parts, text);
        }
    }

    #[test]
    fn tokens_carry_their_source_text() {
        let tokens = tokens("ä = 'it''s'\nOR \"b\"\"c\"").expect("tokens");
        let parts: Vec<&str> = tokens.iter().map(|(_, part)| *part).filter(|part| !part.trim().is_empty()).collect();
        assert_eq!(parts, ["ä", "=", "'it''s'", "OR", "\"b\"\"c\""]);
    }
}
