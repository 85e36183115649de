//! What a message asks for, as the gate is told of it.

use std::sync::Arc;

use vidimus_core::Action;

use crate::call::Expected;
use crate::envelope::{Id, Message, MessageKind, Method};

/// The answer that a message wants.
pub(super) fn expected(message: &Message) -> Expected {
    match message.kind() {
        MessageKind::Request { id, method } => Expected::Response { id: id.clone(), method: *method },
        MessageKind::Notification { .. } | MessageKind::Response { .. } => Expected::Nothing,
    }
}

/// Whether a message asks for a list from a cursor on.
pub(super) fn is_continued(message: &Message) -> bool {
    message.params().and_then(|params| params.get("cursor")).is_some_and(|cursor| !cursor.is_null())
}

/// The token by which the client wants to be told of a request's progress.
pub(super) fn progress(message: &Message) -> Option<Id> {
    message.params().and_then(|params| params.at(&["_meta", "progressToken"])).and_then(Id::read)
}

/// The action policy decides on; none for what is not offered.
pub(super) fn action(message: &Message) -> Option<Action> {
    let owned = |text: std::borrow::Cow<'_, str>| Arc::from(&*text);
    match message.method()? {
        // Subscribing to a resource and completing its URI disclose what reading it does.
        Method::Subscribe | Method::Unsubscribe => message.uri().map(owned).map(Action::ResourceRead),
        Method::Complete => {
            let reference = message.params()?.get("ref")?;
            let text = |key: &str| reference.get(key).and_then(|value| value.as_str()).map(owned);
            match reference.get("type")?.as_str()?.as_ref() {
                "ref/prompt" => text("name").map(Action::PromptGet),
                "ref/resource" => text("uri").map(Action::ResourceRead),
                _ => None,
            }
        }
        _ => message.action(),
    }
}

/// The method of an operation that is decided as another one.
pub(super) fn method_beside_action(message: &Message) -> Option<&'static str> {
    match message.method()? {
        Method::Subscribe => Some("resources/subscribe"),
        Method::Unsubscribe => Some("resources/unsubscribe"),
        Method::Complete => Some("completion/complete"),
        _ => None,
    }
}
