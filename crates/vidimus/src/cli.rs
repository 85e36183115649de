//! The command line: what can be asked, and how it ends.
//!
//! Exit status: 0 it went well; 1 it failed, or a check found something; 2 the command line, the configuration or the
//! policies are wrong. Results go to standard output, everything else to standard error.

mod approvals;
mod grants;
mod keeping;
mod policy;
mod signing_in;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use vidimus_core::{Effect, EventId, SessionId, TargetName, Timestamp};
use vidimus_gate::{Gate, Keyring, Secret};
use vidimus_log::{FileSystem, VerifierKey};
use vidimus_store::{MAX_SESSIONS, SessionFilter};

pub(crate) use self::approvals::{Approvals, Asked as ApprovalAsked};
pub(crate) use self::grants::{Asked as GrantAsked, BreakGlass, Grant, Wanted as GrantWanted};
pub(crate) use self::keeping::{Erase, Hold, HoldChange, Retention};
pub(crate) use self::policy::{Backtest, Explain, Policy};
pub(crate) use self::signing_in::{Bridge, Connect, Login, Logout, Mcp};
pub(crate) use self::tools::{Pinned, Tools};
use crate::api;
use crate::config::{Config, ConfigError};
use crate::log_witness;
use crate::mask::Mask;

const EXIT_STATUS: &str = "Exit status: 0 it went well; 1 it failed, or a check found something; 2 the command line, the \
                           configuration or the policies are wrong.";

const LOG_VERIFY_EXAMPLES: &str =
    "Exit status: 0 all was checked and holds by a given key; 1 something does not hold; 2 the command \
                                   line, a key, the policy or the configuration is wrong; 3 the log holds together, but no \
                                   key was given, so that nothing shows whose it is, or the witnesses of the policy have not \
                                   seen its newest entries yet.

Examples:
  vidimus log verify --data-dir data --key 'vidimus/gw-1+0a1b2c3d+AbC…'
  vidimus log verify --config vidimus.toml --key log-keys --recordings
  vidimus log verify --data-dir data --witness-policy witnesses.policy --checkpoint checkpoint.monday";

const LOG_PROVE_EXAMPLES: &str =
    "Exit status: 0 the event is in the log, by a given key; 1 there is no such proof, or it does not \
                                  hold; 2 the command line or the configuration is wrong; 3 the proof is made and holds \
                                  together, but no key was given, so that nothing shows whose log it is.

Examples:
  vidimus log prove 0199a1b2-… --config vidimus.toml --key 'vidimus/gw-1+0a1b2c3d+AbC…'
  vidimus log prove 0199a1b2-… --config vidimus.toml --key 'vidimus/gw-1+0a1b2c3d+AbC…' --out event.tlog-proof";

const CONNECT_EXAMPLES: &str =
    "Exit status: the program's; 128 and the signal's number where a signal ended it; 1 the gateway cannot be used; \
                                2 the command line is wrong.

Examples:
  vidimus login --url https://mcp.example.com
  vidimus connect orders --url https://mcp.example.com -- psql
  vidimus connect orders -- pg_dump --table people --file people.sql
  vidimus connect orders --grant-file orders.grant --user alice -- psql -c 'select 1'
  vidimus connect orders --json";

const MASK_EXAMPLES: &str = "Examples:
  vidimus mask < ticket.txt
  tail -F app.log | vidimus mask --format lines
  vidimus mask --config vidimus.toml --target crm < answer.json
  vidimus mask --operator 'CREDIT_CARD=keep_last(4)' --field '*_ssn=US_SSN' < customers.json
  vidimus mask --detect --classes secrets < texts.jsonl";

const VERIFY_EXAMPLES: &str =
    "Exit status: 0 all was checked and holds by a given key; 1 something does not hold; 2 the command \
                               line, a key, the policy or the file cannot be read; 3 an archive holds together, but no \
                               key was given, so that nothing shows whose it is, or sessions have no last event.

