//! Recordings: the payloads of a session, sealed under a key of its own, committed to by its events.
//!
//! A recording is a sequence of frames (design part 3). The first holds the session's key, wrapped by the
//! key-encryption key; every further one is `header ‖ AES-256-GCM(salt ‖ payload)`, or, when sizes only are kept, has
//! the payload's length (64 bits, big-endian) in its place. The nonce is the frame's number, which is never used twice
//! under a key because a session has one writer and never outlives its process. The header is authenticated, with the
//! session, so a frame can be neither altered, moved nor given to another session.
//!
//! What is recorded is masked. Where other bytes were sent or delivered, the event commits to those too, with a salt that
//! only the key-encryption key makes of the frame's: whoever may read a recording cannot guess what was masked in it.
//!
//! Whoever holds the salt of a commitment (`vidimus_log::commitment`) can prove what the bytes were, who does not cannot
//! guess them.

mod committed;
mod frames;
mod verify;

use std::sync::Arc;

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vidimus_core::event::Payload;
use vidimus_core::{Record, SessionId, Timestamp};
use vidimus_log::{SALT_BYTES, commitment};

pub(crate) use self::committed::is_as_committed;
pub(crate) use self::frames::Frames;
pub(crate) use self::verify::Fate;
pub use self::verify::{Checked, ErasedRecording, RecordingVerifier};
use crate::keys::{self, KEY_BYTES, KeyEncryptionKey, KeyError, Secret, WRAPPING_BYTES};

/// The first bytes of a recording.
const MAGIC: &[u8; 8] = b"VIDIREC1";

/// The associated data of a session's wrapped key, before the session's id.
const KEY_PURPOSE: &[u8] = b"vidimus.recording-key/1 ";

/// Bytes of the frame that opens a recording.
pub(crate) const OPENING_BYTES: usize = MAGIC.len() + KEY_BYTES + WRAPPING_BYTES;

/// Bytes of a frame's header: length (4), number (8), event `seq` (8), time (8), name (1), whole (1).
const HEADER_BYTES: usize = 30;

/// Bytes of an authentication tag.
const TAG_BYTES: usize = 16;

/// A recording goes on in a new segment past this size.
const SEGMENT_BYTES: u64 = 256 << 20;

/// Which payload of an operation a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadName {
    /// What the caller sent.
    Request,
    /// What was sent instead, where policies had it rewritten.
    Rewritten,
    /// What the caller got, whole or last.
    Response,
    /// One part of a streamed result.
    Chunk,
    /// SHA-256 over the commitments to all chunks, in order.
    Chunks,
    /// What a program wrote to its standard error.
    Log,
}

impl PayloadName {
    /// The word in events and commitments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Rewritten => "rewritten",
            Self::Response => "response",
            Self::Chunk => "chunk",
            Self::Chunks => "chunks",
            Self::Log => "log",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Response => 2,
            Self::Chunk => 3,
            Self::Chunks => 4,
            Self::Log => 5,
            Self::Rewritten => 6,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Request),
            2 => Some(Self::Response),
            3 => Some(Self::Chunk),
            4 => Some(Self::Chunks),
            5 => Some(Self::Log),
            6 => Some(Self::Rewritten),
            _ => None,
        }
    }
}

/// The writing side of one session's recording: seals frames and keeps their places.
#[derive(Debug)]
pub(crate) struct Writer {
    session: SessionId,
    record: Record,
    key: LessSafeKey,
    wrapping: Arc<KeyEncryptionKey>,
    number: u64,
    segment: u32,
    offset: u64,
}

/// A payload to be recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) name: PayloadName,
    /// Masked.
    pub(crate) recorded: &'a [u8],
    /// What was sent or delivered.
    pub(crate) passed: &'a [u8],
}

/// A sealed frame and where it goes.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// The frame.
    pub(crate) bytes: Vec<u8>,
    /// The segment of the recording.
    pub(crate) segment: u32,
    /// The place in the segment.
    pub(crate) offset: u64,
    /// The raw commitment.
    pub(crate) commitment: [u8; 32],
    /// The same to what passed, if it is something else.
    pub(crate) delivered: Option<[u8; 32]>,
    /// What the event says of it.
    pub(crate) payload: Payload,
}

impl Writer {
    /// A new recording and its first frame, which goes to segment 0, offset 0.
    pub(crate) fn open(
        session: SessionId,
        record: Record,
        wrapping: &Arc<KeyEncryptionKey>,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        let secret = Secret::random()?;
        let mut opening = MAGIC.to_vec();
        opening.append(&mut wrapping.wrap(&secret, &key_purpose(session))?);
        let key = keys::cipher(&secret)?;
        let (wrapping, offset) = (Arc::clone(wrapping), OPENING_BYTES as u64);
        Ok((Self { session, record, key, wrapping, number: 0, segment: 0, offset }, opening))
    }

