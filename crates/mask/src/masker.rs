//! Applies operators to what the engine finds.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::{digest, hmac};

use crate::allow::Allow;
use crate::class::{ClassId, ClassSet};
use crate::custom::CustomClass;
use crate::engine::{End, Engine, Finding, Path, Scan};
use crate::error::ConfigError;
use crate::escapes;
use crate::fields::FieldRules;
use crate::operator::{self, Operator};
use crate::placeholder::REDACTED;
use crate::readings::{Readings, Told, Way, exchange};
use crate::selection::Selection;
use crate::spelling::Reading;

/// Findings below this score are told by detection, and not masked.
const MASKED_FROM: u8 = 40;

/// Bytes of a value of which more than its class is told. A stream lets go of longer ones before it knows all of them.
const MAX_TOLD: usize = 16 << 10;

/// Values a session tells apart by number; after that they share the plain mark.
const MAX_TOKENS: usize = 100_000;

/// What to mask and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The classes that are looked for.
    pub selection: Selection,
    /// How a class is masked, by name; [`Operator::Replace`] where nothing is said.
    pub operators: BTreeMap<String, Operator>,
    /// The key of [`Operator::Hmac`].
    pub key: [u8; 32],
    /// Field rules, each with the name of its class: see [`FieldRules`].
    pub fields: BTreeMap<String, String>,
    /// Classes of one's own, beside the built-in ones.
    pub custom: Vec<CustomClass>,
    /// Values that are not masked.
    pub allow: Vec<Allow>,
}

impl Settings {
    /// Masks a selection with [`Operator::Replace`].
    pub fn new(selection: Selection, key: [u8; 32]) -> Self {
        Self {
            selection,
            operators: BTreeMap::new(),
            key,
            fields: BTreeMap::new(),
            custom: Vec::new(),
            allow: Vec::new(),
        }
    }
}

/// Settings, compiled. Immutable: share it.
#[derive(Debug)]
pub struct Masker {
    engine: Engine,
    operators: HashMap<ClassId, Operator>,
    fields: FieldRules,
    key: hmac::Key,
    masked_from: u8,
}

/// What masking remembers in a session, and working memory; one per session and direction.
#[derive(Debug, Default)]
pub struct Memory {
    pub(crate) scan: Scan,
    tokens: HashMap<(ClassId, [u8; 32]), u32>,
    numbers: HashMap<ClassId, u32>,
}

impl Memory {
    /// Exchanges the working memory, of which nothing depends on what was masked before: who works needs some kilobytes,
    /// a session that waits none.
    pub fn exchange(&mut self, working: &mut Scan) {
        std::mem::swap(&mut self.scan, working);
    }
}

/// How many values of each class were masked, and how many were shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Masked values by class.
    pub masked: BTreeMap<ClassId, u64>,
    /// Values shown because policy reveals their class.
    pub revealed: BTreeMap<ClassId, u64>,
}

