//! The check of one proof (C2SP tlog-proof), from files: the proof, its event where it does not carry it, the policy of
//! witnesses. Refused: a proof without a key of the log that the caller has from elsewhere.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use vidimus_log::policy::MAX_POLICY_BYTES;
use vidimus_log::proof::MAX_PROOF_BYTES;
use vidimus_log::proof_report::{self, ProofReport};
use vidimus_log::{MAX_LEAF_BYTES, Trust, WitnessPolicy};

use crate::CheckError;

/// The policy in a file (C2SP tlog-policy).
pub(crate) fn read_policy(path: &Path) -> Result<WitnessPolicy, CheckError> {
    let text = read_text(path, MAX_POLICY_BYTES)?;
    text.parse().map_err(|error| CheckError::Policy { path: path.to_owned(), error })
}

/// Checks the proof at `path`: by the log's keys, by a policy that lists logs or asks for witnesses, or by both. `event` is
/// the file that holds the event, where the proof does not carry it.
pub(crate) fn check_proof(path: &Path, trust: &Trust, event: Option<&Path>) -> Result<ProofReport, CheckError> {
    if trust.keys().is_none() {
        return Err(CheckError::NoLog);
    }
    let text = read_text(path, MAX_PROOF_BYTES)?;
    let event = event.map(read_event).transpose()?;
    Ok(proof_report::check(&text, event, trust))
}

