//! The data of a Kubernetes Secret in YAML: names and base64 below `data:`, in a document whose kind is Secret.
//!
//! The entries are one finding, names included: what a Secret's entries are called tells what they open.

use memchr::memmem;

use crate::form::{Reading, Set};

/// How far before and after the data the document's kind may stand. Before, it is what scans of a stream can see.
const KIND_BEFORE: usize = 240;
const KIND_AFTER: usize = 1024;

/// Bytes of data that are read, at most.
const MAX_DATA: usize = 64 << 10;

/// Letters of base64, at least.
const MIN_VALUE: usize = 10;

/// Reads on after `data:` or `stringData:`.
pub(in super::super) fn read(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let before = reading.text.get(..reading.start)?;
    let indent = before.iter().rev().take(64).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line_start = reading.start - indent;
    if line_start > 0 && reading.text.get(line_start - 1) != Some(&b'\n') {
        return None;
    }
    let plain = reading.text.get(reading.start) == Some(&b's');
    let rest = reading.rest(reading.from);
    let rest = rest.get(..MAX_DATA).unwrap_or(rest);
    let mut lines = Lines { text: rest, at: 0 };
    let reaches_end = reading.from + rest.len() == reading.text.len();
    if !lines.next().is_none_or(|(_, line)| line.trim_ascii().is_empty()) {
        return None;
    }
    let (mut start, mut end) = (None, 0);
    let mut depth = None;
    while let Some((at, line)) = lines.next() {
        let content = line.trim_ascii();
        if content.is_empty() || content.starts_with(b"#") {
            continue;
        }
        let own = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if own <= indent || depth.is_some_and(|depth| depth != own) {
            lines.at = at;
            break;
        }
        depth = Some(own);
        let Some((last, found)) = entry(at, line, own, plain, &mut lines) else { break };
        if found {
            start = start.or(Some(at + own));
            end = last;
        }
    }
    let after = rest.get(lines.at.min(rest.len())..)?;
    reading.open |= reaches_end && !after.contains(&b'\n');
    let span = (reading.from + start?, reading.from + end);
    let document = before.get(before.len().saturating_sub(KIND_BEFORE)..)?;
    let document = memmem::rfind(document, b"\n---").and_then(|at| document.get(at..)).unwrap_or(document);
    if is_secret(document) {
        return Some(span);
    }
    let following = after.get(..KIND_AFTER).unwrap_or(after);
    let document_ends = memmem::find(following, b"\n---");
    reading.open |= reaches_end && document_ends.is_none() && after.len() < KIND_AFTER;
    is_secret(document_ends.and_then(|at| following.get(..at)).unwrap_or(following)).then_some(span)
}

/// One entry: where its value ends, and whether it is a secret. None where the data end.
fn entry(at: usize, line: &[u8], indent: usize, plain: bool, lines: &mut Lines<'_>) -> Option<(usize, bool)> {
    let content = line.get(indent..)?.trim_ascii_end();
    let colon = content.iter().position(|byte| *byte == b':')?;
    if colon == 0 || !content.iter().take(colon).all(|byte| Set::Dotted.has(*byte) || matches!(byte, b'"' | b'\'')) {
        return None;
    }
    let value = content.get(colon + 1..)?.trim_ascii();
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    let end = at + indent + content.len();
    if !matches!(value.first(), Some(b'|' | b'>')) {
        let template = bare.starts_with(b"{{") || bare.starts_with(b"<");
        let found = if plain { !bare.is_empty() && !template } else { is_base64(bare) };
        return (!value.is_empty()).then_some((end, found));
    }
    let (mut last, mut found) = (end, false);
    loop {
        let before = lines.at;
        let Some((at, line)) = lines.next() else { break };
        let own = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let content = line.trim_ascii();
        if content.is_empty() {
            continue;
        }
        if own <= indent || !is_base64(content) {
            lines.at = before;
            break;
        }
        last = at + own + content.len();
        found = true;
    }
    Some((last, found))
}

fn is_base64(value: &[u8]) -> bool {
    let letters = value.iter().take_while(|byte| Set::Base64.has(**byte)).count();
    letters >= MIN_VALUE
        && value.get(letters..).is_some_and(|rest| rest.len() <= 3 && rest.iter().all(|byte| *byte == b'='))
}

/// Whether a document says `kind: Secret`.
fn is_secret(document: &[u8]) -> bool {
    memmem::find_iter(document, b"kind:").any(|at| {
        let value = document.get(at + 5..).unwrap_or_default();
        let value = value.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        value.eq_ignore_ascii_case(b"secret")
    })
}

struct Lines<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    /// Where a line begins, and the line without its end.
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let at = self.at;
        self.at += length + 1;
        rest.get(..length).map(|line| (at, line))
    }
}
