//! JSON Schema to Cedar types.
//!
//! By table, and by property: whatever a server sends as a schema, Cedar takes what comes of it.

use proptest::prelude::*;

use super::*;
use crate::schema::{self, NamedTools};

fn tool(schema: &str) -> ToolDefinition {
    ToolDefinition {
        name: "t".into(),
        annotations: vidimus_core::ToolAnnotations::default(),
        input_schema: schema.to_owned().into(),
        output_schema: None,
    }
}

fn shape(property: &str) -> Option<Shape> {
    let schema = format!(r#"{{"type":"object","properties":{{"p":{property}}},"required":["p"]}}"#);
    Shape::of_arguments(&tool(&schema))?.attribute("p").cloned()
}

fn is_required(property: &str) -> bool {
    let schema = format!(r#"{{"type":"object","properties":{{"p":{property}}},"required":["p","q",7]}}"#);
    match Shape::of_arguments(&tool(&schema)) {
        Some(Shape::Record(attributes)) => attributes["p"].required,
        other => panic!("a record, not {other:?}"),
    }
}

#[test]
fn types_are_those_of_design_part_5() {
    let set = |shape| Some(Shape::Set(Box::new(shape)));
    for (property, expected) in [
        (r#"{"type":"integer","minimum":1}"#, Some(Shape::Long)),
        (r#"{"type":"number"}"#, Some(Shape::Decimal)),
        (r#"{"type":"string","enum":["a"]}"#, Some(Shape::String)),
        (r#"{"type":"boolean"}"#, Some(Shape::Bool)),
        (r#"{"type":["string","null"]}"#, Some(Shape::String)),
        (r#"{"type":"array","items":{"type":"integer"}}"#, set(Shape::Long)),
        (
            r#"{"type":"array","items":{"type":"array","items":{"type":"number"}}}"#,
            set(Shape::Set(Box::new(Shape::Decimal))),
        ),
        (r#"{"type":"object"}"#, Some(Shape::Record(BTreeMap::new()))),
        (r#"{"type":"array"}"#, None),
        (r#"{"type":"array","items":{"type":["string","null"]}}"#, None),
        (r#"{"type":"array","items":[{"type":"string"}]}"#, None),
        (r#"{"type":["string","integer"]}"#, None),
        (r#"{"type":"null"}"#, None),
        (r#"{"type":[]}"#, None),
        (r#"{"type":7}"#, None),
        (r##"{"type":"string","$ref":"#/x"}"##, None),
        (r#"{"anyOf":[{"type":"string"}]}"#, None),
        ("true", None),
    ] {
        assert_eq!(shape(property), expected, "{property}");
    }
}

#[test]
fn what_may_be_null_is_optional() {
    assert!(is_required(r#"{"type":"string"}"#));
    assert!(!is_required(r#"{"type":["string","null"]}"#));
}

#[test]
fn what_lies_too_deep_has_no_type() {
    let nested = |depth: usize| {
        let open = r#"{"type":"array","items":"#.repeat(depth);
        shape(&format!("{open}{{\"type\":\"string\"}}{}", "}".repeat(depth)))
    };
    assert!(nested(MAX_DEPTH - 2).is_some());
    assert!(nested(MAX_DEPTH - 1).is_none());
}

#[test]
fn a_schema_that_is_none_of_an_object_gives_no_shape() {
    for schema in ["", "{", "[]", "true", "{}", r#"{"type":"string"}"#, r#"{"type":"object","type":"object"}"#] {
        assert_eq!(Shape::of_arguments(&tool(schema)), None, "{schema}");
    }
}

fn json_schema() -> impl Strategy<Value = serde_json::Value> {
    let names = "(type|__entity|__extn|a b|é\u{1f600}|\"|\\\\|[a-z]{0,3})";
    let leaf = prop_oneof![
        prop::sample::select(vec!["integer", "number", "string", "boolean", "null", "file"])
            .prop_map(|name| json!({ "type": name })),
        Just(json!({ "type": ["integer", "null"] })),
        Just(json!({ "$ref": "#" })),
        Just(json!(true)),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            inner.clone().prop_map(|items| json!({ "type": "array", "items": items })),
            (prop::collection::btree_map(names, inner, 0..4), prop::collection::vec(names, 0..3)).prop_map(
                |(properties, required)| json!({ "type": "object", "properties": properties, "required": required })
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_schema_makes_a_schema_cedar_takes(properties in prop::collection::btree_map(".{0,8}", json_schema(), 0..4)) {
        let text = json!({ "type": "object", "properties": properties }).to_string();
        let shape = Shape::of_arguments(&tool(&text));
        prop_assert!(shape.is_some());
        let tools = NamedTools::from([("crm/t".to_owned(), shape)]);
        prop_assert!(schema::build(&tools).is_ok());
    }
}
