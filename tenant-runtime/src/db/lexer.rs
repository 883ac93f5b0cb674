//! Lexer for SQL text: words, strings, comments and semicolons, by the rules of PostgreSQL's lexer.

/// A token of a statement.
#[derive(Debug, PartialEq)]
pub(crate) enum Token {
    /// A keyword or a name, in lower case unless quoted.
    Word {
        text: String,
        quoted: bool,
    },
    /// A name with Unicode escapes, which can stand for any word.
    Escaped,
    Semicolon,
    Dot,
    /// Any other token: a string, a number or an operator. Comments and white space are skipped.
    Other,
}

/// Splits SQL text into words and statements by the rules of PostgreSQL's `scan.l`.
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0 }
    }

    /// Returns the next token and its position in the text.
    pub(crate) fn next_at(&mut self) -> Option<(std::ops::Range<usize>, Token)> {
        self.skip_blanks();
        let start = self.at;
        let token = self.next()?;
        Some((start..self.at, token))
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(crate) fn next(&mut self) -> Option<Token> {
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

    /// Skips a block comment, which can contain other block comments.
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

    /// Reads `"…"`, in which a doubled quote stands for one quote.
    fn quoted(&mut self) -> String {
        let start = self.at + 1;
        self.string();
        let end = self.at.saturating_sub(1).max(start);
        String::from_utf8_lossy(self.text.get(start..end).unwrap_or_default()).replace("\"\"", "\"")
    }

    /// Skips a string that begins with the quote at the current position. A doubled quote does not end the
    /// string.
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

    /// Skips `'…'` with backslash escapes, and the strings that continue it after a line break, in which escapes are
    /// also valid.
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

    /// Skips white space between the parts of a string, where block comments are not white space.
    fn skip_blanks_and_lines(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => self.skip_line(),
                _ => return,
            }
        }
    }

    /// Skips `$tag$…$tag$`, or the dollar sign of a parameter.
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
