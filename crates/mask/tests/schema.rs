//! Masked documents under their schemas, judged by a JSON Schema library that nobody here wrote (Python's `jsonschema`).
//!
//! Every way of writing down a value meets every operator, at several places of a document. What [`schema::fit`] lets
//! pass must be valid wherever the original was, and must not hold the value any more.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

use serde_json::{Value, json};
use vidimus_core::json::{Document, Limits, splice};
use vidimus_mask::{ClassSet, Form, Masker, Memory, Operator, Scope, Selection, Settings, Tally, schema};
use vidimus_testkit::python_client;

const OPERATORS: [Operator; 6] =
    [Operator::Replace, Operator::Redact, Operator::KeepLast(4), Operator::Hmac, Operator::Token, Operator::Nullify];

/// A value that is masked and schemas that it is valid under.
fn values() -> Vec<(Value, Vec<Value>)> {
    let text = |value: &str, pattern: &str, format: &str| {
        let length = value.len();
        vec![
            json!(true),
            json!({}),
            json!({ "type": "string" }),
            json!({ "type": ["string", "null"] }),
            json!({ "type": ["integer", "string"], "maxLength": length }),
            json!({ "type": "string", "format": format }),
            json!({ "type": ["string", "null"], "format": format }),
            json!({ "type": "string", "minLength": length, "maxLength": length }),
            json!({ "type": "string", "minLength": length }),
            json!({ "type": "string", "maxLength": length }),
            json!({ "type": "string", "pattern": pattern }),
            json!({ "type": ["string", "null"], "pattern": pattern }),
            json!({ "type": "string", "pattern": pattern, "maxLength": length }),
            json!({ "enum": [value, null] }),
            json!({ "enum": [value, "somebody else"] }),
            json!({ "const": value }),
            json!({ "anyOf": [{ "type": "integer" }, { "type": "string", "pattern": pattern }] }),
            json!({ "anyOf": [{ "type": "string", "maxLength": 3 }, { "type": "string", "format": format }] }),
            json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }] }),
            json!({ "oneOf": [{ "type": "string", "maxLength": 3 }, { "type": "string", "minLength": 4 }] }),
            json!({ "allOf": [{ "type": "string" }, { "minLength": 3 }, { "pattern": pattern }] }),
            json!({ "not": { "type": "null" } }),
            json!({ "not": { "pattern": "^<" } }),
            json!({ "if": { "type": "string" }, "then": { "maxLength": length }, "else": false }),
            json!({ "$ref": "#/$defs/text" }),
        ]
    };
    let number = |value: u64| {
        vec![
            json!({ "type": "integer" }),
            json!({ "type": ["number", "null"] }),
            json!({ "type": "integer", "minimum": value - 10 }),
            json!({ "type": "integer", "minimum": 1, "maximum": value }),
            json!({ "type": "number", "exclusiveMinimum": 5 }),
            json!({ "type": "integer", "multipleOf": 1 }),
            json!({ "type": "integer", "minimum": value, "maximum": value }),
            json!({ "const": value }),
            json!({ "type": ["integer", "string"] }),
            json!({ "anyOf": [{ "type": "string" }, { "minimum": 1000 }] }),
        ]
    };
    vec![
        (json!("jane.doe@example.com"), text("jane.doe@example.com", "^[^@ ]+@[a-z.]+$", "email")),
        (json!("078-05-1121"), text("078-05-1121", "^\\d{3}-\\d{2}-\\d{4}$", "regex")),
        (json!("4111111111111111"), text("4111111111111111", "^[0-9]{13,19}$", "hostname")),
        (json!("192.0.2.17"), text("192.0.2.17", "^[0-9.]+$", "ipv4")),
        (json!(4_111_111_111_111_111_u64), number(4_111_111_111_111_111)),
    ]
}

