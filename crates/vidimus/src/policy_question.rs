//! One question to policies, put as the gateway would put it: `connect` first, then the operation.
//!
//! What a caller would be told, and what each policy says of it. Nothing is sent or recorded.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use vidimus_core::json::{Document, Limits};
use vidimus_core::{
    Action, Effect, Facts, Principal, Rewriting, TargetName, Timestamp, ToolAnnotations, ToolDefinition,
};
use vidimus_policy::{Claimed, Considered, Decision, Granted, Moment, Policies, Request, Subject, Verdict};

use crate::config::{Config, Target};
use crate::policy_facts;
use crate::problem::{Problem, Problems, did_you_mean};

/// The word for a question about a data class.
const REVEAL: &str = "reveal";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// An operation.
    Act(Action),
    /// To see the values of a data class.
    Reveal(Arc<str>),
}

/// How a wish is written: exactly one of these.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written<'a> {
    pub(crate) tool: Option<&'a str>,
    pub(crate) resource: Option<&'a str>,
    pub(crate) prompt: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
    pub(crate) reveal: Option<&'a str>,
    /// For `elicitation/create`: where the user is sent.
    pub(crate) url: Option<&'a str>,
    /// For `grant.request`: which grant. In any other, by which grant the caller is there.
    pub(crate) grant: Option<&'a str>,
    /// For `grant.request` and `break_glass`: how long.
    pub(crate) seconds: Option<u64>,
    /// Whether the caller has broken the glass.
    pub(crate) break_glass: bool,
}

/// A question.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) principal: Principal,
    pub(crate) target: TargetName,
    pub(crate) wish: Wish,
    pub(crate) arguments: Option<Document>,
    /// The definition of the tool, where the target's are configured; else these annotations.
    pub(crate) annotations: Option<ToolAnnotations>,
    /// The grant by which the caller is there.
    pub(crate) grant: Option<Granted>,
    pub(crate) client: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) time: Timestamp,
}

/// What policies say.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) effect: Effect,
    /// What was decided last: `connect`, where that is denied.
    pub(crate) action: String,
    /// Those that decided, `connect` included.
    pub(crate) policies: Vec<Arc<str>>,
    /// Those that decided what was decided last.
    pub(crate) deciding: Vec<Arc<str>>,
    pub(crate) message: String,
    /// The approval rules by which people may lift the denial.
    pub(crate) approvals: Vec<Arc<str>>,
    /// The rewrites that were applied before it was decided, and what they made of the arguments.
    pub(crate) rewrites: Vec<Rewriting>,
    pub(crate) rewritten: Option<Document>,
    pub(crate) considered: Vec<Considered>,
    /// Whether lists show the tool.
    pub(crate) listed: Option<bool>,
    /// What was derived of the call because policies read it.
    pub(crate) facts: Facts,
}

impl Written<'_> {
    /// What is wished for, or what is wrong with how it is written.
    pub(crate) fn wish(&self, config: &Config) -> Result<Wish, String> {
        let owned = |text: &str| Arc::<str>::from(text);
        if self.url.is_some() && self.action != Some("elicitation/create") {
            return Err("`url` is for `elicitation/create`".into());
        }
        let wishes = [
            self.tool.map(|tool| Ok(Wish::Act(Action::ToolCall(owned(tool))))),
            self.resource.map(|uri| Ok(Wish::Act(Action::ResourceRead(owned(uri))))),
            self.prompt.map(|prompt| Ok(Wish::Act(Action::PromptGet(owned(prompt))))),
            self.action.map(|name| action(name, self).map(Wish::Act)),
            self.reveal.map(|class| match config.masking.class(class) {
                Ok(_) => Ok(Wish::Reveal(owned(class))),
                Err(error) => Err(error),
            }),
        ];
        let for_a_time = ["grant.request", "break_glass"];
        if self.seconds.is_some() && !self.action.is_some_and(|action| for_a_time.contains(&action)) {
            return Err("`seconds` is for `grant.request` and `break_glass`".into());
        }
        let mut wishes = wishes.into_iter().flatten();
        match (wishes.next(), wishes.next()) {
            (Some(wish), None) => wish,
            _ => Err("give one of tool, resource, prompt, action, reveal".into()),
        }
    }
}

impl Written<'_> {
    /// The grant by which the caller is there; `id` stands for one that there is not.
    pub(crate) fn granted(&self) -> Option<Granted> {
        let is_asked_for = self.action == Some("grant.request");
        let name = match (self.grant.filter(|_| !is_asked_for), self.break_glass) {
            (Some(name), _) => name,
            (None, true) => "break-glass",
            (None, false) => return None,
        };
        Some(Granted { name: name.into(), id: "none".into(), is_break_glass: self.break_glass })
    }
}

