//! npm's reference file server, told to serve its directory *and* the gateway's: only the kernel keeps it to its own.

use bytes::Bytes;
use serde_json::{Value, json};
use vidimus_stdio::{Child, Messages};

use crate::sandbox::{Sandbox, next};

#[tokio::test]
async fn it_works_in_its_directory_and_nowhere_else() {
    let sandbox = Sandbox::new();
    let installed = tokio::task::spawn_blocking(|| vidimus_testkit::install::npm("server-filesystem")).await;
    // The build directory may be closed to the user that servers run as.
    let server = sandbox.path("server");
    let copied = std::process::Command::new("cp").arg("-r").arg(installed.unwrap().unwrap()).arg(&server).status();
    assert!(copied.unwrap().success());

    let program = server.join("node_modules/@modelcontextprotocol/server-filesystem/dist/index.js");
    let (granted, root) = (sandbox.path("granted"), sandbox.path(""));
    let words = ["node".into(), program, granted, root].map(|word| word.display().to_string());
    let mut confinement = sandbox.confinement(&words.each_ref().map(String::as_str));
    confinement.programs = vec![server];
    // Listed by the server before it starts: the root itself can be looked at, as nothing in it can.
    let (child, mut messages) = sandbox.start(&sandbox.launch(confinement)).await;

    let client = json!({ "name": "test", "version": "0" });
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    let answer = ask(&child, &mut messages, 1, "initialize", &hello).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18", "{answer}");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    child.send(Bytes::from(ready.to_string())).await.unwrap();

    let path = |name: &str| sandbox.path(name).display().to_string();
    let mut call = async |id, tool: &str, arguments: Value| {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = ask(&child, &mut messages, id, "tools/call", &params).await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        (answer["result"]["isError"] == true, text)
    };
    let read = call(2, "read_text_file", json!({ "path": path("granted/file") })).await;
    assert_eq!(read, (false, "content of granted\n".to_owned()));
    let written = call(3, "write_file", json!({ "path": path("granted/new"), "content": "written" })).await;
    assert!(!written.0, "{written:?}");
    assert_eq!(std::fs::read_to_string(sandbox.path("granted/new")).unwrap(), "written");

    for (id, name) in (4..).zip(["data/file", "keys/file", "elsewhere/file"]) {
        let (is_error, text) = call(id, "read_text_file", json!({ "path": path(name) })).await;
        // The server would: it was told that this is its own.
        assert!(is_error && text.contains("EACCES"), "{name}: {text}");
    }
    let (is_error, text) = call(9, "write_file", json!({ "path": path("data/new"), "content": "x" })).await;
    assert!(is_error && text.contains("EACCES"), "{text}");
    assert!(!sandbox.path("data/new").exists());
    child.close().await;
}

/// One request and its answer; what the server says meanwhile is passed over.
async fn ask(child: &Child, messages: &mut Messages, id: u64, method: &str, params: &Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    // Printed over many lines: it must arrive as one.
    child.send(Bytes::from(serde_json::to_string_pretty(&request).unwrap())).await.unwrap();
    loop {
        let message: Value = serde_json::from_str(&next(messages).await.expect("it ended")).unwrap();
        if message["id"] == id && message.get("method").is_none() {
            return message;
        }
    }
}
