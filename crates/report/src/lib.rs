//! What goes out of the gateway as a file of its own: archives of sessions (`vidimus.archive/1`).
//!
//! Decides nothing and opens nothing: whoever calls has decided which sessions and payloads may go, and has put that on
//! record. Format and check are `vidimus_log::archive`; here is what goes in, and in which order.

mod archive;

pub use archive::{ReportError, Session, write_archive};
