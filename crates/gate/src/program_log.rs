//! What the programs of a session write to their standard error: in the session's recording, and in the gateway's log.
//!
//! A program says there what it does and why it fails, often in the words of what it was asked, so all of it is masked
//! before anything is cut, left out or shown: a value is found whole, whatever becomes of its line. Only then is it bounded
//! in a line, a minute and all, for the recording and the log alike, so that a program that writes without end fills
//! neither; what is left out is counted, and its last words are kept. Until it is masked, a program that writes faster than
//! that goes waits. Nothing waits for this evidence: where it cannot be written, or below `capacity.stop`, it is left out
//! of the recording. A session that is closed takes what its program has written by then; what comes later goes to the
//! gateway's log alone. What the gateway remarks of a program stands among its lines, behind `vidimus:`. Dropped, it loses
//! what it holds.

mod budget;
mod lines;
mod plain;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use vidimus_core::event::{Body, Logged, Masking as Found};
use vidimus_stdio::{LogPiece, LogPieces, LogSink};

use self::budget::Budget;
use self::lines::{LastWords, Lines};
use self::plain::Plain;
use crate::context::SessionContext;
use crate::masking::{Certain, MaskedLines};
use crate::recording::{Part, PayloadName};

/// For so long pieces are gathered for one event.
const GATHERED_FOR: Duration = Duration::from_secs(1);

/// Bytes that are gathered for one event, at most a piece more.
const GATHERED_BYTES: usize = 64 << 10;

/// A program that is quiet for so long has written what it had to, when its session closes.
const QUIET: Duration = Duration::from_millis(100);

/// For so long a program is followed after its session was closed, which ends it.
const FOLLOWED_AFTER: Duration = Duration::from_secs(15);

/// Takes what a program writes that is started for a session, to its end.
pub(crate) fn sink(session: &Arc<SessionContext>) -> LogSink {
    let (sink, pieces) = LogSink::new();
    let follower = Follower {
        masked: Some(session.masked_lines()),
        session: Arc::clone(session),
        pieces,
        gathered: Vec::new(),
        plain: Plain::default(),
        lines: Lines::default(),
        budget: Budget::new(Instant::now()),
        last_words: LastWords::default(),
        left_out: 0,
        found: Found::default(),
        records: true,
        leaves_out: false,
        has_failed: false,
    };
    session.tasks().spawn_told(move |told| follower.run(told));
    sink
}

struct Follower {
    session: Arc<SessionContext>,
    pieces: LogPieces,
    gathered: Vec<u8>,
    plain: Plain,
    /// None once masking has failed: then nothing more can be shown.
    masked: Option<MaskedLines>,
    lines: Lines,
    budget: Budget,
    /// The latest of the lines that the budget had no room for.
    last_words: LastWords,
    /// Lines left out since the last event.
    left_out: u64,
    /// What masking found since the last event.
    found: Found,
    /// Whether the session still records.
    records: bool,
    /// Whether the lines before were left out, and the gateway's log says so.
    leaves_out: bool,
    /// Whether an event could not be written, and the gateway's log says so.
    has_failed: bool,
}

/// What may come after what was gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    More,
    /// More, but the session closes.
    Closing,
    Nothing,
}

impl Follower {
    async fn run(mut self, told: CancellationToken) {
        loop {
            let next = self.gather(&told).await;
            self.take(next).await;
            match next {
                Next::More => {}
                Next::Closing => {
                    let session = Arc::clone(&self.session);
                    return session.tasks().spawn_beyond(self.follow_on());
                }
                Next::Nothing => return,
            }
        }
    }

    /// Goes on after the session's record was closed.
    async fn follow_on(mut self) {
        self.records = false;
        let never = CancellationToken::new();
        let followed = timeout(FOLLOWED_AFTER, async {
            loop {
                let next = self.gather(&never).await;
                self.take(next).await;
                if next == Next::Nothing {
                    return;
                }
            }
        });
        if followed.await.is_err() {
            let (target, session) = (self.session.target(), self.session.id());
            tracing::warn!(%target, %session, "A program whose session was closed still writes; it is not followed on");
        }
    }

    /// Waits for a piece, and gathers what comes with it.
    async fn gather(&mut self, told: &CancellationToken) -> Next {
        let mut end = None;
        while self.gathered.len() < GATHERED_BYTES {
            tokio::select! {
                piece = self.pieces.next() => {
                    let Some(piece) = piece else { return Next::Nothing };
                    self.put(&piece);
                    end.get_or_insert_with(|| Instant::now() + GATHERED_FOR);
                }
                () = until(end) => break,
                () = told.cancelled() => return self.gather_waiting().await,
            }
        }
        Next::More
    }

