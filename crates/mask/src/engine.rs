//! Finds classes of data in one text.
//!
//! One pass over the bytes finds where words begin; there two automata are tried: shapes that say enough by themselves,
//! and, only where a near word or the path names one of their classes, shapes that do not. What a shape cannot say has
//! a finder of its own. Everything is ASCII and bounded: the time is linear in the text, whatever the text.

mod automaton;
mod beginnings;
mod caches;
mod context;
mod cut;
mod digits;
mod finders;
mod keywords;
mod marks;
mod resolve;
mod starts;
#[cfg(test)]
mod tests;

pub use self::context::Path;
pub use self::cut::{Cut, LOOK_BEHIND};
pub(crate) use self::marks::{HASH_LETTERS, MAX_KEPT, MAX_NAME};

use std::ops::Range;
use std::sync::Arc;

use self::automaton::{Entry, Failed, Hit};
use self::beginnings::{ALONE, Beginnings, CONTEXTUAL, NAMING, without_digits};
use self::caches::{Caches, Pool, Tiers};
use self::context::{Near, Previous, Words};
use self::digits::may_be_free_of_digits;
use self::keywords::{Keywords, MAX_IDENTIFIER};
use self::marks::Marks;
use self::starts::{BLOCK, Before, Starts, any_digit};
use crate::allow::{Allow, AllowList};
use crate::class::{ClassId, ClassSet, Edges, Finder, Verdict};
use crate::custom::CustomClass;
use crate::error::ConfigError;
use crate::form::{Runs, Set};
use crate::selection::{Chosen, Selection, nearest};

/// What context adds to a score, and the least it makes of it (Presidio's figures).
const CONTEXT_ADDS: u8 = 35;
const CONTEXT_MAKES: u8 = 40;

/// The score of what a validator proved.
const PROVEN: u8 = 100;

/// A value of a class in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub class: ClassId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// 1 to 100.
    pub score: u8,
}

/// Whether a text is all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing follows.
    Final,
    /// More may follow: what could still grow is told by [`Scan::live_from`].
    Open,
}

/// Results and working memory of scans; keep one per worker.
#[derive(Debug, Default)]
pub struct Scan {
    findings: Vec<Finding>,
    hits: Vec<Hit>,
    near: Near,
    /// Masked parts that end behind the place of the pass.
    upcoming: Vec<Previous>,
    runs: Runs,
    /// Where what was found behind its beginning was matched, and its end: a cut inside would lose it.
    matched: Vec<Range<usize>>,
    live_from: usize,
    /// What was found, resolved or not, in the order in which it was passed.
    passed: Vec<Finding>,
    from: Cut,
    cut: Cut,
    forced: Cut,
}

impl Scan {
    /// What was found, by start; of one class none overlap, of two they may.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Where the first candidate begins that more text could change; the text's length if there is none.
    pub fn live_from(&self) -> usize {
        self.live_from
    }
}

/// The detectors of a selection of classes, compiled. Immutable: share it.
#[derive(Debug)]
pub struct Engine {
    classes: Vec<Chosen>,
    tiers: Arc<Tiers>,
    caches: Pool,
    contextual_classes: ClassSet,
    words: Words,
    marks: Marks,
    starts: Starts,
    begins: Beginnings,
    finders: Vec<(Finder, ClassId)>,
    keywords: Keywords,
    /// How far before its pattern a shape may begin.
    reaches_back: usize,
    allow: AllowList,
}

impl Engine {
    /// Compiles a selection. Takes some milliseconds per hundred shapes.
    pub fn new(selection: &Selection) -> Result<Self, ConfigError> {
        Self::build(selection, &[], &[])
    }

