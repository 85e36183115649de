//! Strings: quotes, backslashes, Unicode escapes, and strings that go on in another line (`scan.l`, states `xq`, `xe`, `xus`,
//! `xqs`; `parser.c`, `str_udeescape`).

use super::{ParseError, Scanner, Token, TokenKind, cut, is_newline, is_space};

impl Scanner<'_> {
    /// A string from its first quote on.
    pub(super) fn string(&mut self, start: usize, has_escapes: bool) -> Result<(), ParseError> {
        let pieces = self.quoted_text(has_escapes)?;
        let value = if has_escapes {
            // No escape goes on in another piece.
            pieces.iter().map(|piece| unescaped(piece, start)).collect::<Result<String, _>>()?
        } else {
            pieces.concat()
        };
        self.push(TokenKind::Text, start, Some(value));
        Ok(())
    }

    /// What is between quotes, and between those on further lines; doubled quotes made one. Backslashes are left, but what
    /// they escape is no quote.
    pub(super) fn quoted_text(&mut self, has_escapes: bool) -> Result<Vec<String>, ParseError> {
        let start = self.at;
        let mut pieces = Vec::new();
        loop {
            let mut content = String::new();
            self.step(1);
            let mut from = self.at;
            loop {
                match (self.byte(0), self.byte(1)) {
                    (None, _) => return Self::wrong(start, "a string that does not end"),
                    (Some(b'\''), Some(b'\'')) => {
                        content.push_str(self.text.get(from..self.at).unwrap_or_default());
                        // A quote that no backslash can be before.
                        content.push_str(if has_escapes { "\\'" } else { "'" });
                        self.step(2);
                        from = self.at;
                    }
                    (Some(b'\''), _) => break,
                    (Some(b'\\'), Some(_)) if has_escapes => self.step(2),
                    _ => self.step(1),
                }
            }
            content.push_str(self.text.get(from..self.at).unwrap_or_default());
            pieces.push(content);
            self.step(1);
            match self.continuation() {
                Some(quote) => self.at = quote,
                None => return Ok(pieces),
            }
        }
    }

    /// Where the string that ends here goes on: after white space with a newline, in which `--` comments may be.
    fn continuation(&self) -> Option<usize> {
        let mut at = self.at;
        let mut has_newline = false;
        loop {
            match (self.bytes.get(at), self.bytes.get(at.saturating_add(1))) {
                (Some(byte), _) if is_space(*byte) => {
                    has_newline |= is_newline(*byte);
                    at = at.saturating_add(1);
                }
                (Some(b'-'), Some(b'-')) => {
                    let length = self.run(at, |byte| !is_newline(byte));
                    at = at.saturating_add(length);
                    // A comment that no newline ends is no white space of a string.
                    self.bytes.get(at)?;
                }
                (Some(b'\''), _) if has_newline => return Some(at),
                _ => return None,
            }
        }
    }
}

