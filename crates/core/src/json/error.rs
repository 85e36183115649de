//! Why a JSON text was refused, and where.
//!
//! The messages name the rule and the byte, never the content, so a caller may read them as they are.

use crate::ErrorKind;

/// A refused JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct JsonError {
    /// The rule that was broken.
    pub problem: Problem,
    /// The byte at which it was noticed.
    pub offset: usize,
}

impl JsonError {
    /// Who is at fault: the sender, or a limit.
    pub fn kind(&self) -> ErrorKind {
        match self.problem {
            Problem::TooDeep | Problem::TooLong | Problem::TooManyValues => ErrorKind::Limit,
            _ => ErrorKind::Malformed,
        }
    }

    /// What the sender may read.
    pub fn public_message(&self) -> String {
        self.to_string()
    }
}

/// A rule of strict JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Problem {
    /// U+FEFF before the text (RFC 8259 §8.1).
    #[error("byte order mark")]
    ByteOrderMark,
    /// A character below U+0020 in a string that is not escaped (RFC 8259 §7).
    #[error("unescaped control character in a string")]
    ControlCharacter,
    /// Two members of one object with the same decoded name (RFC 7493 §2.3).
    #[error("duplicate key")]
    DuplicateKey,
    /// Bytes that are not UTF-8 (RFC 8259 §8.1).
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// An escape that JSON does not have (RFC 8259 §7).
    #[error("invalid escape in a string")]
    InvalidEscape,
    /// `tru`, `nul`, `NaN` and the like.
    #[error("invalid literal")]
    InvalidLiteral,
    /// A leading zero or plus, a missing digit (RFC 8259 §6).
    #[error("invalid number")]
    InvalidNumber,
    /// Half of a surrogate pair (RFC 7493 §2.1).
    #[error("lone surrogate in a string")]
    LoneSurrogate,
    /// More containers inside one another than allowed.
    #[error("nesting deeper than allowed")]
    TooDeep,
    /// More bytes than allowed.
    #[error("text longer than allowed")]
    TooLong,
    /// More values than allowed.
    #[error("more values than allowed")]
    TooManyValues,
    /// Something after the value.
    #[error("trailing data")]
    TrailingData,
    /// A byte that cannot stand there.
    #[error("unexpected character")]
    UnexpectedCharacter,
    /// The text stops before the value does.
    #[error("unexpected end")]
    UnexpectedEnd,
}

impl Problem {
    /// The rule as a metric label and in tables of refusals.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "byte_order_mark",
            Self::ControlCharacter => "control_character",
            Self::DuplicateKey => "duplicate_key",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::InvalidEscape => "invalid_escape",
            Self::InvalidLiteral => "invalid_literal",
            Self::InvalidNumber => "invalid_number",
            Self::LoneSurrogate => "lone_surrogate",
            Self::TooDeep => "too_deep",
            Self::TooLong => "too_long",
            Self::TooManyValues => "too_many_values",
            Self::TrailingData => "trailing_data",
            Self::UnexpectedCharacter => "unexpected_character",
            Self::UnexpectedEnd => "unexpected_end",
        }
    }
}
