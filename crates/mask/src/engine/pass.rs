//! One pass over a text: from word to word, the shapes that may begin there, and what stands before them.
//!
//! Words without a digit near are passed at one look; what names a class is looked for only once a candidate asks.

use std::ops::Range;

use super::automaton::{Failed, Hit};
use super::caches::Guard;
use super::candidates::{Candidates, place};
use super::context::{NEAR_BYTES, NEAR_WORDS, Previous};
use super::cut::{Cut, LOOK_BEHIND};
use super::marks::Marks;
use super::starts::{Before, Places};
use super::{End, Engine, Finding, PROVEN, Scan};
use crate::bits::BLOCK;
use crate::class::{ClassSet, Edges, Verdict};
use crate::form::Set;
use crate::selection::Class;

/// What context adds to a score, and the least it makes of it (Presidio's figures).
const CONTEXT_ADDS: u8 = 35;
const CONTEXT_MAKES: u8 = 40;

/// Blocks whose places are remembered: those that words near a candidate may stand in.
const RECENT: usize = NEAR_BYTES.div_ceil(BLOCK) + 1;

/// Bytes of which it is not known what they name, up to which they are looked up before a shape is tried.
const FEW_UNKNOWN: usize = 32;

/// One pass over a text.
pub(super) struct Pass<'a> {
    engine: &'a Engine,
    /// Taken from the engine once a shape is tried.
    caches: Option<Guard<'a>>,
    text: &'a [u8],
    /// The classes that are named wherever a candidate stands: by the path, or because another reading asks.
    everywhere: ClassSet,
    end: End,
    scan: &'a mut Scan,
    /// Where the first block begins.
    begin: usize,
    /// Shapes are tried from here on; before, only what names something is looked at.
    from: usize,
    /// The last places seen, by the number of their block, and how many words begin before it.
    recent: [(Places, u32); RECENT],
    /// Before this place it is known what those words name that count.
    looked_to: usize,
    /// Before this place nothing names a class that is not named everywhere: from where that was asked last, and where
    /// nothing was masked since.
    silent_to: usize,
    /// Classes of which no others are named up to a place.
    at_most: ClassSet,
    at_most_to: usize,
    /// Whether a class is named everywhere of which shapes need context.
    asks_everywhere: bool,
    /// The last masked part before the place of the pass.
    before: Option<Previous>,
    /// What another reading held last before the place of the pass, and how much of what it holds was passed.
    heard: Option<Previous>,
    passed_of_heard: usize,
    /// Whether outlines were asked already about shapes that need no context.
    is_sifted: bool,
    /// The end of the last mark: nothing in it is looked at.
    skip_to: usize,
    /// What masking may have kept of a value behind stars.
    kept: Range<usize>,
    /// The finders' findings not yet passed.
    unpassed: Range<usize>,
}

/// Which shapes are tried at a place.
#[derive(Clone, Copy)]
enum Tier<'a> {
    /// Those that need no context.
    Alone,
    /// Those that need some, of the classes that are named.
    Contextual(&'a ClassSet),
    /// Those that may follow a letter.
    Glued,
}

impl<'a> Pass<'a> {
    /// A pass from a cut on, where some classes are named everywhere; what finders found before it stands in `scan`, by its
    /// end.
    pub(super) fn new(
        engine: &'a Engine,
        text: &'a [u8],
        everywhere: ClassSet,
        end: End,
        scan: &'a mut Scan,
        from: Cut,
    ) -> Self {
        let begin = from.at().saturating_sub(LOOK_BEHIND);
        let unpassed = 0..scan.findings.len();
        Self {
            engine,
            caches: None,
            text,
            everywhere,
            end,
            scan,
            begin,
            from: from.at(),
            recent: [(Places::default(), 0); RECENT],
            looked_to: begin,
            silent_to: 0,
            at_most: ClassSet::EMPTY,
            at_most_to: 0,
            asks_everywhere: everywhere.intersects(&engine.contextual_classes),
            before: from.previous(),
            heard: from.heard(),
            passed_of_heard: 0,
            is_sifted: false,
            skip_to: 0,
            kept: 0..0,
            unpassed,
        }
    }

