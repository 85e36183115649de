//! The gateway's witnesses: asked before anything is written at start, and of every checkpoint in the background.
//!
//! No request waits for them. Recorded is what changes: `witness.cosigned` when one cosigns again, and once an hour;
//! `witness.lagging` when one has not for a minute, and once an hour; `integrity.failed` when one has seen more of the log
//! than there is, or another history, or has forgotten what it has cosigned. A start in such a case is refused, and so is one without a witness that may not be
//! missing (`on_start`).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;
use vidimus_core::{Clock as _, SystemClock};
use vidimus_gate::{EvidenceError, Gate};
use vidimus_log::Witnessing;
use vidimus_net::UpstreamError;

use crate::api::WitnessState;
use crate::config::{self, OnStart};
use crate::witness_client::{AskError, WitnessClient};

/// How often a new checkpoint is looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait before a witness that does not answer is asked again.
const MAX_RETRY: Duration = Duration::from_secs(30);
/// A witness that has not cosigned for so long is told of.
const LAG_ALARM: Duration = Duration::from_mins(1);
/// How often what stays as it is is recorded again.
const REPEAT: Duration = Duration::from_hours(1);
/// How often a witness that cannot be reached is tried at start, and the pause between.
const START_TRIES: (usize, Duration) = (3, Duration::from_secs(1));

/// How long the witnesses are waited for at a stop, all of them together.
const LAST_ROUND: Duration = Duration::from_secs(5);

/// The witnesses of a gateway.
pub(crate) struct Witnesses {
    watched: Vec<Watched>,
    standing: watch::Sender<Vec<Watch>>,
    metrics: Metrics,
}

struct Watched {
    client: WitnessClient,
    on_start: OnStart,
    standing: Standing,
    retry: Duration,
    next: Instant,
}

/// What is shown of a witness.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    name: String,
    cosigned: Option<u64>,
    standing: Standing,
}

/// How a witness stands, and when that was last recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Not asked since the start.
    New,
    Cosigning {
        recorded: Instant,
    },
    /// It has not cosigned since; told of, or not yet.
    Lagging {
        since: Instant,
        recorded: Option<Instant>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    witness: String,
}

#[derive(Clone, Default)]
struct Metrics {
    cosigned: Family<Label, Gauge>,
    behind: Family<Label, Gauge>,
    at: Family<Label, Gauge>,
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let witness = registry.sub_registry_with_prefix("witness");
        witness.register(
            "cosigned_leaves",
            "Events of the log that the witness has cosigned",
            metrics.cosigned.clone(),
        );
        witness.register(
            "behind_leaves",
            "Events under the checkpoint that it has not cosigned",
            metrics.behind.clone(),
        );
        let about = "When it cosigned last, since the Unix epoch; 0 if not since the start";
        witness.register_with_unit("cosigned_at", about, Unit::Seconds, metrics.at.clone());
        metrics
    }

    fn set(&self, client: &WitnessClient, size: u64, has_cosigned: bool) {
        let label = Label { witness: client.name.clone() };
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let seen = client.seen().unwrap_or(0);
        self.cosigned.get_or_create(&label).set(count(seen));
        self.behind.get_or_create(&label).set(count(size.saturating_sub(seen)));
        let at = self.at.get_or_create(&label);
        if has_cosigned {
            at.set(count(SystemClock.now().seconds()));
        }
    }
}

impl Witnesses {
    /// The witnesses of a configuration.
    pub(crate) fn new(witnesses: &[config::Witness], registry: &mut Registry) -> Result<Self, UpstreamError> {
        let watched = witnesses.iter().map(|witness| {
            Ok(Watched {
                client: WitnessClient::new(witness)?,
                on_start: witness.on_start,
                standing: Standing::New,
                retry: INTERVAL,
                next: Instant::now(),
            })
        });
        let watched = watched.collect::<Result<_, UpstreamError>>()?;
        let witnesses = Self { watched, standing: watch::Sender::default(), metrics: Metrics::register(registry) };
        witnesses.tell();
        Ok(witnesses)
    }

