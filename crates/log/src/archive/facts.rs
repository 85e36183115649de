//! `session.json`: what the events of an archive say of their sessions, and nothing that they do not say.
//!
//! Written from the leaves by who makes an archive, and again by who checks it: the two texts must be equal. The one word
//! that does not follow from the leaves is whether a session's payloads are in the archive.

use std::collections::BTreeMap;

use bytes::Bytes;
use vidimus_core::canonical::ObjectWriter;
use vidimus_core::json::{Document, Limits, Value};

use crate::codec::decimal;

/// Whether the payloads of a session are in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disclosure {
    /// Every payload that its events commit to.
    Included,
    /// None: the exporter may not disclose them.
    Withheld,
    /// None: the target keeps sizes only.
    Sizes,
    /// None: the recording was erased.
    Erased,
}

impl Disclosure {
    /// The word in `session.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Included => "included",
            Self::Withheld => "withheld",
            Self::Sizes => "sizes",
            Self::Erased => "erased",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Included, Self::Withheld, Self::Sizes, Self::Erased].into_iter().find(|own| own.name() == name)
    }
}

/// The sessions of an archive, as their events tell them.
#[derive(Debug, Default)]
pub struct SessionFacts {
    /// By id.
    sessions: BTreeMap<String, Session>,
}

/// One session.
#[derive(Debug, Default)]
struct Session {
    client: Option<String>,
    closed: Option<String>,
    display: Option<String>,
    durability: Option<String>,
    opened: Option<String>,
    protocol: Option<String>,
    reason: Option<String>,
    record: Option<String>,
    target: Option<String>,
    who: Option<String>,
    denied: u64,
    events: u64,
    operations: u64,
}

impl SessionFacts {
    /// Takes the leaf of the next event. What is no JSON says nothing.
    pub fn leaf(&mut self, leaf: &[u8]) {
        if let Ok(event) = Document::parse(Bytes::copy_from_slice(leaf), &Limits::default()) {
            self.event(&event.root());
        }
    }

    /// Takes the next event.
    pub(super) fn event(&mut self, event: &Value<'_>) {
        let text = |path: &[&str]| event.at(path).and_then(|value| value.as_str()).map(std::borrow::Cow::into_owned);
        let (Some(id), Some(kind)) = (text(&["session"]), text(&["type"])) else { return };
        let session = self.sessions.entry(id).or_default();
        session.events += 1;
        match kind.as_str() {
            "session.opened" => {
                session.client = text(&["client"]);
                session.display = text(&["principal", "display"]);
                session.durability = text(&["durability"]);
                session.opened = text(&["time"]);
                session.protocol = text(&["protocol"]);
                session.record = text(&["record"]);
                session.target = text(&["target"]);
                session.who = text(&["who"]);
            }
            "session.closed" => {
                session.closed = text(&["time"]);
                session.reason = text(&["reason"]);
            }
            "operation.admitted" => session.operations += 1,
            "operation.denied" => {
                session.operations += 1;
                session.denied += 1;
            }
            _ => {}
        }
    }

    /// Whether the target of a session keeps payloads; `None` when there is no such session.
    pub fn keeps_payloads(&self, session: &str) -> Option<bool> {
        self.sessions.get(session).map(|session| session.record.as_deref() == Some("masked"))
    }

    /// The ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.sessions.keys().map(String::as_str)
    }

    /// The text of `session.json`.
    pub fn to_json(&self, disclosure: impl Fn(&str) -> Disclosure) -> Vec<u8> {
        let sessions: Vec<_> = self.sessions.iter().collect();
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        object.array("sessions", &sessions, |out, (id, session)| {
            let mut object = ObjectWriter::new(out);
            object.optional("client", session.client.as_deref()).optional("closed", session.closed.as_deref());
            object.integer("denied", session.denied).optional("display", session.display.as_deref());
            object.optional("durability", session.durability.as_deref()).integer("events", session.events);
            object.string("id", id).optional("opened", session.opened.as_deref());
            object.integer("operations", session.operations).string("payloads", disclosure(id).name());
            object.optional("protocol", session.protocol.as_deref()).optional("reason", session.reason.as_deref());
            object.optional("record", session.record.as_deref()).optional("target", session.target.as_deref());
            object.optional("who", session.who.as_deref());
            object.end();
        });
        object.end();
        out.push(b'\n');
        out
    }
}

/// A payload that an event commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) at: [u64; 3],
    pub(super) bytes: u64,
    pub(super) commitment: String,
    pub(super) name: String,
    pub(super) is_delivered_other: bool,
}

/// The payloads that an event commits to; `None` when it says so in no form of this version.
pub(super) fn committed(event: &Value<'_>) -> Option<Vec<Committed>> {
    let Some(payloads) = event.get("payloads") else { return Some(Vec::new()) };
    let integer = |value: Value<'_>| value.as_number().and_then(decimal);
    let one = |payload: Value<'_>| {
        let text = |key| Some(payload.get(key)?.as_str()?.into_owned());
        let at: Vec<u64> = payload.get("at")?.elements().map(integer).collect::<Option<_>>()?;
        Some(Committed {
            at: at.try_into().ok()?,
            bytes: integer(payload.get("bytes")?)?,
            commitment: text("commitment")?,
            name: text("name")?,
            is_delivered_other: payload.get("delivered").is_some(),
        })
    };
    payloads.elements().map(one).collect()
}
