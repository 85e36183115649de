//! `vidimus grant` and `vidimus break-glass`: access for a time, asked of the running gateway.
//!
//! A token is never an argument, which other users of the machine could read. The credential of a grant is printed alone, to
//! standard output, so that it can go to a file that nobody else reads.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::api;
use crate::approvals::Request;
use crate::approvals_commands::{asked_for, rules};
use crate::cli::{BreakGlass, Grant, GrantAsked, GrantWanted};
use crate::client;
use crate::custody_commands::{TOKEN, token};
use crate::grants_api::{self, Credential, GRANTS, GrantList, Revocation, Wanted};
use crate::output::{self, Table, printable, whole_seconds};

/// How often it is asked whether people have decided.
const LOOK: Duration = Duration::from_secs(2);

/// Runs one of them.
pub(crate) async fn run(command: Grant, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Grant::Request { wanted, grant, wait, asked } => {
            let body = body(wanted, grant);
            let (socket, token) = (asked.gateway.places()?.1, needed(&asked)?);
            let request: Request = client::post_json(&socket, (GRANTS, &body), Some(&token)).await?;
            if wait {
                return waited(&socket, &token, (request, &asked), out).await;
            }
            if asked.output.json {
                output::json(out, &request)?;
            } else {
                write_asked(&request, &asked.gateway.option(), out)?;
            }
        }
        Grant::Credential { id, asked } => {
            let (socket, token) = (asked.gateway.places()?.1, needed(&asked)?);
            write_credential(&fetched(&socket, &token, &id).await?, asked.output.json, out)?;
        }
        Grant::List { all, asked } => {
            let query = if all { "?all=true" } else { "" };
            let list: GrantList = read(&asked, &format!("{GRANTS}{query}")).await?;
            if asked.output.json {
                output::json(out, &list)?;
            } else {
                write_list(&list, out)?;
            }
        }
        Grant::Show { id, asked } => {
            let request: Request = read(&asked, &path(&id)).await?;
            if asked.output.json {
                output::json(out, &request)?;
            } else {
                write_one(&request, out)?;
            }
        }
        Grant::Revoke { id, reason, asked } => {
            let token = token(asked.token_file.as_deref())?;
            let (socket, path) = (asked.gateway.places()?.1, format!("{}/revocation", path(&id)));
            let token = token.as_ref().map(|token| token.as_str());
            let request: Request = client::post_json(&socket, (&path, &Revocation { reason }), token).await?;
            if asked.output.json {
                output::json(out, &request)?;
            } else {
                writeln!(out, "{} of {} is over", asked_for(&request), printable(&request.who))?;
            }
        }
    }
    Ok(())
}

/// Breaks the glass.
pub(crate) async fn break_glass(command: BreakGlass, out: &mut impl Write) -> anyhow::Result<()> {
    let BreakGlass { wanted, asked } = command;
    let (socket, token) = (asked.gateway.places()?.1, needed(&asked)?);
    let body = body(wanted, None);
    let request: Request = client::post_json(&socket, (grants_api::BREAK_GLASS, &body), Some(&token)).await?;
    if asked.output.json {
        output::json(out, &request)?;
        return Ok(());
    }
    let (id, until) = (printable(&request.id), whole_seconds(&request.expires));
    let target = printable(&request.target);
    writeln!(out, "your calls at {target} pass without approval until {until}; each is on record under {id}")?;
    writeln!(out, "when you are done: vidimus grant revoke {id} --reason 'done'{}", asked.gateway.option())?;
    Ok(())
}

fn body(wanted: GrantWanted, grant: Option<String>) -> Wanted {
    let GrantWanted { target, length, reason } = wanted;
    Wanted { target, grant, length, reason }
}

