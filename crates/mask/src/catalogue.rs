//! All built-in classes, for people: what `vidimus mask --list` shows.

use crate::class::Group;
use crate::classes;

/// One built-in class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name in configuration, policy and marks.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Personal data or a secret.
    pub group: Group,
    /// How a candidate is proven; empty if its shape is all there is.
    pub checked_by: &'static str,
    /// A made-up value.
    pub example: &'static str,
    /// Whether `default` holds it.
    pub in_default: bool,
    /// Whether every one of its shapes waits for context in `default`.
    pub only_in_context: bool,
}

/// All built-in classes, in the order of their tables.
pub fn catalogue() -> impl Iterator<Item = Described> {
    classes::all().map(|spec| Described {
        name: spec.name,
        about: spec.about,
        group: spec.group,
        checked_by: spec.checked_by,
        example: spec.example,
        in_default: spec.in_default,
        only_in_context: spec.finder.is_none() && spec.shapes.iter().all(|shape| shape.needs_context),
    })
}
