//! Requests of the modern era (MCP 2026-07-28): each stands for itself, with its metadata and its headers.
//!
//! In order, each with its record: metadata and headers, the method, the session, the tool and the headers that repeat
//! its arguments, the state it brings back, the tasks it names. A session here is one principal's use of one target
//! with one client, until nothing is asked for a while; nothing of it is on the wire. A client that goes away has
//! cancelled its request.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use vidimus_core::json::{Replacement, without_members};
use vidimus_core::{Action, ErrorKind, Operation, Protocol, ToolDefinition};
use vidimus_gate::{Answers, Denied, Notice, Refusal, Rejection, Session, Verdict};

use super::asked::{action, is_continued, method_beside_action, progress};
use super::{Adapter, Visit, claimed, close, run, unspliced, withheld};
use crate::answer::{DENIED, Reply, denied_as_asked, pending, recorded, relayed, told};
use crate::call::{Call, Expected};
use crate::envelope::{Id, Message, MessageKind, Method, code};
use crate::headers::request_headers;
use crate::modern::{self, ModernError};
use crate::outcomes::bound_to;
use crate::sessions::McpSession;
use crate::waiting::{self, Patience};
use crate::{changed, members, reply};

/// What a request is refused with before it is submitted.
struct Problem {
    kind: ErrorKind,
    reason: &'static str,
    code: i32,
    text: &'static str,
}

/// What became of a request that was decided on.
pub(super) enum Begun {
    /// It was sent: what comes back, and the HTTP status that goes with it once that is known.
    Sent(Answers, Arc<OnceLock<StatusCode>>),
    /// It was denied.
    Denied(Denied),
}

/// The answer to a request, unless the client goes first: that cancels it.
pub(super) async fn until_gone(
    visit: &Visit<'_>,
    session: &McpSession,
    message: &Message,
    (answers, status): (Answers, Arc<OnceLock<StatusCode>>),
) -> Result<Reply, Reply> {
    tokio::select! {
        reply = relayed(session, message, answers, &status) => reply,
        // Dropping the answers cancels the call.
        () = visit.gone.cancelled() => Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::CutOff)),
    }
}

impl Adapter {
    /// Answers one request of the modern era.
    pub(super) async fn stateless(
        &self,
        outside: &Visit<'_>,
        headers: &HeaderMap,
        message: &Message,
    ) -> Result<Reply, Reply> {
        let client = match modern::check(headers, message) {
            Ok(client) => client,
            Err(error) => return Err(self.not_modern(outside, message, &error).await),
        };
        let MessageKind::Request { id, method } = message.kind() else {
            // "The client MUST NOT send JSON-RPC responses"; notifications have no use here.
            return Err(self.not_offered(outside, message).await);
        };
        if !method.is_modern() {
            let text = "Method not found";
            let denied = self.reject(outside, ErrorKind::Malformed, "unknown_method", text, message.bytes()).await;
            return Err(told(StatusCode::NOT_FOUND, Some(id), code::METHOD_NOT_FOUND, &denied));
        }
        let client = claimed(&client);
        let mut retried = false;
        loop {
            let session = self.stateless_session(outside, client.as_deref(), id).await?;
            let visit = Visit { session: Some(&session), ..*outside };
            if session.front().is_some() {
                return Box::pin(self.at_endpoint(&visit, &session, headers, message)).await;
            }
            match self.begun(&visit, &session, headers, (message, id, *method)).await? {
                Begun::Sent(answers, status) => return until_gone(&visit, &session, message, (answers, status)).await,
                // It ended between being found and being used: nothing of the request has passed.
                Begun::Denied(denied) if denied.refusal().reason == "session_closed" && !retried => retried = true,
                Begun::Denied(denied) => return Err(denied_as_asked(message, &denied, true)),
            }
        }
    }

    /// Decides on a request of the modern era, and sends it.
    pub(super) async fn begun(
        &self,
        visit: &Visit<'_>,
        session: &Arc<McpSession>,
        headers: &HeaderMap,
        (message, id, method): (&Message, &Id, Method),
    ) -> Result<Begun, Reply> {
        let (operation, call, patience) = self.prepared(visit, headers, message, (id, method)).await?;
        let admitted = if call.endless {
            session.gate.listen(operation, visit.caller).await
        } else {
            match session.gate.asked_by(visit.caller).submit(operation).await {
                Verdict::Admitted(admitted) => Ok(admitted),
                Verdict::Denied(denied) => Err(denied),
                Verdict::Held(held) => {
                    let status = Arc::clone(&call.status);
                    let waiting = waiting::wait(held, (session, message, call), patience, run);
                    let answers = waiting.map_err(|held| pending(message, &held, session.client_is_modern()))?;
                    return Ok(Begun::Sent(answers, status));
                }
            }
        };
        Ok(match admitted {
            Ok(admitted) => {
                let status = Arc::clone(&call.status);
                Begun::Sent(run(admitted, session, call), status)
            }
            Err(denied) => Begun::Denied(denied),
        })
    }

