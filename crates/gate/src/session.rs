//! A session: one principal's use of one target. The only place where an operation becomes a wire.

mod leg;
mod meeting;
mod rewriting;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use vidimus_core::event::{Body, Decided, Masking as Found};
use vidimus_core::{
    Action, ApprovalId, Effect, ErrorKind, Facts, Members, Operation, Principal, SessionId, TargetName, Timestamp,
};
use vidimus_credential::Subject;
use vidimus_mask::ClassSet;
use vidimus_policy::{Decision, Request};
use vidimus_stdio::LogSink;

use crate::authenticate::Caller;
use crate::context::SessionContext;
use crate::evidence::{EvidenceError, Written};
use crate::flight::Admitted;
use crate::limits::Limited;
use crate::masking::Unmaskable;
use crate::program_log;
use crate::recording::{Part, PayloadName};
use crate::released::Released;
use crate::standing::{Kind, Standing};
use crate::statements::Restate;
use crate::tasks::{Length, Undecided};
use crate::upstream::Dial;

pub use self::leg::{Leg, LegEnd};
use self::meeting::Asked;
pub use self::meeting::{Held, Pending};
use self::rewriting::Evaluated;

/// One principal's use of one target. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    context: Arc<SessionContext>,
    /// The token of who asks now, where it is exchanged for another.
    subject: Option<Arc<Subject>>,
    /// Whether what is asked counts towards its caller's limits.
    is_counted: bool,
    /// When the token of who asks now is no longer good; none for the gateway itself.
    expires: Option<Timestamp>,
}

/// The id that stands for the gateway's own permissions in events.
pub(crate) const OWN_POLICY: &str = "builtin:definitions";

/// What the gateway's own sessions may do.
const OWN_METHODS: [&str; 5] =
    ["initialize", "notifications/initialized", "server/discover", "tools/list", "catalogue"];

/// The id that stands in events for what every caller may do at the endpoint for all targets.
pub(crate) const ENDPOINT_POLICY: &str = "builtin:federation";

/// How often what goes on under one decision is decided anew when policies stay as they are.
const RECONSIDERED: Duration = Duration::from_mins(1);

/// How long a stream lasts at most, whatever its caller's token says.
const LONGEST_STREAM: Duration = Duration::from_hours(24);

/// What became of an operation that was submitted.
pub enum Verdict {
    /// It may pass.
    Admitted(Admitted),
    /// It may not; the denial is on record.
    Denied(Denied),
    /// It waits until people approve it; that is on record. Only calls of tools do.
    Held(Box<Held>),
}

/// Tells when other policies come into force.
#[derive(Debug)]
pub struct PolicyChanges {
    changed: watch::Receiver<()>,
    /// When a decision is old enough to be made anew.
    due: Instant,
}

impl PolicyChanges {
    /// Resolves to true when they have, at once if they did since it last resolved, and to false when that has been so
    /// for a minute: policy may read the time. Cancel safe.
    pub async fn next(&mut self) -> bool {
        let changed = match tokio::time::timeout_at(self.due, self.changed.changed()).await {
            Ok(Ok(())) => true,
            // The gate is gone, and nothing comes into force any more.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => false,
        };
        self.due = Instant::now() + RECONSIDERED;
        changed
    }
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
    /// `session/seq` of the record, for whoever asks. Refusals by a limit have one for many.
    pub reference: Option<String>,
    /// By which limit of the operator's, if it was by one.
    pub limit: Option<Limited>,
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

impl Session {
    pub(crate) fn new(context: SessionContext) -> Self {
        let subject = context.subject();
        Self { context: Arc::new(context), subject, is_counted: true, expires: None }
    }

    /// The same for what its caller asks now: where tokens are exchanged, the one that came with that is; none for another
    /// caller than the session's.
    #[must_use]
    pub fn asked_by(&self, caller: &Caller) -> Self {
        if !caller.principal.is_same(&self.context.party().principal) {
            let (context, expires) = (Arc::clone(&self.context), Some(caller.expires));
            return Self { context, subject: None, is_counted: caller.is_counted, expires };
        }
        self.context.keep_subject(caller.subject.as_ref());
        let subject = self.context.subject().and(caller.subject.clone());
        let (context, expires) = (Arc::clone(&self.context), Some(caller.expires));
        Self { context, subject, is_counted: caller.is_counted, expires }
    }

    /// The caller's token, where it is exchanged for another.
    pub(crate) const fn subject(&self) -> Option<&Arc<Subject>> {
        self.subject.as_ref()
    }

    /// For how long the token of who asks is good.
    pub(crate) fn token_left(&self) -> Duration {
        self.expires.map_or(Duration::MAX, |expires| expires.since(self.context.evidence().clock.now()))
    }

