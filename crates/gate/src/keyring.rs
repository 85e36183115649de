//! The keyring: everything secret that outlives a process, in one small file below the key-encryption key.
//!
//! `keys/ring` is text: for each key-encryption key a `slot` with the ring's own key wrapped by it, for each signing key of
//! the log a `signing` line with its seed wrapped by the ring's key (the newest first), and for each change that no event
//! tells yet a `change` line; an HMAC-SHA256 under the ring's key ends it. The ring's key wraps the keys of recordings.
//!
//! Rotating is overlapping: a new key joins, and the old one leaves in a second step. Each step replaces the file whole
//! (write, sync, rename, sync), so a crash leaves the ring before or after it, and either starts. Refused: a ring that others
//! may read, that no slot opens, or that was altered; none at all where there is a log already; a key that is not there.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vidimus_core::{ErrorKind, Timestamp};
use vidimus_log::note::NoteError;
use vidimus_log::storage::{Storage, StorageError, create_dirs, replace_file};
use vidimus_log::{KeyList, Signer, VerifierKey};

use crate::key_service::{KeyService, KeyServiceError};
use crate::keys::{self, KeyEncryptionKey, KeyError, Secret};

/// The first line.
const VERSION: &str = "vidimus-keyring/1";
/// The purpose of the ring's key.
const RING_PURPOSE: &[u8] = b"vidimus.keyring/1";
/// The purpose of a signing key's seed, before its public key.
const SIGNING_PURPOSE: &str = "vidimus.log-signing-key/2 ";
/// The purpose of the key that the ring's HMAC is made with (RFC 5869 §3.2).
const MAC_PURPOSE: &[u8] = b"vidimus.keyring-mac/1";
/// The most bytes of the file.
const MAX_RING_BYTES: u64 = 64 << 10;
/// The most keys of one kind: a rotation needs two.
const MAX_KEYS: usize = 4;

/// Why the keyring is not to be had, or not to be changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The key-encryption key does not do its part.
    #[error(transparent)]
    Service(#[from] KeyServiceError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A signing key cannot be used.
    #[error("the log's signing key cannot be used: {0}")]
    Signing(#[from] NoteError),
    /// The file cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The file cannot be read or locked.
    #[error("keyring {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: std::io::Error,
    },
    /// Others than its owner may read it.
    #[error("{} may be read by others than its owner (mode {mode:04o}); run `chmod {wanted:03o} {}`", path.display(), path.display())]
    Mode {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it must have.
        wanted: u32,
    },
    /// There is a log, and no ring.
    #[error("{} is missing, and the log of this data_dir cannot go on without it: restore it from a backup", .0.display())]
    Missing(PathBuf),
    /// None of the slots is this key-encryption key's.
    #[error("{} is for the key-encryption keys {slots}, and the configured one is {service}: configure one of those", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// Whose slots it has.
        slots: String,
        /// Which key was tried.
        service: String,
    },
    /// It is not what was written.
    #[error("{} was altered: {what}; restore it from a backup", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Somebody else works on it.
    #[error("the keyring is in use: another `vidimus keys`, or a gateway that is starting; try again")]
    InUse,
    /// The step does not follow.
    #[error("{0}")]
    Step(String),
}

impl KeyringError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Service(error) => error.kind(),
            _ => ErrorKind::Configuration,
        }
    }
}

/// What a gateway starts with.
#[derive(Debug)]
pub struct Keys {
    /// Wraps the keys of recordings; masking and sealing derive theirs from it.
    pub key: Secret,
    /// The seeds of the log's signing keys, the newest first. All of them sign.
    pub signing: Vec<Secret>,
    /// The name of the key-encryption key that opened them.
    pub service: String,
    /// Changes that no event tells yet.
    pub changes: Vec<KeyChange>,
}

