//! `vidimus policy`: test cases, and one question explained.
//!
//! Policies and definitions are read from where the configuration says, as `vidimus check` does; no gateway is asked here. What
//! the files say is escaped before it reaches the terminal.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use vidimus_core::json::Document;
use vidimus_core::{Clock as _, Effect, SystemClock, TargetName, ToolDefinition};
use vidimus_policy::{Considered, Place, Policies, Verdict};

use crate::cli::{Explain, Policy};
use crate::config::Config;
use crate::output::{self, Table, counted, printable};
use crate::policies::Inputs;
use crate::policy_backtest;
use crate::policy_cases::{self, Case, Who};
use crate::policy_facts;
use crate::policy_files;
use crate::policy_question::{self, Answer, Question, Written};
use crate::problem::{Problem, Problems};

/// Runs one of the commands. False when a case does not hold, the question is denied, or
/// something would be decided otherwise.
pub(crate) async fn run(command: Policy, out: &mut impl Write) -> anyhow::Result<bool> {
    match command {
        Policy::Test { file, cases, output } => test(&file.config, cases, output.json, out),
        Policy::Explain(options) => explain(&options, out),
        Policy::Backtest(options) => policy_backtest::run(&options, out).await,
    }
}

/// The policies in force if a gateway started now, and what is known of the targets' tools.
struct Loaded {
    config: Config,
    policies: Policies,
}

impl Loaded {
    fn new(path: &Path) -> anyhow::Result<Self> {
        let config = Config::load(path)?;
        let policies = Inputs::read(&config)?.compile()?;
        Ok(Self { config, policies })
    }

    /// The definitions that are configured for a target.
    fn tools(&self, name: &TargetName) -> anyhow::Result<Option<Vec<ToolDefinition>>> {
        let target = self.config.targets.iter().find(|target| target.name == *name);
        Ok(target.map(policy_files::schema).transpose()?.and_then(|schema| schema.tools))
    }

    /// Puts a question, with the annotations of the tool's definition where that is configured, as the gateway does.
    fn ask(&self, question: Question) -> anyhow::Result<(Question, Answer)> {
        let tools = self.tools(&question.target)?;
        let question = question.with_definition(tools.as_deref())?;
        let answer = question.ask(&self.policies, &self.config, tools.as_deref());
        Ok((question, answer))
    }
}

fn test(config: &Path, files: Vec<PathBuf>, as_json: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let loaded = Loaded::new(config)?;
    let dir = &loaded.config.policy_dir;
    let files = if files.is_empty() { policy_cases::beside(dir)? } else { files };
    let cases = policy_cases::read(&files, &loaded.config, &loaded.policies).map_err(Problems)?;
    if cases.is_empty() {
        let message = format!("there are no cases: write some to {}", dir.join("NAME.test.toml").display());
        return Err(Problems(vec![Problem::new(message)]).into());
    }
    let mut tried = Vec::new();
    let mut decided: BTreeSet<Arc<str>> = BTreeSet::new();
    for case in cases {
        let Case { place, name, question, effect, rewrites, rewritten, by, message } = case;
        let asked = loaded.ask(question);
        let (_, answer) = asked.map_err(|error| {
            Problems(vec![Problem { place: Some(place.clone()), ..Problem::new(output::causes(&error)) }])
        })?;
        decided.extend(answer.policies.iter().map(Arc::clone));
        tried.push(Tried { place, name, effect, rewrites, rewritten, by, message, answer });
    }
    let undecided: Vec<_> = loaded.policies.places().into_iter().filter(|(id, _)| !decided.contains(id)).collect();
    let failed = tried.iter().filter(|tried| !tried.holds()).count();
    if as_json {
        output::json(out, &tested(&tried, &undecided, failed))?;
    } else {
        write_tested(&tried, &undecided, failed, out)?;
    }
    Ok(failed == 0)
}

/// A case and what came of it.
struct Tried {
    place: String,
    name: String,
    effect: Effect,
    rewrites: Option<Vec<String>>,
    rewritten: Option<Document>,
    by: Option<Vec<String>>,
    message: Option<String>,
    answer: Answer,
}

impl Tried {
    fn holds(&self) -> bool {
        let answer = &self.answer;
        // `connect` comes before everything, and is not what a case is about.
        let by =
            self.by.as_ref().is_none_or(|by| by.iter().map(String::as_str).eq(answer.deciding.iter().map(|id| &**id)));
        let message = self.message.as_ref().is_none_or(|message| answer.message.contains(message.as_str()));
        let rewrites = self.rewrites.as_ref().is_none_or(|expected| {
            expected.iter().map(String::as_str).eq(answer.rewrites.iter().map(|rewrite| &*rewrite.name))
        });
        let rewritten = self.rewritten.as_ref().is_none_or(|expected| {
            answer.rewritten.as_ref().is_some_and(|found| is_same(expected.root(), found.root()))
        });
        answer.effect == self.effect && by && message && rewrites && rewritten
    }