/// An action by its name in policies.
fn action(name: &str, written: &Written<'_>) -> Result<Action, String> {
    let seconds = written.seconds.unwrap_or_default();
    let known = [
        Action::GrantRequest { name: written.grant.unwrap_or_default().into(), seconds },
        Action::BreakGlass { seconds },
        Action::Connect,
        Action::Sampling,
        Action::Elicitation(written.url.map(Arc::from)),
        Action::Roots,
        Action::RecordingView,
        Action::RecordingExport,
        Action::RecordingErase,
        Action::RecordingHold,
        Action::LogRead,
        Action::Administer,
        Action::GrantRevoke,
    ];
    let names: Vec<_> = known.iter().map(|action| action.name("").into_owned()).collect();
    let named = known.into_iter().find(|action| action.name("") == name);
    match &named {
        Some(Action::GrantRequest { .. }) if written.grant.is_none() || written.seconds.is_none() => {
            return Err("`grant.request` needs `grant`, and how many `seconds`".into());
        }
        Some(Action::BreakGlass { .. }) if written.seconds.is_none() => {
            return Err("`break_glass` needs how many `seconds`".into());
        }
        _ => {}
    }
    named.ok_or_else(|| {
        let help = did_you_mean(name, names.iter().map(String::as_str)).unwrap_or_else(|| names.join(", "));
        format!("there is no action `{name}`: {help}; tools, resources and prompts have keys of their own")
    })
}

/// The arguments of a call, from JSON.
pub(crate) fn arguments(json: String) -> Result<Document, String> {
    let document =
        Document::parse(Bytes::from(json), &Limits::default()).map_err(|error| format!("the arguments: {error}"))?;
    if document.root().is_object() { Ok(document) } else { Err("the arguments of a call are an object".into()) }
}

impl Question {
    /// The same with the annotations of the tool's definition, where definitions are known: of those policy reads, and a
    /// tool that is not among them is one that nobody can call.
    pub(crate) fn with_definition(self, tools: Option<&[ToolDefinition]>) -> Result<Self, Problems> {
        let (Wish::Act(Action::ToolCall(name)), Some(tools)) = (&self.wish, tools) else { return Ok(self) };
        let wrong = |message| Err(Problems(vec![Problem::new(message)]));
        let Some(tool) = tools.iter().find(|tool| *tool.name == **name) else {
            let help = did_you_mean(name, tools.iter().map(|tool| tool.name.as_str()));
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            return wrong(format!("target {} has no tool `{name}`{help}", self.target));
        };
        if self.annotations.is_some_and(|annotations| annotations != tool.annotations) {
            return wrong(format!("the annotations of `{name}` are those of its definition: leave them out"));
        }
        Ok(Self { annotations: Some(tool.annotations), ..self })
    }

