//! The verifier finds every kind of damage, says where, and finds nothing in a good log.

use std::path::Path;
use std::sync::Arc;

use vidimus_log::testing::Disk;
use vidimus_log::verify::{self, Kept, Report};
use vidimus_log::{Cosigner, Entry, FileSystem, Log, Signer, Trust, WitnessPolicy};

use super::{ORIGIN, key, open, open_on};

fn event(session: &str, seq: u64, kind: &str, count: Option<u64>) -> Vec<u8> {
    let count = count.map_or_else(String::new, |count| format!("\"count\":{count},"));
    format!("{{{count}\"gateway\":\"g\",\"seq\":{seq},\"session\":\"{session}\",\"type\":\"{kind}\"}}").into_bytes()
}

/// Session `s0` closed, `s1` still open, 600 events in all, interleaved.
fn events() -> Vec<Vec<u8>> {
    let mut events: Vec<_> = (0..598).map(|n| event(&format!("s{}", n % 2), n / 2, "operation.denied", None)).collect();
    events.push(event("s0", 299, "session.closed", Some(300)));
    events.push(event("s1", 299, "operation.denied", None));
    events
}

/// Where an entry of [`events`] begins in its bundle.
fn offset(entry: usize) -> usize {
    events()[entry / 256 * 256..entry].iter().map(|leaf| leaf.len() + 2).sum()
}

fn write(events: &[Vec<u8>], dir: &Path) -> Arc<Disk> {
    let disk = Arc::new(Disk::default());
    let (log, _) = open_on(&disk, dir).unwrap();
    for event in events {
        log.append(&[Entry::Leaf(event)]).unwrap();
    }
    log.close().unwrap();
    disk
}

fn trust() -> Trust {
    Trust::in_keys([key()])
}

fn check(disk: &Disk, dir: &Path) -> Report {
    verify::log(disk, dir, &[key()], &mut |_, _| {})
}

fn findings(report: &Report, dir: &Path) -> Vec<String> {
    assert!(!report.holds());
    let prefix = format!("{}/", dir.display());
    report.findings.iter().map(|finding| finding.to_string().replace(&prefix, "")).collect()
}

#[test]
fn a_good_log_holds_also_while_it_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    for event in events() {
        log.append(&[Entry::Leaf(&event)]).unwrap();
    }
    super::eventually("integration", || log.status().integrated == 600);
    let mut calls = Vec::new();
    let report = verify::log(&FileSystem, dir.path(), &[key()], &mut |done, of| calls.push((done, of)));
    assert_eq!(report.findings, []);
    assert!(report.holds());
    assert_eq!((report.entries, report.tiles, report.sessions, report.open_sessions), (600, 4, 2, 1));
    assert_eq!(calls, [(0, 600), (256, 600), (512, 600), (600, 600)]);
}

#[test]
fn an_empty_log_holds() {
    let dir = tempfile::tempdir().unwrap();
    let disk = write(&[], dir.path());
    let report = check(&disk, dir.path());
    assert!(report.holds() && report.checkpoint.is_some_and(|checkpoint| checkpoint.size == 0));
}

#[test]
fn every_changed_byte_of_entries_and_tiles_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let disk = write(&events(), dir.path());
    for (path, len) in [
        ("tile/entries/000", 256 * 50),
        ("tile/entries/002.p/88", 88 * 50),
        ("tile/0/001", 8192),
        ("tile/0/002.p/88", 88 * 32),
        ("tile/1/000.p/2", 64),
    ] {
        for at in (0..len).step_by(len / 17) {
            let spoiled = disk.killed();
            spoiled.tamper(&dir.path().join("log").join(path), |bytes| bytes[at] ^= 4);
            let found = findings(&check(&spoiled, dir.path()), dir.path());
            assert!(found.iter().any(|finding| finding.contains("log/tile/")), "{path} {at}: {found:?}");
        }
    }
}

