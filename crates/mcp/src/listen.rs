//! The stream of a target's own (MCP 2025-11-25, "Transports: Listening for Messages from the Server").
//!
//! It is opened at the target only while a client listens, and ends with it; what comes on it is decided and recorded
//! like what comes inside an answer. The gateway tells on it of lists that policy has changed, also where the target has
//! no such stream. One per session: a newer one ends the older one, so that a client whose connection
//! broke need not wait until that is noticed. Cut off, it leaves its outcome like any operation.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;
use vidimus_core::event::Status;
use vidimus_gate::{InFlight, Outcome, Rest, Wire};

use crate::call::{Fault, read};
use crate::changed::LISTS;
use crate::exchange::may_go_on;
use crate::headers::{self, EVENT_STREAM, LAST_EVENT_ID};
use crate::server::ServerBody;
use crate::sessions::McpSession;
use crate::{asks, sse, tell};

/// How long the stream before may take to end.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// Listens to the target until it ends the stream, the client goes, or a newer stream takes the place of this one.
///
/// First comes what the client has not got of the stream before, if it says so.
pub(crate) async fn listen(
    session: Arc<McpSession>,
    (end, rest): (CancellationToken, Option<Rest>),
    wire: Wire,
    mut flight: Box<InFlight>,
) {
    let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&session.stream.turn).acquire_owned()).await;
    let gone = flight.abandonment();
    let status = match turn {
        Ok(Ok(_turn)) => {
            tokio::select! {
                biased;
                () = end.cancelled() => Status::Ok,
                () = gone => Status::Ok,
                heard = heard(&session, rest, wire, &mut flight) => ended(&session, heard),
            }
        }
        Ok(Err(_)) | Err(_) => Status::Timeout,
    };
    Box::pin(flight.finish(Outcome::silent(status), |_| Bytes::new())).await;
}

fn ended(session: &McpSession, heard: Result<(), Fault>) -> Status {
    let Err(fault) = heard else { return Status::Ok };
    if matches!(fault, Fault::SessionLost) {
        session.set_lost();
    } else {
        let (target, session) = (&session.target.spec.name, session.gate.id());
        tracing::warn!(%target, %session, error = %fault, "the stream of a session was cut off");
    }
    fault.status()
}

async fn heard(session: &Arc<McpSession>, rest: Option<Rest>, wire: Wire, flight: &mut InFlight) -> Result<(), Fault> {
    let mut headers = session.headers();
    headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    if let Some(id) = session.stream.last_event() {
        headers.insert(LAST_EVENT_ID, id);
    }
    let mut changes = tell::Changes::of(session);
    // Policies may have changed between the decision and now.
    may_go_on(session, flight)?;
    // What comes before and between the times it waits is on the heap while it runs: a stream waits most of the time, and
    // holds no place for any of it.
    let response = Box::pin(session.target.upstream.listen(wire, headers)).await?;
    let mut body = match response.status() {
        StatusCode::OK if headers::is_event_stream(response.headers()) => Some(response.into_body()),
        StatusCode::OK => return Err(Fault::NotMcp("it is no stream of events".into())),
        // "The server MUST either return text/event-stream or HTTP 405." Then the gateway alone has something to say.
        StatusCode::METHOD_NOT_ALLOWED => None,
        StatusCode::NOT_FOUND if session.upstream_id.get().is_some() => return Err(Fault::SessionLost),
        status => return Err(Fault::Status(status)),
    };
    flight.opened().await;
    if let Some(rest) = rest {
        Box::pin(flight.catch_up(&rest)).await;
    }
    let mut listener = tell::Listener::new(session, &LISTS, None);
    Box::pin(listener.changes(session, flight)).await?;
    let mut decoder = sse::Decoder::new(session.target.limits.response_bytes);
    let mut events = Vec::new();
    loop {
        let frame = tokio::select! {
            frame = next(body.as_mut()) => frame,
            changed = changes.next() => {
                may_go_on(session, flight)?;
                if changed {
                    Box::pin(listener.changes(session, flight)).await?;
                }
                continue;
            }
        };
        let Some(frame) = frame else { return Ok(()) };
        let Ok(data) = frame.map_err(|_| Fault::BrokenOff)?.into_data() else { continue };
        decoder.push(&data, &mut events).map_err(|error| Fault::NotMcp(error.to_string()))?;
        for event in std::mem::take(&mut events) {
            if !event.data.is_empty() {
                Box::pin(asks::relay(session, &read(session, event.data)?, flight)).await?;
            }
            session.stream.set_last_event(&event.id);
        }
        // An id without data is no event, and counts all the same.
        session.stream.set_last_event(decoder.last_event_id());
    }
}

/// The next frame of a target that has a stream of its own. Cancel safe.
async fn next(body: Option<&mut ServerBody>) -> Option<Result<Frame<Bytes>, Box<dyn Error + Send + Sync>>> {
    match body {
        Some(body) => body.frame().await,
        None => std::future::pending().await,
    }
}