    /// Asks every witness what it has seen of the log as it was found. Gives the names of those that did not say and need
    /// not, or why the gateway must not start.
    pub(crate) async fn admit(&mut self, log: &Witnessing) -> Result<Vec<String>, AskError> {
        let mut absent = Vec::new();
        let (checkpoint, signed) = log.checkpoint();
        let (tries, pause) = START_TRIES;
        for left in (0..tries).rev() {
            let now = Instant::now();
            let asked = self.watched.iter_mut().filter(|watched| watched.standing.is_new());
            let asked = join_all(asked.map(|watched| async {
                let cosigned = watched.client.ask(log, &checkpoint, &signed).await;
                (watched, cosigned)
            }));
            let mut lines = String::new();
            for (watched, cosigned) in asked.await {
                self.metrics.set(&watched.client, checkpoint.size, cosigned.is_ok());
                match cosigned {
                    Ok(line) => {
                        lines.push_str(&line);
                        // Recorded with the first checkpoint that it cosigns from now on.
                        watched.standing = Standing::Lagging { since: now, recorded: None };
                    }
                    // Whose memory is lost may be forgiven by whoever has asked its operator: not the log's.
                    Err(error) if error.is_contradiction() && !may_go_on(&error, watched.on_start) => {
                        return Err(error);
                    }
                    Err(_) if left > 0 => {}
                    Err(error) if watched.on_start == OnStart::Refuse => return Err(error),
                    Err(error) => {
                        tracing::error!(%error, "Started without this witness (on_start = \"warn\")");
                        absent.push(watched.client.name.clone());
                        // `log.started` says that it is absent, and not that it has forgotten something.
                        let recorded = (!error.is_witness_at_fault()).then_some(now);
                        watched.standing = Standing::Lagging { since: now, recorded };
                    }
                }
            }
            add(log, &signed, lines).await;
            if self.watched.iter().all(|watched| !watched.standing.is_new()) {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        self.tell();
        Ok(absent)
    }

    /// How each stands, as of the last round.
    pub(crate) fn standing(&self) -> watch::Receiver<Vec<Watch>> {
        self.standing.subscribe()
    }

    fn tell(&self) {
        let watch = |Watched { client, standing, .. }: &Watched| Watch {
            name: client.name.clone(),
            cosigned: client.seen(),
            standing: *standing,
        };
        self.standing.send_replace(self.watched.iter().map(watch).collect());
    }

    /// Asks for cosignatures of new checkpoints until the gateway stops; gives the witnesses back for the last one.
    pub(crate) async fn run(mut self, gate: Gate, log: Witnessing, mut stop: watch::Receiver<bool>) -> Self {
        loop {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                _ = stop.wait_for(|stop| *stop) => return self,
            }
            self.round(&gate, &log).await;
            self.tell();
        }
    }

    /// Asks once more for a cosignature, of the checkpoint after which nothing is recorded: what comes of it stands in the
    /// gateway's log and nowhere else. A witness that does not answer in time is asked at the next start.
    pub(crate) async fn last_round(&mut self, log: &Witnessing) {
        let (checkpoint, signed) = log.checkpoint();
        let behind = self.watched.iter_mut().filter(|watched| watched.client.seen() != Some(checkpoint.size));
        let asked = join_all(behind.map(|watched| async {
            let cosigned = tokio::time::timeout(LAST_ROUND, watched.client.ask(log, &checkpoint, &signed)).await;
            (watched.client.name.clone(), cosigned)
        }));
        let mut lines = String::new();
        for (witness, cosigned) in asked.await {
            match cosigned {
                Ok(Ok(line)) => lines.push_str(&line),
                Ok(Err(error)) => tracing::warn!(%error, "The last checkpoint is not cosigned"),
                Err(_) => tracing::warn!(%witness, "The last checkpoint is not cosigned: no answer in time"),
            }
        }
        add(log, &signed, lines).await;
    }

    async fn round(&mut self, gate: &Gate, log: &Witnessing) {
        let (checkpoint, signed) = log.checkpoint();
        let now = Instant::now();
        let due = self.watched.iter_mut().filter(|watched| watched.is_due(checkpoint.size, now));
        let asked = join_all(due.map(|watched| async {
            let cosigned = watched.client.ask(log, &checkpoint, &signed).await;
            (watched, cosigned)
        }));
        let mut lines = String::new();
        for (watched, cosigned) in asked.await {
            self.metrics.set(&watched.client, checkpoint.size, cosigned.is_ok());
            if let Ok(line) = &cosigned {
                lines.push_str(line);
            }
            let size = checkpoint.size;
            if let Err(error) = watched.settle(gate, size, cosigned.map(drop)) {
                tracing::error!(%error, "What a witness did cannot be recorded yet");
            }
        }
        add(log, &signed, lines).await;
    }
}

/// Whether a gateway may start after such an answer, as far as that is the configuration's to say.
fn may_go_on(error: &AskError, on_start: OnStart) -> bool {
    error.is_witness_at_fault() && on_start == OnStart::Warn
}

/// Stores what was cosigned.
async fn add(log: &Witnessing, signed: &str, lines: String) {
    if lines.is_empty() {
        return;
    }
    let (log, signed) = (log.clone(), signed.to_owned());
    let added = tokio::task::spawn_blocking(move || log.add(&signed, &lines)).await;
    if let Ok(Err(error)) = added {
        tracing::error!(%error, "Cosignatures cannot be stored");
    }
}

impl Watch {
    /// What is shown of it beside a checkpoint of `size`.
    pub(crate) fn state(&self, size: u64) -> WitnessState {
        let (state, lagging_s) = match self.standing {
            Standing::New => ("asked", None),
            Standing::Cosigning { .. } => ("cosigning", None),
            // Until its first cosignature after a start there is nothing to complain of.
            Standing::Lagging { since, recorded: None } if since.elapsed() < LAG_ALARM => ("asked", None),
            Standing::Lagging { since, .. } => ("lagging", Some(since.elapsed().as_secs())),
        };
        let behind = size.saturating_sub(self.cosigned.unwrap_or(0));
        WitnessState { name: self.name.clone(), state: state.to_owned(), cosigned: self.cosigned, behind, lagging_s }
    }
}

/// What is to be recorded of a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Note {
    Cosigns,
    Lags,
    Contradicts,
}

