//! Base58check: 25 bytes as a number of base 58, of which the last four are the beginning of a double SHA-256.

use aws_lc_rs::digest::{SHA256, digest};

/// No `0`, `O`, `I` and `l`, which look like others.
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// A version, 20 bytes of a hash, four of a checksum.
const LENGTH: usize = 25;

/// Pay to public key hash, and to script hash, on Bitcoin's main network.
const VERSIONS: [u8; 2] = [0x00, 0x05];

pub(super) fn is_address(text: &[u8]) -> bool {
    let Some(bytes) = decode(text) else { return false };
    let (content, checksum) = bytes.split_at(LENGTH - 4);
    let once = digest(&SHA256, content);
    VERSIONS.contains(&bytes[0]) && digest(&SHA256, once.as_ref()).as_ref().starts_with(checksum)
}

/// The number that a text is, if it has exactly 25 bytes; each leading `1` is one byte of zero.
fn decode(text: &[u8]) -> Option<[u8; LENGTH]> {
    let mut number = [0_u8; LENGTH];
    for byte in text {
        let mut carry = u32::try_from(ALPHABET.iter().position(|known| known == byte)?).ok()?;
        for place in number.iter_mut().rev() {
            carry += u32::from(*place) * 58;
            let [low, ..] = carry.to_le_bytes();
            *place = low;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    let ones = text.iter().take_while(|byte| **byte == b'1').count();
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    (ones == zeros).then_some(number)
}
