//! Plain text in pieces: what waits is scanned from where the scan before could be cut.
//!
//! The text before a cut is written and forgotten but for the bytes that what follows may look back at. Scanning what
//! waits again with every piece would take quadratic time where pieces are small; so bytes that arrive earn scanning.

use super::Work;
use crate::engine::{Cut, End, LOOK_BEHIND};

/// Bytes that may wait; more are masked.
pub(super) const MAX_PENDING: usize = 64 << 10;

/// Bytes taken in at once.
const SLICE: usize = 64 << 10;

/// Bytes of scanning that a byte earns: what bounds the work for a stream of one-byte pieces.
const EARNED: usize = 16;

/// What may be saved up: enough to scan after every keystroke for a while.
const MAX_SAVED: usize = 2 * MAX_PENDING;

/// A text that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// Bytes to look back at, then what waits.
    buffer: Vec<u8>,
    /// Where what waits begins.
    from: Cut,
    /// Before this place everything is written or masked; beyond `from` only after a forced cut.
    done: usize,
    saved: usize,
    /// Whether something came that was not scanned.
    fresh: bool,
    /// Whether what waits outgrew the bound in one candidate: nothing is shown until it ends.
    withheld: bool,
    #[cfg(test)]
    pub(super) scanned: usize,
}

impl Text {
    pub(super) fn push(&mut self, piece: &[u8], work: &mut Work<'_>) {
        for slice in piece.chunks(SLICE) {
            let slice = if self.withheld { self.withhold(slice) } else { slice };
            self.buffer.extend_from_slice(slice);
            self.fresh |= !slice.is_empty();
            self.saved = self.saved.saturating_add(slice.len().saturating_mul(EARNED)).min(MAX_SAVED);
            if self.saved >= self.pending() {
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
        self.scan(End::Final, work);
        let cut = work.memory.scan.cut();
        self.write(cut, work);
    }

    /// Bytes that wait.
    pub(super) fn pending(&self) -> usize {
        self.buffer.len() - self.from.at()
    }

    /// Scans what waits and writes what is certain.
    fn advance(&mut self, work: &mut Work<'_>) {
        self.scan(End::Open, work);
        let cut = work.memory.scan.cut();
        if self.buffer.len() - cut.at() <= MAX_PENDING {
            return self.write(cut, work);
        }
        // A chain of findings that overlap: what is found before the first live candidate is masked as it stands.
        let cut = work.memory.scan.forced_cut();
        self.write(cut, work);
        if self.pending() > MAX_PENDING {
            work.out.extend_from_slice(WITHHELD);
            self.buffer.clear();
            (self.from, self.done, self.withheld) = (Cut::default(), 0, true);
        }
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

    /// What of a piece is no longer withheld.
    fn withhold<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        let Some(end) = piece.iter().position(u8::is_ascii_whitespace) else { return &[] };
        self.withheld = false;
        piece.get(end..).unwrap_or_default()
    }
}

/// Stands for what outgrew the bound without being recognised.
const WITHHELD: &[u8] = b"[REDACTED]";
