//! From one era to the other: a request of a client in the words of a target of the other era, and the answer to it (MCP
//! 2026-07-28, "Versioning", "Base Protocol: `_meta`").
//!
//! What only one era has is not put in other words: a target of the other era is told that the client can be asked
//! nothing, so that it asks nothing. Bytes that mean the same in both eras stay as they are.

use bytes::Bytes;
use vidimus_core::canonical::write_string;
use vidimus_core::json::{Replacement, SpliceError, Value, splice, without_members};

use crate::changed::inserted;
use crate::envelope::{Id, Message};
use crate::initialize::{Implementation, Revision, implementation};
use crate::modern::{CAPABILITIES_KEY, CLIENT_KEY, REVISION, VERSION_KEY};
use crate::reply;

/// The keys of `_meta` that belong to the modern era.
const MODERN_KEYS: [&str; 4] = [VERSION_KEY, CAPABILITIES_KEY, CLIENT_KEY, "io.modelcontextprotocol/logLevel"];

/// What a client says of itself, for messages to targets that it does not write itself.
#[derive(Debug, Clone)]
pub(crate) struct Introduction {
    client: Implementation,
    /// What it can do in the modern era: an object.
    capabilities: Bytes,
}

impl Introduction {
    /// Of a client of the legacy era, by its `initialize`.
    pub(crate) fn of_legacy(initialize: Option<&Message>) -> Self {
        let params = initialize.and_then(Message::params);
        let client = implementation(params.and_then(|params| params.get("clientInfo")));
        Self { client, capabilities: Bytes::from_static(b"{}") }
    }

    /// Of a client of the modern era, by any request.
    pub(crate) fn of_modern(request: &Message) -> Self {
        let member = |key: &str| request.params().and_then(|params| params.at(&["_meta", key]));
        let capabilities = member(CAPABILITIES_KEY).filter(Value::is_object);
        let capabilities = capabilities.map_or("{}", |capabilities| capabilities.raw());
        Self {
            client: implementation(member(CLIENT_KEY)),
            capabilities: Bytes::copy_from_slice(capabilities.as_bytes()),
        }
    }

    /// Who it says it is.
    pub(crate) const fn client(&self) -> &Implementation {
        &self.client
    }

    /// An `initialize` that says so.
    pub(crate) fn initialize(&self, id: &Id) -> Bytes {
        let latest = Revision::LATEST.name();
        let mut params = format!(r#"{{"protocolVersion":"{latest}","capabilities":{{}},"clientInfo":"#).into_bytes();
        self.write(&mut params);
        params.push(b'}');
        reply::request(id, "initialize", &params)
    }

    fn members(&self) -> Vec<u8> {
        let mut out = format!(r#""{VERSION_KEY}":"{REVISION}","{CAPABILITIES_KEY}":"#).into_bytes();
        out.extend_from_slice(&self.capabilities);
        out.extend_from_slice(format!(r#","{CLIENT_KEY}":"#).as_bytes());
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"name":"#);
        write_string(out, &self.client.name);
        out.extend_from_slice(br#","version":"#);
        write_string(out, &self.client.version);
        out.push(b'}');
    }
}

/// A request of the modern era: with the metadata that each request of it has.
pub(crate) fn to_modern(request: &Message, client: &Introduction) -> Result<Bytes, SpliceError> {
    let root = request.document().root();
    let members = client.members();
    let meta = |own: &[u8]| [br#""_meta":{"#.as_slice(), own, b"}"].concat();
    let replacement = match (request.params(), request.params().and_then(|params| params.get("_meta"))) {
        (_, Some(own)) => inserted(own, members),
        (Some(params), None) => inserted(params, meta(&members)),
        (None, _) => {
            let end = root.span().end.saturating_sub(1);
            let with = [br#","params":{"#.as_slice(), &meta(&members), b"}"].concat();
            Replacement { span: end..end, with: with.into() }
        }
    };
    splice(request.bytes(), &[replacement])
}

/// A request of the legacy era: without that metadata.
pub(crate) fn to_legacy(request: &Message) -> Result<Bytes, SpliceError> {
    let meta = request.params().and_then(|params| params.get("_meta"));
    let replacements = meta.map(|meta| without_members(meta, |key| MODERN_KEYS.contains(&key))).unwrap_or_default();
    splice(request.bytes(), &replacements)
}

/// What makes a result of the legacy era one of the modern era, where each says of what kind it is; none if it does.
pub(crate) fn completed(result: Value<'_>) -> Option<Replacement> {
    let is_bare = result.is_object() && result.get("resultType").is_none();
    is_bare.then(|| inserted(result, br#""resultType":"complete""#.to_vec()))
}
