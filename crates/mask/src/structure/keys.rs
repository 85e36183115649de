//! Names in an object after masking: they must differ, or a reader would lose members.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::syntax;
use crate::escapes;

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

/// What a key says of the value under it and of its siblings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// Its own value's.
    #[default]
    Own,
    /// Its string names what a sibling's value is: `{"name": "ssn", "value": …}`.
    Names,
    /// Its string says of what kind a sibling's value is: `{"type": "phone", "number": …}`.
    Kinds,
    /// It says nothing of its value, which a sibling may name.
    Value,
    /// Its array names the columns of a table beside it: `{"columns": ["name", "ssn"], "rows": [["Jane", …]]}`.
    Columns,
    /// Its array holds the rows of a table, or it says nothing of its value.
    Rows,
}

impl Role {
    /// Whether the key says nothing of its value, so that names around or beside it do.
    pub(super) fn is_wrapper(self) -> bool {
        matches!(self, Self::Value | Self::Rows)
    }

    pub(super) fn of(key: &[u8]) -> Self {
        const NAMES: [&[u8]; 8] =
            [b"name", b"key", b"field", b"label", b"attribute", b"property", b"column", b"header"];
        const KINDS: [&[u8]; 3] = [b"type", b"kind", b"id"];
        const VALUES: [&[u8]; 10] =
            [b"value", b"val", b"number", b"no", b"content", b"text", b"answer", b"default", b"input", b"field_value"];
        const COLUMNS: [&[u8]; 5] = [b"columns", b"fields", b"headers", b"cols", b"schema"];
        const ROWS: [&[u8]; 4] = [b"rows", b"data", b"values", b"records"];
        let among = |words: &[&[u8]]| words.iter().any(|word| key.eq_ignore_ascii_case(word));
        match key.len() {
            2..=9 if among(&NAMES) => Self::Names,
            2..=9 if among(&KINDS) => Self::Kinds,
            2..=11 if among(&VALUES) => Self::Value,
            4..=7 if among(&COLUMNS) => Self::Columns,
            4..=7 if among(&ROWS) => Self::Rows,
            _ => Self::Own,
        }
    }
}

/// A key, and what was found out about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'d> {
    pub(super) name: &'d str,
    pub(super) role: Role,
    /// Whether it is so plain that it can hold no value: short, and letters only.
    pub(super) is_plain: bool,
    /// The key that followed it last time, by its place among those that are known.
    next: usize,
}

impl<'d> Key<'d> {
    pub(super) fn new(name: &'d str) -> Self {
        const MAX_PLAIN: usize = 24;
        let is_plain = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b' ' | b'$');
        let is_plain = name.len() <= MAX_PLAIN && name.bytes().all(is_plain);
        Self { name, role: Role::of(name.as_bytes()), is_plain, next: 0 }
    }
}

/// Keys of a document without escapes. Objects of a document are mostly alike, so after each key the one that followed
/// it last time is tried first.
#[derive(Debug, Default)]
pub(super) struct Known<'d> {
    keys: Vec<Key<'d>>,
    last: usize,
}

impl<'d> Known<'d> {
    /// Keys that are remembered.
    const MAX: usize = 48;

    /// The key that `text`, which begins after a quote, begins with, if it is the one that came here last time.
    pub(super) fn again(&mut self, text: &[u8]) -> Option<Key<'d>> {
        let place = self.keys.get(self.last)?.next;
        let key = self.keys.get(place)?;
        let rest = text.strip_prefix(key.name.as_bytes())?;
        (rest.first() == Some(&b'"')).then(|| {
            self.last = place;
            *key
        })
    }

    /// Any other key.
    pub(super) fn key(&mut self, name: &'d str) -> Key<'d> {
        let place = match self.keys.iter().position(|key| key.name == name) {
            Some(place) => place,
            None if self.keys.len() < Self::MAX => {
                self.keys.push(Key::new(name));
                self.keys.len() - 1
            }
            None => return Key::new(name),
        };
        if let Some(last) = self.keys.get_mut(self.last) {
            last.next = place;
        }
        self.last = place;
        self.keys.get(place).copied().unwrap_or_else(|| Key::new(name))
    }
}

