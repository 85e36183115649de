//! The register asked over HTTP, as the gateway asks it.

use super::super::caller::Caller;
use super::*;

async fn started() -> (Running, String) {
    let running = start("127.0.0.1:0".parse().unwrap(), "s3cret").await.unwrap();
    let url = format!("{}{PATH}", running.url);
    (running, url)
}

async fn connected() -> (Running, Caller) {
    let (running, url) = started().await;
    let mut caller = Caller::new(&url, Some("s3cret"));
    assert_eq!(caller.open().await.unwrap().status, StatusCode::OK);
    (running, caller)
}

#[tokio::test]
async fn without_its_secret_it_tells_nothing() {
    let (_running, url) = started().await;
    for token in [None, Some("wrong"), Some("s3cre"), Some("s3cret2"), Some("")] {
        let reply = Caller::new(&url, token).open().await.unwrap();
        assert_eq!((reply.status, reply.messages.len()), (StatusCode::UNAUTHORIZED, 0), "{token:?}");
    }
}

#[tokio::test]
async fn it_speaks_the_revision_asked_for_or_its_latest() {
    let (_running, url) = started().await;
    for (asked, spoken) in [("2025-03-26", "2025-03-26"), ("2025-11-25", "2025-11-25"), ("2030-01-01", "2025-11-25")] {
        let mut caller = Caller::new(&url, Some("s3cret"));
        let reply = caller.request("initialize", &json!({ "protocolVersion": asked })).await.unwrap();
        assert_eq!(reply.answer()["result"]["protocolVersion"], spoken);
    }
}

#[tokio::test]
async fn a_session_is_needed_and_ends() {
    let (_running, url) = started().await;
    let mut stranger = Caller::new(&url, Some("s3cret"));
    assert_eq!(stranger.request("ping", &json!({})).await.unwrap().status, StatusCode::BAD_REQUEST);
    let (_running, mut caller) = connected().await;
    assert_eq!(caller.request("ping", &json!({})).await.unwrap().answer()["result"], json!({}));
    assert_eq!(caller.send(Method::DELETE, String::new()).await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(caller.request("ping", &json!({})).await.unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_tool_does_what_it_says() {
    let (_running, mut caller) = connected().await;
    let listed = caller.request("tools/list", &json!({})).await.unwrap();
    assert_eq!(listed.answer()["result"]["tools"], tools());

    let mut call = async |tool: &str, arguments: Value| {
        let reply = caller.call(tool, &arguments).await.unwrap();
        let result = reply.answer()["result"].clone();
        if result["isError"] != json!(true) {
            let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
            assert_eq!(text, result["structuredContent"]);
        }
        result
    };
    let all = call("list_customers", json!({})).await;
    assert_eq!(all["structuredContent"]["customers"].as_array().unwrap().len(), CUSTOMERS.len());
    assert!(!all.to_string().contains("4111"), "lists show no card numbers");
    let ada = call("get_customer", json!({ "id": "c-1001" })).await;
    assert_eq!(ada["structuredContent"]["card"], "4111111111111111");
    let found = call("search_customers", json!({ "query": "BERG" })).await;
    assert_eq!(found["structuredContent"]["customers"][0]["id"], "c-1019");
    call("refund", json!({ "id": "c-1001", "amount": 5 })).await;
    let again = call("refund", json!({ "id": "c-1001", "amount": 7 })).await;
    assert_eq!(again["structuredContent"]["refunded"], 12);
    assert_eq!(call("delete_customer", json!({ "id": "c-1001" })).await["structuredContent"]["deleted"], "c-1001");
    for (tool, arguments) in [
        ("get_customer", json!({ "id": "c-1001" })),
        ("delete_customer", json!({ "id": "c-1001" })),
        ("get_customer", json!({})),
        ("refund", json!({ "id": "c-1002", "amount": 0 })),
        ("refund", json!({ "id": "c-1002", "amount": 1.5 })),
        ("refund", json!({ "id": "c-1002" })),
        ("search_customers", json!({ "query": 1 })),
    ] {
        assert_eq!(call(tool, arguments.clone()).await["isError"], true, "{tool} {arguments}");
    }
}

#[tokio::test]
async fn a_search_reports_progress_when_asked() {
    let (_running, mut caller) = connected().await;
    let params = json!({
        "name": "search_customers",
        "arguments": { "query": "example.org" },
        "_meta": { "progressToken": "p-1" },
    });
    let reply = caller.request("tools/call", &params).await.unwrap();
    let [progress, answer] = reply.messages.as_slice() else { panic!("{reply:?}") };
    assert_eq!(
        (&progress["method"], &progress["params"]["progressToken"]),
        (&json!("notifications/progress"), &json!("p-1"))
    );
    assert!(answer["result"]["structuredContent"]["customers"].as_array().unwrap().len() > 2);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let (_running, mut caller) = connected().await;
    for (body, code) in [
        ("", PARSE_ERROR),
        ("{", PARSE_ERROR),
        ("[]", INVALID_REQUEST),
        ("{}", INVALID_REQUEST),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#, METHOD_NOT_FOUND),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, INVALID_PARAMS),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop_all"}}"#, INVALID_PARAMS),
    ] {
        let reply = caller.send(Method::POST, body.to_owned()).await.unwrap();
        assert_eq!(reply.answer()["error"]["code"], code, "{body}");
    }
    let large = caller.send(Method::POST, " ".repeat(MAX_MESSAGE + 1)).await.unwrap();
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(caller.send(Method::GET, String::new()).await.unwrap().status, StatusCode::METHOD_NOT_ALLOWED);
}

/// What the policies of the demonstration name exists, and they compile against it.
#[test]
fn the_demonstrations_policies_fit_its_tools() {
    let list = json!({ "tools": tools() }).to_string();
    let schema = vidimus_policy::TargetSchema {
        name: "crm".parse().unwrap(),
        protocol: vidimus_core::Protocol::Mcp,
        tools: Some(crate::policy_files::parse_tools(&list).unwrap()),
    };
    let policies = super::super::POLICIES.into_iter().filter(|(name, _)| !name.ends_with(".test.toml"));
    let sources: Vec<_> =
        policies.map(|(name, text)| vidimus_policy::Source { name: name.into(), text: text.into() }).collect();
    let policies = vidimus_policy::Policies::compile(&sources, &[schema], &["CREDIT_CARD".into()]);
    assert!(policies.is_ok(), "{:?}", policies.err());
}