#[test]
fn findings_say_which_entry_what_was_expected_and_what_found() {
    let dir = tempfile::tempdir().unwrap();
    let disk = write(&events(), dir.path());
    let spoiled = disk.killed();
    spoiled.tamper(&dir.path().join("log/tile/0/001"), |bytes| bytes[32 * 4..32 * 5].fill(0));
    let found = findings(&check(&spoiled, dir.path()), dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("entry 260, log/tile/0/001: expected hash "), "{found:?}");
    assert!(found[0].ends_with(" at 260, found hash AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), "{found:?}");

    // Entries that the hashes above contradict are blamed themselves, in full bundles and in the last one.
    for (name, entry) in [("001", 259), ("002.p/88", 519)] {
        let spoiled = disk.killed();
        spoiled.tamper(&dir.path().join("log/tile/entries").join(name), |bytes| bytes[offset(entry) + 20] ^= 1);
        let found = findings(&check(&spoiled, dir.path()), dir.path());
        let blamed = |finding: &&String| {
            finding.starts_with(&format!("entry {entry}, log/tile/entries/{name}: expected an entry with hash "))
        };
        assert_eq!(found.iter().filter(blamed).count(), 1, "{found:?}");
        assert!(found.iter().all(|finding| finding.starts_with("entry ")), "nothing above it: {found:?}");
    }

    let spoiled = disk.killed();
    spoiled.delete(&dir.path().join("log/tile/entries/001"));
    let report = check(&spoiled, dir.path());
    let found = findings(&report, dir.path());
    assert_eq!(found[0], "entry 256, log/tile/entries/001: expected 256 hashes or entries, found no such file");
    assert_eq!(report.entries, 344, "the others are still checked");
}

#[test]
fn an_entry_replaced_with_all_tiles_made_again_is_found_by_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let disk = write(&events(), dir.path());
    let mut others = events();
    others[77] = event("s1", 38, "recording.viewed", None);
    std::fs::create_dir(dir.path().join("forged")).unwrap();
    let forged = write(&others, &dir.path().join("forged"));
    let checkpoint = disk.all()[&dir.path().join("log/checkpoint")].clone();
    forged.tamper(&dir.path().join("forged/log/checkpoint"), |bytes| *bytes = checkpoint);
    let found = findings(&check(&forged, &dir.path().join("forged")), dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("forged/log/checkpoint: expected root "), "{found:?}");
}

#[test]
fn another_key_or_a_changed_checkpoint_does_not_verify() {
    let dir = tempfile::tempdir().unwrap();
    let disk = write(&events(), dir.path());
    let other = Signer::from_seed(ORIGIN, &[1; 32]).unwrap().verifier().clone();
    let report = verify::log(disk.as_ref(), dir.path(), &[other], &mut |_, _| {});
    assert!(findings(&report, dir.path())[0].ends_with("found not signed by any of the given keys"));
    let checkpoint = dir.path().join("log/checkpoint");
    disk.tamper(&checkpoint, |bytes| {
        let at = bytes.windows(5).position(|window| window == b"\n600\n").unwrap();
        bytes[at + 1] = b'5';
    });
    assert!(findings(&check(&disk, dir.path()), dir.path())[0].contains("does not verify"));
    disk.delete(&checkpoint);
    assert!(findings(&check(&disk, dir.path()), dir.path())[0].contains("cannot read"));
}

#[test]
fn a_missing_event_shows() {
    let found = |change: fn(&mut Vec<Vec<u8>>)| {
        let dir = tempfile::tempdir().unwrap();
        let mut events = events();
        change(&mut events);
        findings(&check(&write(&events, dir.path()), dir.path()), dir.path())
    };
    let file = "log/tile/entries/000";
    assert_eq!(
        found(|events| drop(events.remove(100))),
        [format!("entry 101, {file}: expected seq 50 of session s0, found seq 51")]
    );
    assert_eq!(
        found(|events| events.swap(20, 22)),
        [
            format!("entry 20, {file}: expected seq 10 of session s0, found seq 11"),
            format!("entry 22, {file}: expected seq 12 of session s0, found seq 10"),
            format!("entry 24, {file}: expected seq 11 of session s0, found seq 12"),
        ]
    );
    // The last events before the end are gone; only the count tells.
    assert_eq!(
        found(|events| {
            events.truncate(10);
            events.push(event("s0", 5, "session.closed", Some(7)));
        }),
        ["entry 10, log/tile/entries/000.p/11: expected count 6 in the last event of session s0, found count 7"]
    );
    assert_eq!(
        found(|events| events.push(event("s0", 300, "operation.denied", None))),
        [
            "entry 600, log/tile/entries/002.p/89: expected no event of session s0 after its last, found operation.denied with seq 300"
        ]
    );
    assert_eq!(
        found(|events| events.push(b"{}".to_vec())),
        [
            "entry 600, log/tile/entries/002.p/89: expected an event: canonical JSON with session, seq and type, found 2 other bytes"
        ]
    );
}

/// The end of an operation.
fn outcome(session: &str, seq: u64, intent: &str) -> Vec<u8> {
    format!(
        "{{\"gateway\":\"g\",\"operation\":{{\"action\":\"a\"{intent}}},\"outcome\":{{\"status\":\"unknown\"}},\"seq\":{seq},\
         \"session\":\"{session}\",\"type\":\"operation.outcome\"}}"
    )
    .into_bytes()
}

/// Two sessions whose operations overlap: that of `a` is closed, that of `b` still has an open operation.
fn operations() -> Vec<Vec<u8>> {
    vec![
        event("a", 0, "session.opened", None),
        event("b", 0, "session.opened", None),
        event("a", 1, "operation.admitted", None),
        event("b", 1, "operation.admitted", None),
        event("a", 2, "operation.admitted", None),
        event("b", 2, "operation.admitted", None),
        outcome("a", 3, ",\"intent\":2"),
        event("a", 4, "operation.denied", None),
        outcome("a", 5, ",\"intent\":1"),
        event("a", 6, "session.closed", Some(7)),
        outcome("b", 3, ",\"intent\":2"),
    ]
}

fn checked(events: &[Vec<u8>]) -> (Report, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let report = check(&write(events, dir.path()), dir.path());
    let found = if report.holds() { Vec::new() } else { findings(&report, dir.path()) };
    (report, found)
}

#[test]
fn operations_of_open_sessions_may_be_open() {
    let (report, found) = checked(&operations());
    assert_eq!(found, Vec::<String>::new());
    assert_eq!((report.operations, report.open_operations, report.open_sessions), (4, 1, 1));
}

#[test]
fn an_operation_without_exactly_one_outcome_is_found_though_the_tree_holds() {
    let found = |change: fn(&mut Vec<Vec<u8>>)| {
        let mut events = operations();
        change(&mut events);
        checked(&events).1
    };
    let file = "log/tile/entries/000.p";
    let second = "expected an outcome of an operation of session b that was admitted and has none yet, found a second \
                  outcome, or one of what was not admitted";
    // An outcome was never written, and the numbers are dense all the same.
    assert_eq!(
        found(|events| events[8] = event("a", 5, "operation.denied", None)),
        [format!(
            "entry 9, {file}/11: expected an outcome of every operation before the last event of session a, found none \
             of 1: seq 1"
        )]
    );
    assert_eq!(
        found(|events| events.push(outcome("b", 4, ",\"intent\":2"))),
        [format!("entry 11, {file}/12: {second}: seq 4 for intent 2")],
        "answered twice"
    );
    for (what, intent) in [("opened the session", 0), ("is to come", 9), ("is the outcome itself", 4)] {
        let mut events = operations();
        events.push(outcome("b", 4, &format!(",\"intent\":{intent}")));
        let expected = [format!("entry 11, {file}/12: {second}: seq 4 for intent {intent}")];
        assert_eq!(checked(&events).1, expected, "of an event that {what}");
    }
    assert_eq!(
        found(|events| events.push(outcome("b", 4, ""))),
        [format!("entry 11, {file}/12: expected the intent of the outcome with seq 4 of session b, found none")]
    );
    // Of another session: its own operation 1 is still open, the other one has its outcome.
    assert_eq!(
        found(|events| events[8] = outcome("a", 5, ",\"intent\":2")).len(),
        2,
        "a second outcome of one operation, and none of the other"
    );
}

#[test]
fn operations_without_outcome_are_counted_and_the_first_named() {
    let mut events: Vec<_> = (0..20).map(|seq| event("a", seq, "operation.admitted", None)).collect();
    events.push(event("a", 20, "session.closed", Some(21)));
    let (report, found) = checked(&events);
    assert!(found[0].ends_with("found none of 20: seq 0, 1, 2, 3, 4, 5, 6, 7, …"), "{found:?}");
    assert_eq!((found.len(), report.operations, report.open_operations), (1, 20, 0));
}

#[test]
fn who_looks_at_every_event_adds_findings_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let disk = write(&operations(), dir.path());
    let mut seen = Vec::new();
    let report = verify::log_and(disk.as_ref(), dir.path(), &trust(), &[], &mut |_, _| {}, &mut |entry, leaf| {
        seen.push((entry, leaf.to_vec()));
        let file = "a file".into();
        let finding = verify::Finding { entry: Some(entry), file, expected: "more".into(), found: "less".into() };
        if entry == 4 { vec![finding] } else { Vec::new() }
    });
    assert_eq!(seen, (0..).zip(operations()).collect::<Vec<_>>());
    assert_eq!(findings(&report, dir.path()), ["entry 4, a file: expected more, found less"]);
}