/// Text between quotes, decoded if it is short enough for a name.
pub(super) fn decoded(raw: &[u8], escaped: bool) -> Option<Cow<'_, str>> {
    /// Bytes of a name that is decoded.
    const MAX_NAME: usize = 256;
    if !escaped {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let mut text = Vec::new();
    escapes::decode(Some(raw).filter(|raw| raw.len() <= MAX_NAME)?, &mut text);
    String::from_utf8(text).ok().map(Cow::Owned)
}

/// Of every object with a member that names columns, where it begins and where their array does; of JSON that is known to
/// be JSON. One pass over all of it.
pub(super) fn tables(bytes: &[u8]) -> HashMap<usize, usize> {
    let mut tables = HashMap::new();
    // Each open object by its place; arrays have none.
    let mut open: Vec<Option<usize>> = Vec::new();
    let (mut at, mut role) = (0, Role::Own);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => open.push(Some(at)),
            b'[' => {
                if let (Role::Columns, Some(Some(object))) = (role, open.last()) {
                    tables.entry(*object).or_insert(at);
                }
                open.push(None);
            }
            b'}' | b']' => _ = open.pop(),
            b'"' => {
                let Some(quoted) = syntax::string_end(bytes, at + 1) else { break };
                let text = decoded(bytes.get(at + 1..quoted.end - 1).unwrap_or_default(), quoted.escaped);
                at = syntax::space_end(bytes, quoted.end);
                role = Role::Own;
                if bytes.get(at) == Some(&b':') {
                    role = text.map_or(Role::Own, |text| Role::of(text.as_bytes()));
                    at = syntax::space_end(bytes, at + 1);
                }
                continue;
            }
            _ => {}
        }
        role = Role::Own;
        at += 1;
    }
    tables
}

/// The names in an array of columns that begins at `at`: strings, or objects with a name.
pub(super) fn columns(bytes: &[u8], at: usize) -> Vec<Cow<'_, str>> {
    /// Bytes of the array that are looked at.
    const MAX_COLUMNS: usize = 16 << 10;
    let array = bytes.get(at..bytes.len().min(at + MAX_COLUMNS)).unwrap_or_default();
    let mut names = Vec::new();
    let mut place = 1;
    loop {
        place = syntax::space_end(array, place);
        let Some(name) = column(array, place) else { break };
        let Some(end) = syntax::value_end(array, place) else { break };
        names.push(name);
        place = syntax::space_end(array, end);
        if array.get(place) != Some(&b',') {
            break;
        }
        place += 1;
    }
    names
}

/// The name of the column described at `at`; empty if it has none.
fn column(array: &[u8], at: usize) -> Option<Cow<'_, str>> {
    let string = |at: usize| {
        let quoted = syntax::string_end(array, at + 1)?;
        Some((decoded(array.get(at + 1..quoted.end - 1)?, quoted.escaped).unwrap_or_default(), quoted.end))
    };
    match array.get(at)? {
        b'"' => string(at).map(|(name, _)| name),
        b'{' => {
            let mut at = at;
            loop {
                at = syntax::space_end(array, at + 1);
                if array.get(at)? != &b'"' {
                    return Some(Cow::default());
                }
                let (key, end) = string(at)?;
                at = syntax::space_end(array, syntax::space_end(array, end) + 1);
                if Role::of(key.as_bytes()) == Role::Names && array.get(at)? == &b'"' {
                    return string(at).map(|(name, _)| name);
                }
                at = syntax::space_end(array, syntax::value_end(array, at)?);
                if array.get(at)? != &b',' {
                    return Some(Cow::default());
                }
            }
        }
        _ => None,
    }
}