/// A change of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// `signing_added`, `signing_retired`, `kek_added` or `kek_retired`.
    pub what: String,
    /// The public key, or the name of the key-encryption key.
    pub key: String,
    /// Who did it: `issuer|subject`.
    pub by: String,
    /// When.
    pub at: String,
}

/// The keyring of a data directory, opened and locked: nobody else changes it meanwhile.
#[derive(Debug)]
pub struct Keyring<'s> {
    storage: &'s dyn Storage,
    path: PathBuf,
    key: Secret,
    /// Name and wrapped key.
    slots: Vec<(String, Vec<u8>)>,
    signing: Vec<SigningKey>,
    changes: Vec<KeyChange>,
    /// Held as long as this lives.
    _lock: File,
}

#[derive(Debug)]
struct SigningKey {
    public: VerifierKey,
    seed: Secret,
}

impl<'s> Keyring<'s> {
    /// Opens the ring below `data_dir`, or makes it where there is no log yet. `origin` is the name of signing keys.
    pub async fn open(
        storage: &'s dyn Storage,
        data_dir: &Path,
        service: &dyn KeyService,
        origin: &str,
    ) -> Result<Self, KeyringError> {
        let directory = data_dir.join("keys");
        create_dirs(storage, &directory)?;
        check_mode(&directory, 0o700)?;
        let lock = lock(&directory.join("lock"))?;
        let path = directory.join("ring");
        let is_there = path.try_exists().map_err(|error| KeyringError::File { path: path.clone(), error })?;
        if is_there {
            check_mode(&path, 0o600)?;
            return Self::read(storage, path, lock, service).await;
        }
        if data_dir.join("log/checkpoint").exists() || directory.join("log-signing").exists() {
            return Err(KeyringError::Missing(path));
        }
        let key = Secret::random()?;
        let slots = vec![(service.name().to_owned(), wrapped_by(service, &key).await?)];
        let signing = vec![SigningKey::random(origin)?];
        let ring = Self { storage, path, key, slots, signing, changes: Vec::new(), _lock: lock };
        ring.store()?;
        Ok(ring)
    }

    /// What the gateway starts with.
    pub fn keys(&self, service: &dyn KeyService) -> Keys {
        Keys {
            key: self.key.copied(),
            signing: self.signing.iter().map(|signing| signing.seed.copied()).collect(),
            service: service.name().to_owned(),
            changes: self.changes.clone(),
        }
    }

    /// The public signing keys, the newest first.
    pub fn signing(&self) -> impl Iterator<Item = &VerifierKey> {
        self.signing.iter().map(|signing| &signing.public)
    }

