//! The pins of a target's tools: what is read of them goes to the gate, which records what is new and says what of it is
//! accepted; that is what clients see and calls are decided by. Refused: a definition that is larger than any client can use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use vidimus_core::ToolDefinition;
use vidimus_core::canonical::{write_string, write_value};
use vidimus_core::json::{Document, Limits, Value};
use vidimus_gate::{Gate, Pins, SeenTool, Standing};

use crate::lists;
use crate::pinned::{ElementDigest, LEFT_OUT, ToolPin, fingerprint};
use crate::signs;
use crate::target::{Pinning, Target};
use crate::tools::{DefinitionsError, Tool, Tools};

/// The largest definition of one tool, in bytes of its canonical form.
const MAX_DEFINITION_BYTES: usize = 256 << 10;

/// How long the index may take to have a definition that was recorded, and how often it is asked.
const MAX_LAG: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);

/// A tool as the gateway has read it.
#[derive(Debug)]
pub(crate) struct ReadTool {
    pub(crate) definition: ToolDefinition,
    /// What a pin needs of it.
    pub(crate) pinned: Option<(ElementDigest, SeenTool)>,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str) -> Document {
        Document::parse(text.to_owned().into(), &Limits::default()).unwrap()
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
}
