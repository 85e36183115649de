//! The evidence log: a write-ahead journal that acknowledges, and a Merkle log that proves.
//!
//! Events and payload frames are appended to one journal and made durable by shared `fdatasync`s. In the background
//! leaves move to C2SP tlog-tiles (RFC 6962 hashing), payload frames to recordings, and a checkpoint (C2SP
//! tlog-checkpoint, signed-note, Ed25519) is signed about once a second over what is durable.
//!
//! Refused: a second process in the same directory, damage that recovery cannot explain by a crash, and anything at
//! all after a failed write or sync. Nothing here knows of a runtime: [`Durable`] is a plain `Future`.

pub mod archive;
mod canonical;
mod checkpoints;
mod codec;
mod commitment;
mod completeness;
pub mod cosignature;
mod destroy;
mod dir_lock;
mod edge;
pub mod error;
mod files;
mod frame;
mod integrate;
mod intents;
mod journal;
mod journal_key;
pub mod keylist;
mod leaf;
mod log;
pub mod note;
pub mod policy;
pub mod proof;
pub mod proof_report;
mod recordings;
mod recover;
mod segment;
mod snapshot;
mod state;
pub mod storage;
mod sync;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tile;
pub mod tree;
pub mod trust;
pub mod verify;
pub mod witness;
mod witnessing;
pub mod zip;

pub use commitment::{SALT_BYTES, commitment, commitment_of_parts};
pub use cosignature::{Cosignature, Cosigner, WitnessKey};
pub use destroy::DestroyError;
pub use error::{AppendError, Damage, OpenError, ReadError};
pub use files::LogFile;
pub use frame::{Entry, MAX_FRAME_BYTES, MAX_LEAF_BYTES};
pub use integrate::Observer;
pub use journal_key::JournalKey;
pub use keylist::KeyList;
pub use log::{Appended, AtRest, Health, Log, MIN_SEGMENT_BYTES, Options, Status};
pub use note::{Checkpoint, Signer, VerifierKey};
pub use policy::{WitnessPolicy, Witnessed};
pub use proof::InclusionProof;
pub use recover::Recovered;
pub use snapshot::Snapshot;
pub use storage::{FileSystem, Storage};
pub use sync::{Durable, Position};
pub use tree::Hash;
pub use trust::{SeenBy, Trust};
pub use witnessing::Witnessing;

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
