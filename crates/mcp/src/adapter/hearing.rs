//! What targets say by themselves, to a client of the endpoint for all of them (MCP 2025-11-25, "Transports: Listening for
//! Messages from the Server"; 2026-07-28, "Subscriptions").
//!
//! While the client listens at the endpoint, each of its sessions at targets listens too, and what comes there goes on as
//! it was recorded and released there. The endpoint itself tells of targets that go and come back: the client's lists are
//! others then. Of a target of the other era only changed lists are told. No stream here can be gone on with.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll, unfold};
use http::{HeaderMap, StatusCode};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vidimus_core::event::Status;
use vidimus_core::json::{SpliceError, Value, splice, without_elements};
use vidimus_core::{Action, Members, Operation, Protocol, TargetName};
use vidimus_gate::{Answer, Answers, InFlight, Outcome, PartError};

use super::opening::{Guest, read};
use super::stateless::{Begun, until_gone};
use super::{Adapter, LISTEN, Visit};
use crate::answer::{DENIED, Reply, denied_as_asked, listening, told};
use crate::changed::{self, LISTS, List};
use crate::envelope::{Message, MessageKind, Method, Sender};
use crate::sessions::McpSession;
use crate::{federation, listen, members, modern, reply, tell};

/// How long the stream before may take to end.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a client of the legacy era is told of targets of the modern one.
const ALL_LISTS: &[u8] =
    br#"{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}}"#;

/// The keys of what a subscription names one by one.
const RESOURCES: &str = "resourceSubscriptions";
const TASKS: &str = "taskIds";

/// What a client listens for, and by which request in the era that has such.
struct Wish {
    lists: Vec<List>,
    request: Option<Message>,
}

/// What comes while a client listens.
enum Heard {
    /// From a session at a target.
    Part(Answer),
    /// Some target has other tools, has gone, or is back.
    Changed,
}

impl Adapter {
    /// Opens the stream of a legacy client at the endpoint.
    pub(super) async fn listened_at_endpoint(
        &self,
        visit: &Visit<'_>,
        session: &Arc<McpSession>,
        headers: &HeaderMap,
    ) -> Result<Reply, Reply> {
        // No event there has an id, so any that is named is unknown.
        self.rest(visit, session, headers).await?;
        match session.gate.listen(listening_to(visit), visit.caller).await {
            Ok(admitted) => {
                let (guest, end) = (Guest::new(self, visit, session, None), session.stream.replace());
                let wish = Wish { lists: LISTS.to_vec(), request: None };
                listening(admitted.run(move |_, flight| guest.hear(flight, wish, end))).await
            }
            Err(denied) => Err(told(StatusCode::FORBIDDEN, None, DENIED, &denied)),
        }
    }
}

impl Guest {
    /// Opens a subscription of a modern client.
    pub(super) async fn subscribed(&self, visit: &Visit<'_>, message: &Message) -> Result<Reply, Reply> {
        let operation = Operation {
            action: Action::Method(message.method_name().into()),
            wire: message.bytes().clone(),
            record: None,
            sql: None,
            members: members::of_request(Method::ListenSubscriptions),
            trace: message.traceparent(),
            ..listening_to(visit)
        };
        match self.session.gate.listen(operation, visit.caller).await {
            Ok(admitted) => {
                let wish = Wish { lists: changed::asked(message), request: Some(message.clone()) };
                let guest = self.clone();
                let answers = admitted.run(move |_, flight| guest.hear(flight, wish, CancellationToken::new()));
                until_gone(visit, &self.session, message, (answers, Arc::default())).await
            }
            Err(denied) => Err(denied_as_asked(message, &denied, true)),
        }
    }

