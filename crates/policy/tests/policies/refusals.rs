//! What is refused at load, in the words an operator reads.

use vidimus_core::{ErrorKind, Protocol};
use vidimus_policy::{Policies, TargetSchema};

use super::{compile, crm, source, target};

fn refused(text: &str) -> String {
    compile(text).expect_err("a refusal").join("\n")
}

fn warned(text: &str) -> String {
    let policies = compile(text).unwrap();
    policies.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_fault_of_every_file_is_reported_at_once() {
    let sources = [
        source(
            "a.cedar",
            "permit (principal, action, resource)\nwhen { context.nothing };\n\npermit (principl, action, resource);",
        ),
        source("b.cedar", "permit (principal, action == Action::\"conect\", resource);\n  forbid (principal"),
    ];
    let errors = Policies::compile(&sources, &[crm()], &super::classes()).unwrap_err();
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Configuration));
    insta::assert_snapshot!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    a.cedar:2:8: attribute `nothing` in context for Action::"administer" not found; did you mean `time`?
    a.cedar:4:9: found an invalid variable in the policy scope: principl; policy scopes must contain a `principal`, `action`, and `resource` element in that order
    b.cedar:1:30: there is no action `conect`; did you mean `connect`?
    b.cedar:2:20: unexpected end of input
    "#);
}

