//! Slices against the whole: what is left out of a slice never had a say.

use cedar_policy::{Authorizer, Entities, PolicySet};
use proptest::prelude::*;
use vidimus_core::json::{Document, Limits};
use vidimus_core::{Action, Effect, PrincipalKind, Protocol, Timestamp, ToolAnnotations};

use super::*;
use crate::context;
use crate::reads::Reads;
use crate::request::Claimed;
use crate::vocabulary::{FIXED_ACTIONS, OTHER_TOOL};

const EFFECTS: [&str; 6] = [
    "permit",
    "forbid",
    "@approval(\"finance\") forbid",
    "@approval(\"security\") forbid",
    "@rewrite(\"small\") forbid",
    "@rewrite(\"euro\") forbid",
];
const PRINCIPALS: [&str; 5] = [
    "principal",
    "principal in Group::\"demo/a\"",
    "principal in Group::\"demo/b\"",
    "principal == User::\"demo|alice\"",
    "principal is Workload",
];
/// Scopes over any action, and then those of named tools only.
const ACTIONS: [&str; 8] = [
    "action",
    "action in Action::\"tools/call\"",
    "action == Action::\"connect\"",
    "action == Action::\"resources/read\"",
    "action in [Action::\"crm/get\", Action::\"connect\"]",
    "action == Action::\"recording.view\"",
    "action == Action::\"crm/refund\"",
    "action in [Action::\"crm/refund\", Action::\"orders/put\"]",
];
const OF_ANY_ACTION: usize = 6;
const RESOURCES: [&str; 5] = [
    "resource",
    "resource == Target::\"crm\"",
    "resource in Target::\"orders\"",
    "resource is Target",
    "resource is Target in Target::\"crm\"",
];
/// Conditions for every action, and then those for policies on named tools only.
const CONDITIONS: [&str; 12] = [
    "true",
    "context.amr.contains(\"otp\")",
    "action in Action::\"tools/call\"",
    "action == Action::\"crm/refund\"",
    "Action::\"orders/put\" in Action::\"tools/call\"",
    "action in [Action::\"connect\", Action::\"crm/get\"]",
    "resource == Target::\"crm\" || principal in Group::\"demo/a\"",
    "context has address && context.address.isLoopback()",
    "9223372036854775807 + (if context.amr.isEmpty() then 1 else 0) > 0",
    "context.arguments.amount > 500",
    "context.arguments has note && context.arguments.note like \"a*\"",
    "context.tool.readOnlyHint",
];
const FOR_EVERY_ACTION: usize = 9;

prop_compose! {
    fn policy()(
        effect in prop::sample::select(&EFFECTS[..]),
        principal in prop::sample::select(&PRINCIPALS[..]),
        action in 0..ACTIONS.len(),
        resource in prop::sample::select(&RESOURCES[..]),
        condition in 0..CONDITIONS.len(),
    ) -> String {
        let is_of_tools = action >= OF_ANY_ACTION;
        let condition = if is_of_tools { condition } else { condition % FOR_EVERY_ACTION };
        // A tool of one target is refused on the other.
        let resource = if is_of_tools && resource.contains("::") { "resource is Target" } else { resource };
        let action = ACTIONS[action];
        format!("{effect} ({principal}, {action}, {resource}) when {{ {} }};\n", CONDITIONS[condition])
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Connect),
        Just(Action::RecordingView),
        Just(Action::ResourceRead("x:y".into())),
        prop::sample::select(&["refund", "get", "put", "other"][..]).prop_map(|tool| Action::ToolCall(tool.into())),
    ]
}

fn principal(is_user: bool, groups: Vec<String>, amr: Vec<String>) -> Principal {
    Principal {
        kind: if is_user { PrincipalKind::User } else { PrincipalKind::Workload },
        issuer: "demo".into(),
        subject: "alice".into(),
        groups,
        display: None,
        actor_chain: Vec::new(),
        amr,
        client_id: None,
    }
}

/// Every attribute there is, as if policies read them all.
fn everything() -> Reads {
    let names = ["amr", "address", "time", "claimed", "tool", "arguments"];
    Reads::Attributes(names.map(|name| (name.to_owned(), Reads::All)).into())
}

/// The principal and every action there is.
fn hierarchy(policies: &Policies, subject: &Subject) -> Entities {
    let tools = ["crm/get", "crm/refund", "orders/put", OTHER_TOOL];
    let actions = FIXED_ACTIONS.into_iter().chain(tools).map(|name| policies.words.action(name));
    let actions = actions.map(|action| crate::hierarchy::entity(&action, &policies.words));
    Entities::from_entities(actions.chain([subject.entity.clone()]), None).unwrap()
}

