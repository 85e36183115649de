//! Where an open text may be cut, so that scanning what follows gives what scanning the whole would have given.
//!
//! A cut stands at or before the first live candidate and inside no finding. What follows it is scanned with the bytes
//! before it in sight ([`LOOK_BEHIND`]) and with the finding that stood last.

use std::ops::Range;

use super::context::{MAX_WORD, NEAR_BYTES, PHRASE_BYTES, Previous};
use super::marks::MAX_MARK;
use super::{End, Scan};

/// Bytes before a place that may decide what is found at it or later: near words, the phrases that they end, the mark
/// that the first of them may stand in, and what joins a candidate to what is before.
pub const LOOK_BEHIND: usize = 256;

const _: () = assert!(NEAR_BYTES + PHRASE_BYTES + MAX_WORD + MAX_MARK < LOOK_BEHIND + 24);

/// A place in a text: everything before it was scanned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cut {
    at: usize,
    previous: Option<Previous>,
    /// What another reading held last.
    heard: Option<Previous>,
}

impl Cut {
    /// The first byte that is still to be scanned.
    pub fn at(&self) -> usize {
        self.at
    }

    pub(super) fn previous(&self) -> Option<Previous> {
        self.previous
    }

    pub(super) fn heard(&self) -> Option<Previous> {
        self.heard
    }

    /// The same place after the first `count` bytes of the text were let go.
    #[must_use]
    pub fn after_dropping(self, count: usize) -> Self {
        let moved = |previous: Option<Previous>| previous?.after_dropping(count);
        let (previous, heard) = (moved(self.previous), moved(self.heard));
        Self { at: self.at.saturating_sub(count), previous, heard }
    }
}

impl Scan {
    /// Where the text may be cut: everything that was found before is certain and whole.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// A cut at the first live candidate whatever is found around it, for a text that must not grow further.
    pub fn forced_cut(&self) -> Cut {
        self.forced
    }

    /// The last place up to `place` where the text that was scanned may be cut.
    pub fn cut_before(&self, text: &[u8], place: usize) -> Cut {
        let mut at = before_escape(text, place.min(self.forced.at)).max(self.from.at);
        let spans = self.passed.iter().map(|finding| finding.start..finding.end).chain(self.matched.iter().cloned());
        let mut by_start: Vec<Range<usize>> = spans.filter(|span| span.start < at).collect();
        by_start.sort_unstable_by_key(|span| std::cmp::Reverse(span.start));
        for span in by_start {
            if span.start < at && at < span.end {
                at = before_escape(text, span.start).max(self.from.at);
            }
        }
        self.cut_at(at)
    }

    /// A cut at `place`, whatever is found around it.
    pub fn cut_at(&self, place: usize) -> Cut {
        let passed = self.passed.iter().filter(|finding| finding.start < place);
        let passed = passed.map(|finding| Previous::new(finding.start, finding.end, Some(finding.class)));
        let mut passed: Vec<Previous> = passed.collect();
        passed.sort_by_key(|part| part.end);
        let previous = passed.into_iter().fold(self.from.previous, |before, part| Some(part.with(before)));
        let heard = self.heard.iter().take_while(|heard| heard.end <= place);
        let heard = heard.fold(self.from.heard, |before, part| Some(part.with(before)));
        Cut { at: place, previous, heard }
    }

    /// Finds both cuts, given what was found in order of finding: first by finders (`by_finders` many), then by shapes.
    pub(super) fn settle(&mut self, text: &[u8], from: Cut, end: End, by_finders: usize) {
        self.passed.clear();
        if end == End::Final {
            self.cut = Cut { at: text.len(), ..Cut::default() };
            self.forced = self.cut;
            return;
        }
        // Finders' findings pass behind the words that they end before, so they come last here.
        let (first, last) = self.findings.split_at(by_finders.min(self.findings.len()));
        self.passed.extend(last.iter().chain(first));
        self.from = from;
        self.forced = self.cut_at(before_escape(text, self.live_from).max(from.at));
        self.cut = self.cut_before(text, self.forced.at);
    }
}

/// The letter of an escape such as `\n` hides the beginning of the word after it, so both stay together.
fn before_escape(text: &[u8], at: usize) -> usize {
    let before = at.checked_sub(2).and_then(|from| text.get(from..at));
    if before.is_some_and(|before| matches!(before, [b'\\', b'n' | b'r' | b't' | b'b' | b'f'])) { at - 1 } else { at }
}
