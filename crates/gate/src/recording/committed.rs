//! Whether a recording is what a session's events commit to (design part 3, "Event").
//!
//! Frames stand in a recording in the order of the events that commit to them, so both are followed side by side. Every
//! payload an event names must be in its place, of the event's own operation, and as it was. The parts of a streamed
//! result have no event each: the outcome's `chunks` is SHA-256 over the commitments of all parts of its intent in order,
//! which is computed again here. Where sizes only are kept it cannot be, so the sizes must add up. Refused: a frame
//! elsewhere than its event says; parts that are missing, swapped, from another operation, or of one that has ended.
//! Frames that no event commits to yet (an operation that still runs, or was cut off by a crash) do not matter.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use vidimus_log::commitment;

use super::{Frame, PayloadName};

/// The most operations of one recording whose parts are followed at once; parts of further ones do not match.
const MAX_OPEN_INTENTS: usize = 1 << 16;

/// What an event says of payloads.
#[derive(Debug)]
pub(crate) struct Commits {
    kind: Kind,
    seq: u64,
    payloads: Vec<Committed>,
}

/// What an event does to its operation.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Admits,
    Ends { intent: u64, bytes: Option<u64>, is_unknown: bool },
    Other,
}

/// A payload as its event names it.
#[derive(Debug)]
struct Committed {
    at: [u64; 3],
    bytes: u64,
    commitment: String,
    name: String,
}

/// A frame as far as it can be seen: without the key, only what stands in the clear.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) at: [u64; 3],
    pub(crate) seq: u64,
    pub(crate) name: PayloadName,
    /// Bytes of the payload; none when they are sealed.
    pub(crate) bytes: Option<u64>,
    /// The commitment to the payload; none when it is sealed, or only its size is kept.
    pub(crate) commitment: Option<[u8; 32]>,
    /// What a frame of `chunks` holds; none when it is sealed.
    pub(crate) chunks: Option<[u8; 32]>,
}

/// Where a recording is not what its events commit to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) segment: u64,
    pub(crate) expected: String,
    pub(crate) found: String,
}

/// Follows a session's events and its recording side by side.
#[derive(Default)]
pub(crate) struct Follower {
    /// Operations whose parts are not committed to yet, by the `seq` of their intent.
    parts: BTreeMap<u64, Parts>,
    /// The `seq` of the latest event.
    latest: u64,
}

/// The parts of a streamed result so far.
struct Parts {
    count: u64,
    /// None when a size is sealed.
    bytes: Option<u64>,
    /// Over the commitments; none when one cannot be computed.
    commitments: Option<digest::Context>,
}

/// Whether every payload that `events` (index and leaf) commit to is in the recording as it was.
pub(crate) fn is_as_committed(events: &[(u64, Vec<u8>)], frames: &[Frame]) -> bool {
    let mut follower = Follower::default();
    let mut frames = frames.iter().map(Seen::from);
    let are_there = events.iter().all(|(_, leaf)| {
        let event = serde_json::from_slice::<Value>(leaf).ok();
        let Some(event) = event.as_ref().and_then(Commits::read) else { return false };
        follower.event(&event, &mut || Ok(frames.next())).is_ok()
    });
    are_there && frames.all(|frame| follower.pass(&frame).is_ok())
}

impl Commits {
    /// Reads it from an event; none when it is no event of this version.
    pub(crate) fn read(event: &Value) -> Option<Self> {
        let kind = match event.get("type")?.as_str()? {
            "operation.admitted" => Kind::Admits,
            "operation.outcome" => Kind::Ends {
                intent: event.pointer("/operation/intent")?.as_u64()?,
                bytes: event.pointer("/outcome/bytes").and_then(Value::as_u64),
                is_unknown: event.pointer("/outcome/status").and_then(Value::as_str) == Some("unknown"),
            },
            _ => Kind::Other,
        };
        let payloads = match event.get("payloads") {
            Some(payloads) => payloads.as_array()?.iter().map(Committed::read).collect::<Option<_>>()?,
            None => Vec::new(),
        };
        Some(Self { kind, seq: event.get("seq")?.as_u64()?, payloads })
    }

    /// The event's number in its session.
    pub(crate) const fn seq(&self) -> u64 {
        self.seq
    }

    /// How many payloads it names.
    pub(crate) const fn count(&self) -> u64 {
        self.payloads.len() as u64
    }

