//! C2SP tlog-cosignature: a witness states that it saw a log grow up to a checkpoint, and when.
//!
//! Ed25519 `cosignature/v1` (signature type 0x04): the signature covers a line of its own, the time and the whole text of
//! the checkpoint. A witness's key is a type of its own, so that it never signs a log's checkpoints, nor a log's key
//! cosignatures. Refused: times past 2^63 - 1 seconds, and a wrong signature under a known key's name and id.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use crate::note::{Note, NoteError, SignatureLine, decoded_key, encoded_key, key_id, signature_line, verifies};

/// The signature type byte of Ed25519 cosignatures (tlog-cosignature, "Format").
const TYPE_COSIGNATURE: u8 = 4;
/// The first line of what is signed (tlog-cosignature, "Ed25519 signed message").
const HEADER: &str = "cosignature/v1";
/// The latest time a cosignature may name, in seconds (tlog-cosignature, "Format").
const MAX_SECONDS: u64 = (1 << 63) - 1;

/// The public key of a witness: `name+hash+base64` with signature type 0x04.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: u32,
    key: [u8; 32],
}

/// That a witness has cosigned, and when by its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature<'k> {
    /// Whose it is.
    pub key: &'k WitnessKey,
    /// When it was made, in seconds since the Unix epoch.
    pub seconds: u64,
    /// Its signature line, with the newline.
    pub line: String,
}

impl WitnessKey {
    /// The key of a witness from its Ed25519 public key and its name.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        Ok(Self { id: key_id(name, TYPE_COSIGNATURE, &key)?, name: name.to_owned(), key })
    }

    /// The witness's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key itself, whatever its name (RFC 8032 §5.1.5).
    pub(crate) const fn public_key(&self) -> &[u8; 32] {
        &self.key
    }

    fn checked(&self, text: &str, line: &SignatureLine<'_>) -> Result<u64, NoteError> {
        let wrong = || NoteError::BadSignature(self.name.clone());
        let (seconds, signature) = line.signature.split_first_chunk().ok_or_else(wrong)?;
        let seconds = u64::from_be_bytes(*seconds);
        if seconds <= MAX_SECONDS && verifies(&self.key, message(text, seconds).as_bytes(), signature) {
            Ok(seconds)
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoded_key(&self.name, self.id, TYPE_COSIGNATURE, &self.key))
    }
}

impl FromStr for WitnessKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, key) = decoded_key(text, TYPE_COSIGNATURE).ok_or(NoteError::BadWitnessKey)?;
        let key = Self::new(name, key).map_err(|_| NoteError::BadWitnessKey)?;
        // The hash in the text must be the key's: printing it again is the strictest comparison.
        if key.to_string() == text { Ok(key) } else { Err(NoteError::BadWitnessKey) }
    }
}

/// The signing key of a witness.
pub struct Cosigner {
    pair: Ed25519KeyPair,
    key: WitnessKey,
}

impl Cosigner {
    /// A cosigner from the 32-byte Ed25519 seed (RFC 8032 §5.1.5). The seed must be no other cosigner's, and no log's: what
    /// is signed does not name the signer.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::BadSigningKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::BadSigningKey)?;
        Ok(Self { pair, key: WitnessKey::new(name, public)? })
    }

    /// The public half.
    pub const fn key(&self) -> &WitnessKey {
        &self.key
    }

    /// The signature line, with its newline, for the text of a checkpoint; `None` when the key does not sign.
    pub fn cosign(&self, text: &str, seconds: u64) -> Option<String> {
        let seconds = seconds.min(MAX_SECONDS);
        let signature = self.pair.try_sign(message(text, seconds).as_bytes()).ok()?;
        let mut bytes = seconds.to_be_bytes().to_vec();
        bytes.extend_from_slice(signature.as_ref());
        Some(signature_line(&self.key.name, self.key.id, &bytes))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.key)
    }
}

/// The cosignatures of the given witnesses on a signed checkpoint, at most one of each: its latest. Those of others are
/// ignored; a wrong one of a given witness refuses all.
pub fn cosignatures<'k>(note: &str, keys: &'k [WitnessKey]) -> Result<Vec<Cosignature<'k>>, NoteError> {
    let Note { text, signatures } = Note::parse(note)?;
    let mut found: Vec<Cosignature<'k>> = Vec::new();
    for line in &signatures {
        let Some(key) = keys.iter().find(|key| key.name == line.name && key.id == line.id) else { continue };
        let seconds = key.checked(text, line)?;
        let new = Cosignature { key, seconds, line: signature_line(line.name, line.id, &line.signature) };
        match found.iter_mut().find(|other| other.key == key) {
            Some(other) if other.seconds < seconds => *other = new,
            Some(_) => {}
            None => found.push(new),
        }
    }
    Ok(found)
}

