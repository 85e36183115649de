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
use crate::form::{Reading, Runs, Tail};

/// Memory one automaton may take, which bounds what custom classes may ask for.
const MAX_AUTOMATON_BYTES: usize = 96 << 20;

/// A shape as the automaton knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) class: ClassId,
    pub(super) score: u8,
    pub(super) edges: Edges,
    pub(super) tail: Tail,
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
    pub(super) start: usize,
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
    pub(super) fn at(&self, text: &[u8], at: usize, runs: &mut Runs, hits: &mut Vec<Hit>) -> bool {
        let mut state = self.start;
        let mut tried = Tried { text, at, runs, hits, read_on: false, open: false };
        let Some(rest) = text.get(at..) else { return true };
        for (offset, byte) in rest.iter().enumerate() {
            state = self.dfa.next_state(state, *byte);
            if self.dfa.is_special_state(state) {
                if self.dfa.is_dead_state(state) {
                    return tried.done();
                }
                if self.dfa.is_match_state(state) {
                    self.collect(&mut tried, state, at + offset);
                }
            }
        }
        let last = self.dfa.next_eoi_state(state);
        if self.dfa.is_match_state(last) {
            self.collect(&mut tried, last, text.len());
        }
        tried.done();
        true
    }

    fn collect(&self, tried: &mut Tried<'_>, state: StateID, end: usize) {
        for at in 0..self.dfa.match_len(state) {
            let Some(entry) = self.entries.get(self.dfa.match_pattern(state, at).as_usize()) else { continue };
            tried.add(entry, end);
        }
    }

    /// Bytes it takes.
    pub(super) fn memory(&self) -> usize {
        self.dfa.memory_usage()
    }
}

/// What one try found.
struct Tried<'a> {
    text: &'a [u8],
    at: usize,
    runs: &'a mut Runs,
    hits: &'a mut Vec<Hit>,
    read_on: bool,
    open: bool,
}

impl Tried<'_> {
    fn add(&mut self, entry: &Entry, end: usize) {
        let Some((start, end)) = self.read_on(entry, end) else { return };
        let last = end.checked_sub(1).and_then(|last| self.text.get(last));
        let inside = super::is_word(self.text.get(end)) && super::is_word(last);
        if !inside || entry.edges == Edges::OpenEnd {
            self.hits.push(Hit { entry: *entry, start, end });
        }
    }

    fn read_on(&mut self, entry: &Entry, end: usize) -> Option<(usize, usize)> {
        let mut reading = Reading { text: self.text, start: self.at, from: end, runs: self.runs, open: false };
        let read = match &entry.tail {
            Tail::None => return Some((self.at, end)),
            Tail::Form(form) => reading.form(form, self.at, end),
            Tail::Read(reader) => reader(&mut reading),
        };
        self.open |= reading.open;
        self.read_on = true;
        read.filter(|(start, end)| start < end)
    }

    /// Puts hits into the order of their ends, and tells whether one of them could be longer.
    fn done(self) -> bool {
        if self.read_on {
            self.hits.sort_by_key(|hit| hit.end);
        }
        self.open
    }
}
