//! What a program writes to a terminal (ECMA-48, xterm): text among control sequences.
//!
//! It is read in two ways, and masked where either finds something. Joined: colours and other sequences, carriage returns
//! and the wrap that line editors make of a space and a carriage return are passed over, and what is struck over keeps its
//! first character. As lines: a carriage return begins a line, what is struck over follows, and moving right is a space.
//! Titles and other strings inside sequences are texts of their own; one that is too long is withheld.

use vte::{Params, Parser, Perform};

use super::Work;
use super::screen::Screen;
use super::text::{MAX_PENDING, WITHHELD};
use crate::structure::{Form, MaskError};

const ESCAPE: u8 = 0x1B;

/// Output for a terminal, in pieces.
#[derive(Default)]
pub(super) struct Terminal {
    parser: Parser,
    /// A sequence or a character as far as it came.
    sequence: Vec<u8>,
    /// Whether more came of it than is held.
    oversized: bool,
    screen: Screen,
    /// Characters since the line began, less those gone back over.
    column: usize,
    /// Characters that what is printed next strikes over.
    struck: usize,
    /// A space that may be the first half of a wrap: it may have been written, but is not read yet.
    space: Option<Space>,
}

#[derive(Debug, Clone, Copy)]
struct Space {
    origin: (usize, usize),
    /// Whether a carriage return followed.
    returned: bool,
}

/// What a byte completed.
#[derive(Debug, Clone, Copy)]
enum Event {
    Print(char),
    Execute(u8),
    /// The cursor moves along its line, or to another one.
    Along,
    Away,
    /// Nothing that moves text.
    Other,
}

#[derive(Default)]
struct Events(Vec<Event>);

impl Perform for Events {
    fn print(&mut self, character: char) {
        self.0.push(Event::Print(character));
    }

    fn execute(&mut self, byte: u8) {
        self.0.push(Event::Execute(byte));
    }

    fn csi_dispatch(&mut self, _: &Params, intermediates: &[u8], _: bool, action: char) {
        self.0.push(match action {
            'C' | 'G' | 'I' | 'a' | '`' if intermediates.is_empty() => Event::Along,
            'A' | 'B' | 'E' | 'F' | 'H' | 'd' | 'e' | 'f' | 'r' | 'u' if intermediates.is_empty() => Event::Away,
            _ => Event::Other,
        });
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        self.0.push(if matches!(byte, b'D' | b'E' | b'M' | b'c' | b'8') { Event::Away } else { Event::Other });
    }

    fn osc_dispatch(&mut self, _: &[&[u8]], _: bool) {
        self.0.push(Event::Other);
    }

    fn unhook(&mut self) {
        self.0.push(Event::Other);
    }
}

impl Terminal {
    pub(super) fn push(&mut self, piece: &[u8], work: &mut Work<'_>) -> Result<(), MaskError> {
        let mut events = Events::default();
        for byte in piece {
            self.parser.advance(&mut events, &[*byte]);
            if self.sequence.len() < MAX_PENDING {
                self.sequence.push(*byte);
            } else {
                self.oversized = true;
            }
            if !events.0.is_empty() {
                self.complete(*byte, &events.0, work)?;
                events.0.clear();
            }
            if self.screen.pending() > MAX_PENDING {
                self.screen.advance(false, work);
            }
        }
        self.screen.advance(false, work);
        Ok(())
    }

    pub(super) fn idle(&mut self, work: &mut Work<'_>) {
        self.screen.advance(true, work);
    }

    pub(super) fn finish(&mut self, work: &mut Work<'_>) -> Result<(), MaskError> {
        self.settle_space(false);
        if is_string(&self.sequence) {
            let text = self.string(None, work)?;
            self.screen.add(&text, false);
        } else if !self.oversized {
            self.screen.add(&self.sequence, false);
        }
        self.screen.finish(work);
        Ok(())
    }

    pub(super) fn pending(&self) -> usize {
        self.sequence.len() + self.screen.pending()
    }

