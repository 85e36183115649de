//! The order of messages in a session, from its first `ReadyForQuery` on ("Message Flow"): both directions pass through.
//!
//! What a client sends is kept in a queue until the server has answered it, so each answer is of a known request, and an
//! answer to nothing is refused. After an error in the extended protocol the server drops everything up to the next `Sync`;
//! what of that has been sent is told as skipped, and what comes later need not be sent. Refused: COPY data without a
//! COPY, requests behind a `COPY FROM STDIN` that the client did not wait for, passwords, replication, anything after
//! `Terminate`, and more unanswered requests than [`MAX_PENDING`].

mod reply;

use std::collections::VecDeque;

use crate::backend::{BackendMessage, TransactionStatus};
use crate::error::{Peer, Problem, ProtocolError};
use crate::frontend::{FrontendMessage, Named};

use self::reply::Progress;

/// Requests that may be unanswered at once. Whoever reads from the client stops well before: see [`Order::pending`].
pub const MAX_PENDING: usize = 1 << 16;

/// Numbers between one request and the next, for those of the gateway's own.
const STEP: u64 = 8;

/// A session's place in the protocol.
#[derive(Debug)]
pub struct Order {
    /// What the server has not answered in full; the first is being answered.
    pending: VecDeque<Request>,
    /// How far the answer to the first has come.
    progress: Progress,
    next: u64,
    client: Client,
    status: TransactionStatus,
    /// `Sync`s sent ahead of a COPY that has failed since: the server may have read them before or after it failed.
    uncertain_syncs: usize,
}

/// What the client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// Make requests.
    Ready,
    /// Nothing that counts until `Sync`: a request of its batch has failed.
    Failed,
    /// Send COPY data.
    CopyIn,
    /// Send `Sync`, for its data has ended. What else it sent would count if the COPY fails and one of the `Sync`s that it
    /// sent ahead is read after that, and not count if it was read before: nobody can tell.
    CopyEnded,
    /// Send the rest of data that nobody wants, and make requests.
    LateCopy,
    /// Nothing.
    Gone,
}

/// A request, told apart from all others of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// `Query`.
    Query,
    /// `Parse`.
    Parse,
    /// `Bind`.
    Bind,
    /// `Describe` of a statement.
    DescribeStatement,
    /// `Describe` of a portal.
    DescribePortal,
    /// `Execute`.
    Execute,
    /// `Close`.
    Close,
    /// `Sync`.
    Sync,
    /// `FunctionCall`.
    FunctionCall,
}

/// Who made a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The client: it hears the answer.
    Client,
    /// The gateway, between the client's requests: the client does not hear of it.
    Gateway,
}

/// A message that the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// What it asks for.
    pub kind: RequestKind,
    /// Who made it.
    pub origin: Origin,
}

/// What becomes of a message from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is to be sent, and will be answered.
    Request(Request),
    /// It is to be sent, and has no answer of its own.
    Passed,
    /// The server would drop it: it need not be sent, is not answered, and has no effect.
    Dropped,
}

/// What a message from the server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: a notice, a setting, or a notification, which may come at any time.
    Unasked,
    /// A request.
    To {
        /// The request.
        request: Request,
        /// Whether this is the last of its answer.
        is_last: bool,
        /// Requests after it that the server has dropped because this one failed, in their order.
        skipped: Vec<Request>,
    },
    /// The server ends the connection.
    End,
}

impl Default for Order {
    fn default() -> Self {
        Self::new()
    }
}

impl Order {
    /// A session whose first `ReadyForQuery` has come.
    pub fn new() -> Self {
        Self {
            pending: VecDeque::new(),
            progress: Progress::Begun,
            next: STEP,
            client: Client::Ready,
            status: TransactionStatus::Idle,
            uncertain_syncs: 0,
        }
    }

    /// How many requests are not answered in full.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether the server still has to answer a request: not if it has, or if it has dropped it.
    pub fn is_pending(&self, id: RequestId) -> bool {
        self.pending.binary_search_by_key(&id, |request| request.id).is_ok()
    }

    /// The request that the server is answering, or answers next.
    pub fn current(&self) -> Option<Request> {
        self.pending.front().copied()
    }

