//! Pins: the definition of each tool that is in force, whatever its server shows later (design part 4, "Pins").
//!
//! The first definition of a tool is trusted, or waits to be accepted; every other one waits. What is accepted, by whom, and
//! what a server shows instead is on record before anything goes by it. One book for the process decides, under a lock that
//! is held until each step is in the log, so the log has the steps in the order in which they were decided; the index gives
//! the book back at the next start. A server that changes its mind without end fills no log: past a bound its steps are
//! counted and not recorded, and the tool is held. Refused: to accept what policy does not let the caller, and any definition
//! but the one that was shown.

mod budget;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use vidimus_core::event::{Body, Definition, Pin as Step, PinStep};
use vidimus_core::{Action, Durability, Effect, ErrorKind, Fingerprint, Principal, TargetName, Timestamp};
use vidimus_log::Position;
use vidimus_store::{ControlState as _, Pin, PinMove, StoreError, StoredDefinition};

use crate::context::TargetSpec;
use crate::evidence::EvidenceError;
use crate::gate::Gate;
use crate::shared::Shared;
use crate::view::{ViewError, Viewer};
use budget::Window;

/// Tools of one target that have a pin, those that are gone included.
const MAX_PINS: usize = 10_000;

/// Bytes of a definition in one event: escaped once more they are twice as many at most, and an event has 65,535.
const PART_BYTES: usize = 24 << 10;

/// Hexadecimal digits of a fingerprint that name it.
const MIN_PREFIX: usize = 8;

/// What every fingerprint begins with.
const SCHEME: &str = "sha256:";

/// Stands before the digest of a name that is not to be told.
const UNTOLD: &str = "#";

/// The pins of a gateway. Cheap to clone.
#[derive(Clone)]
pub struct Pins {
    shared: Arc<Shared>,
    viewer: Viewer,
}

/// A tool as its server defines it now.
#[derive(Debug, Clone)]
pub struct SeenTool {
    /// Its name.
    pub name: Box<str>,
    /// That of its definition, as it came.
    pub fingerprint: Fingerprint,
    /// Its definition but for the name, in canonical form and masked.
    pub text: String,
    /// Signs of hidden instructions in it, by name.
    pub signs: Vec<&'static str>,
}

/// How the definition that a tool has now stands to the accepted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is the accepted one.
    Accepted,
    /// It is another one, or was too often to say: the accepted one, by its fingerprint, stays in force.
    Changed(String),
    /// None is accepted.
    New,
}

/// Why a definition is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// Policy says no, or the step cannot be recorded.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The step cannot be recorded.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// There is no such tool.
    #[error("target `{0}` has no tool `{1}` that was ever seen; `vidimus tools pins` shows those there are")]
    NoTool(TargetName, String),
    /// There is nothing to accept.
    #[error("the tool `{0}` has its accepted definition, or is gone: there is nothing to accept")]
    NothingNew(String),
    /// It is another one.
    #[error(
        "the tool `{0}` has another definition by now ({1}): look at it by `vidimus tools diff`, then accept that one"
    )]
    Another(String, String),
    /// It does not say which.
    #[error("a fingerprint is named by its first {MIN_PREFIX} hexadecimal digits or more")]
    Prefix,
}

impl PinError {
    /// Who is at fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::View(error) => error.kind(),
            Self::Evidence(error) => error.kind(),
            Self::NoTool(..) => ErrorKind::NotFound,
            Self::NothingNew(_) | Self::Another(..) | Self::Prefix => ErrorKind::Malformed,
        }
    }
}

/// The pins of all targets, as the log has them.
#[derive(Debug, Default)]
pub(crate) struct PinBook(Mutex<BTreeMap<TargetName, Arc<Mutex<Page>>>>);

/// The pins of one target.
#[derive(Debug, Default)]
struct Page {
    tools: BTreeMap<String, Entry>,
    window: Window,
}

