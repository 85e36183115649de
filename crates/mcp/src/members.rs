//! The members of messages that are MCP's own (revisions 2025-03-26 to 2026-07-28): masking leaves them, or the message
//! would be another one.
//!
//! Ids, methods, tokens, cursors, states and names must come back as they were sent; everything else is somebody's data.
//! URIs are addresses where a client asks by them or is sent there: there it gets them whole, and the record does not. In
//! results of tools they are data like the rest. Of a tool's definition the name alone is kept: descriptions are read by
//! models, and what stands in schemas is masked like any text, while schema words look like no value.

use vidimus_core::Members;

use crate::envelope::Method;

/// What a client sends: masked for the record alone.
pub(crate) const REQUEST: &Members = &Members {
    keep: &[
        &["jsonrpc"],
        &["id"],
        &["method"],
        &["params", "name"],
        &["params", "protocolVersion"],
        &["params", "cursor"],
        &["params", "requestId"],
        &["params", "progressToken"],
        &["params", "taskId"],
        &["params", "_meta", "progressToken"],
        &["params", "_meta", "traceparent"],
        &["params", "_meta", "io.modelcontextprotocol/protocolVersion"],
        &["params", "ref", "name"],
    ],
    addresses: &[],
    roots: &[&["params", "arguments"]],
};

/// What a client answers to what a target asked: masked for the record alone.
pub(crate) const ANSWER: &Members =
    &Members { keep: &[&["jsonrpc"], &["id"]], addresses: &[], roots: &[&["result", "content"]] };

/// What a target sends by itself: notices, and requests to the client.
pub(crate) const SERVER: &Members = &Members {
    keep: &[
        &["jsonrpc"],
        &["id"],
        &["method"],
        &["params", "progressToken"],
        &["params", "progress"],
        &["params", "total"],
        &["params", "requestId"],
        &["params", "taskId"],
        &["params", "elicitationId"],
        &["params", "createdAt"],
        &["params", "lastUpdatedAt"],
        &["params", "_meta", "io.modelcontextprotocol/subscriptionId"],
        &["params", "_meta", "io.modelcontextprotocol/related-task"],
    ],
    // A page to open, a resource to read again.
    addresses: &[&["params", "url"], &["params", "uri"]],
    roots: &[&["params", "data"]],
};

/// What a target answers.
const RESULT: &Members = &Members { keep: RESULT_KEEP, addresses: &[], roots: &[&["result", "structuredContent"]] };

/// What a target answers with addresses of resources.
const RESOURCES: &Members = &Members {
    keep: RESULT_KEEP,
    addresses: &[
        &["result", "resources", "uri"],
        &["result", "resourceTemplates", "uriTemplate"],
        &["result", "contents", "uri"],
    ],
    roots: &[],
};

const RESULT_KEEP: &[&[&str]] = &[
    &["jsonrpc"],
    &["id"],
    &["error", "code"],
    &["error", "data", "vidimus/reference"],
    &["result", "protocolVersion"],
    &["result", "supportedVersions"],
    &["result", "nextCursor"],
    &["result", "requestState"],
    &["result", "resultType"],
    &["result", "ttlMs"],
    &["result", "cacheScope"],
    &["result", "taskId"],
    &["result", "createdAt"],
    &["result", "lastUpdatedAt"],
    &["result", "task", "taskId"],
    &["result", "task", "createdAt"],
    &["result", "task", "lastUpdatedAt"],
    &["result", "tools", "name"],
    &["result", "prompts", "name"],
    &["result", "prompts", "arguments", "name"],
    &["result", "_meta", "vidimus/reference"],
    &["result", "_meta", "io.modelcontextprotocol/related-task"],
    &["result", "_meta", "io.modelcontextprotocol/subscriptionId"],
];

/// Those of the answer to a method.
pub(crate) const fn of_answer(method: Method) -> &'static Members {
    match method {
        Method::ListResources | Method::ListResourceTemplates | Method::ReadResource => RESOURCES,
        _ => RESULT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_come_back_is_kept_and_content_is_not() {
        for path in [&["id"][..], &["result", "nextCursor"], &["result", "requestState"], &["result", "tools", "name"]]
        {
            assert!(of_answer(Method::CallTool).keep.contains(&path), "{path:?}");
        }
        for members in [REQUEST, ANSWER, SERVER, RESULT, RESOURCES] {
            for path in members.keep.iter().chain(members.addresses) {
                let content = ["content", "structuredContent", "text", "description", "message", "arguments"];
                let last = path.last().unwrap();
                assert!(!content.contains(last), "{path:?}");
            }
        }
        assert!(of_answer(Method::ReadResource).addresses.contains(&&["result", "contents", "uri"][..]));
        assert!(of_answer(Method::CallTool).addresses.is_empty());
    }
}
