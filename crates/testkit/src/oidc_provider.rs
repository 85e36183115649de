//! npm's `oidc-provider`, a certified OpenID provider, on a free loopback port.
//!
//! It knows three people (`alice` in group `support`, `bob` in `finance`, `carol` in `fraud`) and one workload (`ci-job`,
//! claim `azp_type` = `service`), and issues real JWT access tokens (RFC 9068): RS256 for people, ES256 for the workload.
//! Its keys can be rotated while it runs, and it counts what it is asked for.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::Value;

use crate::process::Process;
use crate::{http_client, install};

/// The workload: a CI job that authenticates with a client secret of its own.
pub const WORKLOAD: &str = "ci-job";
/// The OAuth client through which people sign in.
const PEOPLE: &str = "people";
/// The grant type of CIBA (OpenID Connect CIBA Core §10.1).
const CIBA_GRANT: &str = "urn:openid:params:grant-type:ciba";
/// What `provider.mjs` puts before an audience that is no URI.
const AUDIENCE_PREFIX: &str = "urn:testkit:audience:";

/// A running provider. Dropping it kills it.
#[derive(Debug)]
pub struct OidcProvider {
    process: Process,
    issuer: String,
}

/// What happens to the old keys when new ones come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldKeys {
    /// They stay published: tokens they signed are still good.
    Keep,
    /// They go: tokens they signed are worth nothing from now on.
    Drop,
}

impl OidcProvider {
    /// Installs the pinned version if need be, starts it and waits until it listens.
    pub async fn start() -> Result<Self> {
        tokio::task::spawn_blocking(Self::start_blocking).await?
    }

    fn start_blocking() -> Result<Self> {
        let dir = install::npm("oidc-provider")?;
        let script = install::source_dir().join("npm/oidc-provider/provider.mjs");
        let mut command = Command::new("node");
        command.arg(script).current_dir(dir);
        let ready = |line: &str| line.strip_prefix("issuer ").map(str::to_owned);
        let (process, issuer) = Process::start_until("oidc-provider", &mut command, ready)?;
        Ok(Self { process, issuer })
    }

    /// The `iss` of its tokens: `http://127.0.0.1:PORT`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The process, for its log.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// A fresh access token for `who` (`alice`, `bob`, `carol` or [`WORKLOAD`]) with this `aud`.
    pub async fn token_for(&self, who: &str, audience: &str) -> Result<String> {
        let is_uri = audience.starts_with("http://") || audience.starts_with("https://");
        let resource = if is_uri { audience.to_owned() } else { format!("{AUDIENCE_PREFIX}{}", encoded(audience)) };
        let answer = if who == WORKLOAD {
            let form = [("grant_type", "client_credentials"), ("scope", "use"), ("resource", &resource)];
            self.post("/token", WORKLOAD, &form).await?
        } else {
            let form = [("login_hint", who), ("scope", "openid use"), ("resource", &resource)];
            let begun = self.post("/backchannel", PEOPLE, &form).await?;
            let request = begun.get("auth_req_id").and_then(Value::as_str).context("no auth_req_id")?;
            self.post("/token", PEOPLE, &[("grant_type", CIBA_GRANT), ("auth_req_id", request)]).await?
        };
        let token = answer.get("access_token").and_then(Value::as_str).context("no access_token")?;
        Ok(token.to_owned())
    }

    /// Gives the running provider new signing keys.
    pub async fn rotate(&self, old: OldKeys) -> Result<()> {
        let query = if old == OldKeys::Keep { "?keep=1" } else { "" };
        let url = format!("{}/testkit/rotate{query}", self.issuer);
        let (status, _) = http_client::send(Request::post(url).body(Full::default())?).await?;
        ensure!(status == 200, "the provider refused to rotate its keys: {status}");
        Ok(())
    }

    /// How often the provider was asked for `path`, e.g. `/jwks`.
    pub async fn served(&self, path: &str) -> Result<u64> {
        let (_, body) = http_client::get(&format!("{}/testkit/served", self.issuer)).await?;
        let counts: BTreeMap<String, u64> = serde_json::from_slice(&body)?;
        Ok(counts.get(path).copied().unwrap_or(0))
    }

    /// Posts a form as an OAuth client; every client's secret is `ID-secret`.
    async fn post(&self, path: &str, client: &str, form: &[(&str, &str)]) -> Result<Value> {
        let secret = format!("{client}-secret");
        let fields = [("client_id", client), ("client_secret", &secret)];
        let body = fields.iter().chain(form).map(|(name, value)| format!("{name}={}", encoded(value)));
        let request = Request::post(format!("{}{path}", self.issuer))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(Bytes::from(body.collect::<Vec<_>>().join("&"))))?;
        let (status, body) = http_client::send(request).await?;
        ensure!(status == 200, "{path} answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body)?)
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encoded(text: &str) -> String {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
