//! What a crash explains is repaired, anything else is refused and left as it is; recovery may itself be interrupted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vidimus_log::testing::{Disk, Random};
use vidimus_log::tree::{Nodes, range_hash, verify_consistency};
use vidimus_log::{Entry, Hash, Log, OpenError, Recovered, Storage};

use super::{journal_key, lazy_options, open_on, options, signer};

/// Header and entry header before a leaf's bytes in a frame.
const BEFORE_LEAF: usize = 61;
const LEAF: [u8; 20] = [b'x'; 20];
/// One frame with [`LEAF`], padded to a multiple of eight.
const FRAME: usize = 88;

fn segment(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("journal/{id:08}.seg"))
}

fn lazy_open(disk: &Arc<Disk>, dir: &Path) -> Log {
    Log::open(Arc::clone(disk) as Arc<dyn Storage>, lazy_options(dir), signer()).unwrap().0
}

/// A disk with `durable` frames synced one by one and `later` written after the last sync, the program killed.
fn journal(dir: &Path, durable: usize, later: usize) -> Arc<Disk> {
    let disk = Arc::new(Disk::default());
    let log = lazy_open(&disk, dir);
    for _ in 0..durable {
        let position = log.append(&[Entry::Leaf(&LEAF)]).unwrap().position;
        log.durable(position).wait().unwrap();
    }
    for _ in 0..later {
        log.append(&[Entry::Leaf(&LEAF)]).unwrap();
    }
    disk.killed()
}

fn append(log: &Log, count: usize) {
    for _ in 0..count {
        log.append(&[Entry::Leaf(&LEAF)]).unwrap();
    }
}

fn refused(disk: &Arc<Disk>, dir: &Path) -> String {
    let before = disk.all();
    let error = match open_on(disk, dir) {
        Err(error @ OpenError::Damaged(_)) => error.to_string(),
        other => unreachable!("not refused: {:?}", other.map(|(log, recovered)| (log.status(), recovered))),
    };
    assert!(before == disk.all(), "refusing changed the disk");
    error
}

#[test]
fn entries_written_but_not_synced_survive_the_end_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let disk = journal(dir.path(), 2, 3);
    let (log, recovered) = open_on(&disk, dir.path()).unwrap();
    assert_eq!(recovered, Recovered { replayed: 5, leaves: 5, dropped_frames: 0, dropped: 0 });
    assert_eq!(log.status().integrated, 5);
    // Recovery wrote them again and synced: now they survive a power cut too.
    let cut = disk.cut(&mut Random(1));
    drop(log);
    assert_eq!(open_on(&cut, dir.path()).unwrap().0.status().integrated, 5);
}

#[test]
fn nothing_is_changed_before_whoever_admits_it_says_yes() {
    let dir = tempfile::tempdir().unwrap();
    let unfinished = journal(dir.path(), 2, 3);
    // Frames to be dropped, frames to be replayed, a checkpoint to be signed.
    unfinished.tamper(&segment(dir.path(), 1), |bytes| bytes[2 * FRAME..3 * FRAME].fill(0));
    for disk in [unfinished, Arc::new(Disk::default())] {
        let before = disk.all();
        let storage = Arc::clone(&disk) as Arc<dyn Storage>;
        let asked = Log::open_if(storage, options(dir.path()), signer(), |log| {
            assert_eq!(log.checkpoint().0.size, 0, "as it was found");
            assert!(before == disk.all());
            Err::<(), _>(OpenError::Signing)
        });
        assert!(matches!(asked, Err(OpenError::Signing)));
        assert!(before == disk.all(), "it was changed");
        assert!(
            Log::at_rest(Arc::clone(&disk) as Arc<dyn Storage>, dir.path(), &signer(), &journal_key()).is_ok()
                != before.is_empty()
        );
        assert!(before == disk.all(), "reading has changed it");
        assert!(open_on(&disk, dir.path()).is_ok());
    }
}

/// Leaves as nodes of a tree.
struct Leaves;

