//! What the programs of a session write to their standard error: in the session's recording, and in the gateway's log.
//!
//! A program says there what it does and why it fails, often in the words of what it was asked, so everything is masked
//! like any payload before it goes anywhere. What comes within a second is one event. Bounded in a minute and in a
//! session, so that a program that writes without end does not fill the disk; what is left out is counted. Nothing waits
//! for this evidence, so where it cannot be written it is left out too. A session that is closed takes what its program
//! has written by then; of what comes later nothing is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use vidimus_core::event::{Body, Logged, Masking as Found};
use vidimus_stdio::{LogLine, LogSink};

use crate::context::SessionContext;
use crate::masking::{Certain, MaskedLines};
use crate::recording::{Part, PayloadName};

/// Lines that wait to be masked; more are left out.
const LINES_WAITING: usize = 256;

/// For so long lines are gathered for one event.
const GATHERED_FOR: Duration = Duration::from_secs(1);

/// Bytes that are gathered for one event, at most a line more.
const GATHERED_BYTES: usize = 64 << 10;

/// The time that [`BYTES_IN_A_MINUTE`] counts for.
const MINUTE: Duration = Duration::from_mins(1);

/// Bytes of one program that are recorded in a minute.
const BYTES_IN_A_MINUTE: usize = 256 << 10;

/// Bytes of one program that are recorded in all.
const BYTES_IN_ALL: usize = 4 << 20;

/// What an event counts for besides its text.
const EVENT_BYTES: usize = 1 << 10;

/// Takes what a program writes that is started for a session, until the program or the session ends.
pub(crate) fn sink(session: &Arc<SessionContext>) -> LogSink {
    let (sender, lines) = mpsc::channel(LINES_WAITING);
    let crowded = Arc::new(AtomicU64::new(0));
    let recorder = Recorder {
        masked: Some(session.masked_lines()),
        session: Arc::clone(session),
        lines,
        crowded: Arc::clone(&crowded),
        gathered: Vec::new(),
        gathered_lines: 0,
        missed: 0,
        left_out: 0,
        unlogged: Vec::new(),
        budget: Budget::new(Instant::now()),
    };
    session.tasks().spawn_told(move |told| recorder.run(told));
    LogSink::new(move |line: LogLine| {
        let count = line.left_out.saturating_add(1);
        if sender.try_send(line).is_err() {
            crowded.fetch_add(count, Ordering::Relaxed);
        }
    })
}

struct Recorder {
    session: Arc<SessionContext>,
    lines: mpsc::Receiver<LogLine>,
    /// Lines that found no room in `lines`.
    crowded: Arc<AtomicU64>,
    /// None once masking has failed: then nothing more can be shown.
    masked: Option<MaskedLines>,
    gathered: Vec<u8>,
    gathered_lines: u64,
    /// Lines that did not get here since the last look.
    missed: u64,
    /// Lines left out since the last event.
    left_out: u64,
    /// The beginning of a line whose end is not certain yet, for the gateway's log.
    unlogged: Vec<u8>,
    budget: Budget,
}

impl Recorder {
    async fn run(mut self, told: CancellationToken) {
        loop {
            let goes_on = self.gather(&told).await;
            let (text, found) = self.certain(!goes_on).await;
            self.missed = self.missed.saturating_add(self.crowded.swap(0, Ordering::Relaxed));
            self.log(&text, !goes_on);
            self.left_out = self.left_out.saturating_add(std::mem::take(&mut self.missed));
            self.record(&text, &found, !goes_on);
            if !goes_on {
                return;
            }
        }
    }

    /// Waits for lines, and gathers what comes with the first; false when they are the last.
    async fn gather(&mut self, told: &CancellationToken) -> bool {
        let first = tokio::select! {
            line = self.lines.recv() => line,
            () = told.cancelled() => None,
        };
        let mut goes_on = self.take(first);
        let end = sleep(GATHERED_FOR);
        tokio::pin!(end);
        while goes_on && self.gathered.len() < GATHERED_BYTES {
            tokio::select! {
                line = self.lines.recv() => goes_on = self.take(line),
                () = &mut end => return true,
                () = told.cancelled() => goes_on = false,
            }
        }
        if !goes_on {
            // What waits by now was written before the end.
            while let Ok(line) = self.lines.try_recv() {
                self.take(Some(line));
            }
        }
        goes_on
    }

    fn take(&mut self, line: Option<LogLine>) -> bool {
        let Some(LogLine { text, left_out }) = line else { return false };
        self.missed = self.missed.saturating_add(left_out);
        // The last one may only tell what was left out.
        if !text.is_empty() || left_out == 0 {
            self.gathered.extend_from_slice(text.as_bytes());
            self.gathered.push(b'\n');
            self.gathered_lines += 1;
        }
        true
    }

