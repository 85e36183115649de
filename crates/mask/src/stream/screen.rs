//! What a stream shows, read in more than one way, and the bytes that it came from.
//!
//! Every reading is a text of its own whose bytes know which bytes of the stream they came from. What any reading finds is
//! masked in the stream; bytes among them that are not shown, such as colours, stay. The stream is cut only where every
//! reading may be cut.

use super::Work;
use super::text::{EARNED, KEPT, MAX_PENDING, Text, WITHHELD};
use crate::engine::{Cut, End, Finding, LOOK_BEHIND, Path, Scan};
use crate::escapes::encode;
use crate::masker::Masker;
use crate::readings::{Readings, Told, Way, exchange};
use crate::spelling::rest_of_word;

/// Bytes of a stream and what they show.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// Bytes that were not written, the first of them at `base`. Places count from the beginning of the stream.
    raw: Vec<u8>,
    /// For each of them whether it goes where what it shows is masked.
    shown: Vec<bool>,
    base: usize,
    /// Everything before is written or masked; beyond `base` only after a forced cut.
    done: usize,
    readings: [Reading; 2],
    /// Bytes of scanning that were earned and not used.
    saved: usize,
    fresh: bool,
    /// What both readings hold, by its places in the stream, by start.
    found: Vec<Finding>,
    /// Whether the candidate at `base` is masked already, and is not kept in whole.
    inside: bool,
    /// Whether what stands for a value is written as in a JSON string.
    escaped: bool,
    #[cfg(test)]
    pub(super) scanned: usize,
}

/// One way to read the stream.
#[derive(Debug, Default)]
pub(super) struct Reading {
    text: Vec<u8>,
    /// For each byte, which bytes of the stream it came from.
    origins: Vec<(usize, usize)>,
    from: Cut,
    scan: Scan,
}

impl Reading {
    /// Adds a byte that came from a stretch of the stream.
    pub(super) fn put(&mut self, byte: u8, origin: (usize, usize)) {
        self.text.push(byte);
        self.origins.push(origin);
    }

    /// More of the stream shows the last byte.
    pub(super) fn stretch(&mut self, end: usize) {
        if let Some(last) = self.origins.last_mut() {
            last.1 = end;
        }
    }

    /// What is there of its text.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The last byte.
    pub(super) fn last(&self) -> Option<u8> {
        self.text.last().copied()
    }

    /// The first byte that came from `place` of the stream or later.
    fn first_from(&self, place: usize) -> usize {
        self.origins.partition_point(|origin| origin.0 < place)
    }

    fn pending(&self) -> usize {
        self.text.len() - self.from.at()
    }

    /// Scans what waits. Returns what it holds by its places in the stream.
    fn scan(&mut self, told: Told<'_>, path: &Path<'_>, end: End, masker: &Masker) -> Vec<Finding> {
        let Self { text, origins, from, scan } = &mut *self;
        let reads = |place: usize| origins.partition_point(|origin| origin.0 < place);
        let reads_at = |finding: &Finding| Finding { start: reads(finding.start), end: reads(finding.end), ..*finding };
        scan.hear(told.masked.iter().map(reads_at), told.everywhere);
        masker.engine().scan_from(text, *from, path, end, scan);
        self.found().collect()
    }

    /// What was found, by its places in the stream.
    fn found(&self) -> impl Iterator<Item = Finding> {
        let origin = |finding: &Finding| {
            let (first, last) = (self.origins.get(finding.start)?, self.origins.get(finding.end.checked_sub(1)?)?);
            Some(Finding { start: first.0, end: last.1, ..*finding })
        };
        self.scan.findings().iter().filter_map(origin)
    }

    /// Where the word ends in whose middle a place of the stream may be, and whether it may go on. In text with escapes, what
    /// spells a character ends there as well, and a word at the end may go on with one.
    fn past_word(&self, place: usize, escaped: bool) -> (usize, bool) {
        let at = self.first_from(place);
        match rest_of_word(&self.text, at) {
            Some(rest) if rest > 0 => {
                let last = self.origins.get(at + rest - 1);
                (last.map_or(place, |last| last.1.max(place)), at + rest == self.text.len())
            }
            word if escaped => (self.spelled_at(place).1, word.is_some() && at == self.text.len()),
            _ => (place, false),
        }
    }

    /// What the byte came from in the middle of which a place of the stream is; else nothing, there.
    fn spelled_at(&self, place: usize) -> (usize, usize) {
        let before = self.first_from(place).checked_sub(1).and_then(|before| self.origins.get(before));
        before.filter(|origin| origin.1 > place).map_or((place, place), |origin| *origin)
    }

