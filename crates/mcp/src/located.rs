//! Where resources are, as one client of the endpoint for all targets was listed them, and what was looked for in vain.
//!
//! Each client has its own, so that nothing that a target lists to one leads another astray, or tells it what there is.
//! Of resources hashes are kept under keys of the client's own, of templates the text. All of it is bounded in bytes: a
//! target that lists too much is forgotten first, and is asked again.

use std::collections::hash_map::{HashMap, RandomState};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use vidimus_core::TargetName;

/// Bytes that are kept of one target, and of all of one client.
const MAX_TARGET_BYTES: usize = 320 << 10;
const MAX_BYTES: usize = 2 << 20;

/// What one resource takes, about.
const RESOURCE_BYTES: usize = 16;

/// URIs that no target had, that are kept, and for how long.
const MAX_ABSENT: usize = 1_024;
const ABSENT_FOR: Duration = Duration::from_secs(10);

/// The least time between the end of one look at all targets and the beginning of the next.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What one client was listed.
pub(crate) struct Located {
    hasher: RandomState,
    known: Mutex<Known>,
    /// Held while all targets are looked at.
    pub(crate) turn: Semaphore,
}

#[derive(Default)]
struct Known {
    targets: BTreeMap<TargetName, Listed>,
    bytes: usize,
    absent: HashMap<u64, Instant>,
    look: Option<Look>,
}

#[derive(Default)]
struct Listed {
    resources: HashSet<u64>,
    templates: BTreeSet<Box<str>>,
    bytes: usize,
}

/// A look at the lists of all targets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
}

impl Default for Located {
    fn default() -> Self {
        Self { hasher: RandomState::new(), known: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl Located {
    /// A target has listed the URI of a resource, or a template of URIs.
    pub(crate) fn enter(&self, target: &TargetName, text: &str, is_template: bool) {
        let hash = self.hasher.hash_one(text);
        let mut known = self.known();
        let Known { targets, bytes, .. } = &mut *known;
        let listed = targets.entry(target.clone()).or_default();
        if if is_template { listed.templates.contains(text) } else { listed.resources.contains(&hash) } {
            return;
        }
        let more = if is_template { text.len() } else { RESOURCE_BYTES };
        if listed.bytes + more > MAX_TARGET_BYTES || *bytes + more > MAX_BYTES {
            *bytes -= listed.bytes;
            *listed = Listed::default();
        }
        if *bytes + more > MAX_BYTES {
            return;
        }
        listed.bytes += more;
        *bytes += more;
        if is_template {
            listed.templates.insert(text.into());
        } else {
            listed.resources.insert(hash);
        }
    }

    /// Whether a target has listed just this.
    pub(crate) fn has(&self, target: &TargetName, text: &str) -> bool {
        let hash = self.hasher.hash_one(text);
        let known = self.known();
        known.targets.get(target).is_some_and(|own| own.resources.contains(&hash) || own.templates.contains(text))
    }

    /// How many bytes of a URI are those that stand before the first variable of a target's template; none if of none.
    pub(crate) fn fit(&self, target: &TargetName, uri: &str) -> Option<usize> {
        let known = self.known();
        let fixed = |template: &str| template.split('{').next().filter(|fixed| uri.starts_with(fixed)).map(str::len);
        known.targets.get(target)?.templates.iter().filter_map(|template| fixed(template)).max()
    }

    /// Whether no target had this just now.
    pub(crate) fn is_absent(&self, uri: &str) -> bool {
        let hash = self.hasher.hash_one(uri);
        self.known().absent.get(&hash).is_some_and(|since| since.elapsed() < ABSENT_FOR)
    }

    /// No target has this.
    pub(crate) fn set_absent(&self, uri: &str) {
        let hash = self.hasher.hash_one(uri);
        let mut known = self.known();
        if known.absent.len() >= MAX_ABSENT {
            known.absent.retain(|_, since| since.elapsed() < ABSENT_FOR);
        }
        if known.absent.len() < MAX_ABSENT {
            known.absent.insert(hash, Instant::now());
        }
    }

    /// The last look at all targets.
    pub(crate) fn look(&self) -> Option<Look> {
        self.known().look
    }

    /// All targets were looked at, since `begun`.
    pub(crate) fn looked(&self, begun: Instant) {
        self.known().look = Some(Look { begun, ended: Instant::now() });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> TargetName {
        name.parse().unwrap()
    }

    #[test]
    fn each_target_has_what_it_listed() {
        let (located, one, two) = (Located::default(), target("one"), target("two"));
        located.enter(&one, "note://1", false);
        located.enter(&two, "note://{id}", true);
        located.enter(&two, "note://long/{id}", true);
        assert!(located.has(&one, "note://1") && !located.has(&two, "note://1"));
        assert!(located.has(&two, "note://{id}") && !located.has(&one, "note://{id}"));
        assert_eq!((located.fit(&two, "note://long/3"), located.fit(&two, "note://3")), (Some(12), Some(7)));
        assert_eq!((located.fit(&one, "note://3"), located.fit(&two, "file://3")), (None, None));
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_target_makes_itself_forgotten_first() {
        let (located, quiet) = (Located::default(), target("quiet"));
        located.enter(&quiet, "note://1", false);
        let template = |number: usize| format!("{number:0>1000}{{id}}");
        for loud in (0..20).map(|number| target(&format!("loud{number}"))) {
            for number in 0..400 {
                located.enter(&loud, &template(number), true);
                located.enter(&loud, &template(number), true);
            }
            let known = located.known();
            assert!(known.targets.values().all(|own| own.bytes <= MAX_TARGET_BYTES) && known.bytes <= MAX_BYTES);
            assert_eq!(known.targets.values().map(|own| own.bytes).sum::<usize>(), known.bytes);
        }
        assert!(located.has(&quiet, "note://1"));
        for number in 0..2 * MAX_ABSENT {
            located.set_absent(&template(number));
        }
        assert!(located.is_absent(&template(0)) && located.known().absent.len() == MAX_ABSENT);
    }
}
