//! Whether a recording is what a session's events commit to (design part 3, "Event").
//!
//! Every payload an event names must be in its place, of the event's own operation, and as it was. The parts of a
//! streamed result have no event each: the outcome's `chunks` is SHA-256 over the commitments of all parts of its
//! intent in order, which is computed again here. Where sizes only are kept it cannot be, so the sizes must add up.
//! Refused: a frame elsewhere than its event says, parts that are missing, swapped or from another operation.
//! Frames that no event commits to yet (an operation that still runs, or was cut off by a crash) do not matter.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Frame, PayloadName, commitment};

/// Whether every payload that `events` (index and leaf) commit to is in the recording as it was.
pub(crate) fn is_as_committed(events: &[(u64, Vec<u8>)], frames: &[Frame]) -> bool {
    let mut by_place = BTreeMap::new();
    let mut parts: BTreeMap<u64, Vec<&Frame>> = BTreeMap::new();
    for frame in frames {
        by_place.insert(frame.at, frame);
        if frame.name == PayloadName::Chunk {
            parts.entry(frame.seq).or_default().push(frame);
        }
    }
    events.iter().all(|(_, leaf)| {
        let Ok(event) = serde_json::from_slice::<Value>(leaf) else { return false };
        let Some(payloads) = event.get("payloads").and_then(Value::as_array) else { return true };
        let found: Option<Vec<&Frame>> = payloads.iter().map(|payload| found(payload, &event, &by_place)).collect();
        found.is_some_and(|found| match found.iter().find(|frame| frame.name == PayloadName::Chunks) {
            Some(chunks) => {
                let intent = event.pointer("/operation/intent").and_then(Value::as_u64);
                let parts = intent.and_then(|intent| parts.get(&intent)).map(Vec::as_slice).unwrap_or_default();
                are_all_parts(&event, &found, chunks, parts)
            }
            None => true,
        })
    })
}

/// The frame of a payload that an event names, when it is what the event says.
fn found<'a>(payload: &Value, event: &Value, by_place: &BTreeMap<[u64; 3], &'a Frame>) -> Option<&'a Frame> {
    let at = payload.get("at")?;
    let part = |index: usize| at.get(index).and_then(Value::as_u64);
    let frame = *by_place.get(&[part(0)?, part(1)?, part(2)?])?;
    let is_its_own = event.get("seq")?.as_u64()? == frame.seq
        && payload.get("name")?.as_str()? == frame.name.name()
        && payload.get("bytes")?.as_u64()? == frame.bytes;
    let is_as_it_was = match own_commitment(frame) {
        Some(commitment) => payload.get("commitment")?.as_str()? == STANDARD.encode(commitment),
        None => true,
    };
    (is_its_own && is_as_it_was).then_some(frame)
}

/// Whether these are the parts that an outcome commits to.
fn are_all_parts(event: &Value, found: &[&Frame], chunks: &Frame, parts: &[&Frame]) -> bool {
    // The last message has a frame among those found; `chunks` itself did not pass.
    let others = found.iter().filter(|frame| frame.name != PayloadName::Chunks);
    let passed = parts.iter().chain(others).fold(0_u64, |sum, frame| sum.saturating_add(frame.bytes));
    let adds_up = event.pointer("/outcome/bytes").and_then(Value::as_u64) == Some(passed);
    let commitments: Option<Vec<[u8; 32]>> = parts.iter().map(|frame| own_commitment(frame)).collect();
    let is_same = commitments.is_none_or(|commitments| {
        let expected = digest::digest(&digest::SHA256, &commitments.concat());
        chunks.payload.as_deref() == Some(expected.as_ref())
    });
    !parts.is_empty() && adds_up && is_same
}

