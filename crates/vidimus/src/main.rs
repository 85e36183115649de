//! The gateway: command line, configuration, wiring.
//!
//! Globals live here alone: the allocator and the log subscriber. Results go to standard output, logs and errors to
//! standard error; the exit status is 0, 1 or 2 as `cli.rs` says.

mod admin;
mod api;
mod approvals;
mod approvals_api;
mod approvals_commands;
mod archive_stream;
mod bridge;
mod capacity;
mod certificates;
mod check;
mod cli;
mod client;
mod clock;
mod config;
mod connect;
mod custody_commands;
mod databases;
mod definition_diff;
mod demo;
mod discovery;
mod evidence_api;
mod exports;
mod file_limit;
mod grants_api;
mod grants_commands;
mod huge_pages;
mod index;
mod integrity;
mod key;
mod keys_commands;
mod log_api;
mod log_commands;
mod log_verify;
mod log_witness;
mod login;
mod mask;
mod output;
mod panics;
mod people_api;
mod pins_api;
mod pins_commands;
mod policies;
mod policy_backtest;
mod policy_cases;
mod policy_commands;
mod policy_facts;
mod policy_faults;
mod policy_files;
mod policy_question;
mod policy_record;
mod problem;
mod reference;
mod replay;
mod resource_metadata;
mod retention;
mod retention_commands;
mod secret;
mod serve;
mod sessions;
mod stdio_child;
mod target_metrics;
mod token_http;
mod tools;
mod verify;
mod webhooks;
mod witness_client;
mod witnesses;

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use tracing_subscriber::EnvFilter;
use vidimus_core::ErrorKind;
use vidimus_gate::Selection;

use cli::{Cli, Command, LogForm};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// It failed, or a check found something.
const FAILED: u8 = 1;
/// The command line, the configuration or the policies are wrong.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    panics::hide_values();
    let command = Cli::parse().command;
    // A filter ends with its reader; whatever else says something by its status goes on to the end.
    let is_filter = matches!(command, Command::Mask(..));
    let mut out = output::WhileRead::new(io::stdout().lock(), is_filter);
    let ended = run(command, &mut out).and_then(|code| Ok(out.flush().map(|()| code)?));
    match ended {
        Ok(code) => code,
        Err(error) if is_filter && is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let text = output::printable_lines(&output::causes(&error));
            // Nothing is left to tell when standard error is gone.
            let _ = writeln!(io::stderr(), "vidimus: {}", text.trim_end());
            ExitCode::from(if is_wrong(&error) { WRONG } else { FAILED })
        }
    }
}

fn run(command: Command, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let status = |went_well, otherwise| if went_well { ExitCode::SUCCESS } else { ExitCode::from(otherwise) };
    match command {
        Command::Serve { file, log } => {
            log_to_stderr("info", log);
            vidimus_stdio::protect_memory().context("the gateway's memory cannot be protected")?;
            let config = config::Config::load(&file.config)?;
            huge_pages::disable();
            file_limit::raise().warn_below(config.limits.connections);
            runtime()?.block_on(async {
                let running = serve::start(&config).await?;
                let postgres = running.postgres.map(tracing::field::display);
                tracing::info!(listen = %running.listen, admin = %running.admin, postgres, "Serving");
                running.until_told().await
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { file, output } => Ok(status(check::run(&file.config, output.json, out)?, WRONG)),
        Command::Policy(command) => Ok(status(runtime()?.block_on(policy_commands::run(command, out))?, FAILED)),
        Command::Demo(options) => {
            log_to_stderr("warn", LogForm::Text);
            huge_pages::disable();
            file_limit::raise();
            Ok(status(runtime()?.block_on(demo::run(options, out))?, FAILED))
        }
        Command::Export { selection, options } => {
            let selection = Selection::Sessions(selection.into());
            runtime()?.block_on(exports::run(selection, &options, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Sessions(command) => {
            runtime()?.block_on(sessions::run(command, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Approvals(command) => {
            runtime()?.block_on(approvals_commands::run(command, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Grant(command) => {
            runtime()?.block_on(grants_commands::run(command, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::BreakGlass(command) => {
            runtime()?.block_on(grants_commands::break_glass(command, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Erase(erase) => {
            runtime()?.block_on(custody_commands::erase(erase, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Hold(hold) => {
            runtime()?.block_on(custody_commands::hold(hold, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Retention(command) => {
            runtime()?.block_on(retention_commands::run(command, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Index(cli::Index::Rebuild { resume, file, output }) => {
            log_to_stderr("warn", LogForm::Text);
            index::rebuild(&file.config, resume, output.json, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Tools(tools) => {
            runtime()?.block_on(tools::run(tools, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Log(command) => {
            if matches!(command, cli::Log::Witness(_)) {
                log_to_stderr("info", LogForm::Text);
            }
            Ok(ExitCode::from(runtime()?.block_on(log_commands::run(command, out))?))
        }
        Command::Verify(options) => Ok(ExitCode::from(verify::run(&options, out)?)),
        Command::Keys(command) => {
            runtime()?.block_on(keys_commands::run(command, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Login(options) => {
            runtime()?.block_on(login::login(&options, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Logout(options) => {
            runtime()?.block_on(login::logout(&options, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Connect(options) => Ok(runtime()?.block_on(connect::run(&options, out))?),
        Command::Mcp(cli::Mcp::Bridge(options)) => Ok(status(runtime()?.block_on(bridge::run(&options, out))?, FAILED)),
        Command::Mask(options) => {
            mask::run(&options, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Reference { page } => {
            out.write_all(reference::page(page).as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::StdioChild { stage } => {
            stdio_child::run(stage)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Version => {
            writeln!(out, "vidimus {}", env!("CARGO_PKG_VERSION"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Logs as the variable `RUST_LOG` says, else from `level` on.
fn log_to_stderr(level: &str, form: LogForm) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
    match form {
        LogForm::Text => log.init(),
        LogForm::Json => log.json().flatten_event(true).init(),
    }
}

/// Whether it is the operator's to correct before anything can run.
fn is_wrong(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<config::ConfigError>()
            || cause.is::<policy_files::PolicyFilesError>()
            || cause.is::<problem::Problems>()
            || cause.is::<key::KeyError>()
            || cause.is::<secret::SecretError>()
            || cause.downcast_ref::<vidimus_gate::KeyringError>().is_some_and(is_operators)
            || cause.downcast_ref::<login::LoginError>().is_some_and(|error| error.kind() == ErrorKind::Configuration)
            || cause.is::<vidimus_verify::CheckError>()
            || cause.is::<vidimus_mask::ConfigError>()
            || cause.is::<mask::OptionError>()
            || cause.is::<mask::InputError>()
    })
}

/// A keyring in use, or a key service that does not answer, is no mistake: the same command may pass later.
fn is_operators(error: &vidimus_gate::KeyringError) -> bool {
    let passes = matches!(error, vidimus_gate::KeyringError::InUse);
    !passes && error.kind() == ErrorKind::Configuration
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
