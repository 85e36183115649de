//! The headers of a call that repeat its arguments, for who makes HTTP of messages that came without headers (MCP
//! 2026-07-28, "Custom Headers"). The counterpart of the check of the gateway.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;
use vidimus_core::json::{Document, Kind, Limits, Value};

use super::{HEADER_KEY, MAX_SCHEMA_DEPTH, PARAM_PREFIX, encoded};
use crate::envelope::Message;

/// Whether a tool's schema names headers.
pub fn has_headers(schema: &[u8]) -> bool {
    memmem::find(schema, HEADER_KEY.as_bytes()).is_some()
}

/// The headers that a call of a tool with this schema has.
pub fn mirrored(message: &Message, schema: &Bytes) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if has_headers(schema)
        && let Ok(schema) = Document::parse(schema.clone(), &Limits::default())
    {
        level(&mut headers, schema.root(), message.arguments(), MAX_SCHEMA_DEPTH);
    }
    headers
}

fn level(headers: &mut HeaderMap, schema: Value<'_>, arguments: Option<Value<'_>>, depth: usize) {
    let Some(properties) = schema.get("properties").filter(|_| depth > 0) else { return };
    for (key, property) in properties.members() {
        let argument = arguments.and_then(|arguments| arguments.get(&key)).filter(|argument| !argument.is_null());
        let name = property.get(HEADER_KEY).and_then(|name| name.as_str());
        let name = name.and_then(|name| {
            HeaderName::from_bytes(format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase()).as_bytes()).ok()
        });
        if let (Some(name), Some(value)) = (name, argument.and_then(value)) {
            headers.insert(name, value);
        }
        level(headers, property, argument, depth - 1);
    }
}

fn value(argument: Value<'_>) -> Option<HeaderValue> {
    match argument.kind() {
        Kind::String => Some(encoded(&argument.as_str()?)),
        Kind::Number | Kind::Bool => HeaderValue::from_str(argument.raw()).ok(),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Sender;
    use crate::modern::check_arguments;

    #[test]
    fn what_is_mirrored_passes_the_check() {
        let schema =
            br#"{"properties":{"a":{"x-mcp-header":"Region"},"b":{"properties":{"n":{"x-mcp-header":"N"}}},"c":{}}}"#;
        let schema = Bytes::from_static(schema);
        for (arguments, expected) in [
            (r#"{"a":"eu","b":{"n":7},"c":"x"}"#, vec![("mcp-param-region", "eu"), ("mcp-param-n", "7")]),
            (r#"{"a":"gr\u00fcn"}"#, vec![("mcp-param-region", "=?base64?Z3LDvG4=?=")]),
            (r#"{"a":"x\r\ny: z"}"#, vec![("mcp-param-region", "=?base64?eA0KeTogeg==?=")]),
            (r#"{"a":null}"#, vec![]),
            ("{}", vec![]),
        ] {
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
            );
            let message = Message::parse(call.into(), Sender::Client, &Limits::default()).unwrap();
            let headers = mirrored(&message, &schema);
            let found: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            assert_eq!(found, expected);
            assert_eq!(check_arguments(&headers, &message, &schema), Ok(()));
        }
    }
}
