//! A backup of the data directory, made under load as the manual says, is a log that holds and a gateway that starts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::World;
use super::common::evidence::of_type;
use super::common::{Client, Gateway};

const CALLERS: u64 = 4;
/// Calls of each caller that are answered before the copy is made.
const AT_LEAST: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_has_what_was_acknowledged_before_it_was_made() {
    let world = World::start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let (told, mut answered) = tokio::sync::mpsc::channel(1);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (client, stop, told) = (world.client().await, Arc::clone(&stop), told.clone());
        callers.spawn(async move {
            for id in (caller << 32).. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                assert!(client.call(id, "echo", r#"{"text":"x"}"#).await.unwrap()["result"].is_object());
                // The copy was made: nobody listens any more.
                let _ = told.send(id).await;
            }
        });
    }
    let mut acknowledged = BTreeSet::new();
    while !(0..CALLERS).all(|caller| acknowledged.contains(&((caller << 32) + AT_LEAST))) {
        acknowledged.insert(answered.recv().await.unwrap());
    }
    while let Ok(id) = answered.try_recv() {
        acknowledged.insert(id);
    }
    let restored = world.gateway.restored();
    drop(answered);
    stop.store(true, Ordering::Relaxed);
    callers.join_all().await;

    let key = world.gateway.api("/v1/log/status")["key"].as_str().unwrap().to_owned();
    let events = restored.events();
    let report = restored.command(&["log", "verify", "--key", &key]);
    assert_eq!(report["holds"], true, "{report}");
    let kept = answers(&restored, &events);
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "{lost:?} of {} were acknowledged and are not in the copy", acknowledged.len());
    assert_eq!(of_type(&events, "log.recovered").len(), 1, "the copy was made while calls ran");

    // It takes new calls, and what it writes follows on what was copied.
    let client = Client::open(restored.url(), world.issuer.token("alice")).await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    assert!(restored.events().len() > events.len());
    assert_eq!(restored.command(&["log", "verify", "--key", &key])["holds"], true);
}

/// The ids of the calls whose answers are recorded.
fn answers(gateway: &Gateway, events: &[Value]) -> BTreeSet<u64> {
    let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let mut ids = BTreeSet::new();
    for event in of_type(events, "session.opened") {
        if text(event, "/principal/issuer").as_deref() != Some("corp") {
            continue;
        }
        let frames = gateway.recording(&text(event, "/session").unwrap());
        for frame in frames.iter().filter(|frame| text(frame, "/direction").as_deref() == Some("response")) {
            let message: Value = serde_json::from_str(&text(frame, "/body/text").unwrap()).unwrap();
            ids.extend(message.pointer("/id").and_then(Value::as_u64));
        }
    }
    ids
}
