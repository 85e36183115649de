//! Archives whose parts tell two stories, that want to be believed later, or that are little to send and much to check.

use super::*;
use crate::archive::payload::PayloadRow;
use crate::archive::verify::counted;
use crate::{Cosigner, WitnessPolicy};

fn trust(policy: Option<&str>) -> Trust {
    Trust::new(Some(keys(7)), policy.map(|policy| policy.parse::<WitnessPolicy>().unwrap())).unwrap()
}

fn checked(archive: &[u8], trust: &Trust) -> ArchiveReport {
    verify(Cursor::new(archive), trust, &mut |_, _| {})
}

/// The lines of findings about a file.
fn about(found: &str, file: &str) -> Vec<String> {
    found.lines().filter(|line| line.contains(&format!("{file}: "))).map(str::to_owned).collect()
}

#[test]
fn a_key_that_was_not_given_is_found() {
    let own = |line: &str| {
        let line = line.to_owned();
        about(&found(|files| *content(files, KEYS) = line.into_bytes()), KEYS)
    };
    let (ours, theirs) = (signer(7).verifier().clone(), signer(8).verifier().clone());
    let added = own(&format!("{ours} 0\n{theirs} 0\n"));
    assert!(added.len() == 1 && added[0].ends_with(&format!("found {theirs} 0")), "{added:?}");
    // One that is said to have been retired before: whoever takes the list for later would not believe our key.
    let retired = own(&format!("{ours} 0 5\n"));
    assert!(retired[0].contains("expected the keys that have signed log/checkpoint"), "{retired:?}");

    // The same the other way round: the sizes are those that were given.
    let archive = archive_of(&leaves());
    let given = |lines: String| {
        let trust = Trust::new(Some(lines.parse().unwrap()), None).unwrap();
        about(&checked(&archive, &trust).to_text(), KEYS)
    };
    assert_eq!(given(format!("{ours} 0\n{theirs} 5\n")), [""; 0]);
    // The archive was made before the key was retired.
    assert_eq!(given(format!("{ours} 0 9999\n")), [""; 0]);
    let later = given(format!("{ours} 100\n"));
    assert!(later.len() == 1 && later[0].ends_with(&format!("found {ours} 0")), "{later:?}");
}

#[test]
fn a_manifest_that_tells_another_story_is_found() {
    for (from, to, expected) in [
        ("\"events\":6", "\"events\":7", "expected the number of events in events.ndjson, 6, found 7"),
        ("\"size\":306", "\"size\":305", "expected the checkpoint in log/checkpoint and its signers, found others"),
        ("\"signers\":[", "\"signers\":[\"w\",", "expected the checkpoint in log/checkpoint and its signers"),
        ("\"events\":6", "\"errors\":0,\"events\":6", "expected the members of vidimus.archive/1 and no others"),
        ("\"selection\":\"all\"", "\"selection\":0", "expected the members of vidimus.archive/1 and no others"),
    ] {
        let found = found(|files| replace(files, MANIFEST, from, to));
        assert!(about(&found, MANIFEST)[0].contains(expected), "{to}: {found}");
    }
}

#[test]
fn two_payloads_at_one_place_are_found() {
    let table = format!("payloads/{FIRST}.ndjson");
    let found = found(|files| {
        let mut twin = PayloadRow::new(FIRST, 9, &payloads()[0]);
        twin.file = format!("payloads/{FIRST}/twin");
        let first = String::from_utf8(content(files, &table).clone()).unwrap();
        let rest = first.split_once('\n').unwrap().1;
        *content(files, &table) =
            [first.split_inclusive('\n').next().unwrap().as_bytes(), &twin.to_line(), rest.as_bytes()].concat();
        files.push((twin.file, payloads()[0].content.clone()));
    });
    assert!(
        found.contains(&format!("{table}: expected one payload at each place, found another one beside")),
        "{found}"
    );

    let twice = committed("request", 68, b"{\"q\":1}");
    let mut leaves = leaves();
    leaves[2] = leaves[2].replace(&twice, &format!("{twice},{twice}"));
    let found = findings(&archive_of(&leaves));
    assert!(
        found.contains("entry 302, events.ndjson: expected payloads in the form of this version, found two"),
        "{found}"
    );
}

#[test]
fn a_leaf_that_no_log_holds_is_found() {
    let found = found(|files| {
        let long = format!("\"gateway\":\"{}\"", "g".repeat(70_000));
        replace(files, EVENTS, "\"gateway\":\"g\"", &long);
    });
    assert!(found.contains("entry 300, events.ndjson: expected a leaf of at most 65535 bytes, found 70"), "{found}");
}

#[test]
fn what_cannot_be_read_is_named_once() {
    let archive = archive_of(&leaves());
    let at = archive.windows(8).position(|window| window == b"\"display").unwrap();
    let mut flipped = archive;
    flipped[at] ^= 1;
    let found = findings(&flipped);
    assert_eq!(about(&found, EVENTS).len(), 1, "{found}");
}

