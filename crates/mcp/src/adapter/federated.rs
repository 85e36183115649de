//! The endpoint for all targets: which target a request is for, and answers that are made of several (MCP 2025-11-25 and
//! 2026-07-28).
//!
//! What is for one target goes through the client's session there, as if it had come by the target's own path: the same
//! decision, the same record, the same masking. What is for all of them is an operation of the endpoint, made of what those
//! sessions release. Refused: names of no target that the caller may know of, in the same words as unknown ones.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode};
use vidimus_core::event::Status;
use vidimus_core::json::splice;
use vidimus_core::{Action, ErrorKind, Operation, Protocol, TargetName};
use vidimus_gate::{Caller, Notice, Outcome, Rejection, Verdict};

use super::opening::{Guest, NoSession, read};
use super::stateless::{Begun, until_gone};
use super::{Adapter, Visit, close, unspliced};
use crate::answer::{DENIED, Reply, denied_as_asked, pending, relayed, told};
use crate::envelope::{Class, ListKind, Message, MessageKind, Method, code};
use crate::exchange::{in_use, taken_back};
use crate::federation::{self, Merged, Welcome};
use crate::initialize::Revision;
use crate::sessions::{Blame, McpSession};
use crate::target::Target;
use crate::{cursors, lists, members, modern, offline};

/// How long a list waits for one of its targets.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// Targets that are asked for one list at once.
const ASKED_AT_ONCE: usize = 64;

/// A list, and where it goes on at each target; none for a list from its beginning.
type Wanted = (ListKind, Option<Vec<(TargetName, String)>>);

impl Adapter {
    /// Opens a session at the endpoint, of a client of the legacy era.
    pub(super) async fn welcome(
        &self,
        visit: &Visit<'_>,
        caller: Caller,
        message: &Message,
        revision: Revision,
    ) -> Result<Reply, Reply> {
        let opened = self.0.gate.open_endpoint(caller, Arc::clone(&visit.target.spec)).await;
        let gate = opened.map_err(|denied| told(StatusCode::FORBIDDEN, message.id(), DENIED, &denied))?;
        let endpoint = Arc::clone(visit.target);
        let session = Arc::new(McpSession::front_of(gate, endpoint, false, message.bytes().clone()));
        // Set once: the session is new.
        let _ = session.version.set(revision);
        let inside = Visit { session: Some(&session), ..*visit };
        let reply = Guest::new(self, &inside, &session, Some(message)).own(&inside, message, None).await;
        let entered = if reply.is_ok() { self.0.sessions.enter(Arc::clone(&session)) } else { None };
        let Some(header) = entered.and_then(|id| HeaderValue::from_str(&id).ok()) else {
            close(vec![session], "client").await;
            return reply.and(Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::Failed)));
        };
        reply.map(|reply| Reply { session: Some(header), ..reply })
    }

    /// Answers a message in a session at the endpoint.
    pub(super) async fn at_endpoint(
        &self,
        visit: &Visit<'_>,
        session: &Arc<McpSession>,
        headers: &HeaderMap,
        message: &Message,
    ) -> Result<Reply, Reply> {
        let guest = Guest::new(self, visit, session, Some(message));
        let Some(method) = message.method() else { return guest.answered(visit, message).await };
        let is_offered = if session.is_modern { method.is_modern() } else { method.is_legacy() };
        if !is_offered || method == Method::Initialize {
            return Err(self.not_offered(visit, message).await);
        }
        match (method, method.class()) {
            (Method::CallTool | Method::GetPrompt, _) => guest.named(visit, headers, message).await,
            (Method::Complete, _) if federation::uri_in(message).is_none() => {
                guest.named(visit, headers, message).await
            }
            (Method::Complete | Method::ReadResource | Method::Subscribe | Method::Unsubscribe, _) => {
                guest.located(visit, headers, message).await
            }
            (Method::GetTask | Method::CancelTask | Method::UpdateTask, _) => {
                guest.of_task(visit, headers, message).await
            }
            (Method::Cancelled, _) => guest.cancelled(visit, message).await,
            (_, Class::List(kind)) => {
                let from = guest.from(visit, message, kind).await?;
                guest.own(visit, message, Some((kind, from))).await
            }
            (Method::ListenSubscriptions, _) => guest.subscribed(visit, message).await,
            _ => guest.own(visit, message, None).await,
        }
    }
}

