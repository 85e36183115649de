//! JSON within a text: `Result: {"ssn": …}`, a fenced block, a log line.
//!
//! Objects with members, and arrays of them, are found from left to right in one pass. What breaks off ends all that is open
//! and keeps what was whole inside; the text goes on behind the break, or inside the string before it, which may have been
//! none. Nothing longer than a bound is followed, so the work is linear in the text, and a stream finds the same.

use std::ops::Range;

use super::MaskError;
use super::nested::Work;
use super::syntax;
use crate::engine::Path;

/// Bytes of an object in a text; what is longer is text.
const MAX_EMBEDDED: usize = 256 << 10;

/// What stands at an opening bracket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Embedded {
    /// Whole objects and arrays, none in another, in order.
    pub(crate) found: Vec<Range<usize>>,
    /// Where the text goes on.
    pub(crate) next: usize,
    /// Whether more text could change it.
    pub(crate) is_open: bool,
}

/// The first bracket of a text that may open JSON.
pub(crate) fn opening(text: &[u8]) -> Option<usize> {
    memchr::memchr2(b'{', b'[', text)
}

/// Reads the JSON that may begin at `start`, where a bracket is.
pub(crate) fn read(text: &[u8], start: usize) -> Embedded {
    let bound = text.len().min(start + MAX_EMBEDDED);
    let mut reader = Reader {
        text: text.get(..bound).unwrap_or_default(),
        at: start,
        string: None,
        open: Vec::new(),
        found: Vec::new(),
    };
    let whole = reader.value().is_some();
    // At the bound nothing that follows counts; before it, it may.
    let is_open = !whole && reader.at >= bound && bound < start + MAX_EMBEDDED;
    let inside = reader.string.filter(|_| !whole && reader.at < bound);
    Embedded { found: reader.found, next: inside.unwrap_or(reader.at).clamp(start + 1, text.len()), is_open }
}

/// An open object or array.
struct Open {
    start: usize,
    is_object: bool,
    /// What was found before it.
    before: usize,
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    /// Where the string began that was read last, if nothing was read after it.
    string: Option<usize>,
    open: Vec<Open>,
    found: Vec<Range<usize>>,
}

