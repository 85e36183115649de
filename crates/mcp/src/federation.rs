//! One endpoint for all targets, in messages: what of them says which target they are of, and what makes one answer of
//! several (MCP 2025-11-25 and 2026-07-28, "Tools", "Prompts", "Resources", "Pagination").
//!
//! A tool or prompt is called by its target's name, `_` and its own. No target's name has `_`, so each name is read in one
//! way. What a target asks of the client bears an id that names the target. URIs stay as they are. Refused: names that
//! are longer than clients take, and answers that are no lists.

mod bridge;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use vidimus_core::TargetName;
use vidimus_core::canonical::write_string;
use vidimus_core::json::{Document, Limits, Replacement, SpliceError, Value, splice};

pub(crate) use self::bridge::{Introduction, completed, to_legacy, to_modern};

use crate::envelope::{Id, ListKind, Message, Method};
use crate::tools::{About, CAPABILITIES};
use crate::{changed, reply};

/// Stands between the name of a target and the name of what is its own.
const SEPARATOR: char = '_';

/// The longest name of a tool (MCP 2025-11-25, "Tool Names"), target included.
const MAX_NAME_CHARACTERS: usize = 128;

/// Stands between the name of a target and the id of a request that is its own.
const BEFORE_ID: char = ' ';

/// The key of `_meta` that names targets that do not answer now.
pub(crate) const UNAVAILABLE_KEY: &str = "vidimus/unavailable";

/// The key of `_meta` that names what another target lists too.
const SHADOWED_KEY: &str = "vidimus/shadowed";

/// How many of those are named.
const MAX_SHADOWED: usize = 32;

/// How long clients of the modern era may keep a list, in milliseconds; when a target is missing from it, not at all.
const TTL_MILLISECONDS: u32 = 60_000;

/// What a tool or prompt of a target is called here; none when that is too long.
pub(crate) fn named(target: &TargetName, own: &str) -> Option<String> {
    let name = format!("{target}{SEPARATOR}{own}");
    (name.chars().count() <= MAX_NAME_CHARACTERS).then_some(name)
}

/// The target that a name is of, and what it is called there.
pub(crate) fn split(name: &str) -> Option<(TargetName, &str)> {
    let (target, own) = name.split_once(SEPARATOR)?;
    Some((target.parse().ok()?, own)).filter(|_| !own.is_empty())
}

/// The place of the name of a tool or prompt in a request, and the name.
pub(crate) fn name_in(message: &Message) -> Option<(Range<usize>, Cow<'_, str>)> {
    let params = message.params()?;
    let name = match message.method()? {
        Method::CallTool | Method::GetPrompt => params.get("name"),
        Method::Complete => params.at(&["ref", "name"]),
        _ => None,
    }?;
    Some((name.span(), name.as_str()?))
}

/// The URI that a request is about, a template in a completion.
pub(crate) fn uri_in(message: &Message) -> Option<Cow<'_, str>> {
    match message.method()? {
        Method::Complete => message.params()?.at(&["ref", "uri"])?.as_str(),
        _ => message.uri(),
    }
}

/// A message under another id; a notification as it is.
pub(crate) fn with_id(message: &Message, id: &Id) -> Result<Bytes, SpliceError> {
    let span = message.document().root().get("id").map(|own| own.span());
    let with = Bytes::copy_from_slice(id.lexeme().as_bytes());
    splice(message.bytes(), span.map(|span| Replacement { span, with }).as_slice())
}

/// Gives what the elements of a page are decided by to `each`.
pub(crate) fn identities(page: &Bytes, kind: ListKind, mut each: impl FnMut(&str)) {
    let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
    let Ok(document) = Document::parse(page.clone(), &limits) else { return };
    let list = document.root().at(&["result", kind.key()]);
    for identity in list.iter().flat_map(Value::elements).filter_map(|element| element.get(kind.identity())) {
        if let Some(identity) = identity.as_str() {
            each(&identity);
        }
    }
}

