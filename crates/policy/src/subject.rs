//! A principal as policies see it: its entity and its groups. Built once per session, and small.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression};
use vidimus_core::{Principal, TargetName, ToolAnnotations};

use crate::slice::{Applicable, Slice};
use crate::vocabulary::Vocabulary;

/// A principal under one version of the policies.
pub struct Subject {
    pub(crate) principal: EntityUid,
    pub(crate) entity: Entity,
    pub(crate) groups: HashSet<EntityUid>,
    pub(crate) amr: Vec<String>,
    version: Version,
    /// What Cedar was given for the last decisions.
    worlds: Mutex<Vec<Known>>,
    /// What lists showed already. Bounded by the tools that policies name, times the sixteen sets of annotations.
    listed: Mutex<HashMap<Listed, bool>>,
}

/// What Cedar is given for a decision, besides the request: the entities (the principal with its groups, the action, and those
/// that conditions name) and the policies. To put them together costs more than most decisions, since Cedar works out anew
/// who is in what.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) entities: Entities,
    pub(crate) applicable: Arc<Applicable>,
}

struct Known {
    action: EntityUid,
    /// Where the slice is. It stays there as long as its version of the policies, and so as long as the subject is used.
    slice: usize,
    world: Arc<World>,
}

/// Worlds that are kept: `connect`, and the last few operations. Each takes as much as the principal has groups.
const WORLDS: usize = 4;

/// One version of the policies; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Version(Arc<()>);

/// What a tool's visibility depends on; `tool` is empty for all those that no policy names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Listed {
    pub(crate) target: TargetName,
    pub(crate) action: EntityUid,
    pub(crate) annotations: ToolAnnotations,
}

impl Subject {
    pub(crate) fn new(principal: &Principal, words: &Vocabulary, version: &Version) -> Self {
        let id = words.principal(principal);
        let groups: HashSet<_> = principal.groups.iter().map(|group| words.group(group)).collect();
        // It cannot fail: the attributes are plain texts. If it did, the principal is a member of no group, and each read
        // of its attributes a denial.
        let entity = entity(principal, &id, groups.clone()).unwrap_or_else(|error| {
            tracing::error!(%error, "a principal cannot be given to policies");
            Entity::with_uid(id.clone())
        });
        let (amr, version) = (principal.amr.clone(), version.clone());
        Self { principal: id, entity, groups, amr, version, worlds: Mutex::default(), listed: Mutex::default() }
    }

    /// The world for an action and a slice, as it was put together before, or as it is now.
    pub(crate) fn world(&self, action: &Entity, slice: &Slice) -> Result<Arc<World>, Box<dyn Error>> {
        let place = std::ptr::from_ref(slice).addr();
        let uid = action.uid();
        let mut worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = worlds.iter().find(|known| known.slice == place && known.action == uid) {
            return Ok(Arc::clone(&known.world));
        }
        let named = slice.named_actions.iter().filter(|named| named.uid() != uid);
        // Without a schema: what is built here need not be checked against what it was built from.
        let entities = Entities::from_entities([&self.entity, action].into_iter().chain(named).cloned(), None)
            .map_err(Box::new)?;
        let applicable = slice.applicable(&self.principal, &self.groups)?;
        let world = Arc::new(World { entities, applicable });
        if worlds.len() == WORLDS {
            // The oldest. `connect`, which is asked for before every operation, is soon there again.
            worlds.remove(0);
        }
        worlds.push(Known { action: uid, slice: place, world: Arc::clone(&world) });
        Ok(world)
    }

    /// Whether it belongs to this version.
    pub(crate) fn is_of(&self, version: &Version) -> bool {
        Arc::ptr_eq(&self.version.0, &version.0)
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
    groups: HashSet<EntityUid>,
) -> Result<Entity, Box<dyn Error + Send + Sync>> {
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
    Ok(Entity::new(id.clone(), attributes, groups)?)
}