    /// What the last `ReadyForQuery` said of the transaction.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.status
    }

    /// Whether the client is to send COPY data.
    pub fn is_copy_in(&self) -> bool {
        self.client == Client::CopyIn
    }

    /// Whether a request of the client's batch has failed, so that nothing counts until its `Sync`.
    pub fn is_failed(&self) -> bool {
        self.client == Client::Failed
    }

    /// Whether the client has said good-bye.
    pub fn is_terminated(&self) -> bool {
        self.client == Client::Gone
    }

    /// A message that is about to be sent to the server. An error is for the client, and nothing is sent.
    pub fn sends(&mut self, message: &FrontendMessage, origin: Origin) -> Result<Sent, ProtocolError> {
        let refused = |what| Err(out_of_order(Peer::Client, message.name(), what));
        if self.client == Client::Gone {
            return refused("the session has been terminated");
        }
        let kind = match message {
            FrontendMessage::Terminate => {
                self.client = Client::Gone;
                return Ok(Sent::Passed);
            }
            FrontendMessage::Password(_) => return refused("authentication is over"),
            FrontendMessage::Flush => {
                let counts = matches!(self.client, Client::Ready | Client::CopyEnded | Client::LateCopy);
                return Ok(if counts { Sent::Passed } else { Sent::Dropped });
            }
            FrontendMessage::CopyData(_) | FrontendMessage::CopyDone | FrontendMessage::CopyFail(_) => {
                return self.sends_copy(message);
            }
            // "The backend ignores Flush and Sync" while it reads COPY data ("COPY Operations").
            FrontendMessage::Sync if self.client == Client::CopyIn => return Ok(Sent::Dropped),
            FrontendMessage::Sync => RequestKind::Sync,
            FrontendMessage::Query(_) => RequestKind::Query,
            FrontendMessage::Parse(_) => RequestKind::Parse,
            FrontendMessage::Bind(_) => RequestKind::Bind,
            FrontendMessage::Describe(Named::Statement(_)) => RequestKind::DescribeStatement,
            FrontendMessage::Describe(Named::Portal(_)) => RequestKind::DescribePortal,
            FrontendMessage::Execute(_) => RequestKind::Execute,
            FrontendMessage::Close(_) => RequestKind::Close,
            FrontendMessage::FunctionCall(_) => RequestKind::FunctionCall,
        };
        match self.client {
            Client::CopyIn => return refused("COPY data was to be sent, or its end"),
            Client::CopyEnded if kind != RequestKind::Sync => return refused("Sync was to be sent after the COPY"),
            Client::Failed if kind != RequestKind::Sync => return Ok(Sent::Dropped),
            _ => {}
        }
        if self.pending.len() >= MAX_PENDING {
            let problem = Problem::TooMany { what: "requests without an answer", limit: MAX_PENDING };
            return Err(ProtocolError::new(Peer::Client, problem));
        }
        self.client = Client::Ready;
        let request = Request { id: RequestId(self.next), kind, origin };
        self.next += STEP;
        self.pending.push_back(request);
        Ok(Sent::Request(request))
    }

    /// Requests of the gateway's own that are sent before one that was told of and is not sent yet, in their order; fewer than
    /// eight. False, and nothing is to be sent, where the server will not answer that one.
    pub fn precede(&mut self, before: RequestId, kinds: &[RequestKind]) -> bool {
        let Ok(place) = self.pending.binary_search_by_key(&before, |request| request.id) else { return false };
        let ids = (before.0.saturating_sub(STEP)..before.0).skip(1);
        for (at, (kind, id)) in kinds.iter().zip(ids).enumerate() {
            let request = Request { id: RequestId(id), kind: *kind, origin: Origin::Gateway };
            self.pending.insert(place.saturating_add(at), request);
        }
        true
    }

    fn sends_copy(&mut self, message: &FrontendMessage) -> Result<Sent, ProtocolError> {
        let is_end = !matches!(message, FrontendMessage::CopyData(_));
        match self.client {
            Client::CopyIn => {
                if is_end {
                    let is_extended = self.current().is_some_and(|request| request.kind == RequestKind::Execute);
                    let is_uncertain = is_extended && self.uncertain_syncs > 0;
                    self.client = if is_uncertain { Client::CopyEnded } else { Client::Ready };
                    self.progress.client_is_done();
                }
                Ok(Sent::Passed)
            }
            Client::Failed => Ok(Sent::Dropped),
            Client::LateCopy => {
                if is_end {
                    self.client = Client::Ready;
                }
                Ok(Sent::Dropped)
            }
            Client::Ready | Client::CopyEnded | Client::Gone => {
                Err(out_of_order(Peer::Client, message.name(), "no COPY from the client is going on"))
            }
        }
    }

    /// A message that the server has sent. An error says that the server is not to be trusted with this session.
    pub fn receives(&mut self, message: &BackendMessage) -> Result<Answer, ProtocolError> {
        self.reply(message)
    }
}

fn out_of_order(peer: Peer, message: &'static str, what: &'static str) -> ProtocolError {
    ProtocolError::new(peer, Problem::Order { message, what })
}

#[cfg(test)]
mod tests;