    /// Where in the stream what was found begins that ends with the last byte.
    fn last_begins(&self) -> Option<usize> {
        let ending = self.scan.findings().iter().filter(|finding| finding.end == self.text.len());
        ending.filter_map(|finding| self.origins.get(finding.start)).map(|origin| origin.0).min()
    }
}

/// Both readings of what waits.
struct Both<'s> {
    readings: &'s mut [Reading; 2],
    path: &'s Path<'s>,
    end: End,
    masker: &'s Masker,
    /// Whether they differ in what spells characters.
    escaped: bool,
}

impl Readings for Both<'_> {
    fn scan(&mut self, way: Way, told: Told<'_>) -> Vec<Finding> {
        let [reads, stands] = &mut *self.readings;
        if way == Way::Reads {
            return reads.scan(told, self.path, self.end, self.masker);
        }
        let mut found = stands.scan(told, self.path, self.end, self.masker);
        if self.escaped {
            // Of what spells one character, no part is a value.
            found.retain(|finding| finding.end > reads.spelled_at(finding.start).1);
        }
        found
    }

    fn whole(&self, finding: Finding) -> Finding {
        let [reads, _] = &*self.readings;
        Finding { end: reads.past_word(finding.end, self.escaped).0, ..finding }
    }

    fn is_masked(&self, finding: &Finding) -> bool {
        self.masker.is_masked(finding)
    }
}

/// Goes on with a text of which nothing was read in any other way yet.
impl From<Text> for Screen {
    fn from(text: Text) -> Self {
        let (buffer, from, done, inside) = text.into_parts();
        let base = if inside { done } else { from.at() };
        let raw = buffer.get(base..).unwrap_or_default().to_vec();
        let reading = || Reading {
            text: buffer.clone(),
            origins: (0..buffer.len()).map(|place| (place, place + 1)).collect(),
            from,
            scan: Scan::default(),
        };
        let (readings, shown) = ([reading(), reading()], vec![true; raw.len()]);
        Self { raw, shown, base, done, readings, fresh: true, inside, escaped: true, ..Self::default() }
    }
}

impl Screen {
    /// Adds bytes of the stream; returns where they stand.
    pub(super) fn add(&mut self, bytes: &[u8], shown: bool) -> (usize, usize) {
        let start = self.end();
        self.raw.extend_from_slice(bytes);
        self.shown.resize(self.raw.len(), shown);
        self.fresh = true;
        self.saved = self.saved.saturating_add(bytes.len().saturating_mul(EARNED)).min(2 * MAX_PENDING);
        (start, self.end())
    }

    pub(super) fn readings(&mut self) -> &mut [Reading; 2] {
        &mut self.readings
    }

    pub(super) fn pending(&self) -> usize {
        self.raw.len()
    }

    fn end(&self) -> usize {
        self.base + self.raw.len()
    }

    fn cost(&self) -> usize {
        self.readings.iter().map(Reading::pending).sum()
    }

    /// Writes what is certain, if enough came to look.
    pub(super) fn advance(&mut self, force: bool, work: &mut Work<'_>) {
        let due = self.saved >= self.cost() || self.pending() > MAX_PENDING;
        if !(force || self.fresh && due) {
            return;
        }
        self.scan(End::Open, work);
        let mut at = self.end();
        if !self.escaped {
            // What is struck over next belongs to the last byte, and is masked with it.
            at = self.readings.iter().filter_map(Reading::last_begins).fold(at, usize::min);
        }
        let [first, _] = &self.readings;
        let open = self.found.iter().filter(|finding| first.past_word(finding.end, self.escaped).1);
        at = open.map(|finding| finding.start).fold(at, usize::min);
        loop {
            let before = at;
            // Not inside what is masked to the end of its word.
            for finding in self.found.iter().rev() {
                if finding.start < at && at < finding.end {
                    at = finding.start;
                }
            }
            for reading in &self.readings {
                // Not inside what one byte came from.
                at = reading.spelled_at(at).0;
                let place = reading.first_from(at);
                let cut = reading.scan.cut_before(&reading.text, place).at();
                if cut < place {
                    at = reading.origins.get(cut).map_or(at, |origin| origin.0);
                }
            }
            if at == before {
                break;
            }
        }
        let at = at.max(self.base);
        if self.inside {
            if at <= self.base {
                return self.elide(work);
            }
            self.leave(at);
        }
        if self.end() - at <= MAX_PENDING {
            return self.write(at, work);
        }
        let live = self.readings.iter().filter_map(|reading| reading.origins.get(reading.scan.forced_cut().at()));
        let live = live.map(|origin| origin.0).min().unwrap_or(self.end());
        self.write(live.max(self.base), work);
        if self.pending() > MAX_PENDING {
            if self.done <= self.base {
                work.out.extend_from_slice(WITHHELD);
            }
            self.inside = true;
            self.elide(work);
        }
    }

