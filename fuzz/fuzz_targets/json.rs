//! The strict JSON reader beside another one: what it takes, the other reads the same way; what it refuses while the
//! other takes it, it refuses for a reason that only the strict reader has.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vidimus_core::json::{Document, Kind, Limits, Problem, Value, splice};

const LIMITS: Limits = Limits { max_bytes: 1 << 16, max_depth: 32, max_nodes: 1 << 12 };

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let other = serde_json::from_slice::<serde_json::Value>(data);
    match Document::parse(bytes.clone(), &LIMITS) {
        Ok(document) => {
            let other = other.expect("what the strict reader takes, the other takes");
            same(document.root(), &other);
            assert_eq!(splice(&bytes, &[]).expect("nothing to replace"), bytes);
        }
        Err(error) => {
            assert!(error.offset <= data.len(), "the place of a problem is in the text");
            let strict = matches!(
                error.problem,
                Problem::DuplicateKey | Problem::TooDeep | Problem::TooLong | Problem::TooManyValues
            );
            assert!(strict || other.is_err(), "refused for {} what the other reader takes", error.problem);
        }
    }
});

fn same(own: Value<'_>, other: &serde_json::Value) {
    match (own.kind(), other) {
        (Kind::Null, serde_json::Value::Null) => {}
        (Kind::Bool, serde_json::Value::Bool(truth)) => assert_eq!(own.as_bool(), Some(*truth)),
        (Kind::Number, serde_json::Value::Number(number)) => {
            let (own, other) = (own.as_number().expect("a number"), number.as_str());
            // The other one writes the exponent its own way.
            let plain = |text: &str| text.to_ascii_lowercase().replace("e+", "e");
            assert_eq!(plain(own), plain(other));
        }
        (Kind::String, serde_json::Value::String(text)) => assert_eq!(own.as_str().as_deref(), Some(text.as_str())),
        (Kind::Array, serde_json::Value::Array(elements)) => {
            assert_eq!(own.elements().count(), elements.len());
            own.elements().zip(elements).for_each(|(own, other)| same(own, other));
        }
        (Kind::Object, serde_json::Value::Object(members)) => {
            assert_eq!(own.members().count(), members.len());
            for (key, value) in own.members() {
                same(value, members.get(&*key).expect("the same keys"));
                assert_eq!(own.get(&key).map(|found| found.span()), Some(value.span()));
            }
        }
        (own, other) => panic!("{own:?} beside {other:?}"),
    }
}
