//! The parameters a decision or a route hangs on: their presence, type and length, method by method.
//!
//! Other parameters pass as they are; the target checks them. A key that differs from a known one in letter case only
//! is refused even when it stands alone: decoders that ignore case (Go's, .NET's) would read a call out of it that
//! was never decided on.

use vidimus_core::json::{Value, same_ignoring_case};

use super::error::Problem;
use super::id::Id;
use super::method::Method;

/// The longest name of a tool or prompt (MCP 2025-11-25, "Tool Names": SHOULD be 1 to 128 characters).
pub const MAX_NAME_BYTES: usize = 512;
/// The longest URI of a resource (RFC 9110 §4.1 asks for 8000 at least).
pub const MAX_URI_BYTES: usize = 8192;

/// Resources, or tasks, that one subscription may name: policy decides on each.
const MAX_LISTENED: usize = 1_000;

/// Keys of the filter of `subscriptions/listen` (MCP 2026-07-28, "Subscriptions"), and those that hold lists of texts.
const FILTER_KEYS: &[&str] =
    &["promptsListChanged", "resourceSubscriptions", "resourcesListChanged", "taskIds", "toolsListChanged"];
const FILTER_LISTS: &[&str] = &["resourceSubscriptions", "taskIds"];
/// Keys of what `completion/complete` is about.
const REFERENCE_KEYS: &[&str] = &["name", "type", "uri"];

/// Keys of `params` that some method gives a meaning.
const PARAM_KEYS: &[&str] = &[
    "_meta",
    "argument",
    "arguments",
    "capabilities",
    "clientInfo",
    "cursor",
    "inputRequests",
    "inputResponses",
    "level",
    "mode",
    "name",
    "notifications",
    "progressToken",
    "protocolVersion",
    "ref",
    "requestId",
    "requestState",
    "task",
    "taskId",
    "uri",
    "url",
];
/// Keys of `params._meta` that the gateway reads.
const META_KEYS: &[&str] = &[
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/protocolVersion",
    "progressToken",
    "traceparent",
];

/// Checks the parameters of a method.
pub(super) fn check(method: Method, params: Option<Value<'_>>) -> Result<(), Problem> {
    let Some(params) = params else {
        return required(method).map_or(Ok(()), |key| Err(Problem::MissingParam { key }));
    };
    if !params.is_object() {
        return Err(Problem::ParamsNotObject);
    }
    refuse_case_variants(params, PARAM_KEYS)?;
    if let Some(meta) = params.get("_meta") {
        if !meta.is_object() {
            return Err(Problem::BadParam { key: "_meta" });
        }
        refuse_case_variants(meta, META_KEYS)?;
        allow(meta.get("progressToken"), "progressToken", |token| Id::read(token).is_some())?;
    }
    if let Some(key) = required(method)
        && params.get(key).is_none()
    {
        return Err(Problem::MissingParam { key });
    }
    allow(params.get("inputResponses"), "inputResponses", |responses| responses.is_object())?;
    allow(params.get("requestState"), "requestState", |state| state.as_str().is_some())?;
    match method {
        Method::CancelTask | Method::GetTask | Method::TaskStatus | Method::UpdateTask => {
            allow(params.get("taskId"), "taskId", |id| is_text(id, MAX_NAME_BYTES))
        }
        Method::ListenSubscriptions => {
            allow(params.get("notifications"), "notifications", |filter| filter.is_object())?;
            let Some(filter) = params.get("notifications") else { return Ok(()) };
            refuse_case_variants(filter, FILTER_KEYS)?;
            let texts = |list: Value<'_>| {
                list.is_array()
                    && list.elements().count() <= MAX_LISTENED
                    && list.elements().all(|text| text.as_str().is_some())
            };
            FILTER_LISTS.iter().try_for_each(|key| allow(filter.get(key), "notifications", texts))
        }
        Method::Complete => match params.get("ref") {
            Some(reference) => refuse_case_variants(reference, REFERENCE_KEYS),
            None => Ok(()),
        },
        Method::CallTool | Method::GetPrompt => {
            allow(params.get("name"), "name", |name| is_text(name, MAX_NAME_BYTES))?;
            allow(params.get("arguments"), "arguments", |arguments| arguments.is_object())?;
            // Tasks are never agreed on, so no client may ask for one: its result would come past the decision.
            allow(params.get("task"), "task", |_| false)
        }
        Method::ReadResource | Method::Subscribe | Method::Unsubscribe => {
            allow(params.get("uri"), "uri", |uri| is_text(uri, MAX_URI_BYTES))
        }
        Method::ListPrompts | Method::ListResourceTemplates | Method::ListResources | Method::ListTools => {
            allow(params.get("cursor"), "cursor", |cursor| cursor.as_str().is_some())
        }
        Method::Initialize => {
            allow(params.get("protocolVersion"), "protocolVersion", |version| is_text(version, MAX_NAME_BYTES))?;
            allow(params.get("capabilities"), "capabilities", |capabilities| capabilities.is_object())?;
            allow(params.get("clientInfo"), "clientInfo", |info| info.is_object())
        }
        Method::Cancelled => allow(params.get("requestId"), "requestId", |id| Id::read(id).is_some()),
        Method::Progress => allow(params.get("progressToken"), "progressToken", |token| Id::read(token).is_some()),
        _ => Ok(()),
    }
}

/// The known key that some key of the object differs from in letter case only.
pub(crate) fn case_variant(object: Value<'_>, known: &[&'static str]) -> Option<&'static str> {
    object
        .members()
        .filter(|(key, _)| !known.contains(&&**key))
        .find_map(|(key, _)| known.iter().find(|known| same_ignoring_case(&key, known)).copied())
}

pub(super) fn refuse_case_variants(object: Value<'_>, known: &[&'static str]) -> Result<(), Problem> {
    case_variant(object, known).map_or(Ok(()), |known| Err(Problem::CaseVariant { known }))
}

/// The parameter a method cannot do without.
const fn required(method: Method) -> Option<&'static str> {
    match method {
        Method::CallTool | Method::GetPrompt => Some("name"),
        Method::Cancelled => Some("requestId"),
        Method::CancelTask | Method::GetTask | Method::TaskStatus | Method::UpdateTask => Some("taskId"),
        Method::ListenSubscriptions => Some("notifications"),
        Method::Complete => Some("ref"),
        Method::Initialize => Some("protocolVersion"),
        Method::Progress => Some("progressToken"),
        Method::ReadResource | Method::Subscribe | Method::Unsubscribe => Some("uri"),
        Method::SetLevel => Some("level"),
        _ => None,
    }
}

fn allow(value: Option<Value<'_>>, key: &'static str, fits: impl Fn(Value<'_>) -> bool) -> Result<(), Problem> {
    if value.is_none_or(fits) { Ok(()) } else { Err(Problem::BadParam { key }) }
}

fn is_text(value: Value<'_>, longest: usize) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.len() <= longest && !text.chars().any(char::is_control))
}
