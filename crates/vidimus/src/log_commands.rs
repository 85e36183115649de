//! `vidimus log`: the state of the evidence log, proofs out of it, and the check of all of it.
//!
//! A proof is verified here, with the caller's key if it has one. `verify` (`log_verify.rs`) reads the data directory
//! itself and shows no content, so it needs neither the gateway nor a decision.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use serde::Serialize;
use vidimus_core::EventId;
use vidimus_log::note::MAX_NOTE_BYTES;
use vidimus_log::verify::Kept;
use vidimus_log::{InclusionProof, VerifierKey};

use crate::api::{self, LogStatus, ProofFile, WitnessState};
use crate::cli::{Gateway, Log};
use crate::integrity::Progress;
use crate::output::{self, Table, printable};
use crate::{client, evidence_api, log_verify, log_witness, serve};

/// The exit status of a proof that nobody's key but the gateway's own word stands behind.
const ONLY_ITS_WORD: u8 = 3;

/// Runs one of the commands. The exit status: 0, 1 when the log is not as it should be, 3 when not all of it was shown.
pub(crate) async fn run(command: Log, out: &mut impl Write) -> anyhow::Result<u8> {
    match command {
        Log::Status { gateway, output } => {
            let status: LogStatus = client::get(&gateway.places()?.1, api::LOG_STATUS).await?;
            if output.json {
                output::json(out, &status)?;
            } else {
                write_status(&status, out)?;
            }
            Ok(u8::from(status.health == "failed"))
        }
        Log::Verify { gateway, key, witness_policy, checkpoint, recordings, output } => {
            let trust = vidimus_verify::trust(&key, witness_policy.as_deref())?;
            let kept = checkpoint.iter().map(|file| kept(file)).collect::<anyhow::Result<Vec<_>>>()?;
            let opening = if recordings { Some(gateway.ring_key().await?) } else { None };
            let verified = log_verify::verify(&gateway.places()?.0, &trust, &kept, opening.as_ref())?;
            verified.write(output.json, out)?;
            Ok(verified.report.exit_status())
        }
        Log::Witness(options) => {
            log_witness::run(options, out).await?;
            Ok(0)
        }
        Log::Prove { event, gateway, offline, key, out: file, output } => {
            let answer: ProofFile = if offline {
                prove_offline(&gateway, event).await?
            } else {
                client::get(&gateway.places()?.1, &format!("{}/{event}", api::LOG_PROOF)).await?
            };
            let proved = prove(&answer, &key)?;
            if let Some(file) = file {
                write_new(&file, stand_alone(&answer)?.as_bytes())?;
            }
            if output.json {
                output::json(out, &Shown { answer: &answer, verified: proved.by_given_key })?;
            } else {
                write_proof(&answer, &proved, out)?;
            }
            Ok(if proved.by_given_key { 0 } else { ONLY_ITS_WORD })
        }
    }
}

/// A checkpoint that somebody kept, as it stands in a file.
fn kept(file: &Path) -> anyhow::Result<Kept> {
    let mut note = String::new();
    File::open(file)
        .and_then(|opened| opened.take(MAX_NOTE_BYTES as u64 + 1).read_to_string(&mut note))
        .with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Kept { file: file.to_owned(), note })
}

/// Asks a gateway that is opened for this alone, which decides and records as a running one does.
async fn prove_offline(gateway: &Gateway, event: EventId) -> anyhow::Result<ProofFile> {
    let opened = serve::open(&gateway.config()?, Registry::default())
        .await
        .context("the data directory cannot be opened; while a gateway runs on it, leave --offline out")?;
    let principal = evidence_api::local_principal(rustix::process::geteuid().as_raw());
    let proved = opened.gate.viewer().proof(&principal, event).await;
    let key = opened.gate.log_keys().first().cloned();
    // The stop is recorded whatever became of the proof.
    let stopped = opened.gate.stop().await;
    let (leaf, proof) = proved?;
    stopped?;
    Ok(ProofFile::new(&leaf, &proof, &key.context("the log has no key")?)?)
}

/// What a proof showed.
#[derive(Debug)]
pub(crate) struct Proved {
    pub(crate) index: u64,
    pub(crate) size: u64,
    pub(crate) origin: String,
    /// How many hashes lead from the entry to the root.
    pub(crate) hashes: usize,
    /// Whether the key was the caller's rather than the gateway's word.
    by_given_key: bool,
}

