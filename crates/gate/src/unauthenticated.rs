//! Failed log-ons, counted so that flooding the log is no outage (design part 3, "Catalogue").
//!
//! The first ten of a source in a minute are recorded singly; the rest of that minute as one event with its count.
//! Sources are bounded: past the bound, failures count for "others". So is what they may take of the disk: past a budget
//! for each hour, one event a minute carries the count of all. Nothing here waits for the disk.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use vidimus_core::Timestamp;

/// Failures of one source and minute that are recorded singly.
const SINGLY: u64 = 10;

/// Sources told apart in one minute.
const MAX_SOURCES: usize = 1_000;

/// Single records in one minute over all sources, so that many sources flood no more than one.
const MAX_SINGLE: u64 = 1_000;

/// Events in one hour over all sources, besides one a minute: an event takes some 400 bytes, so failures take no more
/// than 4 MB an hour, whoever sends them for however long.
const MAX_EVENTS_PER_HOUR: u64 = 10_000;

/// What one event is to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failures {
    /// The source; `None` for those past the bound.
    pub(crate) address: Option<IpAddr>,
    /// How many.
    pub(crate) count: u64,
    /// The label of the (last) failure.
    pub(crate) reason: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct Unauthenticated(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: u64,
    single: u64,
    /// The hour that runs, and the events of it.
    hour: (u64, u64),
    sources: HashMap<Option<IpAddr>, Source>,
}

#[derive(Debug)]
struct Source {
    seen: u64,
    unrecorded: u64,
    reason: &'static str,
}

impl Unauthenticated {
    /// Counts one failure; returns what is to be recorded now.
    pub(crate) fn count(&self, address: IpAddr, reason: &'static str, now: Timestamp) -> Vec<Failures> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.seconds() / 60;
        let mut due = if minute == state.number { Vec::new() } else { state.roll(minute) };
        let known = Some(network(address));
        let key = if state.sources.len() < MAX_SOURCES || state.sources.contains_key(&known) { known } else { None };
        let single_left = state.single < MAX_SINGLE && state.hour.1 < MAX_EVENTS_PER_HOUR;
        let source = state.sources.entry(key).or_insert(Source { seen: 0, unrecorded: 0, reason });
        source.seen += 1;
        source.reason = reason;
        if key.is_some() && single_left && source.seen <= SINGLY {
            state.single += 1;
            state.hour.1 += 1;
            due.push(Failures { address: Some(address), count: 1, reason });
        } else {
            source.unrecorded += 1;
        }
        due
    }

    /// What earlier minutes counted and nobody recorded: to be asked for by the clock, so that the last failures of a
    /// flood wait for no further one.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<Failures> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.seconds() / 60;
        if minute == state.number { Vec::new() } else { state.roll(minute) }
    }

    /// Takes back what could not be recorded; it is due again with the minute that runs now.
    pub(crate) fn put_back(&self, failures: impl IntoIterator<Item = Failures>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Failures { address, count, reason } in failures {
            let known = address.map(network);
            let is_told_apart = state.sources.len() < MAX_SOURCES || state.sources.contains_key(&known);
            let key = known.filter(|_| is_told_apart);
            let source = state.sources.entry(key).or_insert(Source { seen: 0, unrecorded: 0, reason });
            source.unrecorded = source.unrecorded.saturating_add(count);
        }
    }

    /// What is counted and not yet recorded, at shutdown.
    pub(crate) fn drain(&self) -> Vec<Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).roll(0)
    }
}

impl Minute {
    fn roll(&mut self, minute: u64) -> Vec<Failures> {
        self.number = minute;
        self.single = 0;
        if self.hour.0 != minute / 60 {
            self.hour = (minute / 60, 0);
        }
        let counted = std::mem::take(&mut self.sources).into_iter();
        let mut due: Vec<Failures> = counted
            .filter(|(_, source)| source.unrecorded > 0)
            .map(|(address, source)| Failures { address, count: source.unrecorded, reason: source.reason })
            .collect();
        let left = usize::try_from(MAX_EVENTS_PER_HOUR.saturating_sub(self.hour.1)).unwrap_or(usize::MAX);
        if due.len() > left.max(1) {
            let count = due.iter().fold(0_u64, |sum, failures| sum.saturating_add(failures.count));
            let reason = due.last().map_or("missing", |failures| failures.reason);
            due = vec![Failures { address: None, count, reason }];
        }
        self.hour.1 += due.len() as u64;
        due
    }
}