impl Guest {
    /// What names a tool or prompt, and with it its target.
    async fn named(&self, visit: &Visit<'_>, headers: &HeaderMap, message: &Message) -> Result<Reply, Reply> {
        let Some((span, name)) = federation::name_in(message) else {
            return Err(self.adapter.not_offered(visit, message).await);
        };
        let found = federation::split(&name).and_then(|(target, own)| Some((self.target(&target)?, own)));
        let Some((target, own)) = found else {
            if message.method() == Some(Method::CallTool) {
                return Err(self.adapter.unknown_tool(&self.session, message, (&name, &name)).await);
            }
            let text = "there is no such prompt; its name begins with the name of its server and `_`";
            return Err(self
                .refuse(message, (ErrorKind::NotFound, "unknown_prompt"), code::INVALID_PARAMS, text)
                .await);
        };
        let renamed = splice(message.bytes(), &[federation::put(span, own)]).map_err(|error| unspliced(&error))?;
        self.through(visit, headers, target, renamed).await
    }

    /// What is about a task: of the session that made it.
    async fn of_task(&self, visit: &Visit<'_>, headers: &HeaderMap, message: &Message) -> Result<Reply, Reply> {
        let task = message.task_id().unwrap_or_default();
        let open = self.open_sessions();
        let mut of: Vec<_> = open.into_iter().filter(|session| session.task(&task).is_some()).collect();
        // Two targets gave tasks one id: neither is guessed at.
        if let (Some(session), true) = (of.pop(), of.is_empty()) {
            return self.through(visit, headers, &session.target, message.bytes().clone()).await;
        }
        let text = "the task is unknown";
        Err(self.refuse(message, (ErrorKind::NotFound, "unknown_task"), code::INVALID_PARAMS, text).await)
    }

