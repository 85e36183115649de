//! Secrets: what opens something. The formats are the issuers' own; the families are those that gitleaks (MIT) knows
//! and some more.
//!
//! A secret with a beginning of its own is found wherever it stands. One without is found behind a name
//! ([`crate::class::ClassSpec::keywords`]), when its class is asked for by name or with `secrets`.

mod ai;
mod cloud;
mod code;
mod commerce;
mod communication;
mod general;
mod operations;
mod read;
#[cfg(test)]
mod tests;

use crate::class::{ClassSpec, Shape, Values};
use crate::form::{Form, Part, Set};

pub(super) const TABLES: [&[ClassSpec]; 7] = [
    general::CLASSES,
    cloud::CLASSES,
    code::CLASSES,
    operations::CLASSES,
    ai::CLASSES,
    commerce::CLASSES,
    communication::CLASSES,
];

/// Whether a key begins in a text that may go on in what follows it, as where every line of a log is a text of its own.
pub(super) fn begins_key(text: &[u8]) -> bool {
    read::pem::begins(text)
}

/// How sure a beginning of the issuer's own makes it.
const DISTINCTIVE: u8 = 90;

/// How sure a beginning makes it that other things may have too.
const LIKELY: u8 = 70;

/// A beginning of the issuer's own, and how the token goes on. `entropy` is the least of the whole, in tenths of a bit.
const fn begins(pattern: &'static str, parts: &'static [Part], entropy: u8) -> Shape {
    Shape::alone(pattern, DISTINCTIVE).then(parts, entropy)
}

/// This many bytes of a set.
const fn run(set: Set, length: usize) -> Part {
    Part::Run(set, length, length)
}

/// A value found behind a name.
const fn value(parts: &'static [Part], entropy: u8) -> Form {
    Form { parts, entropy }
}

const fn uuid() -> Form {
    Form {
        parts: &[
            Part::Run(Set::Hex, 8, 8),
            Part::Text("-"),
            Part::Run(Set::Hex, 4, 4),
            Part::Text("-"),
            Part::Run(Set::Hex, 4, 4),
            Part::Text("-"),
            Part::Run(Set::Hex, 4, 4),
            Part::Text("-"),
            Part::Run(Set::Hex, 12, 12),
        ],
        entropy: 0,
    }
}

/// A class found by its beginnings alone.
const fn token(name: &'static str, about: &'static str, shapes: &'static [Shape], example: &'static str) -> ClassSpec {
    ClassSpec { name, about, shapes, example, checked_by: "length, alphabet, entropy", ..ClassSpec::SECRET }
}

impl ClassSpec {
    /// The same, and behind a name too.
    const fn behind_names(self, keywords: &'static [&'static str], values: &'static [Form]) -> Self {
        Self { keywords, values: Values::Forms(values), ..self }
    }

    /// The same, and by these beginnings wherever they stand.
    const fn also(self, shapes: &'static [Shape]) -> Self {
        Self { shapes, in_default: true, ..self }
    }
}

/// A class found behind a name alone.
const fn named(
    name: &'static str,
    about: &'static str,
    keywords: &'static [&'static str],
    values: &'static [Form],
    example: &'static str,
) -> ClassSpec {
    let values = Values::Forms(values);
    ClassSpec {
        name,
        about,
        keywords,
        values,
        example,
        checked_by: "its name, length, alphabet",
        in_default: false,
        ..ClassSpec::SECRET
    }
}