#[test]
fn witnesses_must_have_cosigned_where_they_are_asked_for() {
    let witness = Cosigner::from_seed("witness.example/w", &[3; 32]).unwrap();
    let policy = format!("witness ours {}\nquorum ours\n", witness.key());
    let archive = archive_of(&leaves());
    let bare = checked(&archive, &trust(Some(&policy)));
    assert_eq!(bare.outcome(), Outcome::Refuted);
    let text = bare.to_text();
    assert!(text.starts_with("log/checkpoint: expected a checkpoint that the witnesses of the policy"), "{text}");
    assert!(text.contains("the quorum `ours` is not reached: cosigned by none, not by ours"), "{text}");
    let unasked = checked(&archive, &trust(None)).to_text();
    assert!(unasked.contains("not checked: whether witnesses have seen this log"), "{unasked}");

    // The witness's line joins the checkpoint, in all the files that hold it.
    let mut files = files(&archive);
    let note = String::from_utf8(content(&mut files, CHECKPOINT).clone()).unwrap();
    let line = witness.cosign(&note[..=note.find("\n\n").unwrap()], 7).unwrap();
    for (_, bytes) in files.iter_mut().filter(|(name, _)| name == CHECKPOINT || name.starts_with("proofs/")) {
        bytes.extend_from_slice(line.as_bytes());
    }
    replace(&mut files, MANIFEST, &format!("[\"{ORIGIN}\"]"), &format!("[\"{ORIGIN}\",\"witness.example/w\"]"));
    let cosigned = checked(&with_manifest(files), &trust(Some(&policy)));
    assert_eq!((cosigned.findings.as_slice(), cosigned.outcome()), (&[][..], Outcome::Unended));
    let text = cosigned.to_text();
    assert!(text.contains("witnessed by witness.example/w at 1970-01-01T00:00:07"), "{text}");
    assert!(!text.contains("whether witnesses") && cosigned.to_json().contains("\"quorum\":true"), "{text}");
}

/// An archive of these files besides guide, keys and checkpoint; nobody signed anything in it.
fn unsigned(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let note = signer(7).sign(&format!("{ORIGIN}\n{}\n{}\n", u64::MAX, crate::Hash([0; 32]))).unwrap();
    let base = [
        (GUIDE.to_owned(), GUIDE_TEXT.as_bytes().to_vec()),
        (KEYS.to_owned(), keys(7).to_string().into_bytes()),
        (CHECKPOINT.to_owned(), note.into_bytes()),
    ];
    pack(&[&base[..], files].concat())
}

/// Bytes of an archive, and the work of checking it.
fn work(files: &[(String, Vec<u8>)]) -> (u64, u64) {
    let archive = unsigned(files);
    let (report, work) = counted(Cursor::new(&archive), &trust(None), &mut |_, _| {});
    assert_eq!(report.outcome(), Outcome::Refuted);
    (length(archive.len()), work)
}

/// Twice as large a file is twice as much work, whatever stands in it: no part is looked at more often than it is there.
#[test]
fn the_work_of_checking_grows_with_the_archive_only() {
    let one_proof_for_many_lines = |lines: u64| {
        let line = |number: u64| {
            format!("{{\"event\":{{}},\"index\":{}}}\n", [u64::MAX, 5][usize::from(number.is_multiple_of(2))])
        };
        let proof = |index: u64| (proof_name(index), vec![b'x'; 50_000]);
        let events = (0..lines).map(line).collect::<String>();
        vec![(EVENTS.to_owned(), events.into_bytes()), proof(5), proof(u64::MAX)]
    };
    let one_result_for_many_outcomes = |outcomes: u64| {
        let of = |middle: &str, seq: u64, kind: &str| {
            format!("{{\"event\":{},\"index\":{seq}}}\n", leaf(FIRST, seq, kind, "", middle))
        };
        let mut rows = vec![];
        let mut files = vec![];
        let mut events = of("\"record\":\"masked\",", 0, "session.opened");
        let mut payload = |at: u64, name: &'static str, seq: u64, content: &[u8]| {
            let payload = Payload { at: [0, at, 9], content: content.to_vec(), name, salt: SALT, seq };
            let row = PayloadRow::new(FIRST, files.len(), &payload);
            rows.extend(row.to_line());
            files.push((row.file, payload.content));
        };
        for part in 0..outcomes {
            payload(part, "chunk", 1, b"x");
        }
        for seq in 2..2 + outcomes {
            payload(outcomes + seq, "chunks", seq, &parts());
            let committed = committed("chunks", outcomes + seq, &parts());
            let middle = format!(r#""operation":{{"intent":1}},"payloads":[{committed}],"#);
            events.push_str(&of(&middle, seq, "operation.outcome"));
        }
        files.push((EVENTS.to_owned(), events.into_bytes()));
        files.push((SESSIONS.to_owned(), br#"{"sessions":[]}"#.to_vec()));
        files.push((format!("payloads/{FIRST}.ndjson"), rows));
        files
    };
    for (name, files) in [
        ("one proof for many lines", &one_proof_for_many_lines as &dyn Fn(u64) -> Vec<(String, Vec<u8>)>),
        ("one result for many outcomes", &one_result_for_many_outcomes),
    ] {
        let (small, large) = (work(&files(1_000)), work(&files(4_000)));
        assert!(large.1 <= 4 * small.1, "{name}: {small:?}, {large:?}");
        assert!(small.1 <= 2 * small.0 && large.1 <= 2 * large.0, "{name}: {small:?}, {large:?}");
    }
}
