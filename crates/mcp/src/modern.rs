//! The modern era (MCP 2026-07-28): every request names its revision, its client and its capabilities, and its headers
//! repeat what its body says.
//!
//! A request is of this era when its `_meta` names a revision, or when its header names one that no session has. Headers
//! and body must agree ("Streamable HTTP: Server Validation"): whoever routes by the one and whoever acts by the other
//! see the same call. The headers for the target are written anew from the body; `Mcp-Param-*` that the tool's
//! definition does not name are passed on as they are, and never trusted.

pub mod mirror;
pub(crate) mod results;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;
use vidimus_core::ErrorKind;
use vidimus_core::canonical::write_string;
use vidimus_core::json::{
    Document, Kind, Limits, Replacement, SpliceError, Value, same_ignoring_case, splice, without_members,
};

use crate::envelope::{Id, Message, Method, code};
use crate::headers::{PROTOCOL_VERSION, SESSION_ID, only};
use crate::initialize::{Implementation, Revision, implementation};
use crate::reply;

/// Below it every integer is a float of its own.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The revision of this era that the gateway speaks.
pub const REVISION: &str = "2026-07-28";
/// The keys of `_meta` that every request has ("Base Protocol: `_meta`").
pub const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can do.
pub const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// Who the client says it is.
pub const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";

/// The header that repeats the method.
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The header that repeats the tool, prompt, resource or task.
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Headers that repeat arguments begin so.
const PARAM_PREFIX: &str = "mcp-param-";
/// The key of an argument's schema that names its header.
const HEADER_KEY: &str = "x-mcp-header";
/// What stands around a value in Base64 ("Value Encoding").
const SENTINEL: (&str, &str) = ("=?base64?", "?=");
/// Levels of `properties` in a schema that are looked through for headers.
const MAX_SCHEMA_DEPTH: usize = 16;

/// Why a request is none of this era.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModernError {
    /// A key of `_meta` is missing or not what it must be.
    #[error("_meta must hold {0}")]
    Metadata(&'static str),
    /// A header is missing, malformed, or says something else than the body.
    #[error("the header {0} is missing or malformed, or is not what the body says")]
    Header(String),
    /// Another revision.
    #[error("this protocol version is not supported; send one of those that are")]
    Version,
}

impl ModernError {
    /// The sender's fault.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Malformed
    }

    /// The JSON-RPC code to answer with.
    pub const fn code(&self) -> i32 {
        match self {
            Self::Metadata(_) => code::INVALID_PARAMS,
            Self::Header(_) => code::HEADER_MISMATCH,
            Self::Version => code::UNSUPPORTED_VERSION,
        }
    }

    /// The rule as a label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Metadata(_) => "metadata",
            Self::Header(_) => "header_mismatch",
            Self::Version => "protocol_version",
        }
    }

    /// What the sender may read.
    pub fn public_message(&self) -> String {
        self.to_string()
    }
}

/// Whether a message is of this era.
pub fn is_modern(headers: &HeaderMap, message: &Message) -> bool {
    meta(message, VERSION_KEY).is_some()
        || (message.method() != Some(Method::Initialize)
            && !headers.contains_key(&SESSION_ID)
            && headers.get(&PROTOCOL_VERSION).is_some_and(|version| !is_legacy(version)))
}

/// Whether an error refuses the revision of a request and names this one among those that are spoken: the request may be
/// sent again ("Versioning: Protocol Version Negotiation").
pub fn is_spoken(refusal: &Message) -> bool {
    let is_about_it = refusal.error().is_some_and(|(code, _)| code.parse() == Ok(code::UNSUPPORTED_VERSION));
    is_about_it && refusal.error_data().is_some_and(|data| has_revision(data.get("supported")))
}

/// Whether the result of `server/discover` offers this revision ("Discovery").
pub fn is_offered(discovered: &Message) -> bool {
    discovered.result().is_some_and(|result| has_revision(result.get("supportedVersions")))
}

fn has_revision(list: Option<Value<'_>>) -> bool {
    list.is_some_and(|list| list.elements().any(|one| one.as_str().as_deref() == Some(REVISION)))
}

/// Whether a request without a body is of this era, which has none.
pub fn names_revision(headers: &HeaderMap) -> bool {
    headers.get(&PROTOCOL_VERSION).is_some_and(|version| version.as_bytes() == REVISION.as_bytes())
}

fn is_legacy(version: &HeaderValue) -> bool {
    version.to_str().is_ok_and(|version| Revision::parse(version.trim()).is_some())
}

