//! What the parser accepts and refuses, against a table and against `serde_json`.

use super::*;

fn parse(text: impl AsRef<[u8]>) -> Result<Document, JsonError> {
    Document::parse(Bytes::copy_from_slice(text.as_ref()), &Limits::default())
}

#[test]
fn a_node_is_sixteen_bytes() {
    assert_eq!(size_of::<Node>(), 16);
}

#[test]
fn finds_values_by_path_and_shows_them_as_received() {
    let document = parse(r#" {"a" : [1, 1e0, "x\n\u00e9\ud83d\ude00"], "\u0062": {"c": true, "d": null}} "#).unwrap();
    let root = document.root();
    assert_eq!(root.kind(), Kind::Object);
    let elements: Vec<_> = root.get("a").unwrap().elements().collect();
    let raw: Vec<_> = elements.iter().map(Value::raw).collect();
    assert_eq!(raw, ["1", "1e0", r#""x\n\u00e9\ud83d\ude00""#]);
    assert_eq!(elements.get(1).and_then(Value::as_number), Some("1e0"));
    assert_eq!(elements.get(2).and_then(Value::as_str).as_deref(), Some("x\né😀"));
    assert_eq!(root.at(&["b", "c"]).and_then(|value| value.as_bool()), Some(true));
    assert!(root.at(&["b", "d"]).unwrap().is_null());
    assert!(root.at(&["b", "c", "d"]).is_none());
    let keys: Vec<_> = root.entries().map(|(key, value)| (key.raw(), value.kind())).collect();
    assert_eq!(keys, [(r#""a""#, Kind::Array), (r#""\u0062""#, Kind::Object)]);
    assert_eq!(document.bytes().get(root.span()).unwrap().last(), Some(&b'}'));
}
