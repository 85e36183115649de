//! A gateway that a witness watches: rolled back, left alone, lied to, and proved to an outsider.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use vidimus_testkit::Process;

use super::common::evidence::of_type;
use super::common::issuer::Issuer;
use super::common::upstream::Upstream;
use super::common::{ALLOW_ALL, Client, Gateway, Setup};
use super::{SOON, Witness};

pub(super) struct World {
    pub(super) issuer: Issuer,
    pub(super) gateway: Gateway,
    pub(super) witness: Witness,
    /// The key of the gateway's log.
    pub(super) key: String,
    _upstream: Upstream,
}

impl World {
    /// A gateway that was started once without witness, so that the witness could be told its key, and is down now.
    async fn prepared() -> Self {
        Self::prepared_with(ALLOW_ALL).await
    }

    /// The same with these policies.
    pub(super) async fn prepared_with(policies: &str) -> Self {
        let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
        let mut gateway = Gateway::start(&Setup { policies, ..Setup::new(upstream.url()) }, issuer.url());
        let key = gateway.api("/v1/log/status")["key"].as_str().unwrap().to_owned();
        gateway.process.terminate(SOON).unwrap();
        let witness = Witness::start(&[key.parse().unwrap()]);
        Self { issuer, gateway, witness, key, _upstream: upstream }
    }

    /// Has the configuration name no witness.
    pub(super) fn unwatched(&self) {
        let config = std::fs::read_to_string(self.gateway.config()).unwrap();
        std::fs::write(self.gateway.config(), config.split("[witnesses").next().unwrap()).unwrap();
    }

    /// Has the configuration name the witness.
    pub(super) fn configure(&self, more: &str) {
        self.unwatched();
        let config = std::fs::read_to_string(self.gateway.config()).unwrap();
        let (port, key) = (self.witness.port, self.witness.key());
        let witness = format!("[witnesses.w1]\nurl = \"http://127.0.0.1:{port}\"\nkey = \"{key}\"\n{more}\n");
        std::fs::write(self.gateway.config(), format!("{config}{witness}")).unwrap();
    }

    /// Runs the gateway until it ends by itself: what it said.
    fn refused_start(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
        command.args(["serve", "--config"]).arg(self.gateway.config()).env("NO_COLOR", "1");
        let mut process = Process::start("vidimus", &mut command).unwrap();
        let status = process.wait(SOON).unwrap_or_else(|error| panic!("it started: {error}"));
        assert_eq!(status.code(), Some(1), "{}", process.log());
        // Its last line may still be on the way when it has ended.
        process.wait_for_line(SOON, |line| line.starts_with("vidimus: ").then_some(())).unwrap();
        process.log()
    }

    pub(super) async fn call(&self) {
        let client = Client::open(self.gateway.url(), self.issuer.token("alice")).await;
        assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    }

    /// The newest checkpoint on the disk, once the witness has cosigned it and nothing newer is to come.
    pub(super) fn cosigned(&self) -> String {
        self.once("a cosigned checkpoint", || {
            let checkpoint = std::fs::read_to_string(self.gateway.data().join("log/checkpoint")).unwrap();
            // Asking the socket would be recorded, and so make a newer one.
            let all = format!("vidimus_log_leaves_appended {}\n", size_of(&checkpoint));
            let is_newest = self.gateway.admin_page("/metrics").unwrap().contains(&all);
            (checkpoint.contains(super::NAME) && is_newest).then_some(checkpoint)
        })
    }