    /// The names of the key-encryption keys that open the ring.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|(name, _)| name.as_str())
    }

    /// Forgets the changes, now that events tell them.
    pub fn told(&mut self) -> Result<(), KeyringError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        self.changes.clear();
        self.store()
    }

    /// Adds a signing key: from the next start on the log is signed by it and by those before.
    pub fn add_signing(&mut self, origin: &str, by: &str, at: Timestamp) -> Result<VerifierKey, KeyringError> {
        if self.signing.len() > 1 {
            let step = "a rotation is under way; end it with `vidimus keys rotate --signing --finish`";
            return Err(KeyringError::Step(step.to_owned()));
        }
        let key = SigningKey::random(origin)?;
        let public = key.public.clone();
        self.signing.insert(0, key);
        self.change("signing_added", public.to_string(), by, at);
        self.store()?;
        Ok(public)
    }

    /// Ends the overlap: all signing keys but the newest go. The newest must have signed the log's checkpoint.
    pub fn retire_signing(&mut self, checkpoint: &str, by: &str, at: Timestamp) -> Result<(), KeyringError> {
        let [newest, _, ..] = self.signing.as_slice() else {
            return Err(KeyringError::Step(
                "there is one signing key only; add a new one first, without --finish".into(),
            ));
        };
        if KeyList::always([newest.public.clone()]).open(checkpoint).is_err() {
            let step = "the new key has not signed yet: start the gateway once with both keys, then finish";
            return Err(KeyringError::Step(step.to_owned()));
        }
        for retired in self.signing.split_off(1) {
            self.change("signing_retired", retired.public.to_string(), by, at);
        }
        self.store()
    }

    /// Adds a key-encryption key: either opens the ring from now on.
    pub async fn add_service(&mut self, service: &dyn KeyService, by: &str, at: Timestamp) -> Result<(), KeyringError> {
        if self.services().any(|name| name == service.name()) {
            return Err(KeyringError::Step(format!("{} opens the keyring already", service.name())));
        }
        if self.slots.len() >= MAX_KEYS {
            let step = "too many key-encryption keys open the ring; retire the old ones with --finish first";
            return Err(KeyringError::Step(step.to_owned()));
        }
        let wrapped = wrapped_by(service, &self.key).await?;
        self.slots.push((service.name().to_owned(), wrapped));
        self.change("kek_added", service.name().to_owned(), by, at);
        self.store()
    }

    /// Ends the overlap: only `service` opens the ring from now on. Refused unless it was added last, or the new key
    /// would go and the old one be destroyed.
    pub fn retire_services(&mut self, service: &dyn KeyService, by: &str, at: Timestamp) -> Result<(), KeyringError> {
        if let Some((newest, _)) = self.slots.last().filter(|(newest, _)| newest != service.name()) {
            let step = format!(
                "the configuration still names the old key; put the new one, {newest}, into it ([gateway] key), restart \
                 the gateway with it, then finish"
            );
            return Err(KeyringError::Step(step));
        }
        let (kept, retired): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.slots).into_iter().partition(|(name, _)| name == service.name());
        self.slots = kept;
        if retired.is_empty() {
            let step = "only the configured key-encryption key opens the keyring; there is nothing to finish";
            return Err(KeyringError::Step(step.to_owned()));
        }
        for (name, _) in retired {
            self.change("kek_retired", name, by, at);
        }
        self.store()
    }

    fn change(&mut self, what: &str, key: String, by: &str, at: Timestamp) {
        let by = by.replace(char::is_whitespace, "_");
        self.changes.push(KeyChange { what: what.to_owned(), key, by, at: at.to_string() });
    }

    async fn read(
        storage: &'s dyn Storage,
        path: PathBuf,
        lock: File,
        service: &dyn KeyService,
    ) -> Result<Self, KeyringError> {
        let altered = |what| KeyringError::Altered { path: path.clone(), what };
        let text = read_bounded(&path).map_err(|error| KeyringError::File { path: path.clone(), error })?;
        let (covered, mac) = text.rsplit_once("mac ").ok_or_else(|| altered("no MAC at its end"))?;
        let mac = mac.strip_suffix('\n').and_then(|mac| STANDARD.decode(mac).ok());
        let mut lines = covered.lines();
        if lines.next() != Some(VERSION) {
            return Err(altered("of another version"));
        }
        let words: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
        let slots: Vec<(String, Vec<u8>)> = words
            .iter()
            .filter_map(|words| match words.as_slice() {
                ["slot", name, wrapped] => Some(((*name).to_owned(), STANDARD.decode(wrapped).ok()?)),
                _ => None,
            })
            .collect();
        let Some((_, wrapped)) = slots.iter().find(|(name, _)| name == service.name()) else {
            let names: Vec<&str> = slots.iter().map(|(name, _)| name.as_str()).collect();
            let service = service.name().to_owned();
            return Err(KeyringError::OtherKey { path: path.clone(), slots: names.join(", "), service });
        };
        let key = service.unwrap(wrapped, RING_PURPOSE).await?;
        let mac = mac.ok_or_else(|| altered("no MAC at its end"))?;
        hmac::verify(&mac_key(&key)?, covered.as_bytes(), &mac).map_err(|_| altered("its MAC is wrong"))?;
        // From here on it is as this program wrote it.
        let wrapping = KeyEncryptionKey::new(&key)?;
        let (mut signing, mut changes) = (Vec::new(), Vec::new());
        for words in &words {
            match words.as_slice() {
                ["signing", public, wrapped] => signing.push(SigningKey::open(public, wrapped, &wrapping)?),
                ["change", what, key, by, at] => changes.push(KeyChange {
                    what: (*what).to_owned(),
                    key: (*key).to_owned(),
                    by: (*by).to_owned(),
                    at: (*at).to_owned(),
                }),
                ["slot", ..] => {}
                _ => return Err(altered("a line of another version")),
            }
        }
        if signing.is_empty() || signing.len() > MAX_KEYS {
            return Err(altered("no signing key"));
        }
        Ok(Self { storage, path, key, slots, signing, changes, _lock: lock })
    }

    fn store(&self) -> Result<(), KeyringError> {
        let wrapping = KeyEncryptionKey::new(&self.key)?;
        let mut text = format!("{VERSION}\n");
        // Writing into a string cannot fail.
        for (name, wrapped) in &self.slots {
            let _ = writeln!(text, "slot {name} {}", STANDARD.encode(wrapped));
        }
        for SigningKey { public, seed } in &self.signing {
            let wrapped = wrapping.wrap(seed, format!("{SIGNING_PURPOSE}{public}").as_bytes())?;
            let _ = writeln!(text, "signing {public} {}", STANDARD.encode(wrapped));
        }
        for KeyChange { what, key, by, at } in &self.changes {
            let _ = writeln!(text, "change {what} {key} {by} {at}");
        }
        let mac = hmac::sign(&mac_key(&self.key)?, text.as_bytes());
        let _ = writeln!(text, "mac {}", STANDARD.encode(mac.as_ref()));
        Ok(replace_file(self.storage, &self.path, text.as_bytes())?)
    }
}

