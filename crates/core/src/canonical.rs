//! Canonical JSON (RFC 8785) for evidence: objects with sorted keys, strings, booleans and integers below 2^53.
//!
//! Floats are not offered: leaves hold none. Keys must be added in ascending order of their UTF-16 code units,
//! which for the ASCII keys used here is byte order; a debug assertion holds writers to it.

mod value;

pub use value::write_value;

/// The largest integer a leaf may hold (RFC 8785 §3.2.2.3: exactly representable as a double).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Writes one JSON object into a buffer, key by key.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    last_key: &'static str,
}

impl<'a> ObjectWriter<'a> {
    /// Opens an object at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, last_key: "" }
    }

    fn key(&mut self, key: &'static str) {
        debug_assert!(self.last_key < key, "keys out of order: {} then {key}", self.last_key);
        if !self.last_key.is_empty() {
            self.out.push(b',');
        }
        self.last_key = key;
        write_string(self.out, key);
        self.out.push(b':');
    }

    /// A string member.
    pub fn string(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.key(key);
        write_string(self.out, value);
        self
    }

    /// A string member, left out when there is none.
    pub fn optional(&mut self, key: &'static str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.string(key, value);
        }
        self
    }

    /// An integer member; values past [`MAX_INTEGER`] are written as that limit.
    pub fn integer(&mut self, key: &'static str, value: u64) -> &mut Self {
        self.key(key);
        write_integer(self.out, value);
        self
    }

    /// An object of counts by names that are known only now, in ascending order.
    pub fn counts<'n>(&mut self, key: &'static str, counts: impl IntoIterator<Item = (&'n str, u64)>) -> &mut Self {
        self.key(key);
        self.out.push(b'{');
        let mut last = "";
        for (name, count) in counts {
            debug_assert!(last < name, "names out of order: {last} then {name}");
            if !last.is_empty() {
                self.out.push(b',');
            }
            last = name;
            write_string(self.out, name);
            self.out.push(b':');
            write_integer(self.out, count);
        }
        self.out.push(b'}');
        self
    }

    /// A boolean member.
    pub fn boolean(&mut self, key: &'static str, value: bool) -> &mut Self {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// An array of strings.
    pub fn strings<T: AsRef<str>>(&mut self, key: &'static str, values: &[T]) -> &mut Self {
        self.array(key, values, |out, value| write_string(out, value.as_ref()))
    }

    /// An array of integers.
    pub fn integers(&mut self, key: &'static str, values: &[u64]) -> &mut Self {
        self.array(key, values, |out, value| write_integer(out, *value))
    }

    /// An array whose elements `write` puts out one by one.
    pub fn array<T>(&mut self, key: &'static str, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) -> &mut Self {
        self.key(key);
        self.out.push(b'[');
        for (position, value) in values.iter().enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            write(self.out, value);
        }
        self.out.push(b']');
        self
    }

    /// A nested object.
    pub fn object(&mut self, key: &'static str, write: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        self.key(key);
        let mut nested = ObjectWriter::new(self.out);
        write(&mut nested);
        nested.end();
        self
    }

    /// Closes the object.
    pub fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes a JSON string as RFC 8785 §3.2.2.2 says: short escapes, `\u00xx` for other controls, the rest as it is.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = first_escaped(rest.as_bytes()) {
        let (plain, from_special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut after = from_special.chars();
        match after.next() {
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\u{8}') => out.extend_from_slice(b"\\b"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\u{c}') => out.extend_from_slice(b"\\f"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some(control) => out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes()),
            None => {}
        }
        rest = after.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// Where the first byte stands that cannot stand in a string as it is.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let is_escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Whole blocks without a way out are what a compiler makes wide instructions of.
    let has_escaped = |block: &[u8]| block.iter().fold(false, |any, byte| any | is_escaped(*byte));
    let before = bytes.chunks(BLOCK).take_while(|block| !has_escaped(block)).map(<[u8]>::len).sum::<usize>();
    bytes.get(before..)?.iter().position(|byte| is_escaped(*byte)).map(|at| before + at)
}

fn write_integer(out: &mut Vec<u8>, value: u64) {
    use std::io::Write as _;
    // Writing into a vector cannot fail.
    let _ = write!(out, "{}", value.min(MAX_INTEGER));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        write(&mut object);
        object.end();
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn writes_what_rfc_8785_says() {
        let text = written(|object| {
            object
                .boolean("a", true)
                .integer("b", u64::MAX)
                .object("c", |inner| {
                    inner.strings("x", &["1", "2"]).counts("y", [("A", 1), ("B", 2)]).counts("z", []);
                })
                .string("d", "\u{0}\u{8}\t\n\u{c}\r\"\\/é\u{1f}\u{7f}");
        });
        assert_eq!(
            text,
            r#"{"a":true,"b":9007199254740991,"c":{"x":["1","2"],"y":{"A":1,"B":2},"z":{}},"d":"\u0000\b\t\n\f\r\"\\/é\u001f"#.to_owned()
                + "\u{7f}\"}"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_string_comes_back(text in ".*") {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).ok(), Some(text));
        }
    }
}
