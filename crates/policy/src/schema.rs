//! The Cedar schema that policies are validated against, made from the targets.
//!
//! Design part 5, "Model". An action of its own is declared for each tool that a policy names, with the arguments of
//! its accepted definition; one more stands for all other tools. So policies over `tools/call` are held to what every
//! tool has, and validation does not grow with tools nobody wrote a policy for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{Schema, SchemaFragment};
use serde_json::{Value, json};
use vidimus_core::{Fact, Protocol, TargetName, ToolDefinition};

use crate::facts;
use crate::shape::Shape;
use crate::vocabulary::{
    ADMINISTER, APPROVAL_RULE, APPROVE, BREAK_GLASS, CONNECT, DATA_CLASS, ELICITATION, GRANT_REQUEST, GRANT_REVOKE,
    GROUP, LOG, LOG_READ, OTHER_TOOL, PROMPTS_GET, RECORDING_ERASE, RECORDING_EXPORT, RECORDING_HOLD, RECORDING_VIEW,
    RESOURCES_READ, REVEAL, ROOTS, SAMPLING, SQL_KINDS, SQL_READ, SQL_WRITE, TARGET, TOOLS_CALL, USER, WORKLOAD,
};

/// What policy must know of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSchema {
    /// Its name.
    pub name: TargetName,
    /// The protocol it is reached by.
    pub protocol: Protocol,
    /// Its accepted tool definitions; `None` while they are not known.
    pub tools: Option<Vec<ToolDefinition>>,
}

/// Who must agree before a call passes that a policy holds by `@approval`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRule {
    /// Its name.
    pub name: Arc<str>,
    /// How many distinct people.
    pub approvers: u64,
    /// How long a request waits, and what was approved may be used.
    pub expires: Duration,
    /// How long a caller is kept waiting at most before it is told to call again; less than a second: not at all.
    pub wait: Duration,
    /// Whether whoever approves must say why. Whoever denies must, always.
    pub needs_reason: bool,
    /// What the caller is told while it waits, where the policies say nothing.
    pub message: Option<String>,
}

/// What policies are compiled against.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The targets.
    pub targets: &'a [TargetSchema],
    /// The data classes that may be revealed.
    pub classes: &'a [Arc<str>],
    /// The approval rules that policies may name.
    pub approvals: &'a [ApprovalRule],
    /// The rewrites that policies may name.
    pub rewrites: &'a [Arc<str>],
}

/// The tools that policies name, by action (`crm/refund`), with the shape of their arguments where it is known.
pub(crate) type NamedTools = BTreeMap<String, Option<Shape>>;

/// The schema, in the form Cedar validates with.
pub(crate) fn build(tools: &NamedTools) -> Result<Schema, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Schema::from_schema_fragments([fragment(tools)?])?)
}

fn fragment(tools: &NamedTools) -> Result<SchemaFragment, Box<cedar_policy::SchemaError>> {
    let mut actions = serde_json::Map::new();
    actions.insert(TOOLS_CALL.into(), json!({}));
    for (name, resource, own) in [
        (CONNECT, TARGET, json!({})),
        (RESOURCES_READ, TARGET, json!({ "uri": { "type": "String" } })),
        (PROMPTS_GET, TARGET, json!({ "prompt": { "type": "String" } })),
        (SAMPLING, TARGET, json!({})),
        (ELICITATION, TARGET, json!({ "url": { "type": "String", "required": false } })),
        (ROOTS, TARGET, json!({})),
        (RECORDING_VIEW, TARGET, json!({})),
        (RECORDING_EXPORT, TARGET, json!({})),
        (RECORDING_ERASE, TARGET, json!({})),
        (RECORDING_HOLD, TARGET, json!({})),
        (ADMINISTER, TARGET, json!({})),
        (GRANT_REQUEST, TARGET, json!({ "name": { "type": "String" }, "seconds": { "type": "Long" } })),
        (GRANT_REVOKE, TARGET, json!({})),
        (BREAK_GLASS, TARGET, json!({ "seconds": { "type": "Long" } })),
        (LOG_READ, LOG, json!({})),
        (REVEAL, DATA_CLASS, json!({ "target": { "type": "Entity", "name": TARGET } })),
        (
            APPROVE,
            APPROVAL_RULE,
            json!({ "call": { "type": "String" }, "target": { "type": "Entity", "name": TARGET } }),
        ),
    ] {
        actions.insert(name.into(), action(resource, own, &json!([])));
    }
    for group in [SQL_READ, SQL_WRITE] {
        actions.insert(group.into(), json!({}));
    }
    for kind in SQL_KINDS {
        let own: serde_json::Map<_, _> = facts::schema_of(&facts::OF_STATEMENTS).into_iter().collect();
        let groups: Vec<_> = kind.group().into_iter().map(|group| json!({ "id": group })).collect();
        actions.insert(kind.action().into(), action(TARGET, own.into(), &groups.into()));
    }
    let others = [(OTHER_TOOL, None)];
    let named = tools.iter().map(|(name, shape)| (name.as_str(), shape.as_ref()));
    for (name, shape) in named.chain(others) {
        let mut own = json!({ "tool": hints() });
        if let Some(attributes) = own.as_object_mut() {
            attributes.extend(facts::schema_of(&Fact::ALL));
            attributes.extend(shape.map(|shape| ("arguments".to_owned(), shape.to_cedar())));
        }
        actions.insert(name.into(), action(TARGET, own, &json!([{ "id": TOOLS_CALL }])));
    }
    let principal = json!({ "memberOfTypes": [GROUP], "shape": { "type": "Record", "attributes": {
        "issuer": { "type": "String" },
        "subject": { "type": "String" },
        "clientId": { "type": "String", "required": false },
        "actors": { "type": "Set", "element": { "type": "String" } },
    } } });
    let entities = json!({ USER: principal, WORKLOAD: principal, GROUP: {}, TARGET: {}, LOG: {}, DATA_CLASS: {}, APPROVAL_RULE: {} });
    Ok(SchemaFragment::from_json_value(json!({ "": { "entityTypes": entities, "actions": actions } }))?)
}

/// An action on a resource, with the context every action has and attributes of its own.
fn action(resource: &str, own: Value, groups: &Value) -> Value {
    let mut attributes = json!({
        "address": { "type": "Extension", "name": "ipaddr", "required": false },
        "amr": { "type": "Set", "element": { "type": "String" } },
        "claimed": { "type": "Record", "attributes": {
            "client": { "type": "String", "required": false },
            "model": { "type": "String", "required": false },
        } },
        "grant": { "type": "Record", "required": false, "attributes": {
            "break_glass": { "type": "Boolean" },
            "id": { "type": "String" },
            "name": { "type": "String" },
        } },
        "time": { "type": "Extension", "name": "datetime" },
    });
    if let (Some(attributes), Value::Object(own)) = (attributes.as_object_mut(), own) {
        attributes.extend(own);
    }
    json!({ "memberOf": groups, "appliesTo": {
        "principalTypes": [USER, WORKLOAD],
        "resourceTypes": [resource],
        "context": { "type": "Record", "attributes": attributes },
    } })
}

/// MCP's annotations, which always exist here, with MCP's defaults.
fn hints() -> Value {
    let hint = json!({ "type": "Boolean" });
    json!({ "type": "Record", "attributes": {
        "readOnlyHint": hint, "destructiveHint": hint, "idempotentHint": hint, "openWorldHint": hint,
    } })
}

#[cfg(test)]
mod tests;
