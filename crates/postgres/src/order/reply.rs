//! What the server may send next, by the request it is answering and how far that has come.

use crate::backend::{BackendMessage, TransactionStatus};
use crate::error::{Peer, ProtocolError};

use super::{Answer, Client, Order, Request, RequestKind, out_of_order};

/// How far the answer to the current request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing yet.
    Begun,
    /// Of a `Query`, a statement is done; the next one's answer follows, or `ReadyForQuery`.
    Between,
    /// The statement's parameters are told.
    Parameters,
    /// Rows follow.
    Rows,
    /// COPY data from the client follows, or has ended.
    CopyIn {
        /// The client has sent its end.
        is_done: bool,
    },
    /// COPY data from the server follows, or has ended.
    CopyOut {
        /// The server has sent its end.
        is_done: bool,
    },
    /// All but `ReadyForQuery`: it has failed, or a function has returned.
    Over,
}

/// What a message does to the current request.
enum Step {
    /// More follows.
    To(Progress),
    /// The request is answered.
    Last,
    /// The request is answered, and the server waits for the next batch.
    Ready(TransactionStatus),
    /// The request has failed, and the server drops what follows up to `Sync`.
    Fails,
}

impl Progress {
    pub(super) fn client_is_done(&mut self) {
        if let Self::CopyIn { is_done } = self {
            *is_done = true;
        }
    }
}

impl Order {
    pub(super) fn reply(&mut self, message: &BackendMessage) -> Result<Answer, ProtocolError> {
        use BackendMessage as M;
        match message {
            M::NoticeResponse(_) | M::ParameterStatus(_) | M::NotificationResponse(_) => return Ok(Answer::Unasked),
            M::ErrorResponse(error) if error.is_fatal() => {
                self.client = Client::Gone;
                return Ok(Answer::End);
            }
            // One `Sync` too many for us, if it came behind a COPY that failed: see `Order::uncertain_syncs`.
            M::ReadyForQuery(status) if self.uncertain_syncs > 0 && !self.is_ready_expected() => {
                self.uncertain_syncs -= 1;
                self.status = *status;
                if self.client == Client::Failed {
                    self.client = Client::LateCopy;
                }
                return Ok(Answer::Unasked);
            }
            _ => {}
        }
        let Some(request) = self.current() else { return Err(refused(message, "nothing was asked")) };
        match self.step(request, message)? {
            Step::To(progress) => {
                self.progress = progress;
                Ok(Answer::To { request, is_last: false, skipped: Vec::new() })
            }
            Step::Last => Ok(self.answered(request, Vec::new())),
            Step::Ready(status) => {
                self.status = status;
                Ok(self.answered(request, Vec::new()))
            }
            Step::Fails => {
                let skipped = self.fails();
                Ok(self.answered(request, skipped))
            }
        }
    }

    fn is_ready_expected(&self) -> bool {
        match self.current().map(|request| request.kind) {
            Some(RequestKind::Sync) => true,
            Some(RequestKind::Query) => matches!(self.progress, Progress::Between | Progress::Over),
            Some(RequestKind::FunctionCall) => self.progress == Progress::Over,
            _ => false,
        }
    }

    fn answered(&mut self, request: Request, skipped: Vec<Request>) -> Answer {
        self.pending.pop_front();
        self.progress = Progress::Begun;
        Answer::To { request, is_last: true, skipped }
    }

    /// Takes out what the server drops: all behind the current request up to the next `Sync`, or whatever comes before one.
    fn fails(&mut self) -> Vec<Request> {
        let sync = self.pending.iter().position(|request| request.kind == RequestKind::Sync);
        if sync.is_none() && self.client != Client::Gone {
            self.client = Client::Failed;
        }
        let end = sync.unwrap_or(self.pending.len());
        self.pending.drain(1..end).collect()
    }

