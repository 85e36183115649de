//! One JSON-RPC 2.0 message as MCP 2025-03-26 to 2025-11-25 uses it ("Base Protocol", "Messages"), read strictly.
//!
//! A message is read once, here, and what is read is a place in the bytes that go on, so that no peer can read another
//! call out of them. Refused: batches (which 2025-03-26 alone has), another letter case of a key the protocol
//! knows, messages that are a request and a response at once, ids that are no string and no integer, and parameters
//! whose shape the method does not allow. An unknown method is no error here: it is [`Method::Unknown`].

mod error;
mod id;
mod method;
mod params;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use vidimus_core::Action;
use vidimus_core::json::{Document, Limits, Value};
use vidimus_core::operation::Arguments;

pub use self::error::{EnvelopeError, Problem, code};
pub use self::id::Id;
pub use self::method::{Class, Form, ListKind, Method, Sender};
pub(crate) use self::params::case_variant;
pub use self::params::{MAX_NAME_BYTES, MAX_URI_BYTES};

use self::error::Refusal;

/// The longest method name: more than twice the longest known one.
pub const MAX_METHOD_BYTES: usize = 128;
/// The longest error message a peer may send; longer ones are its logs, not its message.
pub const MAX_ERROR_MESSAGE_BYTES: usize = 64 << 10;

/// Keys of the envelope (JSON-RPC 2.0 §4, §5).
const ENVELOPE_KEYS: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];
/// Where the arguments of a call are.
const ARGUMENTS: &[&str] = &["params", "arguments"];

/// A message and the place of everything in it.
#[derive(Debug, Clone)]
pub struct Message {
    document: Arc<Document>,
    kind: MessageKind,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    /// It wants an answer.
    Request {
        /// To be answered with, byte for byte.
        id: Id,
        /// What it asks for.
        method: Method,
    },
    /// It wants none.
    Notification {
        /// What it tells of.
        method: Method,
    },
    /// It answers.
    Response {
        /// The request's; none when an error answers something whose id could not be read.
        id: Option<Id>,
        /// An `error` and not a `result`.
        is_error: bool,
    },
}

impl Message {
    /// Reads one message. A batch is refused.
    pub fn parse(bytes: Bytes, sender: Sender, limits: &Limits) -> Result<Self, EnvelopeError> {
        let document = Document::parse(bytes, limits).map_err(|error| Refusal::from(Problem::Json(error)))?;
        Ok(Self::read(Arc::new(document), sender)?)
    }

    fn read(document: Arc<Document>, sender: Sender) -> Result<Self, Refusal> {
        let kind = read_kind(document.root(), sender)?;
        Ok(Self { document, kind })
    }

    /// The bytes as they were received.
    pub fn bytes(&self) -> &Bytes {
        self.document.bytes()
    }

    /// The parsed bytes.
    pub fn document(&self) -> &Arc<Document> {
        &self.document
    }

    /// What it is.
    pub fn kind(&self) -> &MessageKind {
        &self.kind
    }

    /// The id of a request or a response.
    pub fn id(&self) -> Option<&Id> {
        match &self.kind {
            MessageKind::Request { id, .. } => Some(id),
            MessageKind::Response { id, .. } => id.as_ref(),
            MessageKind::Notification { .. } => None,
        }
    }

    /// The method of a request or a notification.
    pub fn method(&self) -> Option<Method> {
        match &self.kind {
            MessageKind::Request { method, .. } | MessageKind::Notification { method } => Some(*method),
            MessageKind::Response { .. } => None,
        }
    }

    /// The method as it was sent, for records and refusals; empty for a response.
    pub fn method_name(&self) -> Cow<'_, str> {
        self.root().get("method").and_then(|value| value.as_str()).unwrap_or_default()
    }

    /// The parameters, which are an object.
    pub fn params(&self) -> Option<Value<'_>> {
        self.root().get("params")
    }

    /// What the message wants to do, as policy sees it: a request or notification of a known method of the client.
    pub fn action(&self) -> Option<Action> {
        let owned = |text: Option<Cow<'_, str>>| text.map(|text| Arc::from(&*text));
        match self.method()? {
            Method::CallTool => owned(self.tool_name()).map(Action::ToolCall),
            Method::ReadResource => owned(self.uri()).map(Action::ResourceRead),
            Method::GetPrompt => owned(self.prompt_name()).map(Action::PromptGet),
            Method::Unknown => None,
            _ => owned(Some(self.method_name())).map(Action::Method),
        }
    }

    /// The tool of a `tools/call`.
    pub fn tool_name(&self) -> Option<Cow<'_, str>> {
        self.param_of(Method::CallTool, "name")
    }

    /// The prompt of a `prompts/get`.
    pub fn prompt_name(&self) -> Option<Cow<'_, str>> {
        self.param_of(Method::GetPrompt, "name")
    }

    /// The URI of a `resources/read`, `resources/subscribe` or `resources/unsubscribe`.
    pub fn uri(&self) -> Option<Cow<'_, str>> {
        [Method::ReadResource, Method::Subscribe, Method::Unsubscribe]
            .into_iter()
            .find_map(|method| self.param_of(method, "uri"))
    }

    /// The arguments of a `tools/call` or `prompts/get`, when it has some. They are an object.
    pub fn arguments(&self) -> Option<Value<'_>> {
        matches!(self.method(), Some(Method::CallTool | Method::GetPrompt)).then(|| self.root().at(ARGUMENTS)).flatten()
    }

    /// The arguments as an [`Operation`](vidimus_core::Operation) carries them.
    pub fn operation_arguments(&self) -> Option<Arguments> {
        self.arguments().map(|_| Arguments { document: Arc::clone(&self.document), path: ARGUMENTS })
    }

    /// The request a `notifications/cancelled` wants to end.
    pub fn cancelled_request(&self) -> Option<Id> {
        let params = (self.method() == Some(Method::Cancelled)).then(|| self.params()).flatten()?;
        Id::read(params.get("requestId")?)
    }

    /// The task of a request or notification about one.
    pub fn task_id(&self) -> Option<Cow<'_, str>> {
        [Method::CancelTask, Method::GetTask, Method::TaskStatus, Method::UpdateTask]
            .into_iter()
            .find_map(|method| self.param_of(method, "taskId"))
    }

    /// The state that the client was to bring back.
    pub fn request_state(&self) -> Option<Value<'_>> {
        self.params()?.get("requestState")
    }

    /// `params._meta.traceparent`, when it has the form of W3C Trace Context (§3.2.2).
    pub fn traceparent(&self) -> Option<String> {
        let text = self.params()?.at(&["_meta", "traceparent"])?.as_str()?;
        is_traceparent(&text).then(|| text.into_owned())
    }

    /// The result of a response that is no error.
    pub fn result(&self) -> Option<Value<'_>> {
        self.root().get("result")
    }

    /// Whether it answers what a result asked for (MCP 2026-07-28, "Multi Round-Trip Requests").
    pub fn is_continuation(&self) -> bool {
        self.params().is_some_and(|params| params.get("inputResponses").or(params.get("requestState")).is_some())
    }

    /// The code and message of an error.
    pub fn error(&self) -> Option<(&str, Cow<'_, str>)> {
        let error = self.root().get("error")?;
        Some((error.get("code")?.as_number()?, error.get("message")?.as_str()?))
    }

    /// What an error says beside its code and message.
    pub fn error_data(&self) -> Option<Value<'_>> {
        self.root().at(&["error", "data"])
    }

    fn root(&self) -> Value<'_> {
        self.document.root()
    }

    fn param_of(&self, method: Method, key: &str) -> Option<Cow<'_, str>> {
        (self.method() == Some(method)).then(|| self.params()?.get(key)?.as_str()).flatten()
    }
}

