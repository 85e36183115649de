//! The demonstration's MCP server: a customer register (MCP 2025-03-26 to 2025-11-25, Streamable HTTP).
//!
//! Sessions by `Mcp-Session-Id`; answers in JSON, and `search_customers` as a stream with progress when the caller asks
//! for it. It offers no stream of its own (GET: 405) and takes no batches. Whoever does not send its secret is refused,
//! which shows that the gateway sends it and that callers need not know it.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::customers::{CUSTOMERS, Customer};
use super::server::{self, Running};

/// Where it answers.
pub(crate) const PATH: &str = "/mcp";
/// Revisions it speaks, the latest last.
const REVISIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];
/// The largest message, in bytes.
const MAX_MESSAGE: usize = 1 << 20;
/// The most sessions it remembers; further ones are refused.
const MAX_SESSIONS: usize = 10_000;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

// JSON-RPC 2.0 §5.1
const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;
const METHOD_NOT_FOUND: i64 = -32_601;
const INVALID_PARAMS: i64 = -32_602;

/// The register and who is connected to it.
#[derive(Debug)]
struct Crm {
    /// The whole `Authorization` header that is asked for.
    credential: String,
    customers: Mutex<BTreeMap<&'static str, Customer>>,
    sessions: Mutex<HashSet<String>>,
}

/// Starts the server on `address`, which must be on loopback; every request must bear `secret`.
pub(crate) async fn start(address: SocketAddr, secret: &str) -> anyhow::Result<Running> {
    let (listener, url) = server::bind(address).await?;
    let crm = Arc::new(Crm {
        credential: format!("Bearer {secret}"),
        customers: Mutex::new(CUSTOMERS.into_iter().map(|customer| (customer.id, customer)).collect()),
        sessions: Mutex::default(),
    });
    server::serve(listener, url, move |request| {
        let crm = Arc::clone(&crm);
        async move { crm.answer(request).await }
    })
}

impl Crm {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != PATH {
            return server::text(StatusCode::NOT_FOUND, "the register is at /mcp\n");
        }
        if !self.bears_secret(request.headers()) {
            return server::text(StatusCode::UNAUTHORIZED, "the register's secret is missing or wrong\n");
        }
        let (head, body) = request.into_parts();
        match head.method {
            Method::POST => match Limited::new(body, MAX_MESSAGE).collect().await {
                Ok(body) => self.post(&head.headers, &body.to_bytes()),
                Err(_) => server::text(StatusCode::PAYLOAD_TOO_LARGE, "the message is cut off or larger than 1 MiB\n"),
            },
            Method::DELETE => match self.session_of(&head.headers) {
                Ok(session) => {
                    self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
                    server::text(StatusCode::NO_CONTENT, "")
                }
                Err((status, why)) => server::text(status, why),
            },
            _ => server::text(StatusCode::METHOD_NOT_ALLOWED, "only POST and DELETE\n"),
        }
    }

    fn bears_secret(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        aws_lc_rs::constant_time::verify_slices_are_equal(given, self.credential.as_bytes()).is_ok()
    }

    /// The session a request belongs to, or the refusal (MCP 2025-11-25, "Session Management").
    fn session_of(&self, headers: &HeaderMap) -> Result<String, (StatusCode, &'static str)> {
        let version = headers.get(PROTOCOL_VERSION).map(HeaderValue::as_bytes);
        if version.is_some_and(|version| REVISIONS.iter().all(|known| known.as_bytes() != version)) {
            return Err((StatusCode::BAD_REQUEST, "this revision of MCP is not spoken here\n"));
        }
        let Some(session) = headers.get(SESSION_ID).and_then(|session| session.to_str().ok()) else {
            return Err((StatusCode::BAD_REQUEST, "Mcp-Session-Id is missing\n"));
        };
        if self.sessions.lock().unwrap_or_else(PoisonError::into_inner).contains(session) {
            Ok(session.to_owned())
        } else {
            Err((StatusCode::NOT_FOUND, "the session is unknown\n"))
        }
    }

    fn post(&self, headers: &HeaderMap, body: &[u8]) -> Response<Full<Bytes>> {
        let Ok(message) = serde_json::from_slice::<Value>(body) else {
            return server::json(StatusCode::BAD_REQUEST, &error(&Value::Null, PARSE_ERROR, "no JSON"));
        };
        let (Some("2.0"), Some(method)) =
            (message.get("jsonrpc").and_then(Value::as_str), message.get("method").and_then(Value::as_str))
        else {
            return server::json(StatusCode::BAD_REQUEST, &error(&Value::Null, INVALID_REQUEST, "no single request"));
        };
        let params = message.get("params").unwrap_or(&Value::Null);
        let id = message.get("id").filter(|id| id.is_string() || id.is_number());
        if let (Some(id), "initialize") = (id, method) {
            return self.initialize(id, params);
        }
        if let Err((status, why)) = self.session_of(headers) {
            return server::text(status, why);
        }
        let Some(id) = id else { return server::text(StatusCode::ACCEPTED, "") };
        let answer = match method {
            "ping" => result(id, &json!({})),
            "tools/list" => result(id, &json!({ "tools": tools() })),
            "tools/call" => self.call(id, params),
            _ => error(id, METHOD_NOT_FOUND, "there is no such method"),
        };
        let accepts_stream = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains("text/event-stream"));
        let token = params.pointer("/_meta/progressToken").filter(|_| accepts_stream);
        match (params.get("name").and_then(Value::as_str), token) {
            (Some("search_customers"), Some(token)) => stream(token, &answer),
            _ => server::json(StatusCode::OK, &answer),
        }
    }

    fn initialize(&self, id: &Value, params: &Value) -> Response<Full<Bytes>> {
        let mut bytes = [0; 16];
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= MAX_SESSIONS || aws_lc_rs::rand::fill(&mut bytes).is_err() {
            return server::text(StatusCode::SERVICE_UNAVAILABLE, "too many sessions\n");
        }
        let session = format!("{:032x}", u128::from_be_bytes(bytes));
        let Ok(header) = HeaderValue::from_str(&session) else {
            return server::text(StatusCode::INTERNAL_SERVER_ERROR, "no session id\n");
        };
        sessions.insert(session);
        let asked = params.get("protocolVersion").and_then(Value::as_str);
        let [.., latest] = REVISIONS;
        let revision = REVISIONS.into_iter().find(|known| Some(*known) == asked).unwrap_or(latest);
        let mut response = server::json(
            StatusCode::OK,
            &result(
                id,
                &json!({
                    "protocolVersion": revision,
                    "capabilities": { "tools": {} },
                    "serverInfo": { "name": "demo-crm", "version": env!("CARGO_PKG_VERSION") },
                    "instructions": "A register of made-up customers.",
                }),
            ),
        );
        response.headers_mut().insert(SESSION_ID, header);
        response
    }

    fn call(&self, id: &Value, params: &Value) -> Value {
        let none = Value::Null;
        let arguments = params.get("arguments").unwrap_or(&none);
        let text = |key: &str| arguments.get(key).and_then(Value::as_str);
        let mut customers = self.customers.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match params.get("name").and_then(Value::as_str) {
            Some("list_customers") => {
                Ok(json!({ "customers": customers.values().map(Customer::brief).collect::<Vec<_>>() }))
            }
            Some("get_customer") => text("id").and_then(|id| customers.get(id)).map(Customer::whole).ok_or(NO_CUSTOMER),
            Some("search_customers") => text("query").ok_or("`query` must be text").map(|query| {
                let query = query.to_lowercase();
                let matches = |customer: &&Customer| {
                    [customer.name, customer.email].iter().any(|field| field.to_lowercase().contains(&query))
                };
                json!({ "customers": customers.values().filter(matches).map(Customer::brief).collect::<Vec<_>>() })
            }),
            Some("refund") => match (text("id").and_then(|id| customers.get_mut(id)), arguments.get("amount")) {
                (None, _) => Err(NO_CUSTOMER),
                (Some(customer), amount) => match amount.and_then(Value::as_i64).filter(|amount| *amount > 0) {
                    None => Err("`amount` must be a whole number above 0"),
                    Some(amount) => {
                        customer.refunded = customer.refunded.saturating_add(amount);
                        Ok(json!({ "id": customer.id, "amount": amount, "refunded": customer.refunded }))
                    }
                },
            },
            Some("delete_customer") => text("id")
                .and_then(|id| customers.remove(id))
                .map(|customer| json!({ "deleted": customer.id }))
                .ok_or(NO_CUSTOMER),
            _ => return error(id, INVALID_PARAMS, "there is no such tool"),
        };
        match outcome {
            Ok(value) => {
                let content = json!([{ "type": "text", "text": value.to_string() }]);
                result(id, &json!({ "content": content, "structuredContent": value }))
            }
            Err(text) => result(id, &json!({ "content": [{ "type": "text", "text": text }], "isError": true })),
        }
    }
}

