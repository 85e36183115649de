//! One text of any length, masked as it comes.
//!
//! What is certain is written before more is waited for. What may still become part of a value is held back until more
//! comes or the input ends, so a prompt without a line break shows after a moment, and a half-written number does not.

use std::io::{Read, Stdin, Write};

use anyhow::Context as _;
use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vidimus_mask::{ClassSet, Form, Framing, Masker, Memory, Scope, StreamScope, Tally};

use super::{BUFFER, InputError};

/// Nanoseconds without input after which what is certain is written.
const IDLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Bytes of a document that is masked as a whole.
const MAX_DOCUMENT: u64 = 256 << 20;

/// Masks standard input as it comes.
pub(super) fn mask(
    masker: &Masker,
    framing: Framing,
    input: &Stdin,
    out: &mut impl Write,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut memory = Memory::default();
    let mut stream = masker.stream(framing, StreamScope::default());
    let (mut piece, mut masked) = (vec![0; BUFFER], Vec::new());
    let mut from = input.lock();
    loop {
        if stream.pending() > 0 && is_quiet(input) {
            stream.idle(&mut memory, tally, &mut masked)?;
            out.write_all(&masked)?;
            out.flush()?;
            masked.clear();
        }
        let length = match from.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.context("standard input cannot be read")?,
        };
        if length == 0 {
            break;
        }
        stream.push(piece.get(..length).unwrap_or_default(), &mut memory, tally, &mut masked)?;
        out.write_all(&masked)?;
        masked.clear();
        if length < BUFFER {
            out.flush()?;
        }
    }
    stream.finish(&mut memory, tally, &mut masked)?;
    Ok(out.write_all(&masked)?)
}

/// Masks standard input as one JSON document.
pub(super) fn document(masker: &Masker, input: &Stdin, out: &mut impl Write, tally: &mut Tally) -> anyhow::Result<()> {
    let mut document = Vec::new();
    let read =
        input.lock().take(MAX_DOCUMENT + 1).read_to_end(&mut document).context("standard input cannot be read")?;
    if u64::try_from(read).map_or(true, |read| read > MAX_DOCUMENT) {
        return Err(InputError::TooLarge.into());
    }
    let document = Bytes::from(document);
    let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
    let masked = masker.payload(&document, Form::Json, &scope, &mut Memory::default(), tally)?;
    Ok(out.write_all(&masked.unwrap_or(document))?)
}

/// Whether nothing comes for a moment. A failing poll is none: the read after it tells what is wrong.
fn is_quiet(input: &Stdin) -> bool {
    poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&IDLE)) == Ok(0)
}
