//! The Cedar type of a tool's arguments, from its JSON Schema (`inputSchema`, MCP "Tool").
//!
//! `integer` is Long, `number` decimal, `string` String, `boolean` Bool, an array of one of those a Set, an object a
//! record; `required` makes an attribute required, and so it may be read without `has`. `null` beside one of them makes
//! it optional. Everything else (`$ref`, alternatives, no type) has no Cedar type: the attribute is absent from the
//! schema, so a policy that reads it is refused at load.

use std::collections::BTreeMap;

use serde_json::json;
use vidimus_core::ToolDefinition;
use vidimus_core::json::{Document, Limits, Value};

/// Objects and arrays inside one another that are typed; what lies deeper has no type.
const MAX_DEPTH: usize = 16;

/// A type that a policy may rely on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Long,
    Decimal,
    String,
    Bool,
    Set(Box<Self>),
    Record(BTreeMap<String, Attribute>),
}

/// One attribute of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) shape: Shape,
    required: bool,
}

impl Shape {
    /// The shape of a tool's arguments; `None` when its `inputSchema` is no schema of an object.
    pub(crate) fn of_arguments(tool: &ToolDefinition) -> Option<Self> {
        let document = Document::parse(tool.input_schema.clone(), &Limits::default()).ok()?;
        let (shape, _) = typed(document.root(), MAX_DEPTH)?;
        matches!(shape, Self::Record(_)).then_some(shape)
    }

    /// The shape of an attribute, when one is known.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Record(attributes) => attributes.get(name).map(|attribute| &attribute.shape),
            _ => None,
        }
    }

    /// In Cedar's JSON schema format.
    pub(crate) fn to_cedar(&self) -> serde_json::Value {
        match self {
            Self::Long => json!({ "type": "Long" }),
            Self::Decimal => json!({ "type": "Extension", "name": "decimal" }),
            Self::String => json!({ "type": "String" }),
            Self::Bool => json!({ "type": "Boolean" }),
            Self::Set(element) => json!({ "type": "Set", "element": element.to_cedar() }),
            Self::Record(attributes) => {
                let typed: serde_json::Map<_, _> = attributes
                    .iter()
                    .map(|(name, attribute)| {
                        let mut entry = attribute.shape.to_cedar();
                        if let Some(object) = entry.as_object_mut() {
                            object.insert("required".into(), attribute.required.into());
                        }
                        (name.clone(), entry)
                    })
                    .collect();
                json!({ "type": "Record", "attributes": typed })
            }
        }
    }

    /// What a caller must send, for a message.
    pub(crate) const fn expected(&self) -> &'static str {
        match self {
            Self::Long => "an integer of 64 bits, without fraction or exponent",
            Self::Decimal => "a number with at most four fractional digits, below 10^14",
            Self::String => "a string",
            Self::Bool => "true or false",
            Self::Set(_) => "a list of values of one kind",
            Self::Record(_) => "an object",
        }
    }
}

/// The shape of a schema, and whether `null` is allowed as well.
fn typed(schema: Value<'_>, depth: usize) -> Option<(Shape, bool)> {
    let depth = depth.checked_sub(1)?;
    if schema.get("$ref").is_some() {
        return None;
    }
    let (name, nullable) = type_name(schema.get("type")?)?;
    let shape = match name.as_str() {
        "integer" => Shape::Long,
        "number" => Shape::Decimal,
        "string" => Shape::String,
        "boolean" => Shape::Bool,
        "array" => match typed(schema.get("items")?, depth)? {
            (element, false) => Shape::Set(Box::new(element)),
            (_, true) => return None,
        },
        "object" => Shape::Record(attributes(schema, depth)),
        _ => return None,
    };
    Some((shape, nullable))
}

fn attributes(schema: Value<'_>, depth: usize) -> BTreeMap<String, Attribute> {
    let required: Vec<_> = schema
        .get("required")
        .map(|names| names.elements().filter_map(|name| name.as_str()).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties") else { return BTreeMap::new() };
    properties
        .members()
        .filter_map(|(name, property)| {
            let (shape, nullable) = typed(property, depth)?;
            let required = required.contains(&name) && !nullable;
            Some((name.into_owned(), Attribute { shape, required }))
        })
        .collect()
}

/// The one type of `"type": …`, and whether `null` stands beside it.
fn type_name(value: Value<'_>) -> Option<(String, bool)> {
    if let Some(name) = value.as_str() {
        return Some((name.into_owned(), false));
    }
    let (nulls, others): (Vec<_>, Vec<_>) = value.elements().partition(|name| name.is_string("null"));
    match others.as_slice() {
        [only] => Some((only.as_str()?.into_owned(), !nulls.is_empty())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
