//! Refuses statements that control transactions, roles or the context, or outlive the transaction, as far as their text shows it.

use super::lexer::{Lexer, Token};
use crate::model::def::TenancyDef;

/// Settings that a transaction may not change: they say who acts, where names are looked up, how text is read, or whether it
/// may write.
const GUARDED: &[&str] = &[
    "role",
    "session_authorization",
    "search_path",
    "schema",
    "row_security",
    "session_replication_role",
    "transaction_read_only",
    "default_transaction_read_only",
    "standard_conforming_strings",
    "client_encoding",
    "names",
];

/// Returns the word for which a text is refused, or `None` when it may run.
///
/// The text is read as PostgreSQL's lexer reads it. What a function or a string executed as SQL does is not seen; there
/// the database's own rules remain.
pub(super) fn refused(sql: &str, tenancy: &TenancyDef) -> Option<String> {
    let mut lexer = Lexer::new(sql);
    let mut statement = Statement::default();
    loop {
        let token = lexer.next();
        match token {
            Some(Token::Semicolon) | None => {
                if let Some(word) = statement.refused(tenancy) {
                    return Some(word);
                }
                statement = Statement::default();
                token.as_ref()?;
            }
            Some(Token::Escaped) => return Some("U&\"…\"".to_owned()),
            Some(Token::Word { text, .. }) if runs_text(&text) => return Some(text),
            Some(token) => statement.push(token),
        }
    }
}

/// Functions that change a setting, or run a text that could: the server's own, and those of the extensions that it ships.
fn runs_text(name: &str) -> bool {
    matches!(name, "set_config" | "ts_stat" | "ts_rewrite" | "connectby" | "xpath_table")
        || ["query_to_xml", "dblink", "crosstab"].iter().any(|family| name.starts_with(family))
}

/// The first words of a statement, and what else of it may be refused: that it writes settings by way of their view, says
/// READ WRITE, or declares a cursor WITH HOLD.
#[derive(Default)]
struct Statement {
    /// Words and dots, with `None` for anything else among them.
    head: Vec<Option<String>>,
    updates: bool,
    settings: bool,
    writes: bool,
    after_cursor: bool,
    holds: bool,
}

impl Statement {
    fn push(&mut self, token: Token) {
        if let Token::Word { text, quoted } = &token {
            self.updates |= !quoted && text == "update";
            self.settings |= text == "pg_settings";
            self.writes |= !quoted && text == "write";
            self.holds |= self.after_cursor && !quoted && text == "with";
        }
        self.after_cursor = matches!(&token, Token::Word { text, quoted: false } if text == "cursor");
        // An opening parenthesis may stand before the first keyword.
        let leading = self.head.is_empty() && !matches!(token, Token::Word { .. });
        if !leading && self.head.len() < 8 {
            self.head.push(match token {
                Token::Word { text, quoted: false } => Some(text),
                // A quoted name is no keyword, but it names settings as well as a bare one does.
                Token::Word { text, quoted: true } if !self.head.is_empty() => Some(text.to_ascii_lowercase()),
                Token::Dot => Some(".".to_owned()),
                _ => None,
            });
        }
    }

    fn word(&self, index: usize) -> &str {
        self.head.get(index).and_then(Option::as_deref).unwrap_or_default()
    }

    fn refused(&self, tenancy: &TenancyDef) -> Option<String> {
        let first = self.word(0);
        match first {
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" | "discard"
            | "reset" | "do" | "load" => Some(first.to_uppercase()),
            // These would be there for whoever has the connection next.
            "prepare" | "deallocate" | "listen" => Some(first.to_uppercase()),
            "declare" if self.holds => Some("DECLARE … WITH HOLD".to_owned()),
            "alter" if matches!(self.word(1), "role" | "user" | "group" | "database" | "system") => {
                Some(format!("ALTER {}", self.word(1).to_uppercase()))
            }
            "set" => self.refused_setting(tenancy),
            _ if self.updates && self.settings => Some("UPDATE pg_settings".to_owned()),
            _ => None,
        }
    }

    /// A setting of the session would outlive the transaction, so only `SET LOCAL` may run, and not on every name.
    fn refused_setting(&self, tenancy: &TenancyDef) -> Option<String> {
        match (self.word(1), self.word(2)) {
            // A transaction begins read-only with a snapshot, after which PostgreSQL refuses this too; here the error is plain.
            ("transaction", _) | ("local", "transaction") if self.writes => {
                Some("SET TRANSACTION READ WRITE".to_owned())
            }
            ("transaction" | "constraints", _) | ("local", "transaction") => None,
            // Both name who acts: `SET LOCAL SESSION AUTHORIZATION x`, `SET LOCAL "session_authorization" = x`.
            ("local", "session") => Some("SET LOCAL SESSION".to_owned()),
            ("local", _) => {
                let name = self.setting_name(2);
                let prefix = |setting: &str| setting.split('.').next() == name.split('.').next() && name.contains('.');
                let guarded = GUARDED.contains(&name.as_str())
                    || prefix(tenancy.tenant_setting)
                    || prefix(tenancy.user_setting)
                    || name == tenancy.tenant_setting
                    || name == tenancy.user_setting;
                guarded.then(|| format!("SET LOCAL {name}"))
            }
            (name, _) => Some(format!("SET {}", name.to_uppercase())),
        }
    }

    /// Joins `a . b . c`, which stands in the head as words with dots between them.
    fn setting_name(&self, from: usize) -> String {
        let mut name = self.word(from).to_owned();
        let mut at = from;
        while self.word(at + 1) == "." {
            name = format!("{name}.{}", self.word(at + 2));
            at += 2;
        }
        name
    }
}

#[cfg(test)]
#[path = "statement_filter_tests.rs"]
mod tests;
