//! Lists in pages, whose cursors are a server's own words, and lists without end.

use serde_json::{Value, json};

use super::World;
use super::common::upstream::CURSOR;
use super::common::{Answer, Client};

fn list(method: &str, cursor: &str) -> String {
    let cursor = if cursor.is_empty() { String::new() } else { format!(r#""cursor":{cursor}"#) };
    format!(r#"{{"jsonrpc":"2.0","id":5,"method":"{method}","params":{{{cursor}}}}}"#)
}

async fn page(client: &Client, cursor: &str) -> Answer {
    client.post(list("tools/list", cursor)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_tells_nothing_and_comes_back_as_it_was() {
    let world = World::start().await;
    world.upstream.change(|quirks| quirks.has_pages = true);
    let (alice, other) = (world.client().await, world.client().await);
    let bob = Client::open(world.gateway.url(), world.issuer.token("bob")).await;
    let first = page(&alice, "").await.json();
    assert_eq!(first["result"]["tools"].as_array().unwrap().len(), 1, "{first}");
    let sealed = first["result"]["nextCursor"].as_str().unwrap().to_owned();
    assert!(!sealed.contains("after") && sealed.len() > CURSOR.len(), "{sealed}");
    let again = page(&alice, "").await.json();
    assert_ne!(again["result"]["nextCursor"], json!(sealed), "not even that it is the same one");

    let mut altered = sealed.clone();
    altered.replace_range(20..21, if &sealed[20..21] == "A" { "B" } else { "A" });
    let seen = world.upstream.bodies().len();
    for (client, method, cursor) in [
        (&bob, "tools/list", json!(sealed)),
        (&*other, "tools/list", json!(sealed)),
        (&*alice, "prompts/list", json!(sealed)),
        (&*alice, "tools/list", json!(altered)),
        (&*alice, "tools/list", serde_json::from_str(CURSOR).unwrap()),
        (&*alice, "tools/list", json!("")),
    ] {
        let refused = client.post(list(method, &cursor.to_string())).await.unwrap().json();
        assert_eq!(refused["error"]["code"], json!(-32602), "{refused}");
        let text = refused["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("cursor is not one that this list was given"), "{text}");
    }
    assert_eq!(world.upstream.bodies().len(), seen, "nothing of it has reached the server");

    let rest = page(&alice, &json!(sealed).to_string()).await.json();
    assert!(rest["result"]["tools"].as_array().unwrap().len() > 20 && rest["result"]["nextCursor"].is_null(), "{rest}");
    assert_eq!(world.upstream.bodies().last().unwrap(), list("tools/list", CURSOR).as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_filtered_and_one_without_end_refused() {
    let world = World::with(|setup| {
        let hidden =
            r#"forbid (principal, action == Action::"resources/read", resource) when { context.uri like "*7" };"#;
        setup.policies = format!("{}{hidden}", super::common::ALLOW_ALL).leak();
    })
    .await;
    let client = world.client().await;
    for (count, shown) in [(10, 9), (3_000, 2_700)] {
        world.upstream.change(|quirks| quirks.resources = count);
        let listed: Value = client.post(list("resources/list", "")).await.unwrap().json();
        assert_eq!(listed["result"]["resources"].as_array().unwrap().len(), shown);
    }
    world.upstream.change(|quirks| quirks.resources = 20_001);
    let refused = client.post(list("resources/list", "")).await.unwrap().json();
    let text = refused["error"]["message"].as_str().unwrap();
    assert!(text.starts_with("the target's list has more than 20000 elements in one answer"), "{refused}");
}
