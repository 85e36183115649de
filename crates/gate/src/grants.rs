//! Access for a time: grants that people approved, and break-glass (design part 5, "Grants").
//!
//! A grant is asked for as a call is: a request for approval, with the same rules, versions and people. Once approved, its
//! credential is issued to who asked, and its time begins. The credential stands for that principal as it was then, at one
//! target and nowhere else ([`credential`]); sessions that were opened with it end when the grant does. Break-glass is a
//! grant that nobody approves and that has no credential: it lets pass what a person's calls at one target need approval
//! for. What is in force is kept here by the log; the log is the only source of truth, and a restart reads it from there.
//!
//! A grant ends at its time by the wall clock, or when the gateway has run for as long as it was to last, whichever is
//! first: a clock that is set back gives nobody more.

mod credential;
mod live;
mod table;

pub(crate) use credential::{Tokens, is_one as is_credential};
pub(crate) use live::{Entered, Live, NoEntry};
pub(crate) use table::{Books, Ending, Grants};

use vidimus_core::{Actor, Principal, PrincipalKind};
use vidimus_store::Grantee;

/// The name that break-glass has where grants have one.
pub(crate) const BREAK_GLASS: &str = "break-glass";

/// A principal as events tell it.
pub(crate) fn grantee(principal: &Principal) -> Grantee {
    let Principal { kind, issuer, subject, groups, display, actor_chain, amr, client_id } = principal;
    Grantee {
        kind: kind.name().to_owned(),
        issuer: issuer.clone(),
        subject: subject.clone(),
        groups: groups.clone(),
        actors: actor_chain.iter().map(|actor| format!("{}|{}", actor.issuer, actor.subject)).collect(),
        amr: amr.clone(),
        client_id: client_id.clone(),
        display: display.clone(),
    }
}

/// The principal that an event tells of; none of one that says what no gateway writes. Names of issuers have no `|`.
pub(crate) fn principal(grantee: &Grantee) -> Option<Principal> {
    let Grantee { kind, issuer, subject, groups, actors, amr, client_id, display } = grantee;
    let kind = [PrincipalKind::User, PrincipalKind::Workload].into_iter().find(|known| known.name() == kind)?;
    let actor = |actor: &String| {
        let (issuer, subject) = actor.split_once('|')?;
        Some(Actor { issuer: issuer.to_owned(), subject: subject.to_owned() })
    };
    Some(Principal {
        kind,
        issuer: issuer.clone(),
        subject: subject.clone(),
        groups: groups.clone(),
        display: display.clone(),
        actor_chain: actors.iter().map(actor).collect::<Option<_>>()?,
        amr: amr.clone(),
        client_id: client_id.clone(),
    })
}

/// Whether two are one and the same who asks, whatever groups they are in now.
pub(crate) fn is_who(asked: &Grantee, now: &Grantee) -> bool {
    asked.kind == now.kind && asked.issuer == now.issuer && asked.subject == now.subject && asked.actors == now.actors
}

#[cfg(test)]
mod tests;
