//! Erasing a recording of a running gateway: two persons, a legal hold, and what is left in the data directory.

#![expect(clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::World;
use super::common::evidence::of_type;

const SECRET: &str = "a word that only this recording holds: zebracorn";

/// A gateway that searches words, with one closed session that a person may erase.
struct Recorded {
    world: World,
    session: String,
}

impl Recorded {
    async fn new() -> Self {
        let world = World::with(|setup| {
            setup.policies = POLICIES;
            setup.tables =
                "[index]\nfull_text = true\n[retention]\nrecordings = \"90d\"\nclasses = { US_SSN = \"1d\" }\n";
        })
        .await;
        let client = world.client().await;
        let answer = client.call(1, "echo", &json!({ "text": SECRET }).to_string()).await.unwrap();
        assert!(answer["result"].is_object(), "{answer}");
        client.send(http::Method::DELETE, &[], "").await.unwrap();
        world.gateway.events_once(|event| event["type"] == "session.closed");
        let list = world.gateway.command(&["sessions", "list", "--text", "zebracorn"]);
        let session = list["sessions"][0]["id"].as_str().unwrap().to_owned();
        Self { world, session }
    }

    /// Runs a command as the person; what it prints on either side, and its status.
    fn run(&self, person: Option<&str>, arguments: &[&str]) -> (i32, String) {
        let token = person.map(|person| {
            let file = self.world.gateway.dir.path().join(format!("{person}.token"));
            std::fs::write(&file, self.world.issuer.token(person)).unwrap();
            file.to_str().unwrap().to_owned()
        });
        let mut arguments = arguments.to_vec();
        if let Some(token) = &token {
            arguments.extend(["--token-file", token]);
        }
        let output = self.world.gateway.run(&arguments);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), text)
    }

    fn ask(&self, person: &str) -> (i32, String) {
        self.run(Some(person), &["erase", &self.session, "--reason", "request 4711"])
    }

    fn confirm(&self, person: &str) -> (i32, String) {
        self.run(Some(person), &["erase", &self.session, "--confirm"])
    }

    fn recording(&self) -> PathBuf {
        self.world.gateway.data().join("recordings").join(&self.session)
    }

    fn found(&self) -> Value {
        self.world.gateway.command(&["sessions", "list", "--text", "zebracorn"])["sessions"].clone()
    }
}

const POLICIES: &str = r#"
permit (principal in Group::"corp/support", action == Action::"connect", resource);
permit (principal in Group::"corp/support", action in Action::"tools/call", resource);
permit (principal in Group::"local/owner", action in [Action::"recording.view", Action::"recording.hold"], resource);
permit (principal in Group::"local/owner", action == Action::"log.read", resource);
permit (principal in Group::"corp/support", action == Action::"recording.erase", resource)
  unless { principal.subject == "eve" };
"#;

/// The files below a directory that hold these bytes.
fn holders(directory: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, bytes));
        } else if contains(&std::fs::read(&path).unwrap_or_default(), bytes) {
            found.push(path);
        }
    }
    found
}

