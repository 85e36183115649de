//! From policy files to rules in force: parse, check, validate strictly, slice. All faults are reported at once.
//!
//! Refused here, besides what Cedar refuses: unknown annotations, and those that stand where they mean nothing; names of
//! nothing; duplicate ids; a permit that reads what a client merely claims; arguments read by policies over all tools;
//! the context read as a whole. Design part 5.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::sync::Arc;

use cedar_policy::ffi::DetailedError;
use cedar_policy::pst::{self, Template};
use cedar_policy::{
    ActionConstraint, Effect, Policy, PolicyId, PolicySet, ResourceConstraint, ValidationError, ValidationMode,
    ValidationResult, ValidationWarning, Validator,
};

use crate::error::{Place, PolicyError, Warning};
use crate::names::{self, Misnomer, did_you_mean};
use crate::reads::Reads;
use crate::rule::Rule;
use crate::rules::Rules;
use crate::schema::{self, NamedTools, TargetSchema, World};
use crate::scope;
use crate::shape::Shape;
use crate::source::{Source, Statement};
use crate::visibility;
use crate::vocabulary::{ACTION, ENTITY_TYPES, OTHER_TOOL, TOOLS_CALL, Vocabulary, tool_action};

/// The longest `@id`, in bytes: it stands in every event.
const MAX_ID: usize = 128;

/// The longest `@message`, in bytes: it stands in every denial.
const MAX_MESSAGE: usize = 1024;

const ID: &str = "id";
const MESSAGE: &str = "message";

const APPROVAL: &str = "approval";
const REWRITE: &str = "rewrite";

const ANNOTATIONS: [&str; 4] = [ID, MESSAGE, APPROVAL, REWRITE];

/// What the files compile to.
pub(crate) struct Compiled {
    pub(crate) rules: Rules,
    pub(crate) words: Vocabulary,
    pub(crate) warnings: Vec<Warning>,
}

pub(crate) fn compile(sources: &[Source], world: World<'_>) -> Result<Compiled, Vec<PolicyError>> {
    let targets = world.targets;
    let mut errors = check_targets(targets);
    let mut drafts = parse(sources, &mut errors);
    drafts.retain(|draft| {
        let found = check(draft, world);
        errors.extend(found.iter().cloned());
        found.is_empty()
    });
    let named_tools = named_tools(&drafts, targets);
    let (faults, warnings) = validate(&drafts, &named_tools).map_err(|error| vec![internal(&*error)])?;
    errors.extend(faults);
    if !errors.is_empty() {
        errors.sort();
        errors.dedup_by(|next, first| first.place == next.place && without_action(first) == without_action(next));
        return Err(errors);
    }

    let words = Vocabulary::new().map_err(|error| vec![internal(&*error)])?;
    let rules = drafts.into_iter().map(Draft::into_rule).collect::<Result<Vec<_>, _>>().map_err(|error| vec![error])?;
    let rules = Rules::new(&rules, world, &named_tools, &words);
    Ok(Compiled { rules, words, warnings })
}

/// A policy that has been parsed.
struct Draft<'a> {
    statement: Statement<'a>,
    id: Arc<str>,
    policy: Policy,
    tree: Template,
    reads: Reads,
}

impl Draft<'_> {
    fn into_rule(self) -> Result<Arc<Rule>, PolicyError> {
        let (approval, rewrite) = (self.annotated(APPROVAL), self.annotated(REWRITE));
        // What may be approved can be asked for, and so can what passes rewritten: lists show it.
        let visibility = match approval.as_ref().or(rewrite.as_ref()) {
            Some(_) => None,
            None => visibility::derive(&self.tree).map_err(|error| internal(&error))?,
        };
        Ok(Arc::new(Rule {
            message: self.policy.annotation(MESSAGE).map(str::to_owned),
            id: self.id,
            place: self.statement.place(0),
            condition: scope::without(&self.tree).map_err(|error| internal(&error))?,
            policy: self.policy,
            visibility,
            approval,
            rewrite,
            reads: self.reads,
        }))
    }

    fn annotated(&self, name: &str) -> Option<Arc<str>> {
        self.policy.annotation(name).map(Arc::from)
    }

    /// Whether a fault is one of this policy.
    fn holds(&self, error: &PolicyError) -> bool {
        let (first, last) = (self.statement.place(0), self.statement.place(self.statement.text.len()));
        error.place.as_ref().is_some_and(|place| first <= *place && *place <= last)
    }

    fn error(&self, words: &[&str], message: String, help: Option<String>) -> PolicyError {
        PolicyError { place: Some(self.statement.find(words)), message, help }
    }
}

