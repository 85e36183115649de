//! What a target sends by itself: notices and requests to the client, inside an answer or on a stream of its own.
//!
//! A request is decided as an operation of the session (MCP 2025-11-25, "Sampling", "Elicitation", "Roots": they take
//! data out and put instructions in), recorded, and only then part of the client's stream; what is not passed on is
//! recorded, and the target is told. Notices about resources pass when the caller may read the resource.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vidimus_core::json::Value;
use vidimus_core::{Action, ErrorKind, Members, Operation, Protocol};
use vidimus_gate::{Asked, Declined, Denied, InFlight, PartError, Rejection};

use crate::answer::DENIED;
use crate::envelope::{Class, Form, Id, MAX_URI_BYTES, Message, MessageKind, Method, Sender, case_variant, code};
use crate::sessions::McpSession;
use crate::{federation, members, reply, sse};

/// How long the target may take to take the answer to what it asked.
const TELL_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests in one result, at most: each is decided and recorded, and somebody has to answer them.
const MAX_INPUT_REQUESTS: usize = 32;

/// Where an error holds the pages it wants opened.
const ELICITATIONS: &str = "elicitations";

/// What is decided on of a page to open.
const PAGE_KEYS: &[&str] = &["mode", "url"];

/// Passes on what the target sent by itself, as far as it may pass.
pub(crate) async fn relay(
    session: &Arc<McpSession>,
    message: &Message,
    flight: &mut InFlight,
) -> Result<(), PartError> {
    match message.kind() {
        MessageKind::Request { id, method } => ask(session, message, (id, *method), flight).await,
        MessageKind::Notification { method } if method.class() == Class::Notice => {
            let address = flight.address();
            if !may_know(session, *method, message, address) || !may_ask(session, *method, message, address).await {
                drop(withhold(session, message, ErrorKind::Denied).await);
                return Ok(());
            }
            if let (Method::Cancelled, Some(id)) = (method, message.cancelled_request()) {
                session.gate.withdraw(&id.key());
            }
            // Not where the gateway itself reads them: some servers say so at every start.
            if *method == Method::ToolsChanged && !session.gate.is_own() {
                session.target.tools.read_anew();
            }
            let Some(notice) = outwards(session, message) else { return Ok(()) };
            return flight.chunk(sse::flatten(&notice), members::of_server(*method)).await;
        }
        MessageKind::Notification { .. } | MessageKind::Response { .. } => {
            drop(withhold(session, message, ErrorKind::Upstream).await);
        }
    }
    Ok(())
}

async fn ask(session: &Arc<McpSession>, message: &Message, (id, method): (&Id, Method), flight: &mut InFlight) {
    // The modern era has no requests of the target on streams.
    let has_requests = !session.is_modern && !session.client_is_modern();
    let (declined, code, text) = match action(message, method).filter(|_| has_requests).zip(outwards(session, message))
    {
        Some((action, question)) => {
            let operation = Operation {
                protocol: Protocol::Mcp,
                action,
                method: None,
                wire: sse::flatten(&question),
                record: None,
                sql: None,
                members: members::of_server(method),
                arguments: None,
                annotations: None,
                // Whoever is asked is where the call came from, or listens.
                address: flight.address(),
                trace: message.traceparent(),
            };
            match session.gate.ask(flight, &id.key(), operation).await {
                Asked::Relayed => {
                    asked_for(session, message.params());
                    return;
                }
                Asked::Declined(declined) => (declined, DENIED, "the request may not be passed to the client"),
            }
        }
        None => (
            withhold(session, message, ErrorKind::Upstream).await,
            code::METHOD_NOT_FOUND,
            "the client has no such method",
        ),
    };
    tell(session, declined, || reply::error(Some(id), code, text, None)).await;
}

/// A message of the target as its client sees it: where that has several targets, an id says which one it is of.
fn outwards(session: &McpSession, message: &Message) -> Option<Bytes> {
    if !session.is_beside() {
        return Some(message.bytes().clone());
    }
    federation::outwards(&session.target.spec.name, message)
        .inspect_err(|error| tracing::error!(%error, "a message of a target could not be put together"))
        .ok()
}

/// What policy decides on; none for what is not passed to clients.
fn action(message: &Message, method: Method) -> Option<Action> {
    asked(method, message.params())
}

/// The same of a request inside a result (MCP 2026-07-28, "Multi Round-Trip Requests").
pub(crate) fn action_of(request: Value<'_>) -> Option<Action> {
    if case_variant(request, &["method", "params"]).is_some() {
        return None;
    }
    let params = request.get("params");
    if params.is_some_and(|params| case_variant(params, PAGE_KEYS).is_some()) {
        return None;
    }
    let method = Method::classify(Sender::Server, Form::Request, &request.get("method")?.as_str()?);
    if method == Method::Ping { None } else { asked(method, params) }
}

fn asked(method: Method, params: Option<Value<'_>>) -> Option<Action> {
    match method {
        Method::CreateMessage => Some(Action::Sampling),
        Method::ListRoots => Some(Action::Roots),
        Method::Ping => Some(Action::Method("ping".into())),
        Method::Elicit => {
            let text = |key: &str| params.and_then(|params| params.get(key)).map(|value| value.as_str());
            match text("mode").as_ref().map(|mode| mode.as_deref()) {
                None | Some(Some("form")) => Some(Action::Elicitation(None)),
                Some(Some("url")) => {
                    let url = text("url")??;
                    (url.len() <= MAX_URI_BYTES).then(|| Action::Elicitation(Some(Arc::from(&*url))))
                }
                Some(_) => None,
            }
        }
        _ => None,
    }
}

