//! From runs to figures, and from figures to a table with what was asked for beside them.
//!
//! Transactions, seconds and CPU time of all rounds are added up; latencies are the median of the rounds; of memory it is the
//! run with the highest.

use std::fmt;

use serde::Serialize;

use super::super::memory::megabytes;
use super::super::report::{Mark, at_least, at_most, median};
use super::load::Speed;
use super::{Case, Run, Usage, Way, Work};

/// Of the direct connection's transactions, `async` reaches at least this share.
const SHARE: f64 = 0.5;
/// A statement costs at most so many times what it costs `PgBouncer`.
const TIMES: f64 = 3.0;
/// Of the masking engine's own speed, a large result reaches at least this share.
const MASKER_SHARE: f64 = 0.6;
/// Memory grows by no more while a large result passes.
const RESULT_MB: f64 = 32.0;
/// So many idle connections take less.
const IDLE_MB: f64 = 50.0;

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    rows: Vec<Row>,
    masker: Speed,
    idle: Vec<Idle>,
    marks: Vec<Mark>,
}

/// One case on one way.
#[derive(Debug, Clone, Copy, Serialize)]
struct Row {
    #[serde(flatten)]
    case: Case,
    way: Way,
    /// Transactions; for results there is `mb_per_second`.
    tps: f64,
    mean_ms: f64,
    mb_per_second: Option<f64>,
    cpu_seconds_per_10k: Option<f64>,
    mb_per_cpu_second: Option<f64>,
    before_mb: Option<f64>,
    after_mb: Option<f64>,
    peak_mb: Option<f64>,
    /// Transactions a second, or megabytes, against those of a direct connection.
    of_direct: f64,
    /// CPU time against that of `PgBouncer`.
    of_pgbouncer: Option<f64>,
}

/// What idle connections take.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Idle {
    way: Way,
    connections: u32,
    before_mb: f64,
    after_mb: f64,
}

impl Idle {
    pub(super) fn new(way: Way, connections: u32, before: u64, after: u64) -> Self {
        Self { way, connections, before_mb: megabytes(before), after_mb: megabytes(after) }
    }

    fn grown(&self) -> f64 {
        self.after_mb - self.before_mb
    }
}

/// The same case on the same way, all rounds together.
struct Sum {
    tps: f64,
    cpu_per_statement: Option<f64>,
}

fn sum(runs: &[Run], case: Case, way: Way) -> Sum {
    let same = || runs.iter().filter(|run| (run.case, run.way) == (case, way));
    let all = |of: fn(&Run) -> f64| same().map(of).sum::<f64>();
    let cpu = same().map(|run| run.usage.map(|usage| usage.cpu_seconds)).sum::<Option<f64>>();
    Sum {
        tps: all(|run| run.load.transactions) / all(|run| run.load.seconds),
        cpu_per_statement: cpu.map(|cpu| cpu / all(|run| run.load.statements)),
    }
}

fn row(runs: &[Run], masker: &Speed, case: Case, way: Way) -> Row {
    let (own, direct) = (sum(runs, case, way), sum(runs, case, Way::Direct));
    let other = sum(runs, case, Way::PgBouncer).cpu_per_statement;
    let same = || runs.iter().filter(|run| (run.case, run.way) == (case, way));
    let usage: Option<Usage> = same().filter_map(|run| run.usage).max_by_key(|usage| usage.peak);
    let of_result = |value: f64| case.work.is_result().then_some(value);
    Row {
        case,
        way,
        tps: own.tps,
        mean_ms: median(same().map(|run| run.load.mean_ms)),
        mb_per_second: of_result(own.tps * masker.megabytes),
        cpu_seconds_per_10k: own.cpu_per_statement.filter(|_| !case.work.is_result()).map(|cpu| cpu * 1e4),
        mb_per_cpu_second: own.cpu_per_statement.and_then(|cpu| of_result(masker.megabytes / cpu)),
        before_mb: usage.map(|usage| megabytes(usage.before)),
        after_mb: usage.map(|usage| megabytes(usage.after)),
        peak_mb: usage.map(|usage| megabytes(usage.peak)),
        of_direct: own.tps / direct.tps,
        of_pgbouncer: own.cpu_per_statement.zip(other).map(|(own, other)| own / other),
    }
}

impl Report {
    pub(super) fn new(runs: &[Run], masker: Speed, idle: Vec<Idle>) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for run in runs {
            if !rows.iter().any(|row| (row.case, row.way) == (run.case, run.way)) {
                rows.push(row(runs, &masker, run.case, run.way));
            }
        }
        let marks = marks(&rows, &masker, &idle);
        Self { rows, masker, idle, marks }
    }
}

