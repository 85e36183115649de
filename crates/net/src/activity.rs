//! Whether a connection that carries several requests at once gets on.
//!
//! hyper bounds how long a client may leave an HTTP/1.1 connection idle, and `stall` how long one may leave bytes unread.
//! On HTTP/2 a client can do both and still answer pings: open no stream, or open streams and grant them no window (RFC
//! 9113 §10.5). Here is counted what tells such a connection from one in use: open requests, bytes the client took, and
//! since when each answer waits for its client.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep};

/// The largest part of an answer that is handed out at once: a client must take one within the limit, so that a slow one
/// is told from one that reads nothing.
const PART: usize = 64 << 10;

/// How often within its limit an answer that waits is looked at.
const LOOKS: u32 = 4;

/// What happens on one connection. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Requests that are not answered to the end.
    open: usize,
    /// Requests so far.
    number: u64,
    /// Whether the client has taken bytes since the last look.
    has_written: bool,
    /// The answers of which a part was handed out and the next not asked for, since when.
    waiting: HashMap<u64, Instant>,
}

impl Activity {
    /// The client has taken bytes.
    pub(crate) fn written(&self) {
        self.state().has_written = true;
    }

    /// A request begins; it ends when what is returned, or the body made of it, is dropped.
    pub(crate) fn request(&self) -> Open {
        let mut state = self.state();
        state.open += 1;
        state.number += 1;
        Open { activity: self.clone(), number: state.number }
    }

    /// Waits until nothing has been asked and nothing been taken for `limit`, to twice that.
    pub(crate) async fn idle(&self, limit: Duration) {
        loop {
            sleep(limit).await;
            let mut state = self.state();
            if !std::mem::take(&mut state.has_written) && state.open == 0 {
                return;
            }
        }
    }

    /// Waits until an answer has waited for its client for `limit`, or a little longer.
    pub(crate) async fn stalled(&self, limit: Duration) {
        loop {
            sleep(limit / LOOKS).await;
            if self.state().waiting.values().any(|since| since.elapsed() >= limit) {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is open.
#[derive(Debug)]
pub(crate) struct Open {
    activity: Activity,
    number: u64,
}

impl Open {
    /// The body of its answer.
    pub(crate) const fn body<B>(self, body: B) -> OpenBody<B> {
        OpenBody { body, rest: Bytes::new(), open: self }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.open = state.open.saturating_sub(1);
        state.waiting.remove(&self.number);
    }
}

/// The body of an answer that is not at its end.
#[derive(Debug)]
pub(crate) struct OpenBody<B> {
    body: B,
    /// What is left of a part that was too large.
    rest: Bytes,
    open: Open,
}

impl<B: Body<Data = Bytes> + Unpin> Body for OpenBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = if self.rest.is_empty() {
            Pin::new(&mut self.body).poll_frame(context)
        } else {
            Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))))
        };
        let polled = polled.map_ok(|frame| {
            frame.map_data(|mut data| {
                self.rest = data.split_off(data.len().min(PART));
                data
            })
        });
        // hyper asks for more once the client has granted a window for it.
        let mut state = self.open.activity.state();
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            state.waiting.insert(self.open.number, Instant::now());
        } else {
            state.waiting.remove(&self.open.number);
        }
        drop(state);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        match hint.exact() {
            Some(exact) => hint.set_exact(exact.saturating_add(rest)),
            None => hint.set_lower(hint.lower().saturating_add(rest)),
        }
        hint
    }
}