/// Waits until people have decided, and prints the credential.
async fn waited(
    socket: &Path,
    token: &str,
    (mut request, asked): (Request, &GrantAsked),
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut told = String::new();
    loop {
        let progress = format!("{} is {}: {}", asked_for(&request), printable(&request.state), rules(&request));
        if progress != told {
            writeln!(io::stderr(), "{progress}")?;
            told = progress;
        }
        match (request.state.as_str(), &request.detail) {
            ("open", _) => {}
            ("approved", _) => {
                return write_credential(&fetched(socket, token, &request.id).await?, asked.output.json, out);
            }
            (state, detail) => {
                let why = detail.as_ref().map(|detail| format!(": {}", printable(detail))).unwrap_or_default();
                anyhow::bail!("the request is {}{why}", printable(state));
            }
        }
        tokio::time::sleep(LOOK).await;
        request = client::get_as(socket, &path(&request.id), Some(token)).await?;
    }
}

async fn fetched(socket: &Path, token: &str, id: &str) -> anyhow::Result<Credential> {
    Ok(client::post(socket, &format!("{}/credential", path(id)), Some(token)).await?)
}

async fn read<T: serde::de::DeserializeOwned>(asked: &GrantAsked, path: &str) -> anyhow::Result<T> {
    let token = token(asked.token_file.as_deref())?;
    let token = token.as_ref().map(|token| token.as_str());
    Ok(client::get_as(&asked.gateway.places()?.1, path, token).await?)
}

fn needed(asked: &GrantAsked) -> anyhow::Result<Zeroizing<String>> {
    let token = token(asked.token_file.as_deref())?;
    token.context(format!("grants are for whom an issuer vouches for: give your token by --token-file or {TOKEN}"))
}

fn path(id: &str) -> String {
    format!("{GRANTS}/{}", api::encode(id))
}

fn write_credential(credential: &Credential, is_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if is_json {
        return Ok(output::json(out, credential)?);
    }
    let (target, until) = (printable(&credential.grant.target), whole_seconds(&credential.until));
    writeln!(io::stderr(), "a bearer token for {target} alone, until {until}; it is shown once:")?;
    writeln!(out, "{}", printable(&credential.token))?;
    Ok(())
}

/// Says what to do next.
fn write_asked(request: &Request, gateway: &str, out: &mut impl Write) -> io::Result<()> {
    let (id, expires) = (printable(&request.id), whole_seconds(&request.expires));
    writeln!(out, "{} is {}: {} ({id})", asked_for(request), printable(&request.state), rules(request))?;
    writeln!(out, "once people approve it, until {expires}: vidimus grant credential {id}{gateway}")
}

fn write_list(list: &GrantList, out: &mut impl Write) -> io::Result<()> {
    if list.grants.is_empty() {
        return writeln!(out, "there are no grants");
    }
    let mut table = Table::new(&["GRANT", "STATE", "WHO", "FOR", "UNTIL"]);
    for request in &list.grants {
        let until = request.grant.as_ref().and_then(|grant| grant.until.as_deref()).map(whole_seconds);
        table.row([
            printable(&request.id),
            printable(&request.state),
            printable(&request.who),
            asked_for(request),
            until.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.write(out)
}

fn write_one(request: &Request, out: &mut impl Write) -> io::Result<()> {
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<13}{text}");
    line("grant", &printable(&request.id))?;
    let state = request.detail.as_ref().map_or_else(String::new, |detail| format!(" ({})", printable(detail)));
    line("state", &format!("{}{state}, version {}", printable(&request.state), request.version))?;
    line("who", &printable(&request.who))?;
    line("asks for", &asked_for(request))?;
    if let Some(grant) = &request.grant {
        line("reason", &printable(&grant.reason))?;
        if let (Some(since), Some(until)) = (&grant.since, &grant.until) {
            line("in force", &format!("{} to {}", whole_seconds(since), whole_seconds(until)))?;
        }
        if let (Some(opened), Some(sessions)) = (grant.opened, grant.sessions) {
            line("sessions", &format!("{opened} of {sessions} opened"))?;
        }
    }
    if !request.rules.is_empty() {
        line("rules", &rules(request))?;
    }
    for given in &request.given {
        let why = given.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", printable(reason)));
        line("approved", &format!("{} by {}{why}", whole_seconds(&given.time), printable(&given.by)))?;
    }
    line("asked", &whole_seconds(&request.asked))
}
