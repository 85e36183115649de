//! What the log says of retention: the rules that each start has put in force, and how much time it vouches for.
//!
//! Clocks can be set, and a gateway that is down looks like one whose clock was set ahead. So time is counted, not read: what
//! counts is how long gateways have run, by their monotonic clock, as `clock.status` (hourly) and `log.stopped` say. Between
//! two runs nothing counts, however often somebody restarts, nor does the end of a run that was cut off. Of the age of an
//! event only so much is believed as has been counted since the first such word after it: too little, by an hour at most.
//!
//! A shorter time, a rule where there was none, or a shorter delay comes into force when the delay of before has passed since
//! the event, so that one person or one slip erases nothing at once; a longer time holds immediately.

use std::time::Duration;

use serde::Deserialize;

use crate::Covered;

/// What every leaf with rules has in it: canonical JSON has no other way to write this name.
const RULES: &[u8] = b"\"retention\":{";
/// The same of every leaf that says how long the gateway has run.
const CLOCK: &[u8] = b"\"clock\":{";

/// What the log says of retention.
#[derive(Debug, Default)]
pub struct RetentionLog {
    /// One after the other; what a start left as it was is no new one.
    loaded: Vec<Loaded>,
    /// What was counted when the newest run began.
    before_run: Duration,
    /// The entries that say how long gateways have run, and what was counted by then.
    counted: Vec<(u64, Duration)>,
}

#[derive(Debug)]
struct Loaded {
    entry: u64,
    rules: Rules,
}

#[derive(Debug, PartialEq, Default)]
struct Rules {
    delay: Duration,
    rules: Vec<(Covered, Duration)>,
}

/// How long recordings are kept by what is in force at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// After the end of their session; none when they are kept.
    pub keep: Option<Duration>,
    /// How long the gateway has to run until the shorter time comes into force that the newest rules say, if they do.
    pub shorter_in: Option<Duration>,
    /// How long a change waits.
    pub delay: Duration,
}

impl RetentionLog {
    /// Takes the log's next entry; every one must be given, in order.
    pub fn leaf(&mut self, entry: u64, leaf: &[u8]) {
        if holds(leaf, CLOCK)
            && let Ok(Event { kind, clock: Some(Clock { up_s }), .. }) = serde_json::from_slice(leaf)
        {
            let counted = self.counted.last().map_or(Duration::ZERO, |(_, counted)| *counted);
            if kind == "log.started" {
                self.before_run = counted;
            }
            let up = Duration::from_secs(up_s.unwrap_or(0));
            self.counted.push((entry, counted.max(self.before_run.saturating_add(up))));
        }
        if holds(leaf, RULES)
            && let Some(rules) = Rules::read(leaf)
            && self.loaded.last().is_none_or(|last| last.rules != rules)
        {
            self.loaded.push(Loaded { entry, rules });
        }
    }

    /// How old an entry is at least, the gateway having run for `up`.
    pub fn age(&self, entry: u64, up: Duration) -> Duration {
        let after = self.counted.partition_point(|(at, _)| *at < entry);
        let now = self.now(up);
        self.counted.get(after).map_or(Duration::ZERO, |(_, counted)| now.saturating_sub(*counted))
    }

    /// The first entry that is not of that age for certain, the gateway having run for `up`.
    pub fn first_younger(&self, age: Duration, up: Duration) -> u64 {
        let Some(latest) = self.now(up).checked_sub(age) else { return 0 };
        if age.is_zero() {
            return u64::MAX;
        }
        let younger = self.counted.partition_point(|(_, counted)| *counted <= latest);
        younger.checked_sub(1).and_then(|last| self.counted.get(last)).map_or(0, |(entry, _)| *entry)
    }

    /// What is in force on some recordings, the gateway having run for `up`; none when no start has said anything.
    pub fn in_force(&self, covered: &Covered, up: Duration) -> Option<InForce> {
        let newest = &self.loaded.last()?.rules;
        let mut found = InForce { keep: newest.keep(covered), shorter_in: None, delay: newest.delay };
        let nothing = Rules { delay: self.loaded.first()?.rules.delay, rules: Vec::new() };
        let before = std::iter::once(&nothing).chain(self.loaded.iter().map(|loaded| &loaded.rules));
        for (before, after) in before.zip(&self.loaded) {
            let left = before.delay.saturating_sub(self.age(after.entry, up));
            if left.is_zero() {
                continue;
            }
            found.delay = found.delay.max(before.delay);
            let is_longer = |keep: Duration| before.keep(covered).is_none_or(|before| before > keep);
            if newest.keep(covered).is_some_and(is_longer) {
                found.shorter_in = found.shorter_in.max(Some(left));
                found.keep = match (found.keep, before.keep(covered)) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    _ => None,
                };
            }
        }
        Some(found)
    }

    /// What is counted by now, the gateway having run for `up`.
    fn now(&self, up: Duration) -> Duration {
        self.before_run.saturating_add(up)
    }
}

impl Rules {
    fn read(leaf: &[u8]) -> Option<Self> {
        let Event { kind: "retention.loaded", retention: Some(retention), .. } = serde_json::from_slice(leaf).ok()?
        else {
            return None;
        };
        let rule = |rule: RuleDetail| {
            let covered = match rule.on {
                "target" => Covered::Target(rule.name.parse().ok()?),
                _ => Covered::Class(rule.name),
            };
            Some((covered, Duration::from_secs(rule.keep_s)))
        };
        let rules = retention.rules.into_iter().filter_map(rule).collect();
        Some(Self { delay: Duration::from_secs(retention.delay_s), rules })
    }

    fn keep(&self, covered: &Covered) -> Option<Duration> {
        self.rules.iter().find(|(known, _)| known == covered).map(|(_, keep)| *keep)
    }
}

fn holds(leaf: &[u8], member: &[u8]) -> bool {
    leaf.windows(member.len()).any(|bytes| bytes == member)
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    clock: Option<Clock>,
    #[serde(borrow)]
    retention: Option<Detail<'a>>,
}

#[derive(Deserialize)]
struct Clock {
    up_s: Option<u64>,
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
mod tests;