impl Masker {
    /// Compiles settings.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let engine = Engine::build(&settings.selection, &settings.custom, &settings.allow)?;
        let mut operators = HashMap::new();
        for class in &settings.custom {
            if let (Some(id), Some(operator)) = (engine.class(&class.name), class.operator) {
                operators.insert(id, operator);
            }
        }
        for (name, operator) in &settings.operators {
            operators.insert(engine.known(name)?, *operator);
        }
        let fields = FieldRules::new(&settings.fields, |name| engine.known(name))?;
        let masked_from = if settings.selection.is_gated() { MASKED_FROM } else { 1 };
        Ok(Self { engine, operators, fields, key: hmac::Key::new(hmac::HMAC_SHA256, &settings.key), masked_from })
    }

    /// The detectors.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The rules that say by its place what a value is.
    pub fn fields(&self) -> &FieldRules {
        &self.fields
    }

    /// Whether a finding is sure enough to be masked.
    pub(crate) fn is_masked(&self, finding: &Finding) -> bool {
        finding.score >= self.masked_from
    }

    /// How a class is masked.
    pub fn operator(&self, class: ClassId) -> Operator {
        self.operators.get(&class).copied().unwrap_or_default()
    }

    /// Everything that is found in a text as it stands and as it reads (`john&#64;example.com`), by start.
    pub fn findings(&self, text: &[u8], path: &Path<'_>, scan: &mut Scan) -> Vec<Finding> {
        self.read(text, path, scan).0
    }

    /// The findings, and how the text reads if that is not as it stands.
    fn read(&self, text: &[u8], path: &Path<'_>, scan: &mut Scan) -> (Vec<Finding>, Option<Reading>) {
        let Some(reading) = Reading::of(text) else {
            self.engine.scan(text, path, End::Final, scan);
            return (scan.findings().to_vec(), None);
        };
        let found = exchange(&mut Twice { masker: self, text, path, reading: &reading, scan });
        (found, Some(reading))
    }

    /// What is to be masked in one decoded text that `path` leads to.
    pub(crate) fn found(
        &self,
        text: &[u8],
        path: &Path<'_>,
        revealed: &ClassSet,
        scan: &mut Scan,
        tally: &mut Tally,
    ) -> Found {
        let (findings, reading) = self.read(text, path, scan);
        Found { parts: self.parts(&findings, revealed, tally), reading }
    }

    /// What is to be masked in a text that reads as it stands and was scanned last.
    pub(crate) fn found_by(&self, scan: &Scan, revealed: &ClassSet, tally: &mut Tally) -> Found {
        Found { parts: self.parts(scan.findings(), revealed, tally), reading: None }
    }

    /// The part to be masked because of the only finding.
    pub(crate) fn part(&self, finding: &Finding, revealed: &ClassSet, tally: &mut Tally) -> Option<Part> {
        let Finding { class, start, end, score } = *finding;
        if !self.is_masked(finding) {
            return None;
        }
        let counted = if revealed.contains(class) { &mut tally.revealed } else { &mut tally.masked };
        *counted.entry(class).or_default() += 1;
        (!revealed.contains(class)).then_some(Part { class, start, end, score, mixed: false })
    }

    /// A text with something in the place of what was found in it.
    pub(crate) fn masked(&self, text: &[u8], found: &Found, memory: &mut Memory) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 16);
        let mut done = 0;
        for part in &found.parts {
            let start = found.reading.as_ref().map_or(part.start, |reading| reading.spelled_from(part.start)).max(done);
            out.extend_from_slice(text.get(done..start).unwrap_or_default());
            if let Some(reading) = &found.reading {
                let mut written = Vec::new();
                self.write(part, reading.between(part.start, part.end), memory, &mut written);
                escapes::encode(&written, &mut out);
            } else {
                self.write(part, text.get(part.start..part.end).unwrap_or_default(), memory, &mut out);
            }
            done = part.end;
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        out
    }

    /// Masks one decoded text that `path` leads to, except classes in `revealed`. Borrowed if nothing changed.
    pub fn text<'t>(
        &self,
        text: &'t [u8],
        path: &Path<'_>,
        revealed: &ClassSet,
        memory: &mut Memory,
        tally: &mut Tally,
    ) -> Cow<'t, [u8]> {
        let found = self.found(text, path, revealed, &mut memory.scan, tally);
        if found.parts.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(self.masked(text, &found, memory)) }
    }

    /// The parts to mask, by start, none overlapping: findings that overlap are one part, named for the best of them.
    /// Only what is masked or revealed counts.
    pub(crate) fn parts(&self, findings: &[Finding], revealed: &ClassSet, tally: &mut Tally) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for finding in findings.iter().filter(|finding| self.is_masked(finding)) {
            if revealed.contains(finding.class) {
                *tally.revealed.entry(finding.class).or_default() += 1;
                continue;
            }
            match parts.last_mut().filter(|part| finding.start < part.end) {
                Some(part) => {
                    let whole = part.mixed || (finding.start, finding.end) != (part.start, part.end);
                    if (finding.score, finding.end - finding.start) > (part.score, part.end - part.start) {
                        (part.class, part.score) = (finding.class, finding.score);
                    }
                    part.end = part.end.max(finding.end);
                    part.mixed = whole;
                }
                None => parts.push(Part {
                    class: finding.class,
                    start: finding.start,
                    end: finding.end,
                    score: finding.score,
                    mixed: false,
                }),
            }
        }
        for part in &parts {
            *tally.masked.entry(part.class).or_default() += 1;
        }
        parts
    }

    /// Writes what stands for a part.
    pub(crate) fn write(&self, part: &Part, value: &[u8], memory: &mut Memory, out: &mut Vec<u8>) {
        let name = self.engine.name(part.class);
        match self.operator(part.class) {
            Operator::KeepLast(_) | Operator::Hmac | Operator::Token if value.len() > MAX_TOLD => {
                operator::mark(name, out);
            }
            Operator::KeepLast(count) if !part.mixed => operator::keep_last(count, value, out),
            Operator::Replace | Operator::Nullify | Operator::KeepLast(_) => operator::mark(name, out),
            Operator::Redact => out.extend_from_slice(REDACTED),
            Operator::Hmac => operator::hashed(name, value, &self.key, out),
            Operator::Token => match memory.number(part.class, value) {
                Some(number) => operator::numbered(name, number, out),
                None => operator::mark(name, out),
            },
        }
    }
}

