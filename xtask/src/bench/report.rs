//! From runs to figures, and from figures to a table with what was asked for beside them.
//!
//! Calls and seconds of all rounds are added up; latencies are the median of the rounds; memory is the highest.

use std::fmt;

use serde::Serialize;

use super::parts::Commits;
use super::{Case, Mode, Run, Shape};

/// `strict` reaches at least this share of what two bare waits leave possible.
const STRICT_SHARE: f64 = 0.85;
/// Resident memory of an idle gateway stays below this.
const IDLE_BYTES: f64 = 60.0 * 1024.0 * 1024.0;
const KIBIBYTE: usize = 1024;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    rows: Vec<Row>,
    marks: Vec<Mark>,
}

/// One case in one mode.
#[derive(Debug, Clone, Copy, Serialize)]
struct Row {
    #[serde(flatten)]
    case: Case,
    mode: Mode,
    calls_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    mean_us: f64,
    cpu_seconds_per_10k: Option<f64>,
    idle_bytes: Option<f64>,
    peak_bytes: Option<f64>,
    /// The mean wait of the bare commit loop in the same case.
    commit_wait_us: f64,
}

/// What was asked for, and what there is.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Mark {
    what: String,
    wanted: f64,
    found: f64,
    pub(super) holds: bool,
}

/// Sums up.
pub(super) fn summarize(runs: &[Run], commits: &[(Case, Commits)]) -> Report {
    let mut rows: Vec<Row> = Vec::new();
    for run in runs {
        if rows.iter().any(|row| (row.case, row.mode) == (run.case, run.mode)) {
            continue;
        }
        let same: Vec<&Run> = runs.iter().filter(|other| (other.case, other.mode) == (run.case, run.mode)).collect();
        let waits = commits.iter().filter(|(case, _)| *case == run.case).map(|(_, commits)| commits.mean_us);
        rows.push(row(run, &same, median(waits)));
    }
    let marks = marks(&rows);
    Report { rows, marks }
}

/// The row of `first` and all runs like it.
fn row(first: &Run, runs: &[&Run], commit_wait_us: f64) -> Row {
    let sum = |of: fn(&Run) -> f64| runs.iter().map(|run| of(run)).sum::<f64>();
    let usage = runs.iter().all(|run| run.usage.is_some());
    #[expect(clippy::cast_precision_loss, reason = "memory stays far below 2^52 bytes")]
    let highest = |of: fn(super::Usage) -> u64| {
        usage.then(|| runs.iter().filter_map(|run| run.usage.map(of)).max().unwrap_or(0) as f64)
    };
    Row {
        case: first.case,
        mode: first.mode,
        calls_per_second: sum(|run| run.load.calls) / sum(|run| run.load.seconds),
        p50_us: median(runs.iter().map(|run| run.load.p50_us)),
        p99_us: median(runs.iter().map(|run| run.load.p99_us)),
        mean_us: median(runs.iter().map(|run| run.load.mean_us)),
        cpu_seconds_per_10k: usage.then(|| {
            sum(|run| run.usage.map_or(0.0, |usage| usage.cpu_seconds)) / sum(|run| run.load.all_calls) * 10_000.0
        }),
        idle_bytes: highest(|usage| usage.idle),
        peak_bytes: highest(|usage| usage.peak),
        commit_wait_us,
    }
}

/// The marks for which there is a row.
fn marks(rows: &[Row]) -> Vec<Mark> {
    let find = |mode, sessions, kibibytes| {
        let case = Case { shape: Shape::Json, sessions, payload: kibibytes * KIBIBYTE };
        rows.iter().find(|row| (row.case, row.mode) == (case, mode))
    };
    let mut marks = Vec::new();
    if let Some(row) = find(Mode::Async, 64, 1) {
        marks.push(at_least("async, 64 sessions, 1 KiB: calls/s", 8000.0, row.calls_per_second));
        marks.push(at_most("async, 64 sessions, 1 KiB: CPU-s per 10,000", 1.25, row.cpu_seconds_per_10k));
    }
    if let Some(row) = find(Mode::Async, 64, 64) {
        marks.push(at_most("async, 64 sessions, 64 KiB: CPU-s per 10,000", 4.0, row.cpu_seconds_per_10k));
    }
    if let Some(row) = find(Mode::Async, 1, 1) {
        marks.push(at_most("async, 1 session, 1 KiB: p50 µs", 250.0, Some(row.p50_us)));
    }
    for strict in rows.iter().filter(|row| row.mode == Mode::Strict) {
        let Some(other) = rows.iter().find(|row| row.mode == Mode::Async && row.case == strict.case) else { continue };
        let Case { shape, sessions, payload } = strict.case;
        // A call waits for two commits: its intent and its outcome.
        #[expect(clippy::cast_precision_loss, reason = "a few sessions")]
        let possible = sessions as f64 / ((other.mean_us + 2.0 * strict.commit_wait_us) / 1e6);
        let what = format!("strict, {}, {sessions} sessions, {} KiB: calls/s", shape.name(), payload / KIBIBYTE);
        marks.push(at_least(&what, STRICT_SHARE * possible.min(other.calls_per_second), strict.calls_per_second));
    }
    let idle = rows.iter().filter_map(|row| row.idle_bytes).reduce(f64::max);
    if idle.is_some() {
        marks.push(at_most("idle: resident MB", IDLE_BYTES / MEBIBYTE, idle.map(|bytes| bytes / MEBIBYTE)));
    }
    marks
}

