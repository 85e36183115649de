//! The words policies are written in: entity types and actions, each in one place.
//!
//! Design part 5, "Model". What is not here is refused in a policy instead of never matching.

use std::str::FromStr;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, ParseErrors};
use vidimus_core::{Principal, PrincipalKind, SqlKind};

pub(crate) const USER: &str = "User";
pub(crate) const WORKLOAD: &str = "Workload";
pub(crate) const GROUP: &str = "Group";
pub(crate) const TARGET: &str = "Target";
pub(crate) const LOG: &str = "Log";
pub(crate) const DATA_CLASS: &str = "DataClass";
pub(crate) const APPROVAL_RULE: &str = "ApprovalRule";
pub(crate) const ACTION: &str = "Action";

/// Every type of entity a policy can name.
pub(crate) const ENTITY_TYPES: [&str; 8] = [USER, WORKLOAD, GROUP, TARGET, LOG, DATA_CLASS, APPROVAL_RULE, ACTION];

pub(crate) const CONNECT: &str = "connect";
pub(crate) const TOOLS_CALL: &str = "tools/call";
pub(crate) const RESOURCES_READ: &str = "resources/read";
pub(crate) const PROMPTS_GET: &str = "prompts/get";
pub(crate) const SAMPLING: &str = "sampling/createMessage";
pub(crate) const ELICITATION: &str = "elicitation/create";
pub(crate) const ROOTS: &str = "roots/list";
pub(crate) const RECORDING_VIEW: &str = "recording.view";
pub(crate) const RECORDING_EXPORT: &str = "recording.export";
pub(crate) const RECORDING_ERASE: &str = "recording.erase";
pub(crate) const RECORDING_HOLD: &str = "recording.hold";
pub(crate) const LOG_READ: &str = "log.read";
pub(crate) const ADMINISTER: &str = "administer";
pub(crate) const GRANT_REQUEST: &str = "grant.request";
pub(crate) const GRANT_REVOKE: &str = "grant.revoke";
pub(crate) const BREAK_GLASS: &str = "break_glass";
pub(crate) const REVEAL: &str = "reveal";
pub(crate) const APPROVE: &str = "approve";

/// The groups of statements of SQL.
pub(crate) const SQL_READ: &str = "sql:read";
pub(crate) const SQL_WRITE: &str = "sql:write";

/// The kinds of statements that have an action of their own: all but those that touch the session alone.
pub(crate) const SQL_KINDS: [SqlKind; 10] = [
    SqlKind::Select,
    SqlKind::Insert,
    SqlKind::Update,
    SqlKind::Delete,
    SqlKind::Merge,
    SqlKind::Truncate,
    SqlKind::Ddl,
    SqlKind::Admin,
    SqlKind::Code,
    SqlKind::Other,
];

/// The group that an action is in, if it is in one.
pub(crate) fn group_of(action: &str) -> Option<&'static str> {
    match SQL_KINDS.into_iter().find(|kind| kind.action() == action) {
        Some(kind) => kind.group(),
        None if FIXED_ACTIONS.contains(&action) => None,
        None => Some(TOOLS_CALL),
    }
}

/// Every action a policy can name, besides the tools.
pub(crate) const FIXED_ACTIONS: [&str; 30] = [
    CONNECT,
    TOOLS_CALL,
    RESOURCES_READ,
    PROMPTS_GET,
    SAMPLING,
    ELICITATION,
    ROOTS,
    RECORDING_VIEW,
    RECORDING_EXPORT,
    RECORDING_ERASE,
    RECORDING_HOLD,
    LOG_READ,
    ADMINISTER,
    GRANT_REQUEST,
    GRANT_REVOKE,
    BREAK_GLASS,
    REVEAL,
    APPROVE,
    SQL_READ,
    SQL_WRITE,
    SqlKind::Select.action(),
    SqlKind::Insert.action(),
    SqlKind::Update.action(),
    SqlKind::Delete.action(),
    SqlKind::Merge.action(),
    SqlKind::Truncate.action(),
    SqlKind::Ddl.action(),
    SqlKind::Admin.action(),
    SqlKind::Code.action(),
    SqlKind::Other.action(),
];

/// Stands for every tool that no policy names: policies cannot tell those apart, so one action does for all of them.
/// Not the name of any tool: `*` is no target's name.
pub(crate) const OTHER_TOOL: &str = "*/*";

/// The one log there is.
pub(crate) const GATEWAY_LOG: &str = "gateway";

/// Makes entity ids. Type names are parsed once.
#[derive(Debug, Clone)]
pub(crate) struct Vocabulary {
    user: EntityTypeName,
    workload: EntityTypeName,
    group: EntityTypeName,
    target: EntityTypeName,
    log: EntityTypeName,
    data_class: EntityTypeName,
    approval_rule: EntityTypeName,
    action: EntityTypeName,
}

impl Vocabulary {
    pub(crate) fn new() -> Result<Self, Box<ParseErrors>> {
        let parsed = |name| EntityTypeName::from_str(name).map_err(Box::new);
        Ok(Self {
            user: parsed(USER)?,
            workload: parsed(WORKLOAD)?,
            group: parsed(GROUP)?,
            target: parsed(TARGET)?,
            log: parsed(LOG)?,
            data_class: parsed(DATA_CLASS)?,
            approval_rule: parsed(APPROVAL_RULE)?,
            action: parsed(ACTION)?,
        })
    }

    pub(crate) fn principal(&self, principal: &Principal) -> EntityUid {
        let kind = match principal.kind {
            PrincipalKind::User => &self.user,
            PrincipalKind::Workload => &self.workload,
        };
        entity(kind, &principal.id())
    }

    pub(crate) fn group(&self, name: &str) -> EntityUid {
        entity(&self.group, name)
    }

    pub(crate) fn target(&self, name: &str) -> EntityUid {
        entity(&self.target, name)
    }

    pub(crate) fn log(&self) -> EntityUid {
        entity(&self.log, GATEWAY_LOG)
    }

    pub(crate) fn data_class(&self, name: &str) -> EntityUid {
        entity(&self.data_class, name)
    }

    pub(crate) fn approval_rule(&self, name: &str) -> EntityUid {
        entity(&self.approval_rule, name)
    }

    pub(crate) fn action(&self, name: &str) -> EntityUid {
        entity(&self.action, name)
    }
}

/// The name of a tool's action.
pub(crate) fn tool_action(target: &str, tool: &str) -> String {
    format!("{target}/{tool}")
}

fn entity(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
