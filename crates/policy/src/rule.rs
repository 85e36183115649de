//! One policy, with what is known of it.

use std::sync::Arc;

use cedar_policy::Policy;

use crate::error::Place;
use crate::reads::Reads;

/// One policy in force.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    /// Where it begins.
    pub(crate) place: Place,
    pub(crate) policy: Policy,
    /// The policy without its scope.
    pub(crate) condition: Policy,
    /// The policy as lists see it, without its scope, when it has a say in them.
    pub(crate) visibility: Option<Policy>,
    pub(crate) reads: Reads,
    /// `@message`.
    pub(crate) message: Option<String>,
    /// `@approval`: what it forbids may pass when people approve it by this rule.
    pub(crate) approval: Option<Arc<str>>,
    /// `@rewrite`: what it forbids may pass when it is rewritten so.
    pub(crate) rewrite: Option<Arc<str>>,
}

impl Rule {
    /// Whether it is a forbid that something can be done about.
    pub(crate) const fn is_liftable(&self) -> bool {
        self.approval.is_some() || self.rewrite.is_some()
    }
}
