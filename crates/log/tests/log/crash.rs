//! `kill -9` under load on the real file system: every entry the process said it had is there afterwards.
//!
//! The test starts itself again as the process to be killed, which says on its standard output what was acknowledged.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use vidimus_log::testing::Random;
use vidimus_log::{Entry, FileSystem, verify};

use super::{key, open};

/// Set for the process to be killed: its directory and the number of its run.
const ROLE: &str = "VIDIMUS_LOG_CRASH_TEST";
const KILLS: u64 = 24;
const THREADS: u64 = 4;

fn event(run: u64, thread: u64, count: u64) -> Vec<u8> {
    let mut text = format!("{{\"padding\":\"{:.<1$}\"", "", usize::try_from(count * 37 % 600).unwrap());
    write!(text, ",\"seq\":{count},\"session\":\"{run}-{thread}\",\"type\":\"operation.denied\"}}").unwrap();
    text.into_bytes()
}

fn session(run: u64, thread: u64) -> [u8; 16] {
    let mut session = [0; 16];
    session[0] = u8::try_from(run).unwrap();
    session[1] = u8::try_from(thread).unwrap();
    session
}

/// Appends until killed; every line on the standard output is an acknowledgement.
fn run_to_be_killed(dir: &Path, run: u64) {
    let (log, _) = open(dir);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = &log;
            scope.spawn(move || {
                for count in 0_u64.. {
                    let bytes = count.to_be_bytes();
                    let place =
                        Entry::Payload { session: session(run, thread), segment: 0, offset: count * 8, bytes: &bytes };
                    let event = event(run, thread, count);
                    let entries = [Entry::Leaf(&event), place];
                    let appended = if thread == 3 { log.append_to_sync(&entries) } else { log.append(&entries) };
                    let appended = match appended {
                        Ok(appended) => appended,
                        Err(error) => return assert!(error.to_string().contains("no room"), "{error}"),
                    };
                    // Threads with odd numbers wait for the disk, one of them also for the write; the others for that alone.
                    if thread % 2 == 1 {
                        log.durable(appended.position).wait().unwrap();
                    }
                    let line = format!("{} {thread} {count}\n", appended.first_leaf);
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Ok(role) = std::env::var(ROLE) {
        let (run, dir) = role.split_once(' ').unwrap();
        return run_to_be_killed(Path::new(dir), run.parse().unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(0x5eed);
    let mut acknowledged: Vec<(u64, u64, u64, u64)> = Vec::new();
    for run in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::what_was_acknowledged_survives_kill_9", "--nocapture", "--test-threads=1"])
            .env(ROLE, format!("{run} {}", dir.path().display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            text
        });
        std::thread::sleep(Duration::from_millis(20 + random.below(150)));
        child.kill().unwrap();
        child.wait().unwrap();
        let text = reader.join().unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines().filter_map(|line| {
            let mut words = line.split(' ').map(str::parse::<u64>);
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some(Ok(index)), Some(Ok(thread)), Some(Ok(count)), None) => Some((index, run, thread, count)),
                _ => None,
            }
        });
        let before = acknowledged.len();
        acknowledged.extend(lines);

        let (log, _) = open(dir.path());
        for (index, run, thread, count) in acknowledged.get(before..).unwrap() {
            assert_eq!(log.leaf(*index).unwrap(), event(*run, *thread, *count), "run {run}, entry {index}");
        }
        // A killed process may have been closed by us just now: what is there stays readable.
        drop(log);
    }
    assert!(acknowledged.len() > 1000, "hardly anything was acknowledged: {}", acknowledged.len());
    let report = verify::log(&FileSystem, dir.path(), &[key()], &mut |_, _| {});
    assert!(report.holds(), "{:?}", report.findings);
    let (log, _) = open(dir.path());
    for (index, run, thread, count) in acknowledged.iter().step_by(97) {
        let leaf = log.leaf(*index).unwrap();
        assert_eq!(leaf, event(*run, *thread, *count));
        log.prove(*index).unwrap().verify(&leaf, &[key()]).unwrap();
        let session = vidimus_core::SessionId::from_bytes(session(*run, *thread));
        let recording = std::fs::read(dir.path().join(format!("recordings/{session}/00000000.seg"))).unwrap();
        let at = usize::try_from(count * 8).unwrap();
        assert_eq!(recording[at..at + 8], count.to_be_bytes());
    }
}
