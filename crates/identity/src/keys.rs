//! An issuer's public keys (JWK Set, RFC 7517), parsed once, each bound to the algorithms that fit its type.
//!
//! A key that cannot be used is left out and the others stay (RFC 7517 §5): symmetric keys, encryption keys, RSA below
//! 2048 bits, curves and algorithms the issuer is not allowed, and keys published with their private half. A key that
//! leaves the set is *retired*; whoever still holds it can see that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use vidimus_core::json::{Document, Limits, Value};

use crate::config::Algorithm;

/// The largest key set that is read, in bytes: the large providers' are below 32 KiB.
pub(crate) const MAX_JWKS_BYTES: usize = 256 << 10;
/// The most keys in a set; more than this is a mistake or an attack.
const MAX_KEYS: usize = 128;
const LIMITS: Limits = Limits { max_bytes: MAX_JWKS_BYTES, max_depth: 8, max_nodes: 16 << 10 };
/// The shortest RSA modulus (RFC 7518 §3.3: "a key of size 2048 bits or larger MUST be used").
const MIN_RSA_BITS: usize = 2048;
/// The longest RSA modulus the verifier takes: each doubling makes a check four times as slow.
const MAX_RSA_BITS: usize = 8192;

/// The keys an issuer publishes now.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<Arc<Key>>,
}

/// One public key.
pub(crate) struct Key {
    id: Option<String>,
    material: Material,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
    retired: AtomicBool,
}

/// Why a document is no key set to use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("it is no strict JSON object with an array `keys`")]
    Malformed,
    #[error("it holds more than {MAX_KEYS} keys")]
    TooMany,
    #[error("it holds no key that can be used; the last one was left out because it {0}")]
    Unusable(&'static str),
    #[error("it holds no keys")]
    Empty,
}

impl KeySet {
    /// Reads a JWK Set for an issuer that may use the `allowed` algorithms.
    pub(crate) fn parse(bytes: Bytes, allowed: &[Algorithm]) -> Result<Self, KeySetError> {
        let document = Document::parse(bytes, &LIMITS).map_err(|_| KeySetError::Malformed)?;
        let listed = document.root().get("keys").filter(Value::is_array).ok_or(KeySetError::Malformed)?;
        let mut keys = Vec::new();
        let mut left_out = None;
        for (position, jwk) in listed.elements().enumerate() {
            if position >= MAX_KEYS {
                return Err(KeySetError::TooMany);
            }
            match Key::parse(jwk, allowed) {
                Ok(key) => keys.push(Arc::new(key)),
                Err(problem) => {
                    tracing::debug!(position, problem, "a key is left out");
                    left_out = Some(problem);
                }
            }
        }
        match left_out {
            _ if !keys.is_empty() => Ok(Self { keys }),
            Some(problem) => Err(KeySetError::Unusable(problem)),
            None => Err(KeySetError::Empty),
        }
    }

    /// The set that comes after `self`: keys in both stay the same objects, keys only in `self` are retired.
    pub(crate) fn succeeded_by(&self, mut next: Self) -> Self {
        for key in &mut next.keys {
            if let Some(known) = self.keys.iter().find(|known| known.is_same_as(key)) {
                *key = Arc::clone(known);
            }
        }
        for key in &self.keys {
            if !next.keys.iter().any(|kept| Arc::ptr_eq(kept, key)) {
                key.retired.store(true, Ordering::Release);
            }
        }
        next
    }

