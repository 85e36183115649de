//! The load: sessions that each call `echo`, or list the tools, in a closed loop.
//!
//! Every answer is checked: its status, its text, that it is no error. A wrong answer ends the run, because figures that
//! contain refusals mean nothing. Latency is counted from the request's first byte to the answer's last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::histogram::Histogram;
use crate::session::{Session, contains};

/// What every request of the revision without sessions carries.
const MODERN_META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{},"#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"bench-load","version":"1"}}"#
);
/// Bytes of an answer's end in which `isError` would stand.
const END: usize = 64;

/// What to do; the JSON argument of `bench-load load`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The MCP endpoint, `http://127.0.0.1:PORT/PATH`.
    url: String,
    /// A file with one bearer token per line; sessions take theirs in turn. None: no token is sent.
    tokens: Option<String>,
    sessions: usize,
    /// Bytes of text in the arguments, and so in the result.
    payload: usize,
    /// List the tools instead of calling one.
    #[serde(default)]
    list: bool,
    /// MCP 2026-07-28: no session, all that is to be known in every request.
    #[serde(default)]
    modern: bool,
    /// Unmeasured time before.
    warmup_seconds: f64,
    seconds: f64,
}

/// Runs the load and returns `{calls, seconds, p50_us, p99_us, mean_us, all_calls}`; the last counts unmeasured ones too.
pub(crate) async fn run(settings: &str) -> Result<Value> {
    let settings: Settings = serde_json::from_str(settings).context("the settings are not what load needs")?;
    let tokens = settings.tokens.as_ref().map(std::fs::read_to_string).transpose()?.unwrap_or_default();
    let mut tokens = tokens.lines().cycle();
    let phase = Arc::new(Phase::default());
    let opened = Arc::new(Barrier::new(settings.sessions + 1));

    let mut callers = JoinSet::new();
    for number in 0..settings.sessions {
        let mut session = Session::new(&settings.url, tokens.next(), settings.modern).await?;
        let list = settings.list;
        let (phase, opened, payload) = (Arc::clone(&phase), Arc::clone(&opened), text(settings.payload));
        callers.spawn(async move {
            session.open().await?;
            opened.wait().await;
            let called = call_until_over(&mut session, number, (!list).then_some(&*payload), &phase).await?;
            session.close().await?;
            anyhow::Ok(called)
        });
    }
    // A session that cannot open never reaches the barrier: its error must not be waited for in vain.
    tokio::select! {
        _ = opened.wait() => {}
        Some(early) = callers.join_next() => { early??; bail!("a session ended before the load began") }
    }
    tokio::time::sleep(Duration::from_secs_f64(settings.warmup_seconds)).await;
    phase.measuring.store(true, Ordering::Relaxed);
    let begin = Instant::now();
    tokio::time::sleep(Duration::from_secs_f64(settings.seconds)).await;
    phase.over.store(true, Ordering::Relaxed);
    let seconds = begin.elapsed().as_secs_f64();

    let mut all = Histogram::default();
    let mut all_calls = 0;
    while let Some(caller) = callers.join_next().await {
        let (calls, latencies) = caller??;
        for latency in latencies {
            all.record(latency);
        }
        all_calls += calls;
    }
    let microseconds = |nanoseconds: u64| Duration::from_nanos(nanoseconds).as_secs_f64() * 1e6;
    Ok(json!({
        "calls": all.count(), "seconds": seconds, "p50_us": microseconds(all.quantile(0.5)),
        "p99_us": microseconds(all.quantile(0.99)), "mean_us": microseconds(all.mean()),
        "all_calls": all_calls,
    }))
}

#[derive(Debug, Default)]
struct Phase {
    measuring: AtomicBool,
    over: AtomicBool,
}