    pub(super) fn run(mut self) -> Result<(), Failed> {
        let text = self.text;
        let (before, rest) = text.split_at(self.begin);
        let mut before = Before::new(before);
        let mut blocks = rest.chunks(BLOCK);
        let end = self.end;
        let engine = self.engine;
        let mut next = || {
            let block = blocks.next()?;
            let places = engine.starts.of(block, &mut before);
            let is_open = end == End::Open && blocks.len() == 0;
            Some(if is_open { places.open_ended(block.len()) } else { places })
        };
        let beyond = if end == End::Open { Places::ANYTHING } else { Places::default() };
        let mut upcoming = next();
        let (mut number, mut words) = (0, 0_u32);
        while let Some(places) = upcoming {
            upcoming = next();
            let behind = upcoming.as_ref().unwrap_or(&beyond);
            let near = places.near_digits(behind);
            if let Some(slot) = self.recent.get_mut(number % RECENT) {
                *slot = (places, words);
            }
            words = words.wrapping_add(places.words.count_ones());
            let block_at = self.begin + number * BLOCK;
            let candidates = engine.candidates(text, block_at, &places, behind, near, end);
            if end == End::Open {
                self.may_go_on(&places, near, block_at);
            }
            if !candidates.is_empty() || places.marked != 0 {
                self.block(block_at, &places, behind, candidates)?;
            }
            number += 1;
        }
        Ok(())
    }

    /// Says that no word of the text names anything, and that finders found nothing.
    pub(super) fn hears_nothing(&mut self) {
        (self.looked_to, self.silent_to) = (self.text.len(), usize::MAX);
    }

    /// What was found so far.
    pub(super) fn found(&self) -> &[Finding] {
        &self.scan.findings
    }

    /// A pass over a text of one block, whose places and candidates are known, or some of them.
    pub(super) fn run_alone(&mut self, places: &Places, candidates: Candidates) -> Result<(), Failed> {
        if let Some(slot) = self.recent.first_mut() {
            *slot = (*places, 0);
        }
        self.is_sifted = true;
        self.block(0, places, &Places::default(), candidates)
    }

    /// Passes over a block with candidates or marks; `behind` are the places of the next one.
    #[inline]
    fn block(
        &mut self,
        block_at: usize,
        places: &Places,
        behind: &Places,
        candidates: Candidates,
    ) -> Result<(), Failed> {
        let mut left = candidates.alone | candidates.contextual | candidates.glued | places.marked;
        while left != 0 {
            let lowest = left & left.wrapping_neg();
            left ^= lowest;
            let at = place(block_at, lowest);
            if at < self.skip_to {
                continue;
            }
            if places.marked & lowest != 0
                && let Some(end) = self.mark(at)
            {
                self.skip_to = end;
                continue;
            }
            if at < self.from {
                continue;
            }
            if candidates.glued & lowest != 0 {
                self.try_shapes(at, Tier::Glued)?;
            }
            if candidates.alone & lowest != 0
                && (self.is_sifted || self.engine.outlines.may_be_alone(self.text, at, self.end))
            {
                self.try_shapes(at, Tier::Alone)?;
            }
            if candidates.contextual & lowest != 0 && (self.asks_everywhere || at >= self.silent_to) {
                self.try_named(block_at, lowest, places, behind)?;
            }
        }
        Ok(())
    }

    /// The last byte of an open text may go on with anything.
    fn may_go_on(&mut self, places: &Places, near: u64, block_at: usize) {
        let last = self.text.len() - 1;
        let all = places.words | places.opening | places.escaped;
        if last < block_at + BLOCK && (all & near) >> (last - block_at) & 1 == 1 {
            self.lives(last);
        }
    }

