//! The PostgreSQL adapter: its clients ([`Adapter`]), and the frontend/backend protocol 3.0, read and kept in order without I/O.
//!
//! The stable part, for whoever drives a session with it:
//!
//! 1. [`startup::decode`] reads the first packet of a client; [`startup::Startup::refused_parameter`] holds it to a list.
//! 2. [`frontend::decode`] and [`backend::decode`] take messages off a buffer, each with its bytes ([`frame::Frame`]):
//!    what is forwarded unchanged are those. `encode` of each message makes what the gateway says itself;
//!    [`notice::Notice::error`] words it.
//! 3. For a message of the client: [`names::Names::check`] (unless [`order::Order::is_failed`]: then it is dropped anyway), the
//!    decision, [`order::Order::sends`], [`names::Names::sent`], the wire. What is refused is put in its place by
//!    [`frontend::FrontendMessage::failing`], so that the server gives up the batch and the transaction, and the error, to be
//!    replaced by the gateway's own, comes in its turn.
//! 4. For a message of the server: [`order::Order::receives`], which says what it answers, then [`names::Names::answered`].
//!    Before that, [`names::Names::answering_portal`] knows the columns of the rows of an `Execute`.
//!    [`backend::ParameterStatus::keeps_meaning`] says when statements are no longer what is read here.
//! 5. Rows: [`row::DataRow::cells`], and [`row::DataRow::rewritten`] with some of them replaced; [`value::to_text`] and
//!    [`value::from_text`] go from a cell to text and back.
//! 6. Authentication: [`upstream::Handshake`] is the gateway's side towards servers, from the first byte to the first
//!    `ReadyForQuery`.
//!
//! Every error has a kind, an SQLSTATE, and a text that the client may read.

mod adapter;
pub mod backend;
mod cancel;
pub mod error;
pub mod frame;
pub mod frontend;
mod login;
pub mod names;
pub mod notice;
pub mod order;
mod proxy;
mod read;
pub mod row;
mod say;
mod shared;
pub mod startup;
mod tell;
pub mod upstream;
pub mod value;
mod welcome;
mod write;

pub use adapter::Adapter;
pub use error::{Peer, Problem, ProtocolError};
pub use read::{Format, Text};
pub use shared::Target;
