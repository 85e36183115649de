//! Reads what a target's tools are, for the gateway itself.
//!
//! A call is decided with the annotations and argument types of these definitions, never with what stands in an
//! answer to a client. One task for each target reads them, in sessions of the gateway's own: at the first need, again
//! when they are old, and when a name turns up that is not among them. It does so at a bounded rate, within a bounded time,
//! and ends with the gateway; a session that it has opened is always closed. Who waits for it, `tools` says; what of it is
//! in force, `pins`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vidimus_core::event::Status;
use vidimus_core::{Action, Operation, Protocol, ToolDefinition};
use vidimus_gate::{Answer, Gate, Session, Verdict};

use crate::call::{Call, Expected};
use crate::envelope::{Id, ListKind, Message, Method, Sender};
use crate::exchange;
use crate::initialize::Implementation;
use crate::pins::ReadTool;
use crate::sessions::McpSession;
use crate::target::{Pinning, Target};
use crate::tools::{About, CAPABILITIES, DefinitionsError, LEAST_INTERVAL, Tool};
use crate::{initialize, lists, members, modern, pins};

/// The longest time of one reading in one era.
const READING_TIMEOUT: Duration = Duration::from_secs(30);

/// How long after a reading that failed the next one begins by itself, at first and at most: a target that comes back is
/// seen without anybody asking for it.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(5));

/// Bytes of all pages of a tool list together.
const MAX_LIST_BYTES: usize = 32 << 20;

/// The longest instructions of a target that are told beside those of others.
const MAX_INSTRUCTIONS_BYTES: usize = 16 << 10;

/// Pages of a tool list that are read.
const MAX_PAGES: u64 = 100;

/// Tools of one target: all of them are looked through for every list, and for every change of the policies.
const MAX_TOOLS: usize = 10_000;

/// Reads the definitions of a target whenever that is asked for, until `stop`.
pub(crate) async fn keep(gate: Gate, target: Arc<Target>, stop: CancellationToken) {
    if let Some(left) = pins::left(&gate, &target).await {
        target.tools.leave(left);
    }
    let mut retry = None;
    loop {
        let wanted = async {
            match retry {
                Some(retry) => drop(tokio::time::timeout(retry, target.tools.wanted()).await),
                None => target.tools.wanted().await,
            }
        };
        if stop.run_until_cancelled(wanted).await.is_none() {
            break;
        }
        // Whoever asks from now on may know of something newer.
        let number = target.tools.latest();
        // In a task of its own: a panic in it must not leave the definitions as they are for ever.
        let reading = tokio::spawn(settled(gate.clone(), Arc::clone(&target), stop.clone()));
        let read = reading.await.unwrap_or(Err(DefinitionsError::Failed));
        if let Err(error) = &read
            && target.tools.known().is_some()
        {
            // What was read before stays: a target that is down for a moment does not lose its tools.
            tracing::warn!(target = %target.spec.name, %error, "definitions stay as they were");
        }
        if retry.is_some() && read.is_ok() {
            tracing::info!(target = %target.spec.name, "the target answers again");
        }
        let (first, longest) = RETRY;
        retry = read.is_err().then(|| retry.map_or(first, |before: Duration| longest.min(before * 2)));
        let was_down = target.tools.is_down();
        target.tools.learn(number, read);
        if was_down && !target.tools.is_down() {
            target.eras.forget();
        }
        stop.run_until_cancelled(tokio::time::sleep(LEAST_INTERVAL)).await;
    }
    target.tools.learn(u64::MAX, Err(DefinitionsError::Stopping));
}

/// Reads definitions, and records what is new of them.
async fn settled(
    gate: Gate,
    target: Arc<Target>,
    stop: CancellationToken,
) -> Result<HashMap<String, Tool>, DefinitionsError> {
    let tools = read(gate.clone(), Arc::clone(&target), stop).await?;
    pins::settle(&gate, &target, tools).await
}

/// Reads definitions in the era that the target was last read in, or else in the other one.
async fn read(gate: Gate, target: Arc<Target>, stop: CancellationToken) -> Result<Vec<ReadTool>, DefinitionsError> {
    let is_modern = target.is_modern.load(Ordering::Relaxed);
    // It may be silent to what it does not know, too.
    let first = match read_as(&gate, &target, is_modern, &stop).await {
        Err(first @ (DefinitionsError::Upstream(_) | DefinitionsError::Slow(_))) => first,
        read => return read,
    };
    match (first, read_as(&gate, &target, !is_modern, &stop).await) {
        (_, Ok(definitions)) => {
            target.is_modern.store(!is_modern, Ordering::Relaxed);
            Ok(definitions)
        }
        (_, Err(DefinitionsError::Stopping)) => Err(DefinitionsError::Stopping),
        (DefinitionsError::Upstream(first), Err(DefinitionsError::Upstream(second))) => {
            Err(DefinitionsError::Upstream(format!("{first}; in the other era of MCP, {second}")))
        }
        (first, Err(_)) => Err(first),
    }
}

