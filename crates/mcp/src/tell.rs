//! Lists that have become others than the client was shown, because policy or the tools changed: noticed here, and told to
//! the client.
//!
//! Of its own changes a server may tell; what policy gives or takes away only the gateway knows. For tools it knows exactly
//! whether the list is another one. Which prompts and resources there are it does not know, so any change of the policies
//! may be one of theirs. A client that never asked for a list is told nothing of it; one that does not listen is told when
//! it does. Every stream is told by itself, whatever others were told and whoever reads the list meanwhile: in the modern
//! era those may be others of the same name. Each notice is recorded as a part of the stream that it goes out on.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use tokio::sync::watch;
use vidimus_gate::{InFlight, PartError, PolicyChanges};

use crate::changed::{LISTS, List};
use crate::envelope::{Id, ListKind};
use crate::sessions::McpSession;
use crate::{members, reply};

/// A list is about to be shown. To be called before it is filtered: a change between the two is then told once too often,
/// and not missed. So is a change between two pages: the list counts as shown with its first one.
pub(crate) fn showing(session: &McpSession, kind: ListKind, is_continued: bool) {
    let Some(list) = LISTS.iter().find(|list| list.kind == kind) else { return };
    if !is_continued || !session.shown.contains(list) {
        session.shown.set(list, digest(session, list), session.client_is_modern());
    }
}

/// Tells when lists may have become others: other policies are in force, or the target has other tools.
pub(crate) struct Changes {
    policies: PolicyChanges,
    tools: watch::Receiver<()>,
}

impl Changes {
    /// Those from now on.
    pub(crate) fn of(session: &McpSession) -> Self {
        Self { policies: session.gate.policy_changes(), tools: session.target.tools.changes() }
    }

    /// Resolves to true when there is one, at once if there was since it last resolved, and each minute to false: what is
    /// decided on may be another without. Cancel safe.
    pub(crate) async fn next(&mut self) -> bool {
        tokio::select! {
            changed = self.policies.next() => changed,
            // The target has its tools for as long as there are sessions on it.
            Ok(()) = self.tools.changed() => true,
        }
    }
}

/// One stream, and what its client knows of the lists it is to be told of.
#[derive(Debug)]
pub(crate) struct Listener<'a> {
    lists: &'a [List],
    /// The request it listens by, in the era that has such.
    subscription: Option<&'a Id>,
    known: [u64; LISTS.len()],
}

impl<'a> Listener<'a> {
    /// Begins to listen: what changed since the client was shown it is told by the next [`Listener::changes`].
    pub(crate) fn new(session: &McpSession, lists: &'a [List], subscription: Option<&'a Id>) -> Self {
        let mut known = [0; LISTS.len()];
        for (list, known) in lists.iter().zip(&mut known) {
            let now = digest(session, list);
            *known = session.shown.begin(list, now).unwrap_or(now);
        }
        Self { lists, subscription, known }
    }

    /// Tells of the lists that are others now than the client knows.
    pub(crate) async fn changes(&mut self, session: &McpSession, flight: &mut InFlight) -> Result<(), PartError> {
        for (list, known) in self.lists.iter().zip(&mut self.known) {
            let now = digest(session, list);
            if *known != now && session.shown.contains(list) {
                let notice = reply::notification(list.method_name, self.subscription);
                flight.chunk(notice, members::of_server(list.method)).await?;
                // A session on the wire has one client, which knows it from now on.
                if !session.client_is_modern() {
                    session.shown.set(list, now, false);
                }
            }
            *known = now;
        }
        Ok(())
    }
}

/// What the list depends on, as far as it is known here.
pub(crate) fn digest(session: &McpSession, list: &List) -> u64 {
    let mut hasher = DefaultHasher::new();
    if list.kind == ListKind::Tools {
        let tools = session.target.tools.known();
        let visible = tools.iter().flat_map(|tools| tools.all().map(move |tool| (tools, tool)));
        let visible = visible.filter(|(_, tool)| session.gate.may_see(tool));
        // What is accepted in the place of another definition makes it another list, too.
        let mut shown: Vec<_> = visible.map(|(tools, tool)| (tool.name.as_str(), tools.accepted(&tool.name))).collect();
        shown.sort_unstable();
        shown.hash(&mut hasher);
    } else {
        session.gate.policy_hash().hash(&mut hasher);
    }
    hasher.finish()
}
