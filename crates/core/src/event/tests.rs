//! Every event type writes canonical JSON and stands in the catalogue.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::id::ApprovalId;
use crate::operation::{Action, Effect, Protocol, Rewriting};
use crate::principal::{Actor, Principal, PrincipalKind};
use crate::target::{CredentialKind, Durability, Record};

fn principal() -> Principal {
    Principal {
        kind: PrincipalKind::Workload,
        issuer: "corp".into(),
        subject: "build-7".into(),
        groups: vec!["corp/ci".into()],
        display: Some("Build \"7\"".into()),
        actor_chain: vec![Actor { issuer: "corp".into(), subject: "alice".into() }],
        amr: vec!["pwd".into()],
        client_id: None,
    }
}

fn event(body: Body<'_>) -> Event<'_> {
    Event {
        id: EventId::from_bytes([1; 16]),
        time: Timestamp::from_nanoseconds(1_795_000_000_123_456_789),
        gateway: "gw-1",
        session: SessionId::from_bytes([2; 16]),
        seq: 7,
        who: Some("corp|build-7"),
        target: Some("crm"),
        body,
    }
}

fn custody(step: CustodyStep) -> Body<'static> {
    Body::Custody(Custody {
        step,
        session: SessionId::from_bytes([3; 16]),
        expects: 2,
        reason: "case 7",
        expires: Some(Timestamp::from_seconds(1_795_000_100)),
        requested_by: Some("corp|alice"),
        confirmed_by: Some("corp|bob"),
    })
}

fn approval(step: ApprovalStep<'_>) -> Body<'_> {
    Body::Approval(Approval { id: ApprovalId::from_bytes([4; 16]), expects: 1, policy: Some("sha256:00"), step })
}

fn grant(step: GrantStep<'_>) -> Body<'_> {
    Body::Grant(Grant { id: ApprovalId::from_bytes([4; 16]), expects: 1, step })
}

fn ended(how: GrantEnd, is_break_glass: bool) -> Body<'static> {
    let reason = (how == GrantEnd::Revoked).then_some("no longer needed");
    grant(GrantStep::Ended { how, reason, is_break_glass })
}

fn pin(step: PinStep) -> Body<'static> {
    Body::Pin(Pin {
        step,
        tool: "refund",
        expects: 2,
        fingerprint: Some("sha256:00ff"),
        accepted: Some("sha256:00fe"),
        replaced: Some("sha256:00fd"),
        left_out: 3,
    })
}

