//! What an adversary can do who writes to the data directory, and who finds it.
//!
//! One gateway with a witness records several sessions and is stopped. Each attack is made on a copy of its data, and then
//! every command that may find it is run. What each one says is compared with `docs/src/reference/attacks.md`, which is the
//! table of all of them: numbers, hashes and ids in the messages are put in words, all else is as it was printed.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use vidimus_core::SessionId;
use vidimus_log::{Checkpoint, Hash, Signer};
use vidimus_testkit::Process;

use super::SOON;
use super::common::{ALLOW_ALL, Client};
use super::gateway::{World, copy};

/// More than two events a call: enough for a full bundle, and another one beside it.
const CALLS: u64 = 150;
/// Entries of a full bundle (C2SP tlog-tiles).
const FULL: usize = 256;

/// Two events of the caller's calls, in the full bundle.
const SWAPPED: (usize, usize) = (200, 220);

/// Changes the data below a directory.
type Edit = Box<dyn Fn(&Path)>;

/// On which copy of the data an attack is made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Base {
    /// As the stopped gateway left it.
    Stopped,
    /// As a killed one left it, so that the journal holds what nothing else does.
    Killed,
    /// As it was at an earlier stop.
    Yesterday,
    /// Yesterday's, on which a gateway went on without its witness.
    Forked,
}

struct Attack {
    name: &'static str,
    base: Base,
    edit: Edit,
    /// What the gateway is asked while it runs on that, where neither a start nor a check of the log finds it.
    asked: Option<Asked>,
}

/// A command, and the session of which that is asked.
struct Asked {
    by: &'static str,
    command: &'static [&'static str],
    /// In the index, by a condition on its row.
    session: &'static str,
}

/// The session of the caller's many calls, by a condition in SQL.
const CALLERS: &str = "operations > 100";
/// One that is under a legal hold.
const HELD: &str = "id IN (SELECT session FROM custody)";

fn attack(name: &'static str, base: Base, edit: impl Fn(&Path) + 'static) -> Attack {
    Attack { name, base, edit: Box::new(edit), asked: None }
}

/// The attack of changing one row of the index, which is asked for then.
fn forged(name: &'static str, sql: String, asked: Asked) -> Attack {
    let edit = move |data: &Path| {
        let index = rusqlite::Connection::open(data.join("index.db")).unwrap();
        assert_eq!(index.execute(&sql, ()).unwrap(), 1, "{sql}");
    };
    Attack { asked: Some(asked), ..attack(name, Base::Stopped, edit) }
}

fn flip(file: &Path, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

fn edit(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file).unwrap();
    change(&mut bytes);
    std::fs::write(file, bytes).unwrap();
}

/// The only file in a directory of partial tiles.
fn partial(dir: &Path) -> PathBuf {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort_by_key(|file| file.file_name().unwrap().to_str().unwrap().parse::<u64>().unwrap());
    files.pop().unwrap()
}

/// The entries of a bundle.
fn entries(bundle: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut entries) = (bundle, Vec::new());
    while let Some((size, after)) = rest.split_first_chunk() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*size)));
        entries.push(entry.to_vec());
        rest = after;
    }
    entries
}

fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], entry].concat()).collect()
}

/// The recording of a caller's session: the largest.
fn recording(data: &Path) -> PathBuf {
    let dirs = std::fs::read_dir(data.join("recordings")).unwrap();
    let files = dirs.map(|dir| dir.unwrap().path().join("00000000.seg"));
    files.max_by_key(|file| std::fs::metadata(file).unwrap().len()).unwrap()
}

