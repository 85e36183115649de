//! The scripted session: who does what, what must come out, and what did.
//!
//! A step whose answer holds the register's secret fails whatever else it says: credentials stay with the gateway.

use std::io::{self, Write};

use http::StatusCode;
use serde_json::{Value, json};

use super::caller::{Caller, Reply};
use super::people::People;
use crate::output::Table;

/// What must come out of a step.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// A result.
    Allowed,
    /// A customer whose card number and e-mail address are shown so.
    Shown(&'static str, &'static str),
    /// A result marked as an error, with these words in it.
    Denied(&'static str),
    /// The answer of a server that has no such tool.
    UnknownTool,
    /// HTTP 401.
    Unauthenticated,
    /// HTTP 403 with these words.
    Refused(&'static str),
    /// A list with so many tools, and without this one.
    Listed(usize, &'static str),
}

/// One step and how it went.
#[derive(Debug)]
pub(super) struct Step {
    who: &'static str,
    what: String,
    came: String,
    is_as_expected: bool,
}

impl Step {
    /// Whether it came out as it must.
    pub(super) const fn is_as_expected(&self) -> bool {
        self.is_as_expected
    }

    fn new(who: &'static str, what: impl Into<String>, expected: Expected, reply: &Reply, secret: &str) -> Self {
        let answer = reply.answer();
        let result = answer.get("result");
        let is_error = result.and_then(|result| result.get("isError")) == Some(&Value::Bool(true));
        let text =
            result.and_then(|result| result.pointer("/content/0/text")).and_then(Value::as_str).unwrap_or_default();
        let tools = result.and_then(|result| result.get("tools")).and_then(Value::as_array);
        let of_customer = |field: &str| result?.get("structuredContent")?.get(field)?.as_str();
        let fits = match expected {
            Expected::Allowed => result.is_some() && !is_error,
            Expected::Shown(card, mail) => of_customer("card") == Some(card) && of_customer("email") == Some(mail),
            Expected::Denied(words) => is_error && text.contains(words),
            Expected::UnknownTool => answer.pointer("/error/code") == Some(&json!(-32_602)),
            Expected::Unauthenticated => reply.status == StatusCode::UNAUTHORIZED,
            Expected::Refused(words) => reply.status == StatusCode::FORBIDDEN && reply.text.contains(words),
            Expected::Listed(count, hidden) => tools.is_some_and(|tools| {
                tools.len() == count && tools.iter().all(|tool| tool.get("name") != Some(&json!(hidden)))
            }),
        };
        let came = match (tools, result) {
            (Some(tools), _) => format!("{} tools", tools.len()),
            (None, Some(_)) if is_error => format!("denied: {text}"),
            (None, Some(_)) if matches!(expected, Expected::Shown(..)) => {
                let field = |name: &str| of_customer(name).unwrap_or("nothing");
                format!("allowed: card {}, e-mail {}", field("card"), field("email"))
            }
            (None, Some(_)) => "allowed".to_owned(),
            (None, None) => match answer.pointer("/error/message").and_then(Value::as_str) {
                Some(message) if reply.status == StatusCode::OK => message.to_owned(),
                Some(message) => format!("{}: {message}", reply.status),
                None => reply.status.to_string(),
            },
        };
        Self { who, what: what.into(), came, is_as_expected: fits && !reply.text.contains(secret) }
    }
}

/// Runs the script through the gateway at `url`. An error is one of transport; what the gateway decides is a step.
pub(super) async fn run(url: &str, people: &People, secret: &str) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut note = |who, what: &str, expected, reply: &Reply| steps.push(Step::new(who, what, expected, reply, secret));
    let as_somebody = |who: &str| Caller::new(url, people.token(who).as_deref());

    let reply = Caller::new(url, None).open().await?;
    note("nobody", "opens a session", Expected::Unauthenticated, &reply);

    let mut alice = as_somebody("alice");
    note("alice", "opens a session", Expected::Allowed, &alice.open().await?);
    let reply = alice.request("tools/list", &json!({})).await?;
    note("alice", "lists the tools", Expected::Listed(4, "delete_customer"), &reply);
    let reply = alice.call("get_customer", &json!({ "id": "c-1001" })).await?;
    note("alice", "get_customer c-1001", Expected::Shown("<CREDIT_CARD>", "<EMAIL_ADDRESS>"), &reply);
    let reply = alice.call("refund", &json!({ "id": "c-1001", "amount": 50 })).await?;
    note("alice", "refund 50", Expected::Allowed, &reply);
    let reply = alice.call("refund", &json!({ "id": "c-1001", "amount": 900 })).await?;
    note("alice", "refund 900", Expected::Denied("Refunds above 500 need finance"), &reply);
    let reply = alice.call("delete_customer", &json!({ "id": "c-1001" })).await?;
    note("alice", "delete_customer c-1001", Expected::UnknownTool, &reply);
    alice.close().await?;

    let mut bob = as_somebody("bob");
    note("bob", "opens a session", Expected::Allowed, &bob.open().await?);
    let reply = bob.call("get_customer", &json!({ "id": "c-1001" })).await?;
    note("bob", "get_customer c-1001", Expected::Shown("4111111111111111", "<EMAIL_ADDRESS>"), &reply);
    let reply = bob.call("refund", &json!({ "id": "c-1001", "amount": 900 })).await?;
    note("bob", "refund 900", Expected::Allowed, &reply);
    bob.close().await?;

    note("carol", "opens a session", Expected::Refused("no policy"), &as_somebody("carol").open().await?);
    Ok(steps)
}

/// Shows the steps.
pub(super) fn write(steps: &[Step], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["", "WHO", "DOES", "AND IT IS"]);
    for step in steps {
        table.row([if step.is_as_expected { "ok" } else { "WRONG" }, step.who, &step.what, &step.came]);
    }
    table.write(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: StatusCode, message: Value) -> Reply {
        Reply { status, text: message.to_string(), messages: vec![message] }
    }

    #[test]
    fn a_step_is_wrong_when_anything_else_comes_out() {
        let allowed = json!({ "result": { "content": [{ "text": "x" }] } });
        let shown = json!({ "card": "<CREDIT_CARD>", "email": "<EMAIL_ADDRESS>" });
        let customer = json!({ "result": { "content": [], "structuredContent": shown } });
        let denied = json!({ "result": { "content": [{ "text": "Refunds need finance" }], "isError": true } });
        let unknown = json!({ "error": { "code": -32602, "message": "unknown tool" } });
        let listed = json!({ "result": { "tools": [{ "name": "a" }, { "name": "b" }] } });
        let ok = StatusCode::OK;
        let is_right = |expected, status, message: &Value| {
            Step::new("x", "y", expected, &reply(status, message.clone()), "s3cret").is_as_expected()
        };
        let cases = [
            (Expected::Allowed, ok, &allowed),
            (Expected::Shown("<CREDIT_CARD>", "<EMAIL_ADDRESS>"), ok, &customer),
            (Expected::Denied("need finance"), ok, &denied),
            (Expected::UnknownTool, ok, &unknown),
            (Expected::Unauthenticated, StatusCode::UNAUTHORIZED, &Value::Null),
            (Expected::Listed(2, "c"), ok, &listed),
        ];
        for (place, (expected, ..)) in cases.iter().enumerate() {
            for (other, (_, status, message)) in cases.iter().enumerate() {
                let fits = place == other || (matches!(expected, Expected::Allowed) && [1, 5].contains(&other));
                assert_eq!(is_right(*expected, *status, message), fits, "{expected:?} {message}");
            }
        }
        assert!(!is_right(Expected::Denied("other words"), ok, &denied));
        assert!(!is_right(Expected::Listed(2, "a"), ok, &listed) && !is_right(Expected::Listed(3, "c"), ok, &listed));
        let refusal = json!({ "error": { "code": -32000, "message": "no policy permits" } });
        assert!(is_right(Expected::Refused("no policy"), StatusCode::FORBIDDEN, &refusal));
        assert!(!is_right(Expected::Refused("no policy"), ok, &refusal));
    }

    #[test]
    fn an_answer_with_the_secret_is_always_wrong() {
        let leak = json!({ "result": { "content": [{ "text": "Bearer s3cret" }] } });
        assert!(!Step::new("x", "y", Expected::Allowed, &reply(StatusCode::OK, leak), "s3cret").is_as_expected());
    }
}
