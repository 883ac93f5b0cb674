//! Statement filter: refuses statements whose text shows that they control the transaction, the role or the context, that
//! their effects outlive the transaction, or that they reveal other tenants' rows or block other tenants.

use super::lexer::{Lexer, Token};
use crate::model::def::TenancyDef;

/// Settings that a transaction must not change: they control the role, name lookup, the parsing of strings, or whether
/// writes are allowed.
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

/// Settings with which the server sends plans to the client: `debug_print_plan` prints plans, and `auto_explain` can be
/// loaded on the server. `client_min_messages` decides whether the client receives them.
const PRINTS_PLANS: &[&str] = &["debug_print_plan", "client_min_messages"];

/// What the options of the connection allow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowed {
    /// EXPLAIN, and the settings that print plans.
    pub(super) explain: bool,
}

/// Returns the keyword that causes a statement to be refused, or `None` if the statement can run.
///
/// The text is split into tokens as by PostgreSQL's lexer. The effects of a function, or of a string that is
/// executed as SQL, are not visible here; against those, the database's policies and grants are the remaining
/// protection.
pub(super) fn refused(sql: &str, tenancy: &TenancyDef, allowed: Allowed) -> Option<String> {
    let mut lexer = Lexer::new(sql);
    let mut statement = Statement::default();
    loop {
        let token = lexer.next();
        match token {
            Some(Token::Semicolon) | None => {
                if let Some(word) = statement.refused(tenancy, allowed) {
                    return Some(word);
                }
                statement = Statement::default();
                token.as_ref()?;
            }
            Some(Token::Escaped) => return Some("U&\"…\"".to_owned()),
            Some(Token::Word { text, .. }) if is_guarded_function(&text) => return Some(text),
            Some(token) => statement.push(token),
        }
    }
}

/// Returns whether a function can change a setting, or execute a string that could: built-in functions and functions of
/// the contrib extensions.
fn is_guarded_function(name: &str) -> bool {
    matches!(name, "set_config" | "ts_stat" | "ts_rewrite" | "connectby" | "xpath_table")
        || ["query_to_xml", "dblink", "crosstab"].iter().any(|family| name.starts_with(family))
}

/// The first words of a statement, and the properties that can cause its refusal: an UPDATE of the view `pg_settings`,
/// READ WRITE, or a cursor WITH HOLD.
#[derive(Default)]
struct Statement {
    /// Words and dots, and `None` for any other token between them.
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
        // An opening parenthesis can precede the first keyword.
        let leading = self.head.is_empty() && !matches!(token, Token::Word { .. });
        if !leading && self.head.len() < 8 {
            self.head.push(match token {
                Token::Word { text, quoted: false } => Some(text),
                // A quoted name is not a keyword, but it can name a setting.
                Token::Word { text, quoted: true } if !self.head.is_empty() => Some(text.to_ascii_lowercase()),
                Token::Dot => Some(".".to_owned()),
                _ => None,
            });
        }
    }

    fn word(&self, index: usize) -> &str {
        self.head.get(index).and_then(Option::as_deref).unwrap_or_default()
    }

    fn refused(&self, tenancy: &TenancyDef, allowed: Allowed) -> Option<String> {
        let first = self.word(0);
        match first {
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" | "discard"
            | "reset" | "do" | "load" => Some(first.to_uppercase()),
            // Their effects outlive the transaction and would reach the next user of the
            // connection.
            "prepare" | "deallocate" | "listen" => Some(first.to_uppercase()),
            "declare" if self.holds => Some("DECLARE … WITH HOLD".to_owned()),
            "alter" if matches!(self.word(1), "role" | "user" | "group" | "database" | "system") => {
                Some(format!("ALTER {}", self.word(1).to_uppercase()))
            }
            "set" => self.refused_setting(tenancy, allowed),
            // The estimates come from statistics of all tenants' rows.
            "explain" if !allowed.explain => Some("EXPLAIN".to_owned()),
            // A table lock blocks all tenants.
            "lock" => Some("LOCK".to_owned()),
            _ if self.updates && self.settings => Some("UPDATE pg_settings".to_owned()),
            _ => None,
        }
    }

    /// Refuses a change of a setting: a session setting would outlive the transaction, so only `SET LOCAL` is allowed,
    /// and only for unguarded settings.
    fn refused_setting(&self, tenancy: &TenancyDef, allowed: Allowed) -> Option<String> {
        match (self.word(1), self.word(2)) {
            // After the first snapshot PostgreSQL refuses this too, but the filter's error is
            // clearer.
            ("transaction", _) | ("local", "transaction") if self.writes => {
                Some("SET TRANSACTION READ WRITE".to_owned())
            }
            ("transaction" | "constraints", _) | ("local", "transaction") => None,
            // Both of these change the session user: `SET LOCAL SESSION AUTHORIZATION x`, `SET LOCAL
            // "session_authorization" = x`.
            ("local", "session") => Some("SET LOCAL SESSION".to_owned()),
            ("local", _) => {
                let name = self.setting_name(2);
                let prints_plans = PRINTS_PLANS.contains(&name.as_str()) && !allowed.explain;
                (prints_plans || is_guarded_setting(&name, tenancy)).then(|| format!("SET LOCAL {name}"))
            }
            (name, _) => Some(format!("SET {}", name.to_uppercase())),
        }
    }

    /// Joins the words and dots of `a . b . c`.
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

/// Returns whether a transaction must not change a setting: a guarded setting, or one with the same prefix as a context
/// setting.
fn is_guarded_setting(name: &str, tenancy: &TenancyDef) -> bool {
    let context = [tenancy.tenant_setting, tenancy.user_setting];
    let prefix = name.split_once('.').map(|(prefix, _)| prefix);
    GUARDED.contains(&name)
        || context.contains(&name)
        || prefix.is_some_and(|prefix| context.iter().any(|setting| setting.split('.').next() == Some(prefix)))
}

#[cfg(test)]
#[path = "statement_filter_tests.rs"]
mod tests;
