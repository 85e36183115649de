//! Who asks for grants, fetches credentials, and ends what is in force; break-glass.
//!
//! Policy says who may ask (`grant.request` on the target), who may break the glass (`break_glass`), and who may end what
//! others have (`grant.revoke`), each by a permit that names the action. Whoever asked, and whoever may approve what was
//! asked for, may end it too. A grant that somebody may not see answers like one that is not there. Refused besides: what is
//! longer than the operator lets it be, a credential for anybody but who asked, a second one, and break-glass by programs.

mod offered;

use std::sync::Arc;
use std::time::Duration;

use vidimus_core::event::{Body, Grant as Told, GrantAsked, GrantEnd, GrantStep, Quorum as Wanted};
use vidimus_core::{Action, ApprovalId, Durability, Effect, ErrorKind, Principal, TargetName, Timestamp};
use vidimus_policy::Decision;
use vidimus_store::{Approval, ApprovalFilter, ApprovalState, Ask, GrantAsk, Issued, Quorum, Stamp, Step, StoreError};
use zeroize::Zeroizing;

use crate::approver::{Approver, ApproverError, worded};
use crate::authenticate::Caller;
use crate::custody::Person;
use crate::evidence::EvidenceError;
use crate::gate::Gate;
use crate::grants::{BREAK_GLASS, Ending, Tokens, grantee, is_who};
use crate::holds::{self, Digest};
use crate::keys::KeyError;
use crate::masking::Masking;
use crate::shared::Shared;
use crate::view::{ViewError, Viewer};

use self::offered::NoRule;
pub use self::offered::{GrantRule, GrantRules};

/// How far the clock may be before the newest event at a start: less is no step (design part 3, "Catalogue").
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// Takes what people and programs ask for. Cheap to clone.
#[derive(Clone)]
pub struct Granter {
    shared: Arc<Shared>,
    viewer: Viewer,
    approver: Approver,
    rules: Arc<GrantRules>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantWanted {
    /// Where to.
    pub target: String,
    /// Which grant; of the target's only one if not given.
    pub name: Option<String>,
    /// How long.
    pub length: Duration,
    /// Why.
    pub reason: String,
}

/// A credential, shown once.
#[derive(Debug)]
pub struct Issue {
    /// The grant.
    pub grant: Approval,
    /// The bearer token.
    pub token: Zeroizing<String>,
    /// Until when it is good: RFC 3339.
    pub until: String,
}

/// Why nothing was granted, or ended.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// It is not to be seen, or policy says no.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The index does not answer, or there is no such grant.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing can be recorded.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// There are no random bits.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Nothing of this name can be asked for there.
    #[error("there is no grant `{name}` for `{target}`: see [grants] in the gateway's configuration")]
    Unknown {
        /// Where to.
        target: String,
        /// What.
        name: String,
    },
    /// There are several, and none was named.
    #[error("there are several grants for `{0}`: name one")]
    Several(String),
    /// Nobody can break it.
    #[error("break-glass is off: the gateway's configuration has no [break_glass]")]
    Off,
    /// It is asked for longer than it may last.
    #[error("ask for 1s to {0}")]
    TooLong(String),
    /// There is no reason.
    #[error("a reason of 1 to 500 bytes is needed")]
    Reason,
    /// As many are waited for as may be.
    #[error("{0}")]
    Full(&'static str),
    /// It is another's.
    #[error("only who asked for a grant gets its credential")]
    NotYours,
    /// Nobody has decided yet, or not enough have.
    #[error("this grant is not approved yet")]
    Waits,
    /// It is over, or was issued already.
    #[error("{0}")]
    Over(String),
    /// The glass is broken already.
    #[error("you have broken the glass there already ({id}), until {until}")]
    Already {
        /// By which override.
        id: ApprovalId,
        /// Until when.
        until: String,
    },
}

impl GrantError {
    /// Who is at fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::View(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Evidence(error) => error.kind(),
            Self::Key(_) => ErrorKind::Evidence,
            Self::Unknown { .. } | Self::Several(_) | Self::Off | Self::TooLong(_) | Self::Reason => {
                ErrorKind::Malformed
            }
            Self::Full(_) => ErrorKind::Limit,
            Self::NotYours => ErrorKind::Denied,
            Self::Waits | Self::Over(_) | Self::Already { .. } => ErrorKind::NotFound,
        }
    }

    /// Whether it is the state of the grant that stands in the way.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Waits | Self::Over(_) | Self::Already { .. })
    }
}

