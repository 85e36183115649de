//! Many shapes in one deterministic automaton, tried where a word begins.
//!
//! The automaton is anchored and reports every shape at every end (overlapping matches), so nothing is lost to a
//! neighbour that matched first and then failed its validator. Its states are made when a text first leads to them, in
//! a cache that each thread takes for the time of a scan: all states together would take half a second and many
//! megabytes. The cache holds more than there are states, so hostile text cannot make it thrash. Shapes are bounded, so
//! a try ends after the longest of them.

use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::hybrid::{CacheError, LazyStateID};
use regex_automata::nfa::thompson;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use crate::class::{ClassId, ClassSet, Edges};
use crate::error::ConfigError;
use crate::form::{Reading, Runs, Tail};

/// Memory that the states of one automaton may take in a cache.
const CACHE_BYTES: usize = 48 << 20;

/// Memory that compiled shapes may take, which bounds what custom classes may ask for.
const MAX_COMPILED_BYTES: usize = 24 << 20;

/// A shape as the automaton knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) class: ClassId,
    pub(super) score: u8,
    pub(super) edges: Edges,
    pub(super) tail: Tail,
}

impl Entry {
    pub(super) fn ends_anywhere(&self) -> bool {
        self.edges == Edges::OpenEnd || !matches!(self.tail, Tail::None)
    }
}

/// All shapes of one tier.
#[derive(Debug)]
pub(super) struct Automaton {
    dfa: DFA,
    entries: Vec<Entry>,
    /// The first so many entries may end in the middle of a word.
    anywhere: usize,
}

/// A state of one cache, until that cache is used for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct State(LazyStateID);

/// A match of a shape, not yet judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) class: ClassId,
    pub(super) score: u8,
    pub(super) edges: Edges,
    /// Where it begins; before the place of the try if its reader found it to.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Automaton {
    /// Compiles shapes; none at all makes an automaton that never matches.
    pub(super) fn new(shapes: &[(Entry, &str)]) -> Result<Self, ConfigError> {
        let mut shapes = shapes.to_vec();
        shapes.sort_by_key(|(entry, _)| !entry.ends_anywhere());
        let anywhere = shapes.iter().take_while(|(entry, _)| entry.ends_anywhere()).count();
        let patterns: Vec<&str> = shapes.iter().map(|(_, pattern)| *pattern).collect();
        let failed = |why: String| ConfigError::Patterns { why };
        let dfa = DFA::builder()
            .configure(
                Config::new().match_kind(MatchKind::All).cache_capacity(CACHE_BYTES).skip_cache_capacity_check(true),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MAX_COMPILED_BYTES)))
            .build_many(&patterns)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { dfa, entries: shapes.iter().map(|(entry, _)| *entry).collect(), anywhere })
    }

    /// An empty cache for its states.
    pub(super) fn cache(&self) -> Cache {
        self.dfa.create_cache()
    }

    /// Bytes that the compiled shapes take.
    pub(super) fn memory(&self) -> usize {
        self.dfa.memory_usage()
    }

    /// A number for each byte: bytes with the same number lead to the same states.
    pub(super) fn class_of(&self, byte: u8) -> u8 {
        self.dfa.byte_classes().get(byte)
    }

    /// The state before the first byte.
    pub(super) fn start(&self, cache: &mut Cache) -> Option<State> {
        self.dfa.start_state(cache, &start::Config::new().anchored(Anchored::Yes)).ok().map(State)
    }

    /// The state after one more byte, if a shape goes on with it or ended before it.
    pub(super) fn after(&self, cache: &mut Cache, state: State, byte: u8) -> Option<State> {
        let next = self.dfa.next_state(cache, state.0, byte).ok()?;
        (!next.is_dead()).then_some(State(next))
    }

    /// Whether a shape ended before the last byte that led to a state.
    pub(super) fn has_ended(state: State) -> bool {
        state.0.is_match()
    }

    /// Tries all shapes at `at` and adds what matches, shortest first; of the classes that are `named`, if names count.
    /// True if more text could make a longer match.
    pub(super) fn at(
        &self,
        cache: &mut Cache,
        text: &[u8],
        at: usize,
        named: Option<&ClassSet>,
        runs: &mut Runs,
        hits: &mut Vec<Hit>,
    ) -> Result<bool, Failed> {
        let Some(State(mut state)) = self.start(cache) else { return Err(Failed) };
        let mut tried = Tried { text, at, named, runs, hits, read_on: false, open: false };
        let Some(rest) = text.get(at..) else { return Ok(true) };
        for (offset, byte) in rest.iter().enumerate() {
            state = self.dfa.next_state(cache, state, *byte)?;
            if state.is_tagged() {
                if state.is_dead() {
                    return Ok(tried.done());
                }
                if state.is_match() {
                    self.collect(cache, &mut tried, state, at + offset);
                }
            }
        }
        let last = self.dfa.next_eoi_state(cache, state)?;
        if last.is_match() {
            self.collect(cache, &mut tried, last, text.len());
        }
        tried.done();
        Ok(true)
    }

    fn collect(&self, cache: &Cache, tried: &mut Tried<'_>, state: LazyStateID, end: usize) {
        // In the middle of a word only those end that may end anywhere, or go on; they have the lowest numbers.
        let last = end.checked_sub(1).and_then(|last| tried.text.get(last));
        let inside = super::is_word(tried.text.get(end)) && super::is_word(last);
        if inside && self.anywhere == 0 {
            return;
        }
        for at in 0..self.dfa.match_len(cache, state) {
            let number = self.dfa.match_pattern(cache, state, at).as_usize();
            if inside && number >= self.anywhere {
                continue;
            }
            let Some(entry) = self.entries.get(number) else { continue };
            // What is read on may have to wait for more text, named or not.
            let counts =
                tried.named.is_none_or(|named| named.contains(entry.class)) || !matches!(entry.tail, Tail::None);
            if counts {
                tried.add(entry, end);
            }
        }
    }
}

/// The automaton could not go on: the text must be taken for one that holds everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed;

impl From<CacheError> for Failed {
    fn from(_: CacheError) -> Self {
        Self
    }
}

/// What one try found.
struct Tried<'a> {
    text: &'a [u8],
    at: usize,
    named: Option<&'a ClassSet>,
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
            self.hits.push(Hit { class: entry.class, score: entry.score, edges: entry.edges, start, end });
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
