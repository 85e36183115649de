//! Who acts: a user or a workload, by issuer and subject, with groups and the chain of those it acts for.

use std::fmt;

/// A person, or a program (CI job, agent, service).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A program.
    Workload,
}

impl PrincipalKind {
    /// The Cedar entity type and the word in events: `User` or `Workload`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Workload => "Workload",
        }
    }
}

/// A party that acts on behalf of the principal (RFC 8693 §4.1, claim `act`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The configured name of the issuer that vouches for the actor.
    pub issuer: String,
    /// The actor's `sub` at that issuer.
    pub subject: String,
}

/// A verified identity. `issuer` is the *configured name* of the issuer (`corp`), not its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// User or workload.
    pub kind: PrincipalKind,
    /// The configured name of the issuer, e.g. `corp`.
    pub issuer: String,
    /// The `sub` claim: unique and never reassigned at that issuer (OpenID Connect Core §2).
    pub subject: String,
    /// Groups as `issuer/name`, sorted, without duplicates.
    pub groups: Vec<String>,
    /// For display, and never compared but with what a caller says of itself: e-mail address or name as the issuer states it.
    pub display: Option<String>,
    /// Who acts on behalf of the principal, outermost (current) actor first; empty when it acts itself.
    pub actor_chain: Vec<Actor>,
    /// Authentication methods (RFC 8176, claim `amr`), as the issuer states them.
    pub amr: Vec<String>,
    /// The OAuth client the token was issued to (`azp` or `client_id`), as the issuer states it.
    pub client_id: Option<String>,
}

impl Principal {
    /// `issuer|subject`: the id in events and the Cedar entity id.
    pub fn id(&self) -> String {
        format!("{}|{}", self.issuer, self.subject)
    }

    /// Whether `name` is what it is known by to people: how it is shown, in any letter case, or its subject. Who says such a
    /// name has shown nothing.
    pub fn is_called(&self, name: &str) -> bool {
        let shown = self.display.as_deref().is_some_and(|display| display.eq_ignore_ascii_case(name));
        shown || self.subject == name
    }

    /// The name to say to a server that asks for one.
    pub fn alias(&self) -> &str {
        self.display.as_deref().unwrap_or(&self.subject)
    }

    /// Whether it is the same in everything policy may read. Another token of the same subject may be of other groups, and
    /// is decided on anew; how its issuer spells its name changes nothing.
    pub fn is_same(&self, other: &Self) -> bool {
        let Self { kind, issuer, subject, groups, display: _, actor_chain, amr, client_id } = self;
        *kind == other.kind
            && *issuer == other.issuer
            && *subject == other.subject
            && *groups == other.groups
            && *actor_chain == other.actor_chain
            && *amr == other.amr
            && *client_id == other.client_id
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.issuer, self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_the_same_by_whatever_name_it_is_shown() {
        let ann = Principal {
            kind: PrincipalKind::User,
            issuer: "corp".into(),
            subject: "ann".into(),
            groups: vec!["corp/support".into()],
            display: Some("ann@example.com".into()),
            actor_chain: Vec::new(),
            amr: Vec::new(),
            client_id: Some("cli".into()),
        };
        assert!(ann.is_same(&Principal { display: None, ..ann.clone() }));
        assert!(["ann", "ANN@example.com"].iter().all(|name| ann.is_called(name)) && !ann.is_called("Ann"));
        for other in [
            Principal { kind: PrincipalKind::Workload, ..ann.clone() },
            Principal { issuer: "other".into(), ..ann.clone() },
            Principal { subject: "bob".into(), ..ann.clone() },
            Principal { groups: Vec::new(), ..ann.clone() },
            Principal { actor_chain: vec![Actor { issuer: "corp".into(), subject: "bot".into() }], ..ann.clone() },
            Principal { amr: vec!["mfa".into()], ..ann.clone() },
            Principal { client_id: None, ..ann.clone() },
        ] {
            assert!(!ann.is_same(&other), "{other:?}");
        }
    }
}
