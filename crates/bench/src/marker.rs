//! Markers: one word for each principal, which stands in all that is said by it, to it and about it.
//!
//! What is said to one principal and holds another's marker has come to the wrong one.

/// What a marker begins with.
const PREFIX: &str = "marker-";
/// Letters after it: enough for 26⁶ principals, and of one length so that no marker begins with another.
const LETTERS: usize = 6;

/// The marker of the principal of this number.
pub(crate) fn of(number: usize) -> String {
    let letters = (0..LETTERS).scan(number, |rest, _| {
        let letter = char::from(b'a' + u8::try_from(*rest % 26).unwrap_or(0));
        *rest /= 26;
        Some(letter)
    });
    PREFIX.chars().chain(letters).collect()
}

/// The markers in a text, one after another.
pub(crate) fn all(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(PREFIX).map(|(start, _)| {
        let end = start + PREFIX.len() + LETTERS;
        // One that is cut off is as wrong as another's.
        text.get(start..end).unwrap_or(PREFIX)
    })
}

/// A marker in the text that is not `own`; no marker at all is nothing wrong.
pub(crate) fn foreign<'a>(text: &'a str, own: &str) -> Option<&'a str> {
    all(text).find(|marker| *marker != own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_principal_has_another_one() {
        let markers: std::collections::BTreeSet<_> = (0..5_000).map(of).collect();
        assert_eq!(markers.len(), 5_000);
        assert!(markers.iter().all(|marker| all(marker).eq([marker.as_str()])));
    }

    #[test]
    fn a_foreign_one_is_found_and_so_is_one_cut_off() {
        let (own, other) = (of(7), of(8));
        assert_eq!(foreign(&format!("{own} {own}"), &own), None);
        assert_eq!(foreign(&format!("{own}, {other}"), &own), Some(other.as_str()));
        assert_eq!(foreign(&format!("{own} marker-ab"), &own), Some("marker-"));
        assert_eq!(foreign("nothing", &own), None);
    }
}
