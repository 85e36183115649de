//! One payload of a recording, as it is.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::api::{Direction, FrameBody, RecordingFrame};
use crate::output::{self, printable, printable_lines, to_milliseconds};

/// Bytes of a payload shown in hexadecimal when it is no text.
const MAX_HEX_BYTES: usize = 256;

/// Shows a payload; JSON on many lines.
pub(super) fn write(frame: &RecordingFrame, out: &mut impl Write) -> io::Result<()> {
    write_head(frame, out)?;
    let body = match &frame.body {
        None => "not kept: the target records sizes only".to_owned(),
        Some(FrameBody::Text(text)) => output::indented(text).unwrap_or_else(|| text.clone()),
        Some(FrameBody::Base64(encoded)) => hex(&STANDARD.decode(encoded).unwrap_or_default()),
    };
    for line in printable_lines(&body).lines() {
        writeln!(out, "    {line}")?;
    }
    writeln!(out)
}

/// Its direction, when it passed, the event it belongs to, what it was part of, and its size.
pub(super) fn write_head(frame: &RecordingFrame, out: &mut impl Write) -> io::Result<()> {
    let direction = match frame.direction {
        Direction::Request => "-->",
        Direction::Rewritten => "==>",
        Direction::Response => "<--",
        Direction::Chunk => "<..",
        Direction::Log => "log",
    };
    let operation = frame.operation.as_deref().unwrap_or("");
    let head =
        format!("{direction} {} #{} {operation} ({} bytes)", to_milliseconds(&frame.time), frame.seq, frame.bytes);
    writeln!(out, "{}", printable(&head))
}

fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(MAX_HEX_BYTES).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    if bytes.len() > MAX_HEX_BYTES { format!("{shown}…") } else { shown }
}
