//! From verified claims to a [`Principal`]: kind, groups, names for directory ids, actor chain.
//!
//! What policy decides by must never be guessed: a groups claim of a wrong form, groups the provider left out (overage),
//! an actor from another issuer, or a name with control characters refuse the token. What is only shown is left out
//! when it is not as expected.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use vidimus_core::json::Value;
use vidimus_core::{Actor, Principal, PrincipalKind};

use crate::claims::{ClaimPath, strings};
use crate::config::IssuerConfig;
use crate::error::AuthError;

/// The longest subject in bytes. OpenID Connect Core §2 says 255; subjects of CI jobs name repository and branch.
const MAX_SUBJECT: usize = 1024;
/// The most groups of one principal; directories put at most 200 (Entra ID) into a token.
const MAX_GROUPS: usize = 512;
/// The longest name of a group, in bytes.
const MAX_GROUP: usize = 256;
/// The most actors in a chain (RFC 8693 §4.1 sets no limit).
const MAX_ACTORS: usize = 8;
/// The longest name to display, in bytes.
const MAX_DISPLAY: usize = 256;
/// The most authentication methods that are kept.
const MAX_METHODS: usize = 16;
/// Where a name to display is looked for, unless configured (OpenID Connect Core §5.1).
const DISPLAY_CLAIMS: [&str; 3] = ["email", "preferred_username", "name"];

/// What the operator says about an issuer's tokens, after the signature.
pub(crate) struct PrincipalRules {
    pub(crate) name: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) leeway: Duration,
    issuer: String,
    groups_claim: Option<ClaimPath>,
    group_names: BTreeMap<String, String>,
    workload_when: Option<(ClaimPath, String)>,
    display_claim: Option<ClaimPath>,
}

impl PrincipalRules {
    pub(crate) fn new(config: &IssuerConfig) -> Self {
        Self {
            name: config.name.clone(),
            audiences: config.audiences.clone(),
            leeway: config.leeway,
            issuer: config.issuer.clone(),
            groups_claim: config.groups_claim.as_deref().map(ClaimPath::new),
            group_names: config.group_names.clone(),
            workload_when: config.workload_when.as_ref().map(|rule| (ClaimPath::new(&rule.claim), rule.equals.clone())),
            display_claim: config.display_claim.as_deref().map(ClaimPath::new),
        }
    }

    /// Who a token with these claims speaks for.
    pub(crate) fn principal(&self, claims: Value<'_>) -> Result<Principal, AuthError> {
        let subject = claims.get("sub").and_then(|subject| subject.as_str());
        let subject = subject.filter(|subject| is_plain(subject, MAX_SUBJECT));
        let problem = "has to be a string of 1 to 1024 bytes without control characters";
        Ok(Principal {
            kind: self.kind(claims),
            issuer: self.name.clone(),
            subject: subject.ok_or(AuthError::Claim { claim: "sub", problem })?.into_owned(),
            groups: self.groups(claims)?,
            display: self.display(claims),
            actor_chain: self.actor_chain(claims)?,
            amr: methods(claims),
            client_id: ["azp", "client_id"].into_iter().find_map(|claim| shown(claims.get(claim))),
        })
    }

    /// Whether there is a rule by which programs are told from people.
    pub(crate) const fn tells_programs(&self) -> bool {
        self.workload_when.is_some()
    }

    fn kind(&self, claims: Value<'_>) -> PrincipalKind {
        let is_workload = self.workload_when.as_ref().is_some_and(|(claim, expected)| {
            claim.find(claims).is_some_and(|value| match value.as_bool() {
                Some(truth) => expected == if truth { "true" } else { "false" },
                None => value.is_string(expected),
            })
        });
        if is_workload { PrincipalKind::Workload } else { PrincipalKind::User }
    }

