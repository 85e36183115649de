//! `@rewrite`: what passes only changed, what comes before approval, and what nothing lifts.

use std::time::Duration;

use vidimus_core::{Action, Effect};
use vidimus_policy::{ApprovalRule, Policies, World};

use super::{Question, crm, definition, principal, shown, source, target};

const PERMIT: &str = "@id(\"all\") permit (principal, action, resource);\n";
const LARGE: &str = "@id(\"large\") @rewrite(\"small\") forbid (principal, action == Action::\"crm/refund\", resource)
    when { context.arguments.amount > 500 };\n";

fn compiled(text: &str) -> Result<Policies, String> {
    let finance = ApprovalRule {
        name: "finance".into(),
        approvers: 1,
        expires: Duration::from_hours(1),
        wait: Duration::ZERO,
        needs_reason: false,
        message: None,
    };
    let rewrites = ["small".into(), "euro".into()];
    let world = World { targets: &[crm()], classes: &[], approvals: &[finance], rewrites: &rewrites };
    let errors = |errors: Vec<vidimus_policy::PolicyError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    Policies::compile_in(&[source("p.cedar", text)], world).map_err(|found| errors(found).join("\n"))
}

/// `deny large: message {small<large}`
fn asked(text: &str, arguments: &str) -> String {
    let policies = compiled(text).unwrap();
    let decision = Question::new(&policies, &principal("alice", &[])).call("refund", arguments);
    assert!(decision.rewrites.is_empty() || decision.approvals.is_empty() && decision.effect == Effect::Deny);
    let wanted = decision.rewrites.iter().map(|rewrite| format!("{}<{}", rewrite.name, rewrite.policies.join("+")));
    let wanted = wanted.chain(decision.approvals.iter().map(ToString::to_string)).collect::<Vec<_>>().join(" ");
    if wanted.is_empty() { shown(&decision) } else { format!("{} {{{wanted}}}", shown(&decision)) }
}

#[test]
fn what_passes_rewritten_says_how_and_who_wants_it() {
    let text = format!("{PERMIT}{LARGE}");
    assert_eq!(asked(&text, r#"{"amount":500}"#), "allow all");
    assert_eq!(asked(&text, r#"{"amount":501}"#), "deny large: a policy forbids crm/refund as it is {small<large}");
    let several = format!(
        "{text}@id(\"any\") @rewrite(\"euro\") @message(\"In euros.\") forbid (principal, action in Action::\"tools/call\", resource);
         @id(\"again\") @rewrite(\"small\") forbid (principal, action == Action::\"crm/refund\", resource);"
    );
    assert_eq!(asked(&several, r#"{"amount":501}"#), "deny again any large: In euros. {euro<any small<again+large}");
    assert_eq!(asked(&several, r#"{"amount":1}"#), "deny again any: In euros. {euro<any small<again}");
}

#[test]
fn people_are_asked_about_what_was_rewritten_only() {
    let held = "@id(\"held\") @approval(\"finance\") forbid (principal, action == Action::\"crm/refund\", resource);";
    let text = format!("{PERMIT}{LARGE}{held}");
    assert_eq!(asked(&text, r#"{"amount":501}"#), "deny large: a policy forbids crm/refund as it is {small<large}");
    assert_eq!(asked(&text, r#"{"amount":500}"#), "deny held: crm/refund needs approval (finance) {finance}");
}

#[test]
fn nothing_is_rewritten_that_no_permit_covers_or_another_forbid_denies() {
    assert_eq!(asked(LARGE, r#"{"amount":501}"#), "deny: no policy permits crm/refund");
    let never = "@id(\"never\") @message(\"Never.\") forbid (principal, action == Action::\"crm/refund\", resource);";
    assert_eq!(asked(&format!("{PERMIT}{LARGE}{never}"), r#"{"amount":501}"#), "deny never: Never.");
    let text = format!("{PERMIT}{LARGE}");
    assert!(asked(&text, "{}").starts_with("deny large: policy cannot judge"), "{}", asked(&text, "{}"));
    assert!(asked(&text, r#"{"amount":"501"}"#).starts_with("deny large: policy cannot judge"));
}

#[test]
fn what_still_wants_a_rewrite_is_denied_and_so_is_what_cannot_have_it() {
    let policies = compiled(&format!("{PERMIT}{LARGE}")).unwrap();
    let alice = principal("alice", &[]);
    let decision = Question::new(&policies, &alice).call("refund", r#"{"amount":501}"#);
    let applied = decision.rewrites.clone();
    let again = decision.clone().once_rewritten(&applied);
    assert_eq!(
        shown(&again),
        "deny large: a policy forbids crm/refund as it is (the rewrite small changed it, and not so that it may pass: the rewrite small)"
    );
    assert!(again.rewrites.is_empty() && again.effect == Effect::Deny);
    let not = decision.not_rewritten("no such argument");
    assert_eq!(shown(&not), "deny large: a policy forbids crm/refund as it is (no such argument)");
    let passed = Question::new(&policies, &alice).call("refund", r#"{"amount":5}"#);
    assert_eq!(passed.clone().once_rewritten(&applied), passed);
}

#[test]
fn only_calls_of_tools_are_rewritten() {
    let text =
        format!("{PERMIT}@id(\"r\") @rewrite(\"small\") forbid (principal, action, resource == Target::\"crm\");");
    let policies = compiled(&text).unwrap();
    let alice = principal("alice", &[]);
    let decision = Question::new(&policies, &alice).ask(&Action::Connect, None);
    assert_eq!(
        shown(&decision),
        "deny r: connect needs to be rewritten (small), and only calls of tools and statements can be"
    );
    assert!(decision.rewrites.is_empty());
}

#[test]
fn lists_show_what_passes_rewritten() {
    let visible = |text: &str| {
        let policies = compiled(text).unwrap();
        let subject = policies.subject(&principal("alice", &[]));
        policies.visible(&subject, &target("crm"), &definition("refund"))
    };
    let every = "@rewrite(\"small\") forbid (principal, action in Action::\"tools/call\", resource);";
    assert!(visible(&format!("{PERMIT}{every}")));
    assert!(!visible(&format!("{PERMIT}{}", every.replace("@rewrite(\"small\")", ""))));
}

#[test]
fn a_misspelt_rewrite_and_one_in_the_wrong_place_are_refused() {
    let refused = compiled(
        "@rewrite(\"smal\") forbid (principal, action, resource);
@rewrite(\"cap\") forbid (principal, action, resource);
@rewrite(\"small\") permit (principal, action == Action::\"connect\", resource);
@rewrite(\"small\") @approval(\"finance\") forbid (principal, action, resource);
@rewrit(\"small\") forbid (principal, action, resource);",
    )
    .unwrap_err();
    insta::assert_snapshot!(refused, @r#"
    p.cedar:1:1: there is no rewrite `smal`; did you mean `small`?
    p.cedar:2:1: there is no rewrite `cap`; add `[rewrites.cap]` to the configuration
    p.cedar:3:1: `@rewrite` stands on a permit, which it would not narrow; write `forbid` for what must be rewritten, beside the permit for who may ask for it
    p.cedar:4:1: `@rewrite` and `@approval` stand on one policy; write two policies: what is approved is the call as it was rewritten
    p.cedar:5:1: there is no annotation `@rewrit`; did you mean `rewrite`?
    "#);
}
