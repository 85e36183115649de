//! All targets behind one endpoint: servers of both eras, and clients of either, written byte for byte.
//!
//! What a client sees is one server; what each target gets, decides and has on record is what it would be by its own path.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, reason = "tests")]

mod availability;
#[path = "../common/mod.rs"]
mod common;
mod resources;
mod scale;
#[path = "../modern/server.rs"]
mod server;
mod streams;

use common::evidence::of_type;
use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{ALLOW_ALL, Client, Gateway, Setup, modern_body, send_modern as send};
use serde_json::{Value, json};
use server::ModernServer;

/// The servers of a test, and a gateway that has them as `crm` (legacy era) and `notes` (modern era).
struct World {
    crm: Upstream,
    notes: ModernServer,
    issuer: Issuer,
    gateway: Gateway,
}

impl World {
    async fn start(policies: &str) -> Self {
        Self::start_with(policies, "").await
    }

    /// With further targets.
    async fn start_with(policies: &str, tables: &str) -> Self {
        Self::start_of(Upstream::start().await, policies, tables).await
    }

    async fn start_of(crm: Upstream, policies: &str, tables: &str) -> Self {
        let (notes, issuer) = (ModernServer::start().await, Issuer::start());
        let policies = format!("{ALLOW_ALL}{policies}");
        let tables =
            format!("[targets.notes]\nprotocol = \"mcp\"\nurl = \"{}\"\nrecord = \"masked\"\n{tables}", notes.url);
        let setup = Setup { target: "crm", policies: &policies, tables: &tables, ..Setup::new(crm.url()) };
        let gateway = Gateway::start(&setup, issuer.url());
        Self { crm, notes, issuer, gateway }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.gateway.port)
    }

    async fn legacy(&self, who: &str) -> Client {
        Client::open(self.url(), self.issuer.token(who)).await
    }

    fn modern(&self, who: &str) -> Client {
        Client::new(self.url(), self.issuer.token(who))
    }

    /// The types and targets of the events of a client's sessions, without the gateway's own.
    fn recorded(&self, kind: &str) -> Vec<Value> {
        let events = self.gateway.events();
        let own = |event: &&Value| event["who"].as_str().is_some_and(|who| !who.starts_with("vidimus|"));
        of_type(&events, kind).into_iter().filter(own).cloned().collect()
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("{list}"))
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect()
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_client_has_the_tools_of_servers_of_both_eras() {
    let world = World::start(r#"forbid (principal, action == Action::"notes/secret", resource);"#).await;
    let alice = world.legacy("alice").await;
    let list = alice.post(LIST).await.unwrap().json();
    let listed = names(&list);
    assert!(listed.starts_with(&["crm_echo", "crm_slow"]), "{listed:?}");
    assert!(
        listed.ends_with(&["notes_echo", "notes_ask", "notes_task", "notes_hang", "notes_page", "notes_region"]),
        "{listed:?}"
    );
    assert_eq!(list["result"].get("_meta"), None, "all answer: {list}");

    let said = alice.call(2, "crm_echo", r#"{"x":[1.0]}"#).await.unwrap();
    assert_eq!(said["result"]["content"][0]["text"], json!(r#"{"x":[1.0]}"#));
    let bodies = world.crm.bodies();
    let call = bodies.iter().find(|body| String::from_utf8_lossy(body).contains("tools/call")).unwrap();
    let sent = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"x":[1.0]}}}"#;
    assert_eq!(call, sent, "the target gets what it would by its own path");

    let said = alice.call(3, "notes_region", r#"{"region":"eu"}"#).await.unwrap();
    assert_eq!((&said["id"], said.get("error")), (&json!(3), None), "{said}");
    let seen = world.notes.seen("tools/call");
    let header = |name: &str| seen[0].headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("mcp-name").as_deref(), Some("region"));
    assert_eq!(
        header("mcp-param-region").as_deref(),
        Some("eu"),
        "the gateway writes what the client does not know of"
    );
    let unknown = |name: &str| format!("Unknown tool: {name}");
    for name in ["notes_secret", "notes_none", "gone_echo", "echo", "crm"] {
        let answer = alice.call(4, name, "{}").await.unwrap();
        assert_eq!(answer["error"]["message"], json!(unknown(name)), "{answer}");
    }
    let admitted = world.recorded("operation.admitted");
    let of = |target: &str, object: &str| {
        admitted.iter().filter(|event| event["target"] == target && event.to_string().contains(object)).count()
    };
    assert_eq!((of("crm", "\"crm/echo\""), of("notes", "\"notes/region\"")), (1, 1), "{admitted:#?}");
    assert_eq!(of("federation", "\"tools/list\""), 1, "{admitted:#?}");
    // One client's sessions are found by the one at the endpoint, and the log's order is that of what happened.
    let endpoint = admitted.iter().find(|event| event["target"] == "federation").unwrap()["session"].as_str().unwrap();
    let beside = world.gateway.api(&format!("/v1/sessions?parent={endpoint}"));
    let mut targets: Vec<_> =
        beside["sessions"].as_array().unwrap().iter().map(|row| row["target"].as_str().unwrap()).collect();
    targets.sort_unstable();
    // Whether a server of the other era speaks the client's too is tried once, in a session of its own.
    targets.dedup();
    assert_eq!(targets, ["crm", "notes"], "{beside}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_client_has_the_tools_of_servers_of_both_eras() {
    let world = World::start("").await;
    let alice = world.modern("alice");
    let discovered = send(&alice, "server/discover", "", "").await.json();
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]), "{discovered}");
    assert!(discovered["result"]["capabilities"]["tools"].is_object(), "{discovered}");
    let list = send(&alice, "tools/list", "", "").await.json();
    let listed = names(&list);
    assert!(listed.contains(&"crm_echo") && listed.contains(&"notes_echo"), "{listed:?}");
    assert_eq!((&list["result"]["cacheScope"], &list["result"]["resultType"]), (&json!("private"), &json!("complete")));
    // The target of the other era gets no word of this one, and its answer says what kind it is.
    let said = send(&alice, "tools/call", "crm_echo", r#""name":"crm_echo","arguments":{"x":1}"#).await.json();
    assert_eq!((&said["id"], &said["result"]["resultType"]), (&json!(7), &json!("complete")), "{said}");
    let bodies = world.crm.bodies();
    let call = String::from_utf8_lossy(bodies.last().unwrap()).into_owned();
    assert!(call.contains(r#""name":"echo""#) && !call.contains("io.modelcontextprotocol"), "{call}");
    // Two at once, of one id: each gets its own answer.
    let [one, other] = ["1", "2"].map(|x| format!(r#""name":"crm_slow","arguments":{{"ms":100,"x":{x}}}"#));
    let (one, other) =
        tokio::join!(send(&alice, "tools/call", "crm_slow", &one), send(&alice, "tools/call", "crm_slow", &other));
    for (answer, x) in [(one.json(), "\"x\":1"), (other.json(), "\"x\":2")] {
        assert!(answer["id"] == 7 && answer.to_string().replace('\\', "").contains(x), "{answer}");
    }
    // And in its own era, where headers say what the body does.
    let said = send(&alice, "tools/call", "notes_echo", r#""name":"notes_echo""#).await;
    assert_eq!(said.status.as_u16(), 200, "{}", said.text);
    assert_eq!(world.notes.seen("tools/call")[0].headers["mcp-name"], "echo");
    let other = send(&alice, "tools/call", "notes_ask", r#""name":"notes_echo""#).await.json();
    assert_eq!(other["error"]["code"], json!(-32020), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_connect_to_a_target_knows_nothing_of_it() {
    let forbid = r#"forbid (principal, action == Action::"connect", resource == Target::"notes");"#;
    let world = World::start(forbid).await;
    let (alice, other) = (world.legacy("alice").await, world.modern("alice"));
    let discovered = send(&other, "server/discover", "", "").await;
    let list = alice.post(LIST).await.unwrap();
    for text in [&discovered.text, &list.text] {
        assert!(text.contains("crm") || text.contains("tools"), "{text}");
        assert!(!text.contains("notes"), "{text}");
    }
    let called = alice.call(2, "notes_echo", "{}").await.unwrap();
    assert_eq!(called["error"]["message"], json!("Unknown tool: notes_echo"), "{called}");
    assert_eq!(world.notes.seen("tools/call").len() + world.notes.seen("tools/list").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_on_by_a_cursor_of_its_own_client_alone() {
    let world = World::start("").await;
    world.crm.change(|quirks| quirks.has_pages = true);
    let alice = world.legacy("alice").await;
    let first = alice.post(LIST).await.unwrap().json();
    assert_eq!(names(&first).iter().filter(|name| name.starts_with("crm_")).count(), 1, "{first}");
    let cursor = first["result"]["nextCursor"].as_str().unwrap();
    let next =
        |cursor: &str| format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{{"cursor":"{cursor}"}}}}"#);
    let second = alice.post(next(cursor)).await.unwrap().json();
    assert!(names(&second).contains(&"crm_slow"), "{second}");
    let bob = world.legacy("bob").await;
    let own = world.legacy("alice").await;
    for (client, cursor) in [(&bob, cursor), (&own, cursor), (&alice, "crm"), (&alice, &cursor[1..])] {
        let refused = client.post(next(cursor)).await.unwrap().json();
        assert_eq!(refused["error"]["code"], json!(-32602), "{refused}");
    }
    // Another list's cursor is none of this one.
    let other = next(cursor).replace("tools/list", "prompts/list");
    assert_eq!(alice.post(other).await.unwrap().json()["error"]["code"], json!(-32602));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_masked_once_for_the_client_and_never_kept_by_the_endpoint() {
    let world = World::start("").await;
    let alice = world.legacy("alice").await;
    let said = alice.call(2, "crm_echo", r#"{"mail":"ada@example.com"}"#).await.unwrap().to_string();
    assert!(!said.contains("ada@example.com") && said.contains("EMAIL"), "{said}");
    // A tool's name is the protocol's own in a list, as at its own path.
    let list = alice.post(LIST).await.unwrap().text;
    assert!(list.contains("crm_mallory@example.com"), "{list}");
    let unknown = alice.call(3, "eve.bond@example.org", "{}").await.unwrap();
    assert_eq!(unknown["error"]["message"], json!("Unknown tool: eve.bond@example.org"));
    let events = world.gateway.events();
    let all = events.iter().map(Value::to_string).collect::<String>();
    assert!(!all.contains("eve.bond@example.org") && !all.contains("ada@example.com"), "{all}");
    let endpoint =
        events.iter().find(|event| event["target"] == "federation" && event["type"] == "session.opened").unwrap();
    assert_eq!(endpoint["record"], "sizes", "{endpoint}");
}
