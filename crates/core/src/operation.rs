//! One command in a session, as policy and evidence see it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::facts::SqlFacts;
use crate::json::Document;
use crate::sql::SqlKinds;
use crate::tool::ToolAnnotations;

/// The protocol an operation came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Model Context Protocol.
    Mcp,
    /// PostgreSQL's frontend/backend protocol.
    Postgres,
    /// The gateway's own administration (reading evidence).
    Admin,
}

impl Protocol {
    /// The word in configuration and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Postgres => "postgres",
            Self::Admin => "admin",
        }
    }
}

/// What an operation wants to do: the Cedar action.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Open a session on a target.
    Connect,
    /// Call a tool; its Cedar action is `target/tool`, a member of `tools/call`.
    ToolCall(Arc<str>),
    /// `resources/read` of this URI.
    ResourceRead(Arc<str>),
    /// `prompts/get` of this name.
    PromptGet(Arc<str>),
    /// Statements of SQL; each kind of what they do is an action of its own, and must be permitted.
    Sql(SqlKinds),
    /// The target asks the client's model to write something (`sampling/createMessage`).
    Sampling,
    /// The target asks the user for something (`elicitation/create`): in a form, or at this URL.
    Elicitation(Option<Arc<str>>),
    /// The target asks for the client's directories (`roots/list`).
    Roots,
    /// A method that policy does not decide beyond `connect`: life cycle, lists, subscriptions.
    Method(Arc<str>),
    /// See a session's recording or its events.
    RecordingView,
    /// Take a session away, with the proofs of its events.
    RecordingExport,
    /// Ask to erase a session's recording, or confirm that.
    RecordingErase,
    /// Put a session's recording under a legal hold, or end that.
    RecordingHold,
    /// Read the log: proofs, entries, status.
    LogRead,
    /// Approve a call that is held, or deny it.
    Approve {
        /// The approval rule that is asked.
        rule: Arc<str>,
        /// The name of the action that is held: `crm/refund`.
        call: Arc<str>,
    },
    /// Ask for access to a target for a time.
    GrantRequest {
        /// The name of the grant in the configuration.
        name: Arc<str>,
        /// How long it is to last.
        seconds: u64,
    },
    /// End somebody's grant, or break-glass.
    GrantRevoke,
    /// Have what needs approval pass without, for a time.
    BreakGlass {
        /// How long.
        seconds: u64,
    },
    /// Decide about a target itself: accept what its tools are.
    Administer,
}

impl Action {
    /// The name of the action in policy and events: `crm/get_customer` for a tool of target `crm`, else the
    /// method or the word of design part 5.
    pub fn name(&self, target: &str) -> Cow<'_, str> {
        match self {
            Self::Connect => "connect".into(),
            Self::ToolCall(tool) => format!("{target}/{tool}").into(),
            Self::ResourceRead(_) => "resources/read".into(),
            Self::PromptGet(_) => "prompts/get".into(),
            Self::Sql(kinds) => kinds.gravest().action().into(),
            Self::Sampling => "sampling/createMessage".into(),
            Self::Elicitation(_) => "elicitation/create".into(),
            Self::Roots => "roots/list".into(),
            Self::Method(method) => (&**method).into(),
            Self::RecordingView => "recording.view".into(),
            Self::RecordingExport => "recording.export".into(),
            Self::RecordingErase => "recording.erase".into(),
            Self::RecordingHold => "recording.hold".into(),
            Self::LogRead => "log.read".into(),
            Self::Approve { .. } => "approve".into(),
            Self::GrantRequest { .. } => "grant.request".into(),
            Self::GrantRevoke => "grant.revoke".into(),
            Self::BreakGlass { .. } => "break_glass".into(),
            Self::Administer => "administer".into(),
        }
    }

    /// What it is done to, where the action alone does not say: a URI, a prompt's name.
    pub fn object(&self) -> Option<&str> {
        match self {
            Self::ResourceRead(object) | Self::PromptGet(object) => Some(object),
            Self::Elicitation(url) => url.as_deref(),
            Self::Approve { rule, .. } => Some(rule),
            Self::GrantRequest { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It may pass.
    Allow,
    /// It may not.
    Deny,
    /// It may not, unless people approve it: only in events, so that nobody takes it for leave to pass.
    Hold,
}

impl Effect {
    /// The word in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hold => "hold",
        }
    }
}

/// A rewrite that a call needs so that it may pass, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewriting {
    /// The rewrite's name in configuration.
    pub name: Arc<str>,
    /// The ids of the policies that forbid the call unless it is rewritten so, sorted.
    pub policies: Vec<Arc<str>>,
}

/// Which members of a message are the protocol's own: key paths from its root, indices of arrays left out; the
/// name `*` stands for any one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members {
    /// What masking leaves as it is, also in the record: the protocol's own words, and what was checked.
    pub keep: &'static [&'static [&'static str]],
    /// What besides is left for the client, which needs it whole: what it asks by, and what it tells messages apart by.
    /// The record holds it masked.
    pub addresses: &'static [&'static [&'static str]],
    /// Where somebody's own document begins: the `$` of field rules.
    pub roots: &'static [&'static [&'static str]],
}

impl Members {
    /// None: every value is somebody's data.
    pub const NONE: &'static Self = &Self { keep: &[], addresses: &[], roots: &[] };
}

/// One command, decoded by an adapter. The gate decides on it, records it, and passes on exactly `wire`.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The protocol it came in.
    pub protocol: Protocol,
    /// What it wants to do.
    pub action: Action,
    /// The protocol's method, where the action does not say it: subscribing to a resource is decided as reading it.
    pub method: Option<&'static str>,
    /// The bytes for the target when it is admitted: what was evaluated, nothing else.
    pub wire: Bytes,
    /// What stands in the record for `wire` where that is no text: the same, as JSON.
    pub record: Option<Bytes>,
    /// Which members of what is recorded are the protocol's own.
    pub members: &'static Members,
    /// The parsed message and the place of the arguments in it, when the action has arguments policy may read.
    pub arguments: Option<Arguments>,
    /// What the statements of it would do, for SQL.
    pub sql: Option<Arc<SqlFacts>>,
    /// The accepted definition's annotations, for a tool call.
    pub annotations: Option<ToolAnnotations>,
    /// Where the caller is now; `None` for the gateway's own operations.
    pub address: Option<IpAddr>,
    /// W3C `traceparent` as the caller sent it, for correlation only.
    pub trace: Option<String>,
}

/// The arguments of an operation: a value inside a parsed document.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The whole message, parsed.
    pub document: Arc<Document>,
    /// Keys that lead to the arguments, e.g. `["params", "arguments"]`.
    pub path: &'static [&'static str],
}
