//! The configuration: `vidimus.toml`, read whole, checked whole, and only then used.
//!
//! Strict: an unknown key, a wrong type or a literal secret is refused, with every problem of the file in one report.
//! What comes out is typed and consistent; code that uses it checks nothing again. Relative paths are relative to the
//! file. Secrets stay references here and are read when they are used (see `secret.rs`).

mod approvals;
mod databases;
mod document;
mod facts;
mod grants;
mod keys;
mod limits;
mod masking;
mod oauth;
mod reference;
mod retention;
mod rewrites;
mod sections;
mod stdio;
mod table;
mod tls;
mod value;
mod webhooks;
mod witnesses;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Uri};
use vidimus_core::{Durability, Record, TargetName};
use vidimus_gate::{GrantRules, Rule, Thresholds};
use vidimus_guard::Rewrite;
use vidimus_identity::IssuerConfig;
use vidimus_log::WitnessKey;
use vidimus_mcp::Pinning;
use vidimus_net::{Proxies, TargetTls, TlsFiles};
use vidimus_policy::ApprovalRule;
use vidimus_stdio::Confinement;

use crate::problem::Problem;
use crate::secret::{SecretRef, Source};
pub(crate) use databases::{Database, PostgresListener};
use document::Document;
pub(crate) use limits::Limits;
pub(crate) use masking::{Masking, Shared as SharedMasking};
pub(crate) use oauth::Oauth;
pub(crate) use reference::markdown;
pub(crate) use sections::SOCKET;
pub(crate) use stdio::{Chain, Program, ProgramError};
pub(crate) use value::{LOCAL_ISSUER, OWN_ISSUER, duration, is_loopback, private_url};
pub(crate) use webhooks::Webhook;

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A whole configuration. The reference (`vidimus reference config`) says what each key means.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file it came from.
    pub(crate) path: PathBuf,
    /// `sha256:…` of the file, for evidence.
    pub(crate) hash: String,
    /// `[gateway]`
    pub(crate) gateway: Gateway,
    /// `[limits]`
    pub(crate) limits: Limits,
    /// `[capacity]`
    pub(crate) capacity: Thresholds,
    /// `[integrity] every`
    pub(crate) integrity_every: Duration,
    /// `[index] full_text`
    pub(crate) full_text: bool,
    /// `[identity.oidc.*]`, at least one, by name.
    pub(crate) issuers: Vec<Issuer>,
    /// `[policy] dir`
    pub(crate) policy_dir: PathBuf,
    /// `[approvals.*]`, by name.
    pub(crate) approvals: Vec<ApprovalRule>,
    /// `[webhooks.*]`, by name.
    pub(crate) webhooks: Vec<Webhook>,
    /// `[rewrites.*]`, by name.
    pub(crate) rewrites: Arc<[Rewrite]>,
    /// `[grants.*]`, by name, and `[break_glass]`.
    pub(crate) grants: GrantRules,
    /// `[masking]`
    pub(crate) masking: Masking,
    /// `[targets.*]` that are MCP servers, by name.
    pub(crate) targets: Vec<Target>,
    /// `[targets.*]` that are databases, by name.
    pub(crate) databases: Vec<Database>,
    /// `[listeners.postgres]`
    pub(crate) postgres: Option<PostgresListener>,
    /// What `[retention]` and the targets' `retain` say of how long recordings are kept.
    pub(crate) retention: Vec<Rule>,
    /// How long before less of them, or of holds, comes into force.
    pub(crate) retention_delay: Duration,
    /// `[witnesses.*]`, by name.
    pub(crate) witnesses: Vec<Witness>,
    /// `[log] public`
    pub(crate) is_log_public: bool,
}

/// `[gateway]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) listen: SocketAddr,
    /// Always on loopback.
    pub(crate) admin: SocketAddr,
    /// `https`, or `http` on loopback.
    pub(crate) public_url: Uri,
    pub(crate) data_dir: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) key: SecretRef,
    /// Scheme and host, in lower case.
    pub(crate) allowed_origins: Vec<String>,
    /// What clients ask issuers for.
    pub(crate) scopes: Vec<String>,
    /// `[gateway.tls]`; none when the listener speaks plain HTTP.
    pub(crate) tls: Option<TlsFiles>,
    /// The proxies that say for whom they ask.
    pub(crate) proxies: Proxies,
}