    /// The end of the mark that begins at `at`.
    fn mark(&mut self, at: usize) -> Option<usize> {
        if self.end == End::Open && Marks::may_grow(self.text, at) {
            self.lives(at);
        }
        let (end, class) = self.engine.marks.skip(self.text, at)?;
        self.mask(Previous::new(at, end, class));
        if class.is_none() {
            // Stars may be anybody's: what goes on behind the few letters that masking would keep is looked at.
            self.kept = at..end;
            return None;
        }
        Some(end)
    }

    /// The last masked part that ends at `at` or before.
    fn before(&mut self, at: usize) -> Option<Previous> {
        while let Some(finding) = self.scan.findings.get(self.unpassed.start).filter(|_| !self.unpassed.is_empty()) {
            if finding.end > at {
                break;
            }
            self.scan.upcoming.push(Previous::new(finding.start, finding.end, Some(finding.class)));
            self.unpassed.start += 1;
        }
        if self.scan.upcoming.iter().any(|part| part.end <= at) {
            self.scan.upcoming.sort_by_key(|part| part.end);
            let ended = self.scan.upcoming.partition_point(|part| part.end <= at);
            for part in self.scan.upcoming.drain(..ended) {
                self.before = Some(part.with(self.before));
            }
        }
        self.before
    }

    /// What another reading holds last that ends at `at` or before, if it is near.
    fn heard(&mut self, at: usize) -> Option<Previous> {
        while let Some(heard) = self.scan.heard.get(self.passed_of_heard).filter(|heard| heard.end <= at) {
            self.heard = Some(heard.with(self.heard));
            self.passed_of_heard += 1;
        }
        self.heard.filter(|heard| heard.end + NEAR_BYTES >= at)
    }

    /// Tries the shapes of classes that something names at a place of a block.
    fn try_named(&mut self, block_at: usize, lowest: u64, places: &Places, behind: &Places) -> Result<(), Failed> {
        let Self { engine, text, end, .. } = *self;
        let at = place(block_at, lowest);
        // What costs less comes first.
        let classes = || engine.in_context(text, block_at, lowest, places, behind, end);
        let known = (at < self.at_most_to).then(classes);
        if known.is_some_and(|classes| !self.at_most.intersects(classes)) {
            return Ok(());
        }
        let is_known = at < self.silent_to || at < self.looked_to + FEW_UNKNOWN;
        if !is_known && !engine.outlines.may_be_in_context(text, at, end, &engine.contextual_classes) {
            return Ok(());
        }
        let Some(named) = self.named(at) else { return Ok(()) };
        self.at_most = named;
        self.scan.near.all(&mut self.at_most);
        self.at_most_to = self.looked_to.min(self.steady_to(at));
        if named.intersects(known.unwrap_or_else(classes)) && engine.outlines.may_be_in_context(text, at, end, &named) {
            self.try_shapes(at, Tier::Contextual(&named))?;
        }
        Ok(())
    }

    /// Tries the shapes of a tier and judges what matches.
    fn try_shapes(&mut self, at: usize, tier: Tier<'_>) -> Result<(), Failed> {
        let Self { engine, text, .. } = *self;
        let caches = self.caches.get_or_insert_with(|| engine.caches.get());
        let (automaton, cache, named) = match tier {
            Tier::Alone => (&engine.tiers.alone, &mut caches.alone, None),
            Tier::Contextual(named) => (&engine.tiers.contextual, &mut caches.contextual, Some(named)),
            Tier::Glued => (&engine.tiers.glued, &mut caches.glued, None),
        };
        let mut hits = std::mem::take(&mut self.scan.hits);
        hits.clear();
        if automaton.at(cache, text, at, named, &mut self.scan.runs, &mut hits)? {
            // Only what needs no context, and begins a word, reaches back.
            let reaches_back = self.end == End::Open && matches!(tier, Tier::Alone);
            self.lives(if reaches_back { self.earliest(at) } else { at });
        }
        self.judge(at, &hits, named);
        self.scan.hits = hits;
        Ok(())
    }

