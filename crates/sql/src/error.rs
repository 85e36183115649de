//! Why a text is not read. Who wants to be sure refuses what has an error.

use crate::{MAX_DEPTH, MAX_STATEMENTS, MAX_TEXT, MAX_TOKENS};

/// A text that PostgreSQL would not take, that is beyond a bound, or that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Longer than [`MAX_TEXT`].
    #[error("the text has {0} bytes, more than {MAX_TEXT}: split it")]
    TooLong(usize),
    /// More tokens than [`MAX_TOKENS`], not counting long lists of plain values.
    #[error("the text has more than {MAX_TOKENS} words and signs: split it")]
    TooManyTokens,
    /// Parentheses, brackets and `CASE` inside one another beyond [`MAX_DEPTH`].
    #[error("parentheses are nested deeper than {MAX_DEPTH} at byte {0}")]
    TooDeep(usize),
    /// More statements than [`MAX_STATEMENTS`].
    #[error("the text has {0} statements, more than {MAX_STATEMENTS}: send fewer at once")]
    TooManyStatements(usize),
    /// A token that PostgreSQL's scanner refuses.
    #[error("{what} at byte {at}")]
    Token {
        /// Where it begins.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Not of PostgreSQL's grammar.
    #[error("syntax error at byte {0}")]
    Syntax(usize),
    /// Two readers of the same text did not find the same tokens, or one of them failed.
    #[error("the text is not read the same way twice: it is not passed on")]
    Disagreement,
    /// No memory for the stack that a large text needs.
    #[error("there is no stack to read a text of this size: try again")]
    Exhausted,
}
