//! The rules of pins told a second time, and random logs of them.

use std::collections::BTreeMap;

use serde_json::Value;
use vidimus_core::TargetName;
use vidimus_core::event::{Body, Definition, Pin as Step, PinStep};
use vidimus_store::{ControlStore as _, Pin, StoredDefinition};

use super::{Backend, Model, PEOPLE, Random, SEEDS, event, slices};

const TOOLS: [&str; 2] = ["refund", "#0a"];
const FINGERPRINTS: [&str; 3] = ["sha256:00", "sha256:01", "sha256:02"];

/// The pins and the definitions that they name, from all events at once.
type Told = (Vec<(TargetName, String, Pin)>, BTreeMap<(String, String), StoredDefinition>);

pub(super) fn replayed(events: &[Value]) -> Told {
    let (mut pins, mut definitions) = (BTreeMap::<String, Pin>::new(), BTreeMap::new());
    for event in events {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(tool) = text(&event["definition"]["tool"]) {
            let told = &event["definition"];
            let parts: &mut BTreeMap<u64, Value> =
                definitions.entry((tool, text(&told["fingerprint"]).unwrap())).or_default();
            parts.insert(told["part"].as_u64().unwrap(), told.clone());
        }
        let detail = &event["pin"];
        let Some(tool) = text(&detail["tool"]) else { continue };
        let before = pins.get(&tool).cloned().unwrap_or_default();
        let about = text(&detail["fingerprint"]);
        let mut pin = before.clone();
        let is_first = before.version == 0;
        let taken = match event["type"].as_str().unwrap() {
            "pin.recorded" if is_first && about.is_some() => {
                let is_trusted = detail["accepted"] == detail["fingerprint"];
                *(if is_trusted { &mut pin.accepted } else { &mut pin.pending }) = about;
                true
            }
            "pin.changed" if !is_first && about.is_some() && about != before.accepted => {
                (pin.pending, pin.is_gone) = (about, false);
                true
            }
            "pin.gone" if !is_first && !before.is_gone => {
                (pin.pending, pin.is_gone) = (None, true);
                true
            }
            "pin.restored" if about.is_some() && about == before.accepted => {
                (pin.pending, pin.is_gone) = (None, false);
                true
            }
            "pin.accepted" if about.is_some() && about == before.pending && event["who"].is_string() => {
                (pin.accepted, pin.pending, pin.accepted_by) = (about, None, text(&event["who"]));
                true
            }
            _ => false,
        };
        if taken && detail["expects"] == before.version {
            (pin.version, pin.since) = (before.version + 1, text(&event["time"]).unwrap());
            definitions
                .retain(|(of, print), _| *of != tool || [&pin.accepted, &pin.pending].contains(&&Some(print.clone())));
            pins.insert(tool, pin);
        }
    }
    let whole = definitions.into_iter().filter_map(|(key, parts): (_, BTreeMap<u64, Value>)| {
        let signs = parts.values().flat_map(|part| part["signs"].as_array().unwrap().clone());
        let signs = signs.map(|sign| sign.as_str().unwrap().to_owned()).collect();
        let text = parts.values().map(|part| part["text"].as_str().unwrap()).collect();
        parts.values().all(|part| part["of"] == parts.len()).then_some((key, StoredDefinition { text, signs }))
    });
    let target: TargetName = "crm".parse().unwrap();
    (pins.into_iter().map(|(tool, pin)| (target.clone(), tool, pin)).collect(), whole.collect())
}

/// Random steps; of eight one names a version beside the right one.
fn log(random: &mut Random) -> Vec<Vec<u8>> {
    let mut leaves: Vec<Vec<u8>> = Vec::new();
    for index in 0..=random.below(80) {
        let tool = TOOLS[random.below(TOOLS.len())];
        let fingerprint = FINGERPRINTS[random.below(FINGERPRINTS.len())];
        let events: Vec<Value> = leaves.iter().map(|leaf| serde_json::from_slice(leaf).unwrap()).collect();
        let version = replayed(&events).0.iter().find(|(_, own, _)| own == tool).map_or(0, |(_, _, pin)| pin.version);
        let step = PinStep::ALL[random.below(PinStep::ALL.len())];
        let body = if random.below(3) == 0 {
            let (part, of) = (random.below(2) as u64, 1 + random.below(2) as u64);
            Body::Defined(Definition { tool, fingerprint, part, of, text: "{\"a\"", signs: &["ansi", "secrecy"] })
        } else {
            Body::Pin(Step {
                step,
                tool,
                expects: version.saturating_add_signed([0, 0, 0, 0, 0, 0, -1, 1][random.below(8)]),
                fingerprint: (step != PinStep::Gone).then_some(fingerprint),
                accepted: (random.below(2) == 0).then_some(fingerprint),
                replaced: None,
                left_out: 0,
            })
        };
        leaves.push(event(index, (random.below(4) > 0).then_some(PEOPLE[0]), body));
    }
    leaves
}

fn told(state: &impl vidimus_store::ControlState) -> Told {
    let mut definitions = BTreeMap::new();
    for (tool, fingerprint) in TOOLS.iter().flat_map(|tool| FINGERPRINTS.map(|fingerprint| (*tool, fingerprint))) {
        if let Some(definition) = state.definition("crm", tool, fingerprint).unwrap() {
            definitions.insert((tool.to_owned(), fingerprint.to_owned()), definition);
        }
    }
    (state.pins().unwrap(), definitions)
}

pub(super) fn it_says_what_the_model_says<B: Backend>() {
    for seed in 1..=SEEDS {
        let random = &mut Random(seed);
        let leaves = log(random);
        let (all, cut) = (slices(&leaves), random.below(leaves.len()));
        let mut model = Model::default();
        model.apply(0, &all).unwrap();
        let expected = told(&model.state().unwrap());
        let backend = B::new();
        let mut store = backend.open();
        store.apply(0, &all[..cut]).unwrap();
        store.apply(cut as u64, &all[cut..]).unwrap();
        assert_eq!(told(&store.state().unwrap()), expected, "seed {seed}");
        store.clear().unwrap();
        assert_eq!(told(&store.state().unwrap()), Told::default());
        store.apply(0, &all).unwrap();
        assert_eq!(told(&store.state().unwrap()), expected, "made again, seed {seed}");
    }
}
