//! Text without what steers a terminal (ECMA-48 §5.4, §5.6): colours and titles would stand between a value and the
//! words beside it, and hide it from masking, and an operator's terminal must not do what a program says.
//!
//! Sequences may arrive in pieces. What is no text is dropped; the end of a line ends any sequence, so that none swallows
//! more than its line.

/// Begins a sequence.
const ESCAPE: u8 = 0x1B;

/// Ends a string.
const BELL: u8 = 0x07;

/// Where in a sequence the next byte stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Plain {
    /// In none.
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// In a control sequence.
    Control,
    /// In a control string.
    String,
}

impl Plain {
    /// Adds to `out` what is text.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for byte in piece {
            let (next, is_text) = self.step(*byte);
            *self = next;
            if is_text {
                out.push(*byte);
            }
        }
    }

    /// Where the byte after this one stands, and whether this one is text.
    fn step(self, byte: u8) -> (Self, bool) {
        match (self, byte) {
            // Intermediate bytes stand before the last one.
            (_, ESCAPE) | (Self::Escape, b' '..=b'/') => (Self::Escape, false),
            (_, b'\n') => (Self::Text, true),
            (Self::Escape, b'[') | (Self::Control, b' '..=b'?') => (Self::Control, false),
            (Self::Escape, b']' | b'P' | b'X' | b'^' | b'_') => (Self::String, false),
            (Self::String, BELL) | (Self::Escape, b'0'..=b'~') | (Self::Control, b'@'..=b'~') => (Self::Text, false),
            (Self::String, _) => (Self::String, false),
            (_, b'\t' | b'\r') => (Self::Text, true),
            // Also where it breaks a sequence off.
            (_, byte) => (Self::Text, !byte.is_ascii_control()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let read = |size| {
            let (mut plain, mut out) = (Plain::default(), Vec::new());
            bytes.chunks(size).for_each(|piece| plain.push(piece, &mut out));
            String::from_utf8(out).unwrap()
        };
        let whole = read(bytes.len());
        assert_eq!(whole, read(1), "in pieces");
        whole
    }

    #[test]
    fn what_steers_a_terminal_is_dropped_and_text_is_not() {
        assert_eq!(text(b"ssn \x1b[1;31m078-05-1121\x1b[0m\tand\r\n"), "ssn 078-05-1121\tand\r\n");
        assert_eq!(text(b"a\x1b]0;title\x07b\x1bP1$r\x1b\\c\x1b(Bd\x1b7e\0\x08f"), "abcdef");
        assert_eq!(text("\x1b[3é\x1b\u{4e2d}".as_bytes()), "é\u{4e2d}", "broken off");
        assert_eq!(text(b"\x1b]never ended\nnext\x1b[\nlast\x1b"), "\nnext\nlast");
    }
}