    /// Segment and end of the last payload it names.
    pub(crate) fn end(&self) -> Option<(u64, u64)> {
        self.payloads
            .last()
            .map(|Committed { at: [segment, offset, length], .. }| (*segment, offset.saturating_add(*length)))
    }
}

impl Committed {
    fn read(payload: &Value) -> Option<Self> {
        let at = payload.get("at")?.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<_>>>()?;
        let text = |key| Some(payload.get(key)?.as_str()?.to_owned());
        Some(Self {
            at: at.try_into().ok()?,
            bytes: payload.get("bytes")?.as_u64()?,
            commitment: text("commitment")?,
            name: text("name")?,
        })
    }

    fn problem(&self, found: impl Into<String>) -> Problem {
        let [segment, offset, length] = self.at;
        let expected = format!("the {} of {} bytes in the {length} bytes at byte {offset}", self.name, self.bytes);
        Problem { segment, expected, found: found.into() }
    }

    /// Compares the frame that stands in its place.
    fn compare(&self, seq: u64, frame: &Seen) -> Result<(), Problem> {
        if frame.at != self.at {
            Err(self.problem(format!("{} bytes there", frame.at[2])))
        } else if frame.name.name() != self.name {
            Err(self.problem(format!("a {}", frame.name.name())))
        } else if frame.seq != seq {
            Err(self.problem(format!("that of event {}", frame.seq)))
        } else if let Some(bytes) = frame.bytes.filter(|bytes| *bytes != self.bytes) {
            Err(self.problem(format!("{bytes} bytes")))
        } else if frame.commitment.is_some_and(|own| STANDARD.encode(own) != self.commitment) {
            Err(self.problem("other content than was committed to"))
        } else {
            Ok(())
        }
    }
}

impl Follower {
    /// Goes on to the payloads that an event names, and compares them. `next` gives the recording's next frame.
    pub(crate) fn event(
        &mut self,
        event: &Commits,
        next: &mut dyn FnMut() -> Result<Option<Seen>, Problem>,
    ) -> Result<(), Problem> {
        self.latest = event.seq;
        if matches!(event.kind, Kind::Admits) && self.parts.len() < MAX_OPEN_INTENTS {
            self.parts.insert(event.seq, Parts::default());
        }
        let followed = self.payloads(event, next);
        // An operation that a crash cut off has parts that its outcome does not commit to, and that come later here.
        if let Kind::Ends { intent, is_unknown: false, .. } = event.kind {
            self.parts.remove(&intent);
            if self.parts.is_empty() {
                // An empty map keeps its last node: a kilobyte for each session that is open and idle.
                self.parts = BTreeMap::new();
            }
        }
        followed
    }

    fn payloads(
        &mut self,
        event: &Commits,
        next: &mut dyn FnMut() -> Result<Option<Seen>, Problem>,
    ) -> Result<(), Problem> {
        let (mut chunks, mut others) = (None, Some(0_u64));
        for payload in &event.payloads {
            let frame = loop {
                let frame = next()?.ok_or_else(|| payload.problem("the end of the recording before it"))?;
                if frame.at[..2] >= payload.at[..2] {
                    break frame;
                }
                self.pass(&frame)?;
            };
            payload.compare(event.seq, &frame)?;
            if frame.name == PayloadName::Chunks {
                chunks = Some((payload, frame));
            } else {
                // The last message has a frame of its own; `chunks` itself did not pass.
                others = sum(others, frame.bytes);
            }
        }
        match (chunks, event.kind) {
            (Some((payload, frame)), Kind::Ends { intent, bytes, .. }) => match self.parts.get(&intent) {
                Some(parts) => parts.compare(&frame, others, bytes).map_err(|found| payload.problem(found)),
                None => Err(payload.problem("no operation that is open")),
            },
            (Some((payload, _)), _) => Err(payload.problem("no outcome")),
            (None, _) => Ok(()),
        }
    }