#[test]
fn the_cosigned_checkpoint_and_the_list_of_keys_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let disk = write(&events(), dir.path());
    let (cosigned, keys) = (dir.path().join("log/cosigned"), dir.path().join("log/keys"));
    let newest = disk.all()[&dir.path().join("log/checkpoint")].clone();
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    log.witnessing().add(&log.checkpoint(), "").unwrap();
    log.close().unwrap();
    drop(log);
    assert_eq!(disk.all()[&cosigned], newest);
    assert!(check(&disk, dir.path()).holds());

    let spoiled = disk.killed();
    spoiled.tamper(&cosigned, |bytes| bytes[22] ^= 1);
    assert!(findings(&check(&spoiled, dir.path()), dir.path())[0].starts_with("log/cosigned: "));
    assert!(open_on(&spoiled, dir.path()).is_err());
    // Signed by somebody else, so that the root alone tells.
    let forged = vidimus_log::Checkpoint { origin: ORIGIN.into(), size: 5, root: vidimus_log::Hash([1; 32]) };
    let signed = Signer::from_seed(ORIGIN, &[1; 32]).unwrap().sign(&forged.to_string()).unwrap();
    spoiled.tamper(&cosigned, |bytes| *bytes = signed.into_bytes());
    let found = findings(&check(&spoiled, dir.path()), dir.path());
    assert!(
        found[0].starts_with("log/cosigned: expected root ") && found[0].contains(" of the first 5 entries"),
        "{found:?}"
    );

    for (text, what) in [("nonsense", "line 1 is no key"), ("", "a list of 1 to")] {
        let spoiled = disk.killed();
        spoiled.tamper(&keys, |bytes| *bytes = text.into());
        let found = findings(&check(&spoiled, dir.path()), dir.path());
        assert!(found[0].starts_with("log/keys: ") && found[0].contains(what), "{found:?}");
    }
}

