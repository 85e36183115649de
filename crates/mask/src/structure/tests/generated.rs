//! JSON of all shapes, some of it holding values, some of that in strings of JSON.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

const VALUES: [&str; 3] = ["jane.doe@example.com", "4111 1111 1111 1111", "378282246310005"];

fn harmless() -> impl Strategy<Value = String> {
    "[ \\n\\t\"\\\\/a-z{}\\[\\]:,é\u{1F600}\u{1}]{0,12}"
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => harmless(),
        1 => (harmless(), prop::sample::select(&VALUES[..]), harmless())
            .prop_map(|(before, value, after)| format!("{before}\n{value} {after}")),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        // Few digits: with many, some number is a card's by chance, or has a piece of a value.
        any::<i16>().prop_map(Value::from),
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        Just(Value::from(378_282_246_310_005_u64)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text(), inner.clone()), 0..5)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
            inner.clone().prop_map(|value| Value::from(value.to_string())),
            inner.prop_map(|value| Value::from(format!("{value}\n{value}"))),
        ]
    })
}

/// JSON with every character of its strings escaped.
fn escaped(value: &Value) -> String {
    let quoted = |text: &str| {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
        format!("\"{units}\"")
    };
    match value {
        Value::String(text) => quoted(text),
        Value::Array(elements) => format!("[{}]", elements.iter().map(escaped).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{} :{}", quoted(name), escaped(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// No six characters of a value in a row, in any string, however deep.
fn hides_values(value: &Value) -> bool {
    let leaks = |text: &str| {
        let pieces = |value: &'static str| (0..value.len() - 5).map(move |at| &value[at..at + 6]);
        VALUES.into_iter().flat_map(pieces).any(|piece| text.contains(piece))
    };
    match value {
        Value::String(text) => {
            let inner = serde_json::from_str::<Value>(text).ok().filter(|value| value.is_object() || value.is_array());
            !leaks(text) && inner.is_none_or(|value| hides_values(&value))
        }
        Value::Number(number) => !leaks(&number.to_string()),
        Value::Array(elements) => elements.iter().all(hides_values),
        Value::Object(members) => members.iter().all(|(name, value)| !leaks(name) && hides_values(value)),
        Value::Null | Value::Bool(_) => true,
    }
}

/// Whether two values are equal but for strings, numbers and names that hold values, or where something was masked.
fn same_shape(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(before, after)| same_shape(before, after))
        }
        (Value::Object(before), Value::Object(after)) => {
            before.len() == after.len()
                && before.iter().all(|(name, value)| {
                    after.get(name).map_or(!hides_values(&name.as_str().into()), |after| same_shape(value, after))
                })
        }
        (before, after) => {
            before == after || !hides_values(before) && std::mem::discriminant(before) == std::mem::discriminant(after)
        }
    }
}

proptest! {
    #[test]
    fn json_stays_json_of_the_same_shape_without_its_values(value in json(), escape in any::<bool>()) {
        let value = Value::from(vec![value]);
        let text = if escape { escaped(&value) } else { value.to_string() };
        let value: Value = serde_json::from_str(&text).unwrap();
        let masked = payload(&text);
        let after: Value = serde_json::from_str(&masked).unwrap();
        prop_assert!(hides_values(&after), "{} -> {}", text, masked);
        prop_assert!(same_shape(&value, &after), "{} -> {}", text, masked);
        if hides_values(&value) {
            prop_assert_eq!(&masked, &text);
        }
        let again = payload(&masked);
        prop_assert_eq!(&again, &masked, "masking twice changes nothing");
    }

    #[test]
    fn what_is_cut_or_spoilt_hides_nothing_either(value in json(), cut in any::<prop::sample::Index>(), put in "[\"{}\\[\\],:]?") {
        let text = Value::from(vec![value]).to_string();
        let mut at = cut.index(text.len() + 1);
        let in_value = |at| {
            let mut places = VALUES.iter().flat_map(|value| text.match_indices(value));
            places.any(|(start, value)| start < at && at < start + value.len())
        };
        // Neither a value nor an escape is cut.
        while !text.is_char_boundary(at) || in_value(at) || text[..at].ends_with('\\') {
            at -= 1;
        }
        let spoilt = format!("{}{put}{}", &text[..at], &text[at..]);
        let masked = payload(&spoilt);
        prop_assert!(hides_values(&Value::from(masked.clone())), "{} -> {}", spoilt, masked);
        let after: Result<Value, _> = serde_json::from_str(&masked);
        prop_assert!(serde_json::from_str::<Value>(&spoilt).is_err() || after.is_ok(), "{} -> {}", spoilt, masked);
    }

    #[test]
    fn context_is_the_same_the_second_time(value in named()) {
        let masked = payload(&value.to_string());
        prop_assert_eq!(payload(&masked), masked, "{}", value);
    }
}

/// JSON in which names, siblings and masked names say what numbers are.
fn named() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 8] =
        ["ssn", "name", "value", "type", "<US_SSN>", "078-05-1121", "my ssn 219099999", "card of jane@example.com"];
    let name = || prop::sample::select(&NAMES[..]);
    let leaf = prop_oneof![
        name().prop_map(Value::from),
        Just(Value::from(219_099_999)),
        (name(), name()).prop_map(|(before, after)| Value::from(format!("{before}: {after}"))),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner.clone()), 0..4).prop_map(|members| Value::from(
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()
            )),
            inner.prop_map(|value| Value::from(
                vec![value].into_iter().map(|value| value.to_string()).collect::<String>()
            )),
        ]
    })
}