/// Cedar's decision by every policy on every fact, with its errors as denials; those that people may lift left out, or not.
fn whole(
    policies: &Policies,
    subject: &Subject,
    request: &Request<'_>,
    has_liftable: bool,
) -> (Effect, Vec<String>, Vec<String>) {
    let kept = policies.rules.all().filter(|rule| has_liftable || !rule.is_liftable());
    let all = PolicySet::from_policies(kept.map(|rule| rule.policy.clone())).unwrap();
    let site = policies.rules.site(request.action, request.target).unwrap();
    let target = policies.rules.target(request.target);
    let (context, unfit) = context::of_request((request, target), &subject.amr, None, &everything()).unwrap();
    assert_eq!(unfit, []);
    let (principal, resource) = (subject.principal.clone(), site.resource.clone());
    let asked = cedar_policy::Request::new(principal, site.action.clone(), resource, context, None).unwrap();
    let response = Authorizer::new().is_authorized(&asked, &all, &hierarchy(policies, subject));
    let failed: Vec<String> = response
        .diagnostics()
        .errors()
        .map(|error| {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            error.policy_id().to_string()
        })
        .collect();
    let is_allowed = response.decision() == cedar_policy::Decision::Allow;
    let reasons: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    let liftable = |id: &String| policies.rules.by_id(id).is_some_and(|rule| rule.is_liftable());
    let mut ids = failed.clone();
    if is_allowed && failed.is_empty() {
        ids.extend(reasons);
        ids.sort();
        return (Effect::Allow, ids, Vec::new());
    }
    if !is_allowed && failed.is_empty() && !reasons.is_empty() && reasons.iter().all(liftable) {
        return match whole(policies, subject, request, false) {
            (Effect::Allow, ..) => {
                let rewrite = |id: &String| policies.rules.by_id(id).unwrap().rewrite.as_ref().map(ToString::to_string);
                let approval =
                    |id: &String| policies.rules.by_id(id).unwrap().approval.as_ref().map(ToString::to_string);
                let is_call = matches!(request.action, Action::ToolCall(_));
                let is_rewritten = reasons.iter().any(|id| rewrite(id).is_some());
                let lifts = |id: &String| if is_rewritten { rewrite(id) } else { approval(id) };
                let mut ids: Vec<_> = reasons.into_iter().filter(|id| lifts(id).is_some()).collect();
                let rules: std::collections::BTreeSet<_> = ids.iter().filter(|_| is_call).filter_map(lifts).collect();
                ids.sort();
                (Effect::Deny, ids, rules.into_iter().collect())
            }
            _ => (Effect::Deny, Vec::new(), Vec::new()),
        };
    }
    if !is_allowed {
        ids.extend(reasons.into_iter().filter(|id| !liftable(id)));
    }
    ids.sort();
    (Effect::Deny, ids, Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn a_slice_decides_as_the_whole_does(
        texts in prop_oneof![8 => prop::collection::vec(policy(), 1..12), 1 => prop::collection::vec(policy(), 24..60)],
        action in action(),
        target in prop::sample::select(&["crm", "orders"][..]),
        is_user: bool,
        groups in prop::collection::vec("demo/[abc]", 0..3),
        amr in prop::collection::vec("(otp|pwd)", 0..2),
        amount in prop::option::of(0_i64..1_000),
        note in prop::option::of("[ab]{0,2}"),
        read_only: bool,
        is_local: bool,
    ) {
        let targets = ["crm", "orders"].map(|name| TargetSchema {
            name: name.parse().unwrap(),
            protocol: Protocol::Mcp,
            tools: None,
        });
        let source = Source { name: "p".into(), text: texts.concat() };
        let approvals = ["finance", "security"].map(|name| ApprovalRule {
            name: name.into(),
            approvers: 1,
            expires: std::time::Duration::from_hours(1),
            wait: std::time::Duration::ZERO,
            needs_reason: false,
            message: None,
        });
        let rewrites = ["small".into(), "euro".into()];
        let world = World { targets: &targets, classes: &[], approvals: &approvals, rewrites: &rewrites };
        let policies = Policies::compile_in(&[source], world).unwrap();
        let subject = policies.subject(&principal(is_user, groups, amr));

        let mut arguments = serde_json::Map::new();
        arguments.extend(amount.map(|amount| ("amount".to_owned(), amount.into())));
        arguments.extend(note.map(|note| ("note".to_owned(), note.into())));
        let arguments = serde_json::Value::from(arguments).to_string();
        let document = Document::parse(arguments.into(), &Limits::default()).unwrap();
        let request = Request {
            action: &action,
            target: &target.parse().unwrap(),
            arguments: Some(document.root()),
            annotations: Some(ToolAnnotations { read_only, ..ToolAnnotations::default() }),
            facts: None,
            claimed: Claimed { client: Some("c"), model: None }, grant: None,
            address: is_local.then_some([127, 0, 0, 1].into()),
            time: Timestamp::from_seconds(1),
        };

        let decision = policies.decide(&subject, &request);
        let ids: Vec<String> = decision.policies.iter().map(ToString::to_string).collect();
        let rewrites = decision.rewrites.iter().map(|rewrite| &rewrite.name);
        let rules = decision.approvals.iter().chain(rewrites).map(ToString::to_string).collect();
        prop_assert_eq!((decision.effect, ids, rules), whole(&policies, &subject, &request, true));
    }
}

#[test]
fn equal_slices_are_shared() {
    let text = "permit (principal, action in Action::\"tools/call\", resource);";
    let source = Source { name: "p".into(), text: text.into() };
    let targets =
        ["a", "b", "c"].map(|name| TargetSchema { name: name.parse().unwrap(), protocol: Protocol::Mcp, tools: None });
    let policies = Policies::compile(&[source], &targets, &[]).unwrap();
    let slice = |name: &str| Arc::clone(&policies.rules.tool(&name.parse().unwrap(), "x").unwrap().call.slice);
    assert!(Arc::ptr_eq(&slice("a"), &slice("b")) && Arc::ptr_eq(&slice("b"), &slice("c")));
    assert_eq!(slice("a").rules.len(), 1);
}
