//! One pass over a text: from word to word, the shapes that may begin there, and what stands before them.
//!
//! Words without a digit near are passed at one look; what names a class is looked for only once a candidate asks.

use std::ops::Range;

use super::automaton::{Failed, Hit};
use super::beginnings::{ALONE, CONTEXTUAL, without_digits};
use super::caches::Guard;
use super::context::{NEAR_BYTES, Previous};
use super::cut::{Cut, LOOK_BEHIND};
use super::marks::Marks;
use super::starts::{BLOCK, Before, Places};
use super::{End, Engine, Finding, PROVEN, Path, Scan};
use crate::class::{ClassSet, Edges, Verdict};
use crate::form::Set;

/// What context adds to a score, and the least it makes of it (Presidio's figures).
const CONTEXT_ADDS: u8 = 35;
const CONTEXT_MAKES: u8 = 40;

/// Blocks whose places are remembered: those that words near a candidate may stand in.
const RECENT: usize = NEAR_BYTES.div_ceil(BLOCK) + 1;

/// Bytes not yet looked at for what they name, up to which they are looked at before a shape is tried.
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
    /// The last places seen, by the number of their block.
    recent: [Places; RECENT],
    /// Up to here it is known what words name.
    named_to: usize,
    /// The classes that the path names, once they were needed.
    from_path: Option<ClassSet>,
    /// The last masked part before the place of the pass.
    before: Option<Previous>,
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
            recent: [Places::default(); RECENT],
            named_to: begin,
            from_path: None,
            before: from.previous(),
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
        let mut number = 0;
        let mut skip_to = 0;
        while let Some(places) = upcoming {
            upcoming = next();
            let near = places.near_digits(upcoming.as_ref().unwrap_or(&beyond));
            if let Some(slot) = self.recent.get_mut(number % RECENT) {
                *slot = places;
            }
            let glued = places.glued(upcoming.as_ref().unwrap_or(&beyond));
            let mut left = places.words | places.opening | places.escaped | glued;
            while left != 0 {
                let lowest = left & left.wrapping_neg();
                left ^= lowest;
                let at = self.begin + number * BLOCK + usize::try_from(lowest.trailing_zeros()).unwrap_or(0);
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
                let tiers = self.tiers(at, near & lowest != 0);
                if tiers != 0 && at >= self.from {
                    self.word(at, tiers)?;
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
        self.scan.upcoming.push(Previous { end, class });
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
            self.scan.upcoming.push(Previous { end: finding.end, class: Some(finding.class) });
            self.unpassed.start += 1;
        }
        let before = &mut self.before;
        self.scan.upcoming.retain(|part| {
            if part.end <= at && before.is_none_or(|before| before.end <= part.end) {
                *before = Some(*part);
            }
            part.end > at
        });
        self.before
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
        if first.is_ascii_digit() {
            // Shapes of digits begin alike; their outlines tell more.
            return ALONE | CONTEXTUAL;
        }
        let begins = &self.engine.begins;
        if !digit_near && !begins.may_be_free(first, second) {
            return 0;
        }
        let begins = begins.of(first, second, self.text.get(at + 2).copied());
        if digit_near { begins } else { without_digits(begins) }
    }

    /// Tries the shapes of some tiers at a word.
    fn word(&mut self, at: usize, tiers: u8) -> Result<(), Failed> {
        let Self { engine, text, end, .. } = *self;
        if tiers & ALONE != 0 && engine.outlines.may_be_alone(text, at, end) {
            self.try_shapes(at, Tier::Alone)?;
        }
        if tiers & CONTEXTUAL != 0 {
            // What costs less comes first.
            let is_known = at.saturating_sub(self.named_to) < FEW_UNKNOWN;
            if !is_known && !engine.outlines.may_be_in_context(text, at, end, &engine.contextual_classes) {
                return Ok(());
            }
            let named = self.named(at);
            if named.intersects(&engine.contextual_classes) && engine.outlines.may_be_in_context(text, at, end, &named)
            {
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

    /// The classes named near `at` and by the path.
    fn named(&mut self, at: usize) -> ClassSet {
        self.look_back(at);
        let before = self.before(at);
        let is_masked_near = before.is_some_and(|before| before.class.is_some() && before.end + NEAR_BYTES >= at);
        if !is_masked_near && self.path.is_empty() && self.scan.near.is_silent(at) {
            return ClassSet::EMPTY;
        }
        let mut named = *self.from_path.get_or_insert_with(|| self.engine.words.in_path(self.path, &self.engine.marks));
        self.scan.near.named(at, before, &mut named);
        named
    }

    /// Looks at the words up to `at` that were not looked at before.
    fn look_back(&mut self, at: usize) {
        let nearest = at.saturating_sub(NEAR_BYTES).max(self.begin);
        if self.named_to < nearest {
            self.scan.near.clear();
            self.named_to = nearest;
        }
        while self.named_to <= at {
            let block = (self.named_to - self.begin) / BLOCK;
            let block_at = self.begin + block * BLOCK;
            let places = self.recent.get(block % RECENT).copied().unwrap_or_default();
            let from = u64::MAX << (self.named_to - block_at);
            let to = if at - block_at < BLOCK - 1 { (2 << (at - block_at)) - 1 } else { u64::MAX };
            let mut left = (places.words | places.inner | places.escaped) & from & to;
            while left != 0 {
                let lowest = left & left.wrapping_neg();
                left ^= lowest;
                let word = block_at + usize::try_from(lowest.trailing_zeros()).unwrap_or(0);
                if places.words & lowest != 0 {
                    self.scan.near.word();
                }
                if let Some(named) = self.engine.words.at(self.text, word) {
                    self.scan.near.add(word, named);
                }
            }
            self.named_to = (block_at + BLOCK).min(at + 1);
        }
    }

    /// Adds the longest match of each class that its edges and its validator allow.
    fn judge(&mut self, at: usize, hits: &[Hit], named: Option<&ClassSet>) {
        let mut taken = ClassSet::EMPTY;
        let mut context = named.copied();
        for hit in hits.iter().rev() {
            let class = hit.class;
            if taken.contains(class) || named.is_some_and(|named| !named.contains(class)) {
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
                    let context = *context.get_or_insert_with(|| self.named(at));
                    if context.contains(class) {
                        hit.score.saturating_add(CONTEXT_ADDS).clamp(CONTEXT_MAKES, PROVEN)
                    } else {
                        hit.score
                    }
                }
            };
            taken.insert(class);
            self.scan.findings.push(Finding { class, start, end: hit.end, score });
            if start > at {
                self.scan.matched.push(at..hit.end);
            }
            self.scan.upcoming.push(Previous { end: hit.end, class: Some(class) });
        }
    }

    /// Whether what stands beside a match leaves it the whole of what it is.
    fn stands_alone(&mut self, edges: Edges, start: usize, end: usize) -> bool {
        let stands = edges.stand(self.text, start, end);
        if stands && edges.look_beside() && self.end == End::Open && end + 2 > self.text.len() {
            self.lives(start);
        }
        stands
    }
}