    /// Checks everything that policy does not; the operation to decide on, how to send it, and how to wait if it is held.
    async fn prepared(
        &self,
        visit: &Visit<'_>,
        headers: &HeaderMap,
        message: &Message,
        (id, method): (&Id, Method),
    ) -> Result<(Operation, Call, Patience), Reply> {
        let Some(session) = visit.session else { return Err(self.not_offered(visit, message).await) };
        let mut repeating = None;
        let annotations = match method {
            Method::CallTool => {
                let ToolDefinition { annotations, input_schema, .. } = self.tool(visit, session, message).await?;
                if let Err(error) = modern::check_arguments(headers, message, &input_schema) {
                    return Err(self.not_modern(visit, message, &error).await);
                }
                repeating = Some(input_schema).filter(|schema| modern::repeats_arguments(schema));
                Some(annotations)
            }
            Method::ListTools => {
                self.definitions(visit, session, message).await?;
                None
            }
            _ => None,
        };
        self.own_tasks(visit, session, message).await?;
        if method == Method::ListenSubscriptions {
            self.may_listen(visit, session, message).await?;
        }
        let name = modern::name(message).map(Box::<str>::from);
        let mut own = Vec::from_iter(self.cursor(visit, session, message, method).await?);
        let mut patience = match (session.client_is_modern(), message.is_continuation()) {
            (true, false) => Patience::Legs(1),
            // Its state must come back, and another would take its place.
            (true, true) => Patience::Once,
            (false, _) => Patience::Stream,
        };
        let sealed = message.request_state().and_then(|carried| carried.as_str());
        let leg = sealed.as_deref().and_then(|sealed| waiting::brought_back(session, name.as_deref(), sealed));
        if let (Some(leg), Some(params)) = (leg, message.params()) {
            patience = Patience::Legs(leg);
            own.extend(without_members(params, |key| key == "requestState" || key == "inputResponses"));
        } else if let Some(carried) = message.request_state() {
            let opened =
                carried.as_str().and_then(|sealed| session.gate.unseal(&bound_to(method, name.as_deref()), &sealed));
            let Some(state) = opened else {
                let problem = Problem {
                    kind: ErrorKind::Malformed,
                    reason: "request_state",
                    code: code::INVALID_PARAMS,
                    text: "requestState is not what this request was given, or it is too old; send the request without it",
                };
                return Err(self.refuse(visit, message, problem).await);
            };
            own.push(Replacement { span: carried.span(), with: state.into() });
        }
        let Some(action) = action(message) else { return Err(self.not_offered(visit, message).await) };
        let wire = modern::wire(message, &withheld(&session.gate), own).map_err(|error| unspliced(&error))?;
        let operation = Operation {
            protocol: Protocol::Mcp,
            action,
            method: method_beside_action(message),
            wire,
            record: None,
            sql: None,
            members: members::of_request(method),
            arguments: message.operation_arguments(),
            annotations,
            address: Some(visit.caller.address()),
            trace: message.traceparent(),
        };
        let mut head = request_headers();
        head.extend(modern::head(message, headers));
        let call = Call {
            expected: Expected::Response { id: id.clone(), method },
            head,
            repeating,
            endless: method == Method::ListenSubscriptions,
            lists: if method == Method::ListenSubscriptions { changed::asked(message) } else { Vec::new() },
            is_continued: is_continued(message),
            name,
            answer_as: None,
            progress: progress(message),
            status: Arc::default(),
        };
        Ok((operation, call, patience))
    }

    /// Refuses tasks that were not made for this caller, or whose tool it may not know of any more.
    async fn own_tasks(&self, visit: &Visit<'_>, session: &McpSession, message: &Message) -> Result<(), Reply> {
        let filter = message.params().and_then(|params| params.get("notifications"));
        let listed = filter.and_then(|filter| filter.get("taskIds"));
        let listed = listed.into_iter().flat_map(|ids| ids.elements()).map(|id| id.as_str().unwrap_or_default());
        if message.task_id().into_iter().chain(listed).all(|task| session.may_know_task(&task)) {
            return Ok(());
        }
        let problem = Problem {
            kind: ErrorKind::NotFound,
            reason: "unknown_task",
            code: code::INVALID_PARAMS,
            text: "the task is unknown",
        };
        Err(self.refuse(visit, message, problem).await)
    }

