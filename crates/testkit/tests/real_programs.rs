//! The pinned real programs work together without a gateway: what later suites compare against.

#![expect(clippy::unwrap_used, reason = "tests")]

use anyhow::Result;
use serde_json::{Value, json};
use vidimus_testkit::{Endpoint, Era, EverythingServer, FixtureServer, Sdk, Session, official, script, tempdir};

/// The answer to the first step that begins like `step`.
fn answer<'a>(answers: &'a [Value], step: &[&str]) -> &'a Value {
    let begins = |answer: &&Value| step.iter().zip(answer["step"].as_array().unwrap()).all(|(want, is)| want == is);
    answers.iter().find(begins).unwrap_or(&Value::Null)
}

fn http(name: &str, era: Era, url: String, steps: Value) -> Session {
    Session { name: name.to_owned(), era, endpoint: Endpoint::Http { url, token: None }, steps }
}

/// The steps that ended in an error, by kind and first argument.
fn failed(answers: &[Value]) -> Vec<String> {
    answers.iter().filter(|answer| answer.get("error").is_some()).map(official::label).collect()
}

#[test]
fn every_official_client_takes_the_whole_session_at_the_fixtures_of_both_eras() -> Result<()> {
    let (python, typescript) = (FixtureServer::python()?, FixtureServer::typescript()?);
    for sdk in Sdk::ALL {
        let eras = [Era::Legacy, Era::Modern].into_iter().filter(|era| sdk.speaks(*era));
        let sessions: Vec<Session> = eras
            .flat_map(|era| {
                [("python", python.url()), ("typescript", typescript.url())]
                    .map(|(name, url)| http(&format!("{name} {}", era.name()), era, url, script::fixture(era)))
            })
            .collect();
        for (name, answers) in sdk.run(&sessions)? {
            let failed: Vec<_> = failed(&answers).into_iter().filter(|step| !step.contains("no-such")).collect();
            // The Python server has neither; the TypeScript one does not let resources be subscribed to.
            let expected: &[&str] = match name.as_str() {
                "python legacy" => &["set_level debug", "subscribe note://welcome"],
                "typescript legacy" => &["subscribe note://welcome"],
                _ => &[],
            };
            assert_eq!(failed, expected, "{} {name}: {answers:#?}", sdk.name());
            assert_eq!(answers.last().unwrap()["step"], json!(["close"]));
            let progress: Vec<_> = answer(&answers, &["progress"])["seen"].as_array().unwrap().iter().collect();
            assert_eq!(progress.len(), 5, "{} {name}", sdk.name());
            assert_eq!(answer(&answers, &["call", "report"])["seen"][1], json!(["log", "warning", "second"]));
            let asked = [("ask_model", "the model said: written by a model"), ("ask_user", "the user said: Ada")];
            for (tool, text) in asked.into_iter().chain([("ask_roots", "file:///srv/project")]) {
                let answer = answer(&answers, &["call", tool]);
                assert_eq!(answer["result"]["content"][0]["text"], text, "{} {name}: {answer}", sdk.name());
            }
        }
    }
    Ok(())
}

#[test]
fn every_official_client_gets_the_same_twice_from_the_reference_server() -> Result<()> {
    let server = EverythingServer::start()?;
    for sdk in Sdk::ALL {
        let session = |name| http(name, Era::Legacy, server.url(), script::everything());
        let mut runs = sdk.run(&[session("first"), session("second")])?;
        let (first, second) = (runs.remove("first").unwrap(), runs.remove("second").unwrap());
        let sum = answer(&first, &["call", "get-sum"]);
        assert_eq!(sum["result"]["content"][0]["text"], "The sum of 2 and 40.5 is 42.5.", "{}: {first:#?}", sdk.name());
        assert_eq!(answer(&first, &["progress"])["seen"].as_array().unwrap().len(), 5);
        // So a difference through the gateway is the gateway's.
        assert_eq!(official::differing(&first, &second)?, [], "{}", sdk.name());
    }
    Ok(())
}

#[test]
fn every_official_client_starts_the_servers_that_speak_over_standard_input_and_output() -> Result<()> {
    let directory = tempdir()?;
    std::fs::write(directory.path().join("note.txt"), "a note")?;
    let session = |name: &str, endpoint, steps| Session { name: name.to_owned(), era: Era::Legacy, endpoint, steps };
    let sessions = [
        session("files", Endpoint::filesystem(directory.path())?, script::filesystem(directory.path())),
        session("time", Endpoint::time()?, script::time()),
    ];
    for sdk in Sdk::ALL {
        let answers = sdk.run(&sessions)?;
        let files = &answers["files"];
        assert_eq!(answer(files, &["call", "read_text_file"])["result"]["content"][0]["text"], "a note", "{files:#?}");
        let time = answer(&answers["time"], &["call", "convert_time"]);
        let text = time["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains("T21:00:00+09:00"), "{}: {:#?}", sdk.name(), answers["time"]);
    }
    Ok(())
}

#[test]
fn a_server_that_is_not_there_is_a_failed_step_with_its_cause() -> Result<()> {
    let port = vidimus_testkit::free_port()?;
    for sdk in Sdk::ALL {
        let session = http("none", Era::Legacy, format!("http://127.0.0.1:{port}/mcp"), json!([["ping"]]));
        let answers = sdk.run(&[session])?;
        let [refused] = &answers["none"][..] else { panic!("{answers:?}") };
        assert_eq!(refused["step"], json!(["connect"]));
        let text = refused["error"]["message"].as_str().unwrap();
        assert!(text.contains("ECONNREFUSED") || text.contains("ConnectError"), "{}: {text}", sdk.name());
    }
    Ok(())
}