fn attacks() -> Vec<Attack> {
    use Base::{Forked, Killed, Stopped, Yesterday};
    let last = |data: &Path| partial(&data.join("log/tile/entries/001.p"));
    vec![
        attack("flips a bit of an entry in a full bundle", Stopped, |data| {
            flip(&data.join("log/tile/entries/000"), 300);
        }),
        attack("flips a bit of an entry in the newest bundle", Stopped, move |data| flip(&last(data), 300)),
        attack("flips a bit of a full tile of hashes", Stopped, |data| flip(&data.join("log/tile/0/000"), 100)),
        attack("flips a bit of the newest tile of hashes", Stopped, |data| {
            flip(&partial(&data.join("log/tile/0/001.p")), 3);
        }),
        attack("flips a bit of a tile of a higher level", Stopped, |data| {
            flip(&partial(&data.join("log/tile/1/000.p")), 3);
        }),
        attack("flips a bit of the checkpoint", Stopped, |data| flip(&data.join("log/checkpoint"), 24)),
        attack("flips a bit of the cosigned checkpoint", Stopped, |data| flip(&data.join("log/cosigned"), 24)),
        attack("flips a bit of the list of public keys", Stopped, |data| flip(&data.join("log/keys"), 40)),
        attack("flips a bit of the journal", Killed, |data| {
            let segment = journal(data);
            // What the last stop had integrated lies before this and is of no use any more.
            flip(&segment, state(data, "offset ") + 60);
        }),
        attack("adds events to the journal", Stopped, forge),
        attack("flips a bit of the journal's state", Stopped, |data| flip(&data.join("journal/state"), 30)),
        attack("flips a bit of the keyring", Stopped, |data| {
            // What comes of it is base64 again, so that it is always the same that does not fit.
            edit(&data.join("keys/ring"), |bytes| {
                let mut flipped = [1, 2, 4].map(|bit| bytes[60] ^ bit).into_iter();
                let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
                bytes[60] = flipped.find(is_base64).unwrap();
            });
        }),
        attack("flips a bit of a recording", Stopped, |data| flip(&recording(data), 2_000)),
        attack("edits a recording's length", Stopped, |data| {
            let file = recording(data);
            let size = std::fs::metadata(&file).unwrap().len();
            std::fs::File::options().write(true).open(&file).unwrap().set_len(size - 100).unwrap();
        }),
        attack("deletes a recording", Stopped, |data| {
            std::fs::remove_dir_all(recording(data).parent().unwrap()).unwrap();
        }),
        attack("deletes the newest events from the tiles", Stopped, move |data| {
            edit(&last(data), |bytes| {
                let mut all = entries(bytes);
                all.truncate(all.len() - 3);
                *bytes = bundle(&all);
            });
        }),
        attack("deletes the newest events from the journal", Killed, |data| {
            edit(&journal(data), |bytes| {
                let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
                bytes[end - 3_000..].fill(0);
            });
        }),
        attack("swaps two events", Stopped, |data| {
            edit(&data.join("log/tile/entries/000"), |bytes| {
                let mut all = entries(bytes);
                all.swap(SWAPPED.0, SWAPPED.1);
                *bytes = bundle(&all);
            });
        }),
        attack("swaps two events and makes all tiles anew", Stopped, |data| {
            let (tiles, top) = (data.join("log/tile"), partial(&data.join("log/tile/1/000.p")));
            let mut all = entries(&std::fs::read(tiles.join("entries/000")).unwrap());
            all.swap(SWAPPED.0, SWAPPED.1);
            std::fs::write(tiles.join("entries/000"), bundle(&all)).unwrap();
            let hashes: Vec<Hash> = all.iter().map(|leaf| Hash::of_leaf(leaf)).collect();
            std::fs::write(tiles.join("0/000"), hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>()).unwrap();
            assert_eq!(hashes.len(), FULL);
            edit(&top, |bytes| bytes[..32].copy_from_slice(&root(hashes).0));
        }),
        attack("rewrites the index", Stopped, |data| {
            edit(&data.join("index.db"), |bytes| {
                let (from, to) = (b"corp|alice", b"corp|mallo");
                let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
                for at in places {
                    bytes[at..at + to.len()].copy_from_slice(to);
                }
            });
        }),
        attack("takes the last event of a session out of the index, so that it is written again", Stopped, |data| {
            let index = rusqlite::Connection::open(data.join("index.db")).unwrap();
            let of_caller = "(SELECT number FROM sessions WHERE reason = 'client' ORDER BY number DESC LIMIT 1)";
            let last = format!("SELECT max(leaf) FROM entries WHERE session = {of_caller}");
            assert_eq!(index.execute(&format!("DELETE FROM entries WHERE leaf = ({last})"), ()).unwrap(), 1);
            let open = format!("UPDATE sessions SET closed = NULL, reason = NULL WHERE number = {of_caller}");
            assert_eq!(index.execute(&open, ()).unwrap(), 1);
        }),
        forged(
            "writes a legal hold on a recording into the index",
            format!(
                "INSERT INTO custody (session, version, hold, state) SELECT id, 1, 'case 8', 'none' FROM sessions WHERE {CALLERS}"
            ),
            Asked {
                by: "`hold remove`",
                command: &["hold", "remove", "--reason", "case 8 is closed"],
                session: CALLERS,
            },
        ),
        forged(
            "takes a legal hold out of the index",
            format!("UPDATE custody SET hold = NULL WHERE session = (SELECT id FROM sessions WHERE {HELD})"),
            Asked { by: "`hold add`", command: &["hold", "add", "--reason", "case 7"], session: HELD },
        ),
        forged(
            "changes the target of a session in the index, to one that more people may look into",
            format!("UPDATE sessions SET target = 'nothing' WHERE {CALLERS}"),
            Asked { by: "`sessions replay`", command: &["sessions", "replay"], session: CALLERS },
        ),
        attack("forges a checkpoint with another key", Stopped, |data| {
            edit(&data.join("log/checkpoint"), |note| {
                let text = vidimus_log::note::text(std::str::from_utf8(note).unwrap()).unwrap();
                let checkpoint = Checkpoint { root: Hash([7; 32]), ..text.parse().unwrap() };
                let forger = Signer::from_seed("vidimus/gw-test", &[7; 32]).unwrap();
                *note = forger.sign(&checkpoint.to_string()).unwrap().into_bytes();
            });
        }),
        attack("restores yesterday's copy", Yesterday, |_| {}),
        attack("restores yesterday's copy and goes on from there with the gateway's own keys", Forked, |_| {}),
    ]
}