/// Checks the log by what is trusted, against checkpoints that were kept.
fn check_by(disk: &Disk, dir: &Path, trust: &Trust, kept: &[&str]) -> Report {
    let kept: Vec<Kept> = kept.iter().map(|note| Kept { file: "kept".into(), note: (*note).to_owned() }).collect();
    verify::log_and(disk, dir, trust, &kept, &mut |_, _| {}, &mut |_, _| Vec::new())
}

/// Appends these, waits until they are signed, and gives the checkpoint.
fn grown(log: &Log, events: &[Vec<u8>]) -> String {
    let size = log.status().appended + events.len() as u64;
    for event in events {
        log.append(&[Entry::Leaf(event)]).unwrap();
    }
    super::eventually("integration", || log.status().integrated == size);
    log.checkpoint().to_string()
}

#[test]
fn without_a_key_of_ones_own_a_log_is_of_one_piece_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let disk = write(&events(), dir.path());
    let own = check_by(&disk, dir.path(), &Trust::default(), &[]);
    assert_eq!((own.holds(), own.is_trusted, own.exit_status()), (true, false, 3));
    let given = check_by(&disk, dir.path(), &trust(), &[]);
    assert_eq!((given.holds(), given.is_trusted, given.exit_status()), (true, true, 0));
    disk.delete(&dir.path().join("log/keys"));
    let none = check_by(&disk, dir.path(), &Trust::default(), &[]);
    assert_eq!(none.exit_status(), 1);
    assert!(findings(&none, dir.path())[0].starts_with("log/keys: expected the log's public keys"));
}

