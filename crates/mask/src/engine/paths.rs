//! What paths tell, remembered: in JSON and in rows the same few come again and again, and below them values that differ in
//! their digits only.
//!
//! A path is known by its innermost names in full, so another that shares a place with it takes nothing from it, and by
//! the engine that was asked. Few paths are remembered, and no long ones: whoever chooses the keys fills a few kilobytes.

use super::candidates::Candidates;
use super::context::{HASH_BASIS, NEAR_SEGMENTS, Path, hash_step};
use crate::bits::Alike;
use crate::class::ClassSet;

/// Paths that are remembered, at most.
const MAX_PATHS: usize = 64;

/// Bytes of a path that is remembered, at most.
const MAX_BYTES: usize = 96;

/// Texts that are remembered for each path, by all but their digits.
const MAX_ALIKE: usize = 2;

/// Texts of a path of which it could not be told what those like them hold, until it is no longer asked.
const MAX_UNTOLD: usize = 16;

/// Ends every name; no UTF-8 has it.
const END: u8 = 0xFF;

/// What a path tells of the values that it leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The classes that its names name.
    pub(super) named: ClassSet,
    /// Whether its last name may say what a value is as a whole.
    pub(super) is_keyed: bool,
}

/// What the paths that were asked for last tell in one engine.
#[derive(Debug, Default)]
pub(super) struct Paths {
    engine: u64,
    known: Vec<Known>,
    /// What the path told that was asked for last, if it is none to remember.
    passing: Told,
    /// The place of the path that was asked for last, if it is remembered.
    last: Option<usize>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    /// The names that count, the innermost first.
    path: Vec<u8>,
    told: Told,
    /// The place of the path that came after it last time: objects of a document are mostly alike.
    next: usize,
    /// Where shapes may begin in texts below it, whatever their digits are, and which of them is forgotten next.
    alike: [(Alike, Candidates); MAX_ALIKE],
    oldest: usize,
    /// Texts below it of which that could not be told.
    untold: usize,
}

impl Paths {
    /// What a path tells, by `tell` if it is not known yet. Engines are told apart by a number.
    pub(super) fn told(&mut self, engine: u64, path: &Path<'_>, tell: impl FnOnce() -> Told) -> &Told {
        if path.is_empty() {
            self.last = None;
            self.passing = Told::default();
            return &self.passing;
        }
        if self.engine != engine {
            self.known.clear();
            (self.engine, self.last) = (engine, None);
        }
        if self.known.is_empty() {
            self.known.resize(MAX_PATHS, Known::default());
        }
        let before = self.last.take();
        let guess = before.and_then(|before| self.known.get(before)).map_or(0, |known| known.next);
        if self.known.get(guess).is_some_and(|known| known.is(path)) {
            self.last = Some(guess);
            return self.known.get(guess).map_or(&self.passing, |known| &known.told);
        }
        // Each path has two places, so that two that share one do not take it from each other again and again.
        let place = place(path);
        let is_known = |known: &[Known]| known.get(place).is_some_and(|known| known.is(path));
        let mut found = is_known(&self.known);
        if !found {
            self.known.swap(place, place ^ 1);
            found = is_known(&self.known);
        }
        let Some(slot) = self.known.get_mut(place) else { return &self.passing };
        if !found {
            let told = tell();
            if names(path).map(|name| name.len() + 1).sum::<usize>() > MAX_BYTES {
                self.passing = told;
                return &self.passing;
            }
            slot.path.clear();
            for name in names(path) {
                slot.path.extend_from_slice(name.as_bytes());
                slot.path.push(END);
            }
            (slot.told, slot.next, slot.untold) = (told, 0, 0);
            slot.alike = Default::default();
        }
        self.last = Some(place);
        if let Some(known) = before.and_then(|before| self.known.get_mut(before)) {
            known.next = place;
        }
        self.known.get(place).map_or(&self.passing, |known| &known.told)
    }

    /// Where shapes may begin in a text below the path that was asked for last, if one like it was remembered.
    pub(super) fn candidates(&self, text: &Alike) -> Option<Candidates> {
        let known = self.known.get(self.last?)?;
        known.alike.iter().find(|(known, _)| known == text).map(|(_, candidates)| *candidates)
    }

    /// Remembers where shapes may begin in texts like one below the path that was asked for last, if `tell` can say. Where
    /// that cannot be told of many, it is no longer asked.
    pub(super) fn remember(&mut self, text: Alike, tell: impl FnOnce() -> Option<Candidates>) {
        let known = self.last.and_then(|last| self.known.get_mut(last));
        let Some(known) = known.filter(|known| known.untold < MAX_UNTOLD) else { return };
        let Some(candidates) = tell() else {
            known.untold += 1;
            return;
        };
        if let Some(slot) = known.alike.get_mut(known.oldest) {
            *slot = (text, candidates);
        }
        known.oldest = (known.oldest + 1) % MAX_ALIKE;
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
    name.iter().fold(HASH_BASIS, |hash, byte| hash_step(hash, *byte)) % MAX_PATHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::ClassId;

    fn told(class: u16) -> Told {
        let mut told = Told { is_keyed: class.is_multiple_of(2), ..Told::default() };
        told.named.insert(ClassId(class));
        told
    }

    #[test]
    fn a_path_is_remembered_by_all_of_its_names_and_for_one_engine() {
        let mut paths = Paths::default();
        assert_eq!(paths.told(1, &["a", "ssn"], || told(1)), &told(1));
        assert_eq!(paths.told(1, &["a", "ssn"], || panic!("known")), &told(1));
        assert_eq!(paths.told(1, &["x", "b", "a", "ssn"], || told(2)), &told(2), "three names count");
        assert_eq!(paths.told(1, &["y", "b", "a", "ssn"], || panic!("known")), &told(2));
        assert_eq!(paths.told(1, &["b", "assn"], || told(3)), &told(3));
        assert_eq!(paths.told(1, &["ba", "ssn"], || told(4)), &told(4), "where a name ends counts");
        assert_eq!(paths.told(2, &["ba", "ssn"], || told(5)), &told(5), "another engine");
        let long = "s".repeat(MAX_BYTES);
        assert_eq!(paths.told(2, &[&long], || told(6)), &told(6));
        assert_eq!(paths.told(2, &[&long], || told(7)), &told(7), "too long to be remembered");
        assert_eq!(paths.told(2, &[], || panic!("no names tell nothing")), &Told::default());
    }

    #[test]
    fn two_paths_that_share_a_place_are_both_remembered() {
        let mut paths = Paths::default();
        let other =
            (0..10_000).map(|number| number.to_string()).find(|name| place(&[name]) == place(&["ssn"])).unwrap();
        paths.told(1, &["ssn"], || told(1));
        paths.told(1, &[&other], || told(2));
        for _ in 0..3 {
            assert_eq!(paths.told(1, &["ssn"], || panic!("known")), &told(1));
            assert_eq!(paths.told(1, &[&other], || panic!("known")), &told(2));
        }
    }

    #[test]
    fn no_more_paths_are_remembered_than_the_bound_says() {
        let mut paths = Paths::default();
        for number in 0..10 * MAX_PATHS {
            paths.told(1, &[&number.to_string()], Told::default);
        }
        assert_eq!(paths.known.len(), MAX_PATHS);
        assert!(paths.known.iter().all(|known| known.path.len() <= MAX_BYTES));
    }
}
