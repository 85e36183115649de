//! Two runs side by side: how much passed, and what the gateway lost.
//!
//! A check is lost if it passed more often directly than through the gateway, whether it failed there, was warned
//! about, was skipped or never ran. It is not lost if the scenario passes and the suite only remarks that the server
//! may do so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::suite::{Check, Count, Findings, Side};

/// What a run goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Leg {
    Direct,
    Gateway,
}

/// All runs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
    differences: Vec<Difference>,
    /// The scenarios that a gateway has no part in, by revision.
    not_the_gateways: BTreeMap<String, BTreeSet<String>>,
}

/// One run, and what passed of what the revision requires.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    revision: String,
    side: Side,
    leg: Leg,
    scenarios_passed: usize,
    scenarios_required: usize,
    checks_passed: usize,
    checks_warned: usize,
    checks_failed: usize,
    /// The suite's own verdict.
    passed: bool,
}

/// A check that passed more often directly.
#[derive(Debug, Serialize)]
struct Difference {
    revision: String,
    side: Side,
    #[serde(flatten)]
    check: Check,
    kind: Kind,
}

/// What a difference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// The revision requires it.
    Lost,
    /// It belongs to an extension, or to what the suite does not count.
    LostNotRequired,
    /// The suite remarks that the other behaviour is as good.
    AsGood,
}

impl Leg {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Gateway => "gateway",
        }
    }
}

impl Report {
    /// Adds the two runs of a revision.
    pub(super) fn add(&mut self, revision: &str, side: Side, direct: &Findings, through: &Findings) {
        self.rows.push(Row::new(revision, side, Leg::Direct, direct));
        self.rows.push(Row::new(revision, side, Leg::Gateway, through));
        for (check, count) in &direct.checks {
            let there = through.checks.get(check).copied().unwrap_or_default();
            if count.passed <= there.passed {
                continue;
            }
            let is_remark = count.passed <= there.passed + there.remarked;
            let kind = match direct.counts(check) {
                _ if is_remark && through.passes(&check.scenario) => Kind::AsGood,
                true => Kind::Lost,
                false => Kind::LostNotRequired,
            };
            self.differences.push(Difference { revision: revision.to_owned(), side, check: check.clone(), kind });
        }
    }

    /// Names scenarios of a revision that were not run, because a gateway has no part in them.
    pub(super) fn leave_out(&mut self, revision: &str, scenarios: BTreeSet<String>) {
        self.not_the_gateways.insert(revision.to_owned(), scenarios);
    }

    /// Whether everything required passes directly and nothing of it is lost.
    pub(super) fn holds(&self) -> bool {
        let direct = self.rows.iter().filter(|row| row.leg == Leg::Direct);
        direct.clone().count() > 0
            && direct.clone().all(|row| row.passed && row.scenarios_passed == row.scenarios_required)
            && self.lost() == 0
    }

    fn lost(&self) -> usize {
        self.differences.iter().filter(|difference| difference.kind == Kind::Lost).count()
    }
}

impl Row {
    fn new(revision: &str, side: Side, leg: Leg, findings: &Findings) -> Self {
        let sum = |of: fn(&Count) -> usize| {
            findings.checks.iter().filter(|(check, _)| findings.counts(check)).map(|(_, count)| of(count)).sum()
        };
        Self {
            revision: revision.to_owned(),
            side,
            leg,
            scenarios_passed: findings.scenarios_passed(),
            scenarios_required: findings.required.len(),
            checks_passed: sum(|count| count.passed),
            checks_warned: sum(|count| count.warned),
            checks_failed: sum(|count| count.failed),
            passed: findings.passed,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nrequired    of      leg      scenarios  checks passed  warned  failed")?;
        for row in &self.rows {
            let scenarios = format!("{}/{}", row.scenarios_passed, row.scenarios_required);
            let (passed, warned, failed) = (row.checks_passed, row.checks_warned, row.checks_failed);
            writeln!(
                f,
                "{:<11} {:<7} {:<8} {scenarios:>9}  {passed:>13}  {warned:>6}  {failed:>6}",
                row.revision,
                row.side.name(),
                row.leg.name()
            )?;
        }
        for Difference { revision, side, check: Check { scenario, id, name }, kind } in &self.differences {
            let mark = match kind {
                Kind::Lost => "LOST",
                Kind::LostNotRequired => "lost, not required",
                Kind::AsGood => "different, as good",
            };
            writeln!(f, "{mark}: {revision} {}: {scenario}: {id} ({name})", side.name())?;
        }
        for (revision, scenarios) in &self.not_the_gateways {
            let scenarios = scenarios.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            writeln!(
                f,
                "not run: {revision} client: clients authorize at the gateway, not at the server: {scenarios}"
            )?;
        }
        let verdict = if self.holds() { "holds" } else { "MISSED" };
        write!(f, "{verdict}: {} required checks lost through the gateway", self.lost())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(counts: &[(&str, Count)], passed: bool) -> Findings {
        let check = |scenario: &str| Check { scenario: scenario.into(), id: "id".into(), name: "Name".into() };
        let checks = counts.iter().map(|(scenario, count)| (check(scenario), *count)).collect();
        Findings { checks, required: ["ping".to_owned()].into(), passed }
    }

    const PASSED: Count = Count { passed: 2, warned: 0, failed: 0, remarked: 0 };
    const HALF: Count = Count { passed: 1, warned: 1, failed: 0, remarked: 0 };
    const AS_GOOD: Count = Count { passed: 1, warned: 0, failed: 0, remarked: 1 };

    fn report(direct: &Findings, through: &Findings) -> Report {
        let mut report = Report::default();
        report.add("2025-11-25", Side::Server, direct, through);
        report
    }

    #[test]
    fn what_passes_less_often_or_never_runs_is_lost() {
        let direct = findings(&[("ping", PASSED)], true);
        let as_good = report(&direct, &findings(&[("ping", AS_GOOD)], true));
        assert!(report(&direct, &direct).holds() && as_good.holds());
        assert!(as_good.to_string().contains("different, as good: 2025-11-25 server: ping: id (Name)"), "{as_good}");
        let failed = Count { failed: 1, ..AS_GOOD };
        for through in [findings(&[("ping", HALF)], true), findings(&[("ping", failed)], false), findings(&[], true)] {
            let report = report(&direct, &through);
            assert!(!report.holds());
            assert!(report.to_string().contains("LOST: 2025-11-25 server: ping: id (Name)"), "{report}");
            assert!(report.to_string().ends_with("MISSED: 1 required checks lost through the gateway"), "{report}");
        }
    }

    #[test]
    fn what_is_not_required_is_named_and_decides_nothing() {
        let direct = findings(&[("ping", PASSED), ("tasks", PASSED)], true);
        let report = report(&direct, &findings(&[("ping", PASSED)], true));
        assert!(report.holds());
        assert!(report.to_string().contains("lost, not required: 2025-11-25 server: tasks"), "{report}");
        assert_eq!(report.rows.iter().map(|row| row.checks_passed).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn a_server_that_misses_something_itself_holds_nothing() {
        for direct in [findings(&[("ping", PASSED)], false), findings(&[("tasks", PASSED)], true)] {
            assert!(!report(&direct, &direct).holds());
        }
        assert!(!Report::default().holds());
    }
}