    #[expect(clippy::match_same_arms, reason = "one arm for what each request is answered with")]
    fn step(&mut self, request: Request, message: &BackendMessage) -> Result<Step, ProtocolError> {
        use BackendMessage as M;
        use RequestKind as K;
        let next = match (request.kind, self.progress, message) {
            // Errors: of a batch, the rest of it is dropped; of `Query`, `FunctionCall` and `Sync` only `ReadyForQuery`
            // follows.
            (_, Progress::Over, M::ErrorResponse(_)) => None,
            (K::Query | K::FunctionCall | K::Sync, progress, M::ErrorResponse(_)) => {
                if matches!(progress, Progress::CopyIn { is_done: false }) && self.client == Client::CopyIn {
                    self.client = Client::LateCopy;
                }
                Some(Step::To(Progress::Over))
            }
            (_, _, M::ErrorResponse(_)) => Some(Step::Fails),

            (K::Parse, Progress::Begun, M::ParseComplete)
            | (K::Bind, Progress::Begun, M::BindComplete)
            | (K::Close, Progress::Begun, M::CloseComplete)
            | (K::DescribeStatement, Progress::Parameters, M::RowDescription(_) | M::NoData)
            | (K::DescribePortal, Progress::Begun, M::RowDescription(_) | M::NoData) => Some(Step::Last),
            (K::DescribeStatement, Progress::Begun, M::ParameterDescription(_)) => Some(Step::To(Progress::Parameters)),

            (K::Execute, Progress::Begun | Progress::Rows, M::DataRow(_)) => Some(Step::To(Progress::Rows)),
            (K::Execute, Progress::Begun | Progress::Rows, M::CommandComplete(_) | M::PortalSuspended)
            | (K::Execute, Progress::Begun, M::EmptyQueryResponse) => Some(Step::Last),

            (K::Query, Progress::Begun | Progress::Between, M::RowDescription(_)) => Some(Step::To(Progress::Rows)),
            (K::Query, Progress::Rows, M::DataRow(_)) => Some(Step::To(Progress::Rows)),
            (K::Query, Progress::Begun | Progress::Between | Progress::Rows, M::CommandComplete(_))
            | (K::Query, Progress::Begun, M::EmptyQueryResponse) => Some(Step::To(Progress::Between)),
            (K::Query, Progress::Between | Progress::Over, M::ReadyForQuery(status))
            | (K::Sync, Progress::Begun | Progress::Over, M::ReadyForQuery(status))
            | (K::FunctionCall, Progress::Over, M::ReadyForQuery(status)) => Some(Step::Ready(*status)),

            (K::Query | K::Execute, Progress::Begun | Progress::Between, M::CopyOutResponse(_)) => {
                Some(Step::To(Progress::CopyOut { is_done: false }))
            }
            (_, Progress::CopyOut { is_done: false }, M::CopyData(_)) => {
                Some(Step::To(Progress::CopyOut { is_done: false }))
            }
            (_, Progress::CopyOut { is_done: false }, M::CopyDone) => {
                Some(Step::To(Progress::CopyOut { is_done: true }))
            }
            (K::Query | K::Execute, Progress::Begun | Progress::Between, M::CopyInResponse(_)) => {
                self.begins_copy_in()?;
                Some(Step::To(Progress::CopyIn { is_done: false }))
            }
            (kind, Progress::CopyOut { is_done: true } | Progress::CopyIn { is_done: true }, M::CommandComplete(_)) => {
                if matches!(self.progress, Progress::CopyIn { .. }) {
                    self.uncertain_syncs = 0;
                    if self.client == Client::CopyEnded {
                        self.client = Client::Ready;
                    }
                }
                Some(if kind == K::Query { Step::To(Progress::Between) } else { Step::Last })
            }

            (K::FunctionCall, Progress::Begun, M::FunctionCallResponse(_)) => Some(Step::To(Progress::Over)),
            _ => None,
        };
        next.ok_or_else(|| refused(message, "the request it would answer has another answer"))
    }

    /// The server reads COPY data now: it has ignored, or will ignore, each `Sync` that is on its way.
    fn begins_copy_in(&mut self) -> Result<(), ProtocolError> {
        if self.pending.iter().skip(1).any(|request| request.kind != RequestKind::Sync) {
            let what = "it was sent behind a COPY from the client, and before that one's answer";
            return Err(out_of_order(Peer::Client, "request", what));
        }
        self.uncertain_syncs = self.pending.len() - 1;
        self.pending.truncate(1);
        if self.client != Client::Gone {
            self.client = Client::CopyIn;
        }
        Ok(())
    }
}

fn refused(message: &BackendMessage, what: &'static str) -> ProtocolError {
    out_of_order(Peer::Server, message.name(), what)
}
