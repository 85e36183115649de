//! Asking the running gateway: HTTP/1.1 over its Unix socket, JSON answers.
//!
//! Evidence is read only through the gateway, which decides who may and records that it was read. A gateway that does
//! not run, or a socket that belongs to somebody else, is an error with what to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::api::ErrorBody;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How long a change may take: erasing overwrites the journal.
const CHANGE_TIMEOUT: Duration = Duration::from_mins(10);
/// The largest answer, in bytes: a long session's recording.
const MAX_ANSWER: usize = 1 << 30;
/// The largest text of an error that is no JSON, in characters.
const MAX_ERROR_TEXT: usize = 200;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens.
    #[error("no gateway answers at {}: start it with `vidimus serve`, or name its configuration or data directory", .0.display())]
    NotRunning(PathBuf),
    /// The socket is somebody else's.
    #[error("you may not use {}: run this as the gateway's user", .0.display())]
    NotAllowed(PathBuf),
    /// The connection failed.
    #[error("cannot talk to the gateway at {}: {error}", path.display())]
    Connection {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer ended before its end.
    #[error("the gateway broke its answer off; its own log says why")]
    BrokenOff,
    /// It took too long.
    #[error("the gateway gave no answer within {0:?}; look at its log")]
    Timeout(Duration),
    /// The gateway refused.
    #[error("{}{}", body.error, body.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it said.
        body: ErrorBody,
    },
    /// The answer is not what this version expects.
    #[error("the gateway's answer is not understood ({0}): are the gateway and this program of one version?")]
    Answer(serde_json::Error),
}

/// Asks the gateway at `socket` for `path`, which is percent-encoded.
pub(crate) async fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, ClientError> {
    answered(socket, (Method::GET, path), None).await
}

/// The same with a token as whose question it is.
pub(crate) async fn get_as<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    token: Option<&str>,
) -> Result<T, ClientError> {
    answered(socket, (Method::GET, path), token).await
}

/// Has the gateway at `socket` do what `path` says, which is percent-encoded; with a token as whose it is.
pub(crate) async fn post<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    token: Option<&str>,
) -> Result<T, ClientError> {
    answered(socket, (Method::POST, path), token).await
}

/// The same with what is asked for in JSON.
pub(crate) async fn post_json<T: DeserializeOwned>(
    socket: &Path,
    (path, body): (&str, &impl serde::Serialize),
    token: Option<&str>,
) -> Result<T, ClientError> {
    let body = serde_json::to_vec(body).map_err(ClientError::Answer)?;
    answered_to(socket, (Method::POST, path, body.into()), token).await
}

async fn answered<T: DeserializeOwned>(
    socket: &Path,
    (method, path): (Method, &str),
    token: Option<&str>,
) -> Result<T, ClientError> {
    answered_to(socket, (method, path, Bytes::new()), token).await
}

async fn answered_to<T: DeserializeOwned>(
    socket: &Path,
    asked: (Method, &str, Bytes),
    token: Option<&str>,
) -> Result<T, ClientError> {
    let limit = if asked.0 == Method::GET { TIMEOUT } else { CHANGE_TIMEOUT };
    let exchanged = tokio::time::timeout(limit, exchange(socket, asked, token)).await;
    let (status, body) = exchanged.map_err(|_| ClientError::Timeout(limit))??;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(ClientError::Answer);
    }
    Err(refused(status, &body))
}

/// Asks the gateway for `path` and writes the answer's body to `out` as it comes; gives the number of bytes. `progress` is
/// told how many there are so far. Cancel safe: what was written is the caller's to take back.
pub(crate) async fn download(
    socket: &Path,
    path: &str,
    out: &mut impl std::io::Write,
    mut progress: impl FnMut(u64),
) -> Result<u64, ClientError> {
    let response = tokio::time::timeout(TIMEOUT, send(socket, (Method::GET, path, Bytes::new()), None))
        .await
        .map_err(|_| ClientError::Timeout(TIMEOUT))??;
    let (head, mut body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(refused(head.status, &collected(socket, body).await?));
    }
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| ClientError::Connection { path: socket.to_owned(), error };
    let mut bytes = 0;
    while let Some(frame) =
        tokio::time::timeout(TIMEOUT, body.frame()).await.map_err(|_| ClientError::Timeout(TIMEOUT))?
    {
        let frame = frame.map_err(|_| ClientError::BrokenOff)?;
        if let Some(data) = frame.data_ref() {
            out.write_all(data).map_err(|error| failed(error.into()))?;
            bytes += data.len() as u64;
            progress(bytes);
        }
    }
    Ok(bytes)
}