    /// Tells the client what is said until it goes, or a newer stream takes the place of this one.
    async fn hear(self, mut flight: Box<InFlight>, wish: Wish, end: CancellationToken) {
        let gone = flight.abandonment();
        let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&self.session.stream.turn).acquire_owned());
        // In the modern era several subscriptions are open at once.
        let turn = if wish.request.is_none() { turn.await.ok() } else { None };
        let status = if wish.request.is_none() && turn.is_none() {
            Status::Timeout
        } else {
            tokio::select! {
                biased;
                () = end.cancelled() => Status::Ok,
                () = gone => Status::Ok,
                Err(error) = self.heard(&mut flight, &wish) => {
                    tracing::warn!(%error, session = %self.session.gate.id(), "the stream of a session was cut off");
                    Status::Cancelled
                }
            }
        };
        Box::pin(flight.finish(Outcome::silent(status), |_| Bytes::new())).await;
    }

    async fn heard(&self, flight: &mut InFlight, wish: &Wish) -> Result<std::convert::Infallible, PartError> {
        flight.opened().await;
        let Some(front) = self.front() else { return std::future::pending().await };
        let mut openings = front.openings();
        if let Some(request) = &wish.request {
            let honoured = self.honoured(request).await;
            let acknowledged = federation::acknowledged(request, &honoured);
            flight.chunk(acknowledged, members::of_server(Method::Acknowledged)).await?;
        }
        let mut sources: SelectAll<BoxStream<'static, Heard>> = SelectAll::new();
        for target in self.adapter.0.targets.values() {
            sources.push(changes(target.tools.changes()));
        }
        let mut policies = self.session.gate.policy_changes();
        let mut heard_at = HashSet::new();
        let (available, tools) = self.standing(wish);
        let mut known = (front.shown().unwrap_or(available), tools);
        self.tell_of_change(flight, wish, &mut known).await?;
        loop {
            for session in self.open_sessions() {
                if heard_at.insert(session.gate.id())
                    && let Some(answers) = Box::pin(self.listen_at(&session, wish)).await
                {
                    sources.push(parts(answers));
                }
            }
            tokio::select! {
                heard = sources.next() => match heard {
                    Some(Heard::Part(Answer::Chunk(part))) if !is_acknowledgement(part.as_bytes()) => flight.pass(part).await,
                    Some(Heard::Part(_)) | None => {}
                    Some(Heard::Changed) => self.tell_of_change(flight, wish, &mut known).await?,
                },
                _ = openings.changed() => {}
                changed = policies.next() => if changed {
                    self.tell_of_change(flight, wish, &mut known).await?;
                },
            }
        }
    }

    /// Tells of the lists that are others now because of the targets that they are of.
    async fn tell_of_change(
        &self,
        flight: &mut InFlight,
        wish: &Wish,
        known: &mut (u64, u64),
    ) -> Result<(), PartError> {
        let now = self.standing(wish);
        if std::mem::replace(known, now) == now {
            return Ok(());
        }
        let id = wish.request.as_ref().and_then(Message::id);
        for list in &wish.lists {
            flight.chunk(reply::notification(list.method_name, id), members::of_server(list.method)).await?;
        }
        Ok(())
    }

    /// Which targets the client may know of, and which of them answer; of those that cannot tell it by themselves also
    /// what tools it sees.
    fn standing(&self, wish: &Wish) -> (u64, u64) {
        let mut hasher = DefaultHasher::new();
        if wish.request.is_some() {
            for session in self.open_sessions() {
                if session.is_bridged() {
                    for list in &LISTS {
                        tell::digest(&session, list).hash(&mut hasher);
                    }
                }
            }
        }
        (self.available(), hasher.finish())
    }

    /// What of a subscription's resources and tasks some target will tell of.
    async fn honoured(&self, request: &Message) -> Vec<(&'static str, Vec<String>)> {
        let open = self.open_sessions();
        let mut uris = listed(request, RESOURCES);
        let readable = self.readable(uris.clone()).await;
        let is_modern_at =
            |target: &TargetName| open.iter().any(|session| session.is_modern && session.target.spec.name == *target);
        uris.retain(|uri| readable.get(uri).is_some_and(is_modern_at));
        let mut tasks = listed(request, TASKS);
        tasks.retain(|task| open.iter().any(|session| session.may_know_task(task)));
        vec![(RESOURCES, uris), (TASKS, tasks)]
    }

    /// Listens in the client's session at a target; none when there is nothing to be heard.
    async fn listen_at(&self, session: &Arc<McpSession>, wish: &Wish) -> Option<Answers> {
        // The client's own request was counted, and what it hears is where it hears it.
        let caller = self.caller.clone().uncounted();
        let visit = Visit { caller: &caller, ..self.visit(session) };
        match (&wish.request, session.is_modern) {
            // A client of the modern era is told of changed lists by the endpoint.
            (Some(_), false) => None,
            (None, false) => match session.gate.listen(listening_to(&visit), &caller).await {
                Ok(admitted) => {
                    let (own, end) = (Arc::clone(session), session.stream.replace());
                    Some(admitted.run(move |wire, flight| listen::listen(own, (end, None), wire, flight)))
                }
                Err(_) => None,
            },
            (Some(request), true) => {
                let request = read(self.filtered(session, request).await.ok()?).ok()?;
                self.subscribe(&visit, session, &request).await
            }
            (None, true) => {
                let request = reply::request(&session.own_id(), "subscriptions/listen", ALL_LISTS);
                let request = federation::to_modern(&read(request).ok()?, &self.client).ok()?;
                self.subscribe(&visit, session, &read(request).ok()?).await
            }
        }
    }

    async fn subscribe(&self, visit: &Visit<'_>, session: &Arc<McpSession>, request: &Message) -> Option<Answers> {
        let MessageKind::Request { id, method } = request.kind() else { return None };
        let headers = modern::head(request, &HeaderMap::new());
        match self.adapter.begun(visit, session, &headers, (request, id, *method)).await {
            Ok(Begun::Sent(answers, _)) => Some(answers),
            Ok(Begun::Denied(_)) | Err(_) => None,
        }
    }

    /// A subscription with the resources and tasks of one target alone.
    async fn filtered(&self, session: &McpSession, request: &Message) -> Result<Bytes, SpliceError> {
        let readable = self.readable(listed(request, RESOURCES)).await;
        let is_own = |key: &str, text: &str| {
            if key == TASKS {
                return session.may_know_task(text);
            }
            readable.get(text) == Some(&session.target.spec.name)
        };
        let filter = request.params().and_then(|params| params.get("notifications"));
        let mut replacements = Vec::new();
        for key in [RESOURCES, TASKS] {
            if let Some(list) = filter.and_then(|filter| filter.get(key)).filter(Value::is_array) {
                let unwanted = |text: Value<'_>| text.as_str().is_none_or(|text| !is_own(key, &text));
                replacements.extend(without_elements(list, unwanted));
            }
        }
        replacements.sort_by_key(|replacement| replacement.span.start);
        splice(request.bytes(), &replacements)
    }
}