/// Checks metadata and headers; who the client says it is.
pub fn check(headers: &HeaderMap, message: &Message) -> Result<Implementation, ModernError> {
    let version = meta(message, VERSION_KEY).and_then(|version| version.as_str());
    let version = version.ok_or(ModernError::Metadata(VERSION_KEY))?;
    equal(headers, &PROTOCOL_VERSION, Some(&version))?;
    if version != REVISION {
        return Err(ModernError::Version);
    }
    if !meta(message, CAPABILITIES_KEY).is_some_and(|capabilities| capabilities.is_object()) {
        return Err(ModernError::Metadata(CAPABILITIES_KEY));
    }
    let client = meta(message, CLIENT_KEY);
    if client.is_some_and(|client| !client.is_object()) {
        return Err(ModernError::Metadata(CLIENT_KEY));
    }
    equal(headers, &METHOD, Some(&message.method_name()))?;
    match name(message) {
        Some(_) if message.task_id().is_some() && !headers.contains_key(&NAME) => {}
        Some(name) => equal(headers, &NAME, Some(&name))?,
        None => {}
    }
    Ok(implementation(client))
}

/// Checks the headers that repeat arguments against the tool's definition.
pub fn check_arguments(headers: &HeaderMap, message: &Message, schema: &Bytes) -> Result<(), ModernError> {
    if memmem::find(schema, HEADER_KEY.as_bytes()).is_none() {
        return Ok(());
    }
    // A schema that was read once is read again within the limits it was read under.
    let Ok(schema) = Document::parse(schema.clone(), &Limits::default()) else { return Ok(()) };
    check_level(headers, schema.root(), message.arguments(), MAX_SCHEMA_DEPTH)
}

fn check_level(
    headers: &HeaderMap,
    schema: Value<'_>,
    arguments: Option<Value<'_>>,
    depth: usize,
) -> Result<(), ModernError> {
    let Some(properties) = schema.get("properties").filter(|_| depth > 0) else { return Ok(()) };
    for (key, property) in properties.members() {
        let argument = arguments.and_then(|arguments| arguments.get(&key)).filter(|argument| !argument.is_null());
        if let Some(name) = property.get(HEADER_KEY).and_then(|name| name.as_str()) {
            let name = format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase());
            let mismatch = || ModernError::Header(name.clone());
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| mismatch())?;
            let sent = only(headers, &header).map_err(|()| mismatch())?;
            let sent = sent.map(|sent| decoded(sent).ok_or_else(mismatch)).transpose()?;
            let agree = match (&sent, argument) {
                (None, None) => true,
                (Some(sent), Some(argument)) => is_same(sent, argument),
                _ => false,
            };
            if !agree {
                return Err(mismatch());
            }
        }
        check_level(headers, property, argument, depth - 1)?;
    }
    Ok(())
}

/// The headers of a call whose arguments are others now: those that repeat arguments are made anew.
pub(crate) fn head_of_arguments(mut head: HeaderMap, message: &Bytes, schema: &Bytes) -> HeaderMap {
    let repeated: Vec<HeaderName> =
        head.keys().filter(|name| name.as_str().starts_with(PARAM_PREFIX)).cloned().collect();
    for name in repeated {
        head.remove(name);
    }
    let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
    if let (Ok(message), Ok(schema)) =
        (Document::parse(message.clone(), &limits), Document::parse(schema.clone(), &Limits::default()))
    {
        write_level(&mut head, schema.root(), message.root().at(&["params", "arguments"]), MAX_SCHEMA_DEPTH);
    }
    head
}

/// Whether a tool has headers repeat its arguments.
pub(crate) fn repeats_arguments(schema: &[u8]) -> bool {
    memmem::find(schema, HEADER_KEY.as_bytes()).is_some()
}

/// The headers that repeat arguments, for a client of another era, which knows nothing of them.
pub(crate) fn argument_headers(message: &Message, schema: &Bytes) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if memmem::find(schema, HEADER_KEY.as_bytes()).is_some()
        && let Ok(schema) = Document::parse(schema.clone(), &Limits::default())
    {
        write_level(&mut headers, schema.root(), message.arguments(), MAX_SCHEMA_DEPTH);
    }
    headers
}

fn write_level(headers: &mut HeaderMap, schema: Value<'_>, arguments: Option<Value<'_>>, depth: usize) {
    let Some(properties) = schema.get("properties").filter(|_| depth > 0) else { return };
    for (key, property) in properties.members() {
        let argument = arguments.and_then(|arguments| arguments.get(&key));
        let name = property.get(HEADER_KEY).and_then(|name| name.as_str());
        let text = argument.and_then(|argument| match argument.kind() {
            Kind::String => argument.as_str(),
            Kind::Number | Kind::Bool => Some(Cow::Borrowed(argument.raw())),
            Kind::Null | Kind::Array | Kind::Object => None,
        });
        let header = name.and_then(|name| {
            HeaderName::from_bytes(format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase()).as_bytes()).ok()
        });
        if let Some((header, text)) = header.zip(text) {
            headers.insert(header, encoded(&text));
        }
        write_level(headers, property, argument, depth - 1);
    }
}

