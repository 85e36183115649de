//! Host names: labels and a top-level domain that is delegated (IANA's root zone, 2026) or kept for private use.

use std::sync::LazyLock;

/// Bytes of a label and of a name (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;
pub(super) const MAX_NAME: usize = 253;

/// Bytes of the longest top-level domain that is written in letters.
const MAX_TOP_LEVEL: usize = 24;
const _: () = assert!(MAX_TOP_LEVEL == 3 * 8, "three numbers hold its letters");

/// Bytes of a top-level domain in another script, at least.
const MIN_OTHER_SCRIPT: usize = 4;

/// Begins a label of another script, encoded (RFC 5890).
const ENCODED: &[u8] = b"xn--";

/// All that are written in ASCII letters.
const DELEGATED: &str = include_str!("top_level.txt");

/// Kept for private use or for documents (RFC 2606, RFC 6762, RFC 8375), and what companies use inside.
const PRIVATE: &str = "corp example home internal intranet invalid lan local localdomain test";

/// All of them, each as the number that its letters make, in the place that [`place`] gives or behind it: they are looked
/// up in most addresses, and hashing costs more. No name is the number 0, which stands between them.
static KNOWN: LazyLock<Vec<[u64; 3]>> = LazyLock::new(|| {
    let names = DELEGATED.split_ascii_whitespace().chain(PRIVATE.split_ascii_whitespace());
    let mut known = vec![[0; 3]; PLACES];
    for name in names.filter_map(|name| number(name.as_bytes())) {
        let from = place(name);
        let (before, behind) = known.split_at_mut(from);
        if let Some(slot) = behind.iter_mut().chain(before).find(|known| **known == [0; 3]) {
            *slot = name;
        }
    }
    known
});

/// Places for top-level domains: more than twice as many as there are.
const PLACES: usize = 1 << 12;

fn place(name: [u64; 3]) -> usize {
    let mixed = (name[0] ^ name[1].rotate_left(21) ^ name[2].rotate_left(42)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(mixed >> (u64::BITS - PLACES.trailing_zeros())).unwrap_or(0)
}

fn is_known(name: [u64; 3]) -> bool {
    let from = place(name);
    let (before, behind) = KNOWN.split_at(from.min(KNOWN.len()));
    behind.iter().chain(before).take_while(|known| **known != [0; 3]).any(|known| *known == name)
}

/// A name in lower case as a number, if it is short enough to be a top-level domain.
fn number(name: &[u8]) -> Option<[u64; 3]> {
    let mut letters = [0; MAX_TOP_LEVEL];
    letters.get_mut(..name.len())?.copy_from_slice(name);
    letters.make_ascii_lowercase();
    let (words, _) = letters.as_chunks::<8>();
    let mut number = [0; 3];
    number.iter_mut().zip(words).for_each(|(number, word)| *number = u64::from_be_bytes(*word));
    Some(number)
}

/// Whether a byte may stand in a host name.
pub(super) const fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.'
}

/// The length of the longest host name that `text` begins with.
pub(super) fn name(text: &[u8]) -> Option<usize> {
    if text.is_ascii() { name_in_ascii(text) } else { name_in_any(text) }
}

/// The same of ASCII: from the last label back, since most names end with a top-level domain.
fn name_in_ascii(text: &[u8]) -> Option<usize> {
    let mut end = 0;
    let mut begin = 0;
    for (at, byte) in text.iter().chain(b".").enumerate() {
        if *byte != b'.' {
            continue;
        }
        let label = text.get(begin..at).unwrap_or_default();
        if !is_well_formed(label) || at > MAX_NAME {
            break;
        }
        (end, begin) = (at, at + 1);
    }
    loop {
        let name = text.get(..end)?;
        let dot = name.iter().rposition(|byte| *byte == b'.')?;
        if is_top_level(name.get(dot + 1..)?) {
            return Some(end);
        }
        end = dot;
    }
}

fn name_in_any(text: &[u8]) -> Option<usize> {
    let mut longest = None;
    let mut at = 0;
    for (place, label) in text.split(|byte| *byte == b'.').enumerate() {
        let other_script = within_label(label, label.iter().position(u8::is_ascii).unwrap_or(label.len()));
        if place > 0 && other_script >= MIN_OTHER_SCRIPT && at + other_script <= MAX_NAME {
            // Anything may follow without a space.
            longest = Some(at + other_script);
        }
        at += label.len();
        if !is_well_formed(label) || at > MAX_NAME {
            break;
        }
        if place > 0 && other_script == 0 && is_top_level(label) {
            longest = Some(at);
        }
        at += 1;
    }
    longest
}

fn is_well_formed(label: &[u8]) -> bool {
    (1..=MAX_LABEL).contains(&label.len()) && !label.starts_with(b"-") && !label.ends_with(b"-")
}

/// So many bytes, or as many as a label can have of whole characters.
fn within_label(text: &[u8], length: usize) -> usize {
    if length <= MAX_LABEL {
        return length;
    }
    let inside = |at: &usize| matches!(text.get(*at), Some(0x80..=0xBF));
    // No character is longer than four bytes.
    (MAX_LABEL - 3..=MAX_LABEL).rev().find(|at| !inside(at)).unwrap_or(MAX_LABEL)
}

/// Whether a label in ASCII is a top-level domain.
fn is_top_level(label: &[u8]) -> bool {
    let Some(number) = number(label) else { return false };
    let is_encoded = label.len() > ENCODED.len()
        && label.get(..ENCODED.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(ENCODED));
    is_encoded || is_known(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_in_ascii_are_read_as_any_others(
            text in "([a-z0-9-]{0,4}\\.){0,4}(com|de|test|org|xn--p1ai|xyzzy)?[.-]?|([a-z]{60,64}\\.){0,5}[a-z.]{0,30}",
        ) {
            prop_assert_eq!(name_in_ascii(text.as_bytes()), name_in_any(text.as_bytes()));
        }
    }
}
