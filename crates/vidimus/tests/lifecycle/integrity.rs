//! Evidence spoiled under a running gateway: it says so in its own log, names the file, says it once, and goes on.
#![expect(clippy::indexing_slicing, reason = "tests")]

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde_json::Value;

use super::common::evidence::of_type;
use super::{World, soon};

/// More than the 256 entries of a full bundle.
const CALLS: u64 = 130;

/// Flips a bit: of the last event's version in a bundle, near the end of any other file.
fn flip(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    let version = bytes.windows(15).rposition(|window| window == b"vidimus.event/1");
    let at = version.unwrap_or(bytes.len() - 40);
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
}

fn findings(world: &World) -> Value {
    world.gateway.api("/v1/log/status")["integrity"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spoiled_while_the_gateway_runs_is_told_once_with_its_file() {
    let world = World::with(|setup| setup.tables = "[integrity]\nevery = \"1s\"\n").await;
    let client = world.client().await;
    for id in 0..CALLS {
        assert!(client.call(id, "echo", "{}").await.unwrap()["result"].is_object());
    }
    client.send(http::Method::DELETE, &[], "").await.unwrap();
    let events = world.gateway.events_once(|event| event["type"] == "session.closed" && event["who"] == "corp|alice");
    let session = of_type(&events, "operation.outcome").last().unwrap()["session"].as_str().unwrap().to_owned();
    soon(|| findings(&world)["completed_at"].is_string()).await;
    assert_eq!(findings(&world)["findings"], 0);
    assert!(of_type(&world.gateway.events(), "integrity.failed").is_empty());

    let (recording, bundle) = (format!("recordings/{session}/00000000.seg"), "log/tile/entries/000");
    for (file, expected) in [(&*recording, "a whole frame at byte "), (bundle, "an entry with hash ")] {
        flip(&world.gateway.data().join(file));
        let events = world.gateway.events_once(|event| event["damage"]["file"] == file);
        let failed = of_type(&events, "integrity.failed").into_iter().find(|event| event["damage"]["file"] == file);
        let failed = failed.unwrap();
        assert_eq!(failed["by"], "check");
        let damage = &failed["damage"];
        assert!(damage["expected"].as_str().unwrap().starts_with(expected) && damage["entry"].is_u64(), "{failed}");
        assert!(failed["reason"].as_str().unwrap().starts_with(&format!("{file}: expected {expected}")), "{failed}");
        assert!(world.gateway.process.log().contains("INTEGRITY"));
    }
    assert_eq!(findings(&world)["findings"], 2);
    assert!(world.gateway.admin_page("/metrics").unwrap().contains("vidimus_integrity_findings 2\n"));

    // It goes on, and everything is checked again meanwhile: nobody is told twice.
    let before = findings(&world)["completed_at"].clone();
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    soon(|| findings(&world)["completed_at"] != before).await;
    assert_eq!(of_type(&world.gateway.events(), "integrity.failed").len(), 2);
    let shown = world.gateway.run(&["log", "status"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("\"findings\": 2"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_is_whole_stays_without_finding_through_crashes_and_open_sessions() {
    let mut world = World::with(|setup| setup.tables = "[integrity]\nevery = \"1s\"\n").await;
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    let streaming = world.in_flight(&client, "chatter", &serde_json::json!({})).await;
    soon(|| findings(&world)["completed_at"].is_string()).await;
    world.gateway.process.kill().unwrap();
    let _ = streaming.await;
    world.gateway.restart();
    soon(|| findings(&world)["completed_at"].is_string()).await;
    let first = findings(&world)["completed_at"].clone();
    soon(|| findings(&world)["completed_at"] != first).await;
    assert_eq!(findings(&world)["findings"], 0, "{}", world.gateway.process.log());
    assert!(of_type(&world.gateway.events(), "integrity.failed").is_empty());
}
