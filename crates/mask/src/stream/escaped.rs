//! Text in which values may be spelled in other ways, such as pieces of JSON and of URLs: from the first byte that may begin
//! such a spelling it is read twice, as it stands and as it reads. JSON that begins in it is held until it is whole, where
//! field rules may hold in it; the most that is held for that is what `structure::embedded` follows.

use super::Work;
use super::screen::Screen;
use super::text::{MAX_PENDING, Text};
use crate::spelling::{Shown, Spelling, first, spelling};
use crate::structure::{MaskError, opening, read};

/// Text that is no JSON as a whole. Where there are field rules, the JSON in it is masked before it is text.
#[derive(Debug, Default)]
pub(super) struct Plain {
    text: Spelled,
    /// What may become JSON, as far as it came.
    held: Vec<u8>,
    /// Bytes of it at which it is worth another look.
    due: usize,
}

impl Plain {
    pub(super) fn push(&mut self, piece: &[u8], work: &mut Work<'_>) -> Result<(), MaskError> {
        if work.masker.fields().is_empty() {
            self.text.push(piece, work);
            return Ok(());
        }
        self.held.extend_from_slice(piece);
        if self.held.len() >= self.due { self.settle(false, work) } else { Ok(()) }
    }

    pub(super) fn idle(&mut self, work: &mut Work<'_>) {
        self.text.idle(work);
    }

    pub(super) fn finish(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        self.settle(true, work)?;
        self.text.finish(work);
        Ok(())
    }

    pub(super) fn pending(&self) -> usize {
        self.held.len() + self.text.pending()
    }

    /// Masks the JSON that is whole by now, and passes on what can be none.
    fn settle(&mut self, ends: bool, work: &mut Work<'_>) -> Result<(), MaskError> {
        let held = std::mem::take(&mut self.held);
        let (mut done, mut at) = (0, 0);
        self.due = 0;
        while let Some(skipped) = held.get(at..).and_then(opening) {
            let embedded = read(&held, at + skipped);
            if embedded.is_open && !ends {
                self.text.push(held.get(done..at + skipped).unwrap_or_default(), work);
                self.held = held.get(at + skipped..).unwrap_or_default().to_vec();
                self.due = 2 * self.held.len();
                return Ok(());
            }
            for range in embedded.found {
                self.text.push(held.get(done..range.start).unwrap_or_default(), work);
                let json = held.get(range.clone()).unwrap_or_default();
                self.text.push(work.embedded(json)?.as_deref().unwrap_or(json), work);
                done = range.end;
            }
            at = embedded.next;
        }
        self.text.push(held.get(done..).unwrap_or_default(), work);
        Ok(())
    }
}

#[cfg(test)]
impl Plain {
    pub(super) fn scanned(&self) -> usize {
        match &self.text {
            Spelled::Text(text) => text.scanned,
            Spelled::Escaped(escaped) => escaped.screen.scanned,
        }
    }
}

#[cfg(test)]
impl From<Text> for Plain {
    fn from(text: Text) -> Self {
        Self { text: Spelled::Text(Box::new(text)), ..Self::default() }
    }
}

/// Text, read twice from the first byte on that may begin another spelling.
#[derive(Debug)]
enum Spelled {
    /// No such byte came.
    Text(Box<Text>),
    /// One did.
    Escaped(Box<Escaped>),
}

impl Default for Spelled {
    fn default() -> Self {
        Self::Text(Box::default())
    }
}

impl Spelled {
    fn push(&mut self, piece: &[u8], work: &mut Work<'_>) {
        let mut rest = piece;
        if let Self::Text(text) = self {
            let plain = first(rest, rest.is_ascii());
            let (before, after) = rest.split_at(plain.unwrap_or(rest.len()));
            text.push(before, work);
            if after.is_empty() {
                return;
            }
            *self = Self::Escaped(Box::new(Escaped { screen: (*std::mem::take(text)).into(), held: Vec::new() }));
            rest = after;
        }
        if let Self::Escaped(escaped) = self {
            for slice in rest.chunks(MAX_PENDING) {
                escaped.push(slice, work);
            }
        }
    }

    fn idle(&mut self, work: &mut Work<'_>) {
        match self {
            Self::Text(text) => text.idle(work),
            Self::Escaped(escaped) => escaped.screen.advance(true, work),
        }
    }

    fn finish(&mut self, work: &mut Work<'_>) {
        match self {
            Self::Text(text) => text.finish(work),
            Self::Escaped(escaped) => {
                escaped.read(true);
                escaped.screen.finish(work);
            }
        }
    }

    fn pending(&self) -> usize {
        match self {
            Self::Text(text) => text.pending(),
            Self::Escaped(escaped) => escaped.held.len() + escaped.screen.pending(),
        }
    }
}

/// Text that is read twice.
#[derive(Debug)]
pub(super) struct Escaped {
    screen: Screen,
    /// What may become a spelling, as far as it came.
    held: Vec<u8>,
}

impl Escaped {
    fn push(&mut self, piece: &[u8], work: &mut Work<'_>) {
        self.held.extend_from_slice(piece);
        self.read(false);
        self.screen.advance(false, work);
    }

    /// Reads what is held, up to what may go on.
    fn read(&mut self, ends: bool) {
        let mut held = std::mem::take(&mut self.held);
        let ascii = held.is_ascii();
        let mut at = 0;
        while let Some(rest) = held.get(at..).filter(|rest| !rest.is_empty()) {
            let [read, _] = self.screen.readings();
            let length = match spelling(rest, read.last()) {
                Spelling::Unfinished if !ends => break,
                Spelling::Of(shown, length) => {
                    let origin = self.as_it_stands(rest.get(..length).unwrap_or_default());
                    let [read, _] = self.screen.readings();
                    if let Shown::As(byte) = shown {
                        read.put(byte, origin);
                    }
                    length
                }
                _ => {
                    let plain = rest.get(1..).unwrap_or_default();
                    let length = 1 + first(plain, ascii).unwrap_or(plain.len());
                    let text = rest.get(..length).unwrap_or_default();
                    let (start, _) = self.as_it_stands(text);
                    let [read, _] = self.screen.readings();
                    for (place, byte) in (start..).zip(text) {
                        read.put(*byte, (place, place + 1));
                    }
                    length
                }
            };
            at += length;
        }
        held.drain(..at);
        self.held = held;
    }

    fn as_it_stands(&mut self, text: &[u8]) -> (usize, usize) {
        let origin = self.screen.add(text, true);
        let [_, plain] = self.screen.readings();
        for (place, byte) in (origin.0..).zip(text) {
            plain.put(*byte, (place, place + 1));
        }
        origin
    }
}
