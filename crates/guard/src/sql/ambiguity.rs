//! Texts that databases and `sqlparser` may read differently, or that cost it too much.
//!
//! Where a comment or a string ends decides what is a statement, so nothing is left to a guess: PostgreSQL nests comments
//! and `MySQL` does not, `MySQL` takes `\'` for a quote and others do not, `#` is a comment here and an operator there.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::Dialect;

/// Parentheses and brackets inside one another. `sqlparser` takes longer with each.
const MAX_PARENTHESES: usize = 20;
/// Operators and words of the language in one text: each may become a level of the tree that is made of it.
const MAX_OPERATORS: usize = 1_000;

/// Whether a text can be understood in more ways than one.
pub(super) fn is_in(text: &str, dialect: Dialect) -> bool {
    let is_odd = |character: char| {
        (character.is_control() && !matches!(character, '\t' | '\n' | '\r'))
            || (character.is_whitespace() && !character.is_ascii())
            || character == '\u{FEFF}'
    };
    if text.contains(is_odd) || has_unicode_escapes(text) {
        return true;
    }
    let bytes = text.as_bytes();
    let mut place = 0_usize;
    while let Some(byte) = bytes.get(place) {
        let next = bytes.get(place.saturating_add(1)).copied();
        let passed = match (byte, next) {
            // Only some end a line with it.
            (b'\r', next) if next != Some(b'\n') => None,
            (b'-', Some(b'-')) => comment_to_end_of_line(bytes, place, dialect),
            (b'#', _) => (dialect != Dialect::Any).then_some(1),
            (b'/', Some(b'*')) => comment(bytes, place, dialect),
            (b'\'', _) => string(bytes, place, dialect),
            (b'"' | b'`', _) => name(bytes, place, *byte, dialect),
            (b'[', _) if matches!(dialect, Dialect::Any | Dialect::MsSql | Dialect::Sqlite) => bracket(bytes, place),
            (b'$', _) => dollar(bytes, place, dialect),
            _ => Some(1),
        };
        let Some(passed) = passed else { return true };
        place = place.saturating_add(passed);
    }
    false
}

/// `U&"…"`, `U&'…'` and `UESCAPE`: names and strings written in escapes, which `sqlparser` takes for something else.
fn has_unicode_escapes(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_prefix = |three: &[u8]| matches!(three, [b'u' | b'U', b'&', b'"' | b'\'']);
    bytes.windows(3).any(is_prefix)
}

/// Of a comment from `--`: `MySQL` wants white space after it.
fn comment_to_end_of_line(bytes: &[u8], place: usize, dialect: Dialect) -> Option<usize> {
    let rest = bytes.get(place..).unwrap_or_default();
    let is_spaced = rest.get(2).is_none_or(u8::is_ascii_whitespace);
    if dialect == Dialect::Any && !is_spaced {
        return None;
    }
    if dialect == Dialect::MySql && !is_spaced {
        return Some(2);
    }
    let length = rest.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count();
    Some(length)
}

/// Of a comment in `/* */`: one in another, where that is not known to nest, and such as `MySQL` and `MariaDB` run.
fn comment(bytes: &[u8], place: usize, dialect: Dialect) -> Option<usize> {
    let rest = bytes.get(place..).unwrap_or_default();
    if matches!(rest.get(2..), Some([b'!', ..] | [b'M' | b'm', b'!', ..])) {
        return None;
    }
    let nests = matches!(dialect, Dialect::PostgreSql | Dialect::MsSql | Dialect::DuckDb);
    let (mut length, mut depth) = (2_usize, 1_usize);
    loop {
        match rest.get(length..length.saturating_add(2))? {
            b"/*" if !nests => return None,
            b"/*" => depth = depth.saturating_add(1),
            b"*/" => depth = depth.saturating_sub(1),
            _ => {
                length = length.saturating_add(1);
                continue;
            }
        }
        length = length.saturating_add(2);
        if depth == 0 {
            return Some(length);
        }
    }
}

