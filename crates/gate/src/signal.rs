//! Messages of a protocol that say nothing of an operation: numbers, fixed words, and names that are short.
//!
//! They pass without a record of their own. Nothing that a target answered, or a caller asked, fits in them.

/// The longest name, in bytes.
const MAX_NAME: usize = 256;

/// One message, or several, without content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signal(Vec<u8>);

impl Signal {
    /// Begins with this byte.
    pub fn tagged(tag: u8) -> Self {
        Self(vec![tag])
    }

    /// Adds an octet.
    #[must_use]
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Adds 16 bits, in network order.
    #[must_use]
    pub fn short(mut self, number: u16) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds 32 bits, in network order.
    #[must_use]
    pub fn long(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds fixed words.
    #[must_use]
    pub fn words(mut self, words: &'static str) -> Self {
        self.0.extend_from_slice(words.as_bytes());
        self
    }

    /// Adds a name. Of what is longer than a name, or holds a NUL, nothing.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        if name.len() <= MAX_NAME && !name.contains('\0') {
            self.0.extend_from_slice(name.as_bytes());
        }
        self
    }

    /// Adds another one.
    #[must_use]
    pub fn then(mut self, other: &Self) -> Self {
        self.0.extend_from_slice(&other.0);
        self
    }

    /// How many bytes.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_words_and_short_names_fit_and_nothing_else() {
        let signal = Signal::tagged(b'R').long(8).short(3).words("on").byte(0).name("é");
        assert_eq!(signal.bytes(), b"R\0\0\0\x08\0\x03on\0\xc3\xa9");
        for unfit in ["a".repeat(257), "a\0b".to_owned()] {
            assert!(Signal::default().name(&unfit).is_empty());
        }
        assert_eq!(Signal::default().byte(1).then(&Signal::tagged(2)).bytes(), [1, 2]);
    }
}
