//! Credentials that the gateway gives to a program which it starts for a session, to reach another target with: the
//! sessions that are opened with one are chained to that session (design part 2, "Chained sessions").
//!
//! A credential stands for the caller of its session, at one target, for as long as that session is open. It is in memory
//! alone, by its HMAC: it ends with the session, and with the gateway, however that ends. What it opens is a session of its
//! own, which names the other as its parent, and in which policy decides on each operation as ever. Refused: one that is not
//! known, one of another target, and one whose session is over, all as any token that is not valid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vidimus_core::{Principal, SessionId, TargetName};

use crate::tasks::SessionTasks;

/// The credentials of the sessions that are open, by their names.
#[derive(Default)]
pub(crate) struct Chains(Mutex<HashMap<String, Arc<Chain>>>);

/// One credential, and the sessions that are there by it.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The session that it was made for.
    pub(crate) parent: SessionId,
    /// Whose that is.
    pub(crate) principal: Arc<Principal>,
    /// The client of it, as it calls itself.
    pub(crate) client: Option<String>,
    /// Where it is good.
    pub(crate) target: TargetName,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    is_over: bool,
    open: Vec<(SessionId, SessionTasks)>,
}

impl Chains {
    /// Enters the credential of this name.
    pub(crate) fn insert(&self, name: String, chain: Chain) {
        self.table().insert(name, Arc::new(chain));
    }

    /// The credential of this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Chain>> {
        self.table().get(name).map(Arc::clone)
    }

    /// Ends the credentials of a session, and cuts off what runs in the sessions that are there by them.
    pub(crate) fn end(&self, parent: SessionId) {
        let ended: Vec<_> = self.table().extract_if(|_, chain| chain.parent == parent).collect();
        for (_, chain) in ended {
            let mut sessions = chain.sessions();
            sessions.is_over = true;
            for (_, tasks) in sessions.open.drain(..) {
                tasks.begin_cut_off();
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Chain>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chain {
    /// For the program of a session, at another target.
    pub(crate) fn new(
        parent: SessionId,
        (principal, client): (Arc<Principal>, Option<String>),
        target: TargetName,
    ) -> Self {
        Self { parent, principal, client, target, sessions: Mutex::default() }
    }

    /// Whether the session that it was made for is over.
    pub(crate) fn is_over(&self) -> bool {
        self.sessions().is_over
    }

    /// Enters a session that was opened with it; one that comes too late is cut off.
    pub(crate) fn enter(&self, session: SessionId, tasks: &SessionTasks) {
        let mut sessions = self.sessions();
        if sessions.is_over {
            tasks.begin_cut_off();
        } else {
            sessions.open.push((session, tasks.clone()));
        }
    }

    /// A session that was opened with it is closed.
    pub(crate) fn leave(&self, session: SessionId) {
        self.sessions().open.retain(|(known, _)| *known != session);
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use vidimus_core::PrincipalKind;

    use super::*;
    use crate::tasks::Tasks;

    #[test]
    fn a_credential_ends_with_its_session_and_takes_along_what_was_opened_with_it() {
        let (chains, tasks) = (Chains::default(), Tasks::new(10));
        let ann = Principal {
            kind: PrincipalKind::User,
            issuer: "corp".into(),
            subject: "ann".into(),
            groups: Vec::new(),
            display: None,
            actor_chain: Vec::new(),
            amr: Vec::new(),
            client_id: None,
        };
        let (one, other) = (SessionId::random(), SessionId::random());
        for (name, parent) in [("a", one), ("b", other)] {
            let whose = (Arc::new(ann.clone()), None);
            chains.insert(name.to_owned(), Chain::new(parent, whose, "orders".parse().unwrap()));
        }
        let session = || (SessionId::random(), tasks.session("corp|ann", "orders", true).unwrap());
        let (chain, (open, left), late) = (chains.by_name("a").unwrap(), (session(), session()), session());
        for (id, tasks) in [&open, &left] {
            chain.enter(*id, tasks);
        }
        chain.leave(left.0);
        chains.end(one);
        assert!(chain.is_over() && chains.by_name("a").is_none() && open.1.is_cut_off());
        assert!(!left.1.is_cut_off(), "it has ended by itself");
        chain.enter(late.0, &late.1);
        assert!(late.1.is_cut_off(), "it came too late");
        assert!(!chains.by_name("b").unwrap().is_over(), "another session's");
    }
}
