//! Plain text in pieces: what waits is scanned from where the scan before could be cut.
//!
//! The text before a cut is written and forgotten but for the bytes that what follows may look back at. Scanning what
//! waits again with every piece would take quadratic time where pieces are small; so bytes that arrive earn scanning.
//! A candidate that outgrows the bound, such as a key without an end, is masked before its end is known: its mark is
//! written once, and of what follows only its beginning and the latest bytes are kept until it ends.

use super::Work;
use crate::engine::{Cut, End, LOOK_BEHIND};
use crate::placeholder::REDACTED;

/// Bytes that may wait; more are masked.
pub(super) const MAX_PENDING: usize = 64 << 10;

/// Bytes taken in at once.
const SLICE: usize = 64 << 10;

/// Bytes of scanning that a byte earns: what bounds the work for a stream of one-byte pieces.
pub(super) const EARNED: usize = 16;

/// Of the bytes that may wait, the share that is kept at either end of a candidate that outgrew them.
pub(super) const KEPT: usize = 8;

/// Stands for what outgrew the bound and would be nothing if it ended there.
pub(super) const WITHHELD: &[u8] = REDACTED;

/// A text that arrives in pieces.
#[derive(Debug)]
pub(super) struct Text {
    /// Bytes to look back at, then what waits.
    buffer: Vec<u8>,
    /// Where what waits begins.
    from: Cut,
    /// Everything before this place is written or masked. Beyond `from` only after a forced cut.
    done: usize,
    /// Bytes of scanning that were earned and not used.
    saved: usize,
    /// Whether something came that was not scanned.
    fresh: bool,
    /// Whether the candidate at `from` is masked already, and is not kept in whole.
    inside: bool,
    /// Bytes that may wait.
    bound: usize,
    #[cfg(test)]
    pub(super) scanned: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self::bounded(MAX_PENDING)
    }
}

impl Text {
    /// A text of which so many bytes may wait.
    pub(super) fn bounded(bound: usize) -> Self {
        Self {
            buffer: Vec::new(),
            from: Cut::default(),
            done: 0,
            saved: 0,
            fresh: false,
            inside: false,
            bound,
            #[cfg(test)]
            scanned: 0,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8], work: &mut Work<'_>) {
        for slice in piece.chunks(SLICE) {
            self.buffer.extend_from_slice(slice);
            self.fresh = true;
            self.saved = self.saved.saturating_add(slice.len().saturating_mul(EARNED)).min(2 * self.bound);
            if self.saved >= self.pending() || self.pending() > self.bound {
                self.advance(work);
            }
        }
    }

    pub(super) fn idle(&mut self, work: &mut Work<'_>) {
        if self.fresh {
            self.advance(work);
        }
    }

    pub(super) fn finish(&mut self, work: &mut Work<'_>) {
        if self.inside {
            self.advance(work);
        }
        self.scan(End::Final, work);
        let end = work.memory.scan.cut();
        if self.inside {
            self.leave(end, work);
        }
        self.write(end, work);
    }

    /// What there is: the bytes to look back at and those that wait, where the latter begin, up to where they are written
    /// or masked, and whether they begin inside a candidate.
    pub(super) fn into_parts(self) -> (Vec<u8>, Cut, usize, bool) {
        (self.buffer, self.from, self.done, self.inside)
    }

    /// Bytes that wait.
    pub(super) fn pending(&self) -> usize {
        self.buffer.len() - self.from.at()
    }

    /// Scans what waits and writes what is certain.
    fn advance(&mut self, work: &mut Work<'_>) {
        self.scan(End::Open, work);
        let cut = work.memory.scan.cut();
        if self.inside {
            if work.memory.scan.live_from() <= self.from.at() {
                return self.elide();
            }
            self.leave(cut, work);
        }
        if self.buffer.len() - cut.at() <= self.bound {
            return self.write(cut, work);
        }
        // A chain of findings that overlap: what is found before the first live candidate is masked as it stands.
        self.write(work.memory.scan.forced_cut(), work);
        if self.pending() > self.bound {
            self.outgrow(work);
        }
    }

    /// Masks the candidate at `from`, whatever it turns out to be.
    fn outgrow(&mut self, work: &mut Work<'_>) {
        self.scan(End::Final, work);
        let from = self.from.at();
        if self.done <= from {
            let mut counted = work.tally.clone();
            let parts = work.masker.parts(work.memory.scan.findings(), &work.scope.revealed, &mut counted);
            match parts.first().filter(|part| part.start == from) {
                Some(part) => {
                    *work.tally.masked.entry(part.class).or_default() += 1;
                    let value = self.buffer.get(from..).unwrap_or_default();
                    work.masker.write(part, value, work.memory, work.out);
                }
                None => work.out.extend_from_slice(WITHHELD),
            }
        }
        self.inside = true;
        self.elide();
    }

    /// The candidate that was masked before its end was known has ended: where it is found to end, or, if it proves to be
    /// nothing, so that no byte that was held is shown.
    fn leave(&mut self, cut: Cut, work: &Work<'_>) {
        let from = self.from.at();
        let found = work.memory.scan.findings().iter().any(|finding| finding.start == from);
        self.done = if found { from + 1 } else { cut.at() };
        self.inside = false;
    }

    /// Lets go of the middle of the candidate that the stream is inside.
    fn elide(&mut self) {
        let kept = self.bound / KEPT;
        if self.pending() > 4 * kept {
            self.buffer.drain(self.from.at() + kept..self.buffer.len() - kept);
        }
        self.done = self.buffer.len();
    }

    fn scan(&mut self, end: End, work: &mut Work<'_>) {
        #[cfg(test)]
        {
            self.scanned += self.pending();
        }
        self.saved = self.saved.saturating_sub(self.pending());
        self.fresh = false;
        let path = work.scope.names();
        work.masker.engine().scan_from(&self.buffer, self.from, &path, end, &mut work.memory.scan);
    }

    /// Writes everything before a cut of the last scan, and forgets it.
    fn write(&mut self, cut: Cut, work: &mut Work<'_>) {
        let scan = std::mem::take(&mut work.memory.scan);
        let certain = scan.findings().partition_point(|finding| finding.start < cut.at());
        let certain = scan.findings().get(..certain).unwrap_or_default();
        for part in work.masker.parts(certain, &work.scope.revealed, work.tally) {
            if part.start >= self.done {
                work.out.extend_from_slice(self.buffer.get(self.done..part.start).unwrap_or_default());
                let value = self.buffer.get(part.start..part.end).unwrap_or_default();
                work.masker.write(&part, value, work.memory, work.out);
            } else {
                work.goes_on(part.class);
            }
            self.done = self.done.max(part.end);
        }
        work.memory.scan = scan;
        if self.done < cut.at() {
            work.out.extend_from_slice(self.buffer.get(self.done..cut.at()).unwrap_or_default());
            self.done = cut.at();
        }
        let forget = cut.at().saturating_sub(LOOK_BEHIND);
        self.buffer.drain(..forget);
        self.done -= forget;
        self.from = cut.after_dropping(forget);
    }
}
