//! Masks a text that arrives in pieces: what leaves, joined, is what masking the whole at once would have given.
//!
//! Nothing at or after the first place where a detector is still live is written, so no split shows part of a value.
//! What waits is bounded: at the bound, and wherever a framing breaks, what waits is masked, never shown. A stream owns
//! what it holds back; dropping it without [`Stream::finish`] loses that, and shows nothing. After an error nothing more
//! is written.

mod auto;
mod escaped;
mod events;
mod json;
mod lines;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;
mod text;

use std::ops::Deref;

use bytes::Bytes;

use self::auto::Auto;
use self::escaped::Plain;
use self::events::Events;
use self::lines::Lines;
use self::terminal::Terminal;
use crate::class::{ClassId, ClassSet};
use crate::masker::{Masker, Memory, Tally};
use crate::structure::{Form, MaskError, Scope};

/// Bytes of a JSON document, a line or an event that are held until they are whole; what is longer is text.
const MAX_DOCUMENT: usize = 4 << 20;

/// How a stream is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Framing {
    /// Its beginning tells: JSON, lines of JSON, or text.
    #[default]
    Auto,
    /// Plain text.
    Text,
    /// Lines, of which some are JSON: logs, NDJSON.
    Lines,
    /// Server-sent events.
    EventStream,
    /// Output for a terminal, with control sequences.
    Terminal,
}

/// What holds for a stream as a whole.
#[derive(Debug, Clone, Default)]
pub struct StreamScope {
    /// The names that lead to it, outermost first.
    pub path: Vec<String>,
    /// Classes that are shown.
    pub revealed: ClassSet,
    /// For the JSON in it: see [`Scope::keep`].
    pub keep: &'static [&'static [&'static str]],
    /// For the JSON in it: see [`Scope::roots`].
    pub roots: &'static [&'static [&'static str]],
}

impl StreamScope {
    fn names(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

/// A text that arrives in pieces. `M` is `&Masker` or `Arc<Masker>`.
#[derive(Debug)]
pub struct Stream<M> {
    masker: M,
    scope: StreamScope,
    framed: Framed,
    failed: Option<MaskError>,
}

#[derive(Debug)]
enum Framed {
    Auto(Auto),
    Text(Plain),
    Lines(Lines),
    Events(Events),
    Terminal(Box<Terminal>),
}

impl Masker {
    /// Begins a stream.
    pub fn stream(&self, framing: Framing, scope: StreamScope) -> Stream<&Self> {
        Stream::new(self, framing, scope)
    }
}

impl<M: Deref<Target = Masker>> Stream<M> {
    /// Begins a stream.
    pub fn new(masker: M, framing: Framing, scope: StreamScope) -> Self {
        let framed = match framing {
            Framing::Auto => Framed::Auto(Auto::default()),
            Framing::Text => Framed::Text(Plain::default()),
            Framing::Lines => Framed::Lines(Lines::default()),
            Framing::EventStream => Framed::Events(Events::default()),
            Framing::Terminal => Framed::Terminal(Box::default()),
        };
        Self { masker, scope, framed, failed: None }
    }

    /// Takes the next piece, and adds what is certain by now to `out`.
    pub fn push(
        &mut self,
        piece: &[u8],
        memory: &mut Memory,
        tally: &mut Tally,
        out: &mut Vec<u8>,
    ) -> Result<(), MaskError> {
        self.step(memory, tally, out, |framed, work| match framed {
            Framed::Auto(auto) => auto.push(piece, work),
            Framed::Text(text) => text.push(piece, work),
            Framed::Lines(lines) => lines.push(piece, work),
            Framed::Events(events) => events.push(piece, work),
            Framed::Terminal(terminal) => terminal.push(piece, work),
        })
    }

    /// Adds to `out` what is certain although [`Stream::push`] did not look yet: to be called when no piece came for a
    /// moment. What may still become part of a value stays.
    pub fn idle(&mut self, memory: &mut Memory, tally: &mut Tally, out: &mut Vec<u8>) -> Result<(), MaskError> {
        self.step(memory, tally, out, |framed, work| {
            match framed {
                Framed::Auto(auto) => auto.idle(work),
                Framed::Text(text) => text.idle(work),
                Framed::Lines(lines) => lines.idle(work),
                Framed::Events(events) => events.idle(work),
                Framed::Terminal(terminal) => terminal.idle(work),
            }
            Ok(())
        })
    }

    /// Adds the rest to `out`: nothing follows.
    pub fn finish(mut self, memory: &mut Memory, tally: &mut Tally, out: &mut Vec<u8>) -> Result<(), MaskError> {
        self.step(memory, tally, out, |framed, work| match framed {
            Framed::Auto(auto) => auto.finish(work),
            Framed::Text(text) => text.finish(work),
            Framed::Lines(lines) => lines.finish(work),
            Framed::Events(events) => events.finish(work),
            Framed::Terminal(terminal) => terminal.finish(work),
        })
    }

    /// Bytes held back.
    pub fn pending(&self) -> usize {
        match &self.framed {
            Framed::Auto(auto) => auto.pending(),
            Framed::Text(text) => text.pending(),
            Framed::Lines(lines) => lines.pending(),
            Framed::Events(events) => events.pending(),
            Framed::Terminal(terminal) => terminal.pending(),
        }
    }

    /// Takes a step, unless one failed before; a step that fails writes nothing.
    fn step(
        &mut self,
        memory: &mut Memory,
        tally: &mut Tally,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut Framed, &mut Work<'_>) -> Result<(), MaskError>,
    ) -> Result<(), MaskError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let before = out.len();
        let mut work = Work { masker: &self.masker, scope: &self.scope, memory, tally, out };
        step(&mut self.framed, &mut work).inspect_err(|error| {
            out.truncate(before);
            self.failed = Some(error.clone());
        })
    }
}

/// What every step of a stream works with.
struct Work<'a> {
    masker: &'a Masker,
    scope: &'a StreamScope,
    memory: &'a mut Memory,
    tally: &'a mut Tally,
    out: &'a mut Vec<u8>,
}

impl Work<'_> {
    /// Masks JSON that was found in text. `None` if nothing changed.
    fn embedded(&mut self, json: &[u8]) -> Result<Option<Bytes>, MaskError> {
        let path = self.scope.names();
        let scope = Scope { path: &path, ..Scope::new(&self.scope.revealed, self.masker.fields()) };
        self.masker.payload(&Bytes::copy_from_slice(json), Form::Json, &scope, self.memory, self.tally)
    }

    /// Masks what is whole. `None` if nothing changed.
    fn payload(&mut self, bytes: &[u8], form: Form) -> Result<Option<Bytes>, MaskError> {
        let path = self.scope.names();
        let (keep, roots) = (self.scope.keep, self.scope.roots);
        let scope = Scope { revealed: &self.scope.revealed, fields: self.masker.fields(), path: &path, keep, roots };
        self.masker.payload(&Bytes::copy_from_slice(bytes), form, &scope, self.memory, self.tally)
    }

    /// A part goes on with what was masked before: it does not count again.
    fn goes_on(&mut self, class: ClassId) {
        if let Some(count) = self.tally.masked.get_mut(&class) {
            *count -= 1;
            if *count == 0 {
                self.tally.masked.remove(&class);
            }
        }
    }

    /// Masks what is whole, and writes it.
    fn write(&mut self, bytes: &[u8], form: Form) -> Result<(), MaskError> {
        match self.payload(bytes, form)? {
            Some(masked) => self.out.extend_from_slice(&masked),
            None => self.out.extend_from_slice(bytes),
        }
        Ok(())
    }
}