#[test]
fn a_key_counts_for_the_sizes_it_was_given_for() {
    let dir = tempfile::tempdir().unwrap();
    let disk = write(&events(), dir.path());
    for (sizes, status) in [("0", 0), ("0 600", 0), ("0 599", 1), ("601", 1)] {
        let trust = Trust::new(Some(format!("{} {sizes}\n", key()).parse().unwrap()), None).unwrap();
        let report = check_by(&disk, dir.path(), &trust, &[]);
        assert_eq!(report.exit_status(), status, "{sizes}: {:?}", report.findings);
    }
}

#[test]
fn a_log_must_go_on_from_checkpoints_that_were_kept() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    let all = events();
    let kept = [&all[..0], &all[..3], &all[3..300], &all[300..]].map(|events| grown(&log, events));
    log.close().unwrap();
    let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
    let report = check_by(&disk, dir.path(), &trust(), &kept);
    assert_eq!((report.findings.as_slice(), &report.kept[..]), (&[][..], &[0, 3, 300, 600][..]));

    // The same key, another history.
    let other = tempfile::tempdir().unwrap();
    let mut forged = events();
    forged[2] = event("s0", 1, "operation.forged", None);
    let fork = write(&forged, other.path());
    let report = check_by(&fork, other.path(), &trust(), &kept);
    let found = findings(&report, other.path());
    assert_eq!(report.exit_status(), 1);
    for (finding, size) in found.iter().zip([3, 300, 600]) {
        assert!(
            finding.starts_with(&format!("log/checkpoint: expected first {size} entries with the root ")),
            "{finding}"
        );
        assert!(finding.contains(" of kept, ") && finding.ends_with("the history was forged since"), "{finding}");
    }
    assert_eq!(found.len(), 3);

    // An old copy.
    let other = tempfile::tempdir().unwrap();
    let old = write(&all[..300], other.path());
    assert_eq!(check_by(&old, other.path(), &trust(), &kept[..3]).exit_status(), 0);
    let found = findings(&check_by(&old, other.path(), &trust(), &kept), other.path());
    assert_eq!(
        found,
        ["log/checkpoint: expected at least the 600 entries of kept, found 300: the log was rolled back"]
    );

    // What was kept is of this log, by a key that is believed.
    let of_other = Signer::from_seed(ORIGIN, &[9; 32])
        .unwrap()
        .sign(kept[1].split_inclusive("\n\n").next().unwrap().strip_suffix('\n').unwrap());
    let found = findings(&check_by(&disk, dir.path(), &trust(), &[&of_other.unwrap()]), dir.path());
    assert_eq!(
        found,
        ["kept: expected a checkpoint signed by one of the given keys, found not signed by any of the given keys"]
    );
}

