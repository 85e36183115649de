//! Whether what a policy names can exist: targets, tools, actions, data classes, and the form of principals' and groups'
//! ids.
//!
//! A `forbid` on a misspelt name would never fire, and nobody would notice; so it is refused, with the nearest known
//! name. Entity types are left to Cedar's validator.

use cedar_policy::EntityUid;

use crate::schema::{TargetSchema, World};
use crate::vocabulary::{
    ACTION, APPROVAL_RULE, DATA_CLASS, FIXED_ACTIONS, GATEWAY_LOG, GROUP, LOG, TARGET, TOOLS_CALL, USER, WORKLOAD,
    tool_action,
};

/// Why a name cannot be meant.
#[derive(Debug)]
pub(crate) struct Misnomer {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Whether this entity or action can exist.
pub(crate) fn check(literal: &EntityUid, world: World<'_>) -> Result<(), Misnomer> {
    let World { targets, classes, .. } = world;
    let id = literal.id().unescaped();
    match literal.type_name().to_string().as_str() {
        ACTION => check_action(id, targets),
        TARGET if !targets.iter().any(|target| target.name.as_str() == id) => Err(Misnomer {
            message: format!("there is no target `{id}`"),
            help: did_you_mean(id, targets.iter().map(|target| target.name.as_str())),
        }),
        LOG if id != GATEWAY_LOG => Err(Misnomer {
            message: format!("there is no log `{id}`"),
            help: Some(format!("did you mean `{GATEWAY_LOG}`?")),
        }),
        DATA_CLASS if !classes.iter().any(|class| **class == *id) => Err(Misnomer {
            message: format!("there is no data class `{id}`"),
            help: did_you_mean(&id.to_ascii_uppercase(), classes.iter().map(|class| &**class))
                .or_else(|| Some("`vidimus mask --list` shows them all".to_owned())),
        }),
        APPROVAL_RULE => check_approval(id, world),
        GROUP => form(id, '/', "a group is named `issuer/name`, as in Group::\"corp/support\""),
        USER => form(id, '|', "a user is named `issuer|subject`, as in User::\"corp|248289761001\""),
        WORKLOAD => form(id, '|', "a workload is named `issuer|subject`, as in Workload::\"corp|nightly-report\""),
        _ => Ok(()),
    }
}

/// Whether an action is a tool's. INVARIANT: it has passed [`check`].
pub(crate) fn is_tool(action: &str) -> bool {
    !FIXED_ACTIONS.contains(&action)
}

/// Whether the tools of a target with this name would have the names of other actions (`resources/read`).
pub(crate) fn is_reserved(target: &str) -> bool {
    FIXED_ACTIONS.iter().any(|action| action.split_once('/').is_some_and(|(first, _)| first == target))
}

/// The nearest of these words, as a question; `None` when none is near.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = word.chars().count().div_ceil(3);
    let (_, nearest) = known
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= near)
        .min()?;
    Some(format!("did you mean `{nearest}`?"))
}

/// Whether there is an approval rule of this name: a misspelt one would hold calls that nobody could ever approve.
pub(crate) fn check_approval(name: &str, world: World<'_>) -> Result<(), Misnomer> {
    let known = || world.approvals.iter().map(|rule| &*rule.name);
    if known().any(|rule| rule == name) {
        return Ok(());
    }
    let help = did_you_mean(name, known()).unwrap_or_else(|| format!("add `[approvals.{name}]` to the configuration"));
    Err(Misnomer { message: format!("there is no approval rule `{name}`"), help: Some(help) })
}

/// Whether there is a rewrite of this name: a misspelt one would forbid what was meant to pass changed.
pub(crate) fn check_rewrite(name: &str, world: World<'_>) -> Result<(), Misnomer> {
    let known = || world.rewrites.iter().map(|rewrite| &**rewrite);
    if known().any(|rewrite| rewrite == name) {
        return Ok(());
    }
    let help = did_you_mean(name, known()).unwrap_or_else(|| format!("add `[rewrites.{name}]` to the configuration"));
    Err(Misnomer { message: format!("there is no rewrite `{name}`"), help: Some(help) })
}

fn check_action(id: &str, targets: &[TargetSchema]) -> Result<(), Misnomer> {
    if FIXED_ACTIONS.contains(&id) {
        return Ok(());
    }
    let target_and_tool = id.split_once('/').and_then(|(name, tool)| {
        targets.iter().find(|target| target.name.as_str() == name).map(|target| (target, tool))
    });
    let message = match target_and_tool {
        Some((target, tool)) if !tool.is_empty() => match &target.tools {
            Some(tools) if !tools.iter().any(|known| known.name == tool) => {
                format!("target `{}` has no tool `{tool}`", target.name)
            }
            _ => return Ok(()),
        },
        _ => format!("there is no action `{id}`"),
    };
    let tools = targets
        .iter()
        .flat_map(|target| target.tools.iter().flatten().map(|tool| tool_action(target.name.as_str(), &tool.name)));
    let known: Vec<String> = tools.chain(FIXED_ACTIONS.map(String::from)).collect();
    let help = did_you_mean(id, known.iter().map(String::as_str))
        .or_else(|| Some(format!("a tool's action is `target/tool`; all tools are in `{TOOLS_CALL}`")));
    Err(Misnomer { message, help })
}

fn form(id: &str, separator: char, help: &str) -> Result<(), Misnomer> {
    match id.split_once(separator) {
        Some((issuer, rest)) if !issuer.is_empty() && !rest.is_empty() => Ok(()),
        _ => Err(Misnomer { message: format!("`{id}` can be nobody's name"), help: Some(help.to_owned()) }),
    }
}