impl Reader<'_> {
    /// Reads to the end of the value. `None` where it breaks off, which `at` tells.
    fn value(&mut self) -> Option<()> {
        loop {
            self.space();
            match *self.peek()? {
                opening @ (b'{' | b'[') if self.open.len() < syntax::MAX_DEPTH => {
                    let is_object = opening == b'{';
                    self.open.push(Open { start: self.at, is_object, before: self.found.len() });
                    self.pass(1);
                    self.space();
                    if *self.peek()? != if is_object { b'}' } else { b']' } {
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b'"' => self.quoted()?,
                b'-' | b'0'..=b'9' => self.scalar(syntax::number_end)?,
                b't' => self.scalar(|text, at| syntax::literal(text, at, b"true"))?,
                b'f' => self.scalar(|text, at| syntax::literal(text, at, b"false"))?,
                b'n' => self.scalar(|text, at| syntax::literal(text, at, b"null"))?,
                _ => return None,
            }
            // What may follow it.
            loop {
                let Some(inner) = self.open.last() else { return Some(()) };
                let is_object = inner.is_object;
                self.space();
                match (*self.peek()?, is_object) {
                    (b',', true) => {
                        self.pass(1);
                        self.space();
                        self.name()?;
                        break;
                    }
                    (b',', false) => {
                        self.pass(1);
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.pass(1);
                        self.close();
                    }
                    _ => return None,
                }
            }
        }
    }

    fn close(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        let inner = self.text.get(closed.start + 1..self.at).unwrap_or_default();
        let has_members = closed.is_object && inner.trim_ascii_start().starts_with(b"\"");
        if has_members || self.found.len() > closed.before {
            self.found.truncate(closed.before);
            self.found.push(closed.start..self.at);
        }
    }

    fn name(&mut self) -> Option<()> {
        (*self.peek()? == b'"').then_some(())?;
        self.quoted()?;
        let string = self.string;
        self.space();
        self.string = string;
        (*self.peek()? == b':').then_some(())?;
        self.pass(1);
        Some(())
    }

    fn quoted(&mut self) -> Option<()> {
        let start = self.at + 1;
        let Some(quoted) = syntax::string_end(self.text, start) else {
            self.at = self.text.len();
            return None;
        };
        self.at = quoted.end;
        self.string = Some(start);
        Some(())
    }

    /// What ends with the text may go on.
    fn scalar(&mut self, end: impl Fn(&[u8], usize) -> Option<usize>) -> Option<()> {
        self.string = None;
        let start = self.at;
        self.at = syntax::scalar_end(self.text, start);
        if self.at < self.text.len() && end(self.text, start) != Some(self.at) {
            self.at = start;
            return None;
        }
        Some(())
    }

    fn space(&mut self) {
        self.at = syntax::space_end(self.text, self.at);
    }

    fn pass(&mut self, count: usize) {
        self.at += count;
        self.string = None;
    }

    fn peek(&self) -> Option<&u8> {
        self.text.get(self.at)
    }
}

impl Work<'_> {
    /// A text with the JSON in it masked as JSON, if there are field rules, which reach nothing else in a text. `None` if
    /// nothing changed.
    pub(super) fn embedded(
        &mut self,
        text: &[u8],
        path: &Path<'_>,
        level: usize,
    ) -> Result<Option<Vec<u8>>, MaskError> {
        if self.scope.fields.is_empty() {
            return Ok(None);
        }
        let (mut out, mut done, mut at) = (Vec::new(), 0, 0);
        while let Some(skipped) = text.get(at..).and_then(opening) {
            let embedded = read(text, at + skipped);
            at = embedded.next;
            for range in embedded.found {
                let json = text.get(range.clone()).unwrap_or_default();
                let Some(names) = syntax::json(json) else { continue };
                if let Some(masked) = self.json(json, &names, path, level)? {
                    out.extend_from_slice(text.get(done..range.start).unwrap_or_default());
                    out.extend_from_slice(&masked);
                    done = range.end;
                }
            }
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        Ok((done > 0).then_some(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(skipped) = text.as_bytes().get(at..).and_then(opening) {
            let embedded = read(text.as_bytes(), at + skipped);
            assert!(embedded.next > at);
            found.extend(embedded.found.into_iter().map(|range| &text[range]));
            at = embedded.next;
        }
        found
    }

    #[test]
    fn whole_objects_are_found_wherever_they_stand() {
        for (text, expected) in [
            ("Result: {\"a\": 1}.", vec!["{\"a\": 1}"]),
            ("```json\n{\"a\": {\"b\": [1, {\"c\": null}]}}\n```", vec!["{\"a\": {\"b\": [1, {\"c\": null}]}}"]),
            ("[1] [x] {} {x} [] see {\"a\":\"}\"} {\"b\": [", vec!["{\"a\":\"}\"}"]),
            ("rows [{\"a\": 1}, 2] [1, 2]", vec!["[{\"a\": 1}, 2]"]),
            ("{\"a\": {\"b\": 1}, oops} {\"c\": 2}", vec!["{\"b\": 1}", "{\"c\": 2}"]),
            ("{\"it's open and {\"a\": 1} goes on", vec!["{\"a\": 1}"]),
            ("{{\"a\": tru} {\"b\": true}}", vec!["{\"b\": true}"]),
            ("{\"a\":1,}", vec![]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_longer_than_the_bound_is_text_with_whole_objects_in_it() {
        let long = format!("{{\"a\": {{\"b\": 1}}, \"c\": \"{}\"}} {{\"d\": 2}}", "x".repeat(MAX_EMBEDDED));
        assert_eq!(found(&long), ["{\"b\": 1}", "{\"d\": 2}"]);
    }

    #[test]
    fn the_work_is_linear_in_hostile_texts() {
        for unit in ["{", "{\"", "{\"a\":", "[", "{\"\\\"", "{\"a\":\"{\",", "{\"a\":[{\"b\":1},"] {
            let (text, mut at, mut work) = (unit.repeat(40_000), 0, 0);
            while let Some(skipped) = text.as_bytes().get(at..).and_then(opening) {
                let start = at + skipped;
                let embedded = read(text.as_bytes(), start);
                // What was read, at most: up to where it goes on, and the string that is read again.
                work += embedded.next - start;
                at = embedded.next;
            }
            assert!(work <= text.len(), "{unit}: {work}");
        }
    }
}
