//! Each builder's exact text, and that no text breaks out of its place.

use proptest::prelude::*;
use serde_json::{Value, json};
use vidimus_core::json::Limits;

use super::*;
use crate::envelope::{Message, Sender};

fn id(lexeme: &str) -> Id {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{lexeme},"method":"ping"}}"#);
    Message::parse(text.into(), Sender::Client, &Limits::default()).unwrap().id().unwrap().clone()
}

#[test]
fn writes_what_clients_expect() {
    let escaped = id(r#""\u00e9\/""#);
    assert_eq!(
        error(Some(&escaped), code::INVALID_PARAMS, "no \"x\"\n", Some("s/3")),
        r#"{"jsonrpc":"2.0","id":"\u00e9\/","error":{"code":-32602,"message":"no \"x\"\n","data":{"vidimus/reference":"s/3"}}}"#
    );
    assert_eq!(
        error(None, code::PARSE_ERROR, "x", None),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#
    );
    assert_eq!(
        tool_error(&id("7"), "ask Ada", Some("s/3"), false),
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"ask Ada (reference s/3)"}],"isError":true,"_meta":{"vidimus/reference":"s/3"}}}"#
    );
    assert_eq!(
        tool_error(&id("7"), "ask Ada", None, false),
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"ask Ada"}],"isError":true}}"#
    );
    let limited = Meta { reference: Some("s/3"), retry_after: Some(12) };
    assert_eq!(
        tool_error(&id("7"), "later", limited, true),
        r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[{"type":"text","text":"later (reference s/3)"}],"isError":true,"_meta":{"vidimus/reference":"s/3","vidimus/retryAfter":12}}}"#
    );
    assert_eq!(
        error(Some(&id("7")), -32_029, "later", Meta { reference: None, ..limited }),
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32029,"message":"later","data":{"vidimus/retryAfter":12}}}"#
    );
    assert_eq!(
        unknown_tool(&id("-1"), "x\"y"),
        r#"{"jsonrpc":"2.0","id":-1,"error":{"code":-32602,"message":"Unknown tool: x\"y"}}"#
    );
    assert_eq!(
        notification("notifications/tools/list_changed", None),
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#
    );
    assert_eq!(request(&Id::from_number(3), "ping", b"{}"), r#"{"jsonrpc":"2.0","id":3,"method":"ping","params":{}}"#);
}

proptest! {
    #[test]
    fn no_text_breaks_out_of_its_place(message: String, reference: String, own: String) {
        prop_assume!(own.len() < 80);
        let id = id(&serde_json::to_string(&own).unwrap());
        let read = |bytes: &Bytes| {
            Message::parse(bytes.clone(), Sender::Server, &Limits::default()).unwrap();
            serde_json::from_slice::<Value>(bytes).unwrap()
        };
        prop_assert_eq!(
            read(&error(Some(&id), -32000, &message, Some(&*reference))),
            json!({"jsonrpc":"2.0","id":own,"error":{"code":-32000,"message":message,"data":{"vidimus/reference":reference}}})
        );
        prop_assert_eq!(
            read(&tool_error(&id, &message, None, true)),
            json!({"jsonrpc":"2.0","id":own,"result":{"resultType":"complete","content":[{"type":"text","text":message}],"isError":true}})
        );
        let unknown = read(&unknown_tool(&id, &message));
        prop_assert_eq!(&unknown["error"]["message"], &json!(format!("Unknown tool: {message}")));
        prop_assert!(!tool_error(&id, &message, Some(&*reference), false).contains(&b'\n'));
    }
}
