//! What a session and the operations in it have in common: where they record, and for which target.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use vidimus_core::{Action, CredentialKind, Durability, Members, Principal, Protocol, Record, SessionId, TargetName};
use vidimus_credential::Subject;
use vidimus_guard::Guard;
use vidimus_mask::ClassSet;
use vidimus_policy::Granted;

use crate::chains::Chain;
use crate::evidence::{Evidence, Strand};
use crate::grants::Live;
use crate::limits::Allowance;
use crate::masking::{Masked, MaskedLines, MaskedTable, Masking, SessionMemory, Unmaskable};
use crate::metrics::Metrics;
use crate::questions::Questions;
use crate::shared::Shared;
use crate::standing::{Facts, Kind, Party, Standing};
use crate::table::Table;
use crate::tasks::SessionTasks;
use crate::trail::Trails;

/// What the gate must know of a target.
#[derive(Debug, Clone)]
pub struct TargetSpec {
    /// Its name.
    pub name: TargetName,
    /// The protocol it is reached by.
    pub protocol: Protocol,
    /// What an acknowledged record survives.
    pub durability: Durability,
    /// Whether payloads are kept.
    pub record: Record,
    /// How its payloads are masked.
    pub masking: Masking,
    /// How many rows of a result are kept; of the rest, how many there were and their digest.
    pub rows_kept: u64,
    /// What facts of its calls are made by.
    pub guard: Guard,
    /// What the gateway shows it.
    pub credential: Option<CredentialKind>,
}

/// Where a session and its operations record.
pub(crate) struct SessionContext {
    shared: Arc<Shared>,
    strand: Strand,
    target: Arc<TargetSpec>,
    party: Party,
    /// The caller's token as it last came, where it is exchanged for another.
    subject: ArcSwapOption<Subject>,
    memory: SessionMemory,
    tasks: SessionTasks,
    allowance: Allowance,
    questions: Questions,
    trails: Trails,
    /// The grant whose credential it was opened with.
    grant: Option<Arc<Live>>,
    /// The credential of a program that it was opened with.
    chain: Option<Arc<Chain>>,
    /// The break-glass that its calls were made under.
    glass: ArcSwapOption<Live>,
}

impl TargetSpec {
    /// What the gate must know of the gateway's own endpoint for all targets. Of its answers sizes and commitments are
    /// kept: they are made of what each target's own session has masked, and keeps.
    pub fn endpoint(protocol: Protocol, masking: Masking) -> Self {
        let (durability, record) = (Durability::Strict, Record::Sizes);
        let guard = Guard::default();
        Self {
            name: TargetName::federation(),
            protocol,
            durability,
            record,
            masking,
            guard,
            credential: None,
            rows_kept: 0,
        }
    }
}

impl SessionContext {
    pub(crate) fn new(
        shared: Arc<Shared>,
        (strand, tasks, allowance): (Strand, SessionTasks, Allowance),
        target: Arc<TargetSpec>,
        (party, subject): (Party, Option<Arc<Subject>>),
        (grant, chain): (Option<Arc<Live>>, Option<Arc<Chain>>),
    ) -> Self {
        let glass = ArcSwapOption::empty();
        let (memory, questions, trails) = (SessionMemory::default(), Questions::default(), Trails::default());
        let subject = subject.into();
        Self {
            shared,
            strand,
            target,
            party,
            subject,
            memory,
            tasks,
            allowance,
            questions,
            trails,
            grant,
            chain,
            glass,
        }
    }

    /// The caller's token as it last came, where it is exchanged for another.
    pub(crate) fn subject(&self) -> Option<Arc<Subject>> {
        self.subject.load_full()
    }

    /// Keeps the token of a later request of the same caller in the place of the one before, if the target needs any.
    pub(crate) fn keep_subject(&self, subject: Option<&Arc<Subject>>) {
        if self.target.credential == Some(CredentialKind::TokenExchange) {
            self.subject.store(subject.map(Arc::clone));
        }
    }

    pub(crate) const fn party(&self) -> &Party {
        &self.party
    }

    /// What policy in force now says of the session.
    pub(crate) fn standing(&self) -> Arc<Standing> {
        self.party.standing(&self.shared.policies.load())
    }

