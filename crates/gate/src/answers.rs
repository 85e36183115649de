//! What an exchange gives its client, part by part. Dropping the receiver does not end the exchange.

use std::task::{Context, Poll};

use tokio::sync::mpsc;
use vidimus_core::event::Status;

use crate::released::Released;

/// What an exchange gives its client.
#[derive(Debug)]
pub enum Answer {
    /// The target has begun a stream; nothing has come on it yet.
    Opened,
    /// One part of a streamed result.
    Chunk(Released),
    /// The result, or the end of a streamed one.
    Last {
        /// How it ended.
        status: Status,
        /// The message.
        released: Released,
    },
    /// The record could not be written, so the result is not released.
    Unrecorded,
}

/// What an exchange gives its client, in order.
#[derive(Debug)]
pub struct Answers(pub(crate) mpsc::Receiver<Answer>);

impl Answers {
    /// The next answer; `None` when the exchange was given up.
    pub async fn next(&mut self) -> Option<Answer> {
        self.0.recv().await
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        self.0.poll_recv(cx)
    }
}
