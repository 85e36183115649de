//! What shapes look like from afar: with every letter and digit as good as another of its kind.
//!
//! Most words that shapes may begin with are none, and the automata that tell exactly are too large to stay in the
//! nearest cache. This one knows digits, capitals, small letters and single separators only. It accepts wherever a shape
//! matches, and in some places more; where it does not accept, no shape matches, and nothing else is asked.

mod groups;

use std::collections::HashMap;
use std::ops::Range;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

use self::groups::Groups;
use super::automaton::Entry;
use super::caches::Shapes;
use super::{End, is_word};
use crate::class::{ClassSet, Edges};

/// Memory that the states may take while an outline is drawn.
const DRAWING_BYTES: usize = 64 << 20;

/// States of an outline, at most: what has more is not looked at from afar.
const MAX_STATES: usize = 1 << 15;

/// Letters and digits by kind. A zero is one of its own: so many shapes begin with it, or must not.
const KINDS: [(u8, u8); 4] = [(b'0', b'0'), (b'1', b'9'), (b'A', b'Z'), (b'a', b'z')];

/// Set in a transition where the state that it leads to says that something matched before its last byte.
const MATCHED: u16 = 1 << 15;

/// The state in a transition.
const STATE: u16 = MATCHED - 1;

/// States that are followed at once, at most, to tell of texts that differ in their digits.
const MAX_ALIKE: usize = 32;

/// The state that nothing leads away from.
const DEAD: u16 = 0;

/// The outlines of an engine's shapes.
#[derive(Debug)]
pub(super) struct Outlines {
    /// Of shapes that say enough, at digits and at bytes that open a shape. At letters each has letters of its own, which
    /// no outline knows.
    alone: Option<Outline>,
    /// Of shapes that need context, at digits and at bytes that open a shape.
    numbers: Option<Outline>,
    /// The same at letters.
    words: Option<Outline>,
    /// What the first digits of a number tell of both, by what is before it.
    numbers_told: [Groups; 3],
    /// What the first digits tell of shapes that may follow a letter.
    glued_told: Groups,
    /// What the letters that a word begins with tell, and the digits behind them.
    words_told: Groups,
}

/// What is before a number may make it a part of a longer one.
#[derive(Debug, Clone, Copy)]
enum Before {
    Anything,
    /// A digit and a dot.
    Dotted,
    /// A digit and a hyphen or a slash.
    Joined,
}

impl Before {
    fn of(text: &[u8], at: usize) -> Self {
        match at.checked_sub(2).and_then(|from| text.get(from..at)) {
            Some([b'0'..=b'9', b'.']) => Self::Dotted,
            Some([b'0'..=b'9', b'-' | b'/']) => Self::Joined,
            _ => Self::Anything,
        }
    }

    /// The edges of shapes that bear it: a bit for each of [`ALL_EDGES`], and one for shapes that end anywhere.
    fn edges(self) -> u8 {
        let bears = |edges: Edges| match self {
            Self::Anything => true,
            Self::Dotted => !edges.joints().contains(&b'.'),
            Self::Joined => !edges.joints().contains(&b'-'),
        };
        (0..).zip(ALL_EDGES).filter(|(_, edges)| bears(*edges)).fold(ANYWHERE, |all, (bit, _)| all | 1 << bit)
    }
}

impl Outlines {
    /// Draws them.
    pub(super) fn new(shapes: &Shapes<'_>) -> Self {
        let Shapes { alone, contextual, glued } = shapes;
        let alone_numbers = Outline::new(alone, |byte| !byte.is_ascii_alphabetic());
        let numbers = Outline::new(contextual, |byte| !byte.is_ascii_alphabetic());
        let numbers_told = [Before::Anything, Before::Dotted, Before::Joined]
            .map(|before| Groups::new(alone_numbers.as_ref(), numbers.as_ref(), groups::DIGITS, before.edges()));
        let glued = Outline::new(glued, |byte| byte.is_ascii_digit());
        let glued_told = Groups::new(glued.as_ref(), None, groups::DIGITS, Before::Anything.edges());
        let words = Outline::new(contextual, |byte| byte.is_ascii_alphabetic());
        let words_told = Groups::new(None, words.as_ref(), groups::LETTERS, Before::Anything.edges());
        Self { alone: alone_numbers, numbers, words, numbers_told, glued_told, words_told }
    }

