//! What a decoded string holds: JSON or lines of it, base64 of text, or text.
//!
//! A string that is JSON as a whole is masked as JSON, down to a depth; deeper, and when it is JSON only in part or not
//! quite, it is text.

use bytes::Bytes;

use super::syntax;
use super::{Form, MaskError, Scope, base64};
use crate::bits::BLOCK;
use crate::class::ClassId;
use crate::engine::Path;
use crate::masker::{Found, Masker, Memory, Part, Tally};
use crate::operator::Operator;

/// JSON or base64 in a string in a string …: beyond it, a string is text.
pub(super) const MAX_NESTED: usize = 4;

/// Shorter values are too short for anything that is looked for.
pub(super) const MIN_VALUE: usize = 4;

/// What becomes of a decoded value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It holds nothing.
    Same,
    /// The whole of it is masked by [`Operator::Nullify`].
    Null,
    /// The text to put in its place.
    Text(Vec<u8>),
}

/// What becomes of a decoded value whose only part that is to be masked may be written where it stands.
#[derive(Debug)]
pub(super) enum Value {
    /// A part of a plain text is masked by something as plain.
    Part(Part),
    Other(Outcome),
}

/// Whether null may stand for a text as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Null {
    Allowed,
    Never,
}

/// Masking of one document or payload.
#[derive(Debug)]
pub(super) struct Work<'w> {
    pub(super) masker: &'w Masker,
    pub(super) scope: &'w Scope<'w>,
    pub(super) memory: &'w mut Memory,
    pub(super) tally: &'w mut Tally,
}