/// The root of the tree over so many hashes (RFC 6962 §2.1), a power of two.
fn root(mut hashes: Vec<Hash>) -> Hash {
    while hashes.len() > 1 {
        hashes = hashes.as_chunks::<2>().0.iter().map(|[left, right]| Hash::of_node(left, right)).collect();
    }
    hashes[0]
}

/// Writes two events to where the journal goes on, in a frame that is right in all but its MAC: a recording erased by two
/// persons who know nothing of it.
fn forge(data: &Path) {
    let [segment, offset, sequence, leaves] =
        ["segment ", "offset ", "sequence ", "leaves "].map(|name| state(data, name));
    let session = recording(data);
    let session = session.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let steps = [("admin.erase_requested", "corp|alice"), ("admin.erase_confirmed", "corp|bob")];
    let events = steps.map(|(step, who)| format!(r#"{{"session":"{session}","type":"{step}","who":"{who}"}}"#));
    let mut body = Vec::new();
    for event in events {
        body.push(1);
        body.extend_from_slice(&u32::try_from(event.len()).unwrap().to_le_bytes());
        body.extend_from_slice(event.as_bytes());
    }
    let mut covered = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
    for field in [segment, sequence, sequence, leaves] {
        covered.extend_from_slice(&field.to_le_bytes());
    }
    covered.extend_from_slice(&[0; 16]);
    covered.append(&mut body);
    let frame = [&crc32c::crc32c(&covered).to_le_bytes()[..], &covered].concat();
    let file = std::fs::File::options().write(true).open(data.join(format!("journal/{segment:08}.seg"))).unwrap();
    file.write_all_at(&frame, offset).unwrap();
}

/// A number in the journal's state.
fn state(data: &Path, name: &str) -> u64 {
    let state = std::fs::read_to_string(data.join("journal/state")).unwrap();
    state.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

/// The journal's segment in use.
fn journal(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data.join("journal")).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "seg")).min().unwrap()
}

/// The world with copies of its data, the gateway down.
struct Range {
    world: World,
    archive: PathBuf,
    bases: BTreeMap<Base, PathBuf>,
    /// What the witness remembered when it had last seen a base go.
    memories: BTreeMap<Base, PathBuf>,
}