    /// Of which tiers shapes may match at `at`, where a digit is, and of which classes those that need context. A bit of
    /// `digits` is set for each of the 64 bytes from there on that is a digit, or may be one once more of an open text is
    /// there.
    #[inline]
    pub(super) fn of_number(&self, text: &[u8], at: usize, digits: u64, end: End) -> (u8, &ClassSet) {
        let [anything, dotted, joined] = &self.numbers_told;
        let groups = match Before::of(text, at) {
            Before::Anything => anything,
            Before::Dotted => dotted,
            Before::Joined => joined,
        };
        groups.may_match(text, at, digits, digits, end)
    }

    /// The tiers, where a letter is before the digit, of shapes that may follow one: either all that need no context or none.
    #[inline]
    pub(super) fn of_glued(&self, text: &[u8], at: usize, digits: u64, end: End) -> u8 {
        self.glued_told.may_match(text, at, digits, digits, end).0
    }

    /// As [`Self::of_number`] where a letter is; a bit of `letters` is set for each of the 64 bytes from there on that is a letter.
    #[inline]
    pub(super) fn of_word(&self, text: &[u8], at: usize, letters: u64, digits: u64, end: End) -> (u8, &ClassSet) {
        self.words_told.may_match(text, at, letters, digits, end)
    }

    /// Whether a shape that says enough may match at `at`, or, where an open text ends first, could yet.
    pub(super) fn may_be_alone(&self, text: &[u8], at: usize, end: End) -> bool {
        let is_letter = text.get(at).is_some_and(u8::is_ascii_alphabetic);
        self.alone.as_ref().filter(|_| !is_letter).is_none_or(|outline| outline.may_match(text, at, end, None))
    }

    /// The same for shapes that need context, of those classes that are named.
    pub(super) fn may_be_in_context(&self, text: &[u8], at: usize, end: End, named: &ClassSet) -> bool {
        let is_letter = text.get(at).is_some_and(u8::is_ascii_alphabetic);
        let outline = if is_letter { &self.words } else { &self.numbers };
        outline.as_ref().is_none_or(|outline| outline.may_match(text, at, end, Some(named)))
    }

    /// The same as [`Self::may_be_alone`], whatever digits stand in the place of those of a whole text.
    pub(super) fn may_be_alone_alike(&self, text: &[u8], at: usize) -> bool {
        let is_letter = text.get(at).is_some_and(u8::is_ascii_alphabetic);
        self.alone.as_ref().filter(|_| !is_letter).is_none_or(|outline| outline.may_match_alike(text, at, None))
    }

    /// The same as [`Self::may_be_in_context`], whatever digits stand in the place of those of a whole text.
    pub(super) fn may_be_in_context_alike(&self, text: &[u8], at: usize, named: &ClassSet) -> bool {
        let is_letter = text.get(at).is_some_and(u8::is_ascii_alphabetic);
        let outline = if is_letter { &self.words } else { &self.numbers };
        outline.as_ref().is_none_or(|outline| outline.may_match_alike(text, at, Some(named)))
    }

    /// Bytes that they take.
    pub(super) fn memory(&self) -> usize {
        let outlines = [&self.alone, &self.numbers, &self.words].into_iter().flatten().map(Outline::memory);
        let told = self.numbers_told.iter().chain([&self.glued_told, &self.words_told]).map(Groups::memory);
        outlines.sum::<usize>() + told.sum::<usize>()
    }
}

