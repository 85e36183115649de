//! Sessions that do nothing, by the thousand: what each costs in memory, with the stream of the server's own open and
//! without.
//!
//! Every client is a principal of its own, does the whole handshake and lists the tools, once. A session without a
//! stream has no connection either: it is what a client leaves that will come back. One with a stream has a connection
//! of its own at either side of the gateway. Each way is measured in a gateway of its own.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::gateway::Gateway;
use super::memory::megabytes;
use super::parts::{Parts, Reads};

/// A session takes at most so much, without its stream.
const SESSION_KIB: f64 = 40.0;
/// The gateway with so many sessions and their streams stays below this; more may take more in proportion.
const GATEWAY_MB: f64 = 300.0;
const SESSIONS: f64 = 5_000.0;
/// What is freed goes back to the system a little later.
const SETTLE: Duration = Duration::from_secs(5);
const KIBIBYTES: f64 = 1024.0;

/// What so many sessions take.
#[derive(Debug, Serialize)]
pub(super) struct Idle {
    sessions: u32,
    /// Sessions alone.
    alone: Taken,
    /// Sessions with their streams.
    listening: Taken,
}

/// Resident memory of a gateway.
#[derive(Debug, Clone, Copy, Serialize)]
struct Taken {
    before_mb: f64,
    after_mb: f64,
    kib_per_session: f64,
}

/// Opens `sessions` at gateways that `start` starts in fresh directories.
pub(super) fn run(
    parts: &Parts,
    sessions: u32,
    start: impl Fn(&Path) -> Result<Gateway>,
    scratch: &Path,
) -> Result<Idle> {
    let taken = |reads| {
        let dir = super::tempdir_in(scratch)?;
        let gateway = start(dir.path())?;
        let before_mb = megabytes(gateway.resident()?);
        let held = parts.hold(&gateway, &gateway.url(), sessions, reads)?;
        gateway.cpu_seconds_when_quiet()?;
        thread::sleep(SETTLE);
        let after_mb = megabytes(gateway.resident()?);
        drop(held);
        gateway.stop()?;
        let kib_per_session = (after_mb - before_mb) * KIBIBYTES / f64::from(sessions);
        anyhow::Ok(Taken { before_mb, after_mb, kib_per_session })
    };
    Ok(Idle { sessions, alone: taken(Reads::Closed)?, listening: taken(Reads::All)? })
}

impl Idle {
    /// For each way whether it holds, and what to print.
    pub(super) fn verdicts(&self) -> [(bool, String); 2] {
        let Self { sessions, alone, listening } = self;
        let text = |taken: &Taken| {
            let Taken { before_mb, after_mb, kib_per_session } = taken;
            format!("resident {before_mb:.1} MB before, {after_mb:.1} MB after, {kib_per_session:.1} KiB each")
        };
        let most = GATEWAY_MB * (f64::from(*sessions) / SESSIONS).max(1.0);
        [
            (
                alone.kib_per_session < SESSION_KIB,
                format!("{sessions} idle sessions: {} (less than {SESSION_KIB} KiB each)", text(alone)),
            ),
            (
                listening.after_mb < most,
                format!("{sessions} idle sessions with streams: {} (less than {most} MB)", text(listening)),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_are_for_a_session_alone_and_for_five_thousand_with_streams() {
        let taken = |after_mb, kib_per_session| Taken { before_mb: 20.0, after_mb, kib_per_session };
        let holds = |sessions, alone, listening| Idle { sessions, alone, listening }.verdicts().map(|(holds, _)| holds);
        assert_eq!(holds(5_000, taken(200.0, 39.0), taken(299.0, 55.0)), [true, true]);
        assert_eq!(holds(5_000, taken(220.0, 41.0), taken(301.0, 56.0)), [false, false]);
        assert_eq!(holds(10_000, taken(400.0, 39.0), taken(599.0, 56.0)), [true, true]);
        assert_eq!(holds(100, taken(30.0, 39.0), taken(301.0, 56.0)), [true, false]);
    }
}
