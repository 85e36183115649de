//! Where a JSON value ends, told while it arrives; whether it is JSON is for its parser to say.

/// Follows one object, array, string or number from its first byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    depth: u32,
    in_string: bool,
    /// Whether a backslash came last.
    escaped: bool,
    in_number: bool,
}

/// What bytes are to a value that began before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// All of them belong to it, and more must come.
    All,
    /// It ends after so many of them.
    Until(usize),
    /// It is no JSON: such a byte stands in none.
    Never,
}

impl Extent {
    /// Follows a number, which ends with the stream too.
    pub(super) fn of_number() -> Self {
        Self { in_number: true, ..Self::default() }
    }

    /// Whether the end of the stream ends it.
    pub(super) fn may_end(self) -> bool {
        self.in_number
    }

    /// Takes the next bytes.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Follows {
        if self.in_number {
            let in_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
            return bytes.iter().position(|byte| !in_number(byte)).map_or(Follows::All, Follows::Until);
        }
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                match byte {
                    b'"' => self.in_string = false,
                    b'\\' => self.escaped = true,
                    _ => {
                        let rest = bytes.get(at..).unwrap_or_default();
                        at += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                        continue;
                    }
                }
            } else {
                match byte {
                    b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    b'"' => self.in_string = true,
                    byte if b" \t\n\r,:0123456789-+.eE".contains(byte) || b"truefalsnull".contains(byte) => {}
                    _ => return Follows::Never,
                }
            }
            if self.depth == 0 && !self.in_string {
                return Follows::Until(at);
            }
        }
        Follows::All
    }
}
