//! Which tools a list shows (design part 4, "Lists").

use vidimus_core::{Principal, PrincipalKind, ToolAnnotations};

use super::{READ_ONLY, compile, definition, principal, target, tool};

/// Whether `refund` and `get_customer` are shown to a member of `demo/support`.
fn shown(text: &str) -> [bool; 2] {
    shown_to(text, &principal("alice", &["demo/support"]))
}

fn shown_to(text: &str, principal: &Principal) -> [bool; 2] {
    let policies = compile(text).unwrap();
    let subject = policies.subject(principal);
    ["refund", "get_customer"].map(|name| {
        let first = policies.visible(&subject, &target("crm"), &definition(name));
        assert_eq!(first, policies.visible(&subject, &target("crm"), &definition(name)), "the same when asked again");
        first
    })
}

const CALL: &str = "(principal, action in Action::\"tools/call\", resource)";
const REFUND: &str = "(principal, action == Action::\"crm/refund\", resource)";

#[test]
fn a_tool_is_shown_when_it_could_be_called() {
    assert_eq!(shown(""), [false, false]);
    assert_eq!(shown(&format!("permit {CALL};")), [true, true]);
    assert_eq!(shown(&format!("permit {REFUND};")), [true, false]);
    assert_eq!(shown("permit (principal, action == Action::\"connect\", resource);"), [false, false]);
    assert_eq!(shown("permit (principal in Group::\"demo/finance\", action, resource);"), [false, false]);
    assert_eq!(shown("permit (principal, action, resource == Target::\"orders\");"), [false, false]);
}

#[test]
fn conditions_on_the_tool_and_the_principal_count() {
    assert_eq!(shown(&format!("permit {CALL} when {{ context.tool.readOnlyHint }};")), [false, true]);
    assert_eq!(shown(&format!("permit {CALL} unless {{ context.tool.readOnlyHint }};")), [true, false]);
    assert_eq!(shown(&format!("permit {CALL};\nforbid {CALL} when {{ context.tool.readOnlyHint }};")), [true, false]);
    assert_eq!(shown(&format!("permit {CALL};\nforbid {REFUND};")), [false, true]);
    let workloads = format!("permit {CALL};\nforbid {CALL} when {{ principal is Workload }};");
    assert_eq!(shown(&workloads), [true, true]);
    let agent = Principal { kind: PrincipalKind::Workload, ..principal("agent", &[]) };
    assert_eq!(shown_to(&workloads, &agent), [false, false]);
}

#[test]
fn conditions_on_the_call_do_not_count() {
    for condition in [
        "context.arguments.amount < 10",
        "context.time < datetime(\"2020-01-01\")",
        "context has address && context.address.isLoopback()",
        "context.amr.contains(\"otp\")",
    ] {
        assert_eq!(shown(&format!("permit {REFUND} when {{ {condition} }};")), [true, false], "{condition}");
        let forbid = format!("permit {CALL};\nforbid {REFUND} when {{ {condition} }};");
        assert_eq!(shown(&forbid), [true, true], "{condition}");
        let forbid = format!("permit {CALL};\nforbid {REFUND} unless {{ {condition} }};");
        assert_eq!(shown(&forbid), [true, true], "{condition}");
    }
    let claims = format!("permit {CALL};\nforbid {CALL} when {{ !(context.claimed has client) }};");
    assert_eq!(shown(&claims), [true, true]);
}

#[test]
fn only_the_part_of_a_permit_that_reads_the_call_is_dropped() {
    for condition in [
        "when { context.tool.readOnlyHint && context.amr.contains(\"otp\") }",
        "when { context.amr.contains(\"otp\") && (context.amr.contains(\"pwd\") && context.tool.readOnlyHint) }",
        "unless { context.tool.destructiveHint || !context.tool.idempotentHint || context.amr.contains(\"x\") }",
        "when { context.tool.readOnlyHint } unless { context.amr.contains(\"x\") }",
    ] {
        assert_eq!(shown(&format!("permit {CALL} {condition};")), [false, true], "{condition}");
    }
    // One that can be true for either reason is dropped as a whole: the tool could be called.
    let either = format!("permit {CALL} when {{ context.tool.readOnlyHint || context.amr.contains(\"otp\") }};");
    assert_eq!(shown(&either), [true, true]);
}

#[test]
fn a_policy_that_fails_hides() {
    let overflow = "9223372036854775807 + (if context.tool.readOnlyHint then 1 else 0) > 0";
    assert_eq!(shown(&format!("permit {CALL} when {{ {overflow} }};")), [true, false]);
    assert_eq!(shown(&format!("permit {CALL};\nforbid {CALL} when {{ !({overflow}) }};")), [true, false]);
}

#[test]
fn tools_no_policy_names_are_told_apart_by_annotations_alone() {
    let policies = compile(&format!("permit {CALL} when {{ context.tool.readOnlyHint }};")).unwrap();
    let subject = policies.subject(&principal("alice", &[]));
    let visible = |name, annotations| policies.visible(&subject, &target("orders"), &tool(name, annotations, "{}"));
    assert!(visible("new", READ_ONLY) && visible("newer", READ_ONLY));
    assert!(!visible("new", ToolAnnotations::default()));
    assert!(!policies.visible(&subject, &target("former"), &tool("new", READ_ONLY, "{}")));
}
