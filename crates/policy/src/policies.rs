//! All policies of one version: compiled from files, asked for decisions.

use std::fmt;
use std::sync::Arc;

use vidimus_core::{Action, FactSet, Principal, SqlKinds, TargetName, ToolDefinition};

use crate::compile::{self, Compiled};
use crate::decision;
use crate::error::{Place, PolicyError, Warning};
use crate::facts;
use crate::request::{Considered, Decision, Moment, Request};
use crate::rules::{Rules, Site};
use crate::schema::{ApprovalRule, TargetSchema, World};
use crate::source::{self, Source};
use crate::subject::{Listed, Subject, Version};
use crate::vocabulary::Vocabulary;

/// What of a context stays as it is for as long as a session and its principal do; and what statements have besides that is
/// of their text alone.
const LASTING: [&str; 2] = ["amr", "claimed"];
const OF_STATEMENTS: [&str; 3] = ["amr", "claimed", "sql"];

/// One version of the policies, ready to decide. Immutable: a change of files or tool definitions makes a new one.
pub struct Policies {
    hash: String,
    warnings: Vec<Warning>,
    rules: Rules,
    words: Vocabulary,
    /// Tells this version's subjects from others'.
    version: Version,
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
        Self::compile_in(sources, World { targets, classes, approvals: &[], rewrites: &[] })
    }

    /// The same where there are approval rules and rewrites that policies may name.
    pub fn compile_in(sources: &[Source], world: World<'_>) -> Result<Self, Vec<PolicyError>> {
        let Compiled { rules, words, warnings } = compile::compile(sources, world)?;
        Ok(Self { hash: source::hash(sources), warnings, rules, words, version: Version::default() })
    }

    /// The approval rule of this name.
    pub fn approval_rule(&self, name: &str) -> Option<&ApprovalRule> {
        self.rules.approval(name).map(|(rule, _)| rule)
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
        Subject::new(principal, &self.words, &self.version)
    }

    /// Whether a request may pass. A subject of another version is denied everything.
    pub fn decide(&self, subject: &Subject, request: &Request<'_>) -> Decision {
        if !subject.is_of(&self.version) {
            return decision::denied(Vec::new(), "the policy has changed; ask again".to_owned());
        }
        decision::decide(&self.rules, subject, request)
    }

    /// The facts of a call that policies read for this action on this target. Nothing else need be derived.
    pub fn facts_read(&self, action: &Action, target: &TargetName) -> FactSet {
        let read = |action: &Action| {
            self.rules.site(action, target).map(|site| facts::read(&site.slice.reads)).unwrap_or_default()
        };
        match action {
            Action::ToolCall(_) => read(action),
            Action::Sql(kinds) => kinds
                .iter()
                .map(|kind| read(&Action::Sql([kind].into_iter().collect())))
                .fold(FactSet::default(), FactSet::and),
            _ => FactSet::default(),
        }
    }

    /// Whether what is decided on such statements, and on `connect`, rests on nothing but who asks, the client's claims and
    /// `context.sql`: then it is the same for as long as these are.
    pub fn rest_on_statements(&self, kinds: SqlKinds, target: &TargetName) -> bool {
        let rests = |action: &Action, on: &[&str]| {
            self.rules.site(action, target).is_some_and(|site| !site.slice.reads.more_than(on))
        };
        let mut each = kinds.iter().map(|kind| Action::Sql([kind].into_iter().collect()));
        rests(&Action::Connect, &LASTING) && each.all(|action| rests(&action, &OF_STATEMENTS))
    }

    /// What each policy that can apply to a request says of it by itself, in the order of their files. For explanations:
    /// [`Self::decide`] asks them all at once, and far faster.
    pub fn consider(&self, subject: &Subject, request: &Request<'_>) -> Vec<Considered> {
        if subject.is_of(&self.version) { decision::consider(&self.rules, subject, request) } else { Vec::new() }
    }

    /// The same of revealing a data class.
    pub fn consider_revealing(&self, subject: &Subject, class: &str, moment: &Moment<'_>) -> Vec<Considered> {
        let target = self.words.target(moment.target.as_str());
        let site = self.rules.reveals().iter().find(|(name, _)| **name == *class).map(|(_, site)| site);
        let site = site.filter(|_| subject.is_of(&self.version));
        site.map(|site| decision::consider_revealing(site, subject, &target, moment)).unwrap_or_default()
    }

    /// The ids of all policies with their places, in the order of their files.
    pub fn places(&self) -> Vec<(Arc<str>, Place)> {
        let mut places: Vec<_> = self.rules.all().map(|rule| (Arc::clone(&rule.id), rule.place.clone())).collect();
        places.sort_by(|(_, first), (_, second)| first.cmp(second));
        places
    }

    /// The data classes that are shown to the subject as they are (design part 5, `reveal`). A policy that fails for a
    /// class leaves it masked, and a permit over all actions reveals none: it must name this one.
    pub fn revealed(&self, subject: &Subject, moment: &Moment<'_>) -> Vec<Arc<str>> {
        if !subject.is_of(&self.version) {
            return Vec::new();
        }
        let target = self.words.target(moment.target.as_str());
        let reveals = self.rules.reveals().iter();
        let revealed = reveals.filter(|(_, site)| decision::reveals(site, subject, &target, moment));
        revealed.map(|(class, _)| Arc::clone(class)).collect()
    }

    /// Whether what is revealed can change from one moment to the next: a policy reads the time, the address or
    /// the grant, which may be break-glass.
    pub fn reveals_vary(&self) -> bool {
        let reads =
            |site: &Site| ["address", "grant", "time"].iter().any(|name| site.slice.reads.attribute(name).is_some());
        self.rules.reveals().iter().any(|(_, site)| reads(site))
    }

    /// Whether a list shows a tool to the subject: not whether a call of it would pass, but whether one ever could.
    pub fn visible(&self, subject: &Subject, target: &TargetName, tool: &ToolDefinition) -> bool {
        let Some(site) = self.rules.tool(target, &tool.name).filter(|_| subject.is_of(&self.version)) else {
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

#[cfg(test)]
mod tests;