    /// Seals one payload of the operation whose event has number `seq`. The place is taken by [`Self::advance`].
    pub(crate) fn seal(&mut self, seq: u64, time: Timestamp, part: Part<'_>) -> Result<Sealed, KeyError> {
        let Part { name, recorded: payload, passed } = part;
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| KeyError::Random)?;
        let commitment = commitment(&salt, name.name(), payload);
        let delivered = (passed != payload).then(|| {
            let salt = self.wrapping.delivery_salt(&salt);
            vidimus_log::commitment(&salt, name.name(), passed)
        });
        let size = (payload.len() as u64).to_be_bytes();
        let (kept, is_whole): (&[u8], bool) = match (self.record, name) {
            (Record::Masked, _) | (_, PayloadName::Chunks) => (payload, true),
            (Record::Sizes, _) => (&size, false),
        };
        let length = HEADER_BYTES + SALT_BYTES + kept.len() + TAG_BYTES;
        let number = self.number;
        // Taken at once: a number that failed to be written is not used again.
        self.number += 1;
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&u32::try_from(length).map_err(|_| KeyError::Random)?.to_be_bytes());
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&seq.to_be_bytes());
        bytes.extend_from_slice(&time.nanoseconds().to_be_bytes());
        bytes.push(name.code());
        bytes.push(u8::from(is_whole));
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(kept);
        let (header, body) = bytes.split_at_mut(HEADER_BYTES);
        let aad = associated(self.session, header);
        let tag =
            self.key.seal_in_place_separate_tag(nonce(number), Aad::from(&aad), body).map_err(|_| KeyError::Random)?;
        bytes.extend_from_slice(tag.as_ref());
        let payload = Payload {
            name: name.name(),
            commitment: STANDARD.encode(commitment),
            delivered: delivered.map(|delivered| STANDARD.encode(delivered)),
            at: [u64::from(self.segment), self.offset, length as u64],
            bytes: payload.len() as u64,
        };
        Ok(Sealed { bytes, segment: self.segment, offset: self.offset, commitment, delivered, payload })
    }

    /// The payload of a frame that was sealed here; `None` when it is not what was sealed, or only its size was kept.
    pub(crate) fn reopen(&self, mut frame: Vec<u8>, at: [u64; 3]) -> Option<Vec<u8>> {
        open(self.session, &self.key, &mut frame, at)?.1.payload
    }

    /// Segment and offset of the next frame.
    pub(crate) const fn place(&self) -> (u32, u64) {
        (self.segment, self.offset)
    }

    /// Goes back to a place, after what was sealed since was not written.
    pub(crate) const fn return_to(&mut self, (segment, offset): (u32, u64)) {
        self.segment = segment;
        self.offset = offset;
    }

    /// Takes the place of what was sealed.
    pub(crate) fn advance(&mut self, sealed: &Sealed) {
        self.offset = sealed.offset + sealed.bytes.len() as u64;
        if self.offset >= SEGMENT_BYTES {
            self.segment += 1;
            self.offset = 0;
        }
    }
}

/// One frame of a recording, opened.
#[derive(Debug)]
pub struct Frame {
    /// The `seq` of the event it belongs to; for a chunk, of the operation's `operation.admitted`.
    pub seq: u64,
    /// When it was sealed.
    pub time: Timestamp,
    /// Which payload it is.
    pub name: PayloadName,
    /// The salt of its commitment.
    pub salt: [u8; SALT_BYTES],
    /// Bytes of the payload that passed.
    pub bytes: u64,
    /// The payload; `None` when the target keeps sizes only.
    pub payload: Option<Vec<u8>>,
    /// Segment, offset and length.
    pub at: [u64; 3],
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The session's key does not open.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A frame is not what was written.
    #[error("the recording of session {session} is damaged in segment {segment} at byte {offset}: {problem}")]
    Damaged {
        /// The session.
        session: SessionId,
        /// The segment.
        segment: u32,
        /// The byte in the segment.
        offset: u64,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Opens all frames of a recording, given its segments in order; each is let go of when its frames are read.
///
/// The numbers of frames must rise: one may be left out, when its frame could not be written, but none comes back and
/// none comes late, so frames that have been swapped, or put over one another, do not open.
pub(crate) fn read(
    session: SessionId,
    segments: Vec<Vec<u8>>,
    wrapping: &KeyEncryptionKey,
) -> Result<Vec<Frame>, RecordingError> {
    let mut frames = Vec::new();
    let Some(first) = segments.first() else { return Ok(frames) };
    let damaged = |segment: usize, offset: usize, problem| RecordingError::Damaged {
        session,
        segment: u32::try_from(segment).unwrap_or(u32::MAX),
        offset: offset as u64,
        problem,
    };
    let key = session_key(session, wrapped_key(first).map_err(|problem| damaged(0, 0, problem))?, wrapping)?;
    let mut least_number = 0;
    for (index, mut segment) in segments.into_iter().enumerate() {
        let mut offset = if index == 0 { OPENING_BYTES } else { 0 };
        while let Some(rest) = segment.get_mut(offset..).filter(|rest| !rest.is_empty()) {
            let length = rest.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes) as usize);
            let frame = rest.get_mut(..length).ok_or(damaged(index, offset, "a frame is cut short"))?;
            let at = [index as u64, offset as u64, length as u64];
            let (number, frame) =
                open(session, &key, frame, at).ok_or(damaged(index, offset, "a frame does not open"))?;
            if number < least_number {
                return Err(damaged(index, offset, "a frame is not in its place"));
            }
            least_number = number.saturating_add(1);
            frames.push(frame);
            offset += length;
        }
    }
    Ok(frames)
}

