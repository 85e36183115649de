//! What rules lead to, which of several wins, and what is said of a wrong one.

use Step::{Index, Key};

use super::*;

/// Classes are numbered as they are named: `C1`, `C2`, ….
fn rules(rules: &[(&str, &str)]) -> Result<FieldRules, ConfigError> {
    let rules = rules.iter().map(|(rule, class)| ((*rule).to_owned(), (*class).to_owned())).collect();
    FieldRules::new(&rules, |name| {
        let number = name.strip_prefix('C').and_then(|number| number.parse().ok());
        number.map(ClassId).ok_or_else(|| ConfigError::UnknownClass { name: name.to_owned(), nearest: None })
    })
}

fn holds(rule: &str, path: &[Step<'_>]) -> bool {
    rules(&[(rule, "C1")]).unwrap().at(path).is_some()
}

#[test]
fn a_path_leads_to_its_value_and_what_is_in_it() {
    let ssn = &[Key("customers"), Index(7), Key("ssn")];
    for rule in [
        "$.customers[*].ssn",
        "$['customers'][7][\"ssn\"]",
        "$.customers.*.ssn",
        "$..ssn",
        "$.customers..ssn",
        "$..[7].ssn",
        "$..[ 7 ]..*",
        "$.customers[*]",
        "$.*",
        "$",
        "$['\\u0063ustomers']",
    ] {
        assert!(holds(rule, ssn), "{rule}");
    }
    for rule in [
        "$.customers[6].ssn",
        "$.customers['7'].ssn",
        "$.ssn",
        "$.customers.ssn",
        "$.customers[*].SSN",
        "$.customers[*].ssn.*",
        "$..customers.ssn",
        "$..customers..customers",
    ] {
        assert!(!holds(rule, ssn), "{rule}");
    }
    assert!(holds("$['odd \\' key']['\\ud83d\\ude00\\n']", &[Key("odd ' key"), Key("\u{1F600}\n")]));
    assert!(holds("$..a.b", &[Key("a"), Key("a"), Key("b")]), "after a false beginning");
    assert!(holds("$.café", &[Key("café"), Index(0)]));
}

#[test]
fn a_key_pattern_holds_at_any_depth_in_any_case_for_all_of_the_value() {
    assert!(holds("email", &[Key("a"), Index(0), Key("E-Mail"), Key("eMail")]));
    assert!(holds("email", &[Key("email"), Key("work"), Index(1)]));
    assert!(!holds("email", &[Key("emails")]) && !holds("email", &[Key("customer_email")]));
    for (pattern, key, wanted) in [
        ("*_ssn", "customer_SSN", true),
        ("*_ssn", "ssn", false),
        ("*_ssn", "a_ssn_b", false),
        ("*mail*", "emails", true),
        ("*a*b*c", "xaxbxbxc", true),
        ("*a*b*c", "xaxcxb", false),
        ("*", "", true),
        ("a*", "a", true),
        ("**aab", "aaaab", true),
    ] {
        assert_eq!(holds(pattern, &[Key(key)]), wanted, "{pattern} {key}");
    }
    assert!(!holds("email", &[Key(&"email".repeat(100))]), "longer than any rule");
}

#[test]
fn the_more_exact_rule_wins() {
    let rules =
        rules(&[("$..id", "C1"), ("$.a.id", "C2"), ("$.a", "C3"), ("id", "C4"), ("*d", "C5"), ("x", "C6")]).unwrap();
    let class = |path: &[Step<'_>]| rules.at(path).map(|class| class.0);
    assert_eq!(class(&[Key("a"), Key("id")]), Some(2));
    assert_eq!(class(&[Key("a"), Key("b")]), Some(3));
    assert_eq!(class(&[Key("b"), Key("id")]), Some(1));
    assert_eq!(class(&[Key("ID")]), Some(4), "JSON names have one case, patterns have any");
    assert_eq!(class(&[Key("x"), Key("end")]), Some(5), "the innermost key");
    assert_eq!(class(&[Key("x"), Key("y")]), Some(6));
    assert_eq!(class(&[Key("y"), Index(3)]), None);
    assert_eq!(class(&[]), None);
    assert!(FieldRules::none().is_empty() && !rules.is_empty());
}

#[test]
fn a_column_is_named_whole_or_as_a_key() {
    let rules = rules(&[("public.users.note", "C1"), ("*.users.*", "C2"), ("note", "C3"), ("$.users", "C4")]).unwrap();
    let class = |schema, table, column| rules.column(schema, table, column).map(|class| class.0);
    assert_eq!(class("public", "Users", "NOTE"), Some(1));
    assert_eq!(class("audit", "users", "note"), Some(2));
    assert_eq!(class("audit", "orders", "note"), Some(3));
    assert_eq!(class("audit", "orders", "users"), None);
    assert_eq!(rules.at(&[Key("public.users.note")]), None, "columns are no keys");
}

#[test]
fn a_wrong_rule_is_refused_with_its_place() {
    for (rule, place, said) in [
        ("$.a[?@.b]", 5, "filters"),
        ("$.a[1:2]", 6, "slices"),
        ("$.a[:2]", 5, "slices"),
        ("$.a['b','c']", 8, "lists"),
        ("$.a[-1]", 5, "from the beginning"),
        ("$.a[01]", 5, "leading zeros"),
        ("$.a[99999999999999999999]", 5, "64 bits"),
        ("$.a[b]", 5, "quoted name"),
        ("$.a['b", 7, "not closed"),
        ("$.é['b\\q']", 7, "no such escape"),
        ("$['\\ud800']", 4, "surrogates"),
        ("$.a[0", 6, "expected ]"),
        ("$a", 2, "expected .name"),
        ("$.", 3, "a name or *"),
        ("$..", 4, "a name or *"),
        ("$.1a", 3, "a name or *"),
        ("$.a-b", 4, "['odd key']"),
        ("", 1, "a name is missing"),
        ("public..ssn", 8, "a name is missing"),
        ("users.ssn", 1, "schema.table.column"),
        ("odd key", 4, "$..['odd key']"),
    ] {
        let Err(error @ ConfigError::FieldRule { at, .. }) = rules(&[(rule, "C1")]) else { panic!("{rule}") };
        assert_eq!(at, place, "{rule}: {error}");
        assert!(error.to_string().contains(said), "{rule}: {error}");
    }
    assert!(rules(&[(&"a".repeat(257), "C1")]).unwrap_err().to_string().contains("256 bytes"));
    assert!(rules(&[(&format!("${}", "[0]".repeat(33)), "C1")]).unwrap_err().to_string().contains("32 segments"));
    assert!(matches!(rules(&[("a", "SSN")]), Err(ConfigError::UnknownClass { .. })));
}
