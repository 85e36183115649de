//! `payloads/SESSION.ndjson`: one line per payload of a session, with the salt that opens its commitment.
//!
//! A line is canonical JSON: place in the recording, size, commitment, file, name, salt (hexadecimal, as `openssl` takes it)
//! and the `seq` of the event, or for a part of a streamed result of the operation's intent.

use vidimus_core::canonical::ObjectWriter;
use vidimus_core::json::Limits;

use super::{from_hex, hex};
use crate::canonical;
use crate::codec::{base64, decimal};
use crate::commitment::{SALT_BYTES, commitment};

/// One payload of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadRow {
    /// Segment, offset and length of its frame in the recording.
    pub at: [u64; 3],
    /// Its bytes.
    pub bytes: u64,
    /// The commitment to it, in base64.
    pub commitment: String,
    /// The member of the archive that holds it.
    pub file: String,
    /// `request`, `response`, `chunk` or `chunks`.
    pub name: String,
    /// The salt of the commitment.
    pub salt: [u8; SALT_BYTES],
    /// The `seq` of the event that commits to it; of a part, the intent's.
    pub seq: u64,
}

impl PayloadRow {
    /// The row of a payload. `number` is its place among those of the session.
    pub fn new(
        session: &str,
        number: usize,
        (seq, at): (u64, [u64; 3]),
        name: &str,
        salt: &[u8; SALT_BYTES],
        payload: &[u8],
    ) -> Self {
        Self {
            at,
            bytes: crate::codec::length(payload.len()),
            commitment: base64(&commitment(salt, name, payload)),
            file: format!("payloads/{session}/{number:06}"),
            name: name.to_owned(),
            salt: *salt,
            seq,
        }
    }

    /// Its line, with the line feed.
    pub fn to_line(&self) -> Vec<u8> {
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