Examples:
  vidimus verify event.tlog-proof --key 'vidimus/gw-1+0a1b2c3d+AbC…'
  vidimus verify event.tlog-proof --key log-keys --witness-policy witnesses.policy
  vidimus verify session.zip --key log-keys --json";

const WITNESS_EXAMPLES: &str = "Examples:
  (umask 077; head -c 32 /dev/urandom > witness.key)
  vidimus log witness --name witness.example.com/w1 --key witness.key --show-key
  vidimus log witness --name witness.example.com/w1 --key witness.key --state /var/lib/witness \\
      --log 'vidimus/gw-1+0a1b2c3d+AbC…' --listen 127.0.0.1:8090 --init";

const KEYS_EXAMPLES: &str = "Examples:
  vidimus keys rotate --signing --config vidimus.toml
  vidimus keys rotate --signing --finish --config vidimus.toml
  vidimus keys rotate --kek --new-key-file /etc/vidimus/kek.new --config vidimus.toml
  vidimus keys rotate --kek --finish --config vidimus.toml";

/// The gateway that sees every command between an identity and a system, decides on it, and can prove it.
#[derive(Debug, Parser)]
#[command(name = "vidimus", version, after_help = EXIT_STATUS, propagate_version = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The form of the gateway's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogForm {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until it is told to stop (SIGINT, SIGTERM)
    ///
    /// Logs go to standard error; the variable `RUST_LOG` sets what is logged (default: info).
    #[command(after_help = "Example:\n  vidimus serve --config /etc/vidimus/vidimus.toml --log json")]
    Serve {
        #[command(flatten)]
        file: ConfigFile,
        /// The form of the gateway's own log
        #[arg(long, value_enum, default_value_t = LogForm::Text)]
        log: LogForm,
    },
    /// Check the configuration and the policies it names, without starting anything
    ///
    /// Every problem is shown with its place. Secrets are not read; whether each is there is shown.
    #[command(after_help = "Example:\n  vidimus check --config vidimus.toml --json")]
    Check {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        output: Output,
    },
    /// Ask the policies: test cases, and one question explained
    #[command(subcommand)]
    Policy(Policy),
    /// Try it: a gateway with an identity provider, an MCP server, people and policies of its own
    ///
    /// Runs a scripted session, shows what was decided and recorded, and stays for you to try. Loopback only.
    #[command(after_help = "Examples:\n  vidimus demo\n  vidimus demo --once --data-dir /tmp/demo")]
    Demo(Demo),
    /// See sessions and what was recorded of them
    ///
    /// Asks the running gateway, which decides who may see them and records that they were seen.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Export the sessions that a filter describes as an archive that proves itself
    ///
    /// Asks the running gateway, which decides by `recording.export` what may go, and by `recording.view` whether payloads
    /// may go with it, and records the export. Sessions that you may not export are left out.
    #[command(after_help = "Example:\n  vidimus export --since 7d --target crm --out crm.zip --config vidimus.toml")]
    Export {
        #[command(flatten)]
        selection: ExportFilter,
        #[command(flatten)]
        options: ExportOptions,
    },
    /// See and check the evidence log
    #[command(subcommand)]
    Log(Log),
    /// Check a proof or an archive, offline
    ///
    /// Takes only public keys: the log's, as you keep it yourself, and those of witnesses. Of an archive every event, proof,
    /// session and payload is checked. A proof shows that its event is in the log; a policy of witnesses asks that they have
    /// seen this very log. `vidimus-verify` is the same check as a small program of its own.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Erase the recording of a session: one person asks, another one confirms
    ///
    /// Its files, salts and key are destroyed, and what the journal and the index hold of it; its events stay, and proofs
    /// still verify. Both persons give a token: `--token-file`, or the variable `VIDIMUS_TOKEN`. A request ends after a
    /// day. Policy decides (`recording.erase`).
    #[command(after_help = "Examples:\n  \
                            vidimus erase 0199a1b2 --reason 'request 4711 of the customer' --config vidimus.toml\n  \
                            vidimus erase 0199a1b2 --confirm --token-file bob.token --config vidimus.toml")]
    Erase(Erase),
    /// Show the calls that wait for approval, approve them, or deny them
    ///
    /// Asks the running gateway; policy decides (`approve`). Decisions are made by persons, with their own token.
    #[command(subcommand)]
    Approvals(Approvals),
    /// Ask for access to a target for a time, fetch its credential, end it
    ///
    /// Asks the running gateway; policy says who may ask (`grant.request`) and people decide (`vidimus approvals`).
    #[command(subcommand)]
    Grant(Grant),
    /// Have your calls at a target pass without the approval they need, in an emergency, for a time
    ///
    /// Asks the running gateway; policy says who may (`break_glass`). It alarms, and each call is on record with it. What is
    /// forbidden otherwise stays forbidden.
    #[command(after_help = "Example:
  \
                            vidimus break-glass crm --for 15m --reason 'outage 0815' --config vidimus.toml")]
    BreakGlass(BreakGlass),
    /// Keep a recording from being erased, by anybody and by retention, while a legal hold is on it
    #[command(subcommand)]
    Hold(Hold),
    /// See how long recordings are kept, and what is due to be erased
    #[command(subcommand)]
    Retention(Retention),
    /// Look after the index of sessions and events
    #[command(subcommand)]
    Index(Index),
    /// See and rotate the keys of a gateway
    ///
    /// Works on the data directory, whether a gateway runs on it or not. What changes takes effect at the next start, and is
    /// on record then (`admin.key_changed`).
    #[command(subcommand)]
    Keys(Keys),
    /// See the tools a target offers, with their arguments
    ///
    /// Asks the running gateway, as its own user or root. The JSON is what `tools` in [targets.NAME] takes, for `check`.
    #[command(after_help = "Example:\n  vidimus tools crm --config vidimus.toml --json > crm.tools.json")]
    Tools(Tools),
    /// Sign in to a gateway, for programs on this machine
    ///
    /// The gateway says who its identity provider is. Its token is kept in a file of your own, and replaced before it ends.
    #[command(after_help = "Examples:\n  vidimus login --url https://mcp.example.com\n  \
                            vidimus login --url https://mcp.example.com --device\n  \
                            vidimus login --url https://mcp.example.com --target crm --scope crm:write --client-id cli")]
    Login(Login),
    /// Sign out: give the tokens back to the identity provider, and forget them
    #[command(after_help = "Examples:\n  vidimus logout --url https://mcp.example.com\n  vidimus logout --all")]
    Logout(Logout),
    /// Start a program that speaks PostgreSQL, such as psql, with all it needs to reach a database behind a gateway
    ///
    /// The program gets PGHOST, PGPORT, PGUSER, PGDATABASE and PGSSLMODE, and the password in a file of its own (PGPASSFILE),
    /// which is removed at its end; its exit status becomes this one's. Without a program it is shown how the database is
    /// reached, without the password.
    #[command(after_help = CONNECT_EXAMPLES)]
    Connect(Connect),
    /// Use MCP servers behind a gateway
    #[command(subcommand)]
    Mcp(Mcp),
    /// Mask personal data and secrets in standard input
    ///
    /// The engine that masks what goes through the gateway, for files and pipes.
    #[command(after_help = MASK_EXAMPLES)]
    Mask(Mask),
    /// Print reference documentation in Markdown
    Reference {
        #[arg(value_enum)]
        page: Page,
    },
    /// Print the version
    Version,
    /// A stage between the gateway and a stdio server; the gateway starts it
    #[command(hide = true)]
    StdioChild {
        #[arg(value_enum)]
        stage: Stage,
    },
}

