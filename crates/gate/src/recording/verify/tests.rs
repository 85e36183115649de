//! Recordings that hold, and each way in which one does not.

use std::sync::Arc;

use serde_json::json;
use vidimus_core::event::Payload;
use vidimus_core::{Record, Timestamp};

use super::super::{Part, PayloadName, Sealed, Writer};
use super::*;

const KEY: [u8; 32] = [1; 32];

/// A session of one streamed call and one that a crash cut off, in a directory.
struct Recorded {
    dir: tempfile::TempDir,
    session: SessionId,
    events: Vec<Value>,
}

fn session() -> SessionId {
    SessionId::from_bytes([9; 16])
}

fn entry(payload: &Payload) -> Value {
    json!({ "at": payload.at, "bytes": payload.bytes, "commitment": payload.commitment, "name": payload.name })
}

fn recorded(record: Record) -> Recorded {
    let dir = tempfile::tempdir().unwrap();
    let session = session();
    let wrapping = Arc::new(KeyEncryptionKey::new(&Secret::new(KEY)).unwrap());
    let (mut writer, mut segment) = Writer::open(session, record, &wrapping).unwrap();
    let mut seal = |seq: u64, name: PayloadName, payload: &[u8]| -> Sealed {
        let sealed =
            writer.seal(seq, Timestamp::from_seconds(1), Part { name, recorded: payload, passed: payload }).unwrap();
        writer.advance(&sealed);
        segment.extend_from_slice(&sealed.bytes);
        sealed
    };
    let request = seal(1, PayloadName::Request, b"a call");
    let parts = [seal(1, PayloadName::Chunk, b"one"), seal(1, PayloadName::Chunk, b"two")];
    let other = seal(2, PayloadName::Request, b"another call");
    let sum = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        &parts.iter().flat_map(|part| part.commitment).collect::<Vec<u8>>(),
    );
    let chunks = seal(3, PayloadName::Chunks, sum.as_ref());
    let response = seal(3, PayloadName::Response, b"done");
    seal(2, PayloadName::Chunk, b"cut off");
    let events = vec![
        json!({ "type": "session.opened", "seq": 0 }),
        json!({ "type": "operation.admitted", "seq": 1, "payloads": [entry(&request.payload)] }),
        json!({ "type": "operation.admitted", "seq": 2, "payloads": [entry(&other.payload)] }),
        json!({ "type": "operation.outcome", "seq": 3, "operation": { "intent": 1 }, "outcome": { "bytes": 10 },
                "payloads": [entry(&chunks.payload), entry(&response.payload)] }),
        json!({ "type": "operation.outcome", "seq": 4, "operation": { "intent": 2 },
                "outcome": { "bytes": 0, "status": "unknown" } }),
        json!({ "type": "session.closed", "seq": 5 }),
    ];
    let directory = dir.path().join("recordings").join(session.to_string());
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("00000000.seg"), segment).unwrap();
    Recorded { dir, session, events }
}

impl Recorded {
    fn file(&self) -> PathBuf {
        self.dir.path().join(format!("recordings/{}/00000000.seg", self.session))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.file()).unwrap();
        change(&mut bytes);
        std::fs::write(self.file(), bytes).unwrap();
    }

    /// What is found, without the directory, and how much was checked.
    fn check(&self, key: Option<[u8; 32]>) -> (Vec<String>, Checked) {
        let secret = key.map(Secret::new);
        let mut verifier = RecordingVerifier::new(self.dir.path(), secret.as_ref()).unwrap();
        let mut found = Vec::new();
        for (index, event) in (10..).zip(&self.events) {
            let mut event = event.clone();
            event["session"] = json!(self.session.to_string());
            found.extend(verifier.event(index, event.to_string().as_bytes()));
        }
        assert!(verifier.sessions.is_empty(), "what has ended is forgotten");
        let prefix = format!("{}/", self.dir.path().display());
        let found = found
            .iter()
            .map(|finding| finding.to_string().replace(&prefix, "").replace(&self.session.to_string(), "S"));
        (found.collect(), verifier.checked())
    }

    fn found(&self, key: Option<[u8; 32]>) -> Vec<String> {
        self.check(key).0
    }

    /// Where the frame of a payload stands: event, and which of its payloads.
    fn at(&self, event: usize, payload: usize) -> [usize; 2] {
        let at = &self.events[event]["payloads"][payload]["at"];
        [1, 2].map(|index| usize::try_from(at[index].as_u64().unwrap()).unwrap())
    }
}

#[test]
fn what_was_recorded_holds_with_the_key_and_without() {
    let whole = recorded(Record::Masked);
    assert_eq!(whole.check(None), (vec![], Checked { payloads: 4, frames: 7, opened: 0, sizes: 0 }));
    assert_eq!(whole.check(Some(KEY)), (vec![], Checked { payloads: 4, frames: 7, opened: 7, sizes: 0 }));
    let sizes = recorded(Record::Sizes);
    assert_eq!(sizes.check(None), (vec![], Checked { payloads: 4, frames: 7, opened: 0, sizes: 0 }));
    assert_eq!(sizes.check(Some(KEY)), (vec![], Checked { payloads: 4, frames: 7, opened: 7, sizes: 6 }));
}

