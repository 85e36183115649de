//! What the events of an archive say of their sessions (`session.json`) and of payloads, and nothing that they do not say.
//!
//! `session.json` is written from the leaves by who makes an archive, and again by who checks it: the two texts must be
//! equal. The one word in it that does not follow from the leaves is whether a session's payloads are in the archive.

use std::collections::{BTreeMap, BTreeSet};

use vidimus_core::canonical::ObjectWriter;
use vidimus_core::json::{Document, Value};

use crate::codec::decimal;

/// The name of a payload that is one part of a streamed result.
pub(super) const CHUNK: &str = "chunk";
/// The name of the one that stands for all parts.
pub(super) const CHUNKS: &str = "chunks";

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
pub(super) struct SessionFacts {
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
    /// Takes the next event.
    fn event(&mut self, event: &Value<'_>) {
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
            "operation.admitted" | "operation.held" => session.operations += 1,
            "operation.denied" => {
                session.operations += 1;
                session.denied += 1;
            }
            _ => {}
        }
    }

    /// Whether the target of a session keeps payloads; `None` when there is no such session.
    pub(super) fn keeps_payloads(&self, session: &str) -> Option<bool> {
        self.sessions.get(session).map(|session| session.record.as_deref() == Some("masked"))
    }

    /// The ids, in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.sessions.keys().map(String::as_str)
    }

    /// The text of `session.json`.
    pub(super) fn to_json(&self, disclosure: impl Fn(&str) -> Disclosure) -> Vec<u8> {
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

/// The events of an archive, as far as the rest of it must follow from them.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) facts: SessionFacts,
    /// By session.
    pub(super) commits: BTreeMap<String, Commits>,
}

/// The payloads that the events of one session commit to.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// Entry, `seq` and payload of everything committed to.
    pub(super) payloads: Vec<(u64, u64, Committed)>,
    /// The intents of the outcomes that commit to parts, by the outcome's `seq`.
    pub(super) intents: BTreeMap<u64, u64>,
    /// The same intents, and `seq` and place of the payloads.
    parts_of: BTreeSet<u64>,
    places: BTreeSet<(u64, [u64; 3])>,
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

impl Events {
    /// Takes the next event, or says what is wrong with its payloads.
    pub(super) fn take(&mut self, index: u64, event: &Document) -> Result<(), &'static str> {
        let root = event.root();
        self.facts.event(&root);
        let (Some(session), Some(seq)) = (
            root.get("session").and_then(|value| value.as_str()),
            root.get("seq").and_then(|value| value.as_number()).and_then(decimal),
        ) else {
            // Who checks completeness has said so already.
            return Ok(());
        };
        let payloads = committed(&root).ok_or("another form")?;
        let commits = self.commits.entry(session.into_owned()).or_default();
        // Each part is looked at for one event only, or a small archive is much work.
        match payloads.iter().filter(|payload| payload.name == CHUNKS).count() {
            0 => {}
            1 => {
                let intent = root.at(&["operation", "intent"]).and_then(|value| value.as_number()).and_then(decimal);
                let intent = intent.ok_or("parts of no operation")?;
                if !commits.parts_of.insert(intent) {
                    return Err("the parts of one operation twice");
                }
                commits.intents.insert(seq, intent);
            }
            _ => return Err("the parts of its result twice"),
        }
        for payload in payloads {
            if !commits.places.insert((seq, payload.at)) {
                return Err("two payloads at one place");
            }
            commits.payloads.push((index, seq, payload));
        }
        Ok(())
    }
}

impl Commits {
    /// Whether an event commits to the payload of this name, `seq` and place.
    pub(super) fn includes(&self, name: &str, seq: u64, at: [u64; 3]) -> bool {
        if name == CHUNK { self.parts_of.contains(&seq) } else { self.places.contains(&(seq, at)) }
    }
}

/// The payloads that an event commits to; `None` when it says so in no form of this version.
fn committed(event: &Value<'_>) -> Option<Vec<Committed>> {
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
