//! What many events cost later: `cargo run --release -p vidimus-log --example bench_volume [EVENTS] [DIRECTORY]`
//!
//! One line of JSON per figure: bytes on disk per event once the journal is trimmed, seconds to open a log of that many
//! events, events verified per second. The events are of the size and form of an operation's, in sessions of 1,000.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vidimus_log::{AppendError, Entry, FileSystem, JournalKey, Log, Options, Signer, verify};

const EVENTS: u64 = 1_000_000;
/// Operations of a session; each is admitted and ends.
const OPERATIONS: u64 = 499;
/// Events appended at once.
const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().map_or(Ok(EVENTS), |events| events.parse())?;
    let place = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(place)?;
    let begun = Instant::now();
    let (log, _) = open(dir.path())?;
    let leaves = append(&log, events)?;
    log.close()?;
    drop(log);
    say("append", events, begun.elapsed(), "")?;

    let on_disk = size(&dir.path().join("log"))? + size(&dir.path().join("recordings")).unwrap_or(0);
    let per = |bytes: u64| bytes * 10 / events.max(1);
    let bytes = format!(",\"leaf_bytes\":{},\"disk_bytes\":{}", tenths(per(leaves)), tenths(per(on_disk)));
    say("size", events, Duration::ZERO, &bytes)?;

    let begun = Instant::now();
    let (log, recovered) = open(dir.path())?;
    let details = format!(",\"frames_replayed\":{}", recovered.replayed);
    say("open", events, begun.elapsed(), &details)?;
    log.close()?;
    drop(log);

    let keys = [signer()?.verifier().clone()];
    let begun = Instant::now();
    let report = verify::log(&FileSystem, dir.path(), &keys, &mut |_, _| ());
    let took = begun.elapsed();
    let rate = u128::from(report.entries) * 1_000_000 / took.as_micros().max(1);
    say("verify", report.entries, took, &format!(",\"holds\":{},\"events_per_second\":{rate}", report.holds()))?;
    if report.holds() { Ok(()) } else { Err("the log does not verify".into()) }
}

fn signer() -> Result<Signer, Box<dyn Error>> {
    Ok(Signer::from_seed("bench", &[1; 32])?)
}

fn open(dir: &Path) -> Result<(Log, vidimus_log::Recovered), Box<dyn Error>> {
    Ok(Log::open(Arc::new(FileSystem), Options::new(dir, "bench", JournalKey::new(&[1; 32])), signer()?)?)
}

/// Appends `events` events; returns their bytes.
fn append(log: &Log, events: u64) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    let mut batch: Vec<Vec<u8>> = Vec::with_capacity(BATCH);
    for number in 0..events {
        let leaf = event(number).into_bytes();
        bytes += u64::try_from(leaf.len())?;
        batch.push(leaf);
        if batch.len() == BATCH || number + 1 == events {
            let entries: Vec<Entry<'_>> = batch.iter().map(|leaf| Entry::Leaf(leaf)).collect();
            loop {
                match log.append(&entries) {
                    Ok(_) => break,
                    Err(AppendError::Full { .. }) => std::thread::sleep(Duration::from_millis(5)),
                    Err(error) => return Err(error.into()),
                }
            }
            batch.clear();
        }
    }
    Ok(bytes)
}

/// An event of a session: opened, operations admitted and ended, closed.
fn event(number: u64) -> String {
    let per_session = OPERATIONS * 2 + 2;
    let (session, seq) = (number / per_session, number % per_session);
    let (kind, count, intent) = if seq == 0 {
        ("session.opened", String::new(), String::new())
    } else if seq + 1 == per_session {
        ("session.closed", format!("\"count\":{per_session},"), String::new())
    } else if seq % 2 == 1 {
        ("operation.admitted", String::new(), String::new())
    } else {
        ("operation.outcome", String::new(), format!("\"intent\":{},", seq - 1))
    };
    format!(
        "{{{count}\"decision\":{{\"effect\":\"allow\",\"policies\":[\"support-reads\"],\"policy\":\"sha256:5feceb66ffc86f38\"}},\
         \"durability\":\"strict\",\"gateway\":\"gw-1\",\"id\":\"0199a000-0000-7000-8000-{number:012x}\",\
         \"operation\":{{\"action\":\"crm/get_customer\",{intent}\"protocol\":\"mcp\"}},\"outcome\":{{\"bytes\":4021,\
         \"status\":\"ok\",\"us\":8123}},\"payloads\":[{{\"at\":[3,8192,4021],\"commitment\":\
         \"3uM0m0h2yX0cVxk8j1n9sVbq1h7m2l4p5r6t7u8v9w0=\",\"name\":\"response\"}}],\"seq\":{seq},\
         \"session\":\"s-{session}\",\"target\":\"crm\",\"time\":\"2026-11-20T23:47:40.123456789Z\",\
         \"type\":\"{kind}\",\"v\":\"vidimus.event/1\",\"who\":\"corp|8f2c\"}}"
    )
}

/// Bytes of all files below a directory.
fn size(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

fn say(case: &str, events: u64, took: Duration, more: &str) -> std::io::Result<()> {
    let seconds = took.as_secs_f64();
    writeln!(std::io::stdout(), "{{\"case\":\"{case}\",\"events\":{events},\"seconds\":{seconds:.3}{more}}}")
}
