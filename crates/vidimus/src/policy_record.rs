//! A recorded session as policies would be asked about it: its principal, and each operation that was decided.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Deserialize;
use vidimus_core::{Action, Actor, Effect, Principal, PrincipalKind, TargetName, Timestamp, ToolAnnotations};
use vidimus_policy::Granted;

use crate::api;
use crate::policy_question::{Question, Wish};

/// Ids of permissions that are the gateway's own begin so.
const OWN: &str = "builtin:";

/// A session, by its events.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) target: TargetName,
    principal: Principal,
    address: Option<IpAddr>,
    client: Option<String>,
    /// The grant that it was opened with.
    grant: Option<Granted>,
    pub(crate) operations: Vec<Recorded>,
}

/// An operation that was decided.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) seq: u64,
    pub(crate) time: Timestamp,
    action: Action,
    pub(crate) effect: Effect,
    pub(crate) policies: Vec<String>,
    /// The rewrites that were applied to it, sorted.
    pub(crate) rewrites: Vec<String>,
    /// Whether policies decided it; else it was refused before, or is what every caller may do.
    pub(crate) is_by_policy: bool,
    /// Whether the record holds something of it masked.
    pub(crate) is_masked: bool,
}

/// What is read of an event, whatever its type (`docs/src/reference/events.md`).
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    seq: u64,
    session: String,
    time: String,
    target: Option<String>,
    principal: Option<Who>,
    address: Option<String>,
    client: Option<String>,
    grant: Option<OfGrant>,
    operation: Option<Operation>,
    decision: Option<Decision>,
    #[serde(default)]
    masked: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct OfGrant {
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Who {
    issuer: String,
    subject: String,
    kind: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    amr: Vec<String>,
    #[serde(default)]
    actors: Vec<String>,
    client_id: Option<String>,
    display: Option<String>,
}

#[derive(Deserialize)]
struct Operation {
    action: String,
    object: Option<String>,
}

#[derive(Deserialize)]
struct Decision {
    effect: String,
    #[serde(default)]
    policies: Vec<String>,
    reason: Option<String>,
    #[serde(default)]
    rewrites: Vec<Rewrite>,
}

#[derive(Deserialize)]
struct Rewrite {
    name: String,
}

impl Session {
    /// The session that these events, the first one first, tell of; none when it was not opened on a target by a caller.
    pub(crate) fn read<'a>(leaves: impl Iterator<Item = &'a str>) -> anyhow::Result<Option<Self>> {
        let mut session: Option<Self> = None;
        for leaf in leaves {
            let event: Event = serde_json::from_str(leaf).context("an event is not understood")?;
            match (event.kind.as_str(), &mut session) {
                ("session.opened", None) => {
                    let is_own = event.decision.is_some_and(|decision| is_own(&decision));
                    let (Some(target), Some(who), false) = (event.target, event.principal, is_own) else {
                        return Ok(None);
                    };
                    session = Some(Self {
                        id: event.session,
                        target: target.parse().context("an event names no target")?,
                        principal: who.principal()?,
                        address: event.address.and_then(|address| address.parse().ok()),
                        client: event.client,
                        grant: event.grant.map(|grant| Granted {
                            name: grant.name.into(),
                            id: grant.id.into(),
                            is_break_glass: false,
                        }),
                        operations: Vec::new(),
                    });
                }
                ("operation.admitted" | "operation.denied", Some(session)) => {
                    let (Some(operation), Some(decision)) = (event.operation, event.decision) else { continue };
                    let is_by_policy = decision.reason.is_none() && !is_own(&decision);
                    session.operations.push(Recorded {
                        seq: event.seq,
                        time: api::timestamp(&event.time).context("an event has no time")?,
                        action: operation.action(&session.target),
                        effect: if decision.effect == Effect::Allow.name() { Effect::Allow } else { Effect::Deny },
                        policies: decision.policies,
                        rewrites: decision.rewrites.into_iter().map(|rewrite| rewrite.name).collect(),
                        is_by_policy,
                        is_masked: !event.masked.is_empty(),
                    });
                }
                _ => {}
            }
        }
        Ok(session)
    }

    /// An operation as a question to policies, without what it was asked with.
    pub(crate) fn question(&self, operation: &Recorded, annotations: Option<ToolAnnotations>) -> Question {
        Question {
            principal: self.principal.clone(),
            target: self.target.clone(),
            wish: Wish::Act(operation.action.clone()),
            arguments: None,
            annotations,
            grant: self.grant.clone(),
            client: self.client.clone(),
            model: None,
            address: self.address,
            time: operation.time,
        }
    }
}

impl Recorded {
    /// The tool that was called.
    pub(crate) fn tool(&self) -> Option<&str> {
        match &self.action {
            Action::ToolCall(tool) => Some(tool),
            _ => None,
        }
    }
}

fn is_own(decision: &Decision) -> bool {
    decision.policies.iter().any(|id| id.starts_with(OWN))
}

impl Who {
    fn principal(self) -> anyhow::Result<Principal> {
        let kinds = [PrincipalKind::User, PrincipalKind::Workload];
        let kind =
            kinds.into_iter().find(|kind| kind.name() == self.kind).context("an event names no kind of principal")?;
        let actors = self.actors.iter().map(|actor| {
            let (issuer, subject) = actor.split_once('|').context("an event names no actor")?;
            Ok(Actor { issuer: issuer.to_owned(), subject: subject.to_owned() })
        });
        Ok(Principal {
            kind,
            issuer: self.issuer,
            subject: self.subject,
            groups: self.groups,
            display: self.display,
            actor_chain: actors.collect::<anyhow::Result<_>>()?,
            amr: self.amr,
            client_id: self.client_id,
        })
    }
}

impl Operation {
    /// The action that events write so.
    fn action(self, target: &TargetName) -> Action {
        let object = self.object.map(Arc::<str>::from);
        if let Some(tool) = self.action.strip_prefix(target.as_str()).and_then(|rest| rest.strip_prefix('/')) {
            return Action::ToolCall(tool.into());
        }
        let known = [Action::Connect, Action::Sampling, Action::Elicitation(object.clone()), Action::Roots];
        let named = known.into_iter().find(|known| known.name("") == self.action);
        match (self.action.as_str(), object) {
            (name, Some(uri)) if name == Action::ResourceRead("".into()).name("") => Action::ResourceRead(uri),
            (name, Some(prompt)) if name == Action::PromptGet("".into()).name("") => Action::PromptGet(prompt),
            (name, _) => named.unwrap_or_else(|| Action::Method(name.into())),
        }
    }
}