/// Calls `echo` with the payload, or lists the tools without one, until the phase is over; returns how many requests
/// it made, and the latencies, in nanoseconds, of those that began while measuring.
async fn call_until_over(
    session: &mut Session,
    number: usize,
    payload: Option<&str>,
    phase: &Phase,
) -> Result<(u64, Vec<u64>)> {
    let meta = if session.modern { MODERN_META } else { "" };
    let method = if payload.is_some() { "tools/call" } else { "tools/list" };
    if session.modern {
        session.headers.insert("mcp-method", HeaderValue::from_static(method));
        if payload.is_some() {
            session.headers.insert("mcp-name", HeaderValue::from_static("echo"));
        }
    }
    let mut latencies = Vec::new();
    let mut calls = 0_u64;
    while !phase.over.load(Ordering::Relaxed) {
        calls += 1;
        let call = calls + 1; // 0 and 1 were taken by the handshake
        // No two calls are alike, so no cache can answer one.
        let (params, wanted) = match payload {
            Some(payload) => {
                let text = format!(r#""text":"{number:04} {call:010} {payload}""#);
                (format!(r#""name":"echo","arguments":{{{text}}}"#), text)
            }
            // At an endpoint for many servers the name has one before it.
            None => (String::new(), r#"echo""#.to_owned()),
        };
        let comma = if params.is_empty() || meta.is_empty() { "" } else { "," };
        let message =
            format!(r#"{{"jsonrpc":"2.0","id":{call},"method":"{method}","params":{{{params}{comma}{meta}}}}}"#);
        let measuring = phase.measuring.load(Ordering::Relaxed);
        let begin = Instant::now();
        let (status, _, body) = session.send(Method::POST, Bytes::from(message)).await?;
        if measuring {
            latencies.push(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        let end = body.len().saturating_sub(END);
        let failed = body.get(end..).is_some_and(|end| contains(end, b"\"isError\":true"));
        if status != 200 || failed || !contains(&body, wanted.as_bytes()) {
            bail!("a request was answered {status} {:.400}", String::from_utf8_lossy(&body));
        }
    }
    Ok((calls, latencies))
}

/// About `length` bytes of prose with what real arguments have: escapes, and characters beyond ASCII.
fn text(length: usize) -> String {
    const WORDS: &[&str] =
        &["customer", "7402", "café", "said:", r#"\"no\""#, "and", r"left.\n", "Refund", "4021 €", "to", "account"];
    let words = WORDS.iter().cycle().scan(0, |bytes, word| {
        *bytes += word.len() + 1;
        (*bytes <= length).then_some(*word)
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_as_long_as_asked_and_part_of_valid_json() {
        for length in [0, 1, 1024, 65_536] {
            let text = text(length);
            assert!(text.len() <= length && length - text.len() <= 16, "{length}: {}", text.len());
            serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap();
        }
    }

    #[tokio::test]
    async fn calls_the_server_and_counts() {
        let (origin, _serving) = crate::server::start().await.unwrap();
        for (path, list, modern) in
            [("mcp", false, false), ("sse", false, false), ("tools/500", true, false), ("mcp", false, true)]
        {
            let settings = json!({
                "url": format!("{origin}/{path}"), "sessions": 3, "payload": 1024, "list": list, "modern": modern,
                "warmup_seconds": 0.05, "seconds": 0.2,
            });
            let figures = run(&settings.to_string()).await.unwrap();
            assert!(figures["calls"].as_u64() > Some(3), "{path}: {figures}");
            assert!(figures["p50_us"].as_f64() > Some(0.0) && figures["p99_us"].as_f64() >= figures["p50_us"].as_f64());
        }
    }

    #[tokio::test]
    async fn a_wrong_answer_ends_the_run() {
        let origin = crate::server::start_document("{}".to_owned()).await.unwrap();
        let settings = json!({
            "url": format!("{origin}/mcp"), "sessions": 2, "payload": 10, "warmup_seconds": 0, "seconds": 5,
        });
        let error = run(&settings.to_string()).await.unwrap_err();
        assert!(error.to_string().contains("notifications/initialized"), "{error:#}");
    }
}