/// What `stdio-child` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Stage {
    /// Start a server, and end all of it
    Supervise,
    /// Restrict itself and become the server
    Confine,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Stop after the scripted session; status 0 only if every line of it came out as it should
    #[arg(long)]
    pub(crate) once: bool,
    /// Where to keep the evidence; configuration and key go beside it, to DIR.demo. A temporary place if not given
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The port the gateway listens on; a free one if not given
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A proof (.tlog-proof) or an archive (.zip)
    pub(crate) file: PathBuf,
    /// The key that signs the log's checkpoints, or a file of such keys; several while it is replaced
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) key: Vec<String>,
    /// The witnesses that must have cosigned (C2SP tlog-policy). It may list the log's key as well
    #[arg(long, value_name = "FILE")]
    pub(crate) witness_policy: Option<PathBuf>,
    /// For proofs that do not carry their event: the event, one line of canonical JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Show the public keys that sign the log, and the names of the key-encryption keys that open the keyring
    #[command(after_help = "Example:\n  vidimus keys list --config vidimus.toml")]
    List {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        output: Output,
    },
    /// Rotate a key, in two steps: the new one joins; with --finish, the old one leaves
    ///
    /// Between the steps both are valid. `--signing`: start the gateway once, so that both keys sign, and give the new public
    /// key to those who verify; then finish. `--kek`: name the new key-encryption key, put it into the configuration, start
    /// the gateway with it, then finish.
    #[command(after_help = KEYS_EXAMPLES)]
    Rotate {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        which: Rotated,
        /// The file of the new key-encryption key
        #[arg(long, value_name = "FILE", requires = "kek", conflicts_with_all = ["new_key_env", "finish"])]
        new_key_file: Option<PathBuf>,
        /// The environment variable of the new key-encryption key
        #[arg(long, value_name = "NAME", requires = "kek", conflicts_with = "finish")]
        new_key_env: Option<String>,
        /// Take the old key away
        #[arg(long)]
        finish: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// Which key is rotated.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Rotated {
    /// The key that signs the log
    #[arg(long)]
    pub(crate) signing: bool,
    /// The key-encryption key
    #[arg(long)]
    pub(crate) kek: bool,
}