/// A text as it reads and as it stands.
struct Twice<'t> {
    masker: &'t Masker,
    text: &'t [u8],
    path: &'t Path<'t>,
    reading: &'t Reading,
    scan: &'t mut Scan,
}

impl Readings for Twice<'_> {
    fn scan(&mut self, way: Way, told: Told<'_>) -> Vec<Finding> {
        let Self { masker, text, path, reading, scan } = self;
        let text = match way {
            Way::Reads => &reading.text,
            Way::Stands => *text,
        };
        let place = |place: usize| if way == Way::Reads { reading.reads(place) } else { place };
        let at = |finding: &Finding| Finding { start: place(finding.start), end: place(finding.end), ..*finding };
        scan.hear(told.masked.iter().map(at), told.everywhere);
        masker.engine.scan(text, path, End::Final, scan);
        match way {
            Way::Reads => scan.findings().iter().map(|finding| reading.origin(finding)).collect(),
            Way::Stands => scan.findings().iter().filter(|finding| !reading.spells(finding)).copied().collect(),
        }
    }

    fn whole(&self, finding: Finding) -> Finding {
        Finding { end: self.reading.past_word(finding.end), ..finding }
    }

    fn is_masked(&self, finding: &Finding) -> bool {
        self.masker.is_masked(finding)
    }
}

/// What is to be masked in a text.
#[derive(Debug)]
pub(crate) struct Found {
    /// By start, none overlapping.
    pub(crate) parts: Vec<Part>,
    /// How the text reads, if not as it stands.
    reading: Option<Reading>,
}

/// A stretch of text to be masked as one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) class: ClassId,
    pub(crate) start: usize,
    pub(crate) end: usize,
    score: u8,
    /// Whether findings of different extent make it up: then nothing of it is kept.
    mixed: bool,
}

impl Part {
    /// All of a value of `length` bytes, because of where it stands.
    pub(crate) fn whole(class: ClassId, length: usize) -> Self {
        Self { class, start: 0, end: length, score: 100, mixed: false }
    }
}

impl Memory {
    /// The number of a value in this session. Only a digest of the value is remembered.
    pub(crate) fn number(&mut self, class: ClassId, value: &[u8]) -> Option<u32> {
        let mut id = [0; 32];
        id.copy_from_slice(digest::digest(&digest::SHA256, value).as_ref());
        if let Some(number) = self.tokens.get(&(class, id)) {
            return Some(*number);
        }
        if self.tokens.len() >= MAX_TOKENS {
            return None;
        }
        let number = self.numbers.entry(class).or_default();
        *number += 1;
        self.tokens.insert((class, id), *number);
        Some(*number)
    }
}
