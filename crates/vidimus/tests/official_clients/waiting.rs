//! The official clients where people must agree first: what their users see, by era and by how long it takes.
//!
//! Every client calls a tool that is held, once for each case, all side by side. Somebody approves each request after as long as
//! its arguments say. Clients have their own defaults, where those matter: the TypeScript SDKs give a request up after a
//! minute without progress, the Python ones wait.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use vidimus_testkit::{Endpoint, Era, FixtureServer, OidcProvider, Sdk, Session};

use crate::common::{ALLOW_ALL, AUDIENCE, Client, Gateway, Setup};

const HELD: &str = r#"
@id("held") @approval("patient") forbid (principal, action == Action::"everything/greet", resource)
unless { context.arguments.name like "*never*" };
@id("never") @approval("brief") forbid (principal, action == Action::"everything/greet", resource)
when { context.arguments.name like "*never*" };
@id("approve") permit (principal in Group::"corp/finance", action == Action::"approve", resource);
"#;

const RULES: &str = "[approvals.patient]\n[approvals.brief]\nwait = \"100s\"\n";

/// What a client's user is to see of the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// The result, as if nobody had been asked.
    Result,
    /// That it waits, by which reference, and to call again.
    CallAgain,
    /// That the client itself has given up.
    ClientGaveUp,
    /// Anything else.
    Other,
}

/// One line of the table.
struct Case {
    label: &'static str,
    /// When somebody approves, in seconds after the request; never if none.
    approved: Option<u64>,
    progress: bool,
    /// After how many seconds without progress the client gives up; its own default if none.
    limit: Option<u64>,
    /// What is seen by clients of the eras up to 2025-11-25, and after at most how many seconds.
    legacy: (First, f64),
    /// The same of 2026-07-28.
    modern: (First, f64),
}

const CASES: [Case; 7] = [
    Case {
        label: "approved after 5 s",
        approved: Some(5),
        progress: false,
        limit: None,
        legacy: (First::Result, 20.0),
        modern: (First::Result, 20.0),
    },
    Case {
        label: "approved after 5 s, progress",
        approved: Some(5),
        progress: true,
        limit: None,
        legacy: (First::Result, 20.0),
        modern: (First::Result, 20.0),
    },
    Case {
        label: "approved after 75 s",
        approved: Some(75),
        progress: false,
        limit: None,
        legacy: (First::CallAgain, 60.0),
        modern: (First::Result, 95.0),
    },
    Case {
        label: "approved after 75 s, progress",
        approved: Some(75),
        progress: true,
        limit: None,
        legacy: (First::Result, 95.0),
        modern: (First::Result, 95.0),
    },
    Case {
        label: "never approved",
        approved: None,
        progress: false,
        limit: None,
        legacy: (First::CallAgain, 60.0),
        modern: (First::CallAgain, 120.0),
    },
    Case {
        label: "never approved, progress",
        approved: None,
        progress: true,
        limit: None,
        legacy: (First::CallAgain, 120.0),
        modern: (First::CallAgain, 120.0),
    },
    Case {
        label: "approved after 20 s, client gone after 10",
        approved: Some(20),
        progress: false,
        limit: Some(10),
        legacy: (First::ClientGaveUp, 20.0),
        modern: (First::ClientGaveUp, 20.0),
    },
];

impl Case {
    /// Distinct for each client and era, so that each is a request of its own.
    fn name(&self, sdk: Sdk, era: Era) -> String {
        let when = self.approved.map_or_else(|| "never".to_owned(), |seconds| format!("after {seconds} s"));
        format!("{} {} {} {when}", sdk.name(), era.name(), if self.progress { "progress" } else { "plain" })
    }

    fn expected(&self, era: Era) -> (First, f64) {
        if era == Era::Legacy { self.legacy } else { self.modern }
    }

    /// What is to be seen of the second call. The Python client 1.x gives a call up and neither says so nor closes its stream: the
    /// call runs when people agree, its answer is heard by nobody, and the second call asks anew.
    fn second(sdk: Sdk, first: First) -> First {
        if sdk == Sdk::Python1 && first == First::ClientGaveUp { first } else { First::Result }
    }

    fn limit(&self, sdk: Sdk) -> u64 {
        let own = if matches!(sdk, Sdk::TypeScript1 | Sdk::TypeScript2) { 60 } else { 290 };
        self.limit.unwrap_or(own)
    }