pub(super) fn at_least(what: &str, wanted: f64, found: f64) -> Mark {
    Mark { what: format!("{what} ≥"), wanted, found, holds: found >= wanted }
}

pub(super) fn at_most(what: &str, wanted: f64, found: Option<f64>) -> Mark {
    let found = found.unwrap_or(f64::NAN);
    Mark { what: format!("{what} ≤"), wanted, found, holds: found <= wanted }
}

/// The one in the middle.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<7} {:>8} {:>8} {:<7} {:>9} {:>9} {:>9} {:>11} {:>8} {:>8} {:>12}",
            "shape",
            "sessions",
            "payload",
            "mode",
            "calls/s",
            "p50 µs",
            "p99 µs",
            "CPU-s/10k",
            "idle MB",
            "peak MB",
            "bare wait µs"
        )?;
        for row in &self.rows {
            let optional = |value: Option<f64>, digits| value.map_or("–".to_owned(), |v| format!("{v:.digits$}"));
            writeln!(
                f,
                "{:<7} {:>8} {:>8} {:<7} {:>9.0} {:>9.0} {:>9.0} {:>11} {:>8} {:>8} {:>12.0}",
                row.case.shape.name(),
                row.case.sessions,
                row.case.payload,
                row.mode.name(),
                row.calls_per_second,
                row.p50_us,
                row.p99_us,
                optional(row.cpu_seconds_per_10k, 2),
                optional(row.idle_bytes.map(|bytes| bytes / MEBIBYTE), 1),
                optional(row.peak_bytes.map(|bytes| bytes / MEBIBYTE), 1),
                row.commit_wait_us,
            )?;
        }
        writeln!(f)?;
        for mark in &self.marks {
            writeln!(f, "{mark}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, wanted, found, holds } = self;
        write!(f, "{:<6} {what} {wanted:.2}: {found:.2}", if *holds { "holds" } else { "MISSED" })
    }
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Async => "async",
            Self::Strict => "strict",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::Load;
    use super::*;
    use crate::bench::Usage;

    const CASE: Case = Case { shape: Shape::Json, sessions: 64, payload: 1024 };

    fn run(mode: Mode, calls: f64, mean_us: f64, cpu_seconds: f64) -> Run {
        let load = Load { calls, seconds: 1.0, p50_us: mean_us, p99_us: mean_us, mean_us, all_calls: calls * 2.0 };
        let usage = (mode != Mode::Direct).then_some(Usage { cpu_seconds, idle: 10 << 20, peak: 20 << 20 });
        Run { case: CASE, mode, load, usage }
    }

    fn commits(mean_us: f64) -> (Case, Commits) {
        (CASE, Commits { mean_us })
    }

    #[test]
    fn rounds_are_added_up_and_cpu_time_counts_the_warm_up_too() {
        let runs = [run(Mode::Async, 9000.0, 100.0, 2.0), run(Mode::Async, 11_000.0, 300.0, 2.0)];
        let report = summarize(&runs, &[commits(100.0)]);
        let [row] = report.rows.as_slice() else { panic!("{report:?}") };
        assert!((row.calls_per_second - 10_000.0).abs() < 1e-6);
        // 4 CPU-seconds for 40,000 calls
        assert!((row.cpu_seconds_per_10k.unwrap() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn strict_is_held_against_what_two_waits_leave_possible() {
        // 64 sessions / (8 ms + 2 × 1 ms) = 6400 calls/s are possible; 85 % of it are 5440.
        let strict = |calls| {
            let runs = [run(Mode::Async, 8000.0, 8000.0, 1.0), run(Mode::Strict, calls, 1.0, 1.0)];
            let report = summarize(&runs, &[commits(1000.0)]);
            report.marks.into_iter().find(|mark| mark.what.starts_with("strict")).unwrap()
        };
        assert!((strict(5441.0).wanted - 5440.0).abs() < 1e-6);
        assert!(strict(5441.0).holds);
        assert!(!strict(5439.0).holds);
    }

    #[test]
    fn a_mark_without_a_figure_is_missed() {
        assert!(!at_most("x", 1.0, None).holds);
        assert!(summarize(&[run(Mode::Direct, 1.0, 1.0, 0.0)], &[commits(1.0)]).marks.is_empty());
    }

    #[test]
    fn the_table_says_what_is_missed() {
        let runs = [run(Mode::Direct, 20_000.0, 50.0, 0.0), run(Mode::Async, 7000.0, 100.0, 1.0)];
        let table = summarize(&runs, &[commits(118.4)]).to_string();
        assert!(table.contains("MISSED async, 64 sessions, 1 KiB: calls/s ≥ 8000.00: 7000.00"), "{table}");
        assert!(table.contains("holds  idle: resident MB ≤ 60.00: 10.00"), "{table}");
    }
}
