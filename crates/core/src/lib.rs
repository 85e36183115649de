//! The words every other crate shares: ids, principals, targets, operations, events, strict JSON, error kinds, clock.
//!
//! Nothing here does I/O or knows of a runtime. Design: `ARCHITECTURE.md`, "floor 0".

pub mod canonical;
pub mod clock;
pub mod error;
pub mod event;
pub mod facts;
pub mod hidden;
pub mod id;
pub mod json;
pub mod operation;
pub mod principal;
pub mod sql;
pub mod target;
pub mod tool;

pub use clock::{Clock, Discipline, Step, SystemClock, Timestamp};
pub use error::ErrorKind;
pub use event::Event;
pub use facts::{Fact, FactSet, Facts, PathFacts, ShellFacts, SizeFacts, SqlFacts, UrlFacts};
pub use id::{ApprovalId, EventId, SessionId};
pub use operation::{Action, Effect, Members, Operation, Protocol, Rewriting};
pub use principal::{Actor, Principal, PrincipalKind};
pub use sql::{SqlKind, SqlKinds, StatementChanges};
pub use target::{CredentialKind, Durability, Record, TargetName};
pub use tool::{Fingerprint, ToolAnnotations, ToolDefinition};
