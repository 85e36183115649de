//! Writing an archive, file by file; the manifest comes last, when all that it lists is known.
//!
//! Streams: nothing is kept of a file but its name, size and SHA-256. What a writer leaves half-way is no archive: the
//! directory of a zip file stands at its end.

use std::io::Write;

use vidimus_core::canonical::ObjectWriter;

use super::payload::table_name;
use super::{
    CHECKPOINT, EVENTS, FORMAT, GUIDE, GUIDE_TEXT, KEYS, MANIFEST, MAX_EVENTS_BYTES, PayloadRow, SESSIONS, proof_name,
    sha256,
};
use crate::codec::length;
use crate::keylist::KeyList;
use crate::note::Checkpoint;
use crate::proof::InclusionProof;
use crate::zip::{ZipError, ZipWriter};

/// What the exporter says of an export. Nothing in the log proves it but the event `recording.exported`.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// Who exported: `issuer|subject`.
    pub by: String,
    /// When, RFC 3339.
    pub made: String,
    /// The version of the program.
    pub program: String,
    /// What was asked for, in words.
    pub selection: String,
}

/// Writes an archive to a stream.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    zip: ZipWriter<W>,
    files: Vec<File>,
    events: Vec<u8>,
    count: u64,
}

#[derive(Debug)]
struct File {
    name: String,
    bytes: u64,
    sha256: String,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive: the guide, the checkpoint that everything in it leads to, and the log's keys.
    pub fn new(out: W, checkpoint: &str, keys: &KeyList) -> Result<Self, ZipError> {
        let mut writer = Self { zip: ZipWriter::new(out), files: Vec::new(), events: Vec::new(), count: 0 };
        writer.file(GUIDE, GUIDE_TEXT.as_bytes())?;
        writer.file(CHECKPOINT, checkpoint.as_bytes())?;
        writer.file(KEYS, keys.to_string().as_bytes())?;
        Ok(writer)
    }

    /// Adds an event and its proof. Events come by rising index.
    pub fn event(&mut self, leaf: &[u8], proof: &InclusionProof) -> Result<(), ZipError> {
        self.events.extend_from_slice(b"{\"event\":");
        self.events.extend_from_slice(leaf);
        self.events.extend_from_slice(format!(",\"index\":{}}}\n", proof.index).as_bytes());
        if length(self.events.len()) > MAX_EVENTS_BYTES {
            return Err(ZipError::TooLarge);
        }
        self.count += 1;
        self.file(&proof_name(proof.index), proof.to_string().as_bytes())
    }

    /// Adds the file of a payload.
    pub fn payload(&mut self, row: &PayloadRow, payload: &[u8]) -> Result<(), ZipError> {
        self.file(&row.file, payload)
    }

    /// Adds the table of a session's payloads, once their files are there.
    pub fn payload_table(&mut self, session: &str, rows: &[PayloadRow]) -> Result<(), ZipError> {
        let lines: Vec<u8> = rows.iter().flat_map(PayloadRow::to_line).collect();
        self.file(&table_name(session), &lines)
    }

    /// Adds the events, the sessions (see [`super::SessionFacts::to_json`]) and the manifest, and ends the archive.
    pub fn finish(mut self, sessions: &[u8], claims: &Claims, checkpoint: &Checkpoint) -> Result<W, ZipError> {
        let events = std::mem::take(&mut self.events);
        self.file(EVENTS, &events)?;
        self.file(SESSIONS, sessions)?;
        self.files.sort_by(|left, right| left.name.cmp(&right.name));
        let mut manifest = Vec::new();
        let mut object = ObjectWriter::new(&mut manifest);
        object.string("archive", FORMAT).string("by", &claims.by);
        object.object("checkpoint", |object| {
            object.string("origin", &checkpoint.origin).string("root", &checkpoint.root.to_string());
            object.integer("size", checkpoint.size);
        });
        object.integer("events", self.count);
        object.array("files", &self.files, |out, file| {
            let mut object = ObjectWriter::new(out);
            object.integer("bytes", file.bytes).string("name", &file.name).string("sha256", &file.sha256);
            object.end();
        });
        object.string("made", &claims.made).string("program", &claims.program);
        object.string("selection", &claims.selection);
        object.end();
        manifest.push(b'\n');
        self.zip.file(MANIFEST, &manifest)?;
        self.zip.finish()
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ZipError> {
        self.zip.file(name, bytes)?;
        self.files.push(File { name: name.to_owned(), bytes: length(bytes.len()), sha256: sha256(bytes) });
        Ok(())
    }
}
