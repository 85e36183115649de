//! What many events cost at a start: `cargo run --release -p vidimus-gate --example bench_start [EVENTS [DIRECTORY]]`
//!
//! Writes a log of that many events, makes the index of it, and starts a gateway on both: after a crash, and after a stop.
//! Events are of an operation's size, in sessions of 998; all are of one run, and the last session is open, so that the
//! start after the crash searches as far back as it ever does. One line of JSON per figure; 10,000,000 events take 9 GB.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus_client::registry::Registry;
use vidimus_core::{Discipline, SystemClock};
use vidimus_gate::{Gate, Keys, Options, Rebuild, Secret};
use vidimus_identity::{Fetch, FetchError, Identity};
use vidimus_log::{AppendError, Entry, FileSystem, JournalKey, Log, Signer};
use vidimus_policy::Policies;

const EVENTS: u64 = 1_000_000;
const GATEWAY: &str = "bench";
/// Events of a session: an even number that the usual numbers of events are no multiple of.
const SESSION: u64 = 998;
/// Events appended at once.
const BATCH: u64 = 64;
const SIGNING: [u8; 32] = [8; 32];

/// No identity provider is there to ask.
struct Nowhere;

impl Fetch for Nowhere {
    fn get<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async { Err(FetchError::Status(404)) })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().map_or(Ok(EVENTS), |events| events.parse())?;
    let place = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(place)?;
    timed("append", events, || append(dir.path(), events))?;
    timed("index rebuild", events, || {
        let (data_dir, gateway, storage) = (dir.path().to_owned(), GATEWAY.into(), Options::files());
        let progress = Box::new(|_| {});
        Ok(Rebuild { data_dir, gateway, keys: keys(), full_text: false, resume: false, storage, progress }.run()?)
    })?;
    for case in ["start after a crash", "start after a stop"] {
        let gate = timed(case, events, || start(dir.path()))?;
        tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(gate.stop())?;
    }
    Ok(())
}

/// Opens the log, as a gateway would leave it, and writes all events. Its journal is empty when it is closed, so the key of
/// that need not be the gateway's.
fn append(dir: &Path, events: u64) -> Result<(), Box<dyn Error>> {
    let origin = Gate::origin(GATEWAY);
    let signer = Signer::from_seed(&origin, &SIGNING)?;
    let options = vidimus_log::Options::new(dir, &origin, JournalKey::new(&[1; 32]));
    let (log, _) = Log::open(Arc::new(FileSystem), options, signer)?;
    let mut number = 0;
    while number < events {
        let leaves: Vec<String> = (number..events.min(number + BATCH)).map(event).collect();
        let entries: Vec<Entry<'_>> = leaves.iter().map(|leaf| Entry::Leaf(leaf.as_bytes())).collect();
        match log.append(&entries) {
            Ok(_) => number += BATCH,
            Err(AppendError::Full { .. }) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(log.close()?)
}

/// An event of a session: opened, operations admitted and ended, closed. The last session is never closed.
fn event(number: u64) -> String {
    let (session, seq) = (number / SESSION, number % SESSION);
    let (kind, count, intent) = match seq {
        0 => ("session.opened", String::new(), String::new()),
        seq if seq + 1 == SESSION => ("session.closed", format!("\"count\":{SESSION},"), String::new()),
        seq if seq % 2 == 1 => ("operation.admitted", String::new(), String::new()),
        seq => ("operation.outcome", String::new(), format!("\"intent\":{},", seq - 1)),
    };
    format!(
        "{{{count}\"decision\":{{\"effect\":\"allow\",\"policies\":[\"support-reads\"],\"policy\":\"sha256:5feceb66ffc86f38\"}},\
         \"durability\":\"strict\",\"gateway\":\"bench\",\"id\":\"0199a000-0000-7000-8000-{number:012x}\",\
         \"operation\":{{\"action\":\"crm/get_customer\",{intent}\"protocol\":\"mcp\"}},\"outcome\":{{\"bytes\":4021,\
         \"status\":\"ok\",\"us\":8123}},\"payloads\":[{{\"at\":[3,8192,4021],\"bytes\":4021,\"commitment\":\
         \"3uM0m0h2yX0cVxk8j1n9sVbq1h7m2l4p5r6t7u8v9w0=\",\"name\":\"response\"}}],\"seq\":{seq},\
         \"session\":\"0199a000-0000-7000-9000-{session:012x}\",\"target\":\"crm\",\"time\":\"2026-11-20T23:47:40.123456789Z\",\
         \"type\":\"{kind}\",\"v\":\"vidimus.event/1\",\"who\":\"corp|8f2c\"}}"
    )
}

fn start(dir: &Path) -> Result<Gate, Box<dyn Error>> {
    let options = Options {
        data_dir: dir.to_owned(),
        gateway: GATEWAY.into(),
        keys: keys(),
        policies: Policies::compile(&[], &[], &[]).map_err(|errors| format!("{errors:?}"))?,
        identity: Arc::new(Identity::new(Vec::new(), Arc::new(Nowhere), Arc::new(SystemClock))?),
        clock: Arc::new(SystemClock),
        storage: Options::files(),
        full_text: false,
        discipline: Discipline::Unknown,
        version: "bench",
        limits: vidimus_gate::CallerLimits::default(),
    };
    Ok(Gate::start(options, &mut Registry::default())?)
}

fn keys() -> Keys {
    let signing = vec![Secret::new(SIGNING)];
    Keys { key: Secret::new([7; 32]), signing, service: "local-bench".into(), changes: Vec::new() }
}

/// Does it, and prints how long that took.
fn timed<T>(case: &str, events: u64, run: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let begun = Instant::now();
    let done = run()?;
    let seconds = begun.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{{\"case\":\"{case}\",\"events\":{events},\"seconds\":{seconds:.3}}}")?;
    Ok(done)
}