    /// Refuses to listen for resources that the caller may not read.
    async fn may_listen(&self, visit: &Visit<'_>, session: &McpSession, message: &Message) -> Result<(), Reply> {
        let filter = message.params().and_then(|params| params.get("notifications"));
        let uris = filter.and_then(|filter| filter.get("resourceSubscriptions"));
        for uri in uris.into_iter().flat_map(|uris| uris.elements()) {
            let action = Action::ResourceRead(Arc::from(&*uri.as_str().unwrap_or_default()));
            if session.gate.may_do(&action, Some(visit.caller.address())) {
                continue;
            }
            let rejection = Rejection {
                kind: ErrorKind::Denied,
                reason: "policy",
                message: "no policy permits reading a resource that is listened for".into(),
                action,
                received: message.bytes(),
            };
            let denied = session.gate.reject(rejection).await;
            return Err(told(StatusCode::OK, message.id(), DENIED, &denied));
        }
        Ok(())
    }

    async fn refuse(&self, visit: &Visit<'_>, message: &Message, problem: Problem) -> Reply {
        let Problem { kind, reason, code, text } = problem;
        let denied = self.reject(visit, kind, reason, text, message.bytes()).await;
        told(StatusCode::OK, message.id(), code, &denied)
    }

    /// Records and answers a request whose metadata or headers are not as they must be.
    async fn not_modern(&self, visit: &Visit<'_>, message: &Message, error: &ModernError) -> Reply {
        let text = error.public_message();
        let denied = self.reject(visit, error.kind(), error.label(), &text, message.bytes()).await;
        let id = message.id();
        if *error == ModernError::Version && recorded(&denied) {
            let requested = modern::requested_version(message);
            let encode = |refusal: &Refusal| {
                reply::unsupported_version(id, &refusal.message, &requested, refusal.reference.as_deref())
            };
            return Reply::json(StatusCode::BAD_REQUEST, denied.release(encode));
        }
        told(StatusCode::BAD_REQUEST, id, error.code(), &denied)
    }

    /// The session of this principal, target and client; a new one when there is none.
    async fn stateless_session(
        &self,
        visit: &Visit<'_>,
        client: Option<&str>,
        id: &Id,
    ) -> Result<Arc<McpSession>, Reply> {
        let key = key(visit, client);
        if let Some(session) = self.0.stateless.find(&key, visit.caller, visit.target) {
            let Some(reason) = session.gate.end_due() else { return Ok(session) };
            if self.0.stateless.remove_own(&key, &session) {
                close(vec![session], reason).await;
            }
        }
        // First requests that come at once open one session, which counts once.
        let place = self.0.stateless.place(&key);
        let opened = place.get_or_try_init(|| Box::pin(self.open_stateless(visit, client, (id, &key)))).await;
        self.0.stateless.opened(&key, &place);
        opened.map(Arc::clone)
    }

    async fn open_stateless(
        &self,
        visit: &Visit<'_>,
        client: Option<&str>,
        (id, key): (&Id, &str),
    ) -> Result<Arc<McpSession>, Reply> {
        let known = || self.0.stateless.find(key, visit.caller, visit.target);
        if let Some(session) = known() {
            return Ok(session);
        }
        if !self.0.stateless.has_room() {
            return Err(self.no_room(visit, id).await);
        }
        let caller = visit.caller.clone().claiming(client.map(str::to_owned));
        let (spec, is_endpoint) = (Arc::clone(&visit.target.spec), visit.target.is_endpoint());
        let gate = &self.0.gate;
        let opened = if is_endpoint { gate.open_endpoint(caller, spec).await } else { gate.open(caller, spec).await };
        let gate: Session = opened.map_err(|denied: Denied| told(StatusCode::FORBIDDEN, Some(id), DENIED, &denied))?;
        let target = Arc::clone(visit.target);
        let session = Arc::new(if is_endpoint {
            McpSession::front_of(gate, target, true, Bytes::new())
        } else {
            McpSession::new(gate, target, true)
        });
        if self.0.stateless.enter_as(key, &session) {
            return Ok(session);
        }
        close(vec![session], "client").await;
        match known() {
            Some(first) => Ok(first),
            None => Err(self.no_room(visit, id).await),
        }
    }

    async fn no_room(&self, visit: &Visit<'_>, id: &Id) -> Reply {
        let text = "too many sessions are open; try again later";
        let denied = self.reject(visit, ErrorKind::Limit, "sessions", text, &[]).await;
        told(StatusCode::SERVICE_UNAVAILABLE, Some(id), code::INTERNAL_ERROR, &denied)
    }
}

/// What tells a session from others: everything policy may read of the caller, where from included, the grant it
/// comes by, the target, the client's claim.
fn key(visit: &Visit<'_>, client: Option<&str>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let principal = visit.caller.principal();
    let described = format!(
        "{:?}",
        (
            principal.kind,
            &principal.issuer,
            &principal.subject,
            &principal.groups,
            &principal.actor_chain,
            &principal.amr,
            &principal.client_id,
            visit.caller.address(),
            visit.caller.grant(),
            visit.target.spec.name.as_str(),
            client,
        )
    );
    context.update(described.as_bytes());
    URL_SAFE_NO_PAD.encode(context.finish())
}
