//! Finds classes of data in one text.
//!
//! One pass over the bytes finds where words begin; there two automata are tried: shapes that say enough by themselves,
//! and, only where a near word or the path names one of their classes, shapes that do not. A third one is tried at
//! digits behind a letter: a few shapes that nothing else looks like. What a shape cannot say has a finder of its own. Everything is ASCII and bounded: the time is linear in the text, whatever the text.

mod automaton;
mod beginnings;
mod caches;
mod candidates;
mod context;
mod cut;
mod digits;
mod finders;
mod keywords;
mod marks;
mod outline;
mod pass;
mod paths;
mod plain;
mod resolve;
mod starts;
#[cfg(test)]
mod tests;

pub use self::context::Path;
pub use self::cut::{Cut, LOOK_BEHIND};
pub(crate) use self::marks::{HASH_LETTERS, MAX_KEPT, MAX_NAME};

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::automaton::{Entry, Failed, Hit};
use self::beginnings::Beginnings;
use self::caches::{Pool, Shapes, Tiers};
use self::context::{Near, Previous, Words};
use self::digits::may_be_free_of_digits;
use self::keywords::{Keywords, MAX_IDENTIFIER};
use self::marks::Marks;
use self::outline::Outlines;
use self::pass::Pass;
use self::paths::{Paths, Told};
use self::starts::Starts;
use crate::allow::{Allow, AllowList};
use crate::class::{ClassId, ClassSet, Finder};
use crate::custom::CustomClass;
use crate::error::ConfigError;
use crate::form::{Runs, Set};
use crate::selection::{Chosen, Selection, nearest};

/// The score of what a validator proved.
const PROVEN: u8 = 100;

/// Numbers for engines; the first is 1.
static ENGINES: AtomicU64 = AtomicU64::new(1);

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
    /// What else of a finding's class was matched where it begins.
    shorter: Vec<Finding>,
    /// What is masked besides in the text, by its end: for the next scan, and for the last.
    to_hear: Vec<Previous>,
    heard: Vec<Previous>,
    /// The classes that are named wherever a candidate of the next scan stands.
    everywhere: ClassSet,
    hits: Vec<Hit>,
    near: Near,
    paths: Paths,
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
    /// Forgets what was found in the text before.
    fn begin(&mut self, text: &[u8]) {
        self.findings.clear();
        self.runs.clear();
        self.live_from = text.len();
    }

    /// Forgets what a pass over the text before found, and hears what was told of this one.
    fn forget(&mut self) {
        self.heard.clear();
        std::mem::swap(&mut self.heard, &mut self.to_hear);
        self.shorter.clear();
        self.near.clear();
        self.upcoming.clear();
        self.runs.clear();
        self.matched.clear();
    }

    /// Forgets what a pass over the same text found, but not what finders did (`by_finders` many).
    fn again(&mut self, by_finders: usize) {
        self.findings.truncate(by_finders);
        self.forget();
    }

    /// What was found, by start; of one class none overlap, of two they may.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Tells the next scan what is masked besides in its text, by its places there. What overlaps is one part, which any of
    /// its classes may name; with `everywhere`, not only near it.
    pub(crate) fn hear(&mut self, found: impl Iterator<Item = Finding>, everywhere: bool) {
        self.to_hear.clear();
        self.to_hear.extend(found.map(|finding| Previous::new(finding.start, finding.end, Some(finding.class))));
        self.to_hear.sort_unstable_by_key(|part| (part.start, part.end));
        self.to_hear.dedup_by(|part, before| {
            let is_one = part.start < before.end;
            if is_one {
                before.end = before.end.max(part.end);
                before.classes.extend(&part.classes);
            }
            is_one
        });
        self.everywhere = ClassSet::EMPTY;
        for part in self.to_hear.iter().filter(|_| everywhere) {
            self.everywhere.extend(&part.classes);
        }
    }

    /// Where the first candidate begins that more text could change; the text's length if there is none.
    pub fn live_from(&self) -> usize {
        self.live_from
    }
}

