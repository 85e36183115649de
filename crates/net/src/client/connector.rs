//! A new connection to a target: name and address, TCP, then TLS for `https`, each within its own time.
//!
//! HTTP/2 is agreed on by ALPN. The certificate must be for the name in the URL unless another is set, and of an authority
//! that is trusted for this target. Cancel safety: dropping the future drops the connection.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{ConfigBuilderExt as _, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;
use vidimus_core::ErrorKind;

use crate::exchanged::Exchanged;
use crate::pem::{self, TlsError};
use crate::tls::{H2, HTTP_1_1, VERSIONS, provider};

/// How a target's certificate is checked, and what the gateway shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetTls {
    /// The authorities its certificate must be of, in the place of the system's.
    pub ca: Option<PathBuf>,
    /// The gateway's own certificate and its key, for targets that demand one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name its certificate must be for, in the place of the URL's host.
    pub server_name: Option<ServerName<'static>>,
}

impl TargetTls {
    /// Whether its files can be used.
    pub fn check(&self) -> Result<(), TlsError> {
        config(self, false, &[]).map(drop)
    }
}

/// The TLS with one target, whose files are exchanged while the gateway runs: new connections are made with what is in
/// force. Cheap to clone: clones share that.
#[derive(Clone)]
pub struct ClientTls(Arc<Inner>);

struct Inner {
    tls: TargetTls,
    is_https: bool,
    alpn: &'static [&'static [u8]],
    config: Exchanged<ClientConfig>,
}

impl ClientTls {
    /// Reads the files for a protocol that agrees on nothing by ALPN.
    pub fn plain(tls: &TargetTls) -> Result<Self, TlsError> {
        Self::load(tls, true, &[])
    }

    /// What the next connection is made with.
    pub(crate) fn current(&self) -> Arc<ClientConfig> {
        self.0.config.current()
    }

    fn load(tls: &TargetTls, is_https: bool, alpn: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let (certificate, key) = tls.identity.clone().unzip();
        let paths = [tls.ca.clone(), certificate, key].into_iter().flatten().collect();
        let config = Exchanged::load(paths, || config(tls, is_https, alpn))?;
        Ok(Self(Arc::new(Inner { tls: tls.clone(), is_https, alpn, config })))
    }

    /// The files; none when the system's authorities are trusted and nothing is shown.
    pub fn paths(&self) -> &[PathBuf] {
        self.0.config.paths()
    }

    /// Looks at the files again: `Ok(true)` when others are in force now, `Ok(false)` when nothing has changed since the
    /// last look. After an error what was in force stays so, and the error is told once for each state of the files.
    /// Blocks for as long as the files take to read.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.0.config.reload(|| config(&self.0.tls, self.0.is_https, self.0.alpn))
    }
}

/// Why there is no connection to a target.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// Its name has no address, or nobody listens there.
    #[error("no connection to {target}: {reason}")]
    Refused {
        /// Scheme and host.
        target: Arc<str>,
        /// What the system said.
        reason: String,
    },
    /// No connection in time.
    #[error("no connection to {target} within {after:?} (connect_timeout)")]
    Timeout {
        /// Scheme and host.
        target: Arc<str>,
        /// How long it was waited for.
        after: Duration,
    },
    /// One of the two does not accept the other.
    #[error("no TLS with {target}: {reason}")]
    Tls {
        /// Scheme and host.
        target: Arc<str>,
        /// What is wrong, mostly with its certificate.
        reason: String,
    },
    /// A connection, and no TLS in time.
    #[error("{target} took the connection and did not finish the TLS handshake within {after:?} (connect_timeout)")]
    TlsTimeout {
        /// Scheme and host.
        target: Arc<str>,
        /// How long it was waited for.
        after: Duration,
    },
}

impl ConnectError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { .. } | Self::Tls { .. } => ErrorKind::Upstream,
            Self::Timeout { .. } | Self::TlsTimeout { .. } => ErrorKind::Timeout,
        }
    }
}

/// Makes connections to one target.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: ClientTls,
    server_name: Option<ServerName<'static>>,
    target: Arc<str>,
    limit: Duration,
}

impl Connector {
    /// One for `url`; `limit` bounds the connection, and the handshake after it.
    pub(super) fn new(url: &Uri, target: Arc<str>, tls: &TargetTls, limit: Duration) -> Result<Self, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let is_https = url.scheme() == Some(&Scheme::HTTPS);
        let server_name = tls.server_name.clone();
        Ok(Self { tcp, tls: ClientTls::load(tls, is_https, &[H2, HTTP_1_1])?, server_name, target, limit })
    }

    /// The TLS that connections are made with.
    pub(super) const fn tls(&self) -> &ClientTls {
        &self.tls
    }
}

fn config(tls: &TargetTls, is_https: bool, alpn: &[&[u8]]) -> Result<ClientConfig, TlsError> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS).map_err(TlsError::Library)?;
    let builder = match &tls.ca {
        Some(path) => builder.with_root_certificates(pem::authorities(path)?),
        None if is_https => builder.with_native_roots().map_err(TlsError::Roots)?,
        // Nobody is to be believed where no certificate is shown.
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let pair = pem::pair(certificate, key)?;
            let (certificate, key) = (certificate.clone(), key.clone());
            builder.with_client_auth_cert(pair.chain, pair.key).map_err(|source| TlsError::Unusable {
                certificate,
                key,
                source,
            })?
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        let target = Arc::clone(&self.target);
        self.tcp.poll_ready(context).map_err(|error| ConnectError::Refused { target, reason: causes(&error) })
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let connecting = self.tcp.call(url.clone());
        let Self { tls, server_name, target, limit: after, .. } = self.clone();
        Box::pin(async move {
            let stream = match timeout(after, connecting).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return Err(ConnectError::Refused { target, reason: causes(&error) }),
                Err(_) => return Err(ConnectError::Timeout { target, after }),
            };
            if url.scheme() != Some(&Scheme::HTTPS) {
                return Ok(MaybeHttpsStream::Http(stream));
            }
            let server_name = match server_name.map_or_else(|| name(&url), Ok) {
                Ok(server_name) => server_name,
                Err(reason) => return Err(ConnectError::Tls { target, reason }),
            };
            let connector = TlsConnector::from(tls.0.config.current());
            match timeout(after, connector.connect(server_name, TokioIo::new(stream))).await {
                Ok(Ok(stream)) => Ok(stream.into()),
                Ok(Err(error)) => Err(ConnectError::Tls { target, reason: causes(&error) }),
                Err(_) => Err(ConnectError::TlsTimeout { target, after }),
            }
        })
    }
}

/// The name in a URL that a certificate must be for.
fn name(url: &Uri) -> Result<ServerName<'static>, String> {
    let host = url.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())
}

/// The error with its causes: the library's own words name only the step that failed.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = next.source();
    }
    text
}
