//! What the official clients make of a limit: each reads why a call was refused and when to try again, and its session goes on.

use serde_json::{Value, json};
use vidimus_testkit::{Endpoint, Era, Sdk, Session, official};

use super::World;

/// Each client has a token of its own, and by it three calls of `echo`; those of `few` ten requests in all.
const RULES: &str = r#"
[limits.rules.crm-echo]
calls = "3/h"
target = "crm"
tools = ["echo"]
[limits.rules.notes-echo]
calls = "3/h"
target = "notes"
tools = ["echo"]
[limits.rules.few]
calls = "10/h"
groups = ["corp/few"]
"#;

/// Whether a step came to a call that was refused by this limit.
fn is_refused_call(answer: &Value, limit: &str) -> bool {
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    let seconds = answer["result"]["_meta"]["vidimus/retryAfter"].as_u64();
    answer["result"]["isError"] == true && text.contains(&format!("the limit `{limit}` is")) && seconds.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn official_clients_read_why_and_when_and_go_on() {
    let world = World::start(RULES).await;
    let session = |(sdk, era): (Sdk, Era), name: &str, groups: &[&str], steps: Value| {
        let target = if era == Era::Legacy { "crm" } else { "notes" };
        let who = format!("{} {} {name}", sdk.name(), era.name());
        let token = world.issuer.token_with(json!({ "sub": who, "groups": groups }));
        let endpoint = Endpoint::Http { url: world.url(&format!("/mcp/{target}")), token: Some(token) };
        Session { name: name.into(), era, endpoint, steps }
    };
    let echo = json!(["call", "echo", { "text": "x" }]);
    for sdk in Sdk::ALL {
        for era in [Era::Legacy, Era::Modern].into_iter().filter(|era| sdk.speaks(*era)) {
            let (limit, other) = if era == Era::Legacy { ("crm-echo", "fail") } else { ("notes-echo", "region") };
            let other = json!(["call", other, {}]);
            let calls = session((sdk, era), "calls", &["support"], json!([echo, echo, echo, echo, other, echo]));
            let list = json!(["list_tools"]);
            let lists = Value::from(vec![list; 12]);
            let lists = (era == Era::Legacy).then(|| session((sdk, era), "lists", &["support", "few"], lists));
            let sessions: Vec<_> = [calls].into_iter().chain(lists).collect();
            let answers = tokio::task::spawn_blocking(move || sdk.run(&sessions)).await.unwrap().unwrap();
            let whose = format!("{}, {}", sdk.name(), era.name());
            let calls = &answers["calls"];
            let refused: Vec<_> = calls.iter().map(|answer| is_refused_call(answer, limit)).collect();
            assert_eq!(refused, [false, false, false, false, true, false, true, false], "{whose}: {calls:#?}");
            assert!(calls.iter().all(|answer| answer.get("error").is_none()), "{whose}: {calls:#?}");
            let Some(lists) = answers.get("lists") else { continue };
            let labels: Vec<_> = lists.iter().map(official::label).collect();
            assert_eq!(labels.iter().filter(|label| *label == "list_tools").count(), 12, "{whose}: {labels:?}");
            let refused: Vec<_> = lists.iter().filter(|answer| answer.get("error").is_some()).collect();
            assert!((2..=6).contains(&refused.len()), "{whose}: {refused:#?}");
            for answer in refused {
                let text = answer["error"]["message"].as_str().unwrap();
                assert!(text.contains("too many calls: the limit `few` is 10/h; try again in "), "{whose}: {answer}");
                assert_eq!(answer["error"]["code"], json!(-32_029), "{whose}: {answer}");
            }
        }
    }
}
