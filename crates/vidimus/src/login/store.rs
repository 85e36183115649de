//! The file of logins: tokens by the resource they are for, and the clients that issuers know this program as.
//!
//! `$XDG_STATE_HOME/vidimus/logins.json`, or below `~/.local/state`. For its owner alone: one that others may read is
//! refused. It is written beside itself and put in place whole, so that a crash leaves the old one or the new one. Whoever
//! changes it holds the lock beside it.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::LoginError;
use super::issuer::{Client, Issuer};
use super::token::Issued;

/// The largest file of logins, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// How many seconds before its end a token is replaced; of one that lives shortly, a tenth of its life before.
const MARGIN: u64 = 60;

/// The file of logins.
#[derive(Clone)]
pub(crate) struct Store {
    path: PathBuf,
}

/// What is in it.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Logins {
    /// By resource.
    #[serde(default)]
    pub(super) logins: BTreeMap<String, Kept>,
    /// The client id by issuer.
    #[serde(default)]
    pub(super) clients: BTreeMap<String, String>,
}

/// One login.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) token_endpoint: String,
    pub(super) revocation_endpoint: Option<String>,
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    /// Seconds since 1970.
    pub(super) expires: Option<u64>,
    /// For how many seconds it was good when it was given.
    #[serde(default)]
    lifetime: Option<u64>,
    pub(super) scope: Option<String>,
}

impl Kept {
    pub(super) fn new(issuer: &Issuer, client: &Client, issued: Issued) -> Self {
        Self {
            issuer: issuer.url.clone(),
            client_id: client.id.clone(),
            token_endpoint: issuer.token_endpoint.clone(),
            revocation_endpoint: issuer.revocation_endpoint.clone(),
            access_token: issued.access_token,
            refresh_token: issued.refresh_token,
            expires: issued.expires_in.map(|seconds| now().saturating_add(seconds)),
            lifetime: issued.expires_in,
            scope: issued.scope,
        }
    }

    /// Whether its token is good at this moment, and for a while; seconds since 1970.
    pub(super) fn is_good(&self, now: u64) -> bool {
        let margin = self.lifetime.map_or(MARGIN, |lifetime| MARGIN.min(lifetime / 10));
        self.expires.is_none_or(|expires| expires > now.saturating_add(margin))
    }

    /// With what a refresh gave; what it did not give stays (RFC 6749 §6).
    pub(super) fn refreshed(&self, issued: Issued) -> Self {
        Self {
            access_token: issued.access_token,
            refresh_token: issued.refresh_token.or_else(|| self.refresh_token.clone()),
            expires: issued.expires_in.map(|seconds| now().saturating_add(seconds)),
            lifetime: issued.expires_in,
            scope: issued.scope.or_else(|| self.scope.clone()),
            ..self.clone()
        }
    }
}

