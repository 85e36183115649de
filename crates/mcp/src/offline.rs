//! The tools of a target that does not answer: its pins say what was accepted of them, so a list needs no server. A call
//! still does.

use bytes::Bytes;
use vidimus_core::ToolDefinition;
use vidimus_core::canonical::write_string;

use crate::call::{Call, Expected, Fault};
use crate::envelope::{Id, Method};
use crate::federation::UNAVAILABLE_KEY;
use crate::sessions::{Blame, McpSession};
use crate::target::Target;

/// What a client is told in the place of a target's answer: where that did not come, and a list of tools was asked for from its
/// beginning.
pub(crate) fn instead(session: &McpSession, call: &Call, fault: &Fault) -> Option<Bytes> {
    let Expected::Response { id, method: Method::ListTools } = &call.expected else { return None };
    let is_asked = fault.blame() == Blame::Target && !call.is_continued;
    if !is_asked || session.gate.is_own() || session.is_beside() {
        return None;
    }
    list(&session.target, id, session.is_modern, |tool| session.gate.may_see(tool))
}

/// The accepted definitions of a target as an answer to a list of tools, of those that are visible; none where none are pinned.
pub(crate) fn list(
    target: &Target,
    id: &Id,
    is_modern: bool,
    is_visible: impl Fn(&ToolDefinition) -> bool,
) -> Option<Bytes> {
    let tools = target.tools.known()?;
    let mut pinned: Vec<_> = tools.all().filter_map(|tool| tools.pin(&tool.name)).collect();
    if pinned.is_empty() {
        return None;
    }
    pinned.retain(|(tool, _)| is_visible(tool));
    pinned.sort_unstable_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let mut out = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"_meta":{{"#, id.lexeme()).into_bytes();
    write_string(&mut out, UNAVAILABLE_KEY);
    out.extend_from_slice(b":[");
    write_string(&mut out, target.spec.name.as_str());
    out.extend_from_slice(b"]},");
    if is_modern {
        out.extend_from_slice(br#""resultType":"complete","ttlMs":0,"cacheScope":"private","#);
    }
    out.extend_from_slice(br#""tools":["#);
    for (index, (_, pin)) in pinned.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&pin.shown);
    }
    out.extend_from_slice(b"]}}");
    Some(out.into())
}