    /// Takes in a sequence or a character that `last` completed.
    fn complete(&mut self, last: u8, events: &[Event], work: &mut Work<'_>) -> Result<(), MaskError> {
        let moves = |event: &Event| matches!(event, Event::Execute(b'\n' | 0x0B | 0x0C | b'\r' | 0x08 | b'\t'));
        let shown = events.iter().any(|event| matches!(event, Event::Print(_)) || moves(event));
        let origin = if is_string(&self.sequence) {
            let text = self.string(Some(last), work)?;
            self.screen.add(&text, false)
        } else if std::mem::take(&mut self.oversized) {
            self.screen.add(&[], false)
        } else {
            self.screen.add(&self.sequence, shown)
        };
        let is_plain = events.len() == 1;
        let bytes = std::mem::take(&mut self.sequence);
        for event in events {
            match event {
                // Each byte of a character is told apart, unless it is no valid one.
                Event::Print(character) if is_plain && bytes.len() == character.len_utf8() => {
                    self.print(&bytes, origin, true);
                }
                Event::Print(character) => {
                    self.print(character.encode_utf8(&mut [0; 4]).as_bytes(), origin, false);
                }
                Event::Execute(b'\n' | 0x0B | 0x0C) | Event::Away => self.line(origin),
                Event::Execute(b'\r') => self.carriage_return(origin),
                Event::Execute(0x08) => {
                    if self.column > 0 {
                        self.column -= 1;
                        self.struck += 1;
                    }
                }
                Event::Execute(b'\t') => {
                    self.settle_space(false);
                    for reading in self.screen.readings() {
                        reading.put(b'\t', origin);
                    }
                }
                Event::Along => {
                    let [_, lines] = self.screen.readings();
                    lines.put(b' ', origin);
                }
                Event::Execute(_) | Event::Other => {}
            }
        }
        self.sequence = bytes;
        self.sequence.clear();
        Ok(())
    }

    /// A string sequence with its text masked. `last` is the byte that ended it.
    fn string(&mut self, last: Option<u8>, work: &mut Work<'_>) -> Result<Vec<u8>, MaskError> {
        let (introducer, text) = self.sequence.split_at(2);
        let mut masked = introducer.to_vec();
        if std::mem::take(&mut self.oversized) {
            masked.extend_from_slice(WITHHELD);
            masked.extend(last);
        } else {
            match work.payload(text, Form::Text)? {
                Some(text) => masked.extend_from_slice(&text),
                None => masked.extend_from_slice(text),
            }
        }
        Ok(masked)
    }

    fn print(&mut self, character: &[u8], origin: (usize, usize), by_byte: bool) {
        self.column += 1;
        let is_struck = self.struck > 0;
        let is_space = character == b" ";
        self.struck -= usize::from(is_struck);
        self.settle_space(false);
        for (place, byte) in character.iter().enumerate() {
            let origin = if by_byte { (origin.0 + place, origin.0 + place + 1) } else { origin };
            let [joined, lines] = self.screen.readings();
            lines.put(*byte, origin);
            if is_struck {
                joined.stretch(origin.1);
            } else if is_space && may_wrap(joined.text()) {
                self.space = Some(Space { origin, returned: false });
            } else {
                joined.put(*byte, origin);
            }
        }
    }

    fn line(&mut self, origin: (usize, usize)) {
        self.settle_space(true);
        (self.column, self.struck) = (0, 0);
        for reading in self.screen.readings() {
            reading.put(b'\n', origin);
        }
    }

    fn carriage_return(&mut self, origin: (usize, usize)) {
        (self.column, self.struck) = (0, 0);
        if let Some(space) = &mut self.space {
            space.returned = true;
        }
        let [_, lines] = self.screen.readings();
        lines.put(b'\n', origin);
    }

    /// Something follows a space: after a carriage return it was a wrap, unless a line ends there.
    fn settle_space(&mut self, line_ends: bool) {
        if let Some(space) = self.space.take().filter(|space| line_ends || !space.returned) {
            let [joined, _] = self.screen.readings();
            joined.put(b' ', space.origin);
        }
    }
}

/// Shows no text.
impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

/// Whether a value may go on behind a space and a carriage return where the text ends so. A prompt cannot: its space need
/// not wait for what follows.
fn may_wrap(text: &[u8]) -> bool {
    let word = text.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
    match word {
        [.., 0xC3..=0xDF, 0x80..=0xBF] => true,
        [before @ .., b':'] => before.contains(&b':'),
        [.., last] => last.is_ascii_alphanumeric() || b"-._@/+=&~*,;'".contains(last),
        [] => false,
    }
}

/// Whether a sequence holds a string: OSC, DCS, APC, PM or SOS.
fn is_string(sequence: &[u8]) -> bool {
    matches!(sequence, [ESCAPE, b']' | b'P' | b'_' | b'^' | b'X', ..])
}
