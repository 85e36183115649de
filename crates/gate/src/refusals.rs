//! Calls that were refused by a limit, counted: a flood leaves one record in a minute, not one for each call.
//!
//! The first refusal of a principal at a target by a limit is recorded at once; those of the minute after it are counted,
//! and the next record carries their number. Who is told apart is bounded: past it, refusals count for others together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a record stands for the refusals that follow it.
const WINDOW: Duration = Duration::from_mins(1);

/// Principals, targets and limits told apart at once.
const MAX_TOLD_APART: usize = 10_000;

/// Who was refused, where, by which limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Refused {
    /// The principal's id; none for those past the bound.
    pub(crate) who: Option<Arc<str>>,
    /// The target's name, if it was at one.
    pub(crate) target: Option<Arc<str>>,
    /// The name of the limit.
    pub(crate) limit: Arc<str>,
    /// What kind of limit it is.
    pub(crate) reason: &'static str,
}

/// What to do about a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Record it, with those that were counted since the last record.
    Record(u64),
    /// A record stands for it: this one, once it is written.
    Stands(Option<Arc<str>>),
}

#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<Refused, Counted>>);

#[derive(Debug)]
struct Counted {
    unrecorded: u64,
    recorded_at: Duration,
    /// `session/seq` of the last record.
    reference: Option<Arc<str>>,
}

impl Refusals {
    /// Counts one refusal.
    pub(crate) fn count(&self, refused: &Refused, now: Duration) -> Count {
        let mut counted = self.counted();
        if let Some(known) = counted.get_mut(refused) {
            return known.count(now);
        }
        if counted.len() >= MAX_TOLD_APART {
            counted.retain(|_, known| known.unrecorded > 0 || !known.is_old(now));
        }
        let refused = if counted.len() < MAX_TOLD_APART { refused.clone() } else { refused.of_others() };
        // What is past the bound is recorded by the clock alone.
        let is_new = refused.who.is_some();
        let known = counted.entry(refused).or_insert(Counted { unrecorded: 0, recorded_at: now, reference: None });
        if is_new {
            return Count::Record(1);
        }
        known.unrecorded = known.unrecorded.saturating_add(1);
        Count::Stands(None)
    }

    /// The record of a refusal was written.
    pub(crate) fn stands(&self, refused: &Refused, reference: &str) {
        if let Some(known) = self.counted().get_mut(refused) {
            known.reference = Some(reference.into());
        }
    }

    /// A record could not be written: its refusals are counted still.
    pub(crate) fn put_back(&self, refused: &Refused, count: u64) {
        if let Some(known) = self.counted().get_mut(refused) {
            known.unrecorded = known.unrecorded.saturating_add(count);
        }
    }

    /// What was counted and is due to be recorded, at the end all of it: to be asked for by the clock, so that the last
    /// refusals of a flood wait for no further one.
    pub(crate) fn due(&self, now: Duration, is_end: bool) -> Vec<(Refused, u64)> {
        let mut counted = self.counted();
        counted.retain(|_, known| known.unrecorded > 0 || !known.is_old(now));
        let due = counted.iter_mut().filter(|(_, known)| known.unrecorded > 0 && (is_end || known.is_old(now)));
        due.map(|(refused, known)| {
            known.recorded_at = now;
            (refused.clone(), std::mem::take(&mut known.unrecorded))
        })
        .collect()
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<Refused, Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refused {
    /// The same of anybody, anywhere.
    fn of_others(&self) -> Self {
        Self { who: None, target: None, ..self.clone() }
    }
}

impl Counted {
    fn is_old(&self, now: Duration) -> bool {
        now.saturating_sub(self.recorded_at) >= WINDOW
    }

    fn count(&mut self, now: Duration) -> Count {
        if self.is_old(now) {
            self.recorded_at = now;
            self.reference = None;
            return Count::Record(std::mem::take(&mut self.unrecorded).saturating_add(1));
        }
        self.unrecorded = self.unrecorded.saturating_add(1);
        Count::Stands(self.reference.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(who: &str) -> Refused {
        Refused { who: Some(who.into()), target: Some("crm".into()), limit: "agents".into(), reason: "rate" }
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_flood_is_one_record_a_minute_and_every_refusal_is_in_one() {
        let refusals = Refusals::default();
        let alice = refused("corp|alice");
        let mut recorded = Vec::new();
        for tenth in 0..1_800_u64 {
            if let Count::Record(count) = refusals.count(&alice, Duration::from_millis(100 * tenth)) {
                recorded.push(count);
            }
        }
        assert_eq!(recorded, [1, 600, 600]);
        assert_eq!(refusals.due(at(179), false), [], "its minute is not over");
        assert_eq!(refusals.due(at(180), false), [(alice.clone(), 599)]);
        assert_eq!(refusals.due(at(181), false), [], "once");
        assert_eq!(refusals.count(&alice, at(200)), Count::Stands(None), "the record of the clock has a minute too");
        assert_eq!(refusals.due(at(201), true), [(alice, 1)], "the end waits for nothing");
    }

    #[test]
    fn a_refusal_that_is_counted_has_the_reference_of_the_record_that_stands_for_it() {
        let refusals = Refusals::default();
        let (alice, bob) = (refused("corp|alice"), refused("corp|bob"));
        assert_eq!(refusals.count(&alice, at(1)), Count::Record(1));
        assert_eq!(refusals.count(&alice, at(1)), Count::Stands(None), "it is being written");
        refusals.stands(&alice, "s/1");
        assert_eq!(refusals.count(&alice, at(2)), Count::Stands(Some("s/1".into())));
        assert_eq!(refusals.count(&bob, at(2)), Count::Record(1), "and nobody else's");
        refusals.put_back(&bob, 1);
        assert_eq!(refusals.count(&bob, at(62)), Count::Record(2), "what could not be recorded is counted still");
    }

    #[test]
    fn who_is_told_apart_is_bounded_and_forgotten() {
        let refusals = Refusals::default();
        let count = |number: usize, now| refusals.count(&refused(&number.to_string()), now);
        let records = (0..MAX_TOLD_APART + 500).filter(|number| count(*number, at(1)) == Count::Record(1)).count();
        assert_eq!(records, MAX_TOLD_APART);
        assert_eq!(refusals.counted().len(), MAX_TOLD_APART + 1);
        let others = refused("").of_others();
        assert_eq!(refusals.due(at(61), false), [(others, 500)]);
        assert_eq!(refusals.due(at(122), false), []);
        assert!(refusals.counted().is_empty());
    }
}
