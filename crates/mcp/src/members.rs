//! The members of messages that are MCP's own (revisions 2025-03-26 to 2026-07-28), method by method: masking leaves them,
//! or the message would be another one.
//!
//! What is kept for the record too is the protocol's vocabulary, or was checked before: revisions, and what the gateway
//! writes itself. Whatever a client or a target may choose is an address at most: ids, tokens, cursors, states, names and
//! URIs come back to the other side as they were sent, and in the record a value in one of them is masked, in the name of
//! a tool that its server has listed too. Under the same name in the message of another method it is somebody's data like the rest, in results
//! of tools above all. Of a tool's definition the name alone is left: descriptions are read by models, and what stands in
//! schemas is masked like any text, while schema words look like no value.

use vidimus_core::Members;

use crate::envelope::Method;

type Path = &'static [&'static str];

const JSONRPC: Path = &["jsonrpc"];
const ID: Path = &["id"];
const METHOD: Path = &["method"];
const CODE: Path = &["error", "code"];

/// What a client sends and an answer to it, checked to be of the revision that the gateway speaks.
const REVISION: Path = &["params", "_meta", "io.modelcontextprotocol/protocolVersion"];

/// Where somebody's own document begins in what a client sends.
const ARGUMENTS: &[Path] = &[&["params", "arguments"]];

/// What a client sends: masked for the record alone.
const REQUEST: &Members = &Members { keep: &[JSONRPC, METHOD, REVISION], addresses: &[], roots: ARGUMENTS };

/// With a revision that the gateway has put there, or speaks.
const HELLO: &Members =
    &Members { keep: &[JSONRPC, METHOD, &["params", "protocolVersion"]], addresses: &[], roots: ARGUMENTS };

/// Those of what a client sends, once the gateway knows that it may be sent.
pub(crate) const fn of_request(method: Method) -> &'static Members {
    match method {
        Method::Initialize => HELLO,
        _ => REQUEST,
    }
}

/// What a client answers to what a target asked: masked for the record alone.
pub(crate) const ANSWER: &Members = &Members { keep: &[JSONRPC], addresses: &[], roots: &[&["result", "content"]] };

/// What the gateway answers itself.
pub(crate) const OWN: &Members = &Members {
    keep: &[JSONRPC, CODE, &["error", "data", "vidimus/reference"], &["result", "_meta", "vidimus/reference"]],
    addresses: &[ID],
    roots: &[],
};

/// The token by which a client tells of progress with what it is asked.
const PROGRESS_OF: Path = &["params", "_meta", "progressToken"];
const SUBSCRIPTION: Path = &["params", "_meta", "io.modelcontextprotocol/subscriptionId"];
const RELATED_TASK: Path = &["params", "_meta", "io.modelcontextprotocol/related-task", "taskId"];

/// What a target sends by itself: notices, and requests to the client.
pub(crate) const fn of_server(method: Method) -> &'static Members {
    match method {
        Method::Elicit => ELICIT,
        Method::ElicitationComplete => ELICITED,
        Method::Progress => PROGRESS,
        Method::Cancelled => CANCELLED,
        Method::ResourceUpdated => UPDATED,
        Method::TaskStatus => TASK,
        Method::LogMessage => LOG,
        _ => SERVER,
    }
}

const SERVER: &Members =
    &Members { keep: &[JSONRPC, METHOD], addresses: &[ID, PROGRESS_OF, SUBSCRIPTION, RELATED_TASK], roots: &[] };

/// The page to open, and what it is called when it is done with.
const ELICIT: &Members = &Members {
    keep: SERVER.keep,
    addresses: &[ID, PROGRESS_OF, RELATED_TASK, &["params", "elicitationId"], &["params", "url"]],
    roots: &[],
};

const ELICITED: &Members =
    &Members { keep: SERVER.keep, addresses: &[SUBSCRIPTION, &["params", "elicitationId"]], roots: &[] };

const PROGRESS: &Members = &Members {
    keep: SERVER.keep,
    addresses: &[RELATED_TASK, &["params", "progressToken"], &["params", "progress"], &["params", "total"]],
    roots: &[],
};

const CANCELLED: &Members =
    &Members { keep: SERVER.keep, addresses: &[SUBSCRIPTION, &["params", "requestId"]], roots: &[] };

