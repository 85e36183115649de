//! The check of an archive, offline: everything in it against the proofs in it, and those against the log's public key.
//!
//! Without a key of the caller's, the archive's own stand in, and the outcome says so. Each check goes on after what it
//! finds, as far as there is something left to check. What is read is bounded by the sizes of the zip file's members.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::path::PathBuf;

use vidimus_core::json::{Document, Limits};

use super::facts::{CHUNK, CHUNKS, Commits, Disclosure, Events};
use super::manifest::{Manifest, signers};
use super::payload::{PayloadRow, table_name};
use super::report::ArchiveReport;
use super::{
    CHECKPOINT, EVENTS, FORMAT, GUIDE, GUIDE_TEXT, KEYS, MANIFEST, MAX_EVENTS_BYTES, MAX_PAYLOAD_BYTES,
    MAX_TABLE_BYTES, MAX_TABLE_NODES, SESSIONS, proof_name, sha256,
};
use crate::canonical;
use crate::codec::{base64, decimal, from_base64, length};
use crate::commitment::{commitment, commitment_of_parts};
use crate::completeness::Completeness;
use crate::frame::MAX_LEAF_BYTES;
use crate::keylist::KeyList;
use crate::note::{Checkpoint, MAX_NOTE_BYTES};
use crate::proof::{InclusionProof, MAX_PROOF_BYTES};
use crate::tree::{Hash, verify_inclusion};
use crate::trust::Trust;
use crate::verify::Finding;
use crate::zip::ZipReader;

/// Checks an archive by what the caller trusts. `progress` is told how many files and events of how many are done.
pub fn verify<R: Read + Seek>(input: R, trust: &Trust, progress: &mut dyn FnMut(u64, u64)) -> ArchiveReport {
    counted(input, trust, progress).0
}

/// The report, and how much work it was: the bytes that were read, and the parts of results that were put together.
pub(super) fn counted<R: Read + Seek>(
    input: R,
    trust: &Trust,
    progress: &mut dyn FnMut(u64, u64),
) -> (ArchiveReport, u64) {
    let is_trusted = trust.keys().is_some();
    let mut report = ArchiveReport { is_trusted, is_quorum: trust.asks_for_witnesses(), ..ArchiveReport::default() };
    let zip = match ZipReader::open(input) {
        Ok(zip) => zip,
        Err(error) => {
            report.add(finding(None, "", "an archive: a zip file of stored members", error.to_string()));
            return (report, 0);
        }
    };
    let used = BTreeSet::from([MANIFEST.to_owned()]);
    let mut check = Check { zip, report, used, unreadable: BTreeSet::new(), work: 0, progress };
    check.run(trust);
    (check.report, check.work)
}

struct Check<'a, R> {
    zip: ZipReader<R>,
    report: ArchiveReport,
    /// Files whose content has been checked.
    used: BTreeSet<String>,
    /// Files that were said to be unreadable.
    unreadable: BTreeSet<String>,
    work: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

/// A payload that is what its row's commitment is to.
struct Opened {
    row: PayloadRow,
    /// SHA-256 over the commitments to the parts of a result, where it is that.
    parts: Option<Vec<u8>>,
}

