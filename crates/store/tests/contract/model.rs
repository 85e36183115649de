//! The rules of custody told a second time, over a list of steps in memory: what every store is compared with.
//!
//! It shares no code with the stores: events are read as JSON, and the state is made from all steps at each question.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value;
use vidimus_core::{SessionId, TargetName};
use vidimus_store::{
    ControlState, ControlStore, Custody, Erasure, Outcome, Pin, Request, StoreError, StoredDefinition,
};

/// The events of a log, those that are none as null.
#[derive(Default)]
pub(super) struct Model {
    events: Rc<RefCell<Vec<Value>>>,
}

/// What reads them.
pub(super) struct ModelState {
    events: Rc<RefCell<Vec<Value>>>,
}

impl ControlStore for Model {
    type State = ModelState;

    fn applied(&self) -> u64 {
        self.events.borrow().len() as u64
    }

    fn apply(&mut self, first_index: u64, leaves: &[&[u8]]) -> Result<(), StoreError> {
        let applied = self.applied();
        if first_index > applied {
            return Err(StoreError::Gap { applied, offered: first_index });
        }
        let known = usize::try_from(applied - first_index).unwrap();
        let fresh = leaves.iter().skip(known).map(|leaf| serde_json::from_slice(leaf).unwrap_or_default());
        self.events.borrow_mut().extend(fresh);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.events.borrow_mut().clear();
        Ok(())
    }

    fn state(&self) -> Result<ModelState, StoreError> {
        Ok(ModelState { events: Rc::clone(&self.events) })
    }
}

impl ControlState for ModelState {
    fn custody(&self, session: SessionId) -> Result<Custody, StoreError> {
        Ok(self.replayed(session).0)
    }

    fn outcome(&self, leaf: u64) -> Result<Option<Outcome>, StoreError> {
        let place = usize::try_from(leaf).unwrap();
        let session = self.events.borrow().get(place).and_then(subject);
        Ok(session.and_then(|session| {
            self.replayed(session).1.into_iter().find(|(at, _)| *at == place).map(|(_, outcome)| outcome)
        }))
    }

    fn erasures_under_way(&self) -> Result<Vec<SessionId>, StoreError> {
        let mut sessions: Vec<SessionId> = self.events.borrow().iter().filter_map(subject).collect();
        sessions.sort_unstable_by_key(|session| *session.as_bytes());
        sessions.dedup();
        sessions.retain(|session| matches!(self.replayed(*session).0.erasure, Erasure::Confirmed { .. }));
        Ok(sessions)
    }

    fn pins(&self) -> Result<Vec<(TargetName, String, Pin)>, StoreError> {
        Ok(super::pins::replayed(&self.events.borrow()).0)
    }

    fn definition(&self, _: &str, tool: &str, fingerprint: &str) -> Result<Option<StoredDefinition>, StoreError> {
        let told = super::pins::replayed(&self.events.borrow()).1;
        Ok(told.get(&(tool.to_owned(), fingerprint.to_owned())).cloned())
    }
}

/// Whose recording an event is about, when it is about one.
fn subject(event: &Value) -> Option<SessionId> {
    event["custody"]["session"].as_str()?.parse().ok()
}

impl ModelState {
    fn replayed(&self, session: SessionId) -> (Custody, Vec<(usize, Outcome)>) {
        let (mut custody, mut outcomes) = (Custody::default(), Vec::new());
        for (place, event) in self.events.borrow().iter().enumerate() {
            if subject(event) != Some(session) {
                continue;
            }
            let next = (event["custody"]["expects"] == custody.version).then(|| taken(&custody, event)).flatten();
            outcomes.push((place, if next.is_some() { Outcome::Applied } else { Outcome::Void }));
            if let Some((hold, erasure)) = next {
                custody = Custody { version: custody.version + 1, hold, erasure };
            }
        }
        (custody, outcomes)
    }
}

/// What a step at the right version makes of a custody: the hold and how far the erasure is.
fn taken(custody: &Custody, event: &Value) -> Option<(Option<String>, Erasure)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (detail, who, time) = (&event["custody"], text(&event["who"]), event["time"].as_str()?);
    let reason = text(&detail["reason"])?;
    let is_held = custody.hold.is_some();
    let is_untouched = matches!(custody.erasure, Erasure::None | Erasure::Requested(_));
    match event["type"].as_str()? {
        "admin.hold_added" if !is_held && is_untouched => Some((Some(reason), Erasure::None)),
        "admin.hold_removed" if is_held => Some((None, custody.erasure.clone())),
        "admin.erase_requested" if !is_held && is_untouched => {
            Some((None, Erasure::Requested(Request { by: who?, reason, expires: text(&detail["expires"])? })))
        }
        "admin.erase_confirmed" if !is_held && is_untouched => {
            let by_person = text(&detail["confirmed_by"]);
            if by_person.is_some() {
                let Erasure::Requested(request) = &custody.erasure else { return None };
                let is_in_time = time < request.expires.as_str();
                if who.as_deref().is_none_or(|who| who == request.by) || !is_in_time {
                    return None;
                }
            }
            let requested_by = text(&detail["requested_by"]);
            Some((None, Erasure::Confirmed { requested_by, confirmed_by: by_person, reason }))
        }
        "recording.erased" if matches!(custody.erasure, Erasure::Confirmed { .. }) => {
            Some((custody.hold.clone(), Erasure::Erased))
        }
        _ => None,
    }
}
