//! A principal as policies see it: its entity, its groups, and the actions' hierarchy. Built once per session.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression};
use vidimus_core::{Principal, TargetName, ToolAnnotations};

use crate::vocabulary::Vocabulary;

/// A principal under one version of the policies.
pub struct Subject {
    pub(crate) principal: EntityUid,
    pub(crate) entities: Entities,
    pub(crate) amr: Vec<String>,
    /// The entities of the version it belongs to, for telling versions apart.
    version: Arc<Entities>,
    /// What lists showed already. Bounded by the tools that policies name, times the sixteen sets of annotations.
    listed: Mutex<HashMap<Listed, bool>>,
}

/// What a tool's visibility depends on; `tool` is empty for all those that no policy names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Listed {
    pub(crate) target: TargetName,
    pub(crate) action: EntityUid,
    pub(crate) annotations: ToolAnnotations,
}

impl Subject {
    pub(crate) fn new(principal: &Principal, words: &Vocabulary, version: &Arc<Entities>) -> Self {
        let id = words.principal(principal);
        // Neither step can fail: the attributes are plain texts, and no entity is there twice. If one did, an empty
        // set of entities makes the principal a member of no group, and each read of its attributes a denial.
        let entities = entity(principal, &id, words)
            .and_then(|entity| Ok((**version).clone().add_entities([entity], None)?))
            .unwrap_or_else(|error| {
                tracing::error!(%error, "a principal cannot be given to policies");
                Entities::empty()
            });
        Self {
            principal: id,
            entities,
            amr: principal.amr.clone(),
            version: Arc::clone(version),
            listed: Mutex::default(),
        }
    }

    /// Whether it belongs to the version with these entities.
    pub(crate) fn is_of(&self, version: &Arc<Entities>) -> bool {
        Arc::ptr_eq(&self.version, version)
    }

    /// What was found before, or what `find` finds now.
    pub(crate) fn listed(&self, key: Listed, find: impl FnOnce() -> bool) -> bool {
        let known = self.listed.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        known.unwrap_or_else(|| {
            let found = find();
            self.listed.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found);
            found
        })
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("principal", &self.principal).finish_non_exhaustive()
    }
}

fn entity(
    principal: &Principal,
    id: &EntityUid,
    words: &Vocabulary,
) -> Result<Entity, Box<dyn std::error::Error + Send + Sync>> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let actors = principal.actor_chain.iter().map(|actor| text(&format!("{}|{}", actor.issuer, actor.subject)));
    let mut attributes = HashMap::from([
        ("issuer".to_owned(), text(&principal.issuer)),
        ("subject".to_owned(), text(&principal.subject)),
        ("actors".to_owned(), RestrictedExpression::new_set(actors)),
    ]);
    if let Some(client) = &principal.client_id {
        attributes.insert("clientId".to_owned(), text(client));
    }
    let groups: HashSet<_> = principal.groups.iter().map(|group| words.group(group)).collect();
    Ok(Entity::new(id.clone(), attributes, groups)?)
}