/// Backslash escapes of `E'…'`, applied.
fn unescaped(raw: &str, at: usize) -> Result<String, ParseError> {
    let wrong = |what| ParseError::Token { at, what };
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    let mut high: Option<u32> = None;
    while let Some(character) = rest.next() {
        let escaped = if character == '\\' { rest.next() } else { None };
        let is_unicode = matches!(escaped, Some('u' | 'U'));
        if high.is_some() && !is_unicode {
            return Err(wrong("half of a surrogate pair"));
        }
        match escaped {
            None => push(&mut bytes, character),
            Some('b') => bytes.push(0x08),
            Some('f') => bytes.push(0x0c),
            Some('n') => bytes.push(b'\n'),
            Some('r') => bytes.push(b'\r'),
            Some('t') => bytes.push(b'\t'),
            Some('v') => bytes.push(0x0b),
            Some(digit @ '0'..='7') => {
                let mut value = digit.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(next) = rest.peek().and_then(|next| next.to_digit(8)) else { break };
                    value = value.saturating_mul(8).saturating_add(next);
                    rest.next();
                }
                bytes.push(u8::try_from(value & 0xff).unwrap_or(0));
            }
            Some('x') if rest.peek().is_some_and(char::is_ascii_hexdigit) => {
                let mut value = 0_u32;
                for _ in 0..2 {
                    let Some(next) = rest.peek().and_then(|next| next.to_digit(16)) else { break };
                    value = value.saturating_mul(16).saturating_add(next);
                    rest.next();
                }
                bytes.push(u8::try_from(value & 0xff).unwrap_or(0));
            }
            Some(kind @ ('u' | 'U')) => {
                let count = if kind == 'u' { 4 } else { 8 };
                let code = hexadecimal(&mut rest, count).ok_or(wrong("an incomplete Unicode escape"))?;
                if let Some(character) = joined(&mut high, code).map_err(wrong)? {
                    push(&mut bytes, character);
                }
            }
            Some(other) => push(&mut bytes, other),
        }
    }
    if high.is_some() {
        return Err(wrong("half of a surrogate pair"));
    }
    if bytes.contains(&0) {
        return Err(wrong("a null character in a string"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("bytes in a string that are not UTF-8"))
}

fn push(bytes: &mut Vec<u8>, character: char) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// So many hexadecimal digits.
fn hexadecimal(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, count: usize) -> Option<u32> {
    (0..count).try_fold(0_u32, |value, _| {
        let digit = rest.peek()?.to_digit(16)?;
        rest.next();
        value.checked_mul(16)?.checked_add(digit)
    })
}

/// A character of a code, or of two that are a surrogate pair.
fn joined(high: &mut Option<u32>, code: u32) -> Result<Option<char>, &'static str> {
    let pair = "half of a surrogate pair";
    match (high.take(), code) {
        (None, 0xD800..=0xDBFF) => {
            *high = Some(code);
            Ok(None)
        }
        (None, 0xDC00..=0xDFFF) => Err(pair),
        (None, 0) => Err("a null character in a string"),
        (None, code) => char::from_u32(code).map(Some).ok_or("a Unicode escape of no character"),
        (Some(high), 0xDC00..=0xDFFF) => {
            let code = ((high & 0x3FF) << 10).saturating_add(code & 0x3FF).saturating_add(0x1_0000);
            char::from_u32(code).map(Some).ok_or(pair)
        }
        (Some(_), _) => Err(pair),
    }
}

/// Decodes names and strings that are written in Unicode escapes, with the `UESCAPE` that may follow.
pub(super) fn apply_escapes(mut tokens: Vec<Token>) -> Result<Vec<Token>, ParseError> {
    let mut place = 0;
    while place < tokens.len() {
        let [token, rest @ ..] = tokens.get_mut(place..).unwrap_or_default() else { break };
        place = place.saturating_add(1);
        if !token.is_escaped {
            continue;
        }
        let mut escape = '\\';
        if let [word, following @ ..] = rest
            && word.kind == TokenKind::Word
            && word.value.as_deref() == Some("uescape")
        {
            let wrong =
                ParseError::Token { at: word.start, what: "UESCAPE without a single character that may escape" };
            let [character, ..] = following else { return Err(wrong) };
            let mut characters = character.value.as_deref().unwrap_or_default().chars();
            let (Some(only), None) = (characters.next(), characters.next()) else { return Err(wrong) };
            let is_good = only.is_ascii() && !only.is_ascii_hexdigit() && !matches!(only, '+' | '\'' | '"');
            let is_good = is_good && !u8::try_from(only).is_ok_and(is_space);
            if character.kind != TokenKind::Text || character.is_escaped || !is_good {
                return Err(wrong);
            }
            escape = only;
            // They belong to the name or string.
            token.end = character.end;
            (word.is_absorbed, character.is_absorbed) = (true, true);
        }
        let value = decoded(token.value.as_deref().unwrap_or_default(), escape, token.start)?;
        token.value = Some(if token.kind == TokenKind::Quoted { cut(value) } else { value });
    }
    tokens.retain(|token| !token.is_absorbed);
    Ok(tokens)
}

/// `\0061` and `\+000061`, decoded; the escape character twice is itself.
fn decoded(raw: &str, escape: char, at: usize) -> Result<String, ParseError> {
    let wrong = |what| ParseError::Token { at, what };
    let mut decoded = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    let mut high: Option<u32> = None;
    while let Some(character) = rest.next() {
        if character != escape {
            if high.is_some() {
                return Err(wrong("half of a surrogate pair"));
            }
            decoded.push(character);
            continue;
        }
        if rest.peek() == Some(&escape) {
            if high.is_some() {
                return Err(wrong("half of a surrogate pair"));
            }
            rest.next();
            decoded.push(escape);
            continue;
        }
        let count = if rest.next_if_eq(&'+').is_some() { 6 } else { 4 };
        let code = hexadecimal(&mut rest, count).ok_or(wrong("an incomplete Unicode escape"))?;
        decoded.extend(joined(&mut high, code).map_err(wrong)?);
    }
    if high.is_some() {
        return Err(wrong("half of a surrogate pair"));
    }
    Ok(decoded)
}