/// What a subscription lists under a key.
fn listed(request: &Message, key: &str) -> Vec<String> {
    let filter = request.params().and_then(|params| params.get("notifications"));
    let listed = filter.and_then(|filter| filter.get(key)).into_iter().flat_map(|list| list.elements());
    listed.filter_map(|text| text.as_str().map(std::borrow::Cow::into_owned)).collect()
}

/// The operation of listening, without a request.
fn listening_to(visit: &Visit<'_>) -> Operation {
    Operation {
        protocol: Protocol::Mcp,
        action: Action::Method(LISTEN.into()),
        method: None,
        wire: Bytes::new(),
        record: None,
        sql: None,
        members: Members::NONE,
        arguments: None,
        annotations: None,
        address: Some(visit.caller.address()),
        trace: None,
    }
}

fn changes(receiver: watch::Receiver<()>) -> BoxStream<'static, Heard> {
    unfold(receiver, |mut receiver| async move { receiver.changed().await.ok().map(|()| (Heard::Changed, receiver)) })
        .boxed()
}

fn parts(answers: Answers) -> BoxStream<'static, Heard> {
    unfold(answers, |mut answers| async move { answers.next().await.map(|answer| (Heard::Part(answer), answers)) })
        .boxed()
}

/// Whether a target acknowledges a subscription: the endpoint has done so for all of them.
fn is_acknowledgement(part: &Bytes) -> bool {
    let part = Message::parse(part.clone(), Sender::Server, &vidimus_core::json::Limits::default());
    part.is_ok_and(|part| part.method() == Some(Method::Acknowledged))
}
