//! Server-sent events (WHATWG HTML §9.2.5, §9.2.6): the lines of an event's data are one payload, as a reader joins them.
//!
//! An event is held until the empty line that ends it. One that does not change leaves byte for byte as it came. Its other
//! fields and its comments are texts of their own.

use super::auto::BYTE_ORDER_MARK;
use super::escaped::Plain;
use super::{MAX_DOCUMENT, Work};
use crate::structure::{Form, MaskError};

/// Events that arrive in pieces.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The event so far.
    event: Vec<u8>,
    /// Its lines that ended.
    lines: Vec<Line>,
    /// Whether a carriage return came last: a line feed after it belongs to the same end of a line.
    after_return: bool,
    /// Whether an event was passed on.
    begun: bool,
    /// An event beyond the bound, which is text from its beginning on, and the bytes of its last line.
    oversized: Option<(Plain, usize)>,
}

/// Places in an event.
#[derive(Debug, Clone, Copy)]
struct Line {
    start: usize,
    /// Where its end of line begins.
    content_end: usize,
    end: usize,
}

impl Events {
    pub(super) fn push(&mut self, piece: &[u8], work: &mut Work<'_>) -> Result<(), MaskError> {
        let mut rest = piece;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                self.line_feed(work)?;
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', rest);
            let (content, after) = rest.split_at(end.unwrap_or(rest.len()));
            let (ending, after) = after.split_at(usize::from(end.is_some()));
            self.take(content, ending, work)?;
            self.after_return = ending == b"\r";
            rest = after;
        }
        Ok(())
    }

    pub(super) fn idle(&mut self, work: &mut Work<'_>) {
        if let Some((text, _)) = &mut self.oversized {
            text.idle(work);
        }
    }

    pub(super) fn finish(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        if let Some((mut text, _)) = self.oversized.take() {
            text.finish(work)?;
        }
        let start = self.lines.last().map_or(0, |line| line.end);
        if start < self.event.len() {
            self.lines.push(Line { start, content_end: self.event.len(), end: self.event.len() });
        }
        self.dispatch(work)
    }

    pub(super) fn pending(&self) -> usize {
        self.event.len() + self.oversized.as_ref().map_or(0, |(text, _)| text.pending())
    }

    /// The second half of an end of line.
    fn line_feed(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        if let Some((text, _)) = &mut self.oversized {
            return text.push(b"\n", work);
        }
        if let Some(line) = self.lines.last_mut() {
            self.event.push(b'\n');
            line.end += 1;
        } else {
            work.out.push(b'\n');
        }
        Ok(())
    }

    fn take(&mut self, content: &[u8], ending: &[u8], work: &mut Work<'_>) -> Result<(), MaskError> {
        if let Some((text, length)) = &mut self.oversized {
            text.push(content, work)?;
            text.push(ending, work)?;
            *length += content.len();
            if !ending.is_empty() && std::mem::take(length) == 0 {
                text.finish(work)?;
                self.oversized = None;
            }
            return Ok(());
        }
        let start = self.lines.last().map_or(0, |line| line.end);
        self.event.extend_from_slice(content);
        let content_end = self.event.len();
        self.event.extend_from_slice(ending);
        if !ending.is_empty() {
            self.lines.push(Line { start, content_end, end: self.event.len() });
            if start == content_end {
                return self.dispatch(work);
            }
        }
        if self.event.len() > MAX_DOCUMENT {
            let mut text = Plain::default();
            text.push(&self.event, work)?;
            self.oversized = Some((text, if ending.is_empty() { content_end - start } else { 0 }));
            self.forget();
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.event.clear();
        self.lines.clear();
        self.begun = true;
    }

    /// Masks the event and passes it on.
    fn dispatch(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        let mark = if !self.begun && self.event.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let (event, lines) = (std::mem::take(&mut self.event), std::mem::take(&mut self.lines));
        let part = |from: usize, to: usize| event.get(from..to).unwrap_or_default();
        let fields: Vec<(Line, Option<usize>)> = lines
            .iter()
            .map(|line| {
                let start = if line.start == 0 { mark } else { line.start };
                (Line { start, ..*line }, value_of_data(part(start, line.content_end)).map(|value| start + value))
            })
            .collect();
        let values: Vec<&[u8]> =
            fields.iter().filter_map(|(line, value)| Some(part((*value)?, line.content_end))).collect();
        let masked = if values.is_empty() { None } else { work.payload(&values.join(&b'\n'), Form::Auto)? };
        let mut masked = masked.as_deref().map(|masked| masked.split(|byte| *byte == b'\n').peekable());

        work.out.extend_from_slice(part(0, mark));
        let last_value = fields.iter().rposition(|(_, value)| value.is_some());
        for (place, (line, value)) in fields.iter().enumerate() {
            let (content, ending) = (part(line.start, line.content_end), part(line.content_end, line.end));
            match (value, &mut masked) {
                (None, _) => work.write(content, Form::Text)?,
                (Some(_), None) => work.out.extend_from_slice(content),
                (Some(value), Some(masked)) => {
                    // A mark may have taken the place of several lines.
                    let Some(text) = masked.next() else { continue };
                    let beginning = part(line.start, *value);
                    write_data(beginning, text, work.out);
                    while let Some(text) = masked.next_if(|_| Some(place) == last_value) {
                        work.out.extend_from_slice(if ending.is_empty() { b"\n" } else { ending });
                        write_data(beginning, text, work.out);
                    }
                }
            }
            work.out.extend_from_slice(ending);
        }
        self.begun = true;
        Ok(())
    }
}

/// Where the value of a `data` field begins in its line; `None` for other fields and comments.
fn value_of_data(line: &[u8]) -> Option<usize> {
    match line.strip_prefix(b"data")? {
        [] => Some(4),
        [b':', b' ', ..] => Some(6),
        [b':', ..] => Some(5),
        _ => None,
    }
}

/// Writes a line of data with the beginning that a line had.
fn write_data(beginning: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(beginning);
    if !text.is_empty() && beginning == b"data" {
        out.push(b':');
    }
    // A reader drops one space.
    if text.starts_with(b" ") && !beginning.ends_with(b" ") {
        out.push(b' ');
    }
    out.extend_from_slice(text);
}
