//! A stream of server-sent events: however it is cut, the events are the same; what is made flat stays one line.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vidimus_mcp::sse::{AFTER, BEFORE, Decoder, Event, SseError, flatten};

const MAX_EVENT_BYTES: usize = 1 << 10;

fuzz_target!(|data: &[u8]| {
    let Some((cut, stream)) = data.split_first() else { return };
    let whole = read(std::iter::once(stream));
    assert_eq!(read(stream.chunks(usize::from(*cut).max(1))), whole, "cut into pieces");
    assert_eq!(read(stream.chunks(1)), whole, "byte by byte");
    for event in &whole.0 {
        assert!(event.data.len() <= MAX_EVENT_BYTES);
    }

    // One message, one event, whatever it holds.
    let message = flatten(&Bytes::copy_from_slice(stream));
    assert_eq!(message.len(), stream.len());
    if message.len() <= MAX_EVENT_BYTES - BEFORE.len() {
        let (events, failed) = read(std::iter::once([BEFORE, &message, AFTER].concat().as_slice()));
        assert_eq!(failed, None);
        assert!(matches!(events.as_slice(), [event] if event.data == message && event.name == "message"));
    }
});

/// The events of a stream, and what it broke off with. An error is told after the events before it.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<SseError>) {
    let mut decoder = Decoder::new(MAX_EVENT_BYTES);
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(error) = decoder.push(piece, &mut events) {
            return (events, Some(error));
        }
    }
    let failed = decoder.push(b"", &mut events).err();
    (events, failed)
}
