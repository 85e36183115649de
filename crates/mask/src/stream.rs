//! Masks a text that arrives in pieces: what leaves, joined, is what masking the whole at once would have given.
//!
//! Nothing at or after the first place where a detector is still live is written, so no split shows part of a value.
//! What waits is bounded: at the bound, and wherever a framing breaks, what waits is masked, never shown. A stream owns
//! what it holds back; dropping it without [`Stream::finish`] loses that, and shows nothing.

#[cfg(test)]
mod tests;
mod text;

use std::ops::Deref;

use self::text::Text;
use crate::class::ClassSet;
use crate::masker::{Masker, Memory, Tally};

/// How a stream is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Plain text.
    Text,
}

/// What holds for a stream as a whole.
#[derive(Debug, Clone, Default)]
pub struct StreamScope {
    /// The names that lead to it, outermost first.
    pub path: Vec<String>,
    /// Classes that are shown.
    pub revealed: ClassSet,
}

/// A text that arrives in pieces. `M` is `&Masker` or `Arc<Masker>`.
#[derive(Debug)]
pub struct Stream<M> {
    masker: M,
    scope: StreamScope,
    framed: Framed,
}

#[derive(Debug)]
enum Framed {
    Text(Text),
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
            Framing::Text => Framed::Text(Text::default()),
        };
        Self { masker, scope, framed }
    }

    /// Takes the next piece, and adds what is certain by now to `out`.
    pub fn push(&mut self, piece: &[u8], memory: &mut Memory, tally: &mut Tally, out: &mut Vec<u8>) {
        let mut work = Work { masker: &self.masker, scope: &self.scope, memory, tally, out };
        match &mut self.framed {
            Framed::Text(text) => text.push(piece, &mut work),
        }
    }

    /// Adds to `out` what is certain although [`Stream::push`] did not look yet: to be called when no piece came for a
    /// moment. What may still become part of a value stays.
    pub fn idle(&mut self, memory: &mut Memory, tally: &mut Tally, out: &mut Vec<u8>) {
        let mut work = Work { masker: &self.masker, scope: &self.scope, memory, tally, out };
        match &mut self.framed {
            Framed::Text(text) => text.idle(&mut work),
        }
    }

    /// Bytes held back.
    pub fn pending(&self) -> usize {
        match &self.framed {
            Framed::Text(text) => text.pending(),
        }
    }

    /// Adds the rest to `out`: nothing follows.
    pub fn finish(self, memory: &mut Memory, tally: &mut Tally, out: &mut Vec<u8>) {
        let mut work = Work { masker: &self.masker, scope: &self.scope, memory, tally, out };
        match self.framed {
            Framed::Text(mut text) => text.finish(&mut work),
        }
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
