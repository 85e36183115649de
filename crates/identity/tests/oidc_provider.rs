//! Against a real provider: npm's `oidc-provider`, with people, a CI job, and keys rotated while it runs.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vidimus_core::{Clock, PrincipalKind, SystemClock, Timestamp};
use vidimus_identity::{AuthError, ClaimRule, Fetch, FetchError, Identity, IssuerConfig};
use vidimus_testkit::http_client;
use vidimus_testkit::oidc_provider::{OidcProvider, OldKeys, WORKLOAD};

const AUDIENCE: &str = "vidimus";

struct Loopback;

impl Fetch for Loopback {
    fn get<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async move {
            match http_client::get(url).await {
                Ok((200, body)) => Ok(body),
                Ok((status, _)) => Err(FetchError::Status(status)),
                Err(error) => Err(FetchError::Connection(error.to_string())),
            }
        })
    }
}

/// The real time, further on by what the test says.
#[derive(Default)]
struct Shifted(std::sync::atomic::AtomicU64);

impl Shifted {
    fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Duration::from_secs(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

async fn start() -> (OidcProvider, Identity, Arc<Shifted>) {
    let provider = OidcProvider::start().await.unwrap();
    let mut config = IssuerConfig::new("corp", provider.issuer(), vec![AUDIENCE.into()]);
    config.groups_claim = Some("groups".into());
    config.workload_when = Some(ClaimRule { claim: "azp_type".into(), equals: "service".into() });
    let clock = Arc::new(Shifted::default());
    let identity = Identity::new(vec![config], Arc::new(Loopback), Arc::<Shifted>::clone(&clock)).unwrap();
    (provider, identity, clock)
}

#[tokio::test]
async fn people_and_jobs_are_known_by_their_tokens() {
    let (provider, identity, clock) = start().await;
    for (person, group) in [("alice", "corp/support"), ("bob", "corp/finance"), ("carol", "corp/fraud")] {
        let token = provider.token_for(person, AUDIENCE).await.unwrap();
        let verified = identity.verify(&token).await.unwrap();
        assert_eq!(verified.principal.id(), format!("corp|{person}"));
        assert_eq!(verified.principal.kind, PrincipalKind::User);
        assert_eq!(verified.principal.groups, [group]);
        assert_eq!(verified.principal.display, Some(format!("{person}@example.com")));
        assert_eq!(verified.principal.client_id.as_deref(), Some("people"));
        assert_eq!(*verified.scopes, ["use"]);
    }
    let token = provider.token_for(WORKLOAD, AUDIENCE).await.unwrap();
    let job = identity.verify(&token).await.unwrap();
    assert_eq!(job.principal.id(), "corp|ci-job");
    assert_eq!(job.principal.kind, PrincipalKind::Workload);
    assert!(job.principal.groups.is_empty());
    assert_eq!(provider.served("/jwks").await.unwrap(), 1, "four tokens, one fetch");

    let elsewhere = provider.token_for("alice", "http://127.0.0.1:1/mcp/other").await.unwrap();
    assert_eq!(reason(&identity, &elsewhere).await, "audience");
    clock.forward(Duration::from_mins(61));
    assert_eq!(reason(&identity, &token).await, "expired");
}

#[tokio::test]
async fn keys_are_rotated_while_the_gateway_runs() {
    let (provider, identity, clock) = start().await;
    let first = provider.token_for("alice", AUDIENCE).await.unwrap();
    let of_job = provider.token_for(WORKLOAD, AUDIENCE).await.unwrap();
    let verified = identity.verify(&first).await.unwrap();

    // New keys sign, the old ones are still published: both are good, after one fetch.
    provider.rotate(OldKeys::Keep).await.unwrap();
    let second = provider.token_for("alice", AUDIENCE).await.unwrap();
    clock.forward(Duration::from_secs(10));
    assert_eq!(identity.verify(&second).await.unwrap().principal.id(), "corp|alice");
    assert_eq!(reason(&identity, &first).await, "accepted");
    assert_eq!(reason(&identity, &of_job).await, "accepted");
    assert_eq!(provider.served("/jwks").await.unwrap(), 2);

    // The old keys are withdrawn: their tokens are worth nothing, remembered or not.
    provider.rotate(OldKeys::Drop).await.unwrap();
    identity.refresh().await;
    assert!(!identity.is_current(&verified));
    for old in [&first, &second, &of_job] {
        assert_eq!(reason(&identity, old).await, "key");
    }
    let third = provider.token_for("bob", AUDIENCE).await.unwrap();
    assert_eq!(reason(&identity, &third).await, "accepted");

    // The tokens with withdrawn keys asked for no further fetch within ten seconds.
    assert_eq!(provider.served("/jwks").await.unwrap(), 3);
}

#[tokio::test]
async fn a_provider_that_is_gone_is_an_upstream_error() {
    let (provider, identity, clock) = start().await;
    let known = provider.token_for("alice", AUDIENCE).await.unwrap();
    identity.verify(&known).await.unwrap();
    provider.rotate(OldKeys::Keep).await.unwrap();
    let unknown = provider.token_for("alice", AUDIENCE).await.unwrap();
    drop(provider);

    clock.forward(Duration::from_secs(10));
    let error = identity.verify(&unknown).await.expect_err("its key cannot be fetched");
    assert_eq!(error, AuthError::KeysUnavailable { issuer: "corp".into() });
    assert_eq!(reason(&identity, &known).await, "accepted", "its key is known for less than a day");
}

async fn reason(identity: &Identity, token: &str) -> &'static str {
    identity.verify(token).await.map_or_else(|error| error.reason(), |_| "accepted")
}
