//! Policies that are not in force, tried on what a real gateway has recorded.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::evidence::of_type;
use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{ALLOW_ALL, Client, Gateway, Setup};
use serde_json::{Value, json};

const NO_POLL: &str = r#"
@id("no-poll") forbid (principal, action == Action::"everything/poll", resource)
when { context.arguments has text };
"#;

const PROPOSED: &str = r#"
@id("large") @message("Ask finance.")
forbid (principal, action == Action::"everything/charge", resource)
when { context.arguments.amount.greaterThan(decimal("500.0")) };
@id("no-secret") forbid (principal, action == Action::"everything/echo", resource)
when { context.arguments has text && context.arguments.text like "*secret*" };
"#;

/// A gateway at which alice has called some tools, and bob one.
async fn used(record: &str) -> Gateway {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let policies = format!("{ALLOW_ALL}{NO_POLL}");
    let gateway = Gateway::start(&Setup { policies: &policies, record, ..Setup::new(upstream.url()) }, issuer.url());
    let alice = Client::open(gateway.url(), issuer.token("alice")).await;
    let calls = [
        ("charge", r#"{"amount":600}"#),
        ("charge", r#"{"amount":100}"#),
        ("echo", r#"{"text":"a secret"}"#),
        ("echo", r#"{"text":"nothing"}"#),
        ("echo", r#"{"text":"4111 1111 1111 1111"}"#),
        ("poll", r#"{"text":"x"}"#),
        ("no-such-tool", "{}"),
    ];
    for (id, (tool, arguments)) in (1..).zip(calls) {
        alice.call(id, tool, arguments).await.unwrap();
    }
    let bob = Client::open(gateway.url(), issuer.token("bob")).await;
    bob.call(1, "charge", r#"{"amount":700.5}"#).await.unwrap();
    gateway.sessions();
    gateway
}

fn try_policies(gateway: &Gateway, text: &str, more: &[&str]) -> (Option<i32>, Value) {
    let proposed = gateway.dir.path().join("proposed");
    std::fs::create_dir_all(&proposed).unwrap();
    std::fs::write(proposed.join("all.cedar"), text).unwrap();
    let arguments = [&["policy", "backtest", "--policies", proposed.to_str().unwrap()], more].concat();
    let output = gateway.run(&arguments);
    let shown = serde_json::from_slice(&output.stdout);
    let shown = shown.unwrap_or_else(|_| String::from_utf8_lossy(&output.stderr).into_owned().into());
    (output.status.code(), shown)
}

/// Action, what it was and would be, and by which policies, of each row.
fn rows(rows: &Value) -> Vec<Value> {
    let row = |row: &Value| json!([row["action"], row["was"], row["would_be"], row["by"]]);
    let mut rows: Vec<_> = rows.as_array().unwrap().iter().map(row).collect();
    rows.sort_by_key(Value::to_string);
    rows
}

fn recordings_read(gateway: &Gateway) -> usize {
    let events = gateway.events();
    of_type(&events, "recording.viewed").iter().filter(|event| event["read"]["what"] == "recording").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_decided_otherwise_is_told_and_what_the_record_does_not_hold_too() {
    let gateway = used("record = \"masked\"").await;

    // The policies in force decide as they did.
    let (status, same) = try_policies(&gateway, &format!("{ALLOW_ALL}{NO_POLL}"), &[]);
    assert_eq!((status, &same["different"], &same["undecided"]), (Some(0), &json!([]), &json!([])), "{same:#}");
    // Those are the methods of the handshakes too.
    assert!(same["same"]["allow"].as_u64() >= Some(6) && same["same"]["deny"] == 1, "{same:#}");
    assert!(same["not_by_policy"].as_u64() >= Some(1) && same["sessions"] == 2, "{same:#}");
    assert_eq!(recordings_read(&gateway), 1, "bob has done nothing that policies read the arguments of");
    // Nobody's payloads are looked at where no policy reads them.
    let (status, open) = try_policies(&gateway, ALLOW_ALL, &[]);
    assert_eq!(
        (status, rows(&open["different"])),
        (Some(1), vec![json!(["everything/poll", "deny", "allow", ["tools"]])])
    );
    assert_eq!(recordings_read(&gateway), 1);

    let (status, tried) = try_policies(&gateway, &format!("{ALLOW_ALL}{PROPOSED}"), &[]);
    assert_eq!(status, Some(1), "{tried:#}");
    let expected = [
        json!(["everything/charge", "allow", "deny", ["large"]]),
        json!(["everything/charge", "allow", "deny", ["large"]]),
        json!(["everything/echo", "allow", "deny", ["no-secret"]]),
        json!(["everything/poll", "deny", "allow", ["tools"]]),
    ];
    assert_eq!(rows(&tried["different"]), expected, "{tried:#}");
    // The card number is masked in the record; whether it held the word, nobody knows.
    assert_eq!(rows(&tried["undecided"]), [json!(["everything/echo", "allow", null, ["no-secret"]])], "{tried:#}");
    assert_eq!(recordings_read(&gateway), 3, "each recording that is needed is read once, and on record");
    let large = tried["different"].as_array().unwrap().iter().find(|row| row["who"] == "corp|bob").unwrap();
    assert_eq!((&large["message"], &large["was_by"]), (&json!("Ask finance."), &json!(["tools"])));
    assert!(gateway.sessions().iter().any(|id| large["session"] == **id), "{large}");

    let (_, bobs) = try_policies(&gateway, &format!("{ALLOW_ALL}{PROPOSED}"), &["--who", "corp|bob", "--since", "1h"]);
    assert_eq!(rows(&bobs["different"]), [json!(["everything/charge", "allow", "deny", ["large"]])], "{bobs:#}");
    let (_, one) = try_policies(&gateway, &format!("{ALLOW_ALL}{PROPOSED}"), &["--sessions", "1"]);
    assert!(one["sessions"] == 1 && one["notes"].to_string().contains("there are older sessions"), "{one:#}");

    // Who may no longer connect may do nothing.
    let (_, closed) = try_policies(&gateway, &ALLOW_ALL.replace("\"corp/support\"", "\"corp/nobody\""), &[]);
    assert_eq!(closed["same"]["allow"], 0, "{closed:#}");
    assert!(rows(&closed["different"]).iter().all(|row| row[1] == "allow" && row[2] == "deny"), "{closed:#}");

    let (status, wrong) = try_policies(&gateway, "permit (principal, action == Action::\"conect\", resource);", &[]);
    assert_eq!(status, Some(2));
    assert!(wrong.to_string().contains("all.cedar:1"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_payloads_on_record_what_policies_read_of_them_is_not_decidable() {
    let gateway = used("record = \"sizes\"").await;
    let (status, tried) = try_policies(&gateway, &format!("{ALLOW_ALL}{NO_POLL}{PROPOSED}"), &[]);
    assert_eq!((status, &tried["different"]), (Some(0), &json!([])), "{tried:#}");
    let actions: Vec<_> = rows(&tried["undecided"]).iter().map(|row| row[0].clone()).collect();
    let expected = [vec!["everything/charge"; 3], vec!["everything/echo"; 3], vec!["everything/poll"]].concat();
    assert_eq!(actions, expected, "{tried:#}");
}
