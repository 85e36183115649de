//! The parser: one pass over the bytes, one node per value and key, no recursion.
//!
//! While a container is open its node's `size` holds the node of the container around it, so the tape is its own stack.
//! Keys are compared when their object closes: pair by pair when they are few, sorted when they are many.

use std::borrow::Cow;

use super::error::{JsonError, Problem};
use super::{Entries, Kind, Limits, Node, string, text};

/// Up to this many keys, comparing every pair is cheaper than sorting.
const FEW_KEYS: usize = 12;
/// Nodes reserved at first; a typical call has fewer.
const FIRST_NODES: usize = 128;
/// No container is open. Never a node's place: [`parse`] allows fewer nodes than this.
const NONE: u32 = u32::MAX;

/// Parses a whole JSON text into its tape.
pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Vec<Node>, JsonError> {
    let max_bytes = limits.max_bytes.min(super::widen(u32::MAX));
    if bytes.len() > max_bytes {
        return Err(JsonError { problem: Problem::TooLong, offset: max_bytes });
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(JsonError { problem: Problem::ByteOrderMark, offset: 0 });
    }
    if let Err(error) = simdutf8::compat::from_utf8(bytes) {
        return Err(JsonError { problem: Problem::InvalidUtf8, offset: error.valid_up_to() });
    }
    let mut parser = Parser {
        bytes,
        at: 0,
        nodes: Vec::with_capacity(FIRST_NODES.min(bytes.len() / 4 + 1)),
        keys: Vec::with_capacity(FEW_KEYS),
        open: NONE,
        depth: 0,
        max_depth: limits.max_depth,
        max_nodes: limits.max_nodes.min(super::widen(NONE)),
    };
    parser.run()?;
    Ok(parser.nodes)
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// Keys of the object being closed, and where they are. Kept between objects for its memory.
    keys: Vec<(Cow<'a, [u8]>, u32)>,
    /// The innermost open container.
    open: u32,
    depth: usize,
    max_depth: usize,
    max_nodes: usize,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), JsonError> {
        loop {
            if self.value()? {
                continue;
            }
            // A value is complete: close containers until one goes on.
            loop {
                self.skip_whitespace();
                let Some(kind) = self.open_kind() else {
                    return if self.at == self.bytes.len() { Ok(()) } else { self.fail(Problem::TrailingData) };
                };
                match (self.peek(), kind) {
                    (Some(b','), Kind::Object) => {
                        self.at += 1;
                        self.key()?;
                        break;
                    }
                    (Some(b','), _) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'}'), Kind::Object) | (Some(b']'), Kind::Array) => self.close()?,
                    (Some(_), _) => return self.fail(Problem::UnexpectedCharacter),
                    (None, _) => return self.fail(Problem::UnexpectedEnd),
                }
            }
        }
    }

    /// Reads a value; true when it opened a container in which another value comes next.
    fn value(&mut self) -> Result<bool, JsonError> {
        self.skip_whitespace();
        match self.peek() {
            Some(b'{') => {
                self.open(Kind::Object)?;
                if self.peek() == Some(b'}') {
                    self.close()?;
                    return Ok(false);
                }
                self.key()?;
                return Ok(true);
            }
            Some(b'[') => {
                self.open(Kind::Array)?;
                if self.peek() == Some(b']') {
                    self.close()?;
                    return Ok(false);
                }
                return Ok(true);
            }
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true", Kind::Bool)?,
            Some(b'f') => self.literal(b"false", Kind::Bool)?,
            Some(b'n') => self.literal(b"null", Kind::Null)?,
            Some(_) => return self.fail(Problem::UnexpectedCharacter),
            None => return self.fail(Problem::UnexpectedEnd),
        }
        Ok(false)
    }

    /// Reads a key and the colon after it.
    fn key(&mut self) -> Result<(), JsonError> {
        self.skip_whitespace();
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(_) => return self.fail(Problem::UnexpectedCharacter),
            None => return self.fail(Problem::UnexpectedEnd),
        }
        self.skip_whitespace();
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return self.fail(Problem::UnexpectedCharacter),
            None => return self.fail(Problem::UnexpectedEnd),
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let scanned =
            string::scan(self.bytes, self.at + 1).map_err(|(problem, offset)| JsonError { problem, offset })?;
        self.push(Kind::String, scanned.end, scanned.escaped)
    }

    /// RFC 8259 §6: `[ minus ] int [ frac ] [ exp ]`.
    fn number(&mut self) -> Result<(), JsonError> {
        let mut end = self.at;
        if self.byte(end) == Some(b'-') {
            end += 1;
        }
        end = match self.byte(end) {
            Some(b'0') => end + 1,
            _ => self.digits(end)?,
        };
        if self.byte(end) == Some(b'.') {
            end = self.digits(end + 1)?;
        }
        if let Some(b'e' | b'E') = self.byte(end) {
            end += 1;
            if let Some(b'+' | b'-') = self.byte(end) {
                end += 1;
            }
            end = self.digits(end)?;
        }
        // `01`, `1.2.3`, `1a`: the byte after a number must be none that looks like more of it.
        if let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' | b'_') = self.byte(end) {
            return Err(JsonError { problem: Problem::InvalidNumber, offset: end });
        }
        self.push(Kind::Number, end, false)
    }

    /// Passes over at least one digit.
    fn digits(&self, from: usize) -> Result<usize, JsonError> {
        let rest = self.bytes.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(JsonError { problem: Problem::InvalidNumber, offset: from });
        }
        Ok(from + count)
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<(), JsonError> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word) {
            return self.fail(Problem::InvalidLiteral);
        }
        self.push(kind, end, false)
    }

    /// Notes a value that reaches to `end` and goes there.
    fn push(&mut self, kind: Kind, end: usize, escaped: bool) -> Result<(), JsonError> {
        if self.nodes.len() >= self.max_nodes {
            return self.fail(Problem::TooManyValues);
        }
        self.nodes.push(Node { start: narrow(self.at), end: narrow(end), size: 1, kind, escaped });
        self.at = end;
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<(), JsonError> {
        if self.depth >= self.max_depth {
            return self.fail(Problem::TooDeep);
        }
        self.depth += 1;
        let place = narrow(self.nodes.len());
        self.push(kind, self.at + 1, false)?;
        if let Some(node) = self.nodes.last_mut() {
            node.size = self.open;
        }
        self.open = place;
        self.skip_whitespace();
        Ok(())
    }

    /// Closes the innermost container, whose last byte is at `self.at`.
    fn close(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        self.depth -= 1;
        let place = super::widen(self.open);
        let size = narrow(self.nodes.len().saturating_sub(place));
        let Some(node) = self.nodes.get_mut(place) else { return self.fail(Problem::UnexpectedCharacter) };
        self.open = node.size;
        node.end = narrow(self.at);
        node.size = size;
        if node.kind == Kind::Object && size > 3 {
            self.refuse_duplicate_keys(place)?;
        }
        Ok(())
    }

    fn refuse_duplicate_keys(&mut self, object: usize) -> Result<(), JsonError> {
        let bytes = self.bytes;
        let members = Entries { bytes, rest: self.nodes.get(object + 1..).unwrap_or_default() };
        self.keys.clear();
        self.keys.extend(members.map(|(key, _)| (key_text(bytes, key.node), key.node.start)));
        let twin = if self.keys.len() <= FEW_KEYS {
            self.keys.iter().enumerate().find_map(|(position, (key, offset))| {
                self.keys.iter().take(position).any(|(other, _)| other == key).then_some(*offset)
            })
        } else {
            // The shorter first, so that most comparisons are of two lengths.
            self.keys.sort_unstable_by(|(one, at), (other, other_at)| {
                one.len().cmp(&other.len()).then_with(|| one.cmp(other)).then(at.cmp(other_at))
            });
            self.keys.array_windows().find_map(|[(one, _), (other, offset)]| (one == other).then_some(*offset))
        };
        match twin {
            Some(offset) => Err(JsonError { problem: Problem::DuplicateKey, offset: super::widen(offset) }),
            None => Ok(()),
        }
    }

    fn open_kind(&self) -> Option<Kind> {
        self.nodes.get(super::widen(self.open)).map(|node| node.kind)
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.byte(self.at)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn fail<T>(&self, problem: Problem) -> Result<T, JsonError> {
        Err(JsonError { problem, offset: self.at })
    }
}

/// The decoded bytes of a key.
fn key_text(bytes: &[u8], key: Node) -> Cow<'_, [u8]> {
    if key.escaped {
        return Cow::Owned(string::decoded(text(bytes, key.inner()), true).into_owned().into_bytes());
    }
    Cow::Borrowed(bytes.get(key.inner()).unwrap_or_default())
}

/// Offsets fit: [`parse`] refuses longer texts first.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
