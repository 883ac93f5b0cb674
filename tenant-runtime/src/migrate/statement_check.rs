//! Refuses statements that a migration file must not contain: transaction control, settings that outlive the file, data for
//! COPY, and commands of psql.

use super::{
    files::File,
    statements::{Statement, creates_function, split},
};
use crate::{
    db::{Lexer, Token},
    error::MigrationError,
};

/// The mark that begins a file that runs outside a transaction.
const NO_TRANSACTION: &str = "-- no-transaction";

/// A statement that a migration file must not contain.
///
/// ```no_run
/// use tenant_runtime::migrate::folder::{Folder, FolderError, Problem};
///
/// if let Err(FolderError::Problems { problems, .. }) = Folder::new("migrations").schema() {
///     for problem in problems.as_slice() {
///         if let Problem::Statement { name, refused, .. } = problem {
///             eprintln!("{name}:{}: {}", refused.line, refused.statement);
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The line of the file.
    pub line: usize,
    /// The beginning of the statement.
    pub statement: String,
    /// Why it is refused, and what to write instead.
    pub reason: String,
}

/// Checks the statements of a file before it is run.
pub(super) fn file(file: &File) -> Result<(), MigrationError> {
    match refused(file.migration.sql.as_str()) {
        None => Ok(()),
        Some(Refused { line, statement, reason }) => {
            Err(MigrationError::RefusedStatement { file: file.name.clone(), line, statement, reason })
        }
    }
}

/// Returns the first refused statement of a file. Strings, comments and the bodies of functions are not searched.
pub(crate) fn refused(text: &str) -> Option<Refused> {
    if text.starts_with('\u{feff}') {
        let reason = "the file begins with a byte order mark, which PostgreSQL does not accept\n  help: save it as UTF-8 \
                      without a byte order mark";
        return Some(Refused { line: 1, statement: "U+FEFF".to_owned(), reason: reason.to_owned() });
    }
    let outside = text.starts_with(NO_TRANSACTION);
    split(text).into_iter().find_map(|statement| {
        let tokens = tokens(statement.text);
        let (line, reason) = match psql_command(&tokens) {
            Some(at) => (statement.line + statement.text[..at].matches('\n').count(), PSQL.to_owned()),
            None => (statement.line, reason(statement, &tokens, outside)?),
        };
        let shown = statement.text.lines().nth(line - statement.line).unwrap_or_default().trim();
        let cut: String = shown.chars().take(60).collect();
        let statement = if cut.len() < shown.len() { format!("{cut}…") } else { cut };
        Some(Refused { line, statement, reason })
    })
}

const PSQL: &str = "it is a command of psql, which the server does not know\n  help: write SQL; a file cannot include other files \
                    or use variables of psql";

/// A token with its text as written, and the position at which it begins.
type TokenAt<'t> = (Token, &'t str, usize);

fn tokens(text: &str) -> Vec<TokenAt<'_>> {
    let mut lexer = Lexer::new(text);
    std::iter::from_fn(|| lexer.next_at().map(|(at, token)| (token, &text[at.clone()], at.start))).collect()
}

/// Returns the position of a backslash: SQL has none outside strings.
fn psql_command(tokens: &[TokenAt<'_>]) -> Option<usize> {
    tokens.iter().find(|(_, text, _)| *text == "\\").map(|(.., at)| *at)
}

/// Returns why a statement is refused.
fn reason(statement: Statement<'_>, tokens: &[TokenAt<'_>], outside: bool) -> Option<String> {
    let words: Vec<&str> = tokens.iter().take(4).map_while(|(token, ..)| word(token)).collect();
    let whole = || words_of(tokens);
    let local = |what: &str| match outside {
        true => format!(
            "{what} would remain for the next files\n  help: set it for the session in the URL: `?options=-c%20name%3Dvalue`"
        ),
        false => format!(
            "{what} would remain for the next files\n  help: write `SET LOCAL`, which ends with the transaction"
        ),
    };
    Some(match *words.as_slice() {
        ["begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release", ..]
        | ["prepare", "transaction", ..] => match outside {
            true => "it controls the transaction, and a file that is interrupted in between is applied in part\n  help: delete \
                     it; put statements that can run in a transaction into a file without `-- no-transaction`"
                .to_owned(),
            false => "it controls the transaction, but the file and its record are one transaction: a part would be applied \
                      without a record, or recorded without being applied\n  help: delete it; put a statement that cannot run \
                      in a transaction into a separate file, whose first line is `-- no-transaction`"
                .to_owned(),
        },
        ["set", "local", ..] | ["set", "constraints" | "transaction", ..] => return None,
        ["set", "role", ..] | ["set", "session", "role", ..] => match outside {
            true => "the role would remain for the next files and for the record of this file\n  help: delete it, and apply the \
                     file with a login that has the privileges"
                .to_owned(),
            false => "the role would remain for the next files and for the record of this file\n  help: write `SET LOCAL ROLE`, \
                      and end the file with `RESET ROLE`"
                .to_owned(),
        },
        ["set", "session", "authorization", ..] => {
            "the login would remain changed for the next files and for the record of this file\n  help: write `SET LOCAL ROLE`, \
             and end the file with `RESET ROLE`"
                .to_owned()
        }
        ["set", ..] => local("the setting"),
        ["discard", ..] | ["deallocate", ..] => {
            "it discards the state of the session that applies the migrations, such as its lock\n  help: delete it".to_owned()
        }
        ["copy", ..] if has_pair(&whole(), "from", "stdin") || has_pair(&whole(), "to", "stdout") => {
            "COPY sends or receives data outside of the file's SQL\n  help: write `INSERT INTO … VALUES …`, or load the data with \
             psql or in a job"
                .to_owned()
        }
        _ if creates_function(statement.text) => return None,
        _ if calls(tokens, "set_config").any(|arguments| !is_local(&arguments)) => {
            local("a setting of `set_config` whose third argument is not `true`")
        }
        _ if whole().iter().any(|word| word.starts_with("pg_advisory_unlock")) => {
            "it can release the lock that keeps other migrating processes waiting\n  help: take locks that end with the \
             transaction: `pg_advisory_xact_lock`"
                .to_owned()
        }
        _ => return None,
    })
}