impl<R: Read + Seek> Check<'_, R> {
    fn run(&mut self, trust: &Trust) {
        let manifest = self.manifest();
        if self.content(GUIDE, MAX_TABLE_BYTES).is_some_and(|guide| guide != GUIDE_TEXT.as_bytes()) {
            self.add(None, GUIDE, format!("the guide of {FORMAT}"), "another text".to_owned());
        }
        let Some((note, checkpoint)) = self.checkpoint(trust) else { return };
        let events = self.events(&note, &checkpoint);
        if let Some(manifest) = manifest {
            self.manifest_says(&manifest, &note, &checkpoint);
        }
        let disclosures = self.sessions(&events);
        for (session, disclosure) in disclosures {
            let commits = events.commits.get(&session);
            let payloads = commits.map_or(0, |commits| length(commits.payloads.len()));
            match disclosure {
                Disclosure::Included => self.payloads(&session, commits),
                Disclosure::Withheld | Disclosure::Sizes => self.report.payloads_elsewhere += payloads,
                Disclosure::Erased => {
                    self.report.payloads_elsewhere += payloads;
                    self.report.payloads_erased += payloads;
                }
            }
        }
        let unknown: Vec<String> =
            self.zip.names().filter(|name| !self.used.contains(*name)).map(str::to_owned).collect();
        for name in unknown {
            self.add(None, &name, "no file besides those that the events call for", "a file that nothing vouches for");
        }
    }

    /// Compares every file with the manifest, and the manifest with the files.
    fn manifest(&mut self) -> Option<Manifest> {
        let text = self.content(MANIFEST, MAX_TABLE_BYTES)?;
        let Some(document) = parse_table(&text) else {
            self.add(None, MANIFEST, "canonical JSON and a line feed", "other bytes");
            return None;
        };
        let form = document.root().get("archive");
        if !form.is_some_and(|form| form.is_string(FORMAT)) {
            let found = form.map_or("none", |value| value.raw()).to_owned();
            self.add(None, MANIFEST, format!("the form {FORMAT}"), found);
            return None;
        }
        let Some(manifest) = Manifest::read(&document, &text) else {
            self.add(None, MANIFEST, format!("the members of {FORMAT} and no others"), "other members");
            return None;
        };
        let mut listed = BTreeSet::new();
        let total = length(manifest.files.len());
        for file in &manifest.files {
            let (name, digest) = (&file.name, &file.sha256);
            if !listed.insert(name) {
                self.add(None, MANIFEST, "each file once", format!("{name} twice"));
            } else if !self.zip.has(name) {
                let expected = format!("the file with SHA-256 {digest}, which the manifest lists");
                self.add(None, name, expected, "no such file");
            } else if let Some(content) = self.read(name, MAX_EVENTS_BYTES) {
                let found = sha256(&content);
                if file.bytes != length(content.len()) || found != *digest {
                    let expected = format!("{} bytes with SHA-256 {digest}, as the manifest lists", file.bytes);
                    self.add(None, name, expected, format!("{} bytes with SHA-256 {found}", content.len()));
                }
                self.report.files += 1;
                (self.progress)(self.report.files, total);
            }
        }
        let names: Vec<String> = self.zip.names().map(str::to_owned).collect();
        for name in names {
            if name != MANIFEST && !listed.contains(&name) {
                self.add(None, &name, "only files that the manifest lists", "one that it does not list");
            }
        }
        Some(manifest)
    }

    /// Compares what the manifest says of the events and of the checkpoint with these.
    fn manifest_says(&mut self, manifest: &Manifest, note: &str, checkpoint: &Checkpoint) {
        if manifest.events != self.report.events {
            let found = manifest.events.to_string();
            self.add(None, MANIFEST, format!("the number of events in {EVENTS}, {}", self.report.events), found);
        }
        if manifest.checkpoint != *checkpoint || signers(note).as_ref() != Ok(&manifest.signers) {
            self.add(None, MANIFEST, format!("the checkpoint in {CHECKPOINT} and its signers"), "others");
        }
    }

    /// The checkpoint all proofs must hold, opened with the keys that are trusted, or else those in the archive.
    fn checkpoint(&mut self, trust: &Trust) -> Option<(String, Checkpoint)> {
        let trusted = trust.keys();
        let keys = self.text(KEYS, MAX_TABLE_BYTES)?;
        let own = match keys.parse::<KeyList>() {
            Ok(own) if own.to_string() == keys => Some(own),
            Ok(_) => {
                self.add(None, KEYS, "each key with the sizes it signs for, and nothing else", "another form");
                None
            }
            Err(error) => {
                self.add(None, KEYS, "the log's public keys", error.to_string());
                None
            }
        };
        let note = self.text(CHECKPOINT, length(MAX_NOTE_BYTES))?;
        let keys = trusted.or(own.as_ref())?;
        match keys.open(&note) {
            Ok(checkpoint) => {
                if let Some(own) = &own {
                    self.keys(own, keys, &note, &checkpoint);
                }
                match trust.witnesses(&note, keys) {
                    Ok(witnesses) => self.report.witnesses = witnesses,
                    Err(error) => {
                        let expected = "a checkpoint that the witnesses of the policy have cosigned";
                        self.add(None, CHECKPOINT, expected, error.to_string());
                    }
                }
                self.report.checkpoint = Some(checkpoint.clone());
                Some((note, checkpoint))
            }
            Err(error) => {
                let whose = if trusted.is_some() { "given keys" } else { "archive's own keys" };
                let expected = format!("a checkpoint signed by one of the {whose}");
                self.add(None, CHECKPOINT, expected, error.to_string());
                // Everything else is still compared with what the checkpoint says, signed or not.
                let text = note.split_inclusive("\n\n").next().and_then(|text| text.strip_suffix('\n'))?;
                let checkpoint = text.parse().ok()?;
                Some((note, checkpoint))
            }
        }
    }

    /// The archive's own list must say nothing that the keys given do not: its reader might believe it later.
    fn keys(&mut self, own: &KeyList, keys: &KeyList, note: &str, checkpoint: &Checkpoint) {
        if let Err(error) = own.open(note) {
            self.add(None, KEYS, format!("the keys that have signed {CHECKPOINT}"), error.to_string());
        }
        for line in own.keys().iter().filter(|line| !keys.vouches_for(line, checkpoint.size)) {
            let expected =
                "only keys that you gave, for sizes that they sign; give it too if you have it from elsewhere";
            self.add(None, KEYS, expected, line.to_string());
        }
    }

    /// Checks every event: form, order, proof, its place in its session. Each index is looked at once.
    fn events(&mut self, note: &str, checkpoint: &Checkpoint) -> Events {
        let mut events = Events::default();
        let Some(text) = self.content(EVENTS, MAX_EVENTS_BYTES) else { return events };
        let Some(lines) = text.strip_suffix(b"\n") else {
            self.add(None, EVENTS, "lines that end in a line feed", "no line feed at the end");
            return events;
        };
        let mut completeness = Completeness::default();
        let mut last = None;
        let total = length(lines.split(|byte| *byte == b'\n').count());
        for (number, line) in lines.split(|byte| *byte == b'\n').enumerate() {
            let Some((leaf, index)) = split_line(line) else {
                let found = format!("another line {}", number + 1);
                self.add(None, EVENTS, "lines of the form {\"event\":LEAF,\"index\":N}", found);
                continue;
            };
            if let Some(last) = last.filter(|last| index <= *last) {
                self.add(Some(index), EVENTS, format!("an index above {last}"), format!("{index}"));
                continue;
            }
            last = Some(index);
            if leaf.len() > MAX_LEAF_BYTES {
                let found = format!("{} bytes", leaf.len());
                self.add(Some(index), EVENTS, format!("a leaf of at most {MAX_LEAF_BYTES} bytes"), found);
                continue;
            }
            self.report.events += 1;
            (self.progress)(self.report.events, total);
            self.proof(leaf, index, note, checkpoint);
            completeness.event(leaf, &mut |expected, found| self.add(Some(index), EVENTS, expected, found));
            match canonical::parse(leaf, &Limits::default()) {
                Some(event) => {
                    if let Err(found) = events.take(index, &event) {
                        self.add(Some(index), EVENTS, "payloads in the form of this version", found);
                    }
                }
                None => self.add(Some(index), EVENTS, "a leaf in canonical JSON (RFC 8785)", "another text"),
            }
        }
        self.report.sessions = completeness.sessions();
        self.report.open_sessions = completeness.open_sessions();
        self.report.operations = completeness.operations();
        self.report.open_operations = completeness.open_operations();
        self.report.denied_operations = completeness.denied_operations();
        events
    }

    fn proof(&mut self, leaf: &[u8], index: u64, note: &str, checkpoint: &Checkpoint) {
        let name = proof_name(index);
        if !self.zip.has(&name) {
            return self.add(Some(index), &name, "the proof of this entry", "no such file");
        }
        let Some(text) = self.text(&name, length(MAX_PROOF_BYTES)) else { return };
        let proof = match text.parse::<InclusionProof>() {
            Ok(proof) if proof.to_string() == text && proof.extra.is_none() => proof,
            Ok(_) => return self.add(Some(index), &name, "a tlog-proof and nothing else", "another form of it"),
            Err(error) => return self.add(Some(index), &name, "a tlog-proof", error.to_string()),
        };
        if proof.index != index {
            return self.add(Some(index), &name, format!("index {index}"), format!("index {}", proof.index));
        }
        if proof.checkpoint != note {
            return self.add(Some(index), &name, format!("the checkpoint in {CHECKPOINT}"), "another checkpoint");
        }
        let hash = Hash::of_leaf(leaf);
        if !verify_inclusion(&hash, index, checkpoint.size, &proof.path, &checkpoint.root) {
            let expected = format!("a leaf that leads to the root {} of {} entries", checkpoint.root, checkpoint.size);
            self.add(Some(index), &name, expected, format!("the hash {hash}, which does not"));
        }
    }

    /// Compares `session.json` with what the events say; gives what it says of payloads.
    fn sessions(&mut self, events: &Events) -> Vec<(String, Disclosure)> {
        let Some(text) = self.content(SESSIONS, MAX_TABLE_BYTES) else { return Vec::new() };
        let said = parse_table(&text).map(|table| {
            let sessions = table.root().get("sessions").into_iter().flat_map(|sessions| sessions.elements());
            let one = |session: vidimus_core::json::Value<'_>| {
                let disclosure = Disclosure::from_name(&session.get("payloads")?.as_str()?)?;
                Some((session.get("id")?.as_str()?.into_owned(), disclosure))
            };
            sessions.filter_map(one).collect::<BTreeMap<_, _>>()
        });
        let said = said.unwrap_or_default();
        let expected = events.facts.to_json(|id| said.get(id).copied().unwrap_or(Disclosure::Included));
        if text != expected {
            let different = events.facts.ids().find(|id| !said.contains_key(*id));
            let found = different.map_or_else(|| "another text".to_owned(), |id| format!("no session {id}"));
            self.add(None, SESSIONS, "exactly what the events say of their sessions", found);
        }
        let mut disclosures = Vec::new();
        for id in events.facts.ids() {
            let disclosure = said.get(id).copied().unwrap_or(Disclosure::Included);
            let keeps = events.facts.keeps_payloads(id).unwrap_or(false);
            let fits = match disclosure {
                Disclosure::Included | Disclosure::Erased => keeps,
                Disclosure::Sizes => !keeps,
                Disclosure::Withheld => true,
            };
            if !fits {
                let record = if keeps { "masked" } else { "sizes" };
                let expected = format!("payloads of session {id} as its record = {record} has them");
                self.add(None, SESSIONS, expected, format!("`{}`", disclosure.name()));
            }
            disclosures.push((id.to_owned(), disclosure));
        }
        disclosures
    }

    /// Checks the payloads of a session against the commitments in its events, both ways.
    fn payloads(&mut self, session: &str, commits: Option<&Commits>) {
        let none = Commits::default();
        let commits = commits.unwrap_or(&none);
        let table = table_name(session);
        if commits.payloads.is_empty() && !self.zip.has(&table) {
            return;
        }
        let Some(text) = self.content(&table, MAX_TABLE_BYTES) else { return };
        let mut opened: BTreeMap<(u64, [u64; 3]), Opened> = BTreeMap::new();
        let mut last = None;
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Some(row) = PayloadRow::parse(line) else {
                self.add(None, &table, "a payload in canonical JSON on each line", "another line");
                continue;
            };
            let [segment, offset, _] = row.at;
            if last.is_some_and(|last| (segment, offset) <= last) {
                self.add(None, &table, "payloads in the order of the recording", format!("{} out of order", row.file));
            }
            last = Some((segment, offset));
            if let Some(payload) = self.payload(session, &row) {
                let parts = (row.name == CHUNKS).then_some(payload);
                let place = (row.seq, row.at);
                if let Some(other) = opened.insert(place, Opened { row, parts }) {
                    self.add(
                        None,
                        &table,
                        "one payload at each place",
                        format!("another one beside {}", other.row.file),
                    );
                }
            }
        }
        if !text.is_empty() && text.last() != Some(&b'\n') {
            self.add(None, &table, "lines that end in a line feed", "no line feed at the end");
        }
        for (entry, seq, payload) in &commits.payloads {
            let Some(Opened { row, parts }) = opened.get(&(*seq, payload.at)) else {
                let expected = format!("the {} that event {seq} commits to, at {:?}", payload.name, payload.at);
                self.add(Some(*entry), &table, expected, "none that opens");
                continue;
            };
            if (&row.name, &row.commitment, row.bytes) != (&payload.name, &payload.commitment, payload.bytes) {
                let expected = format!("the {} with commitment {}", payload.name, payload.commitment);
                let found = format!("a {} with commitment {}", row.name, row.commitment);
                self.add(Some(*entry), &row.file, expected, found);
                continue;
            }
            self.report.payloads += 1;
            self.report.delivered += u64::from(payload.is_delivered_other);
            if let (Some(committed), Some(intent)) = (parts, commits.intents.get(seq)) {
                let of_intent = opened.range((*intent, [0; 3])..=(*intent, [u64::MAX; 3]));
                let parts: Vec<&str> = of_intent
                    .filter(|(_, part)| part.row.name == CHUNK)
                    .map(|(_, part)| &*part.row.commitment)
                    .collect();
                self.parts(*entry, &row.file, &parts, committed);
            }
        }
        self.uncommitted(&table, commits, opened.values().map(|opened| &opened.row));
    }

    /// Opens one payload: its file must be what the row's commitment is to.
    fn payload(&mut self, session: &str, row: &PayloadRow) -> Option<Vec<u8>> {
        if !row.file.starts_with(&format!("payloads/{session}/")) || self.used.contains(&row.file) {
            let found = format!("{} for {:?}", row.file, row.at);
            self.add(None, &table_name(session), format!("a file of session {session} for each payload"), found);
            return None;
        }
        if !self.zip.has(&row.file) {
            self.add(None, &row.file, "the file of a payload", "no such file");
            return None;
        }
        let payload = self.content(&row.file, MAX_PAYLOAD_BYTES)?;
        let found = base64(&commitment(&row.salt, &row.name, &payload));
        if found == row.commitment && length(payload.len()) == row.bytes {
            return Some(payload);
        }
        let expected = format!("the {} of event {} with commitment {}", row.name, row.seq, row.commitment);
        self.add(None, &row.file, expected, format!("commitment {found} under the salt in {}", table_name(session)));
        None
    }

    /// The parts of a streamed result, against what the outcome commits to.
    fn parts(&mut self, entry: u64, file: &str, parts: &[&str], committed: &[u8]) {
        self.work += length(parts.len());
        let commitments: Vec<[u8; 32]> =
            parts.iter().filter_map(|commitment| from_base64(commitment)?.try_into().ok()).collect();
        let found = commitment_of_parts(&commitments);
        if found.as_slice() == committed {
            self.report.payloads += length(commitments.len());
        } else {
            let expected = format!("parts whose commitments have SHA-256 {}", super::hex(committed));
            self.add(Some(entry), file, expected, format!("{} parts with {}", parts.len(), super::hex(&found)));
        }
    }

    /// Every payload in the archive must be one that an event commits to.
    fn uncommitted<'r>(&mut self, table: &str, commits: &Commits, rows: impl Iterator<Item = &'r PayloadRow>) {
        for row in rows {
            if !commits.includes(&row.name, row.seq, row.at) {
                let found = format!("{} as the {} of event {}", row.file, row.name, row.seq);
                self.add(None, table, "only payloads that an event commits to", found);
            }
        }
    }

    /// The bytes of a file, which whoever asks checks.
    fn content(&mut self, name: &str, limit: u64) -> Option<Vec<u8>> {
        self.used.insert(name.to_owned());
        self.read(name, limit)
    }

    fn read(&mut self, name: &str, limit: u64) -> Option<Vec<u8>> {
        match self.zip.read(name, limit) {
            Ok(content) => {
                self.work += length(content.len());
                Some(content)
            }
            Err(error) => {
                // Once, however often it is asked for.
                if self.unreadable.insert(name.to_owned()) {
                    self.add(None, name, "a readable file", error.to_string());
                }
                None
            }
        }
    }

    fn text(&mut self, name: &str, limit: u64) -> Option<String> {
        match String::from_utf8(self.content(name, limit)?) {
            Ok(text) => Some(text),
            Err(error) => {
                self.add(None, name, "UTF-8", error.to_string());
                None
            }
        }
    }

    fn add(&mut self, entry: Option<u64>, file: &str, expected: impl Into<String>, found: impl Into<String>) {
        self.report.add(finding(entry, file, expected, found));
    }
}

/// The leaf and the index of a line of `events.ndjson`.
fn split_line(line: &[u8]) -> Option<(&[u8], u64)> {
    let rest = line.strip_prefix(b"{\"event\":")?.strip_suffix(b"}")?;
    let marker = b",\"index\":";
    let at = rest.windows(marker.len()).rposition(|window| window == marker)?;
    let (leaf, index) = rest.split_at_checked(at)?;
    Some((leaf, decimal(str::from_utf8(index.get(marker.len()..)?).ok()?)?))
}

/// A table: canonical JSON and a line feed.
fn parse_table(text: &[u8]) -> Option<Document> {
    let limits =
        Limits { max_bytes: usize::try_from(MAX_TABLE_BYTES).ok()?, max_nodes: MAX_TABLE_NODES, ..Limits::default() };
    canonical::parse(text.strip_suffix(b"\n")?, &limits)
}

fn finding(entry: Option<u64>, file: &str, expected: impl Into<String>, found: impl Into<String>) -> Finding {
    let file = if file.is_empty() { "the archive" } else { file };
    Finding { entry, file: PathBuf::from(file), expected: expected.into(), found: found.into() }
}
