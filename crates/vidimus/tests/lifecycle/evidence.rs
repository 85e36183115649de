//! What the command line shows of the evidence of a running gateway, and what it says when there is nothing to show.

use std::slice::from_ref;

use serde_json::Value;

use super::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_sessions_are_listed_when_they_are_asked_for() {
    let world = World::start().await;
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    // Index follows log: from here on everything so far is listed.
    let sessions = world.gateway.sessions().len();
    assert_eq!(sessions, 4, "a client, the reading of the tools in one era and in the other, the control session");
    let listed = |arguments: &[&str]| -> Vec<Option<String>> {
        let list = world.gateway.command(&[&["sessions", "list"], arguments].concat());
        let issuer = |session: &Value| Some(session["who"].as_str()?.split_once('|').unwrap().0.to_owned());
        list["sessions"].as_array().unwrap().iter().map(issuer).collect()
    };
    let (corp, own) = (Some("corp".to_owned()), Some("vidimus".to_owned()));
    assert_eq!(listed(&[]), from_ref(&corp));
    // The gateway's own come first: they would use up the limit.
    assert_eq!(listed(&["--limit", "1"]), from_ref(&corp));
    assert_eq!(listed(&["--who", "vidimus|gw-test"]), [own.clone(), own.clone()]);
    let mut all = listed(&["--all"]);
    all.sort();
    assert_eq!(all, [None, corp, own.clone(), own]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_proved_or_shown_is_answered_with_where_ids_come_from() {
    let world = World::start().await;
    world.gateway.sessions();
    let said = |arguments: &[&str], status: i32| {
        let output = world.gateway.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
        text
    };
    let unknown = said(&["log", "prove", "0199a1b2-0000-7000-8000-000000000001"], 1);
    assert!(unknown.contains("there is no event `0199a1b2-") && unknown.contains("sessions show SESSION"), "{unknown}");
    assert!(said(&["log", "prove", "0199a1b2"], 2).contains("a whole UUID"));
    assert!(said(&["sessions", "show", "0199a1b2"], 1).contains("list sessions to see their ids"));
    assert!(said(&["sessions", "show", "01"], 1).contains("at least 4"));
    assert!(said(&["tools", "nothing"], 1).contains("there is no target `nothing`"));
    let unknown = said(&["sessions", "list", "--class", "EMAIL_ADRESS"], 1);
    assert!(unknown.contains("no data class is called `EMAIL_ADRESS`; did you mean `EMAIL_ADDRESS`?"), "{unknown}");
    assert_eq!(
        world.gateway.command(&["sessions", "list", "--class", "EMAIL_ADDRESS"])["sessions"],
        serde_json::json!([])
    );
}
