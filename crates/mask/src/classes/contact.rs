//! How to reach a person or a machine: e-mail and network addresses.

use crate::class::{ClassSpec, Finder};

pub(super) const CLASSES: &[ClassSpec] = &[ClassSpec {
    name: "EMAIL_ADDRESS",
    about: "e-mail address (RFC 5321, without quoted local parts)",
    finder: Some(Finder::Email),
    checked_by: "grammar, known top-level domain",
    context: &["email", "mail", "e mail"],
    example: "jane@example.com",
    ..ClassSpec::PERSONAL
}];
