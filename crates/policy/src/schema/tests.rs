//! The generated schema, as a snapshot.
//!
//! A change here is a change of what every policy may read.

use super::*;

#[test]
fn the_schema_of_two_tools() {
    let refund = ToolDefinition {
        name: "refund".into(),
        annotations: vidimus_core::ToolAnnotations::default(),
        input_schema: r#"{"type":"object","required":["customer","amount"],"properties":{"customer":{"type":"string"},
            "amount":{"type":"integer"},"share":{"type":"number"},"tags":{"type":"array","items":{"type":"string"}},
            "options":{"type":"object","properties":{"force":{"type":"boolean"}}},"any":{"oneOf":[]}}}"#
            .into(),
        output_schema: None,
    };
    let tools =
        NamedTools::from([("crm/refund".to_owned(), Shape::of_arguments(&refund)), ("orders/put".to_owned(), None)]);
    insta::assert_snapshot!(fragment(&tools).unwrap().to_cedarschema().unwrap());
}
