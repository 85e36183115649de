//! Certificates and keys from PEM files (RFC 7468), and what is wrong with them.
//!
//! Refused: files that are too large, hold nothing of what is wanted or something that is no PEM, and a private key that
//! others than its owner may read. A path is in every error, content of a file in none.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::VerifierBuilderError;
use vidimus_core::ErrorKind;

/// The largest PEM file that is read, in bytes: a bundle of the world's roots is a quarter of that.
const MAX_PEM: u64 = 1 << 20;

/// Why there is no TLS by these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than any PEM file is.
    #[error("{} is larger than 1 MiB: is it a PEM file?", .0.display())]
    TooLarge(PathBuf),
    /// A private key that others may read.
    #[error("the private key {} may be read by others than its owner; run `chmod 600` on it", .0.display())]
    Exposed(PathBuf),
    /// A file is no PEM, or holds nothing that is wanted of it.
    #[error("{} holds no {wanted} in PEM (`-----BEGIN …-----`)", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
    },
    /// Certificate and key are not of each other, or not of a kind that is supported.
    #[error("the certificate {} and the key {} cannot be used together: {source}", certificate.display(), key.display())]
    Unusable {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong with them.
        source: rustls::Error,
    },
    /// A certificate in a file cannot be trusted.
    #[error("{} holds what is no certificate of an authority: {source}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// Nothing can be verified by the authorities for client certificates.
    #[error("client certificates cannot be verified by {}: {source}", path.display())]
    ClientAuthority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: VerifierBuilderError,
    },
    /// The system's root certificates cannot be read.
    #[error("the system's root certificates cannot be read (install ca-certificates): {0}")]
    Roots(std::io::Error),
    /// The cryptographic library cannot do what TLS needs.
    #[error("TLS cannot be set up: {0}")]
    Library(rustls::Error),
}

impl TlsError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Library(_) => ErrorKind::Internal,
            _ => ErrorKind::Configuration,
        }
    }
}

/// A certificate with those it is signed by, and the files it came from.
pub(crate) struct Pair {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Reads a certificate chain, leaf first, and its key.
pub(crate) fn pair(certificate: &Path, key: &Path) -> Result<Pair, TlsError> {
    Ok(Pair { chain: certificates(certificate)?, key: private_key(key)? })
}

/// Reads the certificates of authorities.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

/// Whether there is such a file, its mode, and what is in it: equal for equal files.
pub(crate) fn state(path: &Path) -> Option<(u32, Vec<u8>)> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    Some((mode, read(path, false).ok()?))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let nothing = || TlsError::Nothing { path: path.to_owned(), wanted: "certificate" };
    let text = read(path, false)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(nothing)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path, true)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::Nothing { path: path.to_owned(), wanted: "private key" })
}

/// The content of a file; of a secret one only if nobody but its owner may read it.
fn read(path: &Path, is_secret: bool) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if is_secret && mode & 0o077 != 0 {
        return Err(TlsError::Exposed(path.to_owned()));
    }
    let mut content = Vec::new();
    file.take(MAX_PEM + 1).read_to_end(&mut content).map_err(unreadable)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= MAX_PEM) {
        Ok(content)
    } else {
        Err(TlsError::TooLarge(path.to_owned()))
    }
}
