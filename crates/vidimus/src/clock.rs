//! The machine's clock, as far as it is to be believed (NIST SP 800-53 AU-8): whether a time source keeps it, and jumps.
//!
//! Events carry the wall clock. So that a reader knows what that is worth, `log.started` and an hourly `clock.status`
//! state whether a time source keeps it; a change of that is an event within a minute, a jump against the monotonic clock
//! at once. A machine that slept shows as a jump forward. The kernel's own word would be `adjtimex(2)`, which no crate
//! offers safely without rebuilding half of the tree; so systemd-timesyncd's word is taken, and where it does not run the
//! answer is that nobody tells. No offset bound is stated.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use vidimus_core::{Clock as _, Discipline, Step, SystemClock, Timestamp};
use vidimus_gate::Gate;

/// How often the two clocks are compared.
const COMPARE_INTERVAL: Duration = Duration::from_secs(1);
/// How often the time source is asked for.
const ASK_INTERVAL: Duration = Duration::from_mins(1);
/// How often its word is an event when nothing changes.
const STATUS_INTERVAL: Duration = Duration::from_hours(1);
/// A jump up to here is no event: a time daemon's correction.
const TOLERANCE: Duration = Duration::from_secs(1);
/// The longest time in which the two clocks count as read together.
const TOGETHER: Duration = Duration::from_millis(100);
/// Where systemd-timesyncd leaves word.
const TIMESYNC: &str = "/run/systemd/timesync";
/// The file there that it touches whenever it has set the clock (systemd-timesyncd.service(8)).
const SYNCHRONISED: &str = "synchronized";
/// By default it asks at least every 2,048 s (timesyncd.conf(5), `PollIntervalMaxSec`): after thrice that it has failed.
const STALE: Duration = Duration::from_secs(3 * 2_048);

/// Whether a time source keeps the clock.
pub(crate) fn discipline() -> Discipline {
    said_in(Path::new(TIMESYNC), SystemClock.now())
}

fn said_in(directory: &Path, now: Timestamp) -> Discipline {
    let touched = std::fs::metadata(directory.join(SYNCHRONISED)).and_then(|metadata| metadata.modified());
    let since = match touched {
        Ok(touched) => touched
            .duration_since(std::time::UNIX_EPOCH)
            .ok()
            .map(|touched| now.since(Timestamp::from_nanoseconds(0) + touched)),
        Err(error) if error.kind() == ErrorKind::NotFound && directory.is_dir() => return Discipline::Unsynchronised,
        Err(_) => return Discipline::Unknown,
    };
    match since {
        Some(since) if since <= STALE => Discipline::Synchronised { since },
        _ => Discipline::Unsynchronised,
    }
}

/// Records what the clock does, until the gateway is told to stop.
pub(crate) async fn watch(gate: Gate, mut stop: watch::Receiver<bool>) {
    let mut watched = Watched::new(Reading::now(), discipline());
    loop {
        tokio::select! {
            () = tokio::time::sleep(COMPARE_INTERVAL) => {}
            () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
        }
        let Some(due) = watched.observe(Reading::now(), discipline) else { continue };
        if let Some(step) = due.step {
            tracing::warn!(?step, "The system's clock jumped");
        }
        match gate.clock_status(due.discipline, due.step) {
            Ok(()) => watched.is_told(),
            Err(error) => tracing::error!(%error, "What the clock does cannot be recorded yet"),
        }
    }
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: Timestamp,
    monotonic: Instant,
}

impl Reading {
    fn now() -> Self {
        loop {
            let before = Instant::now();
            let wall = SystemClock.now();
            // The process may have been set aside in between.
            if before.elapsed() < TOGETHER {
                return Self { wall, monotonic: before };
            }
        }
    }
}

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    discipline: Discipline,
    step: Option<Step>,
}

/// What was seen and said last.
struct Watched {
    last: Reading,
    asked: Instant,
    told: (Instant, Discipline),
    /// Not said yet.
    due: Option<Due>,
}