impl Work<'_> {
    /// A payload of a form that is told or found out.
    pub(super) fn payload(&mut self, bytes: &Bytes, form: Form) -> Result<Option<Vec<u8>>, MaskError> {
        let path = self.scope.path;
        let mark = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let text = bytes.get(mark..).unwrap_or_default();
        let masked = match form {
            Form::Auto | Form::Json => match self.structured(text, path, 0)? {
                Some(Outcome::Text(masked)) => Some(masked),
                Some(_) => None,
                None if form == Form::Json || is_scalar(text) => match syntax::json(text) {
                    Some(names) => self.json(text, &names, path, 0)?,
                    None => self.loose(text, path)?,
                },
                None => self.loose(text, path)?,
            },
            Form::Lines => self.lines(text, path)?,
            Form::Form => self.form(text, path)?,
            Form::Text => self.loose(text, path)?,
        };
        Ok(masked.map(|mut masked| {
            masked.splice(..0, bytes.iter().take(mark).copied());
            masked
        }))
    }

    /// A text with JSON in it.
    fn loose(&mut self, text: &[u8], path: &Path<'_>) -> Result<Option<Vec<u8>>, MaskError> {
        let embedded = self.embedded(text, path, 1)?;
        Ok(self.as_text(embedded.as_deref().unwrap_or(text), path).or(embedded))
    }

    pub(super) fn as_text(&mut self, text: &[u8], path: &Path<'_>) -> Option<Vec<u8>> {
        match self.text(text, path, Null::Never) {
            Outcome::Text(masked) => Some(masked),
            Outcome::Same | Outcome::Null => None,
        }
    }

    /// A decoded string that `path` leads to, `level` strings deep.
    pub(super) fn string(&mut self, text: &[u8], path: &Path<'_>, level: usize) -> Result<Outcome, MaskError> {
        Ok(match self.value(text, path, level)? {
            Value::Part(part) => {
                let mut out = Vec::with_capacity(text.len() + 16);
                self.write_part(&part, text, &mut out);
                Outcome::Text(out)
            }
            Value::Other(outcome) => outcome,
        })
    }

    /// The same where the caller writes what is plain.
    pub(super) fn value(&mut self, text: &[u8], path: &Path<'_>, level: usize) -> Result<Value, MaskError> {
        let is_blob = path.last() == Some(&"blob");
        let may_be_plain = (MIN_VALUE..=BLOCK).contains(&text.len()) && level < MAX_NESTED;
        if may_be_plain && !base64::may_be_in(text, is_blob) && self.scan_plain(text, path) {
            return Ok(self.plain_value(text));
        }
        self.other(text, path, level, is_blob).map(Value::Other)
    }

    /// What becomes of the plain text that was scanned last.
    fn plain_value(&mut self, text: &[u8]) -> Value {
        match self.memory.scan.findings() {
            [] => Value::Other(Outcome::Same),
            [finding] => match self.masker.part(finding, self.scope.revealed, self.tally) {
                None => Value::Other(Outcome::Same),
                Some(part) if self.is_nullified(&part, text) => Value::Other(Outcome::Null),
                Some(part) => Value::Part(part),
            },
            _ => {
                let found = self.plainly_found();
                Value::Other(self.outcome(text, &found, Null::Allowed))
            }
        }
    }

    /// Writes a text with its only part masked.
    pub(super) fn write_part(&mut self, part: &Part, text: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(text.get(..part.start).unwrap_or_default());
        self.masker.write(part, text.get(part.start..part.end).unwrap_or_default(), self.memory, out);
        out.extend_from_slice(text.get(part.end..).unwrap_or_default());
    }

    /// A string that is not plain.
    fn other(&mut self, text: &[u8], path: &Path<'_>, level: usize, is_blob: bool) -> Result<Outcome, MaskError> {
        if text.len() < MIN_VALUE {
            return Ok(Outcome::Same);
        }
        if level >= MAX_NESTED {
            return Ok(self.text(text, path, Null::Allowed));
        }
        if let Some(outcome) = self.structured(text, path, level + 1)? {
            return Ok(outcome);
        }
        let (mut out, mut done) = (Vec::new(), 0);
        for encoded in base64::all(text, is_blob) {
            let masked = if encoded.is_text {
                match self.string(&encoded.decoded, path, level + 1)? {
                    Outcome::Same => continue,
                    Outcome::Null if encoded.range == (0..text.len()) => return Ok(Outcome::Null),
                    Outcome::Null => Vec::new(),
                    Outcome::Text(masked) => masked,
                }
            } else {
                let Some(masked) = self.binary(&encoded.decoded, path) else { continue };
                masked
            };
            out.extend_from_slice(text.get(done..encoded.range.start).unwrap_or_default());
            out.extend_from_slice(&encoded.encode(masked));
            done = encoded.range.end;
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        let decoded = (done > 0).then_some(out);
        let embedded = self.embedded(decoded.as_deref().unwrap_or(text), path, level + 1)?;
        Ok(self.text_after(embedded.or(decoded), text, path))
    }

    /// What is found in the stretches of text that something else holds becomes stars: its other bytes stay where they are,
    /// as its format says. `None` if nothing changed.
    fn binary(&mut self, bytes: &[u8], path: &Path<'_>) -> Option<Vec<u8>> {
        let mut masked: Option<Vec<u8>> = None;
        for stretch in base64::stretches(bytes) {
            for part in self.found(bytes.get(stretch.clone())?, path).parts {
                let out = masked.get_or_insert_with(|| bytes.to_vec());
                out.get_mut(stretch.start + part.start..stretch.start + part.end)?.fill(b'*');
            }
        }
        masked
    }

    /// A text after something in it was masked, or as it was.
    fn text_after(&mut self, changed: Option<Vec<u8>>, text: &[u8], path: &Path<'_>) -> Outcome {
        match (self.text(changed.as_deref().unwrap_or(text), path, Null::Allowed), changed) {
            (Outcome::Same, Some(changed)) => Outcome::Text(changed),
            (outcome, _) => outcome,
        }
    }

    /// An object, an array, or several of them; `None` if `text` is something else.
    fn structured(&mut self, text: &[u8], path: &Path<'_>, level: usize) -> Result<Option<Outcome>, MaskError> {
        if !is_bracketed(text) {
            return Ok(None);
        }
        let Some(names) = syntax::documents(text) else { return Ok(None) };
        Ok(Some(self.json(text, &names, path, level)?.map_or(Outcome::Same, Outcome::Text)))
    }

    /// Each line by itself.
    fn lines(&mut self, text: &[u8], path: &Path<'_>) -> Result<Option<Vec<u8>>, MaskError> {
        let mut out = Vec::new();
        let (mut done, mut at) = (0, 0);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let content = line.trim_ascii();
            let start = at + (line.len() - line.trim_ascii_start().len());
            at += line.len();
            let names = if is_bracketed(content) { syntax::json(content) } else { None };
            let masked = match names {
                Some(names) => self.json(content, &names, path, 0)?,
                None => self.loose(content, path)?,
            };
            if let Some(masked) = masked {
                out.extend_from_slice(text.get(done..start).unwrap_or_default());
                out.extend_from_slice(&masked);
                done = start + content.len();
            }
        }
        Ok((done > 0).then(|| {
            out.extend_from_slice(text.get(done..).unwrap_or_default());
            out
        }))
    }

    /// Plain text.
    fn text(&mut self, text: &[u8], path: &Path<'_>, null: Null) -> Outcome {
        let found = self.found(text, path);
        self.outcome(text, &found, null)
    }

    /// What becomes of a text in which something was found, or nothing.
    fn outcome(&mut self, text: &[u8], found: &Found, null: Null) -> Outcome {
        match found.parts.as_slice() {
            [] => Outcome::Same,
            [part] if null == Null::Allowed && self.is_nullified(part, text) => Outcome::Null,
            _ => Outcome::Text(self.masker.masked(text, found, self.memory)),
        }
    }

    fn is_nullified(&self, part: &Part, text: &[u8]) -> bool {
        part.start == 0 && part.end == text.len() && self.masker.operator(part.class) == Operator::Nullify
    }

    /// Scans a text if it is short and plain; false if it is not.
    pub(super) fn scan_plain(&mut self, text: &[u8], path: &Path<'_>) -> bool {
        self.masker.engine().scan_plain(text, path, &mut self.memory.scan)
    }

    /// What is to be masked in the plain text that was scanned last.
    pub(super) fn plainly_found(&mut self) -> Found {
        self.masker.found_by(&self.memory.scan, self.scope.revealed, self.tally)
    }

    /// What is to be masked in a text.
    pub(super) fn found(&mut self, text: &[u8], path: &Path<'_>) -> Found {
        self.masker.found(text, path, self.scope.revealed, &mut self.memory.scan, self.tally)
    }

    /// A whole value of a class, because a rule says so.
    pub(super) fn ruled(&mut self, value: &[u8], class: ClassId) -> Outcome {
        let operator = self.masker.operator(class);
        if value.is_empty() || operator.wrote(self.masker.engine().name(class), value) {
            return Outcome::Same;
        }
        *self.tally.masked.entry(class).or_default() += 1;
        if operator == Operator::Nullify {
            return Outcome::Null;
        }
        let mut out = Vec::new();
        self.masker.write(&Part::whole(class, value.len()), value, self.memory, &mut out);
        Outcome::Text(out)
    }
}

/// Whether a text begins like a string or a number of JSON.
fn is_scalar(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'"' | b'-' | b'0'..=b'9'))
}

/// Whether a text begins and ends like an object or an array.
fn is_bracketed(text: &[u8]) -> bool {
    let begins = |byte: u8| matches!(byte, b'{' | b'[' | b' ' | b'\n' | b'\t' | b'\r');
    if !text.first().is_some_and(|byte| begins(*byte)) {
        return false;
    }
    matches!(text.trim_ascii(), [b'{' | b'[', .., b'}' | b']'])
}
