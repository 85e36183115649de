//! C2SP signed-note and tlog-checkpoint with Ed25519 (signature type 0x01), on aws-lc-rs.
//!
//! A note is text that ends in a newline, an empty line, and signature lines. Refused: a note without a valid
//! signature of a known key, one where a known key's signature is wrong, and texts with control characters.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use vidimus_core::ErrorKind;

use crate::codec::{base64, decimal, from_base64};
use crate::tree::Hash;

/// The longest note in bytes that is parsed: room for the 16 signatures of 5 kB that signed-note asks for.
pub const MAX_NOTE_BYTES: usize = 128 << 10;
/// The most signatures of a note that are looked at (signed-note: implementations may limit them).
const MAX_SIGNATURES: usize = 100;
/// The signature type byte of Ed25519 (signed-note, "Signature types").
const TYPE_ED25519: u8 = 1;
/// Every signature line starts so: an em dash and a space.
const SIGNATURE_START: &str = "\u{2014} ";

/// Why a key, note or checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a key name: empty, or with a space or a plus sign.
    #[error("`{0}` is no key name; use one without spaces and plus signs")]
    BadName(String),
    /// Not a `name+hash+base64` verifier key for Ed25519.
    #[error("no Ed25519 verifier key; expected name+hash+base64")]
    BadVerifierKey,
    /// Not a `name+hash+base64` verifier key for Ed25519 cosignatures.
    #[error("no key of a witness; expected name+hash+base64 with an Ed25519 cosignature key")]
    BadWitnessKey,
    /// The key bytes are no Ed25519 key.
    #[error("no Ed25519 signing key; expected a 32-byte seed or PKCS#8")]
    BadSigningKey,
    /// Not a signed note.
    #[error("no signed note: {0}")]
    Malformed(&'static str),
    /// None of the given keys has signed.
    #[error("not signed by any of the given keys")]
    UnknownSigner,
    /// A given key's signature is wrong.
    #[error("the signature of `{0}` does not verify")]
    BadSignature(String),
    /// The text is no checkpoint.
    #[error("no checkpoint: {0}")]
    BadCheckpoint(&'static str),
}

impl NoteError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::BadName(_) | Self::BadVerifierKey | Self::BadWitnessKey | Self::BadSigningKey => {
                ErrorKind::Configuration
            }
            _ => ErrorKind::Evidence,
        }
    }
}

/// The log's signing key and its name, which is the checkpoint's origin.
pub struct Signer {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
    /// Keys of the same name that sign too, while one replaces another.
    others: Vec<Self>,
}

impl Signer {
    /// A signer from the 32-byte Ed25519 seed (RFC 8032 §5.1.5).
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::BadSigningKey)?;
        Self::new(name, pair)
    }

    /// A signer from a PKCS#8 document (RFC 8410).
    pub fn from_pkcs8(name: &str, document: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document).map_err(|_| NoteError::BadSigningKey)?;
        Self::new(name, pair)
    }

    /// A new random seed; `None` when the system has no randomness to give.
    pub fn new_seed() -> Option<[u8; 32]> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).ok()?;
        Some(seed)
    }

    fn new(name: &str, pair: Ed25519KeyPair) -> Result<Self, NoteError> {
        let key = pair.public_key().as_ref().try_into().map_err(|_| NoteError::BadSigningKey)?;
        Ok(Self { pair, verifier: VerifierKey::new(name, key)?, others: Vec::new() })
    }

    /// Signs with `other` too, which must have the same name: whoever knows either key can verify.
    pub fn and(mut self, other: Self) -> Result<Self, NoteError> {
        if other.verifier.name != self.verifier.name {
            return Err(NoteError::BadName(other.verifier.name));
        }
        self.others.push(other);
        Ok(self)
    }

    /// The public half; of several keys, that of the first.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The public halves of all keys that sign.
    pub fn verifiers(&self) -> Vec<VerifierKey> {
        std::iter::once(self).chain(&self.others).map(|signer| signer.verifier.clone()).collect()
    }

    /// The signed note for `text`, which ends in a newline; `None` when the key does not sign.
    pub fn sign(&self, text: &str) -> Option<String> {
        let line = |signer: &Self| {
            let signature = signer.pair.try_sign(text.as_bytes()).ok()?;
            Some(signature_line(&signer.verifier.name, signer.verifier.id, signature.as_ref()))
        };
        let lines: String = std::iter::once(self).chain(&self.others).map(line).collect::<Option<_>>()?;
        Some(format!("{text}\n{lines}"))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

/// A public key for notes: `name+hash+base64` (signed-note, "Verifier keys").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: [u8; 32],
}

