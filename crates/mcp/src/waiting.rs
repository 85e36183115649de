//! Calls that wait for people: how a client is kept, by what it can do (design part 4, "Holding a call").
//!
//! A client of the legacy era gets a stream at once, comments on it every 15 seconds, and progress if it gave a token for
//! that: with one it is patient, without one it gives up after a minute, as official SDKs do. A client of the modern era is
//! answered in time with an input-required result that asks for nothing and carries sealed state (MCP 2026-07-28, "Multi
//! Round-Trip Requests"), and comes back for another leg. In the end every client is told to call again; the request for
//! approval stays, and the call made again runs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use vidimus_core::ErrorKind;
use vidimus_gate::{Admitted, Answers, Held, Leg, LegEnd, Refusal};

use crate::answer::{DENIED, told_pending};
use crate::call::{Call, Expected};
use crate::envelope::{Id, Message, Method};
use crate::outcomes::bound_to;
use crate::reply;
use crate::sessions::McpSession;

/// How long a legacy client waits that did not ask for progress: the official TypeScript SDK gives up after 60 seconds.
const PATIENCE: Duration = Duration::from_secs(50);
/// And one that did.
const PATIENCE_WITH_PROGRESS: Duration = Duration::from_mins(4);
/// How long a leg of a modern client lasts.
const LEG: Duration = Duration::from_secs(45);
/// Legs of a modern client, for one call.
pub(crate) const MAX_LEGS: u32 = 9;
/// How long the state of a leg may be brought back.
const CARRIED_FOR: Duration = Duration::from_mins(10);
/// What the state of legs is bound to besides, so that no target's own state passes for it.
const PURPOSE: &[u8] = b"vidimus.held-leg/1";

/// How a call is waited with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// On a stream.
    Stream,
    /// For one leg and no more: the client cannot say that it comes back for this call.
    Once,
    /// In legs, of which this is the one of this number, from 1.
    Legs(u32),
}

impl Patience {
    /// For a client of a session whose messages carry no legs.
    pub(crate) const fn of(session: &McpSession) -> Self {
        if session.client_is_modern() { Self::Once } else { Self::Stream }
    }
}

/// Keeps the client waiting until people have decided, and sends the call then. Gives the call back where it is not waited with.
pub(crate) fn wait(
    held: Box<Held>,
    (session, message, call): (&Arc<McpSession>, &Message, Call),
    patience: Patience,
    run: impl FnOnce(Admitted, &Arc<McpSession>, Call) -> Answers + Send + 'static,
) -> Result<Answers, Box<Held>> {
    let (Some(id), Expected::Response { id: own, .. }) = (message.id().cloned(), &call.expected) else {
        return Err(held);
    };
    // Held until the call is sent, which enters it anew.
    let Some((entered, cancelled)) = session.enter_waiting(own) else { return Err(held) };
    let leg = leg(&call, patience, cancelled);
    let (carrier, modern, name) = (Arc::clone(session), session.client_is_modern(), call.name.clone());
    let teller = Arc::clone(session);
    let told = move |end: LegEnd<'_>| match end {
        LegEnd::Denied(refusal) => denied(&id, refusal, modern),
        LegEnd::Pending { pending, may_wait } => {
            let next = match patience {
                Patience::Legs(leg) if may_wait && leg < MAX_LEGS => sealed(&teller, name.as_deref(), leg + 1),
                _ => None,
            };
            match next {
                Some(state) => reply::come_back(&id, &state, &pending.reference),
                None => reply::tool_error(&id, &told_pending(pending), Some(pending.reference.as_str()), modern),
            }
        }
    };
    held.wait(leg, move |admitted| run(admitted, &carrier, call), told, entered)
}

/// The leg that a client brings back by the state it was given; `None` for what is no such state.
pub(crate) fn brought_back(session: &McpSession, name: Option<&str>, sealed: &str) -> Option<u32> {
    let state = session.gate.unseal(&bound(name), sealed)?;
    std::str::from_utf8(&state).ok()?.parse().ok()
}

fn leg(call: &Call, patience: Patience, cancelled: CancellationToken) -> Leg {
    let Some(token) = call.progress.clone().filter(|_| patience == Patience::Stream) else {
        let is_stream = patience == Patience::Stream;
        let waited = match patience {
            Patience::Legs(leg) => LEG * leg.saturating_sub(1),
            Patience::Stream | Patience::Once => Duration::ZERO,
        };
        let patience = if is_stream { PATIENCE } else { LEG };
        return Leg { patience, waited, is_stream, progress: None, cancelled };
    };
    let progress = move |told| reply::progress(&token, told, "waiting for approval");
    let patience = PATIENCE_WITH_PROGRESS;
    Leg { patience, waited: Duration::ZERO, is_stream: true, progress: Some(Box::new(progress)), cancelled }
}

fn denied(id: &Id, refusal: &Refusal, modern: bool) -> Bytes {
    let reference = refusal.reference.as_deref();
    if refusal.kind == ErrorKind::Denied {
        return reply::tool_error(id, &refusal.message, reference, modern);
    }
    reply::error(Some(id), DENIED, &refusal.message, reference)
}

fn sealed(session: &McpSession, name: Option<&str>, leg: u32) -> Option<String> {
    let sealed = session.gate.seal(&bound(name), leg.to_string().as_bytes(), CARRIED_FOR);
    sealed.inspect_err(|error| tracing::error!(%error, "the state of a call that waits cannot be sealed")).ok()
}

fn bound(name: Option<&str>) -> Vec<u8> {
    [PURPOSE, &bound_to(Method::CallTool, name)].concat()
}
