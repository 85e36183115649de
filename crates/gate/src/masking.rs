//! What passes, masked: for the record always and in whole, for the client except what policy reveals to it.
//!
//! One rendering serves both unless something that was found is revealed; where nothing is found, both are the bytes that
//! came. Findings are counted by class, never told. What cannot be masked does not pass: the caller of everything here
//! withholds it. Large payloads have a thread of their own, so that they keep no other session waiting.

mod lines;
mod table;

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::task::JoinError;
use vidimus_core::event::Masking as Found;
use vidimus_core::json::{Document, Limits, Value, splice};
use vidimus_core::{Action, ErrorKind, Members};
use vidimus_mask::{
    ClassId, ClassSet, ConfigError, FieldRules, Form, Masker, Memory, Scan, Scope, Settings, Tally, schema,
};

pub(crate) use self::lines::{Certain, MaskedLines};
pub(crate) use self::table::MaskedTable;
use crate::keys::{self, KeyError, Secret};

/// The purpose of the key under which `hmac` makes values equal without telling them (RFC 5869 §3.2).
const KEY_PURPOSE: &[u8] = b"vidimus.mask-hmac/1";

/// In the paths of members: any one name.
const ANY_NAME: &str = "*";

/// Stands in events for what cannot be masked.
const WITHHELD: &str = "[WITHHELD]";

/// Payloads up to this size are masked where they arrive: a millisecond or so.
const INLINE_BYTES: usize = 256 << 10;

/// How a target's payloads are masked. Cheap to clone.
#[derive(Clone)]
pub struct Masking(Arc<Masker>);

/// What masking remembers in one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionMemory(Arc<Mutex<Memory>>);

thread_local! {
    /// What masking works with, of whichever session: thousands of them wait, and a few threads work.
    static WORKING: Cell<Scan> = Cell::default();
}

/// Masks with a session's memory, and this thread's working memory.
fn with_memory<T>(memory: &mut Memory, work: impl FnOnce(&mut Memory) -> T) -> T {
    let mut working = WORKING.take();
    memory.exchange(&mut working);
    let done = work(memory);
    memory.exchange(&mut working);
    WORKING.set(working);
    done
}

/// A payload for the record and for the client.
#[derive(Debug, Clone)]
pub(crate) struct Masked {
    /// With every value masked.
    pub(crate) recorded: Bytes,
    /// The same but for what is revealed.
    pub(crate) shown: Bytes,
    pub(crate) found: Found,
}

/// A JSON Schema that a part of a message keeps to.
#[derive(Debug, Clone)]
pub struct OutputSchema {
    /// The schema's JSON text, as the target declared it.
    pub schema: Bytes,
    /// The keys that lead to the part.
    pub at: &'static [&'static str],
}

/// What could not be masked, and so must not pass.
#[derive(Debug, thiserror::Error)]
pub enum Unmaskable {
    /// The masker failed.
    #[error("a payload cannot be masked, so it is withheld: {0}")]
    Failed(String),
    /// Masked, it breaks what its tool promised.
    #[error("a masked result does not keep to its tool's output schema, so it is withheld: {0}")]
    Unfit(String),
}

impl Unmaskable {
    /// The gateway's own, or the target's, whose schema leaves no room.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Failed(_) => ErrorKind::Internal,
            Self::Unfit(_) => ErrorKind::Upstream,
        }
    }

    /// What a caller is told.
    pub const fn public_message(&self) -> &'static str {
        match self {
            Self::Failed(_) => "this cannot be masked, so it is withheld; tell the operator of this gateway",
            Self::Unfit(_) => {
                "this result holds what you may not see, and without it does not keep to the tool's output schema, so \
                 it is withheld; tell the operator of this gateway"
            }
        }
    }
}

impl Masked {
    /// What was masked before.
    pub(crate) fn passed(payload: Bytes) -> Self {
        Self { recorded: payload.clone(), shown: payload, found: Found::default() }
    }

