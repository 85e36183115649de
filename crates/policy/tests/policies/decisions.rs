//! The semantics: default deny, forbid wins, any error denies; what context and principals hold.

use vidimus_core::{Action, Actor, Principal, PrincipalKind, Timestamp};
use vidimus_policy::{Claimed, Policies};

use super::{NOON, Question, READ_ONLY, compile, crm, is_allowed, principal, shown, source};

const PERMIT: &str = "@id(\"all\") permit (principal, action, resource);\n";

fn one(text: &str, arguments: &str) -> String {
    let policies = compile(text).unwrap();
    shown(&Question::new(&policies, &principal("alice", &[])).call("refund", arguments))
}

fn holds(condition: &str, question: impl Fn(&Policies) -> bool) -> bool {
    question(&compile(&format!("permit (principal, action, resource) when {{ {condition} }};")).unwrap())
}

#[test]
fn nothing_is_allowed_that_no_policy_permits() {
    assert_eq!(one("", "{}"), "deny: no policy permits crm/refund");
    assert_eq!(
        one("forbid (principal, action == Action::\"connect\", resource);", "{}"),
        "deny: no policy permits crm/refund"
    );
}

#[test]
fn a_forbid_wins_and_says_why() {
    let forbid = "forbid (principal, action == Action::\"crm/refund\", resource);\n";
    assert_eq!(one(PERMIT, "{}"), "allow all");
    assert_eq!(one(&format!("{PERMIT}@id(\"no\") {forbid}"), "{}"), "deny no: a policy forbids crm/refund");
    let said = format!("{PERMIT}@id(\"b\") @message(\"Two.\") {forbid} @id(\"a\") @message(\"One.\") {forbid}");
    assert_eq!(one(&said, "{}"), "deny a b: One. Two.");
}

#[test]
fn a_policy_without_an_id_is_named_by_its_line() {
    assert_eq!(one("// first\n\npermit (principal, action, resource);", "{}"), "allow p.cedar:3");
}

