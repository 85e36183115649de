//! The `initialize` handshake (MCP 2025-11-25, "Lifecycle"): what is agreed on, and what the gateway takes out of it.
//!
//! Capabilities are taken out by their spans, so that neither side uses them: `tasks` in both directions, which the
//! gateway cannot inspect in this era, and of the client those of `elicitation`, `roots` and `sampling` that policy
//! would not let the target use. What the gateway tells by itself it says it will: changes of lists. Unknown ones, `experimental` among them, stay. A revision the gateway does not speak is replaced by its latest towards the
//! target, and refused from it.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use vidimus_core::ErrorKind;
use vidimus_core::canonical::write_string;
use vidimus_core::json::{Replacement, SpliceError, Value, same_ignoring_case, splice, without_members};

use crate::envelope::{Id, Message, case_variant};
use crate::{changed, reply};

/// The capability of both sides that is not relayed.
pub const TASKS: &str = "tasks";
/// Capabilities of servers that are not relayed.
const WITHHELD_FROM_CLIENTS: &[&str] = &[TASKS];
/// Keys of an `initialize` result.
const RESULT_KEYS: &[&str] = &["capabilities", "instructions", "protocolVersion", "serverInfo"];
/// The longest name or version of a peer; what is longer is none.
const MAX_IMPLEMENTATION_CHARACTERS: usize = 128;

/// A revision of the protocol that the gateway speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Revision {
    /// 2024-11-05: HTTP with SSE.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP; the only one with batches, which the gateway refuses.
    V2025_03_26,
    /// 2025-06-18: the `MCP-Protocol-Version` header.
    V2025_06_18,
    /// 2025-11-25.
    V2025_11_25,
}

impl Revision {
    /// The latest.
    pub const LATEST: Self = Self::V2025_11_25;
    /// The revision of that date.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25];
        all.into_iter().find(|revision| revision.name() == text)
    }

    /// Its date, as it stands in messages and headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }
}

/// A peer as it calls itself: for the record, never for a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Implementation {
    /// Its name; empty when it gives none.
    pub name: String,
    /// Its version; empty when it gives none.
    pub version: String,
}

/// What a client offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// The revision it would like, when the gateway speaks it.
    pub revision: Option<Revision>,
    /// Who it says it is.
    pub client: Implementation,
    /// The request for the target: capabilities taken out, everything else as it was.
    pub wire: Bytes,
}

/// What a server agrees to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello {
    /// The revision of the session.
    pub revision: Revision,
    /// Who it says it is.
    pub server: Implementation,
    /// The answer for the client: capabilities taken out, changes of lists announced, everything else as it was.
    pub wire: Bytes,
}

/// A handshake that cannot be completed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InitializeError {
    /// The client's parameters are not those of `initialize`.
    #[error("the parameters of initialize are incomplete")]
    BadRequest,
    /// The server answered with an error or with something else.
    #[error("the target's answer to initialize is no result with capabilities")]
    BadResult,
    /// The server wants a revision the gateway does not speak.
    #[error("the target wants a protocol version that this gateway does not speak")]
    UnsupportedRevision,
    /// The changed message does not fit together: a fault of ours.
    #[error("the changed message could not be put together: {0}")]
    Splice(#[from] SpliceError),
}

impl InitializeError {
    /// The client's fault, the target's, or ours.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::BadRequest => ErrorKind::Malformed,
            Self::BadResult | Self::UnsupportedRevision => ErrorKind::Upstream,
            Self::Splice(_) => ErrorKind::Internal,
        }
    }
}

/// Reads a client's `initialize` and makes the target's out of it, without the capabilities that are `withheld`.
pub fn client_hello(message: &Message, withheld: &[&str]) -> Result<ClientHello, InitializeError> {
    let params = message.params().ok_or(InitializeError::BadRequest)?;
    let version = params.get("protocolVersion").ok_or(InitializeError::BadRequest)?;
    let offered = version.as_str().ok_or(InitializeError::BadRequest)?;
    let revision = Revision::parse(&offered);
    let capabilities = params.get("capabilities").filter(Value::is_object).ok_or(InitializeError::BadRequest)?;

    let mut replacements = withhold(capabilities, withheld);
    if revision.is_none() {
        let latest = format!("\"{}\"", Revision::LATEST.name());
        replacements.push(Replacement { span: version.span(), with: latest.into() });
        replacements.sort_by_key(|replacement| replacement.span.start);
    }
    let wire = splice(message.bytes(), &replacements)?;
    Ok(ClientHello { revision, client: implementation(params.get("clientInfo")), wire })
}

/// Reads a server's answer to `initialize` and makes the client's out of it.
pub fn server_hello(message: &Message) -> Result<ServerHello, InitializeError> {
    let result = message.result().ok_or(InitializeError::BadResult)?;
    if case_variant(result, RESULT_KEYS).is_some() {
        return Err(InitializeError::BadResult);
    }
    let version = result.get("protocolVersion").and_then(|version| version.as_str());
    let revision = Revision::parse(&version.ok_or(InitializeError::BadResult)?);
    let revision = revision.ok_or(InitializeError::UnsupportedRevision)?;
    let capabilities = result.get("capabilities").filter(Value::is_object).ok_or(InitializeError::BadResult)?;
    let mut replacements = withhold(capabilities, WITHHELD_FROM_CLIENTS);
    replacements.extend(changed::declared(capabilities));
    replacements.sort_by_key(|replacement| replacement.span.start);
    let wire = splice(message.bytes(), &replacements)?;
    Ok(ServerHello { revision, server: implementation(result.get("serverInfo")), wire })
}

/// What the gateway's own `initialize` offers: servers list some tools only to clients that can be asked. What is asked
/// of the gateway itself is declined.
pub(crate) const OWN_CAPABILITIES: &str = r#"{"elicitation":{"form":{},"url":{}},"roots":{},"sampling":{}}"#;

/// The gateway's own `initialize`, with its latest revision.
pub fn request(id: &Id, gateway: &Implementation) -> Bytes {
    let latest = Revision::LATEST.name();
    let mut params =
        format!(r#"{{"protocolVersion":"{latest}","capabilities":{OWN_CAPABILITIES},"clientInfo":{{"name":"#)
            .into_bytes();
    write_string(&mut params, &gateway.name);
    params.extend_from_slice(br#","version":"#);
    write_string(&mut params, &gateway.version);
    params.extend_from_slice(b"}}");
    reply::request(id, "initialize", &params)
}

/// What follows the answer to the gateway's own `initialize`.
pub fn initialized() -> Bytes {
    reply::notification("notifications/initialized", None)
}

/// Takes capabilities out, in any letter case: a peer that ignores case would use them all the same.
fn withhold(capabilities: Value<'_>, withheld: &[&str]) -> Vec<Replacement> {
    without_members(capabilities, |key| withheld.iter().any(|withheld| same_ignoring_case(key, withheld)))
}

/// Who a peer says it is.
pub(crate) fn implementation(info: Option<Value<'_>>) -> Implementation {
    let text = |key: &str| {
        let text = info.and_then(|info| info.get(key)).and_then(|value| value.as_str()).unwrap_or_default();
        // What is cut may be a value that nobody knows for one any more.
        if text.chars().nth(MAX_IMPLEMENTATION_CHARACTERS).is_some() {
            return String::new();
        }
        text.chars().filter(|character| !character.is_control()).collect()
    };
    Implementation { name: text("name"), version: text("version") }
}
