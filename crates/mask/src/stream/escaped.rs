//! Text in which values may be spelled in other ways, such as pieces of JSON and of URLs: from the first byte that may begin
//! such a spelling it is read twice, as it stands and as it reads.

use super::Work;
use super::screen::Screen;
use super::text::{MAX_PENDING, Text};
use crate::spelling::{Shown, Spelling, first, spelling};

/// Text that is no JSON as a whole.
#[derive(Debug)]
pub(super) enum Plain {
    /// Nothing came that a spelling begins with.
    Text(Text),
    /// Something did.
    Escaped(Box<Escaped>),
}

impl Default for Plain {
    fn default() -> Self {
        Self::Text(Text::default())
    }
}

impl Plain {
    pub(super) fn push(&mut self, piece: &[u8], work: &mut Work<'_>) {
        let mut rest = piece;
        if let Self::Text(text) = self {
            let plain = first(rest, rest.is_ascii());
            let (before, after) = rest.split_at(plain.unwrap_or(rest.len()));
            text.push(before, work);
            if after.is_empty() {
                return;
            }
            *self = Self::Escaped(Box::new(Escaped { screen: std::mem::take(text).into(), held: Vec::new() }));
            rest = after;
        }
        if let Self::Escaped(escaped) = self {
            for slice in rest.chunks(MAX_PENDING) {
                escaped.push(slice, work);
            }
        }
    }

    pub(super) fn idle(&mut self, work: &mut Work<'_>) {
        match self {
            Self::Text(text) => text.idle(work),
            Self::Escaped(escaped) => escaped.screen.advance(None, true, work),
        }
    }

    pub(super) fn finish(&mut self, work: &mut Work<'_>) {
        match self {
            Self::Text(text) => text.finish(work),
            Self::Escaped(escaped) => {
                escaped.read(true);
                escaped.screen.finish(work);
            }
        }
    }

    pub(super) fn pending(&self) -> usize {
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
        self.screen.advance(None, false, work);
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