async fn read_as(
    gate: &Gate,
    target: &Arc<Target>,
    is_modern: bool,
    stop: &CancellationToken,
) -> Result<Vec<ReadTool>, DefinitionsError> {
    let opened = gate.open_own(Arc::clone(&target.spec)).await;
    let session = opened.map_err(|denied| DefinitionsError::Refused(denied.refusal().message.clone()))?;
    let session = Arc::new(McpSession::new(session, Arc::clone(target), is_modern));
    let reading = async { if is_modern { read_modern(&session).await } else { read_legacy(&session).await } };
    let read = tokio::select! {
        read = tokio::time::timeout(READING_TIMEOUT, reading) => {
            read.unwrap_or(Err(DefinitionsError::Slow(READING_TIMEOUT)))
        }
        () = stop.cancelled() => Err(DefinitionsError::Stopping),
    };
    let leave = session.gate.close("client").await.map_err(|error| DefinitionsError::Refused(error.to_string()))?;
    exchange::end(&session, &leave, Instant::now() + exchange::END_TIMEOUT).await;
    read
}

fn gateway() -> Implementation {
    Implementation { name: "vidimus".into(), version: env!("CARGO_PKG_VERSION").into() }
}

async fn read_modern(session: &Arc<McpSession>) -> Result<Vec<ReadTool>, DefinitionsError> {
    let gateway = gateway();
    let hello = modern::request(&Id::from_number(0), "server/discover", None, &gateway);
    let answer = greeted(session, hello, Method::Discover).await?;
    // A server of the other era may have an empty result for whatever it does not know.
    if !modern::is_offered(&message(&answer)?) {
        return Err(DefinitionsError::Upstream(format!("its server/discover does not offer {}", modern::REVISION)));
    }
    if !has_tools(&answer)? {
        return Ok(Vec::new());
    }
    pages(session, |id, cursor| modern::request(id, "tools/list", cursor, &gateway)).await
}

/// Asks the target what it says of itself.
async fn greeted(session: &Arc<McpSession>, hello: Bytes, method: Method) -> Result<Bytes, DefinitionsError> {
    let Answered { answer, masked } = asked(session, hello, method).await?;
    session.target.tools.introduce(about(&message(&masked)?));
    Ok(answer)
}

fn about(message: &Message) -> About {
    let member = |key: &str| message.result().and_then(|result| result.get(key));
    let capabilities = member("capabilities");
    let has = |capability: &&'static str| capabilities.is_some_and(|own| own.get(capability).is_some());
    let instructions = member("instructions").and_then(|text| text.as_str());
    let instructions = instructions.filter(|text| text.len() <= MAX_INSTRUCTIONS_BYTES).map(Into::into);
    About { capabilities: CAPABILITIES.into_iter().filter(has).collect(), instructions }
}

fn has_tools(answer: &Bytes) -> Result<bool, DefinitionsError> {
    Ok(message(answer)?.result().and_then(|result| result.at(&["capabilities", "tools"])).is_some())
}

async fn read_legacy(session: &Arc<McpSession>) -> Result<Vec<ReadTool>, DefinitionsError> {
    let id = Id::from_number(0);
    let hello = initialize::request(&id, &gateway());
    let answer = greeted(session, hello, Method::Initialize).await?;
    ask(session, initialize::initialized(), Method::Initialized).await?;
    if !has_tools(&answer)? {
        return Ok(Vec::new());
    }
    pages(session, |id, cursor| lists::request(id, ListKind::Tools, cursor)).await
}