/// A proof and what it is worth, as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    answer: &'a ProofFile,
    /// By a given key, rather than by the one that the gateway itself names.
    verified: bool,
}

/// Checks that the event is in the log whose checkpoint one of `keys` signed, or, without any, the gateway's own.
pub(crate) fn prove(answer: &ProofFile, keys: &[VerifierKey]) -> anyhow::Result<Proved> {
    let by_given_key = !keys.is_empty();
    let keys = if by_given_key { keys.to_vec() } else { vec![answer.key.parse()?] };
    let proof: InclusionProof = answer.proof.parse()?;
    let checkpoint = proof.verify(answer.event.get().as_bytes(), &keys).context("the gateway's proof does not hold")?;
    Ok(Proved {
        index: proof.index,
        size: checkpoint.size,
        origin: checkpoint.origin,
        hashes: proof.path.len(),
        by_given_key,
    })
}

/// The text of a proof file that carries its event, so that `vidimus verify` needs nothing else.
fn stand_alone(answer: &ProofFile) -> anyhow::Result<String> {
    let mut proof: InclusionProof = answer.proof.parse()?;
    proof.extra = Some(answer.event.get().as_bytes().to_vec());
    Ok(proof.to_string())
}

fn write_status(status: &LogStatus, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["log", &status.health]);
    if let Some(why) = &status.why {
        table.row(["why", why]);
    }
    table.row(["events", &format!("{}, {} durable, {} signed", status.appended, status.durable, status.integrated)]);
    table.row(["checkpoint", &status.checkpoint_at]);
    table.row(["root", &status.root]);
    for (place, key) in status.keys.iter().enumerate() {
        table.row([if place == 0 { "key" } else { "key, older" }, key.as_str()]);
    }
    for witness in &status.witnesses {
        table.row([format!("witness {}", witness.name), watching(witness)]);
    }
    table.row(["journal", &format!("{} KiB", status.journal_bytes >> 10)]);
    table.row(["syncs", &format!("{}, the last in {} µs", status.syncs, status.last_sync_us)]);
    table.row(["checked", &checked(&status.integrity)]);
    table.write(out)
}

/// How far the gateway has checked its own evidence.
fn checked(progress: &Progress) -> String {
    let Progress { checked, of, again, completed_at, findings } = progress;
    let completed = completed_at.as_ref().map(|at| format!(", all of them at {at}")).unwrap_or_default();
    let again = again.map(|again| format!(", {again} once more")).unwrap_or_default();
    let found = match findings {
        0 => "nothing found".to_owned(),
        count => format!("{count} damaged files since the start, see the events `integrity.failed`"),
    };
    format!("{checked} of {of} events and their recordings{completed}{again}: {found}")
}

/// How a witness stands, in words.
fn watching(witness: &WitnessState) -> String {
    let cosigned = witness.cosigned.map_or_else(|| "nothing known yet".to_owned(), |size| format!("cosigned {size}"));
    let lagging = witness.lagging_s.map_or_else(String::new, |seconds| format!(" for {seconds} s"));
    format!("{}{lagging}: {cosigned}, {} behind", witness.state, witness.behind)
}

fn write_proof(answer: &ProofFile, proved: &Proved, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", printable(answer.event.get()))?;
    let Proved { index, size, origin, by_given_key, .. } = proved;
    let place = format!("entry {index} of {size} in {}", printable(origin));
    if *by_given_key {
        writeln!(out, "\nverified: {place}, signed by a key that you gave\n")?;
    } else {
        writeln!(
            out,
            "\nnot verified: {place}, by the word of the gateway alone. The hashes lead to the checkpoint, and the checkpoint \
             is signed by the key that the gateway itself names, {}: nothing shows that this is the log you mean. Give the \
             key you noted when it was set up (--key), here or to `vidimus verify`\n",
            printable(&answer.key)
        )?;
    }
    write!(out, "{}", output::printable_lines(&answer.proof))
}

