//! Whether a text is canonical JSON (RFC 8785), as the leaves and the tables of archives must be.
//!
//! Refused beyond RFC 8785: numbers that are no integers from 0 to 2^53 - 1, which no leaf holds, and what the strict
//! parser refuses (duplicate keys, depth). One value has one text then, so equal hashes mean equal content.

use std::borrow::Cow;

use bytes::Bytes;
use vidimus_core::canonical::{MAX_INTEGER, write_string};
use vidimus_core::json::{Document, Kind, Limits, Value};

use crate::codec::decimal;

/// Objects and arrays inside one another; leaves have four.
const MAX_DEPTH: usize = 16;

/// The document, when its text is canonical.
pub(crate) fn parse(text: &[u8], limits: &Limits) -> Option<Document> {
    let limits = Limits { max_depth: MAX_DEPTH, ..*limits };
    let document = Document::parse(Bytes::copy_from_slice(text), &limits).ok()?;
    let mut canonical = Vec::with_capacity(text.len());
    write(&mut canonical, &document.root())?;
    (canonical == text).then_some(document)
}

fn write(out: &mut Vec<u8>, value: &Value<'_>) -> Option<()> {
    match value.kind() {
        Kind::Null | Kind::Bool => out.extend_from_slice(value.raw().as_bytes()),
        Kind::Number => {
            decimal(value.raw()).filter(|number| *number <= MAX_INTEGER)?;
            out.extend_from_slice(value.raw().as_bytes());
        }
        Kind::String => write_string(out, &value.as_str()?),
        Kind::Array => {
            out.push(b'[');
            for (position, element) in value.elements().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write(out, &element)?;
            }
            out.push(b']');
        }
        Kind::Object => {
            out.push(b'{');
            let mut last: Option<Cow<'_, str>> = None;
            for (key, member) in value.members() {
                if let Some(last) = &last {
                    // RFC 8785 §3.2.3: by UTF-16 code units.
                    if last.encode_utf16().ge(key.encode_utf16()) {
                        return None;
                    }
                    out.push(b',');
                }
                write_string(out, &key);
                out.push(b':');
                write(out, &member)?;
                last = Some(key);
            }
            out.push(b'}');
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_canonical(text: &str) -> bool {
        parse(text.as_bytes(), &Limits::default()).is_some()
    }

    #[test]
    fn one_value_has_one_text() {
        let unordered_but_for_utf_16 = "{\"\u{10000}\":1,\"\u{ffff}\":2}";
        for good in [r#"{"a":[1,"x\n\u001f",true,null],"b":{}}"#, unordered_but_for_utf_16, "[]", "9007199254740991"] {
            assert!(is_canonical(good), "{good}");
        }
        for bad in [
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a": 1}"#,
            r#"{"a":1} "#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u000a"}"#,
            "{\"\u{ffff}\":1,\"\u{10000}\":2}",
            "1.5",
            "-1",
            "1e3",
            "01",
            "9007199254740992",
            "",
            "{",
        ] {
            assert!(!is_canonical(bad), "{bad}");
        }
        assert!(!is_canonical(&"[".repeat(99)) && !is_canonical(&format!("{}{}", "[".repeat(17), "]".repeat(17))));
    }
}
