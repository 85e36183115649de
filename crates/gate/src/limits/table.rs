//! What is used of one rule, by principal. An entry is forgotten when it says nothing any more: all that was taken is made up
//! for, and nobody holds it. So the table is as large as what was used lately, and never larger than a bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::LimitRule;
use super::bucket::Bucket;

/// Entries at which those are first taken out that say nothing.
const FIRST_SWEEP: usize = 64;

/// Principals told apart; more of them at once share one allowance.
const MAX_PRINCIPALS: usize = 100_000;

/// The name of what those past the bound share. No principal's id is without `|`.
const OTHERS: &str = "others";

/// What is used of a rule by one.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) calls: Bucket,
    /// Places for calls at once, where the rule bounds them.
    pub(super) running: Option<Arc<Semaphore>>,
}

#[derive(Debug, Default)]
pub(super) struct Table(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_name: HashMap<Box<str>, Arc<Used>>,
    sweep_at: usize,
}

impl Table {
    /// What `name` uses of a rule.
    pub(super) fn of(&self, name: &str, rule: &LimitRule, now: Duration) -> Arc<Used> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = entries.by_name.get(name) {
            return Arc::clone(used);
        }
        if entries.by_name.len() >= entries.sweep_at.max(FIRST_SWEEP) {
            let is_full = |used: &Used| rule.calls.as_ref().is_none_or(|rate| used.calls.is_full(rate, now));
            // Whoever holds one may take of it.
            entries.by_name.retain(|_, used| Arc::strong_count(used) > 1 || !is_full(used));
            entries.sweep_at = 2 * entries.by_name.len();
        }
        let name = if entries.by_name.len() < MAX_PRINCIPALS { name } else { OTHERS };
        let used = || {
            let running = rule.concurrent.map(|most| Arc::new(Semaphore::new(most)));
            Arc::new(Used { calls: Bucket::default(), running })
        };
        Arc::clone(entries.by_name.entry(name.into()).or_insert_with(used))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_name.len()
    }
}
