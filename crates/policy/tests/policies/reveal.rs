//! Which data classes are revealed: to whom, of which target, and by nothing less than a permit that names the action.

use vidimus_policy::{Claimed, Moment, Policies};

use super::{NOON, compile, principal, target};

fn revealed(policies: &Policies, groups: &[&str], name: &str, address: Option<&str>) -> String {
    let moment = Moment {
        target: &target(name),
        claimed: Claimed { client: Some("cli"), model: None },
        grant: None,
        address: address.map(|address| address.parse().unwrap()),
        time: NOON,
    };
    policies.revealed(&policies.subject(&principal("u", groups)), &moment).join(" ")
}

#[test]
fn a_class_is_revealed_to_whom_a_policy_says_and_of_the_target_it_says() {
    let policies = compile(
        r#"permit (principal in Group::"demo/fraud", action == Action::"reveal", resource == DataClass::"CREDIT_CARD")
           when { context.target == Target::"crm" };
           permit (principal in Group::"demo/fraud", action in [Action::"reveal"], resource == DataClass::"US_SSN");
           permit (principal in Group::"demo/audit", action == Action::"reveal", resource);
           forbid (principal in Group::"demo/audit", action, resource == DataClass::"US_SSN");"#,
    )
    .unwrap();
    assert!(!policies.reveals_vary());
    assert_eq!(revealed(&policies, &["demo/fraud"], "crm", None), "CREDIT_CARD US_SSN");
    assert_eq!(revealed(&policies, &["demo/fraud"], "orders", None), "US_SSN");
    assert_eq!(revealed(&policies, &["demo/audit"], "orders", None), "CREDIT_CARD EMAIL_ADDRESS");
    assert_eq!(revealed(&policies, &["demo/audit", "demo/fraud"], "crm", None), "CREDIT_CARD EMAIL_ADDRESS");
    assert_eq!(revealed(&policies, &[], "crm", None), "");
}

#[test]
fn a_permit_over_all_actions_reveals_nothing() {
    let policies = compile("permit (principal, action, resource);").unwrap();
    assert_eq!(revealed(&policies, &[], "crm", None), "");
}

#[test]
fn what_fails_stays_masked() {
    let policies = compile(
        r#"permit (principal, action == Action::"reveal", resource);
           forbid (principal, action == Action::"reveal", resource == DataClass::"US_SSN")
           when { 9223372036854775807 + (if context.amr.contains("x") then 0 else 1) > 0 };"#,
    )
    .unwrap();
    assert_eq!(revealed(&policies, &[], "crm", None), "CREDIT_CARD EMAIL_ADDRESS");
}

#[test]
fn policies_that_read_the_moment_are_asked_anew() {
    let policies = compile(
        r#"permit (principal, action == Action::"reveal", resource == DataClass::"US_SSN")
           when { context has address && context.address.isInRange(ip("10.0.0.0/8")) };"#,
    )
    .unwrap();
    assert!(policies.reveals_vary());
    assert_eq!(revealed(&policies, &[], "crm", Some("10.1.1.1")), "US_SSN");
    assert_eq!(revealed(&policies, &[], "crm", Some("192.0.2.1")), "");
    assert_eq!(revealed(&policies, &[], "crm", None), "");
}

#[test]
fn a_subject_of_another_version_sees_nothing() {
    let policies = compile(r#"permit (principal, action == Action::"reveal", resource);"#).unwrap();
    let other = compile("").unwrap();
    let moment = Moment { target: &target("crm"), claimed: Claimed::default(), grant: None, address: None, time: NOON };
    assert!(policies.revealed(&other.subject(&principal("u", &[])), &moment).is_empty());
}

#[test]
fn a_class_that_does_not_exist_is_refused_with_the_nearest_name() {
    let errors = compile(r#"permit (principal, action == Action::"reveal", resource == DataClass::"CREDIT_CRD");"#);
    let errors = errors.unwrap_err();
    let [error] = &errors[..] else { unreachable!("{errors:?}") };
    assert!(error.contains("there is no data class `CREDIT_CRD`"), "{error}");
    assert!(error.contains("did you mean `CREDIT_CARD`?"), "{error}");
    let wrong = r#"permit (principal, action == Action::"reveal", resource == Target::"crm");"#;
    assert!(compile(wrong).is_err(), "a target is nothing to reveal");
    let claimed = r#"permit (principal, action == Action::"reveal", resource) when { context.claimed has client };"#;
    assert!(compile(claimed).is_err(), "a permit rests on what a client claims");
}