    /// Writes everything.
    pub(super) fn finish(&mut self, work: &mut Work<'_>) {
        if self.inside {
            self.advance(true, work);
        }
        self.scan(End::Final, work);
        if self.inside {
            self.leave(self.end());
        }
        self.write(self.end(), work);
    }

    fn scan(&mut self, end: End, work: &Work<'_>) {
        let cost = self.cost();
        #[cfg(test)]
        {
            self.scanned += cost;
        }
        self.saved = self.saved.saturating_sub(cost);
        self.fresh = false;
        let path = work.scope.names();
        let mut both =
            Both { readings: &mut self.readings, path: &path, end, masker: work.masker, escaped: self.escaped };
        self.found = exchange(&mut both);
    }

    /// Writes everything before a place, and forgets it.
    fn write(&mut self, at: usize, work: &mut Work<'_>) {
        let certain = self.found.partition_point(|finding| finding.start < at);
        let certain = self.found.get(..certain).unwrap_or_default();
        for part in work.masker.parts(certain, &work.scope.revealed, work.tally) {
            if part.start >= self.done {
                let [first, _] = &self.readings;
                let start = if self.escaped { first.spelled_at(part.start).0 } else { part.start };
                work.out.extend_from_slice(self.raw_between(self.done, start));
                let value = first.text.get(first.first_from(part.start)..first.first_from(part.end));
                let mut mark = Vec::new();
                work.masker.write(&part, value.unwrap_or_default(), work.memory, &mut mark);
                if self.escaped {
                    encode(&mark, work.out);
                } else {
                    work.out.extend_from_slice(&mark);
                }
                self.done = part.start;
            } else {
                work.goes_on(part.class);
            }
            self.write_unshown(part.end, work);
        }
        if self.done < at {
            work.out.extend_from_slice(self.raw_between(self.done, at));
            self.done = at;
        }
        for reading in &mut self.readings {
            let place = reading.first_from(at);
            let cut = reading.scan.cut_at(place);
            let forget = place.saturating_sub(LOOK_BEHIND);
            reading.text.drain(..forget);
            reading.origins.drain(..forget);
            reading.from = cut.after_dropping(forget);
        }
        self.forget(at);
    }

    /// Writes what is not shown from `done` up to a place.
    fn write_unshown(&mut self, end: usize, work: &mut Work<'_>) {
        let stretch = self.done.saturating_sub(self.base)..end.saturating_sub(self.base);
        let raw = self.raw.get(stretch.clone()).unwrap_or_default();
        let bytes = raw.iter().zip(self.shown.get(stretch).unwrap_or_default());
        work.out.extend(bytes.filter(|(_, shown)| !**shown).map(|(byte, _)| *byte));
        self.done = self.done.max(end);
    }

    fn raw_between(&self, start: usize, end: usize) -> &[u8] {
        self.raw.get(start.saturating_sub(self.base)..end.saturating_sub(self.base)).unwrap_or_default()
    }

    fn forget(&mut self, at: usize) {
        self.raw.drain(..at - self.base);
        self.shown.drain(..at - self.base);
        self.base = at;
    }

    /// The candidate that was masked before its end was known has ended: where it is found to end, or, if it proves to be
    /// nothing, so that no byte that was held is shown.
    fn leave(&mut self, at: usize) {
        let begun = |reading: &Reading| {
            reading
                .scan
                .findings()
                .iter()
                .filter(|finding| finding.start == reading.from.at())
                .map(|finding| finding.end)
                .max()
                .and_then(|end| reading.origins.get(end - 1))
                .map(|origin| origin.1)
        };
        let end = self.readings.iter().filter_map(begun).max().unwrap_or(at);
        self.done = self.done.max(end);
        self.inside = false;
    }

    /// Lets go of the middle of the candidate that the stream is inside.
    fn elide(&mut self, work: &mut Work<'_>) {
        self.write_unshown(self.end(), work);
        self.raw.clear();
        self.shown.clear();
        self.base = self.done;
        let kept = MAX_PENDING / KEPT;
        for reading in &mut self.readings {
            if reading.pending() > 4 * kept {
                let middle = reading.from.at() + kept..reading.text.len() - kept;
                reading.text.drain(middle.clone());
                reading.origins.drain(middle);
            }
        }
    }
}
