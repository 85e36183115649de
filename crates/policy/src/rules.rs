//! Compiled policies, sliced by where they can apply.
//!
//! Cedar costs time for every policy in the set it is given, so each target and action has a set of its own: those whose
//! action and resource constraints can hold there (design part 5, "Semantics" 4). A property test holds slices to the
//! decisions of the whole set. Equal sets are shared, so the number of sets grows with policies, not with tools.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Effect, Entity, EntityUid, Policy};
use vidimus_core::{Action, SqlKind, TargetName};

use crate::hierarchy;
use crate::rule::Rule;
use crate::schema::{ApprovalRule, NamedTools, World};
use crate::scope::{admits_action, admits_resource, names_action};
use crate::shape::Shape;
use crate::slice::Slice;
use crate::vocabulary::{
    ADMINISTER, APPROVE, BREAK_GLASS, CONNECT, ELICITATION, GRANT_REQUEST, GRANT_REVOKE, LOG_READ, OTHER_TOOL,
    PROMPTS_GET, RECORDING_ERASE, RECORDING_EXPORT, RECORDING_HOLD, RECORDING_VIEW, RESOURCES_READ, REVEAL, ROOTS,
    SAMPLING, SQL_KINDS, TOOLS_CALL, Vocabulary, tool_action,
};

/// An action on a resource, with the policies for it.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) action: EntityUid,
    /// The action with what it is in.
    pub(crate) entity: Entity,
    pub(crate) resource: EntityUid,
    pub(crate) slice: Arc<Slice>,
}

/// A tool, or all tools of a target that no policy names.
#[derive(Debug)]
pub(crate) struct ToolSite {
    pub(crate) call: Site,
    pub(crate) visibility: Arc<Slice>,
    /// What its arguments are, where that is known.
    pub(crate) shape: Option<Shape>,
}

/// Every policy, by place.
#[derive(Debug)]
pub(crate) struct Rules {
    by_id: HashMap<Arc<str>, Arc<Rule>>,
    targets: HashMap<TargetName, TargetRules>,
    /// Recordings of targets that are no longer configured.
    former_recordings: Recordings,
    log: Site,
    /// The data classes that some policy may reveal.
    reveals: Vec<(Arc<str>, Site)>,
    /// Who must approve, and where it is decided who may.
    approvals: HashMap<Arc<str>, (ApprovalRule, Site)>,
}

#[derive(Debug)]
struct TargetRules {
    connect: Site,
    resources: Site,
    prompts: Site,
    sampling: Site,
    elicitation: Site,
    roots: Site,
    administer: Site,
    /// For each kind of statement that has an action of its own.
    statements: Vec<(SqlKind, Site)>,
    grants: Grants,
    recordings: Recordings,
    named_tools: HashMap<String, ToolSite>,
    other_tools: ToolSite,
}

/// What is asked for at a target, and ended, besides what needs no asking.
#[derive(Debug)]
struct Grants {
    request: Site,
    revoke: Site,
    break_glass: Site,
}

/// What is done with the recordings of a target.
#[derive(Debug)]
struct Recordings {
    view: Site,
    export: Site,
    erase: Site,
    hold: Site,
}

impl Recordings {
    /// Where an action on recordings is decided; `None` for any other.
    const fn site(&self, action: &Action) -> Option<&Site> {
        match action {
            Action::RecordingView => Some(&self.view),
            Action::RecordingExport => Some(&self.export),
            Action::RecordingErase => Some(&self.erase),
            Action::RecordingHold => Some(&self.hold),
            _ => None,
        }
    }
}

impl Rules {
    pub(crate) fn new(
        rules: &[Arc<Rule>],
        World { targets, classes, approvals, .. }: World<'_>,
        named_tools: &NamedTools,
        words: &Vocabulary,
    ) -> Self {
        let mut slicer = Slicer { rules, words, made: HashMap::new() };
        // No policy can name a target without a name, so none is picked for it alone.
        let former_recordings = slicer.recordings(&words.target(""));
        let log = slicer.site(LOG_READ, words.log());
        let mut by_target = HashMap::new();
        for target in targets {
            by_target.insert(target.name.clone(), slicer.target(&target.name, named_tools));
        }
        let mut reveals = Vec::new();
        for class in classes {
            let site = slicer.reveal(class);
            if site.slice.rules.iter().any(|rule| rule.policy.effect() == Effect::Permit) {
                reveals.push((Arc::clone(class), site));
            }
        }
        let mut by_rule = HashMap::new();
        for rule in approvals {
            let site = slicer.named(APPROVE, words.approval_rule(&rule.name));
            by_rule.insert(Arc::clone(&rule.name), (rule.clone(), site));
        }
        let by_id = rules.iter().map(|rule| (Arc::clone(&rule.id), Arc::clone(rule))).collect();
        Self { by_id, targets: by_target, former_recordings, log, reveals, approvals: by_rule }
    }

