//! Archives: sessions as a zip file that proves itself (`vidimus.archive/1`), and the check of it.
//!
//! | file | holds |
//! |---|---|
//! | `manifest.json` | size and SHA-256 of every other file, the checkpoint and its signers, and what the exporter says |
//! | `session.json` | the sessions as their events tell them, and whether their payloads are here |
//! | `events.ndjson` | every event of these sessions: its leaf, byte for byte, and its index in the log |
//! | `proofs/INDEX.tlog-proof` | for each event the proof that it is in the log (C2SP tlog-proof) |
//! | `log/checkpoint`, `log/keys` | the one checkpoint all proofs lead to, and the public keys that sign for its size |
//! | `payloads/SESSION.ndjson`, `payloads/SESSION/…` | masked payloads, with the salts of their commitments |
//! | `VERIFY.md` | how to check all of it with standard tools |
//!
//! Only leaves, proofs and checkpoint carry proof; everything else must follow from them, or is checked against them. An
//! archive shows what is in it, not that there were no other sessions. Refused: any other file.

mod facts;
mod manifest;
mod payload;
mod report;
mod verify;
mod write;

pub use facts::Disclosure;
pub use manifest::Claims;
pub use payload::Payload;
pub use report::{ArchiveReport, Outcome};
pub use verify::verify;
pub use write::ArchiveWriter;

/// The form of archive that is written and read.
pub const FORMAT: &str = "vidimus.archive/1";
/// The text of `VERIFY.md`: the same in every archive of this form, so that nobody writes another guide into one.
pub const GUIDE_TEXT: &str = include_str!("archive/VERIFY.md");

const MANIFEST: &str = "manifest.json";
const SESSIONS: &str = "session.json";
const EVENTS: &str = "events.ndjson";
const CHECKPOINT: &str = "log/checkpoint";
const KEYS: &str = "log/keys";
const GUIDE: &str = "VERIFY.md";

/// The largest `events.ndjson` in bytes: it is held in memory when it is written and read.
pub const MAX_EVENTS_BYTES: u64 = 256 << 20;
/// The largest payload in bytes: no recording's frame is larger.
const MAX_PAYLOAD_BYTES: u64 = crate::frame::MAX_FRAME_BYTES as u64;
/// The largest manifest, list of sessions, or table of payloads in bytes.
const MAX_TABLE_BYTES: u64 = 32 << 20;
/// The most values in one of those: some ten for each file there can be.
const MAX_TABLE_NODES: usize = 1 << 20;

fn proof_name(index: u64) -> String {
    format!("proofs/{index}.tlog-proof")
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) || !text.len().is_multiple_of(2)
    {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests;
