//! `[limits]`: bounds on what clients may ask, and the rules in it that say how many calls.
//!
//! A rule that would never hold anything back is refused: one without a number, one for a target that there is not, tools
//! without their target.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable};
use vidimus_core::{PrincipalKind, TargetName};
use vidimus_gate::{CallerLimits, LimitRule, Rate};

use super::document::Document;
use super::keys;
use super::sections::one_of;
use super::table::Table;
use super::value;
use crate::problem::did_you_mean;

/// The most calls in the time of a rate, and at once.
const MAX_CALLS: usize = 1_000_000;

/// What `[limits]` calls limits of its own: refusals name them as they name rules.
const OWN_NAMES: [&str; 1] = ["sessions"];

/// `[limits]`
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) request_bytes: usize,
    pub(crate) response_bytes: usize,
    pub(crate) session_idle: Duration,
    pub(crate) shutdown_grace: Duration,
    /// What each caller may take.
    pub(crate) callers: CallerLimits,
}

/// What rules may name.
pub(super) struct Known<'a> {
    pub(super) targets: Vec<&'a str>,
    /// None when they cannot be read, which is said elsewhere.
    pub(super) issuers: Option<Vec<&'a str>>,
}

/// Reads `[limits]`; without one, the defaults hold.
pub(super) fn read<'a>(
    document: &'a Document,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
    known: &Known<'_>,
) -> Option<Limits> {
    let none = DeTable::new();
    let (place, table) = found.unwrap_or((0..0, &none));
    let table = Table::new(document, &keys::LIMITS, "limits".to_owned(), place, table);
    let connections = table.count("connections");
    let request_bytes = table.parsed("request_bytes", value::size);
    let response_bytes = table.parsed("response_bytes", value::size);
    let sessions = table.count("sessions");
    let session_idle = table.parsed("session_idle", value::duration);
    let session_max = table.parsed("session_max", value::duration);
    let session_calls = table.count("session_calls").map(|calls| u64::try_from(calls).unwrap_or(u64::MAX));
    let session_bytes = table.parsed("session_bytes", value::space);
    let shutdown_grace = table.parsed("shutdown_grace", value::duration);
    let rules = rules(document, &table, known);
    table.finish();
    let (rules, sessions, session_max) = (rules?, sessions?, Some(session_max?));
    Some(Limits {
        connections: connections?,
        request_bytes: request_bytes?,
        response_bytes: response_bytes?,
        session_idle: session_idle?,
        shutdown_grace: shutdown_grace?,
        callers: CallerLimits { rules, sessions, session_max, session_calls, session_bytes },
    })
}

/// `[limits.rules.NAME]`, in the order of their names.
fn rules<'a>(document: &'a Document, limits: &Table<'a>, known: &Known<'_>) -> Option<Vec<LimitRule>> {
    let Some((_, found)) = limits.table("rules") else { return limits.value("rules").is_none().then(Vec::new) };
    let read = found.iter().map(|(name, value)| {
        let table = limits.as_table("rules", value)?;
        rule(document, name, table, known)
    });
    // Every one is read, so that all problems are found.
    read.collect::<Vec<_>>().into_iter().collect()
}

fn rule<'a>(
    document: &'a Document,
    name: &'a Spanned<DeString<'a>>,
    table: &'a DeTable<'a>,
    known: &Known<'_>,
) -> Option<LimitRule> {
    let own_name = rule_name(name.get_ref());
    if let Err(expected) = &own_name {
        document.problem(name.span(), expected.as_str(), None);
    }
    let heading = format!("limits.rules.{}", name.get_ref());
    let table = Table::new(document, &keys::LIMIT_RULE, heading.clone(), name.span(), table);
    let calls = table.parsed("calls", rate);
    let burst = table.count("burst");
    let concurrent = table.count("concurrent");
    let is_shared = table.parsed("per", |text| one_of(text, &[("principal", false), ("all", true)]));
    let groups = table.list("groups", |text| group(text, known.issuers.as_deref()));
    let kind = table
        .parsed("kind", |text| one_of(text, &[("user", PrincipalKind::User), ("workload", PrincipalKind::Workload)]));
    let target = table.parsed("target", |text| target(text, &known.targets));
    let tools = table.list("tools", value::text);
    table.finish();
    if table.value("calls").is_none() && table.value("concurrent").is_none() {
        let help = "add `calls`, such as \"100/min\", or `concurrent`, such as 8";
        document.problem(name.span(), format!("[{heading}] limits nothing"), Some(help.to_owned()));
        return None;
    }
    if let Some(given) = table.value("burst").filter(|_| table.value("calls").is_none()) {
        document.problem(given.span(), "`burst` is a part of `calls`, which is not there".to_owned(), None);
    }
    for (key, number) in [("burst", burst), ("concurrent", concurrent)] {
        if let Some(given) = table.value(key).filter(|_| number.is_some_and(|number| number > MAX_CALLS)) {
            document.problem(given.span(), format!("`{key}` is at most {MAX_CALLS}"), None);
        }
    }
    if let Some(given) = table.value("tools") {
        if table.value("target").is_none() {
            let help = "add `target`: tools of other targets may have the same names";
            document.problem(given.span(), "`tools` are of one target".to_owned(), Some(help.to_owned()));
        }
        if tools.as_ref().is_some_and(Vec::is_empty) {
            document.problem(given.span(), "`tools` lists none: leave it out for all of them".to_owned(), None);
        }
    }
    if let Some(given) = table.value("groups").filter(|_| groups.as_ref().is_some_and(Vec::is_empty)) {
        document.problem(given.span(), "`groups` lists none: leave it out for everybody".to_owned(), None);
    }
    if table.value("calls").is_some() && calls.is_none() || table.value("target").is_some() && target.is_none() {
        return None;
    }
    let calls = calls.map(|(calls, per)| {
        let burst = burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(calls);
        Rate { calls, per, burst }
    });
    Some(LimitRule {
        name: own_name.ok()?.into(),
        groups: groups?,
        kind,
        target,
        tools: tools?,
        is_shared: is_shared?,
        calls,
        concurrent,
    })
}