    /// The same, with what the caller sees still keeping to a schema: what does not fit is put in other words, or nothing
    /// passes.
    pub(crate) fn fitted(self, original: &Bytes, schema: Option<&OutputSchema>) -> Result<Self, Unmaskable> {
        let Some(OutputSchema { schema, at }) = schema.filter(|_| self.shown != *original) else { return Ok(self) };
        let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
        let parse = |bytes: &Bytes| {
            Document::parse(bytes.clone(), &limits).map_err(|error| Unmaskable::Unfit(error.to_string()))
        };
        let (was, is, schema) = (parse(original)?, parse(&self.shown)?, parse(schema)?);
        let (Some(was), Some(now)) = (was.root().at(at), is.root().at(at)) else { return Ok(self) };
        let unfit = |error: String| Unmaskable::Unfit(error);
        let replacements = schema::fit(was, now, schema.root()).map_err(|error| unfit(error.to_string()))?;
        let shown = splice(is.bytes(), &replacements).map_err(|error| unfit(error.to_string()))?;
        let recorded = if self.recorded == self.shown { shown.clone() } else { self.recorded };
        Ok(Self { recorded, shown, ..self })
    }
}

impl Masking {
    /// Compiles settings. Their key is replaced by one that is derived from the key-encryption key.
    pub(crate) fn new(settings: Settings, hmac_key: &[u8; 32]) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(Masker::new(&Settings { key: *hmac_key, ..settings })?)))
    }

    /// The classes of these names; names of other targets' classes are none here.
    pub(crate) fn classes(&self, names: &[Arc<str>]) -> ClassSet {
        let mut set = ClassSet::EMPTY;
        for class in names.iter().filter_map(|name| self.0.engine().class(name)) {
            set.insert(class);
        }
        set
    }

    /// The rules that say by its place what a value is.
    pub(crate) fn field_rules(&self) -> &FieldRules {
        self.0.fields()
    }

    /// Masks a payload, except for the client what is `revealed`.
    pub(crate) async fn mask(
        &self,
        memory: &SessionMemory,
        payload: &Bytes,
        members: &'static Members,
        revealed: ClassSet,
    ) -> Result<Masked, Unmaskable> {
        if payload.is_empty() {
            return Ok(Masked { recorded: Bytes::new(), shown: Bytes::new(), found: Found::default() });
        }
        // A session's memory that is in use is waited for on another thread, never here.
        if payload.len() <= INLINE_BYTES
            && let Ok(mut memory) = memory.0.try_lock()
        {
            return with_memory(&mut memory, |memory| self.masked(memory, payload, members, &revealed));
        }
        let (masking, memory, payload) = (self.clone(), memory.clone(), payload.clone());
        let masked = tokio::task::spawn_blocking(move || {
            // What a panic left is working memory and numbers of values: both are good for what comes next.
            let mut memory = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
            with_memory(&mut memory, |memory| masking.masked(memory, &payload, members, &revealed))
        });
        masked.await.map_err(|error| failed(&error))?
    }

    /// A text with all it holds masked, escapes of addresses read too, for the record and for the gateway's own log.
    pub fn text(&self, text: &str) -> String {
        self.text_in(&mut Memory::default(), text)
    }

    fn text_in(&self, memory: &mut Memory, text: &str) -> String {
        let scope = Scope::new(&ClassSet::EMPTY, self.0.fields());
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        match self.0.payload(&bytes, Form::Auto, &scope, memory, &mut Tally::default()) {
            Ok(None) => text.to_owned(),
            Ok(Some(masked)) => String::from_utf8_lossy(&masked).into_owned(),
            Err(error) => {
                tracing::error!(%error, "a text is left out of an event");
                WITHHELD.to_owned()
            }
        }
    }

    /// An action with what its object holds masked, for the record: under the number that the session's payloads have it.
    pub(crate) async fn action(&self, memory: &SessionMemory, action: &Action) -> Action {
        if let Ok(mut memory) = memory.0.try_lock() {
            return with_memory(&mut memory, |memory| with_object(action, |object| self.text_in(memory, object)));
        }
        let (masking, memory, waiting) = (self.clone(), memory.clone(), action.clone());
        let masked = tokio::task::spawn_blocking(move || {
            let mut memory = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
            with_memory(&mut memory, |memory| with_object(&waiting, |object| masking.text_in(memory, object)))
        });
        masked.await.unwrap_or_else(|_| with_object(action, |_| WITHHELD.to_owned()))
    }

    fn masked(
        &self,
        memory: &mut Memory,
        payload: &Bytes,
        members: &Members,
        revealed: &ClassSet,
    ) -> Result<Masked, Unmaskable> {
        let mut render = |revealed: &ClassSet, keep: &[&[&str]]| {
            let scope = Scope { revealed, fields: self.0.fields(), path: &[], keep, roots: members.roots };
            let mut tally = Tally::default();
            let masked = self.0.payload(payload, Form::Auto, &scope, memory, &mut tally);
            match masked {
                Ok(masked) => Ok((masked.unwrap_or_else(|| payload.clone()), tally)),
                Err(error) => Err(Unmaskable::Failed(error.to_string())),
            }
        };
        let (recorded, all) = render(&ClassSet::EMPTY, members.keep)?;
        let mut found = Found { masked: self.named(all.masked.iter()), ..Found::default() };
        let reveals = all.masked.keys().any(|class| revealed.contains(*class));
        if all.masked.is_empty() || !(reveals || differ_at(members.addresses, payload, &recorded)) {
            return Ok(Masked { shown: recorded.clone(), recorded, found });
        }
        let (shown, seen) = render(revealed, &[members.keep, members.addresses].concat())?;
        found.revealed = self.named(seen.revealed.iter());
        Ok(Masked { recorded, shown, found })
    }

    fn named<'a>(
        &self,
        counts: impl Iterator<Item = (&'a ClassId, &'a u64)>,
    ) -> std::collections::BTreeMap<Arc<str>, u64> {
        counts.map(|(class, count)| (Arc::from(self.0.engine().name(*class)), *count)).collect()
    }
}

