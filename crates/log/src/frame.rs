//! Journal frames: one append call is one frame, so that all its entries survive a crash or none does.
//! ```text
//! crc32c 4 │ body length 4 │ segment 8 │ sequence 8 │ durable 8 │ first leaf 8 │ mac 16 │ body │ zeros to a multiple of 8
//! body: entries, each   kind 1 │ length 4 │ (session 16 │ segment 4 │ offset 8, payloads only) │ bytes
//! ```
//! Integers are little-endian; the CRC covers everything after itself, padding excepted. The MAC covers that too, but for
//! itself and the bytes of payloads: a frame with the right CRC and another MAC is forged, never torn. `segment` is the id
//! of the file, so frames left over in a recycled file never parse. `durable` is how many frames were known to be on disk
//! when this one was written: a frame below the `durable` of any other frame was promised, and must be there.

use crate::codec::length;
use crate::error::AppendError;
use crate::journal_key::{JournalKey, MAC_BYTES, Mac};

/// The longest leaf in bytes (C2SP tlog-tiles: entries have a 16-bit length).
pub const MAX_LEAF_BYTES: usize = 65_535;
/// The longest frame in bytes, header included: bounds what recovery and integration hold in memory.
pub const MAX_FRAME_BYTES: usize = 32 << 20;

/// Length of a frame's header in bytes.
pub(crate) const HEADER: usize = FIELDS + MAC_BYTES;
/// What stands before the MAC, and where in it the MAC begins to cover it.
const FIELDS: usize = 40;
const COVERED: usize = 4;
/// Frames start at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;

const LEAF: u8 = 1;
const PAYLOAD: u8 = 2;
/// `kind` and `length` of an entry.
const ENTRY_HEADER: usize = 5;
/// `session`, `segment` and `offset` of a payload entry.
const PAYLOAD_HEADER: usize = 28;

/// What is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// An event: becomes the next entry of the Merkle log. At most [`MAX_LEAF_BYTES`].
    Leaf(&'a [u8]),
    /// Bytes of a recording, already encrypted: written to that place of that session's recording.
    Payload {
        /// The session's id.
        session: [u8; 16],
        /// Which of the recording's files.
        segment: u32,
        /// Where in that file, in bytes.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
}

impl<'a> Entry<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Leaf(bytes) | Self::Payload { bytes, .. } => bytes,
        }
    }

    fn encoded_length(&self) -> usize {
        let place = if matches!(self, Self::Payload { .. }) { PAYLOAD_HEADER } else { 0 };
        ENTRY_HEADER + place + self.bytes().len()
    }

    /// Gives what stands before the bytes, piece by piece.
    fn head(&self, mut put: impl FnMut(&[u8])) {
        put(&[if matches!(self, Entry::Leaf(_)) { LEAF } else { PAYLOAD }]);
        put(&short(self.bytes().len()).to_le_bytes());
        if let Entry::Payload { session, segment, offset, .. } = self {
            put(session);
            put(&segment.to_le_bytes());
            put(&offset.to_le_bytes());
        }
    }
}

/// The fields of a frame's header after the CRC and the body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) segment: u64,
    pub(crate) sequence: u64,
    pub(crate) durable: u64,
    pub(crate) first_leaf: u64,
}

/// One valid frame.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) header: Header,
    /// In their order.
    pub(crate) entries: Vec<Entry<'a>>,
    length: usize,
}

/// What stands at a place where a frame may begin.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// A valid frame of this segment.
    Frame(Frame<'a>),
    /// The header is of this segment, but the buffer ends before the frame, which is `needed` bytes long.
    Incomplete { needed: usize },
    /// The header is of this segment, but the frame of `claimed` bytes is not whole.
    Torn { claimed: usize, header: Header },
    /// A whole frame of this segment that was written without the key.
    Forged { header: Header },
    /// Nothing of this segment.
    Nothing,
}