impl SigningKey {
    fn random(origin: &str) -> Result<Self, KeyringError> {
        let seed = Secret::random()?;
        let public = Signer::from_seed(origin, seed.expose())?.verifier().clone();
        Ok(Self { public, seed })
    }

    fn open(public: &str, wrapped: &str, wrapping: &KeyEncryptionKey) -> Result<Self, KeyringError> {
        let wrapped = STANDARD.decode(wrapped).unwrap_or_default();
        let purpose = format!("{SIGNING_PURPOSE}{public}");
        let seed = wrapping.unwrap(&wrapped, purpose.as_bytes(), "a signing key of the keyring")?;
        Ok(Self { public: public.parse()?, seed })
    }
}

/// The ring's key, wrapped. A service that does not give back what it wrapped would lock everything away for good.
async fn wrapped_by(service: &dyn KeyService, key: &Secret) -> Result<Vec<u8>, KeyringError> {
    let wrapped = service.wrap(key, RING_PURPOSE).await?;
    if service.unwrap(&wrapped, RING_PURPOSE).await?.expose() == key.expose() {
        return Ok(wrapped);
    }
    let why = "it does not give back what it wrapped".to_owned();
    Err(KeyServiceError::Refused { service: service.name().to_owned(), why }.into())
}

fn mac_key(key: &Secret) -> Result<hmac::Key, KeyError> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &keys::derived(key, MAC_PURPOSE)?))
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    File::open(path)?.take(MAX_RING_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Refuses what others than its owner may read or write.
fn check_mode(path: &Path, wanted: u32) -> Result<(), KeyringError> {
    let metadata = std::fs::metadata(path).map_err(|error| KeyringError::File { path: path.to_owned(), error })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 { Err(KeyringError::Mode { path: path.to_owned(), mode, wanted }) } else { Ok(()) }
}

fn lock(path: &Path) -> Result<File, KeyringError> {
    let failed = |error| KeyringError::File { path: path.to_owned(), error };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(KeyringError::InUse),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests;