fn check_targets(targets: &[TargetSchema]) -> Vec<PolicyError> {
    let mut seen = HashSet::new();
    let fault = |message| PolicyError { place: None, message, help: Some("give it another name".into()) };
    targets
        .iter()
        .filter_map(|target| {
            let name = target.name.as_str();
            if names::is_reserved(name) {
                Some(fault(format!("target `{name}`: its tools would have the names of other actions")))
            } else {
                (!seen.insert(name)).then(|| fault(format!("target `{name}` is there twice")))
            }
        })
        .collect()
}

/// Parses every statement of every file.
fn parse<'a>(sources: &'a [Source], errors: &mut Vec<PolicyError>) -> Vec<Draft<'a>> {
    let mut drafts = Vec::new();
    let mut files = HashSet::new();
    let mut places_by_id: HashMap<Arc<str>, Place> = HashMap::new();
    for source in sources {
        if !files.insert(&source.name) {
            let message = format!("two files are called `{}`", source.name);
            errors.push(PolicyError { place: None, message, help: None });
        }
        let statements = source.statements();
        let count = |all: PolicySet| all.num_of_policies().saturating_add(all.num_of_templates());
        if source.text.parse().is_ok_and(|all| count(all) != statements.len()) {
            let message = "the policies of this file cannot be told apart".to_owned();
            let help = Some("write it with line feeds, and comments on lines of their own".to_owned());
            errors.push(PolicyError { place: Some(source.place(0)), message, help });
        }
        for statement in statements {
            let draft = match draft(statement) {
                Ok(draft) => draft,
                Err(found) => {
                    errors.extend(found);
                    continue;
                }
            };
            if let Some(first) = places_by_id.get(&draft.id) {
                let message = format!("the id `{}` is taken by the policy at {first}", draft.id);
                let help = Some("give each policy an @id of its own".to_owned());
                errors.push(draft.error(&["@id"], message, help));
            } else {
                places_by_id.insert(Arc::clone(&draft.id), draft.statement.place(0));
                drafts.push(draft);
            }
        }
    }
    drafts
}

fn draft(statement: Statement<'_>) -> Result<Draft<'_>, Vec<PolicyError>> {
    let parsed = Policy::parse(None, statement.text).map_err(|faults| {
        faults.iter().map(|fault| located(&statement, &DetailedError::from(fault))).collect::<Vec<_>>()
    })?;
    let Place { file, line, .. } = statement.place(0);
    let id: Arc<str> = parsed.annotation(ID).map_or_else(|| format!("{file}:{line}").into(), Into::into);
    let policy = parsed.new_id(PolicyId::new(&id));
    match policy.to_pst() {
        Ok(pst::Policy::Static(body)) => {
            let tree = body.body().clone();
            let reads = Reads::of_policy(&tree);
            Ok(Draft { statement, id, policy, tree, reads })
        }
        Ok(pst::Policy::Linked(_)) => Err(vec![internal(&"a policy from a template")]),
        Err(error) => Err(vec![internal(&error)]),
    }
}

/// What is wrong with a policy by itself.
fn check(draft: &Draft<'_>, world: World<'_>) -> Vec<PolicyError> {
    let mut errors = check_annotations(draft, world);
    for literal in draft.policy.entity_literals() {
        if let Err(Misnomer { message, help }) = names::check(&literal, world) {
            let quoted = format!("\"{}\"", literal.id().unescaped());
            let whole = format!("{}::{quoted}", literal.type_name());
            errors.push(draft.error(&[&whole, &quoted], message, help));
        }
    }
    if draft.reads == Reads::All {
        let message = "a policy cannot read the context as a whole".to_owned();
        errors.push(draft.error(&["context"], message, Some("read its attributes by name".into())));
        return errors;
    }
    if draft.policy.effect() == Effect::Permit && draft.reads.attribute("claimed").is_some() {
        let message = "a permit cannot rest on what a client merely claims".to_owned();
        let help = "`context.claimed` may stand in a forbid; permit by principal, group or `principal.clientId`";
        errors.push(draft.error(&["context.claimed", "claimed"], message, Some(help.into())));
    }
    if draft.reads.attribute("arguments").is_some() && tools_of(draft).is_none() {
        let message = "arguments can be read only by a policy on named tools".to_owned();
        let help = "name them: action == Action::\"target/tool\", or action in [Action::\"target/tool\", …]";
        errors.push(draft.error(&["context.arguments", "arguments"], message, Some(help.into())));
    }
    errors.extend(check_tools_of_target(draft));
    errors
}

/// A tool belongs to one target: on another one, its policy could never apply.
fn check_tools_of_target(draft: &Draft<'_>) -> Vec<PolicyError> {
    let resource = match draft.policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => return Vec::new(),
        ResourceConstraint::Eq(named) | ResourceConstraint::In(named) | ResourceConstraint::IsIn(_, named) => named,
    };
    let target = resource.id().unescaped();
    let own_prefix = tool_action(target, "");
    let tools = tools_of(draft).unwrap_or_default();
    let foreign = tools.iter().filter(|tool| !tool.starts_with(&own_prefix));
    let fault = |tool: &String| {
        let message = format!("`{tool}` is not a tool of `{target}`, so this can never apply");
        draft.error(&[tool], message, Some("name the target of the tool, or none".into()))
    };
    foreign.map(fault).collect()
}