/// Writes a file that must not exist yet.
fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vidimus_log::{Entry, FileSystem, JournalKey, Log as EvidenceLog, Options, Signer};

    use super::*;

    const LEAF: &[u8] = br#"{"seq":0,"session":"00000000-0000-7000-8000-000000000001","type":"session.opened"}"#;

    /// A log with one event, and its key.
    fn log(directory: &Path) -> (EvidenceLog, VerifierKey) {
        let signer = Signer::from_seed("vidimus/test", &[7; 32]).unwrap();
        let key = signer.verifier().clone();
        let options = Options::new(directory, "vidimus/test", JournalKey::new(&[7; 32]));
        let (log, _) = EvidenceLog::open(Arc::new(FileSystem), options, signer).unwrap();
        log.append(&[Entry::Leaf(LEAF)]).unwrap();
        (log, key)
    }

    fn answer(log: &EvidenceLog, key: &VerifierKey) -> ProofFile {
        for _ in 0..500 {
            match log.prove(0) {
                Ok(proof) => return ProofFile::new(LEAF, &proof, key).unwrap(),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
        ProofFile::new(LEAF, &log.prove(0).unwrap(), key).unwrap()
    }

    #[test]
    fn a_proof_holds_for_its_event_and_key_only() {
        let directory = tempfile::tempdir().unwrap();
        let (log, key) = log(directory.path());
        let mut answer = answer(&log, &key);
        let proved = prove(&answer, &[]).unwrap();
        assert_eq!((proved.index, proved.origin.as_str(), proved.by_given_key), (0, "vidimus/test", false));
        let verified = prove(&answer, std::slice::from_ref(&key)).unwrap();
        assert!(verified.by_given_key);
        let other = Signer::from_seed("vidimus/test", &[8; 32]).unwrap();
        assert!(prove(&answer, &[other.verifier().clone()]).is_err());

        let text = |proved: &Proved| {
            let mut out = Vec::new();
            write_proof(&answer, proved, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let (by_its_word, by_key) = (text(&proved), text(&verified));
        assert!(by_its_word.contains("\nnot verified: entry 0 of 1 in vidimus/test, by the word of"), "{by_its_word}");
        assert!(by_its_word.contains(&key.to_string()) && by_its_word.ends_with(&answer.proof), "{by_its_word}");
        assert!(
            by_key.contains("\nverified: entry 0 of 1 in vidimus/test, signed by a key that you gave\n"),
            "{by_key}"
        );
        let shown = serde_json::to_value(Shown { answer: &answer, verified: false }).unwrap();
        assert_eq!((&shown["verified"], &shown["event"]["seq"]), (&false.into(), &0.into()), "{shown}");
        let alone: InclusionProof = stand_alone(&answer).unwrap().parse().unwrap();
        assert!(alone.verify(&alone.extra.clone().unwrap(), std::slice::from_ref(&key)).is_ok());

        answer.event =
            serde_json::from_slice(&String::from_utf8_lossy(LEAF).replace("opened", "closed").into_bytes()).unwrap();
        assert!(prove(&answer, &[key]).is_err(), "an altered event");
    }

    #[test]
    fn the_status_shows_every_key_and_every_witness() {
        let witness = |name: &str, state: &str, cosigned, behind, lagging_s| WitnessState {
            name: name.into(),
            state: state.into(),
            cosigned,
            behind,
            lagging_s,
        };
        let status = LogStatus {
            key: "new".into(),
            keys: vec!["new".into(), "old".into()],
            witnesses: vec![
                witness("w1", "cosigning", Some(7), 0, None),
                witness("w2", "lagging", Some(3), 4, Some(75)),
                witness("w3", "asked", None, 7, None),
            ],
            health: "running".into(),
            why: None,
            appended: 9,
            durable: 8,
            integrated: 7,
            root: "r".into(),
            checkpoint_at: "t".into(),
            journal_bytes: 0,
            syncs: 1,
            last_sync_us: 1,
            integrity: Progress { checked: 6, of: 7, findings: 2, ..Progress::default() },
        };
        let mut out = Vec::new();
        write_status(&status, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in [
            "key         new\n",
            "key, older  old\n",
            "witness w1  cosigning: cosigned 7, 0 behind\n",
            "witness w2  lagging for 75 s: cosigned 3, 4 behind\n",
            "witness w3  asked: nothing known yet, 7 behind\n",
            "checked     6 of 7 events and their recordings: 2 damaged files since the start, see the events",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn a_proof_never_replaces_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("event.tlog-proof");
        write_new(&path, b"first").unwrap();
        assert!(write_new(&path, b"second").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
    }
}
