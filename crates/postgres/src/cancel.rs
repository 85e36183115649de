//! Requests to cancel: a client shows the key that the gateway has given it, and the server is shown its own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use vidimus_core::event::Status;
use vidimus_core::{Action, Operation, Protocol};
use vidimus_gate::{Dial, LineError, LineTarget, Outcome, Session, Verdict};

use crate::backend::KeyData;
use crate::say;

/// The sessions whose statements may be cancelled, by the keys of their clients. The keys are 64 random bits.
#[derive(Default)]
pub(crate) struct Cancels(Mutex<HashMap<(u32, u32), Cancel>>);

/// What it takes to cancel the statement of a session.
#[derive(Clone)]
struct Cancel {
    session: Session,
    way: LineTarget,
    process: u32,
    key: u32,
}

/// A key in force, until it is dropped.
pub(crate) struct Key<'a> {
    cancels: &'a Cancels,
    own: Cancel,
    pub(crate) process: u32,
    pub(crate) secret: u32,
}

impl Cancels {
    /// Gives a client a key. None where the server has none of 32 bits.
    pub(crate) fn give(&self, session: &Session, way: &LineTarget, own: Option<&KeyData>) -> Option<Key<'_>> {
        let own = own?;
        let key = u32::from_be_bytes(*own.key.first_chunk::<4>().filter(|_| own.key.len() == 4)?);
        let cancel = Cancel { session: session.clone(), way: way.clone(), process: own.process, key };
        let random = uuid::Uuid::new_v4().as_u64_pair();
        let given = (u32::try_from(random.0 >> 32).ok()?, u32::try_from(random.1 & 0xFFFF_FFFF).ok()?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(given, cancel.clone());
        Some(Key { cancels: self, own: cancel, process: given.0, secret: given.1 })
    }

    /// Cancels what the session runs that this key is of. Nobody is told whether there is one.
    pub(crate) async fn cancel(&self, shown: &KeyData) {
        let Some(key) = shown.key.first_chunk::<4>().filter(|_| shown.key.len() == 4) else { return };
        let given = (shown.process, u32::from_be_bytes(*key));
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&given).cloned();
        let Some(cancel) = found else { return };
        let operation = Operation {
            protocol: Protocol::Postgres,
            action: Action::Method("cancel".into()),
            method: None,
            wire: bytes::Bytes::new(),
            record: None,
            members: vidimus_core::Members::NONE,
            arguments: None,
            sql: None,
            annotations: None,
            address: None,
            trace: None,
        };
        let Verdict::Admitted(admitted) = cancel.session.submit(operation).await else { return };
        let leave = cancel.session.dial();
        let _ = admitted.run(move |_, flight| async move {
            let sent = cancel.send(&leave).await;
            if let Err(error) = &sent {
                tracing::warn!(%error, "a statement could not be cancelled");
            }
            let status = if sent.is_ok() { Status::Ok } else { Status::Upstream };
            flight.finish(Outcome::silent(status), |_| bytes::Bytes::new()).await;
        });
    }
}

impl Key<'_> {
    /// Cancels what the session runs, for the gateway.
    pub(crate) async fn cancel(&self) {
        if let Err(error) = self.own.send(&self.own.session.dial()).await {
            tracing::warn!(%error, "what a session runs could not be cancelled");
        }
    }
}

impl Cancel {
    async fn send(&self, leave: &Dial) -> Result<(), LineError> {
        let mut line = self.way.dial(leave).await?;
        if self.way.is_secure() {
            line.say(&say::ssl_request()).await?;
            line.receive().await?;
            if line.received().split().as_ref() != b"S" {
                return Err(LineError::Refused("it does not speak TLS".to_owned()));
            }
            line = line.connect_tls().await?;
        }
        line.say(&say::cancel(self.process, self.key)).await
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        self.cancels.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(self.process, self.secret));
    }
}
