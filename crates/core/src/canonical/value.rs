//! A JSON document in one spelling: members in the order of RFC 8785 §3.2.3, strings as it writes them, no space.
//!
//! Numbers stay as they are written: `1` and `1.0` are two spellings of what some reader may tell apart. Whatever changes
//! nothing but order, space and escapes leaves the text as it is.

use super::write_string;
use crate::json::Value;

/// Writes a value in its canonical form, without the members of the outermost object that `is_left_out` names. Recurses as
/// deep as the document is nested, which its limits bound.
pub fn write_value(out: &mut Vec<u8>, value: Value<'_>, is_left_out: &dyn Fn(&str) -> bool) {
    if let Some(text) = value.as_str() {
        write_string(out, &text);
    } else if value.is_array() {
        out.push(b'[');
        for (position, element) in value.elements().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            write_value(out, element, &|_| false);
        }
        out.push(b']');
    } else if value.is_object() {
        let mut members: Vec<_> = value.members().filter(|(key, _)| !is_left_out(key)).collect();
        members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
        out.push(b'{');
        for (position, (key, member)) in members.into_iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            write_string(out, &key);
            out.push(b':');
            write_value(out, member, &|_| false);
        }
        out.push(b'}');
    } else {
        out.extend_from_slice(value.raw().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    fn canonical(text: &str) -> String {
        let document = Document::parse(text.to_owned().into(), &Limits::default()).unwrap();
        let mut out = Vec::new();
        write_value(&mut out, document.root(), &|key| key == "_meta");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn order_space_and_escapes_make_no_difference_and_all_else_does() {
        let one = canonical(r#"{ "b" : [1, {"d":null,"c":true}], "a":"\u0041\n/" , "_meta":{"x":1}}"#);
        assert_eq!(one, r#"{"a":"A\n/","b":[1,{"c":true,"d":null}]}"#);
        assert_eq!(canonical(r#"{"\u0061":"A\u000a\/","b":[1,{"c":true,"d":null}]}"#), one);
        for other in [
            r#"{"a":"A\n/","b":[1.0,{"c":true,"d":null}]}"#,
            r#"{"a":"A\n/","b":[{"c":true,"d":null},1]}"#,
            r#"{"a":"A\n/ ","b":[1,{"c":true,"d":null}]}"#,
        ] {
            assert_ne!(canonical(other), one);
        }
        // Left out at the top alone.
        assert_eq!(canonical(r#"{"a":{"_meta":1}}"#), r#"{"a":{"_meta":1}}"#);
    }

    #[test]
    fn members_stand_in_the_order_of_their_utf_16_code_units() {
        // RFC 8785 §3.2.3: U+1F600 begins with D83D and stands before U+FB33.
        assert_eq!(
            canonical("{\"\u{fb33}\":1,\"\u{1f600}\":2,\"\u{20ac}\":3}"),
            "{\"\u{20ac}\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}"
        );
    }
}
