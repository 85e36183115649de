//! What the log says of retention: the rules that each start has put in force, and jumps of the clock between its events.
//!
//! A shorter time, a rule where there was none, or a shorter delay comes into force when the delay of before has passed since
//! the event, so that one person or one slip erases nothing at once; a longer time holds immediately. Times are the events'
//! own: a clock that was wrong shows as a jump between two of them. A gateway that runs writes an event each hour at least.

use std::time::Duration;

use serde::Deserialize;
use vidimus_core::Timestamp;

use crate::Covered;

/// Two events further apart than this are a jump of the clock, or a gateway that was down for as long.
const MAX_GAP: Duration = Duration::from_hours(24);
/// What every leaf with rules has in it: canonical JSON has no other way to write this name.
const MEMBER: &[u8] = b"\"retention\":{";
/// What stands before the time of an event. Within a text the quotes would be escaped.
const TIME: &[u8] = b",\"time\":\"";
/// The length of that.
const TIME_BYTES: usize = 30;

/// What the log says of retention.
#[derive(Debug, Default)]
pub struct RetentionLog {
    /// One after the other; what a start left as it was is no new one.
    loaded: Vec<Loaded>,
    last: Option<Timestamp>,
    jumped: Option<Timestamp>,
}

#[derive(Debug, PartialEq)]
struct Loaded {
    at: Timestamp,
    delay: Duration,
    rules: Vec<(Covered, Duration)>,
}

/// How long recordings are kept by what is in force at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// After the end of their session; none when they are kept.
    pub keep: Option<Duration>,
    /// When the shorter time comes into force that the newest rules say, if they do.
    pub shorter_at: Option<Timestamp>,
    /// How long a change waits.
    pub delay: Duration,
}

impl RetentionLog {
    /// Takes the log's next leaf; every one must be given, in order.
    pub fn leaf(&mut self, leaf: &[u8]) {
        let Some(time) = event_time(leaf) else { return };
        if self.last.is_some_and(|last| time > last + MAX_GAP) {
            self.jumped = Some(time);
        }
        self.last = Some(time);
        if leaf.windows(MEMBER.len()).any(|bytes| bytes == MEMBER)
            && let Some(loaded) = Loaded::read(leaf, time)
            && self.loaded.last().is_none_or(|last| (last.delay, &last.rules) != (loaded.delay, &loaded.rules))
        {
            self.loaded.push(loaded);
        }
    }

    /// When events last went on more than a day after the one before, by the time of the later one.
    pub const fn jumped(&self) -> Option<Timestamp> {
        self.jumped
    }

    /// What is in force on some recordings; none when no start has said anything.
    pub fn in_force(&self, covered: &Covered, now: Timestamp) -> Option<InForce> {
        let newest = self.loaded.last()?;
        let mut found = InForce { keep: newest.keep(covered), shorter_at: None, delay: newest.delay };
        let nothing = Loaded { at: Timestamp::from_seconds(0), delay: self.loaded.first()?.delay, rules: Vec::new() };
        for (before, after) in std::iter::once(&nothing).chain(&self.loaded).zip(&self.loaded) {
            let ends = after.at + before.delay;
            if now >= ends {
                continue;
            }
            found.delay = found.delay.max(before.delay);
            let is_longer = |keep: Duration| before.keep(covered).is_none_or(|before| before > keep);
            if newest.keep(covered).is_some_and(is_longer) {
                found.shorter_at = found.shorter_at.max(Some(ends));
                found.keep = match (found.keep, before.keep(covered)) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    _ => None,
                };
            }
        }
        Some(found)
    }
}

impl Loaded {
    fn read(leaf: &[u8], at: Timestamp) -> Option<Self> {
        let Event { kind: "retention.loaded", retention } = serde_json::from_slice(leaf).ok()? else { return None };
        let rule = |rule: RuleDetail| {
            let covered = match rule.on {
                "target" => Covered::Target(rule.name.parse().ok()?),
                _ => Covered::Class(rule.name),
            };
            Some((covered, Duration::from_secs(rule.keep_s)))
        };
        let rules = retention.rules.into_iter().filter_map(rule).collect();
        Some(Self { at, delay: Duration::from_secs(retention.delay_s), rules })
    }

    fn keep(&self, covered: &Covered) -> Option<Duration> {
        self.rules.iter().find(|(known, _)| known == covered).map(|(_, keep)| *keep)
    }
}

/// The time of an event, without reading the rest of it.
pub fn event_time(leaf: &[u8]) -> Option<Timestamp> {
    let at = leaf.windows(TIME.len()).rposition(|bytes| bytes == TIME)?.checked_add(TIME.len())?;
    std::str::from_utf8(leaf.get(at..)?.get(..TIME_BYTES)?).ok()?.parse().ok()
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    retention: Detail<'a>,
}