    /// The same with custom classes, and with values that are not found.
    pub(crate) fn build(selection: &Selection, own: &[CustomClass], allow: &[Allow]) -> Result<Self, ConfigError> {
        let classes = selection.classes(own)?;
        let (mut alone, mut contextual) = (Vec::new(), Vec::new());
        let (mut words, mut marks) = (Words::default(), Marks::default());
        let mut contextual_classes = ClassSet::EMPTY;
        let mut finders = Vec::new();
        let mut reaches_back = 0;
        for (id, chosen) in ids(&classes) {
            marks.add(&chosen.class.name, id);
            if !chosen.detect {
                continue;
            }
            for shape in &chosen.class.shapes {
                reaches_back = reaches_back.max(usize::from(shape.reaches_back));
                let entry = Entry { class: id, score: shape.score, edges: shape.edges, tail: shape.tail };
                if shape.needs_context && chosen.gated {
                    contextual.push((entry, &*shape.pattern));
                    contextual_classes.insert(id);
                } else {
                    alone.push((entry, &*shape.pattern));
                }
            }
            for phrase in &chosen.class.context {
                words.add(phrase, id);
            }
            finders.extend(chosen.class.finder.map(|finder| (finder, id)));
        }
        let tiers = Arc::new(Tiers::new(&alone, &contextual)?);
        alone.retain(|(_, pattern)| may_be_free_of_digits(pattern));
        contextual.retain(|(_, pattern)| may_be_free_of_digits(pattern));
        let free = Tiers::new(&alone, &contextual)?;
        let caches = caches::pool(&tiers);
        let begins = Beginnings::new(&tiers, &free, &words, &mut caches.get());
        let opens = |first: &u8| !first.is_ascii_alphanumeric() && begins.opens(*first);
        let starts = Starts::new((0..=u8::MAX).filter(opens));
        let keywords = Keywords::new(ids(&classes))?;
        if keywords.memory() > 0 {
            reaches_back = reaches_back.max(MAX_IDENTIFIER);
        }
        let allow = AllowList::new(allow, |name| known(&classes, name))?;
        Ok(Self {
            classes,
            tiers,
            caches,
            contextual_classes,
            words,
            marks,
            starts,
            begins,
            finders,
            keywords,
            reaches_back,
            allow,
        })
    }

    /// The name of a class.
    pub fn name(&self, class: ClassId) -> &str {
        self.classes.get(class.index()).map_or("", |chosen| &chosen.class.name)
    }

    /// The class of a name, if this engine knows it.
    pub fn class(&self, name: &str) -> Option<ClassId> {
        known(&self.classes, name).ok()
    }

    /// The class of a name.
    pub(crate) fn known(&self, name: &str) -> Result<ClassId, ConfigError> {
        known(&self.classes, name)
    }

    /// Bytes that its automata take, with the states that this thread's texts led to so far.
    pub fn memory(&self) -> usize {
        self.tiers.memory() + self.caches.get().memory() + self.keywords.memory()
    }

    /// Finds everything in `text`, which `path` leads to.
    pub fn scan(&self, text: &[u8], path: &Path<'_>, end: End, scan: &mut Scan) {
        self.scan_from(text, Cut::default(), path, end, scan);
    }

    /// The same where everything before a cut was scanned already; [`LOOK_BEHIND`] bytes before it must still be there.
    pub fn scan_from(&self, text: &[u8], from: Cut, path: &Path<'_>, end: End, scan: &mut Scan) {
        scan.findings.clear();
        scan.near.clear();
        scan.upcoming.clear();
        scan.runs.clear();
        scan.matched.clear();
        scan.live_from = text.len();
        for (finder, class) in &self.finders {
            finders::find(*finder, *class, text, from.at(), end, scan);
        }
        if let Some(key) = path.last() {
            self.keywords.find_keyed(key, text, end, scan);
        }
        self.keywords.find(text, from.at(), end, scan);
        scan.runs.clear();
        if end == End::Open {
            let tail = text.iter().rev().take(self.reaches_back).take_while(|byte| Set::Token.has(**byte)).count();
            scan.live_from = scan.live_from.min(text.len() - tail);
        }
        scan.findings.retain(|finding| finding.start >= from.at());
        scan.findings.sort_unstable_by_key(|finding| (finding.end, finding.start));
        let by_finders = scan.findings.len();
        let mut caches = self.caches.get();
        let mut pass = Pass {
            engine: self,
            caches: &mut caches,
            text,
            path,
            end,
            scan,
            from: from.at(),
            from_path: None,
            before: from.previous(),
            kept: 0..0,
            unpassed: 0..by_finders,
        };
        let failed = pass.run().is_err();
        drop(caches);
        if failed {
            // Nothing is known of such a text, so all of it counts as found.
            scan.findings.clear();
            scan.findings.push(Finding { class: ClassId(0), start: from.at(), end: text.len(), score: PROVEN });
        }
        scan.settle(text, from, end, by_finders);
        resolve::per_class(&mut scan.findings);
        if !self.allow.is_empty() {
            self.allow.exempt(text, &mut scan.findings);
        }
    }
}

