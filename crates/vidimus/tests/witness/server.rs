//! `vidimus log witness` over HTTP: every answer of tlog-witness, clients that misbehave, and `kill -9` at any moment.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vidimus_log::cosignature::cosignatures;
use vidimus_log::tree::{Nodes, consistency_path, range_hash};
use vidimus_log::{Checkpoint, Hash, Signer};

use super::{SOON, Witness};

const ORIGIN: &str = "vidimus/gw-1";

/// A tree whose leaf `n` is `n`, up to a leaf from which on another history is told.
#[derive(Clone, Copy)]
struct Tree {
    forked_at: u64,
}

const TRUE: Tree = Tree { forked_at: u64::MAX };

impl Nodes for Tree {
    type Error = Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
        if level == 0 {
            let leaf = if index < self.forked_at { index } else { index + 1_000_000 };
            return Ok(Hash::of_leaf(&leaf.to_be_bytes()));
        }
        Ok(Hash::of_node(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
    }
}

fn log(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn note(mut tree: Tree, size: u64, signer: &Signer) -> String {
    let root = range_hash(&mut tree, 0, size).unwrap();
    signer.sign(&Checkpoint { origin: signer.verifier().name().into(), size, root }.to_string()).unwrap()
}

fn request(mut tree: Tree, old: u64, size: u64) -> String {
    let path = if old == 0 { Vec::new() } else { consistency_path(&mut tree, old, size).unwrap() };
    let path = path.iter().fold(String::new(), |text, hash| text + &hash.to_string() + "\n");
    format!("old {old}\n{path}\n{}", note(tree, size, &log(1)))
}

fn witness() -> Witness {
    Witness::start(&[log(1).verifier().clone()])
}

/// The size that the witness says it knows, to a request that fits none.
fn known(witness: &Witness) -> u64 {
    let answer = witness.ask(&request(TRUE, 1_000, 1_000)).unwrap();
    assert_eq!(answer.status, 409, "{answer:?}");
    answer.body.trim_end().parse().unwrap()
}

#[test]
fn every_answer_is_the_specifications() {
    let witness = witness();
    let good = witness.ask(&request(TRUE, 0, 20)).unwrap();
    assert_eq!(good.status, 200, "{good:?}");
    let keys = [witness.key()];
    let cosigned = format!("{}{}", note(TRUE, 20, &log(1)), good.body);
    assert_eq!(cosignatures(&cosigned, &keys).unwrap().len(), 1);

    let conflict = witness.ask(&request(TRUE, 0, 25)).unwrap();
    assert_eq!((conflict.status, conflict.body.as_str()), (409, "20\n"));
    assert!(conflict.head.contains("content-type: text/x.tlog.size\r\n"), "{conflict:?}");
    let fork = Tree { forked_at: 19 };
    let status = |body: &str| witness.ask(body).unwrap().status;
    assert_eq!(status(&request(fork, 20, 20)), 409);
    assert_eq!(status(&request(fork, 20, 30)), 422);
    assert_eq!(status(&request(TRUE, 20, 20).replacen("old 20", "old 21", 1)), 400);
    assert_eq!(status("old 0\n"), 400);
    assert_eq!(status(&format!("old 20\n\n{}", note(TRUE, 25, &log(2)))), 403);
    let stranger = Signer::from_seed("vidimus/other", &[1; 32]).unwrap();
    assert_eq!(status(&format!("old 0\n\n{}", note(TRUE, 25, &stranger))), 404);
    assert_eq!(
        witness.exchange(b"GET /add-checkpoint HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n").unwrap().status,
        405
    );
    assert_eq!(witness.exchange(b"GET / HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n").unwrap().status, 404);
    assert_eq!(status(&request(TRUE, 20, 31)), 200);
    // The fork is in the witness's own log, whole, so that somebody can be shown it.
    let told = witness.process.log();
    assert!(
        told.contains("A log offers a history") && told.contains(note(fork, 20, &log(1)).lines().nth(2).unwrap()),
        "{told}"
    );
}

#[test]
fn a_stranger_with_the_logs_checkpoint_and_a_false_proof_raises_no_alarm() {
    let witness = witness();
    assert_eq!(witness.ask(&request(TRUE, 0, 20)).unwrap().status, 200);
    let false_proof = format!("old 20\n{}\n\n{}", Hash::empty_root(), note(TRUE, 30, &log(1)));
    for _ in 0..5 {
        assert_eq!(witness.ask(&false_proof).unwrap().status, 422);
    }
    let told = witness.process.log();
    assert!(!told.contains("ERROR"), "{told}");
    assert_eq!(told.matches("whose proof does not fit").count(), 1, "{told}");
}

#[test]
fn a_witness_without_memory_begins_only_when_it_is_told_to() {
    let mut witness = witness();
    assert_eq!(witness.ask(&request(TRUE, 0, 20)).unwrap().status, 200);
    witness.process.kill().unwrap();
    let start = |more: &[&str]| {
        let mut command = super::command(witness.dir.path());
        command.arg("--state").arg(witness.dir.path().join("state")).args(["--listen", "127.0.0.1:0"]).args(more);
        let output = command.args(["--log", &log(1).verifier().to_string()]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = start(&["--init"]);
    assert!(said.contains("start without --init"), "{said}");
    std::fs::remove_file(witness.memory()).unwrap();
    let said = start(&[]);
    assert!(said.contains("remembers nothing of the log vidimus/gw-1") && said.contains("--init"), "{said}");
}

#[test]
fn clients_that_send_too_much_or_too_slowly_are_cut_off() {
    let witness = witness();
    let large = format!("old 0\n\n{}", "x".repeat(1 << 20));
    assert_eq!(witness.ask(&large).unwrap().status, 400);
    let cut = witness.exchange(
        b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: 500\r\nconnection: close\r\n\r\nold 0\n",
    );
    assert_eq!(cut.unwrap().status, 408);
    assert_eq!(witness.ask(&request(TRUE, 0, 3)).unwrap().status, 200);
}

#[test]
fn a_second_process_does_not_get_the_state() {
    let witness = witness();
    let output = super::command(witness.dir.path())
        .arg("--state")
        .arg(witness.dir.path().join("state"))
        .args(["--listen", "127.0.0.1:0", "--log", &log(1).verifier().to_string()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("locked by another process"));
}

#[test]
fn killed_at_any_moment_it_never_signs_two_histories() {
    const ROUNDS: u64 = 12;
    let mut witness = witness();
    let answered = AtomicU64::new(0);
    for round in 0..ROUNDS {
        std::thread::scope(|scope| {
            let (witness, answered) = (&witness, &answered);
            let grows = scope.spawn(move || {
                let mut old = known(witness);
                // Ends when the process does.
                while let Some(answer) = witness.ask(&request(TRUE, old, old + 1)) {
                    if answer.status == 200 {
                        answered.fetch_max(old + 1, Ordering::SeqCst);
                        old += 1;
                    }
                }
            });
            std::thread::sleep(Duration::from_millis(40 + 17 * round));
            let pid = rustix::process::Pid::from_raw(i32::try_from(witness.process.id()).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            grows.join().unwrap();
        });
        witness.process.wait(SOON).unwrap();
        witness.restart();
        let (known, answered) = (known(&witness), answered.load(Ordering::SeqCst));
        assert!(known >= answered, "it answered for {answered} and knows {known}");
        if known > 0 {
            let fork = Tree { forked_at: known - 1 };
            assert_eq!(witness.ask(&request(fork, known, known)).unwrap().status, 409);
            assert_eq!(witness.ask(&request(fork, known, known + 5)).unwrap().status, 422);
        }
    }
    assert!(answered.load(Ordering::SeqCst) > 0, "it was killed before it answered at all");
}
