//! What the tests of the tables ask: what a class finds by its name, and what `default` masks.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::class::Verdict;
use crate::engine::{End, Engine, Scan};
use crate::selection::Selection;

/// Findings below this are told, and not masked.
const MASKED_FROM: u8 = 40;

static ALL: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Selection::new(["all"]).without_context()).unwrap());
static DEFAULT: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Selection::new(["default"])).unwrap());

/// The values of a class in a text, named by context or not.
pub(super) fn found<'t>(class: &str, text: &'t str) -> Vec<&'t str> {
    let class = ALL.class(class).unwrap();
    let mut scan = Scan::default();
    ALL.scan(text.as_bytes(), &[], End::Final, &mut scan);
    let of_class = scan.findings().iter().filter(|finding| finding.class == class);
    of_class.map(|finding| text.get(finding.start..finding.end).unwrap()).collect()
}

/// The classes whose values `default` masks in a text.
pub(super) fn in_default(text: &str) -> Vec<&'static str> {
    let mut scan = Scan::default();
    DEFAULT.scan(text.as_bytes(), &[], End::Final, &mut scan);
    let masked = scan.findings().iter().filter(|finding| finding.score >= MASKED_FROM);
    masked.map(|finding| DEFAULT.name(finding.class)).collect()
}

/// Asserts that each value is found whole, and that each of the others is not found at all.
pub(super) fn assert_found(genuine: &[(&str, &str)], others: &[(&str, &str)]) {
    for (class, value) in genuine {
        assert_eq!(found(class, value), [*value], "{class}");
    }
    for (class, value) in others {
        assert_eq!(found(class, value), [""; 0], "{class}");
    }
}

proptest! {
    #[test]
    fn a_check_that_proves_nothing_never_does(value in "\\(?[+]?[0-9]{1,4}\\)?([ ./-]?[0-9]{1,3}){1,4}") {
        for spec in super::all().filter(|spec| !spec.proves) {
            let verdict = spec.check.map(|check| check(value.as_bytes()));
            prop_assert!(matches!(verdict, Some(Verdict::Invalid | Verdict::Unproven)), "{}", spec.name);
        }
    }
}
