//! Archives out of a running gateway: exported as policy says, on record, checked by program and by hand, and offline.
#![expect(clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use http::Method;
use serde_json::Value;

use super::World;
use crate::common::{ALLOW_ALL, Gateway, evidence::of_type};

/// A name, what is said, and what is done to the unpacked archive.
type Edit<'a> = (&'a str, &'a str, &'a dyn Fn(&Path));

const EXPORT: &str =
    r#"@id("export") permit (principal in Group::"local/owner", action == Action::"recording.export", resource);"#;

/// A gateway whose user may export what `policies` add, with one session of Alice's that is closed; the session's id.
async fn world(policies: &str) -> (World, String) {
    let policies: &'static str = format!("{ALLOW_ALL}\n{policies}").leak();
    let world = World::with(|setup| setup.policies = policies).await;
    let client = world.client().await;
    for (id, tool, arguments) in [
        (1, "echo", r#"{"note":"reach me at ann@example.com, card 4111 1111 1111 1111","é":"\"}"}"#),
        (2, "progress", "{}"),
        (3, "echo", r#"{"second":true}"#),
    ] {
        client.call(id, tool, arguments).await.unwrap();
    }
    client.send(Method::DELETE, &[], "").await.unwrap();
    let events = world.gateway.events_once(|event| event["type"] == "session.closed");
    let closed =
        of_type(&events, "session.closed").into_iter().find(|event| event["who"] != "vidimus|gw-test").unwrap();
    let session = closed["session"].as_str().unwrap().to_owned();
    world.gateway.sessions();
    (world, session)
}

fn key(gateway: &Gateway) -> String {
    gateway.command(&["log", "status"])["key"].as_str().unwrap().to_owned()
}

fn verify(archive: &Path, keys: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
    command.arg("verify").arg(archive).args(keys.iter().flat_map(|key| ["--key", key]));
    command.output().unwrap()
}

/// Follows the archive's `VERIFY.md` literally: its blocks, in order, run by bash in the directory.
fn by_hand(directory: &Path, key: &str) -> Output {
    let guide = std::fs::read_to_string(directory.join("VERIFY.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```bash\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 6);
    Command::new("bash").arg("-c").arg(blocks.concat()).current_dir(directory).env("KEY", key).output().unwrap()
}

fn unpacked(archive: &Path, name: &str) -> PathBuf {
    let directory = archive.with_file_name(name);
    let unzipped = Command::new("unzip").arg("-q").arg(archive).arg("-d").arg(&directory).status().unwrap();
    assert!(unzipped.success());
    directory
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_as_an_archive_that_program_and_auditor_verify() {
    let (world, session) = world(EXPORT).await;
    let archive = world.gateway.dir.path().join("session.zip");
    let path = archive.to_str().unwrap();
    let exported = world.gateway.command(&["sessions", "export", &session, "--out", path]);
    assert_eq!((&exported["sessions"], &exported["open_sessions"]), (&1.into(), &0.into()), "{exported}");
    assert_eq!(exported["payloads_not_in_archive"], 0, "{exported}");
    assert!(exported["payloads"].as_u64().unwrap() >= 9, "requests, results and parts of the stream: {exported}");
    let again = world.gateway.run(&["sessions", "export", &session, "--out", path]);
    assert!(!again.status.success() && said(&again).contains("exists already"), "{}", said(&again));

    let events = world.gateway.events_once(|event| event["type"] == "recording.exported");
    let recorded = of_type(&events, "recording.exported");
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0]["export"]["selection"], format!("session={session}"));
    assert_eq!((&recorded[0]["export"]["sessions"], &recorded[0]["target"]), (&1.into(), &"everything".into()));

    let key = key(&world.gateway);
    let verified = verify(&archive, &[&key]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    assert!(said(&verified).starts_with("verified: "), "{}", said(&verified));
    assert_eq!(verify(&archive, &[]).status.code(), Some(3));
    let stranger = "vidimus/gw-test+0ad3b8ba+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    assert_eq!(verify(&archive, &[stranger]).status.code(), Some(2), "a key that is none cannot be used");
    let list = world.gateway.data().join("log/keys");
    assert_eq!(verify(&archive, &[list.to_str().unwrap()]).status.code(), Some(0));

    let good = unpacked(&archive, "good");
    let followed = by_hand(&good, &key);
    assert!(followed.status.success(), "{}", said(&followed));
    assert!(said(&followed).starts_with("VERIFIED: "), "{}", said(&followed));
    let payloads = std::fs::read_dir(good.join("payloads").join(&session)).unwrap();
    let contents = payloads.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect::<Vec<_>>().concat();
    let contents = String::from_utf8_lossy(&contents).into_owned();
    assert!(
        contents.contains("reach me at") && !contents.contains("ann@example.com") && !contents.contains("4111 1111")
    );

    // More than a zip file holds is refused before it is on record; the file takes no room on the disk.
    let recording = world.gateway.data().join("recordings").join(&session).join("00000001.seg");
    std::fs::File::create(recording).unwrap().set_len(5 << 30).unwrap();
    let other = archive.with_file_name("other.zip");
    let refused = world.gateway.run(&["sessions", "export", &session, "--out", other.to_str().unwrap()]);
    assert!(!refused.status.success() && said(&refused).contains("export less at a time"), "{}", said(&refused));
    assert_eq!(of_type(&world.gateway.events(), "recording.exported").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tampered_with_fails_by_program_and_by_hand() {
    let (world, session) = world(EXPORT).await;
    let archive = world.gateway.dir.path().join("session.zip");
    world.gateway.command(&["sessions", "export", &session, "--out", archive.to_str().unwrap()]);
    let key = key(&world.gateway);
    let mut bytes = std::fs::read(&archive).unwrap();
    let at = bytes.windows(6).position(|window| window == b"second").unwrap();
    bytes[at] ^= 1;
    let flipped = archive.with_file_name("flipped.zip");
    std::fs::write(&flipped, bytes).unwrap();
    let refuted = verify(&flipped, &[&key]);
    assert_eq!(refuted.status.code(), Some(1));
    assert!(said(&refuted).contains("CRC-32"), "{}", said(&refuted));

    // By hand, each with the manifest put right, as an attacker would.
    let edits: [Edit<'_>; 6] = [
        ("event", "its hash does not lead to the root", &|dir| {
            edit(&dir.join("events.ndjson"), "everything/echo", "everything/ecko");
        }),
        ("checkpoint", "log/checkpoint: ", &|dir| {
            edit(&dir.join("log/checkpoint"), "vidimus/gw-test\n", "vidimus/gw-tesu\n");
        }),
        ("missing", "event", &|dir| {
            let text = std::fs::read_to_string(dir.join("events.ndjson")).unwrap();
            let line = text.lines().nth(2).unwrap().to_owned();
            let index = line.rsplit(':').next().unwrap().trim_end_matches('}').to_owned();
            edit(&dir.join("events.ndjson"), &format!("{line}\n"), "");
            std::fs::remove_file(dir.join(format!("proofs/{index}.tlog-proof"))).unwrap();
        }),
        ("payload", "not what its commitment is to", &|dir| {
            let file = dir.join("payloads").join(&session).join("000000");
            edit(&file, "initialize", "initialise");
        }),
        ("salt", "not what its commitment is to", &|dir| {
            let table = dir.join("payloads").join(format!("{session}.ndjson"));
            let text = std::fs::read_to_string(&table).unwrap();
            let (start, _) = text.split_once("\"salt\":\"").unwrap();
            let salt = text.get(start.len() + 8..start.len() + 72).unwrap().to_owned();
            edit(&table, &salt, &"0".repeat(64));
        }),
        ("unlisted", "files and manifest differ", &|dir| {
            std::fs::write(dir.join("extra.txt"), "x").unwrap();
        }),
    ];
    for (name, expected, change) in edits {
        let directory = unpacked(&archive, name);
        change(&directory);
        if name != "unlisted" {
            relist(&directory);
        }
        let followed = by_hand(&directory, &key);
        assert!(!followed.status.success(), "{name}: {}", said(&followed));
        assert!(said(&followed).contains(expected), "{name}: {}", said(&followed));
    }
    let other_key = by_hand(&unpacked(&archive, "stranger"), "vidimus/gw-test+00000000+AQEB");
    assert!(!other_key.status.success() && said(&other_key).contains("KEY is no key"), "{}", said(&other_key));
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{}: {text}", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Writes the manifest's list of files anew.
fn relist(directory: &Path) {
    let path = directory.join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let mut listed = Vec::new();
    for file in manifest["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let Ok(bytes) = std::fs::read(directory.join(name)) else { continue };
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let hex: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        listed.push(format!(r#"{{"bytes":{},"name":"{name}","sha256":"{}"}}"#, bytes.len(), hex.concat()));
    }
    let (start, end) = (text.find("\"files\":[").unwrap() + 9, text.find("],\"made\"").unwrap());
    std::fs::write(&path, format!("{}{}{}", &text[..start], listed.join(","), &text[end..])).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_permit_nothing_goes_and_the_attempt_is_on_record() {
    let (world, session) = world("").await;
    let archive = world.gateway.dir.path().join("session.zip");
    let path = archive.to_str().unwrap();
    for arguments in [&["sessions", "export", &session, "--out", path][..], &["export", "--since", "1h", "--out", path]]
    {
        let refused = world.gateway.run(arguments);
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    }
    let left = std::fs::read_dir(world.gateway.dir.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.contains("session.zip")), "{left:?}");
    let denied = |event: &Value| event["operation"]["action"] == "recording.export";
    let events = world.gateway.events_once(denied);
    assert_eq!(events.iter().filter(|event| denied(event)).count(), 2);
    assert!(of_type(&events, "recording.exported").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_view_payloads_stay_and_it_works_offline_too() {
    let (mut world, _) = world(EXPORT).await;
    let policies = ALLOW_ALL.replace("@id(\"view\") permit (", "@id(\"view\") permit (principal, action == Action::\"recording.view\", resource == Target::\"everything\") when { false };\n@id(\"log2\") permit (");
    assert_ne!(policies, ALLOW_ALL);
    let policies = policies
        .replace("action == Action::\"recording.view\", resource);", "action == Action::\"log.read\", resource);");
    std::fs::write(world.gateway.dir.path().join("policies/test.cedar"), format!("{policies}\n{EXPORT}")).unwrap();
    let key = key(&world.gateway);
    let event = world.gateway.events()[0]["id"].as_str().unwrap().to_owned();
    world.gateway.process.terminate(super::SOON).unwrap();
    let proof = world.gateway.dir.path().join("event.tlog-proof");
    world.gateway.command(&["log", "prove", &event, "--offline", "--key", &key, "--out", proof.to_str().unwrap()]);
    let verified = verify(&proof, &[&key]);
    assert!(verified.status.success() && said(&verified).contains(&event), "{}", said(&verified));
    let archive = world.gateway.dir.path().join("all.zip");
    let path = archive.to_str().unwrap();
    let exported = world.gateway.command(&["export", "--target", "everything", "--offline", "--out", path]);
    assert_eq!(exported["payloads"], 0, "{exported}");
    assert!(exported["payloads_not_in_archive"].as_u64().unwrap() > 5, "{exported}");
    let verified = verify(&archive, &[&key]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    let followed = by_hand(&unpacked(&archive, "offline"), &key);
    assert!(followed.status.success(), "{}", said(&followed));
    // It is on record as any export, and while a gateway runs the directory stays its own.
    world.gateway.restart();
    let refused = world.gateway.run(&["export", "--offline", "--out", path.replace("all", "other").as_str()]);
    assert!(!refused.status.success() && said(&refused).contains("leave --offline out"), "{}", said(&refused));
    let refused = world.gateway.run(&["log", "prove", &event, "--offline"]);
    assert!(!refused.status.success() && said(&refused).contains("leave --offline out"), "{}", said(&refused));
}
