//! `vidimus index rebuild`: the same index again, from nothing or from where a run was cut off.
#![expect(clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;

use super::World;

/// The sessions of callers, as a list shows them.
fn listed(world: &World) -> Value {
    world.gateway.sessions();
    world.gateway.command(&["sessions", "list"])["sessions"].clone()
}

async fn use_once(world: &World) {
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    client.send(http::Method::DELETE, &[], "").await.unwrap();
    world.gateway.events_once(|event| event["type"] == "session.closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_made_again_is_the_same_and_goes_on_where_it_stopped() {
    let mut world = World::start().await;
    use_once(&world).await;
    let refused = world.gateway.run(&["index", "rebuild"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && said.contains("locked by another process"), "{said}");
    let begun = world.gateway.api("/v1/log/status")["appended"].as_u64().unwrap();
    assert!(world.gateway.process.terminate(super::SOON).unwrap().success());
    let (index, cut_off) = (world.gateway.data().join("index.db"), world.gateway.data().join("index.db.rebuild"));
    // What a run leaves that is killed: an index of the log's beginning.
    let beginning = std::fs::read(&index).unwrap();
    std::fs::write(&cut_off, &beginning).unwrap();
    world.gateway.restart();
    assert!(!cut_off.exists(), "an erasure would leave its words");
    use_once(&world).await;
    let before = listed(&world);
    assert_eq!(before.as_array().unwrap().len(), 2);
    assert!(world.gateway.process.terminate(super::SOON).unwrap().success());

    std::fs::write(&cut_off, beginning).unwrap();
    for is_cut_off in [true, false] {
        assert_eq!(cut_off.exists(), is_cut_off);
        // Nothing of the old one is of use.
        std::fs::write(&index, "no index").unwrap();
        let made = world.gateway.command(&["index", "rebuild"])["entries"].as_u64().unwrap();
        assert!(made > begun, "{made} entries, of which {begun} were there");
        assert!(!cut_off.exists());
    }
    world.gateway.restart();
    assert_eq!(listed(&world), before);
}
