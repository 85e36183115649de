//! C2SP tlog-policy: whose checkpoints are believed, and which witnesses must have cosigned them.
//!
//! A policy lists logs, witnesses, groups of them with a threshold, and the quorum; a group names only what stands before
//! it, so there are no circles. Refused: unknown words, names given twice or listed as member twice, one public key under
//! two names, keys that are not Ed25519, and files without exactly one quorum. Names are read as UTF-8.

use std::str::FromStr;

use vidimus_core::ErrorKind;

use crate::cosignature::{Cosignature, WitnessKey, cosignatures};
use crate::note::{Checkpoint, NoteError, VerifierKey};

/// The longest policy in bytes.
pub const MAX_POLICY_BYTES: usize = 256 << 10;
/// The most witnesses and groups of a policy (tlog-policy asks for 32 of each at least).
const MAX_DEFINITIONS: usize = 1024;
/// The name of the quorum that asks for no cosignature (tlog-policy, "Defining the quorum").
const NO_QUORUM: &str = "none";

/// Which checkpoints are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessPolicy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<WitnessKey>,
    definitions: Vec<Definition>,
    /// The definition that must hold; none when cosignatures are not asked for.
    quorum: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Definition {
    name: String,
    /// The line it stands on, from 1.
    line: usize,
    /// Whether a group has it as member, which only one may.
    is_member: bool,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// The witness of this place must have cosigned.
    Witness(usize),
    /// So many of the definitions at these places must hold.
    Group { threshold: usize, members: Vec<usize> },
}

/// A line that is not one of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the witness policy: {problem}")]
pub struct PolicyError {
    /// The line, from 1; the last one when something is missing.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl PolicyError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Configuration
    }
}

/// Why a checkpoint is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwitnessed {
    /// It is no checkpoint that one of the logs has signed.
    #[error(transparent)]
    Checkpoint(#[from] NoteError),
    /// Too few witnesses have cosigned it.
    #[error("the quorum `{quorum}` is not reached: cosigned by {}, not by {}", names(.by), names(.missing))]
    Quorum {
        /// The quorum's name.
        quorum: String,
        /// The names of the witnesses that have cosigned.
        by: Vec<String>,
        /// Those that have not.
        missing: Vec<String>,
    },
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A checkpoint that a policy believes, and who has cosigned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed<'p> {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The latest cosignature of each witness of the policy that has cosigned.
    pub cosignatures: Vec<Cosignature<'p>>,
}

impl WitnessPolicy {
    /// The policy that believes these logs without any witness.
    pub const fn of_logs(logs: Vec<VerifierKey>) -> Self {
        Self { logs, witnesses: Vec::new(), definitions: Vec::new(), quorum: None }
    }

    /// The logs that are believed.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Whether witnesses must have cosigned.
    pub const fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// The same for these logs only: those that the policy lists as well, or all of them where it lists none.
    #[must_use]
    pub fn restricted_to(mut self, keys: &[VerifierKey]) -> Self {
        let listed = std::mem::take(&mut self.logs);
        self.logs = keys.iter().filter(|key| listed.is_empty() || listed.contains(key)).cloned().collect();
        self
    }

