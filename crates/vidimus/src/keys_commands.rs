//! `vidimus keys`: the keyring of a data directory, seen and rotated.
//!
//! Each command is one atomic replacement of the keyring's file; a running gateway read it at its start and is not disturbed.
//! No secret is ever printed. The next start puts every change on record, with who made it.

use std::io::{self, Write};

use anyhow::Context as _;
use serde_json::json;
use vidimus_core::{Clock as _, SystemClock};
use vidimus_gate::{Gate, Keyring, LocalKey};
use vidimus_log::FileSystem;

use crate::cli::{Keys, Rotated};
use crate::config::Config;
use crate::evidence_api;
use crate::key;
use crate::output::{self, Table};
use crate::secret::{SecretRef, Source};

/// Runs one of the commands.
pub(crate) async fn run(command: Keys, out: &mut impl Write) -> anyhow::Result<()> {
    let (file, output) = match &command {
        Keys::List { file, output } | Keys::Rotate { file, output, .. } => (file, output),
    };
    let gateway = Config::load(&file.config)?.gateway;
    let service = key::service(&gateway.key, &gateway.data_dir)?;
    let origin = Gate::origin(&gateway.name);
    let mut ring = Keyring::open(&FileSystem, &gateway.data_dir, &service, &origin).await?;
    let mut next = None;
    if let Keys::Rotate { which: Rotated { signing, .. }, new_key_file, new_key_env, finish, .. } = &command {
        let by = evidence_api::local_principal(rustix::process::geteuid().as_raw()).id();
        let now = SystemClock.now();
        next = Some(match (signing, finish) {
            (true, false) => {
                ring.add_signing(&origin, &by, now)?;
                "restart the gateway, so that both keys sign; give the new key above to those who verify; then --finish"
            }
            (true, true) => {
                let path = gateway.data_dir.join("log/checkpoint");
                let checkpoint =
                    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                ring.retire_signing(&checkpoint, &by, now)?;
                "restart the gateway: until then it signs with the old key too"
            }
            (false, false) => {
                let source = match (new_key_file, new_key_env) {
                    (Some(file), _) => Source::File(file.clone()),
                    (None, Some(name)) => Source::Env(name.clone()),
                    (None, None) => anyhow::bail!("name the new key with --new-key-file or --new-key-env"),
                };
                let new: LocalKey = key::service(&SecretRef { source, format: None }, &gateway.data_dir)?;
                ring.add_service(&new, &by, now).await?;
                "put the new key into the configuration ([gateway] key), restart the gateway with it, then --finish"
            }
            (false, true) => {
                ring.retire_services(&service, &by, now)?;
                "destroy the old key, and remember that copies of the keyring from before still open with it"
            }
        });
    }
    if output.json {
        write_json(&ring, next, out)?;
    } else {
        write_text(&ring, next, out)?;
    }
    Ok(())
}

fn write_text(ring: &Keyring<'_>, next: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["KEY", "FOR"]);
    for key in ring.signing() {
        table.row([key.to_string().as_str(), "signs the log"]);
    }
    for name in ring.services() {
        table.row([name, "opens the keyring"]);
    }
    table.write(out)?;
    next.map_or(Ok(()), |next| writeln!(out, "\nnext: {next}"))
}

fn write_json(ring: &Keyring<'_>, next: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    let signing: Vec<String> = ring.signing().map(ToString::to_string).collect();
    let key_encryption: Vec<&str> = ring.services().collect();
    output::json(out, &json!({ "signing": signing, "key_encryption": key_encryption, "next": next }))
}