fn credential(step: CredentialStep<'static>) -> Body<'static> {
    let (kind, endpoint) = ("token-exchange", "https://idp.example.com/token");
    Body::Credential(Credential { kind, endpoint, audience: Some("crm"), is_refresh: false, step })
}

fn asked<'a>(principal: &'a Principal, policies: &'a [Arc<str>]) -> GrantAsked<'a> {
    let (address, policy) = ("192.0.2.7", "sha256:00");
    GrantAsked { name: "support", principal, address, seconds: 900, reason: "ticket 4711", policies, policy }
}

/// One event of every type, for the tests below.
fn leaves() -> Vec<(&'static str, Vec<u8>)> {
    let principal = principal();
    let policies: Vec<Arc<str>> = vec!["support-reads".into()];
    let (one_rule, agents) = ([Quorum { rule: "finance".into(), approvers: 2 }], ["corp|agent".to_owned()]);
    let hash = format!("sha256:{}", "ab".repeat(32));
    let action = Action::ToolCall("get_customer".into());
    let payload =
        Payload { name: "request", commitment: "c".repeat(44), delivered: None, at: [0, 8_192, 1_100], bytes: 1_024 };
    let found = Masking { masked: [("US_SSN".into(), 1)].into(), ..Masking::default() };
    let shown = Masking {
        masked: [("CREDIT_CARD".into(), 1), ("EMAIL_ADDRESS".into(), 12)].into(),
        revealed: [("CREDIT_CARD".into(), 1)].into(),
    };
    let rewrites = [Rewriting { name: "cap-rows".into(), policies: vec!["agents-capped".into()] }];
    let decided = |effect, reason| Decided {
        action: &action,
        method: None,
        protocol: Protocol::Mcp,
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        effect,
        policies: &policies,
        policy: &hash,
        reason,
        rewrites: if effect == Effect::Hold { &rewrites } else { &[] },
        approval: (effect == Effect::Hold).then(|| ApprovalId::from_bytes([4; 16])),
        durability: Durability::Strict,
        masking: &found,
        payloads: std::slice::from_ref(&payload),
    };
    let absent = ["w2".to_owned()];
    let signing = vec!["vidimus/gw-1+00+AA".to_owned()];
    let quorums = [Quorum { rule: "finance".into(), approvers: 2 }];
    let barred = ["corp|agent-7".to_owned()];
    let digest = "ab".repeat(32);
    let day = Duration::from_hours(24);
    let rules = [
        Retention { on: "target", name: "crm", keep: day * 90 },
        Retention { on: "class", name: "US_SSN", keep: day * 30 },
    ];
    let bodies = vec![
        Body::LogStarted {
            version: "0.1.0",
            absent_witnesses: &[],
            clock: Discipline::Synchronised { max_error: Duration::from_millis(20) },
        },
        Body::LogStarted { version: "0.1.0", absent_witnesses: &absent, clock: Discipline::Unknown },
        Body::LogStopped { count: 9, up: day },
        Body::LogRecovered { frames: 3, dropped: 17 },
        Body::LogCapacity { level: "stop", free: 900 << 20, refused: 12 },
        Body::ClockStatus {
            clock: Discipline::Unsynchronised,
            step: Some(Step::Back(Duration::from_hours(1))),
            up: day,
        },
        Body::ConfigLoaded { hash: &hash },
        Body::RetentionLoaded { rules: &rules, delay: Duration::from_hours(24) },
        Body::PolicyLoaded { hash: &hash },
        Body::PolicyRefused { kept: &hash, reason: "crm.cedar:1:1: unexpected token" },
        Body::AuthSucceeded { address: "127.0.0.1", expires: Timestamp::from_seconds(1_795_000_100) },
        Body::AuthFailed { address: "127.0.0.1", count: 12, reason: "expired" },
        Body::LimitExceeded { count: 412, limit: "agents", reason: "rate" },
        Body::SessionOpened(Opened {
            principal: &principal,
            address: "127.0.0.1",
            client: Some("test 1.0"),
            parent: None,
            grant: Some((ApprovalId::from_bytes([4; 16]), "repair")),
            protocol: Protocol::Mcp,
            policies: &policies,
            policy: &hash,
            durability: Durability::Strict,
            record: Record::Masked,
            credential: Some(CredentialKind::TokenExchange),
        }),
        credential(CredentialStep::Requested),
        credential(CredentialStep::Issued { token: "hmac-sha256:AA==", seconds: 300 }),
        credential(CredentialStep::Failed { reason: "refused" }),
        Body::SessionClosed { count: 8, reason: "client" },
        Body::OperationAdmitted(decided(Effect::Allow, None)),
        Body::OperationDenied(decided(Effect::Deny, Some("malformed"))),
        Body::OperationHeld(decided(Effect::Hold, None)),
        Body::OperationOutcome(Ended {
            action: &action,
            method: None,
            protocol: Protocol::Mcp,
            intent: 6,
            approval: None,
            status: Status::Ok,
            microseconds: Some(8_123),
            bytes: 4_021,
            hidden: 2,
            durability: Durability::Strict,
            masking: &shown,
            payloads: std::slice::from_ref(&payload),
        }),
        Body::ProgramLogged(Logged { left_out: 3, masking: &found, payloads: std::slice::from_ref(&payload) }),
        Body::WitnessCosigned { by: "w1", cosigned: 5_120 },
        Body::WitnessLagging { by: "w1", cosigned: 5_120, behind: 7, reason: "witness `w1` cannot be reached" },
        Body::IntegrityFailed { by: "witness", reason: "witness `w1` has seen more", damage: None },
        Body::IntegrityFailed {
            by: "check",
            reason: "log/tile/0/000: …",
            damage: Some(Damage { file: "log/tile/0/000", entry: Some(7), expected: "hash A", found: "hash B" }),
        },
        approval(ApprovalStep::Requested {
            action: "crm/refund",
            digest: &digest,
            expires: Timestamp::from_seconds(1_795_003_600),
            policies: &policies,
            quorums: &quorums,
            barred: &barred,
            held: 6,
        }),
        approval(ApprovalStep::Approved { rules: &policies, reason: Some("agreed by telephone") }),
        approval(ApprovalStep::Denied { reason: "too much" }),
        approval(ApprovalStep::Expired),
        approval(ApprovalStep::Cancelled { reason: "policy" }),
        approval(ApprovalStep::Used { intent: 6, asked: (SessionId::from_bytes([3; 16]), 6) }),
        grant(GrantStep::Requested {
            asked: asked(&principal, &policies),
            digest: "ab",
            expires: Timestamp::from_seconds(1_795_218_460),
            quorums: &one_rule,
            barred: &agents,
            sessions: 1,
        }),
        grant(GrantStep::Granted {
            principal: &principal,
            scopes: &agents,
            token: "cd",
            verifier: "ef",
            until: Timestamp::from_seconds(1_795_218_460),
        }),
        ended(GrantEnd::Revoked, false),
        ended(GrantEnd::Expired, false),
        ended(GrantEnd::Used, false),
        grant(GrantStep::Cut { sessions: 2, microseconds: 1_234 }),
        grant(GrantStep::Opened { asked: asked(&principal, &policies), until: Timestamp::from_seconds(1_795_218_460) }),
        ended(GrantEnd::Revoked, true),
        custody(CustodyStep::HoldAdded),
        custody(CustodyStep::HoldRemoved),
        custody(CustodyStep::EraseRequested),
        custody(CustodyStep::EraseConfirmed),
        custody(CustodyStep::Erased),
        Body::Defined(Definition {
            tool: "refund",
            fingerprint: "sha256:00ff",
            part: 0,
            of: 2,
            text: r#"{"description":"Pays "#,
            signs: &["invisible"],
        }),
        pin(PinStep::Recorded),
        pin(PinStep::Changed),
        pin(PinStep::Gone),
        pin(PinStep::Restored),
        pin(PinStep::Accepted),
        Body::RecordingViewed { what: "recording", viewed: Some(SessionId::from_bytes([3; 16])) },
        Body::KeysOpened { kek: "local-0011", signing: &signing },
        Body::KeyChanged { what: "signing_added", key: "vidimus/gw-1+00+AA", at: "2026-11-20T23:47:40.000000000Z" },
        Body::RecordingExported { selection: "target=crm", sessions: 2, with_payloads: 1 },
    ];
    bodies.into_iter().map(|body| (body.name(), event(body).to_leaf())).collect()
}

#[test]
fn every_leaf_is_canonical_json() {
    for (name, leaf) in leaves() {
        let value: serde_json::Value = serde_json::from_slice(&leaf).unwrap();
        // serde_json's map sorts keys and prints integers and strings as RFC 8785 does for what leaves hold.
        assert_eq!(serde_json::to_vec(&value).unwrap(), leaf, "{name}");
        assert_eq!(value["type"], name);
        assert_eq!(value["v"], VERSION);
        assert_eq!(value["seq"], 7);
    }
}

#[test]
fn masked_values_are_counted_by_class_and_never_told() {
    for (name, leaf) in leaves() {
        let value: serde_json::Value = serde_json::from_slice(&leaf).unwrap();
        if name == "operation.outcome" {
            assert_eq!(value["outcome"]["masked"], serde_json::json!({ "CREDIT_CARD": 1, "EMAIL_ADDRESS": 12 }));
            assert_eq!(value["outcome"]["revealed"], serde_json::json!({ "CREDIT_CARD": 1 }));
        } else if name.starts_with("operation.") || name == "program.logged" {
            assert_eq!((&value["masked"], value.get("revealed")), (&serde_json::json!({ "US_SSN": 1 }), None));
        } else {
            assert!(value.get("masked").is_none(), "{name}");
        }
    }
    let mut sum = Masking::NONE.clone();
    let one = Masking { masked: [("US_SSN".into(), 2)].into(), ..Masking::default() };
    sum.add(&one);
    sum.add(&one);
    assert_eq!(sum.masked, [("US_SSN".into(), 4)].into());
}

#[test]
fn how_far_the_clock_is_to_be_believed_is_said() {
    let clock = |body| {
        let leaf: serde_json::Value = serde_json::from_slice(&event(body).to_leaf()).unwrap();
        leaf["clock"].to_string()
    };
    let (max_error, up) = (Duration::from_micros(21_500), Duration::from_millis(90_500));
    assert_eq!(
        clock(Body::LogStarted { version: "1", absent_witnesses: &[], clock: Discipline::Synchronised { max_error } }),
        r#"{"max_error_us":21500,"state":"synchronised"}"#
    );
    let step = Some(Step::Back(Duration::from_millis(1_200)));
    assert_eq!(
        clock(Body::ClockStatus { clock: Discipline::Unsynchronised, step, up }),
        r#"{"state":"unsynchronised","step":"back","step_us":1200000,"up_s":90}"#
    );
}

#[test]
fn the_catalogue_is_what_is_written() {
    let mut written: Vec<&str> = leaves().into_iter().map(|(name, _)| name).collect();
    written.dedup();
    let documented: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
    assert_eq!(written, documented);
}

#[test]
fn operation_events_answer_au_3() {
    for (name, leaf) in leaves() {
        if !name.starts_with("operation.") {
            continue;
        }
        let value: serde_json::Value = serde_json::from_slice(&leaf).unwrap();
        assert!(value["operation"]["action"] == "crm/get_customer", "what");
        assert!(value["time"].is_string(), "when");
        assert!(value["gateway"].is_string() && value["target"].is_string(), "where");
        assert!(value["session"].is_string(), "source, by session.opened");
        assert!(value["outcome"]["status"].is_string() || value["decision"]["effect"].is_string(), "outcome");
        assert!(value["who"].is_string(), "identity");
        // What waits for people is rare, and names what it waits for.
        let most = if name == "operation.held" { 800 } else { 700 };
        assert!(leaf.len() <= most, "{name} takes {} bytes", leaf.len());
    }
}

#[test]
fn the_last_events_of_sessions_carry_the_count() {
    for (name, leaf) in leaves() {
        let leaf: serde_json::Value = serde_json::from_slice(&leaf).unwrap();
        let is_last = leaf.get("count").is_some() && leaf.get("address").is_none();
        assert_eq!(LAST_EVENTS.contains(&name), is_last, "{leaf}");
    }
}
