//! Segregated witness addresses: bech32 for version 0 (BIP 173), bech32m for the later ones (BIP 350).

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Characters of the checksum.
const CHECKSUM: usize = 6;

/// What the checksum of a valid address comes to.
const BECH32: u32 = 1;
const BECH32M: u32 = 0x2bc8_30a3;

pub(super) fn is_address(text: &[u8]) -> bool {
    let Some(separator) = text.iter().position(|byte| *byte == b'1') else { return false };
    let (prefix, data) = text.split_at(separator);
    let Some(data) = data.get(1..).filter(|data| data.len() > CHECKSUM) else { return false };
    let prefix = prefix.iter().map(u8::to_ascii_lowercase);
    let mut check = 1;
    for high in prefix.clone().map(|byte| byte >> 5).chain([0]).chain(prefix.map(|byte| byte & 31)) {
        check = step(check, high);
    }
    let mut version = None;
    for byte in data {
        let lower = byte.to_ascii_lowercase();
        let Some(value) = ALPHABET.iter().position(|known| *known == lower).and_then(|at| u8::try_from(at).ok()) else {
            return false;
        };
        version = version.or(Some(value));
        check = step(check, value);
    }
    check == if version == Some(0) { BECH32 } else { BECH32M }
}

/// One step of the checksum, a BCH code over GF(32).
fn step(check: u32, value: u8) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = check >> 25;
    let shifted = (check & 0x01ff_ffff) << 5 ^ u32::from(value);
    GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1).fold(shifted, |check, (_, term)| check ^ term)
}