    /// The call, and where it does not run at once and somebody approves, the same call once more after that.
    fn steps(&self, sdk: Sdk, era: Era) -> Value {
        let arguments = json!({ "name": self.name(sdk, era) });
        let how = json!({ "progress": self.progress, "limit": self.limit(sdk) });
        let mut steps = vec![json!(["wait", "greet", arguments, how])];
        let (first, _) = self.expected(era);
        if let Some(approved) = self.approved.filter(|_| first != First::Result) {
            let begun = if first == First::ClientGaveUp { self.limit(sdk) } else { 50 };
            steps.push(json!(["sleep", approved - begun + 5]));
            steps.push(json!(["wait", "greet", arguments, how]));
        }
        Value::Array(steps)
    }
}

fn seen(answer: &Value) -> First {
    let text = answer.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default();
    match answer.get("isError").and_then(Value::as_bool) {
        Some(true) if text.contains("waits for approval") && text.contains("again") => First::CallAgain,
        Some(true) => First::Other,
        Some(false) | None if text.contains("Hello") => First::Result,
        _ => {
            let told = answer["message"].as_str().unwrap_or_default().to_lowercase();
            if told.contains("timed out") || told.contains("timeout") { First::ClientGaveUp } else { First::Other }
        }
    }
}

/// Approves each request when its time has come, until it is told to stop.
struct Approver {
    token: String,
    base: String,
}

impl Approver {
    async fn new(gateway: &Gateway, provider: &OidcProvider) -> Result<Self> {
        let base = format!("http://127.0.0.1:{}/api/v1/approvals", gateway.port);
        Ok(Self { token: provider.token_for("bob", AUDIENCE).await?, base })
    }

    async fn api(&self, method: Method, path: &str) -> Result<Value> {
        let client = Client::new(format!("{}{path}", self.base), &self.token);
        Ok(serde_json::from_str(&client.send(method, &[], "").await?.text)?)
    }

