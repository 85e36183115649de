//! Arrays in binary (`array_send`) and as text (`array_out`; "Arrays", "Array Input and Output Syntax").

use std::fmt::Write as _;

use bytes::{Buf as _, BufMut as _};

use super::kind::Element;
use super::{scalar_from_text, scalar_to_text};

/// Dimensions at the most (`MAXDIM`).
const MAX_DIMENSIONS: usize = 6;
/// Dimensions, flag for NULLs, element type.
const HEADER_BYTES: usize = 12;
/// Length and lower bound.
const DIMENSION_BYTES: usize = 8;

/// An element; none is NULL.
type Cell = Option<String>;

pub(super) fn to_text(element: Element, mut value: &[u8]) -> Option<String> {
    if value.len() < HEADER_BYTES {
        return None;
    }
    let dimensions = usize::try_from(value.get_i32()).ok().filter(|count| *count <= MAX_DIMENSIONS)?;
    let _has_nulls = value.get_i32();
    if value.get_u32() != element.type_id {
        return None;
    }
    let (mut lengths, mut bounds) = (Vec::new(), Vec::new());
    for _ in 0..dimensions {
        if value.len() < DIMENSION_BYTES {
            return None;
        }
        lengths.push(usize::try_from(value.get_i32()).ok().filter(|length| *length > 0)?);
        bounds.push(i64::from(value.get_i32()));
    }
    let mut text = String::new();
    if bounds.iter().any(|bound| *bound != 1) {
        for (length, bound) in lengths.iter().zip(&bounds) {
            let upper = bound + i64::try_from(*length).ok()? - 1;
            write!(text, "[{bound}:{upper}]").ok()?;
        }
        text.push('=');
    }
    match lengths.as_slice() {
        [] => text.push_str("{}"),
        lengths => push_dimension(&mut text, element, lengths, &mut value)?,
    }
    value.is_empty().then_some(text)
}

fn push_dimension(text: &mut String, element: Element, lengths: &[usize], value: &mut &[u8]) -> Option<()> {
    let Some((length, inner)) = lengths.split_first() else { return push_element(text, element, value) };
    text.push('{');
    for place in 0..*length {
        if place > 0 {
            text.push(',');
        }
        push_dimension(text, element, inner, value)?;
    }
    text.push('}');
    Some(())
}

fn push_element(text: &mut String, element: Element, value: &mut &[u8]) -> Option<()> {
    let (length, rest) = value.split_first_chunk::<4>()?;
    *value = rest;
    let length = i32::from_be_bytes(*length);
    if length == -1 {
        text.push_str("NULL");
        return Some(());
    }
    let (cell, rest) = value.split_at_checked(usize::try_from(length).ok()?)?;
    *value = rest;
    push_quoted(text, &scalar_to_text(element.scalar, cell)?);
    Some(())
}

fn push_quoted(text: &mut String, cell: &str) {
    if !cell.is_empty() && !cell.eq_ignore_ascii_case("NULL") && !cell.contains(is_special) {
        text.push_str(cell);
        return;
    }
    text.push('"');
    for character in cell.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

fn is_special(character: char) -> bool {
    matches!(character, '"' | '\\' | '{' | '}' | ',') || is_space(character)
}

/// `array_isspace`.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0B' | '\x0C')
}

/// As [`to_text`] writes it, with lower bounds of one.
pub(super) fn from_text(element: Element, text: &str) -> Option<Vec<u8>> {
    let (mut lengths, mut cells) = (Vec::new(), Vec::new());
    let mut rest = text;
    if text == "{}" {
        rest = "";
    } else {
        read_dimension(&mut rest, 0, &mut lengths, &mut cells)?;
    }
    if !rest.is_empty() {
        return None;
    }
    let mut value = Vec::new();
    value.put_i32(i32::try_from(lengths.len()).ok()?);
    value.put_i32(i32::from(cells.iter().any(Option::is_none)));
    value.put_u32(element.type_id);
    for length in lengths {
        value.put_i32(i32::try_from(length).ok()?);
        value.put_i32(1);
    }
    for cell in cells {
        match cell {
            None => value.put_i32(-1),
            Some(cell) => {
                let cell = scalar_from_text(element.scalar, &cell)?;
                value.put_i32(i32::try_from(cell.len()).ok()?);
                value.put_slice(&cell);
            }
        }
    }
    Some(value)
}

fn read_dimension(rest: &mut &str, depth: usize, lengths: &mut Vec<usize>, cells: &mut Vec<Cell>) -> Option<()> {
    *rest = rest.strip_prefix('{')?;
    if depth == MAX_DIMENSIONS {
        return None;
    }
    // The first way down says how deep it is and how long each dimension is; all others must agree.
    let is_first = lengths.len() == depth;
    if is_first {
        lengths.push(0);
    }
    let mut length = 0;
    loop {
        if rest.starts_with('{') {
            // Beside elements, or below where the first way had elements.
            if lengths.len() == depth + 1 && !(is_first && length == 0) {
                return None;
            }
            read_dimension(rest, depth + 1, lengths, cells)?;
        } else {
            if lengths.len() != depth + 1 {
                return None;
            }
            cells.push(read_cell(rest)?);
        }
        length += 1;
        if let Some(after) = rest.strip_prefix(',') {
            *rest = after;
        } else {
            *rest = rest.strip_prefix('}')?;
            break;
        }
    }
    let place = lengths.get_mut(depth)?;
    // Still nought until the first way is back.
    if *place == 0 {
        *place = length;
    }
    (*place == length).then_some(())
}

fn read_cell(rest: &mut &str) -> Option<Cell> {
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', '}'])?;
        let (cell, after) = rest.split_at_checked(end)?;
        *rest = after;
        if cell == "NULL" {
            return Some(None);
        }
        let is_plain = !cell.is_empty() && !cell.contains(is_special) && !cell.eq_ignore_ascii_case("NULL");
        return is_plain.then(|| Some(cell.to_owned()));
    };
    let mut cell = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => cell.push(characters.next()?),
            character => cell.push(character),
        }
    }
    *rest = characters.as_str();
    Some(Some(cell))
}
