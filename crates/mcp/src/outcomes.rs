//! The outcome that a target's response stands for: what was asked was answered, and what of it the client may have.
//!
//! Lists are filtered, pinned definitions put in the place of changed ones, and their cursors sealed, handshakes and discoveries clamped, by splicing; everything else goes on byte for byte. In the
//! modern era a result may ask the client for something, or have it carry state (MCP 2026-07-28, "Multi Round-Trip
//! Requests"): what is asked is decided like a request of the target, and the state is sealed, so that it comes back
//! from the same principal, for the same request, in time, or not at all. Of a result that asks for what policy denies
//! nothing passes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use vidimus_core::Action;
use vidimus_core::event::Status;
use vidimus_core::json::{Document, Replacement, SpliceError, Value, splice};
use vidimus_gate::{Outcome, OutputSchema, Refusal};

use crate::answer::DENIED;
use crate::call::{Call, Expected, Fault, json_limits, read};
use crate::envelope::{Class, Id, ListKind, MAX_NAME_BYTES, Message, MessageKind, Method, code};
use crate::lists::{Filtered, ListError, Shown};
use crate::modern::results::{self, ResultKind};
use crate::pinned::Element;
use crate::sessions::McpSession;
use crate::{asks, changed, cursors, federation, initialize, lists, members, reply, sse, tell};

/// How long a client may take to bring back what it carries for a target.
const CARRIED_FOR: Duration = Duration::from_mins(30);

/// Elements of one answer to a list that are looked at: policy decides on each. Servers of more have pages.
const MAX_ELEMENTS: usize = 20_000;

/// Elements that are looked at without a thread of their own.
const MAX_INLINE_ELEMENTS: usize = 256;

/// Names of tools not known yet that one list has looked for.
const MAX_UNKNOWN: usize = 64;

/// Where a tool's structured result stands in its answer.
const STRUCTURED: &[&str] = &["result", "structuredContent"];

/// The outcome that a response stands for, once it is the response to what was asked.
///
/// `address` is where the client is.
pub(crate) async fn concluded(
    session: &Arc<McpSession>,
    call: &Call,
    message: &Message,
    address: Option<IpAddr>,
) -> Result<Outcome, Fault> {
    let outcome = outcome_of(session, call, message, address).await?;
    Ok(Outcome { schema: promised(session, call), ..outcome })
}

/// What the tool that was called promises of its structured results.
fn promised(session: &McpSession, call: &Call) -> Option<OutputSchema> {
    let Expected::Response { method: Method::CallTool, .. } = call.expected else { return None };
    let tools = session.target.tools.known()?;
    let schema = tools.get(call.name.as_deref()?)?.output_schema.clone()?;
    Some(OutputSchema { schema, at: STRUCTURED })
}

async fn outcome_of(
    session: &Arc<McpSession>,
    call: &Call,
    message: &Message,
    address: Option<IpAddr>,
) -> Result<Outcome, Fault> {
    let Expected::Response { id: asked, method } = &call.expected else {
        return Err(Fault::NotMcp("nothing was asked".into()));
    };
    let method = *method;
    let MessageKind::Response { id, is_error } = message.kind() else {
        return Err(Fault::NotMcp("it is no response".into()));
    };
    if id.as_ref().is_some_and(|id| id != asked) || (id.is_none() && !is_error) {
        return Err(Fault::NotMcp("it answers another request".into()));
    }
    if *is_error {
        if let Some(status) = http_status(message).filter(|_| session.client_is_modern()) {
            let _ = call.status.set(status);
        }
        if id.is_none() {
            // As the answer to this request it can be about no other: the client waits for an answer that bears its id.
            let named = named(message, asked).map_err(|error| Fault::NotMcp(error.to_string()))?;
            return failed(session, (asked, method), &read(session, named)?, address).await;
        }
        return failed(session, (asked, method), message, address).await;
    }
    if session.is_modern && !session.gate.is_own() {
        return modern(session, call, (asked, method), message, address).await;
    }
    if message.result().is_some_and(results::is_of_another_era) {
        // Clients of both eras act on it in either.
        return Err(Fault::NotMcp("its result asks for what the session's revision does not have".into()));
    }
    let body = match method.class() {
        // The gateway itself reads whole lists: what it learns is what callers' lists are filtered by.
        Class::List(kind) if !session.gate.is_own() => {
            filtered(session, (kind, call.is_continued), message, address).await?.bytes().clone()
        }
        _ if method == Method::Initialize => {
            let hello = initialize::server_hello(message).map_err(|error| Fault::NotMcp(error.to_string()))?;
            // Set once: the session is new.
            let _ = session.version.set(hello.revision);
            hello.wire
        }
        _ => bridged(session, message)?,
    };
    Ok(outcome(session, status(method, message), method, &body))
}

/// An error that names no request, under the id of the one that it answers.
fn named(message: &Message, id: &Id) -> Result<Bytes, SpliceError> {
    let root = message.document().root();
    let replacement = match root.get("id") {
        Some(null) => Replacement { span: null.span(), with: Bytes::copy_from_slice(id.lexeme().as_bytes()) },
        None => changed::inserted(root, format!("\"id\":{}", id.lexeme())),
    };
    splice(message.bytes(), &[replacement])
}

