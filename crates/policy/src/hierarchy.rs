//! The actions that one decision needs to know of: the one that is asked for, and those that conditions name.
//!
//! Tools are in `tools/call`, and there may be thousands. A decision reads the hierarchy of its own action, and of an action
//! that stands in a condition, and of no other, so those are all that Cedar is given: nothing is copied for each session,
//! and little for each decision. A property test holds this to the decisions under the whole hierarchy.

use std::collections::HashSet;

use cedar_policy::{Entity, EntityUid, Policy};
use serde_json::Value;

use crate::vocabulary::{ACTION, Vocabulary, group_of};

/// An action, with what it is in.
pub(crate) fn entity(action: &EntityUid, words: &Vocabulary) -> Entity {
    match group_of(action.id().unescaped()) {
        Some(group) => Entity::new_no_attrs(action.clone(), HashSet::from([words.action(group)])),
        None => Entity::with_uid(action.clone()),
    }
}

/// The actions that the conditions of a policy name.
pub(crate) fn named_in_conditions(policy: &Policy, words: &Vocabulary) -> Vec<EntityUid> {
    match policy.to_json() {
        Ok(policy) => {
            let mut names = HashSet::new();
            collect(policy.get("conditions").unwrap_or(&Value::Null), &mut names);
            names.into_iter().map(|name| words.action(name)).collect()
        }
        // More than is needed is not wrong.
        Err(_) => {
            policy.entity_literals().into_iter().filter(|entity| entity.type_name().to_string() == ACTION).collect()
        }
    }
}

/// Cedar's JSON has entities as `{"__entity": {"type": …, "id": …}}`.
fn collect<'a>(condition: &'a Value, names: &mut HashSet<&'a str>) {
    match condition {
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, names)),
        Value::Object(members) => {
            let entity = members.get("__entity");
            let text = |key: &str| entity.and_then(|entity| entity.get(key)).and_then(Value::as_str);
            if let (Some(ACTION), Some(id)) = (text("type"), text("id")) {
                names.insert(id);
            }
            members.values().for_each(|part| collect(part, names));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_in_conditions_are_found_and_those_of_the_scope_are_not() {
        let policy = r#"permit (principal, action in [Action::"a/b", Action::"c/d"], resource)
            when { action == Action::"connect" || [Action::"e \"f\"", principal].contains(resource) }
            unless { if context.amr.isEmpty() then Action::"c/d" in Action::"tools/call" else false };"#;
        let words = Vocabulary::new().unwrap();
        let named = named_in_conditions(&Policy::parse(None, policy).unwrap(), &words);
        let mut names: Vec<&str> = named.iter().map(|action| action.id().unescaped()).collect();
        names.sort_unstable();
        assert_eq!(names, ["c/d", "connect", "e \"f\"", "tools/call"]);
    }
}
