//! Crashes by thousands: a log that is written, ended at any operation, and opened again, over and over.
//!
//! The end is a kill (the system has all that was written) or a power cut (of what was not synced any sectors are there, in
//! any order, and any prefix of changed names), while entries are appended, integrated or signed, or during recovery itself.
//! After it every entry that was acknowledged as durable is there, after a kill every one that was written; what is there
//! is what was appended, in its order, with its payload in the recording; and the log opens. Seeded: a failure names its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Disk, Random};
use crate::frame::Entry;
use crate::journal_key::JournalKey;
use crate::log::{Log, Options};
use crate::note::Signer;
use crate::recordings::recording_path;
use crate::storage::{Access, Storage};
use crate::{VerifierKey, verify};

const ORIGIN: &str = "example.com/crashes";
/// The smallest segment, so that many are used.
const SEGMENT_BYTES: u64 = 128 << 10;
/// After so many crashes a log is verified as a whole, and a new one begun.
const CRASHES_OF_A_LOG: u64 = 10;
/// The most appends between two crashes.
const APPENDS: u64 = 40;
/// Changes of the disk after which a round ends, at most: some rounds end in recovery, some after all their appends.
const FUSE: u64 = 240;
/// The session whose recording all payloads go to.
const SESSION: [u8; 16] = [7; 16];
/// Bytes of each payload.
const PAYLOAD: usize = 48;

/// What the crashes did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Crashes.
    pub crashes: u64,
    /// Of them kills; the others were power cuts.
    pub kills: u64,
    /// Of them in recovery.
    pub in_recovery: u64,
    /// Starts that replayed frames.
    pub replays: u64,
    /// Starts that dropped frames that were torn or came after one.
    pub drops: u64,
    /// Frames dropped.
    pub dropped_frames: u64,
    /// Entries acknowledged as durable, all of which were there afterwards.
    pub durable: u64,
    /// Further entries written before a kill, all of which were there afterwards.
    pub written: u64,
    /// Others that were there: before a power cut, or left to a sync that did not come to its end.
    pub others: u64,
    /// Such others that were not there.
    pub lost: u64,
    /// Logs verified as a whole.
    pub logs: u64,
}

/// Crashes of logs below a directory, which only holds their lock.
#[derive(Debug)]
pub struct Crashes {
    dir: PathBuf,
    seed: u64,
    counts: Counts,
}

/// A log between its crashes.
struct Victim {
    disk: Arc<Disk>,
    random: Random,
    /// What was appended, by index; the last may have failed.
    appended: BTreeMap<u64, Vec<u8>>,
    /// Entries below this must be there.
    promised: u64,
    /// Entries below this were appended and acknowledged.
    acknowledged: u64,
    /// Entries below this must be there when only the process was ended.
    written: u64,
    /// The first entries of the frames that were appended.
    frames: BTreeSet<u64>,
    /// Whether the power was never cut since the last check.
    only_kills: bool,
    leaves: u64,
}

impl Crashes {
    /// Crashes that follow from a seed.
    pub fn new(dir: &Path, seed: u64) -> Self {
        Self { dir: dir.to_owned(), seed, counts: Counts::default() }
    }

    /// Crashes at least so often. An error says what did not hold.
    pub fn run(mut self, crashes: u64) -> Result<Counts, String> {
        while self.counts.crashes < crashes {
            let seed = self.seed;
            self.log().map_err(|error| format!("seed {seed}: {error}"))?;
            self.seed += 1;
        }
        Ok(self.counts)
    }