    /// Takes a frame that is not among the payloads of an event: a part of a result, or one of an event to come.
    pub(crate) fn pass(&mut self, frame: &Seen) -> Result<(), Problem> {
        if frame.name != PayloadName::Chunk {
            return Ok(());
        }
        match self.parts.get_mut(&frame.seq) {
            Some(parts) => {
                parts.count += 1;
                parts.bytes = sum(parts.bytes, frame.bytes);
                match (&mut parts.commitments, frame.commitment) {
                    (Some(context), Some(commitment)) => context.update(&commitment),
                    (commitments, _) => *commitments = None,
                }
                Ok(())
            }
            None if frame.seq > self.latest => Ok(()),
            None => {
                let [segment, offset, _] = frame.at;
                let found = format!("one of operation {}, which has ended or never was", frame.seq);
                let expected = format!("a part of an operation that is open at byte {offset}");
                Err(Problem { segment, expected, found })
            }
        }
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self { count: 0, bytes: Some(0), commitments: Some(digest::Context::new(&digest::SHA256)) }
    }
}

impl Parts {
    /// Whether these are the parts that an outcome commits to with the frame `chunks`; else what was found.
    fn compare(&self, chunks: &Seen, others: Option<u64>, passed: Option<u64>) -> Result<(), &'static str> {
        if self.count == 0 {
            return Err("no parts");
        }
        if sum(self.bytes, others).is_some_and(|sum| passed != Some(sum)) {
            return Err("parts whose sizes do not add up to the result's");
        }
        match (&self.commitments, chunks.chunks) {
            (Some(parts), Some(chunks)) if parts.clone().finish().as_ref() != chunks => {
                Err("other parts than were committed to, or in another order")
            }
            _ => Ok(()),
        }
    }
}

impl From<&Frame> for Seen {
    fn from(frame: &Frame) -> Self {
        let payload = frame.payload.as_deref();
        Self {
            at: frame.at,
            seq: frame.seq,
            name: frame.name,
            bytes: Some(frame.bytes),
            commitment: payload.map(|payload| commitment(&frame.salt, frame.name.name(), payload)),
            chunks: payload.filter(|_| frame.name == PayloadName::Chunks).and_then(|payload| payload.try_into().ok()),
        }
    }
}

fn sum(left: Option<u64>, right: Option<u64>) -> Option<u64> {
    Some(left?.saturating_add(right?))
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

    fn own_commitment(frame: &Frame) -> Option<[u8; 32]> {
        Seen::from(frame).commitment
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
            json!({ "type": "session.opened", "seq": 0 }),
            json!({ "type": "operation.admitted", "seq": 1, "payloads": [payload(&frames[0])] }),
            json!({ "type": "operation.admitted", "seq": 2 }),
            json!({ "type": "operation.outcome", "seq": 3, "operation": { "intent": 1 }, "outcome": { "bytes": 13 },
                "payloads": [payload(&frames[5]), payload(&frames[6])] }),
            json!({ "type": "operation.outcome", "seq": 4, "operation": { "intent": 2 }, "outcome": { "bytes": 3 },
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
    fn parts_of_an_operation_that_a_crash_cut_off_are_no_payloads_of_another() {
        let (mut events, mut frames) = recorded();
        events.push((0, json!({ "type": "operation.admitted", "seq": 5 }).to_string().into_bytes()));
        frames.push(frame(5, PayloadName::Chunk, 9, b"lost"));
        let ended = |status: &str| {
            let (operation, outcome) = (json!({ "intent": 5 }), json!({ "bytes": 0, "status": status }));
            let event = json!({ "type": "operation.outcome", "seq": 6, "operation": operation, "outcome": outcome });
            let all: Vec<_> = events.iter().cloned().chain([(0, event.to_string().into_bytes())]).collect();
            is_as_committed(&all, &frames)
        };
        assert!(ended("unknown"));
        assert!(!ended("ok"), "its outcome must commit to them");
    }

    #[test]
    fn what_is_no_event_commits_to_nothing_that_holds() {
        let (events, frames) = recorded();
        for bad in [
            json!({ "seq": 5 }),
            json!({ "type": "operation.outcome", "seq": 5 }),
            json!({ "type": "operation.denied", "seq": 5, "payloads": 1 }),
            json!({ "type": "operation.denied", "seq": 5, "payloads": [{ "at": [0, 1], "bytes": 1, "commitment": "", "name": "" }] }),
            json!({ "type": "operation.denied", "seq": 5, "payloads": [payload(&frames[7])] }),
        ] {
            let all: Vec<_> = events.iter().cloned().chain([(0, bad.to_string().into_bytes())]).collect();
            assert!(!is_as_committed(&all, &frames), "{bad}");
        }
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
