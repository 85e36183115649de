//! What a target's results of the modern era become for the client (MCP 2026-07-28, "Caching", "Discovery", "Multi
//! Round-Trip Requests"): changed by their spans, or as they are.
//!
//! Lists depend on who asks, so none is for shared caches, and none is kept for long: policy may change.

use std::borrow::Cow;

use bytes::Bytes;
use vidimus_core::json::{
    Document, Replacement, SpliceError, Value, same_ignoring_case, splice, without_elements, without_members,
};

use super::REVISION;
use crate::changed;
use crate::envelope::{Method, case_variant};
use crate::initialize::Revision;

/// How long clients may keep what depends on policy, in milliseconds.
const MAX_TTL_MILLISECONDS: u32 = 60_000;

/// Where extensions are declared.
const EXTENSIONS: &str = "extensions";

/// The extension that the gateway can inspect; of others it would not know what passes.
const KNOWN_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// Keys of results that the gateway acts on.
const RESULT_KEYS: &[&str] = &[
    "cacheScope",
    "capabilities",
    "inputRequests",
    "nextCursor",
    "prompts",
    "requestState",
    "resources",
    "resourceTemplates",
    "resultType",
    "supportedVersions",
    "task",
    "taskId",
    "tools",
    "ttlMs",
];

/// What kind of result it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultKind {
    /// The request was carried out.
    Complete,
    /// The target needs something of the client first.
    InputRequired,
    /// A task was made.
    Task,
}

/// What kind of result it is; `None` for one that could be read in two ways, or that the gateway does not know.
pub(crate) fn kind(result: Value<'_>) -> Option<ResultKind> {
    let objects = [Some(result), result.get("task")];
    if objects.into_iter().flatten().any(|object| case_variant(object, RESULT_KEYS).is_some()) {
        return None;
    }
    match result.get("resultType") {
        None => Some(ResultKind::Complete),
        Some(kind) => match kind.as_str()?.as_ref() {
            "complete" => Some(ResultKind::Complete),
            "input_required" => Some(ResultKind::InputRequired),
            "task" => Some(ResultKind::Task),
            _ => None,
        },
    }
}

/// Keys of results by which a client of this era is asked for something.
const ASKING_KEYS: &[&str] = &["inputRequests", "requestState", "resultType"];

/// Whether a result of a session of another era has what belongs to this one: some clients act on it in any.
pub(crate) fn is_of_another_era(result: Value<'_>) -> bool {
    let has = |key: &&str| result.get(key).is_some_and(|value| !(*key == "resultType" && value.is_string("complete")));
    ASKING_KEYS.iter().any(has) || case_variant(result, ASKING_KEYS).is_some()
}

/// Whether a target may ask for input in the answer to this method ("Supported Requests").
pub(crate) const fn may_require_input(method: Method) -> bool {
    matches!(method, Method::CallTool | Method::GetPrompt | Method::ReadResource)
}

/// The task that a result made.
pub(crate) fn task_id(result: Value<'_>) -> Option<Cow<'_, str>> {
    result.get("taskId").or_else(|| result.get("task")?.get("taskId"))?.as_str()
}

/// A result as it may go to the client: for its caches alone, and for a short time.
pub(crate) fn cached(document: &Document) -> Result<Bytes, SpliceError> {
    let result = document.root().get("result");
    let member = |key: &str| result.and_then(|result| result.get(key));
    let mut replacements = Vec::new();
    if let Some(scope) = member("cacheScope").filter(|scope| !scope.is_string("private")) {
        replacements.push(Replacement { span: scope.span(), with: Bytes::from_static(br#""private""#) });
    }
    let is_short = |ttl: &Value<'_>| ttl.raw().parse::<u32>().is_ok_and(|ttl| ttl <= MAX_TTL_MILLISECONDS);
    if let Some(ttl) = member("ttlMs").filter(|ttl| !is_short(ttl)) {
        replacements.push(Replacement { span: ttl.span(), with: MAX_TTL_MILLISECONDS.to_string().into() });
    }
    replacements.sort_by_key(|replacement| replacement.span.start);
    splice(document.bytes(), &replacements)
}

/// What a target says of itself, without the revisions and extensions that the gateway does not speak, and with changes of
/// lists, of which the gateway tells.
pub(crate) fn discovered(bytes: &Bytes, result: Value<'_>) -> Result<Bytes, SpliceError> {
    let is_spoken = |version: Value<'_>| {
        version.as_str().is_some_and(|version| version == REVISION || Revision::parse(&version).is_some())
    };
    let mut replacements = result
        .get("supportedVersions")
        .map(|versions| without_elements(versions, |version| !is_spoken(version)))
        .unwrap_or_default();
    if let Some(capabilities) = result.get("capabilities") {
        let is_twin = |key: &str| key != EXTENSIONS && same_ignoring_case(key, EXTENSIONS);
        replacements.extend(without_members(capabilities, is_twin));
        if let Some(extensions) = capabilities.get(EXTENSIONS) {
            replacements.extend(without_members(extensions, |extension| extension != KNOWN_EXTENSION));
        }
        replacements.extend(changed::declared(capabilities));
    }
    replacements.sort_by_key(|replacement| replacement.span.start);
    splice(bytes, &replacements)
}
