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
    /// Those that say enough and may follow a letter.
    pub(super) glued: Automaton,
}

/// Shapes to compile, by tier.
#[derive(Debug, Default)]
pub(super) struct Shapes<'a> {
    pub(super) alone: Vec<(Entry, &'a str)>,
    pub(super) contextual: Vec<(Entry, &'a str)>,
    pub(super) glued: Vec<(Entry, &'a str)>,
}

impl Tiers {
    /// Compiles the shapes of all tiers.
    pub(super) fn new(shapes: &Shapes<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            alone: Automaton::new(&shapes.alone)?,
            contextual: Automaton::new(&shapes.contextual)?,
            glued: Automaton::new(&shapes.glued)?,
        })
    }

    /// Bytes that the compiled shapes take.
    pub(super) fn memory(&self) -> usize {
        self.alone.memory() + self.contextual.memory() + self.glued.memory()
    }
}

/// The states of all tiers.
#[derive(Debug)]
pub(super) struct Caches {
    pub(super) alone: Cache,
    pub(super) contextual: Cache,
    pub(super) glued: Cache,
}

impl Caches {
    pub(super) fn of(tiers: &Tiers) -> Self {
        Self { alone: tiers.alone.cache(), contextual: tiers.contextual.cache(), glued: tiers.glued.cache() }
    }

    /// Bytes that the states take.
    pub(super) fn memory(&self) -> usize {
        self.alone.memory_usage() + self.contextual.memory_usage() + self.glued.memory_usage()
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