impl Store {
    /// The file at `path`, or where it is unless somebody says.
    pub(crate) fn at(path: Option<PathBuf>) -> Result<Self, LoginError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = || absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        let path = path.or_else(|| Some(state()?.join("vidimus/logins.json")));
        let nowhere =
            || LoginError::Store("there is no home directory to keep tokens in; name a file with --logins".into());
        Ok(Self { path: path.ok_or_else(nowhere)? })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there; nothing when there is no file.
    pub(super) fn read(&self) -> Result<Logins, LoginError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Logins::default()),
            Err(error) => return Err(self.failed("cannot read", error)),
        };
        let metadata = file.metadata().map_err(|error| self.failed("cannot read", error))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            let path = self.path.display();
            return Err(LoginError::Store(format!(
                "{path} is open to other users: run `chmod 600 {path}`, and sign in again"
            )));
        }
        let mut text = Vec::new();
        (&mut file).take(MAX_FILE).read_to_end(&mut text).map_err(|error| self.failed("cannot read", error))?;
        serde_json::from_slice(&text).map_err(|_| {
            let path = self.path.display();
            LoginError::Store(format!("{path} is no file of logins; remove it, and sign in again"))
        })
    }

    /// Changes what is there, while nobody else does.
    pub(super) async fn change(&self, change: impl FnOnce(&mut Logins)) -> Result<(), LoginError> {
        let _lock = self.lock().await?;
        let mut logins = self.read()?;
        change(&mut logins);
        self.write(&logins)
    }

    /// Waits until nobody else changes the file; they wait until what this gives is dropped.
    pub(super) async fn lock(&self) -> Result<File, LoginError> {
        if let Some(directory) = self.path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|error| self.failed("cannot make the directory of", error))?;
        }
        let path = self.path.with_extension("lock");
        let locked = tokio::task::spawn_blocking(move || {
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
            file.lock().map(|()| file)
        });
        let locked = locked.await.map_err(std::io::Error::other).and_then(|locked| locked);
        locked.map_err(|error| self.failed("cannot lock", error))
    }

    /// Puts these in place; the lock is held.
    pub(super) fn write(&self, logins: &Logins) -> Result<(), LoginError> {
        let path = self.path.with_extension("new");
        let write = || {
            let text = serde_json::to_vec_pretty(logins)?;
            // One that a crash left may have been made by somebody else.
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&path, &self.path)?;
            self.path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        };
        write().map_err(|error| self.failed("cannot write", error))
    }

    fn failed(&self, problem: &'static str, source: std::io::Error) -> LoginError {
        LoginError::File { problem, path: self.path.clone(), source }
    }
}

/// Seconds since 1970 by this machine's clock.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(token: &str) -> Kept {
        Kept {
            issuer: "https://login.example.com".to_owned(),
            client_id: "app".to_owned(),
            token_endpoint: "https://login.example.com/token".to_owned(),
            revocation_endpoint: None,
            access_token: token.to_owned(),
            refresh_token: Some("r".to_owned()),
            lifetime: None,
            expires: None,
            scope: None,
        }
    }

    #[tokio::test]
    async fn logins_are_for_their_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::at(Some(directory.path().join("deep/logins.json"))).unwrap();
        assert!(store.read().unwrap().logins.is_empty());
        store.change(|logins| drop(logins.logins.insert("https://gw/mcp".into(), kept("t")))).await.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(store.path()), mode(store.path().parent().unwrap())), (0o600, 0o700));
        assert_eq!(store.read().unwrap().logins["https://gw/mcp"].access_token, "t");

        std::fs::set_permissions(store.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(store.read(), Err(LoginError::Store(text)) if text.contains("chmod 600")));
    }

    #[tokio::test]
    async fn changes_at_once_are_all_kept_and_a_broken_file_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::at(Some(directory.path().join("logins.json"))).unwrap();
        let changes = (0..16).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store.change(|logins| drop(logins.logins.insert(format!("https://gw/{number}"), kept("t")))).await
            })
        });
        for change in changes.collect::<Vec<_>>() {
            change.await.unwrap().unwrap();
        }
        assert_eq!(store.read().unwrap().logins.len(), 16);

        std::fs::write(store.path(), "{").unwrap();
        assert!(store.change(|logins| logins.logins.clear()).await.is_err());
        assert_eq!(std::fs::read(store.path()).unwrap(), b"{");
    }

    #[test]
    fn a_token_that_lives_shortly_is_good_for_most_of_its_life() {
        let kept = |expires, lifetime| Kept { expires, lifetime, ..kept("t") };
        for (expires, lifetime, is_good) in [
            (Some(1_061), None, true),
            (Some(1_060), None, false),
            (Some(1_061), Some(3_600), true),
            (Some(1_060), Some(3_600), false),
            (Some(1_030), Some(30), true),
            (Some(1_003), Some(30), false),
            (Some(1_000), Some(1), false),
            (None, None, true),
        ] {
            assert_eq!(kept(expires, lifetime).is_good(1_000), is_good, "{expires:?} {lifetime:?}");
        }
    }
}
