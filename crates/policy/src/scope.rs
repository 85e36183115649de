//! Scopes of policies: where each can hold, and policies without theirs.
//!
//! Cedar puts the scope of a policy together anew for every request, and it costs more than most conditions. What a slice
//! and a principal have settled is therefore left out of what Cedar is given: an action and a resource that the slice is
//! for, and a principal that the scope admits. Cedar evaluates the scope first, so a policy whose scope does not admit a
//! request says nothing of it and cannot fail either.

use std::collections::HashSet;

use cedar_policy::pst::{self, PstConstructionError, StaticPolicy, Template};
use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

/// A policy that applies wherever it is asked.
pub(crate) fn without(policy: &Template) -> Result<Policy, PstConstructionError> {
    let mut anywhere = policy.clone();
    anywhere.principal = pst::PrincipalConstraint::Any;
    anywhere.action = pst::ActionConstraint::Any;
    anywhere.resource = pst::ResourceConstraint::Any;
    let anywhere = StaticPolicy::try_from(anywhere).map_err(PstConstructionError::from)?;
    Policy::from_pst(pst::Policy::Static(anywhere))
}

/// Whether a policy may reveal, erase, hold or administer: one that permits must name the action.
pub(crate) fn names_action(policy: &Policy) -> bool {
    policy.effect() == Effect::Forbid || policy.action_constraint() != ActionConstraint::Any
}

/// Whether a policy can hold for an action, given with the groups it is in.
pub(crate) fn admits_action(policy: &Policy, actions: &[EntityUid]) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(named) => actions.first() == Some(&named),
        ActionConstraint::In(named) => actions.iter().any(|action| named.contains(action)),
    }
}

/// Whether a policy can hold for a resource.
pub(crate) fn admits_resource(policy: &Policy, resource: &EntityUid) -> bool {
    match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        // Targets, data classes and the log are in nothing but themselves.
        ResourceConstraint::Eq(named) | ResourceConstraint::In(named) => named == *resource,
        ResourceConstraint::Is(kind) => kind == *resource.type_name(),
        ResourceConstraint::IsIn(kind, named) => kind == *resource.type_name() && named == *resource,
    }
}

/// Whether a policy can hold for a principal that is in these groups, and in no other.
pub(crate) fn admits_principal(policy: &Policy, principal: &EntityUid, groups: &HashSet<EntityUid>) -> bool {
    let is_in = |group: &EntityUid| group == principal || groups.contains(group);
    match policy.principal_constraint() {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Eq(named) => named == *principal,
        PrincipalConstraint::In(group) => is_in(&group),
        PrincipalConstraint::Is(kind) => kind == *principal.type_name(),
        PrincipalConstraint::IsIn(kind, group) => kind == *principal.type_name() && is_in(&group),
    }
}