#[derive(Debug, Default)]
struct Entry {
    pin: Pin,
    window: Window,
    /// Steps that were not recorded, because there were too many, and the definition that the last of them was about.
    left_out: u64,
    left_out_last: Option<String>,
}

impl Entry {
    /// Counts a step that is not recorded; one that is seen again counts once.
    fn leave_out(&mut self, fingerprint: &str) {
        if self.left_out_last.as_deref() != Some(fingerprint) {
            self.left_out = self.left_out.saturating_add(1);
            self.left_out_last = Some(fingerprint.to_owned());
        }
    }
}

impl PinBook {
    /// The book of the pins that the index has.
    pub(crate) fn new(pins: Vec<(TargetName, String, Pin)>) -> Self {
        let mut book = BTreeMap::<TargetName, Page>::new();
        for (target, tool, pin) in pins {
            book.entry(target).or_default().tools.insert(tool, Entry { pin, ..Entry::default() });
        }
        Self(Mutex::new(book.into_iter().map(|(target, page)| (target, Arc::new(Mutex::new(page)))).collect()))
    }

    /// The page of a target, by itself: what is recorded of one keeps no other waiting.
    fn page(&self, target: &TargetName) -> Arc<Mutex<Page>> {
        Arc::clone(locked(&self.0).entry(target.clone()).or_default())
    }

    /// The same, where it has one.
    fn known(&self, target: &TargetName) -> Option<Arc<Mutex<Page>>> {
        locked(&self.0).get(target).map(Arc::clone)
    }

    fn targets(&self) -> Vec<TargetName> {
        locked(&self.0).keys().cloned().collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A step is in the log or not, and in the book after that alone: a panic leaves it lacking one at most.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    /// The pins of the tools of its targets.
    pub fn pins(&self) -> Pins {
        Pins { shared: Arc::clone(self.shared()), viewer: self.viewer() }
    }
}

impl Pins {
    /// Takes what all the tools of a target are now, and records what is new of it. A tool that is seen for the first time
    /// is accepted when that `is_trusted`. How each stands, in their order.
    pub async fn saw(
        &self,
        target: &Arc<TargetSpec>,
        is_trusted: bool,
        tools: Vec<SeenTool>,
    ) -> Result<Vec<Standing>, EvidenceError> {
        let (shared, target) = (Arc::clone(&self.shared), Arc::clone(target));
        let taken = tokio::task::spawn_blocking(move || take(&shared, &target, is_trusted, &tools));
        let (standings, last) = taken.await.map_err(|_| EvidenceError::Closed)??;
        if let Some(position) = last {
            self.shared.evidence.settle(Durability::Strict, position).await?;
        }
        Ok(standings)
    }

    /// What the pin of a tool is called: its name, unless that holds what the record must not.
    pub fn key(target: &TargetSpec, name: &str) -> String {
        if !name.starts_with(UNTOLD) && target.masking.text(name) == name {
            return name.to_owned();
        }
        let digest = digest(&SHA256, name.as_bytes());
        digest.as_ref().iter().take(16).fold(UNTOLD.to_owned(), |key, byte| format!("{key}{byte:02x}"))
    }

    /// The pins of a target, by what they are called.
    pub fn of(&self, target: &TargetName) -> Vec<(String, Pin)> {
        let Some(page) = self.shared.pins.known(target) else { return Vec::new() };
        let page = locked(&page);
        page.tools.iter().map(|(tool, entry)| (tool.clone(), entry.pin.clone())).collect()
    }

    /// The pins of all targets.
    pub fn all(&self) -> Vec<(TargetName, Vec<(String, Pin)>)> {
        self.shared.pins.targets().into_iter().map(|target| (target.clone(), self.of(&target))).collect()
    }

    /// Definitions that pins of a target name, as far as the index has them: for each tool and fingerprint.
    pub async fn definitions(
        &self,
        target: &TargetName,
        wanted: Vec<(String, String)>,
    ) -> Result<Vec<Option<StoredDefinition>>, ViewError> {
        let target = target.clone();
        self.viewer
            .blocking(move |viewer| {
                let reader = viewer.reader()?;
                let one =
                    |(tool, fingerprint): &(String, String)| reader.definition(target.as_str(), tool, fingerprint);
                Ok(wanted.iter().map(one).collect::<Result<_, StoreError>>()?)
            })
            .await
    }

