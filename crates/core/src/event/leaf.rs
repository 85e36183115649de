//! Events as leaves: canonical JSON (RFC 8785), members in ascending order.
//!
//! Each kind of event has members of its own before `gateway` and after `id`; the others are the same in all. Nothing is
//! written twice, and no member is left empty: what is not known is not there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Approval, ApprovalStep, Body, Credential, CredentialStep, Custody, Damage, Decided, Definition, Ended, Event,
    Grant, GrantStep, Opened, Payload, Pin, Quorum, VERSION,
};
use crate::canonical::{ObjectWriter, write_string};
use crate::clock::{Discipline, Step};
use crate::id::ApprovalId;
use crate::operation::{Action, Effect, Protocol, Rewriting};
use crate::principal::Principal;

impl Event<'_> {
    /// The leaf: canonical JSON (RFC 8785), keys in ascending order.
    pub fn to_leaf(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(768);
        let mut object = ObjectWriter::new(&mut out);
        self.write_before_gateway(&mut object);
        object.string("gateway", self.gateway);
        match &self.body {
            Body::Grant(grant) => write_grant(&mut object, grant),
            Body::SessionOpened(opened) => {
                if let Some((id, name)) = opened.grant {
                    object.object("grant", |grant| {
                        grant.string("id", &id.to_string()).string("name", name);
                    });
                }
            }
            _ => {}
        }
        object.string("id", &self.id.to_string());
        self.write_after_id(&mut object);
        object.integer("seq", self.seq).string("session", &self.session.to_string());
        object.optional("target", self.target).string("time", &self.time.to_string());
        object.string("type", self.body.name()).string("v", VERSION).optional("who", self.who);
        object.end();
        out
    }

    fn write_before_gateway(&self, object: &mut ObjectWriter<'_>) {
        match &self.body {
            Body::AuthSucceeded { address, .. } => {
                object.string("address", address);
            }
            Body::AuthFailed { address, count, .. } => {
                object.string("address", address).integer("count", *count);
            }
            Body::LogStopped { count, up } => {
                object.object("clock", |out| {
                    out.integer("up_s", up.as_secs());
                });
                object.integer("count", *count);
            }
            Body::SessionClosed { count, .. } => {
                object.integer("count", *count);
            }
            Body::ConfigLoaded { hash } => {
                object.string("config", hash);
            }
            Body::SessionOpened(opened) => {
                object.string("address", opened.address).optional("client", opened.client);
                if let Some(credential) = opened.credential {
                    object.object("credential", |out| {
                        out.string("kind", credential.name());
                    });
                }
                write_decision(object, Effect::Allow, (opened.policies, opened.policy), None, &[]);
                object.string("durability", opened.durability.name());
            }
            Body::OperationAdmitted(decided) | Body::OperationDenied(decided) | Body::OperationHeld(decided) => {
                let Decided { effect, policies, policy, reason, rewrites, .. } = *decided;
                write_decision(object, effect, (policies, policy), reason, rewrites);
                object.string("durability", decided.durability.name());
            }
            Body::OperationOutcome(ended) => {
                object.string("durability", ended.durability.name());
            }
            Body::LogRecovered { dropped, frames } => {
                object.integer("dropped", *dropped).integer("frames", *frames);
            }
            Body::KeyChanged { what, key, at } => {
                object.object("change", |change| {
                    change.string("at", at).string("key", key).string("what", what);
                });
            }
            Body::RecordingExported { selection, sessions, with_payloads } => {
                object.object("export", |export| {
                    export.string("selection", selection).integer("sessions", *sessions);
                    export.integer("with_payloads", *with_payloads);
                });
            }
            Body::LogStarted { absent_witnesses, clock, .. } => {
                if !absent_witnesses.is_empty() {
                    object.strings("absent_witnesses", absent_witnesses);
                }
                write_clock(object, *clock, None, None);
            }
            Body::WitnessLagging { by, cosigned, behind, .. } => {
                object.integer("behind", *behind).string("by", by).integer("cosigned", *cosigned);
            }
            Body::WitnessCosigned { by, cosigned } => {
                object.string("by", by).integer("cosigned", *cosigned);
            }
            Body::IntegrityFailed { by, damage, .. } => {
                object.string("by", by);
                if let Some(Damage { file, entry, expected, found }) = damage {
                    object.object("damage", |out| {
                        if let Some(entry) = entry {
                            out.integer("entry", *entry);
                        }
                        out.string("expected", expected).string("file", file).string("found", found);
                    });
                }
            }
            Body::ClockStatus { clock, step, up } => write_clock(object, *clock, *step, Some(*up)),
            Body::Approval(approval) => write_approval(object, approval),
            Body::Credential(credential) => write_credential(object, credential),
            Body::Custody(custody) => write_custody(object, custody),
            Body::Defined(definition) => write_definition(object, definition),
            Body::LogCapacity { level, free, refused } => {
                object.object("capacity", |out| {
                    out.integer("free", *free).string("level", level).integer("refused", *refused);
                });
            }
            Body::Grant(_)
            | Body::PolicyLoaded { .. }
            | Body::LimitExceeded { .. }
            | Body::RetentionLoaded { .. }
            | Body::PolicyRefused { .. }
            | Body::ProgramLogged(_)
            | Body::KeysOpened { .. }
            | Body::Pin(_)
            | Body::RecordingViewed { .. } => {}
        }
        if let Body::AuthSucceeded { expires, .. } = &self.body {
            object.string("expires", &expires.to_string());
        }
    }

    fn write_after_id(&self, object: &mut ObjectWriter<'_>) {
        match &self.body {
            Body::LogStarted { version, .. } => {
                object.string("program", version);
            }
            Body::PolicyLoaded { hash } => {
                object.string("policy", hash);
            }
            Body::RetentionLoaded { rules, delay } => {
                object.object("retention", |out| {
                    out.integer("delay_s", delay.as_secs()).array("rules", rules, |out, rule| {
                        let mut entry = ObjectWriter::new(out);
                        entry.integer("keep_s", rule.keep.as_secs()).string("name", rule.name).string("on", rule.on);
                        entry.end();
                    });
                });
            }
            Body::KeysOpened { kek, signing } => {
                object.object("keys", |keys| {
                    keys.string("kek", kek).strings("signing", signing);
                });
            }
            Body::PolicyRefused { kept, reason } => {
                object.string("policy", kept).string("reason", reason);
            }
            Body::AuthFailed { reason, .. }
            | Body::SessionClosed { reason, .. }
            | Body::WitnessLagging { reason, .. }
            | Body::IntegrityFailed { reason, .. } => {
                object.string("reason", reason);
            }
            Body::LimitExceeded { count, limit, reason } => {
                object.object("limit", |out| {
                    out.integer("count", *count).string("name", limit).string("reason", reason);
                });
            }
            Body::SessionOpened(opened) => write_opened(object, opened),
            Body::OperationAdmitted(decided) | Body::OperationDenied(decided) | Body::OperationHeld(decided) => {
                object.counts("masked", counts(&decided.masking.masked));
                let Decided { action, approval, method, protocol, trace, .. } = *decided;
                self.write_operation(object, &Described { action, approval, method, protocol, intent: None, trace });
                write_payloads(object, decided.payloads);
                // Only what a target asks goes to a client, so only it can reveal anything.
                if !decided.masking.revealed.is_empty() {
                    object.counts("revealed", counts(&decided.masking.revealed));
                }
            }
            Body::OperationOutcome(ended) => {
                let Ended { action, approval, method, protocol, intent, .. } = *ended;
                self.write_operation(
                    object,
                    &Described { action, approval, method, protocol, intent: Some(intent), trace: None },
                );
                object.object("outcome", |outcome| {
                    outcome.integer("bytes", ended.bytes);
                    if ended.hidden > 0 {
                        outcome.integer("hidden", ended.hidden);
                    }
                    outcome.counts("masked", counts(&ended.masking.masked));
                    outcome.counts("revealed", counts(&ended.masking.revealed));
                    outcome.string("status", ended.status.name());
                    if let Some(microseconds) = ended.microseconds {
                        outcome.integer("us", microseconds);
                    }
                });
                write_payloads(object, ended.payloads);
            }
            Body::Pin(pin) => write_pin(object, pin),
            Body::ProgramLogged(logged) => {
                object.integer("left_out", logged.left_out);
                object.counts("masked", counts(&logged.masking.masked));
                write_payloads(object, logged.payloads);
            }
            Body::RecordingViewed { .. }
            | Body::RecordingExported { .. }
            | Body::WitnessCosigned { .. }
            | Body::KeyChanged { .. }
            | Body::LogStopped { .. }
            | Body::LogRecovered { .. }
            | Body::LogCapacity { .. }
            | Body::Approval(_)
            | Body::Grant(_)
            | Body::Credential(_)
            | Body::Custody(_)
            | Body::Defined(_)
            | Body::ClockStatus { .. }
            | Body::ConfigLoaded { .. }
            | Body::AuthSucceeded { .. } => {}
        }
        if let Body::RecordingViewed { what, viewed } = &self.body {
            object.object("read", |read| {
                read.optional("session", viewed.map(|session| session.to_string()).as_deref()).string("what", what);
            });
        }
    }

    fn write_operation(&self, object: &mut ObjectWriter<'_>, described: &Described<'_>) {
        object.object("operation", |operation| {
            operation.string("action", &described.action.name(self.target.unwrap_or_default()));
            operation.optional("approval", described.approval.map(|id| id.to_string()).as_deref());
            if let Some(intent) = described.intent {
                operation.integer("intent", intent);
            }
            operation.optional("method", described.method).optional("object", described.action.object());
            operation.string("protocol", described.protocol.name()).optional("trace", described.trace);
        });
    }
}

