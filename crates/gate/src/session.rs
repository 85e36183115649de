//! A session: one principal's use of one target. The only place where an operation becomes a wire.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use vidimus_core::event::{Body, Decided};
use vidimus_core::{Action, Effect, ErrorKind, Operation, Principal, SessionId, TargetName};
use vidimus_policy::{Claimed, Decision, Policies, Request, Subject};

use crate::context::SessionContext;
use crate::evidence::{EvidenceError, Written};
use crate::flight::Admitted;
use crate::recording::PayloadName;
use crate::released::Released;
use crate::tasks::Length;
use crate::upstream::Dial;

/// One principal's use of one target. Cheap to clone.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    context: Arc<SessionContext>,
    principal: Arc<Principal>,
    address: IpAddr,
    client: Option<String>,
    kind: Kind,
    standing: ArcSwap<Standing>,
}

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A caller's; policy decides.
    Caller,
    /// The gateway's own, to read a target's definitions; a fixed list of methods decides.
    Own,
}

/// What policy says of the session itself, under one version of it.
pub(crate) struct Standing {
    policies: Arc<Policies>,
    subject: Subject,
}

/// The id that stands for the gateway's own permissions in events.
pub(crate) const OWN_POLICY: &str = "builtin:definitions";

/// What the gateway's own sessions may do.
const OWN_METHODS: [&str; 4] = ["initialize", "notifications/initialized", "server/discover", "tools/list"];

/// What became of an operation that was submitted.
pub enum Verdict {
    /// It may pass.
    Admitted(Box<Admitted>),
    /// It may not; the denial is on record.
    Denied(Denied),
}

/// A denial on record.
#[derive(Debug)]
#[must_use = "the caller must be told"]
pub struct Denied(Refusal);

/// Why something was refused, for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who is at fault.
    pub kind: ErrorKind,
    /// `policy`, or why it could not be decided: `malformed`, `unknown_tool`, `evidence`, …
    pub reason: &'static str,
    /// The text for the caller: the policy's message, or what to do next.
    pub message: String,
    /// `session/seq` of the record, for whoever asks.
    pub reference: Option<String>,
}

impl Denied {
    pub(crate) const fn new(refusal: Refusal) -> Self {
        Self(refusal)
    }

    /// Why.
    pub const fn refusal(&self) -> &Refusal {
        &self.0
    }

    /// The denial in the words of the protocol.
    pub fn release(&self, encode: impl FnOnce(&Refusal) -> Bytes) -> Released {
        Released::new(encode(&self.0))
    }
}

/// An operation that an adapter refused before policy was asked.
#[derive(Debug)]
pub struct Rejection<'a> {
    /// Who is at fault.
    pub kind: ErrorKind,
    /// The label in evidence, e.g. `malformed`.
    pub reason: &'static str,
    /// What to tell the caller.
    pub message: String,
    /// What it wanted to do, as far as that is known.
    pub action: Action,
    /// What was received; committed to, and kept as the target's `record` says.
    pub received: &'a [u8],
}

impl Standing {
    pub(crate) fn new(policies: Arc<Policies>, principal: &Principal) -> Self {
        let subject = policies.subject(principal);
        Self { policies, subject }
    }

    /// Whether the session may be at all, now: policy may read the time and the caller's address.
    pub(crate) fn connect(&self, target: &TargetName, facts: &Facts<'_>) -> Decision {
        self.policies.decide(&self.subject, &facts.request(&Action::Connect, target))
    }

    pub(crate) fn policy_hash(&self) -> &str {
        self.policies.hash()
    }
}

/// What is known of a caller beside its identity.
pub(crate) struct Facts<'a> {
    pub(crate) address: IpAddr,
    pub(crate) client: Option<&'a str>,
    pub(crate) time: vidimus_core::Timestamp,
}

impl<'a> Facts<'a> {
    pub(crate) fn request(&self, action: &'a Action, target: &'a TargetName) -> Request<'a> {
        Request {
            action,
            target,
            arguments: None,
            annotations: None,
            claimed: Claimed { client: self.client, model: None },
            address: Some(self.address),
            time: self.time,
        }
    }
}

impl Session {
    pub(crate) fn new(
        context: SessionContext,
        principal: Arc<Principal>,
        (address, client): (IpAddr, Option<String>),
        kind: Kind,
        standing: Standing,
    ) -> Self {
        let (context, standing) = (Arc::new(context), ArcSwap::from_pointee(standing));
        Self(Arc::new(Inner { context, principal, address, client, kind, standing }))
    }

