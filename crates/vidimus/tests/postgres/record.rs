//! What stands on record of statements and their results.

use serde_json::Value;

use super::World;

/// The events of one kind at the database.
fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind && event["target"] == "orders").collect()
}

#[test]
fn statements_values_rows_and_ends_are_on_record_and_masked() {
    let world = World::start("rows = 1");
    world.psql(&["select id, email from people where email = 'ann@example.com' or id > 0 order by id"]);
    world.psql(&["drop table people"]);
    let events = world.recorded();
    let (admitted, denied) = (of(&events, "operation.admitted"), of(&events, "operation.denied"));
    assert_eq!((admitted.len(), denied.len()), (1, 1), "{events:#?}");
    let operation = &admitted[0]["operation"];
    assert_eq!((&operation["action"], &operation["protocol"]), (&Value::from("sql:select"), &Value::from("postgres")));
    assert_eq!(denied[0]["operation"]["action"], "sql:ddl");
    let outcome = of(&events, "operation.outcome")[0];
    assert_eq!(
        (&outcome["outcome"]["status"], &outcome["outcome"]["masked"]["EMAIL_ADDRESS"]),
        (&"ok".into(), &2.into())
    );

    let session = admitted[0]["session"].as_str().unwrap();
    let frames = world.gateway.recording(session);
    let [request, response] = &frames[..] else { panic!("{frames:#?}") };
    let text = |frame: &Value| frame["body"]["text"].as_str().unwrap().to_owned();
    let (request, response) = (text(request), text(response));
    let asked: Value = serde_json::from_str(&request).unwrap();
    let sql = "select id, email from people where email = '<EMAIL_ADDRESS>' or id > 0 order by id";
    assert_eq!(asked["sql"], sql);
    let lines: Vec<Value> = response.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], serde_json::json!({ "columns": ["id", "email"] }));
    assert_eq!(lines[1], serde_json::json!(["1", "<EMAIL_ADDRESS>"]));
    assert_eq!(lines[2], serde_json::json!({ "done": { "tag": "SELECT 2" } }));
    assert_eq!((&lines[3]["omitted"]["rows"], lines.len()), (&1.into(), 4), "{response}");
    world.gateway.verified(&[]);
}
