//! Names in an object after masking: they must differ, or a reader would lose members.

use std::collections::{HashMap, HashSet};

/// The names of one object in which a name was masked.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<Vec<u8>>,
    /// The last number given to a name.
    numbers: HashMap<Vec<u8>, usize>,
}

impl Names {
    /// Notes a name that stays.
    pub(super) fn take(&mut self, name: Vec<u8>) {
        self.taken.insert(name);
    }

    /// The name itself if it is free, and otherwise the name with the next number.
    pub(super) fn unique(&mut self, name: Vec<u8>) -> Vec<u8> {
        if self.taken.insert(name.clone()) {
            return name;
        }
        let number = self.numbers.entry(name.clone()).or_insert(1);
        loop {
            *number += 1;
            let numbered = [&*name, b"_", number.to_string().as_bytes()].concat();
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

/// Whether a key is so plain that it can hold no value: short, and letters only.
pub(super) fn is_plain(key: &[u8]) -> bool {
    const MAX_PLAIN: usize = 24;
    key.len() <= MAX_PLAIN
        && key.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b' ' | b'$'))
}

/// Keys whose string says what a sibling's value is: `{"name": "ssn", "value": …}`.
pub(super) fn names_a_sibling(key: &[u8]) -> Option<Naming> {
    const NAMES: [&[u8]; 8] = [b"name", b"key", b"field", b"label", b"attribute", b"property", b"column", b"header"];
    const KINDS: [&[u8]; 3] = [b"type", b"kind", b"id"];
    if !(2..=9).contains(&key.len()) {
        None
    } else if NAMES.iter().any(|name| key.eq_ignore_ascii_case(name)) {
        Some(Naming::Name)
    } else if KINDS.iter().any(|name| key.eq_ignore_ascii_case(name)) {
        Some(Naming::Kind)
    } else {
        None
    }
}

/// How a member names its siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Name,
    Kind,
}

/// Keys that say nothing of their value, which a sibling may name.
pub(super) fn is_value(key: &[u8]) -> bool {
    const VALUES: [&[u8]; 10] =
        [b"value", b"values", b"val", b"number", b"no", b"data", b"content", b"text", b"answer", b"default"];
    (2..=7).contains(&key.len()) && VALUES.iter().any(|name| key.eq_ignore_ascii_case(name))
}
