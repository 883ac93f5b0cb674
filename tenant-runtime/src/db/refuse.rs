//! Refuses statements that control transactions, roles or the context, as far as their text shows it.

use crate::model::def::TenancyDef;

/// Settings that a transaction may not change: they say who acts, where names are looked up, or how text is read.
const GUARDED: &[&str] = &[
    "role",
    "session_authorization",
    "search_path",
    "schema",
    "row_security",
    "session_replication_role",
    "standard_conforming_strings",
    "client_encoding",
    "names",
];

/// Returns the word for which a text is refused, or `None` when it may run.
///
/// The text is read as PostgreSQL's lexer reads it. What a function or a string executed as SQL does is not seen; there
/// the database's own rules remain.
pub(super) fn refused(sql: &str, tenancy: &TenancyDef) -> Option<String> {
    let mut lexer = Lexer { text: sql.as_bytes(), at: 0 };
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

/// Functions that change a setting, or run a text that could.
fn runs_text(name: &str) -> bool {
    name == "set_config" || name.starts_with("query_to_xml") || name.starts_with("dblink")
}

/// The first words of a statement, and whether it writes settings by way of their view.
#[derive(Default)]
struct Statement {
    /// Words and dots, with `None` for anything else among them.
    head: Vec<Option<String>>,
    updates: bool,
    settings: bool,
}

impl Statement {
    fn push(&mut self, token: Token) {
        if let Token::Word { text, quoted } = &token {
            self.updates |= !quoted && text == "update";
            self.settings |= text == "pg_settings";
        }
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
            "prepare" if self.word(1) == "transaction" => Some("PREPARE TRANSACTION".to_owned()),
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
            ("transaction" | "constraints", _) => None,
            // Both name who acts: `SET LOCAL SESSION AUTHORIZATION x`, `SET LOCAL "session_authorization" = x`.
            ("local", "session") => Some("SET LOCAL SESSION".to_owned()),
            ("local", _) => {
                let name = self.setting_name(2);
                let prefix = |setting: &str| setting.split('.').next() == name.split('.').next() && name.contains('.');
                let guarded = GUARDED.contains(&name.as_str())
                    || prefix(tenancy.org_setting)
                    || prefix(tenancy.user_setting)
                    || name == tenancy.org_setting
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

#[derive(Debug, PartialEq)]
enum Token {
    /// A keyword or a name, in lower case unless it was quoted.
    Word {
        text: String,
        quoted: bool,
    },
    /// A name with Unicode escapes, which could hide any word.
    Escaped,
    Semicolon,
    Dot,
    /// Anything else that is no comment and no white space: strings, numbers, operators.
    Other,
}

/// Splits a text as PostgreSQL's `scan.l` does, as far as words and statements go.
struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let first = *self.text.get(self.at)?;
        Some(match first {
            b';' => {
                self.at += 1;
                Token::Semicolon
            }
            b'.' => {
                self.at += 1;
                Token::Dot
            }
            b'"' => Token::Word { text: self.quoted(), quoted: true },
            b'\'' => {
                self.string();
                Token::Other
            }
            b'$' => {
                self.dollar();
                Token::Other
            }
            _ if is_start(first) => self.word(),
            _ => {
                self.at += 1;
                Token::Other
            }
        })
    }

    fn skip_blanks(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => self.skip_line(),
                (b'/', b'*') => self.skip_block(),
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        while self.at < self.text.len() && !matches!(self.peek(0), b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// Block comments nest.
    fn skip_block(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            let step = match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => 1,
                (b'*', b'/') => -1,
                _ => 0,
            };
            self.at += if step == 0 { 1 } else { 2 };
            depth += step;
            if depth == 0 {
                return;
            }
        }
    }

    fn word(&mut self) -> Token {
        let start = self.at;
        while is_start(self.peek(0)) || self.peek(0).is_ascii_digit() || self.peek(0) == b'$' {
            self.at += 1;
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]).to_ascii_lowercase();
        match (text.as_str(), self.peek(0), self.peek(1)) {
            ("e", b'\'', _) => {
                self.escape_string();
                Token::Other
            }
            ("u", b'&', b'"') => Token::Escaped,
            _ => Token::Word { text, quoted: false },
        }
    }

    /// Reads `"…"`, where a doubled quote stands for one.
    fn quoted(&mut self) -> String {
        let start = self.at + 1;
        self.string();
        let end = self.at.saturating_sub(1).max(start);
        String::from_utf8_lossy(self.text.get(start..end).unwrap_or_default()).replace("\"\"", "\"")
    }

    /// Skips a string in the quotes at which the lexer stands; a doubled quote does not end it, being two strings here.
    fn string(&mut self) {
        let quote = self.peek(0);
        loop {
            self.at += 1;
            while self.at < self.text.len() && self.peek(0) != quote {
                self.at += 1;
            }
            self.at = (self.at + 1).min(self.text.len());
            if self.peek(0) != quote {
                return;
            }
        }
    }

    /// Skips `'…'` with backslashes, and the strings that continue it after a line break, which are read alike.
    fn escape_string(&mut self) {
        loop {
            self.at += 1;
            while self.at < self.text.len() && self.peek(0) != b'\'' {
                self.at += if self.peek(0) == b'\\' { 2 } else { 1 };
            }
            self.at = (self.at + 1).min(self.text.len());
            let end = self.at;
            self.skip_blanks_and_lines();
            let broken = self.text[end..self.at].iter().any(|byte| matches!(byte, b'\n' | b'\r'));
            if self.peek(0) != b'\'' || !(broken || self.at == end) {
                self.at = end;
                return;
            }
        }
    }

    /// Between the parts of a string, block comments do not count as blank.
    fn skip_blanks_and_lines(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => self.skip_line(),
                _ => return,
            }
        }
    }

    /// Skips `$tag$…$tag$`, or the dollar of a parameter.
    fn dollar(&mut self) {
        let mut end = self.at + 1;
        let tag_byte = |at: usize| self.text.get(at).copied().unwrap_or(0);
        if is_start(tag_byte(end)) {
            while is_start(tag_byte(end)) || tag_byte(end).is_ascii_digit() {
                end += 1;
            }
        }
        if tag_byte(end) != b'$' {
            self.at += 1;
            return;
        }
        let tag = &self.text[self.at..=end];
        let body = end + 1;
        let close = self.text[body..].windows(tag.len()).position(|window| window == tag);
        self.at = close.map_or(self.text.len(), |found| body + found + tag.len());
    }
}

fn is_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
#[path = "refuse_tests.rs"]
mod tests;