/// The commitment to a frame's payload; none when only its size is kept.
fn own_commitment(frame: &Frame) -> Option<[u8; 32]> {
    frame.payload.as_deref().map(|payload| commitment(&frame.salt, frame.name.name(), payload))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vidimus_core::Timestamp;

    use super::*;

    fn frame(seq: u64, name: PayloadName, offset: u64, payload: &[u8]) -> Frame {
        Frame {
            seq,
            time: Timestamp::from_seconds(1),
            name,
            salt: [u8::try_from(offset).unwrap_or(0); 32],
            bytes: payload.len() as u64,
            payload: Some(payload.to_vec()),
            at: [0, offset, 1],
        }
    }

    fn payload(frame: &Frame) -> Value {
        let kept = own_commitment(frame).map(|commitment| STANDARD.encode(commitment));
        json!({ "at": frame.at, "bytes": frame.bytes, "commitment": kept, "name": frame.name.name() })
    }

    /// Two streamed calls, of three parts and of one, and their events.
    fn recorded() -> (Vec<(u64, Vec<u8>)>, Vec<Frame>) {
        let mut frames = vec![frame(1, PayloadName::Request, 1, b"call")];
        frames.extend(
            (2..).zip(["one", "two", "six"]).map(|(at, text)| frame(1, PayloadName::Chunk, at, text.as_bytes())),
        );
        frames.push(frame(2, PayloadName::Chunk, 5, b"ten"));
        let sums = |frames: &[Frame]| {
            let commitments: Vec<_> = frames.iter().filter_map(own_commitment).collect();
            digest::digest(&digest::SHA256, &commitments.concat())
        };
        let (first, second) = (sums(&frames[1..4]), sums(&frames[4..5]));
        frames.push(frame(3, PayloadName::Chunks, 6, first.as_ref()));
        frames.push(frame(3, PayloadName::Response, 7, b"last"));
        frames.push(frame(4, PayloadName::Chunks, 8, second.as_ref()));
        let events = [
            json!({ "seq": 0 }),
            json!({ "seq": 1, "payloads": [payload(&frames[0])] }),
            json!({ "seq": 3, "operation": { "intent": 1 }, "outcome": { "bytes": 13 },
                "payloads": [payload(&frames[5]), payload(&frames[6])] }),
            json!({ "seq": 4, "operation": { "intent": 2 }, "outcome": { "bytes": 3 },
                "payloads": [payload(&frames[7])] }),
        ];
        (events.iter().map(|event| (0, event.to_string().into_bytes())).collect(), frames)
    }

    /// Whether the recording still holds after `change`.
    fn holds(change: impl FnOnce(&mut Vec<Frame>)) -> bool {
        let (events, mut frames) = recorded();
        change(&mut frames);
        is_as_committed(&events, &frames)
    }

    #[test]
    fn what_was_recorded_holds() {
        assert!(holds(|_| {}));
        // A call that still runs: no event commits to its parts yet.
        assert!(holds(|frames| frames.push(frame(9, PayloadName::Chunk, 9, b"new"))));
    }

    #[test]
    fn parts_that_are_swapped_copied_moved_or_missing_are_noticed() {
        assert!(!holds(|frames| frames.swap(1, 2)), "swapped");
        assert!(!holds(|frames| frames[2] = frame(1, PayloadName::Chunk, 2, b"one")), "copied");
        assert!(!holds(|frames| drop(frames.remove(2))), "missing");
        assert!(!holds(|frames| frames.truncate(4)), "all that follows missing");
        assert!(!holds(|frames| frames[4].seq = 1), "from another operation");
        assert!(!holds(|frames| frames[1].payload = Some(b"One".to_vec())), "altered");
        assert!(!holds(|frames| frames.push(frame(1, PayloadName::Chunk, 9, b""))), "one too many");
    }

    #[test]
    fn a_frame_is_what_its_event_says() {
        assert!(!holds(|frames| frames[0].payload = Some(b"Call".to_vec())), "altered");
        assert!(!holds(|frames| frames[0].seq = 2), "of another event");
        assert!(!holds(|frames| frames[6].name = PayloadName::Request), "under another name");
        assert!(!holds(|frames| frames[6].at = [0, 9, 1]), "elsewhere");
    }

    #[test]
    fn sizes_alone_must_add_up() {
        let only_sizes = |frames: &mut Vec<Frame>| {
            frames.iter_mut().filter(|frame| frame.name != PayloadName::Chunks).for_each(|frame| frame.payload = None);
        };
        assert!(holds(only_sizes));
        assert!(!holds(|frames| {
            only_sizes(frames);
            frames.remove(2);
        }));
    }
}