    fn once<T>(&self, what: &str, mut get: impl FnMut() -> Option<T>) -> T {
        let limit = Instant::now() + SOON;
        loop {
            if let Some(found) = get() {
                return found;
            }
            assert!(Instant::now() < limit, "waited for {what}:\n{}", self.gateway.process.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

fn size_of(checkpoint: &str) -> u64 {
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_copy_is_refused_with_both_sizes() {
    let mut world = World::prepared().await;
    let (data, yesterday) = (world.gateway.data(), world.gateway.dir.path().join("yesterday"));
    copy(&data, &yesterday);
    let old = size_of(&std::fs::read_to_string(data.join("log/checkpoint")).unwrap());
    world.configure("");
    world.gateway.restart();
    world.call().await;
    let seen = size_of(&world.cosigned());
    let events = world.gateway.events();
    assert_eq!(of_type(&events, "witness.cosigned").len(), 1, "once, and not with every checkpoint");
    assert!(events.iter().all(|event| event.get("absent_witnesses").is_none()));
    let metrics = world.gateway.admin_page("/metrics").unwrap();
    assert!(metrics.contains("vidimus_witness_cosigned_leaves{witness=\"w1\"}"), "{metrics}");
    world.cosigned();
    assert!(world.gateway.process.terminate(SOON).unwrap().success());
    // The last event of a gateway that stops in order is cosigned too.
    let checkpoint = std::fs::read_to_string(data.join("log/checkpoint")).unwrap();
    assert!(checkpoint.contains(super::NAME), "{checkpoint}");
    let last = size_of(&checkpoint);

    let today = world.gateway.dir.path().join("today");
    std::fs::rename(&data, &today).unwrap();
    std::fs::rename(&yesterday, &data).unwrap();
    let before = std::fs::read(data.join("log/checkpoint")).unwrap();
    let said = world.refused_start();
    let known: u64 = said
        .split("witness `w1` has seen ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("{said}"));
    assert!(seen < last && known == last, "{known} of {seen} and {last}: {said}");
    assert!(said.contains(&format!("and this log has {old}: ")) && said.contains("rolled back"), "{said}");
    assert_eq!(std::fs::read(data.join("log/checkpoint")).unwrap(), before, "nothing was written");
    // Told to start without its witness if need be, it does not start either: the witness was asked, and contradicts.
    world.configure("on_start = \"warn\"");
    assert!(world.refused_start().contains("rolled back"));

    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&today, &data).unwrap();
    world.gateway.restart();
    assert!(size_of(&world.cosigned()) > last);
    world.gateway.process.terminate(SOON).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_witness_it_starts_only_if_told_so_and_says_it() {
    let mut world = World::prepared().await;
    world.witness.process.kill().unwrap();
    world.configure("");
    let said = world.refused_start();
    assert!(said.contains("witness `w1` cannot be reached"), "{said}");
    world.configure("on_start = \"warn\"");
    world.gateway.restart();
    let events = world.gateway.events();
    let started = of_type(&events, "log.started");
    assert_eq!(started.last().unwrap()["absent_witnesses"], serde_json::json!(["w1"]));
    // Calls do not wait for it.
    world.call().await;
    world.witness.restart();
    let events = world.gateway.events_once(|event| event["type"] == "witness.cosigned");
    assert_eq!(of_type(&events, "witness.cosigned")[0]["by"], "w1");
    assert!(size_of(&world.cosigned()) > 0);
    let status = world.gateway.command(&["log", "status"]);
    let [witness] = &status["witnesses"].as_array().unwrap()[..] else { panic!("{status}") };
    assert_eq!((&witness["name"], &witness["state"]), (&"w1".into(), &"cosigning".into()), "{status}");
    assert!(witness["cosigned"].as_u64().unwrap() > 0 && witness["behind"].is_u64(), "{status}");
    assert_eq!(status["keys"], serde_json::json!([world.key]));
    // A witness that is gone keeps nobody from stopping.
    world.witness.process.kill().unwrap();
    assert!(world.gateway.process.terminate(SOON).unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_saw_another_history_is_an_alarm_and_keeps_it_from_starting() {
    let mut world = World::prepared().await;
    world.configure("");
    world.gateway.restart();
    world.cosigned();
    // Whoever has the log's key showed the witness something else: here its memory says so.
    world.witness.process.kill().unwrap();
    let memory = world.witness.memory();
    let text = std::fs::read_to_string(&memory).unwrap();
    let root = text.lines().nth(2).unwrap();
    std::fs::write(&memory, text.replace(root, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")).unwrap();
    world.witness.restart();
    world.call().await;
    let events = world.gateway.events_once(|event| event["type"] == "integrity.failed");
    let failed = of_type(&events, "integrity.failed");
    assert!(failed[0]["reason"].as_str().unwrap().contains("one of the two histories was forged"), "{failed:?}");
    assert!(world.gateway.process.log().contains("INTEGRITY"));
    assert!(world.gateway.process.terminate(SOON).unwrap().success());
    let said = world.refused_start();
    assert!(said.contains("witness `w1` has seen") && said.contains("forged"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_has_lost_its_memory_is_an_alarm_and_cosigns_again_when_it_may() {
    let mut world = World::prepared().await;
    world.configure("");
    world.gateway.restart();
    world.cosigned();
    world.witness.forget();
    world.call().await;
    let events = world.gateway.events_once(|event| event["type"] == "integrity.failed");
    let reason = of_type(&events, "integrity.failed")[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("knows 0 entries") && reason.contains("lost its memory"), "{reason}");
    assert!(world.gateway.process.log().contains("INTEGRITY"));
    // It is on record, so the witness may remember again.
    world.cosigned();
    assert!(world.gateway.process.terminate(SOON).unwrap().success());

    world.witness.forget();
    let said = world.refused_start();
    assert!(said.contains("lost its memory") && said.contains("on_start"), "{said}");
    world.configure("on_start = \"warn\"");
    world.gateway.restart();
    world.gateway.events_once(|event| event["absent_witnesses"] == serde_json::json!(["w1"]));
    world.cosigned();
    let events = world.gateway.events();
    assert_eq!(of_type(&events, "integrity.failed").len(), 2);
    world.gateway.process.terminate(SOON).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_archives_are_checked_against_witnesses_and_what_was_kept() {
    let export =
        r#"@id("export") permit (principal in Group::"local/owner", action == Action::"recording.export", resource);"#;
    let mut world = World::prepared_with(format!("{ALLOW_ALL}{export}").leak()).await;
    world.configure("");
    world.gateway.restart();
    world.call().await;
    world.gateway.sessions();
    let kept = world.gateway.dir.path().join("kept");
    std::fs::write(&kept, world.cosigned()).unwrap();
    let [archive, ours, others] = ["a.zip", "ours", "others"].map(|name| world.gateway.dir.path().join(name));
    world.gateway.command(&["export", "--since", "1h", "--out", archive.to_str().unwrap()]);
    let stranger = vidimus_log::Cosigner::from_seed("witness.example/x", &[1; 32]).unwrap();
    for (file, witness) in [(&ours, world.witness.key()), (&others, stranger.key().clone())] {
        std::fs::write(file, format!("log {}\nwitness w {witness}\nquorum w\n", world.key)).unwrap();
    }
    let [ours, others] = [&ours, &others].map(|file| ["--witness-policy", file.to_str().unwrap()]);

    let (status, said) = verify(&archive, &ours);
    assert!(matches!(status, Some(0 | 3)) && said.contains(&format!("witnessed by {}", super::NAME)), "{said}");
    let (status, said) = verify(&archive, &others);
    assert!(status == Some(1) && said.contains("log/checkpoint: ") && said.contains("not by w"), "{said}");

    world.cosigned();
    let log = |more: &[&str]| {
        let output = world.gateway.run(&[&["log", "verify"], more].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), report)
    };
    let (status, report) = log(&[&ours[..], &["--checkpoint", kept.to_str().unwrap()]].concat());
    assert_eq!((status, &report["trusted"], &report["findings"]), (Some(0), &true.into(), &serde_json::json!([])));
    assert_eq!(report["witnessed"]["size"], report["size"], "{report}");
    assert_eq!(report["goes_on_from"][0].as_u64(), Some(size_of(&std::fs::read_to_string(&kept).unwrap())), "{report}");
    let (status, report) = log(&others);
    assert!(status == Some(1) && report["findings"][0].as_str().unwrap().contains("not by w"), "{report}");
    // The gateway's own word is not enough.
    let (status, report) = log(&[]);
    assert_eq!((status, &report["holds"], &report["trusted"]), (Some(3), &true.into(), &false.into()), "{report}");
}

/// The line of the checkpoint's size in a proof, with the newlines around it.
fn size_line(proof: &str) -> String {
    let checkpoint = proof.split_once("\n\n").unwrap().1;
    format!("\n{}\n", size_of(checkpoint))
}

/// Runs `vidimus verify` on a proof.
fn verify(file: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output: Output =
        Command::new(env!("CARGO_BIN_EXE_vidimus")).arg("verify").arg(file).args(more).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_verifies_an_event_with_public_keys_and_a_policy() {
    let mut world = World::prepared().await;
    world.configure("");
    world.gateway.restart();
    world.call().await;
    world.cosigned();
    let events: Vec<Value> = world.gateway.events();
    let event = of_type(&events, "operation.outcome").last().unwrap()["id"].as_str().unwrap().to_owned();
    world.cosigned();
    let file = world.gateway.dir.path().join("event.tlog-proof");
    world.gateway.command(&["log", "prove", &event, "--key", &world.key, "--out", file.to_str().unwrap()]);

    let policy = world.gateway.dir.path().join("policy");
    std::fs::write(&policy, format!("log {}\nwitness ours {}\nquorum ours\n", world.key, world.witness.key())).unwrap();
    let by = ["--witness-policy", policy.to_str().unwrap()];
    let (status, said) = verify(&file, &by);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains(&event) && said.contains("verified: entry") && said.contains(super::NAME), "{said}");
    let (status, said) = verify(&file, &["--key", &world.key, "--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &report["holds"], &report["quorum"]), (Some(0), &true.into(), &false.into()), "{said}");

    // Nobody's word is taken: no key, a stranger's key, a quorum that did not sign, a broken policy.
    assert_eq!(verify(&file, &[]).0, Some(2));
    assert_eq!(verify(&file, &["--key", "witness.example/x+00000000+AAAA"]).0, Some(2));
    let stranger = vidimus_log::Cosigner::from_seed("witness.example/x", &[1; 32]).unwrap();
    std::fs::write(&policy, format!("log {}\nwitness x {}\nquorum x\n", world.key, stranger.key())).unwrap();
    let (status, said) = verify(&file, &by);
    assert!(status == Some(1) && said.contains("not by x"), "{said}");
    std::fs::write(&policy, "quorum nobody\n").unwrap();
    assert_eq!(verify(&file, &by).0, Some(2));

    // Code of others says the same, of the proof and of one that was altered.
    std::fs::write(&policy, format!("log {}\nwitness ours {}\nquorum ours\n", world.key, world.witness.key())).unwrap();
    let altered = world.gateway.dir.path().join("altered.tlog-proof");
    let proof = std::fs::read_to_string(&file).unwrap();
    vidimus_testkit::sigstore::verify_proof(&file, &world.key).unwrap();
    for (from, to) in [("index ", "index 1"), ("extra e", "extra f"), (&*size_line(&proof), "\n7\n")] {
        std::fs::write(&altered, proof.replacen(from, to, 1)).unwrap();
        let refused = vidimus_testkit::sigstore::verify_proof(&altered, &world.key).unwrap_err().to_string();
        assert!(refused.contains("VerificationError"), "{from}: {refused}");
        assert_eq!(verify(&altered, &by).0, Some(1), "{from}");
    }

    // Every line counts.
    let lines: Vec<&str> = proof.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let without: String = lines.iter().enumerate().filter(|(line, _)| *line != at).map(|(_, line)| *line).collect();
        std::fs::write(&altered, without).unwrap();
        let (status, said) = verify(&altered, &by);
        assert!(status != Some(0), "without line {at}: {said}");
    }
}
