//! The scanner: a text as PostgreSQL's own scanner divides it (`src/backend/parser/scan.l`, PostgreSQL 18), with the values of
//! names and strings decoded.
//!
//! Where a comment or a string ends decides what is a statement, so this follows `scan.l` rule by rule: comments nest, operators
//! end before a comment and lose a trailing sign, strings go on over a line's end, numbers followed by letters are refused.
//! `UESCAPE` is applied as `parser.c` does. Names are folded (ASCII only) and cut at 63 bytes. Takes linear time.

mod literals;

use crate::error::ParseError;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A keyword, or a name without quotes.
    Word,
    /// A name in quotes.
    Quoted,
    /// A string of any notation.
    Text,
    /// `B'…'` or `X'…'`.
    Bits,
    /// A number that fits 32 bits.
    Integer,
    /// Any other number.
    Number,
    /// `$1`.
    Parameter,
    /// An operator, or one of the characters that stand for themselves.
    Sign,
}

/// A piece of the text that is no white space and no comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// What a name or a string stands for; absent where that is what is written.
    pub(crate) value: Option<String>,
    /// Of a name or a string: whether it is written in Unicode escapes, not decoded yet.
    is_escaped: bool,
    /// `UESCAPE` and its string, which belong to the token before.
    is_absorbed: bool,
}

/// How a server reads text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// `standard_conforming_strings`, as the session has it: where off, backslashes escape in every string.
    pub standard_conforming_strings: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { standard_conforming_strings: true }
    }
}

/// Names longer than this are cut (`NAMEDATALEN` - 1).
const MAX_NAME: usize = 63;

/// The tokens of a text.
pub(crate) fn tokens(text: &str, options: Options) -> Result<Vec<Token>, ParseError> {
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0, options, tokens: Vec::new() };
    while scanner.skip_space()? {
        scanner.token()?;
    }
    literals::apply_escapes(scanner.tokens)
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    options: Options,
    tokens: Vec<Token>,
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

const fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

const fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

const fn is_of_name(byte: u8) -> bool {
    begins_name(byte) || byte.is_ascii_digit() || byte == b'$'
}

const fn is_of_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}