/// A resource to read again.
const UPDATED: &Members = &Members { keep: SERVER.keep, addresses: &[SUBSCRIPTION, &["params", "uri"]], roots: &[] };

const TASK: &Members = &Members {
    keep: SERVER.keep,
    addresses: &[
        SUBSCRIPTION,
        &["params", "taskId"],
        &["params", "createdAt"],
        &["params", "lastUpdatedAt"],
        &["params", "inputRequests", "*", "params", "elicitationId"],
        &["params", "inputRequests", "*", "params", "url"],
    ],
    roots: &[],
};

const LOG: &Members = &Members { keep: SERVER.keep, addresses: SERVER.addresses, roots: &[&["params", "data"]] };

/// What a target asks inside a result: the request alone.
pub(crate) const INPUT_REQUEST: &Members =
    &Members { keep: &[METHOD], addresses: &[&["params", "elicitationId"], &["params", "url"]], roots: &[] };

/// What a target asks inside an error: one page to open.
pub(crate) const PAGE: &Members =
    &Members { keep: &[], addresses: &[&["elicitationId"], &["url"], &["mode"]], roots: &[] };

/// An error that wants pages opened.
pub(crate) const PAGES: &Members = &Members {
    keep: &[JSONRPC],
    addresses: &[
        ID,
        CODE,
        &["error", "data", "elicitations", "elicitationId"],
        &["error", "data", "elicitations", "url"],
    ],
    roots: &[],
};

// The members of results in the modern era: what any has, and what asks the client for something.
const TYPE: Path = &["result", "resultType"];
const TTL: Path = &["result", "ttlMs"];
const SCOPE: Path = &["result", "cacheScope"];
const STATE: Path = &["result", "requestState"];
const ASKED_ID: Path = &["result", "inputRequests", "*", "params", "elicitationId"];
const ASKED_URL: Path = &["result", "inputRequests", "*", "params", "url"];
const RESULT_TASK: Path = &["result", "_meta", "io.modelcontextprotocol/related-task", "taskId"];

const CURSOR: Path = &["result", "nextCursor"];
const RESOURCES: [Path; 2] = [&["result", "resources", "uri"], &["result", "resourceTemplates", "uriTemplate"]];
const CONTENTS: Path = &["result", "contents", "uri"];
const TOOLS: Path = &["result", "tools", "name"];
const PROMPTS: [Path; 2] = [&["result", "prompts", "name"], &["result", "prompts", "arguments", "name"]];

/// Where somebody's own document begins in a tool's result, and in the same under the task that it came of.
const STRUCTURED: &[Path] = &[&["result", "structuredContent"], &["result", "result", "structuredContent"]];

/// An answer with these addresses besides those that every answer has.
macro_rules! answer {
    ($($address:expr),*) => {
        &Members { keep: &[JSONRPC], addresses: &[ID, CODE, $($address),*], roots: STRUCTURED }
    };
}

/// The revision is one that the gateway speaks.
const WELCOME: &Members =
    &Members { keep: &[JSONRPC, &["result", "protocolVersion"]], addresses: &[ID, CODE], roots: STRUCTURED };

/// Those of a target's answer to a method.
pub(crate) const fn of_answer(method: Method, is_modern: bool) -> &'static Members {
    if is_modern { of_modern_answer(method) } else { of_legacy_answer(method) }
}

const fn of_legacy_answer(method: Method) -> &'static Members {
    match method {
        Method::Initialize => WELCOME,
        Method::ListTools => answer!(CURSOR, TOOLS),
        Method::ListPrompts => answer!(CURSOR, PROMPTS[0], PROMPTS[1]),
        Method::ListResources => answer!(CURSOR, RESOURCES[0]),
        Method::ListResourceTemplates => answer!(CURSOR, RESOURCES[1]),
        Method::ReadResource => answer!(CONTENTS),
        _ => answer!(),
    }
}

