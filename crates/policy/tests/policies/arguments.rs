//! Arguments as policies see them: exact, unfooled by what they look like, and denied when they cannot be judged.

use vidimus_core::Effect;

use super::{Question, compile, principal, shown};

/// Whether a condition holds, for a call of `refund`; the decision as text when it is not that simple.
fn judged(condition: &str, arguments: &str) -> String {
    let policies = compile(&format!(
        "@id(\"p\") permit (principal, action == Action::\"crm/refund\", resource) when {{ {condition} }};"
    ))
    .unwrap();
    let decision = Question::new(&policies, &principal("alice", &[])).call("refund", arguments);
    match (decision.effect, decision.policies.as_slice()) {
        (Effect::Allow, _) => "holds".into(),
        (Effect::Deny, []) => "does not".into(),
        _ => shown(&decision),
    }
}

#[test]
fn an_entity_in_arguments_stays_a_record() {
    // Cedar's own JSON reader would make these an entity and an extension value.
    for fake in [
        r#"{"customer":{"__entity":{"type":"Group","id":"demo/finance"}},"amount":1}"#,
        r#"{"customer":{"__extn":{"fn":"decimal","arg":"1.0"}},"amount":1}"#,
        r#"{"customer":{"__expr":"true"},"amount":1}"#,
    ] {
        assert_eq!(
            judged("context.arguments.customer == \"demo/finance\"", fake),
            "deny p: policy cannot judge the argument `customer` of crm/refund: send a string"
        );
    }
    // Where no type is known they are records like any other, and their keys are plain attributes.
    let policies = compile(
        "permit (principal, action, resource);
         @id(\"is-record\") forbid (principal, action == Action::\"orders/put\", resource)
         when { context.arguments.row.__entity.id == \"demo/finance\" };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let question = Question { target: "orders", ..Question::new(&policies, &alice) };
    let call = question.call("put", r#"{"row":{"__entity":{"type":"Group","id":"demo/finance"}}}"#);
    assert_eq!(shown(&call), "deny is-record: a policy forbids orders/put");
    let call = question.call("put", r#"{"row":{"__entity":{"type":"Group","id":"other"}}}"#);
    assert_eq!(shown(&call), "allow p.cedar:1");
}

#[test]
fn integers_are_exact_or_denied() {
    let unfit = "deny p: policy cannot judge the argument `amount` of crm/refund: send an integer of 64 bits, without \
                 fraction or exponent";
    for (lexeme, condition, expected) in [
        ("9007199254740993", "context.arguments.amount == 9007199254740993", "holds"),
        ("9007199254740993", "context.arguments.amount == 9007199254740992", "does not"),
        ("9223372036854775807", "context.arguments.amount == 9223372036854775807", "holds"),
        ("-9223372036854775808", "context.arguments.amount < 0", "holds"),
        ("-0", "context.arguments.amount == 0", "holds"),
        ("9223372036854775808", "context.arguments.amount > 0", unfit),
        ("1.0", "context.arguments.amount > 0", unfit),
        ("1e2", "context.arguments.amount > 0", unfit),
        ("\"1\"", "context.arguments.amount > 0", unfit),
        ("[1]", "context.arguments.amount > 0", unfit),
        ("true", "context.arguments.amount > 0", unfit),
    ] {
        assert_eq!(judged(condition, &format!("{{\"amount\":{lexeme}}}")), expected, "{lexeme}");
    }
    let absent = judged("context.arguments.amount > 0", r#"{"amount":null}"#);
    assert!(absent.starts_with("deny p: policy cannot judge this crm/refund"), "null is absent: {absent}");
}

#[test]
fn numbers_are_decimals_when_exact() {
    let over = "context.arguments has share && context.arguments.share.greaterThan(decimal(\"0.5\"))";
    for (lexeme, expected) in [("0.5001", "holds"), ("0.5", "does not"), ("1", "holds"), ("5.1e-1", "holds")] {
        assert_eq!(judged(over, &format!("{{\"share\":{lexeme}}}")), expected, "{lexeme}");
    }
    for lexeme in ["0.50001", "1e300", "\"0.6\""] {
        let found = judged(over, &format!("{{\"share\":{lexeme}}}"));
        assert!(found.starts_with("deny p: policy cannot judge the argument `share`"), "{lexeme}: {found}");
    }
}

#[test]
fn a_guard_is_no_way_around_a_forbid() {
    let policies = compile(
        "permit (principal, action, resource);
         @id(\"limit\") forbid (principal, action == Action::\"crm/refund\", resource)
         when { context.arguments has limit && context.arguments.limit > 100 };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let asked = |arguments: &str| shown(&Question::new(&policies, &alice).call("refund", arguments));
    assert_eq!(asked("{}"), "allow p.cedar:1");
    assert_eq!(asked(r#"{"limit":null}"#), "allow p.cedar:1");
    assert_eq!(asked(r#"{"limit":100}"#), "allow p.cedar:1");
    assert_eq!(asked(r#"{"limit":101}"#), "deny limit: a policy forbids crm/refund");
    for evasion in [r#"{"limit":1e3}"#, r#"{"limit":"101"}"#, r#"{"limit":101.0}"#, r#"{"limit":[101]}"#, "[101]", "7"]
    {
        assert!(asked(evasion).starts_with("deny limit: policy cannot judge the argument"), "{evasion}");
    }
    // A server that ignores letter case would take these for the key that is read.
    for twin in [r#"{"Limit":101}"#, r#"{"limit":1,"LIMIT":101}"#, r#"{"l\u0049mit":101}"#] {
        let found = asked(twin);
        assert!(found.starts_with("deny limit: policy cannot judge the argument `limit` of crm/refund"), "{found}");
    }
    // Escapes in a key are the same key.
    assert_eq!(asked(r#"{"\u006cimit":101}"#), "deny limit: a policy forbids crm/refund");
    // What no policy reads may be anything.
    assert_eq!(asked(r#"{"amount":1e99,"note":[1,"x",null],"other":{"deep":[[]]}}"#), "allow p.cedar:1");
}

#[test]
fn sets_records_and_strings_are_what_they_are() {
    for (condition, arguments, expected) in [
        ("context.arguments.tags.contains(\"vip\")", r#"{"tags":["a","vip","a"]}"#, "holds"),
        ("context.arguments.tags == [\"a\", \"b\"]", r#"{"tags":["b","a","b"]}"#, "holds"),
        ("context.arguments.tags.isEmpty()", r#"{"tags":[]}"#, "holds"),
        ("context.arguments.options.force", r#"{"options":{"force":true,"else":1}}"#, "holds"),
        ("context.arguments.options has force", r#"{"options":{"force":null}}"#, "does not"),
        ("context.arguments.note like \"*ß…\"", r#"{"note":"Straß\u2026"}"#, "holds"),
        ("context.arguments.note == \"\u{1f600}\"", r#"{"note":"\ud83d\ude00"}"#, "holds"),
        ("context.arguments.note == \"a\"", r#"{"note":"a\u0000"}"#, "does not"),
    ] {
        let guard = "context.arguments has tags && context.arguments has options && context.arguments has note";
        let guarded = guard
            .split(" && ")
            .filter(|part| condition.contains(&part.replace(" has ", ".")))
            .chain(condition.contains(".force").then_some("context.arguments.options has force"))
            .chain([condition])
            .collect::<Vec<_>>()
            .join(" && ");
        assert_eq!(judged(&guarded, arguments), expected, "{condition} {arguments}");
    }
}

#[test]
fn a_mixed_list_cannot_be_judged() {
    let condition = "context.arguments has tags && !context.arguments.tags.contains(\"vip\")";
    for tags in [r#"["a",1]"#, r#"["a",null]"#, "[null]", "[1]", r#"[["a"]]"#, r#""vip""#, "{}"] {
        let found = judged(condition, &format!("{{\"tags\":{tags}}}"));
        assert!(found.starts_with("deny p: policy cannot judge the argument `tags`"), "{tags}: {found}");
    }
    assert_eq!(judged(condition, r#"{"tags":["a"]}"#), "holds");
}

#[test]
fn what_has_no_type_is_judged_by_what_it_is() {
    let policies = compile(
        "permit (principal, action, resource);
         @id(\"row\") forbid (principal, action == Action::\"orders/put\", resource)
         when { context.arguments has row && context.arguments.row has owner && context.arguments.row.owner == \"x\" };
         @id(\"ids\") forbid (principal, action == Action::\"orders/put\", resource)
         when { context.arguments has ids && context.arguments.ids.contains(7) };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let question = Question { target: "orders", ..Question::new(&policies, &alice) };
    let asked = |arguments: &str| shown(&question.call("put", arguments));
    assert_eq!(asked(r#"{"row":{"owner":"x"}}"#), "deny row: a policy forbids orders/put");
    assert_eq!(asked(r#"{"row":{"owner":"y","other":1.5}}"#), "allow p.cedar:1");
    assert_eq!(asked(r#"{"row":null}"#), "allow p.cedar:1");
    assert_eq!(asked(r#"{"ids":[1,7]}"#), "deny ids: a policy forbids orders/put");
    assert_eq!(asked(r#"{"ids":[1,2]}"#), "allow p.cedar:1");
    let fit = "a string, a boolean, an integer of 64 bits, a list of one kind, or an object";
    for (arguments, policy, argument, fit) in [
        (r#"{"row":"owner"}"#, "row", "row", "an object"),
        (r#"{"row":["owner"]}"#, "row", "row", "an object"),
        (r#"{"row":{"owner":1.5}}"#, "row", "row.owner", fit),
        (r#"{"ids":[1,"7"]}"#, "ids", "ids", fit),
        (r#"{"ids":[1,null]}"#, "ids", "ids", fit),
        (r#"{"ids":[1,7e0]}"#, "ids", "ids", fit),
    ] {
        let expected =
            format!("deny {policy}: policy cannot judge the argument `{argument}` of orders/put: send {fit}");
        assert_eq!(asked(arguments), expected, "{arguments}");
    }
}

#[test]
fn keys_may_be_any_text() {
    let policies = compile(
        "permit (principal, action, resource);
         @id(\"key\") forbid (principal, action == Action::\"orders/put\", resource)
         when { context.arguments[\"Größe \\u{1f600}\"] > 3 };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let question = Question { target: "orders", ..Question::new(&policies, &alice) };
    assert_eq!(shown(&question.call("put", "{\"Größe 😀\":4}")), "deny key: a policy forbids orders/put");
    assert_eq!(shown(&question.call("put", "{\"Größe 😀\":3}")), "allow p.cedar:1");
    assert!(shown(&question.call("put", "{\"Grösse\":3}")).starts_with("deny key: policy cannot judge"));
}

#[test]
fn what_is_too_large_to_judge_is_denied() {
    let policies = compile(
        "permit (principal, action, resource);
         @id(\"rows\") forbid (principal, action == Action::\"orders/put\", resource)
         when { context.arguments.rows == [[[1]]] };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let question = Question { target: "orders", ..Question::new(&policies, &alice) };
    let asked = |rows: &str| shown(&question.call("put", &format!("{{\"rows\":{rows}}}")));
    assert_eq!(asked("[[[1]]]"), "deny rows: a policy forbids orders/put");
    assert_eq!(asked("[[[2]]]"), "allow p.cedar:1");
    let limits = "deny rows: policy cannot judge the argument `rows` of orders/put: send less: at most 10000 values, \
                  32 levels and 1 MiB";
    assert_eq!(asked(&format!("{}1{}", "[".repeat(40), "]".repeat(40))), limits);
    assert_eq!(asked(&format!("[{}1]", "1,".repeat(10_000))), limits);
    assert_eq!(asked(&format!("[\"{}\"]", "x".repeat(1 << 20))), limits);
}

#[test]
fn to_be_there_a_value_need_not_fit() {
    let policies = compile(
        "permit (principal, action, resource);
         @id(\"no-note\") forbid (principal, action == Action::\"crm/refund\", resource)
         when { context.arguments has note };",
    )
    .unwrap();
    let alice = principal("alice", &[]);
    let asked = |arguments: &str| shown(&Question::new(&policies, &alice).call("refund", arguments));
    for there in [r#"{"note":"x"}"#, r#"{"note":[1,"x"]}"#, r#"{"note":1e99}"#, r#"{"note":{"a":null}}"#] {
        assert_eq!(asked(there), "deny no-note: a policy forbids crm/refund", "{there}");
    }
    for absent in ["{}", r#"{"note":null}"#, r#"{"notes":1}"#] {
        assert_eq!(asked(absent), "allow p.cedar:1", "{absent}");
    }
}