/// The outline of some shapes.
#[derive(Debug)]
struct Outline {
    /// By byte.
    kinds: Box<[u8; 256]>,
    /// By state and kind.
    next: Vec<u16>,
    /// Kinds of a state, as a power of two.
    shift: u32,
    /// By state: what matched before its last byte.
    matched: Vec<Matched>,
    /// By state: what matches where the text ends.
    at_end: Vec<Matched>,
    /// The sets of classes that match together.
    classes: Vec<ClassSet>,
    start: u16,
}

/// Shapes that match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Matched {
    /// What may stand beside them: a bit for each of [`ALL_EDGES`], and one for those that end anywhere.
    edges: u8,
    /// Which classes' they are.
    classes: u16,
}

/// What may stand beside matches that end where a word may end; the first bears anything.
const ALL_EDGES: [Edges; 4] = [Edges::Word, Edges::Isolated, Edges::Unjoined, Edges::Undotted];
const WORD: u8 = 1;
const ANYWHERE: u8 = 1 << ALL_EDGES.len();

impl Matched {
    /// Whether one of them stands in `text` from `start` to `end` with nothing beside it that it does not bear.
    fn stands(self, text: &[u8], start: usize, end: usize) -> bool {
        if self.edges & ANYWHERE != 0 {
            return true;
        }
        let last = end.checked_sub(1).and_then(|last| text.get(last));
        if is_word(text.get(end)) && is_word(last) {
            return false;
        }
        if self.edges & WORD != 0 {
            return true;
        }
        (0..).zip(ALL_EDGES).any(|(bit, edges)| self.edges >> bit & 1 == 1 && edges.stand(text, start, end))
    }
}

impl Outline {
    /// The outline of some shapes at certain bytes; none if it would be too large or cannot be drawn.
    fn new(shapes: &[(Entry, &str)], begins: impl Fn(u8) -> bool) -> Option<Self> {
        let (mut entries, mut outlines) = (Vec::new(), Vec::new());
        for (entry, pattern) in shapes {
            let outline = outlined(&ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?);
            let may_begin = |first: ClassBytes| first.iter().any(|range| (range.start()..=range.end()).any(&begins));
            if first_bytes(&outline).is_none_or(may_begin) {
                entries.push(*entry);
                outlines.push(outline);
            }
        }
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().utf8(false))
            .build_many_from_hir(&outlines)
            .ok()?;
        let config =
            Config::new().match_kind(MatchKind::All).cache_capacity(DRAWING_BYTES).skip_cache_capacity_check(true);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        Drawing {
            dfa: &dfa,
            cache: dfa.create_cache(),
            entries: &entries,
            numbers: HashMap::new(),
            states: Vec::new(),
            classes: vec![ClassSet::EMPTY],
        }
        .finish(begins)
    }

    /// Whether a shape may match at `at`, or, where an open text ends first, could yet.
    fn may_match(&self, text: &[u8], at: usize, end: End, named: Option<&ClassSet>) -> bool {
        let mut state = self.start;
        let rest = text.get(at..).unwrap_or_default();
        for (place, byte) in rest.iter().enumerate() {
            let to = self.to(state, self.kind(*byte));
            state = to & STATE;
            // Nearly every step leads to a state that is neither dead nor says that something matched.
            if state == to && to != DEAD {
                continue;
            }
            let matched = self.matched.get(usize::from(state)).filter(|_| state != to);
            if matched.is_some_and(|matched| self.stands(*matched, text, at..at + place, named)) {
                return true;
            }
            if state == DEAD {
                return false;
            }
        }
        let last = self.at_end.get(usize::from(state));
        end == End::Open || last.is_some_and(|matched| self.stands(*matched, text, at..text.len(), named))
    }

    /// Whether a shape may match at `at` in a whole text with any digits in the place of its own.
    fn may_match_alike(&self, text: &[u8], at: usize, named: Option<&ClassSet>) -> bool {
        let (mut states, mut next) = (vec![self.start], Vec::new());
        for (place, byte) in text.iter().enumerate().skip(at) {
            let bytes = if byte.is_ascii_digit() { &b"01"[..] } else { std::slice::from_ref(byte) };
            next.clear();
            for (state, byte) in states.iter().flat_map(|state| bytes.iter().map(move |byte| (state, byte))) {
                let to = self.to(*state, self.kind(*byte));
                let state = to & STATE;
                let matched = self.matched.get(usize::from(state)).filter(|_| state != to);
                if matched.is_some_and(|matched| self.stands(*matched, text, at..place, named)) {
                    return true;
                }
                if state != DEAD && !next.contains(&state) {
                    next.push(state);
                }
            }
            std::mem::swap(&mut states, &mut next);
            if states.len() > MAX_ALIKE {
                return true;
            }
        }
        let last = states.iter().filter_map(|state| self.at_end.get(usize::from(*state)));
        last.copied().any(|matched| self.stands(matched, text, at..text.len(), named))
    }

    /// Whether what matched stands there, and is of a class that is named, if names count.
    #[inline(never)]
    fn stands(&self, matched: Matched, text: &[u8], at: Range<usize>, named: Option<&ClassSet>) -> bool {
        let classes = self.classes.get(usize::from(matched.classes));
        named.is_none_or(|named| classes.is_none_or(|classes| classes.intersects(named)))
            && matched.stands(text, at.start, at.end)
    }

    fn kind(&self, byte: u8) -> u8 {
        self.kinds.get(usize::from(byte)).copied().unwrap_or(0)
    }

    fn to(&self, state: u16, kind: u8) -> u16 {
        self.next.get(usize::from(state) << self.shift | usize::from(kind)).copied().unwrap_or(DEAD)
    }

    /// Bytes that it takes.
    fn memory(&self) -> usize {
        self.next.len() * size_of::<u16>() + 2 * self.matched.len() * size_of::<Matched>() + size_of_val(&*self.classes)
    }
}

