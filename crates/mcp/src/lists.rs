//! The answers to `tools/list`, `resources/list`, `resources/templates/list` and `prompts/list` (MCP 2025-11-25).
//!
//! A list is filtered by taking elements out by their spans: what stays is byte for byte the target's, unknown fields
//! included. An element that cannot be read for certain is taken out too, and counted: no name, another letter case of
//! a known key, a hint that is no boolean, the name of an element before it. A result with another letter case of the list's own key is refused whole.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use bytes::Bytes;
use vidimus_core::canonical::write_string;
use vidimus_core::json::{Document, JsonError, Limits, Replacement, SpliceError, Value, splice, without_elements};
use vidimus_core::{ErrorKind, ToolAnnotations, ToolDefinition};

use crate::envelope::{Id, ListKind, MAX_NAME_BYTES, MAX_URI_BYTES, Message, case_variant};
use crate::reply;

/// Keys of a list element that identify it or that policy reads.
const ELEMENT_KEYS: &[&str] =
    &["annotations", "description", "inputSchema", "name", "outputSchema", "uri", "uriTemplate"];
/// The hints of `ToolAnnotations`.
const HINT_KEYS: &[&str] = &["destructiveHint", "idempotentHint", "openWorldHint", "readOnlyHint"];

/// A list without what the caller may not see.
#[derive(Debug, Clone)]
pub struct Filtered {
    /// The message to pass on, parsed.
    pub document: Arc<Document>,
    /// How many elements were taken out because of `visible`.
    pub hidden: usize,
    /// How many were taken out because they could not be read.
    pub unreadable: usize,
}

/// What stands in a list in the place of an element.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    /// Nothing.
    Not,
    /// The element, byte for byte.
    AsItIs,
    /// Another one.
    Instead(Bytes),
}

/// One page of a target's tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolPage {
    /// The tools that could be read.
    pub tools: Vec<ToolDefinition>,
    /// How many could not.
    pub unreadable: usize,
    /// Where the next page is, if there is one.
    pub next_cursor: Option<String>,
}

/// An answer that is no list.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ListError {
    /// An error, no array under the list's key, or a cursor that is no string.
    #[error("the target's answer is no list of {key}")]
    NotAList {
        /// The key of the list.
        key: &'static str,
    },
    /// A key that differs from a known one in letter case only.
    #[error("the target's answer has a key that differs from {known} in letter case only")]
    CaseVariant {
        /// The known key.
        known: &'static str,
    },
    /// The filtered list does not fit together: a fault of ours.
    #[error("the filtered list could not be put together: {0}")]
    Splice(#[from] SpliceError),
    /// The filtered list is no JSON: a fault of ours.
    #[error("the filtered list is no JSON: {0}")]
    Json(#[from] JsonError),
}

impl ListError {
    /// The target's fault, or ours.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotAList { .. } | Self::CaseVariant { .. } => ErrorKind::Upstream,
            Self::Splice(_) | Self::Json(_) => ErrorKind::Internal,
        }
    }
}