    /// The one key that fits; without `id`, the only one that does (RFC 7515 §4.1.4 leaves `kid` optional).
    /// Two that fit are none: which one is meant would be a guess.
    pub(crate) fn select(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Arc<Key>> {
        let mut fitting = self.keys.iter().filter(|key| {
            let is_named = id.is_none() || key.id.as_deref() == id;
            is_named && key.verifiers.iter().any(|(own, _)| *own == algorithm)
        });
        fitting.next().filter(|_| fitting.next().is_none())
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Key {
    /// Whether `signature` over `message` is this key's, by this algorithm.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = self.verifiers.iter().find(|(own, _)| *own == algorithm);
        verifier.is_some_and(|(_, verifier)| verifier.verify_sig(message, signature).is_ok())
    }

    /// Whether the issuer has stopped publishing it.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Whether a key of the next set is this one: tokens it verified stay good.
    fn is_same_as(&self, other: &Self) -> bool {
        let algorithms = |key: &Self| key.verifiers.iter().map(|(algorithm, _)| *algorithm).collect::<Vec<_>>();
        self.id == other.id && self.material == other.material && algorithms(self) == algorithms(other)
    }

    fn parse(jwk: Value<'_>, allowed: &[Algorithm]) -> Result<Self, &'static str> {
        let text = |name| jwk.get(name).and_then(|value| value.as_str());
        let bytes = |name| {
            let encoded = text(name).ok_or("lacks a part of its key material")?;
            URL_SAFE_NO_PAD.decode(&*encoded).map_err(|_| "has key material that is no base64url")
        };
        if ["d", "k"].iter().any(|secret| jwk.get(secret).is_some()) {
            return Err("is published with its secret");
        }
        if jwk.get("use").is_some_and(|usage| !usage.is_string("sig")) {
            return Err("is not for signatures (`use`)");
        }
        if jwk.get("key_ops").is_some_and(|list| !list.elements().any(|operation| operation.is_string("verify"))) {
            return Err("is not for verifying (`key_ops`)");
        }
        let id = match jwk.get("kid") {
            None => None,
            Some(id) => Some(id.as_str().ok_or("has a `kid` that is no string")?.into_owned()),
        };
        let only = match jwk.get("alg") {
            None => None,
            Some(name) => {
                let algorithm = name.as_str().and_then(|name| Algorithm::named(&name));
                Some(algorithm.ok_or("is for an algorithm that is no public-key signature")?)
            }
        };
        let material = match &*text("kty").ok_or("lacks `kty`")? {
            "RSA" => Material::rsa(&bytes("n")?, &bytes("e")?)?,
            "EC" => Material::Curve { name: text("crv").unwrap_or_default().into(), x: bytes("x")?, y: bytes("y")? },
            "OKP" => Material::Edwards { name: text("crv").unwrap_or_default().into(), x: bytes("x")? },
            _ => return Err("is of a type other than RSA, EC and OKP"),
        };
        let mut verifiers = Vec::new();
        for &algorithm in allowed.iter().filter(|allowed| only.is_none_or(|only| only == **allowed)) {
            if let Some(verifier) = material.verifier(algorithm)? {
                verifiers.push((algorithm, verifier));
            }
        }
        if verifiers.is_empty() {
            return Err("fits none of the issuer's algorithms");
        }
        Ok(Self { id, material, verifiers, retired: AtomicBool::new(false) })
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("retired", &self.is_retired()).finish_non_exhaustive()
    }
}

/// The public numbers of a key.
#[derive(PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Curve { name: String, x: Vec<u8>, y: Vec<u8> },
    Edwards { name: String, x: Vec<u8> },
}

/// What verifies an algorithm's signatures.
enum Scheme {
    Rsa(&'static RsaParameters),
    /// The verifier, the curve's name in JWKs, and the bytes of one coordinate (RFC 7518 §6.2.1).
    Ecdsa(&'static EcdsaVerificationAlgorithm, &'static str, usize),
    Ed25519,
}

impl Scheme {
    fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 => Self::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => Self::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => Self::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => Self::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => Self::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => Self::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 => Self::Ecdsa(&signature::ECDSA_P256_SHA256_FIXED, "P-256", 32),
            Algorithm::Es384 => Self::Ecdsa(&signature::ECDSA_P384_SHA384_FIXED, "P-384", 48),
            Algorithm::Es512 => Self::Ecdsa(&signature::ECDSA_P521_SHA512_FIXED, "P-521", 66),
            Algorithm::EdDsa => Self::Ed25519,
        }
    }
}

impl Material {
    fn rsa(n: &[u8], e: &[u8]) -> Result<Self, &'static str> {
        // RFC 7518 §6.3.1.1 forbids leading zeros; some providers write one.
        let strip = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        let (n, e) = (strip(n), strip(e));
        let unused = n.first().map_or(0, |first| first.leading_zeros());
        let bits = n.len().saturating_mul(8).saturating_sub(usize::try_from(unused).unwrap_or(usize::MAX));
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err("is an RSA key outside 2048 to 8192 bits");
        }
        // With an even exponent or 1, anyone can make signatures or nobody can.
        if e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
            return Err("has an RSA exponent that is even or 1");
        }
        Ok(Self::Rsa { n, e })
    }

    /// The verifier of this key for `algorithm`, or none when the two do not fit each other.
    fn verifier(&self, algorithm: Algorithm) -> Result<Option<ParsedPublicKey>, &'static str> {
        let parsed = match (self, Scheme::of(algorithm)) {
            (Self::Rsa { n, e }, Scheme::Rsa(parameters)) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters)
            }
            (Self::Curve { name, x, y }, Scheme::Ecdsa(verifier, curve, width)) if name == curve => {
                if x.len() != width || y.len() != width {
                    return Err("has coordinates of a wrong length for its curve");
                }
                // SEC 1 §2.3.3: an uncompressed point.
                ParsedPublicKey::new(verifier, [&[4], x.as_slice(), y.as_slice()].concat())
            }
            (Self::Edwards { name, x }, Scheme::Ed25519) if name == "Ed25519" => {
                ParsedPublicKey::new(&signature::ED25519, x)
            }
            _ => return Ok(None),
        };
        parsed.map(Some).map_err(|_| "is no valid key of its type")
    }
}

#[cfg(test)]
mod tests;
