//! An archive as the body of an answer: written on a thread of its own, no faster than it is read.
//!
//! A failure on the way breaks the answer off, so that nobody takes a part for an archive; why stands in the gateway's log.

use std::io::{self, BufWriter, Write};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use vidimus_core::{Clock as _, SystemClock};
use vidimus_gate::{Export, ViewError};
use vidimus_log::archive::Claims;
use vidimus_report::{ReportError, Session, write_archive};

/// Bytes that are handed over at once.
const CHUNK_BYTES: usize = 64 << 10;
/// How many of those wait to be read.
const WAITING_CHUNKS: usize = 16;

/// The body of an answer on the socket: whole, or an archive as it is written.
pub(crate) type ApiBody = UnsyncBoxBody<Bytes, Failed>;

/// The answer cannot be given to its end.
#[derive(Debug, thiserror::Error)]
#[error("the archive cannot be written to its end")]
pub(crate) struct Failed;

/// The archive of an export. `permit` is held until it is written.
pub(crate) fn stream(export: Export, by: String, selection: String, permit: OwnedSemaphorePermit) -> ApiBody {
    let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
    tokio::task::spawn_blocking(move || {
        let out = BufWriter::with_capacity(CHUNK_BYTES, Chunks(sender.clone()));
        if let Err(error) = write(export, by, selection, out) {
            tracing::error!(%error, "An export has failed");
            // When nobody reads any more, nobody needs to be told.
            let _ = sender.blocking_send(Err(Failed));
        }
        drop(permit);
    });
    let frames = stream::unfold(receiver, |mut receiver: mpsc::Receiver<Result<Bytes, Failed>>| async {
        receiver.recv().await.map(|chunk| (chunk.map(Frame::data), receiver))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Writes the archive of an export. Blocks on the disk.
pub(crate) fn write<W: Write>(
    mut export: Export,
    by: String,
    selection: String,
    out: W,
) -> Result<W, ReportError<ViewError>> {
    let sessions: Vec<Session> = std::mem::take(&mut export.sessions)
        .into_iter()
        .map(|session| Session { id: session.id, leaves: session.leaves, with_payloads: session.with_payloads })
        .collect();
    let made = SystemClock.now().to_string();
    let claims = Claims { by, made, program: env!("CARGO_PKG_VERSION").to_owned(), selection };
    let Export { snapshot, .. } = &mut export;
    let mut snapshot = snapshot.clone();
    write_archive(out, &mut snapshot, &sessions, &claims, |session| export.payloads(session))
}

/// Hands over what is written to it.
struct Chunks(mpsc::Sender<Result<Bytes, Failed>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(chunk)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