fn message(text: &str, seconds: u64) -> String {
    format!("{HEADER}\ntime {seconds}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{Signer, VerifierKey};

    const TEXT: &str = "example.com/log\n9\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

    fn cosigner(seed: u8) -> Cosigner {
        Cosigner::from_seed(&format!("witness.example/w{seed}"), &[seed; 32]).unwrap()
    }

    fn signed() -> String {
        Signer::from_seed("example.com/log", &[7; 32]).unwrap().sign(TEXT).unwrap()
    }

    #[test]
    fn cosignatures_of_known_witnesses_are_found_with_their_time() {
        let (one, two) = (cosigner(1), cosigner(2));
        let line = one.cosign(TEXT, 1_679_315_147).unwrap();
        let note = format!("{}{line}{}", signed(), two.cosign(TEXT, 5).unwrap());
        let keys = [one.key().clone()];
        let found = cosignatures(&note, &keys).unwrap();
        assert_eq!(found, [Cosignature { key: &keys[0], seconds: 1_679_315_147, line }]);
        assert_eq!(cosignatures(&note, &[cosigner(3).key().clone()]).unwrap(), []);
        // Other keys' signatures do not keep the log's own from being found.
        let log: VerifierKey = Signer::from_seed("example.com/log", &[7; 32]).unwrap().verifier().clone();
        assert_eq!(crate::note::open(&note, &[log]).unwrap().0, TEXT);
    }

    #[test]
    fn the_latest_of_one_witness_counts_whatever_their_order() {
        let one = cosigner(1);
        let keys = [one.key().clone()];
        for times in [[3, 8], [8, 3]] {
            let lines: String = times.iter().map(|time| one.cosign(TEXT, *time).unwrap()).collect();
            let found = cosignatures(&format!("{}{lines}", signed()), &keys).unwrap();
            assert_eq!(found.iter().map(|found| found.seconds).collect::<Vec<_>>(), [8]);
        }
    }

    #[test]
    fn a_cosignature_for_another_text_time_or_key_is_refused() {
        let one = cosigner(1);
        let keys = [one.key().clone()];
        let of = |line: String| cosignatures(&format!("{}{line}", signed()), &keys);
        let good = one.key().clone();
        let refused = Err(NoteError::BadSignature("witness.example/w1".into()));
        assert_eq!(of(one.cosign(&TEXT.replace('9', "8"), 5).unwrap()), refused);
        // Another key's signature under this one's name and id.
        let other = cosigner(2).cosign(TEXT, 5).unwrap();
        let bytes = crate::codec::from_base64(other.trim_end().rsplit_once(' ').unwrap().1).unwrap();
        assert_eq!(of(signature_line(good.name(), good.id, &bytes[4..])), refused);
        // The time is signed.
        let mut moved = crate::codec::from_base64(one.cosign(TEXT, 5).unwrap().trim_end().rsplit_once(' ').unwrap().1)
            .unwrap()[4..]
            .to_vec();
        assert!(of(signature_line(good.name(), good.id, &moved)).is_ok());
        moved[7] ^= 1;
        assert_eq!(of(signature_line(good.name(), good.id, &moved)), refused);
        for cut in [0, 7, 8, 71] {
            assert_eq!(of(signature_line(good.name(), good.id, &moved[..cut])), refused, "{cut}");
        }
        moved[0] = 0x80;
        assert_eq!(of(signature_line(good.name(), good.id, &moved)), refused, "past 2^63");
    }

    #[test]
    fn keys_of_logs_and_witnesses_are_not_taken_for_each_other() {
        let text = cosigner(1).key().to_string();
        assert_eq!(text.parse::<WitnessKey>().unwrap(), *cosigner(1).key());
        assert_eq!(text.parse::<VerifierKey>(), Err(NoteError::BadVerifierKey));
        let log = Signer::from_seed("witness.example/w1", &[1; 32]).unwrap().verifier().to_string();
        assert_eq!(log.parse::<WitnessKey>(), Err(NoteError::BadWitnessKey));
        for bad in ["", "w", "w+00000000+BAAA", &text.replacen("w1", "w2", 1), &text[..text.len() - 4]] {
            assert_eq!(bad.parse::<WitnessKey>(), Err(NoteError::BadWitnessKey), "{bad}");
        }
    }

    /// The example of tlog-cosignature: a checkpoint that a witness has cosigned.
    #[test]
    fn the_key_id_of_the_specifications_example_is_read() {
        let line = "\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let note = format!("{TEXT}\n{line}");
        let parsed = Note::parse(&note).unwrap();
        let signature = &parsed.signatures[0];
        assert_eq!((signature.name, signature.id), ("witness.example.com/w1", 0x8d66_cf3f));
        assert_eq!(u64::from_be_bytes(*signature.signature.first_chunk().unwrap()), 1_679_315_147);
        assert_eq!(signature_line(signature.name, signature.id, &signature.signature), line);
    }
}