impl Config {
    /// What `program` may do: it reaches neither the gateway's data nor a key that is a file, and changes nothing that the
    /// gateway is told. All paths are absolute.
    pub(crate) fn confinement(&self, program: &Program) -> Result<Confinement, ProgramError> {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let key = match &self.gateway.key.source {
            Source::File(path) => Some(path),
            Source::Env(_) => None,
        };
        let of_postgres = self.postgres.as_ref().and_then(|listener| listener.tls.as_ref());
        let tls: Vec<&TlsFiles> = self.gateway.tls.iter().chain(of_postgres).collect();
        let of_servers = self.targets.iter().filter_map(|target| match &target.server {
            Server::Http { tls, .. } => Some(&**tls),
            Server::Program(_) => None,
        });
        let of_databases = self.databases.iter().filter_map(|database| database.tls.as_deref());
        let of_targets = of_servers.chain(of_databases);
        let own_keys = of_targets.clone().filter_map(|tls| tls.identity.as_ref().map(|(_, key)| key));
        let keys = key.into_iter().chain(tls.iter().map(|tls| &tls.key)).chain(own_keys);
        let forbidden = std::iter::once(&self.gateway.data_dir).chain(keys);
        let mut confinement = program.confinement(forbidden.map(absolute))?;
        let certificates = tls.into_iter().flat_map(|tls| std::iter::once(&tls.certificate).chain(&tls.client_ca));
        let of_targets =
            of_targets.flat_map(|tls| tls.ca.iter().chain(tls.identity.as_ref().map(|(certificate, _)| certificate)));
        let told =
            [&self.path, &self.policy_dir, &self.gateway.socket].into_iter().chain(certificates).chain(of_targets);
        let tools = self.targets.iter().filter_map(|target| target.tools.as_ref());
        confinement.unwritable = told.chain(tools).map(absolute).collect();
        Ok(confinement)
    }
}

/// `[identity.oidc.NAME]`
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    /// What the identity crate needs to know.
    pub(crate) verification: IssuerConfig,
    /// The algorithms by name, as in the file.
    pub(crate) algorithms: Vec<String>,
    /// Whether keys may be fetched from private and loopback addresses.
    pub(crate) allow_private: bool,
    /// Whether clients that find the issuer by themselves are sent to it.
    pub(crate) is_advertised: bool,
}

/// `[targets.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: TargetName,
    pub(crate) server: Server,
    /// Scopes that a token must have.
    pub(crate) scopes: Vec<String>,
    pub(crate) durability: Durability,
    pub(crate) record: Record,
    /// Whether the definitions of its tools are pinned.
    pub(crate) pins: Pinning,
    /// How long recordings are kept after their sessions end, where the target says it itself.
    pub(crate) retain: Option<Duration>,
    /// `[masking]` with `[targets.NAME.masking]` on top.
    pub(crate) masking: Masking,
    /// What facts of its calls are made by.
    pub(crate) guard: vidimus_guard::Guard,
    pub(crate) tools: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) call_timeout: Duration,
}

/// Where a target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    /// At a URL.
    Http {
        url: Uri,
        /// Names are in lower case, each once.
        headers: Vec<(HeaderName, SecretRef)>,
        /// Tokens that the gateway asks for.
        oauth: Option<Box<Oauth>>,
        /// Whether the URL is an SSE endpoint (MCP 2024-11-05), and not one of Streamable HTTP.
        is_sse: bool,
        /// Requests at once.
        requests: usize,
        tls: Box<TargetTls>,
    },
    /// A program the gateway starts.
    Program(Box<Program>),
}

/// `[witnesses.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) name: String,
    /// The prefix of `/add-checkpoint`.
    pub(crate) url: Uri,
    pub(crate) key: WitnessKey,
    pub(crate) on_start: OnStart,
}

/// What holds when a witness cannot be asked at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnStart {
    /// The gateway does not start.
    Refuse,
    /// It starts, and says so.
    Warn,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It says something else than a configuration may.
    #[error("{report}")]
    Refused {
        /// Each fault.
        problems: Vec<Problem>,
        /// All of them with the lines they are on, for people.
        report: String,
    },
}

impl ConfigError {
    /// Each fault by itself.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Unreadable { .. } => vec![Problem::new(self.to_string())],
            Self::Refused { problems, .. } => problems.clone(),
        }
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, text)
    }

    /// Checks the text of a configuration that stands, or could stand, at `path`.
    pub(crate) fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let hash = digest.as_ref().iter().fold("sha256:".to_owned(), |hash, byte| format!("{hash}{byte:02x}"));
        let document = Document::new(path, text);
        let config = sections::read(&document, path, hash);
        match (document.report(), config) {
            (None, Some(config)) => Ok(config),
            (Some(report), _) => Err(ConfigError::Refused { problems: document.problems(), report }),
            (None, None) => {
                let report = format!("{} is not a configuration", path.display());
                Err(ConfigError::Refused { problems: vec![Problem::new(&report)], report })
            }
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_FILE) {
        Ok(text)
    } else {
        Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"))
    }
}

#[cfg(test)]
mod tests;
