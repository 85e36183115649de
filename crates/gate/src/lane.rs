//! One stream on which the answers to many requests go to a client (MCP 2024-11-05, "Transports: HTTP with SSE").
//!
//! It is made of bodies that were released, each message framed, in the order in which they come. The only thing before
//! them is where the client is to send its messages: an address of the gateway's own and an id that is made here of random
//! bits. At most [`WAITING`] messages wait for a client that does not read; past them whoever has more to say waits.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vidimus_core::event::Status;

use crate::answers::Answer;
use crate::body::{Framing, Inner, ReleasedBody, framed};
use crate::released::Released;

/// Messages that wait for a client that does not read.
pub(crate) const WAITING: usize = 4;

/// Bytes of randomness in an id.
const ID_BYTES: usize = 32;

/// The writing side of such a stream. Dropping it ends the stream.
#[derive(Debug)]
pub struct Lane {
    id: String,
    framing: Framing,
    /// Gone when the stream has ended.
    sender: Mutex<Option<mpsc::Sender<Bytes>>>,
    end: CancellationToken,
}

impl Lane {
    /// A stream that begins with `address` and the id that is made for it, after `before`: where the client is to send its
    /// messages. None when there is no randomness.
    pub fn open(address: &str, before: &'static [u8], framing: Framing) -> Option<(Self, ReleasedBody)> {
        let mut bytes = [0; ID_BYTES];
        rand::fill(&mut bytes).ok()?;
        let id = URL_SAFE_NO_PAD.encode(bytes);
        let greeting = [before, address.as_bytes(), id.as_bytes(), framing.after].concat();
        let (sender, receiver) = mpsc::channel(WAITING);
        sender.try_send(greeting.into()).ok()?;
        let body = ReleasedBody::lane(receiver, framing);
        Some((Self { id, framing, sender: Mutex::new(Some(sender)), end: CancellationToken::new() }, body))
    }

    /// The id in its address.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Puts a body on the stream, message by message, as fast as the client reads; how the answer ended. None when it was
    /// cut off, or nobody reads any more: what is left of it then goes to nobody, as with any client that has gone.
    pub async fn carry(&self, body: ReleasedBody) -> Option<Status> {
        tokio::select! {
            biased;
            () = self.ended() => None,
            status = self.carried(body) => status,
        }
    }

    async fn carried(&self, body: ReleasedBody) -> Option<Status> {
        let (first, mut answers) = match body.0 {
            Inner::Whole(bytes) => {
                self.put(&Released::new(bytes.unwrap_or_default())).await?;
                return Some(Status::Ok);
            }
            Inner::Stream(stream) => (stream.first, stream.answers),
            // No answer is one.
            Inner::Lane(_) => return None,
        };
        if let Some(first) = first {
            self.put(&first).await?;
        }
        loop {
            match answers.next().await? {
                Answer::Opened => {}
                Answer::Chunk(released) => self.put(&released).await?,
                Answer::Last { status, released } => {
                    self.put(&released).await?;
                    return Some(status);
                }
                Answer::Unrecorded => return None,
            }
        }
    }

    /// One message, without its position: nothing of such a stream can be gone on with.
    async fn put(&self, released: &Released) -> Option<()> {
        if released.is_empty() {
            return Some(());
        }
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        sender.send(framed(released.as_bytes(), None, self.framing)).await.ok()
    }

    /// Ends the stream after the messages that are on it.
    pub fn end(&self) {
        self.end.cancel();
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Resolves when the stream has ended, or its client has gone. Cancel safe.
    pub async fn ended(&self) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(sender) = sender else { return };
        tokio::select! {
            () = sender.closed() => {}
            () = self.end.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::released::Notice;

    const FRAMING: Framing = Framing { id: "id: ", before: b"data: ", after: b"\n\n", idle: b":\n\n" };

    async fn next(body: &mut ReleasedBody) -> Option<Bytes> {
        body.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn a_stream_begins_with_an_address_nobody_can_guess_and_ends_after_what_is_on_it() {
        let (lane, mut body) = Lane::open("/sse/crm?session=", b"event: endpoint\ndata: ", FRAMING).unwrap();
        let (other, _) = Lane::open("/sse/crm?session=", b"", FRAMING).unwrap();
        assert!(lane.id().len() >= 43 && lane.id() != other.id(), "{} {}", lane.id(), other.id());
        let greeting = format!("event: endpoint\ndata: /sse/crm?session={}\n\n", lane.id());
        assert_eq!(next(&mut body).await.unwrap(), greeting);
        assert_eq!(lane.carry(ReleasedBody::whole(Notice::NotFound)).await, Some(Status::Ok));
        assert_eq!(lane.carry(ReleasedBody::whole(Notice::Empty)).await, Some(Status::Ok), "nothing is no message");
        lane.end();
        assert_eq!(next(&mut body).await.unwrap(), format!("data: {}\n\n", Notice::NotFound.text()));
        assert_eq!(next(&mut body).await, None);
        assert_eq!(lane.carry(ReleasedBody::whole(Notice::NotFound)).await, None);
    }

    #[tokio::test]
    async fn what_a_client_does_not_read_waits_and_its_going_is_noticed() {
        let (lane, body) = Lane::open("/", b"", FRAMING).unwrap();
        // The address takes one place.
        for _ in 1..WAITING {
            assert_eq!(lane.carry(ReleasedBody::whole(Notice::NotFound)).await, Some(Status::Ok));
        }
        let waits = lane.carry(ReleasedBody::whole(Notice::NotFound));
        let waits = tokio::time::timeout(std::time::Duration::from_millis(50), waits);
        assert!(waits.await.is_err(), "there is no room for it");
        drop(body);
        lane.ended().await;
        assert_eq!(lane.carry(ReleasedBody::whole(Notice::NotFound)).await, None);
    }
}
