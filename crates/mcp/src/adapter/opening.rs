//! The sessions of a client of the endpoint for all targets, at each target it uses: opened at the first need, once.
//!
//! Each is a session in the gate like any other, decided and recorded for its target. Towards the target it speaks the
//! era that the target speaks, and where both speak it the client's. A target that does not answer is waited for within a
//! bound and not by every request: it is read in the background until it is back. Cancel safety: a session is opened in a
//! task of its own, and closed if its client's has ended meanwhile.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;
use vidimus_core::event::Status;
use vidimus_core::json::Limits;
use vidimus_core::{Action, TargetName};
use vidimus_gate::{Answer, Answers, Caller, Denied};

use super::stateless::Begun;
use super::{Adapter, Visit, claimed, close, withheld};
use crate::envelope::{EnvelopeError, Id, Message, MessageKind, Method, Sender, code};
use crate::federation::{self, Introduction};
use crate::sessions::{Blame, Front, McpSession};
use crate::target::Target;
use crate::{initialize, modern, reply};

/// How long the handshake with a target may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a target may take to take the notice that a request is taken back.
const TELL_TIMEOUT: Duration = Duration::from_secs(2);

/// A client at the endpoint, with what the tasks of its requests need.
#[derive(Clone)]
pub(super) struct Guest {
    pub(super) adapter: Adapter,
    pub(super) caller: Caller,
    /// Its session there.
    pub(super) session: Arc<McpSession>,
    pub(super) client: Introduction,
    pub(super) gone: CancellationToken,
}

/// Why there is no session at a target.
pub(super) enum NoSession {
    /// Policy, or a limit.
    Refused(Denied),
    /// It does not answer.
    Absent,
    /// It answers, and agrees to no session with this client.
    Declined,
    /// The client's own session has ended.
    Ended,
}

/// What a target says to a handshake.
enum Greeting {
    /// It agrees to this session.
    Agreed(Arc<McpSession>),
    /// It answers otherwise: it may not speak this era.
    Other,
    /// This client may not: the target or policy says so.
    Refused,
    /// Nothing.
    Silent,
}

impl Guest {
    /// The client of a session at the endpoint, which says who it is in each `message` in the era that has that.
    pub(super) fn new(
        adapter: &Adapter,
        visit: &Visit<'_>,
        session: &Arc<McpSession>,
        message: Option<&Message>,
    ) -> Self {
        let introduction = session.front().and_then(|front| read(front.introduction.clone()).ok());
        let client = match message.filter(|_| session.is_modern) {
            Some(message) => Introduction::of_modern(message),
            None => Introduction::of_legacy(introduction.as_ref()),
        };
        let caller = visit.caller.clone().claiming(claimed(client.client()));
        let (adapter, session, gone) = (adapter.clone(), Arc::clone(session), visit.gone.clone());
        Self { adapter, caller, session, client, gone }
    }

    pub(super) fn front(&self) -> Option<&Front> {
        self.session.front()
    }

    /// Where a message to a target goes.
    pub(super) fn visit<'a>(&'a self, session: &'a Arc<McpSession>) -> Visit<'a> {
        Visit { caller: &self.caller, target: &session.target, session: Some(session), gone: &self.gone }
    }

    /// Whether the client may do this at a target, as far as that is known before it is asked for. Its token has to have
    /// the scopes of the target here as there.
    pub(super) fn may_at(&self, target: &TargetName, action: &Action) -> bool {
        self.has_scopes(target) && self.session.gate.may_at(target, action, Some(self.caller.address()))
    }

    pub(super) fn has_scopes(&self, target: &TargetName) -> bool {
        !self.caller.lacks(self.adapter.0.resources.scopes_of(target))
    }

    /// Its sessions at targets, of those that this token has the scopes of: one client may come with several tokens.
    pub(super) fn open_sessions(&self) -> Vec<Arc<McpSession>> {
        let mut open = self.front().map(Front::open).unwrap_or_default();
        open.retain(|session| self.has_scopes(&session.target.spec.name));
        open
    }

    /// A target, if the client may know of it.
    pub(super) fn target(&self, name: &TargetName) -> Option<&Arc<Target>> {
        self.adapter.0.targets.get(name).filter(|_| self.may_at(name, &Action::Connect))
    }