impl Nodes for Leaves {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        if level == 0 {
            return Ok(Hash::of_leaf(format!("leaf {index}").as_bytes()));
        }
        Ok(Hash::of_node(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
    }
}

#[test]
fn a_witness_is_given_proofs_though_a_power_cut_took_the_tiles() {
    const SIZE: u64 = 700;
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    for number in 0..SIZE {
        log.append(&[Entry::Leaf(format!("leaf {number}").as_bytes())]).unwrap();
    }
    super::eventually("a checkpoint of all", || log.status().integrated == SIZE);
    let (running, disk) = (Arc::clone(&disk), disk.killed());
    drop((log, running));
    let tile = dir.path().join("log/tile/0/000");
    assert!(disk.all().contains_key(&tile));
    let mut without = 0;
    for seed in 1..20 {
        let cut = disk.cut(&mut Random::of(seed));
        without += u32::from(!cut.all().contains_key(&tile));
        let storage = Arc::clone(&cut) as Arc<dyn Storage>;
        let opened = Log::open_if(storage, options(dir.path()), signer(), |log| {
            let (checkpoint, _) = log.checkpoint();
            assert_eq!(checkpoint.size, SIZE);
            for old in [1, 255, 256, 300, 512, 699, SIZE] {
                let proof = log.consistency(old, SIZE).unwrap();
                let root = range_hash(&mut Leaves, 0, old).unwrap();
                assert!(verify_consistency(old, &root, SIZE, &checkpoint.root, &proof), "{seed}, {old}");
            }
            Ok::<_, OpenError>(())
        });
        opened.unwrap();
    }
    assert!(without > 0, "no cut took a tile: the test tests nothing");
}

#[test]
fn a_tail_torn_at_any_byte_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let whole = journal(dir.path(), 2, 1);
    for kept in 0..BEFORE_LEAF + LEAF.len() {
        let disk = whole.killed();
        disk.tamper(&segment(dir.path(), 1), |bytes| bytes[2 * FRAME + kept..].fill(0));
        let (log, recovered) = open_on(&disk, dir.path()).unwrap();
        assert_eq!((recovered.replayed, log.status().appended), (2, 2), "kept {kept}");
        // It counts as a frame from the first byte of the segment's id on.
        assert_eq!(recovered.dropped_frames, u64::from(kept > 8), "kept {kept}");
        assert_eq!(log.append(&[Entry::Leaf(b"next")]).unwrap().first_leaf, 2);
        drop(log);
        let (log, _) = open_on(&disk, dir.path()).unwrap();
        assert_eq!(log.leaf(2).unwrap(), b"next", "kept {kept}");
    }
    assert_eq!(open_on(&whole, dir.path()).unwrap().0.status().appended, 3);
}

#[test]
fn any_flipped_bit_in_a_durable_frame_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = journal(dir.path(), 3, 1);
    for frame in 0..3 {
        for bit in (0..(BEFORE_LEAF + LEAF.len()) * 8).step_by(5) {
            let disk = whole.killed();
            disk.tamper(&segment(dir.path(), 1), |bytes| bytes[frame * FRAME + bit / 8] ^= 1 << (bit % 8));
            let error = refused(&disk, dir.path());
            assert!(
                error.contains(&format!("00000001.seg at byte {}: expected frame {frame}", frame * FRAME)),
                "{error}"
            );
        }
    }
}

#[test]
fn frames_of_an_unfinished_sync_are_dropped_together_and_never_return() {
    let dir = tempfile::tempdir().unwrap();
    let whole = journal(dir.path(), 2, 3);
    // The disk has written the fourth and fifth, not the third.
    whole.tamper(&segment(dir.path(), 1), |bytes| bytes[2 * FRAME..3 * FRAME].fill(0));
    let (log, recovered) = open_on(&whole, dir.path()).unwrap();
    assert_eq!(recovered, Recovered { replayed: 2, leaves: 2, dropped_frames: 2, dropped: 2 * 88 });
    // A frame of the same length in its place must not make them valid again.
    log.append(&[Entry::Leaf(&LEAF)]).unwrap();
    let again = whole.killed();
    drop(log);
    assert_eq!(open_on(&again, dir.path()).unwrap().0.status().appended, 3);
}

