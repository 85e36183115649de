//! Pins on the gateway's socket: `/v1/pins`, `/v1/pins/{target}`, `/v1/pins/{target}/{tool}`, and POST to
//! `/v1/pins/{target}/{tool}/acceptance?fingerprint=…`. Definitions travel as they are stored: canonical and masked, without
//! the tool's name.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use vidimus_core::{Principal, TargetName};
use vidimus_gate::{PinError, Pins, ViewError};
use vidimus_store::{Pin, StoredDefinition};

use crate::api;

/// The path of all pins.
pub(crate) const PINS: &str = "/v1/pins";

/// The answer to `/v1/pins` and `/v1/pins/{target}`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PinList {
    /// By target and tool.
    pub(crate) pins: Vec<PinState>,
}

/// How a tool stands, and the answer to an acceptance.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PinState {
    pub(crate) target: String,
    pub(crate) tool: String,
    /// `accepted`, `changed`, `new` or `gone`.
    pub(crate) state: String,
    pub(crate) since: String,
    /// The accepted definition, and who accepted it if it was not trusted at first sight.
    pub(crate) accepted: Option<Told>,
    pub(crate) accepted_by: Option<String>,
    /// The definition that waits to be accepted.
    pub(crate) pending: Option<Told>,
}

/// A definition.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// `sha256:…`
    pub(crate) fingerprint: String,
    /// Signs of hidden instructions, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) signs: Vec<String>,
    /// Where one tool was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) definition: Option<Box<RawValue>>,
}

impl PinState {
    fn new(target: &TargetName, tool: String, pin: Pin) -> Self {
        let state = match &pin {
            Pin { is_gone: true, .. } => "gone",
            Pin { accepted: None, .. } => "new",
            Pin { pending: Some(_), .. } => "changed",
            Pin { .. } => "accepted",
        };
        let told = |fingerprint| Told { fingerprint, signs: Vec::new(), definition: None };
        Self {
            target: target.to_string(),
            tool,
            state: state.to_owned(),
            since: pin.since,
            accepted: pin.accepted.map(told),
            accepted_by: pin.accepted_by,
            pending: pin.pending.map(told),
        }
    }
}

/// The pins of a target, or of all; of one tool with its definitions.
pub(crate) async fn list(pins: &Pins, target: Option<&TargetName>, tool: Option<&str>) -> Result<PinList, ViewError> {
    let mut states = Vec::new();
    for (target, own) in pins.all().into_iter().filter(|(name, _)| target.is_none_or(|target| target == name)) {
        let wanted = own.into_iter().filter(|(name, _)| tool.is_none_or(|tool| tool == name));
        let mut of_target: Vec<_> = wanted.map(|(name, pin)| PinState::new(&target, name, pin)).collect();
        describe(pins, &target, &mut of_target, tool.is_some()).await?;
        states.append(&mut of_target);
    }
    Ok(PinList { pins: states })
}

/// Adds the signs of definitions, and the definitions themselves where `is_whole`.
async fn describe(pins: &Pins, target: &TargetName, states: &mut [PinState], is_whole: bool) -> Result<(), ViewError> {
    let mut told: Vec<(&str, &mut Told)> = Vec::new();
    for PinState { tool, accepted, pending, .. } in states {
        told.extend(accepted.iter_mut().chain(pending).map(|told| (tool.as_str(), told)));
    }
    let wanted = told.iter().map(|(tool, told)| ((*tool).to_owned(), told.fingerprint.clone())).collect();
    let found = pins.definitions(target, wanted).await?;
    for ((_, told), stored) in told.into_iter().zip(found) {
        // The index may be a second behind.
        let Some(StoredDefinition { text, signs }) = stored else { continue };
        told.signs = signs;
        told.definition = RawValue::from_string(text).ok().filter(|_| is_whole);
    }
    Ok(())
}

/// Accepts what a query names.
pub(crate) async fn accept(
    pins: &Pins,
    principal: &Principal,
    (target, tool): (&TargetName, &str),
    query: &str,
) -> Result<PinState, PinError> {
    let prefix = query.strip_prefix("fingerprint=").and_then(api::decode).unwrap_or_default();
    let pin = pins.accept(principal, target, tool, &prefix).await?;
    Ok(PinState::new(target, tool.to_owned(), pin))
}
