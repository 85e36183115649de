//! Statements of SQL: an action for each kind, its groups, facts, and what is several kinds at once.

use std::time::Duration;

use vidimus_core::{Action, Fact, Facts, SqlFacts, SqlKind, TargetName};
use vidimus_policy::{ApprovalRule, Decision, Policies, World};

use super::{Question, crm, principal, shown, source, target};

const READ: &str = "@id(\"read\") permit (principal, action in Action::\"sql:read\", resource == Target::\"crm\");\n";
const WRITE: &str =
    "@id(\"write\") permit (principal, action in Action::\"sql:write\", resource == Target::\"crm\");\n";

fn compiled(text: &str) -> Policies {
    let rule = |name: &str| ApprovalRule {
        name: name.into(),
        approvers: 1,
        expires: Duration::from_hours(1),
        wait: Duration::ZERO,
        needs_reason: false,
        message: None,
    };
    let rewrites = ["cap".into(), "shut".into()];
    let approvals = ["finance", "security"].map(rule);
    let world = World { targets: &[crm()], classes: &[], approvals: &approvals, rewrites: &rewrites };
    Policies::compile_in(&[source("p.cedar", text)], world).unwrap()
}

fn decided(policies: &Policies, kinds: &[SqlKind], facts: &Facts) -> Decision {
    let principal = principal("alice", &[]);
    let action = Action::Sql(kinds.iter().copied().collect());
    Question::new(policies, &principal).ask_of(&action, facts)
}

fn asked(text: &str, kinds: &[SqlKind]) -> String {
    let sql = SqlFacts { unbounded: true, statements: 1, ..SqlFacts::none() };
    let decision = decided(&compiled(text), kinds, &Facts { sql: Some(sql), ..Facts::default() });
    let lifted = decision.approvals.iter().map(ToString::to_string);
    let lifted: Vec<_> = lifted.chain(decision.rewrites.iter().map(|rewrite| rewrite.name.to_string())).collect();
    if lifted.is_empty() { shown(&decision) } else { format!("{} [{}]", shown(&decision), lifted.join(" ")) }
}

#[test]
fn a_group_permits_its_kinds_and_no_others() {
    for kind in SqlKind::ALL {
        let expected = match kind {
            SqlKind::Select => "allow read".to_owned(),
            SqlKind::Insert | SqlKind::Update | SqlKind::Delete | SqlKind::Merge | SqlKind::Truncate => {
                "allow write".to_owned()
            }
            // Decided as connecting is, which nobody permits here.
            other => format!("deny: no policy permits {}", other.action()),
        };
        assert_eq!(asked(&format!("{READ}{WRITE}"), &[kind]), expected);
    }
    let connect = "@id(\"in\") permit (principal, action == Action::\"connect\", resource);";
    assert_eq!(asked(connect, &[SqlKind::Transaction, SqlKind::Session]), "allow in");
    assert_eq!(asked(connect, &[]), "allow in");
}

#[test]
fn what_does_several_things_needs_leave_for_each() {
    let both = [SqlKind::Select, SqlKind::Delete];
    assert_eq!(asked(READ, &both), "deny: no policy permits sql:delete");
    assert_eq!(asked(WRITE, &both), "deny: no policy permits sql:select");
    assert_eq!(asked(&format!("{READ}{WRITE}"), &both), "allow read write");
}

