//! Lines of a log or of JSON: a line that is JSON is masked as that, and what stands between such lines is one text, so
//! that a key over several lines is found.
//!
//! A line of JSON amid a value that may go on is masked as JSON and then counts as a line of the text, so that it does not
//! end the value; so does one in which a key begins that has no end yet. In what follows it may be masked together with the
//! value around it.

use super::escaped::Plain;
use super::json::{Extent, Follows};
use super::{MAX_DOCUMENT, Work};
use crate::classes::begins_key;
use crate::structure::{Form, MaskError, is_json};

/// White space before a line's content that is waited for, at most.
const MAX_INDENT: usize = 256;

/// Lines that arrive in pieces.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: Plain,
    /// A line that may be JSON, as far as it came.
    line: Vec<u8>,
    place: Place,
}

/// Where in a line the next byte stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Only white space came.
    #[default]
    Indent,
    /// Inside what may be JSON.
    Value(Extent),
    /// White space may follow the value, and nothing else.
    After,
    /// In a line of text.
    Text,
}

impl Lines {
    pub(super) fn push(&mut self, piece: &[u8], work: &mut Work<'_>) -> Result<(), MaskError> {
        let mut rest = piece;
        while let Some(first) = rest.first() {
            rest = match self.place {
                Place::Text => {
                    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                    let (line, after) = rest.split_at(end);
                    if line.ends_with(b"\n") {
                        self.place = Place::Indent;
                    }
                    self.text.push(line, work)?;
                    after
                }
                Place::Indent | Place::After if matches!(first, b' ' | b'\t' | b'\r' | b'\n') => {
                    self.take(rest, 1);
                    if *first == b'\n' {
                        self.end_of_line(work)?;
                    } else if self.place == Place::Indent && self.line.len() > MAX_INDENT {
                        self.turn_to_text(work)?;
                    }
                    rest.get(1..).unwrap_or_default()
                }
                Place::Indent if matches!(first, b'{' | b'[') => {
                    self.place = Place::Value(Extent::default());
                    rest
                }
                Place::Indent | Place::After => {
                    self.turn_to_text(work)?;
                    rest
                }
                Place::Value(mut extent) => {
                    let line = memchr::memchr(b'\n', rest).and_then(|end| rest.get(..end)).unwrap_or(rest);
                    let follows = extent.follow(line);
                    let taken = match follows {
                        Follows::Until(end) => end,
                        Follows::All | Follows::Never => line.len(),
                    };
                    self.take(rest, taken);
                    self.place = if matches!(follows, Follows::Until(_)) { Place::After } else { Place::Value(extent) };
                    let broken = follows == Follows::Never || follows == Follows::All && line.len() < rest.len();
                    if broken || self.line.len() > MAX_DOCUMENT {
                        self.turn_to_text(work)?;
                    }
                    rest.get(taken..).unwrap_or_default()
                }
            };
        }
        Ok(())
    }

    pub(super) fn idle(&mut self, work: &mut Work<'_>) {
        self.text.idle(work);
    }

    pub(super) fn finish(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        self.end_of_line(work)?;
        self.text.finish(work)
    }

    pub(super) fn pending(&self) -> usize {
        self.line.len() + self.text.pending()
    }

    fn take(&mut self, rest: &[u8], count: usize) {
        self.line.extend_from_slice(rest.get(..count).unwrap_or_default());
    }

    fn end_of_line(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        let line = std::mem::take(&mut self.line);
        let value = line.trim_ascii();
        if self.place == Place::After && is_json(value) {
            let indent = line.len() - line.trim_ascii_start().len();
            let (before, after) = (line.get(..indent), line.get(indent + value.len()..));
            let masked = work.payload(value, Form::Json)?;
            let parts = [before.unwrap_or_default(), masked.as_deref().unwrap_or(value), after.unwrap_or_default()];
            self.text.idle(work);
            if self.text.pending() == 0 && !begins_key(parts[1]) {
                std::mem::take(&mut self.text).finish(work)?;
                work.out.extend(parts.concat());
            } else {
                parts.iter().try_for_each(|part| self.text.push(part, work))?;
            }
        } else {
            self.text.push(&line, work)?;
        }
        self.place = Place::Indent;
        Ok(())
    }

    /// The line is no JSON: it belongs to the text.
    fn turn_to_text(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        let line = std::mem::take(&mut self.line);
        self.text.push(&line, work)?;
        self.place = Place::Text;
        Ok(())
    }
}
