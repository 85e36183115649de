//! The choke point: every operation of every protocol passes here, or it does not pass.
//!
//! An adapter submits an [`Operation`](vidimus_core::Operation); policy decides; the decision is on record before
//! the [`Wire`] can go to the target, and the result before a [`Released`] can go to the client. Only this crate
//! makes [`Admitted`], [`Wire`] and [`Released`], so another order is a compile error (`tests/compile_fail`).
//! Cancel safety: operations run in tasks of the gate; what an adapter drops is still recorded.

mod answers;
mod approval_feed;
mod approver;
mod ask;
mod authenticate;
mod body;
mod by_grant;
mod by_program;
mod by_proof;
mod capacity;
mod carried;
mod chains;
mod context;
mod credential;
mod custody;
mod evidence;
mod export;
mod flight;
mod gate;
mod granter;
mod grants;
mod guarding;
mod holds;
mod integrity;
mod key_service;
mod keyring;
mod keys;
mod lane;
mod limited;
mod limits;
mod lineage;
mod lines;
mod logged_custody;
mod logged_session;
mod masking;
mod metrics;
mod pins;
mod program_log;
mod projection;
mod questions;
mod rebuild;
mod recording;
mod recover;
mod refusals;
mod released;
mod replay;
mod retention;
mod rows;
mod seal;
mod session;
mod shared;
mod shares;
mod signal;
mod standing;
mod statements;
mod steps;
mod table;
mod tasks;
mod trail;
mod unauthenticated;
mod upkeep;
mod upstream;
mod view;

pub use answers::{Answer, Answers};
pub use approval_feed::{ApprovalFeed, Heard};
pub use approver::{Approver, ApproverError, Deed, Shown};
pub use ask::{Asked, Declined};
pub use authenticate::Caller;
pub use body::{Framing, ReleasedBody};
pub use by_proof::Challenge;
pub use capacity::{Level, Thresholds};
pub use context::TargetSpec;
pub use credential::TargetCredential;
pub use custody::{Custodian, CustodyError, Kept, NoPerson, Person};
pub use evidence::EvidenceError;
pub use export::{Export, Exported, Selection};
pub use flight::{Admitted, InFlight, Outcome, PartError};
pub use gate::{Gate, Options, StartError};
pub use granter::{GrantError, GrantRule, GrantRules, GrantWanted, Granter, Issue};
pub use holds::RestoreError;
pub use integrity::{Findings, IntegrityCheck};
pub use key_service::{Answer as KeyAnswer, KeyService, KeyServiceError, LocalKey};
pub use keyring::{KeyChange, Keyring, KeyringError, Keys};
pub use keys::{KEY_BYTES, KeyEncryptionKey, KeyError, Secret};
pub use lane::Lane;
pub use limits::{CallerLimits, LimitRule, Limited, Rate};
pub use lineage::{Age, Catalogue, Inferred, LookedUp, Messages, Traced, Tracer, Visible};
pub use lines::{
    ClientLine, ClientReader, ClientWriter, Handshake, LineError, LineTarget, Login, Next, Password, TargetLine,
    TargetReader, TargetWriter, Way, serve_lines,
};
pub use masking::{Masking, OutputSchema, Unmaskable};
pub use metrics::Metrics;
pub use pins::{PinError, Pins, SeenTool, Standing};
pub use rebuild::{OldIndex, Rebuild, Rebuilt};
pub use recording::{Checked, ErasedRecording, Frame, PayloadName, RecordingError, RecordingVerifier};
pub use released::{Notice, Released};
pub use replay::Rest;
pub use retention::{Expiry, MAX_DUE_NAMED, Rule, RuleStatus, Waiting};
pub use session::{Denied, Held, Leg, LegEnd, Pending, PolicyChanges, Refusal, Rejection, Session, Verdict};
pub use signal::Signal;
pub use statements::{Capped, Restate, Statements};
pub use table::{Cell, Column, ColumnKind, Line, Table, Value};
pub use tasks::{Room, Serving, Undecided};
pub use trail::StreamPosition;
pub use upstream::{Dial, SendError, Transport, TransportError, Upstream, Wire};
pub use view::{Recorded, ViewError, Viewed, Viewer};
