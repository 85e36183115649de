//! Commitments to payloads: `HMAC-SHA256(salt, len‖domain ‖ len‖field ‖ len‖bytes)`, 64-bit big-endian lengths.
//!
//! Whoever holds the salt can prove what the bytes were; who does not cannot guess them (design part 3, "Event"). The
//! lengths keep the three parts apart, so that no two inputs are one.

use aws_lc_rs::{digest, hmac};

use crate::codec::length;

/// The domain of commitments to payloads.
const DOMAIN: &[u8] = b"vidimus.payload/1";

/// Bytes of a salt.
pub const SALT_BYTES: usize = 32;

/// The HMAC-SHA256 commitment to `bytes` as `field`.
pub fn commitment(salt: &[u8; SALT_BYTES], field: &str, bytes: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
    let mut context = hmac::Context::with_key(&key);
    for part in [DOMAIN, field.as_bytes(), bytes] {
        context.update(&length(part.len()).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// SHA-256 over the commitments to all parts of a streamed result, in order: what its outcome commits to as `chunks`.
pub fn commitment_of_parts<'a>(commitments: impl IntoIterator<Item = &'a [u8; 32]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for commitment in commitments {
        context.update(commitment);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_is_what_openssl_says() {
        // printf '%016x' 17 | xxd -r -p, and so on, into: openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…07
        let expected = "c8e490078fe8cb17d9492329e673109b868b8e5e05eabc55532778e8b7e4e21b";
        let hex: Vec<String> =
            commitment(&[7; 32], "request", b"hello").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.concat(), expected);
    }

    #[test]
    fn field_and_bytes_are_kept_apart() {
        assert_ne!(commitment(&[7; 32], "ab", b"c"), commitment(&[7; 32], "a", b"bc"));
        assert_ne!(commitment(&[7; 32], "a", b"b"), commitment(&[8; 32], "a", b"b"));
    }
}