/// A result of the legacy era for whichever era its client speaks.
fn bridged(session: &McpSession, message: &Message) -> Result<Bytes, Fault> {
    let kind = message.result().filter(|_| session.is_bridged()).and_then(federation::completed);
    splice(message.bytes(), kind.as_slice()).map_err(|error| Fault::NotMcp(error.to_string()))
}

fn outcome(session: &McpSession, status: Status, method: Method, body: &Bytes) -> Outcome {
    let members = members::of_answer(method, session.is_modern);
    Outcome { status, body: sse::flatten(body), members, schema: None }
}

/// A tool may say in its result that it failed.
fn status(method: Method, message: &Message) -> Status {
    let flag = message.result().and_then(|result| result.get("isError")).and_then(|flag| flag.as_bool());
    if method == Method::CallTool && flag == Some(true) { Status::Error } else { Status::Ok }
}

/// The outcome of an error.
async fn failed(
    session: &McpSession,
    (id, method): (&Id, Method),
    message: &Message,
    address: Option<IpAddr>,
) -> Result<Outcome, Fault> {
    let error = message.document().root().get("error").filter(|_| !session.gate.is_own());
    let Some(error) = error else { return Ok(outcome(session, Status::Error, method, message.bytes())) };
    if let Err(denied) = asks::required_pages(session, error, address).await {
        return Ok(not_asked(session, (id, method), denied.refusal()));
    }
    let outcome = outcome(session, Status::Error, method, message.bytes());
    let has_pages = error.get("data").is_some_and(|data| data.get("elicitations").is_some());
    Ok(if has_pages { Outcome { members: members::PAGES, ..outcome } } else { outcome })
}

/// The outcome of a result of the modern era.
async fn modern(
    session: &Arc<McpSession>,
    call: &Call,
    (id, method): (&Id, Method),
    message: &Message,
    address: Option<IpAddr>,
) -> Result<Outcome, Fault> {
    let result = message.result().ok_or_else(|| Fault::NotMcp("it is no result".into()))?;
    let kind = results::kind(result).ok_or_else(|| Fault::NotMcp("its result is of no known kind".into()))?;
    if session.is_bridged() && kind != ResultKind::Complete {
        return Err(Fault::NotMcp("it asks for what the client's revision does not have".into()));
    }
    let spliced = |error: SpliceError| Fault::NotMcp(error.to_string());
    // Whatever kind it says it is: a client may look for requests in any result, and in the task that one is about.
    for holder in [Some(result), result.get("task")].into_iter().flatten() {
        if let Err(denied) = asks::input_requests(session, holder, address).await {
            return Ok(not_asked(session, (id, method), denied.refusal()));
        }
    }
    let body = match (kind, method) {
        (ResultKind::InputRequired, method) if results::may_require_input(method) => {
            carried(session, call, method, message, result)?
        }
        (ResultKind::InputRequired, _) => return Err(Fault::NotMcp("this method may not ask for input".into())),
        (ResultKind::Task, Method::CallTool) => {
            let task = results::task_id(result).filter(|task| (1..=MAX_NAME_BYTES).contains(&task.len()));
            let task = task.ok_or_else(|| Fault::NotMcp("a task has no id, or one that is too long".into()))?;
            session.enter_task(&task, call.name.as_deref().unwrap_or_default());
            message.bytes().clone()
        }
        (ResultKind::Task, _) => return Err(Fault::NotMcp("this method makes no task".into())),
        (ResultKind::Complete, Method::GetTask) => message.bytes().clone(),
        (ResultKind::Complete, Method::Discover) => {
            let clamped = results::discovered(message.bytes(), result).map_err(spliced)?;
            let document =
                Document::parse(clamped, &json_limits(session)).map_err(|error| Fault::NotMcp(error.to_string()))?;
            results::cached(&document).map_err(spliced)?
        }
        (ResultKind::Complete, method) => match method.class() {
            Class::List(kind) => {
                results::cached(&*filtered(session, (kind, call.is_continued), message, address).await?)
                    .map_err(spliced)?
            }
            _ => results::cached(message.document()).map_err(spliced)?,
        },
    };
    Ok(outcome(session, status(method, message), method, &body))
}

/// A result whose state, if it has one, is sealed.
fn carried(
    session: &McpSession,
    call: &Call,
    method: Method,
    message: &Message,
    result: Value<'_>,
) -> Result<Bytes, Fault> {
    let Some(state) = result.get("requestState") else { return Ok(message.bytes().clone()) };
    if state.as_str().is_none() {
        return Err(Fault::NotMcp("its state is no string".into()));
    }
    let request = bound_to(method, call.name.as_deref());
    let sealed = session.gate.seal(&request, state.raw().as_bytes(), CARRIED_FOR);
    let sealed = sealed.map_err(|error| Fault::NotMcp(error.to_string()))?;
    let replacement = Replacement { span: state.span(), with: format!("\"{sealed}\"").into() };
    splice(message.bytes(), &[replacement]).map_err(|error| Fault::NotMcp(error.to_string()))
}