/// Operators with one of these may end in `+` or `-`.
const fn keeps_sign(byte: u8) -> bool {
    matches!(byte, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%')
}

impl Scanner<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at.saturating_add(ahead)).copied()
    }

    fn step(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    fn wrong<T>(at: usize, what: &'static str) -> Result<T, ParseError> {
        Err(ParseError::Token { at, what })
    }

    fn run(&self, from: usize, matches: impl Fn(u8) -> bool) -> usize {
        self.bytes.get(from..).unwrap_or_default().iter().take_while(|byte| matches(**byte)).count()
    }

    /// Whether something follows the white space and comments that are here.
    fn skip_space(&mut self) -> Result<bool, ParseError> {
        loop {
            match (self.byte(0), self.byte(1)) {
                (None, _) => return Ok(false),
                (Some(byte), _) if is_space(byte) => self.step(1),
                (Some(b'-'), Some(b'-')) => self.step(self.run(self.at, |byte| !is_newline(byte))),
                (Some(b'/'), Some(b'*')) => self.comment()?,
                _ => return Ok(true),
            }
        }
    }

    fn comment(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth = depth.saturating_add(1);
                    self.step(2);
                }
                (Some(b'*'), Some(b'/')) => {
                    depth = depth.saturating_sub(1);
                    self.step(2);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.step(1),
                (None, _) => return Self::wrong(start, "a comment that does not end"),
            }
        }
    }

    fn push(&mut self, kind: TokenKind, start: usize, value: Option<String>) {
        self.tokens.push(Token { kind, start, end: self.at, value, is_escaped: false, is_absorbed: false });
    }

    fn token(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        let Some(byte) = self.byte(0) else { return Ok(()) };
        match (byte, self.byte(1), self.byte(2)) {
            (b'\'', ..) => self.string(start, !self.options.standard_conforming_strings),
            (b'e' | b'E', Some(b'\''), _) => {
                self.step(1);
                self.string(start, true)
            }
            (b'b' | b'B' | b'x' | b'X', Some(b'\''), _) => {
                self.step(1);
                self.quoted_text(false)?;
                self.push(TokenKind::Bits, start, None);
                Ok(())
            }
            // `N'…'`: a word, and the string that follows.
            (b'n' | b'N', Some(b'\''), _) => {
                self.step(1);
                self.push(TokenKind::Word, start, None);
                Ok(())
            }
            (b'u' | b'U', Some(b'&'), Some(b'\'')) => {
                if !self.options.standard_conforming_strings {
                    return Self::wrong(
                        start,
                        "a string with Unicode escapes while standard_conforming_strings is off",
                    );
                }
                self.step(2);
                let content = self.quoted_text(false)?.concat();
                self.tokens.push(Token {
                    kind: TokenKind::Text,
                    start,
                    end: self.at,
                    value: Some(content),
                    is_escaped: true,
                    is_absorbed: false,
                });
                Ok(())
            }
            (b'u' | b'U', Some(b'&'), Some(b'"')) => {
                self.step(2);
                self.name_in_quotes(start, true)
            }
            (b'"', ..) => self.name_in_quotes(start, false),
            (b'$', ..) => self.dollar(start),
            (b'.', Some(next), _) if next.is_ascii_digit() => self.number(start),
            _ if byte.is_ascii_digit() => self.number(start),
            _ if begins_name(byte) => {
                self.step(self.run(self.at, is_of_name));
                let written = self.text.get(start..self.at).unwrap_or_default();
                self.push(TokenKind::Word, start, Some(folded(written)));
                Ok(())
            }
            _ => self.sign(start, byte),
        }
    }

    fn name_in_quotes(&mut self, start: usize, is_escaped: bool) -> Result<(), ParseError> {
        self.step(1);
        let from = self.at;
        loop {
            match (self.byte(0), self.byte(1)) {
                (None, _) => return Self::wrong(start, "a name in quotes that does not end"),
                (Some(b'"'), Some(b'"')) => self.step(2),
                (Some(b'"'), _) => break,
                _ => self.step(1),
            }
        }
        let content = self.text.get(from..self.at).unwrap_or_default().replace("\"\"", "\"");
        self.step(1);
        if content.is_empty() {
            return Self::wrong(start, "a name in quotes with nothing in them");
        }
        let value = Some(if is_escaped { content } else { cut(content) });
        self.tokens.push(Token { kind: TokenKind::Quoted, start, end: self.at, value, is_escaped, is_absorbed: false });
        Ok(())
    }

    /// `$1`, and strings in dollars.
    fn dollar(&mut self, start: usize) -> Result<(), ParseError> {
        let digits = self.run(start.saturating_add(1), |byte| byte.is_ascii_digit());
        if digits > 0 {
            self.step(digits.saturating_add(1));
            if self.byte(0).is_some_and(begins_name) {
                return Self::wrong(start, "a parameter with letters after it");
            }
            let number: Option<i32> =
                self.text.get(start.saturating_add(1)..self.at).and_then(|digits| digits.parse().ok());
            if number.is_none() {
                return Self::wrong(start, "a parameter's number that is too large");
            }
            self.push(TokenKind::Parameter, start, None);
            return Ok(());
        }
        let of_tag = |byte: u8| begins_name(byte) || byte.is_ascii_digit();
        let tag = self.run(start.saturating_add(1), of_tag).saturating_add(2);
        let Some(mark) = self.text.get(start..start.saturating_add(tag)).filter(|mark| mark.ends_with('$')) else {
            return Self::wrong(start, "a dollar sign that begins nothing");
        };
        self.step(tag);
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(length) = rest.find(mark) else {
            return Self::wrong(start, "a string in dollars that does not end");
        };
        let content = rest.get(..length).unwrap_or_default().to_owned();
        self.step(length.saturating_add(mark.len()));
        self.push(TokenKind::Text, start, Some(content));
        Ok(())
    }

    fn number(&mut self, start: usize) -> Result<(), ParseError> {
        let radix = match (self.byte(0), self.byte(1)) {
            (Some(b'0'), Some(b'x' | b'X')) => 16,
            (Some(b'0'), Some(b'o' | b'O')) => 8,
            (Some(b'0'), Some(b'b' | b'B')) => 2,
            _ => 10,
        };
        let mut is_integer = true;
        if radix == 10 {
            self.digits(10);
            // `1..2` is a number, two points, and a number.
            if self.byte(0) == Some(b'.') && self.byte(1) != Some(b'.') {
                is_integer = false;
                self.step(1);
                self.digits(10);
            }
            if matches!(self.byte(0), Some(b'e' | b'E')) {
                is_integer = false;
                self.step(1);
                if matches!(self.byte(0), Some(b'+' | b'-')) {
                    self.step(1);
                }
                if !self.digits(10) {
                    return Self::wrong(start, "a number with letters after it");
                }
            }
        } else {
            self.step(2);
            if self.byte(0) == Some(b'_') {
                self.step(1);
            }
            if !self.digits(radix) {
                return Self::wrong(start, "a number without digits");
            }
        }
        if self.byte(0).is_some_and(begins_name) {
            return Self::wrong(start, "a number with letters after it");
        }
        let digits: String = self.text.get(start..self.at).unwrap_or_default().replace('_', "");
        let digits = if radix == 10 { digits.as_str() } else { digits.get(2..).unwrap_or_default() };
        let is_small = is_integer && i32::from_str_radix(digits, radix).is_ok();
        let value = i32::from_str_radix(digits, radix).ok().map(|number| number.to_string());
        self.push(if is_small { TokenKind::Integer } else { TokenKind::Number }, start, value);
        Ok(())
    }

    /// Digits, single underscores between them; whether there was one.
    fn digits(&mut self, radix: u32) -> bool {
        let start = self.at;
        let is_digit = |byte: Option<u8>| byte.is_some_and(|byte| char::from(byte).is_digit(radix));
        while is_digit(self.byte(0)) || (self.at > start && self.byte(0) == Some(b'_') && is_digit(self.byte(1))) {
            self.step(1);
        }
        self.at > start
    }

    fn sign(&mut self, start: usize, byte: u8) -> Result<(), ParseError> {
        let length = match (byte, self.byte(1)) {
            (b':', Some(b':' | b'=')) => 2,
            // Of PL/pgSQL alone.
            (b'.', Some(b'.')) => return Self::wrong(start, "two points"),
            (b',' | b'(' | b')' | b'[' | b']' | b'.' | b';' | b':', _) => 1,
            _ if is_of_operator(byte) => self.operator(start)?,
            _ => return Self::wrong(start, "a character that means nothing here"),
        };
        self.step(length);
        self.push(TokenKind::Sign, start, None);
        Ok(())
    }

    fn operator(&self, start: usize) -> Result<usize, ParseError> {
        let whole = self.run(start, is_of_operator);
        let run = self.bytes.get(start..start.saturating_add(whole)).unwrap_or_default();
        let comment = run.windows(2).position(|two| matches!(two, b"--" | b"/*"));
        let mut run = run.get(..comment.unwrap_or(run.len())).unwrap_or_default();
        while let [before @ .., b'+' | b'-'] = run {
            if before.is_empty() || before.iter().any(|byte| keeps_sign(*byte)) {
                break;
            }
            run = before;
        }
        if run.len() > MAX_NAME {
            return Self::wrong(start, "an operator that is too long");
        }
        Ok(run.len())
    }
}

/// A name without quotes, as PostgreSQL keeps it.
pub(crate) fn folded(name: &str) -> String {
    cut(name.to_ascii_lowercase())
}

/// A name that is not too long; characters stay whole.
fn cut(mut name: String) -> String {
    if name.len() > MAX_NAME {
        let end = (0..=MAX_NAME).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        name.truncate(end);
    }
    name
}

#[cfg(test)]
mod tests;