    /// Where an action on a target is decided, of several kinds of statements the gravest; `None` when there is no such target.
    pub(crate) fn site(&self, action: &Action, target: &TargetName) -> Option<&Site> {
        let rules = self.targets.get(target);
        match action {
            Action::LogRead => Some(&self.log),
            Action::Approve { rule, .. } => self.approvals.get(rule).map(|(_, site)| site),
            Action::RecordingView | Action::RecordingExport | Action::RecordingErase | Action::RecordingHold => {
                rules.map_or(&self.former_recordings, |rules| &rules.recordings).site(action)
            }
            Action::Connect | Action::Method(_) => rules.map(|rules| &rules.connect),
            Action::ResourceRead(_) => rules.map(|rules| &rules.resources),
            Action::PromptGet(_) => rules.map(|rules| &rules.prompts),
            Action::Sql(kinds) => {
                let gravest = kinds.gravest();
                rules.map(|rules| {
                    let own = rules.statements.iter().find(|(kind, _)| *kind == gravest);
                    own.map_or(&rules.connect, |(_, site)| site)
                })
            }
            Action::Sampling => rules.map(|rules| &rules.sampling),
            Action::Elicitation(_) => rules.map(|rules| &rules.elicitation),
            Action::Roots => rules.map(|rules| &rules.roots),
            Action::Administer => rules.map(|rules| &rules.administer),
            Action::GrantRequest { .. } => rules.map(|rules| &rules.grants.request),
            Action::GrantRevoke => rules.map(|rules| &rules.grants.revoke),
            Action::BreakGlass { .. } => rules.map(|rules| &rules.grants.break_glass),
            Action::ToolCall(tool) => self.tool(target, tool).map(|site| &site.call),
        }
    }

    /// Where a tool is decided; `None` when there is no such target.
    pub(crate) fn tool(&self, target: &TargetName, tool: &str) -> Option<&ToolSite> {
        let rules = self.targets.get(target)?;
        Some(rules.named_tools.get(tool).unwrap_or(&rules.other_tools))
    }

    /// Where it is decided whether each data class is revealed, for those that may be.
    pub(crate) fn reveals(&self) -> &[(Arc<str>, Site)] {
        &self.reveals
    }

    /// The entity of a target that there is.
    pub(crate) fn target(&self, name: &TargetName) -> Option<&EntityUid> {
        self.targets.get(name).map(|rules| &rules.connect.resource)
    }

    /// An approval rule, and where it is decided who may approve by it.
    pub(crate) fn approval(&self, name: &str) -> Option<&(ApprovalRule, Site)> {
        self.approvals.get(name)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Arc<Rule>> {
        self.by_id.get(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.by_id.values()
    }
}

struct Slicer<'a> {
    rules: &'a [Arc<Rule>],
    words: &'a Vocabulary,
    made: HashMap<(Purpose, Vec<usize>), Arc<Slice>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    Decide,
    List,
    Named,
}

impl Slicer<'_> {
    fn target(&mut self, name: &TargetName, named: &NamedTools) -> TargetRules {
        let resource = self.words.target(name.as_str());
        let own_prefix = tool_action(name.as_str(), "");
        let mut named_tools = HashMap::new();
        for (action, shape) in named {
            if let Some(tool) = action.strip_prefix(&own_prefix) {
                named_tools.insert(tool.to_owned(), self.tool(action, &resource, shape.clone()));
            }
        }
        TargetRules {
            connect: self.site(CONNECT, resource.clone()),
            resources: self.site(RESOURCES_READ, resource.clone()),
            prompts: self.site(PROMPTS_GET, resource.clone()),
            sampling: self.site(SAMPLING, resource.clone()),
            elicitation: self.site(ELICITATION, resource.clone()),
            roots: self.site(ROOTS, resource.clone()),
            administer: self.named(ADMINISTER, resource.clone()),
            statements: SQL_KINDS.map(|kind| (kind, self.statement(kind, &resource))).into(),
            grants: Grants {
                request: self.named(GRANT_REQUEST, resource.clone()),
                revoke: self.named(GRANT_REVOKE, resource.clone()),
                break_glass: self.named(BREAK_GLASS, resource.clone()),
            },
            recordings: self.recordings(&resource),
            named_tools,
            other_tools: self.tool(OTHER_TOOL, &resource, None),
        }
    }

