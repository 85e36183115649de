//! One JSON-RPC message: whatever is taken names the method, tool and id that another reader finds in the same bytes,
//! and the bytes that go on are the ones that came.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vidimus_core::json::Limits;
use vidimus_mcp::envelope::{Message, MessageKind, Sender};

const LIMITS: Limits = Limits { max_bytes: 1 << 16, max_depth: 32, max_nodes: 1 << 12 };

fuzz_target!(|data: &[u8]| {
    let (sender, body) = match data.split_first() {
        Some((first, rest)) if first % 2 == 0 => (Sender::Client, rest),
        Some((_, rest)) => (Sender::Server, rest),
        None => return,
    };
    let Ok(message) = Message::parse(Bytes::copy_from_slice(body), sender, &LIMITS) else { return };
    assert_eq!(&message.bytes()[..], body, "the bytes as they came");
    let other: serde_json::Value = serde_json::from_slice(body).expect("what is taken is JSON");
    assert_eq!(other["jsonrpc"], "2.0");
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    match message.kind() {
        MessageKind::Request { id, .. } => {
            assert_eq!(text(&other["method"]), Some(message.method_name().into_owned()));
            assert_eq!(serde_json::from_str::<serde_json::Value>(id.lexeme()).ok().as_ref(), other.get("id"));
        }
        MessageKind::Notification { .. } => {
            assert_eq!(text(&other["method"]), Some(message.method_name().into_owned()));
            assert!(other.get("id").is_none());
        }
        MessageKind::Response { is_error, .. } => {
            assert_eq!(other.get("error").is_some(), *is_error);
            assert_eq!(other.get("result").is_some(), !is_error);
        }
    }
    for (own, key) in [(message.tool_name(), "name"), (message.prompt_name(), "name"), (message.uri(), "uri")] {
        if let Some(own) = own {
            assert_eq!(text(&other["params"][key]).as_deref(), Some(&*own));
        }
    }
    if let Some(arguments) = message.arguments() {
        let raw: serde_json::Value = serde_json::from_str(arguments.raw()).expect("a part of JSON");
        assert_eq!(raw, other["params"]["arguments"]);
    }
});
