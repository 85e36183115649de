//! Pins on this side: what the definition of a tool is made of, and what the accepted one is shown and decided by.
//!
//! A definition is told from another by all members of the tool but `icons` and `_meta`: pictures, whose addresses change,
//! and notes for programs, which some servers write anew for each answer. Models read neither. What is left out of it is
//! left out of a definition that is shown in the place of another, too. Members that no revision of MCP has count like all
//! others. Refused: a definition that is larger than any client can use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use tokio::time::Instant;
use vidimus_core::canonical::{write_string, write_value};
use vidimus_core::json::{Document, Limits, Value};
use vidimus_core::{Fingerprint, TargetName, ToolDefinition};
use vidimus_gate::{Gate, Pins, SeenTool, Standing};

use crate::lists;
use crate::signs;
use crate::target::Target;
use crate::tools::{DefinitionsError, Tool, Tools};

/// The largest definition of one tool, in bytes of its canonical form.
const MAX_DEFINITION_BYTES: usize = 256 << 10;

/// How long the index may take to have a definition that was recorded, and how often it is asked.
const MAX_LAG: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);

/// Members that are no part of a definition.
const LEFT_OUT: [&str; 2] = ["_meta", "icons"];

/// Whether a target's definitions are pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pinning {
    /// They are not: whatever the target shows holds at once.
    Off,
    /// The first definition of a tool is trusted, later ones wait to be accepted.
    #[default]
    Record,
    /// Each definition waits to be accepted, the first one too.
    Strict,
}

impl Pinning {
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Record => "record",
            Self::Strict => "strict",
        }
    }
}

/// A tool as the gateway has read it.
#[derive(Debug)]
pub(crate) struct ReadTool {
    pub(crate) definition: ToolDefinition,
    /// What a pin needs of it.
    pub(crate) pinned: Option<(ElementDigest, SeenTool)>,
}

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
    seen: Option<(ElementDigest, String)>,
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
    fn of(element: Value<'_>) -> Self {
        Self(sha256(element.raw().as_bytes()))
    }
}

/// The tool that an element of a list defines, with what its pin needs; `masked` is the same element as it may be recorded.
/// None when it is too large.
pub(crate) fn read(definition: ToolDefinition, element: Value<'_>, masked: Value<'_>) -> Option<ReadTool> {
    let mut text = Vec::new();
    write_value(&mut text, masked, &|key| key == "name" || LEFT_OUT.contains(&key));
    if text.len() > MAX_DEFINITION_BYTES || element.raw().len() > 2 * MAX_DEFINITION_BYTES {
        tracing::warn!(bytes = text.len(), "a tool is withheld: its definition is too large");
        return None;
    }
    let seen = SeenTool {
        name: definition.name.as_str().into(),
        fingerprint: fingerprint(element),
        // Canonical JSON is text.
        text: String::from_utf8(text).ok()?,
        signs: signs::of(element),
    };
    Some(ReadTool { definition, pinned: Some((ElementDigest::of(element), seen)) })
}

/// What holds of a target's tools now that they have been read: what is new is on record then.
pub(crate) async fn settle(
    gate: &Gate,
    target: &Target,
    tools: Vec<ReadTool>,
) -> Result<HashMap<String, Tool>, DefinitionsError> {
    let mut by_name = HashMap::with_capacity(tools.len());
    let mut seen = Vec::with_capacity(tools.len());
    let mut read = Vec::with_capacity(tools.len());
    for ReadTool { definition, pinned } in tools {
        match pinned {
            Some((element, tool)) => {
                seen.push(tool.clone());
                read.push((definition, element, tool));
            }
            None => drop(by_name.insert(definition.name.clone(), Tool::free(definition))),
        }
    }
    let pins = gate.pins();
    if target.pins == Pinning::Off {
        return Ok(by_name);
    }
    let standings = pins.saw(&target.spec, target.pins == Pinning::Record, seen).await;
    let standings = standings.map_err(|error| DefinitionsError::Refused(error.to_string()))?;
    for ((definition, element, tool), standing) in read.into_iter().zip(standings) {
        let name = definition.name.clone();
        let seen = tool.fingerprint.to_string();
        let settled = match standing {
            Standing::New => Tool::hidden(),
            Standing::Accepted => {
                let (accepted, shown) = (seen.clone(), element_of(&name, &tool.text));
                Tool::pinned(definition, ToolPin { accepted, shown, seen: Some((element, seen)), is_held: false })
            }
            Standing::Changed(accepted) => {
                let (held, shown) = match known(target, &name, &accepted) {
                    Some(known) => known,
                    None => stored(&pins, target, &name, &accepted).await?,
                };
                Tool::pinned(held, ToolPin { accepted, shown, seen: Some((element, seen)), is_held: true })
            }
        };
        by_name.insert(name, settled);
    }
    Ok(by_name)
}