/// What an event says of its operation.
struct Described<'a> {
    action: &'a Action,
    approval: Option<ApprovalId>,
    method: Option<&'a str>,
    protocol: Protocol,
    intent: Option<u64>,
    trace: Option<&'a str>,
}

fn write_decision(
    object: &mut ObjectWriter<'_>,
    effect: Effect,
    (policies, policy): (&[Arc<str>], &str),
    reason: Option<&str>,
    rewrites: &[Rewriting],
) {
    object.object("decision", |decision| {
        decision.string("effect", effect.name()).strings("policies", policies).string("policy", policy);
        decision.optional("reason", reason);
        if !rewrites.is_empty() {
            decision.array("rewrites", rewrites, |out, rewrite| {
                let mut entry = ObjectWriter::new(out);
                entry.strings("by", &rewrite.policies).string("name", &rewrite.name);
                entry.end();
            });
        }
    });
}

fn write_opened(object: &mut ObjectWriter<'_>, opened: &Opened<'_>) {
    let principal = opened.principal;
    object.optional("parent", opened.parent.map(|parent| parent.to_string()).as_deref());
    write_principal(object, principal);
    object.string("protocol", opened.protocol.name()).string("record", opened.record.name());
}

fn write_principal(object: &mut ObjectWriter<'_>, principal: &Principal) {
    object.object("principal", |out| {
        out.array("actors", &principal.actor_chain, |out, actor| {
            write_string(out, &format!("{}|{}", actor.issuer, actor.subject));
        });
        out.strings("amr", &principal.amr).optional("client_id", principal.client_id.as_deref());
        out.optional("display", principal.display.as_deref()).strings("groups", &principal.groups);
        out.string("issuer", &principal.issuer).string("kind", principal.kind.name());
        out.string("subject", &principal.subject);
    });
}

