//! Small helpers shared by the crate: lengths as `u64`, base64, decimals, and locks that outlive a panicking holder.
//!
//! Refused: base64 that is not padded or not canonical (RFC 4648 §3.5), and decimals with signs or leading zeros, so
//! that every value has one text.

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A length in memory as the integer that formats use. Saturates, which no length in memory reaches.
pub(crate) fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Standard base64 with padding (RFC 4648 §4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of canonical, padded standard base64.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A decimal number without sign or leading zeros, as C2SP formats write them.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Locks, also when another thread panicked while it held the lock: a background thread that panics fails the log
/// on its way out, so what the lock guards is never trusted blindly.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number of things: `1 session`, `2 sessions`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Text that cannot act on a terminal: all but printable ASCII and letters is escaped.
pub(crate) fn printable(text: &str) -> String {
    let is_plain = |character: char| matches!(character, ' '..='~') || character.is_alphanumeric();
    text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        if is_plain(character) || character == '…' {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
        shown
    })
}
