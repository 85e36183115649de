//! Which target a resource is of, at the endpoint for all of them (MCP 2025-11-25, "Resources").
//!
//! URIs say nothing of targets, so each client's are where they were listed to it. A URI that nobody has listed is looked
//! for: at most once in a while for one client, however many it asks for, and not after it has gone. What the client may
//! not read and what does not exist are answered alike.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;
use vidimus_core::{Action, ErrorKind, TargetName};

use super::Visit;
use super::opening::Guest;
use crate::answer::Reply;
use crate::envelope::{ListKind, Message, code};
use crate::federation;
use crate::located::LOOK_INTERVAL;
use crate::sessions::Front;
use crate::target::Target;

/// URIs that are decided on before others have their turn.
const DECIDED_AT_ONCE: usize = 16;

/// Why nobody was found to have a resource.
enum Unlocated {
    /// Nobody has it.
    Absent,
    /// The client has taken the request back, or has gone.
    TakenBack,
    /// Another request of the same id is being answered.
    InUse,
}

impl Guest {
    /// What names a resource: its target is the first that has listed it.
    pub(super) async fn located(
        &self,
        visit: &Visit<'_>,
        headers: &HeaderMap,
        message: &Message,
    ) -> Result<Reply, Reply> {
        let uri = federation::uri_in(message).unwrap_or_default();
        let found = match self.lister(&uri) {
            Some(target) => Ok(Arc::clone(target)),
            // Nobody has asked for lists yet, or it is new.
            None => self.looked_for(visit, message, &uri).await,
        };
        let (why, code, text) = match found {
            Ok(target) => return self.through(visit, headers, &target, message.bytes().clone()).await,
            Err(Unlocated::Absent) => (
                (ErrorKind::NotFound, "unknown_resource"),
                code::INVALID_PARAMS,
                "no server here has listed this resource, or one that this URI could be of",
            ),
            Err(Unlocated::TakenBack) => {
                ((ErrorKind::NotFound, "cancelled"), code::INTERNAL_ERROR, "the request was cancelled")
            }
            Err(Unlocated::InUse) => (
                (ErrorKind::Malformed, "id_in_use"),
                code::INVALID_REQUEST,
                "a request of this id is being answered; use each id once",
            ),
        };
        Err(self.refuse(message, why, code, text).await)
    }

    /// Looks for a resource at all targets, for as long as the client waits for it.
    async fn looked_for(&self, visit: &Visit<'_>, message: &Message, uri: &str) -> Result<Arc<Target>, Unlocated> {
        let (Some(front), Some(id)) = (self.front(), message.id()) else { return Err(Unlocated::Absent) };
        if front.located.is_absent(uri) {
            return Err(Unlocated::Absent);
        }
        let Some(running) = self.session.run(id) else { return Err(Unlocated::InUse) };
        tokio::select! {
            () = self.look(front) => {}
            () = running.cancelled.cancelled() => return Err(Unlocated::TakenBack),
            // Only in the modern era to go away is to cancel.
            () = visit.gone.cancelled(), if self.session.is_modern => return Err(Unlocated::TakenBack),
        }
        let found = self.lister(uri).map(Arc::clone);
        if found.is_none() {
            front.located.set_absent(uri);
        }
        found.ok_or(Unlocated::Absent)
    }

    /// Looks at the lists of all targets, unless somebody does so after this moment.
    async fn look(&self, front: &Front) {
        let wanted = Instant::now();
        let Ok(_turn) = front.located.turn.acquire().await else { return };
        if let Some(last) = front.located.look() {
            if last.begun >= wanted {
                return;
            }
            tokio::time::sleep_until(last.ended + LOOK_INTERVAL).await;
        }
        let begun = Instant::now();
        for kind in [ListKind::Resources, ListKind::ResourceTemplates] {
            drop(Box::pin(self.gathered((kind, None))).await);
        }
        front.located.looked(begun);
    }

    /// The target that a resource is of: the first by name that has listed it and lets the client read it; else the one
    /// with the template that fits it best; else the only one that has resources.
    fn lister(&self, uri: &str) -> Option<&Arc<Target>> {
        self.lister_of(&self.targets().collect::<Vec<_>>(), uri)
    }

    fn lister_of<'a>(&self, targets: &[&'a Arc<Target>], uri: &str) -> Option<&'a Arc<Target>> {
        let located = &self.front()?.located;
        let read = Action::ResourceRead(uri.into());
        let is_listed = |target: &&Arc<Target>| {
            let name = &target.spec.name;
            located.has(name, uri) && self.may_at(name, &read)
        };
        if let Some(target) = targets.iter().copied().find(is_listed) {
            return Some(target);
        }
        let mut fitting: Vec<_> =
            targets.iter().filter_map(|target| Some((located.fit(&target.spec.name, uri)?, *target))).collect();
        fitting.sort_by_key(|(fixed, _)| std::cmp::Reverse(*fixed));
        if let Some((_, target)) = fitting.first() {
            return Some(target);
        }
        let has_resources =
            |target: &&Arc<Target>| target.tools.about().is_none_or(|about| about.capabilities.contains(&"resources"));
        let mut having = targets.iter().copied().filter(has_resources);
        having.next().filter(|_| having.next().is_none())
    }

    /// The targets of those resources that the client may read. There may be many, so others have their turn meanwhile.
    pub(super) async fn readable(&self, uris: Vec<String>) -> HashMap<String, TargetName> {
        let targets: Vec<_> = self.targets().collect();
        let mut readable = HashMap::new();
        for (number, uri) in uris.into_iter().enumerate() {
            if number % DECIDED_AT_ONCE == DECIDED_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let Some(target) = self.lister_of(&targets, &uri) else { continue };
            if self.may_at(&target.spec.name, &Action::ResourceRead(uri.as_str().into())) {
                readable.insert(uri, target.spec.name.clone());
            }
        }
        readable
    }

    /// Whether one of the targets `before` has listed the same, and would be asked for it.
    pub(super) fn is_shadowed<'a>(&self, mut before: impl Iterator<Item = &'a &'a Arc<Target>>, uri: &str) -> bool {
        let Some(front) = self.front() else { return false };
        let read = Action::ResourceRead(uri.into());
        before.any(|before| front.located.has(&before.spec.name, uri) && self.may_at(&before.spec.name, &read))
    }

    /// Keeps which target has listed a resource.
    pub(super) fn remember(&self, target: &TargetName, kind: ListKind, page: &Bytes) {
        let Some(front) = self.front() else { return };
        if matches!(kind, ListKind::Resources | ListKind::ResourceTemplates) {
            let is_template = kind == ListKind::ResourceTemplates;
            federation::identities(page, kind, |uri| front.located.enter(target, uri, is_template));
        }
    }
}
