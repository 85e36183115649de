//! `cargo xtask test`: every check and every test, in the order in which they find faults cheapest.
//!
//! Works on a fresh Debian machine with Rust and Node: the first step installs what is missing (packages with `apt-get`
//! when root, cargo tools and test programs below the target directory) or says what is missing and how to get it. A
//! failing step does not keep the later ones from running. The tests come last, and the last lines printed are how many
//! tests passed, failed and were skipped, and the test runner's own summary. Nothing is started that outlives its test,
//! so the command can be run again at any time.

mod prerequisites;
mod tools;

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal, Write, stderr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

pub(crate) use self::prerequisites::ensure_pgbouncer;
use crate::output::print;
use crate::workspace::{Workspace, cargo};
use crate::{conformance, floors};

/// What to run; everything by default.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print the steps and what they do, and run nothing.
    #[arg(long)]
    list: bool,
    /// Run only this step; may be repeated.
    #[arg(long, value_name = "STEP")]
    only: Vec<Step>,
    /// Leave this step out; may be repeated.
    #[arg(long, value_name = "STEP")]
    skip: Vec<Step>,
}

/// One step, in the order they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Prerequisites,
    Format,
    Floors,
    Clippy,
    Licences,
    Rustdoc,
    Book,
    Doctests,
    Conformance,
    Tests,
}

/// Runs the chosen steps. True if all of them passed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> bool {
    let steps: Vec<Step> = Step::value_variants().iter().copied().filter(|step| arguments.wants(*step)).collect();
    if arguments.list {
        for step in &steps {
            print(&format!("{:<14} {}", step.name(), step.purpose()));
        }
        return true;
    }

    let mut failed = Vec::new();
    let mut summary = None;
    for (number, step) in (1..).zip(&steps) {
        print(&format!("\n── {number}/{} {}: {}", steps.len(), step.name(), step.purpose()));
        let begin = Instant::now();
        let result = step.run(workspace, &mut summary);
        let seconds = begin.elapsed().as_secs_f64();
        match result {
            Ok(()) => print(&format!("── {}: passed in {seconds:.1} s", step.name())),
            Err(error) => {
                print(&format!("── {}: FAILED after {seconds:.1} s: {error:#}", step.name()));
                failed.push(step.name());
                if *step == Step::Prerequisites {
                    return false;
                }
            }
        }
    }
    if !failed.is_empty() {
        print(&format!("\nfailed: {}", failed.join(", ")));
    }
    if let Some(summary) = summary {
        if let Some(counts) = counts(&summary) {
            print(&counts);
        }
        print(&summary);
    }
    failed.is_empty()
}

impl Arguments {
    fn wants(&self, step: Step) -> bool {
        (self.only.is_empty() || self.only.contains(&step)) && !self.skip.contains(&step)
    }
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn purpose(self) -> &'static str {
        match self {
            Self::Prerequisites => "what the other steps need is there, or is installed now",
            Self::Format => "rustfmt would change nothing",
            Self::Floors => "crates import downward, files keep the house rules",
            Self::Clippy => "no warning in any target",
            Self::Licences => {
                "licences, duplicate versions and sources are as deny.toml allows; advisories need a network"
            }
            Self::Rustdoc => "the API documentation builds without a warning",
            Self::Book => "the manual builds",
            Self::Doctests => "the examples in the API documentation run",
            Self::Conformance => {
                "what servers and clients pass of the official MCP suite, they pass through the gateway"
            }
            Self::Tests => "unit, integration and end-to-end tests, with real servers and clients",
        }
    }

    fn run(self, workspace: &Workspace, summary: &mut Option<String>) -> Result<()> {
        match self {
            Self::Prerequisites => prerequisites::ensure(workspace),
            Self::Format => finish(cargo_command(workspace, &["fmt", "--all", "--check"])),
            Self::Floors => {
                if !floors::run(workspace)? {
                    bail!("see above");
                }
                Ok(())
            }
            Self::Clippy => {
                let arguments = ["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"];
                finish(cargo_command(workspace, &arguments))
            }
            Self::Licences => {
                let arguments = ["deny", "--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
                finish(cargo_command(workspace, &arguments))
            }
            Self::Rustdoc => {
                let mut command = cargo_command(workspace, &["doc", "--locked", "--workspace", "--no-deps"]);
                command.env("RUSTDOCFLAGS", "--deny warnings");
                finish(command)
            }
            Self::Book => {
                let mut command = tool_command(workspace, "mdbook");
                command.args(["build", "docs", "--dest-dir"]).arg(workspace.target.join("book"));
                finish(command)
            }
            Self::Doctests => {
                finish(cargo_command(workspace, &["test", "--locked", "--workspace", "--doc", "--quiet"]))
            }
            Self::Conformance => conformance::hold(workspace),
            Self::Tests => tests(workspace, summary),
        }
    }
}

