//! Text in base64 (RFC 4648 §4 and §5), with or without `data:…;base64,` before it.
//!
//! Only what is canonical and decodes to text counts: identifiers and hashes are base64 as well, and stay as they are.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Characters of base64 in a string, at least, to be taken for it.
const MIN_LENGTH: usize = 24;

/// The same where the name of the member says that it is base64: MCP's `blob`.
const MIN_BLOB: usize = 8;

/// Characters looked at first: most of what is not text shows in them.
const PROBE: usize = 24;

/// Of so many characters of text one may be a control character.
const CONTROLS_PER: usize = 20;

/// What a byte is to base64: none of its characters.
const OTHER: u8 = 1;

/// One of its characters that hexadecimal digits and hyphens are not.
const HIGH: u8 = 2;

/// Text that was in base64.
#[derive(Debug)]
pub(super) struct Encoded {
    /// Bytes before it.
    prefix: usize,
    engine: &'static GeneralPurpose,
    pub(super) decoded: Vec<u8>,
}

impl Encoded {
    /// The string `original` with another text in it.
    pub(super) fn encode(&self, original: &[u8], text: &[u8]) -> Vec<u8> {
        let mut out = original.get(..self.prefix).unwrap_or_default().to_vec();
        out.extend_from_slice(self.engine.encode(text).as_bytes());
        out
    }
}

/// The text that a string holds in base64.
pub(super) fn text_in(string: &[u8], is_blob: bool) -> Option<Encoded> {
    if string.len() < if is_blob { MIN_BLOB } else { MIN_LENGTH } {
        return None;
    }
    let prefix = data_prefix(string);
    let encoded = string.get(prefix..)?;
    let probe = encoded.get(..PROBE.min(encoded.len()))?;
    let probed = probe.iter().fold(0, |kinds, byte| kinds | kind(*byte));
    // Words of text, and hashes and UUIDs, which no text becomes.
    if probed & OTHER != 0 || probed & HIGH == 0 {
        return None;
    }
    let is_url = |byte: &u8| matches!(byte, b'-' | b'_');
    // Without `=` at the end, the URL alphabet means that there never is one.
    let engine = match (encoded.iter().any(is_url), encoded.last() == Some(&b'='), encoded.len() % 4 == 0) {
        (false, _, true) => &STANDARD,
        (false, _, false) => &STANDARD_NO_PAD,
        (true, true, _) => &URL_SAFE,
        (true, false, _) => &URL_SAFE_NO_PAD,
    };
    if encoded.len() > PROBE && !is_text(&engine.decode(probe).ok()?, false) {
        return None;
    }
    let decoded = engine.decode(encoded).ok()?;
    is_text(&decoded, true).then_some(Encoded { prefix, engine, decoded })
}

fn kind(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' | b'a'..=b'f' | b'-' => 0,
        b'A'..=b'Z' | b'g'..=b'z' | b'+' | b'/' | b'_' | b'=' => HIGH,
        _ => OTHER,
    }
}

/// The length of a `data:` URL's beginning (RFC 2397).
fn data_prefix(string: &[u8]) -> usize {
    if !string.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:")) {
        return 0;
    }
    let beginning = string.get(..string.len().min(256)).unwrap_or_default();
    let is_base64 =
        |at: &usize| beginning.get(..*at).is_some_and(|before| before.to_ascii_lowercase().ends_with(b";base64"));
    memchr::memchr(b',', beginning).filter(is_base64).map_or(0, |comma| comma + 1)
}

/// Whether bytes are UTF-8 with few control characters; the beginning of a text may stop inside a character.
fn is_text(bytes: &[u8], whole: bool) -> bool {
    let is_utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => !whole && error.error_len().is_none(),
    };
    let controls = bytes.iter().filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()).count();
    is_utf8 && controls <= bytes.len() / CONTROLS_PER
}