impl VerifierKey {
    /// The verifier key of an Ed25519 public key under a name.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        Ok(Self { id: key_id(name, TYPE_ED25519, &key)?, name: name.to_owned(), key })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key itself, whatever its name (RFC 8032 §5.1.5).
    pub(crate) const fn public_key(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoded_key(&self.name, self.id, TYPE_ED25519, &self.key))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, key) = decoded_key(text, TYPE_ED25519).ok_or(NoteError::BadVerifierKey)?;
        let key = Self::new(name, key)?;
        // The hash in the text must be the key's: printing it again is the strictest comparison.
        if key.to_string() == text { Ok(key) } else { Err(NoteError::BadVerifierKey) }
    }
}

/// The text of a note and the key that signed it, when at least one of `keys` did and none of theirs is wrong.
pub fn open<'n, 'k>(note: &'n str, keys: &'k [VerifierKey]) -> Result<(&'n str, &'k VerifierKey), NoteError> {
    let Note { text, signatures } = Note::parse(note)?;
    let mut signer = None;
    for line in &signatures {
        if let Some(key) = keys.iter().find(|key| key.name == line.name && key.id == line.id) {
            if !verifies(&key.key, text.as_bytes(), &line.signature) {
                return Err(NoteError::BadSignature(line.name.to_owned()));
            }
            signer = signer.or(Some(key));
        }
    }
    Ok((text, signer.ok_or(NoteError::UnknownSigner)?))
}

/// The text of a note, nothing verified.
pub fn text(note: &str) -> Result<&str, NoteError> {
    Ok(Note::parse(note)?.text)
}

/// The note with further signature lines, nothing verified. A key has one line: of two by the same name and key id the later
/// one stays, so that adding the same again changes nothing.
pub(crate) fn with_signatures(note: &str, lines: &str) -> Result<String, NoteError> {
    let text = text(note)?;
    let mut kept: Vec<(SignatureLine<'_>, &str)> = Vec::new();
    for line in note.get(text.len()..).unwrap_or_default().lines().chain(lines.lines()).filter(|line| !line.is_empty())
    {
        let signature = SignatureLine::parse(line)?;
        match kept.iter_mut().find(|(known, _)| known.name == signature.name && known.id == signature.id) {
            Some(known) => *known = (signature, line),
            None => kept.push((signature, line)),
        }
    }
    let lines: String = kept.iter().flat_map(|(_, line)| [*line, "\n"]).collect();
    Ok(format!("{text}\n{lines}"))
}

/// A note as it is written, nothing verified.
#[derive(Debug)]
pub(crate) struct Note<'n> {
    /// What is signed; ends in a newline.
    pub(crate) text: &'n str,
    /// At least one.
    pub(crate) signatures: Vec<SignatureLine<'n>>,
}

/// A signature line, not verified.
#[derive(Debug)]
pub(crate) struct SignatureLine<'n> {
    pub(crate) name: &'n str,
    pub(crate) id: u32,
    /// What follows the key id.
    pub(crate) signature: Vec<u8>,
}

impl<'n> Note<'n> {
    pub(crate) fn parse(note: &'n str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::Malformed("too long"));
        }
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Malformed("control characters"));
        }
        let at = note.rfind("\n\n").ok_or(NoteError::Malformed("no empty line before the signatures"))?;
        let (text, signatures) = note.split_at(at + 1);
        let signatures = signatures.strip_prefix('\n').unwrap_or(signatures);
        let lines = signatures.strip_suffix('\n').ok_or(NoteError::Malformed("no newline at the end"))?;
        let lines = lines.split('\n');
        if lines.clone().count() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("too many signatures"));
        }
        Ok(Self { text, signatures: lines.map(SignatureLine::parse).collect::<Result<_, _>>()? })
    }
}

