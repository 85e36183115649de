//! TLS of a listener: its certificate by files, exchanged while it runs.
//!
//! TLS 1.3 and 1.2 (RFC 8446, RFC 5246) with the suites that rustls offers, none of them without forward secrecy; ALPN
//! offers `h2` and `http/1.1` (RFC 7301) and refuses a client that wants neither. One certificate answers every server
//! name: what a request is for is its `Host`, which is checked by itself. With `client_ca` a client without a certificate
//! of that authority gets no connection; who it is remains its token's word.
//! Files are read whole or not at all: a pair that cannot be used leaves the one before it in force. Sessions are resumed
//! only under the files they began with.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use crate::exchanged::Exchanged;
use crate::pem::{self, TlsError};

/// The versions that are spoken.
pub(crate) static VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// HTTP/2 and HTTP/1.1 as ALPN names them.
pub(crate) const H2: &[u8] = b"h2";
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";

/// Where the certificate of a listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those it is signed by, leaf first.
    pub certificate: PathBuf,
    /// Its private key, readable by its owner alone.
    pub key: PathBuf,
    /// The authorities that client certificates must be of; none when clients need no certificate.
    pub client_ca: Option<PathBuf>,
}

/// The TLS of a listener. Cheap to clone: clones share what is in force.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    alpn: &'static [&'static [u8]],
    config: Exchanged<ServerConfig>,
}

impl ServerTls {
    /// Reads the files, for HTTP.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        Self::load_for(files, &[H2, HTTP_1_1])
    }

    /// Reads the files, for these protocols as ALPN names them. A client that offers none is served as well.
    pub fn load_for(files: TlsFiles, alpn: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let paths = [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()];
        let paths = paths.into_iter().flatten().cloned().collect();
        let config = Exchanged::load(paths, || config(&files, alpn))?;
        Ok(Self(Arc::new(Inner { files, alpn, config })))
    }

    /// The files.
    pub fn files(&self) -> &TlsFiles {
        &self.0.files
    }

    /// Looks at the files again: `Ok(true)` when others are in force now, `Ok(false)` when nothing has changed since the
    /// last look. After an error what was in force stays so, and the error is told once for each state of the files.
    /// Blocks for as long as the files take to read.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.0.config.reload(|| config(&self.0.files, self.0.alpn))
    }

    /// What takes the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.config.current().into()
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServerTls").field(&self.0.files).finish()
    }
}

/// The one cryptographic library.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn config(files: &TlsFiles, alpn: &[&[u8]]) -> Result<ServerConfig, TlsError> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS).map_err(TlsError::Library)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let authorities = Arc::new(pem::authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider()).build();
            let verifier = verifier.map_err(|source| TlsError::ClientAuthority { path: path.clone(), source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let pair = pem::pair(&files.certificate, &files.key)?;
    let mut config = builder.with_single_cert(pair.chain, pair.key).map_err(|source| TlsError::Unusable {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}
