//! One text of any length, masked as it comes.
//!
//! What is certain is written before more is waited for. What may still become part of a value is held back until more
//! comes or the input ends, so a prompt without a line break shows after a moment, and a half-written number does not.

use std::io::{Read, Stdin, Write};

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vidimus_mask::{Framing, Masker, Memory, StreamScope, Tally};

use super::BUFFER;

/// Nanoseconds without input after which what is certain is written.
const IDLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Masks standard input.
pub(super) fn mask(masker: &Masker, input: &Stdin, out: &mut impl Write, tally: &mut Tally) -> anyhow::Result<()> {
    let mut memory = Memory::default();
    let mut stream = masker.stream(Framing::Auto, StreamScope::default());
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

/// Whether nothing comes for a moment. A failing poll is none: the read after it tells what is wrong.
fn is_quiet(input: &Stdin) -> bool {
    poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&IDLE)) == Ok(0)
}