impl From<ApproverError> for GrantError {
    fn from(error: ApproverError) -> Self {
        match error {
            ApproverError::View(error) => Self::View(error),
            ApproverError::Store(error) => Self::Store(error),
            ApproverError::Evidence(error) => Self::Evidence(error),
            ApproverError::Reason => Self::Reason,
            error => Self::Over(error.to_string()),
        }
    }
}

impl Gate {
    /// Takes requests for what these rules offer. What is in force by rules that are no more, or that the clock cannot
    /// be believed about, ends now.
    pub fn granter(&self, rules: GrantRules) -> Result<Granter, EvidenceError> {
        let shared = Arc::clone(self.shared());
        let is_before = shared.newest.is_some_and(|newest| shared.evidence.clock.now() + CLOCK_TOLERANCE < newest);
        let times = shared.times();
        shared.grants.end_all(shared.books(), |live| {
            let is_offered = if live.is_break_glass() {
                rules.break_glass.is_some()
            } else {
                rules.of(&live.target, Some(&live.granted.name)).is_ok()
            };
            match (is_before, is_offered) {
                (true, _) => Some(GrantEnd::Clock),
                _ if live.is_past(times) => Some(GrantEnd::Expired),
                (false, false) => Some(GrantEnd::Configuration),
                (false, true) => live.is_used_up().then_some(GrantEnd::Used),
            }
        })?;
        Ok(Granter { viewer: self.viewer(), approver: self.approver(), shared, rules: Arc::new(rules) })
    }

    /// Ends the grants whose time is up, each on record. To be called each second.
    pub fn expire_grants(&self) -> Result<usize, EvidenceError> {
        self.shared().grants.expire(self.shared().books())
    }

    /// Tells when grants have ended, and sessions with them.
    pub fn grants_ended(&self) -> tokio::sync::watch::Receiver<()> {
        self.shared().grants.ended.subscribe()
    }
}

impl Granter {
    /// Asks for a grant. What was asked for in the same words, and is not over, is the same request.
    pub async fn request(
        &self,
        caller: &Caller,
        wanted: &GrantWanted,
        masking: &Masking,
    ) -> Result<Approval, GrantError> {
        let principal = &**caller.principal();
        let target = named(&wanted.target)?;
        let rule = self.rules.of(&target, wanted.name.as_deref()).map_err(|why| match why {
            NoRule::Several => GrantError::Several(wanted.target.clone()),
            NoRule::Unknown => unknown(wanted),
        })?;
        let seconds = length(wanted.length, rule.longest)?;
        let action = Action::GrantRequest { name: Arc::clone(&rule.name), seconds };
        let decision = self.permitted(principal, &action, &target).await?;
        let reason = worded(&wanted.reason, masking)?;
        let digest = self.shared.holds.digests.of_grant(principal, &target, (&rule.name, seconds, &reason));
        let policies = self.shared.policies.load_full();
        // The configuration was checked: the rule is there.
        let approval = policies.approval_rule(&rule.approval).ok_or_else(|| unknown(wanted))?;
        let asked = GrantAsked {
            name: &rule.name,
            principal,
            address: &caller.address().to_string(),
            seconds,
            reason: &reason,
            policies: &decision.policies,
            policy: policies.hash(),
        };
        let quorum = Quorum { rule: rule.approval.to_string(), approvers: approval.approvers };
        let ends = self.shared.evidence.clock.now() + approval.expires;
        let (asked, written) = self.asked((asked, &target), (digest, quorum, ends), rule.sessions)?;
        if let Some(written) = written {
            self.shared.evidence.settle(Durability::Strict, written).await?;
        }
        Ok(asked)
    }