fn marks(rows: &[Row], masker: &Speed, idle: &[Idle]) -> Vec<Mark> {
    let mut marks = Vec::new();
    let of = |way, work, clients| rows.iter().find(move |row| (row.way, row.case) == (way, Case { work, clients }));
    if let Some(row) = of(Way::Async, Work::Prepared, 16) {
        marks.push(at_least("async, prepared, 16 clients: TPS of direct", SHARE, row.of_direct));
        marks.push(at_most("async, prepared, 16 clients: CPU of PgBouncer's", TIMES, row.of_pgbouncer));
    }
    for (way, work) in
        [Way::Strict, Way::Async].into_iter().flat_map(|way| [Work::Rows, Work::Copy].map(|work| (way, work)))
    {
        let Some(row) = of(way, work, 1) else { continue };
        let what = format!("{}, {} of {:.0} MB", way.name(), work.name(), masker.megabytes);
        let speed = row.mb_per_second.unwrap_or(f64::NAN);
        marks.push(at_least(&format!("{what}: MB/s"), MASKER_SHARE * masker.mb_per_second, speed));
        let grown = row.peak_mb.zip(row.before_mb).map(|(peak, before)| peak - before);
        marks.push(at_most(&format!("{what}: MB more at the peak"), RESULT_MB, grown));
    }
    for idle in idle.iter().filter(|idle| idle.way == Way::Async) {
        marks.push(at_most(&format!("{} idle connections: MB", idle.connections), IDLE_MB, Some(idle.grown())));
    }
    marks
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<9} {:>7} {:<10} {:>9} {:>9} {:>8} {:>9} {:>9} {:>7} {:>7} {:>7} {:>9} {:>9}",
            "work",
            "clients",
            "way",
            "TPS",
            "mean ms",
            "MB/s",
            "CPU-s/10k",
            "MB/CPU-s",
            "before",
            "after",
            "peak MB",
            "of direct",
            "of bouncer"
        )?;
        let optional = |value: Option<f64>, digits| value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
        for row in &self.rows {
            let Row { case, way, tps, mean_ms, .. } = row;
            writeln!(
                f,
                "{:<9} {:>7} {:<10} {:>9.1} {:>9.3} {:>8} {:>9} {:>9} {:>7} {:>7} {:>7} {:>9.2} {:>9}",
                case.work.name(),
                case.clients,
                way.name(),
                tps,
                mean_ms,
                optional(row.mb_per_second, 1),
                optional(row.cpu_seconds_per_10k, 2),
                optional(row.mb_per_cpu_second, 1),
                optional(row.before_mb, 1),
                optional(row.after_mb, 1),
                optional(row.peak_mb, 1),
                row.of_direct,
                optional(row.of_pgbouncer, 1),
            )?;
        }
        let Speed { megabytes, mb_per_second, mb_per_cpu_second } = self.masker;
        writeln!(
            f,
            "\nthe masking engine alone, on the same {megabytes:.0} MB: {mb_per_second:.1} MB/s, {mb_per_cpu_second:.1} MB per CPU-second"
        )?;
        for idle in &self.idle {
            let Idle { way, connections, before_mb, after_mb } = idle;
            let name = way.name();
            writeln!(f, "{connections} idle connections, {name}: {before_mb:.1} MB before, {after_mb:.1} MB after")?;
        }
        writeln!(f)?;
        for mark in &self.marks {
            writeln!(f, "{mark}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::Load;
    use super::*;

    const CASE: Case = Case { work: Work::Prepared, clients: 16 };
    const MASKER: Speed = Speed { megabytes: 100.0, mb_per_second: 50.0, mb_per_cpu_second: 50.0 };

    fn run(case: Case, way: Way, transactions: f64, cpu_seconds: f64) -> Run {
        let load = Load { transactions, statements: transactions, seconds: 2.0, mean_ms: 1.0 };
        let usage = Usage { cpu_seconds, before: 10 << 20, after: 20 << 20, peak: 30 << 20 };
        Run { case, way, load, usage: (way != Way::Direct).then_some(usage) }
    }

    #[test]
    fn rounds_are_added_up_and_compared_with_direct_and_pgbouncer() {
        let runs = [
            run(CASE, Way::Direct, 40_000.0, 0.0),
            run(CASE, Way::PgBouncer, 20_000.0, 1.0),
            run(CASE, Way::Async, 5_000.0, 1.0),
            run(CASE, Way::Async, 15_000.0, 2.0),
        ];
        let report = Report::new(&runs, MASKER, Vec::new());
        let [_, _, row] = report.rows.as_slice() else { panic!("{report:?}") };
        assert!((row.tps - 5_000.0).abs() < 1e-6 && (row.of_direct - 0.25).abs() < 1e-6);
        // 3 CPU-seconds for 20,000 statements; PgBouncer took 1.
        assert!((row.cpu_seconds_per_10k.unwrap() - 1.5).abs() < 1e-6);
        assert!((row.of_pgbouncer.unwrap() - 3.0).abs() < 1e-6);
        assert_eq!(report.marks.iter().map(|mark| mark.holds).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_result_is_held_against_the_masking_engine_and_memory_stays() {
        let case = Case { work: Work::Rows, clients: 1 };
        let holds = |seconds: f64| {
            let mut passed = run(case, Way::Strict, 1.0, 2.0);
            passed.load.seconds = seconds;
            let idle = vec![Idle::new(Way::Async, 500, 10 << 20, 59 << 20)];
            Report::new(&[run(case, Way::Direct, 1.0, 0.0), passed], MASKER, idle)
        };
        // 100 MB in 3.3 s are 30.3 MB/s; 60 % of 50 are 30.
        let report = holds(3.3);
        assert!(report.marks.iter().all(|mark| mark.holds), "{report}");
        assert_eq!(holds(3.4).marks.iter().filter(|mark| !mark.holds).count(), 1);
        assert!(report.to_string().contains("holds  500 idle connections: MB ≤ 50.00: 49.00"), "{report}");
    }
}
