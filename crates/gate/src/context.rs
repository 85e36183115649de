//! What a session and the operations in it have in common: where they record, and for which target.

use std::sync::Arc;

use vidimus_core::{Durability, Protocol, Record, SessionId, TargetName};

use crate::evidence::{Evidence, Strand};
use crate::metrics::Metrics;
use crate::questions::Questions;
use crate::shared::Shared;
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
}

/// Where a session and its operations record.
pub(crate) struct SessionContext {
    shared: Arc<Shared>,
    strand: Strand,
    target: Arc<TargetSpec>,
    tasks: SessionTasks,
    questions: Questions,
    trails: Trails,
}

impl SessionContext {
    pub(crate) fn new(shared: Arc<Shared>, strand: Strand, target: Arc<TargetSpec>) -> Self {
        let tasks = shared.tasks.session();
        Self { shared, strand, target, tasks, questions: Questions::default(), trails: Trails::default() }
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

    pub(crate) const fn tasks(&self) -> &SessionTasks {
        &self.tasks
    }
}
