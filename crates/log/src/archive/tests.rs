//! An archive that holds, and every way of tampering with one: each is found, and named with what and where.

mod hostile;

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::codec::length;
use crate::journal_key::JournalKey;
use crate::keylist::KeyList;
use crate::log::{Log, Options};
use crate::note::{Checkpoint, Signer};
use crate::storage::FileSystem;
use crate::trust::Trust;
use crate::zip::{ZipReader, ZipWriter};
use crate::{Entry, commitment, commitment_of_parts};

const ORIGIN: &str = "example.com/log";
const FIRST: &str = "00000000-0000-7000-8000-000000000001";
const SECOND: &str = "00000000-0000-7000-8000-000000000002";
const SALT: [u8; 32] = [5; 32];

fn signer(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn keys(seed: u8) -> KeyList {
    KeyList::always([signer(seed).verifier().clone()])
}

/// Commitments as an event has them.
fn committed(name: &str, at: u64, bytes: &[u8]) -> String {
    let commitment = crate::codec::base64(&commitment(&SALT, name, bytes));
    format!(r#"{{"at":[0,{at},9],"bytes":{},"commitment":"{commitment}","name":"{name}"}}"#, bytes.len())
}

fn leaf(session: &str, seq: u64, kind: &str, front: &str, middle: &str) -> String {
    format!(
        r#"{{{front}"gateway":"g",{middle}"seq":{seq},"session":"{session}","time":"t","type":"{kind}","v":"vidimus.event/1","who":"corp|a"}}"#
    )
}

fn parts() -> [u8; 32] {
    commitment_of_parts(&[commitment(&SALT, "chunk", b"par"), commitment(&SALT, "chunk", b"t")])
}

/// Two sessions, mixed: the first closed, with a streamed result, the second open, of a target that keeps sizes only.
fn leaves() -> Vec<String> {
    let opened = |record: &str| {
        format!(r#""principal":{{"display":"Ann","kind":"user"}},"protocol":"mcp","record":"{record}","#)
    };
    let admitted =
        format!(r#""operation":{{"action":"crm/get"}},"payloads":[{}],"#, committed("request", 68, b"{\"q\":1}"));
    let streamed = format!(
        r#""operation":{{"action":"crm/get","intent":1}},"payloads":[{},{}],"#,
        committed("chunks", 400, &parts()),
        committed("response", 500, b"end")
    );
    let sizes = format!(r#""operation":{{"action":"x"}},"payloads":[{}],"#, committed("request", 68, b"kept nowhere"));
    vec![
        leaf(FIRST, 0, "session.opened", "", &opened("masked")),
        leaf(SECOND, 0, "session.opened", "", &opened("sizes")),
        leaf(FIRST, 1, "operation.admitted", "", &admitted),
        leaf(SECOND, 1, "operation.admitted", "", &sizes),
        leaf(FIRST, 2, "operation.outcome", "", &streamed),
        leaf(FIRST, 3, "session.closed", "\"count\":4,", ""),
    ]
}

/// The frames of the first session's recording; the last part is of an operation that a crash cut off.
fn payloads() -> Vec<Payload> {
    let parts = parts();
    let payload = |(seq, at, name, content): (u64, u64, &'static str, &[u8])| Payload {
        at: [0, at, 9],
        content: content.to_vec(),
        name,
        salt: SALT,
        seq,
    };
    let payloads: [(u64, u64, &str, &[u8]); 6] = [
        (1, 68, "request", b"{\"q\":1}"),
        (1, 200, "chunk", b"par"),
        (1, 300, "chunk", b"t"),
        (2, 400, "chunks", &parts),
        (2, 500, "response", b"end"),
        (9, 600, "chunk", b"of nothing"),
    ];
    payloads.map(payload).to_vec()
}

/// A log of these leaves, after some others, and its archive.
fn archive_of(leaves: &[String]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    archive_in(dir.path(), leaves)
}

fn archive_in(dir: &Path, leaves: &[String]) -> Vec<u8> {
    let (log, _) =
        Log::open(Arc::new(FileSystem), Options::new(dir, ORIGIN, JournalKey::new(&[7; 32])), signer(7)).unwrap();
    for _ in 0..300 {
        log.append(&[Entry::Leaf(b"of others")]).unwrap();
    }
    for leaf in leaves {
        log.append(&[Entry::Leaf(leaf.as_bytes())]).unwrap();
    }
    log.close().unwrap();
    let note = log.checkpoint();
    let mut writer = ArchiveWriter::new(Vec::new(), &note, &keys(7)).unwrap();
    for (leaf, index) in leaves.iter().zip(300..) {
        writer.event(leaf.as_bytes(), &log.prove(index).unwrap()).unwrap();
    }
    assert_eq!((writer.keeps_payloads(FIRST), writer.keeps_payloads(SECOND)), (Some(true), Some(false)));
    writer.payloads(FIRST, &payloads()).unwrap();
    writer.without_payloads(SECOND, Disclosure::Sizes);
    let claims = Claims { by: "local|0".into(), made: "t".into(), program: "0".into(), selection: "all".into() };
    let checkpoint = Checkpoint::open(&note, &[signer(7).verifier().clone()]).unwrap();
    writer.finish(&claims, &checkpoint).unwrap()
}

fn check(archive: &[u8], trusted: Option<&KeyList>) -> ArchiveReport {
    verify(Cursor::new(archive), &Trust::new(trusted.cloned(), None).unwrap(), &mut |_, _| {})
}

fn files(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut reader = ZipReader::open(Cursor::new(archive)).unwrap();
    let names: Vec<String> = reader.names().map(str::to_owned).collect();
    names.into_iter().map(|name| (name.clone(), reader.read(&name, 1 << 30).unwrap())).collect()
}

fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Vec::new());
    for (name, bytes) in files {
        writer.file(name, bytes).unwrap();
    }
    writer.finish().unwrap()
}

/// The manifest written anew for these files, as an attacker would.
fn with_manifest(mut files: Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let manifest = files.iter().position(|(name, _)| name == MANIFEST).unwrap();
    let (_, old) = files.remove(manifest);
    files.sort();
    let listed: Vec<String> = files
        .iter()
        .map(|(name, bytes)| format!(r#"{{"bytes":{},"name":"{name}","sha256":"{}"}}"#, bytes.len(), sha256(bytes)))
        .collect();
    let old = String::from_utf8(old).unwrap();
    let (start, end) = (old.find("\"files\":[").unwrap() + 9, old.find("],\"made\"").unwrap());
    let new = format!("{}{}{}", &old[..start], listed.join(","), &old[end..]);
    files.push((MANIFEST.to_owned(), new.into_bytes()));
    pack(&files)
}

/// Alters the files of a good archive, with the manifest to match, and gives what is found.
fn found(alter: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> String {
    let mut files = files(&archive_of(&leaves()));
    alter(&mut files);
    findings(&with_manifest(files))
}

fn findings(archive: &[u8]) -> String {
    let report = check(archive, Some(&keys(7)));
    assert_eq!(report.outcome(), Outcome::Refuted, "{}", report.to_text());
    report.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn content<'f>(files: &'f mut [(String, Vec<u8>)], name: &str) -> &'f mut Vec<u8> {
    &mut files.iter_mut().find(|(own, _)| own == name).unwrap_or_else(|| panic!("{name}")).1
}

fn replace(files: &mut [(String, Vec<u8>)], name: &str, from: &str, to: &str) {
    let bytes = content(files, name);
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    *bytes = text.replacen(from, to, 1).into_bytes();
}

#[test]
fn a_good_archive_holds() {
    let archive = archive_of(&leaves());
    let report = check(&archive, Some(&keys(7)));
    assert_eq!(report.findings, []);
    // One of its two sessions is open.
    assert_eq!((report.outcome(), report.outcome().exit_status()), (Outcome::Unended, 3));
    assert_eq!((report.events, report.sessions, report.open_sessions, report.operations), (6, 2, 1, 2));
    assert_eq!((report.payloads, report.payloads_elsewhere), (5, 1));
    assert_eq!(report.files, length(files(&archive).len()) - 1);
    let text = report.to_text();
    assert!(text.starts_with("not shown to be whole: 17 files, 6 events, 2 sessions (1 open)"), "{text}");
    assert!(text.contains("without their last event: 1 session, "), "{text}");
    assert!(text.contains("not in the archive: 1 payload that"), "{text}");
    assert!(report.to_json().contains(r#""outcome":"unended""#));
    // So it is when all of it is packed again, as the tests below do before they alter something.
    assert_eq!(check(&with_manifest(files(&archive)), Some(&keys(7))).findings, []);
}

#[test]
fn without_a_key_of_ones_own_it_is_not_verified() {
    let report = check(&archive_of(&leaves()), None);
    assert_eq!((report.outcome(), report.outcome().exit_status()), (Outcome::Untrusted, 3));
    assert!(report.to_text().starts_with("not verified: "), "{}", report.to_text());
    let report = check(&archive_of(&leaves()), Some(&keys(8)));
    assert_eq!((report.outcome(), report.outcome().exit_status()), (Outcome::Refuted, 1));
    assert!(report.to_text().contains("log/checkpoint: expected a checkpoint signed by one of the given keys"));
}

#[test]
fn a_flipped_bit_in_any_file_is_found_in_that_file() {
    let archive = archive_of(&leaves());
    for (position, (name, bytes)) in files(&archive).into_iter().enumerate() {
        let mut altered = files(&archive);
        altered[position].1[bytes.len() / 2] ^= 1;
        let report = check(&pack(&altered), Some(&keys(7)));
        assert_eq!(report.outcome(), Outcome::Refuted, "{name}");
        let is_named = |finding: &crate::verify::Finding| finding.file == Path::new(&name);
        // A hash in the manifest that was altered shows as a file that does not fit it.
        let is_manifest = name == MANIFEST;
        assert!(is_manifest || report.findings.iter().any(is_named), "{name}: {}", report.to_text());
    }
}

#[test]
fn an_archive_cut_short_is_no_archive() {
    let archive = archive_of(&leaves());
    for size in [0, 1, archive.len() / 2, archive.len() - 1] {
        let text = findings(&archive[..size]);
        assert!(text.starts_with("the archive: expected an archive"), "{text}");
    }
}

/// What an attacker does who writes the manifest anew.
#[test]
fn the_tamper_table() {
    let event_line = |files: &mut Vec<(String, Vec<u8>)>, number: usize| {
        let text = String::from_utf8(content(files, EVENTS).clone()).unwrap();
        text.lines().nth(number).unwrap().to_owned()
    };
    let table = format!("payloads/{FIRST}.ndjson");
    let file = |number: usize| format!("payloads/{FIRST}/{number:06}");

    let altered_event = found(|files| replace(files, EVENTS, r#""display":"Ann""#, r#""display":"Bob""#));
    assert!(
        altered_event.contains("entry 300, proofs/300.tlog-proof: expected a leaf that leads to the root"),
        "{altered_event}"
    );

    let dropped_event = found(|files| {
        let line = event_line(files, 2);
        replace(files, EVENTS, &format!("{line}\n"), "");
        files.retain(|(name, _)| name != "proofs/302.tlog-proof");
    });
    assert!(
        dropped_event.contains(&format!("entry 304, events.ndjson: expected seq 1 of session {FIRST}, found seq 2")),
        "{dropped_event}"
    );

    let dropped_last = found(|files| {
        let line = event_line(files, 5);
        replace(files, EVENTS, &format!("{line}\n"), "");
        files.retain(|(name, _)| name != "proofs/305.tlog-proof");
    });
    assert!(dropped_last.contains("session.json: expected exactly what the events say"), "{dropped_last}");

    let swapped_events = found(|files| {
        let (second, third) = (event_line(files, 2), event_line(files, 4));
        replace(files, EVENTS, &second, "SECOND");
        replace(files, EVENTS, &third, &second);
        replace(files, EVENTS, "SECOND", &third);
    });
    assert!(
        swapped_events.contains("entry 303, events.ndjson: expected an index above 304, found 303"),
        "{swapped_events}"
    );

    let swapped_leaves = found(|files| {
        replace(files, EVENTS, r#""index":302}"#, r#""index":304.}"#);
        replace(files, EVENTS, r#""index":304}"#, r#""index":302}"#);
        replace(files, EVENTS, r#""index":304.}"#, r#""index":304}"#);
    });
    assert!(
        swapped_leaves.contains("entry 304, proofs/304.tlog-proof: expected a leaf that leads"),
        "{swapped_leaves}"
    );

    let forged_checkpoint = found(|files| {
        let note = String::from_utf8(content(files, CHECKPOINT).clone()).unwrap();
        let forged =
            signer(8).sign(note.split_once("\n\n").map(|(text, _)| format!("{text}\n")).unwrap().as_str()).unwrap();
        let forged_keys = keys(8).to_string().into_bytes();
        for (name, bytes) in files.iter_mut().filter(|(name, _)| name == CHECKPOINT || name.starts_with("proofs/")) {
            *bytes = String::from_utf8(bytes.clone()).unwrap().replace(&note, &forged).into_bytes();
            assert!(!name.is_empty());
        }
        *content(files, KEYS) = forged_keys;
    });
    assert!(
        forged_checkpoint
            .contains("log/checkpoint: expected a checkpoint signed by one of the given keys, found not signed by any"),
        "{forged_checkpoint}"
    );

    let other_proof = found(|files| {
        let proof = content(files, "proofs/301.tlog-proof").clone();
        *content(files, "proofs/302.tlog-proof") = proof;
    });
    assert!(
        other_proof.contains("entry 302, proofs/302.tlog-proof: expected index 302, found index 301"),
        "{other_proof}"
    );

    let no_proof = found(|files| files.retain(|(name, _)| name != "proofs/302.tlog-proof"));
    assert!(
        no_proof.contains("entry 302, proofs/302.tlog-proof: expected the proof of this entry, found no such file"),
        "{no_proof}"
    );

    let altered_payload = found(|files| *content(files, &file(0)) = b"{\"q\":2}".to_vec());
    assert!(
        altered_payload.contains(&format!("{}: expected the request of event 1 with commitment", file(0))),
        "{altered_payload}"
    );

    let swapped_payloads = found(|files| {
        let (first, second) = (content(files, &file(1)).clone(), content(files, &file(2)).clone());
        *content(files, &file(1)) = second;
        *content(files, &file(2)) = first;
    });
    assert!(swapped_payloads.contains(&format!("{}: expected the chunk of event 1", file(1))), "{swapped_payloads}");

    let other_salt = found(|files| replace(files, &table, &hex(&SALT), &hex(&[6; 32])));
    assert!(
        other_salt.contains(&format!("{}: expected the request of event 1 with commitment", file(0))),
        "{other_salt}"
    );

    // A payload of the attacker's own, with a commitment that fits it.
    let forged_payload = found(|files| {
        let forged = Payload { content: b"{\"q\":2}".to_vec(), ..payloads()[0].clone() };
        let row = payload::PayloadRow::new(FIRST, 0, &forged);
        *content(files, &file(0)) = b"{\"q\":2}".to_vec();
        let text = String::from_utf8(content(files, &table).clone()).unwrap();
        let first = text.lines().next().unwrap().to_owned();
        replace(files, &table, &format!("{first}\n"), &String::from_utf8(row.to_line()).unwrap());
    });
    assert!(
        forged_payload.contains(&format!("entry 302, {}: expected the request with commitment", file(0))),
        "{forged_payload}"
    );

    let dropped_part = found(|files| {
        let text = String::from_utf8(content(files, &table).clone()).unwrap();
        let part = text.lines().nth(2).unwrap().to_owned();
        replace(files, &table, &format!("{part}\n"), "");
        files.retain(|(name, _)| *name != file(2));
    });
    assert!(
        dropped_part.contains(&format!("entry 304, {}: expected parts whose commitments have SHA-256", file(3))),
        "{dropped_part}"
    );

    let dropped_payload = found(|files| {
        let text = String::from_utf8(content(files, &table).clone()).unwrap();
        let last = text.lines().last().unwrap().to_owned();
        replace(files, &table, &format!("{last}\n"), "");
        files.retain(|(name, _)| *name != file(4));
    });
    assert!(
        dropped_payload.contains(&format!("entry 304, {table}: expected the response that event 2 commits to")),
        "{dropped_payload}"
    );

    let no_table = found(|files| files.retain(|(name, _)| *name != table));
    assert!(no_table.contains(&format!("{table}: expected a readable file, found there is no")), "{no_table}");

    let withheld = found(|files| replace(files, SESSIONS, "\"payloads\":\"included\"", "\"payloads\":\"withheld\""));
    assert!(
        withheld.contains(&format!("{}: expected no file besides those that the events call for", file(0))),
        "{withheld}"
    );

    let retold = found(|files| replace(files, SESSIONS, "\"operations\":1", "\"operations\":2"));
    assert!(retold.contains("session.json: expected exactly what the events say of their sessions"), "{retold}");

    let added = found(|files| files.push(("oscal/report.json".into(), b"{}".to_vec())));
    assert!(added.contains("oscal/report.json: expected no file besides those that the events call for"), "{added}");

    let other_guide = found(|files| replace(files, GUIDE, "fail()", "ok()"));
    assert!(
        other_guide.contains("VERIFY.md: expected the guide of vidimus.archive/1, found another text"),
        "{other_guide}"
    );
}

#[test]
fn a_file_that_the_manifest_does_not_list_is_found() {
    let mut files = files(&archive_of(&leaves()));
    files.push(("added.txt".into(), b"x".to_vec()));
    let text = findings(&pack(&files));
    assert!(
        text.contains("added.txt: expected only files that the manifest lists, found one that it does not list"),
        "{text}"
    );
}

#[test]
fn leaves_that_are_no_events_or_not_canonical_are_found() {
    let mut with_space = leaves();
    with_space[3] = with_space[3].replace(",\"time\"", ", \"time\"");
    let text = findings(&archive_of(&with_space));
    assert!(text.contains("entry 303, events.ndjson: expected a leaf in canonical JSON"), "{text}");
    let mut no_outcome = leaves();
    no_outcome.remove(4);
    no_outcome[4] = leaf(FIRST, 2, "session.closed", "\"count\":3,", "");
    let text = findings(&archive_of(&no_outcome));
    assert!(text.contains("expected an outcome of every operation before the last event"), "{text}");
}

#[test]
fn what_the_report_says_cannot_act_on_a_terminal() {
    let report = ArchiveReport {
        findings: vec![crate::verify::Finding {
            entry: None,
            file: "x".into(),
            expected: "a\u{1b}[31m".into(),
            found: "b\n\u{202e}ok".into(),
        }],
        ..ArchiveReport::default()
    };
    let text = report.to_text();
    assert!(text.starts_with("x: expected a\\u{1b}[31m, found b\\u{a}\\u{202e}ok\n"), "{text}");
}