/// Which gateway is asked.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Gateway {
    /// The configuration of the gateway
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory of the gateway
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// List sessions, the latest first
    #[command(after_help = "Examples:\n  vidimus sessions list --config vidimus.toml --since 2h\n  \
                            vidimus sessions list --data-dir data --who 'corp|8f2c' --target crm --json\n  \
                            vidimus sessions list --config vidimus.toml --operation crm/refund --decision deny\n  \
                            vidimus sessions list --config vidimus.toml --class US_SSN --limit 20")]
    List {
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        output: Output,
    },
    /// Show one session with its events
    #[command(after_help = "Examples:\n  vidimus sessions show 0199a1b2 --config vidimus.toml\n  \
                            vidimus sessions show 0199a1b2 --with-targets --config vidimus.toml")]
    Show {
        #[command(flatten)]
        session: OneSession,
        /// With the sessions that were opened for it, in the order of the log: at targets, of one at the endpoint for all of
        /// them; at databases, by the program of one at a target
        ///
        /// JSON is a list of sessions then, the one that was named first.
        #[arg(long)]
        with_targets: bool,
    },
    /// Show what a session asked and got, in order, each payload checked against its commitment
    ///
    /// Results of a database's statements are tables; a value of more than 100 characters is cut there, and JSON has all of it.
    #[command(after_help = "Example:\n  vidimus sessions replay 0199a1b2 --config vidimus.toml")]
    Replay(OneSession),
    /// Export one session as an archive that proves itself
    ///
    /// Asks the running gateway, which decides by `recording.export` whether it may go, and by `recording.view` whether its
    /// payloads may go with it, and records the export.
    #[command(after_help = "Example:\n  vidimus sessions export 0199a1b2 --out session.zip --config vidimus.toml")]
    Export {
        /// The session's id, or enough of its beginning
        #[arg(value_parser = session_prefix)]
        session: String,
        #[command(flatten)]
        options: ExportOptions,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// Write the archive to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    /// Open the data directory itself, while no gateway runs on it; decided and recorded as by the gateway
    #[arg(long, conflicts_with = "data_dir")]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct ExportFilter {
    /// Opened since then: a time in RFC 3339, or how long ago (30s, 15m, 2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = time_or_ago)]
    since: Option<Timestamp>,
    /// Opened before then
    #[arg(long, value_name = "TIME", value_parser = time_or_ago)]
    until: Option<Timestamp>,
    /// On this target
    #[arg(long, value_name = "TARGET")]
    target: Option<TargetName>,
    /// Of this principal: issuer|subject
    #[arg(long, value_name = "PRINCIPAL", alias = "who")]
    principal: Option<String>,
}

