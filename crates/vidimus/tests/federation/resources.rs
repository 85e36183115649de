//! Which server a resource is read at: where it was listed to this client, and nobody else's lists count.

use std::time::Duration;

use serde_json::{Value, json};

use crate::World;
use crate::common::upstream::Upstream;

const RESOURCES: &str = r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#;

fn read(id: u64, uri: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"resources/read","params":{{"uri":"{uri}"}}}}"#)
}

/// How often a caller has asked a server for this.
fn asked(server: &Upstream, what: &str) -> usize {
    server.bodies().iter().filter(|body| String::from_utf8_lossy(body).contains(what)).count()
}

/// Two servers, `crm` and `other`, that list as many resources.
async fn world(policies: &str, of_crm: usize, of_other: usize) -> (World, Upstream) {
    let (crm, other) = (Upstream::start().await, Upstream::start().await);
    crm.change(|quirks| quirks.resources = of_crm);
    other.change(|quirks| quirks.resources = of_other);
    let table = format!("[targets.other]\nprotocol = \"mcp\"\nurl = \"{}\"\n", other.url());
    (World::start_of(crm, policies, &table).await, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_read_where_it_was_listed() {
    let forbid = r#"forbid (principal, action == Action::"resources/read", resource == Target::"crm")
        when { context.uri == "note://1" };"#;
    // Both list note://0 and note://1, of which one may not be read at the first by name.
    let (world, other) = world(forbid, 2, 3).await;
    let alice = world.legacy("alice").await;
    let list = alice.post(RESOURCES).await.unwrap().json();
    let uris: Vec<_> = list["result"]["resources"].as_array().unwrap().iter().map(|own| &own["uri"]).collect();
    assert_eq!(uris, ["note://0", "note://1", "note://2"], "each once: {list}");
    assert_eq!(
        list["result"]["_meta"]["vidimus/shadowed"],
        json!([{ "target": "other", "uri": "note://0" }]),
        "{list}"
    );
    for uri in ["note://0", "note://1", "note://2"] {
        let answer = alice.post(read(3, uri)).await.unwrap().json();
        assert_eq!(answer["result"]["contents"][0]["uri"], json!(uri), "{answer}");
    }
    assert_eq!((asked(&world.crm, "resources/read"), asked(&other, "resources/read")), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_client_was_listed_leads_no_other_astray() {
    let (world, other) = world("", 1, 1).await;
    let alice = world.legacy("alice").await;
    assert!(alice.post(RESOURCES).await.unwrap().text.contains("note://0"));
    // It listed that to alice, and lists it to nobody any more.
    world.crm.change(|quirks| quirks.resources = 0);
    let bob = world.legacy("bob").await;
    let list = bob.post(RESOURCES).await.unwrap().json();
    let of_other = (&list["result"]["resources"][0]["uri"], list["result"].get("_meta"));
    assert_eq!(of_other, (&json!("note://0"), None), "not in the shadow of what bob was never shown: {list}");
    drop(bob.post(read(2, "note://0")).await.unwrap());
    assert_eq!((asked(&world.crm, "resources/read"), asked(&other, "resources/read")), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_hidden_is_as_one_that_is_not() {
    let forbid =
        r#"forbid (principal, action == Action::"resources/read", resource) when { context.uri == "note://1" };"#;
    // Of those who may not know which target it would be, nobody is told more than of one that does not exist.
    let (world, _other) = world(forbid, 2, 1).await;
    let alice = world.legacy("alice").await;
    assert!(!alice.post(RESOURCES).await.unwrap().text.contains("note://1"));
    let mut said = Vec::new();
    for uri in ["note://1", "note://77"] {
        let answer = alice.post(read(2, uri)).await.unwrap().json();
        said.push((answer["error"]["code"].clone(), answer["error"]["message"].clone()));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0].0, json!(-32602));
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_that_nobody_has_are_looked_for_together_and_not_after_their_client() {
    let (world, _other) = world("", 1, 1).await;
    let alice = world.legacy("alice").await;
    drop(alice.call(1, "crm_echo", "{}").await.unwrap());
    let uris: Vec<_> = (0..8).map(|number| format!("gone://{number}")).collect();
    let reads = uris.iter().zip(10..).map(|(uri, id)| alice.post(read(id, uri)));
    let unknown = |answer: &Value| answer["error"]["code"] == json!(-32602);
    for answer in futures_util::future::join_all(reads).await {
        let answer = answer.unwrap().json();
        assert!(unknown(&answer), "{answer}");
    }
    // Once more for those that came while the first look ran.
    let looks = asked(&world.crm, "resources/templates/list");
    assert!((1..=2).contains(&looks), "{looks}");
    assert!(unknown(&alice.post(read(30, "gone://7")).await.unwrap().json()));
    assert_eq!(asked(&world.crm, "resources/templates/list"), looks, "what nobody had just now nobody has");
    // The next look has to wait, and the client does not.
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":40}}"#;
    let cancelling = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        alice.post(cancel).await.unwrap()
    };
    let (answer, _) = tokio::join!(alice.post(read(40, "gone://40")), cancelling);
    let answer = answer.unwrap().json();
    assert_eq!(answer["error"]["message"], json!("the request was cancelled"), "{answer}");
    assert_eq!(asked(&world.crm, "resources/templates/list"), looks);
}