/// What puts a text into a place.
pub(crate) fn put(span: Range<usize>, text: &str) -> Replacement {
    let mut with = Vec::new();
    write_string(&mut with, text);
    Replacement { span, with: with.into() }
}

/// A request or notice of a target with the ids in it that its client sees: of the request itself, or of the one that is
/// taken back.
pub(crate) fn outwards(target: &TargetName, message: &Message) -> Result<Bytes, SpliceError> {
    let root = message.document().root();
    let id = match message.method() {
        Some(Method::Cancelled) => message.params().and_then(|params| params.get("requestId")),
        _ => root.get("id"),
    };
    let Some(id) = id else { return Ok(message.bytes().clone()) };
    splice(message.bytes(), &[put(id.span(), &format!("{target}{BEFORE_ID}{}", id.raw()))])
}

/// The target that an answer of the client is for, and the answer with the target's own id.
pub(crate) fn inwards(answer: &Message) -> Option<(TargetName, Bytes)> {
    let id = answer.document().root().get("id")?;
    let text = id.as_str()?;
    let (target, own) = text.split_once(BEFORE_ID)?;
    let target = target.parse().ok()?;
    let with = Bytes::copy_from_slice(own.as_bytes());
    let document = Document::parse(with.clone(), &Limits::default()).ok()?;
    Id::read(document.root()).filter(|id| id.lexeme() == own)?;
    Some((target, splice(answer.bytes(), &[Replacement { span: id.span(), with }]).ok()?))
}

/// The pages of one list, target by target.
#[derive(Debug)]
pub(crate) struct Merged {
    kind: ListKind,
    elements: Vec<u8>,
    count: usize,
    /// Where each target's list goes on.
    pub(crate) next: Vec<(TargetName, String)>,
    unavailable: Vec<TargetName>,
    shadowed: Vec<(TargetName, String)>,
    too_long: usize,
}

