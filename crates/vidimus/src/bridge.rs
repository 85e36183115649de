//! `vidimus mcp bridge`: an MCP server over standard input and output that stands for one behind a gateway.
//!
//! Each line is one message (MCP 2025-11-25, "stdio"). A request is answered whenever its answer comes; notifications and
//! answers of the client go out in order. A request that cannot be answered gets a JSON-RPC error, and standard error the
//! words. In sessions the stream of the server's own is kept open, and what a connection loses is asked for again by
//! `Last-Event-ID`. In revision 2026-07-28 headers are made of the message, and a cancelled request is cut off, which is
//! how HTTP says it. When standard input ends, what is under way may finish for [`GRACE`], and the session is ended.

mod gateway;
mod refusal;

use std::collections::BTreeMap;
use std::io::{BufRead as _, Read as _, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::HeaderMap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use vidimus_core::json::Limits;
use vidimus_mcp::envelope::{Id, Message, MessageKind, Method, Sender, code};
use vidimus_mcp::{modern, reply};

use crate::cli::Bridge;
use crate::login::{Store, Tokens, note};
use gateway::Gateway;

/// The longest message, in bytes: what the largest answer of a gateway may be, and more.
pub(super) const MAX_MESSAGE: usize = 64 << 20;
/// Lines that wait for one another, in each direction.
const QUEUE: usize = 64;
/// How long requests may take that are under way when standard input ends.
const GRACE: Duration = Duration::from_secs(10);
/// The variable with a token.
const TOKEN: &str = "VIDIMUS_TOKEN";

/// What a message is read within.
pub(super) const LIMITS: Limits = Limits { max_bytes: MAX_MESSAGE, max_depth: 128, max_nodes: 8 << 20 };

/// A message between the client and standard output, on one line.
pub(super) type Lines = mpsc::Sender<Bytes>;

/// Serves standard input and output until the one ends; whether it went well to the end.
pub(crate) async fn run(options: &Bridge, out: &mut impl Write) -> anyhow::Result<bool> {
    let endpoint = options.place.endpoint()?;
    let (lines, mut written) = mpsc::channel(QUEUE);
    let gateway = Arc::new(Gateway::new(&endpoint, tokens(options, &endpoint)?, lines.clone())?);
    let (received, messages) = mpsc::channel(QUEUE);
    // A thread, because reading standard input cannot be given up; the process ends with it waiting.
    std::thread::spawn(move || read_lines(&received));
    let client =
        tokio::spawn(Client { gateway, lines, running: JoinSet::new(), by_id: BTreeMap::new() }.serve(messages));
    while let Some(line) = written.recv().await {
        out.write_all(&line)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    client.await.context("the bridge failed")?
}

fn tokens(options: &Bridge, endpoint: &str) -> anyhow::Result<Tokens> {
    if let Some(file) = &options.token_file {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read the token in {}", file.display()))?;
        return Ok(Tokens::Given(text.trim().to_owned()));
    }
    if let Some(token) = std::env::var_os(TOKEN).filter(|token| !token.is_empty()) {
        return Ok(Tokens::Given(token.into_string().ok().with_context(|| format!("{TOKEN} is no token"))?));
    }
    let resources = vec![endpoint.to_owned(), options.place.everything()?];
    Ok(Tokens::Login { store: Store::at(options.place.file.clone())?, resources })
}

/// Reads standard input line by line, to its end or to a line that is too long.
fn read_lines(received: &mpsc::Sender<Bytes>) {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_MESSAGE).unwrap_or(u64::MAX);
        match (&mut input).take(limit).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if line.len() == MAX_MESSAGE && line.last() != Some(&b'\n') => {
                return note("vidimus: a message of the client is too long; the bridge ends");
            }
            Ok(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Ok(_) if received.blocking_send(line.into()).is_err() => return,
            Ok(_) => {}
            Err(error) => return note(&format!("vidimus: standard input cannot be read: {error}")),
        }
    }
}

