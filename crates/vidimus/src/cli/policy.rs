//! Policies asked without a gateway: test cases, and one question explained.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use vidimus_core::{TargetName, Timestamp};

use super::{ConfigFile, Output, time_or_ago};
use crate::api;

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Run the test cases that are kept beside the policies
    ///
    /// Every `*.test.toml` in the directory of the policies, or the files given. A case says who wants what, and what is
    /// to be decided by which policies. Status 0 only if every case holds.
    #[command(after_help = "Examples:\n  vidimus policy test --config vidimus.toml\n  \
                            vidimus policy test --config vidimus.toml policies/crm.test.toml --json")]
    Test {
        #[command(flatten)]
        file: ConfigFile,
        /// Files of cases; those beside the policies if not given
        #[arg(value_name = "CASES")]
        cases: Vec<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Show how one question is decided, and what each policy says of it
    ///
    /// Asks the policies in the directory, as they are now; nothing is sent or recorded. Status 0 if it is allowed, 1 if
    /// it is denied.
    #[command(after_help = "Examples:\n  \
                            vidimus policy explain --config vidimus.toml --principal 'corp|8f2c' --group corp/support \\\n      \
                            --target crm --tool refund --arguments '{\"amount\": 600}'\n  \
                            vidimus policy explain --config vidimus.toml --principal 'corp|ci' --workload --target crm \\\n      \
                            --reveal CREDIT_CARD")]
    Explain(Box<Explain>),
    /// Show what would be decided otherwise on operations of the past, were these policies in force
    ///
    /// Asks the running gateway for recorded operations, and puts each to the policies in the directory. A recording is
    /// read, and that is put on record, only where a policy reads what was asked for. What policies read and the record
    /// does not hold, because it is masked or erased, cannot be decided, and is told. Status 0 if nothing would be decided
    /// otherwise, else 1.
    #[command(
        after_help = "Examples:\n  vidimus policy backtest --config vidimus.toml --policies proposed/ --since 30d\n  \
                            vidimus policy backtest --config vidimus.toml --since 7d --target crm --json"
    )]
    Backtest(Backtest),
}

#[derive(Debug, Args)]
pub(crate) struct Backtest {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// The directory of the policies to try; that of the configuration if not given
    #[arg(long, value_name = "DIR")]
    pub(crate) policies: Option<PathBuf>,
    /// Of sessions opened since then: a time in RFC 3339, or how long ago (30s, 15m, 2h, 7d)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = time_or_ago)]
    pub(crate) since: Timestamp,
    /// Of sessions opened before then
    #[arg(long, value_name = "TIME", value_parser = time_or_ago)]
    pub(crate) until: Option<Timestamp>,
    /// Of this principal: issuer|subject
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) who: Option<String>,
    /// On this target
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<TargetName>,
    /// At most so many sessions, the latest
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub(crate) sessions: u32,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Who asks, as in events: the issuer's name in the configuration, `|`, the subject
    #[arg(long, value_name = "ISSUER|SUBJECT")]
    pub(crate) principal: String,
    /// It is a program, not a person
    #[arg(long)]
    pub(crate) workload: bool,
    /// A group that it is in, any number of times
    #[arg(long, value_name = "ISSUER/NAME")]
    pub(crate) group: Vec<String>,
    /// Who acts for it, any number of times
    #[arg(long, value_name = "ISSUER|SUBJECT")]
    pub(crate) actor: Vec<String>,
    /// How it has proven who it is (RFC 8176), any number of times
    #[arg(long, value_name = "METHOD")]
    pub(crate) amr: Vec<String>,
    /// The client that its token was given to
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// The target; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<TargetName>,
    #[command(flatten)]
    pub(crate) wish: Wish,
    /// The arguments of the call, as JSON
    #[arg(long, value_name = "JSON", requires = "tool")]
    pub(crate) arguments: Option<String>,
    /// Where the user is sent, for `elicitation/create`
    #[arg(long, value_name = "URL", requires = "action")]
    pub(crate) url: Option<String>,
    /// The grant by which it is there, or that it asks for
    #[arg(long, value_name = "NAME")]
    pub(crate) grant: Option<String>,
    /// For how long it asks, for `grant.request` and `break_glass`
    #[arg(long, value_name = "SECONDS", requires = "action")]
    pub(crate) seconds: Option<u64>,
    /// It has broken the glass
    #[arg(long)]
    pub(crate) break_glass: bool,
    /// What the client says it is
    #[arg(long, value_name = "TEXT")]
    pub(crate) client: Option<String>,
    /// What the client says its model is
    #[arg(long, value_name = "TEXT")]
    pub(crate) model: Option<String>,
    /// Where it comes from
    #[arg(long, value_name = "IP")]
    pub(crate) address: Option<IpAddr>,
    /// When; now if not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) time: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) output: Output,
}

fn time(text: &str) -> Result<Timestamp, String> {
    api::timestamp(text).ok_or_else(|| "write it as 2026-11-20T08:00:00Z".to_owned())
}

/// What is wished for.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Wish {
    /// A tool to call
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// A resource to read
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Option<String>,
    /// A prompt to get
    #[arg(long, value_name = "NAME")]
    pub(crate) prompt: Option<String>,
    /// Another action by its name, such as `connect` or `log.read`
    #[arg(long, value_name = "NAME")]
    pub(crate) action: Option<String>,
    /// A data class to see as it is
    #[arg(long, value_name = "CLASS")]
    pub(crate) reveal: Option<String>,
}
