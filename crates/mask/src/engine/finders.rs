//! Detectors that begin in the middle of what they find.

mod email;

use super::{End, Scan};
use crate::class::{ClassId, Finder};

/// Adds all findings of one finder.
pub(super) fn find(finder: Finder, class: ClassId, text: &[u8], end: End, scan: &mut Scan) {
    match finder {
        Finder::Email => email::find(class, text, end, scan),
    }
}