    /// One log, crashed several times and verified at the end.
    fn log(&mut self) -> Result<(), String> {
        let mut victim = Victim::new(self.seed);
        for _ in 0..CRASHES_OF_A_LOG {
            let fuse = usize::try_from(victim.random.below(FUSE)).unwrap();
            victim.disk.set_faults(|faults| faults.fuse = Some(fuse));
            match victim.open(&self.dir) {
                Ok((log, recovered)) => {
                    self.counts.replays += u64::from(recovered.replayed > 0);
                    self.counts.drops += u64::from(recovered.dropped_frames > 0);
                    self.counts.dropped_frames += recovered.dropped_frames;
                    victim.check(&log, &self.dir, &mut self.counts)?;
                    self.counts.durable += victim.append(&log);
                    self.counts.kills += u64::from(victim.crash());
                    drop(log);
                }
                Err(error) if error.contains("injected end") => {
                    self.counts.in_recovery += 1;
                    self.counts.kills += u64::from(victim.crash());
                }
                Err(error) => return Err(format!("it does not open: {error}")),
            }
            self.counts.crashes += 1;
        }
        let (log, _) = victim.open(&self.dir)?;
        victim.check(&log, &self.dir, &mut self.counts)?;
        log.close().map_err(|error| error.to_string())?;
        let report = verify::log(victim.disk.as_ref(), &self.dir, &[key()], &mut |_, _| {});
        self.counts.logs += 1;
        if report.holds() { Ok(()) } else { Err(format!("it does not verify: {:?}", report.findings)) }
    }
}

impl Victim {
    fn new(seed: u64) -> Self {
        let disk = Arc::new(Disk::default());
        let random = Random::of(seed);
        let (appended, frames) = (BTreeMap::new(), BTreeSet::new());
        Self { disk, random, appended, promised: 0, acknowledged: 0, written: 0, frames, only_kills: true, leaves: 0 }
    }

