//! Arguments and a choice of rewrites, by the bits of the first byte: what comes out is JSON, another reader finds in it what was
//! set, and what was not named is as it was.

#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use vidimus_core::json::{Document, Limits};
use vidimus_guard::{Change, Guard, Rewrite, RewriteOf, Settings};

const NAMES: [&str; 5] = ["set", "remove", "clamp", "deep", "each"];

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let rewrite = |name: &str, path: &str, change| Rewrite { name: name.into(), of: RewriteOf::Argument(path.parse().expect("a path"), change) };
    let bound = |number: &str| Some(number.parse().expect("a number"));
    let rewrites = [
        rewrite("set", "$.a", Change::Set(Bytes::from_static(b"{\"z\":[1]}"))),
        rewrite("remove", "$.b", Change::Remove),
        rewrite("clamp", "$.c", Change::Clamp { least: bound("-2.5"), most: bound("500") }),
        rewrite("deep", "$.d.e", Change::Set(Bytes::from_static(b"true"))),
        rewrite("each", "$.f[*]", Change::Remove),
    ];
    Guard::new(Settings { rewrites: rewrites.into(), ..Settings::default() })
});

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(document) = Document::parse(Bytes::copy_from_slice(text), &Limits::default()) else { return };
    let names: Vec<&str> =
        NAMES.into_iter().enumerate().filter(|(place, _)| first >> place & 1 == 1).map(|(_, name)| name).collect();
    let Ok(rewritten) = GUARD.rewritten(&document, &[], &names) else { return };
    let after = Document::parse(rewritten.clone(), &Limits::default()).expect("JSON");
    let again = GUARD.rewritten(&after, &[], &names).expect("what could be rewritten once");
    assert_eq!(again, rewritten, "changed again");
    let (before, after): (Value, Value) =
        (serde_json::from_slice(text).expect("JSON"), serde_json::from_slice(&rewritten).expect("JSON"));
    let has = |name: &str| names.contains(&name) && before.is_object();
    if has("set") {
        assert_eq!(after["a"], serde_json::json!({ "z": [1] }));
    }
    if has("remove") {
        assert!(after.get("b").is_none());
    }
    if has("deep") && before["d"].is_object() {
        assert_eq!(after["d"]["e"], true);
    }
    let changed = ["a", "b", "c", "d", "f"];
    let others = |value: &Value| match value {
        Value::Object(members) => {
            let others = members.iter().filter(|(name, _)| !changed.contains(&name.as_str()));
            others.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
        }
        other => vec![(String::new(), other.clone())],
    };
    assert_eq!(others(&before), others(&after));
});
