//! Values whose name is not in the text: the key that leads to them is.

use super::general::{self, Classes};
use crate::class::ClassId;
use crate::form::{Form, Reading, Runs};
use crate::placeholder::is_placeholder;

/// Bytes of a value that forms are tried on.
pub(super) const MAX_VALUE: usize = 512;

/// Bytes of a value, at least.
const MIN_VALUE: usize = 4;

/// The same of one that must look drawn at random.
const MIN_RANDOM: usize = 16;

/// Bytes of a key, at most.
const MAX_KEY: usize = 64;

/// Ends of keys, their separators left out, below which every value is a password.
const PASSWORDS: [&[u8]; 6] = [b"password", b"passwd", b"passphrase", b"passwort", b"pwd", b"passcode"];

/// The same for other secrets.
const SECRETS: [&[u8]; 26] = [
    b"secret",
    b"clientsecret",
    b"secretkey",
    b"apikey",
    b"apitoken",
    b"accesstoken",
    b"refreshtoken",
    b"idtoken",
    b"authtoken",
    b"sessiontoken",
    b"bearertoken",
    b"privatekey",
    b"secretaccesskey",
    b"signingkey",
    b"encryptionkey",
    b"masterkey",
    b"webhooksecret",
    b"sharedsecret",
    b"sharedaccesskey",
    b"accountkey",
    b"secrettoken",
    b"apisecret",
    b"appsecret",
    b"consumersecret",
    b"deploytoken",
    b"personalaccesstoken",
];

/// Keys below which only what looks drawn at random is a secret: they are used for much else.
const AMBIGUOUS: [&[u8]; 7] =
    [b"token", b"authorization", b"credential", b"credentials", b"accesskey", b"authkey", b"sessionkey"];

/// What makes a value below a key a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    /// That it is no placeholder.
    Anything,
    /// That it looks drawn at random.
    Random,
}

/// The class that a key gives to its values, and what it asks of them.
pub(super) fn named(classes: Classes, key: &str) -> Option<(ClassId, Needed)> {
    if classes.password.is_none() && classes.generic.is_none() {
        return None;
    }
    if !may_name(key) {
        return None;
    }
    let mut plain = [0; MAX_KEY];
    let mut length = 0;
    for byte in key.bytes().filter(u8::is_ascii_alphanumeric) {
        *plain.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    let plain = plain.get(..length)?;
    let ends = |all: &[&[u8]]| all.iter().any(|end| plain.ends_with(end));
    if ends(&PASSWORDS) {
        classes.password.map(|class| (class, Needed::Anything))
    } else if ends(&SECRETS) {
        classes.generic.map(|class| (class, Needed::Anything))
    } else if ends(&AMBIGUOUS) {
        classes.generic.map(|class| (class, Needed::Random))
    } else {
        None
    }
}

/// Whether the last two letters of a key are those of one that is listed: most keys differ there.
fn may_name(key: &str) -> bool {
    let mut last = key.bytes().rev().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
    let (Some(last), Some(before)) = (last.next(), last.next()) else { return false };
    let letters = ENDS.get(usize::from(last.wrapping_sub(b'a'))).copied().unwrap_or(0);
    before.is_ascii_lowercase() && letters >> (before - b'a') & 1 == 1
}

/// By the last letter of the ends of keys, a bit for each letter before it.
const ENDS: [u32; 26] = with_ends(with_ends(with_ends([0; 26], &PASSWORDS), &SECRETS), &AMBIGUOUS);

#[expect(clippy::indexing_slicing, reason = "the compiler reckons it")]
const fn with_ends(mut ends: [u32; 26], words: &[&[u8]]) -> [u32; 26] {
    let mut word = 0;
    while word < words.len() {
        let letters = words[word];
        let (last, before) = (letters[letters.len() - 1], letters[letters.len() - 2]);
        ends[(last - b'a') as usize] |= 1 << (before - b'a');
        word += 1;
    }
    ends
}

/// Whether a value has what its key asks.
pub(super) fn is_secret(value: &[u8], needed: Needed) -> bool {
    let random = || value.len() >= MIN_RANDOM && general::looks_random(value);
    value.len() >= MIN_VALUE && (needed == Needed::Anything || random()) && !is_placeholder(value) && !is_mark(value)
}

/// Whether the whole value has one of these forms.
pub(super) fn has_form(forms: &[Form], value: &[u8]) -> bool {
    let mut runs = Runs::default();
    let mut reading = Reading { text: value, start: 0, from: 0, runs: &mut runs, open: false };
    forms.iter().any(|form| reading.form(form, 0, 0).is_some_and(|(_, end)| end == value.len()))
}

/// Whether masking left it: it holds a mark.
fn is_mark(value: &[u8]) -> bool {
    value.starts_with(b"<") && value.contains(&b'>') || value.starts_with(b"[REDACTED")
}