const NO_CUSTOMER: &str = "there is no customer with this id";

/// The tools. The policies in `policies/crm.cedar` are written for them.
pub(crate) fn tools() -> Value {
    let id = json!({ "type": "string", "description": "The customer's id, such as c-1001" });
    let schema = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let reads = json!({ "readOnlyHint": true, "openWorldHint": false });
    let changes = |destructive: bool| json!({ "readOnlyHint": false, "destructiveHint": destructive, "idempotentHint": false, "openWorldHint": false });
    json!([
        {
            "name": "list_customers",
            "description": "All customers with id, name and e-mail address",
            "inputSchema": schema(json!({}), &[]),
            "annotations": reads,
        },
        {
            "name": "get_customer",
            "description": "One customer with everything that is known",
            "inputSchema": schema(json!({ "id": id }), &["id"]),
            "annotations": reads,
        },
        {
            "name": "search_customers",
            "description": "Customers whose name or e-mail address contains a text",
            "inputSchema": schema(json!({ "query": { "type": "string" } }), &["query"]),
            "annotations": reads,
        },
        {
            "name": "refund",
            "description": "Pays an amount back to a customer's card",
            "inputSchema": schema(json!({ "id": id, "amount": { "type": "integer", "minimum": 1 } }), &["id", "amount"]),
            "annotations": changes(false),
        },
        {
            "name": "delete_customer",
            "description": "Removes a customer for good",
            "inputSchema": schema(json!({ "id": id }), &["id"]),
            "annotations": changes(true),
        },
    ])
}

fn result(id: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// Progress, then the answer, as server-sent events.
fn stream(token: &Value, answer: &Value) -> Response<Full<Bytes>> {
    let params = json!({ "progressToken": token, "progress": 1, "total": 2, "message": "searching" });
    let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
    let events = [&progress, answer].map(|message| format!("event: message\ndata: {message}\n\n")).concat();
    server::answer(StatusCode::OK, "text/event-stream", Bytes::from(events))
}

#[cfg(test)]
mod tests;