/// A request for a page of a list, of the gateway's own.
pub fn request(id: &Id, kind: ListKind, cursor: Option<&str>) -> Bytes {
    let mut params = b"{".to_vec();
    if let Some(cursor) = cursor {
        params.extend_from_slice(br#""cursor":"#);
        write_string(&mut params, cursor);
    }
    params.push(b'}');
    reply::request(id, kind.method_name(), &params)
}

/// How many elements an answer to a list has.
pub fn count(message: &Message, kind: ListKind) -> Result<usize, ListError> {
    Ok(list(message, kind)?.elements().count())
}

/// Takes out of a list what `visible` does not say yes to. It is asked by name, URI or URI template. What else is to be
/// changed in the answer, outside the list, is `beside`.
pub fn filter(
    message: &Message,
    kind: ListKind,
    limits: &Limits,
    (beside, mut visible): (Option<Replacement>, impl FnMut(&str) -> bool),
) -> Result<Filtered, ListError> {
    let shown = |name: &str, _: Value<'_>| if visible(name) { Shown::AsItIs } else { Shown::Not };
    sift(message, kind, limits, (beside, shown))
}

/// The same, where `shown` says of each element what stands in its place.
pub(crate) fn sift(
    message: &Message,
    kind: ListKind,
    limits: &Limits,
    (beside, mut shown): (Option<Replacement>, impl FnMut(&str, Value<'_>) -> Shown),
) -> Result<Filtered, ListError> {
    let list = list(message, kind)?;
    let (mut hidden, mut unreadable) = (0, 0);
    let mut seen = HashSet::new();
    let mut others = Vec::new();
    let mut replacements = without_elements(list, |element| {
        let Some(name) = first_of_its_name(element, kind, &mut seen) else {
            unreadable += 1;
            return true;
        };
        match shown(&name, element) {
            Shown::AsItIs => false,
            Shown::Instead(with) => {
                others.push(Replacement { span: element.span(), with });
                false
            }
            Shown::Not => {
                hidden += 1;
                true
            }
        }
    });
    replacements.extend(others);
    replacements.extend(beside);
    replacements.sort_by_key(|replacement| replacement.span.start);
    if replacements.is_empty() {
        return Ok(Filtered { document: Arc::clone(message.document()), hidden, unreadable });
    }
    let bytes = splice(message.bytes(), &replacements)?;
    let document = Arc::new(Document::parse(bytes, limits)?);
    Ok(Filtered { document, hidden, unreadable })
}

/// Reads the tools of one page of a target's `tools/list`. `seen` are the names on the pages before: of tools with one
/// name the first counts, on whichever page it is. What is read keeps no page in memory.
pub fn tools<S: BuildHasher>(message: &Message, seen: &mut HashSet<String, S>) -> Result<ToolPage, ListError> {
    let next_cursor = next_cursor(message)?.and_then(|cursor| cursor.as_str()).map(Cow::into_owned);
    let mut page = ToolPage { tools: Vec::new(), unreadable: 0, next_cursor };
    for element in list(message, ListKind::Tools)?.elements() {
        let name = identity(element, ListKind::Tools).filter(|name| seen.insert(name.clone().into_owned()));
        match name.and_then(|name| tool(element, &name)) {
            Some(tool) => page.tools.push(tool),
            None => page.unreadable += 1,
        }
    }
    Ok(page)
}

/// The elements of a page of tools, by name; of those with one name the first, as in [`tools`].
pub(crate) fn by_name(message: &Message) -> Result<HashMap<Cow<'_, str>, usize>, ListError> {
    let mut places = HashMap::new();
    for (place, element) in list(message, ListKind::Tools)?.elements().enumerate() {
        if let Some(name) = identity(element, ListKind::Tools) {
            places.entry(name).or_insert(place);
        }
    }
    Ok(places)
}

/// The elements of a page of tools, in order.
pub(crate) fn elements(message: &Message) -> Result<Vec<Value<'_>>, ListError> {
    Ok(list(message, ListKind::Tools)?.elements().collect())
}

/// The tool that an element defines; none when it cannot be read for certain.
pub(crate) fn definition(element: Value<'_>) -> Option<ToolDefinition> {
    tool(element, &identity(element, ListKind::Tools)?)
}

/// Where the next page of any list is: a string.
pub fn next_cursor(message: &Message) -> Result<Option<Value<'_>>, ListError> {
    match message.result().and_then(|result| result.get("nextCursor")) {
        Some(cursor) if cursor.as_str().is_some() => Ok(Some(cursor)),
        Some(cursor) if !cursor.is_null() => Err(ListError::NotAList { key: "nextCursor" }),
        _ => Ok(None),
    }
}

fn list(message: &Message, kind: ListKind) -> Result<Value<'_>, ListError> {
    let not_a_list = ListError::NotAList { key: kind.key() };
    let Some(result) = message.result() else { return Err(not_a_list) };
    if let Some(known) = case_variant(result, &[kind.key(), "nextCursor"]) {
        return Err(ListError::CaseVariant { known });
    }
    result.get(kind.key()).filter(Value::is_array).ok_or(not_a_list)
}

/// What an element is decided by; none when an element before it has the same.
fn first_of_its_name<'a>(element: Value<'a>, kind: ListKind, seen: &mut HashSet<Cow<'a, str>>) -> Option<Cow<'a, str>> {
    let name = identity(element, kind)?;
    seen.insert(name.clone()).then_some(name)
}

/// What an element is decided by; none when it could be read in more than one way, or not at all.
fn identity(element: Value<'_>, kind: ListKind) -> Option<Cow<'_, str>> {
    let longest = match kind {
        ListKind::Prompts | ListKind::Tools => MAX_NAME_BYTES,
        ListKind::ResourceTemplates | ListKind::Resources => MAX_URI_BYTES,
    };
    if case_variant(element, ELEMENT_KEYS).is_some() {
        return None;
    }
    if kind == ListKind::Tools {
        annotations(element)?;
    }
    let name = element.get(kind.identity())?.as_str()?;
    (!name.is_empty() && name.len() <= longest && !name.chars().any(char::is_control)).then_some(name)
}

fn tool(element: Value<'_>, name: &str) -> Option<ToolDefinition> {
    let schema = element.get("inputSchema").filter(Value::is_object)?;
    Some(ToolDefinition {
        name: name.to_owned(),
        annotations: annotations(element)?,
        input_schema: Bytes::copy_from_slice(schema.raw().as_bytes()),
        output_schema: element.get("outputSchema").map(|schema| Bytes::copy_from_slice(schema.raw().as_bytes())),
    })
}

/// The hints, with MCP's defaults where there are none; nothing when one is not a boolean.
fn annotations(element: Value<'_>) -> Option<ToolAnnotations> {
    let defaults = ToolAnnotations::default();
    let Some(hints) = element.get("annotations") else { return Some(defaults) };
    if !hints.is_object() || case_variant(hints, HINT_KEYS).is_some() {
        return None;
    }
    let hint = |key: &str, default: bool| hints.get(key).map_or(Some(default), |value| value.as_bool());
    Some(ToolAnnotations {
        read_only: hint("readOnlyHint", defaults.read_only)?,
        destructive: hint("destructiveHint", defaults.destructive)?,
        idempotent: hint("idempotentHint", defaults.idempotent)?,
        open_world: hint("openWorldHint", defaults.open_world)?,
    })
}
