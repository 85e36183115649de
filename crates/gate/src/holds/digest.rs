//! What binds an approval to one call: HMAC-SHA-256 over principal, target, action and arguments.
//!
//! Two calls have one digest only when a target must understand the same: members of objects in any order, strings however
//! they are escaped. Numbers count as they are written: 9007199254740992 and …993 are one number to many programs, and 1 and
//! 1.0 are two to some. Each part goes in with its kind and its length, so that no two sequences of parts have the same
//! bytes. The key is the gateway's own and outlives a restart: whoever reads a digest cannot try arguments against it.

use aws_lc_rs::hmac;
use vidimus_core::json::{Kind, Value};
use vidimus_core::{Action, Principal, TargetName};

use crate::keys::{self, KeyError, Secret};

/// The purpose of the key (RFC 5869 §3.2).
const KEY_PURPOSE: &[u8] = b"vidimus.held-calls/1";
/// What the bytes begin with.
const VERSION: &[u8] = b"vidimus.held-call/2";
/// The same of a grant that is asked for.
const GRANT_VERSION: &[u8] = b"vidimus.grant/1";

/// What stands beside arguments and is not bound: what is bound as the action or as arguments, what the gateway itself has sealed,
/// and what clients make anew for each request, of which policies know nothing either (MCP, `params` of `tools/call`).
const NOT_BOUND: [&str; 4] = ["name", "arguments", "requestState", "_meta"];

/// One call of one principal, or access that it asks for.
pub(crate) type Digest = [u8; 32];

/// Makes digests.
pub(crate) struct Digests(hmac::Key);

impl Digests {
    /// With a key of its own, derived from the keyring's.
    pub(crate) fn new(secret: &Secret) -> Result<Self, KeyError> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &keys::derived(secret, KEY_PURPOSE)?)))
    }

    /// The digest of a call: its arguments, and what stands `beside` them in the message, such as answers to a server's
    /// questions.
    pub(crate) fn of(
        &self,
        principal: &Principal,
        target: &TargetName,
        action: &Action,
        arguments: Option<Value<'_>>,
        beside: Option<Value<'_>>,
    ) -> Digest {
        let mut parts = self.begun(VERSION, principal, target);
        parts.part(b'a', action.name(target.as_str()).as_bytes());
        match arguments {
            None => parts.count(b'-', 0),
            Some(arguments) => parts.value(arguments),
        }
        let beside = beside.as_ref().into_iter().flat_map(Value::members);
        let mut beside: Vec<_> = beside.filter(|(key, _)| !NOT_BOUND.contains(&&**key)).collect();
        beside.sort_by(|(a, _), (b, _)| a.cmp(b));
        parts.count(b'+', beside.len());
        for (key, value) in beside {
            parts.part(b'"', key.as_bytes());
            parts.value(value);
        }
        parts.end()
    }

    /// The digest of access that is asked for: which grant, for how many seconds, and why.
    pub(crate) fn of_grant(
        &self,
        principal: &Principal,
        target: &TargetName,
        (name, seconds, reason): (&str, u64, &str),
    ) -> Digest {
        let mut parts = self.begun(GRANT_VERSION, principal, target);
        parts.part(b'n', name.as_bytes());
        parts.count(b'l', usize::try_from(seconds).unwrap_or(usize::MAX));
        parts.part(b'r', reason.as_bytes());
        parts.end()
    }

    fn begun(&self, version: &[u8], principal: &Principal, target: &TargetName) -> Parts {
        let mut parts = Parts(hmac::Context::with_key(&self.0));
        parts.part(b'v', version);
        parts.part(b'k', principal.kind.name().as_bytes());
        parts.part(b'i', principal.issuer.as_bytes());
        parts.part(b's', principal.subject.as_bytes());
        parts.count(b'c', principal.actor_chain.len());
        for actor in &principal.actor_chain {
            parts.part(b'i', actor.issuer.as_bytes());
            parts.part(b's', actor.subject.as_bytes());
        }
        parts.part(b't', target.as_str().as_bytes());
        parts
    }
}

struct Parts(hmac::Context);

