//! Test cases for policies: TOML files beside them, `NAME.test.toml`.
//!
//! A file names principals and cases; a case says who wants what, and what is to be decided, by which policies. Everything
//! that a case leaves out is what a request without it would have.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use vidimus_core::json::Document;
use vidimus_core::{Actor, Clock as _, Effect, Principal, PrincipalKind, SystemClock, TargetName, ToolAnnotations};
use vidimus_policy::Policies;

use crate::api;
use crate::config::Config;
use crate::policy_files::{self, PolicyFilesError};
use crate::policy_question::{self, Question, Written};
use crate::problem::{Problem, did_you_mean};

/// What files of cases end with.
const ENDING: &str = ".test.toml";

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    principals: BTreeMap<String, Who>,
    #[serde(default, rename = "case")]
    cases: Vec<Spanned<WrittenCase>>,
}

/// A principal that cases name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Who {
    /// `issuer|subject`.
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) workload: bool,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    #[serde(default)]
    pub(crate) actors: Vec<String>,
    #[serde(default)]
    pub(crate) amr: Vec<String>,
    pub(crate) client_id: Option<String>,
}

/// A case as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    name: String,
    principal: Spanned<String>,
    target: Option<Spanned<String>>,
    tool: Option<String>,
    resource: Option<String>,
    prompt: Option<String>,
    action: Option<String>,
    reveal: Option<String>,
    url: Option<String>,
    arguments: Option<Spanned<toml::Value>>,
    annotations: Option<Hints>,
    client: Option<String>,
    model: Option<String>,
    grant: Option<String>,
    #[serde(default)]
    break_glass: bool,
    seconds: Option<u64>,
    address: Option<IpAddr>,
    time: Option<Spanned<String>>,
    expect: Expected,
    rewrites: Option<Vec<String>>,
    rewritten: Option<Spanned<toml::Value>>,
    by: Option<Vec<Spanned<String>>>,
    message: Option<String>,
}

/// Annotations of a tool whose definition is not configured (MCP 2025-11-25, `ToolAnnotations`).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hints {
    #[serde(rename = "readOnlyHint")]
    read_only: Option<bool>,
    #[serde(rename = "destructiveHint")]
    destructive: Option<bool>,
    #[serde(rename = "idempotentHint")]
    idempotent: Option<bool>,
    #[serde(rename = "openWorldHint")]
    open_world: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Deny,
    /// Denied unless people approve it.
    Hold,
}

/// A case, ready to be put.
#[derive(Debug)]
pub(crate) struct Case {
    /// `file:line`.
    pub(crate) place: String,
    pub(crate) name: String,
    pub(crate) question: Question,
    pub(crate) effect: Effect,
    /// The rewrites that must be applied, and no others.
    pub(crate) rewrites: Option<Vec<String>>,
    /// What the arguments must have become.
    pub(crate) rewritten: Option<Document>,
    /// Those that must decide it, and no others.
    pub(crate) by: Option<Vec<String>>,
    /// What the message must hold.
    pub(crate) message: Option<String>,
}

/// The files of cases in the directory of the policies, in order of name.
pub(crate) fn beside(dir: &Path) -> Result<Vec<PathBuf>, PolicyFilesError> {
    let is_of_cases = |path: &Path| path.to_string_lossy().ends_with(ENDING);
    policy_files::files(dir, is_of_cases)
}

