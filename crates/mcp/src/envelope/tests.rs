//! What is read out of a message, and that ids and bytes stay as they were.
//! Refusals are in `tests/bad_input.rs`.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn parse_one(text: &str, sender: Sender) -> Result<Message, EnvelopeError> {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()), sender, &Limits::default())
}

fn from_client(text: &str) -> Message {
    parse_one(text, Sender::Client).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn from_server(text: &str) -> Message {
    parse_one(text, Sender::Server).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn reads_a_call() {
    let text = r#" {"params":{"arguments":{"id":1.50,"q":"\u0041"},"na\u006de":"get\/customer","_meta":{"progressToken":"p",
        "traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","x":1},"new":[]},
        "method":"tools\/call","id":"\u00e9-1","jsonrpc":"2.0","extra":{"id":2}}"#;
    let message = from_client(text);
    assert_eq!(message.method(), Some(Method::CallTool));
    assert_eq!(message.method().map(Method::class), Some(Class::Decide));
    assert_eq!(message.id().map(Id::lexeme), Some(r#""\u00e9-1""#));
    assert_eq!(message.tool_name().as_deref(), Some("get/customer"));
    assert_eq!(message.arguments().unwrap().raw(), r#"{"id":1.50,"q":"\u0041"}"#);
    assert_eq!(message.traceparent().unwrap(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_eq!(message.action(), Some(Action::ToolCall("get/customer".into())));
    assert_eq!((message.uri(), message.prompt_name(), message.result()).0, None);
    assert_eq!(message.bytes(), text.as_bytes());
    let arguments = message.operation_arguments().unwrap();
    assert_eq!(arguments.document.root().at(arguments.path).unwrap().raw(), r#"{"id":1.50,"q":"\u0041"}"#);
}

#[test]
fn reads_what_each_method_hangs_on() {
    let read = from_client(r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#);
    assert_eq!((read.uri().as_deref(), read.tool_name()), (Some("file:///a"), None));
    assert_eq!(read.action(), Some(Action::ResourceRead("file:///a".into())));

    let get = from_client(r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p","arguments":{}}}"#);
    assert_eq!((get.prompt_name().as_deref(), get.tool_name()), (Some("p"), None));
    assert!(get.arguments().is_some());
    assert_eq!(get.action(), Some(Action::PromptGet("p".into())));

    let list = from_client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"c"}}"#);
    assert_eq!(list.method().unwrap().class(), Class::List(ListKind::Tools));
    assert_eq!(list.action(), Some(Action::Method("tools/list".into())));

    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7"}}"#;
    assert_eq!(from_client(cancelled).cancelled_request().unwrap().lexeme(), "\"7\"");
    assert_eq!(from_client(cancelled).kind(), &MessageKind::Notification { method: Method::Cancelled });

    let unknown = from_client(r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#);
    assert_eq!((unknown.method(), unknown.action()), (Some(Method::Unknown), None));
    assert_eq!(unknown.method_name(), "tasks/list");
}

#[test]
fn reads_responses() {
    let result = from_server(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    assert_eq!(result.kind(), &MessageKind::Response { id: Some(Id::from_number(1)), is_error: false });
    assert!(result.result().unwrap().get("content").is_some());

    let error = from_server(r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32602,"message":"Unknown tool: \u0041"}}"#);
    assert!(matches!(error.kind(), MessageKind::Response { id: Some(_), is_error: true }));
    assert_eq!(
        error.error().map(|(code, message)| (code, message.into_owned())),
        Some(("-32602", "Unknown tool: A".into()))
    );

    for nobody in [r#""id":null,"#, ""] {
        let text = format!(r#"{{"jsonrpc":"2.0",{nobody}"error":{{"code":-32700,"message":"x"}}}}"#);
        assert_eq!(from_server(&text).kind(), &MessageKind::Response { id: None, is_error: true });
    }
}

#[test]
fn a_method_belongs_to_its_side() {
    for (method, client, server) in [
        ("ping", Method::Ping, Method::Ping),
        ("tools/call", Method::CallTool, Method::Unknown),
        ("sampling/createMessage", Method::Unknown, Method::CreateMessage),
        ("elicitation/create", Method::Unknown, Method::Elicit),
        ("roots/list", Method::Unknown, Method::ListRoots),
        ("logging/setLevel", Method::SetLevel, Method::Unknown),
        ("notifications/initialized", Method::Unknown, Method::Unknown),
    ] {
        assert_eq!(Method::classify(Sender::Client, Form::Request, method), client, "{method}");
        assert_eq!(Method::classify(Sender::Server, Form::Request, method), server, "{method}");
    }
    for (method, client, server) in [
        ("notifications/initialized", Method::Initialized, Method::Unknown),
        ("notifications/progress", Method::Progress, Method::Progress),
        ("notifications/message", Method::Unknown, Method::LogMessage),
        ("notifications/tools/list_changed", Method::Unknown, Method::ToolsChanged),
        ("notifications/roots/list_changed", Method::RootsChanged, Method::Unknown),
        ("notifications/tasks/status", Method::Unknown, Method::Unknown),
        ("tools/call", Method::Unknown, Method::Unknown),
    ] {
        assert_eq!(Method::classify(Sender::Client, Form::Notification, method), client, "{method}");
        assert_eq!(Method::classify(Sender::Server, Form::Notification, method), server, "{method}");
    }
}

#[test]
fn a_subscription_names_no_more_than_can_be_decided() {
    for (key, count, is_taken) in
        [("resourceSubscriptions", 1_000, true), ("resourceSubscriptions", 1_001, false), ("taskIds", 1_001, false)]
    {
        let names = vec![r#""note://a""#; count].join(",");
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{{"{key}":[{names}]}}}}}}"#
        );
        let read = parse_one(&text, Sender::Client);
        assert_eq!(
            read.as_ref().map_err(EnvelopeError::label).err(),
            (!is_taken).then_some("bad_param"),
            "{key} {count}"
        );
    }
}

#[test]
fn an_id_is_equal_to_itself_and_to_nothing_else() {
    let id = |lexeme: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{lexeme},"method":"ping"}}"#);
        from_client(&text).id().unwrap().clone()
    };
    // One string, written in two ways; servers may escape what the client did not.
    assert_eq!(id(r#""a/é""#), id(r#""a\/\u00e9""#));
    assert_eq!(HashSet::from([id(r#""a/é""#)]), HashSet::from([id(r#""a\/\u00e9""#)]));
    let different =
        ["1", "\"1\"", "-1", "10", "\"\"", "\"01\"", "12345678901234567890123", "12345678901234567890124", "0", "-0"];
    let ids: HashSet<_> = different.iter().map(|lexeme| id(lexeme)).collect();
    assert_eq!(ids.len(), different.len());
    // What a server would print back in another form is no id.
    for refused in ["1.0", "1e0", "1E2", "1.5", "12345678901234567890123.0"] {
        let error =
            parse_one(&format!(r#"{{"jsonrpc":"2.0","id":{refused},"method":"ping"}}"#), Sender::Client).unwrap_err();
        assert_eq!((error.label(), error.id().is_none()), ("bad_id", true), "{refused}");
    }
}

#[test]
fn a_refusal_names_the_request_when_it_can() {
    let error =
        parse_one(r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{}}"#, Sender::Client).unwrap_err();
    assert_eq!(error.id().unwrap().lexeme(), "\"x\"");
    assert_eq!((error.code(), error.http_status()), (code::INVALID_PARAMS, 200));
    assert_eq!(error.public_message(), "the parameter name is missing");
    let error = parse_one(r#"{"jsonrpc":"2.0","id":"x""#, Sender::Client).unwrap_err();
    assert_eq!((error.code(), error.http_status()), (code::PARSE_ERROR, 400));
    assert_eq!(error.public_message(), "unexpected end at byte 25");
}

#[test]
fn a_refusal_repeats_nothing_of_the_message() {
    let secret = "hunter2";
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"hunter2\n"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["hunter2"]}}"#,
        r#"{"hunter2":1,"hunter2":2}"#,
        r#"{"jsonrpc":"hunter2"}"#,
    ] {
        let error = parse_one(text, Sender::Client).unwrap_err();
        assert!(!error.public_message().contains(secret) && !error.to_string().contains(secret), "{error}");
    }
}

#[test]
fn a_traceparent_has_its_form_or_is_none() {
    let trace = |text: &str| {
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{"traceparent":"{text}"}}}}}}"#);
        from_client(&text).traceparent()
    };
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(trace(good).as_deref(), Some(good));
    for bad in [
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "",
    ] {
        assert_eq!(trace(bad), None, "{bad}");
    }
}

/// An id as a client may write it.
fn any_id() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        "[1-9][0-9]{20,40}",
        any::<String>()
            .prop_filter("short", |text| text.len() < 60)
            .prop_map(|text| serde_json::to_string(&text).unwrap()),
        "[a-z]{0,8}".prop_map(|text| {
            let units: Vec<_> = text.chars().map(|character| format!("\\u{:04X}", u32::from(character))).collect();
            format!("\"{}\"", units.concat())
        }),
    ]
}

