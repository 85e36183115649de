//! The automata of an engine, and the states that texts led to: one cache per thread that scans, not per session.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use regex_automata::hybrid::dfa::Cache;
use regex_automata::util::pool;

use super::automaton::{Automaton, Entry};
use crate::error::ConfigError;

/// Shapes by what they need.
#[derive(Debug)]
pub(super) struct Tiers {
    /// Say enough by themselves.
    pub(super) alone: Automaton,
    /// Count only where something names their class.
    pub(super) contextual: Automaton,
}

impl Tiers {
    /// Compiles the shapes of both tiers.
    pub(super) fn new(alone: &[(Entry, &str)], contextual: &[(Entry, &str)]) -> Result<Self, ConfigError> {
        Ok(Self { alone: Automaton::new(alone)?, contextual: Automaton::new(contextual)? })
    }

    /// Bytes that the compiled shapes take.
    pub(super) fn memory(&self) -> usize {
        self.alone.memory() + self.contextual.memory()
    }
}

/// The states of both tiers.
#[derive(Debug)]
pub(super) struct Caches {
    pub(super) alone: Cache,
    pub(super) contextual: Cache,
}

impl Caches {
    pub(super) fn of(tiers: &Tiers) -> Self {
        Self { alone: tiers.alone.cache(), contextual: tiers.contextual.cache() }
    }

    /// Bytes that the states take.
    pub(super) fn memory(&self) -> usize {
        self.alone.memory_usage() + self.contextual.memory_usage()
    }
}

/// Caches for whoever scans.
pub(super) type Pool = pool::Pool<Caches, Make>;

/// Caches in use.
pub(super) type Guard<'a> = pool::PoolGuard<'a, Caches, Make>;

type Make = Box<dyn Fn() -> Caches + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// A pool for some automata.
pub(super) fn pool(tiers: &Arc<Tiers>) -> Pool {
    let tiers = Arc::clone(tiers);
    Pool::new(Box::new(move || Caches::of(&tiers)))
}
