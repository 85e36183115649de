//! What a target's tools are, as the gateway itself has read them.
//!
//! A call is decided with the annotations and argument types of these definitions, never with what stands in an
//! answer to a client. They are read in a session of the gateway's own, at the first need and again when a name
//! turns up that is not among them, at a bounded rate.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::oneshot;
use vidimus_core::event::Status;
use vidimus_core::{Action, Operation, Protocol, ToolDefinition};
use vidimus_gate::{Gate, Session, Verdict};

use crate::call::{Call, Expected};
use crate::envelope::{Id, ListKind, Message, Method, Sender};
use crate::exchange;
use crate::initialize::Implementation;
use crate::sessions::McpSession;
use crate::target::Target;
use crate::tools::{Attempt, DefinitionsError, Tools};
use crate::{initialize, lists, members, modern};

/// The least time between two readings of one target.
const LEAST_INTERVAL: Duration = Duration::from_secs(5);

/// After this time definitions are read again at the next call.
const MAX_AGE: Duration = Duration::from_mins(5);

/// Bytes of all pages of a tool list together.
const MAX_LIST_BYTES: usize = 32 << 20;

/// Pages of a tool list that are read.
const MAX_PAGES: u64 = 100;

/// The tools of a target; read from it when they are unknown or old, or lack `name`, and the last reading is not too
/// recent. One reading at a time; others wait for it.
pub(crate) async fn with(
    gate: &Gate,
    target: &Arc<Target>,
    name: Option<&str>,
) -> Result<Arc<Tools>, DefinitionsError> {
    let is_enough = |tools: &Tools| tools.age() < MAX_AGE && name.is_none_or(|name| tools.get(name).is_some());
    if let Some(tools) = target.tools.known().filter(|tools| is_enough(tools)) {
        return Ok(tools);
    }
    let mut last = target.tools.reading().await;
    let known = target.tools.known();
    let is_recent = |attempt: &Attempt| attempt.at.elapsed() < LEAST_INTERVAL;
    match (&known, last.as_ref().filter(|attempt| is_recent(attempt))) {
        (Some(tools), recent) if is_enough(tools) || recent.is_some() => return Ok(Arc::clone(tools)),
        // A target that is down is not asked again by each caller that waited.
        (None, Some(Attempt { error: Some(error), .. })) => return Err(error.clone()),
        _ => {}
    }
    let read = read(gate, target).await;
    *last = Some(Attempt { at: Instant::now(), error: read.as_ref().err().cloned() });
    match (read, known) {
        (Ok(definitions), _) => Ok(target.tools.learn(definitions)),
        // What was read before stays: a target that is down for a moment does not lose its tools.
        (Err(error), Some(tools)) => {
            tracing::warn!(target = %target.spec.name, %error, "definitions stay as they were");
            Ok(tools)
        }
        (Err(error), None) => Err(error),
    }
}

/// Reads definitions in the era that the target was last read in, or else in the other one.
async fn read(gate: &Gate, target: &Arc<Target>) -> Result<Vec<ToolDefinition>, DefinitionsError> {
    let is_modern = target.is_modern.load(Ordering::Relaxed);
    match read_as(gate, target, is_modern).await {
        Err(DefinitionsError::Upstream(error)) => match read_as(gate, target, !is_modern).await {
            Ok(definitions) => {
                target.is_modern.store(!is_modern, Ordering::Relaxed);
                Ok(definitions)
            }
            Err(_) => Err(DefinitionsError::Upstream(error)),
        },
        read => read,
    }
}

async fn read_as(gate: &Gate, target: &Arc<Target>, is_modern: bool) -> Result<Vec<ToolDefinition>, DefinitionsError> {
    let opened = gate.open_own(Arc::clone(&target.spec)).await;
    let session = opened.map_err(|denied| DefinitionsError::Refused(denied.refusal().message.clone()))?;
    let session = Arc::new(McpSession::new(session, Arc::clone(target), is_modern));
    let read = if is_modern { read_modern(&session).await } else { read_legacy(&session).await };
    let leave = session.gate.close("client").await.map_err(|error| DefinitionsError::Refused(error.to_string()))?;
    exchange::end(&session, &leave).await;
    read
}

fn gateway() -> Implementation {
    Implementation { name: "vidimus".into(), version: env!("CARGO_PKG_VERSION").into() }
}