fn write_credential(object: &mut ObjectWriter<'_>, credential: &Credential<'_>) {
    let Credential { kind, endpoint, audience, is_refresh, step } = *credential;
    object.object("credential", |out| {
        out.optional("audience", audience).string("endpoint", endpoint).string("kind", kind);
        if let CredentialStep::Issued { seconds, .. } = step {
            out.integer("life_s", seconds);
        }
        if let CredentialStep::Failed { reason } = step {
            out.string("reason", reason);
        }
        out.boolean("refresh", is_refresh);
        if let CredentialStep::Issued { token, .. } = step {
            out.string("token", token);
        }
    });
}

fn write_approval(object: &mut ObjectWriter<'_>, approval: &Approval<'_>) {
    object.object("approval", |out| {
        let Approval { id, expects, policy, step } = approval;
        if let ApprovalStep::Requested { action, .. } = step {
            out.string("action", action);
        }
        if let ApprovalStep::Used { asked: (session, seq), .. } = step {
            out.string("asked", &format!("{session}/{seq}"));
        }
        if let ApprovalStep::Requested { barred, digest, .. } = step {
            out.strings("barred", barred).string("digest", digest);
        }
        out.integer("expects", *expects);
        if let ApprovalStep::Requested { expires, held, .. } = step {
            out.string("expires", &expires.to_string()).integer("held", *held);
        }
        out.string("id", &id.to_string());
        if let ApprovalStep::Used { intent, .. } = step {
            out.integer("intent", *intent);
        }
        if let ApprovalStep::Requested { policies, .. } = step {
            out.strings("policies", policies);
        }
        out.optional("policy", *policy);
        match step {
            ApprovalStep::Requested { quorums, .. } => {
                write_quorums(out, quorums);
            }
            ApprovalStep::Approved { rules, reason } => {
                out.optional("reason", *reason).strings("rules", rules);
            }
            ApprovalStep::Denied { reason } | ApprovalStep::Cancelled { reason } => {
                out.string("reason", reason);
            }
            ApprovalStep::Expired | ApprovalStep::Used { .. } => {}
        }
    });
}

