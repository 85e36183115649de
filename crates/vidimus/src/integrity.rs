//! Drives the gateway's check of its own evidence: new entries at once, everything again each `[integrity] every`.
//!
//! One check follows the log. When its time is up a fresh one begins with the first entry, paced so that it uses a twentieth
//! of one core and of the disk's time, and takes the place of the other when it has caught up. At a start it begins anew.
//! What is found is told once for each file and run: event `integrity.failed`, the process log, a metric. It never stops
//! the gateway, and no request waits for it. Dropping the future loses nothing but the place.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use vidimus_core::{Clock as _, SystemClock, Timestamp};
use vidimus_gate::{Findings, Gate, IntegrityCheck};
use vidimus_log::verify::{Finding, Step};

/// How often new entries are looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// A check that has much to do rests so many times as long as it works.
const REST: u32 = 19;
/// The longest such rest: a file on a slow disk must not hold it up for minutes.
const MAX_REST: Duration = Duration::from_secs(2);
/// How many files are told of one by one in a run; more are counted.
const MAX_TOLD: usize = 100;

/// How far the check is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Entries checked, of those under the checkpoint.
    pub(crate) checked: u64,
    pub(crate) of: u64,
    /// Entries that the next check of everything has done, while one is under way beside it.
    pub(crate) again: Option<u64>,
    /// When everything had last been checked, in this run.
    pub(crate) completed_at: Option<String>,
    /// Files with findings in this run.
    pub(crate) findings: u64,
}

/// The metrics, and what the socket shows.
pub(crate) struct Integrity {
    every: Duration,
    progress: watch::Sender<Progress>,
    checked: Gauge,
    findings: Gauge,
    completed_at: Gauge,
}

impl Integrity {
    /// Registers the metrics.
    pub(crate) fn new(every: Duration, registry: &mut Registry) -> Self {
        let (checked, findings, completed_at) = (Gauge::default(), Gauge::default(), Gauge::default());
        let integrity = registry.sub_registry_with_prefix("integrity");
        integrity.register("checked_leaves", "Events of the log whose integrity was checked", checked.clone());
        let about = "Files of the evidence that are not what they must be, found since the start";
        integrity.register("findings", about, findings.clone());
        let about = "When all evidence had last been checked, since the Unix epoch; 0 if not since the start";
        integrity.register_with_unit("completed_at", about, Unit::Seconds, completed_at.clone());
        Self { every, progress: watch::Sender::default(), checked, findings, completed_at }
    }

    /// How far the check is, now and later.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Checks until the gateway is told to stop.
    pub(crate) async fn run(self, gate: Gate, mut stop: watch::Receiver<bool>) {
        let mut told = Told { gate: gate.clone(), files: BTreeSet::new(), waiting: Vec::new() };
        let (mut current, mut fresh) = (gate.integrity_check(), None);
        let (mut began, mut is_complete) = (Instant::now(), false);
        loop {
            let Some((check, findings, mut rest)) = stepped(current).await else { return };
            current = check;
            let step = findings.step;
            told.add(findings.findings);
            match (step, fresh.take()) {
                (Step::CaughtUp | Step::Stuck, Some(check)) => {
                    let Some((check, findings, its_rest)) = stepped(check).await else { return };
                    let has_ended = findings.step != Step::More;
                    told.add(findings.findings);
                    if has_ended {
                        told.add(std::mem::replace(&mut current, check).finish());
                        is_complete = findings.step == Step::CaughtUp;
                        self.completed(is_complete);
                    } else {
                        fresh = Some(check);
                    }
                    rest = its_rest;
                }
                (Step::CaughtUp, None) if !is_complete => {
                    is_complete = true;
                    self.completed(true);
                }
                (_, other) => fresh = other,
            }
            if fresh.is_none() && step != Step::More && began.elapsed() >= self.every {
                began = Instant::now();
                fresh = Some(gate.integrity_check());
            }
            told.tell();
            self.show(&current, fresh.as_ref(), told.files.len());
            let is_idle = step != Step::More && fresh.is_none();
            tokio::select! {
                () = tokio::time::sleep(if is_idle { INTERVAL } else { rest }) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn completed(&self, is_complete: bool) {
        if is_complete {
            let now: Timestamp = SystemClock.now();
            self.completed_at.set(i64::try_from(now.seconds()).unwrap_or(i64::MAX));
            self.progress.send_modify(|progress| progress.completed_at = Some(now.to_string()));
        }
    }

    fn show(&self, current: &IntegrityCheck, fresh: Option<&IntegrityCheck>, findings: usize) {
        let ((checked, of), again) = (current.progress(), fresh.map(|check| check.progress().0));
        let findings = u64::try_from(findings).unwrap_or(u64::MAX);
        self.checked.set(i64::try_from(checked).unwrap_or(i64::MAX));
        self.findings.set(i64::try_from(findings).unwrap_or(i64::MAX));
        self.progress.send_modify(|progress| {
            (progress.checked, progress.of, progress.again, progress.findings) = (checked, of, again, findings);
        });
    }
}

/// One step, where it may block, and how long to rest after it. `None` when the runtime is ending.
async fn stepped(mut check: IntegrityCheck) -> Option<(IntegrityCheck, Findings, Duration)> {
    let step = move || {
        let started = Instant::now();
        let findings = check.step();
        let rest = started.elapsed().saturating_mul(REST).min(MAX_REST);
        (check, findings, rest)
    };
    let stepped = tokio::task::spawn_blocking(step).await;
    if stepped.as_ref().is_err_and(tokio::task::JoinError::is_panic) {
        tracing::error!("The check of the evidence has ended: evidence is not checked until a restart");
    }
    stepped.ok()
}

/// What was found, and who was told.
struct Told {
    gate: Gate,
    files: BTreeSet<PathBuf>,
    /// Not on record yet.
    waiting: Vec<Finding>,
}

impl Told {
    /// Takes in findings; of those about one file, the first.
    fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            let count = self.files.len();
            if !self.files.contains(&finding.file) && count <= MAX_TOLD {
                if count == MAX_TOLD {
                    tracing::error!(
                        "INTEGRITY: more than {MAX_TOLD} files are damaged; run `vidimus log verify` for all"
                    );
                } else {
                    tracing::error!(%finding, "INTEGRITY: keep the data directory as it is for examination");
                    self.waiting.push(finding.clone());
                }
                self.files.insert(finding.file);
            }
        }
    }

    /// Records what waits; what cannot be recorded waits on.
    fn tell(&mut self) {
        while let Some(finding) = self.waiting.first() {
            if let Err(error) = self.gate.integrity_found(finding) {
                tracing::error!(%error, "What the check found cannot be recorded yet");
                return;
            }
            self.waiting.remove(0);
        }
    }
}
