//! The machine's clock, as far as it is to be believed (NIST SP 800-53 AU-8): whether a time source keeps it, and jumps.
//!
//! Events carry the wall clock. So that a reader knows what that is worth, `log.started` and an hourly `clock.status`
//! state whether a time source keeps it, and how far off it is at most; a change of that is an event within a minute, a jump
//! against the monotonic clock at once. A machine that slept shows as a jump forward. It is the kernel's word that is taken
//! (adjtimex(2)), whatever daemon tells it: chrony, ntpd and PTP's say how far off they may be, systemd-timesyncd says 0 each
//! time it has set the clock, and the kernel adds 0.5 ms for every second since.

use std::time::{Duration, Instant};

use rtime_clock::adjtime::{Timex, adjtimex};
use tokio::sync::watch;
use vidimus_core::{Clock as _, Discipline, Step, SystemClock, Timestamp};
use vidimus_gate::Gate;

/// How often the two clocks are compared.
const COMPARE_INTERVAL: Duration = Duration::from_secs(1);
/// How often the kernel is asked.
const ASK_INTERVAL: Duration = Duration::from_mins(1);
/// How often its word is an event when nothing changes.
const STATUS_INTERVAL: Duration = Duration::from_hours(1);
/// A jump up to here is no event: a time daemon's correction.
const TOLERANCE: Duration = Duration::from_secs(1);
/// The longest time in which the two clocks count as read together.
const TOGETHER: Duration = Duration::from_millis(100);

/// Whether a time source keeps the clock, and how well.
pub(crate) fn discipline() -> Discipline {
    // Without any mode the kernel changes nothing and needs no privilege; what forbids the call leaves it unknown.
    let mut timex = Timex::new();
    match adjtimex(&mut timex) {
        Ok(state) => said(state, &timex.0),
        Err(_) => Discipline::Unknown,
    }
}

/// What the kernel says; it counts microseconds.
fn said(state: libc::c_int, timex: &libc::timex) -> Discipline {
    if state == libc::TIME_ERROR || timex.status & libc::STA_UNSYNC != 0 {
        return Discipline::Unsynchronised;
    }
    u64::try_from(timex.maxerror).map_or(Discipline::Unknown, |microseconds| Discipline::Synchronised {
        max_error: Duration::from_micros(microseconds),
    })
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

    const KEPT: Discipline = Discipline::Synchronised { max_error: Duration::from_millis(8) };

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
    fn the_kernel_says_whether_the_clock_is_kept_and_how_well() {
        let mut timex = Timex::new().0;
        timex.maxerror = 21_500;
        let kept = Discipline::Synchronised { max_error: Duration::from_micros(21_500) };
        for state in [libc::TIME_OK, libc::TIME_INS, libc::TIME_WAIT] {
            assert_eq!(said(state, &timex), kept, "leap seconds change nothing");
        }
        assert_eq!(said(libc::TIME_ERROR, &timex), Discipline::Unsynchronised);
        timex.status = libc::STA_UNSYNC | libc::STA_PLL;
        assert_eq!(said(libc::TIME_OK, &timex), Discipline::Unsynchronised);
        timex.status = libc::STA_PLL;
        assert_eq!(said(libc::TIME_OK, &timex), kept);
        timex.maxerror = -1;
        assert_eq!(said(libc::TIME_OK, &timex), Discipline::Unknown, "no kernel says so");
    }
}
