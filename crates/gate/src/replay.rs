//! Sending the rest of a stream again, from the recording, to a client that lost its connection.
//!
//! What was revealed the first time is masked now, as it is in the recording.
//! Only [`Session::rest_of`] makes a [`Rest`], so what is sent again is of the caller's own session. A frame is opened
//! and checked like any reader's; one that the log has not brought into the recording yet is waited for.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vidimus_core::event::Status;

use crate::answers::Answer;
use crate::flight::{InFlight, Outcome};
use crate::released::Released;
use crate::session::Session;
use crate::trail::{Next, Place, StreamPosition, Trail};

/// How long a frame may take from the journal to the recording.
const INTEGRATION_LIMIT: Duration = Duration::from_secs(30);

/// How often a frame that is not there yet is looked for.
const INTEGRATION_INTERVAL: Duration = Duration::from_millis(50);

/// What a client has not got of a stream.
pub struct Rest {
    trail: Arc<Trail>,
    after: usize,
}

impl Rest {
    /// Whether it is of a stream of the target's own, which goes on.
    pub fn is_own(&self) -> bool {
        self.trail.is_own
    }
}

impl Session {
    /// What came after a message of this session; `None` for a message that was never sent, or too long ago.
    pub fn rest_of(&self, position: StreamPosition) -> Option<Rest> {
        let trail = self.context().trails().find(position)?;
        Some(Rest { trail, after: position.messages })
    }
}

impl InFlight {
    /// Sends the rest of a stream, what is still to come of it included, and ends with it.
    pub async fn replay(self: Box<Self>, rest: Rest) {
        let gone = self.abandonment();
        let status = tokio::select! {
            biased;
            () = gone => Status::Ok,
            status = self.replayed(&rest) => status,
        };
        self.finish(Outcome::silent(status), |_| Bytes::new()).await;
    }

    async fn replayed(&self, rest: &Rest) -> Status {
        self.opened().await;
        let mut messages = rest.after;
        while let Next::Message(position, place) = rest.trail.next(messages).await {
            if !self.send_again(position, place).await {
                return Status::Error;
            }
            messages = position.messages;
        }
        Status::Ok
    }

    /// Sends what is known of the rest of a stream before this one goes on.
    pub async fn catch_up(&self, rest: &Rest) {
        let mut messages = rest.after;
        while let Some(Next::Message(position, place)) = rest.trail.known(messages) {
            if !self.send_again(position, place).await {
                return;
            }
            messages = position.messages;
        }
    }

    async fn send_again(&self, position: StreamPosition, place: Place) -> bool {
        let Some(payload) = self.recorded(place).await else {
            tracing::error!(session = %self.session(), %position, "a recorded message cannot be read again");
            return false;
        };
        let released = Released { bytes: payload, position: Some(position) };
        self.answers().send(Answer::Chunk(released)).await.is_ok()
    }

    /// The payload of a frame, from the recording.
    async fn recorded(&self, place: Place) -> Option<Bytes> {
        let context = self.context();
        let [segment, offset, length] = place;
        let file = format!("{segment:08}.seg");
        let path = context.shared().recordings.join(context.id().to_string()).join(file);
        let length = usize::try_from(length).ok()?;
        let found = async {
            loop {
                let path = path.clone();
                let frame = tokio::task::spawn_blocking(move || read(path, offset, length)).await;
                if let Ok(Ok(frame)) = frame
                    && let Some(payload) = context.strand().reopen(frame, place)
                {
                    return Bytes::from(payload);
                }
                tokio::time::sleep(INTEGRATION_INTERVAL).await;
            }
        };
        tokio::time::timeout(INTEGRATION_LIMIT, found).await.ok()
    }
}

fn read(path: PathBuf, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; length];
    std::fs::File::open(path)?.read_exact_at(&mut frame, offset)?;
    Ok(frame)
}
