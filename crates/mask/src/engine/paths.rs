//! What paths name, remembered: in JSON and in rows the same few come again and again.
//!
//! A path is known by its innermost names in full, so another that shares a place with it takes nothing from it, and by
//! the engine that was asked. Few paths are remembered, and no long ones: whoever chooses the keys fills a few kilobytes.

use super::context::{NEAR_SEGMENTS, Path};
use crate::class::ClassSet;

/// Paths that are remembered, at most.
const MAX_PATHS: usize = 32;

/// Bytes of a path that is remembered, at most.
const MAX_BYTES: usize = 96;

/// Ends every name; no UTF-8 has it.
const END: u8 = 0xFF;

/// What the paths that were asked for last name in one engine.
#[derive(Debug, Default)]
pub(super) struct Paths {
    engine: u64,
    known: Vec<Known>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    /// The names that count, the innermost first.
    path: Vec<u8>,
    named: ClassSet,
}

impl Paths {
    /// What a path names, by `name` if it is not known yet. Engines are told apart by a number.
    pub(super) fn named(&mut self, engine: u64, path: &Path<'_>, name: impl FnOnce() -> ClassSet) -> ClassSet {
        if self.engine != engine {
            self.known.clear();
            self.engine = engine;
        }
        let place = place(path);
        if let Some(known) = self.known.get(place).filter(|known| known.is(path)) {
            return known.named;
        }
        let named = name();
        if names(path).map(|name| name.len() + 1).sum::<usize>() <= MAX_BYTES {
            if self.known.is_empty() {
                self.known.resize(MAX_PATHS, Known::default());
            }
            if let Some(slot) = self.known.get_mut(place) {
                slot.path.clear();
                for name in names(path) {
                    slot.path.extend_from_slice(name.as_bytes());
                    slot.path.push(END);
                }
                slot.named = named;
            }
        }
        named
    }
}

impl Known {
    fn is(&self, path: &Path<'_>) -> bool {
        let mut rest = &*self.path;
        for name in names(path) {
            let Some(behind) = rest.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(&[END])) else {
                return false;
            };
            rest = behind;
        }
        rest.is_empty()
    }
}

/// The names of a path that count.
fn names<'p>(path: &Path<'p>) -> impl Iterator<Item = &'p str> {
    path.iter().rev().take(NEAR_SEGMENTS).copied()
}

/// Where a path is remembered: by its innermost name, which most differ in.
fn place(path: &Path<'_>) -> usize {
    let name = path.last().map_or(&[][..], |name| name.as_bytes());
    let byte = |byte: Option<&u8>| byte.copied().map_or(0, usize::from);
    (name.len() + 5 * byte(name.first()) + 11 * byte(name.last())) % MAX_PATHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::ClassId;

    fn set(class: u16) -> ClassSet {
        let mut set = ClassSet::EMPTY;
        set.insert(ClassId(class));
        set
    }

    #[test]
    fn a_path_is_remembered_by_all_of_its_names_and_for_one_engine() {
        let mut paths = Paths::default();
        assert_eq!(paths.named(1, &["a", "ssn"], || set(1)), set(1));
        assert_eq!(paths.named(1, &["a", "ssn"], || panic!("known")), set(1));
        assert_eq!(paths.named(1, &["x", "b", "a", "ssn"], || set(2)), set(2), "three names count");
        assert_eq!(paths.named(1, &["y", "b", "a", "ssn"], || panic!("known")), set(2));
        assert_eq!(paths.named(1, &["b", "assn"], || set(3)), set(3));
        assert_eq!(paths.named(1, &["ba", "ssn"], || set(4)), set(4), "where a name ends counts");
        assert_eq!(paths.named(2, &["ba", "ssn"], || set(5)), set(5), "another engine");
        let long = "s".repeat(MAX_BYTES);
        assert_eq!(paths.named(2, &[&long], || set(6)), set(6));
        assert_eq!(paths.named(2, &[&long], || set(7)), set(7), "too long to be remembered");
    }
}
