//! One decision: allowed if a permit holds, no forbid does, and no policy failed (design part 5, "Semantics" 1).
//!
//! Cedar skips a policy that errs, which would let a forbid on an absent argument fall through; here any error is a
//! denial that names the policy. So is an argument that a policy reads but that Cedar cannot hold ([`crate::value`]). Where only
//! forbids with `@approval` or `@rewrite` stand in the way of what a permit covers, the denial says what lifts it: rewrites,
//! or else by which rules people may; for tool calls and statements alone, since nothing else can wait or be rewritten.

use std::error::Error;
use std::sync::Arc;

use cedar_policy::{Authorizer, Context, EntityUid, PolicyId, PolicySet};
use vidimus_core::{Action, Effect, Fact, Rewriting, ToolAnnotations};

use crate::context;
use crate::groups::Findings;
use crate::request::{Considered, Decision, Moment, Request, Verdict};
use crate::rule::Rule;
use crate::rules::{Rules, Site};
use crate::scope;
use crate::slice::{Applicable, Slice};
use crate::subject::Subject;
use crate::value::Unfit;

/// What of a context, besides facts, is made of what the caller asked for; the rest is who and when.
const OF_THE_CALL: [&str; 4] = ["arguments", "uri", "prompt", "url"];

/// Decides. Statements of SQL pass if each kind of what they do may.
pub(crate) fn decide(rules: &Rules, subject: &Subject, request: &Request<'_>) -> Decision {
    match request.action {
        Action::Sql(kinds) if kinds.iter().nth(1).is_some() => {
            let alone = kinds.iter().map(|kind| {
                let action = Action::Sql([kind].into_iter().collect());
                decide_one(rules, subject, &Request { action: &action, ..*request })
            });
            alone.reduce(Decision::and).unwrap_or_else(|| denied(Vec::new(), String::new()))
        }
        _ => decide_one(rules, subject, request),
    }
}

fn decide_one(rules: &Rules, subject: &Subject, request: &Request<'_>) -> Decision {
    let site = rules.site(request.action, request.target);
    let Some(site) = site else {
        let missing = match request.action {
            Action::Approve { rule, .. } => format!("there is no approval rule `{rule}`"),
            _ => format!("there is no target `{}`", request.target),
        };
        return denied(Vec::new(), missing);
    };
    let evaluated = context(rules, site, subject, request).and_then(|(context, unfit)| {
        let world = subject.world(&site.entity, &site.slice)?;
        let Applicable { policies, without_liftable } = &*world.applicable;
        let kept = without_liftable.as_ref().map(|policies| (policies, context.clone()));
        let findings = policies.ask(&asked(site, subject, context)?, &world.entities);
        let is_liftable = kept.is_some() && is_liftable(rules, &findings);
        let is_permitted = match kept {
            Some((policies, context)) if is_liftable => {
                is_permitted(&policies.ask(&asked(site, subject, context)?, &world.entities))
            }
            _ => false,
        };
        Ok((Evaluated { findings, is_liftable, is_permitted }, unfit))
    });
    match evaluated {
        Ok((evaluated, unfit)) => conclude(rules, subject, request, site, &evaluated, &unfit),
        Err(error) => {
            tracing::error!(%error, "a request cannot be put to policy, so it is denied");
            denied(Vec::new(), "policy cannot judge this request".to_owned())
        }
    }
}

/// What Cedar says of a request.
struct Evaluated {
    findings: Findings,
    /// Whether every forbid that holds is one that something can be done about, and there is one.
    is_liftable: bool,
    /// Whether it would be allowed without those. Asked only where that matters.
    is_permitted: bool,
}

fn is_liftable(rules: &Rules, findings: &Findings) -> bool {
    let reasons = findings.reasons();
    let is_liftable = |id: &PolicyId| rules.by_id(id.as_ref()).is_some_and(|rule| rule.is_liftable());
    !findings.is_allowed() && !reasons.is_empty() && reasons.iter().all(is_liftable)
}