#[test]
fn every_flipped_byte_is_found_with_the_key() {
    for record in [Record::Masked, Record::Sizes] {
        let recorded = recorded(record);
        let length = std::fs::read(recorded.file()).unwrap().len();
        for at in 0..length {
            recorded.change(|bytes| bytes[at] ^= 1);
            assert!(!recorded.found(Some(KEY)).is_empty(), "byte {at}");
            recorded.change(|bytes| bytes[at] ^= 1);
        }
        assert_eq!(recorded.found(Some(KEY)), Vec::<String>::new());
    }
}

#[test]
fn a_flipped_byte_is_told_with_event_and_file() {
    let recorded = recorded(Record::Masked);
    let [offset, _] = recorded.at(2, 0);
    recorded.change(|bytes| bytes[offset + 70] ^= 1);
    assert_eq!(
        recorded.found(Some(KEY)),
        [format!(
            "entry 12, recordings/S/00000000.seg: expected a whole frame at byte {offset} (session S, event 2), found one \
             that does not open: it was altered"
        )]
    );
    assert_eq!(recorded.found(None), Vec::<String>::new(), "what is sealed is not seen without the key");
}

#[test]
fn every_cut_is_found_without_the_key() {
    let recorded = recorded(Record::Masked);
    let whole = std::fs::read(recorded.file()).unwrap();
    let [last, length] = recorded.at(3, 1);
    for cut in 0..whole.len() {
        recorded.change(|bytes| bytes.truncate(cut));
        // Where the lost part of a call that was cut off would begin, nothing is missing.
        assert_eq!(recorded.found(None).is_empty(), cut == last + length, "cut to {cut}");
        recorded.change(|bytes| bytes.clone_from(&whole));
    }
    recorded.change(|bytes| bytes.truncate(last + 5));
    assert_eq!(
        recorded.found(None)[0],
        format!(
            "entry 13, recordings/S/00000000.seg: expected a whole frame at byte {last} (session S, event 3), found the end \
             of the file at byte {}",
            last + 5
        )
    );
    recorded.change(|bytes| bytes.truncate(last));
    assert_eq!(
        recorded.found(None)[0],
        "entry 13, recordings/S/00000000.seg: expected the response of 4 bytes in the 82 bytes at byte LAST (session S, \
         event 3), found the end of the recording before it"
            .replace("LAST", &last.to_string())
    );
    std::fs::remove_file(recorded.file()).unwrap();
    let missing = "entry 11, recordings/S/00000000.seg: expected a recording (session S, event 1), found no such file";
    assert_eq!(recorded.found(None)[0], missing);
}

#[test]
fn what_follows_damage_is_checked_all_the_same() {
    let recorded = recorded(Record::Masked);
    let [offset, _] = recorded.at(1, 0);
    recorded.change(|bytes| bytes[offset] = 0xff);
    let found = recorded.found(None);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("entry 11, "), "{found:?}");
}

#[test]
fn swapped_parts_and_moved_frames_are_found() {
    let recorded = recorded(Record::Masked);
    let whole = std::fs::read(recorded.file()).unwrap();
    let [request, length] = recorded.at(1, 0);
    let (first, part) = (request + length, 3 + usize::try_from(OVERHEAD_BYTES).unwrap());
    recorded.change(|bytes| {
        bytes[first..first + part].copy_from_slice(&whole[first + part..first + 2 * part]);
        bytes[first + part..first + 2 * part].copy_from_slice(&whole[first..first + part]);
    });
    for key in [None, Some(KEY)] {
        let found = recorded.found(key);
        assert!(found[0].contains("event 2), found number 1, which is out of order"), "{found:?}");
    }
    // A part of what is no operation.
    recorded.change(|bytes| {
        bytes.clone_from(&whole);
        bytes[first + 19] = 0;
    });
    let found = recorded.found(None);
    assert!(found[0].contains("found one of operation 0, which has ended or never was"), "{found:?}");
}

#[test]
fn an_event_that_says_otherwise_is_found() {
    let change = |change: &dyn Fn(&mut Vec<Value>), key| {
        let mut recorded = recorded(Record::Masked);
        change(&mut recorded.events);
        recorded.found(key)
    };
    let says = |found: &[String], what: &str| assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:?}");
    for key in [None, Some(KEY)] {
        says(&change(&|events| events[1]["payloads"][0]["bytes"] = json!(7), key), "found 6 bytes");
        says(&change(&|events| events[1]["payloads"][0]["name"] = json!("response"), key), "found a request");
        says(&change(&|events| events[3]["outcome"]["bytes"] = json!(11), key), "do not add up");
    }
    let other = |events: &mut Vec<Value>| {
        events[1]["payloads"][0]["commitment"] = events[2]["payloads"][0]["commitment"].clone();
    };
    says(&change(&other, Some(KEY)), "found other content than was committed to");
    assert_eq!(change(&other, None), Vec::<String>::new());
    says(&change(&|events| events[3]["payloads"] = json!({}), None), "found one whose payloads were not checked");
}

