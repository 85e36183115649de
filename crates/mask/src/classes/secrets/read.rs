//! Readers of secrets that a row of parts cannot say. Each is bounded or stops where the next of its kind would begin.

pub(super) mod before;
pub(super) mod curl;
pub(super) mod header;
pub(super) mod jwt;
pub(super) mod kubernetes;
pub(super) mod pem;
pub(super) mod url;
