//! Keys rotate with overlap: old and new checkpoints verify, recordings stay readable, and every change is on record.
#![expect(clippy::indexing_slicing, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use http::Method;
use serde_json::Value;

use super::{SOON, World};
use crate::common::{Gateway, evidence::of_type};

fn signing(gateway: &Gateway) -> Vec<String> {
    let keys = gateway.command(&["keys", "list"]);
    keys["signing"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

fn log_verify(gateway: &Gateway, key: &str) -> Output {
    gateway.run(&["log", "verify", "--recordings", "--key", key])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn write_key(path: &Path, byte: u8) {
    std::fs::write(path, [byte, 0x5a, byte ^ 0xff, 0xc3].repeat(8)).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signing_key_rotates_with_overlap() {
    let mut world = World::start().await;
    let old = signing(&world.gateway).remove(0);
    world.gateway.sessions();
    let early = std::fs::read_to_string(world.gateway.data().join("log/checkpoint")).unwrap();
    world.gateway.command(&["keys", "rotate", "--signing"]);
    let too_soon = world.gateway.run(&["keys", "rotate", "--signing", "--finish"]);
    assert_eq!(too_soon.status.code(), Some(2), "{}", said(&too_soon));
    assert!(said(&too_soon).contains("start the gateway once"), "{}", said(&too_soon));
    let new = signing(&world.gateway).remove(0);
    assert_ne!(new, old);

    world.gateway.process.terminate(SOON).unwrap();
    world.gateway.restart();
    world.gateway.sessions();
    for key in [&old, &new] {
        let verified = log_verify(&world.gateway, key);
        assert!(verified.status.success(), "{}", said(&verified));
    }
    world.gateway.command(&["keys", "rotate", "--signing", "--finish"]);
    world.gateway.process.kill().unwrap();
    world.gateway.restart();
    world.gateway.sessions();
    assert!(log_verify(&world.gateway, &new).status.success());
    assert!(!log_verify(&world.gateway, &old).status.success(), "the old key does not sign any more");

    // The list says which key signed for which sizes: the checkpoint of before still verifies by it, and by the old key.
    let list: vidimus_log::KeyList =
        std::fs::read_to_string(world.gateway.data().join("log/keys")).unwrap().parse().unwrap();
    assert!(list.open(&early).is_ok(), "{list}");
    let until = list.keys().iter().find(|listed| listed.key.to_string() == old).unwrap().until;
    assert!(
        until.is_some() && list.keys().iter().any(|listed| listed.key.to_string() == new && listed.until.is_none())
    );

    let events = world.gateway.events();
    let changes: Vec<(&str, &str)> = of_type(&events, "admin.key_changed")
        .into_iter()
        .map(|event| (event["change"]["what"].as_str().unwrap(), event["change"]["key"].as_str().unwrap()))
        .collect();
    assert_eq!(changes, [("signing_added", new.as_str()), ("signing_retired", old.as_str())]);
    let opened = of_type(&events, "admin.keys_opened");
    let used: Vec<usize> = opened.iter().map(|event| event["keys"]["signing"].as_array().unwrap().len()).collect();
    assert_eq!(used, [1, 2, 1]);
    assert!(
        of_type(&events, "admin.key_changed").iter().all(|event| event["who"].as_str().unwrap().starts_with("local|"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_encryption_key_rotates_and_recordings_stay_readable() {
    let mut world = World::start().await;
    let client = world.client().await;
    client.call(1, "echo", r#"{"note":"kept"}"#).await.unwrap();
    client.send(Method::DELETE, &[], "").await.unwrap();
    let events = world.gateway.events_once(|event| event["type"] == "session.closed");
    let session = of_type(&events, "operation.admitted")[0]["session"].as_str().unwrap().to_owned();
    let new_key = world.gateway.dir.path().join("kek.new");
    write_key(&new_key, 0x11);
    let named = new_key.to_str().unwrap();
    world.gateway.command(&["keys", "rotate", "--kek", "--new-key-file", named]);
    let unfinished: Value = world.gateway.command(&["keys", "list"]);
    assert_eq!(unfinished["key_encryption"].as_array().unwrap().len(), 2);

    world.gateway.process.terminate(SOON).unwrap();
    let config = std::fs::read_to_string(world.gateway.config()).unwrap();
    std::fs::write(world.gateway.config(), config.replace("file = \"kek\"", "file = \"kek.new\"")).unwrap();
    world.gateway.restart();
    world.gateway.command(&["keys", "rotate", "--kek", "--finish"]);
    assert!(!world.gateway.recording(&session).is_empty(), "recordings of before open");
    let key = signing(&world.gateway).remove(0);
    let verified = log_verify(&world.gateway, &key);
    assert!(verified.status.success(), "{}", said(&verified));

    // The old key opens nothing any more.
    std::fs::write(world.gateway.config(), config).unwrap();
    let refused = world.gateway.run(&["keys", "list"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("configure one of those"), "{}", said(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn key_files_that_others_may_read_keep_it_from_starting() {
    let mut world = World::start().await;
    world.gateway.process.terminate(SOON).unwrap();
    let ring = world.gateway.data().join("keys/ring");
    for (path, mode) in [(ring, 0o640), (world.gateway.dir.path().join("kek"), 0o604)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = Command::new(env!("CARGO_BIN_EXE_vidimus"))
            .args(["serve", "--config"])
            .arg(world.gateway.config())
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains("chmod 600"), "{}", said(&refused));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    world.gateway.restart();
}
