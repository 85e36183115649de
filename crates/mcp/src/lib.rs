//! The MCP adapter: strict envelopes, Streamable HTTP and HTTP with SSE on both sides (MCP 2024-11-05 to 2025-11-25).
//!
//! `envelope` reads messages, `headers`, `initialize`, `lists`, `sse` and `reply` are the rest of the codec, without
//! I/O. `adapter` answers clients (`answer` words what it says), `exchange` talks to targets, `definitions` knows their tools, `sessions` binds
//! session ids to principals. `federation` is what messages say at the endpoint for all targets. No policy, no storage: every message goes through `vidimus-gate`.

mod adapter;
mod answer;
mod asks;
mod call;
mod changed;
mod cursors;
mod definitions;
pub mod envelope;
mod event_server;
mod exchange;
mod federation;
pub mod headers;
pub mod initialize;
mod listen;
pub mod lists;
mod located;
mod members;
pub mod modern;
mod offline;
mod outcomes;
mod pinned;
mod pins;
mod protected;
pub mod reply;
mod server;
mod sessions;
mod signs;
pub mod sse;
mod target;
mod tell;
mod tools;
mod topics;
mod waiting;

pub use adapter::Adapter;
pub use event_server::EventServer;
pub use protected::{ProtectedResources, WELL_KNOWN};
pub use server::Server;
pub use target::{Limits, Pinning, Target};
pub use tools::{DefinitionsError, Tools};
