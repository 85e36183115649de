//! The few members of an event that completeness rests on: session, place in it, type, count.
//!
//! Leaves are canonical JSON (RFC 8785): no white space, keys ascending, so finding the top-level members takes no
//! parser. Refused: anything whose top level is not of that form. Values that are not asked for are not examined.

/// What an event says about its place in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) session: &'a str,
    pub(crate) seq: u64,
    pub(crate) kind: &'a str,
    pub(crate) count: Option<u64>,
}

/// Reads them; `None` when the leaf is no event.
pub(crate) fn place(leaf: &[u8]) -> Option<Place<'_>> {
    let text = std::str::from_utf8(leaf).ok()?;
    let (mut session, mut seq, mut kind, mut count) = (None, None, None, None);
    let mut last_key = "";
    let mut rest = text.strip_prefix('{')?;
    loop {
        let (key, after) = rest.strip_prefix('"')?.split_once('"')?;
        if key <= last_key || key.contains('\\') {
            return None;
        }
        last_key = key;
        let value;
        (value, rest) = split_value(after.strip_prefix(':')?)?;
        match key {
            "session" => session = Some(string(value)?),
            "seq" => seq = Some(crate::codec::decimal(value)?),
            "type" => kind = Some(string(value)?),
            "count" => count = Some(crate::codec::decimal(value)?),
            _ => {}
        }
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest == "}" => break,
            None => return None,
        }
    }
    Some(Place { session: session?, seq: seq?, kind: kind?, count })
}

/// A string without escapes: ids and type names have none.
fn string(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"').filter(|inner| !inner.contains(['"', '\\']))
}

/// Splits before the comma or brace that ends the value.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut in_string, mut is_escaped) = (0_u32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b',' | b'}' if depth == 0 => return text.split_at_checked(at).filter(|(value, _)| !value.is_empty()),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_top_level_members_only() {
        let leaf = br#"{"a":{"seq":1,"x":["}",{"session":"no"}]},"b":"\",\"seq\":9,\\","count":3,"seq":2,"session":"s","type":"t"}"#;
        assert_eq!(place(leaf), Some(Place { session: "s", seq: 2, kind: "t", count: Some(3) }));
    }

    #[test]
    fn what_is_no_canonical_event_is_none() {
        for leaf in [
            "",
            "{}",
            "[]",
            r#"{"seq":2,"session":"s"}"#,
            r#"{"seq":2,"session":"s","type":"t"} "#,
            r#"{ "seq":2,"session":"s","type":"t"}"#,
            r#"{"seq":02,"session":"s","type":"t"}"#,
            r#"{"seq":-2,"session":"s","type":"t"}"#,
            r#"{"seq":2,"seq":3,"session":"s","type":"t"}"#,
            r#"{"session":"s","seq":2,"type":"t"}"#,
            r#"{"seq":2,"session":"s","type":"t""#,
            r#"{"seq":2,"session":"s","type":"t}"#,
            r#"{"seq":2,"session":5,"type":"t"}"#,
            r#"{"seq":,"session":"s","type":"t"}"#,
            "{\"seq\":2,\"session\":\"\u{fffd}",
        ] {
            assert_eq!(place(leaf.as_bytes()), None, "{leaf}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in r#"[{}\[\]",:\\a-c0-9]{0,40}"#) {
            let _ = place(text.as_bytes());
        }
    }
}
