//! `vidimus log witness`: a small C2SP tlog-witness server, for somebody else than who runs the gateway.
//!
//! `POST /add-checkpoint` and nothing else. What it has cosigned is durable before the answer leaves (`vidimus_log::witness`).
//! Plain HTTP: put a TLS-terminating proxy before it where the network is not yours; nobody can forge anything on the way,
//! but anybody can hold requests back. Refused: bodies that are too large or come too slowly. A log that offers another
//! history of the same size is refused, and its signed checkpoint, the proof of that, goes to the witness's own log as an
//! error. A proof that does not fit shows nothing, since anybody can send the log's public checkpoint with one: that is told
//! of seldom, as a warning.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use vidimus_core::{Clock as _, SystemClock};
use vidimus_log::witness::{self, MAX_REQUEST_BYTES, Refusal, Witness};
use vidimus_log::{Cosigner, FileSystem, VerifierKey, WitnessKey};
use vidimus_net::{HttpLimits, Incoming, Server};

use crate::key;
use crate::output::printable;
use crate::secret::{SecretRef, Source};

/// How long a client may take to send a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections open at once: logs keep one each.
const CONNECTIONS: usize = 256;
/// Time that requests in flight get at shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// How often requests are told of whose proof does not fit.
const REPEAT: Duration = Duration::from_hours(1);
/// The type of the answer that names a size (tlog-witness, "add-checkpoint").
const SIZE_TYPE: &str = "text/x.tlog.size";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// How the witness is set up.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The witness's name in its cosignatures: an address of yours without scheme, such as witness.example.com/w1
    #[arg(long, value_name = "NAME", value_parser = witness_name)]
    name: String,
    /// The file with its key: 32 random bytes (raw, hexadecimal or base64), readable by its owner alone, used for nothing
    /// else and kept outside the state directory
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The directory in which it remembers what it has cosigned. Never restore an older copy of it
    #[arg(long, value_name = "DIR", required_unless_present = "show_key")]
    state: Option<PathBuf>,
    /// Begin with the logs of which the state directory holds nothing yet. Without this they are refused: a witness that
    /// has lost its memory cosigns any history
    #[arg(long)]
    init: bool,
    /// The key of a log to witness, as `vidimus log status` shows it; several, and several of one log while it changes keys
    #[arg(long = "log", value_name = "KEY", required_unless_present = "show_key")]
    logs: Vec<VerifierKey>,
    /// Where it listens. Plain HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Print the witness's public key, which gateways and policies name, and end
    #[arg(long)]
    show_key: bool,
}

/// Runs the witness until it is told to stop (SIGINT, SIGTERM).
pub(crate) async fn run(options: Options, out: &mut impl Write) -> anyhow::Result<()> {
    let state = options.state.unwrap_or_default();
    let reference = SecretRef { source: Source::File(options.key), format: None };
    let seed = key::load(&reference, &state)?;
    let cosigner = Cosigner::from_seed(&options.name, &seed)?;
    if options.show_key {
        return Ok(writeln!(out, "{}", cosigner.key())?);
    }
    if options.init {
        let begun = witness::begin(&FileSystem, &state, &options.logs)?;
        anyhow::ensure!(
            !begun.is_empty(),
            "every log is remembered already: start without --init, now and from now on"
        );
    }
    let witness = Arc::new(Witness::open(Arc::new(FileSystem), &state, cosigner, options.logs)?);
    let listener = TcpListener::bind(options.listen);
    let listener = listener.await.with_context(|| format!("cannot listen on {} (--listen)", options.listen))?;
    let listen = listener.local_addr()?;
    for (origin, size) in witness.seen() {
        tracing::info!(log = printable(&origin), size, "Witnessing");
    }
    tracing::info!(%listen, key = %witness.key(), "Serving");

    let (stop, stopping) = watch::channel(false);
    let limits = HttpLimits { connections: CONNECTIONS, grace: GRACE, ..HttpLimits::default() };
    let unproved = Arc::new(Unproved::default());
    let server = tokio::spawn(Server::tcp(listener, limits).serve(
        move |_, request| {
            let (witness, unproved) = (Arc::clone(&witness), Arc::clone(&unproved));
            async move { answer(witness, &unproved, request).await }
        },
        stopping,
    ));
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    stop.send_replace(true);
    Ok(server.await?)
}