fn check_annotations(draft: &Draft<'_>, world: World<'_>) -> Vec<PolicyError> {
    let mut errors = Vec::new();
    for (name, value) in draft.policy.annotations() {
        let written = format!("@{name}");
        let mut refuse = |message: String, help: Option<String>| errors.push(draft.error(&[&written], message, help));
        let limit = if name == ID { MAX_ID } else { MAX_MESSAGE };
        if !ANNOTATIONS.contains(&name) {
            let known = did_you_mean(name, ANNOTATIONS.into_iter());
            let help =
                known.or_else(|| Some(format!("known are `@{ID}`, `@{MESSAGE}`, `@{APPROVAL}` and `@{REWRITE}`")));
            refuse(format!("there is no annotation `{written}`"), help);
        } else if value.is_empty() || value.len() > limit || value.chars().any(char::is_control) {
            refuse(format!("`{written}` needs a text of 1 to {limit} bytes without control characters"), None);
        } else if name == APPROVAL && draft.policy.effect() == Effect::Permit {
            let help = "write `forbid` for what must be approved, beside the permit for who may ask for it";
            refuse(format!("`{written}` stands on a permit, which it would not narrow"), Some(help.into()));
        } else if name == REWRITE && draft.policy.effect() == Effect::Permit {
            let help = "write `forbid` for what must be rewritten, beside the permit for who may ask for it";
            refuse(format!("`{written}` stands on a permit, which it would not narrow"), Some(help.into()));
        } else if name == REWRITE && draft.policy.annotation(APPROVAL).is_some() {
            let help = "write two policies: what is approved is the call as it was rewritten";
            refuse(format!("`{written}` and `@{APPROVAL}` stand on one policy"), Some(help.into()));
        } else if let Err(Misnomer { message, help }) = match name {
            APPROVAL => names::check_approval(value, world),
            REWRITE => names::check_rewrite(value, world),
            _ => Ok(()),
        } {
            refuse(message, help);
        }
    }
    errors
}

/// The tools a policy is limited to by its scope; `None` when it applies to other actions as well.
fn tools_of(draft: &Draft<'_>) -> Option<Vec<String>> {
    let actions = match draft.policy.action_constraint() {
        ActionConstraint::Any => return None,
        ActionConstraint::Eq(action) => vec![action],
        ActionConstraint::In(actions) => actions,
    };
    let names: Vec<_> = actions.iter().map(|action| action.id().unescaped().to_owned()).collect();
    names.iter().all(|name| names::is_tool(name)).then_some(names)
}