    /// The checkpoint in a signed note, when one of the logs has signed it and the quorum has cosigned it.
    pub fn open(&self, note: &str) -> Result<Witnessed<'_>, Unwitnessed> {
        let checkpoint = Checkpoint::open(note, &self.logs)?;
        let cosignatures = cosignatures(note, &self.witnesses)?;
        let has_cosigned = |key: &WitnessKey| cosignatures.iter().any(|cosignature| cosignature.key == key);
        let mut holding: Vec<bool> = Vec::with_capacity(self.definitions.len());
        for definition in &self.definitions {
            let holds = match &definition.rule {
                Rule::Witness(place) => self.witnesses.get(*place).is_some_and(has_cosigned),
                Rule::Group { threshold, members } => {
                    members.iter().filter(|place| holding.get(**place) == Some(&true)).count() >= *threshold
                }
            };
            holding.push(holds);
        }
        if let Some(quorum) = self.quorum
            && holding.get(quorum) != Some(&true)
        {
            let (by, missing) = self.by_cosigned(&has_cosigned);
            let quorum = self.definitions.get(quorum).map(|definition| definition.name.clone()).unwrap_or_default();
            return Err(Unwitnessed::Quorum { quorum, by, missing });
        }
        Ok(Witnessed { checkpoint, cosignatures })
    }

    /// The names of the witnesses that have cosigned, and of those that have not.
    fn by_cosigned(&self, has_cosigned: &dyn Fn(&WitnessKey) -> bool) -> (Vec<String>, Vec<String>) {
        let mut names = (Vec::new(), Vec::new());
        for definition in &self.definitions {
            if let Rule::Witness(place) = definition.rule
                && let Some(key) = self.witnesses.get(place)
            {
                let list = if has_cosigned(key) { &mut names.0 } else { &mut names.1 };
                list.push(definition.name.clone());
            }
        }
        names
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.definitions.iter().position(|definition| definition.name == name)
    }

    fn read_line(&mut self, line: usize, words: &[&str]) -> Result<(), String> {
        match *words {
            ["log", key] | ["log", key, _] => {
                let key: VerifierKey = key.parse().map_err(|error: NoteError| error.to_string())?;
                if self.logs.iter().any(|other| other.public_key() == key.public_key()) {
                    return Err("this log's public key is listed already".to_owned());
                }
                self.logs.push(key);
            }
            ["witness", name, key] | ["witness", name, key, _] => {
                let key: WitnessKey = key.parse().map_err(|error: NoteError| error.to_string())?;
                if self.witnesses.iter().any(|other| other.public_key() == key.public_key()) {
                    return Err("this witness's public key is listed already".to_owned());
                }
                self.define(line, name, Rule::Witness(self.witnesses.len()))?;
                self.witnesses.push(key);
            }
            ["group", name, threshold, ref members @ ..] => {
                if members.is_empty() {
                    return Err("a group without members".to_owned());
                }
                let threshold = match threshold {
                    "any" => Some(1),
                    "all" => Some(members.len()),
                    number => crate::codec::decimal(number)
                        .and_then(|number| usize::try_from(number).ok())
                        .filter(|number| (1..=members.len()).contains(number)),
                };
                let threshold = threshold.ok_or_else(|| format!("expected `any`, `all` or 1 to {}", members.len()))?;
                let members = members.iter().map(|member| self.join(member)).collect::<Result<_, _>>()?;
                self.define(line, name, Rule::Group { threshold, members })?;
            }
            _ => return Err("expected `log`, `witness`, `group` or `quorum` with what belongs to it".to_owned()),
        }
        Ok(())
    }

    fn define(&mut self, line: usize, name: &str, rule: Rule) -> Result<(), String> {
        if name == NO_QUORUM {
            return Err(format!("the name `{NO_QUORUM}` is taken"));
        }
        if let Some(other) = self.definitions.iter().find(|definition| definition.name == name) {
            return Err(format!("`{name}` is defined already, on line {}", other.line));
        }
        if self.definitions.len() == MAX_DEFINITIONS {
            return Err(format!("more than {MAX_DEFINITIONS} witnesses and groups"));
        }
        self.definitions.push(Definition { name: name.to_owned(), line, is_member: false, rule });
        Ok(())
    }

    /// The place of what a group is to have as member.
    fn join(&mut self, name: &str) -> Result<usize, String> {
        let place = self.place(name).ok_or_else(|| format!("`{name}` is not defined on a line before"))?;
        match self.definitions.get_mut(place) {
            Some(definition) if !definition.is_member => {
                definition.is_member = true;
                Ok(place)
            }
            _ => Err(format!("`{name}` is a member already; it counts only once")),
        }
    }
}