/// Runs the test runner, passes on what it prints and keeps its summary line.
fn tests(workspace: &Workspace, summary: &mut Option<String>) -> Result<()> {
    let mut command = cargo_command(workspace, &["nextest", "run", "--locked", "--workspace"]);
    command.arg("--color").arg(if stderr().is_terminal() { "always" } else { "never" });
    let mut child = command.stderr(Stdio::piped()).spawn().context("cannot start cargo nextest")?;
    // Raw lines, not text: a test may print anything.
    let mut lines = BufReader::new(child.stderr.take().context("the child has no standard error")?).split(b'\n');
    while let Some(line) = lines.next().transpose()? {
        let mut stderr = stderr().lock();
        stderr.write_all(&line)?;
        stderr.write_all(b"\n")?;
        let plain = without_colours(&String::from_utf8_lossy(&line));
        if plain.trim_start().starts_with("Summary [") {
            *summary = Some(plain.trim().to_owned());
        }
    }
    match child.wait()? {
        status if status.success() => Ok(()),
        status => bail!("cargo nextest ended with {status}"),
    }
}

/// `N passed, N failed, N skipped` out of the test runner's summary, `Summary [1.2s] 5 tests run: 4 passed, …`.
///
/// What neither passed nor was skipped has failed: tests that failed, timed out, or could not be started.
fn counts(summary: &str) -> Option<String> {
    let (_, outcomes) = summary.split_once(" run: ")?;
    // Remarks may hold commas: `12 passed (1 slow, 1 flaky)`.
    let outside = outcomes.split('(').map(|part| part.rsplit_once(')').map_or(part, |(_, rest)| rest));
    let (mut passed, mut failed, mut skipped) = (0_u64, 0_u64, 0_u64);
    for outcome in outside.collect::<String>().split(',') {
        let (number, what) = outcome.trim().split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match what.trim() {
            "passed" => passed += number,
            "skipped" => skipped += number,
            _ => failed += number,
        }
    }
    Some(format!("{passed} passed, {failed} failed, {skipped} skipped"))
}

/// Removes ANSI escape sequences of the form that selects colours (`ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

fn finish(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(())
}

fn cargo_command(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = tool_command(workspace, Path::new(&cargo()));
    command.args(arguments);
    // In a fresh clone nothing is built a second time: what that would need takes gigabytes, and time to write.
    if !workspace.target.join("debug/incremental").is_dir() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// A program run at the workspace's root, with our own cargo tools found first.
fn tool_command(workspace: &Workspace, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir(&workspace.root).env("PATH", search_path(workspace));
    command
}

fn search_path(workspace: &Workspace) -> OsString {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let dirs = [tools::bin_dir(workspace)].into_iter().chain(env::split_paths(&inherited));
    // Only a directory whose name holds a colon cannot be joined; then the inherited path alone must do.
    env::join_paths(dirs).unwrap_or(inherited)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(only: &[Step], skip: &[Step]) -> Vec<Step> {
        let arguments = Arguments { list: false, only: only.to_vec(), skip: skip.to_vec() };
        Step::value_variants().iter().copied().filter(|step| arguments.wants(*step)).collect()
    }

    #[test]
    fn all_steps_run_unless_chosen_and_the_tests_come_last() {
        assert_eq!(chosen(&[], &[]).last(), Some(&Step::Tests));
        assert_eq!(chosen(&[], &[]).first(), Some(&Step::Prerequisites));
        assert_eq!(chosen(&[Step::Book, Step::Format], &[]), [Step::Format, Step::Book]);
        assert!(!chosen(&[], &[Step::Clippy]).contains(&Step::Clippy));
    }

    #[test]
    fn every_test_of_a_summary_is_counted_once() {
        let of = |outcomes: &str| counts(&format!("Summary [   0.113s] {outcomes}"));
        assert_eq!(of("13 tests run: 13 passed, 0 skipped").unwrap(), "13 passed, 0 failed, 0 skipped");
        let mixed = "9/15 tests run: 4 passed (1 slow, 2 flaky), 3 failed, 1 timed out, 1 exec failed, 2 skipped";
        assert_eq!(of(mixed).unwrap(), "4 passed, 5 failed, 2 skipped");
        assert_eq!(of("nothing that is known"), None);
    }

    #[test]
    fn colours_are_removed_and_nothing_else() {
        assert_eq!(without_colours("\u{1b}[32;1m  Summary\u{1b}[0m [ 1.2s] 3 [m]"), "  Summary [ 1.2s] 3 [m]");
    }
}