async fn pages(
    session: &Arc<McpSession>,
    request: impl Fn(&Id, Option<&str>) -> Bytes,
) -> Result<Vec<ReadTool>, DefinitionsError> {
    let mut definitions = Vec::new();
    let mut seen = HashSet::new();
    let mut bytes: usize = 0;
    let mut cursor: Option<String> = None;
    for page in 1..=MAX_PAGES {
        let id = Id::from_number(page);
        let answered = asked(session, request(&id, cursor.as_deref()), Method::ListTools).await?;
        bytes = bytes.saturating_add(answered.answer.len());
        if bytes > MAX_LIST_BYTES {
            return Err(DefinitionsError::Upstream(format!("its tool list has more than {MAX_LIST_BYTES} bytes")));
        }
        let page = lists::tools(&message(&answered.answer)?, &mut seen)
            .map_err(|error| DefinitionsError::Upstream(error.to_string()))?;
        let tools = page.tools;
        if session.target.pins == Pinning::Off {
            definitions.extend(tools.into_iter().map(|definition| ReadTool { definition, pinned: None }));
        } else {
            // Every text of the page is looked at, which is to keep nobody else waiting.
            let read = tokio::task::spawn_blocking(move || answered.pinned(tools)).await;
            definitions.extend(read.map_err(|_| DefinitionsError::Failed)??);
        }
        if definitions.len() > MAX_TOOLS {
            return Err(DefinitionsError::Upstream(format!("it has more than {MAX_TOOLS} tools")));
        }
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

/// What a target answered the gateway, as it came and as it may be shown.
struct Answered {
    answer: Bytes,
    masked: Bytes,
}

impl Answered {
    /// Tools of a page with what their pins need.
    fn pinned(&self, tools: Vec<ToolDefinition>) -> Result<Vec<ReadTool>, DefinitionsError> {
        let (answer, masked) = (message(&self.answer)?, message(&self.masked)?);
        let no_list = |error: lists::ListError| DefinitionsError::Upstream(error.to_string());
        let places = lists::by_name(&answer).map_err(no_list)?;
        let (elements, masked) =
            (lists::elements(&answer).map_err(no_list)?, lists::elements(&masked).map_err(no_list)?);
        let mut read = Vec::with_capacity(tools.len());
        for definition in tools {
            let place = places.get(&*definition.name).copied();
            let both = place.and_then(|place| Some((*elements.get(place)?, *masked.get(place)?)));
            // Masking leaves a list as long as it is.
            let (element, masked) = both.ok_or(DefinitionsError::Failed)?;
            read.extend(pins::read(definition, element, masked));
        }
        Ok(read)
    }
}

async fn ask(session: &Arc<McpSession>, body: Bytes, method: Method) -> Result<Bytes, DefinitionsError> {
    Ok(asked(session, body, method).await?.answer)
}

/// One message of the gateway's own; the target's answer. A target that refuses the revision and names the same one as
/// spoken is asked once more (MCP 2026-07-28, "Versioning": a client goes on with a version out of `supported`).
async fn asked(session: &Arc<McpSession>, body: Bytes, method: Method) -> Result<Answered, DefinitionsError> {
    let mut answered = ask_once(session, body.clone(), method).await?;
    if let Err((_, refusal)) = &answered
        && session.is_modern
        && message(refusal).is_ok_and(|refusal| modern::is_spoken(&refusal))
    {
        answered = ask_once(session, body, method).await?;
    }
    answered.map_err(|(status, _)| DefinitionsError::Upstream(format!("{method:?} ended with status `{status}`")))
}

/// Asks through the choke point, like anybody else. What is no result comes with the name of its status.
async fn ask_once(
    session: &Arc<McpSession>,
    body: Bytes,
    method: Method,
) -> Result<Result<Answered, (&'static str, Bytes)>, DefinitionsError> {
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
        record: None,
        sql: None,
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
        Verdict::Held(held) => return Err(DefinitionsError::Refused(held.pending().message.clone())),
    };
    let (sender, receiver) = oneshot::channel();
    let carrier = Arc::clone(session);
    let mut answers = admitted.run(move |wire, mut flight| async move {
        let outcome = exchange::outcome(&carrier, &call, wire, &mut flight).await;
        let answer = match outcome.status {
            Status::Ok => Ok(outcome.body.clone()),
            status => Err((status.name(), outcome.body.clone())),
        };
        flight.finish(outcome, |_| Bytes::new()).await;
        let _ = sender.send(answer);
    });
    // The parts are of no interest, but an unread part would hold the exchange.
    let mut masked = Bytes::new();
    while let Some(answer) = answers.next().await {
        if let Answer::Last { released, .. } = answer {
            masked = released.as_bytes().clone();
        }
    }
    let answered = receiver.await.map_err(|_| DefinitionsError::Upstream(format!("{method:?} was given up")))?;
    Ok(answered.map(|answer| Answered { answer, masked }))
}