    /// What is certain by now of all that was gathered, masked.
    async fn certain(&mut self, is_last: bool) -> (Vec<u8>, Found) {
        let (lines, count) = (std::mem::take(&mut self.gathered), std::mem::take(&mut self.gathered_lines));
        let Some(masked) = self.masked.take() else {
            self.left_out = self.left_out.saturating_add(count);
            return (Vec::new(), Found::default());
        };
        match masked.push(lines, is_last).await {
            Ok(Certain { rest, text, found }) => {
                self.masked = rest;
                (text, found)
            }
            Err(error) => {
                tracing::error!(%error, session = %self.session.id(), "what a program says is left out from here on");
                self.left_out = self.left_out.saturating_add(count);
                (Vec::new(), Found::default())
            }
        }
    }

    /// Repeats whole lines in the gateway's own log.
    fn log(&mut self, text: &[u8], is_last: bool) {
        if self.missed > 0 {
            let (target, session) = (self.session.target(), self.session.id());
            tracing::info!(%target, %session, lines = self.missed, "A program says more than is taken");
        }
        self.unlogged.extend_from_slice(text);
        let end = if is_last { Some(self.unlogged.len()) } else { memchr::memrchr(b'\n', &self.unlogged) };
        let Some(end) = end else { return };
        let rest = self.unlogged.split_off(end);
        for line in String::from_utf8_lossy(&self.unlogged).lines().filter(|line| !line.is_empty()) {
            tracing::info!(target = %self.session.target(), session = %self.session.id(), "A program says: {line}");
        }
        self.unlogged = rest;
    }

    /// Records what is within the bounds; what is left out stands in the next event, or else in a last one.
    fn record(&mut self, text: &[u8], found: &Found, is_last: bool) {
        let is_within = !text.is_empty() && self.budget.take(Instant::now(), text.len());
        if !is_within {
            self.left_out = self.left_out.saturating_add(lines_of(text));
        }
        let tells_the_rest = is_last && self.left_out > 0;
        if !is_within && !tells_the_rest {
            return;
        }
        let part = Part { name: PayloadName::Log, recorded: text, passed: text };
        let (payloads, masking) =
            if is_within { (std::slice::from_ref(&part), found) } else { (Default::default(), Found::NONE) };
        let logged = Logged { left_out: self.left_out, masking, payloads: &[] };
        let (strand, evidence) = (self.session.strand(), self.session.evidence());
        match strand.append_with(evidence, payloads, Body::ProgramLogged(logged)) {
            Ok(_) => self.left_out = 0,
            Err(error) => {
                let lost = if is_within { lines_of(text) } else { 0 };
                self.left_out = self.left_out.saturating_add(lost);
                tracing::error!(%error, session = %self.session.id(), "what a program says cannot be recorded");
            }
        }
    }
}

fn lines_of(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// What may still be recorded of one program.
struct Budget {
    left: usize,
    minute_began: Instant,
    left_in_minute: usize,
}

impl Budget {
    const fn new(now: Instant) -> Self {
        Self { left: BYTES_IN_ALL, minute_began: now, left_in_minute: BYTES_IN_A_MINUTE }
    }

    /// Takes what an event with so many bytes needs, if that is left.
    fn take(&mut self, now: Instant, bytes: usize) -> bool {
        if now.duration_since(self.minute_began) >= MINUTE {
            (self.minute_began, self.left_in_minute) = (now, BYTES_IN_A_MINUTE);
        }
        let needed = bytes.saturating_add(EVENT_BYTES);
        if needed > self.left.min(self.left_in_minute) {
            return false;
        }
        self.left -= needed;
        self.left_in_minute -= needed;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_writes_without_end_is_recorded_up_to_the_bounds() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let in_a_minute = |budget: &mut Budget, at| (0..10_000).filter(|_| budget.take(at, GATHERED_BYTES)).count();
        let first = in_a_minute(&mut budget, start);
        assert!((1..=BYTES_IN_A_MINUTE / GATHERED_BYTES).contains(&first), "{first}");
        assert!(budget.take(start, 1), "less than a full event may still pass");
        let all: usize = (1..1_000).map(|minute| in_a_minute(&mut budget, start + MINUTE * minute)).sum();
        assert!((all + first) * GATHERED_BYTES <= BYTES_IN_ALL, "{all}");
        assert!(all > 10, "{all}");
    }

    #[test]
    fn many_short_lines_are_bounded_by_their_events() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let events = (0..1_000_000_u32).filter(|second| budget.take(start + GATHERED_FOR * *second, 1)).count();
        assert!(events <= BYTES_IN_ALL / EVENT_BYTES, "{events}");
    }
}
