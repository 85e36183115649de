//! Many shapes in one deterministic automaton, tried where a word begins.
//!
//! The automaton is anchored and reports every shape at every end (overlapping matches), so nothing is lost to a
//! neighbour that matched first and then failed its validator. It is built once, shared by all threads, and needs no
//! cache that hostile input could thrash. Shapes are bounded, so a try ends after the longest of them.

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use crate::class::{ClassId, Edges};
use crate::error::ConfigError;

/// Memory one automaton may take, which bounds what custom classes may ask for.
const MAX_AUTOMATON_BYTES: usize = 96 << 20;

/// A shape as the automaton knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) class: ClassId,
    pub(super) score: u8,
    pub(super) edges: Edges,
}

/// All shapes of one tier.
#[derive(Debug)]
pub(super) struct Automaton {
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
    entries: Vec<Entry>,
}

/// A match of a shape, not yet judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) entry: Entry,
    pub(super) end: usize,
}

impl Automaton {
    /// Compiles shapes; none at all makes an automaton that never matches.
    pub(super) fn new(shapes: &[(Entry, &str)]) -> Result<Self, ConfigError> {
        let patterns: Vec<&str> = shapes.iter().map(|(_, pattern)| *pattern).collect();
        let failed = |why: String| ConfigError::Patterns { why };
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Anchored)
                    .match_kind(MatchKind::All)
                    .accelerate(false)
                    .dfa_size_limit(Some(MAX_AUTOMATON_BYTES))
                    .determinize_size_limit(Some(MAX_AUTOMATON_BYTES)),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false))
            .build_many(&patterns)
            .map_err(|error| failed(error.to_string()))?;
        let start = dfa
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { dfa, start, entries: shapes.iter().map(|(entry, _)| *entry).collect() })
    }

    /// The state after two bytes, if a shape may begin with them.
    pub(super) fn after(&self, first: u8, second: u8) -> Option<StateID> {
        let state = self.dfa.next_state(self.start, first);
        (!self.dfa.is_dead_state(state) && self.goes_on(state, second)).then(|| self.dfa.next_state(state, second))
    }

    /// Whether a shape may go on with a byte, or ends before it.
    pub(super) fn goes_on(&self, state: StateID, byte: u8) -> bool {
        !self.dfa.is_dead_state(self.dfa.next_state(state, byte))
    }

    /// Tries all shapes at `at` and adds what matches, shortest first. True if more text could make a longer match.
    pub(super) fn at(&self, text: &[u8], at: usize, hits: &mut Vec<Hit>) -> bool {
        let mut state = self.start;
        let Some(rest) = text.get(at..) else { return true };
        for (offset, byte) in rest.iter().enumerate() {
            state = self.dfa.next_state(state, *byte);
            if self.dfa.is_special_state(state) {
                if self.dfa.is_dead_state(state) {
                    return false;
                }
                if self.dfa.is_match_state(state) {
                    self.collect(text, state, at + offset, hits);
                }
            }
        }
        let last = self.dfa.next_eoi_state(state);
        if self.dfa.is_match_state(last) {
            self.collect(text, last, text.len(), hits);
        }
        true
    }

    fn collect(&self, text: &[u8], state: StateID, end: usize, hits: &mut Vec<Hit>) {
        let inside =
            super::is_word(text.get(end)) && super::is_word(end.checked_sub(1).and_then(|last| text.get(last)));
        for at in 0..self.dfa.match_len(state) {
            let Some(entry) = self.entries.get(self.dfa.match_pattern(state, at).as_usize()) else { continue };
            if !inside || entry.edges == Edges::OpenEnd {
                hits.push(Hit { entry: *entry, end });
            }
        }
    }

    /// Bytes it takes.
    pub(super) fn memory(&self) -> usize {
        self.dfa.memory_usage()
    }
}