/// The length in bytes of the frame for `entries`, padding included; refused when over a limit.
pub(crate) fn encoded_length(entries: &[Entry<'_>], limit: usize) -> Result<usize, AppendError> {
    let mut total = HEADER;
    for entry in entries {
        if let Entry::Leaf(leaf) = entry
            && leaf.len() > MAX_LEAF_BYTES
        {
            let (size, limit) = (length(leaf.len()), length(MAX_LEAF_BYTES));
            return Err(AppendError::TooLarge { what: "a leaf", size, limit });
        }
        total = total.saturating_add(entry.encoded_length());
    }
    let total = padded(total);
    if total > limit {
        return Err(AppendError::TooLarge { what: "a batch", size: length(total), limit: length(limit) });
    }
    Ok(total)
}

/// The first part of the MAC of a frame with these entries: all that can be done of it before its place is known.
pub(crate) fn mac_of(key: &JournalKey, entries: &[Entry<'_>]) -> Mac {
    let mut mac = key.begin();
    for entry in entries {
        entry.head(|piece| mac.update(piece));
        if let Entry::Leaf(leaf) = entry {
            mac.update(leaf);
        }
    }
    mac
}

/// Adds the frame for `entries`, whose length [`encoded_length`] has allowed and whose MAC [`mac_of`] has begun, to `out`.
pub(crate) fn encode(out: &mut Vec<u8>, header: Header, entries: &[Entry<'_>], mut mac: Mac) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    for field in [header.segment, header.sequence, header.durable, header.first_leaf] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(&[0; MAC_BYTES]);
    for entry in entries {
        entry.head(|piece| out.extend_from_slice(piece));
        out.extend_from_slice(entry.bytes());
    }
    let frame = out.get_mut(start..).unwrap_or_default();
    let size = frame.len();
    if let Some(place) = frame.get_mut(4..8) {
        place.copy_from_slice(&short(size.saturating_sub(HEADER)).to_le_bytes());
    }
    mac.update(frame.get(COVERED..FIELDS).unwrap_or_default());
    if let Some(place) = frame.get_mut(FIELDS..HEADER) {
        place.copy_from_slice(&mac.finish());
    }
    let crc = crc32c::crc32c(frame.get(4..).unwrap_or_default());
    if let Some(place) = frame.get_mut(..4) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
    out.resize(start + padded(size), 0);
}

/// How many bytes [`parse`] needs for what begins with `bytes`, at least a header's.
pub(crate) fn needed(bytes: &[u8], segment: u64) -> usize {
    let header = parse_header(bytes).filter(|(_, _, header)| header.segment == segment);
    let needed = header.map_or(HEADER, |(_, body_length, _)| padded(HEADER.saturating_add(body_length)));
    if needed > MAX_FRAME_BYTES { HEADER } else { needed }
}

/// Looks at the start of `bytes` for a frame of `segment`.
pub(crate) fn parse<'a>(bytes: &'a [u8], segment: u64, key: &JournalKey) -> Parsed<'a> {
    let Some((crc, body_length, header)) = parse_header(bytes).filter(|(_, _, header)| header.segment == segment)
    else {
        return Parsed::Nothing;
    };
    let needed = HEADER.saturating_add(body_length);
    if padded(needed) > MAX_FRAME_BYTES {
        return Parsed::Torn { claimed: HEADER, header };
    }
    let (Some(covered), Some(body)) = (bytes.get(4..needed), bytes.get(HEADER..needed)) else {
        return Parsed::Incomplete { needed: padded(needed) };
    };
    if crc32c::crc32c(covered) != crc {
        return Parsed::Torn { claimed: padded(needed), header };
    }
    let Some(entries) = parse_entries(body) else { return Parsed::Forged { header } };
    let mut mac = mac_of(key, &entries);
    mac.update(bytes.get(COVERED..FIELDS).unwrap_or_default());
    if mac.is(bytes.get(FIELDS..HEADER).unwrap_or_default()) {
        Parsed::Frame(Frame { header, entries, length: padded(needed) })
    } else {
        Parsed::Forged { header }
    }
}

impl Frame<'_> {
    /// The frame's length in the journal, padding included.
    pub(crate) const fn length(&self) -> usize {
        self.length
    }
}

/// The entries in order; `None` when the body is not made of whole entries.
fn parse_entries(body: &[u8]) -> Option<Vec<Entry<'_>>> {
    let mut entries = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (kind, after) = rest.split_first()?;
        let (size, after) = after.split_first_chunk()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        let entry;
        (entry, rest) = match *kind {
            LEAF => {
                let (bytes, rest) = after.split_at_checked(size)?;
                (Entry::Leaf(bytes), rest)
            }
            PAYLOAD => {
                let (session, after) = after.split_first_chunk()?;
                let (segment, after) = after.split_first_chunk()?;
                let (offset, after) = after.split_first_chunk()?;
                let (bytes, rest) = after.split_at_checked(size)?;
                let (segment, offset) = (u32::from_le_bytes(*segment), u64::from_le_bytes(*offset));
                (Entry::Payload { session: *session, segment, offset, bytes }, rest)
            }
            _ => return None,
        };
        entries.push(entry);
    }
    Some(entries)
}

fn parse_header(bytes: &[u8]) -> Option<(u32, usize, Header)> {
    let (crc, rest) = bytes.split_first_chunk()?;
    let (body, rest) = rest.split_first_chunk()?;
    let (segment, rest) = rest.split_first_chunk()?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (durable, rest) = rest.split_first_chunk()?;
    let (first_leaf, _) = rest.split_first_chunk()?;
    let header = Header {
        segment: u64::from_le_bytes(*segment),
        sequence: u64::from_le_bytes(*sequence),
        durable: u64::from_le_bytes(*durable),
        first_leaf: u64::from_le_bytes(*first_leaf),
    };
    Some((u32::from_le_bytes(*crc), usize::try_from(u32::from_le_bytes(*body)).ok()?, header))
}