const fn of_modern_answer(method: Method) -> &'static Members {
    match method {
        Method::Discover => answer!(TYPE, TTL, SCOPE, &["result", "supportedVersions"]),
        Method::ListTools => answer!(TYPE, TTL, SCOPE, CURSOR, TOOLS),
        Method::ListPrompts => answer!(TYPE, TTL, SCOPE, CURSOR, PROMPTS[0], PROMPTS[1]),
        Method::ListResources => answer!(TYPE, TTL, SCOPE, CURSOR, RESOURCES[0]),
        Method::ListResourceTemplates => answer!(TYPE, TTL, SCOPE, CURSOR, RESOURCES[1]),
        Method::ReadResource => answer!(TYPE, TTL, SCOPE, STATE, ASKED_ID, ASKED_URL, CONTENTS),
        Method::GetPrompt => answer!(TYPE, TTL, SCOPE, STATE, ASKED_ID, ASKED_URL),
        Method::CallTool | Method::GetTask | Method::CancelTask | Method::UpdateTask => answer!(
            TYPE,
            TTL,
            SCOPE,
            STATE,
            ASKED_ID,
            ASKED_URL,
            RESULT_TASK,
            &["result", "taskId"],
            &["result", "createdAt"],
            &["result", "lastUpdatedAt"],
            &["result", "task", "taskId"],
            &["result", "task", "createdAt"],
            &["result", "task", "lastUpdatedAt"],
            &["result", "task", "inputRequests", "*", "params", "elicitationId"],
            &["result", "task", "inputRequests", "*", "params", "url"]
        ),
        Method::ListenSubscriptions => answer!(TYPE, &["result", "_meta", "io.modelcontextprotocol/subscriptionId"]),
        _ => answer!(TYPE, TTL, SCOPE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<(Method, &'static Members)> {
        use Method::*;
        let methods = [
            CallTool,
            CancelTask,
            Complete,
            Discover,
            GetPrompt,
            GetTask,
            Initialize,
            ListPrompts,
            ListResourceTemplates,
            ListResources,
            ListTools,
            ListenSubscriptions,
            Ping,
            ReadResource,
            UpdateTask,
        ];
        let answers = methods
            .into_iter()
            .flat_map(|method| [(method, of_answer(method, false)), (method, of_answer(method, true))]);
        let sent = [CreateMessage, Elicit, ElicitationComplete, LogMessage, Progress, ResourceUpdated, TaskStatus];
        answers
            .chain(methods.map(|method| (method, of_request(method))))
            .chain(sent.map(|method| (method, of_server(method))))
            .chain([(Ping, ANSWER), (Ping, OWN), (Elicit, INPUT_REQUEST), (Elicit, PAGE), (Elicit, PAGES)])
            .collect()
    }

    #[test]
    fn what_a_peer_chooses_is_kept_from_the_record() {
        let chosen =
            ["id", "cursor", "nextCursor", "requestState", "progressToken", "taskId", "uri", "url", "requestId"];
        for (method, members) in all() {
            for path in members.keep {
                assert!(!chosen.contains(path.last().unwrap()), "{method:?}: {path:?}");
            }
            for path in members.keep.iter().chain(members.addresses) {
                let content = ["content", "structuredContent", "text", "description", "message", "arguments"];
                assert!(!content.contains(path.last().unwrap()), "{method:?}: {path:?}");
            }
        }
        for method in [Method::CallTool, Method::GetPrompt] {
            assert!(
                !of_request(method).keep.contains(&&["params", "name"][..]),
                "a server names it as it likes: {method:?}"
            );
        }
    }

    #[test]
    fn what_is_the_protocols_in_one_method_is_data_in_another() {
        let left = |members: &Members, path: &[&str]| members.addresses.contains(&path);
        for (path, method, other) in [
            (&["result", "nextCursor"][..], Method::ListTools, Method::CallTool),
            (&["result", "tools", "name"], Method::ListTools, Method::ListPrompts),
            (&["result", "contents", "uri"], Method::ReadResource, Method::CallTool),
        ] {
            assert!(left(of_answer(method, false), path), "{path:?}");
            assert!(!left(of_answer(other, false), path), "{path:?}");
        }
        for path in
            [&["result", "requestState"][..], &["result", "taskId"], &["result", "inputRequests", "*", "params", "url"]]
        {
            assert!(left(of_answer(Method::CallTool, true), path), "{path:?}");
            assert!(!left(of_answer(Method::CallTool, false), path), "that era has none: {path:?}");
        }
        assert!(
            left(of_server(Method::Elicit), &["params", "url"])
                && !left(of_server(Method::CreateMessage), &["params", "url"])
        );
    }
}