    /// Where what is found at `at` may begin.
    fn earliest(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default().iter().rev();
        at - before.take(self.engine.reaches_back).take_while(|byte| Set::Token.has(**byte)).count()
    }

    fn lives(&mut self, at: usize) {
        if self.end == End::Open {
            self.scan.live_from = self.scan.live_from.min(at);
        }
    }

    /// The classes named near `at` and by the path, if there are any.
    fn named(&mut self, at: usize) -> Option<ClassSet> {
        if at < self.silent_to {
            return self.named_everywhere();
        }
        let word = self.look_back(at);
        let (before, heard) = (self.before(at), self.heard(at));
        // The last of all names its class, as its mark does afterwards.
        let is_last = |heard: &Previous| {
            before.is_none_or(|before| before.end <= heard.end || heard.overlaps(before.start, before.end))
        };
        let heard = heard.filter(is_last);
        let is_masked_near =
            heard.is_some() || before.is_some_and(|before| !before.classes.is_empty() && before.end + NEAR_BYTES >= at);
        if !is_masked_near && self.scan.near.is_silent(at, word) {
            if self.scan.near.is_empty() {
                self.silent_to = self.looked_to.min(self.steady_to(at));
            }
            return self.named_everywhere();
        }
        let mut named = self.everywhere;
        self.scan.near.named(at, word, before, &mut named);
        if let Some(heard) = heard {
            named.extend(&heard.classes);
        }
        (!named.is_empty()).then_some(named)
    }

    /// The classes that are named everywhere, if there are any.
    fn named_everywhere(&self) -> Option<ClassSet> {
        (!self.everywhere.is_empty()).then_some(self.everywhere)
    }

    /// Up to where no masked part changes what is named at `at`.
    fn steady_to(&self, at: usize) -> usize {
        let unpassed = self.scan.findings.get(self.unpassed.clone()).unwrap_or_default().first();
        let upcoming = self.scan.upcoming.iter().map(|part| part.end);
        let heard = self.scan.heard.get(self.passed_of_heard).map(|heard| heard.end);
        let near = [self.before, self.heard].into_iter().flatten();
        let leaves = near.map(|before| before.end + NEAR_BYTES + 1).filter(|end| *end > at);
        upcoming.chain(unpassed.map(|finding| finding.end)).chain(heard).chain(leaves).fold(usize::MAX, usize::min)
    }

    /// Notes a masked part that ends behind the place of the pass.
    fn mask(&mut self, part: Previous) {
        self.silent_to = self.silent_to.min(part.end);
        self.at_most_to = self.at_most_to.min(part.end);
        self.scan.upcoming.push(part);
    }

    /// Looks up the words that count at `at` and those behind it in its block, if they were not looked up before, and gives
    /// the number of the last word up to `at`.
    fn look_back(&mut self, at: usize) -> u32 {
        let block = (at - self.begin) / BLOCK;
        let (places, before) = self.recent(block);
        let words = places.words & up_to((at - self.begin) % BLOCK);
        if self.looked_to <= at {
            self.scan.near.leave_behind(at);
            self.look_up_last(block, words, NEAR_WORDS + 1, RECENT - 1);
            self.looked_to = self.begin + (block + 1) * BLOCK;
        }
        before + words.count_ones()
    }

    /// Looks up the last `wanted` of some words of a block, or of so many blocks before it, and all behind them in the block.
    fn look_up_last(&mut self, block: usize, words: u64, wanted: u32, blocks_before: usize) {
        let count = words.count_ones();
        if count < wanted && blocks_before > 0 && self.looked_to < self.begin + block * BLOCK {
            let earlier = self.recent(block - 1).0.words;
            self.look_up_last(block - 1, earlier, wanted - count, blocks_before - 1);
        }
        let first = (wanted..count).fold(words, |words, _| words & words.wrapping_sub(1));
        self.look_up(block, if count > wanted { u64::MAX << first.trailing_zeros() } else { u64::MAX });
    }