/// The wrapped key in the frame that opens a recording, or what is wrong with that frame.
fn wrapped_key(opening: &[u8]) -> Result<&[u8], &'static str> {
    let (magic, rest) = opening.split_first_chunk::<8>().ok_or("too short")?;
    if magic != MAGIC {
        return Err("not a recording");
    }
    rest.get(..KEY_BYTES + WRAPPING_BYTES).ok_or("too short")
}

fn session_key(session: SessionId, wrapped: &[u8], wrapping: &KeyEncryptionKey) -> Result<LessSafeKey, KeyError> {
    keys::cipher(&wrapping.unwrap(wrapped, &key_purpose(session), &format!("recording of {session}"))?)
}

/// What a frame says of itself in the clear; authentic once the frame has opened.
struct Header {
    length: u32,
    number: u64,
    seq: u64,
    time: Timestamp,
    name: PayloadName,
    is_whole: bool,
}

impl Header {
    fn parse(header: &[u8]) -> Option<Self> {
        let (length, fields) = header.split_first_chunk::<4>()?;
        let (number, fields) = fields.split_first_chunk::<8>()?;
        let (seq, fields) = fields.split_first_chunk::<8>()?;
        let (time, fields) = fields.split_first_chunk::<8>()?;
        let [name, kept] = fields else { return None };
        Some(Self {
            length: u32::from_be_bytes(*length),
            number: u64::from_be_bytes(*number),
            seq: u64::from_be_bytes(*seq),
            time: Timestamp::from_nanoseconds(u64::from_be_bytes(*time)),
            name: PayloadName::from_code(*name)?,
            is_whole: match kept {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }
}

/// A frame's number and what it holds. What is sealed is opened where it stands.
fn open(session: SessionId, key: &LessSafeKey, frame: &mut [u8], at: [u64; 3]) -> Option<(u64, Frame)> {
    let (header, sealed) = frame.split_at_mut_checked(HEADER_BYTES)?;
    let Header { number, seq, time, name, is_whole, .. } = Header::parse(header)?;
    let aad = associated(session, header);
    let opened = key.open_in_place(nonce(number), Aad::from(&aad), sealed).ok()?;
    let (salt, content) = opened.split_first_chunk::<SALT_BYTES>()?;
    let (bytes, payload) = if is_whole {
        (content.len() as u64, Some(content.to_vec()))
    } else {
        (u64::from_be_bytes((*content).try_into().ok()?), None)
    };
    Some((number, Frame { seq, time, name, salt: *salt, bytes, payload, at }))
}

fn key_purpose(session: SessionId) -> Vec<u8> {
    [KEY_PURPOSE, session.as_bytes()].concat()
}

fn associated(session: SessionId, header: &[u8]) -> Vec<u8> {
    [session.as_bytes().as_slice(), header].concat()
}

/// The frame's number as a nonce: unique under the session's key.
fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    let [_, _, _, _, low @ ..] = &mut nonce;
    *low = number.to_be_bytes();
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(record: Record) -> (SessionId, Arc<KeyEncryptionKey>, Vec<u8>, Vec<Payload>) {
        let session = SessionId::from_bytes([9; 16]);
        let wrapping = Arc::new(KeyEncryptionKey::new(&Secret::new([1; 32])).unwrap());
        let (mut writer, mut segment) = Writer::open(session, record, &wrapping).unwrap();
        let mut payloads = Vec::new();
        for (seq, name, text) in
            [(1, PayloadName::Request, "a request"), (2, PayloadName::Response, ""), (3, PayloadName::Chunk, "part")]
        {
            let sealed = writer.seal(seq, Timestamp::from_seconds(seq), same(name, text)).unwrap();
            assert_eq!(sealed.offset, segment.len() as u64);
            writer.advance(&sealed);
            segment.extend_from_slice(&sealed.bytes);
            payloads.push(sealed.payload);
        }
        (session, wrapping, segment, payloads)
    }

    fn same(name: PayloadName, text: &str) -> Part<'_> {
        Part { name, recorded: text.as_bytes(), passed: text.as_bytes() }
    }

    #[test]
    fn what_was_masked_cannot_be_guessed_with_the_salt_that_a_recording_holds() {
        let session = SessionId::from_bytes([9; 16]);
        let wrapping = Arc::new(KeyEncryptionKey::new(&Secret::new([1; 32])).unwrap());
        let (mut writer, segment) = Writer::open(session, Record::Masked, &wrapping).unwrap();
        let part = Part { name: PayloadName::Request, recorded: b"<US_SSN>", passed: b"078-05-1120" };
        let sealed = writer.seal(1, Timestamp::from_seconds(1), part).unwrap();
        let frames = read(session, vec![[segment, sealed.bytes].concat()], &wrapping).unwrap();
        assert_eq!(frames[0].payload.as_deref(), Some(b"<US_SSN>".as_slice()));
        let delivered = sealed.payload.delivered.unwrap();
        assert_ne!(STANDARD.encode(commitment(&frames[0].salt, "request", b"078-05-1120")), delivered);
        let salt = wrapping.delivery_salt(&frames[0].salt);
        assert_eq!(STANDARD.encode(commitment(&salt, "request", b"078-05-1120")), delivered);
        assert!(
            writer.seal(1, Timestamp::from_seconds(1), same(PayloadName::Request, "x")).unwrap().delivered.is_none()
        );
    }

    #[test]
    fn frames_come_back_and_match_their_commitments() {
        let (session, wrapping, segment, payloads) = written(Record::Masked);
        let frames = read(session, vec![segment], &wrapping).unwrap();
        assert_eq!(frames.len(), 3);
        for (frame, payload) in frames.iter().zip(&payloads) {
            let kept = frame.payload.as_deref().unwrap();
            assert_eq!(STANDARD.encode(commitment(&frame.salt, frame.name.name(), kept)), payload.commitment);
            assert_eq!((frame.at, kept.len() as u64), (payload.at, payload.bytes));
        }
        assert_eq!(frames[0].payload.as_deref(), Some(b"a request".as_slice()));
    }

    #[test]
    fn sizes_only_keeps_salts_and_no_payload() {
        let (session, wrapping, segment, payloads) = written(Record::Sizes);
        let frames = read(session, vec![segment], &wrapping).unwrap();
        assert_eq!((&frames[0].payload, frames[0].bytes), (&None, 9));
        assert_eq!(STANDARD.encode(commitment(&frames[0].salt, "request", b"a request")), payloads[0].commitment);
    }

    #[test]
    fn no_payload_is_readable_in_the_file() {
        let (_, _, segment, _) = written(Record::Masked);
        assert!(!segment.windows(9).any(|window| window == b"a request"));
    }

    #[test]
    fn any_altered_byte_is_noticed() {
        let (session, wrapping, segment, _) = written(Record::Masked);
        for at in 0..segment.len() {
            let mut altered = segment.clone();
            altered[at] ^= 1;
            assert!(read(session, vec![altered], &wrapping).is_err(), "byte {at}");
        }
        for length in 1..segment.len() {
            let cut = read(session, vec![segment[..length].to_vec()], &wrapping);
            // A cut between frames is found by the events that commit to what is missing, not here.
            assert!(cut.is_err() || cut.is_ok_and(|frames| frames.len() < 3), "cut to {length}");
        }
        assert!(read(SessionId::from_bytes([8; 16]), vec![segment], &wrapping).is_err());
    }

    #[test]
    fn frames_stay_in_their_places() {
        let session = SessionId::from_bytes([9; 16]);
        let wrapping = Arc::new(KeyEncryptionKey::new(&Secret::new([1; 32])).unwrap());
        let (mut writer, opening) = Writer::open(session, Record::Masked, &wrapping).unwrap();
        let mut chunk =
            |text| writer.seal(1, Timestamp::from_seconds(1), same(PayloadName::Chunk, text)).unwrap().bytes;
        let frames = [chunk("one"), chunk("two"), chunk("six")];
        let read_in = |order: &[usize]| {
            let segment = order.iter().fold(opening.clone(), |segment, at| [segment, frames[*at].clone()].concat());
            read(session, vec![segment], &wrapping)
        };
        assert_eq!(read_in(&[0, 1, 2]).unwrap().len(), 3);
        // Number 1 was sealed, and its append failed.
        assert_eq!(read_in(&[0, 2]).unwrap().len(), 2);
        for order in [&[1, 0, 2][..], &[0, 2, 1], &[0, 0, 2], &[0, 1, 1], &[2, 1, 2]] {
            let error = read_in(order).unwrap_err();
            assert!(
                matches!(error, RecordingError::Damaged { problem: "a frame is not in its place", .. }),
                "{order:?}"
            );
        }
    }
}