    fn expected(&self) -> String {
        let by = self.by.as_ref().map(|by| format!(" by {}", names(by))).unwrap_or_default();
        let message = self.message.as_ref().map(|message| format!(", saying {message:?}")).unwrap_or_default();
        let rewrites = self.rewrites.as_ref().map(|rewrites| format!(", rewritten by {}", list(rewrites, "nothing")));
        let to = self.rewritten.as_ref().map(|to| format!(", rewritten to {}", to.root().raw()));
        let rewrites = rewrites.into_iter().chain(to).collect::<String>();
        format!("{}{by}{rewrites}{message}", self.effect.name())
    }
}

/// Whether two values of JSON say the same: members in any order, numbers as they are written.
fn is_same(one: vidimus_core::json::Value<'_>, other: vidimus_core::json::Value<'_>) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => return one == other,
        (None, None) => {}
        _ => return false,
    }
    if one.kind() != other.kind() {
        return false;
    }
    if one.is_object() {
        let are_same = one.members().all(|(key, own)| other.get(&key).is_some_and(|found| is_same(own, found)));
        return are_same && one.entries().count() == other.entries().count();
    }
    if one.is_array() {
        let are_same = one.elements().zip(other.elements()).all(|(own, found)| is_same(own, found));
        return are_same && one.elements().count() == other.elements().count();
    }
    one.raw() == other.raw()
}

/// Ids as a list.
fn names(ids: &[impl AsRef<str>]) -> String {
    list(ids, "no policy")
}

/// Names as a list, or what stands for none.
fn list(names: &[impl AsRef<str>], none: &str) -> String {
    if names.is_empty() { none.to_owned() } else { names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ") }
}

/// The names of the rewrites that were applied.
fn rewrites(answer: &Answer) -> Vec<&str> {
    answer.rewrites.iter().map(|rewrite| &*rewrite.name).collect()
}

/// What the arguments have become.
fn rewritten(answer: &Answer) -> Option<&str> {
    answer.rewritten.as_ref().map(|rewritten| rewritten.root().raw())
}

/// What was decided, in a line.
fn decided(answer: &Answer) -> String {
    let message = if answer.message.is_empty() { String::new() } else { format!(", saying {:?}", answer.message) };
    let approvals =
        if answer.approvals.is_empty() { String::new() } else { format!(" for {}", names(&answer.approvals)) };
    let rewritten = rewritten(answer)
        .map(|to| format!(", rewritten by {} to {to}", list(&rewrites(answer), "nothing")))
        .unwrap_or_default();
    let by = names(&answer.deciding);
    format!("{} of {} by {by}{approvals}{rewritten}{message}", answer.effect.name(), answer.action)
}

fn tested(tried: &[Tried], undecided: &[(Arc<str>, Place)], failed: usize) -> Value {
    let cases = tried.iter().map(|tried| {
        json!({
            "place": tried.place, "name": tried.name, "holds": tried.holds(),
            "expected": {
                "effect": tried.effect.name(), "by": tried.by, "message": tried.message, "rewrites": tried.rewrites,
                "rewritten": tried.rewritten.as_ref().map(|rewritten| rewritten.root().raw()),
            },
            "decided": answered(&tried.answer),
        })
    });
    let cases: Vec<Value> = cases.collect();
    let undecided = undecided.iter().map(|(id, place)| json!({ "policy": id, "place": place.to_string() }));
    json!({ "ok": failed == 0, "cases": cases, "failed": failed, "undecided": undecided.collect::<Vec<_>>() })
}

fn answered(answer: &Answer) -> Value {
    json!({
        "effect": answer.effect.name(), "action": answer.action, "by": answer.deciding, "message": answer.message,
        "approvals": answer.approvals, "rewrites": rewrites(answer), "rewritten": rewritten(answer),
    })
}

fn write_tested(
    tried: &[Tried],
    undecided: &[(Arc<str>, Place)],
    failed: usize,
    out: &mut impl Write,
) -> std::io::Result<()> {
    for tried in tried.iter().filter(|tried| !tried.holds()) {
        writeln!(out, "FAIL {}: {}", printable(&tried.place), printable(&tried.name))?;
        writeln!(out, "     expected {}", printable(&tried.expected()))?;
        writeln!(out, "     decided  {}", printable(&decided(&tried.answer)))?;
    }
    for (id, place) in undecided {
        writeln!(out, "note: no case is decided by {} ({place})", printable(id))?;
    }
    let all = counted(tried.len() as u64, "case");
    match failed {
        0 => writeln!(out, "ok: {all}, all hold"),
        failed => writeln!(out, "{failed} of {all} {} not hold", if failed == 1 { "does" } else { "do" }),
    }
}

fn explain(options: &Explain, out: &mut impl Write) -> anyhow::Result<bool> {
    let loaded = Loaded::new(&options.file.config)?;
    let wrong = |message: String| Problems(vec![Problem::new(message)]);
    let who = Who {
        id: options.principal.clone(),
        workload: options.workload,
        groups: options.group.clone(),
        actors: options.actor.clone(),
        amr: options.amr.clone(),
        client_id: options.client_id.clone(),
    };
    let wish = &options.wish;
    let written = Written {
        tool: wish.tool.as_deref(),
        resource: wish.resource.as_deref(),
        prompt: wish.prompt.as_deref(),
        action: wish.action.as_deref(),
        reveal: wish.reveal.as_deref(),
        url: options.url.as_deref(),
        grant: options.grant.as_deref(),
        seconds: options.seconds,
        break_glass: options.break_glass,
    };
    let question = Question {
        principal: policy_cases::principal(&who).map_err(wrong)?,
        target: policy_cases::target(&loaded.config, options.target.as_ref().map(TargetName::as_str)).map_err(wrong)?,
        wish: written.wish(&loaded.config).map_err(wrong)?,
        arguments: options.arguments.clone().map(policy_question::arguments).transpose().map_err(wrong)?,
        annotations: None,
        grant: written.granted(),
        client: options.client.clone(),
        model: options.model.clone(),
        address: options.address,
        time: options.time.unwrap_or_else(|| SystemClock.now()),
    };
    let (question, answer) = loaded.ask(question)?;
    if options.output.json {
        let considered: Vec<Value> = answer.considered.iter().map(|one| considered(one, &answer)).collect();
        let mut explained = answered(&answer);
        if let Some(explained) = explained.as_object_mut() {
            explained.insert("policy_hash".into(), loaded.policies.hash().into());
            explained.insert("listed".into(), answer.listed.into());
            explained.insert("facts".into(), policy_facts::shown(&answer.facts).into());
            explained.insert("considered".into(), considered.into());
        }
        output::json(out, &explained)?;
    } else {
        write_explained(&question, &answer, out)?;
    }
    Ok(answer.effect == Effect::Allow)
}

/// What a policy says, in a word or a sentence.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds => "holds".to_owned(),
        Verdict::DoesNotHold => "does not hold".to_owned(),
        Verdict::Fails(why) => format!("fails: {why}"),
    }
}