#[test]
fn names_of_nothing_have_a_suggestion() {
    insta::assert_snapshot!(refused(r#"
permit (principal, action == Action::"connect", resource == Target::"crn");
permit (principal, action == Action::"crm/refnd", resource);
permit (principal, action in [Action::"crm/refund", Action::"tool/call"], resource);
forbid (principal in Group::"support", action, resource);
forbid (principal == User::"alice", action, resource);
forbid (principal, action, resource) when { principal == Workload::"|x" };
permit (principal, action == Action::"log.read", resource == Log::"gate");
permit (principal, action == Action::"sql:selct", resource);
permit (principal, action == Action::"*/*", resource);
permit (principal in Team::"a/b", action, resource);
"#), @r#"
    p.cedar:2:61: there is no target `crn`; did you mean `crm`?
    p.cedar:3:30: target `crm` has no tool `refnd`; did you mean `crm/refund`?
    p.cedar:4:53: there is no action `tool/call`; did you mean `tools/call`?
    p.cedar:5:22: `support` can be nobody's name; a group is named `issuer/name`, as in Group::"corp/support"
    p.cedar:6:22: `alice` can be nobody's name; a user is named `issuer|subject`, as in User::"corp|248289761001"
    p.cedar:7:58: `|x` can be nobody's name; a workload is named `issuer|subject`, as in Workload::"corp|nightly-report"
    p.cedar:8:62: there is no log `gate`; did you mean `gateway`?
    p.cedar:9:30: there is no action `sql:selct`; did you mean `sql:select`?
    p.cedar:10:30: there is no action `*/*`; a tool's action is `target/tool`; all tools are in `tools/call`
    p.cedar:11:22: unrecognized entity type `Team`; known are User, Workload, Group, Target, Log, DataClass, ApprovalRule, Action
    "#);
}

#[test]
fn a_tool_on_another_target_is_refused() {
    insta::assert_snapshot!(refused(r#"
forbid (principal, action == Action::"crm/refund", resource == Target::"orders");
forbid (principal, action in [Action::"orders/put", Action::"crm/refund"], resource is Target in Target::"orders");
permit (principal, action in [Action::"connect", Action::"crm/refund"], resource == Target::"orders");
"#), @r#"
    p.cedar:2:39: `crm/refund` is not a tool of `orders`, so this can never apply; name the target of the tool, or none
    p.cedar:3:62: `crm/refund` is not a tool of `orders`, so this can never apply; name the target of the tool, or none
    "#);
}

#[test]
fn annotations_that_would_not_be_enforced_are_refused() {
    insta::assert_snapshot!(refused(r#"
@id("a") @approval("finance") forbid (principal, action, resource);
@id("b")
@rewrite("cap-rows")
forbid (principal, action, resource);
@mesage("x") forbid (principal, action, resource);
@aproval("x") forbid (principal, action, resource);
@severity("high") forbid (principal, action, resource);
@message("") forbid (principal, action, resource);
@id forbid (principal, action, resource);
"#), @r#"
    p.cedar:2:10: there is no approval rule `finance`; add `[approvals.finance]` to the configuration
    p.cedar:4:1: there is no rewrite `cap-rows`; add `[rewrites.cap-rows]` to the configuration
    p.cedar:6:1: there is no annotation `@mesage`; did you mean `message`?
    p.cedar:7:1: there is no annotation `@aproval`; did you mean `approval`?
    p.cedar:8:1: there is no annotation `@severity`; known are `@id`, `@message`, `@approval` and `@rewrite`
    p.cedar:9:1: `@message` needs a text of 1 to 1024 bytes without control characters
    p.cedar:10:1: `@id` needs a text of 1 to 128 bytes without control characters
    "#);
}

#[test]
fn an_id_is_one_policys() {
    insta::assert_snapshot!(refused("@id(\"a\") permit (principal, action, resource);\n\n  @id(\"a\") forbid (principal, action, resource);\nforbid (principal, action, resource); forbid (principal, action, resource);"), @r#"
    p.cedar:3:3: the id `a` is taken by the policy at p.cedar:1:1; give each policy an @id of its own
    p.cedar:4:39: the id `p.cedar:4` is taken by the policy at p.cedar:4:1; give each policy an @id of its own
    "#);
}

#[test]
fn a_claim_is_no_reason_to_permit() {
    insta::assert_snapshot!(refused(r#"
permit (principal, action, resource) when { context.claimed has client && context.claimed.client == "x" };
permit (principal, action, resource) unless { context has claimed };
forbid (principal, action, resource) when { (if true then context else context).amr.contains("x") };
"#), @r#"
    p.cedar:2:45: a permit cannot rest on what a client merely claims; `context.claimed` may stand in a forbid; permit by principal, group or `principal.clientId`
    p.cedar:3:59: a permit cannot rest on what a client merely claims; `context.claimed` may stand in a forbid; permit by principal, group or `principal.clientId`
    p.cedar:4:59: a policy cannot read the context as a whole; read its attributes by name
    "#);
}

#[test]
fn types_are_strict() {
    insta::assert_snapshot!(refused(r#"
permit (principal, action == Action::"crm/refund", resource) when { context.arguments.amount > "5" };
permit (principal, action == Action::"crm/refund", resource) when { context.arguments.limit > 5 };
permit (principal, action == Action::"crm/refund", resource) when { context.arguments.any == 5 };
permit (principal, action == Action::"crm/refund", resource) when { context.arguments.amout > 5 };
permit (principal, action in Action::"tools/call", resource) when { context.arguments.amount > 5 };
permit (principal, action, resource) when { context.tool.readOnlyHint };
permit (principal, action == Action::"connect", resource == Log::"gateway");
permit (principal == ?principal, action, resource);
"#), @r#"
    p.cedar:2:96: unexpected type: expected Long but saw String
    p.cedar:3:69: unable to guarantee safety of access to optional attribute `arguments.limit` in context for Action::"crm/refund"; try testing for the attribute's presence with `context.arguments has limit && ..`
    p.cedar:4:69: attribute `arguments.any` in context for Action::"crm/refund" not found; did you mean `tags`?
    p.cedar:5:69: attribute `arguments.amout` in context for Action::"crm/refund" not found; did you mean `amount`?
    p.cedar:6:69: arguments can be read only by a policy on named tools; name them: action == Action::"target/tool", or action in [Action::"target/tool", …]
    p.cedar:7:45: attribute `tool` in context for Action::"administer" not found; did you mean `time`?
    p.cedar:8:1: unable to find an applicable action given the policy scope constraints; no action in its scope applies to such principals and resources
    p.cedar:9:22: expected a static policy, got a template containing the slot ?principal; try removing the template slot(s) from this policy
    "#);
}

#[test]
fn arguments_of_an_unknown_definition_are_a_warning() {
    insta::assert_snapshot!(warned(r#"
forbid (principal, action == Action::"orders/put", resource) when { context.arguments.rows > 5 };
forbid (principal, action in [Action::"orders/put", Action::"crm/refund"], resource)
when { context.arguments has limit && context.arguments.limit > 5 };
"#), @r#"
    p.cedar:2:69: arguments of `orders/put` are not type-checked: its definition is not known yet
    p.cedar:4:8: arguments of `orders/put` are not type-checked: its definition is not known yet
    "#);
    insta::assert_snapshot!(refused(r#"
forbid (principal, action == Action::"orders/put", resource) when { context.arguments.rows > 5 && context.amr > 1 };
forbid (principal, action in [Action::"orders/put", Action::"crm/refund"], resource) when { context.arguments.amout > 5 };
"#), @r#"
    p.cedar:2:99: unexpected type: expected Long but saw Set<String>
    p.cedar:3:93: attribute `arguments.amout` in context for Action::"crm/refund" not found; did you mean `amount`?
    "#);
}

#[test]
fn a_policy_that_can_never_apply_is_a_warning() {
    insta::assert_snapshot!(warned("permit (principal, action == Action::\"connect\", resource) when { principal is User && principal is Workload };"), @r#"
    p.cedar:1:1: policy is impossible: the policy expression evaluates to false for all valid requests
    "#);
}

#[test]
fn targets_do_not_take_the_names_of_actions() {
    let named = |name| TargetSchema { name: target(name), protocol: Protocol::Mcp, tools: None };
    let errors =
        Policies::compile(&[], &[named("crm"), named("resources"), named("crm"), named("tools")], &[]).unwrap_err();
    insta::assert_snapshot!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    target `crm` is there twice; give it another name
    target `resources`: its tools would have the names of other actions; give it another name
    target `tools`: its tools would have the names of other actions; give it another name
    "#);
}

#[test]
fn two_files_have_two_names() {
    let errors = Policies::compile(&[source("a", ""), source("a", "")], &[], &[]).unwrap_err();
    insta::assert_snapshot!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    two files are called `a`
    "#);
}