fn known(classes: &[Chosen], name: &str) -> Result<ClassId, ConfigError> {
    let unknown = || ConfigError::UnknownClass { name: name.to_owned(), nearest: nearest(name, classes) };
    ids(classes).find(|(_, chosen)| &*chosen.class.name == name).map(|(id, _)| id).ok_or_else(unknown)
}

fn ids(classes: &[Chosen]) -> impl Iterator<Item = (ClassId, &Chosen)> {
    (0..).map(ClassId).zip(classes)
}

/// Whether a byte is an ASCII letter or digit.
fn is_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(u8::is_ascii_alphanumeric)
}

/// One pass over a text.
struct Pass<'a> {
    engine: &'a Engine,
    caches: &'a mut Caches,
    text: &'a [u8],
    path: &'a Path<'a>,
    end: End,
    scan: &'a mut Scan,
    /// Shapes are tried from here on; before, only what names something is looked at.
    from: usize,
    /// The classes that the path names, once they were needed.
    from_path: Option<ClassSet>,
    /// The last masked part before the place of the pass.
    before: Option<Previous>,
    /// What masking may have kept of a value behind stars.
    kept: Range<usize>,
    /// The finders' findings not yet passed.
    unpassed: Range<usize>,
}

impl Pass<'_> {
    fn run(&mut self) -> Result<(), Failed> {
        let text = self.text;
        let begin = self.from.saturating_sub(LOOK_BEHIND);
        let mut before = Before::new(begin.checked_sub(1).and_then(|before| text.get(before)));
        let mut skip_to = 0;
        for (number, block) in text.get(begin..).unwrap_or_default().chunks(BLOCK).enumerate() {
            let places = self.engine.starts.of(block, &mut before);
            let mut left = places.starts | places.inner;
            while left != 0 {
                let lowest = left & left.wrapping_neg();
                let at = begin + number * BLOCK + usize::try_from(left.trailing_zeros()).unwrap_or(0);
                left ^= lowest;
                if at < skip_to {
                    continue;
                }
                let tiers = self.tiers(at);
                if places.starts & lowest == 0 {
                    self.names(tiers, at, false);
                } else if let Some(end) = self.mark(at) {
                    skip_to = end;
                } else {
                    self.start(tiers, at)?;
                }
            }
        }
        Ok(())
    }

    /// A word, or a byte that opens a shape.
    fn start(&mut self, tiers: u8, at: usize) -> Result<(), Failed> {
        self.names(tiers, at, true);
        if at >= self.from && tiers & (ALONE | CONTEXTUAL) != 0 {
            self.word(at, tiers)?;
        }
        // In text that was not decoded, the letter of an escape such as `\n` hides the beginning of a word.
        if matches!(self.text.get(at), Some(b'n' | b'r' | b't' | b'b' | b'f'))
            && at.checked_sub(1).and_then(|before| self.text.get(before)) == Some(&b'\\')
        {
            let tiers = self.tiers(at + 1);
            self.names(tiers, at + 1, false);
            if at + 1 >= self.from {
                self.word(at + 1, tiers)?;
            }
        }
        Ok(())
    }

    /// Remembers what the word at `at` names.
    fn names(&mut self, tiers: u8, at: usize, counts: bool) {
        if counts && is_word(self.text.get(at)) {
            self.scan.near.word();
        }
        if tiers & NAMING != 0
            && let Some(named) = self.engine.words.at(self.text, at)
        {
            self.scan.near.add(at, named);
        }
    }

    /// The end of the mark that begins at `at`.
    fn mark(&mut self, at: usize) -> Option<usize> {
        if !matches!(at.checked_sub(1).and_then(|before| self.text.get(before)), Some(b'<' | b'*')) {
            return None;
        }
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
        self.scan.near.word();
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
    fn tiers(&mut self, at: usize) -> u8 {
        let Some(first) = self.text.get(at) else { return 0 };
        let Some(second) = self.text.get(at + 1) else {
            self.lives(at);
            return 0;
        };
        let begins = self.engine.begins.of(*first, *second, self.text.get(at + 2).copied());
        if begins & (ALONE | CONTEXTUAL) == 0 || self.digit_near(at) { begins } else { without_digits(begins) }
    }

    /// Whether one of the next bytes is a digit, or may still become one.
    fn digit_near(&self, at: usize) -> bool {
        let rest = self.text.get(at..).unwrap_or_default();
        match rest.first_chunk() {
            Some(near) => any_digit(*near),
            None => self.end == End::Open || rest.iter().any(u8::is_ascii_digit),
        }
    }

    /// Tries the shapes of some tiers at a word.
    fn word(&mut self, at: usize, tiers: u8) -> Result<(), Failed> {
        let mut hits = std::mem::take(&mut self.scan.hits);
        hits.clear();
        if tiers & ALONE != 0 {
            let Self { engine, caches, text, scan, .. } = self;
            if engine.tiers.alone.at(&mut caches.alone, text, at, &mut scan.runs, &mut hits)? {
                self.lives(self.earliest(at));
            }
            self.judge(at, &hits, None);
            hits.clear();
        }
        if tiers & CONTEXTUAL != 0 && !self.nothing_named(at) {
            let named = self.named(at);
            if named.intersects(&self.engine.contextual_classes) {
                let Self { engine, caches, text, scan, .. } = self;
                if engine.tiers.contextual.at(&mut caches.contextual, text, at, &mut scan.runs, &mut hits)? {
                    self.lives(at);
                }
                self.judge(at, &hits, Some(&named));
            }
        }
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

    /// Whether it is plain, without looking further, that nothing is named near `at`.
    fn nothing_named(&self, at: usize) -> bool {
        let scan = &self.scan;
        self.path.is_empty()
            && self.before.is_none()
            && scan.upcoming.is_empty()
            && self.unpassed.is_empty()
            && scan.near.is_silent(at)
    }

    /// The classes named near `at` and by the path.
    fn named(&mut self, at: usize) -> ClassSet {
        let mut named = *self.from_path.get_or_insert_with(|| self.engine.words.in_path(self.path, &self.engine.marks));
        let before = self.before(at);
        self.scan.near.named(at, before, &mut named);
        named
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
        let (joints, goes_on): (&[u8], fn(&u8) -> bool) = match edges {
            Edges::Word | Edges::OpenEnd => return true,
            Edges::Isolated => (b"-./", u8::is_ascii_alphanumeric),
            Edges::Unjoined => (b"-./", u8::is_ascii_digit),
            Edges::Undotted => (b".", u8::is_ascii_digit),
        };
        let at = |place: Option<usize>| place.and_then(|place| self.text.get(place));
        let joint = |place| at(place).is_some_and(|byte| joints.contains(byte));
        let before = at(start.checked_sub(2));
        if joint(start.checked_sub(1)) && before.is_some_and(|byte| goes_on(byte) || matches!(byte, b'>' | b'*')) {
            return false;
        }
        let joined = joint(Some(end)) && at(Some(end + 1)).is_some_and(goes_on);
        if self.end == End::Open && end + 2 > self.text.len() {
            self.lives(start);
        }
        !joined
    }
}
