//! The lists whose changes the gateway tells of, in the messages of both eras: what a server's capabilities say of them,
//! what a subscription asks for and what its acknowledgement promises (MCP 2025-11-25, "List Changed Notification" of
//! tools, prompts and resources; 2026-07-28, "Subscriptions"). `tell` notices changes and tells of them.

use std::sync::{Mutex, PoisonError};

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
    pub(crate) filter: &'static str,
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

/// What was shown in a session of each list, as digests; none of what was not asked for.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<[Option<Digests>; LISTS.len()]>);

#[derive(Debug, Clone, Copy)]
struct Digests {
    /// What was shown first since somebody began to listen.
    first: u64,
    /// What was shown last.
    last: u64,
}

impl Shown {
    /// The list was shown; in a session that several clients may share, one of them may still know what was shown before.
    pub(crate) fn set(&self, list: &List, digest: u64, is_shared: bool) {
        self.with(list, |slot| {
            let first = slot.filter(|_| is_shared).map_or(digest, |before| before.first);
            *slot = Some(Digests { first, last: digest });
        });
    }

    /// Whether the list was ever shown.
    pub(crate) fn contains(&self, list: &List) -> bool {
        self.with(list, |slot| slot.is_some())
    }

    /// What who begins to listen may know of the list that is not `now`: then it is to be told.
    pub(crate) fn begin(&self, list: &List, now: u64) -> Option<u64> {
        self.with(list, |slot| {
            let Digests { first, last } = (*slot)?;
            *slot = Some(Digests { first: last, last });
            [first, last].into_iter().find(|digest| *digest != now)
        })
    }

    fn with<T: Default>(&self, list: &List, work: impl FnOnce(&mut Option<Digests>) -> T) -> T {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = shown.iter_mut().zip(LISTS).find(|(_, known)| known == list);
        slot.map(|(slot, _)| work(slot)).unwrap_or_default()
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
pub(crate) fn inserted(object: Value<'_>, members: impl Into<Vec<u8>>) -> Replacement {
    let mut members = members.into();
    let start = object.span().start + 1;
    if object.entries().next().is_some() {
        members.push(b',');
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
    fn who_begins_to_listen_is_told_unless_everybody_was_shown_the_list_as_it_is() {
        let [list, other, _] = LISTS;
        let shown = Shown::default();
        assert_eq!((shown.contains(&list), shown.begin(&list, 1)), (false, None), "nobody asked for it");
        shown.set(&list, 1, true);
        assert_eq!((shown.begin(&list, 1), shown.begin(&list, 2), shown.contains(&other)), (None, Some(1), false));
        // Another client of the same name reads it first.
        shown.set(&list, 2, true);
        assert_eq!((shown.begin(&list, 2), shown.begin(&list, 2)), (Some(1), None), "told once too often at most");
        shown.set(&list, 3, true);
        assert_eq!(shown.begin(&list, 2), Some(3), "what was changed back");
        // The only client of its session knows what it was shown last.
        shown.set(&list, 4, false);
        assert_eq!((shown.begin(&list, 4), shown.begin(&list, 5)), (None, Some(4)));
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
