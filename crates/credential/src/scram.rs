//! SCRAM-SHA-256 (RFC 5802, RFC 7677), both sides, with verifiers as PostgreSQL stores them.
//!
//! A verifier does not hold the password. The server's side asks by a salt that does not depend on who is asked, and is told
//! at the end which verifiers the proof may be for: one, several with that salt, or none, which fails as a wrong password
//! does. Refused: channel binding (`SCRAM-SHA-256-PLUS` is not offered), another identity in the header, mandatory
//! extensions, and messages longer than PostgreSQL takes. The name in the first message is not looked at.

mod client;
mod message;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use vidimus_core::ErrorKind;
use zeroize::Zeroizing;

pub use self::client::{Client, MAX_ITERATIONS};

use self::message::{ClientFinal, ClientFirst};

/// The mechanism's name (RFC 7677 §2).
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// PostgreSQL's `PG_MAX_SASL_MESSAGE_LENGTH`.
pub const MAX_MESSAGE_BYTES: usize = 1024;
/// Iterations of new verifiers: what RFC 7677 §4 asks for at the least, and PostgreSQL uses.
pub const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();
/// Bytes of a salt, as PostgreSQL makes them.
pub const SALT_BYTES: usize = 16;
/// Bytes of a nonce, as PostgreSQL makes them.
const NONCE_BYTES: usize = 18;
/// SHA-256's output.
const KEY_BYTES: usize = digest::SHA256_OUTPUT_LEN;

type Key = [u8; KEY_BYTES];

/// An authentication that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message is not as RFC 5802 has it.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// The other side does not know the password, or is not known.
    #[error("the password is wrong")]
    Refused,
    /// The server asks for more work than is done for it.
    #[error("the server asks for more than {MAX_ITERATIONS} iterations")]
    TooManyIterations,
    /// No random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

impl ScramError {
    /// Whose fault it is, of a client.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::Malformed(_) => ErrorKind::Malformed,
            Self::Refused => ErrorKind::Unauthenticated,
            Self::TooManyIterations => ErrorKind::Limit,
            Self::NoRandom => ErrorKind::Internal,
        }
    }
}

/// What a server keeps of a password (RFC 5803; `pg_authid.rolpassword`): it proves who knows it, and does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: Key,
    server_key: Key,
}

impl Verifier {
    /// Of a password, with a new salt.
    pub fn of(password: &str) -> Result<Self, ScramError> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).map_err(|_| ScramError::NoRandom)?;
        Ok(Self::with(password, &salt, ITERATIONS))
    }

    /// Of a password, with this salt. It takes some milliseconds for each ten thousand iterations.
    pub fn with(password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        let salted = salted_password(password, salt, iterations);
        let stored_key = sha256(&client_key(&salted)[..]);
        Self { iterations, salt: salt.to_vec(), stored_key, server_key: server_key(&salted) }
    }

    /// The salt that the password was taken with.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }
}

/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, as PostgreSQL has it.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| STANDARD.encode(bytes));
        write!(f, "{MECHANISM}${}:{salt}${stored}:{server}", self.iterations)
    }
}

impl FromStr for Verifier {
    type Err = ScramError;

    fn from_str(text: &str) -> Result<Self, ScramError> {
        let read = || {
            let rest = text.strip_prefix(MECHANISM)?.strip_prefix('$')?;
            let (cost, keys) = rest.split_once('$')?;
            let ((iterations, salt), (stored, server)) = (cost.split_once(':')?, keys.split_once(':')?);
            let key = |text: &str| Key::try_from(STANDARD.decode(text).ok()?).ok();
            let salt = STANDARD.decode(salt).ok()?;
            Some(Self {
                iterations: iterations.parse().ok()?,
                salt,
                stored_key: key(stored)?,
                server_key: key(server)?,
            })
        };
        read().ok_or(ScramError::Malformed("it is no verifier of SCRAM-SHA-256"))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// The server's side of one authentication: [`Exchange::first`], then [`Exchange::last`].
#[derive(Debug)]
pub struct Exchange {
    salt: Vec<u8>,
    /// What both sides sign, up to the client's last message.
    signed: String,
    nonce: String,
    header: String,
}

impl Exchange {
    /// With who has a verifier of this salt and [`ITERATIONS`], if anybody.
    ///
    /// `first` is the data of `SASLInitialResponse`. The second of what is returned is the data of `AuthenticationSASLContinue`.
    pub fn first(salt: &[u8], first: &[u8]) -> Result<(Self, Bytes), ScramError> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| ScramError::NoRandom)?;
        Self::begin(salt, first, &STANDARD.encode(nonce))
    }