/// Keeps what the client was asked for, of whose end the target may tell.
fn asked_for(session: &McpSession, params: Option<Value<'_>>) {
    if let Some(id) = params.and_then(|params| params.get("elicitationId")).and_then(|id| id.as_str()) {
        session.topics.enter_elicitation(&id);
    }
}

/// Whether the caller may know what a notice tells of: a resource it may read, a task of its own; where it has several
/// targets, what is this one's.
fn may_know(session: &McpSession, method: Method, message: &Message, address: Option<IpAddr>) -> bool {
    match method {
        Method::ResourceUpdated => {
            let uri = message.params().and_then(|params| params.get("uri")).and_then(|uri| uri.as_str());
            uri.is_some_and(|uri| session.gate.may_do(&Action::ResourceRead(Arc::from(&*uri)), address))
        }
        Method::TaskStatus => message.task_id().is_some_and(|task| session.may_know_task(&task)),
        Method::Progress if session.is_beside() => {
            let token = message.params().and_then(|params| params.get("progressToken")).and_then(Id::read);
            token.is_some_and(|token| session.topics.is_followed(&token))
        }
        Method::ElicitationComplete if session.is_beside() => {
            let id = message.params().and_then(|params| params.get("elicitationId")).and_then(|id| id.as_str());
            id.is_some_and(|id| session.topics.has_elicitation(&id))
        }
        _ => {
            if session.is_modern {
                method.is_modern()
            } else {
                method.is_legacy()
            }
        }
    }
}

/// Whether the client may be asked what a notice about a task asks.
async fn may_ask(session: &McpSession, method: Method, message: &Message, address: Option<IpAddr>) -> bool {
    match message.params() {
        Some(params) if method == Method::TaskStatus => input_requests(session, params, address).await.is_ok(),
        _ => true,
    }
}

/// Decides on everything that a result, or a notice about a task, asks of the client, who is at `address`.
pub(crate) async fn input_requests(
    session: &McpSession,
    holder: Value<'_>,
    address: Option<IpAddr>,
) -> Result<(), Denied> {
    let Some(requests) = holder.get("inputRequests") else { return Ok(()) };
    // What is no object of requests is one request that is not known, and so are more than a person could answer.
    let is_sound = requests.is_object() && requests.members().count() <= MAX_INPUT_REQUESTS;
    if !is_sound {
        return Err(unknown(session, requests).await);
    }
    for (_, request) in requests.members() {
        let Some(action) = action_of(request) else { return Err(unknown(session, request).await) };
        ask_in_result(session, action, (request, members::INPUT_REQUEST), address).await?;
        asked_for(session, request.get("params"));
    }
    Ok(())
}

/// Decides on every page that an error wants opened before the request can be carried out (MCP 2025-11-25, "URL Elicitation
/// Required Error"), whatever its code: a client may look for them in any.
pub(crate) async fn required_pages(
    session: &McpSession,
    error: Value<'_>,
    address: Option<IpAddr>,
) -> Result<(), Denied> {
    let Some(data) = error.get("data") else { return Ok(()) };
    if case_variant(error, &["data"]).is_some() || case_variant(data, &[ELICITATIONS]).is_some() {
        return Err(unknown(session, error).await);
    }
    let Some(pages) = data.get(ELICITATIONS) else { return Ok(()) };
    let is_sound = pages.is_array() && pages.elements().count() <= MAX_INPUT_REQUESTS;
    if !is_sound {
        return Err(unknown(session, pages).await);
    }
    for page in pages.elements() {
        let action = if case_variant(page, PAGE_KEYS).is_some() { None } else { asked(Method::Elicit, Some(page)) };
        let Some(action) = action else { return Err(unknown(session, page).await) };
        ask_in_result(session, action, (page, members::PAGE), address).await?;
        asked_for(session, Some(page));
    }
    Ok(())
}

async fn ask_in_result(
    session: &McpSession,
    action: Action,
    (request, members): (Value<'_>, &'static Members),
    address: Option<IpAddr>,
) -> Result<(), Denied> {
    let operation = Operation {
        protocol: Protocol::Mcp,
        action,
        method: None,
        wire: Bytes::copy_from_slice(request.raw().as_bytes()),
        record: None,
        sql: None,
        members,
        arguments: None,
        annotations: None,
        address,
        trace: None,
    };
    session.gate.ask_in_result(operation).await
}

/// Records what the target asks in a result and what is not passed to the client.
async fn unknown(session: &McpSession, asked: Value<'_>) -> Denied {
    let rejection = Rejection {
        kind: ErrorKind::Upstream,
        reason: "server_message",
        message: "the target asks for what is not passed to clients".into(),
        action: Action::Method("unknown".into()),
        received: asked.raw().as_bytes(),
    };
    session.gate.reject(rejection).await
}

/// Records a message of the target that is not passed on.
async fn withhold(session: &McpSession, message: &Message, kind: ErrorKind) -> Declined {
    let declined = session
        .gate
        .decline(Rejection {
            kind,
            reason: "server_message",
            message: "messages of this kind are not passed to the client".into(),
            action: Action::Method(message.method_name().into()),
            received: message.bytes(),
        })
        .await;
    tracing::warn!(
        target = %session.target.spec.name,
        session = %session.gate.id(),
        reference = declined.refusal().reference.as_deref(),
        "a message of the target was withheld from the client"
    );
    declined
}

/// Tells the target that its request was refused, so that it does not wait for an answer.
async fn tell(session: &McpSession, declined: Declined, encode: impl FnOnce() -> Bytes) {
    let Some(wire) = declined.into_wire(encode) else { return };
    match tokio::time::timeout(TELL_TIMEOUT, session.target.upstream.send(wire, session.headers())).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, session = %session.gate.id(), "the target was not told that its request was refused");
        }
        Err(_) => tracing::debug!(session = %session.gate.id(), "the target did not take the refusal of its request"),
    }
}
