//! SCRAM-SHA-256, the client's side: how the gateway proves to a server that it knows the target's password.
//!
//! The server proves that it knows the verifier; without that there is no success. A server that asks for more than
//! [`MAX_ITERATIONS`] is refused: it would have the gateway work for it.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::message::{ServerFirst, server_signature};
use super::{Key, NONCE_BYTES, ScramError, client_key, salted_password, server_key, sha256, sign, xor};

/// Iterations that are done for a server: some hundred times PostgreSQL's default, and half a second.
pub const MAX_ITERATIONS: u32 = 1_000_000;
/// `gs2-header`: no channel binding, no other identity.
const HEADER: &str = "n,,";

/// One authentication: [`Client::first`], [`Client::answer`], [`Client::finish`].
pub struct Client {
    password: Zeroizing<String>,
    pub(super) nonce: String,
    /// What the server's last message must sign to be believed.
    expected: Option<Key>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(…)")
    }
}

impl Client {
    /// With this password.
    pub fn new(password: Zeroizing<String>) -> Result<Self, ScramError> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| ScramError::NoRandom)?;
        Ok(Self { password, nonce: STANDARD.encode(nonce), expected: None })
    }

    /// `client-first-message`. It names nobody: the startup packet does.
    pub fn first(&self) -> String {
        format!("{HEADER}{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// `client-final-message`, the answer to the server's first.
    pub fn answer(&mut self, server: &[u8]) -> Result<String, ScramError> {
        let first = ServerFirst::read(server)?;
        if !first.nonce.starts_with(&self.nonce) || first.nonce.len() == self.nonce.len() {
            return Err(ScramError::Malformed("its nonce does not begin with ours, or adds nothing"));
        }
        let iterations = NonZeroU32::new(first.iterations).filter(|count| count.get() <= MAX_ITERATIONS);
        let iterations = iterations.ok_or(ScramError::TooManyIterations)?;
        let salted = salted_password(&self.password, &first.salt, iterations);
        let client_key = client_key(&salted);
        let without_proof = format!("c={},r={}", STANDARD.encode(HEADER), first.nonce);
        let server = String::from_utf8_lossy(server);
        let signed = format!("{},{server},{without_proof}", self.bare());
        let signature = sign(&sha256(&client_key[..]), signed.as_bytes());
        self.expected = Some(sign(&server_key(&salted), signed.as_bytes()));
        Ok(format!("{without_proof},p={}", STANDARD.encode(xor(&client_key, &signature))))
    }

    /// Whether the server knows the password's verifier.
    pub fn finish(self, server: &[u8]) -> Result<(), ScramError> {
        let signature = server_signature(server)?;
        let expected = self.expected.ok_or(ScramError::Malformed("it came too early"))?;
        constant_time::verify_slices_are_equal(&signature, &expected).map_err(|_| ScramError::Refused)
    }
}