/// Reads files of cases. All that is wrong with any of them is told.
pub(crate) fn read(files: &[PathBuf], config: &Config, policies: &Policies) -> Result<Vec<Case>, Vec<Problem>> {
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    let ids: Vec<Arc<str>> = policies.places().into_iter().map(|(id, _)| id).collect();
    for path in files {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = match policy_files::read(path) {
            Ok(text) => text,
            Err(error) => {
                problems.push(Problem::new(error.to_string()));
                continue;
            }
        };
        let reader = Reader { name: &name, text: &text, config, ids: &ids };
        match toml::from_str::<File>(&text) {
            Err(error) => problems.push(reader.problem(error.span().unwrap_or_default().start, error.message())),
            Ok(file) => {
                for case in file.cases {
                    match reader.case(&file.principals, &case) {
                        Ok(case) => cases.push(case),
                        Err(found) => problems.extend(found),
                    }
                }
            }
        }
    }
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

/// The principal that is written so.
pub(crate) fn principal(who: &Who) -> Result<Principal, String> {
    let pair = |id: &str| {
        let (issuer, subject) =
            id.split_once('|').filter(|(issuer, subject)| !issuer.is_empty() && !subject.is_empty())?;
        Some((issuer.to_owned(), subject.to_owned()))
    };
    let no_id = |id: &str| format!("`{id}` is no principal: write ISSUER|SUBJECT");
    let (issuer, subject) = pair(&who.id).ok_or_else(|| no_id(&who.id))?;
    let actors = who.actors.iter().map(|actor| {
        let (issuer, subject) = pair(actor).ok_or_else(|| no_id(actor))?;
        Ok(Actor { issuer, subject })
    });
    if let Some(group) = who.groups.iter().find(|group| !group.contains('/')) {
        return Err(format!("`{group}` is no group: write ISSUER/NAME"));
    }
    let mut groups = who.groups.clone();
    groups.sort();
    groups.dedup();
    Ok(Principal {
        kind: if who.workload { PrincipalKind::Workload } else { PrincipalKind::User },
        issuer,
        subject,
        groups,
        display: None,
        actor_chain: actors.collect::<Result<_, String>>()?,
        amr: who.amr.clone(),
        client_id: who.client_id.clone(),
    })
}

/// The target of this name, or the only one.
pub(crate) fn target(config: &Config, name: Option<&str>) -> Result<TargetName, String> {
    let names = || config.targets.iter().map(|target| target.name.as_str());
    match (name, config.targets.as_slice()) {
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => {
            Err(format!("there are several targets, so say which: {}", names().collect::<Vec<_>>().join(", ")))
        }
        (Some(name), targets) => {
            targets.iter().map(|target| &target.name).find(|target| target.as_str() == name).cloned().ok_or_else(|| {
                let help = did_you_mean(name, names()).unwrap_or_else(|| names().collect::<Vec<_>>().join(", "));
                format!("there is no target `{name}`: {help}")
            })
        }
    }
}

/// Reads the cases of one file.
struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    config: &'a Config,
    ids: &'a [Arc<str>],
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        format!("{}:{}", self.name, before.bytes().filter(|byte| *byte == b'\n').count() + 1)
    }

    fn problem(&self, offset: usize, message: impl Into<String>) -> Problem {
        Problem { place: Some(self.line(offset)), ..Problem::new(message) }
    }

    fn case(&self, principals: &BTreeMap<String, Who>, case: &Spanned<WrittenCase>) -> Result<Case, Vec<Problem>> {
        let (start, case) = (case.span().start, case.get_ref());
        let mut problems = Vec::new();
        let mut noted = |offset: usize, message: String| problems.push(self.problem(offset, message));
        let who = principals.get(case.principal.get_ref()).ok_or_else(|| {
            let name = case.principal.get_ref();
            let help = did_you_mean(name, principals.keys().map(String::as_str));
            format!("there is no [principals.{name}]{}", help.map(|help| format!("; {help}")).unwrap_or_default())
        });
        let place = case.principal.span().start;
        let principal = who.and_then(principal).map_err(|error| noted(place, error)).ok();
        let named = case.target.as_ref();
        let place = named.map_or(start, |target| target.span().start);
        let target = target(self.config, named.map(|name| name.get_ref().as_str()));
        let target = target.map_err(|error| noted(place, error)).ok();
        let written = Written {
            tool: case.tool.as_deref(),
            resource: case.resource.as_deref(),
            prompt: case.prompt.as_deref(),
            action: case.action.as_deref(),
            reveal: case.reveal.as_deref(),
            url: case.url.as_deref(),
            grant: case.grant.as_deref(),
            seconds: case.seconds,
            break_glass: case.break_glass,
        };
        let grant = written.granted();
        let wish = written.wish(self.config).map_err(|error| noted(start, error)).ok();
        if case.arguments.is_some() && case.tool.is_none() {
            noted(start, "`arguments` are those of a tool".to_owned());
        }
        let arguments = case.arguments.as_ref().map(|written| {
            policy_question::arguments(json(written.get_ref())).map_err(|error| noted(written.span().start, error))
        });
        let rewritten = case.rewritten.as_ref().and_then(|written| {
            let read = policy_question::arguments(json(written.get_ref()));
            read.map_err(|error| noted(written.span().start, error)).ok()
        });
        let time = match &case.time {
            None => Some(SystemClock.now()),
            Some(time) => api::timestamp(time.get_ref()).or_else(|| {
                let message = format!("`{}` is no time: write 2026-11-20T08:00:00Z", time.get_ref());
                noted(time.span().start, message);
                None
            }),
        };
        for id in case.by.iter().flatten() {
            let (offset, id) = (id.span().start, id.get_ref());
            if !self.ids.iter().any(|known| **known == **id) {
                let help = did_you_mean(id, self.ids.iter().map(|id| &**id));
                let help = help.map(|help| format!("; {help}")).unwrap_or_default();
                noted(offset, format!("there is no policy `{id}`{help}"));
            }
        }
        let annotations = case.annotations.map(annotations);
        let (Some(principal), Some(target), Some(wish), Some(time), true) =
            (principal, target, wish, time, problems.is_empty())
        else {
            return Err(problems);
        };
        let question = Question {
            principal,
            target,
            wish,
            arguments: arguments.and_then(Result::ok),
            annotations,
            grant,
            client: case.client.clone(),
            model: case.model.clone(),
            address: case.address,
            time,
        };
        Ok(Case {
            place: self.line(start),
            name: case.name.clone(),
            question,
            effect: match case.expect {
                Expected::Allow => Effect::Allow,
                Expected::Deny => Effect::Deny,
                Expected::Hold => Effect::Hold,
            },
            rewrites: case.rewrites.clone().map(|mut names| {
                names.sort();
                names
            }),
            rewritten,
            by: case.by.as_ref().map(|ids| {
                let mut ids: Vec<String> = ids.iter().map(|id| id.get_ref().clone()).collect();
                ids.sort();
                ids
            }),
            message: case.message.clone(),
        })
    }
}

/// Annotations with MCP's defaults for what is not said.
fn annotations(hints: Hints) -> ToolAnnotations {
    let defaults = ToolAnnotations::default();
    ToolAnnotations {
        read_only: hints.read_only.unwrap_or(defaults.read_only),
        destructive: hints.destructive.unwrap_or(defaults.destructive),
        idempotent: hints.idempotent.unwrap_or(defaults.idempotent),
        open_world: hints.open_world.unwrap_or(defaults.open_world),
    }
}

/// Arguments as JSON: a table, or a text that is JSON already, for numbers and values that TOML has not.
fn json(arguments: &toml::Value) -> String {
    match arguments {
        toml::Value::String(text) => text.clone(),
        other => json_value(other).to_string(),
    }
}

fn json_value(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(flag) => (*flag).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json_value).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, item)| (key.clone(), json_value(item))).collect(),
    }
}