    fn groups(&self, claims: Value<'_>) -> Result<Vec<String>, AuthError> {
        let Some(claim) = &self.groups_claim else { return Ok(Vec::new()) };
        if is_overage(claims, claim) {
            return Err(AuthError::GroupsOverage { claim: claim.as_str().to_owned() });
        }
        let wrong = |problem| AuthError::Groups { claim: claim.as_str().to_owned(), problem };
        let Some(value) = claim.find(claims) else { return Ok(Vec::new()) };
        let listed = strings(value).ok_or_else(|| wrong("is neither a string nor an array of strings"))?;
        if listed.len() > MAX_GROUPS {
            return Err(wrong("holds more than 512 groups; have the provider send only those of this application"));
        }
        let mut groups = Vec::with_capacity(listed.len());
        for group in listed {
            let name = match self.group_names.get(&group) {
                Some(name) => name,
                // Whoever may name a group in the directory must not become a member of one that is known by its id.
                None if self.group_names.values().any(|reserved| *reserved == group) => {
                    return Err(wrong("holds a group that calls itself as group_names calls another; rename it"));
                }
                None => &group,
            };
            if !is_plain(name, MAX_GROUP) {
                return Err(wrong("holds a group that is empty, longer than 256 bytes or has control characters"));
            }
            groups.push(format!("{}/{name}", self.name));
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(groups)
    }

    fn display(&self, claims: Value<'_>) -> Option<String> {
        match &self.display_claim {
            Some(claim) => shown(claim.find(claims)),
            None => DISPLAY_CLAIMS.into_iter().find_map(|claim| shown(claims.get(claim))),
        }
    }

    /// `act`, outermost first: the current actor, then those before it (RFC 8693 §4.1).
    fn actor_chain(&self, claims: Value<'_>) -> Result<Vec<Actor>, AuthError> {
        let mut chain = Vec::new();
        let mut next = claims.get("act");
        while let Some(act) = next {
            if chain.len() == MAX_ACTORS {
                return Err(AuthError::Actor("has more than eight actors"));
            }
            if !act.is_object() {
                return Err(AuthError::Actor("holds something else than objects"));
            }
            // An issuer vouches for its own subjects only; a name from elsewhere would be taken for one of its own.
            if act.get("iss").is_some_and(|issuer| !issuer.is_string(&self.issuer)) {
                return Err(AuthError::Actor("names an actor of another issuer"));
            }
            let subject = act.get("sub").and_then(|subject| subject.as_str());
            let subject = subject.filter(|subject| is_plain(subject, MAX_SUBJECT));
            let subject = subject.ok_or(AuthError::Actor("holds an actor without a usable `sub`"))?;
            chain.push(Actor { issuer: self.name.clone(), subject: subject.into_owned() });
            next = act.get("act");
        }
        Ok(chain)
    }
}

/// Whether the provider says that groups were left out: as a distributed claim (OpenID Connect Core §5.6.2) or, by Entra
/// ID, with `hasgroups`. Even groups that came along are then only some of them.
fn is_overage(claims: Value<'_>, claim: &ClaimPath) -> bool {
    let elsewhere = claims.get("_claim_names");
    let is_elsewhere = |name: &str| elsewhere.is_some_and(|names| names.get(name).is_some());
    let flag = claims.get("hasgroups");
    is_elsewhere(claim.as_str())
        || is_elsewhere(claim.first())
        || flag.is_some_and(|flag| flag.as_bool() == Some(true) || flag.is_string("true"))
}

fn methods(claims: Value<'_>) -> Vec<String> {
    let listed = claims.get("amr").filter(Value::is_array).and_then(strings).unwrap_or_default();
    listed.into_iter().filter(|method| is_plain(method, MAX_DISPLAY)).take(MAX_METHODS).collect()
}

/// A claim that is only shown.
fn shown(claim: Option<Value<'_>>) -> Option<String> {
    claim?.as_str().filter(|text| is_plain(text, MAX_DISPLAY)).map(Cow::into_owned)
}

/// Whether a text may stand in events, policies and terminals.
fn is_plain(text: &str, max_bytes: usize) -> bool {
    !text.is_empty() && text.len() <= max_bytes && !text.chars().any(char::is_control)
}
