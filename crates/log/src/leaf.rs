//! The few members of an event that completeness rests on: session, place in it, type, count, and its operation's intent.
//!
//! Leaves are canonical JSON (RFC 8785): no white space, keys ascending, so finding members takes no parser. Refused:
//! anything whose top level, or whose `operation`, is not of that form. Values that are not asked for are not examined.

/// What an event says about its place in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) session: &'a str,
    pub(crate) seq: u64,
    pub(crate) kind: &'a str,
    pub(crate) count: Option<u64>,
    /// The `seq` of the event that an outcome belongs to.
    pub(crate) intent: Option<u64>,
}

/// Reads them; `None` when the leaf is no event.
pub(crate) fn place(leaf: &[u8]) -> Option<Place<'_>> {
    let (mut session, mut seq, mut kind, mut count, mut intent) = (None, None, None, None, None);
    members(std::str::from_utf8(leaf).ok()?, |key, value| {
        match key {
            "session" => session = Some(string(value)?),
            "seq" => seq = Some(crate::codec::decimal(value)?),
            "type" => kind = Some(string(value)?),
            "count" => count = Some(crate::codec::decimal(value)?),
            "operation" => members(value, |key, value| {
                if key == "intent" {
                    intent = Some(crate::codec::decimal(value)?);
                }
                Some(())
            })?,
            _ => {}
        }
        Some(())
    })?;
    Some(Place { session: session?, seq: seq?, kind: kind?, count, intent })
}

/// Gives the members of an object to `take`, in order; `None` when it is no canonical object, or `take` refuses.
fn members<'a>(object: &'a str, mut take: impl FnMut(&'a str, &'a str) -> Option<()>) -> Option<()> {
    let mut last_key = "";
    let mut rest = object.strip_prefix('{')?;
    loop {
        let (key, after) = rest.strip_prefix('"')?.split_once('"')?;
        if key <= last_key || key.contains('\\') {
            return None;
        }
        last_key = key;
        let value;
        (value, rest) = split_value(after.strip_prefix(':')?)?;
        take(key, value)?;
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (rest == "}").then_some(()),
        }
    }
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
        let leaf = br#"{"a":{"intent":4,"seq":1,"x":["}",{"session":"no"}]},"b":"\",\"seq\":9,\\","count":3,"seq":2,"session":"s","type":"t"}"#;
        assert_eq!(place(leaf), Some(Place { session: "s", seq: 2, kind: "t", count: Some(3), intent: None }));
    }

    #[test]
    fn finds_the_intent_in_the_operation_only() {
        let leaf = br#"{"operation":{"action":"\"intent\":9","intent":7,"x":{"intent":8}},"outcome":{"intent":6},"seq":9,"session":"s","type":"t"}"#;
        assert_eq!(place(leaf).and_then(|place| place.intent), Some(7));
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
            r#"{"operation":5,"seq":2,"session":"s","type":"t"}"#,
            r#"{"operation":{},"seq":2,"session":"s","type":"t"}"#,
            r#"{"operation":{"intent":"1"},"seq":2,"session":"s","type":"t"}"#,
            r#"{"operation":{"intent":1,"action":"a"},"seq":2,"session":"s","type":"t"}"#,
            r#"{"operation":{"intent":1}"x","seq":2,"session":"s","type":"t"}"#,
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
