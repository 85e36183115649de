//! How much there is.

use vidimus_core::SizeFacts;
use vidimus_core::json::Value;

/// The size of arguments; those of none are all zero.
pub(crate) fn of(arguments: Option<Value<'_>>) -> SizeFacts {
    let mut size = SizeFacts { bytes: 0, depth: 0, members: 0, digits: 0 };
    let Some(arguments) = arguments else { return size };
    size.bytes = u64::try_from(arguments.raw().len()).unwrap_or(u64::MAX);
    let mut waiting = vec![(arguments, 1)];
    while let Some((value, depth)) = waiting.pop() {
        size.digits = size.digits.max(value.as_number().map_or(0, digits));
        if !(value.is_object() || value.is_array()) {
            continue;
        }
        size.depth = size.depth.max(depth);
        for inner in value.elements().chain(value.entries().map(|(_, member)| member)) {
            size.members = size.members.saturating_add(1);
            waiting.push((inner, depth.saturating_add(1)));
        }
    }
    size
}

/// The digits that a number has at most, before and after the point, when it is written without its exponent.
fn digits(number: &str) -> u64 {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let written = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let exponent = exponent.trim_start_matches(['+', '-']).parse().unwrap_or(u64::MAX);
    exponent.saturating_add(u64::try_from(written).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vidimus_core::json::{Document, Limits};

    use super::*;

    #[test]
    fn what_is_counted() {
        for (text, depth, members, digits) in [
            ("{}", 1, 0, 0),
            (r#"{"a":1}"#, 1, 1, 1),
            (r#"{"a":[1,{"b":[]}],"c":"1234"}"#, 4, 5, 1),
            (r#"{"a":-12.50}"#, 1, 1, 4),
            (r#"{"a":1e999999999}"#, 1, 1, 1_000_000_000),
            (r#"{"a":1E-30,"b":2}"#, 1, 2, 31),
            (r#"{"a":1e99999999999999999999999}"#, 1, 1, u64::MAX),
        ] {
            let document = Document::parse(Bytes::from(text), &Limits::default()).unwrap();
            let bytes = u64::try_from(text.len()).unwrap();
            assert_eq!(of(Some(document.root())), SizeFacts { bytes, depth, members, digits }, "{text}");
        }
        assert_eq!(of(None), SizeFacts { bytes: 0, depth: 0, members: 0, digits: 0 });
    }
}
