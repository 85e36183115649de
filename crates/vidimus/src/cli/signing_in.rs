//! Signing in, and programs that use a gateway with what that gave.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use vidimus_core::TargetName;

use super::Output;
use crate::config::private_url;

/// The endpoint of all targets together, below a gateway's address.
const ENDPOINT: &str = "/mcp";

/// Which gateway, and where its tokens are kept.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The gateway's address, as its `public_url` says
    #[arg(long, value_name = "URL", env = "VIDIMUS_URL", value_parser = gateway)]
    url: Option<String>,
    /// Only for this target; for all of them if not given
    #[arg(long, value_name = "NAME")]
    target: Option<TargetName>,
    /// The file to keep tokens in; `vidimus/logins.json` in `$XDG_STATE_HOME` if not given
    #[arg(long = "logins", value_name = "FILE", env = "VIDIMUS_LOGINS")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Sign in with a browser anywhere, by a code that is shown (RFC 8628)
    #[arg(long)]
    pub(crate) device: bool,
    /// Show the address to open, and open no browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// The id of a client that the identity provider knows; this program registers itself if not given
    #[arg(long, value_name = "ID", env = "VIDIMUS_CLIENT_ID")]
    pub(crate) client_id: Option<String>,
    /// A scope to ask for, any number of times; those that the gateway names if not given
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Vec<String>,
    /// The identity provider, where the gateway names several; its first if not given
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// The port of 127.0.0.1 that the browser comes back to; a free one if not given
    #[arg(long, value_name = "PORT", conflicts_with = "device")]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Logout {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Sign out of every gateway
    #[arg(long, conflicts_with_all = ["url", "target"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mcp {
    /// Be an MCP server over standard input and output that stands for one behind a gateway
    ///
    /// For clients that only start programs. The token is that of `vidimus login`, or else `--token-file` or the variable
    /// `VIDIMUS_TOKEN`. Standard error says in words what goes wrong; the client gets it as a JSON-RPC error.
    #[command(after_help = BRIDGE_EXAMPLES)]
    Bridge(Bridge),
}

const BRIDGE_EXAMPLES: &str = "Exit status: 0 standard input ended; 1 the gateway has ended the session, or cannot be used; 2 \
                               the command line is wrong.

Examples:
  vidimus login --url https://mcp.example.com
  vidimus mcp bridge --target crm --url https://mcp.example.com
  VIDIMUS_URL=https://mcp.example.com vidimus mcp bridge --target crm --token-file ci.token

In the configuration of a client:
  { \"command\": \"vidimus\", \"args\": [\"mcp\", \"bridge\", \"--target\", \"crm\", \"--url\", \"https://mcp.example.com\"] }";

#[derive(Debug, Args)]
pub(crate) struct Bridge {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A file with a token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// A database, and who wants to go there.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The database: the target's name
    pub(crate) target: TargetName,
    /// The gateway's address, as its `public_url` says
    #[arg(long, value_name = "URL", env = "VIDIMUS_URL", value_parser = gateway)]
    url: Option<String>,
    /// The file that `vidimus login` keeps tokens in; `vidimus/logins.json` in `$XDG_STATE_HOME` if not given
    #[arg(long, value_name = "FILE", env = "VIDIMUS_LOGINS")]
    pub(crate) logins: Option<PathBuf>,
    /// A file with a token; the variable `VIDIMUS_TOKEN`, else that of `vidimus login`, if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A file with the credential of a grant, which is proved and not shown (SCRAM-SHA-256)
    #[arg(long, value_name = "FILE", conflicts_with = "token_file", requires = "user")]
    pub(crate) grant_file: Option<PathBuf>,
    /// You, as the gateway knows you; whom the token names if not given
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Where the gateway is reached by clients of databases; the host of its address if not given
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// The port there; the one that the gateway names if not given
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// The authorities that the gateway's certificate may be by; `PGSSLROOTCERT`, else the system's, if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
    /// The program and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "json")]
    pub(crate) command: Vec<OsString>,
}

impl Connect {
    /// The gateway's address.
    pub(crate) fn gateway(&self) -> anyhow::Result<String> {
        named(self.url.as_ref()).cloned()
    }
}

impl Place {
    /// The address of the endpoint: `https://mcp.example.com/mcp/crm`.
    pub(crate) fn endpoint(&self) -> anyhow::Result<String> {
        let all = self.everything()?;
        Ok(self.target.as_ref().map_or_else(|| all.clone(), |target| format!("{all}/{target}")))
    }

    /// The address of all of the gateway's targets together.
    pub(crate) fn everything(&self) -> anyhow::Result<String> {
        Ok(format!("{}{ENDPOINT}", named(self.url.as_ref())?))
    }
}

fn named(url: Option<&String>) -> anyhow::Result<&String> {
    url.ok_or_else(|| anyhow::anyhow!("name the gateway with --url, or the variable VIDIMUS_URL"))
}

/// The address of a gateway, without a slash at the end.
fn gateway(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    private_url(text)?;
    Ok(text.to_owned())
}