/// An outline in the making.
struct Drawing<'a> {
    dfa: &'a DFA,
    cache: Cache,
    entries: &'a [Entry],
    numbers: HashMap<LazyStateID, u16>,
    states: Vec<LazyStateID>,
    classes: Vec<ClassSet>,
}

impl Drawing<'_> {
    fn finish(mut self, begins: impl Fn(u8) -> bool) -> Option<Outline> {
        let classes = self.dfa.byte_classes();
        let mut kinds = Box::new([0; 256]);
        let mut examples: Vec<u8> = Vec::new();
        for (byte, kind) in (0..=u8::MAX).zip(kinds.iter_mut()) {
            *kind = classes.get(byte);
            if usize::from(*kind) == examples.len() {
                examples.push(byte);
            }
        }
        let shift = examples.len().next_power_of_two().trailing_zeros();
        let begin = self.dfa.start_state(&mut self.cache, &start::Config::new().anchored(Anchored::Yes)).ok()?;
        let (mut next, mut matched, mut at_end) =
            (vec![DEAD; 1 << shift], vec![Matched::default()], vec![Matched::default()]);
        // The dead state is number 0.
        self.states.push(begin);
        let start = self.number(begin)?;
        let mut done = 1;
        while let Some(state) = self.states.get(done).copied() {
            done += 1;
            matched.push(self.matched(state)?);
            let last = self.dfa.next_eoi_state(&mut self.cache, state).ok()?;
            at_end.push(self.matched(last)?);
            for byte in &examples {
                let to = self.dfa.next_state(&mut self.cache, state, *byte).ok()?;
                let is_passed = to.is_dead() || state == begin && !begins(*byte);
                next.push(if is_passed { DEAD } else { self.number(to)? });
            }
            next.resize(done << shift, DEAD);
        }
        for to in &mut next {
            if matched.get(usize::from(*to)).is_some_and(|matched| *matched != Matched::default()) {
                *to |= MATCHED;
            }
        }
        Some(Outline { kinds, next, shift, matched, at_end, classes: self.classes, start })
    }

    fn number(&mut self, state: LazyStateID) -> Option<u16> {
        if let Some(number) = self.numbers.get(&state) {
            return Some(*number);
        }
        let number = u16::try_from(self.states.len()).ok().filter(|number| usize::from(*number) < MAX_STATES)?;
        self.states.push(state);
        self.numbers.insert(state, number);
        Some(number)
    }

    fn matched(&mut self, state: LazyStateID) -> Option<Matched> {
        if !state.is_match() {
            return Some(Matched::default());
        }
        let (mut edges, mut classes) = (0, ClassSet::EMPTY);
        for at in 0..self.dfa.match_len(&self.cache, state) {
            let entry = self.entries.get(self.dfa.match_pattern(&self.cache, state, at).as_usize())?;
            let known = (0..).zip(ALL_EDGES).find(|(_, edges)| *edges == entry.edges && !entry.ends_anywhere());
            edges |= known.map_or(ANYWHERE, |(bit, _)| 1 << bit);
            classes.insert(entry.class);
        }
        let number = self.classes.iter().position(|known| *known == classes).unwrap_or(self.classes.len());
        if number == self.classes.len() {
            self.classes.push(classes);
        }
        Some(Matched { edges, classes: u16::try_from(number).ok()? })
    }
}