fn read_kind(root: Value<'_>, sender: Sender) -> Result<MessageKind, Refusal> {
    if root.is_array() {
        return Err(Problem::Batch.into());
    }
    if !root.is_object() {
        return Err(Problem::NotAnObject.into());
    }
    params::refuse_case_variants(root, ENVELOPE_KEYS)?;
    if !root.get("jsonrpc").is_some_and(|version| version.is_string("2.0")) {
        return Err(Problem::Version.into());
    }
    let id = root.get("id");
    match (root.get("method"), root.get("result"), root.get("error")) {
        (Some(method), None, None) => {
            let id = id.map(|id| Id::read(id).ok_or(Problem::BadId)).transpose()?;
            // From here on a refusal can name the request it answers.
            let form = if id.is_some() { Form::Request } else { Form::Notification };
            let known = method.as_str().map(|name| Method::classify(sender, form, &name));
            read_call(root, sender, method, id.clone()).map_err(|problem| Refusal { problem, id, method: known })
        }
        (None, Some(result), None) => {
            let id = Id::read(id.ok_or(Problem::BadId)?).ok_or(Problem::BadId)?;
            if root.get("params").is_some() || !result.is_object() {
                return Err(Problem::BadResponse.into());
            }
            Ok(MessageKind::Response { id: Some(id), is_error: false })
        }
        (None, None, Some(error)) => {
            // MCP 2025-11-25 lets the id of an error be absent; JSON-RPC 2.0 §5 says null.
            let id = match id {
                Some(id) if !id.is_null() => Some(Id::read(id).ok_or(Problem::BadId)?),
                _ => None,
            };
            if root.get("params").is_some() || !is_error_object(error) {
                return Err(Problem::BadResponse.into());
            }
            Ok(MessageKind::Response { id, is_error: true })
        }
        (None, None, None) => Err(Problem::Neither.into()),
        _ => Err(Problem::Mixed.into()),
    }
}

fn read_call(root: Value<'_>, sender: Sender, method: Value<'_>, id: Option<Id>) -> Result<MessageKind, Problem> {
    let name = method.as_str().ok_or(Problem::BadMethod)?;
    if name.is_empty() || name.len() > MAX_METHOD_BYTES || name.chars().any(char::is_control) {
        return Err(Problem::BadMethod);
    }
    let form = if id.is_some() { Form::Request } else { Form::Notification };
    let method = Method::classify(sender, form, &name);
    if method == Method::Unknown && Method::classify(sender, form.other(), &name) != Method::Unknown {
        return Err(match form {
            Form::Request => Problem::NotificationWithId,
            Form::Notification => Problem::RequestWithoutId,
        });
    }
    params::check(method, root.get("params"))?;
    Ok(match id {
        Some(id) => MessageKind::Request { id, method },
        None => MessageKind::Notification { method },
    })
}

/// JSON-RPC 2.0 §5.1: an integer `code` and a `message`.
fn is_error_object(error: Value<'_>) -> bool {
    let integer = |value: Value<'_>| value.as_number().is_some_and(|number| number.parse::<i64>().is_ok());
    let message = |value: Value<'_>| value.as_str().is_some_and(|text| text.len() <= MAX_ERROR_MESSAGE_BYTES);
    error.get("code").is_some_and(integer) && error.get("message").is_some_and(message)
}

/// W3C Trace Context §3.2.2, version 00: `00-<32 hex>-<16 hex>-<2 hex>`, lower case, ids not all zero.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    match text.split('-').collect::<Vec<_>>().as_slice() {
        ["00", trace, parent, flags] => {
            hex(trace, 32) && !zero(trace) && hex(parent, 16) && !zero(parent) && hex(flags, 2)
        }
        _ => false,
    }
}