impl From<ExportFilter> for SessionFilter {
    fn from(filter: ExportFilter) -> Self {
        let ExportFilter { since, until, target, principal } = filter;
        Self { since, until, who: principal, target, limit: MAX_SESSIONS, ..Self::default() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct OneSession {
    /// The session's id, or enough of its beginning
    #[arg(value_parser = session_prefix)]
    pub(crate) session: String,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Opened since then: a time in RFC 3339, or how long ago (30s, 15m, 2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = time_or_ago)]
    since: Option<Timestamp>,
    /// Opened before then
    #[arg(long, value_name = "TIME", value_parser = time_or_ago)]
    until: Option<Timestamp>,
    /// Of this principal: issuer|subject
    #[arg(long, value_name = "PRINCIPAL", alias = "principal")]
    who: Option<String>,
    /// On this target
    #[arg(long, value_name = "TARGET")]
    target: Option<TargetName>,
    /// Opened for this session, which is at the endpoint for all targets. The id must be whole
    #[arg(long, value_name = "SESSION", value_parser = whole_session)]
    parent: Option<SessionId>,
    /// With an operation of this name, as in events: TARGET/TOOL, resources/read, connect …
    ///
    /// All conditions on operations must hold for one and the same operation.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// With an operation that was let through, or one that was denied
    #[arg(long, value_enum, value_name = "DECISION")]
    decision: Option<Decision>,
    /// With an operation in which a value of this data class was masked, such as `EMAIL_ADDRESS`
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// With an operation whose masked payloads hold these words; the gateway needs `index.full_text`
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// Those that follow this session in the list: the next page. The id must be whole
    #[arg(long, value_name = "SESSION", value_parser = whole_session)]
    after: Option<SessionId>,
    /// The gateway's own sessions too: its starts, refused log-ons, who read evidence, its reading of tool definitions
    ///
    /// Without it they are left out, of JSON too.
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = api::DEFAULT_LIMIT,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SESSIONS)))]
    limit: u32,
}

/// What was decided on an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Decision {
    /// It was let through
    Allow,
    /// It was denied
    Deny,
}