impl<'n> SignatureLine<'n> {
    fn parse(line: &'n str) -> Result<Self, NoteError> {
        let line =
            line.strip_prefix(SIGNATURE_START).ok_or(NoteError::Malformed("a signature line without its dash"))?;
        let (name, encoded) =
            line.split_once(' ').ok_or(NoteError::Malformed("a signature line without a signature"))?;
        let bytes = from_base64(encoded).ok_or(NoteError::Malformed("a signature that is not base64"))?;
        let (id, signature) = bytes.split_first_chunk().ok_or(NoteError::Malformed("a signature without key id"))?;
        Ok(Self { name, id: u32::from_be_bytes(*id), signature: signature.to_vec() })
    }
}

/// A signature line with its newline (signed-note, "Format").
pub(crate) fn signature_line(name: &str, id: u32, signature: &[u8]) -> String {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(signature);
    format!("{SIGNATURE_START}{name} {}\n", base64(&bytes))
}

/// The id of an Ed25519 key under a name, for signatures of one type (signed-note, "Signature types").
pub(crate) fn key_id(name: &str, signature_type: u8, key: &[u8; 32]) -> Result<u32, NoteError> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
        return Err(NoteError::BadName(name.to_owned()));
    }
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(name.as_bytes());
    context.update(&[b'\n', signature_type]);
    context.update(key);
    Ok(context.finish().as_ref().first_chunk().map_or(0, |id| u32::from_be_bytes(*id)))
}

/// A key as `name+hash+base64` (signed-note, "Verifier keys").
pub(crate) fn encoded_key(name: &str, id: u32, signature_type: u8, key: &[u8; 32]) -> String {
    let mut bytes = vec![signature_type];
    bytes.extend_from_slice(key);
    format!("{name}+{id:08x}+{}", base64(&bytes))
}

/// Name and public key out of such a text, when it is for signatures of this type. The hash is not compared.
pub(crate) fn decoded_key(text: &str, signature_type: u8) -> Option<(&str, [u8; 32])> {
    let (name, rest) = text.split_once('+')?;
    let bytes = from_base64(rest.split_once('+')?.1)?;
    let (found, key) = bytes.split_first()?;
    Some((name, key.try_into().ok().filter(|_| *found == signature_type)?))
}

/// Whether the signature is this key's for `message` (RFC 8032 §5.1.7).
pub(crate) fn verifies(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

/// The state of a log at one moment (C2SP tlog-checkpoint).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root of the tree of that size.
    pub root: Hash,
}

impl Checkpoint {
    /// Opens a signed checkpoint; the origin must be the name of the key that signed it.
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, NoteError> {
        let (text, key) = open(note, keys)?;
        let checkpoint: Self = text.parse()?;
        if checkpoint.origin == key.name {
            Ok(checkpoint)
        } else {
            Err(NoteError::BadCheckpoint("the origin is not the signer"))
        }
    }
}

impl fmt::Display for Checkpoint {
    /// The text to sign: three lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)
    }
}

impl FromStr for Checkpoint {
    type Err = NoteError;

    /// Reads the text of a checkpoint; extension lines are allowed and ignored (tlog-checkpoint, "Note text").
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let text = text.strip_suffix('\n').ok_or(NoteError::BadCheckpoint("no newline at the end"))?;
        let mut lines = text.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty());
        let origin = line().ok_or(NoteError::BadCheckpoint("no origin"))?.to_owned();
        let size = line().and_then(decimal).ok_or(NoteError::BadCheckpoint("no size"))?;
        let root = line().and_then(Hash::from_base64).ok_or(NoteError::BadCheckpoint("no root hash"))?;
        if lines.any(str::is_empty) {
            return Err(NoteError::BadCheckpoint("an empty extension line"));
        }
        Ok(Self { origin, size, root })
    }
}