impl Watched {
    fn new(now: Reading, discipline: Discipline) -> Self {
        Self { last: now, asked: now.monotonic, told: (now.monotonic, discipline), due: None }
    }

    /// What is to be said now; again and again, until [`Self::is_told`].
    fn observe(&mut self, now: Reading, ask: impl FnOnce() -> Discipline) -> Option<Due> {
        let passed = |since: Instant| now.monotonic.saturating_duration_since(since);
        let step = Step::between(self.last.wall, now.wall, passed(self.last.monotonic), TOLERANCE);
        self.last = now;
        if step.is_some() || passed(self.asked) >= ASK_INTERVAL {
            self.asked = now.monotonic;
            let discipline = ask();
            let (told_at, told) = self.told;
            let changed = discipline.name() != told.name();
            if step.is_some() || changed || passed(told_at) >= STATUS_INTERVAL {
                // A second jump before the first could be said takes its place: the later one is in force.
                let earlier = self.due.and_then(|due| due.step);
                self.due = Some(Due { discipline, step: step.or(earlier) });
            }
        }
        self.due
    }

    fn is_told(&mut self) {
        if let Some(due) = self.due.take() {
            self.told = (self.last.monotonic, due.discipline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Discipline = Discipline::Synchronised { since: Duration::from_secs(8) };

    fn at(start: Reading, wall: u64, monotonic: u64) -> Reading {
        Reading {
            wall: start.wall + Duration::from_secs(wall),
            monotonic: start.monotonic + Duration::from_secs(monotonic),
        }
    }

    #[test]
    fn a_jump_is_told_at_once_and_until_it_is_recorded() {
        let start = Reading::now();
        let mut watched = Watched::new(start, KEPT);
        assert_eq!(watched.observe(at(start, 1, 1), || KEPT), None);
        let jump = Some(Due { discipline: KEPT, step: Some(Step::Forward(Duration::from_secs(59))) });
        assert_eq!(watched.observe(at(start, 61, 2), || KEPT), jump);
        assert_eq!(watched.observe(at(start, 62, 3), || KEPT), jump, "it could not be recorded");
        watched.is_told();
        assert_eq!(watched.observe(at(start, 63, 4), || KEPT), None);
    }

    #[test]
    fn a_change_is_told_within_a_minute_and_all_is_told_hourly() {
        let start = Reading::now();
        let mut watched = Watched::new(start, KEPT);
        assert_eq!(watched.observe(at(start, 59, 59), || Discipline::Unsynchronised), None, "not asked yet");
        let lost = Some(Due { discipline: Discipline::Unsynchronised, step: None });
        assert_eq!(watched.observe(at(start, 60, 60), || Discipline::Unsynchronised), lost);
        watched.is_told();
        for minute in 2..60 {
            assert_eq!(watched.observe(at(start, minute * 60, minute * 60), || Discipline::Unsynchronised), None);
        }
        assert_eq!(watched.observe(at(start, 3_660, 3_660), || Discipline::Unsynchronised), lost);
    }

    #[test]
    fn a_time_source_that_says_nothing_keeps_no_clock() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemClock.now();
        assert_eq!(said_in(&directory.path().join("none"), now), Discipline::Unknown);
        assert_eq!(said_in(directory.path(), now), Discipline::Unsynchronised, "it runs and has not set the clock");
        std::fs::write(directory.path().join(SYNCHRONISED), "").unwrap();
        let soon = SystemClock.now() + Duration::from_mins(1);
        let since = said_in(directory.path(), soon).since().unwrap();
        assert!((Duration::from_secs(59)..=Duration::from_secs(90)).contains(&since), "{since:?}");
        let late = SystemClock.now() + STALE + Duration::from_mins(1);
        assert_eq!(said_in(directory.path(), late), Discipline::Unsynchronised);
    }
}
