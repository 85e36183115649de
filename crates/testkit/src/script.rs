//! What the official clients do at each server: the steps of their sessions.
//!
//! Plain and structured answers, errors, an image, parallel calls, progress, log messages, questions to the client,
//! resources, prompts, completion. Nothing here is answered with a clock or a random number: two runs are the same.

use std::path::Path;

use serde_json::{Value, json};

use crate::official::Era;

/// For npm's `server-everything`; legacy era.
pub fn everything() -> Value {
    let parallel = (0..16).map(|number| json!({ "message": format!("number {number}") })).collect::<Value>();
    json!([
        ["ping"],
        ["list_tools"],
        ["call", "echo", { "message": "a \"quoted\" line\nand another, café, 𝄞, \u{7}" }],
        ["call", "get-sum", { "a": 2, "b": 40.5 }],
        ["call", "get-structured-content", { "location": "Chicago" }],
        ["call", "get-tiny-image", {}],
        ["call", "echo", {}],
        ["call", "no-such-tool", { "x": 1 }],
        ["parallel", "echo", parallel],
        ["progress", "trigger-long-running-operation", { "duration": 0.5, "steps": 5 }],
        ["call", "trigger-sampling-request", { "prompt": "Say something", "maxTokens": 10 }],
        ["call", "trigger-elicitation-request", {}],
        // It asked by itself a third of a second after the handshake, on its own stream, if that was open by then.
        ["call", "get-roots-list", {}],
        ["list_prompts"],
        ["prompt", "simple-prompt", {}],
        ["prompt", "args-prompt", { "city": "Köln" }],
        ["prompt", "no-such-prompt", {}],
        ["complete", { "type": "ref/prompt", "name": "completable-prompt" }, "department", "E"],
        ["list_resources"],
        ["list_resource_templates"],
        ["read", "demo://resource/static/document/features.md"],
        ["read", "demo://resource/no-such"],
        ["subscribe", "demo://resource/static/document/features.md"],
        ["set_level", "debug"],
    ])
}

/// For the servers of [`crate::FixtureServer`].
pub fn fixture(era: Era) -> Value {
    let mut steps = vec![json!(["list_tools"])];
    steps.extend(match era {
        Era::Legacy => vec![json!(["ping"]), json!(["set_level", "debug"]), json!(["subscribe", "note://welcome"])],
        Era::Modern => vec![json!(["listen"])],
    });
    let further = json!([
        ["call", "greet", { "name": "a \"quoted\" line\nand another, café, 𝄞, \u{7}" }],
        ["call", "add", { "a": 2, "b": 40.5 }],
        ["call", "fail", {}],
        ["call", "picture", {}],
        ["call", "greet", {}],
        ["call", "no-such-tool", { "x": 1 }],
        ["parallel", "greet", [{ "name": "one" }, { "name": "two" }, { "name": "three" }, { "name": "four" }]],
        ["progress", "count", { "to": 5 }],
        ["call", "report", {}],
        ["call", "ask_model", { "prompt": "Say something" }],
        ["call", "ask_user", {}],
        ["call", "ask_roots", {}],
        ["list_resources"],
        ["list_resource_templates"],
        ["read", "note://welcome"],
        ["read", "note://about/cats"],
        ["read", "note://no-such"],
        ["list_prompts"],
        ["prompt", "introduce", { "name": "Köln" }],
        ["prompt", "no-such-prompt", {}],
        ["complete", { "type": "ref/prompt", "name": "introduce" }, "name", "A"],
    ]);
    steps.extend(further.as_array().cloned().unwrap_or_default());
    Value::Array(steps)
}

/// For the server of `crates/conformance-server`, which is made with `rmcp`.
pub fn conformance(era: Era) -> Value {
    let mut steps = vec![json!(["list_tools"])];
    let (at_first, asks) = match era {
        Era::Legacy => (
            vec![json!(["ping"]), json!(["set_level", "debug"]), json!(["subscribe", "test://watched-resource"])],
            json!([
                ["call", "test_sampling", { "prompt": "Say something" }],
                ["call", "test_elicitation", { "message": "Who are you?" }],
                ["call", "test_elicitation_sep1034_defaults", {}],
            ]),
        ),
        Era::Modern => (
            vec![json!(["listen"])],
            // In the other era it logs on a stream of its own: no order holds between that and the answers.
            json!([
                ["call", "test_tool_with_logging", {}],
                ["call", "test_input_required_result_sampling", {}],
                ["call", "test_input_required_result_elicitation", {}],
                ["call", "test_input_required_result_list_roots", {}],
                ["call", "test_input_required_result_request_state", {}],
            ]),
        ),
    };
    let further = json!([
        ["call", "test_simple_text", {}],
        ["call", "test_image_content", {}],
        ["call", "test_embedded_resource", {}],
        ["call", "test_multiple_content_types", {}],
        ["call", "test_error_handling", {}],
        ["call", "no-such-tool", {}],
        ["parallel", "test_simple_text", [{}, {}, {}, {}]],
        ["progress", "test_tool_with_progress", {}],
        ["list_resources"],
        ["list_resource_templates"],
        ["read", "test://static-text"],
        ["read", "test://static-binary"],
        ["read", "test://no-such"],
        ["list_prompts"],
        ["prompt", "test_simple_prompt", {}],
        ["prompt", "test_prompt_with_arguments", { "arg1": "one", "arg2": "another" }],
        ["prompt", "no-such-prompt", {}],
        ["complete", { "type": "ref/prompt", "name": "test_prompt_with_arguments" }, "arg1", "par"],
    ]);
    for more in [json!(at_first), further, asks] {
        steps.extend(more.as_array().cloned().unwrap_or_default());
    }
    Value::Array(steps)
}

/// For npm's `server-filesystem` in `directory`, which holds `note.txt`; legacy era.
pub fn filesystem(directory: &Path) -> Value {
    let note = directory.join("note.txt");
    json!([
        ["ping"],
        ["list_tools"],
        ["call", "read_text_file", { "path": note }],
        ["call", "list_directory", { "path": directory }],
        ["call", "read_text_file", { "path": "/etc/hostname" }],
        ["call", "no-such-tool", {}],
        ["list_prompts"],
    ])
}

/// For the Python package index's `mcp-server-time`; legacy era.
pub fn time() -> Value {
    let noon = json!({ "source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo" });
    json!([
        ["ping"],
        ["list_tools"],
        // The answer holds the date: it is not compared with one of another run.
        ["call", "convert_time", noon],
        ["call", "get_current_time", { "timezone": "Nowhere/Never" }],
        ["list_resources"],
    ])
}
