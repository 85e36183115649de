//! What applying costs: CPU time of this thread per event, batches of 500 events over 64 sessions.
//!
//! `cargo run --release -p vidimus-store --example apply_cost`

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use vidimus_core::event::{Body, Decided, Masking, Payload};
use vidimus_core::{Action, Durability, Effect, Event, EventId, Protocol, SessionId, Timestamp};
use vidimus_store::Index;

const SESSIONS: usize = 64;
const BATCH: usize = 500;
const BATCHES: u64 = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let mut index = Index::open(&directory.path().join("index.db"))?;
    let sessions: Vec<SessionId> = (0..SESSIONS).map(|_| SessionId::random()).collect();
    let (mut first, mut wall, cpu_before) = (0, Duration::ZERO, cpu_time()?);
    let mut making = Duration::ZERO;
    for batch in 0..BATCHES {
        let before = cpu_time()?;
        let leaves: Vec<Vec<u8>> =
            (0..BATCH).zip(sessions.iter().cycle()).map(|(at, session)| leaf(*session, batch, at / SESSIONS)).collect();
        let slices: Vec<&[u8]> = leaves.iter().map(Vec::as_slice).collect();
        making += cpu_time()?.saturating_sub(before);
        let start = Instant::now();
        index.apply(first, &slices)?;
        wall += start.elapsed();
        first += u64::try_from(BATCH)?;
    }
    let cpu = cpu_time()?.saturating_sub(cpu_before + making);
    let events = u32::try_from(first)?;
    let bytes = std::fs::metadata(directory.path().join("index.db"))?.len();
    writeln!(
        std::io::stdout(),
        "{events} events: {:?} CPU and {:?} wall per event, {} bytes per event on disk",
        cpu / events,
        wall / events,
        bytes / first
    )?;
    Ok(())
}

fn leaf(session: SessionId, batch: u64, at: usize) -> Vec<u8> {
    let payload =
        Payload { name: "request", commitment: "c".repeat(44), delivered: None, at: [0, 8_192, 1_100], bytes: 1_024 };
    Event {
        id: EventId::random(),
        time: Timestamp::from_seconds(1_700_000_000),
        gateway: "gw-1",
        session,
        seq: batch * 10 + u64::try_from(at).unwrap_or(0),
        who: Some("corp|8f2c0000-1111-2222-3333-444444444444"),
        target: Some("crm"),
        body: Body::OperationAdmitted(Decided {
            action: &Action::ToolCall("get_customer".into()),
            method: None,
            protocol: Protocol::Mcp,
            trace: None,
            effect: Effect::Allow,
            policies: &["support-reads".into()],
            policy: "sha256:abababababababababababababababababababababababababababababababab",
            reason: None,
            approval: None,
            rewrites: &[],
            durability: Durability::Async,
            masking: Masking::NONE,
            payloads: &[payload],
        }),
    }
    .to_leaf()
}

/// CPU time of this thread so far (Linux: `/proc/thread-self/schedstat`, nanoseconds on the processor).
fn cpu_time() -> Result<Duration, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(Path::new("/proc/thread-self/schedstat"))?;
    let nanoseconds = text.split_whitespace().next().ok_or("no schedstat")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}