    /// Accepts the definition that a tool has now, if its fingerprint begins so; the pin after that. The tool is called as its
    /// pin is.
    pub async fn accept(
        &self,
        principal: &Principal,
        target: &TargetName,
        tool: &str,
        prefix: &str,
    ) -> Result<Pin, PinError> {
        let decision = self.viewer.decide(principal, &Action::Administer, target.as_str());
        if decision.effect == Effect::Deny {
            let denied = self.viewer.denied(principal, &Action::Administer, Some(target.as_str()), &decision, None);
            return Err(denied.await.into());
        }
        let digits = prefix.strip_prefix(SCHEME).unwrap_or(prefix).to_ascii_lowercase();
        if digits.len() < MIN_PREFIX || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PinError::Prefix);
        }
        let (pin, position) = self.accepted(&principal.id(), target, tool, &digits)?;
        self.shared.evidence.settle(Durability::Strict, position).await?;
        Ok(pin)
    }

    fn accepted(&self, who: &str, target: &TargetName, tool: &str, digits: &str) -> Result<(Pin, Position), PinError> {
        let none = || PinError::NoTool(target.clone(), tool.to_owned());
        let page = self.shared.pins.known(target).ok_or_else(none)?;
        let mut page = locked(&page);
        let entry = page.tools.get_mut(tool).ok_or_else(none)?;
        let Some(pending) = entry.pin.pending.clone() else { return Err(PinError::NothingNew(tool.to_owned())) };
        if !pending.strip_prefix(SCHEME).is_some_and(|own| own.starts_with(digits)) {
            return Err(PinError::Another(tool.to_owned(), pending));
        }
        let replaced = entry.pin.accepted.clone();
        let writer = Recorder { shared: &self.shared, target, who };
        let step = (PinStep::Accepted, Some(&*pending));
        let position = writer.step(tool, entry, step, (Some(&pending), replaced.as_deref()))?;
        Ok((entry.pin.clone(), position))
    }
}

/// Puts what all the tools of a target are now into the book, step by step after the log.
fn take(
    shared: &Shared,
    target: &TargetSpec,
    is_trusted: bool,
    tools: &[SeenTool],
) -> Result<(Vec<Standing>, Option<Position>), EvidenceError> {
    let (own, now) = (shared.own_id(), shared.up());
    let recorder = Recorder { shared, target: &target.name, who: &own };
    let page = shared.pins.page(&target.name);
    let mut page = locked(&page);
    let Page { tools: pins, window } = &mut *page;
    let (mut standings, mut last, mut present) = (Vec::with_capacity(tools.len()), None, HashSet::new());
    for tool in tools {
        let key = Pins::key(target, &tool.name);
        present.insert(key.clone());
        if !pins.contains_key(&key) && (pins.len() >= MAX_PINS || !window.takes_bytes(tool.text.len(), now)) {
            tracing::warn!(target = %target.name, "the target shows more new tools than can be pinned: some stay hidden");
            standings.push(Standing::New);
            continue;
        }
        let entry = pins.entry(key.clone()).or_default();
        let fingerprint = tool.fingerprint.to_string();
        if let Some(step) = due(entry, &fingerprint) {
            let is_first = step == PinStep::Recorded;
            let bytes = if step == PinStep::Changed { tool.text.len() } else { 0 };
            if is_first || (entry.window.takes_step_of_tool(now) && window.takes_step_of_target(bytes, now)) {
                if entry.pin.pending.as_deref() != Some(&fingerprint) && step != PinStep::Restored {
                    recorder.define(&key, &fingerprint, tool)?;
                }
                let accepted =
                    if is_first && is_trusted { Some(fingerprint.clone()) } else { entry.pin.accepted.clone() };
                let step = (step, Some(&*fingerprint));
                last = Some(recorder.step(&key, entry, step, (accepted.as_deref(), None))?);
            } else if !entry.pin.is_gone || step == PinStep::Changed {
                entry.leave_out(&fingerprint);
            }
        }
        standings.push(standing(entry, &fingerprint));
    }
    for (key, entry) in pins.iter_mut().filter(|(key, entry)| !entry.pin.is_gone && !present.contains(*key)) {
        if entry.window.takes_step_of_tool(now) && window.takes_step_of_target(0, now) {
            let accepted = entry.pin.accepted.clone();
            last = Some(recorder.step(key, entry, (PinStep::Gone, None), (accepted.as_deref(), None))?);
        }
    }
    Ok((standings, last))
}

