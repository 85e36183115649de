//! What must stand nowhere: payloads in clear, tokens, the target's credential, the key-encryption key.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::common::{INJECTED_HEADER, INJECTED_SECRET};
use super::{SOON, World, call};

/// Stands in arguments and results.
const MARKER: &str = "payload-marker-9f3a62c4";

/// Lines that a process's log keeps; past them it would have lost the oldest.
const LOG_LINES: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn payloads_and_secrets_stand_nowhere_in_clear() {
    for record in ["record = \"masked\"", ""] {
        let mut world = World::with(|setup| {
            setup.record = record;
            setup.log = "trace";
            setup.target_lines = INJECTED_HEADER;
        })
        .await;
        let client = world.client().await;
        let request = call(1, "echo", &json!({ "text": MARKER }));
        let answer = client.post(request.clone()).await.unwrap();
        assert!(answer.text.contains(MARKER));
        let streamed = client.receive(call(2, "progress", &json!({ "text": MARKER }))).await;
        assert!(streamed.is_whole);
        // Refused and failed ones, too: their words are the gateway's own.
        client.post(call(3, "no-such-tool", &json!({ "text": MARKER }))).await.unwrap();
        client.post(request.replace("\"id\"", "\"Id\"")).await.unwrap();
        client.post(call(4, "not-json", &json!({ "text": MARKER }))).await.unwrap();
        assert!(
            world.upstream.seen().iter().all(|seen| seen.headers["x-target-key"] == format!("Key {INJECTED_SECRET}"))
        );

        // The recording has it all, or only how much it was.
        let events = world.gateway.events();
        let session =
            events.iter().find(|event| event["who"] == "corp|alice" && event["type"] == "session.opened").unwrap();
        let frames = world.gateway.recording(session["session"].as_str().unwrap());
        let shown: Vec<_> = frames.iter().filter(|frame| frame["body"].to_string().contains(MARKER)).collect();
        assert_eq!(shown.is_empty(), record.is_empty(), "{frames:#?}");
        assert_eq!(frames.iter().all(|frame| frame["body"].is_null()), record.is_empty());
        let lengths: Vec<_> = frames.iter().map(|frame| frame["bytes"].as_u64().unwrap()).collect();
        for text in [&request, &answer.text] {
            assert!(lengths.contains(&(text.len() as u64)), "{} bytes of {lengths:?}", text.len());
        }

        let signature = client.token.rsplit('.').next().unwrap();
        let key = world.gateway.key;
        let base64 = STANDARD.encode(key);
        let base64 = base64.trim_end_matches('=');
        let hex = key.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let secrets: [(&str, &[u8]); 7] = [
            ("the payload", MARKER.as_bytes()),
            ("the client's token", client.token.as_bytes()),
            ("the token's signature", signature.as_bytes()),
            ("the target's credential", INJECTED_SECRET.as_bytes()),
            ("the key-encryption key", &key),
            ("the key in hexadecimal", hex.as_bytes()),
            ("the key in base64", base64.as_bytes()),
        ];
        assert_nowhere(&world.gateway.data(), &secrets);
        world.gateway.process.terminate(SOON).unwrap();
        assert_nowhere(&world.gateway.data(), &secrets);
        let log = world.gateway.process.log();
        assert!(log.contains("TRACE") && log.lines().count() < LOG_LINES, "the log is not all there");
        for (name, secret) in secrets {
            let found = log.lines().find(|line| contains(line.as_bytes(), secret));
            assert_eq!(found, None, "{name} is in the log");
        }
    }
}

fn assert_nowhere(dir: &Path, secrets: &[(&str, &[u8])]) {
    let mut files = 0;
    let mut waiting = vec![dir.to_owned()];
    while let Some(path) = waiting.pop() {
        let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if kind.is_file() {
            let bytes = without_zeros(&std::fs::read(&path).unwrap());
            files += usize::from(!bytes.is_empty());
            for (name, secret) in secrets {
                assert!(!contains(&bytes, secret), "{name} is in {}", path.display());
            }
        }
    }
    assert!(files >= 5, "only {files} files were searched");
}

/// The blocks that are not all zeros: a journal is made of 64 MiB of them ahead of time.
fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let written = bytes.chunks(ZEROS.len()).filter(|block| !ZEROS.starts_with(block));
    written.collect::<Vec<_>>().concat()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