/// The source of an address: an IPv6 caller commands a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_one_event_a_minute() {
        let counts = Unauthenticated::default();
        let source = IpAddr::from([192, 0, 2, 1]);
        let at = Timestamp::from_seconds(120);
        let singly: usize = (0..5_000).map(|_| counts.count(source, "signature", at).len()).sum();
        assert_eq!(singly, 10);
        let next = counts.count(source, "expired", Timestamp::from_seconds(180));
        let sum = Failures { address: Some(source), count: 4_990, reason: "signature" };
        assert_eq!(next, [sum, Failures { address: Some(source), count: 1, reason: "expired" }]);
    }

    #[test]
    fn many_sources_flood_no_more_than_the_bound() {
        let counts = Unauthenticated::default();
        let at = Timestamp::from_seconds(60);
        let mut events = 0;
        for source in 0..20_000_u32 {
            events += counts.count(IpAddr::from(source.to_be_bytes()), "missing", at).len();
        }
        assert!(events <= 1_000, "{events} events");
        let rest: u64 = counts.drain().iter().map(|failures| failures.count).sum();
        assert_eq!(rest + events as u64, 20_000, "every failure is counted once");
    }

    #[test]
    fn the_clock_alone_brings_what_is_due() {
        let counts = Unauthenticated::default();
        let source = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..15 {
            counts.count(source, "signature", Timestamp::from_seconds(120));
        }
        assert_eq!(counts.due(Timestamp::from_seconds(179)), []);
        let sum = || Failures { address: Some(source), count: 5, reason: "signature" };
        assert_eq!(counts.due(Timestamp::from_seconds(180)), [sum()]);
        assert_eq!(counts.due(Timestamp::from_seconds(240)), [], "once");

        // It could not be recorded: it is due again, with what came since, and takes nobody's single records.
        counts.put_back([sum()]);
        let next = counts.count(source, "expired", Timestamp::from_seconds(250));
        assert_eq!(next, [Failures { address: Some(source), count: 1, reason: "expired" }]);
        assert_eq!(counts.due(Timestamp::from_seconds(300)), [Failures { reason: "expired", ..sum() }]);
    }

    #[test]
    fn what_is_put_back_stays_within_the_bound() {
        let counts = Unauthenticated::default();
        let failures = (0..20_000_u32).map(|source| Failures {
            address: Some(source.to_be_bytes().into()),
            count: 2,
            reason: "key",
        });
        counts.put_back(failures);
        let back = counts.drain();
        assert_eq!(back.len(), MAX_SOURCES + 1, "and one for the others");
        assert_eq!(back.iter().map(|failures| failures.count).sum::<u64>(), 40_000);
    }

    #[test]
    fn a_flood_of_many_hours_keeps_to_its_budget() {
        let counts = Unauthenticated::default();
        let (mut events, mut recorded) = (0_u64, 0_u64);
        let minutes = 180;
        for minute in 0..minutes {
            for source in 0..1_500_u32 {
                for failures in counts.count(source.to_be_bytes().into(), "key", Timestamp::from_seconds(minute * 60)) {
                    events += 1;
                    recorded += failures.count;
                }
            }
        }
        recorded += counts.drain().iter().map(|failures| failures.count).sum::<u64>();
        assert!(events <= 3 * MAX_EVENTS_PER_HOUR + minutes, "{events} events");
        assert_eq!(recorded, minutes * 1_500, "and every failure is counted");
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let counts = Unauthenticated::default();
        let at = Timestamp::from_seconds(60);
        let events: usize = (0..100_u128)
            .map(|host| Ipv6Addr::from_bits((0x2001_0db8 << 96) | host))
            .map(|address| counts.count(address.into(), "missing", at).len())
            .sum();
        assert_eq!(events, 10);
    }
}