    fn begin(salt: &[u8], first: &[u8], own: &str) -> Result<(Self, Bytes), ScramError> {
        let first = ClientFirst::read(first)?;
        let nonce = format!("{}{own}", first.nonce);
        let answer = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(salt));
        let signed = format!("{},{answer}", first.bare);
        let header = STANDARD.encode(first.header);
        Ok((Self { salt: salt.to_vec(), signed, nonce, header }, Bytes::from(answer)))
    }

    /// `last` is the data of the client's answer. What is returned is the place of the verifier that it knows the password
    /// of, and the data of `AuthenticationSASLFinal`. All are tried, and one that nothing fits, so that the time it takes
    /// says nothing of which it was, nor whether there was one.
    pub fn last<'a>(
        self,
        last: &[u8],
        verifiers: impl IntoIterator<Item = &'a Verifier>,
    ) -> Result<(usize, Bytes), ScramError> {
        let last = ClientFinal::read(last)?;
        // RFC 5802 §5.1: the header, once more, and the nonce as it was sent.
        if last.binding != self.header {
            return Err(ScramError::Malformed("it repeats another header"));
        }
        if last.nonce != self.nonce {
            return Err(ScramError::Malformed("it repeats another nonce"));
        }
        let signed = format!("{},{}", self.signed, last.without_proof);
        let nobody = Verifier { iterations: ITERATIONS, salt: Vec::new(), stored_key: [0; _], server_key: [0; _] };
        let mut found = None;
        for (place, verifier) in verifiers.into_iter().map(Some).chain([None]).enumerate() {
            let Verifier { iterations, salt, stored_key, server_key } = verifier.unwrap_or(&nobody);
            let signature = sign(stored_key, signed.as_bytes());
            let client_key = Zeroizing::new(xor(&last.proof, &signature));
            let is_right = constant_time::verify_slices_are_equal(&sha256(&*client_key), stored_key).is_ok();
            let answer = format!("v={}", STANDARD.encode(sign(server_key, signed.as_bytes())));
            if is_right && *iterations == ITERATIONS && *salt == self.salt {
                found = Some((place, Bytes::from(answer)));
            }
        }
        found.ok_or(ScramError::Refused)
    }
}

fn salted_password(password: &str, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<Key> {
    // RFC 4013; PostgreSQL takes a password that it does not allow as it is.
    let prepared = stringprep::saslprep(password).map_or_else(|_| password.to_owned(), String::from);
    let prepared = Zeroizing::new(prepared);
    let mut salted = Zeroizing::new([0; KEY_BYTES]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, prepared.as_bytes(), &mut salted[..]);
    salted
}

fn client_key(salted: &Key) -> Zeroizing<Key> {
    Zeroizing::new(sign(salted, b"Client Key"))
}

fn server_key(salted: &Key) -> Key {
    sign(salted, b"Server Key")
}

fn sign(key: &[u8], data: &[u8]) -> Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    copied(tag.as_ref())
}

fn sha256(data: &[u8]) -> Key {
    copied(digest::digest(&digest::SHA256, data).as_ref())
}

/// The output of SHA-256 as an array.
fn copied(output: &[u8]) -> Key {
    let mut key = [0; KEY_BYTES];
    for (to, from) in key.iter_mut().zip(output) {
        *to = *from;
    }
    key
}

fn xor(one: &Key, other: &Key) -> Key {
    let mut both = *one;
    for (to, from) in both.iter_mut().zip(other) {
        *to ^= from;
    }
    both
}

#[cfg(test)]
mod tests;