async fn answer(witness: Arc<Witness>, unproved: &Unproved, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/add-checkpoint" {
        return respond(StatusCode::NOT_FOUND, TEXT_TYPE, "there is POST /add-checkpoint\n");
    }
    if request.method() != Method::POST {
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT_TYPE, "only POST\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let body = Limited::new(request.into_body(), MAX_REQUEST_BYTES).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return respond(StatusCode::BAD_REQUEST, TEXT_TYPE, "the body is too long, or broke off\n"),
        Err(_) => return respond(StatusCode::REQUEST_TIMEOUT, TEXT_TYPE, "the body came too slowly\n"),
    };
    let judged = tokio::task::spawn_blocking(move || {
        let cosigned = witness.add_checkpoint(&body, SystemClock.now().seconds());
        (cosigned, body)
    });
    match judged.await {
        Ok((Ok(cosigned), _)) => {
            tracing::debug!(log = printable(&cosigned.origin), old = cosigned.old, size = cosigned.size, "Cosigned");
            respond(StatusCode::OK, TEXT_TYPE, cosigned.lines)
        }
        Ok((Err(refusal), body)) => {
            tell(&refusal, &body, unproved);
            refused(&refusal)
        }
        Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT_TYPE, "the request was cut off\n"),
    }
}

/// Requests whose proof did not fit.
#[derive(Default)]
struct Unproved(Mutex<(u64, Option<Instant>)>);

impl Unproved {
    /// Counts one; how many there are to tell of, when it is time for that.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, told) = &mut *guard;
        *count += 1;
        if told.is_some_and(|told| now.duration_since(told) < REPEAT) {
            return None;
        }
        *told = Some(now);
        Some(std::mem::take(count))
    }
}

/// Tells the witness's operator what only the holder of a log's key, or a failing disk, can bring about, as an error; and now
/// and then what anybody can.
fn tell(refusal: &Refusal, body: &[u8], unproved: &Unproved) {
    let request = || printable(&String::from_utf8_lossy(body));
    match refusal {
        Refusal::Conflict { is_fork: true, .. } => {
            tracing::error!(%refusal, request = request(), "A log offers a history that is not the one it showed before");
        }
        Refusal::Inconsistent { .. } if let Some(count) = unproved.count(Instant::now()) => tracing::warn!(
            %refusal, count, request = request(),
            "Requests came whose proof does not fit: anybody can send such, and so does a log that was rewritten; ask its \
             operator if it is cosigned no more"
        ),
        Refusal::Failed(why) => {
            tracing::error!(why = printable(why), "Nothing is cosigned: the state cannot be written");
        }
        other => tracing::debug!(refusal = printable(&other.to_string()), "Refused"),
    }
}

fn refused(refusal: &Refusal) -> Response<Full<Bytes>> {
    let status = match refusal {
        Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
        Refusal::UnknownLog(_) => StatusCode::NOT_FOUND,
        Refusal::Untrusted(_) => StatusCode::FORBIDDEN,
        Refusal::Conflict { size, .. } => return respond(StatusCode::CONFLICT, SIZE_TYPE, format!("{size}\n")),
        Refusal::Inconsistent { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    respond(status, TEXT_TYPE, format!("{}\n", refusal.public_message()))
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn witness_name(text: &str) -> Result<String, String> {
    match WitnessKey::new(text, [0; 32]) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_can_send_is_told_of_once_an_hour() {
        let (unproved, start) = (Unproved::default(), Instant::now());
        assert_eq!(unproved.count(start), Some(1));
        for second in 1..3_600 {
            assert_eq!(unproved.count(start + Duration::from_secs(second)), None);
        }
        assert_eq!(unproved.count(start + REPEAT), Some(3_600));
    }
}