/// An event as it stands in a file, without the newline at its end.
fn read_event(path: &Path) -> Result<Vec<u8>, CheckError> {
    let mut bytes = read(path, MAX_LEAF_BYTES + 1)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

fn read_text(path: &Path, limit: usize) -> Result<String, CheckError> {
    String::from_utf8(read(path, limit)?).map_err(|_| {
        let error = io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8");
        CheckError::File { path: path.to_owned(), error }
    })
}

/// The file, or one byte more than the limit of it, which its parser then refuses.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, CheckError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| CheckError::File { path: path.to_owned(), error })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use vidimus_log::proof::VERSION;
    use vidimus_log::tree::Hash;
    use vidimus_log::{Checkpoint, Cosigner, InclusionProof, Signer};

    use super::*;

    const EVENT: &[u8] = br#"{"seq":0,"type":"log.started"}"#;

    struct Case {
        dir: tempfile::TempDir,
        signer: Signer,
        witness: Cosigner,
    }

    impl Case {
        fn new() -> Self {
            Self {
                dir: tempfile::tempdir().unwrap(),
                signer: Signer::from_seed("vidimus/gw", &[1; 32]).unwrap(),
                witness: Cosigner::from_seed("witness.example/w", &[2; 32]).unwrap(),
            }
        }

        fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
            let path = self.dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        }

        /// A proof in a log of one entry, cosigned or not, with its event or without.
        fn proof(&self, is_cosigned: bool, carries_event: bool) -> PathBuf {
            let text = Checkpoint { origin: "vidimus/gw".into(), size: 1, root: Hash::of_leaf(EVENT) }.to_string();
            let mut checkpoint = self.signer.sign(&text).unwrap();
            if is_cosigned {
                checkpoint.push_str(&self.witness.cosign(&text, 1_700_000_000).unwrap());
            }
            let extra = carries_event.then(|| EVENT.to_vec());
            let proof = InclusionProof { extra, index: 0, path: Vec::new(), checkpoint };
            self.file("event.tlog-proof", proof.to_string())
        }

        fn by_key(&self) -> Trust {
            Trust::in_keys([self.signer.verifier().clone()])
        }

        fn policy(&self) -> PathBuf {
            self.file("policy", format!("witness w {}\nquorum w\n", self.witness.key()))
        }

        fn by_policy(&self) -> Trust {
            crate::trust(&[self.signer.verifier().to_string()], Some(&self.policy())).unwrap()
        }
    }

    #[test]
    fn a_proof_holds_by_the_key_and_the_quorum_asked_for() {
        let case = Case::new();
        let cosigned = check_proof(&case.proof(true, true), &case.by_policy(), None).unwrap();
        assert_eq!(
            cosigned.to_text(),
            "{\"seq\":0,\"type\":\"log.started\"}\nverified: entry 0 of 1 in vidimus/gw, which a given key signed\n\
             witnessed by witness.example/w at 2023-11-14T22:13:20.000000000Z\n"
        );
        assert_eq!(
            cosigned.to_json(),
            "{\"event\":\"{\\\"seq\\\":0,\\\"type\\\":\\\"log.started\\\"}\",\"holds\":true,\"index\":0,\"origin\":\
             \"vidimus/gw\",\"quorum\":true,\"size\":1,\"witnesses\":[{\"name\":\"witness.example/w\",\"time\":\
             \"2023-11-14T22:13:20.000000000Z\"}]}\n"
        );
        let bare = check_proof(&case.proof(false, true), &case.by_policy(), None).unwrap();
        assert_eq!((bare.exit_status(), cosigned.exit_status()), (1, 0));
        assert!(bare.to_text().contains("the quorum `w` is not reached"), "{}", bare.to_text());
        let by_key = check_proof(&case.proof(false, true), &case.by_key(), None).unwrap();
        assert!(by_key.exit_status() == 0 && by_key.to_text().contains("not checked: whether witnesses"));
    }

    #[test]
    fn the_event_comes_from_the_proof_or_from_a_file() {
        let case = Case::new();
        let check = |proof: &Path, event: Option<&Path>| check_proof(proof, &case.by_key(), event).unwrap();
        let without = case.proof(false, false);
        assert!(check(&without, None).to_text().contains("--event"));
        let event = case.file("event.json", [EVENT, b"\n"].concat());
        assert_eq!(check(&without, Some(&event)).exit_status(), 0);
        let other = case.file("other.json", "{}");
        assert_eq!(check(&case.proof(false, true), Some(&other)).exit_status(), 1, "the file wins");
    }

    #[test]
    fn nothing_is_believed_without_a_key_from_elsewhere() {
        let case = Case::new();
        let proof = case.proof(true, true);
        assert!(matches!(check_proof(&proof, &Trust::default(), None), Err(CheckError::NoLog)));
        let only_witnesses = crate::trust(&[], Some(&case.policy())).unwrap();
        assert!(matches!(check_proof(&proof, &only_witnesses, None), Err(CheckError::NoLog)));
        let other = Signer::from_seed("vidimus/gw", &[9; 32]).unwrap().verifier().to_string();
        let by_other = crate::trust(std::slice::from_ref(&other), None).unwrap();
        assert_eq!(check_proof(&proof, &by_other, None).unwrap().exit_status(), 1);
        // A key that the policy's list of logs does not have.
        let listed = case.file("logs", format!("log {}\nquorum none\n", case.signer.verifier()));
        assert!(matches!(crate::trust(&[other], Some(&listed)), Err(CheckError::NoLog)));
        let by_list = crate::trust(&[], Some(&listed)).unwrap();
        assert_eq!(check_proof(&proof, &by_list, None).unwrap().exit_status(), 0);
        // A key that had been retired when the checkpoint was signed.
        let retired = case.file("keys", format!("{} 5\n", case.signer.verifier()));
        let by_retired = crate::trust(&[retired.display().to_string()], None).unwrap();
        assert_eq!(check_proof(&proof, &by_retired, None).unwrap().exit_status(), 1);
        assert!(matches!(read_policy(&case.file("bad", "quorum x\n")), Err(CheckError::Policy { .. })));
    }

    #[test]
    fn what_a_proof_says_cannot_act_on_a_terminal() {
        let case = Case::new();
        let proof = case.file("x", format!("{VERSION}\nindex \u{1b}[2J\n\nx\n"));
        let text = check_proof(&proof, &case.by_key(), None).unwrap().to_text();
        assert!(text.starts_with("the proof does not hold") && !text.contains('\u{1b}'), "{text:?}");
    }
}
