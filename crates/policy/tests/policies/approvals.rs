//! `@approval`: what people may lift, what nobody is asked about, and who may approve.

use std::time::Duration;

use vidimus_core::{Action, Effect, Timestamp};
use vidimus_policy::{ApprovalRule, Claimed, Granted, Policies, Request, World};

use super::{Question, crm, definition, principal, shown, source, target};

const PERMIT: &str = "@id(\"all\") permit (principal, action, resource);\n";
const LARGE: &str =
    "@id(\"large\") @approval(\"finance\") forbid (principal, action == Action::\"crm/refund\", resource)
    when { context.arguments.amount > 500 };\n";

fn rule(name: &str) -> ApprovalRule {
    let message = (name == "security").then(|| "Security looks at this.".to_owned());
    ApprovalRule {
        name: name.into(),
        approvers: 1,
        expires: Duration::from_hours(1),
        wait: Duration::ZERO,
        needs_reason: false,
        message,
    }
}

fn compiled(text: &str) -> Result<Policies, String> {
    let (targets, approvals) = ([crm()], ["finance", "security"].map(rule));
    let world = World { targets: &targets, classes: &[], approvals: &approvals, rewrites: &[] };
    let errors = |errors: Vec<vidimus_policy::PolicyError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    Policies::compile_in(&[source("p.cedar", text)], world).map_err(|found| errors(found).join("\n"))
}

/// `deny large: message [finance]`
fn asked(text: &str, arguments: &str) -> String {
    let policies = compiled(text).unwrap();
    let decision = Question::new(&policies, &principal("alice", &[])).call("refund", arguments);
    let rules: Vec<&str> = decision.approvals.iter().map(|rule| &**rule).collect();
    if rules.is_empty() { shown(&decision) } else { format!("{} [{}]", shown(&decision), rules.join(" ")) }
}