fn refused(status: StatusCode, body: &Bytes) -> ClientError {
    let text = || String::from_utf8_lossy(body).chars().take(MAX_ERROR_TEXT).collect();
    let body = serde_json::from_slice(body)
        .unwrap_or_else(|_| ErrorBody { error: format!("the gateway answered {status}"), help: Some(text()) });
    ClientError::Refused { status, body }
}

async fn exchange(
    socket: &Path,
    asked: (Method, &str, Bytes),
    token: Option<&str>,
) -> Result<(StatusCode, Bytes), ClientError> {
    let (head, body) = send(socket, asked, token).await?.into_parts();
    Ok((head.status, collected(socket, body).await?))
}

async fn collected(socket: &Path, body: Incoming) -> Result<Bytes, ClientError> {
    let failed = |error| ClientError::Connection { path: socket.to_owned(), error };
    Ok(Limited::new(body, MAX_ANSWER).collect().await.map_err(failed)?.to_bytes())
}

async fn send(
    socket: &Path,
    (method, path, body): (Method, &str, Bytes),
    token: Option<&str>,
) -> Result<Response<Incoming>, ClientError> {
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| ClientError::Connection { path: socket.to_owned(), error };
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            ClientError::NotRunning(socket.to_owned())
        }
        std::io::ErrorKind::PermissionDenied => ClientError::NotAllowed(socket.to_owned()),
        _ => failed(error.into()),
    })?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(error.into()))?;
    // Ends by itself when `sender` is dropped.
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::ACCEPT, "application/json");
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::new(body)).map_err(|error| failed(error.into()))?;
    sender.send_request(request).await.map_err(|error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;

    /// Answers one request with these bytes, and gives what was asked.
    async fn asked(answer: &'static str) -> (Result<serde_json::Value, ClientError>, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let answer = get(&path, "/v1/x?y=%20").await;
        (answer, server.await.unwrap())
    }

    #[tokio::test]
    async fn asks_and_reads_json() {
        let (answer, request) = asked("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"a\": 1}").await;
        assert_eq!(answer.unwrap(), serde_json::json!({ "a": 1 }));
        assert!(request.starts_with("GET /v1/x?y=%20 HTTP/1.1\r\n"), "{request}");
    }

    #[tokio::test]
    async fn a_refusal_says_what_the_gateway_says() {
        let body = r#"{"error":"no session `x`","help":"list them"}"#;
        let answer = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let error = asked(answer.leak()).await.0.unwrap_err();
        assert!(matches!(&error, ClientError::Refused { status, .. } if *status == StatusCode::NOT_FOUND));
        assert_eq!(error.to_string(), "no session `x`; list them");
        let plain = asked("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\nugly").await.0.unwrap_err();
        assert_eq!(plain.to_string(), "the gateway answered 502 Bad Gateway; ugly");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        let other = asked("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnope").await.0.unwrap_err();
        assert!(matches!(other, ClientError::Answer(_)));
        let cut = asked("HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{}").await.0.unwrap_err();
        assert!(matches!(cut, ClientError::Connection { .. }));
    }

    #[tokio::test]
    async fn a_gateway_that_does_not_run_is_named_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.sock");
        let missing = get::<serde_json::Value>(&path, "/").await.unwrap_err();
        drop(UnixListener::bind(&path).unwrap());
        let stale = get::<serde_json::Value>(&path, "/").await.unwrap_err();
        for error in [missing, stale] {
            assert!(matches!(error, ClientError::NotRunning(_)) && error.to_string().contains("vidimus serve"));
        }
    }
}