impl From<Filter> for SessionFilter {
    fn from(filter: Filter) -> Self {
        Self {
            since: filter.since,
            until: filter.until,
            who: filter.who,
            target: filter.target,
            parent: filter.parent,
            action: filter.operation,
            effect: filter.decision.map(|decision| match decision {
                Decision::Allow => Effect::Allow,
                Decision::Deny => Effect::Deny,
            }),
            class: filter.class,
            text: filter.text,
            after: filter.after,
            control: filter.all,
            limit: filter.limit,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Show how much is in the log, what is durable and what is signed; status 1 if it takes no more
    #[command(after_help = "Example:\n  vidimus log status --config vidimus.toml")]
    Status {
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        output: Output,
    },
    /// Check every entry, tile and session of the log against its signed checkpoint, and that recordings are there
    ///
    /// Reads the data directory; the gateway may be running or not. Without --key the running gateway is asked for its
    /// key, which shows that the log is whole but not whose it is. Without --recordings, recordings are checked as far as
    /// that takes no key: each payload that an event commits to is in its place and of its size.
    #[command(after_help = LOG_VERIFY_EXAMPLES)]
    Verify {
        #[command(flatten)]
        gateway: Gateway,
        /// The key that signs the log's checkpoints, as `log status` prints it, or a file of such keys with the sizes that
        /// they sign for; several while it is replaced
        #[arg(long, value_name = "KEY|FILE")]
        key: Vec<String>,
        /// The witnesses that must have cosigned (C2SP tlog-policy). It may list the log's key as well
        #[arg(long, value_name = "FILE")]
        witness_policy: Option<PathBuf>,
        /// An earlier checkpoint of this log that you kept, from which it must go on: otherwise it was rolled back, or forged
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// Open the recordings too, with the configured key-encryption key, and compare every payload that is kept with
        /// the commitment in its event
        #[arg(long, conflicts_with = "data_dir")]
        recordings: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Watch over other gateways' logs: cosign what only grows (C2SP tlog-witness)
    ///
    /// For a machine that others administer than those of the gateway. A gateway with this witness does not start on an old
    /// copy of its data, and nobody who holds its key can rewrite what was cosigned. Logs go to standard error.
    #[command(after_help = WITNESS_EXAMPLES)]
    Witness(log_witness::Options),
    /// Prove that an event is in the log
    ///
    /// The proof is checked here before it is shown or written. By which key decides what that is worth: without --key it is
    /// the one that the gateway itself names, and nothing shows whose log it is.
    #[command(after_help = LOG_PROVE_EXAMPLES)]
    Prove {
        /// The event's id, whole: `sessions show` has it in the column EVENT
        #[arg(value_parser = event_id)]
        event: EventId,
        #[command(flatten)]
        gateway: Gateway,
        /// Open the data directory itself, while no gateway runs on it; decided and recorded as by the gateway
        #[arg(long, conflicts_with = "data_dir")]
        offline: bool,
        /// The key that must have signed, as you noted it; several while it is replaced
        #[arg(long, value_name = "KEY")]
        key: Vec<VerifierKey>,
        /// Write the proof to this file (C2SP tlog-proof), which must not exist. It carries the event
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// Make the index again from the log, with the gateway stopped
    ///
    /// The old index stays until the new one is whole, and is compared with it.
    #[command(after_help = "Examples:
  vidimus index rebuild --config vidimus.toml
  vidimus index rebuild --config vidimus.toml --resume   # after Ctrl-C, when the log is long")]
    Rebuild {
        /// Go on with what a run that was cut off has left, if there is anything. It is taken as it is: leave this out
        /// where somebody may have written into the data directory
        #[arg(long)]
        resume: bool,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Page {
    /// Every key of the configuration
    Config,
    /// Every type of event
    Events,
    /// Every command
    Cli,
}

impl Gateway {
    /// The option as it was given, for a command that is to be run next.
    pub(crate) fn option(&self) -> String {
        let named = |option: &str, path: &Path| format!(" {option} {}", crate::output::quoted(&path.to_string_lossy()));
        match (&self.config, &self.data_dir) {
            (Some(config), _) => named("--config", config),
            (None, Some(data_dir)) => named("--data-dir", data_dir),
            (None, None) => String::new(),
        }
    }

    /// The data directory and the socket of the gateway.
    pub(crate) fn places(&self) -> Result<(PathBuf, PathBuf), ConfigError> {
        match (&self.config, &self.data_dir) {
            (Some(config), _) => {
                let gateway = Config::load(config)?.gateway;
                Ok((gateway.data_dir, gateway.socket))
            }
            (None, data_dir) => {
                let data_dir = data_dir.as_deref().unwrap_or(Path::new("."));
                Ok((data_dir.to_owned(), data_dir.join(crate::config::SOCKET)))
            }
        }
    }

    /// The configuration, where one was named.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        let config = self.config.as_deref().context("name the configuration with --config")?;
        Ok(Config::load(config)?)
    }

    /// The key that opens recordings, out of the keyring, which the configured key-encryption key opens.
    pub(crate) async fn ring_key(&self) -> anyhow::Result<Secret> {
        let gateway = self.config().context("the configuration names the key-encryption key")?.gateway;
        anyhow::ensure!(gateway.data_dir.join("keys/ring").exists(), "{} has no keyring", gateway.data_dir.display());
        let service = crate::key::service(&gateway.key, &gateway.data_dir)?;
        let origin = Gate::origin(&gateway.name);
        let ring = Keyring::open(&FileSystem, &gateway.data_dir, &service, &origin).await?;
        Ok(ring.keys(&service).key)
    }
}

fn session_prefix(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        Ok(text.to_owned())
    } else {
        Err("a session id is hexadecimal digits and dashes".to_owned())
    }
}

fn whole_session(text: &str) -> Result<SessionId, String> {
    text.parse().map_err(|_| "a whole session id is a UUID, 36 characters: `sessions list` shows them".to_owned())
}

fn event_id(text: &str) -> Result<EventId, String> {
    text.parse().map_err(|_| {
        "an event id is a whole UUID, 36 characters: `vidimus sessions show SESSION` shows each event's in the column EVENT"
            .to_owned()
    })
}

/// A time in RFC 3339, or how long ago.
fn time_or_ago(text: &str) -> Result<Timestamp, String> {
    if let Some(time) = api::timestamp(text) {
        return Ok(time);
    }
    let ago = || {
        let unit = text.chars().last()?;
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        let seconds = match unit {
            's' => Some(number),
            'm' => number.checked_mul(60),
            'h' => number.checked_mul(3_600),
            'd' => number.checked_mul(86_400),
            _ => None,
        }?;
        let now = vidimus_core::Clock::now(&vidimus_core::SystemClock);
        now.nanoseconds().checked_sub(seconds.checked_mul(1_000_000_000)?).map(Timestamp::from_nanoseconds)
    };
    ago().ok_or_else(|| "expected a time such as 2026-11-20T08:00:00Z, or how long ago, such as 15m, 2h, 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_lines_end_with_status_2() {
        for bad in [
            "vidimus",
            "vidimus serve",
            "vidimus sessions list",
            "vidimus sessions list --config a --data-dir b",
            "vidimus sessions list --data-dir d --limit 0",
            "vidimus sessions list --data-dir d --since yesterday",
            "vidimus sessions list --data-dir d --target A/B",
            "vidimus sessions show ../../log/status --data-dir d",
            "vidimus log prove not-an-id --data-dir d",
            "vidimus log verify --data-dir d --recordings",
            "vidimus log prove 0199a1b2 --data-dir d",
            "vidimus tools A/B --data-dir d",
            "vidimus verify",
            "vidimus log witness --name w --key k",
            "vidimus log witness --name a+b --key k --show-key",
            "vidimus verify a b",
            "vidimus demo --port 65536",
            "vidimus erase 0199a1b2 --data-dir d",
            "vidimus erase 0199a1b2 --reason x --confirm --data-dir d",
            "vidimus hold add 0199a1b2 --data-dir d",
        ] {
            assert_eq!(parse(bad).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn a_filter_takes_times_and_ages() {
        let line = "vidimus sessions list --data-dir d --since 2026-11-20T08:00:00Z --until 2h --who corp|a --limit 5";
        let Command::Sessions(Sessions::List { filter, gateway, .. }) = parse(line).unwrap() else { panic!("{line}") };
        let filter = SessionFilter::from(filter);
        assert_eq!(filter.since.unwrap().to_string(), "2026-11-20T08:00:00.000000000Z");
        let now = vidimus_core::Clock::now(&vidimus_core::SystemClock);
        let age = now.since(filter.until.unwrap()).as_secs();
        assert!((7_199..7_260).contains(&age), "{age}");
        assert_eq!((filter.who.as_deref(), filter.limit, filter.control), (Some("corp|a"), 5, false));
        // What `export` takes, `sessions list` takes, and the other way round.
        for line in [
            "vidimus sessions list --data-dir d --principal corp|a",
            "vidimus export --data-dir d --who corp|a --out x.zip",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        assert_eq!(gateway.places().unwrap().1, Path::new("d/vidimus.sock"));
        for bad in ["", "5", "h", "1.5h", "99999999999999999999h", "1w", "-1h", "é", "400000d"] {
            assert!(time_or_ago(bad).is_err(), "{bad}");
        }
    }
}