fn word(token: &Token) -> Option<&str> {
    match token {
        Token::Word { text, quoted: false } => Some(text),
        _ => None,
    }
}

fn words_of<'t>(tokens: &'t [TokenAt<'_>]) -> Vec<&'t str> {
    tokens.iter().filter_map(|(token, ..)| word(token)).collect()
}

fn has_pair(words: &[&str], first: &str, second: &str) -> bool {
    words.windows(2).any(|pair| pair == [first, second])
}

/// Returns the arguments of each call of a function, each with the tokens as written.
fn calls<'t>(tokens: &'t [TokenAt<'t>], function: &'static str) -> impl Iterator<Item = Vec<String>> + 't {
    let is_call = move |at: &usize| {
        let named = matches!(&tokens[*at].0, Token::Word { text, .. } if text == function);
        named && tokens.get(at + 1).is_some_and(|(_, text, _)| *text == "(")
    };
    (0..tokens.len()).filter(is_call).map(|at| arguments(&tokens[at + 2..]))
}

fn arguments(tokens: &[TokenAt<'_>]) -> Vec<String> {
    let (mut arguments, mut depth) = (vec![String::new()], 0_usize);
    for (_, text, _) in tokens {
        match *text {
            ")" if depth == 0 => break,
            "," if depth == 0 => arguments.push(String::new()),
            text => {
                depth = match text {
                    "(" | "[" => depth + 1,
                    ")" | "]" => depth.saturating_sub(1),
                    _ => depth,
                };
                if let Some(argument) = arguments.last_mut() {
                    argument.push_str(&text.to_ascii_lowercase());
                }
            }
        }
    }
    arguments
}

/// Returns whether the third argument of `set_config` is the constant true.
fn is_local(arguments: &[String]) -> bool {
    let last = arguments.get(2).map(String::as_str).unwrap_or_default();
    matches!(
        last.strip_prefix("is_local=>").unwrap_or(last),
        "true" | "'true'" | "'t'" | "true::boolean" | "true::bool"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Option<(usize, String)> {
        refused(text).map(|refused| (refused.line, refused.statement))
    }

    #[test]
    fn statements_that_outlive_the_file_are_refused_with_their_line() {
        for text in [
            "BEGIN",
            "start transaction",
            "Commit",
            "end",
            "ROLLBACK",
            "ABORT",
            "SAVEPOINT a",
            "RELEASE a",
            "PREPARE TRANSACTION 'x'",
            "SET ROLE app_schema_owner",
            "SET SESSION ROLE x",
            "SET SESSION AUTHORIZATION x",
            "SET search_path = app",
            "SET SESSION search_path = app",
            "set time zone 'UTC'",
            "SELECT set_config('search_path', 'app', false)",
            "SELECT pg_catalog.set_config('a', f(1, 2), $1)",
            "SELECT \"set_config\"('a', 'b', 'no')",
            "COPY app.plans FROM STDIN",
            "COPY app.plans (id) FROM stdin WITH (FORMAT csv)",
            "COPY app.plans TO STDOUT",
            "\\i other.sql",
            "DISCARD ALL",
            "DEALLOCATE ALL",
            "SELECT pg_advisory_unlock_all()",
        ] {
            for (prefix, line) in [("SELECT 1;\n/* a */ ", 2), ("-- no-transaction\n\n", 3)] {
                assert_eq!(lines(&format!("{prefix}{text};\nSELECT 2")), Some((line, text.to_owned())), "{text}");
            }
        }
        assert_eq!(lines("SELECT 1\n\\gexec\n"), Some((2, "\\gexec".to_owned())));
        assert_eq!(lines("\u{feff}SELECT 1"), Some((1, "U+FEFF".to_owned())));
    }

    #[test]
    fn statements_that_end_with_the_transaction_are_accepted() {
        for text in [
            "SET LOCAL ROLE app_schema_owner; RESET ROLE",
            "SET CONSTRAINTS ALL IMMEDIATE; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SELECT set_config('a', 'b', true), set_config('a', concat('x', 'y'), is_local => true)",
            "SELECT 'COMMIT; \\d', $$ BEGIN; COMMIT; $$, E'\\n', \"commit\" -- ; COMMIT\n/* ; COMMIT; */",
            "DO $$ BEGIN PERFORM set_config('a', 'b', false); END $$",
            "CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT set_config('a', 'b', false); END",
            "COPY app.plans FROM '/srv/plans.csv'; UPDATE t SET commit = 1",
            "CREATE TABLE begin (rollback int); PREPARE p AS SELECT 1",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }
}