#[test]
fn what_people_may_lift_says_by_which_rules() {
    let text = format!("{PERMIT}{LARGE}");
    assert_eq!(asked(&text, r#"{"amount":500}"#), "allow all");
    assert_eq!(asked(&text, r#"{"amount":501}"#), "deny large: crm/refund needs approval (finance) [finance]");
    let both = format!(
        "{text}@id(\"any\") @approval(\"security\") forbid (principal, action in Action::\"tools/call\", resource);
         @id(\"again\") @approval(\"finance\") forbid (principal, action == Action::\"crm/refund\", resource);"
    );
    assert_eq!(asked(&both, r#"{"amount":501}"#), "deny again any large: Security looks at this. [finance security]");
    let said = format!("{PERMIT}@message(\"Finance agrees first.\") {LARGE}");
    assert_eq!(asked(&said, r#"{"amount":501}"#), "deny large: Finance agrees first. [finance]");
}

#[test]
fn nobody_is_asked_about_what_no_permit_covers_or_another_forbid_denies() {
    assert_eq!(asked(LARGE, r#"{"amount":501}"#), "deny: no policy permits crm/refund");
    let never = "@id(\"never\") @message(\"Never.\") forbid (principal, action == Action::\"crm/refund\", resource);";
    assert_eq!(asked(&format!("{PERMIT}{LARGE}{never}"), r#"{"amount":501}"#), "deny never: Never.");
}

#[test]
fn what_fails_is_denied_and_held_for_nobody() {
    let fails = "deny large: policy cannot judge this crm/refund; are all its arguments there, each of the right kind?";
    assert_eq!(asked(&format!("{PERMIT}{LARGE}"), "{}"), fails);
    let beside = format!(
        "{PERMIT}{LARGE}@id(\"also\") @approval(\"security\") @message(\"Later.\")
         forbid (principal, action == Action::\"crm/refund\", resource);"
    );
    assert_eq!(asked(&beside, "{}"), fails, "what could be lifted says nothing");
    assert_eq!(
        asked(&beside, r#"{"amount":1.5}"#),
        "deny large: policy cannot judge the argument `amount` of crm/refund: send an integer of 64 bits, without fraction or exponent"
    );
}

#[test]
fn a_grant_is_seen_where_it_is_and_read_only_where_it_may_be_missing() {
    let granted = |name: &str, is_break_glass| Granted { name: name.into(), id: "0199".into(), is_break_glass };
    let policies = compiled(
        "@id(\"repair\") permit (principal, action == Action::\"crm/refund\", resource)
         when { context has grant && context.grant.name == \"repair\" };
         @id(\"glass\") forbid (principal, action, resource) when { context has grant && context.grant.break_glass };",
    );
    let policies = policies.unwrap();
    let alice = principal("alice", &[]);
    let asked = |grant: Option<&Granted>| {
        let (action, target) = (Action::ToolCall("refund".into()), target("crm"));
        let request = Request {
            action: &action,
            target: &target,
            arguments: None,
            annotations: None,
            facts: None,
            claimed: Claimed::default(),
            grant,
            address: None,
            time: Timestamp::from_seconds(1_795_176_000),
        };
        shown(&policies.decide(&policies.subject(&alice), &request))
    };
    assert_eq!(asked(None), "deny: no policy permits crm/refund");
    assert_eq!(asked(Some(&granted("repair", false))), "allow repair");
    assert_eq!(asked(Some(&granted("other", false))), "deny: no policy permits crm/refund");
    assert_eq!(asked(Some(&granted("repair", true))), "deny glass: a policy forbids crm/refund");
    let unsure =
        "permit (principal, action == Action::\"connect\", resource) when { context.grant.name == \"repair\" };";
    assert!(compiled(unsure).unwrap_err().contains("unable to guarantee safety of access to optional attribute"));
}

#[test]
fn asking_and_breaking_the_glass_take_a_permit_that_names_them() {
    let all = "permit (principal, action, resource);";
    let named = "permit (principal, action == Action::\"grant.request\", resource == Target::\"crm\")
         when { context.name == \"repair\" && context.seconds <= 3600 };
         permit (principal, action in [Action::\"break_glass\", Action::\"grant.revoke\"], resource == Target::\"crm\");";
    let alice = principal("alice", &[]);
    let may = |text: &str, action: Action| {
        let policies = compiled(text).unwrap();
        Question::new(&policies, &alice).ask(&action, None).effect == Effect::Allow
    };
    let request = |name: &str, seconds| Action::GrantRequest { name: name.into(), seconds };
    for action in [request("repair", 60), Action::GrantRevoke, Action::BreakGlass { seconds: 60 }] {
        assert!(!may(all, action.clone()) && may(named, action.clone()), "{action:?}");
    }
    assert!(!may(named, request("repair", 3_601)) && !may(named, request("other", 60)));
}

#[test]
fn only_calls_can_wait() {
    let policies = compiled(&format!(
        "{PERMIT}@id(\"held\") @approval(\"finance\") forbid (principal, action, resource == Target::\"crm\");"
    ))
    .unwrap();
    let alice = principal("alice", &[]);
    let decision = Question::new(&policies, &alice).ask(&Action::Connect, None);
    assert_eq!(
        shown(&decision),
        "deny held: connect needs approval (finance), and only calls of tools and statements can wait for that"
    );
    assert!(decision.approvals.is_empty());
}

#[test]
fn lists_show_what_can_be_asked_for() {
    let held = "@approval(\"finance\") forbid (principal, action in Action::\"tools/call\", resource)
        when { context.tool.destructiveHint };";
    let alice = principal("alice", &[]);
    let visible = |text: &str| {
        let policies = compiled(text).unwrap();
        policies.visible(&policies.subject(&alice), &target("crm"), &definition("delete_customer"))
    };
    assert!(visible(&format!("{PERMIT}{held}")) && !visible(held));
    assert!(!visible(&format!("{PERMIT}{}", held.replace("@approval(\"finance\")", ""))));
}

#[test]
fn who_may_approve_takes_a_permit_that_names_the_action() {
    let may = |text: &str, rule: &str, call: &str| {
        let policies = compiled(text).unwrap();
        let bob = principal("bob", &["demo/finance"]);
        let action = Action::Approve { rule: rule.into(), call: call.into() };
        let decision = Question::new(&policies, &bob).ask(&action, None);
        (decision.effect == Effect::Allow).then_some(()).ok_or(decision.message)
    };
    assert!(may(PERMIT, "finance", "crm/refund").is_err(), "a permit over everything is none to approve");
    let finance = "permit (principal in Group::\"demo/finance\", action == Action::\"approve\",
        resource == ApprovalRule::\"finance\") when { context.target == Target::\"crm\" }
        unless { context.call == \"crm/delete_customer\" };";
    assert_eq!(may(finance, "finance", "crm/refund"), Ok(()));
    assert!(may(finance, "finance", "crm/delete_customer").is_err());
    assert!(may(finance, "security", "crm/refund").is_err());
    assert_eq!(may(finance, "legal", "crm/refund"), Err("there is no approval rule `legal`".to_owned()));
}

#[test]
fn rules_that_are_not_there_and_permits_are_refused() {
    insta::assert_snapshot!(compiled(
        "@approval(\"finanse\") forbid (principal, action, resource);
@approval(\"legal\") forbid (principal, action, resource);
@approval(\"finance\") permit (principal, action == Action::\"connect\", resource);
@approval(\"\") forbid (principal, action, resource);
permit (principal, action == Action::\"approve\", resource == ApprovalRule::\"finnance\");
permit (principal, action == Action::\"approve\", resource == Target::\"crm\");"
    )
    .map(drop)
    .unwrap_err(), @r#"
    p.cedar:1:1: there is no approval rule `finanse`; did you mean `finance`?
    p.cedar:2:1: there is no approval rule `legal`; add `[approvals.legal]` to the configuration
    p.cedar:3:1: `@approval` stands on a permit, which it would not narrow; write `forbid` for what must be approved, beside the permit for who may ask for it
    p.cedar:4:1: `@approval` needs a text of 1 to 1024 bytes without control characters
    p.cedar:5:61: there is no approval rule `finnance`; did you mean `finance`?
    p.cedar:6:1: unable to find an applicable action given the policy scope constraints; no action in its scope applies to such principals and resources
    "#);
}

#[test]
fn the_rules_of_the_configuration_are_to_be_had() {
    let policies = compiled(PERMIT).unwrap();
    assert_eq!(policies.approval_rule("security"), Some(&rule("security")));
    assert_eq!(policies.approval_rule("legal"), None);
}
