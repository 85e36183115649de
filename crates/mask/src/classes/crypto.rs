//! Addresses of crypto-currencies that carry a checksum: Bitcoin and its kin, Ethereum.

mod base58;
mod bech32;
mod keccak;
#[cfg(test)]
mod tests;

use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[ClassSpec {
    name: "CRYPTO",
    about: "address of a crypto-currency (Bitcoin, Litecoin, Ethereum)",
    shapes: &[
        Shape::alone(r"[13][1-9A-HJ-NP-Za-km-z]{25,34}", 50),
        Shape::alone(r"(?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,71}", 50),
        Shape::alone(r"(?:BC|TB|LTC)1[02-9AC-HJ-NP-Z]{11,71}", 50),
        Shape::alone(r"0x[0-9A-Fa-f]{40}", 50),
    ],
    check: Some(check),
    checked_by: "base58check, bech32 and bech32m (BIP 173, BIP 350), mixed-case hash (EIP-55)",
    context: &["wallet", "btc", "bitcoin", "crypto", "eth", "ethereum", "litecoin", "ltc"],
    example: "0x52908400098527886E0F7030069857D2E4169EE7",
    ..ClassSpec::PERSONAL
}];

fn check(value: &[u8]) -> Verdict {
    let proven = match value {
        [b'0', b'x', address @ ..] => return ethereum(address),
        [b'1' | b'3', ..] => base58::is_address(value),
        _ => bech32::is_address(value),
    };
    if proven { Verdict::Valid } else { Verdict::Invalid }
}

/// EIP-55: a letter is a capital where the hash of the small letters has a digit of eight or more. Addresses all in one
/// case carry no checksum.
fn ethereum(address: &[u8]) -> Verdict {
    let small = address.iter().any(u8::is_ascii_lowercase);
    let large = address.iter().any(u8::is_ascii_uppercase);
    if !(small && large) {
        return Verdict::Unproven;
    }
    let mut lower = [0; keccak::MESSAGE];
    for (slot, byte) in lower.iter_mut().zip(address) {
        *slot = byte.to_ascii_lowercase();
    }
    let hash = keccak::hash_256(&lower);
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let fits = address
        .iter()
        .zip(digits)
        .all(|(byte, digit)| byte.is_ascii_digit() || byte.is_ascii_uppercase() == (digit >= 8));
    if fits { Verdict::Valid } else { Verdict::Invalid }
}