impl Range {
    async fn prepared() -> Self {
        let export = r#"@id("export") permit (principal in Group::"local/owner",
            action in [Action::"recording.export", Action::"recording.hold"], resource);"#;
        let mut world = World::prepared_with(format!("{ALLOW_ALL}{export}").leak()).await;
        let (mut bases, mut memories) = (BTreeMap::new(), BTreeMap::new());
        world.configure("");
        world.gateway.restart();
        world.call().await;
        world.cosigned();
        Self::keep(&mut world, &mut bases, Base::Yesterday);
        world.gateway.restart();
        let events = world.gateway.events();
        let called = events.iter().find(|event| event["type"] == "operation.outcome").unwrap();
        world.gateway.command(&["hold", "add", called["session"].as_str().unwrap(), "--reason", "case 7"]);
        let client = Client::open(world.gateway.url(), world.issuer.token("alice")).await;
        for id in 0..CALLS {
            assert!(client.call(id, "echo", &format!(r#"{{"number":{id}}}"#)).await.unwrap()["result"].is_object());
        }
        client.send(http::Method::DELETE, &[], "").await.unwrap();
        world.gateway.events_once(|event| event["type"] == "session.closed" && event["count"].as_u64() > Some(CALLS));
        let archive = world.gateway.dir.path().join("sessions.zip");
        world.gateway.command(&["export", "--target", "everything", "--out", archive.to_str().unwrap()]);
        world.cosigned();
        Self::keep(&mut world, &mut bases, Base::Stopped);
        Self::remember(&world, &mut memories, Base::Stopped);
        world.gateway.restart();
        world.call().await;
        world.cosigned();
        world.gateway.process.kill().unwrap();
        copy(&world.gateway.data(), &world.gateway.dir.path().join("killed"));
        bases.insert(Base::Killed, world.gateway.dir.path().join("killed"));
        for base in [Base::Killed, Base::Yesterday, Base::Forked] {
            Self::remember(&world, &mut memories, base);
        }

        // Whoever has the machine has the keys: a gateway that goes on from yesterday, and asks no witness.
        let mut range = Self { world, archive, bases, memories };
        range.restore(Base::Yesterday);
        range.world.unwatched();
        range.world.gateway.restart();
        let client = Client::open(range.world.gateway.url(), range.world.issuer.token("alice")).await;
        for id in 0..CALLS + 40 {
            client.call(id, "echo", "{}").await.unwrap();
        }
        range.world.gateway.sessions();
        Self::keep(&mut range.world, &mut range.bases, Base::Forked);
        range.world.configure("");
        range
    }

    /// Stops the gateway and keeps a copy of its data.
    fn keep(world: &mut World, bases: &mut BTreeMap<Base, PathBuf>, base: Base) {
        assert!(world.gateway.process.terminate(SOON).unwrap().success(), "{}", world.gateway.process.log());
        let kept = world.gateway.dir.path().join(format!("base-{}", bases.len()));
        copy(&world.gateway.data(), &kept);
        bases.insert(base, kept);
    }

    /// Keeps a copy of what the witness remembers.
    fn remember(world: &World, memories: &mut BTreeMap<Base, PathBuf>, base: Base) {
        let kept = world.gateway.dir.path().join(format!("memory-{}", memories.len()));
        copy(&world.witness.dir.path().join("state"), &kept);
        memories.insert(base, kept);
    }

    /// Has the witness remember what it had seen of this base, and of nothing else.
    fn remind(&mut self, base: Base) {
        let witness = &mut self.world.witness;
        witness.process.kill().unwrap();
        let state = witness.dir.path().join("state");
        std::fs::remove_dir_all(&state).unwrap();
        copy(&self.memories[&base], &state);
        witness.restart();
    }

    /// Puts a copy in the place of the data.
    fn restore(&self, base: Base) {
        let data = self.world.gateway.data();
        std::fs::remove_dir_all(&data).unwrap();
        copy(&self.bases[&base], &data);
    }

    /// The first finding of `log verify`.
    fn verified(&self, more: &[&str]) -> Option<String> {
        let output = self.world.gateway.run(&[&["log", "verify", "--key", &self.world.key], more].concat());
        if output.status.success() {
            return None;
        }
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(report) => Some(report["findings"][0].as_str().unwrap().to_owned()),
            // Without a keyring recordings are not opened.
            Err(_) => Some(error(&String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Why the gateway does not start; none when it does.
    fn refused(&mut self) -> Option<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
        command
            .args(["serve", "--config"])
            .arg(self.world.gateway.config())
            .env("NO_COLOR", "1")
            .env("RUST_LOG", "info");
        let mut process = Process::start("vidimus", &mut command).unwrap();
        let limit = std::time::Instant::now() + SOON;
        loop {
            if self.world.gateway.admin_page("/readyz").is_some_and(|page| page.starts_with("HTTP/1.1 200")) {
                process.kill().unwrap();
                return None;
            }
            if let Ok(status) = process.wait(std::time::Duration::from_millis(20)) {
                assert!(!status.success(), "{}", process.log());
                let line = process.wait_for_line(SOON, |line| line.starts_with("vidimus: ").then(|| line.to_owned()));
                return Some(error(&line.unwrap()));
            }
            assert!(std::time::Instant::now() < limit, "{}", process.log());
        }
    }

    /// What the gateway says on such data when it is asked.
    fn asked(&mut self, attack: &Attack, asked: &Asked) -> String {
        self.restore(attack.base);
        let data = self.world.gateway.data();
        (attack.edit)(&data);
        let index = rusqlite::Connection::open(data.join("index.db")).unwrap();
        let query = format!("SELECT id FROM sessions WHERE {}", asked.session);
        let session = SessionId::from_bytes(index.query_row(&query, (), |row| row.get(0)).unwrap()).to_string();
        drop(index);
        self.world.unwatched();
        self.world.gateway.restart();
        let output = self.world.gateway.run(&[asked.command, &[&session]].concat());
        assert!(self.world.gateway.process.terminate(SOON).unwrap().success());
        self.world.configure("");
        assert!(!output.status.success(), "{output:?}");
        error(&String::from_utf8_lossy(&output.stderr))
    }

    /// Who finds an attack, in the order in which they are tried, and what each of them says.
    fn found(&mut self, attack: &Attack) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        self.restore(attack.base);
        (attack.edit)(&self.world.gateway.data());
        let by_tiles = self.verified(&[]);
        let by_recordings = if by_tiles.is_none() { self.verified(&["--recordings"]) } else { None };
        let kept = self.bases[&Base::Stopped].join("log/checkpoint");
        let by_kept = self.verified(&["--checkpoint", kept.to_str().unwrap()]);
        let by_kept = by_kept.filter(|_| by_tiles.is_none() && by_recordings.is_none());
        let by_kept = by_kept.map(|said| said.replace(kept.to_str().unwrap(), "FILE"));
        self.world.unwatched();
        let at_start = self.refused();
        self.world.configure("");
        let by_witness = if at_start.is_none() {
            self.restore(attack.base);
            (attack.edit)(&self.world.gateway.data());
            self.remind(attack.base);
            self.refused()
        } else {
            None
        };
        // A killed gateway's data are to be verified after a start.
        let is_whole = attack.base != Base::Killed;
        found.extend(at_start.map(|said| ("start", said)));
        found.extend(by_tiles.filter(|_| is_whole).map(|said| ("`log verify`", said)));
        found.extend(by_recordings.filter(|_| is_whole).map(|said| ("`log verify --recordings`", said)));
        found.extend(by_kept.filter(|_| is_whole).map(|said| ("`log verify --checkpoint FILE`", said)));
        found.extend(by_witness.map(|said| ("start, by its witness", said)));
        found.extend(attack.asked.as_ref().map(|asked| (asked.by, self.asked(attack, asked))));
        if found.is_empty() && attack.base == Base::Stopped {
            self.restore(attack.base);
            (attack.edit)(&self.world.gateway.data());
            let rebuilt = self.world.gateway.command(&["index", "rebuild"]);
            let lines = rebuilt["old_index"].as_array().unwrap().iter();
            found.extend(lines.map(|line| ("`index rebuild`", line.as_str().unwrap().to_owned())));
        }
        let data = self.world.gateway.data();
        found.into_iter().map(|(by, said)| (by, in_words(&said, &data))).collect()
    }
}

/// The message of an error, without what the process logged before.
fn error(said: &str) -> String {
    let error = said.lines().find_map(|line| line.strip_prefix("vidimus: "));
    error.unwrap_or_else(|| panic!("no error: {said}")).to_owned()
}

/// A message with everything in words that is another in each run.
fn in_words(said: &str, data: &Path) -> String {
    let said = said.replace(&format!("{}/", data.display()), "");
    let mut words = Vec::new();
    for word in said.split(' ') {
        let bare = word.trim_end_matches([',', ':', ';', ')']).trim_start_matches('(');
        if bare.is_empty() {
            words.push(word.to_owned());
            continue;
        }
        words.push(word.replace(bare, &word_in_words(bare)));
    }
    words.join(" ")
}

fn word_in_words(word: &str) -> String {
    let is_all = |is: fn(&u8) -> bool| word.bytes().all(|byte| is(&byte));
    // A hash in base64, and a CRC-32, which may have no letter.
    if (word.len() == 44 && word.ends_with('=')) || (word.len() == 8 && is_all(u8::is_ascii_hexdigit)) {
        return "HASH".to_owned();
    }
    if is_all(u8::is_ascii_digit) {
        return "N".to_owned();
    }
    // The name of a key-encryption key.
    if word.starts_with("local-") {
        return "KEY".to_owned();
    }
    let is_id = |part: &str| part.len() == 36 && part.bytes().filter(|byte| *byte == b'-').count() == 4;
    let path: Vec<&str> = word.split('/').map(|part| if is_id(part) { "SESSION" } else { part }).collect();
    let path = path.join("/");
    match path.split_once(".p/") {
        Some((full, width)) if width.parse::<u64>().is_ok() => format!("{full}.p/N"),
        _ => path,
    }
}

/// The page of the manual.
fn page(rows: &[(&'static str, Vec<(&'static str, String)>)]) -> String {
    let mut page = String::from(
        "<!-- Written by the test `attacks` of crates/vidimus/tests/witness. -->\n\n# Attacks on the evidence\n\n\
         An adversary who can write to the data directory of a stopped gateway, and who finds what was done. A test makes each \
         of these attacks on what a real gateway recorded, and holds that it is found by exactly these, with these \
         messages. *start* is a start without witnesses; *start, by its witness* is listed where only a [witness](../tasks/witness.md) \
         tells. *FILE* is a checkpoint that an auditor kept before the attack. The words HASH, KEY, N and SESSION stand for what differs from run to run. While it runs the gateway finds \
         what `log verify --recordings` finds: see [Evidence](../tasks/evidence.md#while-it-runs).\n\n\
         | the adversary | found by | message |\n|---|---|---|\n",
    );
    for (name, found) in rows {
        for (at, (by, message)) in found.iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            // Writing into a string cannot fail.
            let _ = writeln!(page, "| {name} | {by} | {} |", message.replace('|', "\\|"));
        }
    }
    page.push_str(
        "\nWhat this does not cover: an adversary who has the gateway's keys and undoes what no witness has cosigned yet, \
         about a second's worth. The index proves nothing: lists come from it, events are read from the log.\n",
    );
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_found_and_the_message_says_what_and_where() {
    let mut range = Range::prepared().await;
    let mut rows = Vec::new();
    // What nobody attacked is whole, wherever it is looked at.
    for base in [Base::Stopped, Base::Killed] {
        let untouched = attack("nothing", base, |_| {});
        assert_eq!(range.found(&untouched), []);
    }
    for attack in attacks() {
        let found = range.found(&attack);
        assert!(!found.is_empty(), "not found: the adversary {}", attack.name);
        rows.push((attack.name, found));
    }
    let archive = std::fs::read(&range.archive).unwrap();
    let event = br#""type":"operation.admitted""#;
    let event = archive.windows(event.len()).position(|window| window == event).unwrap();
    let attacks = [
        ("flips a bit of an event in an archive", event + 12),
        ("flips a bit of an archive's directory", archive.len() - 30),
    ];
    for (name, at) in attacks {
        let flipped = range.archive.with_file_name("flipped.zip");
        std::fs::write(&flipped, &archive).unwrap();
        flip(&flipped, at as u64);
        let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
        let output = command.arg("verify").arg(&flipped).args(["--key", &range.world.key]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let said = in_words(said.lines().next().unwrap(), flipped.parent().unwrap());
        rows.push((name, vec![("`verify ARCHIVE`", said)]));
    }
    let page = page(&rows);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reference/attacks.md");
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let differing: Vec<_> = page.lines().zip(written.lines()).filter(|(now, written)| now != written).take(3).collect();
    assert!(page == written, "docs/src/reference/attacks.md differs, first in (now, written) {differing:#?}\n{page}");
}