#[derive(Deserialize)]
struct Detail<'a> {
    delay_s: u64,
    #[serde(borrow)]
    rules: Vec<RuleDetail<'a>>,
}

#[derive(Deserialize)]
struct RuleDetail<'a> {
    on: &'a str,
    name: String,
    keep_s: u64,
}

#[cfg(test)]
mod tests {
    use vidimus_core::event::{Body, Retention};
    use vidimus_core::{Discipline, Event, EventId, SessionId};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const DAY: Duration = Duration::from_hours(24);

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000) + HOUR * u32::try_from(hours).unwrap()
    }

    fn leaf(hours: u64, body: Body<'_>) -> Vec<u8> {
        let (id, session) = (EventId::random(), SessionId::from_bytes([1; 16]));
        let who = Some("corp|\",\"time\":\"1999-01-01T00:00:00.000000000Z\"");
        Event { id, time: at(hours), gateway: "gw", session, seq: hours, who, target: None, body }.to_leaf()
    }

    fn loaded(hours: u64, days: u32, delay: Duration) -> Vec<u8> {
        let rules = [Retention { on: "target", name: "crm", keep: DAY * days }];
        leaf(hours, Body::RetentionLoaded { rules: rules.get(..usize::from(days > 0)).unwrap(), delay })
    }

    fn log(leaves: &[Vec<u8>]) -> RetentionLog {
        let mut log = RetentionLog::default();
        for leaf in leaves {
            log.leaf(leaf);
        }
        log
    }

    fn crm() -> Covered {
        Covered::Target("crm".parse().unwrap())
    }

    #[test]
    fn the_time_of_an_event_is_found_whatever_stands_after_it() {
        assert_eq!(event_time(&leaf(7, Body::LogStopped { count: 1 })), Some(at(7)));
        assert_eq!(event_time(b"{}"), None);
        assert_eq!(event_time(b"{\"a\":1,\"time\":\"2026\"}"), None);
    }

    #[test]
    fn a_shorter_time_waits_and_a_longer_one_does_not() {
        let log = log(&[loaded(0, 90, DAY), loaded(100, 30, HOUR), loaded(110, 30, HOUR), loaded(200, 60, HOUR)]);
        let keep = |log: &RetentionLog, hours| log.in_force(&crm(), at(hours)).unwrap().keep;
        assert_eq!(keep(&log, 200), Some(DAY * 60), "longer, so at once");
        let log = self::log(&[loaded(0, 90, DAY), loaded(100, 30, HOUR), loaded(110, 30, HOUR)]);
        let waits = log.in_force(&crm(), at(123)).unwrap();
        assert_eq!(
            waits,
            InForce { keep: Some(DAY * 90), shorter_at: Some(at(124)), delay: DAY },
            "by the delay of before"
        );
        let holds = log.in_force(&crm(), at(124)).unwrap();
        assert_eq!(holds, InForce { keep: Some(DAY * 30), shorter_at: None, delay: HOUR }, "a restart changes nothing");
        assert_eq!(log.in_force(&Covered::Class("US_SSN".into()), at(124)).unwrap().keep, None);
    }

    #[test]
    fn a_rule_where_there_was_none_waits_and_so_does_one_that_comes_back() {
        assert_eq!(RetentionLog::default().in_force(&crm(), at(0)), None);
        let first = log(&[loaded(0, 90, DAY)]);
        assert_eq!(first.in_force(&crm(), at(23)).unwrap().keep, None);
        assert_eq!(first.in_force(&crm(), at(24)).unwrap().keep, Some(DAY * 90));
        let back = log(&[loaded(0, 90, DAY), loaded(100, 0, DAY), loaded(101, 90, DAY)]);
        let waits = back.in_force(&crm(), at(124)).unwrap();
        assert_eq!((waits.keep, waits.shorter_at), (None, Some(at(125))));
        assert_eq!(back.in_force(&crm(), at(125)).unwrap().keep, Some(DAY * 90));
    }

    #[test]
    fn a_clock_that_was_set_ahead_shows_between_two_events() {
        let status = |hours| leaf(hours, Body::ClockStatus { clock: Discipline::Unknown, step: None });
        assert_eq!(log(&[status(0), status(24), status(20), status(44)]).jumped(), None);
        assert_eq!(log(&[status(0), status(25), status(26)]).jumped(), Some(at(25)));
        assert_eq!(log(&[status(90), status(1), status(91)]).jumped(), Some(at(91)), "set back and set right");
    }
}