    /// Gathers what was written before the session closed: what comes until the program is quiet for a moment.
    async fn gather_waiting(&mut self) -> Next {
        while self.gathered.len() < 2 * GATHERED_BYTES {
            match timeout(QUIET, self.pieces.next()).await {
                Ok(Some(piece)) => self.put(&piece),
                Ok(None) => return Next::Nothing,
                Err(_) => break,
            }
        }
        Next::Closing
    }

    /// Gathers what the program wrote; what is remarked of it is shown at once, as nothing of it needs to be masked.
    fn put(&mut self, piece: &LogPiece) {
        match piece {
            LogPiece::Written(bytes) => self.plain.push(bytes, &mut self.gathered),
            LogPiece::Remark(text) if self.budget.take(Instant::now(), text.len(), true) => {
                tracing::warn!(target = %self.session.target(), session = %self.session.id(), "Of a program: {text}");
                self.record(&format!("vidimus: {text}\n"));
            }
            LogPiece::Remark(_) => self.left_out = self.left_out.saturating_add(1),
        }
    }

    /// Masks what was gathered, and keeps of it what there is room for.
    async fn take(&mut self, next: Next) {
        let text = self.certain(next == Next::Nothing).await;
        self.lines.push(&text);
        self.keep(next != Next::More);
    }

    /// What is certain by now of all that was gathered, masked.
    async fn certain(&mut self, is_last: bool) -> Vec<u8> {
        let gathered = std::mem::take(&mut self.gathered);
        let count = memchr::memchr_iter(b'\n', &gathered).count() as u64;
        let Some(masked) = self.masked.take() else {
            self.left_out = self.left_out.saturating_add(count);
            return Vec::new();
        };
        match masked.push(gathered, is_last).await {
            Ok(Certain { rest, text, found }) => {
                self.masked = rest;
                self.found.add(&found);
                text
            }
            Err(error) => {
                tracing::error!(%error, session = %self.session.id(), "what a program says is left out from here on");
                self.left_out = self.left_out.saturating_add(count);
                Vec::new()
            }
        }
    }

    /// Keeps the lines that there is room for, and of the rest the last ones until it is known whether they are the last.
    fn keep(&mut self, is_end: bool) {
        let now = Instant::now();
        let mut lines = self.lines.take(is_end).into_iter().peekable();
        let mut kept = String::new();
        while let Some(line) = lines.next_if(|line| self.budget.take(now, line.len(), kept.is_empty())) {
            kept.push_str(&line);
            kept.push('\n');
        }
        if !kept.is_empty() {
            self.left_out = self.left_out.saturating_add(self.last_words.clear());
            self.leaves_out = false;
            self.show(&kept);
        }
        if lines.peek().is_some() && !std::mem::replace(&mut self.leaves_out, true) {
            let (target, session) = (self.session.target(), self.session.id());
            tracing::info!(%target, %session, "A program says more than is kept; lines of it are left out");
        }
        for line in lines {
            self.left_out = self.left_out.saturating_add(self.last_words.push(line));
        }
        if is_end {
            self.end();
        }
    }

    /// Keeps the last words, and the count of what was left out if no event has it yet.
    fn end(&mut self) {
        let last_words = self.last_words.take();
        if !last_words.is_empty() {
            self.show(&last_words);
        }
        if self.left_out == 0 {
            return;
        }
        if self.records {
            self.append(&[]);
        } else {
            let (target, session) = (self.session.target(), self.session.id());
            tracing::info!(%target, %session, lines = self.left_out, "Lines of a program were left out");
        }
    }

    /// Repeats whole lines in the gateway's own log, and records them.
    fn show(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.is_empty()) {
            tracing::info!(target = %self.session.target(), session = %self.session.id(), "A program says: {line}");
        }
        self.record(text);
    }

    fn record(&mut self, text: &str) {
        if !self.records {
            return;
        }
        let has_room = self.session.shared().capacity.has_room();
        let part = Part { name: PayloadName::Log, recorded: text.as_bytes(), passed: text.as_bytes() };
        if !has_room || !self.append(&[part]) {
            self.left_out = self.left_out.saturating_add(text.lines().count() as u64);
        }
    }

    /// Whether the event is written.
    fn append(&mut self, payloads: &[Part<'_>]) -> bool {
        let found = if payloads.is_empty() { Found::NONE } else { &self.found };
        let logged = Logged { left_out: self.left_out, masking: found, payloads: &[] };
        let (strand, evidence) = (self.session.strand(), self.session.evidence());
        match strand.append_with(evidence, payloads, Body::ProgramLogged(logged)) {
            Ok(_) => {
                (self.left_out, self.found, self.has_failed) = (0, Found::default(), false);
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::error!(%error, session = %self.session.id(), "what a program says cannot be recorded");
                }
                false
            }
        }
    }
}

/// A moment, or never.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep(end.saturating_duration_since(Instant::now())).await,
        None => std::future::pending().await,
    }
}
