//! JSON values by JSON Pointer (RFC 6901), for messages whose shape is known: what is not there is null.

use serde_json::Value;

/// The value at a place.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// Gives an object a member.
pub(crate) fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}
