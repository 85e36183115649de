//! Masking JSON: it stays JSON of the same shape, masking it again changes nothing (but see decision 0011), and nothing of what
//! was masked is left.

#![no_main]

#[path = "mask_shared/mod.rs"]
mod shared;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vidimus_core::json::{Document, Kind, Limits, Value};
use vidimus_mask::{ClassSet, Form, Masker, Memory, Scope, Tally};

const LIMITS: Limits = Limits { max_bytes: 1 << 16, max_depth: 32, max_nodes: 1 << 12 };

fuzz_target!(|data: &[u8]| {
    let masker = shared::masker();
    let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
    let bytes = Bytes::copy_from_slice(data);
    let (mut memory, mut tally) = (Memory::default(), Tally::default());
    // Whatever it is, it is masked, and masking is over after the first time.
    let payload = masker.payload(&bytes, Form::Auto, &scope, &mut memory, &mut tally).expect("it is masked");
    if let Some(mut masked) = payload {
        if shared::may_spell(data) {
            let twice = masker.payload(&masked, Form::Auto, &scope, &mut memory, &mut tally).expect("it is masked");
            masked = twice.unwrap_or(masked);
        }
        let again = masker.payload(&masked, Form::Auto, &scope, &mut memory, &mut tally).expect("it is masked");
        assert_eq!(again.map(lossy), None, "{:?} masked again", lossy(masked));
    }
    let Ok(document) = Document::parse(bytes, &LIMITS) else { return };
    let masked = masker.json(&document, &scope, &mut memory, &mut tally).expect("it is masked");
    let Some(masked) = masked else { return };
    assert!(serde_json::from_slice::<serde_json::Value>(&masked).is_ok(), "{:?} is no JSON", lossy(masked));
    let again = Document::parse(masked.clone(), &LIMITS).expect("what was strict stays strict");
    same_shape(masker, document.root(), again.root(), &mut Vec::new());
    let mut twice = masker.json(&again, &scope, &mut memory, &mut tally).expect("it is masked");
    if let (Some(masked), true) = (&twice, shared::may_spell(data)) {
        let again = Document::parse(masked.clone(), &LIMITS).expect("what was strict stays strict");
        twice = masker.json(&again, &scope, &mut memory, &mut tally).expect("it is masked");
    }
    assert_eq!(twice.map(lossy), None, "{:?} masked again", lossy(masked));
});

fn parsed(text: &str) -> Result<Document, impl std::fmt::Debug> {
    Document::parse(Bytes::copy_from_slice(text.as_bytes()), &LIMITS)
}

fn lossy(bytes: Bytes) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Objects and arrays keep their size, values their type; a class whose operator says so becomes null.
fn same_shape(masker: &Masker, before: Value<'_>, after: Value<'_>, path: &mut Vec<String>) {
    match (before.kind(), after.kind()) {
        (Kind::Object, Kind::Object) => {
            assert_eq!(before.members().count(), after.members().count());
            for ((name, before), (_, after)) in before.members().zip(after.members()) {
                path.push(name.into_owned());
                same_shape(masker, before, after, path);
                path.pop();
            }
        }
        (Kind::Array, Kind::Array) => {
            assert_eq!(before.elements().count(), after.elements().count());
            before.elements().zip(after.elements()).for_each(|(before, after)| same_shape(masker, before, after, path));
        }
        (Kind::String, Kind::String) => {
            let (before, after) = (before.as_str().expect("a string"), after.as_str().expect("a string"));
            // What is JSON in turn is no text: its values are looked at one by one, as far down as they are read.
            if matches!(before.trim_ascii().as_bytes(), [b'{' | b'[', .., b'}' | b']']) {
                if let (Ok(before), Ok(after)) = (parsed(&before), parsed(&after)) {
                    same_shape(masker, before.root(), after.root(), path);
                }
                return;
            }
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            assert_eq!(shared::left_over(masker, before.as_bytes(), &names, after.as_bytes()), None, "{before:?}");
        }
        (Kind::String | Kind::Number, Kind::Null) => {}
        (before, after) => assert_eq!(before, after),
    }
}