impl Merged {
    pub(crate) fn new(kind: ListKind) -> Self {
        let (elements, next, unavailable, shadowed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { kind, elements, count: 0, next, unavailable, shadowed, too_long: 0 }
    }

    /// A target does not answer.
    pub(crate) fn lacks(&mut self, target: &TargetName) {
        self.unavailable.push(target.clone());
    }

    /// Elements whose name would be too long.
    pub(crate) const fn too_long(&self) -> usize {
        self.too_long
    }

    /// Adds a target's page as it may be shown; `is_shadowed` says of a URI that a target before it has it.
    pub(crate) fn add(
        &mut self,
        target: &TargetName,
        page: &Bytes,
        is_shadowed: impl Fn(&str) -> bool,
    ) -> Result<(), NoPage> {
        let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
        let document = Document::parse(page.clone(), &limits).map_err(|_| NoPage)?;
        let result = document.root().get("result").ok_or(NoPage)?;
        let list = result.get(self.kind.key()).filter(Value::is_array).ok_or(NoPage)?;
        for element in list.elements() {
            let identity = element.get(self.kind.identity()).ok_or(NoPage)?;
            let own = identity.as_str().ok_or(NoPage)?;
            match self.kind {
                ListKind::Tools | ListKind::Prompts => match named(target, &own) {
                    Some(name) => self.push(element, Some((identity.span(), &name)))?,
                    None => self.too_long += 1,
                },
                ListKind::Resources | ListKind::ResourceTemplates if is_shadowed(&own) => {
                    if self.shadowed.len() < MAX_SHADOWED {
                        self.shadowed.push((target.clone(), own.into_owned()));
                    }
                }
                ListKind::Resources | ListKind::ResourceTemplates => self.push(element, None)?,
            }
        }
        if let Some(next) = result.get("nextCursor").and_then(|cursor| cursor.as_str()) {
            self.next.push((target.clone(), next.into_owned()));
        }
        Ok(())
    }

    fn push(&mut self, element: Value<'_>, name: Option<(Range<usize>, &str)>) -> Result<(), NoPage> {
        if self.count > 0 {
            self.elements.push(b',');
        }
        self.count += 1;
        let (raw, from) = (element.raw(), element.span().start);
        match name {
            None => self.elements.extend_from_slice(raw.as_bytes()),
            Some((span, name)) => {
                let before = raw.get(..span.start.saturating_sub(from)).ok_or(NoPage)?;
                let after = raw.get(span.end.saturating_sub(from)..).ok_or(NoPage)?;
                self.elements.extend_from_slice(before.as_bytes());
                write_string(&mut self.elements, name);
                self.elements.extend_from_slice(after.as_bytes());
            }
        }
        Ok(())
    }

    /// The answer; `cursor` is where it goes on.
    pub(crate) fn into_answer(self, id: &Id, cursor: Option<&str>, is_modern: bool) -> Bytes {
        let mut out = begun(id);
        if is_modern {
            let ttl = if self.unavailable.is_empty() { TTL_MILLISECONDS } else { 0 };
            out.extend_from_slice(modern_members(ttl).as_bytes());
        }
        write_meta(&mut out, |out| {
            let mut comma = b"".as_slice();
            if !self.unavailable.is_empty() {
                write_key(out, UNAVAILABLE_KEY);
                write_array(out, &self.unavailable, |out, target| write_string(out, target.as_str()));
                comma = b",";
            }
            if !self.shadowed.is_empty() {
                out.extend_from_slice(comma);
                write_key(out, SHADOWED_KEY);
                write_array(out, &self.shadowed, |out, (target, uri)| {
                    out.extend_from_slice(br#"{"target":"#);
                    write_string(out, target.as_str());
                    out.extend_from_slice(br#","uri":"#);
                    write_string(out, uri);
                    out.push(b'}');
                });
            }
        });
        if let Some(cursor) = cursor {
            write_key(&mut out, "nextCursor");
            write_string(&mut out, cursor);
            out.push(b',');
        }
        write_key(&mut out, self.kind.key());
        out.push(b'[');
        out.extend_from_slice(&self.elements);
        out.extend_from_slice(b"]}}");
        out.into()
    }
}

/// What is no page of a list.
#[derive(Debug, thiserror::Error)]
#[error("it is no page of a list")]
pub(crate) struct NoPage;

/// What the endpoint says of itself: what its targets say of themselves, together.
#[derive(Debug)]
pub(crate) struct Welcome {
    capabilities: Vec<&'static str>,
    instructions: String,
    unavailable: Vec<TargetName>,
}

impl Welcome {
    /// Of the targets that the caller may use: what each says of itself, if that is known, and whether it is down.
    pub(crate) fn of<'a>(targets: impl Iterator<Item = (&'a TargetName, Option<&'a About>, bool)>) -> Self {
        let mut welcome = Self { capabilities: Vec::new(), instructions: String::new(), unavailable: Vec::new() };
        let mut further = String::new();
        for (target, about, is_down) in targets {
            // One that nobody knows may have anything, and a session is told only once.
            let own = about.map_or(&CAPABILITIES[..], |about| &about.capabilities);
            welcome.capabilities.extend_from_slice(own);
            if let Some(instructions) = about.and_then(|about| about.instructions.as_deref()) {
                further.extend(["\n\n# ", target.as_str(), "\n"]);
                further.extend(instructions.split(is_line_end).flat_map(|line| ["\n> ", line]));
            }
            if is_down {
                welcome.unavailable.push(target.clone());
            }
        }
        welcome.capabilities.sort_unstable();
        welcome.capabilities.dedup();
        welcome.instructions.push_str(
            "Several servers are behind this endpoint. The names of tools and prompts begin with the name of their server \
             and `_`. What a server says of itself is quoted below its name.",
        );
        if !welcome.unavailable.is_empty() {
            let names: Vec<_> = welcome.unavailable.iter().map(TargetName::as_str).collect();
            welcome.instructions.extend([" These do not answer now: ", &names.join(", "), "."]);
        }
        welcome.instructions.push_str(&further);
        welcome
    }

    /// The answer to `initialize`.
    pub(crate) fn initialized(&self, id: &Id, revision: &str) -> Bytes {
        let mut out = begun(id);
        write_key(&mut out, "protocolVersion");
        write_string(&mut out, revision);
        out.extend_from_slice(br#","serverInfo":"#);
        write_self(&mut out);
        out.push(b',');
        self.end(out, false)
    }

    /// The answer to `server/discover`.
    pub(crate) fn discovered(&self, id: &Id, revision: &str) -> Bytes {
        let mut out = begun(id);
        out.extend_from_slice(
            modern_members(if self.unavailable.is_empty() { TTL_MILLISECONDS } else { 0 }).as_bytes(),
        );
        write_key(&mut out, "supportedVersions");
        write_array(&mut out, &[revision], |out, revision| write_string(out, revision));
        out.push(b',');
        self.end(out, true)
    }

    fn end(&self, mut out: Vec<u8>, is_modern: bool) -> Bytes {
        write_meta(&mut out, |out| {
            let mut comma = b"".as_slice();
            if is_modern {
                write_key(out, "io.modelcontextprotocol/serverInfo");
                write_self(out);
                comma = b",";
            }
            if !self.unavailable.is_empty() {
                out.extend_from_slice(comma);
                write_key(out, UNAVAILABLE_KEY);
                write_array(out, &self.unavailable, |out, target| write_string(out, target.as_str()));
            }
        });
        out.extend_from_slice(br#""capabilities":{"#);
        let mut comma = "";
        for capability in &self.capabilities {
            let members = match *capability {
                "prompts" | "tools" => r#""listChanged":true"#,
                "resources" => r#""listChanged":true,"subscribe":true"#,
                _ => "",
            };
            out.extend_from_slice(format!(r#"{comma}"{capability}":{{{members}}}"#).as_bytes());
            comma = ",";
        }
        out.extend_from_slice(br#"},"instructions":"#);
        write_string(&mut out, &self.instructions);
        out.extend_from_slice(b"}}");
        out.into()
    }
}

/// What ends a line for some reader (Unicode Standard section 5.8): no server's text gets out of its quotation by it.
const fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The acknowledgement of a subscription: the lists that it asks for, and what else is `honoured`.
pub(crate) fn acknowledged(request: &Message, honoured: &[(&str, Vec<String>)]) -> Bytes {
    let mut out =
        br#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"#.to_vec();
    write_key(&mut out, reply::SUBSCRIPTION_KEY);
    out.extend_from_slice(request.id().map_or("null", Id::lexeme).as_bytes());
    out.extend_from_slice(br#"},"notifications":{"#);
    let mut comma = b"".as_slice();
    for list in changed::asked(request) {
        out.extend_from_slice(comma);
        write_key(&mut out, list.filter);
        out.extend_from_slice(b"true");
        comma = b",";
    }
    for (key, texts) in honoured.iter().filter(|(_, texts)| !texts.is_empty()) {
        out.extend_from_slice(comma);
        write_key(&mut out, key);
        write_array(&mut out, texts, |out, text| write_string(out, text));
        comma = b",";
    }
    out.extend_from_slice(b"}}}");
    out.into()
}

/// An answer that says only that all is well.
pub(crate) fn done(id: &Id) -> Bytes {
    let mut out = begun(id);
    out.extend_from_slice(b"}}");
    out.into()
}

fn begun(id: &Id) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"#, id.lexeme()).into_bytes()
}

fn modern_members(ttl: u32) -> String {
    format!(r#""resultType":"complete","cacheScope":"private","ttlMs":{ttl},"#)
}

fn write_self(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"name":"vidimus","version":"#);
    write_string(out, env!("CARGO_PKG_VERSION"));
    out.push(b'}');
}

fn write_key(out: &mut Vec<u8>, key: &str) {
    write_string(out, key);
    out.push(b':');
}

fn write_array<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Writes `_meta` and a comma, unless nothing is in it.
fn write_meta(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut members = Vec::new();
    write(&mut members);
    if !members.is_empty() {
        out.extend_from_slice(br#""_meta":{"#);
        out.extend_from_slice(&members);
        out.extend_from_slice(b"},");
    }
}
