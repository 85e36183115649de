//! `[grants.NAME]` and `[break_glass]`: access for a time, and overriding the need for approval.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable};
use vidimus_core::CredentialKind;
use vidimus_gate::GrantRule;

use super::document::Document;
use super::table::{Table, Value};
use super::{Server, Target, keys, limits, value};
use crate::problem::did_you_mean;

/// The most sessions that one credential may open.
const MAX_SESSIONS: usize = 100;
/// The name that break-glass has where grants have one.
const BREAK_GLASS: &str = "break-glass";

/// What grants may name.
pub(super) struct Known<'a> {
    pub(super) targets: Vec<&'a str>,
    /// None where `[approvals]` cannot be read.
    pub(super) rules: Option<Vec<&'a str>>,
}

/// The grants, by name; none when there is no table.
pub(super) fn read<'a>(
    document: &'a Document,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
    known: &Known<'_>,
) -> Option<Vec<GrantRule>> {
    let grants = found.into_iter().flat_map(|(_, table)| table);
    let grants: Vec<_> = grants.map(|(name, value)| grant(document, name, value, known)).collect();
    grants.into_iter().collect()
}

fn grant<'a>(
    document: &'a Document,
    name: &'a Spanned<DeString<'a>>,
    value: Value<'a>,
    known: &Known<'_>,
) -> Option<GrantRule> {
    let own_name = value::name(name.get_ref()).and_then(|own| {
        let taken = || format!("`{BREAK_GLASS}` is what breaking the glass is called: give the grant another name");
        if own == BREAK_GLASS { Err(taken()) } else { Ok(own) }
    });
    if let Err(expected) = &own_name {
        document.problem(name.span(), expected.as_str(), None);
    }
    let Some(table) = value.get_ref().as_table() else {
        document.strike(value.span());
        document.problem(value.span(), format!("`{}` in [grants] must be a table", name.get_ref()), None);
        return None;
    };
    let table = Table::new(document, &keys::GRANT, format!("grants.{}", name.get_ref()), name.span(), table);
    let targets = table.list("targets", |text| limits::target(text, &known.targets));
    let approval = table.parsed("approval", |text| rule(text, known.rules.as_deref()));
    let longest = table.parsed("longest", whole_seconds);
    let sessions = table.count("sessions").filter(|sessions| {
        let fits = *sessions <= MAX_SESSIONS;
        if !fits {
            document.problem(name.span(), format!("`sessions` in {table} is more than {MAX_SESSIONS}"), None);
        }
        fits
    });
    if let Some(given) = table.value("targets").filter(|_| targets.as_ref().is_some_and(Vec::is_empty)) {
        document.problem(given.span(), "`targets` lists none, so nobody could ask for it", None);
    }
    table.finish();
    Some(GrantRule {
        name: own_name.ok()?.into(),
        targets: targets?,
        approval: approval?.into(),
        longest: longest?,
        sessions: u64::try_from(sessions?).ok()?,
    })
}

/// Refuses grants for targets that are shown tokens in exchange for the caller's: a credential of ours is no such token.
pub(super) fn check(
    document: &Document,
    place: &Range<usize>,
    grants: Option<&[GrantRule]>,
    targets: Option<&[Target]>,
) {
    let exchanges = |target: &&Target| match &target.server {
        Server::Http { oauth: Some(oauth), .. } => oauth.kind() == CredentialKind::TokenExchange,
        Server::Http { oauth: None, .. } | Server::Program(_) => false,
    };
    for target in targets.into_iter().flatten().filter(exchanges) {
        for grant in grants.into_iter().flatten().filter(|grant| grant.targets.contains(&target.name)) {
            let message = format!(
                "[grants.{}] is for `{}`, which is shown a token in exchange for the caller's: with a grant there is none",
                grant.name, target.name
            );
            let help = "leave the target out, or give it another grant in [targets.NAME.oauth]";
            document.problem(place.clone(), message, Some(help.to_owned()));
        }
    }
}

/// How long the glass may be broken; `Some(None)` where it may not.
#[expect(clippy::option_option, reason = "what cannot be read is told from what is not there, as in all sections")]
pub(super) fn break_glass<'a>(
    document: &'a Document,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
) -> Option<Option<Duration>> {
    let Some((place, table)) = found else { return Some(None) };
    let table = Table::new(document, &keys::BREAK_GLASS, BREAK_GLASS.replace('-', "_"), place, table);
    let longest = table.parsed("longest", whole_seconds);
    table.finish();
    Some(Some(longest?))
}

/// A time that is at least a second: grants count in seconds.
fn whole_seconds(text: &str) -> Result<Duration, String> {
    let length = value::duration(text)?;
    if length < Duration::from_secs(1) { Err("expected at least \"1s\"".to_owned()) } else { Ok(length) }
}

fn rule(text: &str, rules: Option<&[&str]>) -> Result<String, String> {
    let Some(rules) = rules.filter(|rules| !rules.contains(&text)) else { return Ok(text.to_owned()) };
    let near = did_you_mean(text, rules.iter().copied());
    let help = near.unwrap_or_else(|| "add it: it says how many people must agree".to_owned());
    Err(format!("there is no [approvals.{text}]; {help}"))
}
