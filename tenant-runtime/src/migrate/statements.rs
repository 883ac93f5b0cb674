//! Splits the text of a file into statements by the rules of psql.

use crate::db::{Lexer, Token};

/// A statement of a file.
///
/// ```no_run
/// # use tenant_runtime::{Migrations, Result};
/// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
/// for statement in migrations.pending(admin_url, None).await?.iter().flat_map(|migration| &migration.statements) {
///     println!("line {}: {}", statement.line, statement.text);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement<'t> {
    /// The text of the statement, without surrounding whitespace and comments and without the semicolon.
    pub text: &'t str,
    /// The line of the file on which it begins, from 1.
    pub line: usize,
}

/// Splits SQL text at the semicolons that end a statement, but not at semicolons in strings, in comments, in
/// parentheses (such as around a rule's actions), or in a function body written as `BEGIN ATOMIC … END`.
pub(super) fn split(text: &str) -> Vec<Statement<'_>> {
    let mut lexer = Lexer::new(text);
    let mut statements = Vec::new();
    let mut nesting = Nesting::default();
    let mut span: Option<std::ops::Range<usize>> = None;
    let (mut line, mut counted) = (1, 0);
    loop {
        let token = lexer.next_at();
        match token {
            Some((at, token)) if !(token == Token::Semicolon && nesting.is_empty()) => {
                nesting.push(&token, &text[at.clone()]);
                span = Some(span.map_or(at.clone(), |span| span.start..at.end));
            }
            end => {
                if let Some(span) = span.take() {
                    line += text[counted..span.start].matches('\n').count();
                    counted = span.start;
                    statements.push(Statement { text: &text[span], line });
                }
                nesting = Nesting::default();
                if end.is_none() {
                    return statements;
                }
            }
        }
    }
}

/// The open parentheses and blocks of a statement, in which a semicolon does not end the statement.
#[derive(Default)]
struct Nesting {
    /// The first words, which show whether the statement creates a function.
    head: Vec<String>,
    parentheses: usize,
    blocks: usize,
}

impl Nesting {
    fn is_empty(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn push(&mut self, token: &Token, text: &str) {
        match token {
            Token::Word { text: word, quoted: false } => {
                if self.head.len() < 4 {
                    self.head.push(word.clone());
                }
                match word.as_str() {
                    "begin" if self.creates_a_function() && self.parentheses == 0 => self.blocks += 1,
                    "case" if self.blocks > 0 => self.blocks += 1,
                    "end" => self.blocks = self.blocks.saturating_sub(1),
                    _ => {}
                }
            }
            _ if text == "(" => self.parentheses += 1,
            _ if text == ")" => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
    }

    fn creates_a_function(&self) -> bool {
        let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
        matches!(
            head.as_slice(),
            ["create", "function" | "procedure", ..] | ["create", "or", "replace", "function" | "procedure", ..]
        )
    }
}

/// Returns whether a statement creates a function or a procedure, whose body is not executed.
pub(super) fn creates_function(statement: &str) -> bool {
    let mut lexer = Lexer::new(statement);
    let mut nesting = Nesting::default();
    while let Some(Token::Word { text, quoted: false }) = lexer.next().filter(|_| nesting.head.len() < 4) {
        nesting.head.push(text);
    }
    nesting.creates_a_function()
}

/// A concurrent CREATE INDEX or DROP INDEX, which an interruption can leave incomplete.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Concurrently {
    /// `CREATE INDEX CONCURRENTLY index ON table`.
    Create { index: String, table: String },
    /// `DROP INDEX CONCURRENTLY index`.
    Drop { index: String },
}

impl Concurrently {
    /// Parses a concurrent index command from the text of a single statement; returns `None` for any other text. Names
    /// are kept as written, so that the server resolves them.
    pub(super) fn of(text: &str) -> Option<Self> {
        let [statement] = split(text)[..] else { return None };
        let mut words = WordReader { lexer: Lexer::new(statement.text), text: statement.text };
        match words.keyword()?.as_str() {
            "create" => {
                let mut word = words.keyword()?;
                if word == "unique" {
                    word = words.keyword()?;
                }
                (word == "index" && words.keyword()? == "concurrently").then_some(())?;
                let index = words.name_after(&["if", "not", "exists"])?;
                (words.keyword()? == "on").then_some(())?;
                Some(Self::Create { index, table: words.name_after(&["only"])? })
            }
            "drop" => {
                (words.keyword()? == "index" && words.keyword()? == "concurrently").then_some(())?;
                Some(Self::Drop { index: words.name_after(&["if", "exists"])? })
            }
            _ => None,
        }
    }
}

/// Reads the words of a statement one by one.
struct WordReader<'t> {
    lexer: Lexer<'t>,
    text: &'t str,
}

impl WordReader<'_> {
    fn keyword(&mut self) -> Option<String> {
        match self.lexer.next()? {
            Token::Word { text, quoted: false } => Some(text),
            _ => None,
        }
    }

    /// Reads a name with one or two parts, after skipping optional words.
    fn name_after(&mut self, skipped: &[&str]) -> Option<String> {
        let mut skipped = skipped.iter();
        loop {
            let (at, token) = self.lexer.next_at()?;
            match token {
                Token::Word { text, quoted: false } if skipped.any(|word| *word == text) => {}
                Token::Word { .. } => {
                    let mut name = self.text[at.clone()].to_owned();
                    if self.text[at.end..].trim_start().starts_with('.') {
                        self.lexer.next()?;
                        name = format!("{name}.{}", &self.text[self.lexer.next_at()?.0]);
                    }
                    return Some(name);
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(&str, usize)> {
        split(text).into_iter().map(|statement| (statement.text, statement.line)).collect()
    }

    #[test]
    fn statements_split_at_semicolons_outside_quotes_and_comments() {
        let text = "-- a; b\nSELECT 1 ; ;\n/* ; */ SELECT ';', \";\", E'\\';'\n;SELECT $x$;$x$";
        assert_eq!(texts(text), [("SELECT 1", 2), ("SELECT ';', \";\", E'\\';'", 3), ("SELECT $x$;$x$", 4)]);
    }

    #[test]
    fn begin_atomic_body_and_rule_actions_are_one_statement() {
        let body =
            "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END";
        let rule = "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)";
        assert_eq!(texts(&format!("{body};{rule};BEGIN;END")), [(body, 1), (rule, 1), ("BEGIN", 1), ("END", 1)]);
    }

    #[test]
    fn text_without_statements_splits_to_nothing() {
        assert_eq!(texts(" ;; -- nothing\n"), []);
    }

    #[test]
    fn concurrent_index_statements_are_recognized() {
        let create = |index: &str, table: &str| Some(Concurrently::Create { index: index.into(), table: table.into() });
        let cases = [
            ("-- no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);", create("i", "t")),
            (
                "create unique index concurrently if not exists \"I.\" on only app . \"T x\" using btree (a)",
                create("\"I.\"", "app.\"T x\""),
            ),
            ("CREATE INDEX i ON t (a)", None),
            ("CREATE INDEX CONCURRENTLY ON t (a)", None),
            ("CREATE INDEX CONCURRENTLY i ON t (a); SELECT 1", None),
            ("DROP INDEX CONCURRENTLY IF EXISTS app.i", Some(Concurrently::Drop { index: "app.i".into() })),
            ("DROP INDEX i", None),
            ("REINDEX INDEX CONCURRENTLY i", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Concurrently::of(text), expected, "{text}");
        }
    }
}