#[test]
fn a_session_that_is_open_may_go_on_and_one_that_is_closed_may_not() {
    let mut recorded = recorded(Record::Masked);
    recorded.change(|bytes| bytes.extend_from_slice(b"the beginning of the next frame"));
    let found = recorded.found(None);
    assert!(found.len() == 1 && found[0].starts_with("entry 15, "), "{found:?}");
    recorded.events.pop();
    let mut verifier = RecordingVerifier::new(recorded.dir.path(), None).unwrap();
    for (index, event) in (0..).zip(&recorded.events) {
        let mut event = event.clone();
        event["session"] = json!(recorded.session.to_string());
        assert_eq!(verifier.event(index, event.to_string().as_bytes()), []);
    }
    assert_eq!(verifier.sessions.len(), 1);
}

#[test]
fn another_key_opens_no_recording() {
    let recorded = recorded(Record::Masked);
    let found = recorded.found(Some([2; 32]));
    assert!(found[0].contains("found a key that the key-encryption key does not open"), "{found:?}");
}

#[test]
fn a_recording_may_be_missing_only_if_the_log_says_that_it_was_erased() {
    let recorded = recorded(Record::Masked);
    let directory = recorded.file().parent().unwrap().to_owned();
    let step = |seq: u64, kind: &str, who: Option<&str>, by: Value| {
        let mut custody = json!({ "session": recorded.session.to_string(), "expects": seq, "reason": "request 4711" });
        custody.as_object_mut().unwrap().extend(by.as_object().unwrap().clone());
        let (id, session) = ("0199a1b2-0000-7000-8000-00000000000a", SessionId::from_bytes([1; 16]).to_string());
        let mut event = json!({ "v": "vidimus.event/1", "id": id, "time": "2026-11-20T23:47:40.123456789Z", "gateway": "gw-1",
            "session": session, "seq": seq, "type": kind, "custody": custody });
        if let Some(who) = who {
            event["who"] = json!(who);
        }
        event
    };
    let by = |two: [&str; 2]| json!({ "requested_by": two[0], "confirmed_by": two[1] });
    let two = ["corp|alice", "corp|bob"];
    let asked = json!({ "expires": "2026-11-21T23:47:40.123456789Z" });
    let decided = [
        step(0, "admin.erase_requested", Some("corp|alice"), asked),
        step(1, "admin.erase_confirmed", Some("corp|bob"), by(two)),
        step(2, "recording.erased", None, by(two)),
    ];
    let check = |steps: &[Value]| {
        let mut verifier = RecordingVerifier::new(recorded.dir.path(), None).unwrap();
        let mut found = Vec::new();
        for (index, event) in (10..).zip(&recorded.events) {
            let mut event = event.clone();
            event["session"] = json!(recorded.session.to_string());
            found.extend(verifier.event(index, event.to_string().as_bytes()));
        }
        for (index, step) in (16..).zip(steps) {
            found.extend(verifier.event(index, step.to_string().as_bytes()));
        }
        found.extend(verifier.finish());
        let by: Vec<_> = verifier.erased().filter_map(|erased| erased.confirmed_by.clone()).collect();
        (found.iter().map(|finding| finding.expected.clone()).collect::<Vec<_>>(), by)
    };
    let bob = || vec!["corp|bob".to_owned()];
    let there = format!("no recording of session {}, which is erased", recorded.session);
    assert_eq!(check(&decided), (vec![there], bob()), "it is still there");
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(check(&decided), (vec![], bob()));

    // Nobody is entitled by what only says so: no request, one person twice, another than who asked, a hold between.
    let undecided =
        format!("a decision of two persons, or of retention, to erase session {}, under no hold", recorded.session);
    let [request, confirmation, erased] = &decided;
    let twice = step(1, "admin.erase_confirmed", Some("corp|alice"), by(["corp|alice"; 2]));
    let other = step(1, "admin.erase_confirmed", Some("corp|bob"), by(["corp|carol", "corp|bob"]));
    let hold = step(1, "admin.hold_added", Some("corp|carol"), json!({}));
    for forged in [
        vec![erased.clone()],
        vec![request.clone(), erased.clone()],
        vec![confirmation.clone(), erased.clone()],
        vec![request.clone(), twice, erased.clone()],
        vec![request.clone(), other, erased.clone()],
        vec![request.clone(), hold, confirmation.clone(), erased.clone()],
    ] {
        assert_eq!(check(&forged).0, vec![undecided.clone()], "{forged:#?}");
    }
    let missing = format!("a recording (session {}, event 1)", recorded.session);
    assert_eq!(check(&[]), (vec![missing], vec![]), "once for the session");
}
