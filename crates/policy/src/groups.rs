//! Many policies asked as a few.
//!
//! Of the policies of a slice most neither hold nor fail, and for each Cedar pays more to take it up than to evaluate it.
//! So several of one effect are asked as one first, which has their conditions with `||` between them: where that does
//! not hold and does not fail, none of them does, for `||` evaluates the next condition where the last one was false, and
//! fails where one fails. The others are then asked one by one, so that each that holds or fails is known.

use std::error::Error;
use std::sync::Arc;

use cedar_policy::pst::{self, BinaryOp, Clause, Expr, Literal, PstConstructionError, StaticPolicy, Template, UnaryOp};
use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Effect, Entities, Policy, PolicyId, PolicySet, Request, Response,
};

/// Policies asked as one. Larger groups cost less where they stay closed, and more where one holds.
const SIZE: usize = 8;

/// Policies without their scopes, to be asked together.
#[derive(Debug)]
pub(crate) struct Grouped {
    /// Those asked one by one in any case: all of them where they are few.
    single: PolicySet,
    /// One policy for each group, whose id is its place in `groups`.
    screens: PolicySet,
    groups: Vec<PolicySet>,
}

/// What policies say of a request.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    permits: Vec<PolicyId>,
    forbids: Vec<PolicyId>,
    /// Those that could not be evaluated.
    pub(crate) errors: Vec<AuthorizationError>,
}

impl Findings {
    /// As Cedar decides: by a permit, unless a forbid holds. Errors are not looked at.
    pub(crate) const fn is_allowed(&self) -> bool {
        self.forbids.is_empty() && !self.permits.is_empty()
    }

    /// The policies that the decision rests on: forbids that hold, or else permits that do.
    pub(crate) fn reasons(&self) -> &[PolicyId] {
        if self.forbids.is_empty() { &self.permits } else { &self.forbids }
    }

    fn add(&mut self, response: &Response) {
        let reasons = response.diagnostics().reason().cloned();
        match response.decision() {
            Decision::Allow => self.permits.extend(reasons),
            Decision::Deny => self.forbids.extend(reasons),
        }
        self.errors.extend(response.diagnostics().errors().cloned());
    }
}

impl Grouped {
    /// Puts policies in groups; none may have a scope.
    pub(crate) fn new<'a>(policies: impl Iterator<Item = &'a Policy>) -> Result<Self, Box<dyn Error>> {
        let (permits, forbids): (Vec<_>, Vec<_>) = policies.partition(|policy| policy.effect() == Effect::Permit);
        let mut grouped = Self { single: PolicySet::new(), screens: PolicySet::new(), groups: Vec::new() };
        for side in [permits, forbids] {
            for group in side.chunks(SIZE) {
                if group.len() < SIZE {
                    for policy in group {
                        grouped.single.add((*policy).clone())?;
                    }
                    continue;
                }
                grouped.screens.add(screen(grouped.groups.len(), group)?)?;
                grouped.groups.push(PolicySet::from_policies(group.iter().map(|policy| (*policy).clone()))?);
            }
        }
        Ok(grouped)
    }

    /// Asks all of them.
    pub(crate) fn ask(&self, request: &Request, entities: &Entities) -> Findings {
        let authorizer = Authorizer::new();
        let mut findings = Findings::default();
        findings.add(&authorizer.is_authorized(request, &self.single, entities));
        if self.groups.is_empty() {
            return findings;
        }
        let screened = authorizer.is_authorized(request, &self.screens, entities);
        let failed = screened.diagnostics().errors().map(|error| {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            error.policy_id()
        });
        let open = screened.diagnostics().reason().chain(failed);
        let place = |id: &PolicyId| AsRef::<str>::as_ref(id).parse::<usize>().ok();
        for group in open.filter_map(|id| self.groups.get(place(id)?)) {
            findings.add(&authorizer.is_authorized(request, group, entities));
        }
        findings
    }
}

/// A policy that holds or fails where one of these does. It permits whatever they do: of permits Cedar tells every one.
fn screen(place: usize, group: &[&Policy]) -> Result<Policy, Box<dyn Error>> {
    let mut any = None;
    for policy in group {
        let pst::Policy::Static(policy) = policy.to_pst()? else { return Err("a policy from a template".into()) };
        let condition = condition(policy.body());
        any = Some(match any {
            None => condition,
            Some(others) => binary(BinaryOp::Or, others, condition),
        });
    }
    let (principal, action, resource) =
        (pst::PrincipalConstraint::Any, pst::ActionConstraint::Any, pst::ResourceConstraint::Any);
    let id = PolicyId::new(place.to_string());
    let screen = Template::new(id, pst::Effect::Permit, principal, action, resource);
    let screen = screen.try_with_clauses(any.map(Clause::When))?;
    let screen = StaticPolicy::try_from(screen).map_err(PstConstructionError::from)?;
    Ok(Policy::from_pst(pst::Policy::Static(screen))?)
}

/// The clauses of a policy as one, evaluated in their order as they are.
fn condition(policy: &Template) -> Arc<Expr> {
    let clauses = policy.clauses().iter().map(|clause| match clause {
        Clause::When(holds) => Arc::clone(holds),
        Clause::Unless(holds) => Arc::new(Expr::UnaryOp { op: UnaryOp::Not, expr: Arc::clone(holds) }),
    });
    let all = clauses.reduce(|first, next| binary(BinaryOp::And, first, next));
    all.unwrap_or_else(|| Arc::new(Expr::Literal(Literal::Bool(true))))
}

fn binary(op: BinaryOp, left: Arc<Expr>, right: Arc<Expr>) -> Arc<Expr> {
    Arc::new(Expr::BinaryOp { op, left, right })
}
