//! The handshake of a session (MCP 2025-11-25, "Lifecycle"): `initialize` opens one in the gate, and at the target.
//!
//! A server may say something before it answers, or ping, so the answer may be a stream, whose head has the session id.
//! A handshake that comes to nothing leaves no session, at which point ever it fails.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::oneshot;
use vidimus_core::event::Status;
use vidimus_core::{Action, ErrorKind, Operation, Protocol};
use vidimus_gate::{Admitted, Answer, Answers, Notice, Verdict};

use super::asked::expected;
use super::{Adapter, Visit, claimed, close, withheld};
use crate::answer::{DENIED, Reply, denied_as_asked, pending, told};
use crate::call::Call;
use crate::envelope::{Message, Method, code};
use crate::headers::SESSION_ID;
use crate::sessions::McpSession;
use crate::{exchange, initialize, members};

impl Adapter {
    /// Opens a session.
    pub(super) async fn initialize(
        &self,
        visit: &Visit<'_>,
        headers: &HeaderMap,
        message: Message,
    ) -> Result<Reply, Reply> {
        let id = message.id().cloned();
        let rejected = |status, reason, text: String| {
            let (id, message) = (id.clone(), &message);
            async move {
                let denied = self.reject(visit, ErrorKind::Malformed, reason, &text, message.bytes()).await;
                told(status, id.as_ref(), code::INVALID_PARAMS, &denied)
            }
        };
        if headers.contains_key(&SESSION_ID) {
            let text = "initialize starts a session; send it without Mcp-Session-Id".into();
            return Err(rejected(StatusCode::BAD_REQUEST, "initialize_in_session", text).await);
        }
        let hello = match initialize::client_hello(&message, &[initialize::TASKS]) {
            Ok(hello) => hello,
            Err(error) => return Err(rejected(StatusCode::BAD_REQUEST, "initialize", error.to_string()).await),
        };
        if !self.0.sessions.has_room() {
            let text = "too many sessions are open; try again later".into();
            return Err(rejected(StatusCode::SERVICE_UNAVAILABLE, "sessions", text).await);
        }
        let caller = visit.caller.clone().claiming(claimed(&hello.client));
        if visit.target.is_endpoint() {
            let revision = hello.revision.unwrap_or(initialize::Revision::LATEST);
            return Box::pin(self.welcome(visit, caller, &message, revision)).await;
        }
        let opened = self.0.gate.open(caller, Arc::clone(&visit.target.spec)).await;
        let gate = opened.map_err(|denied| told(StatusCode::FORBIDDEN, id.as_ref(), DENIED, &denied))?;
        let session = Arc::new(McpSession::new(gate, Arc::clone(visit.target), false));
        let wire = match initialize::client_hello(&message, &withheld(&session.gate)) {
            Ok(hello) => hello.wire,
            Err(error) => {
                close(vec![session], "policy").await;
                return Err(rejected(StatusCode::BAD_REQUEST, "initialize", error.to_string()).await);
            }
        };
        let call = Call::legacy(&session, expected(&message));
        let operation = Operation {
            protocol: Protocol::Mcp,
            action: Action::Method("initialize".into()),
            method: None,
            wire,
            record: None,
            sql: None,
            members: members::of_request(Method::Initialize),
            arguments: None,
            annotations: None,
            address: Some(visit.caller.address()),
            trace: message.traceparent(),
        };
        let (ended, end) = oneshot::channel();
        let mut answers = match session.gate.submit(operation).await {
            Verdict::Admitted(admitted) => shake_hands(admitted, &session, call, ended),
            Verdict::Denied(denied) => {
                close(vec![Arc::clone(&session)], "policy").await;
                return Err(denied_as_asked(&message, &denied, false));
            }
            Verdict::Held(held) => {
                close(vec![Arc::clone(&session)], "policy").await;
                return Err(pending(&message, &held, false));
            }
        };
        let begun = match answers.next().await {
            Some(Answer::Last { status: Status::Ok, released }) => Ok(Reply::json(StatusCode::OK, released)),
            // A server may say something before it answers, or ping: the client needs its session to answer that.
            Some(Answer::Chunk(first)) => Ok(Reply::stream(Some(first), answers)),
            Some(Answer::Opened) => Ok(Reply::stream(None, answers)),
            Some(Answer::Last { released, .. }) => Err(Reply::json(StatusCode::BAD_GATEWAY, released)),
            Some(Answer::Unrecorded) => {
                Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::EvidenceUnavailable))
            }
            None => Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::CutOff)),
        };
        let entered = if begun.is_ok() { self.0.sessions.enter(Arc::clone(&session)) } else { None };
        let Some((id, header)) = entered.and_then(|id| HeaderValue::from_str(&id).ok().map(|header| (id, header)))
        else {
            close(vec![session], "upstream").await;
            return begun.and(Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::Failed)));
        };
        self.0.requests.spawn(self.clone().keep_if_agreed(id, session, end));
        begun.map(|reply| Reply { session: Some(header), ..reply })
    }

    /// Ends a session, of which the client has the id already, if its handshake comes to nothing.
    async fn keep_if_agreed(self, id: String, session: Arc<McpSession>, handshake: oneshot::Receiver<()>) {
        // An error says that it was cut off.
        drop(handshake.await);
        if session.version.get().is_none() && self.0.sessions.remove(&id).is_some() {
            close(vec![session], "upstream").await;
        }
    }
}

/// Starts the exchange in a task of the gate; `ended` is dropped when it is over.
fn shake_hands(admitted: Admitted, session: &Arc<McpSession>, call: Call, ended: oneshot::Sender<()>) -> Answers {
    let session = Arc::clone(session);
    admitted.resumable().run(move |wire, flight| async move {
        exchange::exchange(session, call, wire, flight).await;
        drop(ended);
    })
}