impl Parts {
    fn end(self) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.sign().as_ref());
        digest
    }

    fn part(&mut self, kind: u8, bytes: &[u8]) {
        self.count(kind, bytes.len());
        self.0.update(bytes);
    }

    fn count(&mut self, kind: u8, count: usize) {
        self.0.update(&[kind]);
        self.0.update(&u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
    }

    /// A value, and all in it. The parser has bounded how deep that is.
    fn value(&mut self, value: Value<'_>) {
        match value.kind() {
            Kind::Null => self.count(b'n', 0),
            Kind::Bool => self.count(b'b', usize::from(value.as_bool() == Some(true))),
            Kind::Number => self.part(b'0', value.raw().as_bytes()),
            Kind::String => self.part(b'"', value.as_str().unwrap_or_default().as_bytes()),
            Kind::Array => {
                let elements: Vec<_> = value.elements().collect();
                self.count(b'[', elements.len());
                for element in elements {
                    self.value(element);
                }
            }
            Kind::Object => {
                let mut members: Vec<_> = value.members().collect();
                members.sort_by(|(a, _), (b, _)| a.cmp(b));
                self.count(b'{', members.len());
                for (key, value) in members {
                    self.part(b'"', key.as_bytes());
                    self.value(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use vidimus_core::json::{Document, Limits};
    use vidimus_core::{Actor, PrincipalKind};

    use super::*;

    fn alice() -> Principal {
        Principal {
            kind: PrincipalKind::User,
            issuer: "corp".into(),
            subject: "alice".into(),
            groups: Vec::new(),
            display: None,
            actor_chain: Vec::new(),
            amr: Vec::new(),
            client_id: None,
        }
    }

    fn call(digests: &Digests, principal: &Principal, (target, tool): (&str, &str), arguments: Option<&str>) -> Digest {
        let parse = |text: &str| Document::parse(text.to_owned().into(), &Limits::default()).unwrap();
        let document = arguments.map(parse);
        let action = Action::ToolCall(tool.into());
        digests.of(principal, &target.parse().unwrap(), &action, document.as_ref().map(Document::root), None)
    }

    #[test]
    fn what_stands_beside_arguments_is_bound_too_but_for_what_each_request_has_anew() {
        let digests = Digests::new(&Secret::new([1; 32])).unwrap();
        let of = |params: &str| {
            let document = Document::parse(params.to_owned().into(), &Limits::default()).unwrap();
            let (action, root) = (Action::ToolCall("refund".into()), document.root());
            digests.of(&alice(), &"crm".parse().unwrap(), &action, root.at(&["arguments"]), Some(root))
        };
        let plain = of(r#"{"name":"refund","arguments":{"a":1}}"#);
        let meta = r#"{"_meta":{"progressToken":7},"requestState":"s","arguments":{"a":1},"name":"refund"}"#;
        assert_eq!(plain, of(meta));
        let yes = of(r#"{"name":"refund","arguments":{"a":1},"inputResponses":{"sure":{"action":"accept"}}}"#);
        let no = of(r#"{"name":"refund","arguments":{"a":1},"inputResponses":{"sure":{"action":"decline"}}}"#);
        let task = of(r#"{"name":"refund","arguments":{"a":1},"task":{"ttl":1}}"#);
        assert!(plain != yes && plain != no && yes != no && task != plain);
    }

    #[test]
    fn what_a_target_must_understand_alike_is_one_call_and_nothing_else() {
        let digests = Digests::new(&Secret::new([1; 32])).unwrap();
        let of = |arguments| call(&digests, &alice(), ("crm", "refund"), Some(arguments));
        assert_eq!(of(r#"{"a":1,"b":[true,null]}"#), of(" { \"b\" : [ true , null ] , \"\\u0061\" : 1 } "));
        assert_eq!(of(r#"{"a":"é/"}"#), of(r#"{"a":"\u00e9\/"}"#));
        let others = [
            r#"{"a":9007199254740992}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e0}"#,
            r#"{"a":-0}"#,
            r#"{"a":0}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":""}"#,
            r#"{"a":null}"#,
            r#"{"a":true}"#,
            r#"{"a":false}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":[2,1]}"#,
            r#"{"a":[[1],2]}"#,
            r#"{"a":[1,[2]]}"#,
            r#"{"a":{"b":1},"c":2}"#,
            r#"{"a":{"b":1,"c":2}}"#,
            r#"{"ab":"c"}"#,
            r#"{"a":"bc"}"#,
            r#"{"A":1}"#,
            r#"{"a":"é"}"#,
            r#"{"a":"e\u0301"}"#,
            r#"{"a":1,"b":1}"#,
            "{}",
        ];
        for (at, one) in others.iter().enumerate() {
            for other in others.iter().skip(at + 1) {
                assert_ne!(of(one), of(other), "{one} and {other}");
            }
        }
        assert_ne!(of("{}"), call(&digests, &alice(), ("crm", "refund"), None));
    }

    #[test]
    fn everything_else_of_a_call_counts() {
        let digests = Digests::new(&Secret::new([1; 32])).unwrap();
        let first = call(&digests, &alice(), ("crm", "refund"), Some("{}"));
        let agent = |subject: &str| Actor { issuer: "corp".into(), subject: subject.into() };
        let changed = [
            Principal { issuer: "corpa".into(), subject: "lice".into(), ..alice() },
            Principal { kind: PrincipalKind::Workload, ..alice() },
            Principal { actor_chain: vec![agent("a")], ..alice() },
            Principal { actor_chain: vec![agent("b")], ..alice() },
            Principal { actor_chain: vec![agent("a"), agent("b")], ..alice() },
        ];
        let mut seen = vec![first];
        seen.extend(changed.iter().map(|who| call(&digests, who, ("crm", "refund"), Some("{}"))));
        seen.push(call(&digests, &alice(), ("crm2", "refund"), Some("{}")));
        seen.push(call(&digests, &alice(), ("crm", "refund2"), Some("{}")));
        let other_key = Digests::new(&Secret::new([2; 32])).unwrap();
        seen.push(call(&other_key, &alice(), ("crm", "refund"), Some("{}")));
        let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len());
        let again = Digests::new(&Secret::new([1; 32])).unwrap();
        let groups = Principal { groups: vec!["corp/x".into()], amr: vec!["otp".into()], ..alice() };
        assert_eq!(call(&again, &groups, ("crm", "refund"), Some("{}")), first, "what may change between two calls");
    }
}