async fn read_modern(session: &Arc<McpSession>) -> Result<Vec<ToolDefinition>, DefinitionsError> {
    let gateway = gateway();
    let hello = modern::request(&Id::from_number(0), "server/discover", None, &gateway);
    let answer = ask(session, hello, Method::Discover).await?;
    if !has_tools(&answer)? {
        return Ok(Vec::new());
    }
    pages(session, |id, cursor| modern::request(id, "tools/list", cursor, &gateway)).await
}

fn has_tools(answer: &Bytes) -> Result<bool, DefinitionsError> {
    Ok(message(answer)?.result().and_then(|result| result.at(&["capabilities", "tools"])).is_some())
}

async fn read_legacy(session: &Arc<McpSession>) -> Result<Vec<ToolDefinition>, DefinitionsError> {
    let id = Id::from_number(0);
    let hello = initialize::request(&id, &gateway());
    let answer = ask(session, hello, Method::Initialize).await?;
    ask(session, initialize::initialized(), Method::Initialized).await?;
    if !has_tools(&answer)? {
        return Ok(Vec::new());
    }
    pages(session, |id, cursor| lists::request(id, ListKind::Tools, cursor)).await
}

async fn pages(
    session: &Arc<McpSession>,
    request: impl Fn(&Id, Option<&str>) -> Bytes,
) -> Result<Vec<ToolDefinition>, DefinitionsError> {
    let mut definitions = Vec::new();
    let mut seen = HashSet::new();
    let mut bytes: usize = 0;
    let mut cursor: Option<String> = None;
    for page in 1..=MAX_PAGES {
        let id = Id::from_number(page);
        let answer = ask(session, request(&id, cursor.as_deref()), Method::ListTools).await?;
        bytes = bytes.saturating_add(answer.len());
        if bytes > MAX_LIST_BYTES {
            return Err(DefinitionsError::Upstream(format!("its tool list has more than {MAX_LIST_BYTES} bytes")));
        }
        let page = lists::tools(&message(&answer)?, &mut seen)
            .map_err(|error| DefinitionsError::Upstream(error.to_string()))?;
        definitions.extend(page.tools);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(definitions),
        }
    }
    Err(DefinitionsError::Upstream(format!("its tool list has more than {MAX_PAGES} pages")))
}

fn message(answer: &Bytes) -> Result<Message, DefinitionsError> {
    Message::parse(answer.clone(), Sender::Server, &vidimus_core::json::Limits::default())
        .map_err(|error| DefinitionsError::Upstream(error.to_string()))
}

/// One message of the gateway's own, through the choke point like any other; the target's answer.
async fn ask(session: &Arc<McpSession>, body: Bytes, method: Method) -> Result<Bytes, DefinitionsError> {
    let asked = Message::parse(body.clone(), Sender::Client, &vidimus_core::json::Limits::default())
        .map_err(|error| DefinitionsError::Refused(error.to_string()))?;
    let expected = match asked.id() {
        Some(id) => Expected::Response { id: id.clone(), method },
        None => Expected::Nothing,
    };
    let mut call = Call::legacy(session, expected);
    if session.is_modern {
        call.head.extend(modern::head(&asked, &HeaderMap::new()));
    }
    let operation = Operation {
        protocol: Protocol::Mcp,
        action: Action::Method(asked.method_name().into()),
        method: None,
        wire: body,
        members: members::of_request(method),
        arguments: None,
        annotations: None,
        address: None,
        trace: None,
    };
    let gate: &Session = &session.gate;
    let admitted = match gate.submit(operation).await {
        Verdict::Admitted(admitted) => admitted,
        Verdict::Denied(denied) => return Err(DefinitionsError::Refused(denied.refusal().message.clone())),
    };
    let (sender, receiver) = oneshot::channel();
    let carrier = Arc::clone(session);
    let mut answers = admitted.run(move |wire, mut flight| async move {
        let outcome = exchange::outcome(&carrier, &call, wire, &mut flight).await;
        let answer = match outcome.status {
            Status::Ok => Ok(outcome.body.clone()),
            status => Err(status.name()),
        };
        flight.finish(outcome, |_| Bytes::new()).await;
        let _ = sender.send(answer);
    });
    // The parts are of no interest, but an unread part would hold the exchange.
    while answers.next().await.is_some() {}
    match receiver.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) => Err(DefinitionsError::Upstream(format!("{method:?} ended with status `{status}`"))),
        Err(_) => Err(DefinitionsError::Upstream(format!("{method:?} was given up"))),
    }
}
