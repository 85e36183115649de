//! Lists that have become others than the client was shown, because policy changed: noticed here, and told to the client.
//!
//! Of its own changes a server tells; what policy gives or takes away only the gateway knows. For tools it knows exactly
//! whether the list is another one. Which prompts and resources there are it does not know, so any change of the policies
//! may be one of theirs. A client that never asked for a list is told nothing of it; one that does not listen is told when
//! it does. Each notice is recorded as a part of the stream that it goes out on.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use vidimus_gate::{InFlight, PartError};

use crate::changed::{LISTS, List};
use crate::envelope::{Id, ListKind};
use crate::sessions::McpSession;
use crate::{members, reply};

/// A list is about to be shown. To be called before it is filtered: a change between the two is then told once too often,
/// and not missed.
pub(crate) fn showing(session: &McpSession, kind: ListKind) {
    if let Some(list) = LISTS.iter().find(|list| list.kind == kind) {
        session.shown.set(list, digest(session, list));
    }
}

/// Tells the client of those `lists` that are others now than it was shown. `subscription` is the request it listens by, in
/// the era that has such.
pub(crate) async fn changes(
    session: &McpSession,
    lists: &[List],
    subscription: Option<&Id>,
    flight: &mut InFlight,
) -> Result<(), PartError> {
    for list in lists {
        let Some(shown) = session.shown.get(list) else { continue };
        let now = digest(session, list);
        if shown != now {
            let notice = reply::notification(list.method_name, subscription);
            flight.chunk(notice, members::of_server(list.method)).await?;
            session.shown.set(list, now);
        }
    }
    Ok(())
}

/// What the list depends on, as far as it is known here.
fn digest(session: &McpSession, list: &List) -> u64 {
    let mut hasher = DefaultHasher::new();
    if list.kind == ListKind::Tools {
        let tools = session.target.tools.known();
        let visible = tools.iter().flat_map(|tools| tools.all()).filter(|tool| session.gate.may_see(tool));
        let mut names: Vec<&str> = visible.map(|tool| tool.name.as_str()).collect();
        names.sort_unstable();
        names.hash(&mut hasher);
    } else {
        session.gate.policy_hash().hash(&mut hasher);
    }
    hasher.finish()
}
