//! One legacy session, or one request since 2026-07-28, and what all of them share.
//!
//! A session keeps its logging level and what it watches; since 2026-07-28 nothing is kept, and a request says for
//! itself what it wants. A catalogue that cannot be parsed is an error at start.

#![expect(deprecated, reason = "logging levels are part of MCP 2025-11-25")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use rmcp::RoleServer;
use rmcp::model::{ClientCapabilities, InputResponses, LoggingLevel, Prompt, RequestStateCodec, Tool};
use rmcp::service::RequestContext;

use crate::catalogue::Catalogue;
use crate::changes::{Change, Changes};
use crate::input::Call;

/// The tool and the prompt that come and go.
pub(crate) const CHANGING: &str = "test_changing";

/// What all sessions and requests share.
pub(crate) struct Shared {
    pub(crate) catalogue: Catalogue,
    pub(crate) changes: Changes,
    codec: RequestStateCodec,
}

/// A session, or a request without one. Locks are held for single assignments.
pub(crate) struct Fixture {
    pub(crate) shared: Arc<Shared>,
    /// The least level a legacy session wants to hear of; all at first (MCP 2025-11-25, logging).
    level: Mutex<LoggingLevel>,
    /// URIs that a legacy session watches.
    watched: Mutex<BTreeSet<String>>,
}

impl Shared {
    /// Reads the catalogue and draws the key that seals states.
    pub(crate) fn new() -> Result<Self> {
        let mut key = [0; RequestStateCodec::MIN_KEY_LENGTH];
        aws_lc_rs::rand::fill(&mut key)?;
        let codec = RequestStateCodec::try_new(key)?;
        Ok(Self { catalogue: Catalogue::read()?, changes: Changes::new(), codec })
    }

    /// What may be called now.
    pub(crate) fn tools(&self) -> Vec<Tool> {
        let mut tools = self.catalogue.tools.clone();
        if self.changes.is_there(Change::Tools) {
            tools.push(Tool::new(CHANGING, "Comes and goes.", rmcp::object!({ "type": "object" })));
        }
        tools
    }

    /// What may be got now.
    pub(crate) fn prompts(&self) -> Vec<Prompt> {
        let mut prompts = self.catalogue.prompts.clone();
        if self.changes.is_there(Change::Prompts) {
            prompts.push(Prompt::new(CHANGING, Some("Comes and goes."), None));
        }
        prompts
    }
}

impl Fixture {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, level: Mutex::new(LoggingLevel::Debug), watched: Mutex::default() }
    }

    /// Whether the client wants to hear of `level`: since 2026-07-28 only if this very request says so.
    pub(crate) fn may_log(&self, level: LoggingLevel, context: &RequestContext<RoleServer>) -> bool {
        let least = if is_legacy(context) {
            Some(*self.level.lock().unwrap_or_else(PoisonError::into_inner))
        } else {
            context.meta.log_level()
        };
        least.is_some_and(|least| severity(least) <= severity(level))
    }

    /// Hears of `level` and worse from now on.
    pub(crate) fn set_level(&self, level: LoggingLevel) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    /// Watches the resource at `uri`. Those of the catalogue never change, so there is nothing to tell.
    pub(crate) fn watch(&self, uri: String) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(uri);
    }

    /// Watches it no longer. False if it did not.
    pub(crate) fn unwatch(&self, uri: &str) -> bool {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(uri)
    }

    /// A call as `input` wants it.
    pub(crate) fn call<'a>(
        &'a self,
        responses: Option<&'a InputResponses>,
        state: Option<&'a str>,
        context: &RequestContext<RoleServer>,
    ) -> Call<'a> {
        Call { responses, state, capabilities: capabilities(context), codec: &self.shared.codec }
    }
}

/// What the client said it can do.
pub(crate) fn capabilities(context: &RequestContext<RoleServer>) -> ClientCapabilities {
    context.client_capabilities().unwrap_or_default()
}

/// Whether a request belongs to a session that began with `initialize`.
pub(crate) fn is_legacy(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_none_or(|version| version.has_initialize())
}

/// The order of RFC 5424 §6.2.1, from the least.
fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
