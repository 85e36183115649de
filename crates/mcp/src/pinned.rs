//! What the definition of a tool is made of, and how what a server shows stands to the accepted one.
//!
//! A definition is told from another by all members of the tool but `icons` and `_meta`: pictures, whose addresses change,
//! and notes for programs, which some servers write anew for each answer. Models read neither. What is left out of it is
//! left out of a definition that is shown in the place of another, too. Members that no revision of MCP has count like all
//! others.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use vidimus_core::canonical::write_value;
use vidimus_core::json::Value;
use vidimus_core::{Fingerprint, TargetName};

/// Members that are no part of a definition.
pub(crate) const LEFT_OUT: [&str; 2] = ["_meta", "icons"];

/// That of an element of a list as it came, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ElementDigest([u8; 32]);

/// What is known of a tool beside the definition that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolPin {
    /// The accepted definition, by its fingerprint.
    pub(crate) accepted: String,
    /// The accepted definition, as an element of a list.
    pub(crate) shown: Bytes,
    /// What the tool was when it was last read; none when that was by another process.
    pub(crate) seen: Option<(ElementDigest, String)>,
    /// Whether calls wait until somebody has accepted what the tool is now.
    pub(crate) is_held: bool,
}

/// What becomes of an element of a client's list.
pub(crate) enum Element {
    /// It is the accepted definition, and stays byte for byte.
    Accepted,
    /// It is one that the gateway has seen and that is not accepted.
    Held,
    /// It is one that the gateway has not seen.
    Other,
}

impl ToolPin {
    /// What a caller is told whose call is held.
    pub(crate) fn held_message(&self, target: &TargetName, name: &str) -> String {
        let now = match &self.seen {
            Some((_, seen)) if *seen != self.accepted => format!("it is {seen} now"),
            _ => "it has changed more than once".to_owned(),
        };
        format!(
            "the server has changed the definition of the tool `{name}`, of which {} is accepted: {now}. Calls are held until \
             somebody who may administer `{target}` has accepted it; tell the operator of this gateway: \
             vidimus tools diff {target} {name}",
            self.accepted
        )
    }

    /// What an element of a list is, whose tool this is the pin of.
    pub(crate) fn of_element(&self, element: Value<'_>) -> Element {
        let (read, seen) = self.seen.as_ref().map_or((None, None), |(read, seen)| (Some(read), Some(seen)));
        if !self.is_held && read == Some(&ElementDigest::of(element)) {
            return Element::Accepted;
        }
        let fingerprint = fingerprint(element).to_string();
        if fingerprint == self.accepted {
            Element::Accepted
        } else if seen == Some(&fingerprint) {
            Element::Held
        } else {
            Element::Other
        }
    }
}

impl ElementDigest {
    pub(crate) fn of(element: Value<'_>) -> Self {
        Self(sha256(element.raw().as_bytes()))
    }
}

/// The fingerprint of the definition that an element of a list is.
pub(crate) fn fingerprint(element: Value<'_>) -> Fingerprint {
    let mut text = Vec::with_capacity(element.raw().len());
    write_value(&mut text, element, &|key| LEFT_OUT.contains(&key));
    Fingerprint::of_digest(sha256(&text))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    // Both have 32 bytes.
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use vidimus_core::json::{Document, Limits};

    use super::*;

    fn element(text: &str) -> Document {
        Document::parse(text.to_owned().into(), &Limits::default()).unwrap()
    }

    #[test]
    fn all_but_pictures_and_notes_make_a_definition() {
        let one = element(r#"{"name":"a","description":"d","inputSchema":{"type":"object"}}"#);
        let print = |text: &str| fingerprint(element(text).root());
        for same in [
            r#"{"inputSchema":{"type":"object"},"description":"\u0064","name":"a","icons":[{"src":"x"}]}"#,
            r#"{ "name":"a","_meta":{"n":7},"description":"d","inputSchema":{ "type":"object" } }"#,
        ] {
            assert_eq!(print(same), fingerprint(one.root()), "{same}");
        }
        for other in [
            r#"{"name":"b","description":"d","inputSchema":{"type":"object"}}"#,
            r#"{"name":"a","description":"d ","inputSchema":{"type":"object"}}"#,
            r#"{"name":"a","title":"","description":"d","inputSchema":{"type":"object"}}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object","_meta":1}}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object"},"x-new":"read me"}"#,
        ] {
            assert_ne!(print(other), fingerprint(one.root()), "{other}");
        }
    }

    #[test]
    fn an_element_is_told_from_what_is_accepted() {
        let (one, other) = (r#"{"name":"a","inputSchema":{}}"#, r#"{"name":"a","inputSchema":{},"title":"B"}"#);
        let digests = |text: &str| {
            let document = element(text);
            (ElementDigest::of(document.root()), fingerprint(document.root()).to_string())
        };
        let accepted = digests(one).1;
        let mut pin = ToolPin { accepted, shown: Bytes::new(), seen: Some(digests(one)), is_held: false };
        let third = r#"{"name":"a","inputSchema":{},"title":"C"}"#;
        let spaced = r#"{ "name":"a","inputSchema":{} }"#;
        let of = |pin: &ToolPin, text: &str| match pin.of_element(element(text).root()) {
            Element::Accepted => "accepted",
            Element::Held => "held",
            Element::Other => "other",
        };
        assert_eq!([one, spaced, other].map(|text| of(&pin, text)), ["accepted", "accepted", "other"]);
        (pin.seen, pin.is_held) = (Some(digests(other)), true);
        assert_eq!([one, other, third].map(|text| of(&pin, text)), ["accepted", "held", "other"]);
        // It was seen changing too often: what it is now is held, whatever it is.
        pin.seen = Some(digests(one));
        assert_eq!([one, third].map(|text| of(&pin, text)), ["accepted", "other"]);
    }
}