    /// Sends a request to its target, in the words that it has there.
    pub(super) async fn through(
        &self,
        visit: &Visit<'_>,
        headers: &HeaderMap,
        target: &Arc<Target>,
        request: Bytes,
    ) -> Result<Reply, Reply> {
        let message = match read(request) {
            Ok(message) => message,
            Err(error) => return Err(self.adapter.malformed(visit, headers, &error, &[]).await),
        };
        let session = match self.session_at(target).await {
            Ok(session) => session,
            Err(NoSession::Refused(denied)) => return Err(denied_as_asked(&message, &denied, self.session.is_modern)),
            Err(NoSession::Absent) => {
                let text = format!("the server `{}` does not answer now", target.spec.name);
                let why = (ErrorKind::Upstream, "unavailable");
                return Err(self.refuse(&message, why, code::INTERNAL_ERROR, &text).await);
            }
            Err(NoSession::Declined) => {
                let text = format!("the server `{}` refuses the session that this request needs", target.spec.name);
                let why = (ErrorKind::Upstream, "declined");
                return Err(self.refuse(&message, why, code::INTERNAL_ERROR, &text).await);
            }
            Err(NoSession::Ended) => return Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::CutOff)),
        };
        let inside = self.visit(&session);
        if !session.is_modern {
            let message = if session.is_bridged() { translated(federation::to_legacy(&message))? } else { message };
            return self.adapter.within(&inside, &session, &message).await;
        }
        let (headers, message) = if session.is_bridged() {
            let message = translated(federation::to_modern(&message, &self.client))?;
            (Self::headers(&session, &message), message)
        } else {
            (modern::renamed(headers, &message), message)
        };
        let MessageKind::Request { id, method } = message.kind() else {
            return Err(self.adapter.not_offered(&inside, &message).await);
        };
        if !method.is_modern() {
            return Err(self.adapter.not_offered(&inside, &message).await);
        }
        match self.adapter.begun(&inside, &session, &headers, (&message, id, *method)).await? {
            Begun::Sent(answers, status) if self.session.is_modern => {
                until_gone(&inside, &session, &message, (answers, status)).await
            }
            Begun::Sent(answers, status) => relayed(&session, &message, answers, &status).await,
            Begun::Denied(denied) => Err(denied_as_asked(&message, &denied, self.session.is_modern)),
        }
    }

    /// The client takes a request back: one of the endpoint's own, or one that runs at a target.
    async fn cancelled(&self, visit: &Visit<'_>, message: &Message) -> Result<Reply, Reply> {
        let Some(id) = message.cancelled_request() else { return Err(self.adapter.not_offered(visit, message).await) };
        let open = self.open_sessions();
        if let Some(session) = open.iter().find(|session| session.is_running(&id)) {
            if !session.is_modern {
                return self.adapter.within(&self.visit(session), session, message).await;
            }
            session.cancel(&id);
        }
        self.session.cancel(&id);
        self.own(visit, message, None).await
    }

    /// The client's answer to what a target asked.
    async fn answered(&self, visit: &Visit<'_>, message: &Message) -> Result<Reply, Reply> {
        let found = federation::inwards(message).and_then(|(target, answer)| {
            let open = self.open_sessions();
            let session = open.into_iter().find(|session| session.target.spec.name == target)?;
            Some((session, read(answer).ok()?))
        });
        let Some((session, answer)) = found else { return Err(self.adapter.not_offered(visit, message).await) };
        self.adapter.answered(&self.visit(&session), &session, &answer).await
    }

    /// Where a list goes on, by the cursor that the client brings.
    async fn from(
        &self,
        visit: &Visit<'_>,
        message: &Message,
        kind: ListKind,
    ) -> Result<Option<Vec<(TargetName, String)>>, Reply> {
        match cursors::opened_for_all(&self.session, kind, message) {
            Ok(from) => Ok(from),
            Err(cursors::Foreign) => Err(self.adapter.foreign_cursor(visit, message).await),
        }
    }

    /// Answers what is for no target alone, as an operation of the endpoint.
    pub(super) async fn own(
        &self,
        visit: &Visit<'_>,
        message: &Message,
        wanted: Option<Wanted>,
    ) -> Result<Reply, Reply> {
        let Some(method) = message.method() else { return Err(self.adapter.not_offered(visit, message).await) };
        let operation = Operation {
            protocol: Protocol::Mcp,
            action: Action::Method(message.method_name().into()),
            method: None,
            wire: message.bytes().clone(),
            record: None,
            sql: None,
            members: members::of_request(method),
            arguments: None,
            annotations: None,
            address: Some(visit.caller.address()),
            trace: message.traceparent(),
        };
        let admitted = match self.session.gate.submit(operation).await {
            Verdict::Admitted(admitted) => admitted,
            Verdict::Denied(denied) => return Err(denied_as_asked(message, &denied, self.session.is_modern)),
            Verdict::Held(held) => return Err(pending(message, &held, self.session.is_modern)),
        };
        let (guest, asked) = (self.clone(), message.clone());
        let answers = admitted.run(move |_, flight| async move {
            let outcome = Box::pin(guest.outcome(&asked, method, wanted)).await;
            flight.finish(outcome, |_| Bytes::new()).await;
        });
        relayed(&self.session, message, answers, &OnceLock::new()).await
    }

    async fn outcome(&self, message: &Message, method: Method, wanted: Option<Wanted>) -> Outcome {
        let Some(id) = message.id() else {
            if method == Method::RootsChanged {
                self.tell_all(message).await;
            }
            return Outcome::silent(Status::Ok);
        };
        let Some(running) = self.session.run(id) else { return in_use(id) };
        let body = tokio::select! {
            body = self.answer(message, method, wanted) => body,
            () = running.cancelled.cancelled() => return taken_back(id),
        };
        Outcome { status: Status::Ok, body, members: members::OWN, schema: None }
    }

    async fn answer(&self, message: &Message, method: Method, wanted: Option<Wanted>) -> Bytes {
        let Some(id) = message.id() else { return Bytes::new() };
        if let Some(wanted) = wanted {
            let kind = wanted.0;
            if let (Some(front), None) = (self.front(), &wanted.1) {
                front.show(self.available());
            }
            let merged = self.gathered(wanted).await;
            let cursor = cursors::sealed_for_all(&self.session, kind, &merged.next);
            return merged.into_answer(id, cursor.as_deref(), self.session.is_modern);
        }
        match method {
            Method::Initialize => {
                let revision = self.session.version.get().copied().unwrap_or(Revision::LATEST);
                self.introduction().initialized(id, revision.name())
            }
            Method::Discover => self.introduction().discovered(id, modern::REVISION),
            Method::SetLevel => {
                if let Some(front) = self.front() {
                    front.set_level(message.bytes().clone());
                }
                self.tell_all(message).await;
                federation::done(id)
            }
            _ => federation::done(id),
        }
    }

    /// What the endpoint says of itself to this client.
    fn introduction(&self) -> Welcome {
        let known: Vec<_> = self.targets().map(|target| (target, target.tools.about())).collect();
        Welcome::of(known.iter().map(|(target, about)| (&target.spec.name, about.as_deref(), target.tools.is_down())))
    }

    /// Tells the targets at which the client has sessions, those of its own era.
    async fn tell_all(&self, message: &Message) {
        let open = self.open_sessions();
        let tell = |session: Arc<McpSession>| async move {
            let own = federation::with_id(message, &session.own_id());
            if let Ok(own) = own {
                drop(tokio::time::timeout(LIST_TIMEOUT, self.ask(&session, own)).await);
            }
        };
        let of_its_era = open.into_iter().filter(|session| !session.is_modern && !session.is_bridged());
        futures_util::stream::iter(of_its_era).for_each_concurrent(ASKED_AT_ONCE, tell).await;
    }

    /// The pages of a list, of all targets that the client may know of and that answer.
    pub(super) async fn gathered(&self, (kind, from): Wanted) -> Merged {
        let is_whole = from.is_none();
        let from: Vec<(Arc<Target>, Option<String>)> = match from {
            None => self.targets().map(|target| (Arc::clone(target), None)).collect(),
            Some(from) => from
                .into_iter()
                .filter_map(|(target, cursor)| Some((Arc::clone(self.target(&target)?), Some(cursor))))
                .collect(),
        };
        let pages = futures_util::stream::iter(from)
            .map(|(target, cursor)| async move {
                let page = self.page(&target, kind, cursor.as_deref()).await;
                (target, page)
            })
            .buffered(ASKED_AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let mut merged = Merged::new(kind);
        // Decided once for all that is listed: a page may have thousands of elements.
        let shown: Vec<_> = self.targets().collect();
        for (target, page) in &pages {
            let name = &target.spec.name;
            match page {
                Page::Of(page) => {
                    self.remember(name, kind, page);
                    let before = || shown.iter().take_while(|before| before.spec.name != *name);
                    let is_shadowed = |uri: &str| self.is_shadowed(before(), uri);
                    if let Err(error) = merged.add(name, page, is_shadowed) {
                        tracing::warn!(target = %name, %error, "a target is missing from a list of all targets");
                        merged.lacks(name);
                    }
                }
                Page::None => {}
                Page::Unavailable => {
                    if let Some(accepted) = self.accepted(target, kind).filter(|_| is_whole)
                        && let Err(error) = merged.add(name, &accepted, |_| false)
                    {
                        tracing::error!(target = %name, %error, "what is accepted of a target is no list");
                    }
                    merged.lacks(name);
                }
            }
        }
        if merged.too_long() > 0 {
            let tools = merged.too_long();
            tracing::warn!(
                tools,
                "names are too long with their target's before them: not listed at the endpoint for all"
            );
        }
        merged
    }

    /// What is accepted of the tools of a target that does not answer, for this client.
    fn accepted(&self, target: &Target, kind: ListKind) -> Option<Bytes> {
        let name = &target.spec.name;
        if kind != ListKind::Tools || !self.has_scopes(name) {
            return None;
        }
        let (id, gate) = (self.session.own_id(), &self.session.gate);
        offline::list(target, &id, false, |tool| gate.may_see_at(name, tool))
    }

    /// One target's page of a list.
    async fn page(&self, target: &Arc<Target>, kind: ListKind, cursor: Option<&str>) -> Page {
        if target.tools.is_down() {
            target.tools.refresh();
            return Page::Unavailable;
        }
        let capability = match kind {
            ListKind::Tools => "tools",
            ListKind::Prompts => "prompts",
            ListKind::Resources | ListKind::ResourceTemplates => "resources",
        };
        if target.tools.about().is_some_and(|about| !about.capabilities.contains(&capability)) {
            return Page::None;
        }
        if let Ok(page) = tokio::time::timeout(LIST_TIMEOUT, self.listed(target, kind, cursor)).await {
            return page;
        }
        target.missed();
        Page::Unavailable
    }

    async fn listed(&self, target: &Arc<Target>, kind: ListKind, cursor: Option<&str>) -> Page {
        // Once more in a new session when the target has forgotten this one: it was started again.
        for _ in 0..2 {
            let session = match self.session_at(target).await {
                Ok(session) => session,
                Err(NoSession::Absent | NoSession::Declined) => return Page::Unavailable,
                Err(NoSession::Refused(_) | NoSession::Ended) => return Page::None,
            };
            match self.ask(&session, lists::request(&session.own_id(), kind, cursor)).await {
                Some((Status::Ok, page)) => return Page::Of(page),
                Some((Status::Upstream | Status::Timeout, _)) if !session.is_lost() => {
                    if session.blame() == Some(Blame::Target) {
                        target.missed();
                    }
                    return Page::Unavailable;
                }
                _ if session.is_lost() => {}
                _ => return Page::None,
            }
        }
        Page::Unavailable
    }

    /// Records what the endpoint refuses, and says so.
    pub(super) async fn refuse(
        &self,
        message: &Message,
        (kind, reason): (ErrorKind, &'static str),
        code: i32,
        text: &str,
    ) -> Reply {
        let action = Action::Method(message.method_name().into());
        let rejection = Rejection { kind, reason, message: text.to_owned(), action, received: message.bytes() };
        let denied = self.session.gate.reject(rejection).await;
        told(StatusCode::OK, message.id(), code, &denied)
    }
}

/// What came of asking one target for a list.
enum Page {
    /// A page, as it may be shown.
    Of(Bytes),
    /// It has no such list for this client.
    None,
    /// It does not answer.
    Unavailable,
}

/// A request in the words of another era.
fn translated(request: Result<Bytes, vidimus_core::json::SpliceError>) -> Result<Message, Reply> {
    let request = request.map_err(|error| unspliced(&error))?;
    // What the client says of one era in a request of the other has no meaning, and may be there twice then.
    read(request).map_err(|_| Reply::notice(StatusCode::BAD_REQUEST, Notice::Incomplete))
}
