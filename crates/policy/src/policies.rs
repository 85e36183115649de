//! All policies of one version: compiled from files, asked for decisions.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use cedar_policy::{Entities, Entity};
use vidimus_core::{Principal, TargetName, ToolDefinition};

use crate::compile::{self, Compiled};
use crate::decision;
use crate::error::{PolicyError, Warning};
use crate::request::{Decision, Moment, Request};
use crate::rules::{Rules, Site};
use crate::schema::TargetSchema;
use crate::source::{self, Source};
use crate::subject::{Listed, Subject};
use crate::vocabulary::{FIXED_ACTIONS, OTHER_TOOL, TOOLS_CALL, Vocabulary};

/// One version of the policies, ready to decide. Immutable: a change of files or tool definitions makes a new one.
pub struct Policies {
    hash: String,
    warnings: Vec<Warning>,
    rules: Rules,
    words: Vocabulary,
    /// The actions and their hierarchy. Also tells this version's subjects from others'.
    actions: Arc<Entities>,
}

impl Policies {
    /// Compiles policy files for these targets and data classes. Either everything is in order, or every fault is returned.
    ///
    /// No source at all is in order, and permits nothing.
    pub fn compile(
        sources: &[Source],
        targets: &[TargetSchema],
        classes: &[Arc<str>],
    ) -> Result<Self, Vec<PolicyError>> {
        let Compiled { rules, words, named_tools, warnings } = compile::compile(sources, targets, classes)?;
        let named = named_tools.iter().map(String::as_str);
        let actions = actions(named, &words)
            .map_err(|error| vec![PolicyError { place: None, message: error.to_string(), help: None }])?;
        Ok(Self { hash: source::hash(sources), warnings, rules, words, actions: Arc::new(actions) })
    }

    /// `sha256:` and 64 hex digits over the names and texts of all sources, for events.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What deserves a look, by file and line.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The principal as these policies see it. Make one per session, and a new one for each version.
    pub fn subject(&self, principal: &Principal) -> Subject {
        Subject::new(principal, &self.words, &self.actions)
    }

    /// Whether a request may pass. A subject of another version is denied everything.
    pub fn decide(&self, subject: &Subject, request: &Request<'_>) -> Decision {
        if !subject.is_of(&self.actions) {
            return decision::denied(Vec::new(), "the policy has changed; ask again".to_owned());
        }
        decision::decide(&self.rules, subject, request)
    }

    /// The data classes that are shown to the subject as they are (design part 5, `reveal`). A policy that fails for a
    /// class leaves it masked, and a permit over all actions reveals none: it must name this one.
    pub fn revealed(&self, subject: &Subject, moment: &Moment<'_>) -> Vec<Arc<str>> {
        if !subject.is_of(&self.actions) {
            return Vec::new();
        }
        let target = self.words.target(moment.target.as_str());
        let reveals = self.rules.reveals().iter();
        let revealed = reveals.filter(|(_, site)| decision::reveals(site, subject, &target, moment));
        revealed.map(|(class, _)| Arc::clone(class)).collect()
    }

    /// Whether what is revealed can change from one moment to the next: a policy reads the time or the address.
    pub fn reveals_vary(&self) -> bool {
        let reads = |site: &Site| ["address", "time"].iter().any(|name| site.slice.reads.attribute(name).is_some());
        self.rules.reveals().iter().any(|(_, site)| reads(site))
    }

    /// Whether a list shows a tool to the subject: not whether a call of it would pass, but whether one ever could.
    pub fn visible(&self, subject: &Subject, target: &TargetName, tool: &ToolDefinition) -> bool {
        let Some(site) = self.rules.tool(target, &tool.name).filter(|_| subject.is_of(&self.actions)) else {
            return false;
        };
        let annotations = tool.annotations;
        let key = Listed { target: target.clone(), action: site.call.action.clone(), annotations };
        subject.listed(key, || decision::lists(&site.visibility, &site.call, subject, annotations))
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// The actions: those of tools in `tools/call`.
fn actions<'a>(
    named_tools: impl Iterator<Item = &'a str>,
    words: &Vocabulary,
) -> Result<Entities, Box<cedar_policy::entities_errors::EntitiesError>> {
    let tools_call = HashSet::from([words.action(TOOLS_CALL)]);
    let fixed = FIXED_ACTIONS.iter().map(|name| Entity::with_uid(words.action(name)));
    let tools = named_tools.chain([OTHER_TOOL]);
    let tools = tools.map(|name| Entity::new_no_attrs(words.action(name), tools_call.clone()));
    Entities::from_entities(fixed.chain(tools), None).map_err(Box::new)
}

#[cfg(test)]
mod tests;