    pub(crate) fn context(&self) -> &SessionContext {
        &self.0.context
    }

    /// Its id.
    pub fn id(&self) -> SessionId {
        self.0.context.id()
    }

    /// Whose it is.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.0.principal
    }

    /// Whether it is the gateway's own, to read definitions.
    pub fn is_own(&self) -> bool {
        self.0.kind == Kind::Own
    }

    /// The target's name.
    pub fn target(&self) -> &TargetName {
        self.0.context.target()
    }

    /// Decides on an operation and records the decision. Never waits for people.
    ///
    /// An admitted operation's intent is written when this returns; `Upstream::send` waits until it is durable.
    /// A denial is as durable as the target demands when this returns.
    pub async fn submit(&self, operation: Operation) -> Verdict {
        self.submitted(operation, Length::Call).await
    }

    /// The same for an operation that listens for as long as its client does. It ends when the gateway stops.
    pub async fn listen(&self, operation: Operation) -> Verdict {
        self.submitted(operation, Length::Stream).await
    }

    async fn submitted(&self, operation: Operation, length: Length) -> Verdict {
        let (decision, policy) = self.decided(&operation);
        let body = self.body(&operation, &decision, &policy);
        self.0.context.metrics().decided(self.target(), decision.effect);
        let request = [(PayloadName::Request, &*operation.wire)];
        match decision.effect {
            Effect::Allow => {
                let Some(permit) = self.0.context.tasks().permit(length) else {
                    return Verdict::Denied(self.too_many(operation).await);
                };
                let token = self.0.context.tasks().token();
                match self.0.context.strand().append_with(
                    self.0.context.evidence(),
                    &request,
                    Body::OperationAdmitted(body),
                ) {
                    Ok(written) => Verdict::Admitted(Box::new(Admitted::new(
                        Arc::clone(&self.0.context),
                        (token, permit),
                        (written, length),
                        operation,
                    ))),
                    Err(error) => Verdict::Denied(self.unrecorded(&error)),
                }
            }
            Effect::Deny => {
                let written = self.0.context.strand().append_with(
                    self.0.context.evidence(),
                    &request,
                    Body::OperationDenied(body),
                );
                Verdict::Denied(self.denied(written, ErrorKind::Denied, "policy", decision.message).await)
            }
        }
    }

    /// What policy says of an operation now, and the hash of the policy set that says it.
    pub(crate) fn decided(&self, operation: &Operation) -> (Decision, String) {
        let standing = self.standing();
        (self.decide(&standing, operation), standing.policies.hash().to_owned())
    }

    /// An operation and its decision, for the record.
    pub(crate) fn body<'a>(&self, operation: &'a Operation, decision: &'a Decision, policy: &'a str) -> Decided<'a> {
        Decided {
            action: &operation.action,
            method: operation.method,
            protocol: operation.protocol,
            trace: operation.trace.as_deref(),
            effect: decision.effect,
            policies: &decision.policies,
            policy,
            reason: None,
            durability: self.0.context.durability(),
            payloads: &[],
        }
    }

    async fn too_many(&self, operation: Operation) -> Denied {
        self.reject(Rejection {
            kind: ErrorKind::Limit,
            reason: "too_many_operations",
            message: "too many calls run at once; wait for some to end".into(),
            action: operation.action,
            received: &operation.wire,
        })
        .await
    }

    /// Records an operation that the adapter refuses: it could not be understood, or names what is not there.
    pub async fn reject(&self, rejection: Rejection<'_>) -> Denied {
        let standing = self.standing();
        self.0.context.metrics().decided(self.target(), Effect::Deny);
        let body = Decided {
            action: &rejection.action,
            method: None,
            protocol: self.0.context.spec().protocol,
            trace: None,
            effect: Effect::Deny,
            policies: &[],
            policy: standing.policies.hash(),
            reason: Some(rejection.reason),
            durability: self.0.context.durability(),
            payloads: &[],
        };
        let received = [(PayloadName::Request, rejection.received)];
        let written =
            self.0.context.strand().append_with(self.0.context.evidence(), &received, Body::OperationDenied(body));
        self.denied(written, rejection.kind, rejection.reason, rejection.message).await
    }

    /// Whether the caller may know of a tool (design part 4, "Lists").
    pub fn may_see(&self, tool: &vidimus_core::ToolDefinition) -> bool {
        let standing = self.standing();
        match self.0.kind {
            Kind::Caller => standing.policies.visible(&standing.subject, self.target(), tool),
            Kind::Own => true,
        }
    }

    /// Whether the caller may do this, as far as that is known before it is asked for: for lists.
    pub fn may_do(&self, action: &Action) -> bool {
        let standing = self.standing();
        let facts = self.facts(None);
        match self.0.kind {
            Kind::Caller => {
                let decision = standing.policies.decide(&standing.subject, &facts.request(action, self.target()));
                decision.effect == Effect::Allow
            }
            Kind::Own => true,
        }
    }

    /// Ends the session: cuts off what still runs in it, then records the end. Gives leave to tell the target; a second
    /// close fails.
    pub async fn close(&self, reason: &'static str) -> Result<Dial, EvidenceError> {
        self.0.context.strand().begin_close();
        self.0.context.tasks().cut_off().await;
        let evidence = self.0.context.evidence();
        let written = self.0.context.strand().close(evidence, |count| Body::SessionClosed { count, reason })?;
        self.0.context.metrics().sessions.dec();
        evidence.settle(self.0.context.durability(), written.position).await?;
        Ok(Dial(()))
    }

    fn decide(&self, standing: &Standing, operation: &Operation) -> Decision {
        match (self.0.kind, &operation.action) {
            (Kind::Own, Action::Method(method)) if OWN_METHODS.contains(&&**method) => {
                Decision { effect: Effect::Allow, policies: vec![OWN_POLICY.into()], message: String::new() }
            }
            (Kind::Own, _) => Decision {
                effect: Effect::Deny,
                policies: vec![OWN_POLICY.into()],
                message: "the gateway itself only reads definitions".into(),
            },
            (Kind::Caller, action) => {
                let facts = self.facts(operation.address);
                let connect = standing.connect(self.target(), &facts);
                if connect.effect == Effect::Deny || matches!(action, Action::Method(_)) {
                    return connect;
                }
                let arguments =
                    operation.arguments.as_ref().and_then(|arguments| arguments.document.root().at(arguments.path));
                standing.policies.decide(
                    &standing.subject,
                    &Request { arguments, annotations: operation.annotations, ..facts.request(action, self.target()) },
                )
            }
        }
    }

    /// What policy in force now says of the session.
    fn standing(&self) -> Arc<Standing> {
        let current = self.0.context.shared().policies.load();
        let known = self.0.standing.load_full();
        if Arc::ptr_eq(&known.policies, &current) {
            return known;
        }
        let fresh = Arc::new(Standing::new(Arc::clone(&current), &self.0.principal));
        self.0.standing.store(Arc::clone(&fresh));
        fresh
    }

    /// What is known of the caller now; `address` is where the operation comes from.
    fn facts(&self, address: Option<IpAddr>) -> Facts<'_> {
        Facts {
            address: address.unwrap_or(self.0.address),
            client: self.0.client.as_deref(),
            time: self.0.context.evidence().clock.now(),
        }
    }

    pub(crate) async fn denied(
        &self,
        written: Result<Written, EvidenceError>,
        kind: ErrorKind,
        reason: &'static str,
        message: String,
    ) -> Denied {
        let settled = match written {
            Ok(written) => {
                self.0.context.evidence().settle(self.0.context.durability(), written.position).await.map(|()| written)
            }
            Err(error) => Err(error),
        };
        match settled {
            Ok(written) => {
                let reference = Some(format!("{}/{}", self.id(), written.seq));
                Denied(Refusal { kind, reason, message, reference })
            }
            Err(error) => self.unrecorded(&error),
        }
    }

    pub(crate) fn unrecorded(&self, error: &EvidenceError) -> Denied {
        unrecorded(error, self.id())
    }
}

/// The refusal when evidence cannot be written.
pub(crate) fn unrecorded(error: &EvidenceError, session: SessionId) -> Denied {
    let (reason, message) = match error {
        EvidenceError::Closed => ("session_closed", "the session is closed; start a new one"),
        EvidenceError::Append(_) | EvidenceError::Key(_) | EvidenceError::Dangling(_) => {
            tracing::error!(%error, %session, "evidence cannot be written, so nothing passes");
            ("evidence", "nothing passes while evidence cannot be written; tell the operator of this gateway")
        }
    };
    Denied(Refusal { kind: error.kind(), reason, message: message.into(), reference: None })
}