/// `[a-z][a-z0-9-]*`, and none of `[limits]`' own.
fn rule_name(text: &str) -> Result<&str, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if OWN_NAMES.contains(&text) {
        return Err(format!("`{text}` is a limit of [limits] itself: give the rule another name"));
    }
    if text.starts_with(|first: char| first.is_ascii_lowercase()) && text.len() <= 64 && text.bytes().all(allowed) {
        Ok(text)
    } else {
        Err("expected a name of a-z, 0-9 and `-`, starting with a letter, at most 64 characters".to_owned())
    }
}

/// `100/min`: calls, and the time they are for.
fn rate(text: &str) -> Result<(u32, Duration), String> {
    let expected = || {
        format!(
            "expected calls in a time, such as \"10/s\", \"100/min\", \"1000/h\" or \"5000/d\", at most {MAX_CALLS}"
        )
    };
    let (calls, per) = text.split_once('/').ok_or_else(expected)?;
    let per = match per {
        "s" => Duration::from_secs(1),
        "min" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        "d" => Duration::from_hours(24),
        _ => return Err(expected()),
    };
    let digits = calls.bytes().all(|byte| byte.is_ascii_digit());
    let calls = calls.parse().ok().filter(|calls| digits && (1..=MAX_CALLS).contains(calls));
    let calls = calls.and_then(|calls| u32::try_from(calls).ok()).ok_or_else(expected)?;
    Ok((calls, per))
}

/// `issuer/name`, as in policies.
fn group(text: &str, issuers: Option<&[&str]>) -> Result<String, String> {
    match text.split_once('/') {
        Some((issuer, _)) if issuers.is_some_and(|issuers| !issuers.contains(&issuer)) => {
            let near = did_you_mean(issuer, issuers.into_iter().flatten().copied());
            let help = near.map(|near| format!("; {near}")).unwrap_or_default();
            Err(format!("no issuer is called `{issuer}` in [identity.oidc]{help}"))
        }
        Some((issuer, name)) if value::issuer_name(issuer).is_ok() && !name.is_empty() => Ok(text.to_owned()),
        _ => Err(
            "expected a group as policies name it: that of its issuer in [identity.oidc], `/` and its own, such as \
                  \"corp/agents\""
                .to_owned(),
        ),
    }
}

pub(super) fn target(text: &str, targets: &[&str]) -> Result<TargetName, String> {
    if targets.contains(&text) {
        return text.parse().map_err(|_| format!("no target can be called `{text}`"));
    }
    let near = did_you_mean(text, targets.iter().copied());
    let help = near.unwrap_or_else(|| format!("those that there are: {}", targets.join(", ")));
    Err(format!("there is no [targets.{text}]; {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_calls_in_a_time() {
        assert_eq!(rate("100/min"), Ok((100, Duration::from_mins(1))));
        assert_eq!(rate("1/s"), Ok((1, Duration::from_secs(1))));
        assert_eq!(rate("1000000/d"), Ok((1_000_000, Duration::from_hours(24))));
        for bad in ["", "100", "/min", "0/s", "1000001/s", "1/m", "1/2min", "+1/s", "1.5/s", "1 / s", "-1/s", "1/s/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn groups_and_names_are_as_elsewhere() {
        assert!(group("corp/agents", None).is_ok() && group("corp/a/b", Some(&["corp"])).is_ok());
        for bad in ["agents", "corp/", "/agents", "Corp/agents", "local/owner"] {
            assert!(group(bad, None).is_err(), "{bad}");
        }
        let unknown = group("crop/agents", Some(&["corp"])).unwrap_err();
        assert_eq!(unknown, "no issuer is called `crop` in [identity.oidc]; did you mean `corp`?");
        assert!(rule_name("ci-2").is_ok() && rule_name("sessions").is_err() && rule_name("session_calls").is_err());
    }
}