/// Lengths inside a frame fit, as a whole frame is at most [`MAX_FRAME_BYTES`].
fn short(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn padded(size: usize) -> usize {
    size.next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER_FIELDS: Header = Header { segment: 7, sequence: 40, durable: 39, first_leaf: 90 };

    fn key() -> JournalKey {
        JournalKey::new(&[5; 32])
    }

    /// The same frame with one changed byte and the CRC of what it is then: what anybody can write.
    fn changed(frame: &[u8], end: usize, at: usize, to: u8) -> Vec<u8> {
        let mut frame = frame.to_vec();
        frame[at] = to;
        let crc = crc32c::crc32c(&frame[4..end]);
        frame[..4].copy_from_slice(&crc.to_le_bytes());
        frame
    }

    fn frame(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, HEADER_FIELDS, entries, mac_of(&key(), entries));
        assert_eq!(out.len(), encoded_length(entries, MAX_FRAME_BYTES).unwrap());
        out
    }

    proptest! {
        #[test]
        fn entries_come_back(
            parts in proptest::collection::vec((any::<bool>(), any::<[u8; 16]>(), any::<u32>(), any::<u64>(),
                proptest::collection::vec(any::<u8>(), 0..300)), 1..9)
        ) {
            let entries: Vec<Entry<'_>> = parts.iter().map(|(leaf, session, segment, offset, bytes)| if *leaf {
                Entry::Leaf(bytes)
            } else {
                Entry::Payload { session: *session, segment: *segment, offset: *offset, bytes }
            }).collect();
            let bytes = frame(&entries);
            let Parsed::Frame(parsed) = parse(&bytes, 7, &key()) else { panic!("no frame") };
            prop_assert_eq!(parsed.header, HEADER_FIELDS);
            prop_assert_eq!(parsed.length(), bytes.len());
            prop_assert_eq!(parsed.entries, entries);
        }

        #[test]
        fn one_changed_bit_is_no_frame(leaf in proptest::collection::vec(any::<u8>(), 1..100), bit in any::<prop::sample::Index>()) {
            let mut bytes = frame(&[Entry::Leaf(&leaf)]);
            let bit = bit.index((HEADER + ENTRY_HEADER + leaf.len()) * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!matches!(parse(&bytes, 7, &key()), Parsed::Frame(_)));
        }

        #[test]
        fn any_bytes_are_parsed_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(field) = bytes.get_mut(8..16) {
                field.copy_from_slice(&7_u64.to_le_bytes());
            }
            prop_assert!(!matches!(parse(&bytes, 7, &key()), Parsed::Frame(_)));
        }
    }

    #[test]
    fn a_frame_of_another_segment_is_nothing() {
        assert!(matches!(parse(&frame(&[Entry::Leaf(b"x")]), 8, &key()), Parsed::Nothing));
    }

    #[test]
    fn a_frame_that_is_not_what_the_key_wrote_is_forged_and_not_torn() {
        let leaf = Entry::Leaf(b"a leaf");
        let payload = Entry::Payload { session: [9; 16], segment: 1, offset: 2, bytes: b"ciphertext" };
        let whole = frame(&[leaf, payload, leaf]);
        let end = HEADER + 2 * leaf.encoded_length() + payload.encoded_length();
        let bytes_of_payload = HEADER + leaf.encoded_length() + ENTRY_HEADER + PAYLOAD_HEADER;
        let bytes_of_payload = bytes_of_payload..bytes_of_payload + b"ciphertext".len();
        // Past the body's length and the segment's id, which decide whether there is a frame at all.
        for at in (16..end).filter(|at| !bytes_of_payload.contains(at)) {
            for bit in 0..8 {
                let forged = changed(&whole, end, at, whole[at] ^ (1 << bit));
                assert!(matches!(parse(&forged, 7, &key()), Parsed::Forged { .. }), "bit {bit} of byte {at}");
            }
        }
        // Nor may the last entry be left out, a byte be cut off, or one of the padding be added.
        let length = whole[4];
        for shorter in [length - 11, length - 1, length + 1] {
            let forged = changed(&whole, HEADER + usize::from(shorter), 4, shorter);
            assert!(matches!(parse(&forged, 7, &key()), Parsed::Forged { .. }), "{shorter}");
        }
        let elsewhere = changed(&whole, end, 8, 6);
        assert!(matches!(parse(&elsewhere, 6, &key()), Parsed::Forged { .. }));
        assert!(matches!(parse(&whole, 7, &JournalKey::new(&[6; 32])), Parsed::Forged { .. }));
        assert!(matches!(parse(&whole, 7, &key()), Parsed::Frame(_)));
    }

    #[test]
    fn limits_are_held() {
        let long = vec![0; MAX_LEAF_BYTES + 1];
        assert!(matches!(
            encoded_length(&[Entry::Leaf(&long)], MAX_FRAME_BYTES),
            Err(AppendError::TooLarge { what: "a leaf", .. })
        ));
        assert!(matches!(
            encoded_length(&[Entry::Leaf(&[0; 99])], 99),
            Err(AppendError::TooLarge { what: "a batch", .. })
        ));
    }
}
