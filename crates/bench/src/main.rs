//! What `cargo xtask bench` measures the gateway with: a fast MCP server, an issuer, a load generator, a commit loop.
//!
//! One program so that one release build gives all of it; each part is a process of its own, pinned by the caller.
//! `serve` runs the MCP server and the issuer and prints one line of JSON about them, `stdio` is the same server on its
//! standard input and output; `load SETTINGS` and `commit SETTINGS` run for the time they are told and print their
//! figures as one line of JSON; `hold SETTINGS` opens sessions and keeps them, `crosstalk SETTINGS` has clients of many
//! principals watch whether they hear of each other. Loopback only.

mod commit;
mod crosstalk;
mod histogram;
mod hold;
mod issuer;
mod load;
mod marked;
mod marker;
mod server;
mod session;
mod value;

use std::io::Write;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    raise_file_limit()?;
    // One thread each: the caller gives every part one core, and a second thread would only compete for it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.as_slice() {
        ["serve"] => runtime.block_on(serve()),
        ["stdio"] => server::serve_stdio(),
        ["load", settings] => report(&runtime.block_on(load::run(settings))?),
        ["crosstalk", settings] => report(&runtime.block_on(crosstalk::run(settings))?),
        ["hold", settings] => runtime.block_on(hold::run(settings)),
        ["commit", settings] => report(&runtime.block_on(commit::run(settings))?),
        _ => bail!(
            "usage: bench-load serve | stdio | load SETTINGS | hold SETTINGS | crosstalk SETTINGS | commit SETTINGS"
        ),
    }
}

/// Raises the limit of open files as far as the system allows: thousands of sessions are as many connections.
fn raise_file_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Serves until it is killed.
async fn serve() -> Result<()> {
    let (origin, serving) = server::start().await?;
    let marked = marked::start().await?;
    let issuer = issuer::start().await?;
    report(
        &json!({ "origin": origin, "marked": marked, "issuer": issuer.url, "jwks": issuer.jwks_url, "tokens": issuer.tokens }),
    )?;
    serving.await.context("the server ended")
}

fn report(figures: &Value) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{figures}")?;
    Ok(stdout.flush()?)
}