#[test]
fn dropped_frames_in_the_next_segment_never_return() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let log = lazy_open(&disk, dir.path());
    let leaf = vec![b'x'; 60_000];
    for _ in 0..3 {
        log.append(&[Entry::Leaf(&leaf)]).unwrap();
    }
    let disk = disk.killed();
    drop(log);
    // Two frames fit in a segment; the second is lost, the third stands in the next segment.
    disk.tamper(&segment(dir.path(), 1), |bytes| bytes[60_100] = b'y');
    let (log, recovered) = open_on(&disk, dir.path()).unwrap();
    assert_eq!((recovered.leaves, recovered.dropped_frames), (1, 2));
    log.append(&[Entry::Leaf(&leaf)]).unwrap();
    let disk = disk.killed();
    drop(log);
    let (log, recovered) = open_on(&disk, dir.path()).unwrap();
    assert_eq!((log.status().appended, recovered.dropped_frames), (2, 0));
}

/// A log of 300 entries with a checkpoint of 200; the journal still holds all.
fn checkpointed(dir: &Path) -> Arc<Disk> {
    let disk = Arc::new(Disk::default());
    let (log, _) = open_on(&disk, dir).unwrap();
    append(&log, 200);
    super::eventually("a checkpoint", || log.status().integrated == 200);
    append(&log, 100);
    let position = log.append(&[]).unwrap().position;
    log.durable(position).wait().unwrap();
    let killed = disk.killed();
    assert!(log.status().integrated < 300, "too slow a machine for this test's timing");
    killed
}

#[test]
fn what_a_checkpoint_covers_is_never_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let disk = checkpointed(dir.path());
    // As if the disk had never written anything after the 150th entry.
    disk.tamper(&segment(dir.path(), 1), |bytes| bytes[150 * FRAME..].fill(0));
    let error = refused(&disk, dir.path());
    assert!(error.contains("expected entries up to the checkpoint's size of 200"), "{error}");
    assert!(error.contains("found the journal's end after 150 entries"), "{error}");
}

#[test]
fn a_journal_changed_with_a_valid_checksum_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = checkpointed(dir.path());
    disk.tamper(&segment(dir.path(), 1), |bytes| {
        let frame = &mut bytes[100 * FRAME..101 * FRAME];
        frame[BEFORE_LEAF] = b'y';
        check(frame);
    });
    let error = refused(&disk, dir.path());
    assert!(error.contains(&format!("at byte {}", 100 * FRAME)) && error.contains("frame 100, which this"), "{error}");
}

#[test]
fn a_journal_of_another_history_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = checkpointed(dir.path());
    // The same key wrote it, as it does on a copy that somebody lets go another way.
    let other = Arc::new(Disk::default());
    let log = lazy_open(&other, dir.path());
    append(&log, 100);
    log.append(&[Entry::Leaf(&[b'y'; LEAF.len()])]).unwrap();
    append(&log, 199);
    let bytes = other.killed().all().remove(&segment(dir.path(), 1)).unwrap();
    drop(log);
    disk.tamper(&segment(dir.path(), 1), |own| own.clone_from(&bytes));
    let error = refused(&disk, dir.path());
    assert!(error.contains("of the 200 entries in tiles and journal, found root"), "{error}");
}

/// Gives a frame with [`LEAF`] the checksum of what it is.
fn check(frame: &mut [u8]) {
    let crc = crc32c::crc32c(&frame[4..BEFORE_LEAF + LEAF.len()]);
    frame[..4].copy_from_slice(&crc.to_le_bytes());
}

/// A frame with [`LEAF`] that is right in all but its MAC.
fn forged(id: u64, sequence: u64, first_leaf: u64) -> Vec<u8> {
    let body_length = u32::try_from(5 + LEAF.len()).unwrap();
    let mut frame = [[0; 4], body_length.to_le_bytes()].concat();
    for field in [id, sequence, sequence, first_leaf] {
        frame.extend_from_slice(&field.to_le_bytes());
    }
    frame.extend_from_slice(&[0; 16]);
    frame.push(1);
    frame.extend_from_slice(&u32::try_from(LEAF.len()).unwrap().to_le_bytes());
    frame.extend_from_slice(&LEAF);
    frame.resize(FRAME, 0);
    check(&mut frame);
    frame
}

