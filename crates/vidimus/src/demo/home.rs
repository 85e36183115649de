//! Where a demonstration keeps its files: evidence in one directory, configuration, key and policies in another.
//!
//! The key-encryption key never stands among the data it protects, here neither. A temporary home goes away with the
//! demonstration; one that was asked for stays, and is used again.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::people::{AUDIENCE, WORKLOAD_CLAIM};

/// The name of the issuer, which the sample policies use.
const ISSUER: &str = "demo";
const CONFIGURATION: &str = "vidimus.toml";
const KEY: &str = "kek";
const SECRET: &str = "crm-secret";
const TOOLS: &str = "crm.tools.json";
const POLICIES: &str = "policies";

/// The directories of one demonstration.
#[derive(Debug)]
pub(super) struct Home {
    /// Configuration, key, policies.
    directory: PathBuf,
    data_dir: PathBuf,
    is_temporary: bool,
}

impl Home {
    /// Makes the directories. Evidence goes to `data_dir` and the rest beside it, else all to a temporary place.
    pub(super) fn make(data_dir: Option<&Path>) -> anyhow::Result<Self> {
        let home = if let Some(data_dir) = data_dir {
            let data_dir = std::path::absolute(data_dir)?;
            let mut name = data_dir.file_name().context("--data-dir must name a directory")?.to_owned();
            name.push(".demo");
            Self { directory: data_dir.with_file_name(name), data_dir, is_temporary: false }
        } else {
            let directory = std::env::temp_dir().join(format!("vidimus-demo-{}", random_hex()?));
            Self { data_dir: directory.join("data"), directory, is_temporary: true }
        };
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match builder.create(&home.directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && !home.is_temporary => {}
            made => made.with_context(|| format!("cannot make {}", home.directory.display()))?,
        }
        builder.recursive(true).create(home.policies())?;
        for (name, text) in super::POLICIES {
            // A home that is used again may have policies that were changed by hand.
            home.write_new(&format!("{POLICIES}/{name}"), text.as_bytes())?;
        }
        let mut key = zeroize::Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(key.as_mut_slice())?;
        home.write_new(KEY, key.as_slice())?;
        Ok(home)
    }

    /// Makes a new secret for the register and leaves it where the gateway finds it.
    pub(super) fn new_secret(&self) -> anyhow::Result<String> {
        let secret = random_hex()?;
        self.replace(SECRET, secret.as_bytes())?;
        Ok(secret)
    }

    /// Writes the configuration, and the tools the register has: the gateway on `port`, the issuer and the register at these URLs.
    pub(super) fn write_configuration(&self, port: u16, issuer: &str, register: &str) -> anyhow::Result<()> {
        self.replace(TOOLS, serde_json::json!({ "tools": super::crm::tools() }).to_string().as_bytes())?;
        let (claim, value) = WORKLOAD_CLAIM;
        // A path in a basic TOML string: JSON's escapes are TOML's.
        let data_dir = serde_json::to_string(&self.data_dir.to_str().context("the directory's name is no UTF-8")?)?;
        let text = format!(
            r#"# The demonstration's configuration. `vidimus serve --config` takes such a file.

[gateway]
name     = "demo"
listen   = "127.0.0.1:{port}"
admin    = "127.0.0.1:0"
data_dir = {data_dir}
key      = {{ file = "{KEY}" }}

[identity.oidc.{ISSUER}]
issuer        = "{issuer}"
audience      = "{AUDIENCE}"
workload_when = {{ claim = "{claim}", equals = "{value}" }}
allow_private = true                     # it is on this machine
advertised    = false                    # it has no page to sign in at

[policy]
dir = "{POLICIES}"

[targets.crm]
protocol = "mcp"
url      = "{register}"
headers  = {{ Authorization = {{ file = "{SECRET}", format = "Bearer {{}}" }} }}
tools    = "{TOOLS}"
record   = "masked"
"#
        );
        self.replace(CONFIGURATION, text.as_bytes())
    }

    /// The configuration file.
    pub(super) fn configuration(&self) -> PathBuf {
        self.directory.join(CONFIGURATION)
    }

    /// The directory of policies.
    pub(super) fn policies(&self) -> PathBuf {
        self.directory.join(POLICIES)
    }

    /// Whether it goes away with the demonstration.
    pub(super) const fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// Writes a file for the owner alone, unless it is there.
    fn write_new(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.directory.join(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => file.write_all(bytes).with_context(|| format!("cannot write {}", path.display())),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot make {}", path.display())),
        }
    }

    /// Writes a file for the owner alone, in the place of one that is there.
    fn replace(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        match std::fs::remove_file(self.directory.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        self.write_new(name, bytes)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = std::fs::remove_dir_all(&self.directory)
        {
            tracing::warn!(directory = %self.directory.display(), %error, "the demonstration's files stay behind");
        }
    }
}

/// 128 random bits.
fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::{Config, Server};

    #[test]
    fn the_configuration_it_writes_is_one_and_holds_no_secret() {
        let home = Home::make(None).unwrap();
        let secret = home.new_secret().unwrap();
        home.write_configuration(8080, "http://127.0.0.1:4000", "http://127.0.0.1:4001/mcp").unwrap();
        let text = std::fs::read_to_string(home.configuration()).unwrap();
        assert!(!text.contains(&secret));
        let config = Config::load(&home.configuration()).unwrap();
        let Server::Http { headers, .. } = &config.targets[0].server else { panic!("{config:?}") };
        let (_, header) = headers.first().unwrap();
        assert_eq!(header.resolve().unwrap().expose(), format!("Bearer {secret}").as_bytes());
        let [crm] = &crate::policy_files::schemas(&config).unwrap()[..] else { panic!("one target") };
        assert_eq!(crm.tools.as_ref().unwrap().len(), 5);
        assert!(crate::key::load(&config.gateway.key, &config.gateway.data_dir).is_ok());
        for name in [KEY, SECRET, CONFIGURATION] {
            let mode = std::fs::metadata(home.directory.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let directory = home.directory.clone();
        drop(home);
        assert!(!directory.exists());
    }

    #[test]
    fn a_home_that_was_asked_for_stays_with_its_key_and_policies() {
        let parent = tempfile::tempdir().unwrap();
        let data_dir = parent.path().join("evi\"dence");
        let home = Home::make(Some(&data_dir)).unwrap();
        let key = std::fs::read(home.directory.join(KEY)).unwrap();
        std::fs::write(home.policies().join("crm.cedar"), "// mine").unwrap();
        drop(home);
        let home = Home::make(Some(&data_dir)).unwrap();
        assert_eq!(std::fs::read(home.directory.join(KEY)).unwrap(), key);
        assert_eq!(std::fs::read_to_string(home.policies().join("crm.cedar")).unwrap(), "// mine");
        home.new_secret().unwrap();
        home.write_configuration(1, "http://127.0.0.1:2", "http://127.0.0.1:3/mcp").unwrap();
        assert_eq!(Config::load(&home.configuration()).unwrap().gateway.data_dir, data_dir);
        assert!(Home::make(Some(Path::new("/"))).is_err());
    }
}
