//! By what a log is believed: its public keys, as the caller has them from elsewhere, and a policy of witnesses.
//!
//! A policy (C2SP tlog-policy) may list logs: where keys are given besides, only those in both count. Without a key from
//! elsewhere nothing shows whose a log is: the keys that came with it stand in, and whoever reports must say so.

use std::fmt;

use vidimus_core::Timestamp;
use vidimus_core::canonical::ObjectWriter;

use crate::keylist::KeyList;
use crate::note::VerifierKey;
use crate::policy::{Unwitnessed, WitnessPolicy, Witnessed};

/// What a report says when no policy was given that asks for witnesses.
pub const NOT_WITNESSED: &str =
    "not checked: whether witnesses have seen this log; a --witness-policy with a quorum says which must have";

/// By what a log is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    keys: Option<KeyList>,
    policy: Option<WitnessPolicy>,
}

/// A witness that has cosigned, and when by its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenBy {
    /// The name of its key.
    pub witness: String,
    /// When.
    pub at: Timestamp,
}

impl Trust {
    /// By these keys and this policy; `None` when both list logs and have none in common.
    pub fn new(keys: Option<KeyList>, policy: Option<WitnessPolicy>) -> Option<Self> {
        let listed = policy.as_ref().map_or(&[] as &[VerifierKey], WitnessPolicy::logs);
        let keys = match keys {
            Some(keys) if !listed.is_empty() => Some(keys.restricted_to(listed)),
            None if !listed.is_empty() => Some(KeyList::always(listed.iter().cloned())),
            keys => keys,
        };
        let is_possible = keys.as_ref().is_none_or(|keys| !keys.keys().is_empty());
        is_possible.then_some(Self { keys, policy })
    }

    /// By these keys, whatever the size of the tree that they sign.
    pub fn in_keys(keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        Self { keys: Some(KeyList::always(keys)), policy: None }
    }

    /// The keys from elsewhere; `None` when there are none.
    pub const fn keys(&self) -> Option<&KeyList> {
        self.keys.as_ref()
    }

    /// Whether witnesses must have cosigned.
    pub fn asks_for_witnesses(&self) -> bool {
        self.policy.as_ref().is_some_and(WitnessPolicy::asks_for_witnesses)
    }

    /// The policy for the log with these keys; one that asks for nobody where none was given.
    pub(crate) fn policy(&self, keys: &KeyList) -> WitnessPolicy {
        let keys: Vec<VerifierKey> = keys.keys().iter().map(|listed| listed.key.clone()).collect();
        self.policy.clone().unwrap_or_else(|| WitnessPolicy::of_logs(Vec::new())).restricted_to(&keys)
    }

    /// Who of the policy's witnesses has cosigned this checkpoint of a log with these keys, when the quorum has.
    pub fn witnesses(&self, note: &str, keys: &KeyList) -> Result<Vec<SeenBy>, Unwitnessed> {
        Ok(SeenBy::all(&self.policy(keys).open(note)?))
    }
}

impl SeenBy {
    /// One JSON object.
    pub(crate) fn write_json(out: &mut Vec<u8>, seen: &Self) {
        let mut object = ObjectWriter::new(out);
        object.string("name", &seen.witness).string("time", &seen.at.to_string());
        object.end();
    }

    /// Those who have cosigned.
    pub(crate) fn all(witnessed: &Witnessed<'_>) -> Vec<Self> {
        let seen = witnessed.cosignatures.iter().map(|cosignature| Self {
            witness: cosignature.key.name().to_owned(),
            at: Timestamp::from_seconds(cosignature.seconds),
        });
        seen.collect()
    }
}

impl fmt::Display for SeenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "witnessed by {} at {}", self.witness, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosignature::Cosigner;
    use crate::note::{Checkpoint, Signer};
    use crate::tree::Hash;

    fn log(seed: u8) -> Signer {
        Signer::from_seed("example.com/log", &[seed; 32]).unwrap()
    }

    fn keys(seed: u8) -> KeyList {
        KeyList::always([log(seed).verifier().clone()])
    }

    fn trust(keys: Option<KeyList>, policy: &str) -> Option<Trust> {
        Trust::new(keys, Some(policy.parse().unwrap()))
    }

    #[test]
    fn keys_are_those_in_both_lists() {
        let of_one = format!("log {}\nquorum none\n", log(1).verifier());
        assert_eq!(trust(None, &of_one).unwrap().keys(), Some(&keys(1)));
        assert_eq!(trust(Some(keys(1)), &of_one).unwrap().keys(), Some(&keys(1)));
        assert_eq!(trust(Some(keys(2)), &of_one), None);
        let mut both = keys(2);
        both.extend(format!("{} 3 9\n", log(1).verifier()).parse().unwrap());
        // The sizes that a key signs for are kept.
        let restricted = trust(Some(both), &of_one).unwrap();
        assert_eq!(restricted.keys().unwrap().to_string(), format!("{} 3 9\n", log(1).verifier()));
        assert_eq!(trust(None, "quorum none\n").unwrap().keys(), None);
        assert_eq!(trust(Some(keys(2)), "quorum none\n").unwrap().keys(), Some(&keys(2)));
    }

    #[test]
    fn witnesses_are_those_of_the_policy() {
        let witness = Cosigner::from_seed("witness.example/w", &[3; 32]).unwrap();
        let text = Checkpoint { origin: "example.com/log".into(), size: 0, root: Hash::empty_root() }.to_string();
        let signed = log(1).sign(&text).unwrap();
        let trust = trust(Some(keys(1)), &format!("witness w {}\nquorum w\n", witness.key())).unwrap();
        assert!(trust.asks_for_witnesses());
        assert!(matches!(trust.witnesses(&signed, &keys(1)), Err(Unwitnessed::Quorum { .. })));
        let cosigned = signed + &witness.cosign(&text, 7).unwrap();
        let seen = trust.witnesses(&cosigned, &keys(1)).unwrap();
        assert_eq!(seen, [SeenBy { witness: "witness.example/w".into(), at: Timestamp::from_seconds(7) }]);
        assert!(matches!(trust.witnesses(&cosigned, &keys(2)), Err(Unwitnessed::Checkpoint(_))));
        assert_eq!(Trust::default().witnesses(&cosigned, &keys(1)), Ok(Vec::new()));
    }
}
