//! The gateway's witnesses: asked before anything is written at start, and of every checkpoint in the background.
//!
//! No request waits for them. Recorded is what changes: `witness.cosigned` when one cosigns again, and once an hour;
//! `witness.lagging` when one has not for a minute, and once an hour; `integrity.failed` when one has seen more of the log
//! than there is, or another history. A start in such a case is refused, and so is one without a witness that may not be
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

/// The witnesses of a gateway.
pub(crate) struct Witnesses {
    watched: Vec<Watched>,
    metrics: Metrics,
}

struct Watched {
    client: WitnessClient,
    on_start: OnStart,
    standing: Standing,
    retry: Duration,
    next: Instant,
}

/// How a witness stands, and when that was last recorded.
#[derive(Debug, Clone, Copy)]
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
        Ok(Self { watched: watched.collect::<Result<_, UpstreamError>>()?, metrics: Metrics::register(registry) })
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
                    Err(error) if error.is_contradiction() => return Err(error),
                    Err(_) if left > 0 => {}
                    Err(error) if watched.on_start == OnStart::Refuse => return Err(error),
                    Err(error) => {
                        tracing::error!(%error, "Started without this witness (on_start = \"warn\")");
                        absent.push(watched.client.name.clone());
                        watched.standing = Standing::Lagging { since: now, recorded: Some(now) };
                    }
                }
            }
            add(log, &signed, lines).await;
            if self.watched.iter().all(|watched| !watched.standing.is_new()) {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Ok(absent)
    }

    /// Asks for cosignatures of new checkpoints until the gateway stops.
    pub(crate) async fn run(mut self, gate: Gate, log: Witnessing, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            self.round(&gate, &log).await;
        }
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

impl Standing {
    const fn is_new(self) -> bool {
        matches!(self, Self::New)
    }
}

impl Watched {
    /// Whether it is to be asked about a log of that size.
    fn is_due(&self, size: u64, now: Instant) -> bool {
        let is_behind = self.client.seen() != Some(size) || !matches!(self.standing, Standing::Cosigning { .. });
        is_behind && self.next <= now
    }

    /// Takes in how the last round went, and records what is new in it.
    fn settle(&mut self, gate: &Gate, size: u64, cosigned: Result<(), AskError>) -> Result<(), EvidenceError> {
        let now = Instant::now();
        let name = &self.client.name;
        match cosigned {
            Ok(()) => {
                self.retry = INTERVAL;
                if let Standing::Cosigning { recorded } = self.standing
                    && recorded.elapsed() < REPEAT
                {
                    return Ok(());
                }
                gate.witness_cosigned(name, size)?;
                tracing::info!(witness = %name, size, "The witness cosigns");
                self.standing = Standing::Cosigning { recorded: now };
            }
            Err(error) => {
                self.next = now + self.retry;
                self.retry = MAX_RETRY.min(self.retry * 2);
                let (since, recorded) = match self.standing {
                    Standing::Lagging { since, recorded } => (since, recorded),
                    Standing::New | Standing::Cosigning { .. } => (now, None),
                };
                self.standing = Standing::Lagging { since, recorded };
                let is_new = recorded.is_none_or(|recorded| recorded.elapsed() >= REPEAT);
                if !is_new || !(error.is_contradiction() || since.elapsed() >= LAG_ALARM) {
                    return Ok(());
                }
                let reason = error.to_string();
                if error.is_contradiction() {
                    tracing::error!(%error, "INTEGRITY: keep the data directory and the witness's state for examination");
                    gate.integrity_failed("witness", &reason)?;
                } else {
                    tracing::error!(%error, behind = ?since.elapsed(), "The witness does not cosign");
                    let seen = self.client.seen().unwrap_or(0);
                    gate.witness_lagging(name, seen, size.saturating_sub(seen), &reason)?;
                }
                self.standing = Standing::Lagging { since, recorded: Some(now) };
            }
        }
        Ok(())
    }
}
