//! Headers and body as one, values in headers, and what is changed in requests and results.

use vidimus_core::json::Limits;

use super::results::{ResultKind, cached, discovered, kind};
use super::*;
use crate::envelope::Sender;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{},"elicitation":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}"#;

fn request(method: &str, params: &str) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
    Message::parse(text.into(), Sender::Client, &Limits::default()).unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let usual = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "add")];
    let mut headers = HeaderMap::new();
    for (name, value) in usual.iter().chain(pairs) {
        match *value {
            "" => drop(headers.remove(*name)),
            value => drop(headers.insert(*name, value.parse().unwrap())),
        }
    }
    headers
}

#[test]
fn headers_say_what_the_body_says() {
    let call = request("tools/call", &format!(r#""name":"add",{META}"#));
    assert_eq!(check(&headers(&[]), &call).unwrap().name, "c");
    assert!(check(&headers(&[("mcp-name", "=?base64?YWRk?=")]), &call).is_ok());
    for (name, value, header) in [
        ("mcp-protocol-version", "", "mcp-protocol-version"),
        ("mcp-protocol-version", "2025-11-25", "mcp-protocol-version"),
        ("mcp-method", "", "mcp-method"),
        ("mcp-method", "tools/list", "mcp-method"),
        ("mcp-method", "TOOLS/CALL", "mcp-method"),
        ("mcp-name", "", "mcp-name"),
        ("mcp-name", "ADD", "mcp-name"),
        ("mcp-name", "=?base64?!?=", "mcp-name"),
    ] {
        let error = check(&headers(&[(name, value)]), &call).unwrap_err();
        assert_eq!((error.clone(), error.code()), (ModernError::Header(header.into()), -32020), "{name}: {value}");
    }
    let mut twice = headers(&[]);
    twice.append("mcp-name", "add".parse().unwrap());
    assert_eq!(check(&twice, &call).unwrap_err().label(), "header_mismatch");
}

#[test]
fn metadata_is_there_and_of_a_revision_that_is_spoken() {
    let without = request("tools/call", r#""name":"add""#);
    assert_eq!(check(&headers(&[]), &without), Err(ModernError::Metadata(VERSION_KEY)));
    let capabilities = request("tools/call", &format!(r#""name":"add","_meta":{{"{VERSION_KEY}":"2026-07-28"}}"#));
    assert_eq!(check(&headers(&[]), &capabilities), Err(ModernError::Metadata(CAPABILITIES_KEY)));
    let other = request("tools/call", &format!(r#""name":"add",{META}"#).replace("2026-07-28", "2099-01-01"));
    let error = check(&headers(&[("mcp-protocol-version", "2099-01-01")]), &other).unwrap_err();
    assert_eq!((error.clone(), error.code()), (ModernError::Version, -32022));
    assert_eq!(requested_version(&other), "2099-01-01");
}

#[test]
fn an_era_is_told_by_what_a_message_says() {
    let modern = request("tools/list", META);
    let legacy = request("tools/list", "");
    let session = headers(&[("mcp-session-id", "s"), ("mcp-protocol-version", "2025-11-25")]);
    assert!(is_modern(&HeaderMap::new(), &modern) && is_modern(&session, &modern));
    assert!(!is_modern(&session, &legacy) && !is_modern(&HeaderMap::new(), &legacy));
    assert!(is_modern(&headers(&[]), &legacy), "a header that no session has");
    assert!(!is_modern(&headers(&[("mcp-protocol-version", "2025-06-18")]), &legacy));
}

#[test]
fn arguments_in_headers_are_the_arguments() {
    let schema = Bytes::from_static(
        br#"{"properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"},
            "deep":{"properties":{"on":{"type":"boolean","x-mcp-header":"On"}}}}}"#,
    );
    let call = |arguments: &str| request("tools/call", &format!(r#""name":"add","arguments":{arguments},{META}"#));
    let full = call(r#"{"region":"Köln","n":42,"deep":{"on":true}}"#);
    let right = [("mcp-param-region", "=?base64?S8O2bG4=?="), ("mcp-param-n", "42.0"), ("mcp-param-on", "true")];
    assert_eq!(check_arguments(&headers(&right), &full, &schema), Ok(()));
    for (name, value) in [
        ("mcp-param-region", "Koeln"),
        ("mcp-param-region", ""),
        ("mcp-param-n", "43"),
        ("mcp-param-n", "x"),
        ("mcp-param-on", "false"),
    ] {
        let wrong: Vec<_> = right.iter().copied().chain([(name, value)]).collect();
        let error = check_arguments(&headers(&wrong), &full, &schema).unwrap_err();
        assert_eq!(error, ModernError::Header(name.into()), "{value}");
    }
    let none = call(r#"{"region":null}"#);
    assert_eq!(check_arguments(&headers(&[("mcp-param-other", "x")]), &none, &schema), Ok(()), "nobody knows it");
    assert!(check_arguments(&headers(&[("mcp-param-region", "x")]), &none, &schema).is_err(), "not in the body");
}

#[test]
fn the_target_gets_headers_of_the_body() {
    let read = request("resources/read", &format!(r#""uri":"note://é",{META}"#));
    let received = headers(&[("mcp-param-x", "1"), ("mcp-name", "anything"), ("authorization", "Bearer t")]);
    let head = head(&read, &received);
    assert_eq!(head.get("mcp-name").unwrap(), "=?base64?bm90ZTovL8Op?=");
    assert_eq!(head.get("mcp-method").unwrap(), "resources/read");
    assert_eq!(head.get("mcp-param-x").unwrap(), "1");
    assert!(!head.contains_key("authorization"));
    for value in ["plain", "", " padded ", "=?base64?literal?=", "line\nbreak", "世界"] {
        assert_eq!(decoded(encoded(value).to_str().unwrap()).as_deref(), Some(value), "{value:?}");
    }
}

#[test]
fn a_request_changes_only_where_it_must() {
    let plain = request("tools/call", &format!(r#""name":"add",{META}"#));
    assert_eq!(wire(&plain, &["tasks"], Vec::new()).unwrap().as_ptr(), plain.bytes().as_ptr(), "not copied");
    let retry = request("tools/call", &format!(r#""requestState":"sealed","name":"add",{META}"#));
    let span = retry.request_state().unwrap().span();
    let state = Replacement { span, with: Bytes::from_static(br#""a\u00e9""#) };
    let changed = wire(&retry, &["sampling"], vec![state]).unwrap();
    let expected = std::str::from_utf8(retry.bytes()).unwrap().replace(r#""sealed""#, r#""a\u00e9""#);
    assert_eq!(changed, expected.replace(r#""sampling":{},"#, ""));
}

#[test]
fn results_are_for_one_caller_and_a_short_time() {
    let cached = |text: &'static str| {
        let document = Document::parse(Bytes::from_static(text.as_bytes()), &Limits::default()).unwrap();
        String::from_utf8(cached(&document).unwrap().to_vec()).unwrap()
    };
    assert_eq!(
        cached(r#"{"id":1,"result":{"tools":[],"ttlMs":3600000,"cacheScope":"public","x":1.0}}"#),
        r#"{"id":1,"result":{"tools":[],"ttlMs":60000,"cacheScope":"private","x":1.0}}"#
    );
    for unchanged in [r#"{"result":{"ttlMs":0,"cacheScope":"private"}}"#, r#"{"result":{}}"#, r#"{"error":{}}"#] {
        assert_eq!(cached(unchanged), unchanged);
    }
    assert_eq!(
        cached(r#"{"result":{"cacheScope":7,"ttlMs":-1}}"#),
        r#"{"result":{"cacheScope":"private","ttlMs":60000}}"#
    );
}

#[test]
fn a_refused_revision_is_sent_again_only_to_who_speaks_it() {
    let refusal = |code: i32, data: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":0,"error":{{"code":{code},"message":"no","data":{data}}}}}"#);
        is_spoken(&Message::parse(text.into(), Sender::Server, &Limits::default()).unwrap())
    };
    assert!(refusal(-32022, r#"{"supported":["2027-01-01","2026-07-28"],"requested":"2026-07-28"}"#));
    assert!(!refusal(-32022, r#"{"supported":["2025-11-25"]}"#));
    assert!(!refusal(-32022, r#"{"supported":"2026-07-28"}"#));
    assert!(!refusal(-32022, r#"["2026-07-28"]"#));
    assert!(!refusal(-32602, r#"{"supported":["2026-07-28"]}"#));
}

#[test]
fn a_server_is_of_this_era_if_it_says_so() {
    let offered = |result: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#);
        is_offered(&Message::parse(text.into(), Sender::Server, &Limits::default()).unwrap())
    };
    assert!(offered(r#"{"supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{}}"#));
    assert!(!offered(r#"{"supportedVersions":["2025-11-25"],"capabilities":{"tools":{}}}"#));
    assert!(!offered("{}"));
}

#[test]
fn a_discovery_names_what_is_spoken() {
    let text = Bytes::from_static(
        br#"{"supportedVersions":["2099-01-01","2026-07-28","2025-11-25"],"capabilities":{"tools":{},"Extensions":{},"extensions":{"x/y":{},"io.modelcontextprotocol/tasks":{}}}}"#,
    );
    let document = Document::parse(text.clone(), &Limits::default()).unwrap();
    assert_eq!(
        discovered(&text, document.root()).unwrap(),
        r#"{"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{"tools":{"listChanged":true},"extensions":{"io.modelcontextprotocol/tasks":{}}}}"#
    );
}

#[test]
fn a_result_is_of_one_kind_or_of_none() {
    let kind = |text: &'static str| {
        kind(Document::parse(Bytes::from_static(text.as_bytes()), &Limits::default()).unwrap().root())
    };
    assert_eq!(kind("{}"), Some(ResultKind::Complete));
    assert_eq!(kind(r#"{"resultType":"input_required"}"#), Some(ResultKind::InputRequired));
    assert_eq!(kind(r#"{"resultType":"task","taskId":"t"}"#), Some(ResultKind::Task));
    for none in
        [r#"{"resultType":"other"}"#, r#"{"resultType":1}"#, r#"{"ResultType":"complete"}"#, r#"{"inputrequests":{}}"#]
    {
        assert_eq!(kind(none), None, "{none}");
    }
}
