//! What a driver gets of protected columns, by the protocol's extended half, and what is on record of it.

use serde_json::{Value, json};
use vidimus_testkit::{Postgres, python_script};

use super::{PASSWORD, World};

const POLICIES: &str = r#"
@id("all") permit (principal, action, resource);
@id("inference") @message("Not by protected columns.")
  forbid (principal, action in Action::"sql:read", resource) when { !context.sql.inferred.isEmpty() };
"#;

#[test]
fn a_driver_gets_values_of_their_types_or_null() {
    let world = World::start_with("driver", POLICIES);
    let [a, _] = &world.databases;
    let port = a.port.to_string();
    let told = python_script("postgres", "protected.py", &[&port, "alice", &a.token, a.target]).unwrap();
    let row = |id: i64| json!([id, "<US_SSN>", "Decimal('0')", null, null, null, null, null]);
    assert_eq!((&told["text"], &told["binary"]), (&json!([row(1)]), &json!([row(1)])), "{told}");
    assert_eq!((&told["prepared"], &told["again"]), (&json!([row(1)]), &json!([row(2)])), "{told}");
    assert_eq!(told["cursor"], json!([[1, null], [2, null], [3, null], [4, null]]));
    let ends = "a statement that runs code ends its batch: send Sync after it";
    assert_eq!((&told["pipeline"], &told["path"]), (&json!(ends), &json!([["<US_SSN>"]])), "{told}");
    let withheld = "this would keep values of protected columns where no rule protects them";
    for (kind, code) in [("error", "42501"), ("kept", "42501")] {
        assert_eq!(told[kind][0], code, "{told}");
        assert!(told[kind][1].as_str().unwrap().starts_with(withheld), "{told}");
    }
    assert_eq!(told["mistake"], "relation \"hr.peopel\" does not exist");
    assert_eq!(told["inferred"], "Not by protected columns.");
    assert_eq!(told["unknown"], json!([[null, "ADA!"]]));
}

/// Ways that a reader of the gateway found past it, each of which tells when it goes to the server itself.
#[test]
fn what_names_batches_and_transactions_are_to_the_server_they_are_to_the_gateway() {
    let world = World::start("wire");
    let [a, _] = &world.databases;
    let port = a.port.to_string();
    let told = python_script("postgres", "wire.py", &[&port, "alice", &a.token, a.target, "gateway"]).unwrap();
    a.renew();
    let (server, name) = (Postgres::shared().unwrap().port().to_string(), a.name.as_str());
    let direct = python_script("postgres", "wire.py", &[&server, "app", PASSWORD, name, "direct"]).unwrap();
    let tells = |told: &Value| told.as_array().unwrap().iter().any(|text| text.as_str().unwrap().contains("zorvex"));
    let ways = direct.as_object().unwrap();
    for (way, direct) in ways.iter().filter(|(way, _)| *way != "unnamed_statements") {
        assert!(tells(direct), "{way} tells nothing anyway: {direct}");
        assert!(!tells(&told[way]), "{way} tells: {}", told[way]);
        let ended = told[way].as_array().unwrap().iter().any(|text| text.as_str().unwrap().starts_with("ended"));
        assert!(!ended, "{way} ended the session, so it tells nothing of what it tries: {}", told[way]);
    }
    assert_eq!(ways.len(), 21);
    // What cannot be followed any more ends with its transaction.
    let other = told["another_session"].as_array().unwrap();
    assert!(other.iter().any(|text| text.as_str().unwrap().contains("end the transaction")), "{other:?}");
    assert!(other.iter().any(|row| row.as_str().unwrap().ends_with("went on")), "{other:?}");
    // A name is told as it is, though the gateway has asked the database between preparing and binding.
    let name = told["unnamed_statements"].as_array().unwrap();
    assert!(name.iter().any(|row| row.as_str().unwrap().ends_with("Ada")), "{name:?}");
}

#[test]
fn what_is_looked_up_and_what_is_inferred_is_on_record() {
    let world = World::start("record");
    let [a, _] = &world.databases;
    a.masked(
        "select id from hr.people where salary > 50000;\nselect ssn from hr.people;\nselect upper(ssn) from hr.people;",
    );
    let events = world.gateway.events();
    let of = |kind: &str, action: &str| -> Vec<Value> {
        let is_it = |event: &&Value| event["type"] == kind && event["operation"]["action"] == action;
        events.iter().filter(is_it).cloned().collect()
    };
    let own = of("operation.admitted", "catalogue");
    assert_eq!((own.len(), &own[0]["decision"]["policies"]), (1, &json!(["builtin:definitions"])), "{own:#?}");
    let statements = of("operation.admitted", "sql:select");
    assert_eq!(statements.len(), 3);
    assert_ne!(own[0]["session"], statements[0]["session"]);
    let frames = world.gateway.recording(statements[0]["session"].as_str().unwrap());
    let texts: Vec<&str> = frames.iter().filter_map(|frame| frame["body"]["text"].as_str()).collect();
    let asked: Value = serde_json::from_str(texts[0]).unwrap();
    assert_eq!(asked["inferred"], json!(["hr.people.salary"]), "{texts:#?}");
    assert!(!texts.iter().any(|text| text.contains("zorvex") || text.contains("ZORVEX")), "{texts:#?}");
    world.gateway.verified(&[]);
}