    fn open(&self, dir: &Path) -> Result<(Log, crate::Recovered), String> {
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            max_journal_bytes: 8 * SEGMENT_BYTES,
            checkpoint_interval: Duration::from_millis(3),
            sync_interval: Duration::from_millis(10),
            ..Options::new(dir, ORIGIN, JournalKey::new(&[7; 32]))
        };
        let storage = Arc::clone(&self.disk) as Arc<dyn Storage>;
        Log::open(storage, options, signer()).map_err(|error| error.to_string())
    }

    /// Appends until the end comes, or enough was appended; how many entries were acknowledged as durable.
    fn append(&mut self, log: &Log) -> u64 {
        let before = self.promised;
        for _ in 0..self.random.below(APPENDS) {
            let first = self.acknowledged;
            let leaves: Vec<Vec<u8>> = (0..=self.random.below(3)).map(|_| self.leaf()).collect();
            let payload = payload(first);
            let mut entries: Vec<Entry<'_>> = leaves.iter().map(|leaf| Entry::Leaf(leaf)).collect();
            entries.push(Entry::Payload { session: SESSION, segment: 0, offset: place(first), bytes: &payload });
            self.frames.insert(first);
            self.appended.extend((first..).zip(leaves.iter().cloned()));
            // Some are left to the next sync, as those of a gateway are that wait for it.
            let is_left = self.random.below(2) == 0;
            let appended = if is_left { log.append_to_sync(&entries) } else { log.append(&entries) };
            let Ok(appended) = appended else { break };
            self.acknowledged = first + u64::try_from(leaves.len()).unwrap();
            if !is_left {
                self.written = self.acknowledged;
            }
            // Some wait for the disk, some do not, and some let it work meanwhile.
            match self.random.below(4) {
                0 | 1 if log.durable(appended.position).wait().is_ok() => {
                    (self.promised, self.written) = (self.acknowledged, self.acknowledged);
                }
                2 => std::thread::sleep(Duration::from_micros(self.random.below(3_000))),
                _ => {}
            }
        }
        self.promised - before
    }

    /// Ends the process, or the power, at this moment; whether it was the process.
    fn crash(&mut self) -> bool {
        let is_kill = self.random.below(3) == 0;
        let after = if is_kill { self.disk.killed() } else { self.disk.cut(&mut self.random) };
        // What the old process still does reaches nothing.
        self.disk.set_faults(|faults| faults.fuse = Some(0));
        self.disk = after;
        self.only_kills &= is_kill;
        is_kill
    }

    /// Compares what is there with what was appended, after a start.
    fn check(&mut self, log: &Log, dir: &Path, counts: &mut Counts) -> Result<(), String> {
        let size = log.status().appended;
        let must = if self.only_kills { self.written } else { self.promised };
        if size < must {
            return Err(format!("{size} entries are there, and {must} were promised"));
        }
        let mut snapshot = log.snapshot();
        for index in 0..size {
            let leaf = snapshot.leaf(index).map_err(|error| error.to_string())?;
            if self.appended.get(&index) != Some(&leaf) {
                return Err(format!("entry {index} is not what was appended"));
            }
        }
        self.frames.retain(|first| *first < size);
        self.check_payloads(dir)?;
        if size > 0 {
            let index = self.random.below(size);
            let proof = snapshot.prove(index).map_err(|error| error.to_string())?;
            proof.verify(&self.appended[&index], &[key()]).map_err(|error| error.to_string())?;
        }
        counts.written += must - self.promised;
        counts.others += size.min(self.acknowledged).saturating_sub(must);
        counts.lost += self.acknowledged.saturating_sub(size);
        self.appended.retain(|index, _| *index < size);
        // What is there after a start is durable by then.
        (self.promised, self.acknowledged, self.written, self.only_kills) = (size, size, size, true);
        Ok(())
    }

    /// The payload of every frame that is there stands in the recording.
    fn check_payloads(&self, dir: &Path) -> Result<(), String> {
        if self.frames.is_empty() {
            return Ok(());
        }
        let path = recording_path(&dir.join("recordings"), SESSION, 0);
        let file = self.disk.open(&path, Access::Read).map_err(|error| error.to_string())?;
        for first in &self.frames {
            let mut found = [0; PAYLOAD];
            let read = file.read_at(&mut found, place(*first)).map_err(|error| error.to_string())?;
            if read < PAYLOAD || found[..] != payload(*first) {
                return Err(format!("the payload of entry {first} is not what was appended"));
            }
        }
        Ok(())
    }

    /// The next event: of a session of its own, from some bytes to some ten thousand.
    fn leaf(&mut self) -> Vec<u8> {
        self.leaves += 1;
        let most = if self.random.below(8) == 0 { 40_000 } else { 900 };
        let padding = ".".repeat(usize::try_from(self.random.below(most)).unwrap());
        let session = self.leaves;
        format!(r#"{{"padding":"{padding}","seq":0,"session":"s{session}","type":"operation.denied"}}"#).into_bytes()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crashes, kills, in_recovery, replays, drops, dropped_frames, .. } = self;
        let Self { durable, written, others, lost, logs, .. } = self;
        writeln!(
            f,
            "crashes                         {crashes}: {kills} kills, {} power cuts; {in_recovery} of them in recovery",
            crashes - kills
        )?;
        writeln!(f, "starts that replayed            {replays}")?;
        writeln!(f, "starts that dropped             {drops}, {dropped_frames} frames")?;
        writeln!(f, "entries acknowledged as durable {durable}, lost 0")?;
        writeln!(f, "others written, before a kill   {written}, lost 0")?;
        writeln!(f, "others                          {}, lost {lost}", others + lost)?;
        writeln!(f, "logs verified as a whole        {logs}")
    }
}

fn signer() -> Signer {
    Signer::from_seed(ORIGIN, &[7; 32]).unwrap()
}

fn key() -> VerifierKey {
    signer().verifier().clone()
}

/// Where in the recording the bytes are that go with the frame that begins with entry `first`.
fn place(first: u64) -> u64 {
    first * u64::try_from(PAYLOAD).unwrap()
}

/// The bytes that go with the frame that begins with entry `first`.
fn payload(first: u64) -> Vec<u8> {
    first.to_be_bytes().repeat(PAYLOAD / 8)
}