proptest! {
    #[test]
    fn an_id_stays_as_it_was_written(id in any_id(), other in any_id()) {
        let request = from_client(&format!(r#"{{"jsonrpc":"2.0","id": {id} ,"method":"ping"}}"#));
        let response = from_server(&format!(r#"{{"id":{id},"result":{{}},"jsonrpc":"2.0"}}"#));
        let foreign = from_server(&format!(r#"{{"id":{other},"result":{{}},"jsonrpc":"2.0"}}"#));
        prop_assert_eq!(request.id().unwrap().lexeme(), &id);
        prop_assert_eq!(request.id(), response.id());
        let same = serde_json::from_str::<serde_json::Value>(&id).unwrap()
            == serde_json::from_str::<serde_json::Value>(&other).unwrap();
        // serde_json reads huge integers as doubles, so it may call equal what is not.
        prop_assert!(same || request.id() != foreign.id());
    }

    #[test]
    fn no_key_in_another_letter_case_is_overlooked(
        key in prop::sample::select(vec!["name", "arguments", "_meta", "cursor", "uri", "task"]),
        upper in prop::collection::vec(any::<bool>(), 9)
    ) {
        let variant: String = key
            .chars()
            .zip(upper)
            .map(|(character, upper)| if upper { character.to_ascii_uppercase() } else { character })
            .collect();
        prop_assume!(variant != key);
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","{variant}":"b"}}}}"#);
        let error = parse_one(&text, Sender::Client).unwrap_err();
        prop_assert_eq!(error.label(), "case_variant");
    }

    #[test]
    fn no_bytes_make_it_fail_otherwise(text in r#"[\[{]?("[a-z0-9_/.]{0,12}"|[:,{}\[\]0-9 ]){0,30}"#) {
        for sender in [Sender::Client, Sender::Server] {
            let _ = Message::parse(Bytes::from(text.clone()), sender, &Limits::default());
        }
    }
}
