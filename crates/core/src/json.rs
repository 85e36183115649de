//! Strict JSON (RFC 8259) as a flat tape of byte spans over the bytes as they were received.
//!
//! What is decided on must be what is passed on, so nothing here prints JSON again: a [`Value`] is a place in the
//! original bytes, and a change is a [`splice()`]. The parser refuses whatever two parsers may read differently (I-JSON,
//! RFC 7493 §2): duplicate keys at every depth, compared after decoding; lone surrogates; invalid UTF-8; a byte order
//! mark; trailing data; and whatever passes a limit on size, depth or number of values. It does not recurse, and no
//! input makes it quadratic.

mod error;
mod parse;
mod splice;
mod string;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

pub use self::error::{JsonError, Problem};
pub use self::splice::{Replacement, SpliceError, splice, without_elements, without_members};

/// How large a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all; never more than `u32::MAX`, whatever is set here.
    pub max_bytes: usize,
    /// Objects and arrays inside one another.
    pub max_depth: usize,
    /// Values and keys in all; each takes 16 bytes of memory.
    pub max_nodes: usize,
}

impl Limits {
    /// Bytes allowed by default: 4 MiB, the usual body limit of MCP servers.
    pub const DEFAULT_BYTES: usize = 4 << 20;
    /// Depth allowed by default.
    pub const DEFAULT_DEPTH: usize = 64;
    /// Values and keys allowed by default (4 MiB of tape).
    pub const DEFAULT_NODES: usize = 1 << 18;
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: Self::DEFAULT_BYTES, max_depth: Self::DEFAULT_DEPTH, max_nodes: Self::DEFAULT_NODES }
    }
}

/// A parsed document: the bytes as received, and where each value in them is.
#[derive(Clone)]
pub struct Document {
    bytes: Bytes,
    nodes: Vec<Node>,
}

impl Document {
    /// Parses one JSON text. `bytes` is kept, not copied.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, JsonError> {
        let nodes = parse::parse(&bytes, limits)?;
        Ok(Self { bytes, nodes })
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Entries { bytes: &self.bytes, rest: &self.nodes }.next_value().unwrap_or(Value {
            bytes: b"",
            node: Node::EMPTY,
            descendants: &[],
        })
    }

    /// The bytes as they were received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Shows sizes only: a document holds what its sender wants kept private.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("bytes", &self.bytes.len()).field("nodes", &self.nodes.len()).finish()
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number
    Number,
    /// A string
    String,
    /// An array
    Array,
    /// An object
    Object,
}

/// One value: a place in its document.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    bytes: &'a [u8],
    node: Node,
    descendants: &'a [Node],
}

impl<'a> Value<'a> {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.node.kind
    }

    /// Where it is in the document's bytes, quotes and brackets included.
    pub fn span(&self) -> Range<usize> {
        self.node.span()
    }

    /// Its text exactly as received, quotes and brackets included.
    pub fn raw(&self) -> &'a str {
        text(self.bytes, self.span())
    }

    /// The decoded string, when it is one. Borrowed unless it holds an escape.
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        (self.node.kind == Kind::String)
            .then(|| string::decoded(text(self.bytes, self.node.inner()), self.node.escaped))
    }

    /// The number as it was written, when it is one.
    pub fn as_number(&self) -> Option<&'a str> {
        (self.node.kind == Kind::Number).then(|| self.raw())
    }

    /// The truth value, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        (self.node.kind == Kind::Bool).then(|| self.raw() == "true")
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.node.kind == Kind::Null
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.node.kind == Kind::Object
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        self.node.kind == Kind::Array
    }

    /// The decoded keys and values of an object, in order; nothing when it is not an object.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> + use<'a> {
        self.entries().map(|(key, value)| (key.as_str().unwrap_or_default(), value))
    }

    /// The members of an object with their keys as values, for those who need the key's place.
    pub fn entries(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let rest = if self.node.kind == Kind::Object { self.descendants } else { &[] };
        Entries { bytes: self.bytes, rest }
    }

    /// The elements of an array, in order; nothing when it is not an array.
    pub fn elements(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let rest = if self.node.kind == Kind::Array { self.descendants } else { &[] };
        let mut entries = Entries { bytes: self.bytes, rest };
        std::iter::from_fn(move || entries.next_value())
    }

    /// The value under a key, when this is an object that has it.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.entries().find(|(name, _)| name.is_string(key)).map(|(_, value)| value)
    }

    /// The value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(*self, |value, key| value.get(key))
    }

    /// Whether it is this string, compared after decoding.
    pub fn is_string(&self, text: &str) -> bool {
        self.as_str().is_some_and(|own| own == text)
    }
}

/// Shows the kind and the place, never the content.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value").field("kind", &self.kind()).field("span", &self.span()).finish()
    }
}

/// One value or key on the tape. A container is followed by its descendants; in an object, keys and values alternate.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// First byte.
    start: u32,
    /// One past the last byte.
    end: u32,
    /// Nodes of this value, itself included. While a container is open: the node of the container around it.
    size: u32,
    kind: Kind,
    /// A string that holds at least one escape.
    escaped: bool,
}

impl Node {
    const EMPTY: Self = Self { start: 0, end: 0, size: 1, kind: Kind::Null, escaped: false };

    fn span(self) -> Range<usize> {
        widen(self.start)..widen(self.end)
    }

    /// Between the quotes of a string.
    fn inner(self) -> Range<usize> {
        widen(self.start).saturating_add(1)..widen(self.end).saturating_sub(1)
    }
}

/// Walks siblings by skipping over the nodes of each.
struct Entries<'a> {
    bytes: &'a [u8],
    rest: &'a [Node],
}

impl<'a> Entries<'a> {
    fn next_value(&mut self) -> Option<Value<'a>> {
        let (node, after) = self.rest.split_first()?;
        let (descendants, rest) = after.split_at_checked(widen(node.size).saturating_sub(1))?;
        self.rest = rest;
        Some(Value { bytes: self.bytes, node: *node, descendants })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Value<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.next_value()?, self.next_value()?))
    }
}

/// Whether a decoder that ignores letter case takes one key for the other, as some do (Go's `encoding/json`). By Unicode's
/// simple folding U+017F is `s` and U+212A is `k`.
pub fn same_ignoring_case(key: &str, other: &str) -> bool {
    let folded = |text: &str| -> Vec<char> {
        let plain = text.chars().map(|character| if character == '\u{17F}' { 's' } else { character });
        plain.flat_map(char::to_lowercase).collect()
    };
    if key.is_ascii() && other.is_ascii() { key.eq_ignore_ascii_case(other) } else { folded(key) == folded(other) }
}

/// The text of a span. INVARIANT: the whole document is valid UTF-8 and every span begins and ends at an ASCII byte of
/// JSON's own grammar, so neither step can fail.
fn text(bytes: &[u8], span: Range<usize>) -> &str {
    bytes.get(span).and_then(|part| simdutf8::basic::from_utf8(part).ok()).unwrap_or_default()
}

fn widen(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
