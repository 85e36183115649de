//! The lists whose changes the gateway tells of, in the messages of both eras: what a server's capabilities say of them,
//! what a subscription asks for and what its acknowledgement promises (MCP 2025-11-25, "List Changed Notification" of
//! tools, prompts and resources; 2026-07-28, "Subscriptions"). `tell` notices changes and tells of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use vidimus_core::json::{Replacement, SpliceError, Value, splice};

use crate::envelope::{ListKind, Message, Method};

/// The key of a capability that says that changes of its list are told.
const LIST_CHANGED: &str = "listChanged";

/// A list that policy filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) kind: ListKind,
    /// What is sent when it has changed.
    pub(crate) method: Method,
    pub(crate) method_name: &'static str,
    /// The capability of servers that have it.
    capability: &'static str,
    /// The key by which a subscription asks for its changes.
    filter: &'static str,
}

/// Those lists. Templates are not filtered.
pub(crate) const LISTS: [List; 3] = [
    List {
        kind: ListKind::Tools,
        method: Method::ToolsChanged,
        method_name: "notifications/tools/list_changed",
        capability: "tools",
        filter: "toolsListChanged",
    },
    List {
        kind: ListKind::Prompts,
        method: Method::PromptsChanged,
        method_name: "notifications/prompts/list_changed",
        capability: "prompts",
        filter: "promptsListChanged",
    },
    List {
        kind: ListKind::Resources,
        method: Method::ResourcesChanged,
        method_name: "notifications/resources/list_changed",
        capability: "resources",
        filter: "resourcesListChanged",
    },
];

/// What a client was last shown of each list, as a digest; none of what it has not asked for.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<[Option<u64>; LISTS.len()]>);

impl Shown {
    fn lock(&self) -> MutexGuard<'_, [Option<u64>; LISTS.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot<'a>(shown: &'a mut [Option<u64>; LISTS.len()], list: &List) -> Option<&'a mut Option<u64>> {
        shown.iter_mut().zip(LISTS).find(|(_, known)| known == list).map(|(slot, _)| slot)
    }

    pub(crate) fn get(&self, list: &List) -> Option<u64> {
        Self::slot(&mut self.lock(), list).copied().flatten()
    }

    pub(crate) fn set(&self, list: &List, digest: u64) {
        if let Some(slot) = Self::slot(&mut self.lock(), list) {
            *slot = Some(digest);
        }
    }
}

/// Says in a server's capabilities that changes of the lists it has are told: by the gateway, if not by itself.
pub(crate) fn declared(capabilities: Value<'_>) -> Vec<Replacement> {
    let lists = LISTS.iter().filter_map(|list| capabilities.get(list.capability));
    lists.filter_map(|capability| with_true(capability, LIST_CHANGED)).collect()
}

/// The lists of whose changes a subscription asks to be told.
pub(crate) fn asked(message: &Message) -> Vec<List> {
    let filter = message.params().and_then(|params| params.get("notifications"));
    let is_asked = |list: &&List| filter.and_then(|filter| filter.get(list.filter)).and_then(|asked| asked.as_bool());
    LISTS.iter().filter(|list| is_asked(list) == Some(true)).copied().collect()
}

/// The server's acknowledgement of a subscription, with what the gateway itself will tell.
pub(crate) fn acknowledged(message: &Message, lists: &[List]) -> Result<Bytes, SpliceError> {
    let honoured = message.params().and_then(|params| params.get("notifications")).filter(Value::is_object);
    let Some(honoured) = honoured else { return Ok(message.bytes().clone()) };
    let mut replacements = Vec::new();
    let mut added = String::new();
    for list in lists {
        match honoured.get(list.filter) {
            Some(value) if value.as_bool() == Some(true) => {}
            Some(value) => replacements.push(Replacement { span: value.span(), with: Bytes::from_static(b"true") }),
            None => {
                let comma = if added.is_empty() { "" } else { "," };
                added = format!("{added}{comma}\"{}\":true", list.filter);
            }
        }
    }
    if !added.is_empty() {
        replacements.push(inserted(honoured, added));
    }
    replacements.sort_by_key(|replacement| replacement.span.start);
    splice(message.bytes(), &replacements)
}

/// What makes a member of an object true.
fn with_true(object: Value<'_>, key: &str) -> Option<Replacement> {
    match object.get(key) {
        _ if !object.is_object() => None,
        Some(value) if value.as_bool() == Some(true) => None,
        Some(value) => Some(Replacement { span: value.span(), with: Bytes::from_static(b"true") }),
        None => Some(inserted(object, format!("\"{key}\":true"))),
    }
}

/// Puts members before those that an object has.
fn inserted(object: Value<'_>, mut members: String) -> Replacement {
    let start = object.span().start + 1;
    if object.entries().next().is_some() {
        members.push(',');
    }
    Replacement { span: start..start, with: members.into() }
}

#[cfg(test)]
mod tests {
    use vidimus_core::json::Limits;

    use super::*;
    use crate::envelope::Sender;

    fn message(sender: Sender, text: &str) -> Message {
        Message::parse(text.to_owned().into(), sender, &Limits::default()).unwrap()
    }

    #[test]
    fn capabilities_say_that_changes_are_told() {
        for (capabilities, expected) in [
            (r#"{"tools":{}}"#, r#"{"tools":{"listChanged":true}}"#),
            (
                r#"{ "resources": { "subscribe":true },"logging":{},"prompts":{"listChanged":false},"tools":{"listChanged":true}}"#,
                r#"{ "resources": {"listChanged":true, "subscribe":true },"logging":{},"prompts":{"listChanged":true},"tools":{"listChanged":true}}"#,
            ),
            (r#"{"tools":null,"prompts":[]}"#, r#"{"tools":null,"prompts":[]}"#),
        ] {
            let text = Bytes::from(capabilities);
            let document = vidimus_core::json::Document::parse(text.clone(), &Limits::default()).unwrap();
            let mut replacements = declared(document.root());
            replacements.sort_by_key(|replacement| replacement.span.start);
            assert_eq!(splice(&text, &replacements).unwrap(), expected);
        }
    }

    #[test]
    fn an_acknowledgement_holds_what_was_asked_for() {
        let request = message(
            Sender::Client,
            r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":false}}}"#,
        );
        let lists = asked(&request);
        assert_eq!(lists, LISTS[..2]);
        let acknowledge = |notifications: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{notifications}}}}}"#
            );
            let bytes = acknowledged(&message(Sender::Server, &text), &lists).unwrap();
            message(Sender::Server, std::str::from_utf8(&bytes).unwrap())
                .params()
                .unwrap()
                .get("notifications")
                .unwrap()
                .raw()
                .to_owned()
        };
        let both = r#"{"toolsListChanged":true,"promptsListChanged":true}"#;
        assert_eq!(acknowledge("{}"), both);
        assert_eq!(acknowledge(both), both);
        assert_eq!(
            acknowledge(r#"{"promptsListChanged":false,"taskIds":[]}"#),
            r#"{"toolsListChanged":true,"promptsListChanged":true,"taskIds":[]}"#
        );
    }
}
