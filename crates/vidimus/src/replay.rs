//! What a session asked and got: payloads as they are, and statements of databases with their results as tables.
//!
//! What was recorded came from callers and targets: everything is escaped before it reaches the terminal.

mod cell;
mod frame;
mod statements;
mod table;

use std::io::{self, Write};

use crate::api::Recording;

/// Shows what a recording holds, in order.
pub(crate) fn write(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    if recording.frames.is_empty() {
        writeln!(out, "nothing was recorded")?;
    }
    if recording.session.protocol.as_deref() == Some("postgres") {
        return statements::write(recording, out);
    }
    recording.frames.iter().try_for_each(|frame| frame::write(frame, out))
}