#[test]
fn a_frame_added_to_a_stopped_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    append(&log, 3);
    super::eventually("the next segment", || disk.all().contains_key(&segment(dir.path(), 2)));
    log.close().unwrap();
    drop(log);
    let state = disk.all().remove(&dir.path().join("journal/state")).unwrap();
    let state = String::from_utf8(state).unwrap();
    assert!(state.contains(&format!("segment 1\noffset {}\nsequence 3\nleaves 3\n", 3 * FRAME)), "{state}");
    // Where the next one goes, after a gap, in the segment made ready, and with another number.
    for (id, at, sequence) in [(1, 3, 3), (1, 9, 4), (2, 0, 3), (2, 7, 3), (1, 3, 2), (1, 3, 70)] {
        let attacked = disk.killed();
        attacked.tamper(&segment(dir.path(), id), |bytes| {
            bytes[at * FRAME..(at + 1) * FRAME].copy_from_slice(&forged(id, sequence, 3));
        });
        let error = refused(&attacked, dir.path());
        let place = format!("{id:08}.seg at byte {}: expected a frame of this gateway", at * FRAME);
        assert!(error.contains(&place), "{error}");
        assert!(error.contains(&format!("found frame {sequence}, which this gateway did not write")), "{error}");
        let storage = Arc::clone(&attacked) as Arc<dyn Storage>;
        assert!(Log::at_rest(storage, dir.path(), &signer(), &journal_key()).is_err(), "{error}");
    }
    assert_eq!(open_on(&disk, dir.path()).unwrap().0.status().integrated, 3);
}

#[test]
fn any_flipped_bit_of_a_mac_is_refused_and_never_taken_for_torn() {
    let dir = tempfile::tempdir().unwrap();
    let whole = journal(dir.path(), 2, 1);
    // Of a durable frame, and of the last one, which may be dropped when it is torn.
    for frame in [0, 2] {
        for bit in 40 * 8..56 * 8 {
            let disk = whole.killed();
            disk.tamper(&segment(dir.path(), 1), |bytes| {
                let frame = &mut bytes[frame * FRAME..(frame + 1) * FRAME];
                frame[bit / 8] ^= 1 << (bit % 8);
                check(frame);
            });
            let error = refused(&disk, dir.path());
            assert!(error.contains(&format!("found frame {frame}, which this gateway did not write")), "{error}");
        }
    }
}

#[test]
fn a_frame_forged_beside_a_running_log_is_not_signed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let log = lazy_open(&disk, dir.path());
    append(&log, 2);
    disk.tamper(&segment(dir.path(), 1), |bytes| bytes[FRAME..2 * FRAME].copy_from_slice(&forged(1, 1, 1)));
    let error = log.close().unwrap_err().to_string();
    assert!(error.contains("frame 1, which this gateway did not write"), "{error}");
    assert_eq!(log.status().integrated, 0);
}

#[test]
fn a_journal_whose_frames_have_no_mac_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    open_on(&disk, dir.path()).unwrap().0.close().unwrap();
    let text = "vidimus.journal/1\nsegment 1\noffset 0\nsequence 0\nleaves 0\n";
    let text = format!("{text}crc32c {:08x}\n", crc32c::crc32c(text.as_bytes()));
    disk.tamper(&dir.path().join("journal/state"), |bytes| *bytes = text.clone().into_bytes());
    let before = disk.all();
    let error = open_on(&disk, dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::OldJournal { .. }) && error.to_string().contains("another data_dir"), "{error}");
    assert!(before == disk.all(), "refusing changed the disk");
}