/// Whether policies allow a request, and none of them failed.
const fn is_permitted(findings: &Findings) -> bool {
    findings.is_allowed() && findings.errors.is_empty()
}

/// What each policy that can apply to a request says of it by itself.
pub(crate) fn consider(rules: &Rules, subject: &Subject, request: &Request<'_>) -> Vec<Considered> {
    let Some(site) = rules.site(request.action, request.target) else { return Vec::new() };
    considered(site, subject, &context(rules, site, subject, request))
}

/// The same of revealing the data class that `site` is for.
pub(crate) fn consider_revealing(
    site: &Site,
    subject: &Subject,
    target: &EntityUid,
    moment: &Moment<'_>,
) -> Vec<Considered> {
    let made = context::of_moment(moment, target, &subject.amr, &site.slice.reads);
    considered(site, subject, &made.map(|context| (context, Vec::new())))
}

fn considered(site: &Site, subject: &Subject, made: &Result<(Context, Vec<Unfit>), Box<dyn Error>>) -> Vec<Considered> {
    let considered = site.slice.rules.iter().map(|rule| {
        let verdict = match made {
            Ok((context, unfit)) => alone(rule, site, subject, context, unfit),
            Err(error) => Verdict::Fails(error.to_string()),
        };
        let permits = rule.policy.effect() == cedar_policy::Effect::Permit;
        let mut of_the_call = OF_THE_CALL.into_iter().chain(Fact::ALL.into_iter().map(Fact::name));
        let reads_call = of_the_call.any(|name| rule.reads.attribute(name).is_some());
        Considered {
            id: Arc::clone(&rule.id),
            place: rule.place.clone(),
            permits,
            approval: rule.approval.clone(),
            rewrite: rule.rewrite.clone(),
            reads_call: reads_call && admits_principal(rule, subject),
            verdict,
        }
    });
    considered.collect()
}

fn alone(rule: &Arc<Rule>, site: &Site, subject: &Subject, context: &Context, unfit: &[Unfit]) -> Verdict {
    if let Some(value) = unfit.iter().find(|value| cannot_judge(rule, value, subject)) {
        return Verdict::Fails(format!("the argument `{}` must be {}", value.path.join("."), value.expected));
    }
    let evaluated: Result<_, Box<dyn Error>> =
        PolicySet::from_policies([rule.policy.clone()]).map_err(Box::from).and_then(|policy| {
            let world = subject.world(&site.entity, &site.slice)?;
            let asked = asked(site, subject, context.clone())?;
            Ok(Authorizer::new().is_authorized(&asked, &policy, &world.entities))
        });
    match evaluated {
        Err(error) => Verdict::Fails(error.to_string()),
        Ok(response) => match response.diagnostics().errors().next() {
            Some(cedar_policy::AuthorizationError::PolicyEvaluationError(error)) => {
                Verdict::Fails(error.inner().to_string())
            }
            None if response.diagnostics().reason().next().is_some() => Verdict::Holds,
            None => Verdict::DoesNotHold,
        },
    }
}

/// The context of a request, and what of it policies cannot be given.
fn context(
    rules: &Rules,
    site: &Site,
    subject: &Subject,
    request: &Request<'_>,
) -> Result<(Context, Vec<Unfit>), Box<dyn Error>> {
    let shape = match request.action {
        Action::ToolCall(tool) => rules.tool(request.target, tool).and_then(|tool| tool.shape.as_ref()),
        _ => None,
    };
    context::of_request((request, rules.target(request.target)), &subject.amr, shape, &site.slice.reads)
}

/// Whether a list shows a tool. A policy that fails hides it.
pub(crate) fn lists(slice: &Slice, site: &Site, subject: &Subject, annotations: ToolAnnotations) -> bool {
    let context = context::of_tool(annotations);
    context.and_then(|context| evaluate(slice, site, subject, context)).is_ok_and(|found| is_permitted(&found))
}