    /// The targets that the client may know of, by their names.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.adapter.0.targets.values().filter(|target| self.may_at(&target.spec.name, &Action::Connect))
    }

    /// Which targets the client may know of, and which of them answer.
    pub(super) fn available(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for target in self.targets() {
            (target.spec.name.as_str(), target.tools.is_down()).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The client's session at a target, opened if need be.
    pub(super) async fn session_at(&self, target: &Arc<Target>) -> Result<Arc<McpSession>, NoSession> {
        let Some(front) = self.front() else { return Err(NoSession::Ended) };
        if !self.has_scopes(&target.spec.name) {
            return Err(NoSession::Absent);
        }
        let known = front.place(&target.spec.name).get().map(Arc::clone);
        if let Some(known) = known {
            let over = known.gate.end_due().filter(|reason| *reason == "grant");
            if !known.is_lost() && over.is_none() {
                return Ok(known);
            }
            front.forget(&known);
            close(vec![known], over.unwrap_or("upstream")).await;
        }
        let (guest, target, place) = (self.clone(), Arc::clone(target), front.place(&target.spec.name));
        let opening = self.adapter.0.requests.spawn(async move {
            let opened = place.get_or_try_init(|| Box::pin(guest.open(&target))).await?;
            if guest.front().is_some_and(Front::entered) {
                return Ok(Arc::clone(opened));
            }
            close(vec![Arc::clone(opened)], "client").await;
            Err(NoSession::Ended)
        });
        opening.await.unwrap_or(Err(NoSession::Absent))
    }

    async fn open(&self, target: &Arc<Target>) -> Result<Arc<McpSession>, NoSession> {
        if target.tools.is_down() {
            // Nobody waits in line for what is down: it is looked at beside.
            target.tools.refresh();
            return Err(NoSession::Absent);
        }
        // Which era it speaks is known when it was read once.
        let known = target.tools.get(&self.gone, || self.session.gate.undecided());
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, known).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(NoSession::Absent),
            Err(_) => {
                target.tools.miss();
                return Err(NoSession::Absent);
            }
        }
        let (own, read_in) = (self.session.is_modern, target.is_modern());
        let mut speaks = None;
        if own != read_in && target.eras.speaks(own) != Some(false) {
            // It may speak both eras: then the client's.
            match self.begin(target, own).await? {
                Greeting::Agreed(session) => {
                    target.eras.learn(own, true);
                    return Ok(session);
                }
                Greeting::Other | Greeting::Silent => speaks = Some(false),
                // That says nothing of other clients.
                Greeting::Refused => {}
            }
        }
        match self.begin(target, read_in).await? {
            Greeting::Agreed(session) => {
                if let Some(speaks) = speaks {
                    target.eras.learn(own, speaks);
                }
                Ok(session)
            }
            Greeting::Other | Greeting::Refused => Err(NoSession::Declined),
            Greeting::Silent => {
                target.missed();
                Err(NoSession::Absent)
            }
        }
    }

    /// A session in which an era is spoken, if the target agrees to it.
    async fn begin(&self, target: &Arc<Target>, is_modern: bool) -> Result<Greeting, NoSession> {
        let session = self.enter(target, is_modern).await?;
        // What was read in this era need not be asked for it.
        if is_modern && target.is_modern() {
            return Ok(Greeting::Agreed(session));
        }
        let begun =
            async { if session.is_modern { self.discover(&session).await } else { self.shake_hands(&session).await } };
        let begun = tokio::time::timeout(HANDSHAKE_TIMEOUT, begun).await.unwrap_or(Err(Greeting::Silent));
        let Err(why) = begun else { return Ok(Greeting::Agreed(session)) };
        close(vec![session], "upstream").await;
        Ok(why)
    }

    /// Asks in a handshake; what came of it if that is no result.
    async fn greet(&self, session: &Arc<McpSession>, message: Bytes) -> Result<Bytes, Greeting> {
        match self.ask(session, message).await {
            Some((Status::Ok, answer)) => Ok(answer),
            Some((Status::Error, _)) => Err(Greeting::Other),
            Some((Status::Upstream | Status::Timeout, _)) => Err(match session.blame() {
                Some(Blame::Target) => Greeting::Silent,
                Some(Blame::Caller) => Greeting::Refused,
                Some(Blame::Message) | None => Greeting::Other,
            }),
            _ => Err(Greeting::Refused),
        }
    }

    async fn discover(&self, session: &Arc<McpSession>) -> Result<(), Greeting> {
        let asked = reply::request(&session.own_id(), "server/discover", b"{}");
        let answer = self.greet(session, asked).await?;
        let answer = Message::parse(answer, Sender::Server, &Limits::default());
        if answer.is_ok_and(|answer| modern::is_offered(&answer)) { Ok(()) } else { Err(Greeting::Other) }
    }

    async fn enter(&self, target: &Arc<Target>, is_modern: bool) -> Result<Arc<McpSession>, NoSession> {
        let (caller, spec) = (self.caller.clone(), Arc::clone(&target.spec));
        let opened = self.adapter.0.gate.open_beside(caller, spec, &self.session.gate).await;
        let gate = opened.map_err(NoSession::Refused)?;
        Ok(Arc::new(McpSession::beside(gate, Arc::clone(target), is_modern, self.session.is_modern)))
    }

    async fn shake_hands(&self, session: &Arc<McpSession>) -> Result<(), Greeting> {
        let hello = self.hello(session).ok_or(Greeting::Refused)?;
        self.greet(session, hello).await?;
        if session.version.get().is_none() {
            return Err(Greeting::Other);
        }
        self.greet(session, initialize::initialized()).await?;
        if let Some(level) = self.front().and_then(Front::level).and_then(|level| read(level).ok())
            && let Ok(level) = federation::with_id(&level, &session.own_id())
        {
            // Whether it takes it changes nothing.
            self.ask(session, level).await;
        }
        Ok(())
    }

    /// The `initialize` of the client for a target.
    fn hello(&self, session: &Arc<McpSession>) -> Option<Bytes> {
        let id = session.own_id();
        let introduction = self.front().map(|front| &front.introduction).filter(|own| !own.is_empty());
        let hello = match introduction {
            Some(own) => federation::with_id(&read(own.clone()).ok()?, &id).ok()?,
            None => self.client.initialize(&id),
        };
        Some(initialize::client_hello(&read(hello).ok()?, &withheld(&session.gate)).ok()?.wire)
    }

    /// Sends a message of the legacy era that the gateway makes for the client; how it ended, and what the client may be
    /// shown of it. None when it was refused, or given up. Whoever drops this has taken the request back, and the target
    /// is told.
    pub(super) async fn ask(&self, session: &Arc<McpSession>, message: Bytes) -> Option<(Status, Bytes)> {
        let message = read(message).ok()?;
        // "The initialize request MUST NOT be cancelled by clients" (MCP 2025-11-25, "Cancellation").
        let id = message.id().filter(|_| message.method() != Some(Method::Initialize)).cloned();
        let mut waiting = Waiting { guest: self, session, id };
        let mut answers = self.sent(session, &message).await;
        while let Some(answer) = match &mut answers {
            Some(answers) => answers.next().await,
            None => None,
        } {
            match answer {
                Answer::Last { status, released } => {
                    waiting.id = None;
                    return Some((status, released.as_bytes().clone()));
                }
                Answer::Chunk(released) => self.attend(session, released.as_bytes()).await,
                Answer::Opened | Answer::Unrecorded => {}
            }
        }
        waiting.id = None;
        None
    }

    /// Answers what a target asks before it answers what the gateway asks for the client: pings, and that it can ask for
    /// nothing else now. The client does not know of the request, so it would not know what it is asked for.
    async fn attend(&self, session: &Arc<McpSession>, part: &Bytes) {
        let Ok(part) = Message::parse(part.clone(), Sender::Server, &Limits::default()) else { return };
        let MessageKind::Request { id, method } = part.kind() else { return };
        let answer = match method {
            Method::Ping => federation::done(id),
            _ => reply::error(Some(id), code::METHOD_NOT_FOUND, "the client can be asked nothing here", None),
        };
        let Ok(answer) = read(answer) else { return };
        if let Some((_, answer)) = federation::inwards(&answer)
            && let Ok(answer) = read(answer)
        {
            drop(self.adapter.answered(&self.visit(session), session, &answer).await);
        }
    }

    async fn sent(&self, session: &Arc<McpSession>, message: &Message) -> Option<Answers> {
        // The client's own request was counted.
        let caller = self.caller.clone().uncounted();
        let visit = Visit { caller: &caller, ..self.visit(session) };
        if !session.is_modern {
            // Its id is the only one already.
            return self.adapter.begun_within(&visit, session, message, (None, Vec::new())).await.ok();
        }
        let message = read(federation::to_modern(message, &self.client).ok()?).ok()?;
        let MessageKind::Request { id, method } = message.kind() else { return None };
        let headers = modern::head(&message, &HeaderMap::new());
        match self.adapter.begun(&visit, session, &headers, (&message, id, *method)).await {
            Ok(Begun::Sent(answers, _)) => Some(answers),
            Ok(Begun::Denied(_)) | Err(_) => None,
        }
    }

    /// Takes back a request that the gateway made for the client.
    async fn take_back(self, session: Arc<McpSession>, id: Id) {
        if session.is_modern {
            return;
        }
        let Ok(notice) = read(reply::cancelled(&id)) else { return };
        let visit = self.visit(&session);
        let told = async {
            let answers = self.adapter.begun_within(&visit, &session, &notice, (None, Vec::new())).await;
            if let Ok(mut answers) = answers {
                while answers.next().await.is_some() {}
            }
        };
        drop(tokio::time::timeout(TELL_TIMEOUT, told).await);
    }

    /// The headers of a request of the modern era whose client knows nothing of headers.
    pub(super) fn headers(session: &McpSession, message: &Message) -> HeaderMap {
        let mut headers = modern::head(message, &HeaderMap::new());
        let tools = session.target.tools.known();
        let tool = message.tool_name().and_then(|name| tools.as_ref()?.get(&name));
        if let (Some(Method::CallTool), Some(tool)) = (message.method(), tool) {
            headers.extend(modern::argument_headers(message, &tool.input_schema));
        }
        headers
    }
}

/// A request that the gateway makes for a client; dropped with its id in place, it is taken back.
struct Waiting<'a> {
    guest: &'a Guest,
    session: &'a Arc<McpSession>,
    id: Option<Id>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        self.session.cancel(&id);
        let (guest, session) = (self.guest.clone(), Arc::clone(self.session));
        let requests = self.guest.adapter.0.requests.clone();
        requests.spawn(guest.take_back(session, id));
    }
}

/// Reads a message that was read before, or that the gateway made.
pub(super) fn read(message: Bytes) -> Result<Message, EnvelopeError> {
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    Message::parse(message, Sender::Client, &limits)
}