/// A schema around one for a value, and the document around the value.
fn around(schema: &Value, value: &Value) -> Vec<(Value, Value)> {
    let defs = json!({ "text": { "type": "string", "minLength": 2 } });
    let object = |properties: Value| json!({ "$defs": defs, "type": "object", "properties": properties });
    vec![
        (object(json!({ "value": schema })), json!({ "value": value })),
        (object(json!({ "list": { "type": "array", "items": schema } })), json!({ "list": [value, value] })),
        (
            object(json!({ "pair": { "prefixItems": [{ "type": "integer" }, schema], "items": false } })),
            json!({ "pair": [7, value] }),
        ),
        (
            json!({ "$defs": defs, "type": "object", "additionalProperties": schema, "minProperties": 1 }),
            json!({ "whatever": value }),
        ),
        (
            json!({ "$defs": defs, "patternProperties": { "^v": schema }, "additionalProperties": false }),
            json!({ "v1": value }),
        ),
        (
            json!({ "$defs": defs, "anyOf": [
                { "type": "object", "properties": { "kind": { "const": "b" }, "value": schema }, "required": ["kind"] },
                { "type": "object", "properties": { "kind": { "const": "a" } }, "required": ["kind", "value"] }] }),
            json!({ "kind": "b", "value": value }),
        ),
    ]
}

fn parsed(value: &Value) -> Document {
    Document::parse(value.to_string().into(), &Limits::default()).unwrap()
}

/// The document as a caller would get it; none if nothing that hides the value fits.
fn shown(masker: &Masker, schema: &Value, document: &Value) -> Option<Value> {
    let (mut memory, mut tally) = (Memory::default(), Tally::default());
    let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
    let original = parsed(document);
    let masked = masker.payload(original.bytes(), Form::Json, &scope, &mut memory, &mut tally).unwrap();
    let masked = Document::parse(masked.expect("a masked value"), &Limits::default()).unwrap();
    let replacements = schema::fit(original.root(), masked.root(), parsed(schema).root()).ok()?;
    Some(serde_json::from_slice(&splice(masked.bytes(), &replacements).unwrap()).unwrap())
}

#[test]
fn what_passes_is_valid_by_a_library_and_hides_the_value() {
    let mut cases = Vec::new();
    let mut withheld = 0;
    for operator in OPERATORS {
        let mut settings = Settings::new(Selection::new(["default"]), [7; 32]);
        for class in ["EMAIL_ADDRESS", "US_SSN", "CREDIT_CARD", "IP_ADDRESS"] {
            settings.operators.insert(class.to_owned(), operator);
        }
        let masker = Masker::new(&settings).unwrap();
        for (value, schemas) in values() {
            for schema in schemas {
                for (schema, document) in around(&schema, &value) {
                    let mut documents = vec![document.clone()];
                    match shown(&masker, &schema, &document) {
                        Some(shown) => {
                            // What stands for a number may be a bound of its schema, which whoever has the schema knows.
                            let is_bound = value.is_number() && schema.to_string().contains(&*value.to_string());
                            let is_shown = shown.to_string().contains(&*value.to_string());
                            assert!(is_bound || !is_shown, "{operator:?} {schema} {shown}");
                            documents.push(shown);
                        }
                        None => withheld += 1,
                    }
                    cases.push(json!({ "schema": schema, "documents": documents }));
                }
            }
        }
    }
    println!("{} results, {withheld} of them withheld", cases.len());
    assert!(cases.len() > 2000 && withheld > 0 && withheld * 2 < cases.len(), "{withheld} of {}", cases.len());

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cases.json");
    std::fs::write(&file, Value::from(cases.clone()).to_string()).unwrap();
    let wrong = python_client("validate.py", &[file.to_str().unwrap()]).unwrap();
    let shown: Vec<String> = wrong
        .as_array()
        .unwrap()
        .iter()
        .take(5)
        .map(|wrong| format!("{wrong} {}", cases[usize::try_from(wrong["case"].as_u64().unwrap()).unwrap()]))
        .collect();
    assert!(shown.is_empty(), "{} not valid:\n{}", wrong.as_array().unwrap().len(), shown.join("\n"));
}