/// Whether values of a data class are shown as they are. A policy that fails leaves them masked.
pub(crate) fn reveals(site: &Site, subject: &Subject, target: &EntityUid, moment: &Moment<'_>) -> bool {
    let evaluated = context::of_moment(moment, target, &subject.amr, &site.slice.reads)
        .and_then(|context| evaluate(&site.slice, site, subject, context));
    let findings = match evaluated {
        Ok(findings) => findings,
        Err(error) => {
            tracing::error!(%error, "policy cannot be asked what to reveal, so nothing is");
            return false;
        }
    };
    if let Some(cedar_policy::AuthorizationError::PolicyEvaluationError(error)) = findings.errors.first() {
        tracing::warn!(policy = %error.policy_id(), error = %error.inner(), class = %site.resource, "a policy failed, so the class stays masked");
        return false;
    }
    findings.is_allowed()
}

pub(crate) fn denied(policies: Vec<Arc<str>>, message: String) -> Decision {
    Decision::plain(Effect::Deny, policies, message)
}

/// Evaluates the policies of a slice that can hold for the principal.
fn evaluate(slice: &Slice, site: &Site, subject: &Subject, context: Context) -> Result<Findings, Box<dyn Error>> {
    let world = subject.world(&site.entity, slice)?;
    Ok(world.applicable.policies.ask(&asked(site, subject, context)?, &world.entities))
}

fn asked(site: &Site, subject: &Subject, context: Context) -> Result<cedar_policy::Request, Box<dyn Error>> {
    let (principal, action, resource) = (subject.principal.clone(), site.action.clone(), site.resource.clone());
    Ok(cedar_policy::Request::new(principal, action, resource, context, None)?)
}

fn conclude(
    rules: &Rules,
    subject: &Subject,
    request: &Request<'_>,
    site: &Site,
    Evaluated { findings, is_liftable, is_permitted }: &Evaluated,
    unfit: &[Unfit],
) -> Decision {
    let reasons = || findings.reasons().iter().filter_map(|id| rules.by_id(id.as_ref()));
    let mut failed: Vec<&Arc<Rule>> = Vec::new();
    for error in &findings.errors {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
        failed.extend(rules.by_id(error.policy_id().as_ref()));
    }
    if let Some(cedar_policy::AuthorizationError::PolicyEvaluationError(error)) = findings.errors.first() {
        // Several policies fail on one value, with one reason.
        let policies = failed.len();
        tracing::warn!(policy = %error.policy_id(), policies, error = %error.inner(), "policies failed, so the request is denied");
    }
    let blind = |value: &Unfit| site.slice.rules.iter().filter(|rule| cannot_judge(rule, value, subject)).collect();
    let unjudged = unfit.iter().find_map(|value| {
        let rules: Vec<_> = blind(value);
        (!rules.is_empty()).then_some((value, rules))
    });

    let (is_allowed, has_failed) = (findings.is_allowed(), !findings.errors.is_empty());
    if is_allowed && !has_failed && unjudged.is_none() {
        return Decision::plain(Effect::Allow, ids(reasons()), String::new());
    }
    if *is_liftable && *is_permitted && !has_failed && unjudged.is_none() {
        return lifted(rules, request, reasons().collect());
    }

    // What could be lifted does not say why this is denied.
    let mut forbids: Vec<_> =
        if is_allowed { Vec::new() } else { reasons().filter(|rule| !rule.is_liftable()).collect() };
    forbids.sort_by(|a, b| a.id.cmp(&b.id));
    let messages: Vec<&str> = forbids.iter().filter_map(|rule| rule.message.as_deref()).collect();
    let action = request.action.name(request.target.as_str());
    let message = match &unjudged {
        _ if !messages.is_empty() => messages.join(" "),
        Some((value, _)) => {
            format!("policy cannot judge the argument `{}` of {action}: send {}", value.path.join("."), value.expected)
        }
        None if has_failed => {
            format!("policy cannot judge this {action}; are all its arguments there, each of the right kind?")
        }
        None if !forbids.is_empty() => format!("a policy forbids {action}"),
        None => format!("no policy permits {action}"),
    };
    let unjudging = unjudged.into_iter().flat_map(|(_, rules)| rules);
    denied(ids(forbids.into_iter().chain(failed).chain(unjudging)), message)
}

