//! Full-text search: off unless asked for, and gone for good when a recording is erased.

use std::collections::BTreeMap;

use vidimus_core::event::{Custody as Step, CustodyStep, Payload};
use vidimus_store::Texts;

use super::*;

/// Payloads by session and offset.
#[derive(Clone, Default)]
struct Payloads(BTreeMap<(SessionId, u64), String>);

impl Texts for Payloads {
    fn text(&mut self, session: SessionId, [_, offset, _]: [u64; 3]) -> Option<String> {
        self.0.get(&(session, offset)).cloned()
    }
}

fn payload(offset: u64) -> Payload {
    Payload { name: "request", commitment: String::new(), delivered: None, at: [0, offset, 1], bytes: 1 }
}

/// Two sessions, each with a call and its result.
fn recorded() -> (Log, Payloads) {
    let (mut log, mut payloads) = (Log::default(), Payloads::default());
    for (number, request, response) in
        [(1, "refund the zebracorn invoice", "done: zebracorn"), (2, "list \"open\" tickets", "none OR all")]
    {
        let (id, of) = (session_id(0xAB, number), Some(("corp|alice", "crm")));
        log.add(id, 0, of, opening(&principal("alice"), None));
        let (first, second) = ([payload(1)], [payload(2)]);
        log.add(id, 1, of, Body::OperationAdmitted(Decided { payloads: &first, ..decided(Effect::Allow) }));
        log.add(id, 2, of, Body::OperationOutcome(Ended { payloads: &second, ..ended() }));
        payloads.0.insert((id, 1), request.into());
        payloads.0.insert((id, 2), response.into());
    }
    (log, payloads)
}

fn open(path: &Path, payloads: &Payloads) -> Index {
    Index::open_with(path, Some(Box::new(payloads.clone()))).unwrap()
}

fn found(path: &Path, words: &str) -> Vec<u8> {
    let filter = SessionFilter { text: Some(words.into()), limit: 10, ..SessionFilter::default() };
    let rows = Reader::open(path).unwrap().sessions(&filter).unwrap();
    rows.iter().map(|row| *row.id.as_bytes().last().unwrap()).collect()
}

fn erased(log: &mut Log) {
    let step = |step, expects| {
        Body::Custody(Step {
            step,
            session: session_id(0xAB, 1),
            expects,
            reason: "case",
            expires: None,
            requested_by: None,
            confirmed_by: None,
        })
    };
    log.add(session_id(1, 0), 0, Some(("vidimus|gw", "crm")), step(CustodyStep::EraseConfirmed, 0));
    log.add(session_id(1, 0), 1, Some(("vidimus|gw", "crm")), step(CustodyStep::Erased, 1));
}

/// Whether a word stands anywhere in the files of an index.
fn holds(path: &Path, word: &str) -> bool {
    ["", "-wal", "-shm"].iter().any(|suffix| {
        let bytes = std::fs::read(format!("{}{suffix}", path.display())).unwrap_or_default();
        bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    })
}

#[test]
fn words_are_found_as_a_phrase_and_nothing_in_them_is_syntax() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("index.db");
    let (log, payloads) = recorded();
    open(&path, &payloads).apply(0, &log.slices()).unwrap();
    assert_eq!(found(&path, "zebracorn"), [1]);
    assert_eq!(found(&path, "ZEBRACORN invoice"), [1]);
    assert_eq!(found(&path, "invoice zebracorn"), [0; 0]);
    assert_eq!(found(&path, "done"), [1], "in a result");
    assert_eq!(found(&path, "\"open\""), [2]);
    for syntax in ["zebracorn OR tickets", "zebra*", "body:zebracorn", "NOT x", "\"", "' OR 1 --", ""] {
        assert_eq!(found(&path, syntax), [0; 0], "{syntax}");
    }
}

#[test]
fn without_being_asked_for_no_word_is_kept_and_turning_it_off_forgets_all() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("index.db");
    let (log, payloads) = recorded();
    Index::open(&path).unwrap().apply(0, &log.slices()).unwrap();
    let filter = SessionFilter { text: Some("x".into()), limit: 1, ..SessionFilter::default() };
    let refused = Reader::open(&path).unwrap().sessions(&filter).unwrap_err();
    assert!(refused.public_message().contains("full_text = true"), "{refused}");
    assert!(!holds(&path, "zebracorn"));

    let mut index = open(&path, &payloads);
    assert_eq!(index.applied(), 0, "it is made again, with words");
    index.apply(0, &log.slices()).unwrap();
    drop(index);
    assert!(holds(&path, "zebracorn"));
    assert_eq!(Index::open(&path).unwrap().applied(), 0);
    assert!(!holds(&path, "zebracorn"));
}

#[test]
fn what_is_erased_is_nowhere_in_the_files() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("index.db");
    let (mut log, mut payloads) = recorded();
    let mut index = open(&path, &payloads);
    index.apply(0, &log.slices()).unwrap();
    assert!(holds(&path, "zebracorn") && holds(&path, "tickets"));
    erased(&mut log);
    index.apply(0, &log.slices()).unwrap();
    assert!(!holds(&path, "zebracorn"), "while the index is open");
    assert_eq!(index.reader().unwrap().wiped().unwrap(), log.leaves.len() as u64);
    drop(index);
    assert!(!holds(&path, "zebracorn"));
    assert_eq!((found(&path, "zebracorn"), found(&path, "tickets")), (vec![], vec![2]), "the others are still found");

    // Made again from the log, with the recording gone, it is the same.
    payloads.0.retain(|(session, _), _| *session != session_id(0xAB, 1));
    let again = directory.path().join("again.db");
    open(&again, &payloads).apply(0, &log.slices()).unwrap();
    assert_eq!(dump(&again), dump(&path));
}

#[test]
fn a_reader_that_holds_the_index_puts_the_wiping_off() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("index.db");
    let (mut log, payloads) = recorded();
    let mut index = open(&path, &payloads);
    index.apply(0, &log.slices()).unwrap();
    let reading = Connection::open(&path).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM sessions").unwrap();
    erased(&mut log);
    index.apply(0, &log.slices()).unwrap();
    assert!(index.reader().unwrap().wiped().unwrap() < log.leaves.len() as u64);
    reading.execute_batch("ROLLBACK").unwrap();
    log.add(session_id(1, 0), 2, None, Body::LogStopped { count: 3, up: std::time::Duration::ZERO });
    index.apply(0, &log.slices()).unwrap();
    assert_eq!(index.reader().unwrap().wiped().unwrap(), log.leaves.len() as u64);
    assert!(!holds(&path, "zebracorn"));
}