    fn tool(&mut self, action: &str, resource: &EntityUid, shape: Option<Shape>) -> ToolSite {
        let groups = [self.words.action(action), self.words.action(TOOLS_CALL)];
        let call = self.slice(Purpose::Decide, &groups, resource);
        let visibility = self.slice(Purpose::List, &groups, resource);
        let [action, _] = groups;
        ToolSite { call: self.at(action, resource.clone(), call), visibility, shape }
    }

    fn statement(&mut self, kind: SqlKind, resource: &EntityUid) -> Site {
        let mut actions = vec![self.words.action(kind.action())];
        actions.extend(kind.group().map(|group| self.words.action(group)));
        let slice = self.slice(Purpose::Decide, &actions, resource);
        self.at(self.words.action(kind.action()), resource.clone(), slice)
    }

    fn recordings(&mut self, resource: &EntityUid) -> Recordings {
        Recordings {
            view: self.site(RECORDING_VIEW, resource.clone()),
            export: self.site(RECORDING_EXPORT, resource.clone()),
            erase: self.named(RECORDING_ERASE, resource.clone()),
            hold: self.named(RECORDING_HOLD, resource.clone()),
        }
    }

    fn reveal(&mut self, class: &str) -> Site {
        self.named(REVEAL, self.words.data_class(class))
    }

    /// An action that a permit must name.
    fn named(&mut self, action: &str, resource: EntityUid) -> Site {
        let action = self.words.action(action);
        let slice = self.slice(Purpose::Named, std::slice::from_ref(&action), &resource);
        self.at(action, resource, slice)
    }

    fn site(&mut self, action: &str, resource: EntityUid) -> Site {
        let action = self.words.action(action);
        let slice = self.slice(Purpose::Decide, std::slice::from_ref(&action), &resource);
        self.at(action, resource, slice)
    }

    fn at(&self, action: EntityUid, resource: EntityUid, slice: Arc<Slice>) -> Site {
        let entity = hierarchy::entity(&action, self.words);
        Site { action, entity, resource, slice }
    }

    /// The policies whose scope admits an action, given with the groups it is in, on a resource.
    fn slice(&mut self, purpose: Purpose, actions: &[EntityUid], resource: &EntityUid) -> Arc<Slice> {
        let chosen: Vec<(usize, &Arc<Rule>, &Policy)> = self
            .rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| {
                let condition = match purpose {
                    Purpose::Decide => Some(&rule.condition),
                    Purpose::List => rule.visibility.as_ref(),
                    // A permit over all actions was not written with this one in mind.
                    Purpose::Named => Some(&rule.condition).filter(|_| names_action(&rule.policy)),
                }?;
                let applies = admits_action(&rule.policy, actions) && admits_resource(&rule.policy, resource);
                applies.then_some((index, rule, condition))
            })
            .collect();
        let key = (purpose, chosen.iter().map(|(index, ..)| *index).collect());
        if let Some(slice) = self.made.get(&key) {
            return Arc::clone(slice);
        }
        let named = chosen.iter().flat_map(|(_, _, condition)| hierarchy::named_in_conditions(condition, self.words));
        let named: HashSet<EntityUid> = named.collect();
        let named_actions = named.iter().map(|action| hierarchy::entity(action, self.words)).collect();
        let is_liftable = |rule: &Rule| rule.is_liftable() && purpose != Purpose::List;
        let rules =
            chosen.iter().map(|(_, rule, condition)| (Arc::clone(rule), (*condition).clone(), is_liftable(rule)));
        let slice = Arc::new(Slice::new(rules.collect(), named_actions));
        self.made.insert(key, Arc::clone(&slice));
        slice
    }
}
