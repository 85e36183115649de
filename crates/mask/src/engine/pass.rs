//! One pass over a text: from word to word, the shapes that may begin there, and what stands before them.
//!
//! Words without a digit near are passed at one look; what names a class is looked for only once a candidate asks.

use std::ops::Range;

use super::automaton::{Failed, Hit};
use super::beginnings::{ALONE, CONTEXTUAL, without_digits};
use super::caches::Guard;
use super::context::{NEAR_BYTES, NEAR_WORDS, Previous};
use super::cut::{Cut, LOOK_BEHIND};
use super::marks::Marks;
use super::starts::{Before, Places};
use super::{End, Engine, Finding, PROVEN, Path, Scan};
use crate::bits::BLOCK;
use crate::class::{ClassSet, Edges, Verdict};
use crate::form::Set;

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
    path: &'a Path<'a>,
    end: End,
    scan: &'a mut Scan,
    /// Where the first block begins.
    begin: usize,
    /// Shapes are tried from here on; before, only what names something is looked at.
    from: usize,
    /// The last places seen, by the number of their block, and how many words begin before it.
    recent: [(Places, u32); RECENT],
    /// Up to here it is known what those words name that count.
    looked_to: usize,
    /// The classes named near the last candidate that asked where no word names any, and up to where they stay the same.
    steady: Option<ClassSet>,
    steady_to: usize,
    /// The classes that the path names, once they were needed.
    from_path: Option<ClassSet>,
    /// The last masked part before the place of the pass.
    before: Option<Previous>,
    /// What another reading held last before the place of the pass, and how much of what it holds was passed.
    heard: Option<Previous>,
    passed_of_heard: usize,
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
    /// A pass from a cut on; what finders found before it stands in `scan`, by its end.
    pub(super) fn new(
        engine: &'a Engine,
        text: &'a [u8],
        path: &'a Path<'a>,
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
            path,
            end,
            scan,
            begin,
            from: from.at(),
            recent: [(Places::default(), 0); RECENT],
            looked_to: begin,
            steady: None,
            steady_to: 0,
            from_path: None,
            before: from.previous(),
            heard: from.heard(),
            passed_of_heard: 0,
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
        let mut skip_to = 0;
        while let Some(places) = upcoming {
            upcoming = next();
            let behind = upcoming.as_ref().unwrap_or(&beyond);
            let near = places.near_digits(behind);
            if let Some(slot) = self.recent.get_mut(number % RECENT) {
                *slot = (places, words);
            }
            words = words.wrapping_add(places.words.count_ones());
            let glued = places.glued(behind);
            let block_at = self.begin + number * BLOCK;
            let all = places.words | places.opening | places.escaped | glued;
            let quiet = all & !(near | places.marked | glued);
            let mut left = all & !quiet | self.free(block_at, quiet);
            while left != 0 {
                let lowest = left & left.wrapping_neg();
                left ^= lowest;
                let place = lowest.trailing_zeros();
                let at = block_at + usize::try_from(place).unwrap_or(0);
                if at < skip_to {
                    continue;
                }
                if places.marked & lowest != 0
                    && let Some(end) = self.mark(at)
                {
                    skip_to = end;
                    continue;
                }
                if glued & lowest != 0 {
                    if at >= self.from {
                        self.try_shapes(at, Tier::Glued)?;
                    }
                    continue;
                }
                let (tiers, classes) = if places.digits & lowest != 0 {
                    self.number(at, places.digits_from(place, behind))
                } else {
                    (self.tiers(at, near & lowest != 0), &engine.contextual_classes)
                };
                if tiers != 0 && at >= self.from {
                    self.word(at, tiers, classes)?;
                }
            }
            number += 1;
        }
        Ok(())
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

    /// Of places without a digit near, those at which a shape may begin all the same.
    fn free(&self, block_at: usize, places: u64) -> u64 {
        let (mut left, mut free) = (places, 0);
        while left != 0 {
            let lowest = left & left.wrapping_neg();
            left ^= lowest;
            let at = block_at + usize::try_from(lowest.trailing_zeros()).unwrap_or(0);
            let begins = match self.text.get(at..) {
                Some([first, second, ..]) => self.engine.begins.may_be_free(*first, *second),
                _ => false,
            };
            free |= if begins { lowest } else { 0 };
        }
        free
    }

    /// What may begin with the digit at `at`, the first of those that have a bit in `digits`. A last byte may go on with
    /// anything.
    fn number(&mut self, at: usize, digits: u64) -> (u8, &'a ClassSet) {
        if at + 1 >= self.text.len() {
            self.lives(at);
            return (0, &ClassSet::EMPTY);
        }
        self.engine.outlines.of_number(self.text, at, digits, self.end)
    }

    /// What may begin with the bytes at `at`. A last byte may go on with anything.
    fn tiers(&mut self, at: usize, digit_near: bool) -> u8 {
        let (first, second) = match self.text.get(at..) {
            Some([first, second, ..]) => (*first, *second),
            Some([_]) => {
                self.lives(at);
                return 0;
            }
            _ => return 0,
        };
        let begins = &self.engine.begins;
        if !digit_near && !begins.may_be_free(first, second) {
            return 0;
        }
        let begins = begins.of(first, second, self.text.get(at + 2).copied());
        if digit_near { begins } else { without_digits(begins) }
    }

    /// Tries the shapes of some tiers at a word; of those that need context only some classes can match there.
    fn word(&mut self, at: usize, tiers: u8, classes: &ClassSet) -> Result<(), Failed> {
        let Self { engine, text, end, .. } = *self;
        if tiers & ALONE != 0 && engine.outlines.may_be_alone(text, at, end) {
            self.try_shapes(at, Tier::Alone)?;
        }
        if tiers & CONTEXTUAL != 0 {
            // What costs less comes first.
            let is_known = at < self.looked_to + FEW_UNKNOWN;
            if !is_known && !engine.outlines.may_be_in_context(text, at, end, &engine.contextual_classes) {
                return Ok(());
            }
            let Some(named) = self.named(at) else { return Ok(()) };
            if named.intersects(classes) && engine.outlines.may_be_in_context(text, at, end, &named) {
                self.try_shapes(at, Tier::Contextual(&named))?;
            }
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
        if automaton.at(cache, text, at, &mut self.scan.runs, &mut hits)? {
            // Only what needs no context, and begins a word, reaches back.
            self.lives(if matches!(tier, Tier::Alone) { self.earliest(at) } else { at });
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
        let word = self.look_back(at);
        if !self.scan.near.is_empty() {
            self.steady_to = 0;
            return self.named_anew(at, word);
        }
        if at >= self.steady_to {
            self.steady = self.named_anew(at, word);
            self.steady_to = self.steady_to(at);
        }
        self.steady
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
        self.steady_to = self.steady_to.min(part.end);
        self.scan.upcoming.push(part);
    }

    fn named_anew(&mut self, at: usize, word: u32) -> Option<ClassSet> {
        let (before, heard) = (self.before(at), self.heard(at));
        // The last of all names its class, as its mark does afterwards.
        let is_last = |heard: &Previous| {
            before.is_none_or(|before| before.end <= heard.end || heard.overlaps(before.start, before.end))
        };
        let heard = heard.filter(is_last);
        let is_masked_near =
            heard.is_some() || before.is_some_and(|before| !before.classes.is_empty() && before.end + NEAR_BYTES >= at);
        if !is_masked_near && self.path.is_empty() && self.scan.near.is_silent(at, word) {
            return None;
        }
        let Self { engine, path, .. } = *self;
        let mut named = *self.from_path.get_or_insert_with(|| {
            self.scan.paths.named(engine.number, path, || engine.words.in_path(path, &engine.marks))
        });
        self.scan.near.named(at, word, before, &mut named);
        if let Some(heard) = heard {
            named.extend(&heard.classes);
        }
        Some(named)
    }

    /// Looks up the words up to `at` that count and were not looked up before, and gives the number of the last of them.
    fn look_back(&mut self, at: usize) -> u32 {
        let (places, before) = self.recent((at - self.begin) / BLOCK);
        let last = before + (places.words & up_to((at - self.begin) % BLOCK)).count_ones();
        let nearest = at.saturating_sub(NEAR_BYTES).max(self.begin);
        if self.looked_to <= at {
            self.looked_to = self.looked_to.max(nearest);
            self.scan.near.leave_behind(at);
        }
        while self.looked_to <= at {
            let block = (self.looked_to - self.begin) / BLOCK;
            let block_at = self.begin + block * BLOCK;
            let from = u64::MAX << (self.looked_to - block_at);
            self.look_up(block, from & up_to((at - block_at).min(BLOCK - 1)), last.saturating_sub(NEAR_WORDS));
            self.looked_to = (block_at + BLOCK).min(at + 1);
        }
        last
    }

    /// Looks up the words at some places of a block, from the word of a number on.
    fn look_up(&mut self, block: usize, within: u64, first: u32) {
        let (places, before) = self.recent(block);
        let mut left = within;
        let mut passed = before + (places.words & !(within | within.wrapping_neg())).count_ones();
        while passed + 1 < first && left != 0 {
            // Up to the second word, or to the end of the block.
            let words = places.words & left;
            let second = words & words.wrapping_sub(1);
            left &= (second & second.wrapping_neg()).wrapping_neg();
            passed += u32::from(words != 0);
        }
        left &= places.words | places.inner | places.escaped;
        while left != 0 {
            let lowest = left & left.wrapping_neg();
            left ^= lowest;
            let place = usize::try_from(lowest.trailing_zeros()).unwrap_or(0);
            let start = self.begin + block * BLOCK + place;
            if let Some(named) = self.engine.words.at(self.text, start) {
                let word = before + (places.words & up_to(place)).count_ones();
                self.scan.near.add(start, word, named);
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
                    if context.contains(class) {
                        hit.score.saturating_add(CONTEXT_ADDS).clamp(CONTEXT_MAKES, PROVEN)
                    } else {
                        hit.score
                    }
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

/// Bits for the places of a block up to one.
fn up_to(place: usize) -> u64 {
    u64::MAX >> (BLOCK - 1 - place)
}
