//! `payloads/SESSION.ndjson`: one line per payload of a session, with the salt that opens its commitment.
//!
//! A line is canonical JSON: place in the recording, size, commitment, file, name, salt (hexadecimal, as `openssl` takes it)
//! and the `seq` of the event, or for a part of a streamed result of the operation's intent.

use vidimus_core::canonical::ObjectWriter;
use vidimus_core::json::Limits;

use super::{from_hex, hex};
use crate::canonical;
use crate::codec::{base64, decimal, length};
use crate::commitment::{SALT_BYTES, commitment};

/// One payload, as a recording has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Segment, offset and length of its frame in the recording.
    pub at: [u64; 3],
    /// The payload, masked.
    pub content: Vec<u8>,
    /// `request`, `response`, `chunk` or `chunks`.
    pub name: &'static str,
    /// The salt of the commitment.
    pub salt: [u8; SALT_BYTES],
    /// The `seq` of the event that commits to it; of a part, the intent's.
    pub seq: u64,
}

/// What the table says of one payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PayloadRow {
    pub(super) at: [u64; 3],
    /// Bytes of the payload.
    pub(super) bytes: u64,
    /// The commitment to it, in base64.
    pub(super) commitment: String,
    /// The member of the archive that holds it.
    pub(super) file: String,
    pub(super) name: String,
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) seq: u64,
}

impl PayloadRow {
    /// The row of a payload. `number` is its place among those of the session.
    pub(super) fn new(session: &str, number: usize, payload: &Payload) -> Self {
        Self {
            at: payload.at,
            bytes: length(payload.content.len()),
            commitment: base64(&commitment(&payload.salt, payload.name, &payload.content)),
            file: format!("payloads/{session}/{number:06}"),
            name: payload.name.to_owned(),
            salt: payload.salt,
            seq: payload.seq,
        }
    }

    /// Its line, with the line feed.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        object.integers("at", &self.at).integer("bytes", self.bytes).string("commitment", &self.commitment);
        object.string("file", &self.file).string("name", &self.name).string("salt", &hex(&self.salt));
        object.integer("seq", self.seq);
        object.end();
        out.push(b'\n');
        out
    }

    /// The row of a line without its line feed; `None` when it is none.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let document = canonical::parse(line, &Limits::default())?;
        let root = document.root();
        let text = |key| Some(root.get(key)?.as_str()?.into_owned());
        let integer = |key| root.get(key)?.as_number().and_then(decimal);
        let at: Vec<u64> =
            root.get("at")?.elements().map(|value| value.as_number().and_then(decimal)).collect::<Option<_>>()?;
        let row = Self {
            at: at.try_into().ok()?,
            bytes: integer("bytes")?,
            commitment: text("commitment")?,
            file: text("file")?,
            name: text("name")?,
            salt: from_hex(&text("salt")?)?.try_into().ok()?,
            seq: integer("seq")?,
        };
        // No member that is not looked at.
        (row.to_line().strip_suffix(b"\n") == Some(line)).then_some(row)
    }
}

/// The table's member for a session.
pub(super) fn table_name(session: &str) -> String {
    format!("payloads/{session}.ndjson")
}