/// The bytes that a shape may begin with; none if that cannot be told.
fn first_bytes(hir: &Hir) -> Option<ClassBytes> {
    match hir.kind() {
        HirKind::Class(Class::Bytes(bytes)) => Some(bytes.clone()),
        HirKind::Literal(literal) => {
            literal.0.first().map(|byte| ClassBytes::new([ClassBytesRange::new(*byte, *byte)]))
        }
        HirKind::Repetition(repetition) if repetition.min > 0 => first_bytes(&repetition.sub),
        HirKind::Capture(capture) => first_bytes(&capture.sub),
        HirKind::Concat(parts) => {
            let mut all = ClassBytes::empty();
            for part in parts {
                match part.kind() {
                    HirKind::Repetition(repetition) if repetition.min == 0 => all.union(&first_bytes(&repetition.sub)?),
                    _ => {
                        all.union(&first_bytes(part)?);
                        return Some(all);
                    }
                }
            }
            None
        }
        HirKind::Alternation(parts) => {
            let mut all = ClassBytes::empty();
            for part in parts {
                all.union(&first_bytes(part)?);
            }
            Some(all)
        }
        _ => None,
    }
}

/// A shape with every letter and digit widened to its kind.
fn outlined(hir: &Hir) -> Hir {
    let class = |holds: &dyn Fn(u8, u8) -> bool, others: &mut dyn Iterator<Item = (u8, u8)>| {
        let kinds = KINDS.iter().filter(|(first, last)| holds(*first, *last)).copied();
        let ranges = kinds.chain(others).map(|(first, last)| ClassBytesRange::new(first, last));
        Hir::class(Class::Bytes(ClassBytes::new(ranges)))
    };
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(look) => Hir::look(*look),
        HirKind::Literal(literal) => Hir::concat(
            literal
                .0
                .iter()
                .map(|byte| class(&|first, last| (first..=last).contains(byte), &mut std::iter::once((*byte, *byte))))
                .collect(),
        ),
        HirKind::Class(Class::Bytes(bytes)) => class(
            &|first, last| bytes.ranges().iter().any(|range| range.start() <= last && range.end() >= first),
            &mut bytes.ranges().iter().map(|range| (range.start(), range.end())),
        ),
        HirKind::Class(Class::Unicode(unicode)) => {
            unicode.to_byte_class().map_or_else(|| hir.clone(), |bytes| outlined(&Hir::class(Class::Bytes(bytes))))
        }
        HirKind::Repetition(repetition) => {
            Hir::repetition(Repetition { sub: Box::new(outlined(&repetition.sub)), ..repetition.clone() })
        }
        HirKind::Capture(capture) => outlined(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(outlined).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(outlined).collect()),
    }
}
