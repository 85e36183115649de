//! Changing a text by its byte spans: what is not named stays byte for byte as it was.
//!
//! Masking, filtering and capability clamping all come through here. Refuses spans that overlap, run backwards or lie
//! outside; whoever splices JSON parses the result again before it is used.

use std::ops::Range;

use bytes::Bytes;

use super::Value;
use crate::ErrorKind;

/// New bytes for a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// What is taken out; empty to insert only.
    pub span: Range<usize>,
    /// What is put in.
    pub with: Bytes,
}

impl Replacement {
    /// Takes a span out.
    pub fn remove(span: Range<usize>) -> Self {
        Self { span, with: Bytes::new() }
    }
}

/// Replacements that do not fit the text: a fault of the caller, never of the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("replacements overlap, are out of order or lie outside the text, at byte {offset}")]
pub struct SpliceError {
    /// The start of the first replacement that does not fit.
    pub offset: usize,
}

impl SpliceError {
    /// Always [`ErrorKind::Internal`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// The text with its replacements, which must be in ascending order. Without any, `bytes` itself.
pub fn splice(bytes: &Bytes, replacements: &[Replacement]) -> Result<Bytes, SpliceError> {
    if replacements.is_empty() {
        return Ok(bytes.clone());
    }
    let added: usize = replacements.iter().map(|replacement| replacement.with.len()).sum();
    let mut out = Vec::with_capacity(bytes.len().saturating_add(added));
    let mut at = 0;
    for Replacement { span, with } in replacements {
        let kept = bytes.get(at..span.start).ok_or(SpliceError { offset: span.start })?;
        if span.start > span.end {
            return Err(SpliceError { offset: span.start });
        }
        out.extend_from_slice(kept);
        out.extend_from_slice(with);
        at = span.end;
    }
    out.extend_from_slice(bytes.get(at..).ok_or(SpliceError { offset: at })?);
    Ok(out.into())
}

/// The replacements that take members out of an object, each with its comma; none when it is not an object.
pub fn without_members(object: Value<'_>, mut unwanted: impl FnMut(&str) -> bool) -> Vec<Replacement> {
    removals(
        object
            .entries()
            .map(|(key, value)| (key.span().start..value.span().end, unwanted(&key.as_str().unwrap_or_default()))),
    )
}

/// The replacements that take elements out of an array, each with its comma; none when it is not an array.
pub fn without_elements<'a>(array: Value<'a>, mut unwanted: impl FnMut(Value<'a>) -> bool) -> Vec<Replacement> {
    removals(array.elements().map(|element| (element.span(), unwanted(element))))
}

/// What goes with an item is the separator before it, or the one after it while nothing before it stays.
fn removals(items: impl Iterator<Item = (Range<usize>, bool)>) -> Vec<Replacement> {
    let mut items = items.peekable();
    let mut removals = Vec::new();
    let mut stays_before = false;
    let mut previous_end = 0;
    while let Some((span, unwanted)) = items.next() {
        if !unwanted {
            stays_before = true;
        } else if stays_before {
            removals.push(Replacement::remove(previous_end..span.end));
        } else {
            let end = items.peek().map_or(span.end, |(next, _)| next.start);
            removals.push(Replacement::remove(span.start..end));
        }
        previous_end = span.end;
    }
    removals
}
