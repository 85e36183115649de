//! The id of a request: a string or an integer (MCP 2025-11-25, "Requests"), kept as it was written.
//!
//! Answers carry the id byte for byte. To find the request of a response, strings are compared decoded (a server may
//! escape `/` or `é` where the client did not) and integers by their digits: `1` and `1.0` are not the same id, and a
//! number with a fraction or an exponent is none, because servers print it back in another form.

use std::hash::{Hash, Hasher};

use vidimus_core::canonical::write_string;
use vidimus_core::json::{Kind, Value};

/// The longest id as written. Clients count, or use a UUID.
const MAX_ID_BYTES: usize = 512;

/// A request id, or a progress token, which has the same form.
#[derive(Debug, Clone)]
pub struct Id {
    lexeme: Box<str>,
    /// The decoded string when it is written with escapes.
    decoded: Option<Box<str>>,
}

impl Id {
    /// Reads an id; none when the value is no string and no integer, or too long.
    pub fn read(value: Value<'_>) -> Option<Self> {
        let lexeme = value.raw();
        if lexeme.len() > MAX_ID_BYTES {
            return None;
        }
        let decoded = match value.kind() {
            Kind::String if lexeme.contains('\\') => value.as_str().map(Into::into),
            Kind::String => None,
            Kind::Number if lexeme.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9')) => None,
            _ => return None,
        };
        Some(Self { lexeme: lexeme.into(), decoded })
    }

    /// The id of a request of the gateway's own.
    pub fn from_number(number: u64) -> Self {
        Self { lexeme: number.to_string().into(), decoded: None }
    }

    /// The id of a request of the gateway's own, among those of a client.
    pub fn from_name(name: &str) -> Self {
        let mut lexeme = Vec::new();
        write_string(&mut lexeme, name);
        let lexeme = String::from_utf8_lossy(&lexeme);
        let decoded = lexeme.contains('\\').then(|| name.into());
        Self { lexeme: lexeme.into(), decoded }
    }

    /// The id as it was written, quotes included: valid JSON.
    pub fn lexeme(&self) -> &str {
        &self.lexeme
    }

    /// A text that two ids have in common only when they are equal.
    pub fn key(&self) -> String {
        match self.parts() {
            (true, text) => format!("\"{text}"),
            (false, digits) => digits.to_owned(),
        }
    }

    /// Digits, or the decoded string between quotes: no string is equal to a number.
    fn parts(&self) -> (bool, &str) {
        match (self.lexeme.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')), &self.decoded) {
            (Some(_), Some(decoded)) => (true, decoded),
            (Some(inner), None) => (true, inner),
            (None, _) => (false, &self.lexeme),
        }
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}