    /// Enters a request under the lock of the table, unless it is there.
    fn asked(
        &self,
        (asked, target): (GrantAsked<'_>, &TargetName),
        (digest, quorum, expires): (Digest, Quorum, Timestamp),
        sessions: u64,
    ) -> Result<(Approval, Option<vidimus_log::Position>), GrantError> {
        let Shared { evidence, control, holds, metrics, .. } = &*self.shared;
        let who = asked.principal.id();
        let mut table = holds.table();
        let known = table.by_digest(&digest).map(|hold| (hold.approval.clone(), hold.is_over(evidence.clock.now())));
        match known {
            Some((known, false)) if !matches!(known.state, ApprovalState::Denied { .. }) => return Ok((known, None)),
            Some((known, true)) => table.expire(known.id, evidence, control)?,
            Some((known, false)) => table.remove(known.id),
            None => {}
        }
        table.room(&who).map_err(|full| GrantError::Full(holds::told_why(full)))?;
        let id = ApprovalId::random();
        let chain = &asked.principal.actor_chain;
        let barred: Vec<String> = chain.iter().map(|actor| format!("{}|{}", actor.issuer, actor.subject)).collect();
        let digest = holds::hex(&digest);
        let wanted = [Wanted { rule: quorum.rule.as_str().into(), approvers: quorum.approvers }];
        let requested = evidence.clock.now().to_string();
        let grant = grant_ask(&asked, sessions, false);
        let (policies, policy) = (asked.policies.iter().map(ToString::to_string).collect(), asked.policy.to_owned());
        let step =
            GrantStep::Requested { asked, digest: &digest, expires, quorums: &wanted, barred: &barred, sessions };
        let body = Body::Grant(Told { id, expects: 0, step });
        let written = control.append_for(evidence, Some(&who), Some(target.as_str()), body)?;
        let ask = Ask {
            who,
            target: target.to_string(),
            action: format!("grant:{}", grant.name),
            digest,
            session: control.session(),
            held: written.seq,
            requested,
            expires: expires.to_string(),
            policies,
            policy,
            quorums: vec![quorum],
            barred,
            grant: Some(Box::new(grant)),
        };
        let approval = Approval::new(id, ask);
        table.insert(approval.clone());
        metrics.granted(target, "requested");
        Ok((approval, Some(written.position)))
    }

    /// The credential of a grant that is approved, for who asked, once. Its time begins.
    pub async fn credential(&self, caller: &Caller, id: &str) -> Result<Issue, GrantError> {
        let principal = caller.principal();
        let asked = self.found(principal, id).await?;
        let own = grantee(principal);
        let grant = asked.ask.grant.as_deref().filter(|grant| is_who(&grant.principal, &own));
        let grant = grant.ok_or(GrantError::NotYours)?;
        let target = named(&asked.ask.target)?;
        let rule = self.rules.of(&target, Some(&grant.name));
        let rule = rule.map_err(|_| GrantError::Over("the gateway's configuration has it no more".to_owned()))?;
        let action = Action::GrantRequest { name: Arc::clone(&rule.name), seconds: grant.seconds };
        // Policy in force now, and who asks as of now.
        self.permitted(principal, &action, &target).await?;
        length(Duration::from_secs(grant.seconds), rule.longest)?;
        let policies = self.shared.policies.load_full();
        let needed = policies.approval_rule(&rule.approval).map_or(u64::MAX, |rule| rule.approvers);
        if asked.state == ApprovalState::Approved && asked.approved_by(&rule.approval) < needed {
            let why = format!("it takes {needed} people now, and fewer have approved it: ask anew");
            return Err(GrantError::Over(why));
        }
        let token = Tokens::fresh()?;
        let (grant, until, written) = self.issued(&asked, caller, &token, grant)?;
        self.shared.evidence.settle(Durability::Strict, written).await?;
        Ok(Issue { grant, token, until })
    }

    /// Takes the step under the lock of the table.
    fn issued(
        &self,
        asked: &Approval,
        caller: &Caller,
        token: &str,
        grant: &GrantAsk,
    ) -> Result<(Approval, String, vidimus_log::Position), GrantError> {
        let Shared { evidence, control, holds, grants, metrics, .. } = &*self.shared;
        let verifier = grants.tokens.verifier(token, &asked.ask.target)?;
        let mut table = holds.table();
        let Some(hold) = table.by_id(asked.id) else { return Err(over(&asked.state)) };
        let now = evidence.clock.now();
        if hold.is_over(now) {
            table.expire(asked.id, evidence, control)?;
            return Err(over(&ApprovalState::Expired));
        }
        match &hold.approval.state {
            ApprovalState::Approved => {}
            ApprovalState::Open => return Err(GrantError::Waits),
            state => return Err(over(state)),
        }
        let until = now + Duration::from_secs(grant.seconds);
        let name = grants.tokens.name(token);
        let issued = Issued {
            since: now.to_string(),
            until: until.to_string(),
            token: Some(name.clone()),
            verifier: Some(verifier.clone()),
            principal: grantee(caller.principal()),
            scopes: caller.scopes.to_vec(),
            opened: 0,
        };
        let (time, who) = (now.to_string(), caller.principal().id());
        let stamp = Stamp { time: &time, who: Some(&who), session: control.session() };
        let taken = table.step(asked.id, (&Step::Granted(Box::new(issued)), stamp), |expects| {
            let (principal, scopes) = (&**caller.principal(), &*caller.scopes);
            let step = GrantStep::Granted { principal, scopes, token: &name, verifier: &verifier, until };
            let body = Body::Grant(Told { id: asked.id, expects, step });
            control.append_for(evidence, Some(&who), Some(&asked.ask.target), body)
        })?;
        let Some((approval, written)) = taken else { return Err(over(&asked.state)) };
        table.remove(asked.id);
        drop(table);
        let live = grants.insert(approval.clone(), (now, self.shared.up()));
        let live = live.ok_or_else(|| GrantError::Over("the grant cannot be read back".to_owned()))?;
        metrics.granted(&live.target, "granted");
        Ok((approval, until.to_string(), written.position))
    }

    /// The grants that `principal` has asked for, may approve, or may end; the latest first.
    pub async fn list(&self, principal: &Principal, filter: ApprovalFilter) -> Result<Vec<Approval>, GrantError> {
        self.looked(principal, "grants").await?;
        let may_see = |approval: &Approval| approval.ask.grant.is_some() && self.may_end(principal, approval);
        if filter.is_over {
            let found = self.viewer.reader()?.approvals(filter, may_see)?;
            let now = found.into_iter().map(|found| self.now(found.id).unwrap_or(found));
            return Ok(now.filter(may_see).collect());
        }
        let is_open = |approval: &&Approval| matches!(approval.state, ApprovalState::Open | ApprovalState::Approved);
        let mut known: Vec<Approval> = self.shared.holds.table().all().filter(is_open).cloned().collect();
        known.extend(self.shared.grants.all());
        known.sort_by(|a, b| b.ask.requested.cmp(&a.ask.requested));
        known.retain(may_see);
        known.truncate(filter.limit);
        Ok(known)
    }

    /// A grant.
    pub async fn show(&self, principal: &Principal, id: &str) -> Result<Approval, GrantError> {
        let found = self.found(principal, id).await?;
        self.looked(principal, "grant").await?;
        Ok(found)
    }

    /// Ends a grant that is in force, or takes back one's own request. Sessions are cut off at once.
    pub async fn revoke(
        &self,
        principal: &Principal,
        id: &str,
        reason: &str,
        masking: &Masking,
    ) -> Result<Approval, GrantError> {
        let found = self.found(principal, id).await?;
        let reason = worded(reason, masking)?;
        let who = principal.id();
        let Shared { evidence, control, holds, grants, .. } = &*self.shared;
        match &found.state {
            ApprovalState::Granted(_) => {
                let ending = Ending { how: GrantEnd::Revoked, by: Some(&who), reason: Some(&reason) };
                let ended = grants.end(self.shared.books(), (found.id, None), ending)?;
                let Some((approval, written)) = ended else {
                    return Err(GrantError::Over("it has ended just now".to_owned()));
                };
                evidence.settle(Durability::Strict, written.position).await?;
                Ok(approval)
            }
            ApprovalState::Open | ApprovalState::Approved if found.ask.who == who => {
                let cancelled = holds.table().cancel(found.id, (evidence, control), (&reason, None))?;
                let Some((approval, written)) = cancelled else {
                    return Err(GrantError::Over("it has changed just now: look at it, then try again".to_owned()));
                };
                evidence.settle(Durability::Strict, written.position).await?;
                Ok(approval)
            }
            ApprovalState::Open | ApprovalState::Approved => {
                Err(GrantError::Over("it is not in force yet: deny it (`vidimus approvals deny`)".to_owned()))
            }
            state => Err(over(state)),
        }
    }

    /// Has what a person's calls at a target need approval for pass without, for a time. Alarms.
    pub async fn break_glass(
        &self,
        person: &Person,
        caller: &Caller,
        wanted: &GrantWanted,
        masking: &Masking,
    ) -> Result<Approval, GrantError> {
        let principal = &**person.principal();
        let longest = self.rules.break_glass.ok_or(GrantError::Off)?;
        let target = named(&wanted.target)?;
        let seconds = length(wanted.length, longest)?;
        let decision = self.permitted(principal, &Action::BreakGlass { seconds }, &target).await?;
        let reason = worded(&wanted.reason, masking)?;
        let policies = self.shared.policies.load_full();
        let asked = GrantAsked {
            name: BREAK_GLASS,
            principal,
            address: &caller.address().to_string(),
            seconds,
            reason: &reason,
            policies: &decision.policies,
            policy: policies.hash(),
        };
        let (opened, written) = self.opened(asked, &target)?;
        let (who, until, id) = (&opened.ask.who, &opened.ask.expires, opened.id);
        tracing::error!(
            %who, %target, %until, %reason, %id,
            "BREAK-GLASS: what needs approval passes without it for this person at this target"
        );
        self.shared.evidence.settle(Durability::Strict, written).await?;
        Ok(opened)
    }

    fn opened(
        &self,
        asked: GrantAsked<'_>,
        target: &TargetName,
    ) -> Result<(Approval, vidimus_log::Position), GrantError> {
        let Shared { evidence, control, grants, holds, metrics, .. } = &*self.shared;
        // One at a time: of two at once the second finds the first.
        let alone = holds.table();
        let (now, up) = (evidence.clock.now(), self.shared.up());
        if let Some(live) = grants.glass((asked.principal, target), || (now, up)) {
            return Err(GrantError::Already { id: live.id, until: live.until.to_string() });
        }
        let until = now + Duration::from_secs(asked.seconds);
        let (id, who) = (ApprovalId::random(), asked.principal.id());
        let grant = grant_ask(&asked, 0, true);
        let (policies, policy) = (asked.policies.iter().map(ToString::to_string).collect(), asked.policy.to_owned());
        let body = Body::Grant(Told { id, expects: 0, step: GrantStep::Opened { asked, until } });
        let written = control.append_for(evidence, Some(&who), Some(target.as_str()), body)?;
        let ask = Ask {
            who,
            target: target.to_string(),
            action: format!("grant:{BREAK_GLASS}"),
            digest: String::new(),
            session: control.session(),
            held: written.seq,
            requested: now.to_string(),
            expires: until.to_string(),
            policies,
            policy,
            quorums: Vec::new(),
            barred: Vec::new(),
            grant: Some(Box::new(grant)),
        };
        let unread = || GrantError::Over("the override cannot be read back".to_owned());
        let approval = Approval::opened(id, ask, until.to_string()).ok_or_else(unread)?;
        grants.insert(approval.clone(), (now, up)).ok_or_else(unread)?;
        drop(alone);
        metrics.granted(target, "break_glass");
        metrics.break_glass.inc();
        Ok((approval, written.position))
    }

    /// What policy says, when it says yes; a no is on record.
    async fn permitted(
        &self,
        principal: &Principal,
        action: &Action,
        target: &TargetName,
    ) -> Result<Decision, GrantError> {
        let decision = self.viewer.decide(principal, action, target.as_str());
        if decision.effect == Effect::Allow {
            return Ok(decision);
        }
        Err(self.viewer.denied(principal, action, Some(target.as_str()), &decision, None).await.into())
    }

    /// Whether `principal` may end a grant, and so see it.
    fn may_end(&self, principal: &Principal, approval: &Approval) -> bool {
        let Ask { who, target, .. } = &approval.ask;
        *who == principal.id()
            || !self.approver.rules(principal, approval).is_empty()
            || self.viewer.decide(principal, &Action::GrantRevoke, target).effect == Effect::Allow
    }

    /// The grant of this id, or of the only one whose id begins so, if `principal` may see it; the attempt is on record.
    async fn found(&self, principal: &Principal, id: &str) -> Result<Approval, GrantError> {
        let may_see = |approval: &Approval| approval.ask.grant.is_some() && self.may_end(principal, approval);
        if let Some(found) = id.parse().ok().and_then(|id| self.now(id)).filter(may_see) {
            return Ok(found);
        }
        // The index is behind by a moment; and what it says of who it concerns is not believed where the gateway knows.
        let found = self.viewer.reader()?.approval(id, may_see).and_then(|found| match self.now(found.id) {
            Some(now) if !may_see(&now) => Err(StoreError::NoApproval(found.id.to_string())),
            now => Ok(now.unwrap_or(found)),
        });
        match found {
            Ok(found) => Ok(found),
            Err(StoreError::NoApproval(id)) => {
                let decision = Decision::plain(Effect::Deny, Vec::new(), String::new());
                let (action, reason) = (Action::GrantRevoke, Some("unknown_grant"));
                match self.viewer.denied(principal, &action, None, &decision, reason).await {
                    ViewError::Evidence(error) => Err(error.into()),
                    _ => Err(StoreError::NoApproval(id).into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A grant that waits or is in force, as it is now.
    fn now(&self, id: ApprovalId) -> Option<Approval> {
        let waiting = self.shared.holds.table().by_id(id).map(|hold| hold.approval.clone());
        waiting.or_else(|| self.shared.grants.approval(id))
    }

    async fn looked(&self, principal: &Principal, what: &'static str) -> Result<(), GrantError> {
        Ok(self.viewer.record(principal, None, Body::RecordingViewed { what, viewed: None }).await?)
    }
}

fn grant_ask(asked: &GrantAsked<'_>, sessions: u64, is_break_glass: bool) -> GrantAsk {
    GrantAsk {
        name: asked.name.to_owned(),
        seconds: asked.seconds,
        sessions,
        reason: asked.reason.to_owned(),
        is_break_glass,
        principal: grantee(asked.principal),
        address: asked.address.to_owned(),
    }
}

fn named(name: &str) -> Result<TargetName, GrantError> {
    let unknown = || GrantError::Unknown { target: name.to_owned(), name: "any".to_owned() };
    name.parse().map_err(|_| unknown())
}

fn unknown(wanted: &GrantWanted) -> GrantError {
    let name = wanted.name.clone().unwrap_or_else(|| "any".to_owned());
    GrantError::Unknown { target: wanted.target.clone(), name }
}

/// The whole seconds that are asked for, within what may be.
fn length(wanted: Duration, longest: Duration) -> Result<u64, GrantError> {
    let seconds = wanted.as_secs();
    if seconds == 0 || wanted > longest {
        return Err(GrantError::TooLong(format!("{}s", longest.as_secs())));
    }
    Ok(seconds)
}

/// Why nothing can be had of it any more.
fn over(state: &ApprovalState) -> GrantError {
    GrantError::Over(match state {
        ApprovalState::Open | ApprovalState::Approved => "it has changed just now: look again".to_owned(),
        ApprovalState::Denied { by, reason } => format!("it was denied by {by}: {reason}"),
        ApprovalState::Expired => "it was not approved and fetched in time: ask anew".to_owned(),
        ApprovalState::Cancelled { reason } => format!("it was taken back: {reason}"),
        ApprovalState::Granted(_) => "its credential was issued already, and is shown once".to_owned(),
        ApprovalState::Ended { how, .. } => format!("it is over ({how})"),
        ApprovalState::Used { .. } => "it is no grant".to_owned(),
    })
}
