//! Writing an archive, file by file; the manifest comes last, when all that it lists is known.
//!
//! Streams: of proofs and payloads nothing is kept but name, size and SHA-256; events are kept, in bounds, and written last.
//! What a writer leaves half-way is no archive: the directory of a zip file stands at its end. Payloads that no event
//! commits to are left out.

use std::collections::BTreeMap;
use std::io::Write;

use bytes::Bytes;
use vidimus_core::json::{Document, Limits};

use super::facts::{Disclosure, Events};
use super::manifest::{Claims, Listed, Manifest, signers};
use super::payload::{Payload, PayloadRow, table_name};
use super::{CHECKPOINT, EVENTS, GUIDE, GUIDE_TEXT, KEYS, MANIFEST, MAX_EVENTS_BYTES, SESSIONS, proof_name, sha256};
use crate::codec::length;
use crate::keylist::KeyList;
use crate::note::Checkpoint;
use crate::proof::InclusionProof;
use crate::zip::{ZipError, ZipWriter};

/// Writes an archive to a stream.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    zip: ZipWriter<W>,
    files: Vec<Listed>,
    signers: Vec<String>,
    lines: Vec<u8>,
    count: u64,
    events: Events,
    /// What became of each session's payloads.
    disclosures: BTreeMap<String, Disclosure>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive: the guide, the checkpoint that everything in it leads to, and the log's keys for its size.
    pub fn new(out: W, checkpoint: &str, keys: &KeyList) -> Result<Self, ZipError> {
        let mut writer = Self {
            zip: ZipWriter::new(out),
            files: Vec::new(),
            // A note that cannot be read has none; the check of the archive will say so.
            signers: signers(checkpoint).unwrap_or_default(),
            lines: Vec::new(),
            count: 0,
            events: Events::default(),
            disclosures: BTreeMap::new(),
        };
        writer.file(GUIDE, GUIDE_TEXT.as_bytes())?;
        writer.file(CHECKPOINT, checkpoint.as_bytes())?;
        writer.file(KEYS, keys.to_string().as_bytes())?;
        Ok(writer)
    }

    /// Adds an event and its proof. Events come by rising index.
    pub fn event(&mut self, leaf: &[u8], proof: &InclusionProof) -> Result<(), ZipError> {
        self.lines.extend_from_slice(b"{\"event\":");
        self.lines.extend_from_slice(leaf);
        self.lines.extend_from_slice(format!(",\"index\":{}}}\n", proof.index).as_bytes());
        if length(self.lines.len()) > MAX_EVENTS_BYTES {
            return Err(ZipError::TooLarge);
        }
        self.count += 1;
        if let Ok(event) = Document::parse(Bytes::copy_from_slice(leaf), &Limits::default()) {
            // A leaf in another form goes into the archive as it is; its check will say so.
            let _ = self.events.take(proof.index, &event);
        }
        self.file(&proof_name(proof.index), proof.to_string().as_bytes())
    }

    /// Whether the target of a session keeps payloads, by the events so far; `None` when there is no such session.
    pub fn keeps_payloads(&self, session: &str) -> Option<bool> {
        self.events.facts.keeps_payloads(session)
    }

    /// Whether the events so far commit to any payload of a session.
    pub fn has_payloads(&self, session: &str) -> bool {
        self.events.commits.get(session).is_some_and(|commits| !commits.payloads.is_empty())
    }

    /// Adds the payloads of a session, in the order of its recording, once all its events are there.
    pub fn payloads(&mut self, session: &str, payloads: &[Payload]) -> Result<(), ZipError> {
        let commits = self.events.commits.remove(session).unwrap_or_default();
        let mut rows = Vec::new();
        for payload in payloads.iter().filter(|payload| commits.includes(payload.name, payload.seq, payload.at)) {
            let row = PayloadRow::new(session, rows.len(), payload);
            self.file(&row.file, &payload.content)?;
            rows.push(row);
        }
        let lines: Vec<u8> = rows.iter().flat_map(PayloadRow::to_line).collect();
        if !lines.is_empty() {
            self.file(&table_name(session), &lines)?;
        }
        self.disclosures.insert(session.to_owned(), Disclosure::Included);
        Ok(())
    }

    /// Says why the payloads of a session are not in the archive.
    pub fn without_payloads(&mut self, session: &str, why: Disclosure) {
        self.disclosures.insert(session.to_owned(), why);
    }

    /// Adds the events, the sessions and the manifest, and ends the archive.
    pub fn finish(mut self, claims: &Claims, checkpoint: &Checkpoint) -> Result<W, ZipError> {
        let lines = std::mem::take(&mut self.lines);
        self.file(EVENTS, &lines)?;
        let of = |session: &str| self.disclosures.get(session).copied().unwrap_or(Disclosure::Withheld);
        let sessions = self.events.facts.to_json(of);
        self.file(SESSIONS, &sessions)?;
        let mut files = std::mem::take(&mut self.files);
        files.sort_by(|left, right| left.name.cmp(&right.name));
        let (claims, checkpoint, signers) = (claims.clone(), checkpoint.clone(), std::mem::take(&mut self.signers));
        let manifest = Manifest { claims, checkpoint, signers, events: self.count, files };
        self.zip.file(MANIFEST, &manifest.to_json())?;
        self.zip.finish()
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ZipError> {
        self.zip.file(name, bytes)?;
        self.files.push(Listed { name: name.to_owned(), bytes: length(bytes.len()), sha256: sha256(bytes) });
        Ok(())
    }
}
