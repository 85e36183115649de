//! The body of an HTTP answer: made of what was released, and of nothing else.
//!
//! A stream that has nothing to say for a while says so, by what [`Framing::idle`] holds, so that nobody in between
//! takes the connection for dead, and a client that is gone is noticed.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use crate::answers::{Answer, Answers};
use crate::released::Released;
use crate::trail::StreamPosition;

/// How long a stream is silent before it says that it is still there (MCP clients and proxies give up after 30 to 60 s).
const IDLE_INTERVAL: Duration = Duration::from_secs(15);

/// The body of an HTTP answer: made of what was released, and of nothing else.
#[derive(Debug)]
pub struct ReleasedBody(pub(crate) Inner);

#[derive(Debug)]
pub(crate) enum Inner {
    Whole(Option<Bytes>),
    Stream(Box<Stream>),
    Lane(Box<LaneBody>),
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) first: Option<Released>,
    pub(crate) answers: Answers,
    framing: Framing,
    /// When the stream will have been silent for too long.
    silent: Pin<Box<Sleep>>,
}

/// The reading side of a stream that carries many answers, which are framed already.
#[derive(Debug)]
pub(crate) struct LaneBody {
    messages: mpsc::Receiver<Bytes>,
    framing: Framing,
    /// When the stream will have been silent for too long.
    silent: Pin<Box<Sleep>>,
}

/// What stands before and after each message of a stream. Static, so it carries nothing.
#[derive(Debug, Clone, Copy)]
pub struct Framing {
    /// Before the position of a message that has one; a line feed comes after it.
    pub id: &'static str,
    /// Before each message.
    pub before: &'static [u8],
    /// After each message.
    pub after: &'static [u8],
    /// In place of messages while there are none.
    pub idle: &'static [u8],
}

impl ReleasedBody {
    /// A body that is all here.
    pub fn whole(released: impl Into<Released>) -> Self {
        Self(Inner::Whole(Some(released.into().bytes)))
    }

    /// A body that grows with the answers of an operation: `first`, if it is there, then the rest, each framed.
    pub fn stream(first: Option<Released>, answers: Answers, framing: Framing) -> Self {
        let silent = Box::pin(tokio::time::sleep(IDLE_INTERVAL));
        Self(Inner::Stream(Box::new(Stream { first, answers, framing, silent })))
    }

    /// A body of whatever comes by this way.
    pub(crate) fn lane(messages: mpsc::Receiver<Bytes>, framing: Framing) -> Self {
        let silent = Box::pin(tokio::time::sleep(IDLE_INTERVAL));
        Self(Inner::Lane(Box::new(LaneBody { messages, framing, silent })))
    }
}

impl LaneBody {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Poll::Ready(message) = self.messages.poll_recv(context) else {
            return idle(&mut self.silent, self.framing, context);
        };
        self.silent.as_mut().reset(Instant::now() + IDLE_INTERVAL);
        Poll::Ready(message)
    }
}

/// What is said when there was nothing to say for too long.
fn idle(silent: &mut Pin<Box<Sleep>>, framing: Framing, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
    silent.as_mut().poll(context).map(|()| {
        silent.as_mut().reset(Instant::now() + IDLE_INTERVAL);
        Some(Bytes::from_static(framing.idle))
    })
}

impl Stream {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let answer = match self.first.take() {
                Some(first) => Some(Answer::Chunk(first)),
                None => match self.answers.poll_next(context) {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => return idle(&mut self.silent, self.framing, context),
                },
            };
            match answer {
                Some(Answer::Opened) => {}
                Some(Answer::Last { released, .. }) if released.is_empty() => return Poll::Ready(None),
                Some(Answer::Chunk(released) | Answer::Last { released, .. }) => {
                    self.silent.as_mut().reset(Instant::now() + IDLE_INTERVAL);
                    return Poll::Ready(Some(framed(&released.bytes, released.position, self.framing)));
                }
                // What cannot be recorded is not sent: the stream ends without its result.
                Some(Answer::Unrecorded) | None => return Poll::Ready(None),
            }
        }
    }
}

pub(crate) fn framed(message: &[u8], position: Option<StreamPosition>, framing: Framing) -> Bytes {
    let id = position.map(|position| format!("{}{position}\n", framing.id)).unwrap_or_default();
    let mut out = BytesMut::with_capacity(id.len() + framing.before.len() + message.len() + framing.after.len());
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(framing.before);
    out.extend_from_slice(message);
    out.extend_from_slice(framing.after);
    out.freeze()
}

impl Body for ReleasedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Inner::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
            }
            Inner::Stream(stream) => stream.poll_next(cx).map(|part| part.map(|part| Ok(Frame::data(part)))),
            Inner::Lane(lane) => lane.poll_next(cx).map(|part| part.map(|part| Ok(Frame::data(part)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Inner::Stream(_) | Inner::Lane(_) => SizeHint::default(),
        }
    }
}