/// How asking a witness went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Cosigned,
    Failed,
    Contradicted,
}

impl Standing {
    const fn is_new(self) -> bool {
        matches!(self, Self::New)
    }

    /// How it stands after it was asked, when nothing is recorded of that, and what is to be recorded.
    fn after(self, asked: Asked, now: Instant) -> (Self, Option<Note>) {
        let is_repeat = |recorded: Instant| now.duration_since(recorded) < REPEAT;
        match (self, asked) {
            (Self::Cosigning { recorded }, Asked::Cosigned) if is_repeat(recorded) => (self, None),
            (_, Asked::Cosigned) => (self, Some(Note::Cosigns)),
            (_, Asked::Failed | Asked::Contradicted) => {
                let (since, recorded) = match self {
                    Self::Lagging { since, recorded } => (since, recorded),
                    Self::New | Self::Cosigning { .. } => (now, None),
                };
                let lagging = Self::Lagging { since, recorded };
                let note = match asked {
                    _ if recorded.is_some_and(is_repeat) => None,
                    Asked::Contradicted => Some(Note::Contradicts),
                    _ => (now.duration_since(since) >= LAG_ALARM).then_some(Note::Lags),
                };
                (lagging, note)
            }
        }
    }

    /// How it stands when that is recorded.
    const fn recorded(self, note: Note, now: Instant) -> Self {
        match (self, note) {
            (Self::Lagging { since, .. }, Note::Lags | Note::Contradicts) => {
                Self::Lagging { since, recorded: Some(now) }
            }
            (_, Note::Lags | Note::Contradicts) => Self::Lagging { since: now, recorded: Some(now) },
            (_, Note::Cosigns) => Self::Cosigning { recorded: now },
        }
    }
}

impl Watched {
    /// Whether it is to be asked about a log of that size.
    fn is_due(&self, size: u64, now: Instant) -> bool {
        let is_behind = self.client.seen() != Some(size) || !matches!(self.standing, Standing::Cosigning { .. });
        is_behind && self.next <= now
    }