/// An action with another object in the place of its own.
fn with_object(action: &Action, object: impl FnOnce(&str) -> String) -> Action {
    match action {
        Action::ToolCall(name) => Action::ToolCall(object(name).into()),
        Action::ResourceRead(uri) => Action::ResourceRead(object(uri).into()),
        Action::PromptGet(name) => Action::PromptGet(object(name).into()),
        Action::Method(name) => Action::Method(object(name).into()),
        Action::Elicitation(Some(url)) => Action::Elicitation(Some(object(url).into())),
        other => other.clone(),
    }
}

/// Whether two renderings of one message differ in what stands at some of these paths.
fn differ_at(paths: &[&[&str]], one: &Bytes, other: &Bytes) -> bool {
    if paths.is_empty() {
        return false;
    }
    let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
    match (Document::parse(one.clone(), &limits), Document::parse(other.clone(), &limits)) {
        (Ok(one), Ok(other)) => paths.iter().any(|path| differ_below(one.root(), other.root(), path)),
        // What is no message has no members.
        _ => false,
    }
}

/// Masking changes names and values, never how many there are and in which order.
fn differ_below(one: Value<'_>, other: Value<'_>, path: &[&str]) -> bool {
    let Some((name, rest)) = path.split_first() else { return one.raw() != other.raw() };
    if one.is_array() {
        return one.elements().zip(other.elements()).any(|(one, other)| differ_below(one, other, path));
    }
    let members = one.members().zip(other.members()).filter(|((key, _), _)| *name == ANY_NAME || key == name);
    members.into_iter().any(|((_, one), (_, other))| differ_below(one, other, rest))
}

/// A masker that did not end. Of a panic only that it was one: its text may hold values.
pub(crate) fn failed(error: &JoinError) -> Unmaskable {
    Unmaskable::Failed(if error.is_panic() { "the masker panicked" } else { "the gateway is stopping" }.into())
}

/// The key of the operator `hmac`, derived from the key-encryption key.
pub(crate) fn hmac_key(secret: &Secret) -> Result<[u8; 32], KeyError> {
    keys::derived(secret, KEY_PURPOSE)
}

/// Shows nothing: what is looked for is the configuration's to tell.
impl fmt::Debug for Masking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masking(…)")
    }
}

#[cfg(test)]
mod tests;