    pub(crate) const fn is_counted(&self) -> bool {
        self.is_counted
    }

    pub(crate) fn context(&self) -> &Arc<SessionContext> {
        &self.context
    }

    /// Leave to talk to the target beside operations.
    pub fn dial(&self) -> Dial {
        Dial(Arc::clone(&self.context))
    }

    /// Its id.
    pub fn id(&self) -> SessionId {
        self.context.id()
    }

    /// Takes what a program writes to its standard error that is started for this session: masked, bounded, recorded.
    pub fn program_log(&self) -> LogSink {
        program_log::sink(&self.context)
    }

    /// Whose it is.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.context.party().principal
    }

    /// Whether it is this caller's: the same principal, by the credential of the same grant or of none.
    pub fn is_of(&self, caller: &Caller) -> bool {
        let own = self.context.grant().map(|live| live.id);
        self.principal().is_same(&caller.principal) && own == caller.grant()
    }

    /// Whether it is the gateway's own, to read definitions.
    pub fn is_own(&self) -> bool {
        self.context.party().kind == Kind::Own
    }

    /// The target's name.
    pub fn target(&self) -> &TargetName {
        self.context.target()
    }

    /// A place to wait for what a call is decided by; `None` when too many of the target wait already, or of its principal.
    pub fn undecided(&self) -> Option<Undecided> {
        self.context.tasks().undecided()
    }

    /// Decides on an operation and records the decision. Never waits for people.
    ///
    /// An admitted operation's intent is written when this returns; `Upstream::send` waits until it is durable.
    /// A denial is as durable as the target demands when this returns.
    pub async fn submit(&self, operation: Operation) -> Verdict {
        self.submitted(operation, (Length::Call, None), None).await
    }

    /// The same for statements, which can be sent otherwise where policies want that.
    pub async fn submit_statements(&self, operation: Operation, restate: &dyn Restate) -> Verdict {
        self.submitted(operation, (Length::Call, None), Some(restate)).await
    }

    /// The same for what has waited for this request for approval.
    pub(crate) async fn resubmitted(
        &self,
        operation: Operation,
        approval: ApprovalId,
        restate: Option<&dyn Restate>,
    ) -> Verdict {
        self.submitted(operation, (Length::Call, Some(approval)), restate).await
    }

    /// The same for an operation that listens for as long as its client does. It ends when the caller's token expires,
    /// when there is too little room for evidence, and when the gateway stops.
    pub async fn listen(&self, operation: Operation, caller: &Caller) -> Result<Admitted, Denied> {
        let left = caller.expires.since(self.context.evidence().clock.now()).min(LONGEST_STREAM);
        let length = Length::Stream { until: Instant::now() + left };
        match self.asked_by(caller).submitted(operation, (length, None), None).await {
            Verdict::Admitted(admitted) => Ok(admitted),
            Verdict::Denied(denied) => Err(denied),
            Verdict::Held(held) => Err(held.refused()),
        }
    }

    async fn submitted(
        &self,
        operation: Operation,
        (length, waited_for): (Length, Option<ApprovalId>),
        restate: Option<&dyn Restate>,
    ) -> Verdict {
        if !self.context.shared().capacity.admits() {
            return Verdict::Denied(no_room());
        }
        let held = match self.counted(&operation, length).await {
            Ok(held) => held,
            Err(denied) => return Verdict::Denied(denied),
        };
        let standing = self.context.standing();
        let mut evaluated = match self.evaluated(&standing, operation, restate).await {
            Ok(evaluated) => evaluated,
            Err(denied) => return Verdict::Denied(denied),
        };
        // Broken glass: what people would be asked about passes, and says by what.
        let glass = if evaluated.decision.approvals.is_empty() { None } else { self.context.glass() };
        let glass = glass.map(|live| {
            let decision = &mut evaluated.decision;
            decision.effect = Effect::Allow;
            decision.message.clear();
            decision.approvals.clear();
            live.id
        });
        let policy = standing.policy_hash();
        let action = self.context.masked_action(&evaluated.operation().action).await;
        if !evaluated.decision.approvals.is_empty() {
            let (evaluated, policies) = (&evaluated, &standing.policies);
            return self.meet(Asked { evaluated, policies, action, waited_for }, held).await;
        }
        let Evaluated { decision, rewrites, found, .. } = &evaluated;
        self.not_needed(evaluated.operation(), decision, policy);
        let body = self.body(evaluated.operation(), (&action, found), decision, policy);
        let body = Decided { rewrites, approval: glass, ..body };
        self.context.metrics().decided(self.target(), decision.effect);
        let parts = evaluated.parts();
        match decision.effect {
            Effect::Allow => {
                let Some(permit) = self.context.tasks().permit(length, held) else {
                    return Verdict::Denied(self.too_many(evaluated.asked().clone()).await);
                };
                let token = self.context.tasks().token();
                match self.context.strand().append_with(self.context.evidence(), &parts, Body::OperationAdmitted(body))
                {
                    Ok(written) => {
                        let admitted = Admitted::new(
                            (Arc::clone(&self.context), self.subject.clone()),
                            (token, permit),
                            (written, length, glass),
                            Operation { action, ..evaluated.operation().clone() },
                        );
                        Verdict::Admitted(admitted.rewritten(evaluated.is_rewritten(), evaluated.changes))
                    }
                    Err(error) => Verdict::Denied(self.unrecorded(&error)),
                }
            }
            Effect::Deny | Effect::Hold => {
                let written =
                    self.context.strand().append_with(self.context.evidence(), &parts, Body::OperationDenied(body));
                Verdict::Denied(self.denied(written, ErrorKind::Denied, "policy", decision.message.clone()).await)
            }
        }
    }

