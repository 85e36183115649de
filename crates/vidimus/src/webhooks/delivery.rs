//! One message on its way: signed for each attempt, sent, and put off where it was not accepted.
//!
//! Signatures are those of Standard Webhooks 1.0: HMAC-SHA-256 over `id.timestamp.body`, in base64 after `v1,`. The time is the
//! attempt's, so that a receiver that refuses what is older than some minutes refuses what somebody else sends again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use vidimus_core::{Clock as _, SystemClock};
use vidimus_net::Fetcher;

use super::back_off;
use super::message::Message;
use crate::secret::{SecretError, SecretRef};

/// The shortest secret, in bytes (Standard Webhooks 1.0, "Signature scheme").
const MIN_SECRET: usize = 24;
/// What secrets begin with that are in base64.
const SECRET_PREFIX: &[u8] = b"whsec_";
/// How long a message is sent again.
const LONGEST: Duration = Duration::from_hours(24);

/// Why a message was not accepted; empty where it was.
pub(crate) type Delivered = Result<(), String>;

/// Where messages go.
pub(crate) struct Outlet {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) signer: Signer,
    pub(crate) fetcher: Fetcher,
}

/// Signs messages of one webhook.
pub(crate) struct Signer(hmac::Key);

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignerError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the secret is too short: it takes {MIN_SECRET} bytes, such as `openssl rand -base64 32` gives")]
    Short,
    #[error("the secret begins with `whsec_`, and the rest of it is no base64")]
    Base64,
}

/// A message with what came of it so far.
pub(crate) struct Delivery {
    message: Message,
    attempts: u32,
    begun: Instant,
}

impl Signer {
    /// With the secret that a configuration names.
    pub(crate) fn of(secret: &SecretRef) -> Result<Self, SignerError> {
        let secret = secret.resolve()?;
        match secret.expose().strip_prefix(SECRET_PREFIX) {
            Some(encoded) => Self::new(&STANDARD.decode(encoded).map_err(|_| SignerError::Base64)?),
            None => Self::new(secret.expose()),
        }
    }

    fn new(secret: &[u8]) -> Result<Self, SignerError> {
        if secret.len() < MIN_SECRET {
            return Err(SignerError::Short);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The headers of an attempt at `time`, in seconds since 1970.
    fn headers(&self, id: &str, time: u64, body: &Bytes) -> HeaderMap {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{time}.").as_bytes());
        context.update(body);
        let signature = format!("v1,{}", STANDARD.encode(context.sign()));
        let values = [("webhook-id", id), ("webhook-timestamp", &time.to_string()), ("webhook-signature", &signature)];
        let header = |(name, value): (&'static str, &str)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        };
        values.into_iter().filter_map(header).collect()
    }
}

impl Outlet {
    /// Sends a message once.
    pub(crate) async fn send(&self, delivery: &Delivery) -> Delivered {
        let Message { id, body, .. } = &delivery.message;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let headers = self.signer.headers(id, time, body);
        match self.fetcher.post_json(&self.url, headers, body.clone()).await {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) => Err(format!("it answers {status}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Delivery {
    pub(crate) fn new(message: Message) -> Self {
        Self { message, attempts: 0, begun: Instant::now() }
    }

    pub(crate) fn id(&self) -> &str {
        &self.message.id
    }

    /// After how long to send it again; none where it is too late for that.
    pub(crate) fn again(&mut self) -> Option<Duration> {
        self.attempts = self.attempts.saturating_add(1);
        let is_over = self.message.expires.is_some_and(|expires| expires <= SystemClock.now());
        if is_over || self.begun.elapsed() >= LONGEST {
            return None;
        }
        Some(back_off(self.attempts, &self.message.id))
    }
}

/// What is counted of all webhooks.
#[derive(Debug, Clone)]
pub(crate) struct Counters(Family<Labels, Counter>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    webhook: String,
    outcome: &'static str,
}

impl Counters {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let counters = Self(Family::default());
        let about = "Messages to webhooks: accepted, not accepted (each attempt), and given up";
        registry.register("webhook_messages", about, counters.0.clone());
        counters
    }

    pub(crate) fn ended(&self, webhook: &str, is_accepted: bool) {
        self.count(webhook, if is_accepted { "accepted" } else { "refused" });
    }

    pub(crate) fn dropped(&self, webhook: &str) {
        self.count(webhook, "dropped");
    }

    fn count(&self, webhook: &str, outcome: &'static str) {
        self.0.get_or_create(&Labels { webhook: webhook.to_owned(), outcome }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed beforehand with Python's `hmac` and `base64`.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let signer = Signer::new(b"0123456789abcdef01234567").unwrap();
        let headers = signer.headers("msg-1", 1_700_000_000, &Bytes::from_static(b"{\"a\":1}"));
        assert_eq!(headers["webhook-signature"], "v1,plW2JHDdKQEom4oKeYECMIHW0JtKclPIh1yxYlzHnb4=");
        assert_eq!(
            (&headers["webhook-id"], &headers["webhook-timestamp"]),
            (&"msg-1".parse().unwrap(), &"1700000000".parse().unwrap())
        );
        assert!(matches!(Signer::new(b"0123456789abcdef0123456"), Err(SignerError::Short)));
    }
}
