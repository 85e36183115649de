//! The body of an HTTP answer: made of what was released, and of nothing else.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use crate::answers::{Answer, Answers};
use crate::released::Released;

/// The body of an HTTP answer: made of what was released, and of nothing else.
#[derive(Debug)]
pub struct ReleasedBody(Inner);

#[derive(Debug)]
enum Inner {
    Whole(Option<Bytes>),
    Stream { first: Option<Released>, answers: Answers, framing: Framing },
}

/// What stands before and after each message of a stream. Static, so it carries nothing.
#[derive(Debug, Clone, Copy)]
pub struct Framing {
    /// Before each message.
    pub before: &'static [u8],
    /// After each message.
    pub after: &'static [u8],
}

impl ReleasedBody {
    /// A body that is all here.
    pub fn whole(released: impl Into<Released>) -> Self {
        Self(Inner::Whole(Some(released.into().0)))
    }

    /// A body that grows with the answers of an operation: `first`, then the rest, each framed.
    pub const fn stream(first: Released, answers: Answers, framing: Framing) -> Self {
        Self(Inner::Stream { first: Some(first), answers, framing })
    }
}

fn framed(released: &Released, framing: Framing) -> Bytes {
    let mut out = BytesMut::with_capacity(framing.before.len() + released.len() + framing.after.len());
    out.extend_from_slice(framing.before);
    out.extend_from_slice(&released.0);
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
            Inner::Stream { first, answers, framing } => {
                if let Some(first) = first.take() {
                    return Poll::Ready(Some(Ok(Frame::data(framed(&first, *framing)))));
                }
                answers.poll_next(cx).map(|answer| match answer? {
                    Answer::Chunk(released) | Answer::Last { released, .. } => {
                        Some(Ok(Frame::data(framed(&released, *framing))))
                    }
                    // What cannot be recorded is not sent: the stream ends without its result.
                    Answer::Unrecorded => None,
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Inner::Stream { .. } => SizeHint::default(),
        }
    }
}
