//! What is assigned to an identifier: the operator behind it and where the value begins.
//!
//! `name = value`, `"name": "value"`, `name => 'value'`, `name ?= value`, `set("name", "value")`, `<name>value</name>`,
//! `<add key="name" value="value"/>`, and all of it inside a string that was not decoded (`\"name\": \"value\"`).

/// Bytes that may end an identifier before its operator: quotes, brackets, white space.
const MAX_BEFORE: usize = 12;

/// White space between an operator and its value, at most: a line end and its indentation.
const MAX_BLANK: usize = 16;

/// Quotes and backslashes before a value, at most.
const MAX_QUOTES: usize = 4;

/// Where a value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Assigned {
    /// The value's first byte, its quotes not included.
    pub(super) value: usize,
    /// The quote that it stands in.
    pub(super) quote: Option<u8>,
    /// Whether nothing stands between identifier, operator and value: `NAME=value`.
    pub(super) attached: bool,
    /// Whether the operator is a comma, which separates more than it assigns.
    pub(super) listed: bool,
}

/// Parses behind identifiers and remembers the last, for all keywords of one identifier.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    text: &'a [u8],
    last: Option<(usize, Option<Assigned>)>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, last: None }
    }

    /// What is assigned to the identifier that ends at `at`.
    pub(super) fn assigned(&mut self, at: usize) -> Option<Assigned> {
        if let Some((known, assigned)) = self.last
            && known == at
        {
            return assigned;
        }
        let assigned = self.parse(at);
        self.last = Some((at, assigned));
        assigned
    }

    /// Whether the text ends before the value surely began.
    pub(super) fn is_open(&self, at: usize) -> bool {
        at + MAX_BEFORE + MAX_BLANK + 2 * MAX_QUOTES >= self.text.len()
    }

    fn parse(&self, at: usize) -> Option<Assigned> {
        let before = self.count(at, MAX_BEFORE, |byte| {
            matches!(byte, b'"' | b'\'' | b'`' | b']' | b')' | b'\\' | b',') || byte.is_ascii_whitespace()
        });
        // `key="NAME" value="…"`, `{"name": "NAME", "value": "…"}`, `- name: NAME`⏎`  value: …`
        if before > 0
            && let Some(after) = self.value_word(at + before)
            && let quotes = self.count(after, 2, |byte| matches!(byte, b'"' | b'\\'))
            && let Some(operator) = self.operator(after + quotes)
        {
            return Some(self.value(operator, false, false));
        }
        let before = self.count(at, MAX_BEFORE, |byte| {
            matches!(byte, b'"' | b'\'' | b'`' | b']' | b')' | b'\\') || byte.is_ascii_whitespace()
        });
        let listed = self.text.get(at + before) == Some(&b',');
        let operator = self.operator(at + before)?;
        let spaced =
            before > 0 || at.checked_sub(1).and_then(|last| self.text.get(last)).is_some_and(u8::is_ascii_whitespace);
        Some(self.value(operator, !spaced, listed))
    }

    /// The end of the operator at `at`.
    fn operator(&self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let length = match rest {
            [b':', b'/', b'/', ..] => return None,
            [b'=' | b':' | b'>', ..] => {
                rest.iter().take(4).take_while(|byte| matches!(byte, b'=' | b':' | b'>')).count()
            }
            [b',', ..] => 1,
            [b'|', b'|', ..] | [b'?' | b'+' | b'.', b'=', ..] | [b'-', b'>', ..] => 2,
            _ => return None,
        };
        Some(at + length)
    }

    fn value(&self, at: usize, attached: bool, listed: bool) -> Assigned {
        let blank = self.count(at, MAX_BLANK, |byte| byte.is_ascii_whitespace());
        let quotes = self.count(at + blank, MAX_QUOTES, |byte| matches!(byte, b'"' | b'\'' | b'`' | b'\\'));
        let value = at + blank + quotes;
        let quote = value.checked_sub(1).filter(|_| quotes > 0).and_then(|last| self.text.get(last)).copied();
        let quote = quote.filter(|quote| *quote != b'\\');
        Assigned { value, quote, attached: attached && blank == 0, listed }
    }

    /// The end of the word `value` at `at`.
    fn value_word(&self, at: usize) -> Option<usize> {
        const WORD: &[u8] = b"value";
        let word = self.text.get(at..at + WORD.len())?;
        word.eq_ignore_ascii_case(WORD).then_some(at + WORD.len())
    }

    fn count(&self, at: usize, most: usize, wanted: impl Fn(u8) -> bool) -> usize {
        self.text.get(at..).unwrap_or_default().iter().take(most).take_while(|byte| wanted(**byte)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is assigned to the identifier that ends at the `^`, which is not part of the text.
    fn assigned(marked: &str) -> Option<String> {
        let (before, after) = marked.split_once('^').unwrap();
        let text = format!("{before}{after}");
        let assigned = Parser::new(text.as_bytes()).assigned(before.len())?;
        Some(text[assigned.value..].to_owned())
    }

    #[test]
    fn the_value_is_found_behind_every_operator() {
        for text in [
            "name^=VALUE",
            "name^ = VALUE",
            "name^: VALUE",
            "name^ := \"VALUE\"",
            "\"name^\": \"VALUE\"",
            "name^ => 'VALUE'",
            "name^ ::= `VALUE`",
            "name^ ?= VALUE",
            "set(\"name^\", \"VALUE\")",
            "<name^>\n    VALUE\n</name>",
            "name^ || 'VALUE'",
            "\\\"name^\\\": \\\"VALUE\\\"",
            "config['name^'] = 'VALUE'",
            "<add key=\"name^\" value=\"VALUE\" />",
            "{\"key\": \"name^\", \"value\": \"VALUE\"}",
            "- name: name^\n  value: VALUE",
            "name^ -> \"VALUE\"",
        ] {
            assert!(assigned(text).is_some_and(|value| value.starts_with("VALUE")), "{text}");
        }
        for text in ["name^", "name^ is VALUE", "name^://VALUE", "name^ VALUE", "name^; VALUE"] {
            assert_eq!(assigned(text), None, "{text}");
        }
    }
}
