//! `vidimus index rebuild`: the same index again, from nothing or from where a run was cut off.
#![expect(clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

    for (is_cut_off, said) in [(true, "gone on with"), (false, "could not be read")] {
        if is_cut_off {
            std::fs::write(&cut_off, &beginning).unwrap();
        }
        // Nothing of the old one is of use.
        std::fs::write(&index, "no index").unwrap();
        let rebuilt = world.gateway.command(&["index", "rebuild", "--resume"]);
        assert!(rebuilt["old_index"][0].as_str().unwrap().contains(said), "{rebuilt}");
        let made = rebuilt["entries"].as_u64().unwrap();
        assert!(made > begun, "{made} entries, of which {begun} were there");
        assert!(!cut_off.exists());
    }
    world.gateway.restart();
    assert_eq!(listed(&world), before);

    // Somebody's own index, laid where one would be gone on with.
    assert!(world.gateway.process.terminate(super::SOON).unwrap().success());
    let mut forged = std::fs::read(&index).unwrap();
    let (from, to) = (b"corp|alice", b"corp|mallo");
    let places: Vec<usize> = (0..forged.len()).filter(|at| forged[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        forged[at..at + to.len()].copy_from_slice(to);
    }
    for file in [&index, &cut_off] {
        std::fs::write(file, &forged).unwrap();
    }
    let rebuilt = world.gateway.command(&["index", "rebuild"]);
    assert!(rebuilt["old_index"][0].as_str().unwrap().contains("rows were others"), "{rebuilt}");
    world.gateway.restart();
    assert_eq!(listed(&world), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn making_the_index_of_a_killed_gateway_changes_nothing_in_its_log() {
    let mut world = World::start().await;
    use_once(&world).await;
    let before = listed(&world);
    world.gateway.process.kill().unwrap();
    let data = world.gateway.data();
    let index = data.join("index.db");
    std::fs::write(&index, "no index").unwrap();
    for companion in ["index.db-wal", "index.db-shm"] {
        std::fs::remove_file(data.join(companion)).unwrap();
    }
    let (log, journal) = (contents(&data.join("log")), contents(&data.join("journal")));
    world.gateway.command(&["index", "rebuild"]);
    assert!(contents(&data.join("log")) == log && contents(&data.join("journal")) == journal);
    world.gateway.restart();
    assert_eq!(listed(&world), before, "what only the journal held is added at the start");
}

/// All files below a directory.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() { contents(&path) } else { BTreeMap::from([(path.clone(), std::fs::read(path).unwrap())]) }
        })
        .collect()
}
