//! Detectors that begin in the middle of what they find.

mod email;
mod hosts;
mod ipv6;
#[cfg(test)]
mod tests;
mod url;

use super::{End, Scan};
use crate::class::{ClassId, Finder};

/// Adds all findings of one finder that begin at `from` or later; what is before was scanned already, and is there to
/// be looked at. In an open text a finder lowers `live_from` to the first place where more text could change what it
/// finds, or where something that it would find could have begun.
pub(super) fn find(finder: Finder, class: ClassId, text: &[u8], from: usize, end: End, scan: &mut Scan) {
    match finder {
        Finder::Email => email::find(class, text, from, end, scan),
        Finder::Ipv6 => ipv6::find(class, text, from, end, scan),
        Finder::Url => url::find(class, text, from, end, scan),
    }
}