#[test]
fn missing_changed_or_older_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    append(&log, 300);
    log.close().unwrap();
    drop(log);
    let older = disk.killed().all();
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    append(&log, 300);
    log.close().unwrap();
    drop(log);

    let path = |name: &str| dir.path().join(name);
    let checkpoint = path("log/checkpoint");
    for missing in
        ["log/checkpoint", "journal/state", "journal/00000001.seg", "log/tile/0/002.p/88", "log/tile/1/000.p/2"]
    {
        let disk = disk.killed();
        disk.delete(&path(missing));
        let error = refused(&disk, dir.path());
        assert!(error.contains("no such file"), "{missing}: {error}");
    }
    for (changed, at) in [
        ("log/checkpoint", 20),
        ("journal/state", 30),
        ("log/tile/entries/002.p/88", 70),
        ("log/tile/0/002.p/88", 5),
        ("log/tile/1/000.p/2", 5),
    ] {
        let disk = disk.killed();
        disk.tamper(&path(changed), |bytes| bytes[at] ^= 1);
        refused(&disk, dir.path());
    }
    let rolled_back = disk.killed();
    rolled_back.tamper(&checkpoint, |bytes| bytes.clone_from(&older[&checkpoint]));
    let error = refused(&rolled_back, dir.path());
    assert!(
        error.contains("expected a checkpoint of at least size 600, which was published, found size 300"),
        "{error}"
    );
    assert_eq!(open_on(&disk, dir.path()).unwrap().0.status().integrated, 600);
}

#[test]
fn recovery_may_be_interrupted_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let log = lazy_open(&disk, dir.path());
    let leaf = vec![b'x'; 700];
    for count in 0..600_u64 {
        let bytes = count.to_be_bytes();
        let payload = Entry::Payload { session: [3; 16], segment: 0, offset: count * 8, bytes: &bytes };
        log.append(&[Entry::Leaf(&leaf), payload]).unwrap();
    }
    let crashed = disk.killed();
    drop(log);
    crashed.flush();
    // An unfinished sync at the end, so that recovery drops too.
    crashed.tamper(&segment(dir.path(), 4), |bytes| bytes[800] ^= 1);
    let (log, expected) = open_on(&crashed.killed(), dir.path()).unwrap();
    let status = log.status();
    assert!(expected.dropped_frames > 0 && status.integrated > 400, "{expected:?}");
    drop(log);

    let mut random = Random(7);
    let mut steps = 0;
    for fuse in 0.. {
        let disk = crashed.killed();
        disk.set_faults(|faults| faults.fuse = Some(fuse));
        let is_interrupted = open_on(&disk, dir.path()).is_err();
        for after in [disk.killed(), disk.cut(&mut random)] {
            let (log, _) = open_on(&after, dir.path()).unwrap();
            assert_eq!((log.status().integrated, log.status().root), (status.integrated, status.root), "fuse {fuse}");
            log.close().unwrap();
            let recording = dir.path().join("recordings/03030303-0303-0303-0303-030303030303/00000000.seg");
            let bytes = after.all().remove(&recording).unwrap();
            let written: Vec<u8> = (0..status.integrated).flat_map(u64::to_be_bytes).collect();
            assert!(bytes == written, "fuse {fuse}");
        }
        if !is_interrupted {
            break;
        }
        steps += 1;
    }
    assert!(steps > 30, "{steps}");
}

#[test]
fn a_kill_at_any_moment_of_integration_loses_and_repeats_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    let mut moments = Vec::new();
    let started = Instant::now();
    let mut count = 0_u64;
    while started.elapsed() < Duration::from_millis(400) {
        let mut leaf = format!("{count} ").into_bytes();
        leaf.resize(500, b'.');
        if log.append(&[Entry::Leaf(&leaf)]).is_ok() {
            count += 1;
        }
        if count.is_multiple_of(100) {
            moments.push((count, disk.killed()));
        }
    }
    drop(log);
    assert!(moments.len() > 10, "{}", moments.len());
    for (count, disk) in moments.into_iter().step_by(3) {
        let (log, _) = open_on(&disk, dir.path()).unwrap();
        assert_eq!(log.status().integrated, count);
        for index in (0..count).step_by(53).chain([count - 1]) {
            assert!(log.leaf(index).unwrap().starts_with(format!("{index} ").as_bytes()));
        }
        drop(log);
        let (_, recovered) = open_on(&disk, dir.path()).unwrap();
        assert_eq!(recovered, Recovered::default());
    }
}
