//! A stream whose writes must get on: one that waits too long for its peer to read fails.
//!
//! hyper bounds how long a client takes to send a head, not how long it takes to read an answer. Without this, a client
//! that asks and never reads holds a connection for ever (RFC 9112 §9.5 leaves such timeouts to the server). The timer
//! exists only while a write waits, and any byte the peer takes ends it.
//! Flushing is passed on unwatched: TCP and Unix sockets keep nothing back.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::activity::Activity;

/// A stream that fails with `TimedOut` when a write has waited for `limit`.
#[derive(Debug)]
pub(crate) struct StallGuard<T> {
    stream: T,
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    activity: Option<Activity>,
}

impl<T> StallGuard<T> {
    pub(crate) const fn new(stream: T, limit: Duration) -> Self {
        Self { stream, limit, waiting: None, activity: None }
    }

    /// The stream.
    pub(crate) const fn get_ref(&self) -> &T {
        &self.stream
    }

    /// The same, which says where its peer takes bytes.
    pub(crate) fn counted(self, activity: Activity) -> Self {
        Self { activity: Some(activity), ..self }
    }

    /// Passes the result of a write on, unless it is to wait and has waited long enough.
    fn watch<R>(&mut self, context: &mut Context<'_>, written: Poll<Result<R>>) -> Poll<Result<R>> {
        if written.is_ready() {
            self.waiting = None;
            if let Some(activity) = &self.activity {
                activity.written();
            }
            return written;
        }
        let limit = self.limit;
        let timer = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        timer
            .as_mut()
            .poll(context)
            .map(|()| Err(Error::new(ErrorKind::TimedOut, "the peer does not read its answers")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for StallGuard<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for StallGuard<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