/// The step that a tool with this definition is due; none when its pin says all of it.
fn due(entry: &Entry, fingerprint: &str) -> Option<PinStep> {
    let Pin { version, accepted, pending, is_gone, .. } = &entry.pin;
    let is_untold = *is_gone || entry.left_out > 0;
    if *version == 0 {
        Some(PinStep::Recorded)
    } else if accepted.as_deref() == Some(fingerprint) {
        (pending.is_some() || is_untold).then_some(PinStep::Restored)
    } else {
        (pending.as_deref() != Some(fingerprint) || is_untold).then_some(PinStep::Changed)
    }
}

fn standing(entry: &Entry, fingerprint: &str) -> Standing {
    match &entry.pin.accepted {
        None => Standing::New,
        Some(accepted) if accepted == fingerprint && entry.left_out == 0 => Standing::Accepted,
        Some(accepted) => Standing::Changed(accepted.clone()),
    }
}

/// Records the steps of one target's pins.
struct Recorder<'a> {
    shared: &'a Shared,
    target: &'a TargetName,
    who: &'a str,
}

impl Recorder<'_> {
    /// Records a definition, in as many events as it takes.
    fn define(&self, key: &str, fingerprint: &str, tool: &SeenTool) -> Result<(), EvidenceError> {
        let parts = parts(&tool.text);
        let of = count(parts.len());
        for (part, text) in parts.into_iter().enumerate() {
            let (part, signs) = (count(part), if part == 0 { &*tool.signs } else { &[] });
            self.append(
                self.shared.evidence.clock.now(),
                Body::Defined(Definition { tool: key, fingerprint, part, of, text, signs }),
            )?;
        }
        Ok(())
    }

    /// Records a step, then takes it: the definition that is in force after it, and the one before where that is told.
    fn step(
        &self,
        key: &str,
        entry: &mut Entry,
        (step, fingerprint): (PinStep, Option<&str>),
        (accepted, replaced): (Option<&str>, Option<&str>),
    ) -> Result<Position, EvidenceError> {
        let (expects, left_out) = (entry.pin.version, entry.left_out);
        let time = self.shared.evidence.clock.now();
        let body = Step { step, tool: key, expects, fingerprint, accepted, replaced, left_out };
        let position = self.append(time, Body::Pin(body))?;
        let taken = PinMove { step, expects, fingerprint, accepted };
        if let Some(pin) = entry.pin.after(taken, &time.to_string(), Some(self.who)) {
            *entry = Entry { pin, window: std::mem::take(&mut entry.window), ..Entry::default() };
        } else {
            tracing::error!(target = %self.target, step = step.name(), "a step of a pin is void");
        }
        Ok(position)
    }

    fn append(&self, time: Timestamp, body: Body<'_>) -> Result<Position, EvidenceError> {
        let Shared { evidence, control, .. } = self.shared;
        Ok(control.append_at(evidence, (time, Some(self.who), Some(self.target.as_str())), body)?.position)
    }
}

/// A text in parts that an event has room for, each whole characters; one part where it is empty.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > PART_BYTES {
        let end = (0..=PART_BYTES).rev().find(|end| rest.is_char_boundary(*end)).unwrap_or(0);
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
