//! Lines of a text that arrives in pieces and is masked already: cut to their length, as whole lines, the last ones kept.
//!
//! Cutting before masking would show the beginning of a value that stands at the cut; here a mark is cut at worst. Of a
//! line no more than its length is held. Characters that control a terminal or turn the direction of what follows are
//! replaced, so that a line shows as what it is.

use std::collections::VecDeque;

/// Bytes of a line; the rest is cut.
const LINE_BYTES: usize = 4 << 10;

/// Stands at the end of a line that was cut.
const CUT: char = '…';

/// Bytes of the lines that are kept in case they are the last.
const LAST_BYTES: usize = 8 << 10;

/// Lines as they arrive.
#[derive(Debug, Default)]
pub(super) struct Lines {
    whole: Vec<String>,
    begun: Vec<u8>,
    is_cut: bool,
}

impl Lines {
    pub(super) fn push(&mut self, mut text: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', text) {
            let (line, rest) = text.split_at(end);
            self.append(line);
            self.finish();
            text = rest.get(1..).unwrap_or_default();
        }
        self.append(text);
    }

    /// The lines that are whole; at the end also the one that has no end.
    pub(super) fn take(&mut self, is_end: bool) -> Vec<String> {
        if is_end && !self.begun.is_empty() {
            self.finish();
        }
        std::mem::take(&mut self.whole)
    }

    fn append(&mut self, part: &[u8]) {
        let space = LINE_BYTES.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(part.get(..space).unwrap_or(part));
        self.is_cut |= part.len() > space;
    }

    fn finish(&mut self) {
        let line = std::mem::take(&mut self.begun);
        let is_cut = std::mem::take(&mut self.is_cut);
        let text = String::from_utf8_lossy(if is_cut { &line } else { line.trim_ascii_end() });
        let text = text.chars().map(|c| if misleads(c) { char::REPLACEMENT_CHARACTER } else { c });
        self.whole.push(text.chain(is_cut.then_some(CUT)).collect());
    }
}

fn misleads(character: char) -> bool {
    let turns = matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control() && character != '\t'
}

/// The latest lines that there was no room for.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    lines: VecDeque<String>,
    bytes: usize,
}

impl LastWords {
    /// Adds a line; how many made room for it.
    pub(super) fn push(&mut self, line: String) -> u64 {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        let mut gone = 0;
        while self.bytes > LAST_BYTES {
            let Some(first) = self.lines.pop_front() else { break };
            self.bytes -= first.len() + 1;
            gone += 1;
        }
        gone
    }

    /// They were not the last. How many there were.
    pub(super) fn clear(&mut self) -> u64 {
        let count = self.lines.len() as u64;
        *self = Self::default();
        count
    }

    /// They are the last.
    pub(super) fn take(&mut self) -> String {
        let Self { lines, .. } = std::mem::take(self);
        lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_control_characters_replaced() {
        let mut lines = Lines::default();
        lines.push(b"one\r\n\nt\two\xe2\x80\xae\xc2\x85");
        assert_eq!(lines.take(false), ["one", ""]);
        lines.push("é".repeat(LINE_BYTES).as_bytes());
        lines.push(b"\nlast");
        let cut = lines.take(false);
        assert!(cut.len() == 1 && cut[0].starts_with("t\two\u{fffd}\u{fffd}é") && cut[0].ends_with('…'), "{cut:?}");
        assert!(cut[0].len() <= LINE_BYTES + 16);
        assert_eq!((lines.take(true), lines.take(true)), (vec!["last".to_owned()], vec![]));
    }

    #[test]
    fn of_what_has_no_room_the_last_lines_are_kept_and_the_others_counted() {
        let mut words = LastWords::default();
        let gone: u64 = (0..10_000).map(|number| words.push(format!("line {number}"))).sum();
        let kept = words.take();
        assert!(kept.ends_with("line 9998\nline 9999\n") && kept.len() <= LAST_BYTES, "{kept}");
        assert_eq!(gone + kept.lines().count() as u64, 10_000);
        assert_eq!(words.push("x".repeat(2 * LAST_BYTES)), 1, "what is too long for it is gone");
        assert_eq!((words.push(String::new()), words.clear(), words.take()), (0, 1, String::new()));
    }
}