fn write_grant(object: &mut ObjectWriter<'_>, grant: &Grant<'_>) {
    object.object("grant", |out| {
        let Grant { id, expects, step } = grant;
        let asked = match step {
            GrantStep::Requested { asked, .. } | GrantStep::Opened { asked, .. } => Some(asked),
            GrantStep::Granted { .. } | GrantStep::Ended { .. } | GrantStep::Cut { .. } => None,
        };
        out.optional("address", asked.map(|asked| asked.address));
        if let GrantStep::Requested { barred, digest, .. } = step {
            out.strings("barred", barred).string("digest", digest);
        }
        out.integer("expects", *expects);
        if let GrantStep::Requested { expires, .. } = step {
            out.string("expires", &expires.to_string());
        }
        if let GrantStep::Ended { how, .. } = step {
            out.string("how", how.name());
        }
        out.string("id", &id.to_string()).optional("name", asked.map(|asked| asked.name));
        if let Some(asked) = asked {
            out.strings("policies", asked.policies).string("policy", asked.policy);
        }
        match step {
            GrantStep::Requested { asked, .. } | GrantStep::Opened { asked, .. } => {
                write_principal(out, asked.principal);
            }
            GrantStep::Granted { principal, .. } => write_principal(out, principal),
            GrantStep::Ended { .. } | GrantStep::Cut { .. } => {}
        }
        match step {
            GrantStep::Requested { asked, quorums, sessions, .. } => {
                write_quorums(out, quorums);
                out.string("reason", asked.reason).integer("seconds", asked.seconds).integer("sessions", *sessions);
            }
            GrantStep::Granted { scopes, token, verifier, until, .. } => {
                out.strings("scopes", scopes).string("token", token).string("until", &until.to_string());
                out.string("verifier", verifier);
            }
            GrantStep::Opened { asked, until } => {
                out.string("reason", asked.reason).integer("seconds", asked.seconds);
                out.string("until", &until.to_string());
            }
            GrantStep::Ended { reason, .. } => {
                out.optional("reason", *reason);
            }
            GrantStep::Cut { sessions, microseconds } => {
                out.integer("sessions", *sessions).integer("us", *microseconds);
            }
        }
    });
}

fn write_quorums(object: &mut ObjectWriter<'_>, quorums: &[Quorum]) {
    object.array("quorums", quorums, |out, quorum| {
        let mut entry = ObjectWriter::new(out);
        entry.integer("approvers", quorum.approvers).string("rule", &quorum.rule);
        entry.end();
    });
}

fn write_custody(object: &mut ObjectWriter<'_>, custody: &Custody<'_>) {
    object.object("custody", |out| {
        out.optional("confirmed_by", custody.confirmed_by).integer("expects", custody.expects);
        out.optional("expires", custody.expires.map(|expires| expires.to_string()).as_deref());
        out.string("reason", custody.reason).optional("requested_by", custody.requested_by);
        out.string("session", &custody.session.to_string());
    });
}

fn write_definition(object: &mut ObjectWriter<'_>, definition: &Definition<'_>) {
    object.object("definition", |out| {
        out.string("fingerprint", definition.fingerprint).integer("of", definition.of);
        out.integer("part", definition.part).strings("signs", definition.signs);
        out.string("text", definition.text).string("tool", definition.tool);
    });
}

fn write_pin(object: &mut ObjectWriter<'_>, pin: &Pin<'_>) {
    object.object("pin", |out| {
        out.optional("accepted", pin.accepted).integer("expects", pin.expects);
        out.optional("fingerprint", pin.fingerprint).integer("left_out", pin.left_out);
        out.optional("replaced", pin.replaced).string("tool", pin.tool);
    });
}

fn write_clock(object: &mut ObjectWriter<'_>, clock: Discipline, step: Option<Step>, up: Option<Duration>) {
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    object.object("clock", |out| {
        if let Some(error) = clock.max_error() {
            out.integer("max_error_us", microseconds(error));
        }
        out.string("state", clock.name());
        if let Some((direction, by)) = step.map(Step::parts) {
            out.string("step", direction).integer("step_us", microseconds(by));
        }
        if let Some(up) = up {
            out.integer("up_s", up.as_secs());
        }
    });
}

fn counts(counts: &BTreeMap<Arc<str>, u64>) -> impl Iterator<Item = (&str, u64)> {
    counts.iter().map(|(class, count)| (&**class, *count))
}

fn write_payloads(object: &mut ObjectWriter<'_>, payloads: &[Payload]) {
    if payloads.is_empty() {
        return;
    }
    object.array("payloads", payloads, |out, payload| {
        let mut entry = ObjectWriter::new(out);
        entry.integers("at", &payload.at).integer("bytes", payload.bytes);
        entry.string("commitment", &payload.commitment).optional("delivered", payload.delivered.as_deref());
        entry.string("name", payload.name);
        entry.end();
    });
}
