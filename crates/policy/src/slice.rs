//! The policies that can apply in one place, and of those the ones that can hold for one principal.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{Entity, EntityUid, Policy};

use crate::groups::Grouped;
use crate::reads::Reads;
use crate::rule::Rule;
use crate::scope;

/// Sets of one slice that are kept for principals who are in other groups. Most slices have one or two.
const SETS: usize = 32;

/// The policies that can apply in one place, and what they read.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) reads: Reads,
    /// The actions that their conditions name.
    pub(crate) named_actions: Vec<Entity>,
    /// Each rule's policy without its scope, and whether people may lift what it forbids.
    conditions: Vec<(Policy, bool)>,
    /// What was put together before, by which rules it has.
    sets: Mutex<HashMap<Vec<bool>, Arc<Applicable>>>,
}

/// The policies of a slice that can hold for a principal, without their scopes.
#[derive(Debug)]
pub(crate) struct Applicable {
    pub(crate) policies: Grouped,
    /// Those that no approval and no rewrite lifts, where there are others too.
    pub(crate) without_liftable: Option<Grouped>,
}

impl Slice {
    /// A slice of rules, each with its policy without its scope and whether people may lift what it forbids.
    pub(crate) fn new(rules: Vec<(Arc<Rule>, Policy, bool)>, named_actions: Vec<Entity>) -> Self {
        let mut reads = Reads::nothing();
        for (rule, ..) in &rules {
            reads.merge(&rule.reads);
        }
        let (rules, conditions) =
            rules.into_iter().map(|(rule, condition, liftable)| (rule, (condition, liftable))).unzip();
        Self { rules, reads, named_actions, conditions, sets: Mutex::default() }
    }

    /// The policies that can hold for a principal that is in these groups, and in no other.
    pub(crate) fn applicable(
        &self,
        principal: &EntityUid,
        groups: &HashSet<EntityUid>,
    ) -> Result<Arc<Applicable>, Box<dyn Error>> {
        let admitted: Vec<bool> =
            self.rules.iter().map(|rule| scope::admits_principal(&rule.policy, principal, groups)).collect();
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sets.get(&admitted) {
            return Ok(Arc::clone(known));
        }
        let chosen = || self.conditions.iter().zip(&admitted).filter(|(_, admitted)| **admitted).map(|(rule, _)| rule);
        let plain = chosen().filter(|(_, liftable)| !liftable).map(|(policy, _)| policy);
        let without_liftable = if chosen().any(|(_, liftable)| *liftable) { Some(Grouped::new(plain)?) } else { None };
        let policies = Grouped::new(chosen().map(|(policy, _)| policy))?;
        let applicable = Arc::new(Applicable { policies, without_liftable });
        if sets.len() >= SETS {
            sets.clear();
        }
        sets.insert(admitted, Arc::clone(&applicable));
        Ok(applicable)
    }
}
