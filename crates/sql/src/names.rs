//! Names, decoded: of tables, functions, columns.

use crate::scan::TokenKind;
use crate::tree::Cursor;

/// The parts of a qualified name: `schema.table` is two. What follows the name in the node is left.
pub(crate) fn parts(node: Cursor<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    let mut wants_part = true;
    for (kind, value) in node.values() {
        match kind {
            TokenKind::Word | TokenKind::Quoted if wants_part => parts.push(value.to_owned()),
            TokenKind::Sign if value == "." && !wants_part => {}
            _ => break,
        }
        wants_part = !wants_part;
    }
    parts
}

/// A name as facts tell it: parts joined with dots, a part with a dot or a quote in quotes.
pub(crate) fn joined(parts: &[String]) -> String {
    let mut joined = String::new();
    for part in parts {
        if !joined.is_empty() {
            joined.push('.');
        }
        if part.contains(['.', '"']) {
            joined.push('"');
            joined.push_str(&part.replace('"', "\"\""));
            joined.push('"');
        } else {
            joined.push_str(part);
        }
    }
    joined
}

/// Whether a name ends in `.*`.
pub(crate) fn has_star(node: Cursor<'_>) -> bool {
    node.values().last() == Some((TokenKind::Sign, "*"))
}
