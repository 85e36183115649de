//! What passes, masked: for the record always and in whole, for the client except what policy reveals to it.
//!
//! One rendering serves both unless something that was found is revealed; where nothing is found, both are the bytes that
//! came. Findings are counted by class, never told. What cannot be masked does not pass: the caller of everything here
//! withholds it. Large payloads have a thread of their own, so that they keep no other session waiting.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use vidimus_core::event::Masking as Found;
use vidimus_core::{Action, ErrorKind, Members};
use vidimus_mask::{ClassId, ClassSet, ConfigError, Form, Masker, Memory, Scope, Settings, Tally};

use crate::keys::{self, KeyError, Secret};

/// The purpose of the key under which `hmac` makes values equal without telling them (RFC 5869 §3.2).
const KEY_PURPOSE: &[u8] = b"vidimus.mask-hmac/1";

/// Payloads up to this size are masked where they arrive: a millisecond or so.
const INLINE_BYTES: usize = 256 << 10;

/// How a target's payloads are masked. Cheap to clone.
#[derive(Clone)]
pub struct Masking(Arc<Masker>);

/// What masking remembers in one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionMemory(Arc<Mutex<Memory>>);

/// A payload for the record and for the client.
#[derive(Debug, Clone)]
pub(crate) struct Masked {
    /// With every value masked.
    pub(crate) recorded: Bytes,
    /// The same but for what is revealed.
    pub(crate) shown: Bytes,
    pub(crate) found: Found,
}

/// What could not be masked, and so must not pass.
#[derive(Debug, thiserror::Error)]
#[error("a payload cannot be masked, so it is withheld: {0}")]
pub struct Unmaskable(String);

impl Unmaskable {
    /// The gateway's own.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }

    /// What a caller is told.
    pub const fn public_message(&self) -> &'static str {
        "this cannot be masked, so it is withheld; tell the operator of this gateway"
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
            return self.masked(&mut memory, payload, members, &revealed);
        }
        let (masking, memory, payload) = (self.clone(), memory.clone(), payload.clone());
        let masked = tokio::task::spawn_blocking(move || {
            // What a panic left is working memory and numbers of values: both are good for what comes next.
            let mut memory = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
            masking.masked(&mut memory, &payload, members, &revealed)
        });
        masked.await.map_err(|error| Unmaskable(error.to_string()))?
    }

    /// An action with what its object holds masked, for the record.
    pub(crate) fn action(&self, action: &Action) -> Action {
        let masked = |text: &Arc<str>| {
            let (mut memory, mut tally) = (Memory::default(), Tally::default());
            let masked = self.0.text(text.as_bytes(), &[], &ClassSet::EMPTY, &mut memory, &mut tally);
            Arc::from(&*String::from_utf8_lossy(&masked))
        };
        match action {
            Action::ToolCall(name) => Action::ToolCall(masked(name)),
            Action::ResourceRead(uri) => Action::ResourceRead(masked(uri)),
            Action::PromptGet(name) => Action::PromptGet(masked(name)),
            Action::Method(name) => Action::Method(masked(name)),
            Action::Elicitation(Some(url)) => Action::Elicitation(Some(masked(url))),
            other => other.clone(),
        }
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
                Err(error) => Err(Unmaskable(error.to_string())),
            }
        };
        let (recorded, all) = render(&ClassSet::EMPTY, members.keep)?;
        let mut found = Found { masked: self.named(all.masked.iter()), ..Found::default() };
        let has_addresses = !members.addresses.is_empty() && !all.masked.is_empty();
        if !has_addresses && !all.masked.keys().any(|class| revealed.contains(*class)) {
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
