//! Clients that do next to nothing: sessions that are open and idle, or that hardly read what they are sent.
//!
//! When all have got so far, one line of JSON says so; then they stay as they are until the program is killed. What
//! breaks before that, or a stream of an idle session that ends, ends the program with an error: figures about
//! sessions that are gone would mean nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::report;
use crate::session::Session;

/// Sessions that are opened at once.
const OPENING: usize = 32;
/// The pause between two reads of a client that hardly reads.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// What to hold; the JSON argument of `bench-load hold`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The MCP endpoint, `http://127.0.0.1:PORT/PATH`.
    url: String,
    /// A file with one bearer token per line; sessions take theirs in turn.
    tokens: Option<String>,
    sessions: usize,
    reads: Reads,
}

/// How far sessions go after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reads {
    /// They open no stream, and their connections close.
    Closed,
    /// They read all of their streams.
    All,
    /// They read a little of their streams each second.
    Slow,
    /// They read nothing.
    None,
}

/// Opens the sessions, says so, and holds them.
pub(crate) async fn run(settings: &str) -> Result<()> {
    let settings: Settings = serde_json::from_str(settings).context("the settings are not what hold needs")?;
    let mut held = open(&settings).await?;
    report(&json!({ "open": settings.sessions }))?;
    match held.join_next().await {
        Some(ended) => ended?,
        None => std::future::pending().await,
    }
}

/// Opens all sessions; what holds their streams.
async fn open(settings: &Settings) -> Result<JoinSet<Result<()>>> {
    let tokens = settings.tokens.as_ref().map(std::fs::read_to_string).transpose()?.unwrap_or_default();
    let mut tokens = tokens.lines().cycle();
    let turns = Arc::new(Semaphore::new(OPENING));
    let mut opening = JoinSet::new();
    for _ in 0..settings.sessions {
        let (url, token, turns) = (settings.url.clone(), tokens.next().map(str::to_owned), Arc::clone(&turns));
        let reads = settings.reads;
        opening.spawn(async move {
            let _turn = turns.acquire().await?;
            let mut session = Session::new(&url, token.as_deref(), false).await?;
            session.open().await?;
            anyhow::Ok(match reads {
                Reads::Closed => None,
                Reads::All | Reads::Slow | Reads::None => Some((session.listen().await?, session)),
            })
        });
    }
    let mut held = JoinSet::new();
    while let Some(opened) = opening.join_next().await {
        if let Some((stream, session)) = opened?? {
            let reads = settings.reads;
            held.spawn(async move {
                let read = read(stream, reads).await;
                drop(session);
                read
            });
        }
    }
    Ok(held)
}

async fn read(mut stream: Incoming, reads: Reads) -> Result<()> {
    if matches!(reads, Reads::Closed | Reads::None) {
        return std::future::pending().await;
    }
    while let Some(frame) = stream.frame().await {
        frame.context("a stream broke")?;
        if reads == Reads::Slow {
            tokio::time::sleep(READ_PAUSE).await;
        }
    }
    bail!("a stream ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn held(path: &str, reads: Reads) -> JoinSet<Result<()>> {
        let (origin, _serving) = crate::server::start().await.unwrap();
        open(&Settings { url: format!("{origin}/{path}"), tokens: None, sessions: 3, reads }).await.unwrap()
    }

    #[tokio::test]
    async fn opens_sessions_with_their_streams_or_without() {
        assert_eq!(held("mcp", Reads::All).await.len(), 3);
        assert_eq!(held("flood", Reads::None).await.len(), 3);
        assert!(held("mcp", Reads::Closed).await.is_empty());
    }

    #[tokio::test]
    async fn a_stream_that_ends_is_an_error() {
        let origin = crate::server::start_document("{}".to_owned()).await.unwrap();
        let mut session = Session::new(&format!("{origin}/mcp"), None, false).await.unwrap();
        let stream = session.listen().await.unwrap();
        let error = read(stream, Reads::All).await.unwrap_err();
        assert_eq!(error.to_string(), "a stream ended");
    }
}
