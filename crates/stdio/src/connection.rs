//! One running server: its pipes, taken apart by a [`Switch`], and its end.
//!
//! A stream that is not read makes the server wait: it is one pipe, and nothing is buffered without bound, in messages
//! or in bytes. A server of which nobody wants anything for long enough is ended, whatever it says meanwhile. What cannot be
//! passed on for certain gets a remark in the program's log.

use bytes::Bytes;
use tokio::time::{Duration, timeout};
use vidimus_core::json::Limits;

use crate::child::{ChildError, Messages};
use crate::pool::Lease;
use crate::standard_error::{LogPiece, LogSink};
use crate::switch::{Delivered, Stream, Switch, Untaken};

/// How long who waits for a server that says no more waits for the rest of its log.
const LOG_GRACE: Duration = Duration::from_millis(250);

/// In so many parts of the idle time it is looked at whether the server is idle.
const IDLE_LOOKS: u32 = 4;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Child(#[from] ChildError),
    #[error(transparent)]
    Untaken(#[from] Untaken),
}

/// A running server. While it is held, the server is not idle.
#[derive(Debug)]
pub(crate) struct Connection {
    lease: Lease,
    switch: Switch,
}

impl Connection {
    /// Takes over a server that has just started, to end it when it is unused for `idle`. What is to be remarked of it
    /// goes to `log`. Must be called in a runtime.
    pub(crate) fn new(mut lease: Lease, limits: Limits, idle: Duration, log: LogSink) -> Self {
        let switch = Switch::new(limits);
        if let Some(messages) = lease.messages.take() {
            tokio::spawn(distribute(messages, switch.clone(), idle, (log, lease.child.log_end())));
        }
        Self { lease, switch }
    }

    /// Sends a message; what comes back, if it is a request. Cancel safe: it is sent whole or not at all.
    pub(crate) async fn send(&self, message: Bytes) -> Result<Option<Stream>, ConnectionError> {
        let stream = self.switch.expect(&message)?;
        self.lease.child.send(message).await?;
        Ok(stream)
    }

    /// Listens to what belongs to no request. `None` while somebody else does.
    pub(crate) fn listen(&self) -> Option<Stream> {
        self.switch.listen()
    }

    /// Whether the server has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.lease.child.has_ended().is_some()
    }
}

/// Takes what the server says to who waits for it, until it says no more, or nobody wants anything of it; then all
/// streams end, and so does the server, as nobody would read on. Why it ended stands in its log, so that is first taken
/// to its end.
async fn distribute(
    mut messages: Messages,
    switch: Switch,
    idle: Duration,
    (log, log_end): (LogSink, impl Future<Output = ()> + Send),
) {
    let mut told = false;
    loop {
        let held = match timeout(idle / IDLE_LOOKS, messages.next_held()).await {
            Ok(Some(held)) => Some(held),
            Ok(None) => break,
            Err(_) => None,
        };
        // Asked each time: one that talks on without end would never let the time run out.
        if switch.is_idle(idle) {
            break;
        }
        let Some(held) = held else { continue };
        match switch.deliver(held).await {
            Delivered::Yes => {}
            Delivered::NoMessage => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(
                        "a stdio server writes to its standard output what is no message; it is not passed on"
                    );
                }
            }
            Delivered::Remark(remark) => log.put(LogPiece::Remark(remark)).await,
        }
    }
    drop((messages, log));
    // A server may close its output and log on; then nobody waits for that.
    let _ = timeout(LOG_GRACE, log_end).await;
    switch.close();
}