/// The decision where only these forbids, about each of which something can be done, stand in the way.
fn lifted(rules: &Rules, request: &Request<'_>, mut forbids: Vec<&Arc<Rule>>) -> Decision {
    forbids.sort_by(|a, b| a.id.cmp(&b.id));
    // What people are asked about is what comes of rewriting.
    if forbids.iter().any(|rule| rule.rewrite.is_some()) {
        forbids.retain(|rule| rule.rewrite.is_some());
        return rewritten(request, &forbids);
    }
    let mut approvals: Vec<Arc<str>> = forbids.iter().filter_map(|rule| rule.approval.clone()).collect();
    approvals.sort();
    approvals.dedup();
    let action = request.action.name(request.target.as_str());
    let mut messages: Vec<&str> = forbids.iter().filter_map(|rule| rule.message.as_deref()).collect();
    if messages.is_empty() {
        let rules = approvals.iter().filter_map(|name| rules.approval(name));
        messages.extend(rules.filter_map(|(rule, _)| rule.message.as_deref()));
    }
    let names = approvals.join(", ");
    let policies = ids(forbids.iter().copied());
    if !can_wait(request.action) {
        let message =
            format!("{action} needs approval ({names}), and only calls of tools and statements can wait for that");
        return denied(policies, message);
    }
    let message = if messages.is_empty() { format!("{action} needs approval ({names})") } else { messages.join(" ") };
    Decision { approvals, ..denied(policies, message) }
}

/// Whether something can be done about what stands in the way: the rest is not waited for, and has nothing to rewrite.
const fn can_wait(action: &Action) -> bool {
    matches!(action, Action::ToolCall(_) | Action::Sql(_))
}

/// The decision where the call is to be rewritten as these forbids say.
fn rewritten(request: &Request<'_>, forbids: &[&Arc<Rule>]) -> Decision {
    let action = request.action.name(request.target.as_str());
    let mut names: Vec<Arc<str>> = forbids.iter().filter_map(|rule| rule.rewrite.clone()).collect();
    names.sort();
    names.dedup();
    let policies = ids(forbids.iter().copied());
    if !can_wait(request.action) {
        let names = names.join(", ");
        return denied(
            policies,
            format!("{action} needs to be rewritten ({names}), and only calls of tools and statements can be"),
        );
    }
    let wanting = |name: Arc<str>| {
        let by = forbids.iter().copied().filter(|rule| rule.rewrite.as_ref() == Some(&name));
        Rewriting { policies: ids(by), name }
    };
    let messages: Vec<&str> = forbids.iter().filter_map(|rule| rule.message.as_deref()).collect();
    let message = if messages.is_empty() { format!("a policy forbids {action} as it is") } else { messages.join(" ") };
    Decision { rewrites: names.into_iter().map(wanting).collect(), ..denied(policies, message) }
}

/// Whether a policy for this principal reads a value that it cannot be given.
fn cannot_judge(rule: &Rule, value: &Unfit, subject: &Subject) -> bool {
    let arguments = rule.reads.attribute("arguments");
    arguments.is_some_and(|reads| reads.touches(&value.path)) && admits_principal(rule, subject)
}

fn admits_principal(rule: &Rule, subject: &Subject) -> bool {
    scope::admits_principal(&rule.policy, &subject.principal, &subject.groups)
}

fn ids<'a>(rules: impl Iterator<Item = &'a Arc<Rule>>) -> Vec<Arc<str>> {
    let mut ids: Vec<_> = rules.map(|rule| Arc::clone(&rule.id)).collect();
    ids.sort();
    ids.dedup();
    ids
}
