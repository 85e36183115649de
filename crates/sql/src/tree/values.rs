//! Long lists of plain values, of which not all need to be read: `IN ($1, …, $60000)`, `VALUES (1, 'a'), (2, 'b'), …`.
//!
//! A plain value is a string, a number, a parameter, or one of the words `NULL`, `TRUE`, `FALSE`, `DEFAULT`, with a sign or not;
//! a plain row is plain values in parentheses. Elements of a comma-separated list beyond the first `MAX_VALUES` name nothing and
//! call nothing, and the grammar of every such list takes two thousand elements as it takes more: leaving some out changes
//! neither what the rest means nor what PostgreSQL would refuse for its size (a row has 1,664 columns at most).

use super::MAX_VALUES;
use crate::scan::{Token, TokenKind};

/// For each token, whether it is left out.
pub(super) fn left_out(text: &str, tokens: &[Token]) -> Vec<bool> {
    let mut left_out = vec![false; tokens.len()];
    if tokens.len() <= MAX_VALUES {
        return left_out;
    }
    let is_sign = |at: usize, sign: &str| {
        tokens
            .get(at)
            .is_some_and(|token| token.kind == TokenKind::Sign && text.get(token.start..token.end) == Some(sign))
    };
    let mut at = 0;
    while at < tokens.len() {
        let row = |at| row(tokens, at, &is_sign);
        let value = |at| value(tokens, at, &is_sign);
        let after = shorten(at, &mut left_out, &row, &is_sign).or_else(|| {
            // Within a name or an expression there is no list of plain values.
            let begins = at.checked_sub(1).is_none_or(|before| is_sign(before, "(") || is_sign(before, "["));
            if begins { shorten(at, &mut left_out, &value, &is_sign) } else { None }
        });
        at = after.unwrap_or_else(|| at.saturating_add(1));
    }
    left_out
}

/// Marks elements beyond the first ones of a list that begins here; where the list ends, if one begins.
fn shorten(
    start: usize,
    left_out: &mut [bool],
    element: &dyn Fn(usize) -> Option<usize>,
    is_sign: &dyn Fn(usize, &str) -> bool,
) -> Option<usize> {
    let mut end = element(start)?;
    let mut count = 1_usize;
    while is_sign(end, ",")
        && let Some(next) = element(end.saturating_add(1))
    {
        // What follows must end the element, or it is none: `(1, 2) + 3`, `1 + a`.
        let ends = is_sign(next, ",") || is_sign(next, ")") || is_sign(next, "]");
        if !ends {
            break;
        }
        count = count.saturating_add(1);
        if count > MAX_VALUES {
            left_out.get_mut(end..next).unwrap_or_default().fill(true);
        }
        end = next;
    }
    (count > 1).then_some(end)
}

/// Where a plain value ends that begins here.
fn value(tokens: &[Token], at: usize, is_sign: &dyn Fn(usize, &str) -> bool) -> Option<usize> {
    let at = if is_sign(at, "-") || is_sign(at, "+") { at.saturating_add(1) } else { at };
    let token = tokens.get(at)?;
    let is_plain = match token.kind {
        TokenKind::Text | TokenKind::Bits | TokenKind::Integer | TokenKind::Number | TokenKind::Parameter => true,
        TokenKind::Word => matches!(token.value.as_deref(), Some("null" | "true" | "false" | "default")),
        TokenKind::Quoted | TokenKind::Sign => false,
    };
    is_plain.then(|| at.saturating_add(1))
}

/// Where a plain row ends that begins here.
fn row(tokens: &[Token], at: usize, is_sign: &dyn Fn(usize, &str) -> bool) -> Option<usize> {
    if !is_sign(at, "(") {
        return None;
    }
    let mut end = value(tokens, at.saturating_add(1), is_sign)?;
    while is_sign(end, ",") {
        end = value(tokens, end.saturating_add(1), is_sign)?;
    }
    is_sign(end, ")").then(|| end.saturating_add(1))
}
