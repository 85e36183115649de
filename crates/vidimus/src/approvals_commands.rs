//! `vidimus approvals`: what waits for people, shown and decided through the running gateway.
//!
//! A decision names the version of the request that was looked at: unless one is given, the request is looked at first.
//! A token is never an argument, which other users of the machine could read.

use std::io::{self, Write};

use anyhow::Context as _;

use crate::api;
use crate::approvals::{APPROVALS, ApprovalList, Request, RequestDetail};
use crate::cli::{ApprovalAsked, Approvals};
use crate::client;
use crate::custody_commands::{TOKEN, token};
use crate::output::{self, Table, printable, printable_lines, whole_seconds};

/// Runs one of them.
pub(crate) async fn run(command: Approvals, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Approvals::List { all, asked } => {
            let query = if all { "?all=true" } else { "" };
            let list: ApprovalList = read(&asked, &format!("{APPROVALS}{query}")).await?;
            if asked.output.json {
                output::json(out, &list)?;
            } else {
                write_list(&list, out)?;
            }
        }
        Approvals::Show { id, asked } => {
            let detail: RequestDetail = read(&asked, &path(&id)).await?;
            if asked.output.json {
                output::json(out, &detail)?;
            } else {
                write_detail(&detail, &asked.gateway.option(), out)?;
            }
        }
        Approvals::Approve { id, reason, version, asked } => {
            decide(&id, ("approval", reason.as_deref()), version, &asked, out).await?;
        }
        Approvals::Deny { id, reason, version, asked } => {
            decide(&id, ("denial", Some(&reason)), version, &asked, out).await?;
        }
    }
    Ok(())
}

async fn read<T: serde::de::DeserializeOwned>(asked: &ApprovalAsked, path: &str) -> anyhow::Result<T> {
    let token = token(asked.token_file.as_deref())?;
    let token = token.as_ref().map(|token| token.as_str());
    Ok(client::get_as(&asked.gateway.places()?.1, path, token).await?)
}

async fn decide(
    id: &str,
    (word, reason): (&str, Option<&str>),
    version: Option<u64>,
    asked: &ApprovalAsked,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let token = token(asked.token_file.as_deref())?;
    let token = token.context(format!("deciding is done by persons: give your token by --token-file or {TOKEN}"))?;
    let version = match version {
        Some(version) => version,
        None => read::<RequestDetail>(asked, &path(id)).await?.request.version,
    };
    let reason = reason.map(|reason| format!("&reason={}", api::encode(reason))).unwrap_or_default();
    let path = format!("{}/{word}?version={version}{reason}", path(id));
    let request: Request = client::post(&asked.gateway.places()?.1, &path, Some(&token)).await?;
    if asked.output.json {
        output::json(out, &request)?;
    } else {
        write_state(&request, out)?;
    }
    Ok(())
}

fn path(id: &str) -> String {
    format!("{APPROVALS}/{}", api::encode(id))
}

fn write_list(list: &ApprovalList, out: &mut impl Write) -> io::Result<()> {
    if list.approvals.is_empty() {
        return writeln!(out, "nothing waits for approval");
    }
    let mut table = Table::new(&["REQUEST", "STATE", "WHO", "FOR", "RULES", "EXPIRES"]);
    for request in &list.approvals {
        table.row([
            printable(&request.id),
            printable(&request.state),
            printable(&request.who),
            asked_for(request),
            rules(request),
            whole_seconds(&request.expires),
        ]);
    }
    table.write(out)
}

/// The call, or the grant with where to and for how long.
pub(crate) fn asked_for(request: &Request) -> String {
    match &request.grant {
        Some(grant) => {
            let length = seconds(grant.seconds);
            printable(&format!("grant {} on {} for {length}", grant.name, request.target))
        }
        None => printable(&request.action),
    }
}

/// A time as it is asked for: `90m`, `1h`.
pub(crate) fn seconds(seconds: u64) -> String {
    match seconds {
        seconds if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        seconds if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

pub(crate) fn rules(request: &Request) -> String {
    let rule =
        |rule: &crate::approvals::Rule| format!("{} {}/{}", printable(&rule.name), rule.approved, rule.approvers);
    request.rules.iter().map(rule).collect::<Vec<_>>().join(", ")
}

/// Says what holds now.
fn write_state(request: &Request, out: &mut impl Write) -> io::Result<()> {
    let (id, action) = (printable(&request.id), asked_for(request));
    match (request.state.as_str(), &request.detail) {
        ("open", _) => writeln!(out, "request {id} ({action}) is approved in part: {}", rules(request)),
        ("approved", _) if request.grant.is_some() => {
            let expires = whole_seconds(&request.expires);
            writeln!(out, "request {id} is approved: who asked can fetch the credential until {expires}")
        }
        ("approved", _) => {
            let expires = whole_seconds(&request.expires);
            writeln!(out, "request {id} is approved: {action} may pass once, until {expires}")
        }
        (state, Some(detail)) => writeln!(out, "request {id} is {}: {}", printable(state), printable(detail)),
        (state, None) => writeln!(out, "request {id} is {}", printable(state)),
    }
}

fn write_detail(detail: &RequestDetail, gateway: &str, out: &mut impl Write) -> io::Result<()> {
    let RequestDetail { request, .. } = detail;
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<13}{text}");
    line("request", &printable(&request.id))?;
    let state = request.detail.as_ref().map_or_else(String::new, |detail| format!(" ({})", printable(detail)));
    line("state", &format!("{}{state}, version {}", printable(&request.state), request.version))?;
    line("who", &printable(&request.who))?;
    if let Some(principal) = &detail.principal {
        line("identity", &printable(principal.get()))?;
    }
    let address = detail.address.as_deref().unwrap_or("an address that is not known");
    if let Some(grant) = &request.grant {
        line("from", &printable(address))?;
        line("asks for", &asked_for(request))?;
        line("reason", &printable(&grant.reason))?;
        line("permitted by", &printable(&request.policies.join(", ")))?;
    } else {
        let client = detail.client.as_deref().unwrap_or("a client that says nothing of itself");
        line("from", &format!("{} (as it claims), at {}", printable(client), printable(address)))?;
        line("call", &printable(&request.action))?;
        let arguments = detail.arguments.as_ref().map_or("not recorded: the target keeps sizes only", |raw| raw.get());
        line("arguments", printable_lines(arguments).trim_end())?;
        for (name, value) in &detail.further {
            line(&printable(name), printable_lines(value.get()).trim_end())?;
        }
        line("held by", &printable(&request.policies.join(", ")))?;
    }
    line("rules", &rules(request))?;
    for given in &request.given {
        let why = given.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", printable(reason)));
        line("approved", &format!("{} by {}{why}", whole_seconds(&given.time), printable(&given.by)))?;
    }
    line("asked", &whole_seconds(&request.asked))?;
    line("expires", &whole_seconds(&request.expires))?;
    line("evidence", &format!("{}/{}", printable(&detail.session), detail.seq))?;
    for past in &detail.before {
        let status = past.status.as_deref().unwrap_or("running");
        line("before", &format!("{} {} {}", whole_seconds(&past.time), printable(&past.action), printable(status)))?;
    }
    if request.state == "open" && !detail.yours.is_empty() {
        let rules = printable(&detail.yours.join(", "));
        writeln!(
            out,
            "\nyou may approve it by {rules}: vidimus approvals approve {}{gateway}",
            printable(&request.id)
        )?;
    }
    Ok(())
}