    /// Looks up the words at some places of a block that were not looked up before.
    fn look_up(&mut self, block: usize, within: u64) {
        let (places, before) = self.recent(block);
        let block_at = self.begin + block * BLOCK;
        let mut left = within & (places.words | places.inner | places.escaped);
        if let Some(known) = self.looked_to.checked_sub(block_at) {
            left &= u32::try_from(known).ok().and_then(|known| u64::MAX.checked_shl(known)).unwrap_or(0);
        }
        if !self.engine.words.begin_with_digits() {
            left &= !places.digits;
        }
        while left != 0 {
            let lowest = left & left.wrapping_neg();
            left ^= lowest;
            let place = usize::try_from(lowest.trailing_zeros()).unwrap_or(0);
            if let Some(named) = self.engine.words.at(self.text, block_at + place) {
                let word = before + (places.words & up_to(place)).count_ones();
                self.scan.near.add(block_at + place, word, named);
            }
        }
    }

    /// The places of a block seen last, and how many words begin before it.
    fn recent(&self, block: usize) -> (Places, u32) {
        self.recent.get(block % RECENT).copied().unwrap_or_default()
    }

    /// Adds the longest match of each class that its edges and its validator allow, and apart the shorter ones.
    fn judge(&mut self, at: usize, hits: &[Hit], named: Option<&ClassSet>) {
        let mut taken = ClassSet::EMPTY;
        let mut context = named.copied();
        for hit in hits.iter().rev() {
            let class = hit.class;
            if named.is_some_and(|named| !named.contains(class)) {
                continue;
            }
            if !self.stands_alone(hit.edges, hit.start, hit.end) {
                continue;
            }
            let Some(chosen) = self.engine.classes.get(class.index()) else { continue };
            let start = hit.start.max(self.from);
            if self.kept.start <= start && hit.end <= self.kept.end {
                continue;
            }
            let Some(value) = self.text.get(start..hit.end) else { continue };
            let score = match chosen.class.check.map_or(Verdict::Unproven, |check| check(value)) {
                Verdict::Valid => PROVEN,
                Verdict::Invalid => continue,
                Verdict::Unproven => {
                    let context = *context.get_or_insert_with(|| self.named(at).unwrap_or_default());
                    if context.contains(class) { in_context(hit.score) } else { hit.score }
                }
            };
            let finding = Finding { class, start, end: hit.end, score };
            if taken.contains(class) {
                self.scan.shorter.push(finding);
                continue;
            }
            taken.insert(class);
            self.scan.findings.push(finding);
            if start > at {
                self.scan.matched.push(at..hit.end);
            }
            self.mask(Previous::new(start, hit.end, Some(class)));
        }
    }

    /// Whether what stands beside a match leaves it the whole of what it is.
    fn stands_alone(&mut self, edges: Edges, start: usize, end: usize) -> bool {
        let stands = edges.stand(self.text, start, end);
        if !stands || !edges.look_beside() {
            return stands;
        }
        // What is masked was joined to it before as well.
        let is_joined = self.text.get(end).is_some_and(|byte| edges.joints().contains(byte));
        if self.end == End::Open && (end + 2 > self.text.len() || is_joined && Marks::may_grow(self.text, end + 2)) {
            self.lives(start);
        }
        !is_joined || self.engine.marks.skip(self.text, end + 2).is_none()
    }
}

/// The most that a match of a class may score that needs context.
pub(super) fn most_in_context(class: &Class) -> u8 {
    let may_be_proven = class.check.is_some() && class.proves;
    let shapes = class.shapes.iter().filter(|shape| shape.needs_context);
    shapes.map(|shape| if may_be_proven { PROVEN } else { in_context(shape.score) }).max().unwrap_or(0)
}

/// What a shape's score becomes where something names its class.
fn in_context(score: u8) -> u8 {
    score.saturating_add(CONTEXT_ADDS).clamp(CONTEXT_MAKES, PROVEN)
}

/// Bits for the places of a block up to one.
fn up_to(place: usize) -> u64 {
    u64::MAX >> (BLOCK - 1 - place)
}
