//! What was valid stays valid, or is refused. Official clients hold the same against their own schema libraries, end to end.

use serde_json::{Value as Json, json};
use vidimus_core::json::{Document, Limits, splice};

use super::{Unfit, fit};

fn parsed(value: &Json) -> Document {
    Document::parse(value.to_string().into(), &Limits::default()).expect("JSON")
}

/// The masked document made to fit.
fn fitted(schema: &Json, original: &Json, masked: &Json) -> Result<Json, Unfit> {
    let (schema, original, masked) = (parsed(schema), parsed(original), parsed(masked));
    let replacements = fit(original.root(), masked.root(), schema.root())?;
    let bytes = splice(masked.bytes(), &replacements).expect("in order");
    Ok(serde_json::from_slice(&bytes).expect("JSON"))
}

fn one(schema: &Json, original: &Json, masked: &Json) -> Result<Json, Unfit> {
    let object = |value: &Json| json!({ "value": value });
    let whole = json!({"type": "object", "properties": {"value": schema}, "required": ["value"]});
    fitted(&whole, &object(original), &object(masked)).map(|value| value["value"].clone())
}

#[test]
fn what_the_operator_wrote_stays_where_it_fits() {
    assert_eq!(
        one(&json!({"type": "string"}), &json!("a@b.org"), &json!("<EMAIL_ADDRESS>")),
        Ok(json!("<EMAIL_ADDRESS>"))
    );
    assert_eq!(one(&json!(true), &json!("a@b.org"), &json!("<EMAIL_ADDRESS>")), Ok(json!("<EMAIL_ADDRESS>")));
}

#[test]
fn null_comes_next_and_then_a_value_of_the_format() {
    let email = json!({"type": ["string", "null"], "format": "email"});
    assert_eq!(one(&email, &json!("a@b.org"), &json!("<EMAIL_ADDRESS>")), Ok(json!(null)));
    let email = json!({"type": "string", "format": "email"});
    assert_eq!(one(&email, &json!("a@b.org"), &json!("<EMAIL_ADDRESS>")), Ok(json!("masked@example.invalid")));
    let number = json!({"type": "string", "pattern": "^\\d{3}-\\d{2}-\\d{4}$"});
    assert_eq!(one(&number, &json!("078-05-1121"), &json!("<US_SSN>")), Ok(json!("000-00-0000")));
    let nine = json!({"type": "string", "pattern": "^[0-9]{9}$"});
    assert_eq!(one(&nine, &json!("078051121"), &json!("<US_SSN>")), Ok(json!("000000000")));
    let short = json!({"type": "string", "minLength": 9, "maxLength": 9});
    assert_eq!(one(&short, &json!("078051121"), &json!("<US_SSN_1234>")), Ok(json!("*********")));
    let large = json!({"type": "integer", "minimum": 100_000_000});
    assert_eq!(one(&large, &json!(123_456_789), &json!(0)), Ok(json!(100_000_000)));
}

#[test]
fn what_leaves_no_room_is_refused_by_its_place_and_never_by_its_value() {
    let refused = one(&json!({"enum": ["078-05-1121"]}), &json!("078-05-1121"), &json!("<US_SSN>"));
    assert_eq!(refused.map_err(|unfit| unfit.pointer), Err("/value".to_owned()));
    let backwards = json!({"type": "string", "pattern": "^(?!x)[0-9]{9}$"});
    assert!(one(&backwards, &json!("078051121"), &json!("<US_SSN>")).is_err(), "not regular, so not judged");
    let elsewhere = json!({"$ref": "https://schemas.example.com/x"});
    let schema = parsed(&elsewhere);
    let (original, masked) = (parsed(&json!("078051121")), parsed(&json!("<US_SSN>")));
    assert!(fit(original.root(), masked.root(), schema.root()).is_err());
}

#[test]
fn references_combinators_arrays_and_keys_are_followed() {
    let schema = json!({
        "$defs": {"mail": {"type": "string", "format": "email"}},
        "type": "object",
        "properties": {
            "people": {"type": "array", "items": {"anyOf": [
                {"type": "object", "properties": {"mail": {"$ref": "#/$defs/mail"}}, "required": ["mail"]},
                {"type": "object", "properties": {"phone": {"type": "string"}}, "required": ["phone"]}]}},
            "pair": {"prefixItems": [{"type": "string", "maxLength": 6}, {"type": "integer"}]}
        },
        "additionalProperties": {"type": "string", "maxLength": 8}
    });
    let original = json!({"people": [{"mail": "a@b.org"}, {"phone": "1"}], "pair": ["abc", 4], "other": "x@y.org"});
    let masked = json!({"people": [{"mail": "<E>"}, {"phone": "<PHONE_NUMBER>"}], "pair": ["<US_SSN>", 0], "other": "<EMAIL_ADDRESS>"});
    let fitted = fitted(&schema, &original, &masked).expect("fits");
    assert_eq!(fitted["people"][0]["mail"], json!("masked@example.invalid"));
    assert_eq!(fitted["people"][1]["phone"], json!("<PHONE_NUMBER>"));
    assert_eq!(fitted["pair"][1], json!(0));
}

