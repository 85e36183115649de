//! Messages the gateway itself writes: answers keyed to the exact id of the request, notifications, own requests.
//!
//! Texts go in escaped; ids go in as they were received (an [`Id`] is valid JSON). What a caller is told of a refusal
//! is the policy's message and a reference to the evidence, never more.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use vidimus_core::canonical::write_string;

use crate::envelope::{Id, code};

/// The revision whose requests stand for themselves.
const SUPPORTED: &str = "2026-07-28";

/// The key of `_meta` and of an error's `data` that holds the reference (MCP 2025-11-25, "_meta": a prefix and a name).
const REFERENCE_KEY: &str = "vidimus/reference";

/// The key beside it: whole seconds after which it may be tried again.
const RETRY_KEY: &str = "vidimus/retryAfter";

/// The key of `_meta` that holds the id of the request by which a client listens.
pub(crate) const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// What programs read of a refusal, beside its text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meta<'a> {
    /// The reference to the evidence.
    pub reference: Option<&'a str>,
    /// Whole seconds after which it may be tried again.
    pub retry_after: Option<u64>,
}

impl Meta<'_> {
    const fn is_empty(&self) -> bool {
        self.reference.is_none() && self.retry_after.is_none()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut before = b'{';
        if let Some(reference) = self.reference {
            out.push(before);
            write_string(out, REFERENCE_KEY);
            out.push(b':');
            write_string(out, reference);
            before = b',';
        }
        if let Some(seconds) = self.retry_after {
            out.push(before);
            write_string(out, RETRY_KEY);
            out.extend_from_slice(format!(":{seconds}").as_bytes());
        }
        out.push(b'}');
    }
}

/// The reference alone.
impl<'a> From<Option<&'a str>> for Meta<'a> {
    fn from(reference: Option<&'a str>) -> Self {
        Self { reference, retry_after: None }
    }
}

/// An error (JSON-RPC 2.0 §5.1). Without an id it answers a message whose id could not be read.
pub fn error<'a>(id: Option<&Id>, code: i32, message: &str, meta: impl Into<Meta<'a>>) -> Bytes {
    let meta = meta.into();
    let mut out = start(id);
    out.extend_from_slice(format!(r#","error":{{"code":{code},"message":"#).as_bytes());
    write_string(&mut out, message);
    if !meta.is_empty() {
        out.extend_from_slice(br#","data":"#);
        meta.write(&mut out);
    }
    end(out, "}}")
}

/// The answer to a tool that is not there for this caller, in the words of MCP 2025-11-25 ("Tools", "Error Handling"),
/// so that it tells nothing of whether the tool exists.
pub fn unknown_tool(id: &Id, name: &str) -> Bytes {
    error(Some(id), code::INVALID_PARAMS, &format!("Unknown tool: {name}"), None)
}

/// The answer to a revision that is not spoken, with those that are (MCP 2026-07-28, "Versioning").
pub fn unsupported_version(id: Option<&Id>, message: &str, requested: &str, reference: Option<&str>) -> Bytes {
    let mut out = start(id);
    out.extend_from_slice(format!(r#","error":{{"code":{},"message":"#, code::UNSUPPORTED_VERSION).as_bytes());
    write_string(&mut out, message);
    out.extend_from_slice(br#","data":{"supported":["#);
    write_string(&mut out, SUPPORTED);
    out.extend_from_slice(br#"],"requested":"#);
    write_string(&mut out, requested);
    if let Some(reference) = reference {
        out.push(b',');
        write_string(&mut out, REFERENCE_KEY);
        out.push(b':');
        write_string(&mut out, reference);
    }
    end(out, "}}}")
}

/// A result of a tool that says it failed: what a model reads of a denial, an approval that is pending, a target that
/// did not answer. The reference is in the text, where the user sees it, and in `_meta`, where a program finds it.
///
/// `modern` is for revisions whose results name their kind.
pub fn tool_error<'a>(id: &Id, message: &str, meta: impl Into<Meta<'a>>, modern: bool) -> Bytes {
    let meta = meta.into();
    let mut out = start(Some(id));
    out.extend_from_slice(br#","result":{"#);
    if modern {
        out.extend_from_slice(br#""resultType":"complete","#);
    }
    out.extend_from_slice(br#""content":[{"type":"text","text":"#);
    match meta.reference {
        Some(reference) => write_string(&mut out, &format!("{message} (reference {reference})")),
        None => write_string(&mut out, message),
    }
    out.extend_from_slice(br#"}],"isError":true"#);
    if !meta.is_empty() {
        out.extend_from_slice(br#","_meta":"#);
        meta.write(&mut out);
    }
    end(out, "}}")
}

/// An input-required result that asks for nothing: the client comes back with the state (MCP 2026-07-28, "Multi Round-Trip
/// Requests").
pub(crate) fn come_back(id: &Id, state: &str, reference: &str) -> Bytes {
    let mut out = start(Some(id));
    out.extend_from_slice(br#","result":{"resultType":"input_required","requestState":"#);
    write_string(&mut out, state);
    out.extend_from_slice(br#","_meta":"#);
    Meta::from(Some(reference)).write(&mut out);
    end(out, "}}")
}

/// A notification of progress that was told so many times (MCP 2025-11-25, "Progress"). What it waits for is no part of the
/// work, so it stays below what a server tells of that.
pub(crate) fn progress(token: &Id, times: u64, message: &str) -> Bytes {
    let mut out = br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"#.to_vec();
    out.extend_from_slice(token.lexeme().as_bytes());
    out.extend_from_slice(format!(r#","progress":0.{times:06},"message":"#).as_bytes());
    write_string(&mut out, message);
    end(out, "}}")
}

/// A notification without parameters; inside a subscription it names the request that asked for it (MCP 2026-07-28,
/// "Subscriptions").
pub fn notification(method: &str, subscription: Option<&Id>) -> Bytes {
    let mut out = br#"{"jsonrpc":"2.0","method":"#.to_vec();
    write_string(&mut out, method);
    if let Some(id) = subscription {
        out.extend_from_slice(br#","params":{"_meta":{"#);
        write_string(&mut out, SUBSCRIPTION_KEY);
        out.push(b':');
        out.extend_from_slice(id.lexeme().as_bytes());
        out.extend_from_slice(b"}}");
    }
    end(out, "}")
}

/// A notice that a request of the gateway's own is taken back (MCP 2025-11-25, "Cancellation").
pub(crate) fn cancelled(id: &Id) -> Bytes {
    let mut out = br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"#.to_vec();
    out.extend_from_slice(id.lexeme().as_bytes());
    end(out, "}}")
}

/// A request of the gateway's own. `params` is the JSON text of an object.
pub(crate) fn request(id: &Id, method: &str, params: &[u8]) -> Bytes {
    let mut out = start(Some(id));
    out.extend_from_slice(br#","method":"#);
    write_string(&mut out, method);
    out.extend_from_slice(br#","params":"#);
    out.extend_from_slice(params);
    end(out, "}")
}

fn start(id: Option<&Id>) -> Vec<u8> {
    let mut out = br#"{"jsonrpc":"2.0","id":"#.to_vec();
    out.extend_from_slice(id.map_or("null", Id::lexeme).as_bytes());
    out
}

fn end(mut out: Vec<u8>, tail: &str) -> Bytes {
    out.extend_from_slice(tail.as_bytes());
    out.into()
}
