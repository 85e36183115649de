//! The key of the journal's frames: a frame with its MAC was written by whoever has the key (HMAC-SHA-256, RFC 2104, cut
//! to 128 bits).
//!
//! A checksum anybody can compute; what lies in the journal at a start is signed into the log, so it must not be believed
//! from whoever can write to the directory. Refused by it: a frame made, changed, or moved to another place by others.
//! Not told by it: a frame that this gateway wrote, that a crash then lost, and that somebody put back.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};

/// Bytes of a MAC.
pub(crate) const MAC_BYTES: usize = 16;

/// The secret key of the journal's frames.
#[derive(Clone)]
pub struct JournalKey(hmac::Key);

impl JournalKey {
    /// From 32 secret bytes that are used for nothing else, and that stay the same as long as the log.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A MAC to be made over what is given piece by piece.
    pub(crate) fn begin(&self) -> Mac {
        Mac(hmac::Context::with_key(&self.0))
    }
}

impl fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalKey(…)")
    }
}

/// A MAC in the making.
pub(crate) struct Mac(hmac::Context);

impl Mac {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; MAC_BYTES] {
        let tag = self.0.sign();
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }

    pub(crate) fn is(self, mac: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.finish(), mac).is_ok()
    }
}