/// What carried state is bound to, beside principal and target: the method, and what it is about.
pub(crate) fn bound_to(method: Method, name: Option<&str>) -> Vec<u8> {
    format!("{method:?} {}", name.unwrap_or_default()).into_bytes()
}

/// What the client is told instead of a result that asks for what it may not be asked.
fn not_asked(session: &McpSession, (id, method): (&Id, Method), refusal: &Refusal) -> Outcome {
    let reference = refusal.reference.as_deref();
    let body = match method {
        Method::CallTool => reply::tool_error(id, &refusal.message, reference, session.client_is_modern()),
        _ => reply::error(Some(id), DENIED, &refusal.message, reference),
    };
    Outcome { status: Status::Error, body, members: members::OWN, schema: None }
}

/// The HTTP status that goes with an error (MCP 2026-07-28, "Streamable HTTP").
fn http_status(message: &Message) -> Option<StatusCode> {
    match message.error()?.0.parse().ok()? {
        code::METHOD_NOT_FOUND => Some(StatusCode::NOT_FOUND),
        code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION => Some(StatusCode::BAD_REQUEST),
        _ => None,
    }
}

/// A list without what the caller may not see, and with a cursor that tells nothing. What a target lists and the gateway has
/// not read yet is looked for first.
async fn filtered(
    session: &Arc<McpSession>,
    (kind, is_continued): (ListKind, bool),
    message: &Message,
    address: Option<IpAddr>,
) -> Result<Arc<Document>, Fault> {
    tell::showing(session, kind, is_continued);
    let mut list = sifted(session, kind, message, address).await?;
    if !list.unknown.is_empty() && session.target.tools.catch_up(&list.unknown).await {
        tell::showing(session, kind, is_continued);
        list = sifted(session, kind, message, address).await?;
    }
    if list.filtered.unreadable > 0 {
        tracing::warn!(
            target = %session.target.spec.name,
            elements = list.filtered.unreadable,
            "elements of a list were withheld: they cannot be read for certain"
        );
    }
    Ok(list.filtered.document)
}

/// A list without what the caller may not see.
struct Sifted {
    filtered: Filtered,
    /// Tools in it that the gateway has not read: some of them, if there are many.
    unknown: Vec<Box<str>>,
}

/// Filters a list; a long one where it keeps nobody else waiting.
async fn sifted(
    session: &Arc<McpSession>,
    kind: ListKind,
    message: &Message,
    address: Option<IpAddr>,
) -> Result<Sifted, Fault> {
    let count = lists::count(message, kind).map_err(|error| not_a_list(&error))?;
    if count > MAX_ELEMENTS {
        return Err(Fault::TooMany(MAX_ELEMENTS));
    }
    if count <= MAX_INLINE_ELEMENTS {
        return sift(session, kind, message, address);
    }
    let (session, message) = (Arc::clone(session), message.clone());
    tokio::task::spawn_blocking(move || sift(&session, kind, &message, address)).await.map_err(|_| Fault::Failed)?
}

fn sift(session: &McpSession, kind: ListKind, message: &Message, address: Option<IpAddr>) -> Result<Sifted, Fault> {
    let cursor = cursors::sealed(session, kind, message)?;
    let tools = session.target.tools.known();
    let (mut unknown, mut has_others) = (Vec::new(), false);
    let shown = |name: &str, element: Value<'_>| {
        let is_visible = match kind {
            ListKind::Tools => {
                if let Some(tool) = tools.as_ref().and_then(|tools| tools.get(name)) {
                    session.gate.may_see(tool)
                } else {
                    // A tool the gateway has not read the definition of cannot be called, so it is not shown.
                    let is_known = tools.as_ref().is_some_and(|tools| tools.has(name));
                    if !is_known && unknown.len() < MAX_UNKNOWN {
                        unknown.push(name.into());
                    }
                    false
                }
            }
            ListKind::Resources => session.gate.may_do(&Action::ResourceRead(name.into()), address),
            ListKind::Prompts => session.gate.may_do(&Action::PromptGet(name.into()), address),
            // A template names no resource yet: reading one is decided by its URI.
            ListKind::ResourceTemplates => true,
        };
        let pin = tools.as_ref().filter(|_| is_visible && kind == ListKind::Tools).and_then(|tools| tools.pin(name));
        match pin.map(|(_, pin)| (pin, pin.of_element(element))) {
            _ if !is_visible => Shown::Not,
            None | Some((_, Element::Accepted)) => Shown::AsItIs,
            Some((pin, Element::Held)) => Shown::Instead(pin.shown.clone()),
            Some((pin, Element::Other)) => {
                has_others = true;
                Shown::Instead(pin.shown.clone())
            }
        }
    };
    let filtered =
        lists::sift(message, kind, &json_limits(session), (cursor, shown)).map_err(|error| not_a_list(&error))?;
    if has_others {
        // The target has changed them, or shows this caller others: the gateway looks for itself.
        session.target.tools.refresh();
    }
    Ok(Sifted { filtered, unknown })
}

fn not_a_list(error: &ListError) -> Fault {
    Fault::NotMcp(error.to_string())
}
