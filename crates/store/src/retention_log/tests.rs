//! What the log vouches for, under clocks that are set and gateways that are restarted at will.

use vidimus_core::event::{Body, Retention};
use vidimus_core::{Discipline, Event, EventId, SessionId, Timestamp};

use super::*;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A log in the making. Its clock shows what a test sets, and says nothing.
#[derive(Default)]
struct Log {
    read: RetentionLog,
    entries: u64,
    clock: u64,
    up: Duration,
}

impl Log {
    /// Appends an event; its place.
    fn add(&mut self, body: Body<'_>) -> u64 {
        let (id, session, time) =
            (EventId::random(), SessionId::from_bytes([1; 16]), Timestamp::from_seconds(self.clock));
        // What a caller may call himself is no member of the event.
        let who = Some("corp|\",\"clock\":{\"up_s\":999999999},\"retention\":{");
        let event = Event { id, time, gateway: "gw", session, seq: self.entries, who, target: None, body };
        self.read.leaf(self.entries, &event.to_leaf());
        self.entries += 1;
        self.entries - 1
    }

    fn start(&mut self) {
        self.up = Duration::ZERO;
        self.add(Body::LogStarted { version: "1", absent_witnesses: &[], clock: Discipline::Unknown });
    }

    fn runs(&mut self, time: Duration) {
        let end = self.up + time;
        while self.up < end {
            self.up = end.min(self.up + HOUR);
            self.clock += 3_600;
            self.add(Body::ClockStatus { clock: Discipline::Unknown, step: None, up: self.up });
        }
    }

    fn stop(&mut self) {
        self.add(Body::LogStopped { count: 1, up: self.up });
    }

    fn load(&mut self, days: u32, delay: Duration) {
        let rules = [Retention { on: "target", name: "crm", keep: DAY * days }];
        let rules = rules.get(..usize::from(days > 0)).unwrap();
        self.add(Body::RetentionLoaded { rules, delay });
    }

    fn session_ends(&mut self) -> u64 {
        self.add(Body::SessionClosed { count: 1, reason: "client" })
    }

    fn age(&self, entry: u64) -> Duration {
        self.read.age(entry, self.up)
    }

    fn is_older(&self, entry: u64, than: Duration) -> bool {
        entry < self.read.first_younger(than, self.up)
    }

    fn in_force(&self) -> InForce {
        self.read.in_force(&Covered::Target("crm".parse().unwrap()), self.up).unwrap()
    }
}

fn started() -> Log {
    let mut log = Log { clock: 1_800_000_000, ..Log::default() };
    log.start();
    log
}

#[test]
fn a_run_counts_by_its_monotonic_clock() {
    let mut log = started();
    let ended = log.session_ends();
    log.runs(90 * DAY);
    assert_eq!(log.age(ended) + HOUR, 90 * DAY, "less by what passed until the log said how long it runs");
    assert!(log.is_older(ended, 89 * DAY + 23 * HOUR) && !log.is_older(ended, 90 * DAY));
    log.up += HOUR;
    assert!(log.is_older(ended, 90 * DAY), "what has passed since the last word counts too");
    assert!(log.is_older(log.entries, Duration::ZERO), "all is as old as nothing");
}

#[test]
fn a_clock_that_is_set_ages_nothing_however_often_and_however_little() {
    for (restarts, step) in [(1, 3_650 * 86_400), (1_000, 23 * 3_600), (1_000, 86_399), (1_000, 60), (1_000, 0)] {
        let mut log = started();
        log.load(90, DAY);
        let ended = log.session_ends();
        for restart in 0..restarts {
            log.clock += step;
            log.load(1, HOUR);
            // As somebody does who kills it, and as one who stops it.
            if restart % 2 == 0 {
                log.stop();
            }
            log.start();
        }
        assert_eq!(log.age(ended), Duration::ZERO, "{restarts} restarts, each {step} s ahead");
        assert!(!log.is_older(ended, HOUR));
        assert_eq!(log.in_force().keep, None, "neither rule has waited for a delay");
        // Nor while it runs.
        log.clock += 3_650 * 86_400;
        log.runs(2 * HOUR);
        assert!(log.age(ended) <= 2 * HOUR);
    }
}

#[test]
fn a_clock_that_is_set_back_ages_nothing_and_stops_nothing() {
    let mut log = started();
    let ended = log.session_ends();
    log.runs(30 * DAY);
    log.stop();
    log.clock = 0;
    log.start();
    let later = log.session_ends();
    log.runs(60 * DAY);
    assert!(log.is_older(ended, 89 * DAY) && !log.is_older(later, 61 * DAY) && log.is_older(later, 59 * DAY));
}

#[test]
fn what_a_gateway_was_down_for_is_what_it_is_late_by() {
    // Each week from Monday to Friday, and each day for an hour less than all of it.
    for (runs, is_down, weeks_or_days) in [(5 * DAY, 2 * DAY, 18), (23 * HOUR, HOUR, 94)] {
        let mut log = started();
        let ended = log.session_ends();
        for _ in 0..weeks_or_days {
            log.runs(runs);
            log.stop();
            log.clock += is_down.as_secs();
            log.start();
        }
        assert_eq!(log.age(ended) + HOUR, runs * weeks_or_days);
        log.runs(2 * HOUR);
        assert!(log.is_older(ended, 90 * DAY), "it is late, and has come");
    }
}

#[test]
fn a_run_that_was_cut_off_counts_as_far_as_the_log_says() {
    let mut log = started();
    let ended = log.session_ends();
    log.runs(10 * HOUR);
    let after = log.session_ends();
    log.start();
    log.runs(2 * HOUR);
    assert_eq!(log.age(ended), 11 * HOUR);
    assert_eq!(log.age(after), 2 * HOUR, "from the start after it");
    assert!(log.is_older(after, 2 * HOUR));
}

#[test]
fn a_shorter_time_waits_and_a_longer_one_does_not() {
    let mut log = started();
    log.load(90, DAY);
    log.runs(100 * HOUR);
    log.load(30, HOUR);
    log.runs(HOUR);
    assert_eq!(
        log.in_force(),
        InForce { keep: Some(DAY * 90), shorter_in: Some(DAY), delay: DAY },
        "by the delay of before"
    );
    log.stop();
    log.start();
    log.load(30, HOUR);
    log.runs(24 * HOUR);
    let holds = log.in_force();
    assert_eq!(holds, InForce { keep: Some(DAY * 30), shorter_in: None, delay: HOUR }, "a restart changes nothing");
    log.load(60, HOUR);
    assert_eq!(log.in_force().keep, Some(DAY * 60), "longer, so at once");
    assert_eq!(log.read.in_force(&Covered::Class("US_SSN".into()), log.up).unwrap().keep, None);
}

#[test]
fn a_rule_where_there_was_none_waits_and_so_does_one_that_comes_back() {
    let mut log = started();
    assert_eq!(log.read.in_force(&Covered::Class("US_SSN".into()), log.up), None);
    log.load(90, DAY);
    log.runs(24 * HOUR);
    assert_eq!(log.in_force().keep, None);
    log.runs(HOUR);
    assert_eq!(log.in_force().keep, Some(DAY * 90));
    log.load(0, DAY);
    log.load(90, DAY);
    log.runs(24 * HOUR);
    let waits = log.in_force();
    assert_eq!((waits.keep, waits.shorter_in), (None, Some(HOUR)));
    log.runs(HOUR);
    assert_eq!(log.in_force().keep, Some(DAY * 90));
}
