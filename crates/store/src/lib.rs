//! The index of sessions and events: a projection of the evidence log in SQLite, for lists and look-ups.
//!
//! The log is the source of truth. What stands here can be deleted at any time and is made again by applying every
//! leaf from the first. [`Index`] is the one writer; each [`Reader`] has a connection of its own and never waits for
//! the writer (SQLite write-ahead log). No payload and no argument of an operation enters the index, unless full-text search
//! over masked payloads is asked for ([`Texts`]).
//! Design: `ARCHITECTURE.md`, "State".

mod approval_step;
mod approvals;
mod compare;
mod control;
mod custody;
mod error;
mod index;
mod leaf;
mod operations;
mod pins;
mod reader;
mod retention;
mod retention_log;
mod schema;
mod text;

pub use approval_step::{Ask, GrantAsk, Grantee, Issued, Quorum, Step};
pub use approvals::{Approval, ApprovalFilter, ApprovalLog, ApprovalState, Given, Stamp};
pub use compare::{Difference, differences};
pub use control::{ControlState, ControlStore};
pub use custody::{Custody, CustodyLog, Erasure, Outcome, Request};
pub use error::StoreError;
pub use index::Index;
pub use pins::{Pin, PinMove, StoredDefinition};
pub use reader::{MAX_ASKED, MAX_SESSIONS, PastOperation, Reader, SessionFilter, SessionRow};
pub use retention::{Before, Covered, Standing};
pub use retention_log::{InForce, RetentionLog};
pub use text::Texts;