    /// What policy says of an operation that is no call now, and the hash of the policy set that says it.
    pub(crate) fn decided(&self, operation: &Operation) -> (Decision, String) {
        let standing = self.context.standing();
        (self.decide(&standing, operation, &Facts::default()), standing.policies.hash().to_owned())
    }

    /// An operation and its decision, for the record: `action` and `found` are what masking made of it.
    pub(crate) fn body<'a>(
        &self,
        operation: &'a Operation,
        (action, found): (&'a Action, &'a Found),
        decision: &'a Decision,
        policy: &'a str,
    ) -> Decided<'a> {
        Decided {
            action,
            method: operation.method,
            protocol: operation.protocol,
            trace: operation.trace.as_deref(),
            effect: decision.effect,
            policies: &decision.policies,
            policy,
            reason: None,
            approval: None,
            rewrites: &[],
            durability: self.context.durability(),
            masking: found,
            payloads: &[],
        }
    }

    pub(crate) async fn too_many(&self, operation: Operation) -> Denied {
        self.record_rejection(Rejection {
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
        if !self.context.shared().capacity.admits() {
            return no_room();
        }
        match self.counted_rejection().await {
            Ok(()) => self.record_rejection(rejection).await,
            Err(denied) => denied,
        }
    }

    /// The same of what was counted already, or is not the caller's doing.
    pub(crate) async fn record_rejection(&self, rejection: Rejection<'_>) -> Denied {
        let Rejection { kind, reason, message, action, received } = rejection;
        let received = Bytes::copy_from_slice(received);
        match self.context.masked(&received, Members::NONE, ClassSet::EMPTY).await {
            Ok(masked) => {
                let payload = Part { name: PayloadName::Request, recorded: &masked.recorded, passed: &received };
                self.rejected((kind, reason, message), &action, &masked.found, &[payload]).await
            }
            Err(error) => self.unmaskable(&error, &action).await,
        }
    }

    /// Records that something could not be masked, without it.
    pub(crate) async fn unmaskable(&self, error: &Unmaskable, action: &Action) -> Denied {
        tracing::error!(%error, session = %self.id(), "a payload is withheld");
        let message = error.public_message().to_owned();
        self.rejected((error.kind(), "masking", message), action, Found::NONE, &[]).await
    }

    async fn rejected(
        &self,
        (kind, reason, message): (ErrorKind, &'static str, String),
        action: &Action,
        found: &Found,
        payloads: &[Part<'_>],
    ) -> Denied {
        let standing = self.context.standing();
        self.context.metrics().decided(self.target(), Effect::Deny);
        let body = Decided {
            action: &self.context.masked_action(action).await,
            method: None,
            protocol: self.context.spec().protocol,
            trace: None,
            effect: Effect::Deny,
            policies: &[],
            policy: standing.policy_hash(),
            reason: Some(reason),
            approval: None,
            rewrites: &[],
            durability: self.context.durability(),
            masking: found,
            payloads: &[],
        };
        let written = self.context.strand().append_with(self.context.evidence(), payloads, Body::OperationDenied(body));
        self.denied(written, kind, reason, message).await
    }

    /// Whether the caller may know of a tool (design part 4, "Lists").
    pub fn may_see(&self, tool: &vidimus_core::ToolDefinition) -> bool {
        let standing = self.context.standing();
        match self.context.party().kind {
            Kind::Caller => standing.policies.visible(&standing.subject, self.target(), tool),
            Kind::Own => true,
            Kind::Endpoint => false,
        }
    }

    /// The same of a tool of another target, for an endpoint that lists those of several.
    pub fn may_see_at(&self, target: &TargetName, tool: &vidimus_core::ToolDefinition) -> bool {
        let standing = self.context.standing();
        standing.policies.visible(&standing.subject, target, tool)
    }

    /// Whether the caller, who is at `address` now, may do this, as far as that is known before it is asked for: for lists
    /// and streams. Without an address, from where it opened the session.
    pub fn may_do(&self, action: &Action, address: Option<IpAddr>) -> bool {
        let standing = self.context.standing();
        let facts = self.context.facts(address);
        match self.context.party().kind {
            Kind::Caller => {
                let decision = standing.policies.decide(&standing.subject, &facts.request(action, self.target()));
                decision.effect == Effect::Allow
            }
            Kind::Own => true,
            Kind::Endpoint => matches!(action, Action::Connect | Action::Method(_)),
        }
    }

    /// Whether the session's principal, who is at `address` now, may do this at another target, as far as that is known
    /// before it is asked for: for an endpoint that chooses between targets. What uses one is decided there.
    pub fn may_at(&self, target: &TargetName, action: &Action, address: Option<IpAddr>) -> bool {
        let standing = self.context.standing();
        let facts = self.context.facts(address);
        standing.policies.decide(&standing.subject, &facts.request(action, target)).effect == Effect::Allow
    }

    /// The hash of the policies in force.
    pub fn policy_hash(&self) -> String {
        self.context.standing().policy_hash().to_owned()
    }

    /// Tells of policies that come into force from now on.
    pub fn policy_changes(&self) -> PolicyChanges {
        let changed = self.context.shared().policies_changed.subscribe();
        PolicyChanges { changed, due: Instant::now() + RECONSIDERED }
    }

    /// Ends the session: cuts off what still runs in it, then records the end. Gives leave to tell the target; a second
    /// close fails.
    pub async fn close(&self, reason: &'static str) -> Result<Dial, EvidenceError> {
        self.context.strand().begin_close();
        self.context.shared().chains.end(self.id());
        self.context.tasks().cut_off().await;
        let evidence = self.context.evidence();
        let written = self.context.strand().close(evidence, |count| Body::SessionClosed { count, reason })?;
        self.context.leave_grants();
        self.context.metrics().sessions.dec();
        self.context.tasks().release_session();
        evidence.settle(self.context.durability(), written.position).await?;
        Ok(Dial(Arc::clone(&self.context)))
    }

    fn decide(&self, standing: &Standing, operation: &Operation, known: &Facts) -> Decision {
        match (self.context.party().kind, &operation.action) {
            (Kind::Own, Action::Method(method)) if OWN_METHODS.contains(&&**method) => {
                Decision::plain(Effect::Allow, vec![OWN_POLICY.into()], String::new())
            }
            (Kind::Own, _) => Decision::plain(
                Effect::Deny,
                vec![OWN_POLICY.into()],
                "the gateway itself only reads definitions".into(),
            ),
            (Kind::Endpoint, Action::Method(_)) => {
                Decision::plain(Effect::Allow, vec![ENDPOINT_POLICY.into()], String::new())
            }
            (Kind::Endpoint, _) => Decision::plain(
                Effect::Deny,
                vec![ENDPOINT_POLICY.into()],
                "this is an operation on a target, and none of the endpoint itself".into(),
            ),
            (Kind::Caller, action) => {
                let facts = self.context.facts(operation.address);
                let connect = standing.connect(self.target(), &facts);
                if connect.effect == Effect::Deny || matches!(action, Action::Method(_)) {
                    return connect;
                }
                let arguments =
                    operation.arguments.as_ref().and_then(|arguments| arguments.document.root().at(arguments.path));
                standing.policies.decide(
                    &standing.subject,
                    &Request {
                        arguments,
                        annotations: operation.annotations,
                        facts: Some(known),
                        ..facts.request(action, self.target())
                    },
                )
            }
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
                self.context.evidence().settle(self.context.durability(), written.position).await.map(|()| written)
            }
            Err(error) => Err(error),
        };
        match settled {
            Ok(written) => {
                let reference = Some(format!("{}/{}", self.id(), written.seq));
                Denied(Refusal { kind, reason, message, reference, limit: None })
            }
            Err(error) => self.unrecorded(&error),
        }
    }

    pub(crate) fn unrecorded(&self, error: &EvidenceError) -> Denied {
        unrecorded(error, self.id())
    }
}

/// The refusal when there is no room for evidence. It is counted, not recorded: records of refusals would use up the room
/// that operations in flight need for their outcomes.
pub(crate) fn no_room() -> Denied {
    let message = "nothing new begins while there is too little room for evidence; tell the operator of this gateway";
    let kind = ErrorKind::Evidence;
    Denied(Refusal { kind, reason: "capacity", message: message.into(), reference: None, limit: None })
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
    Denied(Refusal { kind: error.kind(), reason, message: message.into(), reference: None, limit: None })
}