    /// Takes in how the last round went, and records what is new in it. What cannot be recorded is tried again.
    fn settle(&mut self, gate: &Gate, size: u64, cosigned: Result<(), AskError>) -> Result<(), EvidenceError> {
        let now = Instant::now();
        let name = &self.client.name;
        let asked = match &cosigned {
            Ok(()) => Asked::Cosigned,
            Err(error) if error.is_contradiction() => Asked::Contradicted,
            Err(_) => Asked::Failed,
        };
        if asked == Asked::Cosigned {
            self.retry = INTERVAL;
        } else {
            self.next = now + self.retry;
            self.retry = MAX_RETRY.min(self.retry * 2);
        }
        let (standing, note) = self.standing.after(asked, now);
        self.standing = standing;
        let Some(note) = note else { return Ok(()) };
        let is_witness_at_fault = cosigned.as_ref().is_err_and(AskError::is_witness_at_fault);
        let reason = cosigned.err().map(|error| error.to_string()).unwrap_or_default();
        match note {
            Note::Cosigns => {
                gate.witness_cosigned(name, size)?;
                tracing::info!(witness = %name, size, "The witness cosigns");
            }
            Note::Lags => {
                tracing::error!(error = %reason, "The witness does not cosign");
                let seen = self.client.seen().unwrap_or(0);
                gate.witness_lagging(name, seen, size.saturating_sub(seen), &reason)?;
            }
            Note::Contradicts => {
                tracing::error!(error = %reason, "INTEGRITY: keep the data directory and the witness's state for examination");
                gate.integrity_failed("witness", &reason)?;
                if is_witness_at_fault {
                    // It is on record; from now on it may remember what it is shown.
                    self.client.forgive();
                }
            }
        }
        self.standing = standing.recorded(note, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A witness that is asked: what is to be recorded, and how it stands when that is done.
    fn ask(standing: &mut Standing, asked: Asked, now: Instant) -> Option<Note> {
        let (next, note) = standing.after(asked, now);
        *standing = note.map_or(next, |note| next.recorded(note, now));
        note
    }

    #[test]
    fn a_witness_that_lags_for_a_minute_is_told_of_once_and_again_after_an_hour() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut standing = Standing::New;
        assert_eq!(ask(&mut standing, Asked::Cosigned, at(0)), Some(Note::Cosigns));
        assert_eq!(ask(&mut standing, Asked::Cosigned, at(1)), None);
        // The minute begins with the first failure, not with the last success.
        assert_eq!(ask(&mut standing, Asked::Failed, at(100)), None);
        assert_eq!(ask(&mut standing, Asked::Failed, at(159)), None);
        assert_eq!(ask(&mut standing, Asked::Failed, at(160)), Some(Note::Lags));
        assert_eq!(ask(&mut standing, Asked::Failed, at(161)), None);
        assert_eq!(ask(&mut standing, Asked::Failed, at(160 + 3_599)), None);
        assert_eq!(ask(&mut standing, Asked::Failed, at(160 + 3_600)), Some(Note::Lags));
        assert_eq!(ask(&mut standing, Asked::Cosigned, at(4_000)), Some(Note::Cosigns), "it cosigns again");
        assert_eq!(ask(&mut standing, Asked::Cosigned, at(4_001)), None);
        assert_eq!(ask(&mut standing, Asked::Cosigned, at(7_600)), Some(Note::Cosigns), "still, an hour later");
        // A short failure is none.
        assert_eq!(ask(&mut standing, Asked::Failed, at(7_700)), None);
        assert_eq!(ask(&mut standing, Asked::Cosigned, at(7_730)), Some(Note::Cosigns));
        assert_eq!(ask(&mut standing, Asked::Failed, at(7_770)), None, "the minute begins anew");
    }

    #[test]
    fn a_contradiction_does_not_wait_a_minute() {
        let now = Instant::now();
        let mut standing = Standing::Cosigning { recorded: now };
        assert_eq!(ask(&mut standing, Asked::Contradicted, now), Some(Note::Contradicts));
        assert_eq!(ask(&mut standing, Asked::Contradicted, now + MAX_RETRY), None, "once an hour");
    }

    #[test]
    fn what_cannot_be_recorded_is_recorded_later() {
        let start = Instant::now();
        let standing = Standing::Lagging { since: start, recorded: None };
        let (next, note) = standing.after(Asked::Failed, start + LAG_ALARM);
        assert_eq!(note, Some(Note::Lags));
        assert_eq!(next.after(Asked::Failed, start + LAG_ALARM * 2).1, Some(Note::Lags));
    }

    #[test]
    fn a_witness_is_shown_with_how_far_behind_it_is() {
        let watch = |standing| Watch { name: "w1".into(), cosigned: Some(3), standing };
        let now = Instant::now();
        let state = watch(Standing::Cosigning { recorded: now }).state(10);
        assert_eq!(
            (state.state.as_str(), state.cosigned, state.behind, state.lagging_s),
            ("cosigning", Some(3), 7, None)
        );
        let state = watch(Standing::Lagging { since: now, recorded: Some(now) }).state(10);
        assert_eq!((state.state.as_str(), state.lagging_s), ("lagging", Some(0)));
        assert_eq!(watch(Standing::Lagging { since: now, recorded: None }).state(10).state, "asked");
    }
}
