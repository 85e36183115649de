//! Characters that people do not see, or take for others (Unicode TR36, TR39; "Trojan Source", CVE-2021-42574).
//!
//! Hidden are those of `vidimus_core::hidden`, and host names of mixed scripts.

use bytes::Bytes;
use vidimus_core::hidden;
use vidimus_core::json::{Document, Limits, Value};

use crate::walk::Texts;

/// Bytes that are looked at together.
const BLOCK: usize = 256;

/// Whether there are any in arguments, keys included.
pub(crate) fn is_in(arguments: Option<Value<'_>>) -> bool {
    Texts::of(arguments).any(|text| is_hidden(&text.value))
}

/// Whether a payload could hold any, by its bytes: beyond ASCII, controls, escapes of JSON.
pub fn may_hide(payload: &[u8]) -> bool {
    let is_odd = |byte: u8| !byte.is_ascii() || (byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t'));
    let is_escape = |at: usize| matches!(payload.get(at + 1), Some(b'u' | b'b'));
    // Whole blocks without a way out are what a compiler makes wide instructions of.
    let has_odd = |block: &[u8]| block.iter().fold(false, |odd, byte| odd | is_odd(*byte));
    payload.chunks(BLOCK).any(has_odd) || memchr::memchr_iter(b'\\', payload).any(is_escape)
}

/// How many texts of a payload hold any: of JSON its strings and keys, else all of it.
pub fn hidden_texts(payload: &Bytes) -> u64 {
    if !may_hide(payload) {
        return 0;
    }
    let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
    let count = match Document::parse(payload.clone(), &limits) {
        Ok(document) => Texts::of(Some(document.root())).filter(|text| is_hidden(&text.value)).count(),
        Err(_) => usize::from(is_hidden(&String::from_utf8_lossy(payload))),
    };
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn is_hidden(text: &str) -> bool {
    if text.bytes().all(|byte| (0x20..0x7F).contains(&byte) || matches!(byte, b'\n' | b'\r' | b'\t')) {
        return false;
    }
    hidden::has_escapes(text) || hidden::has_invisible(text) || mixed_hosts(text)
}

/// Whether a label of a host, in a URL or at the beginning of a text without white space, has letters of Latin beside such
/// of Cyrillic, Greek, Armenian or Cherokee, which look like them.
fn mixed_hosts(text: &str) -> bool {
    let hosts = text.split("://").skip(1).map(|rest| {
        rest.split(|character: char| character.is_whitespace() || matches!(character, '/' | '?' | '#'))
            .next()
            .unwrap_or(rest)
    });
    let first = text.split('/').next().unwrap_or(text);
    let whole = (!text.contains(char::is_whitespace) && first.contains('.')).then_some(first);
    hosts.chain(whole).flat_map(|host| host.split(['.', '@', ':', '-', '_'])).any(|label| {
        let has = |of: fn(u32) -> bool| label.chars().any(|character| of(u32::from(character)));
        let latin = has(|code| matches!(code, 0x41..=0x5A | 0x61..=0x7A | 0xC0..=0x24F));
        let similar = has(|code| matches!(code, 0x370..=0x3FF | 0x400..=0x52F | 0x530..=0x58F | 0x13A0..=0x13FF));
        latin && similar
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden() {
        for text in [
            "hi\u{E0049}\u{E0067}",
            "pass\u{200B}word",
            "a\u{200D}b",
            "ad\u{AD}min",
            "x\u{202E}gpj.exe",
            "\u{2066}open",
            "close\u{2069}",
            "a\u{FE0F}\u{FE01}\u{FE02}",
            "\u{1B}[31mred",
            "bell\u{7}",
            "null\0",
            "http://p\u{430}ypal.com/",
            "\u{3164}",
            "\u{1F3F4}\u{E0067}x",
            "a\u{9B}31m",
            "a\u{E0100}b",
            "葛\u{E0100}\u{E0101}\u{E0102}",
        ] {
            assert!(is_hidden(text), "{text:?}");
        }
    }

    #[test]
    fn texts_of_a_payload_are_counted() {
        for (payload, count) in [
            ("{\"a\":\"plain\",\"b\":[\"caf\u{e9}\",1]}", 0),
            (r#"{"a":"ad\u00admin","b\u200b":["x\u202ey","\ttab\\u200b"]}"#, 3),
            ("{\"a\":\"pass\u{200B}word\"}", 1),
            (r#"{"a":"bell\b"}"#, 1),
            ("no JSON, but \u{1B}[8mhidden", 1),
            ("no JSON", 0),
            ("", 0),
        ] {
            assert_eq!(hidden_texts(&Bytes::from(payload)), count, "{payload}");
        }
    }

    #[test]
    fn what_is_not() {
        for text in [
            "plain\n\ttext",
            "naïve café",
            "می\u{200C}خواهم",
            "क\u{94D}\u{200D}ष",
            "👩\u{200D}💻",
            "❤\u{FE0F}\u{200D}🔥",
            "\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
            "שלום עולם",
            "\u{2067}שלום\u{2069} x",
            "☺\u{FE0F}",
            "Привет, world",
            "http://пример.рф/",
            "1\u{FE0F}\u{20E3}",
            "right\u{200E}mark",
            "",
            "日本語",
            "葛\u{E0100}城 辻\u{E0101}",
        ] {
            assert!(!is_hidden(text), "{text:?}");
        }
    }
}