/// Every tool that a policy names, with the shape of its arguments where its definition is known.
fn named_tools(drafts: &[Draft<'_>], targets: &[TargetSchema]) -> NamedTools {
    let literals = drafts.iter().flat_map(|draft| draft.policy.entity_literals());
    literals
        .filter(|literal| literal.type_name().to_string() == ACTION && names::is_tool(literal.id().unescaped()))
        .map(|literal| {
            let action = literal.id().unescaped();
            let definition = action.split_once('/').and_then(|(name, tool)| {
                let target = targets.iter().find(|target| target.name.as_str() == name)?;
                target.tools.iter().flatten().find(|known| known.name == tool)
            });
            (action.to_owned(), definition.and_then(Shape::of_arguments))
        })
        .collect()
}

/// Validates strictly against the schema. A tool whose definition is not known has no typed arguments; that a policy
/// reads them all the same is a warning.
fn validate(
    drafts: &[Draft<'_>],
    tools: &NamedTools,
) -> Result<(Vec<PolicyError>, Vec<Warning>), Box<dyn Error + Send + Sync>> {
    let validator = Validator::new(schema::build(tools)?);
    let policies = PolicySet::from_policies(drafts.iter().map(|draft| draft.policy.clone()))?;
    let result = validator.validate(&policies, ValidationMode::Strict);
    let by_id: BTreeMap<&str, &Draft<'_>> = drafts.iter().map(|draft| (&*draft.id, draft)).collect();
    let untyped = |draft: &Draft<'_>| untyped_tools(draft, tools);

    let mut errors = faults(&result, &by_id, &untyped);
    let mut warnings = Vec::new();
    for draft in drafts {
        warnings.extend(untyped(draft).into_iter().map(|tool| Warning {
            place: draft.statement.find(&["context.arguments", "arguments"]),
            message: format!("arguments of `{tool}` are not type-checked: its definition is not known yet"),
        }));
    }
    for warning in result.validation_warnings() {
        let Some(draft) = by_id.get::<str>(warning.policy_id().as_ref()) else { continue };
        let noticed = located(&draft.statement, &DetailedError::from(warning));
        match warning {
            // A forbid that no request could ever meet is a mistake that nobody would notice.
            ValidationWarning::InvalidActionApplication(_) if errors.iter().any(|error| draft.holds(error)) => {}
            ValidationWarning::InvalidActionApplication(_) => errors.push(PolicyError {
                help: Some("no action in its scope applies to such principals and resources".into()),
                ..noticed
            }),
            // With arguments of unknown type, `context has arguments` looks impossible.
            ValidationWarning::ImpossiblePolicy(_) if !untyped(draft).is_empty() => {}
            _ => warnings.extend(noticed.place.map(|place| Warning { place, message: noticed.message })),
        }
    }
    warnings.sort();
    warnings.dedup();
    Ok((errors, warnings))
}

fn faults(
    result: &ValidationResult,
    drafts: &BTreeMap<&str, &Draft<'_>>,
    untyped: &dyn Fn(&Draft<'_>) -> Vec<String>,
) -> Vec<PolicyError> {
    result
        .validation_errors()
        .filter_map(|error| match drafts.get::<str>(error.policy_id().as_ref()) {
            Some(draft) if is_of_untyped(error, &untyped(draft)) => None,
            Some(draft) => {
                let fault = located(&draft.statement, &DetailedError::from(error));
                // Cedar's own suggestion is not the same each time.
                let is_type = matches!(error, ValidationError::UnrecognizedEntityType(_));
                let help = if is_type { Some(format!("known are {}", ENTITY_TYPES.join(", "))) } else { fault.help };
                Some(PolicyError { help, ..fault })
            }
            None => Some(internal(error)),
        })
        .collect()
}

/// The tools of unknown definition whose arguments a policy reads.
fn untyped_tools(draft: &Draft<'_>, tools: &NamedTools) -> Vec<String> {
    if draft.reads.attribute("arguments").is_none() {
        return Vec::new();
    }
    let named = tools_of(draft).unwrap_or_default();
    named.into_iter().filter(|name| tools.get(name).is_some_and(Option::is_none)).collect()
}

/// Whether an error says no more than that a tool of unknown definition has no typed arguments. Cedar gives it no other
/// form than its text; a text that changed would mean a refusal, which is the safe side.
fn is_of_untyped(error: &ValidationError, untyped: &[String]) -> bool {
    let ValidationError::UnsafeAttributeAccess(access) = error else { return false };
    let text = access.to_string();
    untyped.iter().any(|tool| {
        text.ends_with(&format!("attribute `arguments` in context for {ACTION}::\"{}\" not found", tool.escape_debug()))
    })
}

/// Cedar's fault in a statement, at its place in the file.
fn located(statement: &Statement<'_>, fault: &DetailedError) -> PolicyError {
    let offset = fault.source_locations.first().map_or(0, |label| label.loc.start);
    // Cedar names the policy in every text; the place does that here.
    let message = match fault.message.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, ")) {
        Some((_, message)) => message,
        None => &fault.message,
    };
    // Nobody wrote the name of the action that stands for unnamed tools.
    let message = message.replace(OTHER_TOOL, TOOLS_CALL);
    PolicyError { place: Some(statement.place(offset)), message, help: fault.help.clone() }
}

/// A fault's message without the action Cedar found it for: a policy over many actions has it once for each.
fn without_action(error: &PolicyError) -> &str {
    error.message.split_once(" in context for ").map_or(&error.message, |(fault, _)| fault)
}

/// A fault that no policy text should cause.
fn internal(error: &dyn std::fmt::Display) -> PolicyError {
    PolicyError { place: None, message: format!("policies of this form cannot be used: {error}"), help: None }
}
