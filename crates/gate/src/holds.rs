//! Calls, and grants, that wait until people approve them (design part 5, "Approvals").
//!
//! A call that policy lets pass only with approval is not refused and not sent: a request for approval is on record, bound
//! to exactly this call ([`digest`]), and whoever asks again gets the answer people have given. Approved, the call passes
//! once, if policy in force then asks for nothing more. The table holds what is not over yet; the log is the only source of
//! truth, and a restart reads the table from there. It is bounded, for all and for each principal.
//!
//! Steps are taken under one lock: the event is appended while it is held, so the log has the steps in the order in which
//! they counted, and of two at once one finds the other done. Refused: deciding on a version that is past, or on one's own
//! request; a second use.

mod digest;
mod table;

pub use table::RestoreError;

pub(crate) use digest::{Digest, Digests};
pub(crate) use table::{Holds, Places, Restored, Table, hex, restored, told_why};

#[cfg(test)]
mod tests;
