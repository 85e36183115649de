//! A log of a session, masked for the record as it arrives: what may still become part of a value waits for what follows.
//!
//! A key over several lines is found whatever pieces it comes in. After an error nothing more comes out. It works on a
//! thread of its own, because the session's memory may be in use by a large payload; dropped while it works, it is gone.

use std::sync::{Arc, PoisonError};

use vidimus_core::event::Masking as Found;
use vidimus_mask::{Framing, MaskError, Masker, Stream, StreamScope, Tally};

use super::{Masking, SessionMemory, Unmaskable, failed, with_memory};

/// Lines that arrive in pieces.
pub(crate) struct MaskedLines {
    stream: Stream<Arc<Masker>>,
    masking: Masking,
    memory: SessionMemory,
}

/// What is certain of lines that arrived.
pub(crate) struct Certain {
    /// What takes the next ones.
    pub(crate) rest: Option<MaskedLines>,
    pub(crate) text: Vec<u8>,
    pub(crate) found: Found,
}

impl MaskedLines {
    pub(crate) fn new(masking: &Masking, memory: &SessionMemory) -> Self {
        let stream = Stream::new(Arc::clone(&masking.0), Framing::Lines, StreamScope::default());
        Self { stream, masking: masking.clone(), memory: memory.clone() }
    }

    /// Takes the next lines; when they are the last, all of them are certain.
    pub(crate) async fn push(self, lines: Vec<u8>, is_last: bool) -> Result<Certain, Unmaskable> {
        let pushed = tokio::task::spawn_blocking(move || self.pushed(&lines, is_last)).await;
        pushed.map_err(|error| failed(&error))?.map_err(|error| Unmaskable::Failed(error.to_string()))
    }

    fn pushed(self, lines: &[u8], is_last: bool) -> Result<Certain, MaskError> {
        let Self { mut stream, masking, memory } = self;
        let (mut tally, mut text) = (Tally::default(), Vec::new());
        let mut held = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = with_memory(&mut held, |held| {
            stream.push(lines, held, &mut tally, &mut text)?;
            if is_last {
                stream.finish(held, &mut tally, &mut text)?;
                return Ok(None);
            }
            stream.idle(held, &mut tally, &mut text)?;
            Ok(Some(stream))
        })?;
        drop(held);
        let found = Found { masked: masking.named(tally.masked.iter()), ..Found::default() };
        Ok(Certain { rest: rest.map(|stream| Self { stream, masking, memory }), text, found })
    }
}
