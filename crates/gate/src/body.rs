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
use tokio::time::{Instant, Sleep};

use crate::answers::{Answer, Answers};
use crate::released::Released;

/// How long a stream is silent before it says that it is still there (MCP clients and proxies give up after 30 to 60 s).
const IDLE_INTERVAL: Duration = Duration::from_secs(15);

/// The body of an HTTP answer: made of what was released, and of nothing else.
#[derive(Debug)]
pub struct ReleasedBody(Inner);

#[derive(Debug)]
enum Inner {
    Whole(Option<Bytes>),
    Stream(Box<Stream>),
}

#[derive(Debug)]
struct Stream {
    first: Option<Released>,
    answers: Answers,
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
}

impl Stream {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let answer = match self.first.take() {
                Some(first) => Some(Answer::Chunk(first)),
                None => match self.answers.poll_next(context) {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => {
                        return self.silent.as_mut().poll(context).map(|()| {
                            self.silent.as_mut().reset(Instant::now() + IDLE_INTERVAL);
                            Some(Bytes::from_static(self.framing.idle))
                        });
                    }
                },
            };
            match answer {
                Some(Answer::Opened) => {}
                Some(Answer::Last { released, .. }) if released.is_empty() => return Poll::Ready(None),
                Some(Answer::Chunk(released) | Answer::Last { released, .. }) => {
                    self.silent.as_mut().reset(Instant::now() + IDLE_INTERVAL);
                    return Poll::Ready(Some(framed(&released, self.framing)));
                }
                // What cannot be recorded is not sent: the stream ends without its result.
                Some(Answer::Unrecorded) | None => return Poll::Ready(None),
            }
        }
    }
}

fn framed(released: &Released, framing: Framing) -> Bytes {
    let id = released.position.map(|position| format!("{}{position}\n", framing.id)).unwrap_or_default();
    let mut out = BytesMut::with_capacity(id.len() + framing.before.len() + released.len() + framing.after.len());
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(framing.before);
    out.extend_from_slice(&released.bytes);
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
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Inner::Stream(_) => SizeHint::default(),
        }
    }
}
