//! Archives out of a real log: what is in them, what is left out, and that they verify.

use std::io::Cursor;
use std::sync::Arc;

use vidimus_log::archive::{self, ArchiveReport, Outcome};
use vidimus_log::zip::ZipReader;
use vidimus_log::{Entry, FileSystem, JournalKey, KeyList, Log, Options, SALT_BYTES, Signer, Trust, commitment};

use super::*;

const ORIGIN: &str = "example.com/log";
const SALT: [u8; SALT_BYTES] = [5; SALT_BYTES];
const REQUEST: &[u8] = b"{\"q\":1}";

fn keys() -> KeyList {
    KeyList::always([Signer::from_seed(ORIGIN, &[7; 32]).unwrap().verifier().clone()])
}

fn session(number: u8, leaves: &[u64], with_payloads: bool) -> Session {
    Session { id: SessionId::from_bytes([number; 16]), leaves: leaves.to_vec(), with_payloads }
}

/// The first two events of a session, the second with a payload.
fn events(number: u8, record: &str) -> [String; 2] {
    let session = SessionId::from_bytes([number; 16]);
    let base64: String = base64(&commitment(&SALT, "request", REQUEST));
    [
        format!(r#"{{"gateway":"g","record":"{record}","seq":0,"session":"{session}","type":"session.opened"}}"#),
        format!(
            r#"{{"payloads":[{{"at":[0,68,9],"bytes":7,"commitment":"{base64}","name":"request"}}],"seq":1,"session":"{session}","type":"operation.denied"}}"#
        ),
    ]
}

/// Standard base64 (RFC 4648 §4) of 32 bytes.
fn base64(bytes: &[u8; 32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(ALPHABET[usize::try_from(bits & 63).unwrap()]);
    let group = |chunk: &[u8]| {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        [18, 12, 6, 0].map(|shift| digit(bits >> shift))
    };
    let text: String = bytes.chunks(3).flat_map(group).collect();
    format!("{}=", &text[..43])
}

/// The archive of sessions 1 to 4, mixed in the log with other entries, and its check.
fn archived(kept: Option<&[Payload]>) -> (Vec<u8>, ArchiveReport) {
    let dir = tempfile::tempdir().unwrap();
    let signer = Signer::from_seed(ORIGIN, &[7; 32]).unwrap();
    let options = Options::new(dir.path(), ORIGIN, JournalKey::new(&[7; 32]));
    let (log, _) = Log::open(Arc::new(FileSystem), options, signer).unwrap();
    let sessions = [events(1, "masked"), events(2, "sizes"), events(3, "masked"), events(4, "masked")];
    for turn in 0..2 {
        log.append(&[Entry::Leaf(b"another")]).unwrap();
        for events in &sessions {
            log.append(&[Entry::Leaf(events[turn].as_bytes())]).unwrap();
        }
    }
    log.close().unwrap();
    let mut snapshot = log.snapshot();
    let chosen =
        [session(1, &[1, 6], true), session(2, &[2, 7], true), session(3, &[3, 8], false), session(4, &[4, 99], true)];
    let mut asked = Vec::new();
    let claims = Claims { by: "local|0".into(), ..Claims::default() };
    let written = write_archive(Vec::new(), &mut snapshot, &chosen, &claims, |id| {
        asked.push(id);
        Ok::<_, ZipError>(kept.map(<[Payload]>::to_vec))
    });
    assert_eq!(asked, [SessionId::from_bytes([1; 16])], "only what may go and is kept is read");
    let archive = written.unwrap();
    let report = archive::verify(Cursor::new(&archive), &Trust::new(Some(keys()), None).unwrap(), &mut |_, _| {});
    (archive, report)
}

fn payload(at: u64, content: &[u8]) -> Payload {
    Payload { at: [0, at, 9], content: content.to_vec(), name: "request", salt: SALT, seq: 1 }
}

#[test]
fn events_of_all_sessions_go_and_payloads_that_may() {
    let (archive, report) = archived(Some(&[payload(68, REQUEST), payload(99, b"of no event")]));
    assert_eq!(report.findings, []);
    assert_eq!((report.outcome(), report.events, report.open_sessions), (Outcome::Unended, 7, 4));
    assert_eq!((report.payloads, report.payloads_elsewhere), (1, 2));
    let mut zip = ZipReader::open(Cursor::new(&archive)).unwrap();
    let sessions = String::from_utf8(zip.read("session.json", 1 << 20).unwrap()).unwrap();
    let states: Vec<&str> =
        sessions.split("\"payloads\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(states, ["included", "sizes", "withheld", "included"]);
    let content: Vec<&str> = zip.names().filter(|name| name.ends_with("/000000")).collect();
    assert_eq!(content.len(), 1, "what no event commits to stays: {content:?}");
}

#[test]
fn a_recording_that_is_gone_is_said_to_be_erased() {
    let (archive, report) = archived(None);
    assert_eq!((report.outcome(), report.payloads), (Outcome::Unended, 0));
    let mut zip = ZipReader::open(Cursor::new(&archive)).unwrap();
    let sessions = String::from_utf8(zip.read("session.json", 1 << 20).unwrap()).unwrap();
    assert!(sessions.contains("\"payloads\":\"erased\""), "{sessions}");
}

#[test]
fn a_recording_that_lacks_a_payload_makes_an_archive_that_does_not_hold() {
    let (_, report) = archived(Some(&[]));
    assert_eq!(report.outcome(), Outcome::Refuted);
    assert!(report.to_text().contains("expected"), "{}", report.to_text());
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_archive() {
    let dir = tempfile::tempdir().unwrap();
    let signer = Signer::from_seed(ORIGIN, &[7; 32]).unwrap();
    let options = Options::new(dir.path(), ORIGIN, JournalKey::new(&[7; 32]));
    let (log, _) = Log::open(Arc::new(FileSystem), options, signer).unwrap();
    log.append(&[Entry::Leaf(events(1, "masked")[0].as_bytes()), Entry::Leaf(events(1, "masked")[1].as_bytes())])
        .unwrap();
    log.close().unwrap();
    let mut snapshot = log.snapshot();
    let claims = Claims::default();
    let failed = write_archive(Vec::new(), &mut snapshot, &[session(1, &[0, 1], true)], &claims, |_| {
        Err::<Option<Vec<Payload>>, _>("the recording is damaged")
    });
    assert_eq!(failed.unwrap_err().to_string(), "the recording is damaged");
    let many = session(1, &vec![0; MAX_MEMBERS], true);
    let refused = write_archive(Vec::new(), &mut snapshot, &[many], &claims, |_| Ok::<_, ZipError>(None));
    assert!(matches!(refused, Err(ReportError::Zip(ZipError::TooLarge))));
    std::fs::remove_dir_all(dir.path().join("log/tile")).unwrap();
    let damaged =
        write_archive(Vec::new(), &mut log.snapshot(), &[session(1, &[0], true)], &claims, |_| Ok::<_, ZipError>(None));
    assert!(matches!(damaged, Err(ReportError::Read(_))));
}