/// Whether these bytes stand in a file. Most of a journal is zeros, which are passed over by the page.
fn contains(file: &[u8], bytes: &[u8]) -> bool {
    const PAGE: usize = 4096;
    (0..file.len()).step_by(PAGE).any(|start| {
        let page = &file[start..file.len().min(start + PAGE + bytes.len())];
        page != &[0; 2 * PAGE][..page.len()] && page.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_erased_by_two_persons_and_nothing_of_it_is_left() {
    let mut recorded = Recorded::new().await;
    let data = recorded.world.gateway.data();
    let sealed = std::fs::read(recorded.recording().join("00000000.seg")).unwrap();
    let (key, frame) = (sealed[8..68].to_vec(), sealed[68..].to_vec());
    assert!(!holders(&data.join("journal"), &frame[..64]).is_empty() && !holders(&data, b"zebracorn").is_empty());

    let (status, said) = recorded.confirm("bob");
    assert!(status == 1 && said.contains("nobody has asked"), "{said}");
    let (status, said) = recorded.run(None, &["erase", &recorded.session, "--reason", "x"]);
    assert!(status == 1 && said.contains("token"), "an account of this machine is no person: {said}");
    let (status, said) = recorded.ask("eve");
    assert!(status == 1 && said.contains("it takes a permit that names recording.erase"), "policy: {said}");
    let unknown = "00000000-0000-7000-8000-000000000001";
    let (_, of_none) = recorded.run(Some("eve"), &["erase", unknown, "--reason", "request 4711"]);
    assert_eq!(of_none.replace(unknown, &recorded.session), said, "whether there is one is not told");
    let (status, said) = recorded.ask("alice");
    assert_eq!(status, 0, "{said}");
    let (status, said) = recorded.confirm("alice");
    assert!(status == 1 && said.contains("another person must confirm"), "{said}");
    assert_eq!(recorded.found().as_array().unwrap().len(), 1);

    let (status, said) = recorded.confirm("bob");
    assert_eq!(status, 0, "{said}\n{}", recorded.world.gateway.process.log());
    assert!(said.contains("\"erased\""), "{said}");
    assert!(!recorded.recording().exists());
    assert_eq!(recorded.found(), json!([]));
    for gone in [&key[..], &frame[..64], b"zebracorn"] {
        assert_eq!(holders(&data, gone), Vec::<PathBuf>::new());
    }
    let (status, said) = recorded.run(None, &["sessions", "replay", &recorded.session]);
    assert!(status == 1 && said.contains("was erased"), "{said}");
    let (status, said) = recorded.confirm("bob");
    assert!(status == 1 && said.contains("is erased"), "{said}");

    let events = recorded.world.gateway.events();
    let erased = of_type(&events, "recording.erased")[0];
    assert_eq!(erased["custody"]["requested_by"], "corp|alice");
    assert_eq!(erased["custody"]["confirmed_by"], "corp|bob");
    assert_eq!(
        (&erased["custody"]["session"], &erased["custody"]["reason"]),
        (&json!(recorded.session), &json!("request 4711"))
    );
    assert_eq!(of_type(&events, "admin.erase_requested")[0]["who"], "corp|alice");
    assert_eq!(of_type(&events, "admin.erase_confirmed")[0]["who"], "corp|bob");

    // Proofs of its events verify, and so does the log, which says what is gone and by whom.
    let admitted = events
        .iter()
        .find(|event| event["session"] == recorded.session.as_str() && event["type"] == "operation.admitted");
    let prove = ["log", "prove", admitted.unwrap()["id"].as_str().unwrap()];
    let (status, said) = recorded.run(None, &prove);
    assert_eq!(status, 3, "by its own word alone: {said}");
    let log_key = recorded.world.gateway.api("/v1/log/status")["key"].as_str().unwrap().to_owned();
    let (status, said) = recorded.run(None, &[&prove[..], &["--key", &log_key]].concat());
    assert_eq!(status, 0, "{said}");
    for extra in [&[][..], &["--recordings"]] {
        let verified = recorded.world.gateway.verified(extra);
        assert_eq!(verified["holds"], true, "{verified}");
        assert_eq!(verified["recordings"]["erased"][0]["confirmed_by"], "corp|bob", "{verified}");
    }
    // It stays gone over a restart, and an index made again is of the same mind.
    assert!(recorded.world.gateway.process.terminate(super::SOON).unwrap().success());
    let rebuilt = recorded.world.gateway.command(&["index", "rebuild"]);
    assert!(rebuilt["entries"].as_u64().unwrap() > 0);
    recorded.world.gateway.restart();
    assert_eq!((recorded.found(), recorded.recording().exists()), (json!([]), false));
    let (status, said) = recorded.ask("alice");
    assert!(status == 1 && said.contains("is erased"), "{said}");
    assert_eq!(holders(&data, &key), Vec::<PathBuf>::new());

    // A recording that comes back, or one that goes without being erased, is found.
    std::fs::create_dir(recorded.recording()).unwrap();
    std::fs::write(recorded.recording().join("00000000.seg"), sealed).unwrap();
    let (status, said) = recorded.run(None, &["log", "verify"]);
    assert!(status == 1 && said.contains("which is erased"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_erase_nothing_alone_or_in_the_place_of_a_person() {
    let mut recorded = Recorded::new().await;
    let ask = |recorded: &Recorded, claims: Value| {
        let file = recorded.world.gateway.dir.path().join("program.token");
        std::fs::write(&file, recorded.world.issuer.token_with(claims)).unwrap();
        let arguments = ["erase", &recorded.session, "--reason", "x", "--token-file", file.to_str().unwrap()];
        recorded.run(None, &arguments)
    };
    let (status, said) = ask(&recorded, json!({ "sub": "ci", "azp_type": "service" }));
    assert!(status == 1 && said.contains("this token is a program's"), "{said}");
    let (status, said) = ask(&recorded, json!({ "sub": "alice", "act": { "sub": "agent-7" } }));
    assert!(status == 1 && said.contains("corp|agent-7 acts for one"), "{said}");

    let config = std::fs::read_to_string(recorded.world.gateway.config()).unwrap();
    let rule = config.lines().find(|line| line.starts_with("workload_when")).unwrap();
    std::fs::write(recorded.world.gateway.config(), config.replace(rule, "")).unwrap();
    assert!(recorded.world.gateway.process.terminate(super::SOON).unwrap().success());
    recorded.world.gateway.restart();
    let (status, said) = recorded.ask("alice");
    assert!(status == 1 && said.contains("set [identity.oidc.corp] workload_when"), "{said}");
    assert!(recorded.recording().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legal_hold_keeps_a_recording() {
    let recorded = Recorded::new().await;
    assert_eq!(recorded.ask("alice").0, 0);
    let hold = |what| recorded.run(None, &["hold", what, &recorded.session, "--reason", "case 7"]);
    assert_eq!(hold("add").0, 0);
    let retention = recorded.world.gateway.command(&["retention", "status"]);
    let (target, class) = (&retention["rules"][0], &retention["rules"][1]);
    assert_eq!(
        (&target["keep_days"], &target["held"], &target["due"]),
        (&json!(90), &json!(1), &json!(0)),
        "{retention}"
    );
    assert_eq!((&class["class"], &class["recordings"]), (&json!("US_SSN"), &json!(0)), "{retention}");
    for (status, said) in [recorded.confirm("bob"), recorded.ask("bob"), hold("add")] {
        assert!(status == 1 && said.contains("under a legal hold (case 7)"), "{said}");
    }
    assert_eq!(hold("remove").0, 0);
    let (status, said) = recorded.confirm("bob");
    assert!(status == 1 && said.contains("nobody has asked"), "the hold ended the request: {said}");
    assert!(recorded.recording().exists());
    let events = recorded.world.gateway.events();
    assert_eq!(of_type(&events, "admin.hold_added")[0]["custody"]["reason"], "case 7");
    assert_eq!(of_type(&events, "admin.hold_removed").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_session_is_not_erased() {
    let recorded = Recorded::new().await;
    let client = recorded.world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    recorded.world.gateway.sessions();
    let list = recorded.world.gateway.command(&["sessions", "list"]);
    let open = list["sessions"].as_array().unwrap().iter().find(|row| row["closed"].is_null()).unwrap();
    let (status, said) = recorded.run(Some("alice"), &["erase", open["id"].as_str().unwrap(), "--reason", "x"]);
    assert!(status == 1 && said.contains("still open"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_cuts_off_is_completed_at_the_next_start() {
    let mut recorded = Recorded::new().await;
    let data = recorded.world.gateway.data();
    // A directory where a file should be stops the destruction half-way.
    let obstacle = recorded.recording().join("99999999.seg");
    std::fs::create_dir(&obstacle).unwrap();
    assert_eq!(recorded.ask("alice").0, 0);
    let (status, said) = recorded.confirm("bob");
    assert!(status == 1 && said.contains("confirmed, and will be completed"), "{said}");
    let (status, said) = recorded.run(None, &["hold", "add", &recorded.session, "--reason", "too late"]);
    assert!(status == 1 && said.contains("being erased"), "{said}");
    recorded.world.gateway.process.kill().unwrap();
    std::fs::remove_dir(&obstacle).unwrap();
    recorded.world.gateway.restart();
    let events = recorded.world.gateway.events_once(|event| event["type"] == "recording.erased");
    assert_eq!(of_type(&events, "recording.erased").len(), 1);
    assert_eq!(of_type(&events, "recording.erased")[0]["custody"]["confirmed_by"], "corp|bob");
    assert!(!recorded.recording().exists() && holders(&data, b"zebracorn").is_empty());
    assert_eq!(recorded.world.gateway.verified(&["--recordings"])["holds"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_act_at_once_one_wins_and_the_log_says_who() {
    let mut recorded = Recorded::new().await;
    assert_eq!(recorded.ask("alice").0, 0);
    let ran = std::thread::scope(|scope| {
        let hold = || recorded.run(None, &["hold", "add", &recorded.session, "--reason", "case 7"]);
        let acts =
            [scope.spawn(|| recorded.confirm("bob")), scope.spawn(|| recorded.confirm("carol")), scope.spawn(hold)];
        acts.map(|act| act.join().unwrap())
    });
    assert_eq!(ran.iter().filter(|(status, _)| *status == 0).count(), 1, "{ran:?}");
    let is_held = ran[2].0 == 0;
    let state = |recorded: &Recorded| recorded.run(None, &["hold", "add", &recorded.session, "--reason", "again"]).1;
    let expected = if is_held { "under a legal hold (case 7)" } else { "is erased" };
    assert!(state(&recorded).contains(expected), "{ran:?}");
    assert_eq!(recorded.recording().exists(), is_held);
    let events = recorded.world.gateway.events();
    assert_eq!(of_type(&events, "recording.erased").len(), usize::from(!is_held));

    // An index made again has the same winner.
    assert!(recorded.world.gateway.process.terminate(super::SOON).unwrap().success());
    recorded.world.gateway.command(&["index", "rebuild"]);
    recorded.world.gateway.restart();
    assert!(state(&recorded).contains(expected));
    assert_eq!(recorded.world.gateway.verified(&[])["holds"], true);
}

/// The index is no part of what is durable: a power cut may leave an older one beside the log.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_log_and_not_in_the_index_is_decided_again_from_the_log() {
    let mut recorded = Recorded::new().await;
    assert_eq!(recorded.ask("alice").0, 0);
    let data = recorded.world.gateway.data();
    assert!(recorded.world.gateway.process.terminate(super::SOON).unwrap().success());
    let older = std::fs::read(data.join("index.db")).unwrap();
    recorded.world.gateway.restart();
    let hold = |recorded: &Recorded| recorded.run(None, &["hold", "add", &recorded.session, "--reason", "case 7"]);
    assert_eq!(hold(&recorded).0, 0);
    recorded.world.gateway.process.kill().unwrap();
    for companion in ["index.db-wal", "index.db-shm"] {
        std::fs::remove_file(data.join(companion)).unwrap();
    }
    std::fs::write(data.join("index.db"), older).unwrap();
    recorded.world.gateway.restart();
    let (status, said) = recorded.confirm("bob");
    assert!(status == 1 && said.contains("under a legal hold (case 7)"), "{said}");
    assert!(recorded.recording().exists());
}
