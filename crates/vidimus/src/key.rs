//! The key-encryption key: 256 bits that wrap every other key the gateway keeps.
//!
//! Accepts 32 raw bytes (files only), 64 hexadecimal digits or base64. Refuses a file that others than its owner may
//! read, a key inside `data_dir` (whoever copies the data would have the key), and what is evidently not random.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use vidimus_gate::{LocalKey, Secret};
use zeroize::Zeroizing;

use crate::secret::{SecretError, SecretRef, Source};

/// Bytes of the key.
pub(crate) const KEY_BYTES: usize = 32;
/// Hexadecimal digits of the key.
const HEX_DIGITS: usize = 2 * KEY_BYTES;

const REMEDY: &str = "make one with `(umask 077; head -c 32 /dev/urandom > FILE)`";

/// Why there is no key-encryption key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The reference leads nowhere.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Others than the owner may read the file.
    #[error("{0} may be read by others than its owner (mode {1:04o}); run `chmod 600` on it")]
    Mode(String, u32),
    /// The key is among the data it protects.
    #[error("{0} is inside data_dir: whoever copies the data would have the key; keep it elsewhere")]
    InDataDir(String),
    /// Not 32 bytes in any accepted form.
    #[error("{0} holds no key: it must be 32 bytes, raw (file only), in hexadecimal or in base64; {REMEDY}")]
    Form(String),
    /// 32 bytes, but not random ones.
    #[error("the key in {0} is text or one byte repeated, not random; {REMEDY}")]
    Weak(String),
}

/// The key-encryption key of a reference, as the service that opens the keyring.
pub(crate) fn service(reference: &SecretRef, data_dir: &Path) -> anyhow::Result<LocalKey> {
    Ok(LocalKey::new(&Secret::new(*load(reference, data_dir)?))?)
}

/// Reads the key-encryption key.
pub(crate) fn load(reference: &SecretRef, data_dir: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
    let name = reference.source.to_string();
    let raw_allowed = match &reference.source {
        Source::Env(_) => false,
        Source::File(path) => {
            check_file(path, data_dir, &name)?;
            true
        }
    };
    let secret = reference.source.read()?;
    let key = decode(secret.expose(), raw_allowed).ok_or_else(|| KeyError::Form(name.clone()))?;
    let one_byte = key.windows(2).all(|pair| pair.first() == pair.last());
    if one_byte || key.iter().all(u8::is_ascii_graphic) { Err(KeyError::Weak(name)) } else { Ok(key) }
}

fn check_file(path: &Path, data_dir: &Path, name: &str) -> Result<(), KeyError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let mode = File::open(path).and_then(|file| file.metadata()).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Mode(name.to_owned(), mode));
    }
    // Links resolved on both sides; a data_dir that does not exist yet contains nothing.
    let real = path.canonicalize().map_err(unreadable)?;
    if data_dir.canonicalize().is_ok_and(|data_dir| real.starts_with(data_dir)) {
        return Err(KeyError::InDataDir(name.to_owned()));
    }
    Ok(())
}

fn decode(value: &[u8], raw_allowed: bool) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    if value.len() == KEY_BYTES {
        return value.try_into().ok().filter(|_| raw_allowed).map(Zeroizing::new);
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let text = value.trim_ascii();
    if text.len() == HEX_DIGITS {
        for (byte, digits) in key.iter_mut().zip(text.chunks(2)) {
            *byte = u8::from_str_radix(str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?, 16).ok()?;
        }
        return Some(key);
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = [base64::alphabet::STANDARD, base64::alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok().map(Zeroizing::new))?;
    key.copy_from_slice(decoded.get(..KEY_BYTES).filter(|_| decoded.len() == KEY_BYTES)?);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> [u8; KEY_BYTES] {
        std::array::from_fn(|place| u8::try_from((place * 7 + 250) & 0xFF).unwrap())
    }

    fn load_from(content: &[u8], mode: u32) -> Result<[u8; KEY_BYTES], KeyError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kek");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let reference = SecretRef { source: Source::File(path), format: None };
        load(&reference, &directory.path().join("data")).map(|key| *key)
    }

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    #[test]
    fn raw_hexadecimal_and_base64_are_one_key() {
        let standard = base64::engine::general_purpose::STANDARD.encode(key());
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key());
        assert_ne!(standard.trim_end_matches('='), url, "the sample uses characters that differ");
        let texts = [hex(&key()), hex(&key()).to_uppercase(), format!("{}\n", hex(&key())), standard, url];
        for text in texts {
            assert_eq!(load_from(text.as_bytes(), 0o600).unwrap(), key(), "{text}");
        }
        assert_eq!(load_from(&key(), 0o400).unwrap(), key());
    }

    #[test]
    fn a_raw_key_may_end_in_a_line_break() {
        let mut bytes = key();
        bytes[KEY_BYTES - 2..].copy_from_slice(b"\r\n");
        assert_eq!(load_from(&bytes, 0o600).unwrap(), bytes);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o660, 0o644] {
            let error = load_from(&key(), mode).unwrap_err();
            assert!(matches!(error, KeyError::Mode(_, shown) if shown == mode));
        }
    }

    #[test]
    fn what_is_no_random_key_is_refused() {
        let short = hex(&key()).split_off(2);
        for text in ["", "x", "correct horse battery staple", &short, &"+f".repeat(32), &"g0".repeat(32)] {
            let error = load_from(text.as_bytes(), 0o600).unwrap_err();
            assert!(matches!(error, KeyError::Form(_) | KeyError::Secret(_)), "{text}: {error}");
        }
        for weak in [&[0; 32][..], b"0123456789abcdef0123456789abcdef", "00".repeat(32).as_bytes()] {
            assert!(matches!(load_from(weak, 0o600), Err(KeyError::Weak(_))));
        }
    }

    #[test]
    fn a_key_among_the_data_is_refused_through_links_too() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let inside = data.join("kek");
        std::fs::write(&inside, key()).unwrap();
        std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o600)).unwrap();
        let link = directory.path().join("kek");
        std::os::unix::fs::symlink(&inside, &link).unwrap();
        for path in [inside, link] {
            let reference = SecretRef { source: Source::File(path), format: None };
            assert!(matches!(load(&reference, &data), Err(KeyError::InDataDir(_))));
        }
    }
}