fn considered(one: &Considered, answer: &Answer) -> Value {
    json!({
        "policy": one.id, "place": one.place.to_string(), "effect": if one.permits { "permit" } else { "forbid" },
        "approval": one.approval, "rewrite": one.rewrite,
        "verdict": said(&one.verdict), "decides": answer.policies.contains(&one.id),
    })
}

fn write_explained(question: &Question, answer: &Answer, out: &mut impl Write) -> std::io::Result<()> {
    let who = question.principal.id();
    writeln!(
        out,
        "{}: {} on {} by {}",
        answer.effect.name(),
        printable(&answer.action),
        printable(question.target.as_str()),
        printable(&who)
    )?;
    if !answer.message.is_empty() {
        writeln!(out, "  {}", printable(&answer.message))?;
    }
    if !answer.approvals.is_empty() {
        writeln!(out, "  passes once approved by {}", printable(&names(&answer.approvals)))?;
    }
    if let Some(to) = rewritten(answer) {
        let by = list(&rewrites(answer), "nothing");
        writeln!(out, "  rewritten by {} to {}", printable(&by), printable(to))?;
    }
    if let Some(listed) = answer.listed {
        writeln!(out, "  lists {} the tool", if listed { "show" } else { "hide" })?;
    }
    for (name, fact) in policy_facts::shown(&answer.facts) {
        writeln!(out, "  {name}: {}", printable(&fact.to_string()))?;
    }
    writeln!(out)?;
    if answer.considered.is_empty() {
        return writeln!(out, "no policy applies here, and nothing is allowed that no policy permits");
    }
    let mut table = Table::new(&["", "POLICY", "WHERE", "EFFECT", "HERE"]);
    for one in &answer.considered {
        table.row([
            if answer.policies.contains(&one.id) { "*" } else { "" },
            &one.id,
            &one.place.to_string(),
            match (&one.approval, &one.rewrite) {
                (Some(_), _) => "forbid unless approved",
                (None, Some(_)) => "forbid unless rewritten",
                (None, None) if one.permits => "permit",
                (None, None) => "forbid",
            },
            &said(&one.verdict),
        ]);
    }
    table.write(out)?;
    writeln!(out, "\n* decides")
}