/// The client at standard input and output.
struct Client {
    gateway: Arc<Gateway>,
    lines: Lines,
    running: JoinSet<()>,
    /// Requests under way, by their ids.
    by_id: BTreeMap<String, AbortHandle>,
}

impl Client {
    async fn serve(mut self, mut messages: mpsc::Receiver<Bytes>) -> anyhow::Result<bool> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let went_well = loop {
            tokio::select! {
                line = messages.recv() => match line {
                    Some(line) => self.take(line).await,
                    None => break true,
                },
                Some(_) = self.running.join_next() => self.by_id.retain(|_, request| !request.is_finished()),
                () = self.gateway.lost() => break false,
                _ = terminate.recv() => break true,
                _ = interrupt.recv() => break true,
            }
        };
        self.gateway.stop_listening();
        let finished = async { while self.running.join_next().await.is_some() {} };
        tokio::select! {
            _ = tokio::time::timeout(GRACE, finished) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        self.running.shutdown().await;
        self.gateway.end().await;
        if !went_well {
            note("vidimus: the gateway has ended the session; start this program again for a new one");
        }
        Ok(went_well)
    }

    /// Passes a message of the client on.
    async fn take(&mut self, line: Bytes) {
        let message = match Message::parse(line, Sender::Client, &LIMITS) {
            Ok(message) => message,
            Err(error) => {
                note(&format!("vidimus: a message of the client is refused: {error}"));
                let answer = reply::error(error.id(), error.code(), &error.public_message(), None);
                return self.say(answer).await;
            }
        };
        let is_modern = modern::is_modern(&HeaderMap::new(), &message);
        match message.kind() {
            MessageKind::Request { id, method } => {
                let (key, is_endless) = (id.key(), *method == Method::ListenSubscriptions);
                let request = request(Arc::clone(&self.gateway), self.lines.clone(), message, is_modern);
                let gateway = Arc::clone(&self.gateway);
                let handle = self.running.spawn(async move {
                    if is_endless {
                        gateway.while_listening(request).await;
                    } else {
                        request.await;
                    }
                });
                self.by_id.insert(key, handle);
            }
            // MCP 2026-07-28, "Cancellation": over HTTP a request is cancelled by closing its stream.
            MessageKind::Notification { .. } if is_modern || self.gateway.has_no_session() => {
                match message.cancelled_request().and_then(|id| self.by_id.remove(&id.key())) {
                    Some(request) => request.abort(),
                    None if message.cancelled_request().is_some() => {}
                    None => self.tell(message, is_modern).await,
                }
            }
            MessageKind::Notification { .. } | MessageKind::Response { .. } => self.tell(message, is_modern).await,
        }
    }

    /// Sends what gets no answer.
    async fn tell(&self, message: Message, is_modern: bool) {
        let is_initialized = message.method() == Some(Method::Initialized);
        if let Err(refusal) = self.gateway.tell(&message, is_modern).await {
            return note(&format!("vidimus: the gateway did not take {}: {refusal}", described(&message)));
        }
        if is_initialized && !is_modern {
            Gateway::listen(&self.gateway);
        }
    }

    async fn say(&self, answer: Bytes) {
        // Nobody reads any more when it cannot be sent.
        let _ = self.lines.send(answer).await;
    }
}

/// Has a request answered, by an error if need be.
async fn request(gateway: Arc<Gateway>, lines: Lines, message: Message, is_modern: bool) {
    let Err(refusal) = gateway.ask(&message, is_modern).await else { return };
    note(&format!("vidimus: {} is not answered: {refusal}", described(&message)));
    let id: Option<&Id> = message.id();
    let _ = lines.send(reply::error(id, code::INTERNAL_ERROR, &refusal.to_string(), None)).await;
}

fn described(message: &Message) -> String {
    match message.kind() {
        MessageKind::Response { .. } => "an answer of the client".to_owned(),
        MessageKind::Request { .. } | MessageKind::Notification { .. } => message.method_name().into_owned(),
    }
}
