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
pub struct Answers(mpsc::Receiver<Box<Answer>>);

/// Where an exchange puts it. Each answer is on the heap: a channel has places for 32 from the beginning, however few may
/// wait, and a stream that says nothing needs none.
#[derive(Debug, Clone)]
pub(crate) struct AnswerSender(mpsc::Sender<Box<Answer>>);

/// The client has gone.
#[derive(Debug)]
pub(crate) struct ClientGone;

/// A way for answers, of which so many may wait.
pub(crate) fn channel(waiting: usize) -> (AnswerSender, Answers) {
    let (sender, receiver) = mpsc::channel(waiting);
    (AnswerSender(sender), Answers(receiver))
}

impl AnswerSender {
    /// Waits until there is room. Cancel safe: the answer is put in whole or not at all.
    pub(crate) async fn send(&self, answer: Answer) -> Result<(), ClientGone> {
        self.0.send(Box::new(answer)).await.map_err(|_| ClientGone)
    }

    /// Resolves when nobody takes answers any more.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl Answers {
    /// The next answer; `None` when the exchange was given up.
    pub async fn next(&mut self) -> Option<Answer> {
        self.0.recv().await.map(|answer| *answer)
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        self.0.poll_recv(cx).map(|answer| answer.map(|answer| *answer))
    }
}
