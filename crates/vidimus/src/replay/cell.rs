//! One value as a terminal may show it: on one line, and not without end.

use crate::output::printable;

/// How a value that is null is shown.
const NULL: &str = "(null)";
/// Characters of a value that are shown.
const MAX_CHARACTERS: usize = 100;

/// The value with control characters escaped, and cut where it is long, which it then says.
pub(super) fn shown(value: Option<&str>) -> String {
    let Some(text) = value else { return NULL.to_owned() };
    let Some((end, _)) = text.char_indices().nth(MAX_CHARACTERS) else { return escaped(text) };
    let (start, rest) = text.split_at(end);
    format!("{}… ({} more)", escaped(start), rest.chars().count())
}

/// As a string of C: what SQL texts and `psql` users know.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, part) in text.split('\n').enumerate() {
        shown.push_str(if index > 0 { "\\n" } else { "" });
        shown.push_str(&printable(part));
    }
    shown
}
