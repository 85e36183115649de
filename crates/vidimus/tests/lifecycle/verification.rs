//! `vidimus log verify` over what a gateway really wrote: running, crashed, whole, and damaged afterwards.
//!
//! What a real session left must verify whatever cut it off; every finding is read as an operator would.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::World;
use super::common::evidence::{of_type, outcome};

/// Runs `log verify`: its status, and what it prints.
fn verify(world: &World, key: &str, extra: &[&str]) -> (Option<i32>, Value) {
    let output = world.gateway.run(&[&["log", "verify", "--key", key], extra].concat());
    let printed = serde_json::from_slice(&output.stdout);
    (output.status.code(), printed.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

fn log_key(world: &World) -> String {
    world.gateway.api("/v1/log/status")["key"].as_str().unwrap().to_owned()
}

/// Where the recording of an event's session is, and where in it the event's first payload begins and ends.
fn recorded(world: &World, event: &Value) -> (PathBuf, u64, u64) {
    let at = &event["payloads"][0]["at"];
    let session = event["session"].as_str().unwrap();
    let file = world.gateway.data().join(format!("recordings/{session}/00000000.seg"));
    let (offset, length) = (at[1].as_u64().unwrap(), at[2].as_u64().unwrap());
    (file, offset, offset + length)
}

/// The one finding, which names the event, its session and the file.
fn only_finding(found: &Value, event: &Value, file: &std::path::Path) -> String {
    let findings = found["findings"].as_array().unwrap();
    let finding = findings.first().unwrap().as_str().unwrap();
    let named = format!("(session {}, event {})", event["session"].as_str().unwrap(), event["seq"]);
    assert!(findings.len() == 1 && finding.contains(&named) && finding.contains(file.to_str().unwrap()), "{found}");
    finding.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_recording_is_named_with_session_event_and_file() {
    let mut world = World::start().await;
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    let streamed = client.receive(super::call(2, "progress", &json!({ "text": "done" }))).await;
    assert!(streamed.is_whole, "{streamed:?}");
    assert!(client.call(3, "fail", "{}").await.unwrap()["result"].is_object());
    let (events, key) = (world.gateway.events(), log_key(&world));
    let last = of_type(&events, "operation.outcome")
        .into_iter()
        .rev()
        .find(|event| event["operation"]["action"] == "everything/fail");
    let last = last.expect("an outcome");
    assert!(world.gateway.process.terminate(super::SOON).unwrap().success(), "{}", world.gateway.process.log());

    let payloads: usize = events.iter().filter_map(|event| event["payloads"].as_array()).map(Vec::len).sum();
    let (status, whole) = verify(&world, &key, &["--recordings"]);
    assert_eq!((status, &whole["holds"]), (Some(0), &json!(true)), "{whole}");
    let opened = &whole["recordings"];
    assert_eq!((&opened["opened"], &opened["payloads"]), (&json!(true), &json!(payloads)), "{whole}");
    assert_eq!(opened["frames"], opened["frames_opened"]);
    assert!(opened["frames"].as_u64().unwrap() > payloads as u64, "the parts of the stream have frames too: {whole}");
    let (status, whole) = verify(&world, &key, &[]);
    assert_eq!((status, &whole["recordings"]["payloads"]), (Some(0), &json!(payloads)), "{whole}");

    // One byte of what is sealed: only the key shows it, and whoever did not use it is told so.
    let (file, begin, end) = recorded(&world, last);
    let bytes = std::fs::read(&file).unwrap();
    let mut flipped = bytes.clone();
    flipped[usize::try_from(end).unwrap() - 1] ^= 1;
    std::fs::write(&file, flipped).unwrap();
    let (status, unopened) = verify(&world, &key, &[]);
    assert_eq!((status, &unopened["recordings"]["opened"]), (Some(0), &json!(false)), "{unopened}");
    let (status, found) = verify(&world, &key, &["--recordings"]);
    assert_eq!(status, Some(1));
    let finding = only_finding(&found, last, &file);
    assert!(finding.ends_with("found one that does not open: it was altered"), "{finding}");

    // Cut off: seen without the key, too.
    for (length, what) in
        [(begin, "found the end of the recording before it"), (begin + 9, "found the end of the file")]
    {
        std::fs::write(&file, &bytes[..usize::try_from(length).unwrap()]).unwrap();
        for extra in [&[][..], &["--recordings"]] {
            let (status, found) = verify(&world, &key, extra);
            assert_eq!(status, Some(1));
            // The session's end finds what is missing as well when a frame is there in part.
            let findings = found["findings"].as_array().unwrap();
            let named = format!("(session {}, event {})", last["session"].as_str().unwrap(), last["seq"]);
            let first = findings.first().unwrap().as_str().unwrap();
            assert!(
                first.contains(what) && first.contains(&named) && first.contains(file.to_str().unwrap()),
                "{found}"
            );
        }
    }
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(verify(&world, &key, &["--recordings"]).0, Some(0));

    // Another key-encryption key is the operator's mistake, not damage.
    std::fs::write(world.gateway.dir.path().join("kek"), [5_u8, 9].repeat(16)).unwrap();
    let refused = world.gateway.run(&["log", "verify", "--key", &key, "--recordings"]);
    assert!(refused.stdout.is_empty() && !refused.status.success(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("key-encryption key"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_and_crashed_gateways_verify() {
    let mut world = World::start().await;
    let client = world.client().await;
    let key = log_key(&world);
    let streaming = world.in_flight(&client, "chatter", &json!({})).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // What runs has no outcome yet, and parts that nothing commits to yet.
    let admitted = world.gateway.events_once(|event| {
        event["type"] == "operation.admitted" && event["operation"]["action"] == "everything/chatter"
    });
    assert_eq!(outcome(&admitted, "everything/chatter"), None);
    for extra in [&[][..], &["--recordings"]] {
        let (status, found) = verify(&world, &key, extra);
        assert_eq!((status, &found["open_operations"]), (Some(0), &json!(1)), "{found}");
    }
    world.gateway.process.kill().unwrap();
    let _ = streaming.await;
    world.gateway.restart();
    let events = world.gateway.events();
    assert_eq!(outcome(&events, "everything/chatter"), Some("unknown"));
    for extra in [&[][..], &["--recordings"]] {
        let (status, found) = verify(&world, &key, extra);
        assert_eq!((status, &found["open_operations"]), (Some(0), &json!(0)), "{found}");
    }
}
