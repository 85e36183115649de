//! The cursors of lists, sealed (MCP 2025-11-25 and 2026-07-28, "Pagination").
//!
//! Servers write into a cursor what comes next, and that may be the name of something that the caller may not know of. So
//! the client gets it sealed, at a length that tells little, and the target gets back what it gave, byte for byte: from
//! the same principal, for the same list of the same target, in the same session where the wire has one, in time. A
//! cursor that was not given so is refused.

use std::time::Duration;

use bytes::Bytes;
use vidimus_core::TargetName;
use vidimus_core::json::{Replacement, Value};

use crate::call::Fault;
use crate::envelope::{Class, ListKind, Message, Method};
use crate::lists;
use crate::sessions::McpSession;

/// How long a client may take to ask for the next page.
const CARRIED_FOR: Duration = Duration::from_hours(1);

/// A sealed cursor is of a length that is a multiple of this, so that it tells little of what is in it.
const PADDED_TO: usize = 128;

/// The longest cursor of a target, as it writes it, in bytes. Cursors of several targets go to the client together.
const MAX_CURSOR_BYTES: usize = 8 << 10;

/// A cursor that the gateway did not give to this caller, for this list.
#[derive(Debug)]
pub(crate) struct Foreign;

/// What puts a sealed cursor into the place of a list's own.
pub(crate) fn sealed(session: &McpSession, kind: ListKind, message: &Message) -> Result<Option<Replacement>, Fault> {
    let cursor = lists::next_cursor(message).map_err(|error| Fault::NotMcp(error.to_string()))?;
    let Some(cursor) = cursor else { return Ok(None) };
    if cursor.raw().len() > MAX_CURSOR_BYTES {
        return Err(Fault::LongCursor(MAX_CURSOR_BYTES));
    }
    let sealed = session.gate.seal(&bound_to(session, kind), &padded(cursor), CARRIED_FOR).map_err(|error| {
        tracing::error!(%error, "the cursor of a list cannot be sealed");
        Fault::Failed
    })?;
    Ok(Some(Replacement { span: cursor.span(), with: format!("\"{sealed}\"").into() }))
}

/// What puts the target's own cursor into the place of a sealed one, in a request for a list.
pub(crate) fn opened(session: &McpSession, method: Method, message: &Message) -> Result<Option<Replacement>, Foreign> {
    let Class::List(kind) = method.class() else { return Ok(None) };
    let Some(cursor) = message.params().and_then(|params| params.get("cursor")) else { return Ok(None) };
    let opened = cursor.as_str().and_then(|sealed| session.gate.unseal(&bound_to(session, kind), &sealed));
    let mut own = opened.ok_or(Foreign)?;
    own.truncate(own.trim_ascii_end().len());
    Ok(Some(Replacement { span: cursor.span(), with: Bytes::from(own) }))
}

/// One cursor for the lists of several targets; none when none goes on, or when it cannot be sealed.
pub(crate) fn sealed_for_all(session: &McpSession, kind: ListKind, next: &[(TargetName, String)]) -> Option<String> {
    if next.is_empty() {
        return None;
    }
    let mut cursors = Vec::new();
    for (target, cursor) in next {
        cursors.extend_from_slice(format!("{target} {cursor}\n").as_bytes());
    }
    let sealed = session.gate.seal(&bound_to(session, kind), &cursors, CARRIED_FOR);
    sealed.inspect_err(|error| tracing::error!(%error, "the cursor of a list cannot be sealed")).ok()
}

/// Where the lists of several targets go on; none for lists from their beginning.
pub(crate) fn opened_for_all(
    session: &McpSession,
    kind: ListKind,
    message: &Message,
) -> Result<Option<Vec<(TargetName, String)>>, Foreign> {
    let Some(cursor) = message.params().and_then(|params| params.get("cursor")) else { return Ok(None) };
    let opened = cursor.as_str().and_then(|sealed| session.gate.unseal(&bound_to(session, kind), &sealed));
    let text = opened.and_then(|opened| String::from_utf8(opened).ok()).ok_or(Foreign)?;
    let of_target = |line: &str| {
        let (target, cursor) = line.split_once(' ')?;
        Some((target.parse().ok()?, cursor.to_owned()))
    };
    text.lines().map(of_target).collect::<Option<_>>().map(Some).ok_or(Foreign)
}

/// A cursor as the target wrote it, quotes included, and spaces after them.
fn padded(cursor: Value<'_>) -> Vec<u8> {
    let mut padded = cursor.raw().as_bytes().to_vec();
    padded.resize(padded.len().next_multiple_of(PADDED_TO), b' ');
    padded
}

/// What a cursor is bound to, beside principal and target.
fn bound_to(session: &McpSession, kind: ListKind) -> Vec<u8> {
    // In the modern era a session is the gateway's own notion, and ends without the client's knowing.
    let session = if session.client_is_modern() { String::new() } else { session.gate.id().to_string() };
    format!("cursor {} {session}", kind.method_name()).into_bytes()
}
