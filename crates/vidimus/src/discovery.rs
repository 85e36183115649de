//! Fetching identity providers' documents, by the rules of each issuer: HTTPS to public addresses, unless the issuer
//! is configured with `allow_private`.

use std::collections::BTreeSet;
use std::pin::Pin;

use bytes::Bytes;
use http::Uri;
use vidimus_identity::{Fetch, FetchError};
use vidimus_net::Fetcher;

use crate::config::Issuer;

/// What `vidimus-identity` fetches with.
pub(crate) struct Discovery {
    public: Fetcher,
    private: Fetcher,
    /// `host:port` of issuers that may be on a private network.
    private_hosts: BTreeSet<String>,
}

impl Discovery {
    pub(crate) fn new(issuers: &[Issuer]) -> Result<Self, vidimus_net::FetchError> {
        let mut private_hosts = BTreeSet::new();
        for issuer in issuers.iter().filter(|issuer| issuer.allow_private) {
            let urls = [Some(&issuer.verification.issuer), issuer.verification.jwks_url.as_ref()];
            private_hosts.extend(urls.into_iter().flatten().filter_map(|url| authority(&url.parse().ok()?)));
        }
        Ok(Self { public: Fetcher::new(false)?, private: Fetcher::new(true)?, private_hosts })
    }

    fn fetcher(&self, url: &str) -> &Fetcher {
        let is_private = url
            .parse::<Uri>()
            .ok()
            .and_then(|url| authority(&url))
            .is_some_and(|authority| self.private_hosts.contains(&authority));
        if is_private { &self.private } else { &self.public }
    }
}

fn authority(url: &Uri) -> Option<String> {
    Some(url.authority()?.as_str().to_ascii_lowercase())
}

impl Fetch for Discovery {
    fn get<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async move {
            self.fetcher(url).get(url).await.map_err(|error| match error {
                vidimus_net::FetchError::Forbidden(_) => FetchError::Refused(error.to_string()),
                vidimus_net::FetchError::Status { status, .. } => FetchError::Status(status.as_u16()),
                vidimus_net::FetchError::Timeout { .. } => FetchError::Timeout,
                vidimus_net::FetchError::Unreachable { .. } | vidimus_net::FetchError::Roots(_) => {
                    FetchError::Connection(error.to_string())
                }
            })
        })
    }
}