    /// What is known of the caller now; `address` is where the operation comes from.
    pub(crate) fn facts(&self, address: Option<IpAddr>) -> Facts<'_> {
        Facts {
            address: address.unwrap_or(self.party.address),
            client: self.party.client.as_deref(),
            grant: granted(&self.shared, self.grant.as_ref(), (&self.party.principal, self.target())),
            time: self.evidence().clock.now(),
        }
    }

    /// The grant whose credential it was opened with.
    pub(crate) const fn grant(&self) -> Option<&Arc<Live>> {
        self.grant.as_ref()
    }

    /// The credential of a program that it was opened with.
    pub(crate) const fn chain(&self) -> Option<&Arc<Chain>> {
        self.chain.as_ref()
    }

    /// Whether the grant that it was opened with, or the break-glass that its calls were made under, is over.
    pub(crate) fn is_grant_over(&self) -> bool {
        let is_over = |live: &Arc<Live>| live.is_over(self.shared.times());
        self.grant.as_ref().is_some_and(is_over) || self.glass.load().as_ref().is_some_and(is_over)
    }

    /// The break-glass that is in force for its caller; it ends with that from now on.
    pub(crate) fn glass(&self) -> Option<Arc<Live>> {
        if self.party.kind != Kind::Caller {
            return None;
        }
        let live = self.shared.grants.glass((&self.party.principal, self.target()), || self.shared.times())?;
        // First, so that a session that is closed meanwhile leaves it again.
        self.glass.store(Some(Arc::clone(&live)));
        live.join(self.id(), &self.tasks).then_some(live)
    }

    /// It is closed, on record.
    pub(crate) fn leave_grants(&self) {
        if let Some(chain) = &self.chain {
            chain.leave(self.id());
        }
        for live in self.grant.iter().chain(self.glass.load().as_ref()) {
            self.shared.grants.left(self.shared.books(), live, self.id());
        }
    }

    pub(crate) fn masking(&self) -> &Masking {
        &self.target.masking
    }

    /// Masks a payload of the session, except for the client what is `revealed`.
    pub(crate) async fn masked(
        &self,
        payload: &Bytes,
        members: &'static Members,
        revealed: ClassSet,
    ) -> Result<Masked, Unmaskable> {
        self.masking().mask(&self.memory, payload, members, revealed).await
    }

    /// Masks what goes to the client, except what policy in force now reveals to it.
    pub(crate) async fn masked_for_client(
        &self,
        payload: &Bytes,
        members: &'static Members,
        address: Option<IpAddr>,
    ) -> Result<Masked, Unmaskable> {
        // Made of what was masked for the same caller, target by target; nothing of it is kept.
        if self.party.kind == Kind::Endpoint {
            return Ok(Masked::passed(payload.clone()));
        }
        self.masked(payload, members, self.revealed(address)).await
    }

    /// The same of a table.
    pub(crate) async fn masked_table_for_client(
        &self,
        table: Arc<dyn Table>,
        address: Option<IpAddr>,
    ) -> Result<MaskedTable, Unmaskable> {
        let revealed = self.revealed(address);
        self.masking().table(&self.memory, table, revealed).await
    }

    /// The same of what nothing is revealed of.
    pub(crate) async fn masked_table(&self, table: Arc<dyn Table>) -> Result<MaskedTable, Unmaskable> {
        self.masking().table(&self.memory, table, ClassSet::EMPTY).await
    }

    /// The classes that policy in force now reveals to the caller.
    fn revealed(&self, address: Option<IpAddr>) -> ClassSet {
        match self.party.kind {
            Kind::Caller => self.standing().revealed(self.target(), self.masking(), &self.facts(address)),
            Kind::Own | Kind::Endpoint => ClassSet::EMPTY,
        }
    }

    /// An action with what its object holds masked, for the record.
    pub(crate) async fn masked_action(&self, action: &Action) -> Action {
        self.masking().action(&self.memory, action).await
    }

    /// What masks a log of the session for the record.
    pub(crate) fn masked_lines(&self) -> MaskedLines {
        MaskedLines::new(self.masking(), &self.memory)
    }

    pub(crate) const fn id(&self) -> SessionId {
        self.strand.session()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn evidence(&self) -> &Arc<Evidence> {
        &self.shared.evidence
    }

    pub(crate) const fn strand(&self) -> &Strand {
        &self.strand
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) fn spec(&self) -> &TargetSpec {
        &self.target
    }

    pub(crate) fn target(&self) -> &TargetName {
        &self.target.name
    }

    pub(crate) fn durability(&self) -> Durability {
        self.target.durability
    }

    pub(crate) const fn questions(&self) -> &Questions {
        &self.questions
    }

    pub(crate) const fn trails(&self) -> &Trails {
        &self.trails
    }

    pub(crate) const fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    pub(crate) const fn tasks(&self) -> &SessionTasks {
        &self.tasks
    }
}

/// By which grant a caller is at a target, as policies see it.
pub(crate) fn granted(
    shared: &Shared,
    grant: Option<&Arc<Live>>,
    whose: (&Principal, &TargetName),
) -> Option<Arc<Granted>> {
    let glass = shared.grants.glass(whose, || shared.times());
    match (grant, glass) {
        (None, glass) => glass.map(|live| Arc::clone(&live.granted)),
        (Some(live), None) => Some(Arc::clone(&live.granted)),
        (Some(live), Some(_)) => Some(Arc::new(Granted { is_break_glass: true, ..Granted::clone(&live.granted) })),
    }
}