/// The detectors of a selection of classes, compiled. Immutable: share it.
#[derive(Debug)]
pub struct Engine {
    /// No other engine of the process has it: what a scan remembers is of one engine.
    number: u64,
    classes: Vec<Chosen>,
    tiers: Arc<Tiers>,
    caches: Pool,
    contextual_classes: ClassSet,
    /// By class, the most that a match of it in context may score.
    scores_in_context: Vec<u8>,
    words: Words,
    marks: Marks,
    starts: Starts,
    begins: Beginnings,
    outlines: Outlines,
    finders: Vec<(Finder, ClassId)>,
    /// The classes of those finders that cannot tell what else may begin where something was found.
    finding_in_parts: ClassSet,
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
        let mut shapes = Shapes::default();
        let (mut words, mut marks) = (Words::default(), Marks::default());
        let mut contextual_classes = ClassSet::EMPTY;
        let mut finders = Vec::new();
        let mut reaches_back = 0;
        let mut scores_in_context = Vec::with_capacity(classes.len());
        for (id, chosen) in ids(&classes) {
            marks.add(&chosen.class.name, id);
            scores_in_context.push(pass::most_in_context(&chosen.class));
            if !chosen.detect {
                continue;
            }
            for shape in &chosen.class.shapes {
                reaches_back = reaches_back.max(usize::from(shape.reaches_back));
                let entry = Entry { class: id, score: shape.score, edges: shape.edges, tail: shape.tail };
                if shape.needs_context && chosen.gated {
                    shapes.contextual.push((entry, &*shape.pattern));
                    contextual_classes.insert(id);
                } else {
                    shapes.alone.push((entry, &*shape.pattern));
                    if shape.after_letters {
                        shapes.glued.push((entry, &*shape.pattern));
                    }
                }
            }
            // What names a class changes what its shapes are worth, and nothing else.
            for phrase in chosen.class.context.iter().filter(|_| !chosen.class.shapes.is_empty()) {
                words.add(phrase, id);
            }
            finders.extend(chosen.class.finder.map(|finder| (finder, id)));
        }
        let outlines = Outlines::new(&shapes);
        let tiers = Arc::new(Tiers::new(&shapes)?);
        shapes.alone.retain(|(_, pattern)| may_be_free_of_digits(pattern));
        shapes.contextual.retain(|(_, pattern)| may_be_free_of_digits(pattern));
        let free = Tiers::new(&shapes)?;
        let caches = caches::pool(&tiers);
        let begins = Beginnings::new(&tiers, &free, &mut caches.get());
        let opens = |first: &u8| !first.is_ascii_alphanumeric() && begins.opens(*first);
        let starts = Starts::new((0..=u8::MAX).filter(opens));
        let keywords = Keywords::new(ids(&classes))?;
        if keywords.memory() > 0 {
            reaches_back = reaches_back.max(MAX_IDENTIFIER);
        }
        let mut finding_in_parts = ClassSet::EMPTY;
        for (finder, class) in &finders {
            // Others of IPv6's class are found by shapes.
            if *finder != Finder::Ipv6 {
                finding_in_parts.insert(*class);
            }
        }
        let allow = AllowList::new(allow, |name| known(&classes, name))?;
        Ok(Self {
            number: ENGINES.fetch_add(1, Ordering::Relaxed),
            classes,
            tiers,
            caches,
            contextual_classes,
            scores_in_context,
            words,
            marks,
            starts,
            begins,
            outlines,
            finders,
            finding_in_parts,
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
        self.outlines.memory() + self.tiers.memory() + self.caches.get().memory() + self.keywords.memory()
    }

    /// Finds everything in `text`, which `path` leads to.
    pub fn scan(&self, text: &[u8], path: &Path<'_>, end: End, scan: &mut Scan) {
        self.scan_from(text, Cut::default(), path, end, scan);
    }

    /// The same where everything before a cut was scanned already; [`LOOK_BEHIND`] bytes before it must still be there.
    pub fn scan_from(&self, text: &[u8], from: Cut, path: &Path<'_>, end: End, scan: &mut Scan) {
        scan.begin(text);
        for (finder, class) in &self.finders {
            finders::find(*finder, *class, text, from.at(), end, scan);
        }
        let told = self.told(path, &mut scan.paths);
        let mut named = told.named;
        named.extend(&scan.everywhere);
        if let Some(key) = path.last().filter(|_| told.is_keyed) {
            self.keywords.find_keyed(key, text, &self.marks, end, scan);
        }
        self.keywords.find(text, from.at(), &self.marks, end, scan);
        scan.forget();
        if end == End::Open {
            let tail = text.iter().rev().take(self.reaches_back).take_while(|byte| Set::Token.has(**byte)).count();
            scan.live_from = scan.live_from.min(text.len() - tail);
        }
        scan.findings.retain(|finding| finding.start >= from.at());
        scan.findings.sort_unstable_by_key(|finding| (finding.end, finding.start));
        let by_finders = scan.findings.len();
        let passed = Pass::new(self, text, named, end, scan, from).run();
        self.conclude(passed, text, (from, end), by_finders, scan);
    }

    /// Settles what was found in a text up to an end: first by finders (`by_finders` many), then by shapes.
    fn conclude(
        &self,
        passed: Result<(), Failed>,
        text: &[u8],
        (from, end): (Cut, End),
        by_finders: usize,
        scan: &mut Scan,
    ) {
        if passed.is_err() {
            // Nothing is known of such a text, so all of it counts as found.
            scan.findings.clear();
            scan.findings.push(Finding { class: ClassId(0), start: from.at(), end: text.len(), score: PROVEN });
        }
        scan.settle(text, from, end, by_finders);
        resolve::per_class(&mut scan.findings, &mut scan.shorter, &self.finding_in_parts);
        if !self.allow.is_empty() {
            self.allow.exempt(text, &mut scan.findings);
        }
        scan.everywhere = ClassSet::EMPTY;
    }

    /// What a path tells.
    fn told<'p>(&self, path: &Path<'_>, paths: &'p mut Paths) -> &'p Told {
        paths.told(self.number, path, || Told {
            named: self.words.in_path(path, &self.marks),
            is_keyed: path.last().is_some_and(|key| self.keywords.may_tell(key)),
        })
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