/// Of a string: a backslash in it where that is not known to be one, and Oracle's own quotes.
fn string(bytes: &[u8], place: usize, dialect: Dialect) -> Option<usize> {
    let before =
        |back: usize| place.checked_sub(back).and_then(|place| bytes.get(place)).map_or(0, u8::to_ascii_lowercase);
    let is_prefix = |letter: u8| before(1) == letter && !before(2).is_ascii_alphanumeric() && before(2) != b'_';
    let is_quoted_oddly =
        is_prefix(b'q') || (before(1) == b'q' && before(2) == b'n' && !before(3).is_ascii_alphanumeric());
    if is_quoted_oddly && matches!(dialect, Dialect::Any | Dialect::Oracle) {
        return None;
    }
    let takes_backslash = match dialect {
        Dialect::MySql | Dialect::BigQuery | Dialect::Snowflake | Dialect::ClickHouse => true,
        Dialect::PostgreSql => is_prefix(b'e'),
        _ => false,
    };
    let mut length = 1_usize;
    loop {
        let byte = bytes.get(place.saturating_add(length))?;
        let next = bytes.get(place.saturating_add(length).saturating_add(1));
        match (byte, next) {
            (b'\\', Some(next)) if takes_backslash => {
                // Three bytes or more: what is escaped is no quote.
                length = length.saturating_add(if next.is_ascii() { 2 } else { 1 });
            }
            (b'\\', Some(b'\'' | b'\\')) if dialect == Dialect::Any => return None,
            (b'\'', Some(b'\'')) => length = length.saturating_add(2),
            (b'\'', _) => return Some(length.saturating_add(1)),
            _ => length = length.saturating_add(1),
        }
    }
}

/// Of a name in quotes, which `MySQL` and `BigQuery` take for a string: quotes, comments and backslashes in it.
fn name(bytes: &[u8], place: usize, quote: u8, dialect: Dialect) -> Option<usize> {
    let mut length = 1_usize;
    loop {
        let byte = bytes.get(place.saturating_add(length))?;
        let next = bytes.get(place.saturating_add(length).saturating_add(1));
        match byte {
            b'\\' => return None,
            b'\'' | b'"' | b'`' if *byte != quote && (dialect == Dialect::Any || quote == b'`') => return None,
            _ if *byte == quote && next == Some(&quote) => length = length.saturating_add(2),
            _ if *byte == quote => return Some(length.saturating_add(1)),
            _ => length = length.saturating_add(1),
        }
    }
}

/// Of brackets, which are an array's index for some and quotes around a name for others.
fn bracket(bytes: &[u8], place: usize) -> Option<usize> {
    let rest = bytes.get(place..).unwrap_or_default();
    let inner = rest.iter().skip(1).take_while(|byte| !matches!(byte, b']' | b'['));
    let mut quotes = 0_usize;
    let mut before = 0;
    for byte in inner {
        let begins_comment = matches!((before, *byte), (b'-', b'-') | (b'/', b'*'));
        if matches!(byte, b'"' | b'`' | b';') || begins_comment {
            return None;
        }
        quotes = quotes.saturating_add(usize::from(*byte == b'\''));
        before = *byte;
    }
    quotes.is_multiple_of(2).then_some(1)
}

/// Of `$`: a string of PostgreSQL's, part of a name elsewhere. `$1` and `$name` are neither.
fn dollar(bytes: &[u8], place: usize, dialect: Dialect) -> Option<usize> {
    let rest = bytes.get(place..).unwrap_or_default();
    let is_of_tag = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || !byte.is_ascii();
    let tag = rest.iter().skip(1).take_while(is_of_tag).count().saturating_add(2);
    let before = place.checked_sub(1).and_then(|before| bytes.get(before));
    let is_of_name = before.is_some_and(|before| is_of_tag(&before) || *before == b'$');
    if rest.get(tag.saturating_sub(1)) != Some(&b'$') {
        return Some(1);
    }
    if is_of_name || !matches!(dialect, Dialect::PostgreSql | Dialect::DuckDb) {
        return None;
    }
    let mark = rest.get(..tag)?;
    let inner = rest.get(tag..)?;
    let end = ending(inner, mark)?;
    Some(tag.saturating_add(end).saturating_add(tag))
}

/// Where a mark begins that begins and ends with `$`.
fn ending(text: &[u8], mark: &[u8]) -> Option<usize> {
    let starts = text.iter().enumerate().filter(|(_, byte)| **byte == b'$').map(|(place, _)| place);
    starts.into_iter().find(|start| text.get(*start..).is_some_and(|rest| rest.starts_with(mark)))
}

/// Whether tokens could become a tree so deep that following it takes too much time, or stack.
pub(super) fn is_too_deep(tokens: &[Token]) -> bool {
    let (mut depth, mut deepest, mut operators) = (0_usize, 0_usize, 0_usize);
    let mut is_start = true;
    for token in tokens {
        match token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::Comma | Token::Number(..) | Token::SingleQuotedString(_) | Token::Period | Token::SemiColon => {}
            Token::Word(word) => {
                let is_plain = matches!(
                    word.keyword,
                    Keyword::NoKeyword | Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::DEFAULT
                );
                operators = operators.saturating_add(usize::from(!is_plain));
            }
            // A sign.
            Token::Minus | Token::Plus if is_start => {}
            _ => operators = operators.saturating_add(1),
        }
        is_start = matches!(token, Token::Comma | Token::LParen);
    }
    deepest > MAX_PARENTHESES || operators > MAX_OPERATORS
}