impl FromStr for WitnessPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let failed = |line: usize, problem: &str| PolicyError { line, problem: problem.to_owned() };
        if text.len() > MAX_POLICY_BYTES {
            return Err(failed(1, "the file is too long"));
        }
        let mut policy = Self::of_logs(Vec::new());
        let mut quorum = None;
        let mut last = 0;
        for (line, content) in (1..).zip(text.split_terminator('\n')) {
            last = line;
            if content.contains(|character: char| character.is_ascii_control() && character != '\t') {
                return Err(failed(line, "a control character"));
            }
            let words: Vec<&str> = content.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            match *words {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["quorum", _] if quorum.is_some() => return Err(failed(line, "a second quorum")),
                ["quorum", NO_QUORUM] => quorum = Some(None),
                ["quorum", name] => {
                    let place = policy.place(name);
                    let place = place.ok_or_else(|| failed(line, "the quorum is not defined on a line before"))?;
                    quorum = Some(Some(place));
                }
                _ => policy.read_line(line, &words).map_err(|problem| PolicyError { line, problem })?,
            }
        }
        let quorum = quorum.ok_or_else(|| failed(last, "no quorum; write `quorum none` if no witness is needed"))?;
        Ok(Self { quorum, ..policy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosignature::Cosigner;
    use crate::note::Signer;
    use crate::tree::Hash;

    fn log(seed: u8) -> Signer {
        Signer::from_seed("example.com/log", &[seed; 32]).unwrap()
    }

    fn witness(number: u8) -> Cosigner {
        Cosigner::from_seed(&format!("witness.example/{number}"), &[100 + number; 32]).unwrap()
    }

    /// A checkpoint of the first log, cosigned by these witnesses.
    fn note(by: &[u8]) -> String {
        let text = Checkpoint { origin: "example.com/log".into(), size: 0, root: Hash::empty_root() }.to_string();
        let lines = by.iter().map(|number| witness(*number).cosign(&text, 7).unwrap());
        log(1).sign(&text).unwrap() + &lines.collect::<String>()
    }

    /// Six witnesses, named a to f, and these lines.
    fn policy(lines: &str) -> Result<WitnessPolicy, PolicyError> {
        let start = format!("log {}\n", log(1).verifier());
        let named = ('a'..='f')
            .zip(1..)
            .fold(start, |text, (name, number)| text + &format!("witness {name} {}\n", witness(number).key()));
        format!("{named}{lines}\n").parse()
    }

    #[test]
    fn the_quorum_decides_at_every_level() {
        // The example of tlog-policy.
        let policy = policy(
            "group X-witnesses 2 a b c\n# the others\n\n group\tY-witnesses any d e f\n\
             group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y",
        )
        .unwrap();
        for (by, holds) in [
            (&[][..], false),
            (&[1, 2], false),
            (&[1, 4], false),
            (&[4, 5, 6], false),
            (&[1, 2, 4], true),
            (&[3, 1, 6], true),
            (&[1, 2, 3, 4, 5, 6], true),
            (&[1, 1, 4], false),
        ] {
            assert_eq!(policy.open(&note(by)).is_ok(), holds, "{by:?}");
        }
        let error = policy.open(&note(&[1])).unwrap_err().to_string();
        assert_eq!(error, "the quorum `X-and-Y` is not reached: cosigned by a, not by b, c, d, e, f");
    }

    #[test]
    fn one_witness_or_none_is_a_quorum_too() {
        let one = policy("quorum b").unwrap();
        assert!(one.open(&note(&[1])).is_err());
        let note_of_two = note(&[2]);
        let opened = one.open(&note_of_two).unwrap();
        assert_eq!((opened.checkpoint.size, opened.cosignatures.len(), opened.cosignatures[0].seconds), (0, 1, 7));
        let none = policy("quorum none").unwrap();
        assert!(none.open(&note(&[])).is_ok() && !none.asks_for_witnesses());
        // A witness of the policy that signed wrongly refuses all, even where it is not needed.
        let forged = note(&[2]).replacen("\n0\n", "\n1\n", 1);
        assert!(matches!(none.open(&forged), Err(Unwitnessed::Checkpoint(NoteError::BadSignature(_)))));
    }

    #[test]
    fn only_the_logs_of_the_policy_are_believed() {
        let policy = policy("quorum none").unwrap();
        let other = log(2)
            .sign(&Checkpoint { origin: "example.com/log".into(), size: 0, root: Hash::empty_root() }.to_string());
        assert_eq!(policy.open(&other.unwrap()), Err(NoteError::UnknownSigner.into()));
        let keys = [log(1).verifier().clone(), log(2).verifier().clone()];
        assert_eq!(policy.clone().restricted_to(&keys).logs(), &keys[..1]);
        assert!(policy.restricted_to(&keys[1..]).logs().is_empty());
        assert_eq!(WitnessPolicy::of_logs(Vec::new()).restricted_to(&keys).logs(), keys);
    }

    #[test]
    fn what_is_no_policy_is_refused_with_its_line() {
        let repeated = format!("witness g {}", witness(1).key());
        let twice = format!("log {}", log(1).verifier());
        let swapped = format!("witness g {}", log(1).verifier());
        for (lines, line) in [
            ("", 8),
            ("quorum g", 8),
            ("quorum a\nquorum b", 9),
            ("quorum", 8),
            ("quorum a b", 8),
            ("group g any\nquorum g", 8),
            ("group g 0 a\nquorum g", 8),
            ("group g 3 a b\nquorum g", 8),
            ("group g 01 a b\nquorum g", 8),
            ("group g some a b\nquorum g", 8),
            ("group g any a a\nquorum g", 8),
            ("group g any a\ngroup h any a\nquorum g", 9),
            ("group g any g\nquorum g", 8),
            ("group g any h\ngroup h any a\nquorum g", 8),
            ("group a any b\nquorum a", 8),
            ("group none any b\nquorum none", 8),
            (&repeated, 8),
            (&twice, 8),
            (&swapped, 8),
            ("witness g", 8),
            ("logs x", 8),
            ("quorum a\u{1}", 8),
            ("quorum a\r\n", 8),
        ] {
            assert_eq!(policy(lines).map_err(|error| error.line).unwrap_err(), line, "{lines}");
        }
    }
}