/// Whether a header says what an argument is: numbers by their value, where a float is exact.
fn is_same(sent: &str, argument: Value<'_>) -> bool {
    match argument.kind() {
        Kind::String => argument.is_string(sent),
        Kind::Number => {
            let own = argument.raw();
            // As floats, numbers beyond 2^53 would be equal to their neighbours.
            let exact = |number: &str| number.parse::<f64>().ok().filter(|number| number.abs() < MAX_EXACT);
            sent == own || exact(sent).is_some_and(|sent| exact(own).is_some_and(|own| sent.total_cmp(&own).is_eq()))
        }
        Kind::Bool => sent == argument.raw(),
        Kind::Null | Kind::Array | Kind::Object => false,
    }
}

/// What identifies the thing a request is about: a tool, a prompt, a resource, a task.
pub fn name(message: &Message) -> Option<Cow<'_, str>> {
    match message.method()? {
        Method::ReadResource => message.uri(),
        Method::CallTool => message.tool_name(),
        Method::GetPrompt => message.prompt_name(),
        _ => message.task_id(),
    }
}

/// The headers for the target, besides those every message has.
pub fn head(message: &Message, received: &HeaderMap) -> HeaderMap {
    let mut head = HeaderMap::new();
    head.insert(PROTOCOL_VERSION, HeaderValue::from_static(REVISION));
    head.insert(METHOD, encoded(&message.method_name()));
    if let Some(name) = name(message) {
        head.insert(NAME, encoded(&name));
    }
    for (name, value) in received {
        if name.as_str().starts_with(PARAM_PREFIX) {
            head.append(name.clone(), value.clone());
        }
    }
    head
}

/// The headers of a request whose tool or prompt has another name now.
pub(crate) fn renamed(received: &HeaderMap, message: &Message) -> HeaderMap {
    let mut headers = received.clone();
    if let Some(name) = name(message).filter(|_| headers.contains_key(&NAME)) {
        headers.insert(NAME, encoded(&name));
    }
    headers
}

/// The request for the target: without capabilities that are `withheld`, and with what it gave before and the client
/// carried sealed.
pub fn wire(message: &Message, withheld: &[&str], carried: Vec<Replacement>) -> Result<Bytes, SpliceError> {
    let mut replacements = match meta(message, CAPABILITIES_KEY) {
        Some(capabilities) => {
            without_members(capabilities, |key| withheld.iter().any(|withheld| same_ignoring_case(key, withheld)))
        }
        None => Vec::new(),
    };
    replacements.extend(carried);
    replacements.sort_by_key(|replacement| replacement.span.start);
    splice(message.bytes(), &replacements)
}

/// A request of the gateway's own.
pub fn request(id: &Id, method: &str, cursor: Option<&str>, gateway: &Implementation) -> Bytes {
    let mut params = format!(r#"{{"_meta":{{"{VERSION_KEY}":"{REVISION}","{CLIENT_KEY}":{{"name":"#).into_bytes();
    write_string(&mut params, &gateway.name);
    params.extend_from_slice(br#","version":"#);
    write_string(&mut params, &gateway.version);
    params
        .extend_from_slice(format!(r#"}},"{CAPABILITIES_KEY}":{}}}"#, crate::initialize::OWN_CAPABILITIES).as_bytes());
    if let Some(cursor) = cursor {
        params.extend_from_slice(br#","cursor":"#);
        write_string(&mut params, cursor);
    }
    params.push(b'}');
    reply::request(id, method, &params)
}

/// The revision that a request names.
pub fn requested_version(message: &Message) -> Cow<'_, str> {
    meta(message, VERSION_KEY).and_then(|version| version.as_str()).unwrap_or_default()
}

fn meta<'a>(message: &'a Message, key: &str) -> Option<Value<'a>> {
    message.params()?.get("_meta")?.get(key)
}

/// Checks that a header is there once and says this.
fn equal(headers: &HeaderMap, header: &HeaderName, body: Option<&str>) -> Result<(), ModernError> {
    let mismatch = || ModernError::Header(header.to_string());
    let sent = only(headers, header).map_err(|()| mismatch())?.ok_or_else(mismatch)?;
    let sent = if *header == NAME { decoded(sent).ok_or_else(mismatch)? } else { sent.to_owned() };
    if Some(&*sent) == body { Ok(()) } else { Err(mismatch()) }
}

/// A value as a header carries it ("Value Encoding").
fn encoded(value: &str) -> HeaderValue {
    let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && value.trim_matches([' ', '\t']).len() == value.len()
        && !(value.starts_with(SENTINEL.0) && value.ends_with(SENTINEL.1));
    let text = if is_plain {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(format!("{}{}{}", SENTINEL.0, STANDARD.encode(value), SENTINEL.1))
    };
    // Visible ASCII in either case, so the value is always one.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The value that a header carries; `None` when it is no such value.
fn decoded(sent: &str) -> Option<String> {
    match sent.strip_prefix(SENTINEL.0).and_then(|rest| rest.strip_suffix(SENTINEL.1)) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None => Some(sent.to_owned()),
    }
}
