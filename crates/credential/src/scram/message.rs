//! The messages of SCRAM (RFC 5802 §7), read strictly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Key, MAX_MESSAGE_BYTES, ScramError};

/// The longest nonce of a client: drivers send 18 to 32 bytes, and what is answered must be short.
const MAX_CLIENT_NONCE_BYTES: usize = 128;

/// What a client begins with.
#[derive(Debug)]
pub(super) struct ClientFirst<'a> {
    /// `gs2-header`: how the client sees channel binding.
    pub(super) header: &'a str,
    /// `client-first-message-bare`.
    pub(super) bare: &'a str,
    pub(super) nonce: &'a str,
}

/// What it proves itself with.
#[derive(Debug)]
pub(super) struct ClientFinal<'a> {
    /// The header once more, in base64.
    pub(super) binding: &'a str,
    pub(super) nonce: &'a str,
    pub(super) proof: Key,
    pub(super) without_proof: &'a str,
}

/// What a server answers first.
#[derive(Debug)]
pub(super) struct ServerFirst<'a> {
    pub(super) nonce: &'a str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, ScramError> {
        let message = text(message)?;
        let malformed = |what| ScramError::Malformed(what);
        let (flag, rest) = message.split_once(',').ok_or(malformed("it has no header"))?;
        match flag {
            // Not wanted, or (§6) wanted and not offered by us.
            "n" | "y" => {}
            _ if flag.starts_with("p=") => return Err(malformed("channel binding is not offered")),
            _ => return Err(malformed("it has an unknown header")),
        }
        let (identity, bare) = rest.split_once(',').ok_or(malformed("it has no header"))?;
        if !identity.is_empty() {
            return Err(malformed("another identity cannot be assumed"));
        }
        let header = message.strip_suffix(bare).ok_or(malformed("it has no header"))?;
        let mut parts = bare.split(',');
        // A mandatory extension (`m=`) would stand first.
        parts.next().and_then(|part| part.strip_prefix("n=")).ok_or(malformed("it has no name"))?;
        let nonce = parts.next().and_then(|part| part.strip_prefix("r=")).ok_or(malformed("it has no nonce"))?;
        is_nonce(nonce)?;
        if nonce.len() > MAX_CLIENT_NONCE_BYTES {
            return Err(malformed("its nonce is too long"));
        }
        Ok(Self { header, bare, nonce })
    }
}

impl<'a> ClientFinal<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, ScramError> {
        let message = text(message)?;
        let malformed = |what| ScramError::Malformed(what);
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(malformed("it has no proof"))?;
        let mut parts = without_proof.split(',');
        let binding = parts.next().and_then(|part| part.strip_prefix("c=")).ok_or(malformed("it has no header"))?;
        let nonce = parts.next().and_then(|part| part.strip_prefix("r=")).ok_or(malformed("it has no nonce"))?;
        let proof = STANDARD.decode(proof).ok().and_then(|proof| Key::try_from(proof).ok());
        Ok(Self { binding, nonce, proof: proof.ok_or(malformed("its proof is none"))?, without_proof })
    }
}

impl<'a> ServerFirst<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, ScramError> {
        let message = text(message)?;
        let malformed = |what| ScramError::Malformed(what);
        let mut parts = message.split(',');
        let nonce = parts.next().and_then(|part| part.strip_prefix("r=")).ok_or(malformed("it has no nonce"))?;
        is_nonce(nonce)?;
        let salt = parts.next().and_then(|part| STANDARD.decode(part.strip_prefix("s=")?).ok());
        let iterations = parts.next().and_then(|part| part.strip_prefix("i=")?.parse().ok());
        Ok(Self {
            nonce,
            salt: salt.ok_or(malformed("it has no salt"))?,
            iterations: iterations.filter(|count| *count > 0).ok_or(malformed("it has no iteration count"))?,
        })
    }
}

/// Reads `server-final-message`.
pub(super) fn server_signature(message: &[u8]) -> Result<Key, ScramError> {
    let message = text(message)?;
    if message.starts_with("e=") {
        return Err(ScramError::Refused);
    }
    let signature = message.split(',').next().and_then(|part| part.strip_prefix("v="));
    let signature = signature.and_then(|signature| Key::try_from(STANDARD.decode(signature).ok()?).ok());
    signature.ok_or(ScramError::Malformed("it has no signature"))
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(ScramError::Malformed("it is too long"));
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed("it is not UTF-8"))
}

/// Printable ASCII without commas (§7, `printable`).
fn is_nonce(nonce: &str) -> Result<(), ScramError> {
    let is_printable = !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if is_printable { Ok(()) } else { Err(ScramError::Malformed("its nonce is none")) }
}