    fn request<'a>(&'a self, action: &'a Action, facts: &'a Facts) -> Request<'a> {
        Request {
            action,
            target: &self.target,
            arguments: self.arguments.as_ref().map(Document::root),
            annotations: self.annotations,
            facts: Some(facts),
            claimed: Claimed { client: self.client.as_deref(), model: self.model.as_deref() },
            grant: self.grant.as_ref(),
            address: self.address,
            time: self.time,
        }
    }

    /// The facts of the call, made with these arguments, that policies read.
    fn facts(&self, policies: &Policies, config: &Config, arguments: Option<&Document>) -> Facts {
        match (&self.wish, self.configured(config)) {
            (Wish::Act(action), Some(target)) => {
                policy_facts::of(target, arguments, policies.facts_read(action, &self.target))
            }
            _ => Facts::default(),
        }
    }

    fn configured<'a>(&self, config: &'a Config) -> Option<&'a Target> {
        config.targets.iter().find(|target| target.name == self.target)
    }

    /// The arguments with rewrites applied, or why they cannot be.
    fn rewritten(&self, config: &Config, rewrites: &[Rewriting]) -> Result<Document, String> {
        let names: Vec<&str> = rewrites.iter().map(|rewrite| &*rewrite.name).collect();
        let target = self.configured(config);
        let (Some(target), Some(arguments)) = (target, self.arguments.as_ref()) else {
            return Err("it has no arguments that could be rewritten".to_owned());
        };
        let changed = target.guard.rewritten(arguments, &[], &names).map_err(|error| error.to_string())?;
        if changed == *arguments.bytes() {
            let plural = if names.len() == 1 { "rewrite" } else { "rewrites" };
            return Err(format!("the {plural} {} cannot change it", names.join(" and ")));
        }
        Document::parse(changed, &Limits::default()).map_err(|error| error.to_string())
    }

    /// What policies say of a request, and of what it is rewritten to where they want that.
    fn decided(
        &self,
        (policies, subject, config): (&Policies, &Subject, &Config),
        request: &Request<'_>,
        answer: &mut Answer,
    ) -> Decision {
        let decision = policies.decide(subject, request);
        if decision.rewrites.is_empty() {
            return decision;
        }
        let rewritten = match self.rewritten(config, &decision.rewrites) {
            Ok(rewritten) => rewritten,
            Err(why) => return decision.not_rewritten(&why),
        };
        let facts = self.facts(policies, config, Some(&rewritten));
        let again = Request { arguments: Some(rewritten.root()), facts: Some(&facts), ..*request };
        let again = policies.decide(subject, &again).once_rewritten(&decision.rewrites);
        answer.policies.extend(decision.policies);
        answer.rewrites = decision.rewrites;
        answer.rewritten = Some(rewritten);
        again
    }

    /// Puts it to policies, as the gateway would that is configured so. `tools` are the definitions of the target's tools, where they are known.
    pub(crate) fn ask(&self, policies: &Policies, config: &Config, tools: Option<&[ToolDefinition]>) -> Answer {
        let subject = policies.subject(&self.principal);
        let facts = self.facts(policies, config, self.arguments.as_ref());
        let mut answer = Answer {
            effect: Effect::Allow,
            action: String::new(),
            policies: Vec::new(),
            deciding: Vec::new(),
            message: String::new(),
            approvals: Vec::new(),
            rewrites: Vec::new(),
            rewritten: None,
            considered: Vec::new(),
            listed: None,
            facts: facts.clone(),
        };
        let mut decide = |action: &Action| {
            let request = self.request(action, &facts);
            let decision = self.decided((policies, &subject, config), &request, &mut answer);
            let has_broken_glass = self.grant.as_ref().is_some_and(|grant| grant.is_break_glass);
            answer.effect = match decision.approvals.is_empty() {
                true => decision.effect,
                false if has_broken_glass => Effect::Allow,
                false => Effect::Hold,
            };
            answer.approvals = if has_broken_glass { Vec::new() } else { decision.approvals };
            answer.action = action.name(self.target.as_str()).into_owned();
            answer.message = decision.message;
            answer.policies.extend(decision.policies.iter().map(Arc::clone));
            answer.deciding = decision.policies;
            answer.considered.extend(policies.consider(&subject, &request));
            decision.effect == Effect::Allow
        };
        match &self.wish {
            // Evidence is read, and targets are administered, outside of sessions.
            Wish::Act(
                action @ (Action::LogRead
                | Action::RecordingView
                | Action::RecordingExport
                | Action::RecordingErase
                | Action::RecordingHold
                | Action::Administer
                | Action::GrantRequest { .. }
                | Action::BreakGlass { .. }
                | Action::GrantRevoke),
            ) => drop(decide(action)),
            Wish::Act(Action::Connect) => drop(decide(&Action::Connect)),
            Wish::Act(action) => {
                if decide(&Action::Connect) {
                    decide(action);
                }
                if let Action::ToolCall(name) = action {
                    let known = tools.unwrap_or_default().iter().find(|tool| *tool.name == **name).cloned();
                    let annotations = self.annotations.unwrap_or_default();
                    let tool = known.unwrap_or_else(|| ToolDefinition {
                        name: name.to_string(),
                        annotations,
                        input_schema: Bytes::from_static(b"{}"),
                        output_schema: None,
                    });
                    answer.listed = Some(policies.visible(&subject, &self.target, &tool));
                }
            }
            Wish::Reveal(class) => {
                if decide(&Action::Connect) {
                    let Request { target, claimed, grant, address, time, .. } = self.request(&Action::Connect, &facts);
                    let moment = Moment { target, claimed, grant, address, time };
                    let is_revealed = policies.revealed(&subject, &moment).contains(class);
                    let considered = policies.consider_revealing(&subject, class, &moment);
                    // Those that speak for what came of it; none where nothing permits.
                    let spoke = considered.iter().filter(|one| match &one.verdict {
                        Verdict::Holds => one.permits == is_revealed,
                        Verdict::Fails(_) => !is_revealed,
                        Verdict::DoesNotHold => false,
                    });
                    answer.deciding = spoke.map(|one| Arc::clone(&one.id)).collect();
                    answer.deciding.sort();
                    answer.policies.extend(answer.deciding.iter().map(Arc::clone));
                    answer.effect = if is_revealed { Effect::Allow } else { Effect::Deny };
                    answer.action = format!("{REVEAL} {class}");
                    answer.message = if is_revealed { String::new() } else { format!("{class} stays masked") };
                    answer.considered.extend(considered);
                }
            }
        }
        answer.policies.sort();
        answer.policies.dedup();
        answer
    }
}