/// The accepted definitions of a target as an earlier process has left them, for as long as the target does not answer.
pub(crate) async fn left(gate: &Gate, target: &Target) -> Option<HashMap<String, Tool>> {
    if target.pins == Pinning::Off {
        return None;
    }
    let pins = gate.pins();
    let accepted = pins.of(&target.spec.name).into_iter().filter(|(_, pin)| !pin.is_gone);
    let accepted: Vec<_> =
        accepted.filter_map(|(tool, pin)| Some((tool, pin.accepted?, pin.pending.is_some()))).collect();
    let wanted = accepted.iter().map(|(tool, accepted, _)| (tool.clone(), accepted.clone())).collect();
    let found = pins.definitions(&target.spec.name, wanted).await;
    let found = found.inspect_err(|error| tracing::error!(%error, "the pins cannot be read")).ok()?;
    let mut by_name = HashMap::new();
    for ((tool, accepted, is_held), stored) in accepted.into_iter().zip(found) {
        // One whose name is not told is known again when its server is.
        let Some(stored) = stored.filter(|_| Pins::key(&target.spec, &tool) == tool) else { continue };
        let shown = element_of(&tool, &stored.text);
        let Some(definition) = defined(&shown) else { continue };
        by_name.insert(tool, Tool::pinned(definition, ToolPin { accepted, shown, seen: None, is_held }));
    }
    (!by_name.is_empty()).then_some(by_name)
}

/// What is known already of a tool whose accepted definition this is.
fn known(target: &Target, name: &str, accepted: &str) -> Option<(ToolDefinition, Bytes)> {
    let tools: Arc<Tools> = target.tools.known()?;
    let (definition, pin) = tools.pin(name)?;
    (pin.accepted == accepted).then(|| (definition.clone(), pin.shown.clone()))
}

/// The accepted definition of a tool out of the index, which may take a moment to have it.
async fn stored(
    pins: &Pins,
    target: &Target,
    name: &str,
    accepted: &str,
) -> Result<(ToolDefinition, Bytes), DefinitionsError> {
    let started = Instant::now();
    let key = Pins::key(&target.spec, name);
    loop {
        let found = pins.definitions(&target.spec.name, vec![(key.clone(), accepted.to_owned())]).await;
        let found = found.map_err(|error| DefinitionsError::Refused(error.to_string()))?;
        if let Some(stored) = found.into_iter().next().flatten() {
            let shown = element_of(name, &stored.text);
            let lost = || DefinitionsError::Refused(format!("the accepted definition of `{name}` is none any more"));
            return Ok((defined(&shown).ok_or_else(lost)?, shown));
        }
        if started.elapsed() >= MAX_LAG {
            let text = "the index lacks an accepted definition: look at `vidimus log status`".to_owned();
            return Err(DefinitionsError::Refused(text));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A definition as an element of a list: the name, which is not told in it, before the rest.
fn element_of(name: &str, text: &str) -> Bytes {
    let mut element = br#"{"name":"#.to_vec();
    write_string(&mut element, name);
    let rest = text.strip_prefix('{').unwrap_or("}");
    if rest != "}" {
        element.push(b',');
    }
    element.extend_from_slice(rest.as_bytes());
    element.into()
}

fn defined(element: &Bytes) -> Option<ToolDefinition> {
    let document = Document::parse(element.clone(), &Limits::default()).ok()?;
    lists::definition(document.root())
}

fn fingerprint(element: Value<'_>) -> Fingerprint {
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
    fn what_is_stored_comes_back_as_an_element() {
        let text = r#"{"name":"a\"b","icons":[],"description":"d","inputSchema":{"type":"object"}}"#;
        let document = element(text);
        let definition = lists::definition(document.root()).unwrap();
        let read = read(definition.clone(), document.root(), document.root()).unwrap();
        let (_, seen) = read.pinned.unwrap();
        assert_eq!(seen.text, r#"{"description":"d","inputSchema":{"type":"object"}}"#);
        let shown = element_of(&seen.name, &seen.text);
        assert_eq!(shown, r#"{"name":"a\"b","description":"d","inputSchema":{"type":"object"}}"#);
        assert_eq!(defined(&shown), Some(definition));
        assert_eq!(element_of("a", "{}"), r#"{"name":"a"}"#);
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