    async fn work(&self) -> Result<()> {
        let (mut known, mut due): (HashSet<String>, Vec<(Instant, String)>) = Default::default();
        loop {
            let listed = self.api(Method::GET, "").await?;
            for request in listed["approvals"].as_array().context("a list")? {
                let id = request["id"].as_str().context("an id")?.to_owned();
                if known.insert(id.clone()) {
                    let shown = self.api(Method::GET, &format!("/{id}")).await?.to_string();
                    let after = shown.split(" after ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
                    due.extend(after.map(|seconds| (Instant::now() + Duration::from_secs(seconds), id)));
                }
            }
            let now = Instant::now();
            for (_, id) in due.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>() {
                let answer = self.api(Method::POST, &format!("/{id}/approval?version=1")).await?;
                anyhow::ensure!(answer.get("error").is_none(), "{answer}");
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_its_result_when_people_agree_or_is_told_how_to_get_it() -> Result<()> {
    let provider = OidcProvider::start().await?;
    let server = tokio::task::spawn_blocking(FixtureServer::python).await??;
    let policies = format!("{ALLOW_ALL}{HELD}");
    let setup = Setup { policies: &policies, tables: RULES, ..Setup::new(server.url()) };
    let gateway = Gateway::start(&setup, provider.issuer());
    let token = provider.token_for("alice", AUDIENCE).await?;
    let approver = Approver::new(&gateway, &provider).await?;

    let mut runs = Vec::new();
    for sdk in Sdk::ALL {
        let mut sessions = Vec::new();
        for era in [Era::Legacy, Era::Modern].into_iter().filter(|era| sdk.speaks(*era)) {
            sessions.extend(CASES.iter().map(|case| Session {
                name: format!("{} {}", era.name(), case.label),
                era,
                endpoint: Endpoint::Http { url: gateway.url(), token: Some(token.clone()) },
                steps: case.steps(sdk, era),
            }));
        }
        runs.push(tokio::task::spawn_blocking(move || Ok::<_, anyhow::Error>((sdk, sdk.run(&sessions)?))));
    }
    let taken = async {
        let mut taken = Vec::new();
        for run in runs {
            taken.push(run.await??);
        }
        Ok::<_, anyhow::Error>(taken)
    };
    let taken = tokio::select! {
        taken = taken => taken?,
        failed = approver.work() => return failed.context("the approver"),
    };

    let mut table = String::new();
    let mut unexpected = String::new();
    for (sdk, answers) in taken {
        for era in [Era::Legacy, Era::Modern].into_iter().filter(|era| sdk.speaks(*era)) {
            for case in &CASES {
                let answers = &answers[&format!("{} {}", era.name(), case.label)];
                let waits: Vec<&Value> = answers
                    .iter()
                    .filter(|answer| answer["step"][0] == "wait")
                    .map(|answer| &answer["result"])
                    .collect();
                let (expected, within) = case.expected(era);
                let told: Vec<(First, f64)> = waits
                    .iter()
                    .map(|wait| (seen(&wait["answer"]), wait["seconds"].as_f64().unwrap_or(f64::MAX)))
                    .collect();
                let told_text = told.iter().map(|(first, seconds)| format!("{first:?} after {seconds:.0} s"));
                let told_text = told_text.collect::<Vec<_>>().join(", then ");
                let progress: u64 = waits.iter().filter_map(|wait| wait["progress"].as_u64()).sum();
                writeln!(
                    table,
                    "{:<15} {:<7} {:<42} {told_text} ({progress} notifications of progress)",
                    sdk.name(),
                    era.name(),
                    case.label
                )?;
                let has_second = case.approved.is_some() && expected != First::Result;
                let is_right = match &told[..] {
                    [(first, seconds)] => !has_second && *first == expected && *seconds <= within,
                    [(first, seconds), (second, at_once)] => {
                        has_second
                            && *first == expected
                            && *seconds <= within
                            && *second == Case::second(sdk, expected)
                            && *at_once < 12.0
                    }
                    _ => false,
                };
                if !is_right {
                    writeln!(unexpected, "{} {} {}: {answers:#?}", sdk.name(), era.name(), case.label)?;
                }
            }
        }
    }
    println!("{table}");
    assert_eq!(unexpected, "", "{table}\nthe gateway said:\n{}", gateway.process.log());
    Ok(())
}

/// A gateway that is killed while calls wait: their requests are still open when it is back, and what is approved then runs.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_the_gateway_is_killed_can_be_approved_and_runs_when_it_is_back() -> Result<()> {
    let provider = OidcProvider::start().await?;
    let server = tokio::task::spawn_blocking(FixtureServer::python).await??;
    let policies = format!("{ALLOW_ALL}{HELD}");
    let setup = Setup { policies: &policies, tables: RULES, ..Setup::new(server.url()) };
    let mut gateway = Gateway::start(&setup, provider.issuer());
    let token = provider.token_for("alice", AUDIENCE).await?;
    let session = |sdk: Sdk, era: Era| Session {
        name: format!("{} {}", sdk.name(), era.name()),
        era,
        endpoint: Endpoint::Http { url: gateway.url(), token: Some(token.clone()) },
        steps: json!([["wait", "greet", { "name": format!("{} {} after 1 s", sdk.name(), era.name()) }, { "limit": 30 }]]),
    };
    let mut clients: Vec<(Sdk, Vec<Session>)> = Vec::new();
    for sdk in Sdk::ALL {
        let eras = [Era::Legacy, Era::Modern].into_iter().filter(|era| sdk.speaks(*era));
        clients.push((sdk, eras.map(|era| session(sdk, era)).collect()));
    }
    let calls: usize = clients.iter().map(|(_, sessions)| sessions.len()).sum();
    let run = |clients: &[(Sdk, Vec<Session>)]| {
        let running =
            clients.iter().cloned().map(|(sdk, sessions)| tokio::task::spawn_blocking(move || sdk.run(&sessions)));
        running.collect::<Vec<_>>()
    };

    let before = run(&clients);
    let approver = Approver::new(&gateway, &provider).await?;
    let all_wait = async {
        while approver.api(Method::GET, "").await?["approvals"].as_array().is_none_or(|list| list.len() < calls) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::time::timeout(Duration::from_mins(1), all_wait).await.context("not all calls wait")??;
    gateway.process.kill()?;
    gateway.restart();

    let mut table = String::new();
    let mut answers: Vec<(String, Vec<First>)> = Vec::new();
    let took = |answers: Vec<Value>| seen(&answers[1]["result"]["answer"]);
    let approved = async {
        for run in before {
            answers.extend(run.await??.into_iter().map(|(name, taken)| (name, vec![took(taken)])));
        }
        for run in run(&clients) {
            for (name, taken) in run.await?? {
                answers.iter_mut().find(|(known, _)| *known == name).context("a client")?.1.push(took(taken));
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::select! {
        done = approved => done?,
        failed = approver.work() => return failed.context("the approver"),
    }
    for (name, told) in &answers {
        writeln!(table, "{name:<25} {told:?}")?;
    }
    println!("{table}");
    assert!(answers.iter().all(|(_, told)| told[0] != First::Result && told[1] == First::Result), "{table}");
    let requests = gateway.events_once(|event| event["type"] == "approval.used");
    let count = |kind: &str| requests.iter().filter(|event| event["type"] == kind).count();
    assert_eq!((count("approval.requested"), count("approval.used")), (calls, calls), "{table}");
    Ok(())
}