#[test]
fn witnesses_must_have_seen_what_is_to_be_believed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let witness = Cosigner::from_seed("witness.example/w", &[3; 32]).unwrap();
    let policy: WitnessPolicy = format!("witness ours {}\nquorum ours\n", witness.key()).parse().unwrap();
    let trust = Trust::new(Some(vidimus_log::KeyList::always([key()])), Some(policy)).unwrap();
    let cosign = |log: &Log| {
        let (checkpoint, note) = log.witnessing().checkpoint();
        log.witnessing().add(&note, &witness.cosign(&checkpoint.to_string(), 7).unwrap()).unwrap();
    };
    let check = || check_by(&disk, dir.path(), &trust, &[]);
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    let all = events();
    grown(&log, &all[..300]);
    assert!(findings(&check(), dir.path())[0].starts_with(
        "log/checkpoint: expected a checkpoint that the witnesses of the policy have cosigned, found the quorum `ours` is not"
    ));
    cosign(&log);
    let seen = check();
    assert_eq!((seen.exit_status(), seen.unseen()), (0, 0), "{:?}", seen.findings);
    assert_eq!(
        seen.witnessed.unwrap().by[0].to_string(),
        "witnessed by witness.example/w at 1970-01-01T00:00:07.000000000Z"
    );
    // What they have not seen yet holds, but is not shown.
    grown(&log, &all[300..]);
    let behind = check();
    assert_eq!((behind.holds(), behind.exit_status(), behind.unseen()), (true, 3, 300));
    cosign(&log);
    assert_eq!(check().exit_status(), 0);
    // A line that is not the witness's is no cosignature.
    log.close().unwrap();
    let stranger = Cosigner::from_seed("witness.example/w", &[4; 32]).unwrap();
    let forged =
        Trust::new(None, Some(format!("log {}\nwitness x {}\nquorum x\n", key(), stranger.key()).parse().unwrap()));
    let report = check_by(&disk, dir.path(), &forged.unwrap(), &[]);
    assert!(
        findings(&report, dir.path())[0].starts_with("log/cosigned: expected a checkpoint that the witnesses"),
        "{report:?}"
    );
}

#[test]
fn a_follower_goes_on_with_the_log_and_finds_what_is_spoiled_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    let mut follower = verify::Follower::new(dir.path(), vec![key()]);
    let mut seen = Vec::new();
    let mut follow = |follower: &mut verify::Follower| {
        let mut all = Vec::new();
        loop {
            let (step, found) = follower.step(disk.as_ref(), &mut |entry, leaf| {
                seen.push((entry, leaf.to_vec()));
                Vec::new()
            });
            all.extend(found);
            if step != verify::Step::More {
                return (step, all);
            }
        }
    };
    let all = events();
    for (upto, from) in [(3, 0), (255, 3), (256, 255), (256, 256), (300, 256), (599, 300)] {
        for leaf in &all[from..upto] {
            log.append(&[Entry::Leaf(leaf)]).unwrap();
        }
        super::eventually("integration", || log.status().integrated == upto as u64);
        assert_eq!(follow(&mut follower), (verify::Step::CaughtUp, Vec::new()), "up to {upto}");
        assert_eq!(follower.examined(), upto as u64);
    }
    // The last bundle is read again with each checkpoint, whoever spoilt which of its entries.
    log.append(&[Entry::Leaf(&all[599])]).unwrap();
    super::eventually("integration", || log.status().integrated == 600);
    disk.tamper(&dir.path().join("log/tile/entries/002.p/88"), |bytes| bytes[offset(517) + 20] ^= 1);
    let (_, found) = follow(&mut follower);
    assert!(
        found[0].to_string().contains("entry 517, ") && found[0].file.ends_with("tile/entries/002.p/88"),
        "{found:?}"
    );
    assert_eq!(
        seen.iter().map(|(entry, _)| *entry).collect::<Vec<_>>(),
        (0..600).collect::<Vec<_>>(),
        "each entry once"
    );
    assert_eq!(seen[..599], (0..).zip(all[..599].iter().cloned()).collect::<Vec<_>>());

    let mut late = verify::Follower::new(dir.path(), vec![key()]);
    disk.delete(&dir.path().join("log/tile/entries/000"));
    disk.delete(&dir.path().join("log/tile/0/000"));
    let (step, found) = late.step(disk.as_ref(), &mut |_, _| Vec::new());
    assert_eq!((step, found.len()), (verify::Step::Stuck, 2), "{found:?}");
}