#[test]
fn facts_are_read_and_those_that_any_kind_reads_are_wanted() {
    let text = format!(
        "{READ}{WRITE}@id(\"whole\") @message(\"Say which rows.\")
         forbid (principal, action == Action::\"sql:delete\", resource) when {{ context.sql.unbounded }};"
    );
    let policies = compiled(&text);
    let (crm, kinds) = (target("crm"), |kinds: &[SqlKind]| Action::Sql(kinds.iter().copied().collect()));
    let wants = |of: &[SqlKind], at: &TargetName| policies.facts_read(&kinds(of), at).contains(Fact::Sql);
    assert!(wants(&[SqlKind::Select, SqlKind::Delete], &crm));
    assert!(!wants(&[SqlKind::Select], &crm));
    assert_eq!(asked(&text, &[SqlKind::Delete]), "deny whole: Say which rows.");
    // Facts that are not there cannot be judged.
    let unknown = decided(&policies, &[SqlKind::Delete], &Facts::default());
    assert!(shown(&unknown).starts_with("deny whole: policy cannot judge"), "{}", shown(&unknown));
}

#[test]
fn what_lifts_a_denial_must_lift_that_of_every_kind() {
    let held = |kind: &str, rule: &str| {
        format!(
            "@id(\"{kind}\") @approval(\"{rule}\") forbid (principal, action == Action::\"sql:{kind}\", resource);\n"
        )
    };
    let text = format!("{READ}{WRITE}{}{}", held("delete", "finance"), held("update", "security"));
    let all = [SqlKind::Select, SqlKind::Update, SqlKind::Delete];
    let (delete, update) = ("sql:delete needs approval (finance)", "sql:update needs approval (security)");
    assert_eq!(asked(&text, &all), format!("deny delete update: {update} {delete} [finance security]"));
    // Nobody is asked about what is denied anyway.
    assert_eq!(asked(&text, &[SqlKind::Delete, SqlKind::Ddl]), "deny: no policy permits sql:ddl");
    let rewritten = "@id(\"cap\") @rewrite(\"cap\") forbid (principal, action == Action::\"sql:select\", resource);";
    let both = asked(&format!("{text}{rewritten}"), &[SqlKind::Select, SqlKind::Delete]);
    assert!(both.ends_with("[cap]"), "people are asked about what comes of rewriting: {both}");
}

#[test]
fn statements_are_no_tools_and_have_no_arguments() {
    let everything = "@id(\"tools\") permit (principal, action in Action::\"tools/call\", resource);";
    assert_eq!(asked(everything, &[SqlKind::Select]), "deny: no policy permits sql:select");
    let world = World { targets: &[crm()], classes: &[], approvals: &[], rewrites: &[] };
    let faults = |text: &str| {
        let errors = Policies::compile_in(&[source("p.cedar", text)], world).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let arguments = "permit (principal, action == Action::\"sql:select\", resource) when { context.arguments.a > 1 };";
    assert!(faults(arguments).contains("arguments can be read only by a policy on named tools"));
    let misspelt = faults("permit (principal, action == Action::\"sql:selcet\", resource);");
    assert!(misspelt.contains("did you mean `sql:select`?"), "{misspelt}");
}

#[test]
fn what_reads_more_than_statements_and_their_caller_is_asked_each_time() {
    let rests = |condition: &str, action: &str| {
        let text =
            format!("{READ}forbid (principal, action == Action::\"{action}\", resource) when {{ {condition} }};");
        let kinds = [SqlKind::Select].into_iter().collect();
        compiled(&text).rest_on_statements(kinds, &target("crm"))
    };
    for (condition, action, expected) in [
        ("context.sql.unbounded", "sql:select", true),
        ("context.amr.contains(\"otp\")", "sql:select", true),
        ("context.amr.contains(\"otp\")", "connect", true),
        ("context.time > datetime(\"2026-01-01\")", "sql:select", false),
        ("context.time > datetime(\"2026-01-01\")", "connect", false),
        ("context has address && context.address.isLoopback()", "sql:select", false),
        ("context has grant", "sql:select", false),
        ("context.hidden", "sql:select", false),
        ("context.size.bytes > 10", "sql:select", false),
        // Another kind's policies have no say.
        ("context.time > datetime(\"2026-01-01\")", "sql:delete", true),
    ] {
        assert_eq!(rests(condition, action), expected, "{action} when {condition}");
    }
    assert!(!compiled(READ).rest_on_statements([SqlKind::Select].into_iter().collect(), &target("nowhere")));
}