#[test]
fn a_policy_that_fails_denies_whether_it_permits_or_forbids() {
    for effect in ["permit", "forbid"] {
        let text = format!(
            "{PERMIT}@id(\"reader\") {effect} (principal, action == Action::\"crm/refund\", resource)
             when {{ context.arguments.amount > 500 }};"
        );
        assert_eq!(
            one(&text, r#"{"customer":"c"}"#),
            "deny reader: policy cannot judge this crm/refund; are all its arguments there, each of the right kind?",
            "{effect}"
        );
    }
    // Overflow is an error as well.
    let text = format!(
        "{PERMIT}@id(\"sum\") forbid (principal, action == Action::\"crm/refund\", resource)
         when {{ context.arguments.amount + 1 > 500 }};"
    );
    assert!(one(&text, r#"{"amount":9223372036854775807}"#).starts_with("deny sum: policy cannot judge"));
}

#[test]
fn a_forbid_that_holds_is_named_beside_one_that_fails() {
    let text = format!(
        "{PERMIT}@id(\"fails\") forbid (principal, action == Action::\"crm/refund\", resource)
         when {{ context.arguments.amount > 1 }};
         @id(\"holds\") @message(\"Never.\") forbid (principal, action == Action::\"crm/refund\", resource);"
    );
    assert_eq!(one(&text, "{}"), "deny fails holds: Never.");
}

#[test]
fn a_policy_for_somebody_else_does_not_fail() {
    let text = format!(
        "{PERMIT}@id(\"other\") forbid (principal in Group::\"demo/x\", action == Action::\"crm/refund\", resource)
         when {{ context.arguments.amount > 500 }};"
    );
    assert_eq!(one(&text, "{}"), "allow all");
    assert_eq!(one(&text, r#"{"amount":"much"}"#), "allow all");
}

#[test]
fn an_unknown_target_is_denied_except_its_recordings() {
    let policies = compile(PERMIT).unwrap();
    let alice = principal("alice", &[]);
    let question = Question { target: "former", ..Question::new(&policies, &alice) };
    assert_eq!(shown(&question.ask(&Action::Connect, None)), "deny: there is no target `former`");
    assert_eq!(shown(&question.call("refund", "{}")), "deny: there is no target `former`");
    assert_eq!(shown(&question.ask(&Action::RecordingView, None)), "allow all");
    let narrow = compile("permit (principal, action, resource == Target::\"crm\");").unwrap();
    let question = Question { target: "former", ..Question::new(&narrow, &alice) };
    assert!(!is_allowed(&question.ask(&Action::RecordingView, None)));
}

#[test]
fn a_method_is_decided_as_connect_is() {
    let policies = compile("@id(\"in\") permit (principal, action == Action::\"connect\", resource);").unwrap();
    let alice = principal("alice", &[]);
    let question = Question::new(&policies, &alice);
    assert_eq!(shown(&question.ask(&Action::Method("tools/list".into()), None)), "allow in");
    assert_eq!(shown(&question.ask(&Action::PromptGet("p".into()), None)), "deny: no policy permits prompts/get");
}

#[test]
fn the_log_is_a_resource_of_its_own() {
    let policies =
        compile("@id(\"log\") permit (principal, action == Action::\"log.read\", resource == Log::\"gateway\");")
            .unwrap();
    let alice = principal("alice", &[]);
    let question = Question { target: "whatever", ..Question::new(&policies, &alice) };
    assert_eq!(shown(&question.ask(&Action::LogRead, None)), "allow log");
    assert!(!is_allowed(&Question::new(&policies, &alice).ask(&Action::RecordingView, None)));
}

#[test]
fn a_tool_no_policy_names_is_still_a_tool() {
    let policies = compile(
        "@id(\"tools\") permit (principal, action in Action::\"tools/call\", resource);
         @id(\"by-condition\") forbid (principal, action, resource)
         when { action in Action::\"tools/call\" && resource == Target::\"orders\" };
         @id(\"named\") forbid (principal, action == Action::\"crm/refund\", resource);",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let crm = Question::new(&policies, &alice);
    assert_eq!(shown(&crm.call("anything/at all", "{}")), "allow tools");
    assert_eq!(shown(&crm.call("refund", "{}")), "deny named: a policy forbids crm/refund");
    let orders = Question { target: "orders", ..Question::new(&policies, &alice) };
    assert_eq!(shown(&orders.call("refund", "{}")), "deny by-condition: a policy forbids orders/refund");
    assert_eq!(shown(&orders.ask(&Action::Connect, None)), "deny: no policy permits connect");
}

#[test]
fn an_action_in_a_condition_is_known_by_its_name() {
    let policies = compile(
        "permit (principal, action, resource);
         @id(\"by-condition\") forbid (principal, action in Action::\"tools/call\", resource)
         when { action == Action::\"crm/refund\" };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let question = Question::new(&policies, &alice);
    assert!(is_allowed(&question.call("get_customer", "{}")));
    assert_eq!(shown(&question.call("refund", "{}")), "deny by-condition: a policy forbids crm/refund");
}

#[test]
fn annotations_have_the_defaults_of_mcp() {
    let policies = compile(
        "permit (principal, action in Action::\"tools/call\", resource)
         when { !context.tool.readOnlyHint && context.tool.destructiveHint }
         when { !context.tool.idempotentHint && context.tool.openWorldHint };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    assert!(is_allowed(&Question::new(&policies, &alice).call("refund", "{}")));
    let read_only = Question { annotations: Some(READ_ONLY), ..Question::new(&policies, &alice) };
    assert!(!is_allowed(&read_only.call("refund", "{}")));
}

#[test]
fn principals_have_kind_groups_and_attributes() {
    let agent = Principal {
        kind: PrincipalKind::Workload,
        groups: vec!["demo/support".into()],
        actor_chain: vec![Actor { issuer: "corp".into(), subject: "alice".into() }],
        client_id: Some("desk".into()),
        ..principal("agent", &[])
    };
    let asked = |policies: &Policies| is_allowed(&Question::new(policies, &agent).ask(&Action::Connect, None));
    for condition in [
        "principal == Workload::\"demo|agent\"",
        "principal is Workload in Group::\"demo/support\"",
        "principal.issuer == \"demo\" && principal.subject == \"agent\"",
        "principal has clientId && principal.clientId == \"desk\"",
        "principal.actors.contains(\"corp|alice\")",
    ] {
        assert!(holds(condition, asked), "{condition}");
    }
    for condition in [
        "principal == User::\"demo|agent\"",
        "principal in Group::\"corp/support\"",
        "principal is User",
        "principal.actors.isEmpty()",
    ] {
        assert!(!holds(condition, asked), "{condition}");
    }
    let plain = principal("agent", &[]);
    assert!(!holds("principal has clientId", |policies| {
        is_allowed(&Question::new(policies, &plain).ask(&Action::Connect, None))
    }));
}

#[test]
fn the_context_holds_address_time_and_methods_of_authentication() {
    let alice = Principal { amr: vec!["pwd".into(), "otp".into()], ..principal("alice", &[]) };
    let asked = |address: Option<&'static str>, time: Timestamp| {
        let alice = &alice;
        move |policies: &Policies| {
            let question = Question { address, time, ..Question::new(policies, alice) };
            is_allowed(&question.ask(&Action::Connect, None))
        }
    };
    let range = "context has address && context.address.isInRange(ip(\"10.0.0.0/8\"))";
    assert!(holds(range, asked(Some("10.1.2.3"), NOON)));
    assert!(holds(range, asked(Some("::ffff:10.1.2.3"), NOON)), "an IPv4 address in IPv6 is the IPv4 address");
    assert!(!holds(range, asked(Some("11.1.2.3"), NOON)));
    assert!(!holds(range, asked(None, NOON)));
    assert!(holds("context has address && context.address.isLoopback()", asked(Some("::1"), NOON)));

    let later = NOON + std::time::Duration::from_nanos(1_999_999);
    let until = "context.time <= datetime(\"2026-11-20T12:00:00.001Z\")";
    assert!(holds(until, asked(None, later)), "milliseconds, the rest cut off");
    assert!(!holds(until, asked(None, NOON + std::time::Duration::from_millis(2))));
    assert!(holds("context.time.toTime() == duration(\"12h\")", asked(None, NOON)));

    assert!(holds("context.amr.containsAll([\"otp\"])", asked(None, NOON)));
    assert!(!holds("context.amr.contains(\"hwk\")", asked(None, NOON)));
}

#[test]
fn a_claim_may_forbid() {
    let policies = compile(
        "permit (principal, action, resource);
         @id(\"client\") forbid (principal, action, resource)
         when { context.claimed has client && context.claimed.client like \"bad*\" };
         @id(\"model\") forbid (principal, action, resource) when { context.claimed has model };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let asked = |client, model| {
        let claimed = Claimed { client, model };
        shown(&Question { claimed, ..Question::new(&policies, &alice) }.ask(&Action::Connect, None))
    };
    assert_eq!(asked(None, None), "allow p.cedar:1");
    assert_eq!(asked(Some("good"), None), "allow p.cedar:1");
    assert_eq!(asked(Some("bad 1"), Some("m")), "deny client model: a policy forbids connect");
}

#[test]
fn resources_and_prompts_are_told_apart_by_name() {
    let policies = compile(
        "permit (principal, action == Action::\"resources/read\", resource) when { context.uri like \"crm://open/*\" };
         permit (principal, action == Action::\"prompts/get\", resource) when { context.prompt == \"greet\" };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let question = Question::new(&policies, &alice);
    for (action, expected) in [
        (Action::ResourceRead("crm://open/1".into()), true),
        (Action::ResourceRead("crm://closed/1".into()), false),
        (Action::PromptGet("greet".into()), true),
        (Action::PromptGet("other".into()), false),
    ] {
        assert_eq!(is_allowed(&question.ask(&action, None)), expected, "{action:?}");
    }
}

#[test]
fn a_subject_of_another_version_is_denied() {
    let (old, new) = (compile(PERMIT).unwrap(), compile(PERMIT).unwrap());
    let subject = old.subject(&principal("alice", &[]));
    let target = super::target("crm");
    let request = vidimus_policy::Request {
        action: &Action::Connect,
        target: &target,
        arguments: None,
        annotations: None,
        facts: None,
        claimed: Claimed::default(),
        grant: None,
        address: None,
        time: NOON,
    };
    assert_eq!(shown(&old.decide(&subject, &request)), "allow all");
    assert_eq!(shown(&new.decide(&subject, &request)), "deny: the policy has changed; ask again");
    assert!(!new.visible(&subject, &target, &super::definition("refund")));
}

#[test]
fn the_hash_follows_the_files_alone() {
    let (a, b) = (source("a.cedar", PERMIT), source("b.cedar", ""));
    let hash = |sources: &[_], targets: &[_]| Policies::compile(sources, targets, &[]).unwrap().hash().to_owned();
    let first = hash(&[a.clone(), b.clone()], &[]);
    assert_eq!(first, hash(&[b, a.clone()], &[crm()]));
    assert_ne!(first, hash(&[a], &[]));
    assert!(first.starts_with("sha256:") && first.len() == 71);
}