#[test]
fn exactly_one_branch_stays_exactly_one() {
    let schema = json!({"oneOf": [{"type": "string", "pattern": "^[0-9]{9}$"}, {"type": "string", "pattern": "^<"}]});
    assert_eq!(one(&schema, &json!("078051121"), &json!("<US_SSN>")), Ok(json!("<US_SSN>")));
    let both = json!({"oneOf": [{"type": "string", "maxLength": 9}, {"type": "string", "pattern": "^<"}]});
    assert_eq!(one(&both, &json!("078051121"), &json!("<US_SSN>")), Ok(json!("0.0.0.0")));
    let schema = json!({"type": "string", "not": {"pattern": "^<"}});
    assert_eq!(
        one(&schema, &json!("078051121"), &json!("<US_SSN>")).map(|value| value.to_string().contains('<')),
        Ok(false)
    );
}

#[test]
fn elements_that_must_differ_and_keys_that_a_schema_names_are_not_made_alike() {
    let schema = json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true});
    let (original, masked) = (json!(["a@b.org", "c@d.org"]), json!(["<EMAIL_ADDRESS>", "<EMAIL_ADDRESS>"]));
    assert!(fitted(&schema, &original, &masked).is_err());
    let numbered = json!(["<EMAIL_ADDRESS_1>", "<EMAIL_ADDRESS_2>"]);
    assert_eq!(fitted(&schema, &original, &numbered), Ok(numbered.clone()));
    let schema = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    assert!(fitted(&schema, &json!({"a@b.org": 1}), &json!({"<EMAIL_ADDRESS>": 1})).is_err());
    assert!(fitted(&json!({"type": "object"}), &json!({"a@b.org": 1}), &json!({"<EMAIL_ADDRESS>": 1})).is_ok());
}

#[test]
fn what_stands_for_a_value_does_not_tell_which_value_it_was() {
    let string = |pattern: &str| json!({"type": "string", "pattern": pattern});
    let member = |schema: Json| json!({"type": "object", "properties": {"value": schema}});
    let numbers = json!({"anyOf": [{"type": "integer", "maximum": -1}, {"type": "integer", "minimum": 500}]});
    let values = [json!("178051121"), json!("278051121"), json!("<078051121"), json!("x")];
    let schemas = [
        member(json!({"anyOf": [string("^1"), string("^2"), {"type": "null"}]})),
        member(json!({"anyOf": [string("^1"), string("^2[0-9]{8}$")]})),
        member(json!({"oneOf": [string("^1"), string("^[^1]")]})),
        member(json!({"if": string("^1"), "then": {"maxLength": 4}, "else": {"maxLength": 5}})),
        member(json!({"not": string("^1")})),
        member(json!({"enum": ["178051121", "278051121", null]})),
        member(json!({"enum": ["178051121", "278051121"]})),
        json!({"anyOf": [member(string("^1")), member(string("^2"))]}),
        json!({"oneOf": [member(string("^1")), member(string("^[^1]"))]}),
        json!({"oneOf": [member(json!({"type": "string"})), member(json!({"type": "integer"}))]}),
        json!({"not": member(string("^1"))}),
        json!({"if": member(string("^1")), "then": {"required": ["a"]}, "else": member(json!({"maxLength": 3}))}),
    ];
    for schema in &schemas {
        let outcome = |value: &Json| {
            fitted(schema, &json!({ "value": value }), &json!({"value": "<US_SSN>"})).map_err(|unfit| unfit.pointer)
        };
        assert!(values.iter().all(|value| outcome(value) == outcome(&values[0])), "{schema}");
    }
    let outcome = |value: i64| fitted(&member(numbers.clone()), &json!({ "value": value }), &json!({"value": 0}));
    assert_eq!(outcome(600), outcome(-7));
    assert_eq!(outcome(600), Ok(json!({"value": -1})));
    // An e-mail address for one, any text for the other: the visible member chooses, and neither form is asked for exactly.
    let chosen = json!({"anyOf": [
        {"properties": {"kind": {"const": "mail"}, "value": {"type": "string", "format": "email"}}},
        {"properties": {"kind": {"const": "name"}, "value": {"type": "string"}}}]});
    let masked =
        fitted(&chosen, &json!({"kind": "name", "value": "Jane"}), &json!({"kind": "name", "value": "<PERSON>"}));
    assert_eq!(masked, Ok(json!({"kind": "name", "value": "masked@example.invalid"})));
}
