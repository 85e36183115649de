//! Conditions that hold for every row, as far as can be told from them alone.

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use crate::scan::TokenKind;
use crate::tree::Cursor;

/// Of more alternatives than these, nothing is told but the worst.
const MAX_ALTERNATIVES: usize = 200;
/// Longer alternatives, in tokens, are not compared.
const MAX_COMPARED: usize = 64;

/// Whether a condition (`a_expr`) leaves no row out: it names no column, compares something with itself, or one of its
/// alternatives does; or there are too many of them to tell.
pub(crate) fn always_holds(condition: Cursor<'_>) -> bool {
    // Alternatives of alternatives: both sides of each `OR`, or one behind which all must hold.
    let mut conditions = vec![condition];
    let mut seen = 0_usize;
    while let Some(condition) = conditions.pop() {
        seen = seen.saturating_add(1);
        if seen > MAX_ALTERNATIVES {
            return true;
        }
        let condition = unwrapped(condition);
        if holds_alone(condition) {
            return true;
        }
        if condition.has(S::OR) {
            conditions.extend(condition.children().filter(|child| child.is(S::a_expr)));
            let mut sides = condition.children().filter(|child| child.is(S::a_expr));
            if let (Some(left), Some(right)) = (sides.next(), sides.next())
                && left.size().max(right.size()) <= MAX_COMPARED
                && are_opposite(unwrapped(left), unwrapped(right))
            {
                return true;
            }
        }
    }
    false
}

/// Without the parentheses around it.
fn unwrapped(condition: Cursor<'_>) -> Cursor<'_> {
    let mut at = condition;
    loop {
        let children: Vec<_> = at.children().take(4).collect();
        match children.as_slice() {
            [only] if matches!(only.kind(), S::a_expr | S::c_expr) => at = *only,
            [open, inner, close] if open.is(S::LParen) && close.is(S::RParen) && inner.is(S::a_expr) => at = *inner,
            _ => return at,
        }
    }
}

fn holds_alone(condition: Cursor<'_>) -> bool {
    if names_nothing(condition) {
        let is_false = condition.size() == 1 && condition.value() == "false";
        return !is_false;
    }
    let sides: Vec<_> = condition.children().collect();
    match sides.as_slice() {
        [left, middle, right] if matches!(middle.kind(), S::Equals | S::LESS_EQUALS | S::GREATER_EQUALS) => {
            is_same(*left, *right)
        }
        [_, like, pattern] if matches!(like.kind(), S::LIKE | S::ILIKE) => {
            let pattern = unwrapped(*pattern);
            let all = |(kind, value): (TokenKind, &str)| {
                kind == TokenKind::Text && !value.is_empty() && value.chars().all(|character| character == '%')
            };
            pattern.size() == 1 && pattern.values().all(all)
        }
        // `a AND b` holds where both do; deeper ones are left to be conditions.
        [left, and, right] if and.is(S::AND) => {
            let (left, right) = (unwrapped(*left), unwrapped(*right));
            !left.has(S::AND) && !right.has(S::AND) && holds_alone(left) && holds_alone(right)
        }
        _ => false,
    }
}

fn is_same(left: Cursor<'_>, right: Cursor<'_>) -> bool {
    unwrapped(left).values().eq(unwrapped(right).values())
}

/// `a IS NULL OR a IS NOT NULL`, `a = 1 OR a <> 1`, `a OR NOT a`.
fn are_opposite(left: Cursor<'_>, right: Cursor<'_>) -> bool {
    let parts = |condition: Cursor<'_>| -> Vec<(TokenKind, String)> {
        condition.values().map(|(kind, value)| (kind, value.to_owned())).collect()
    };
    let (left, right) = (parts(left), parts(right));
    let without = |of: &[(TokenKind, String)], word: &str| -> Vec<(TokenKind, String)> {
        of.iter().filter(|(kind, value)| *kind != TokenKind::Word || value != word).cloned().collect()
    };
    if without(&left, "not") == without(&right, "not") && left != right {
        return true;
    }
    let opposite = |a: &str, b: &str| {
        matches!(
            (a, b),
            ("=", "<>" | "!=") | ("<>" | "!=", "=") | ("<", ">=") | (">=", "<") | (">", "<=") | ("<=", ">")
        )
    };
    let differing: Vec<_> = left.iter().zip(&right).filter(|(a, b)| a != b).collect();
    left.len() == right.len() && matches!(differing.as_slice(), [((_, a), (_, b))] if opposite(a, b))
}

/// Whether an expression names no column, parameter or table, so that it is the same for every row.
fn names_nothing(condition: Cursor<'_>) -> bool {
    !condition
        .descendants()
        .any(|below| matches!(below.kind(), S::columnref | S::PARAM | S::select_with_parens | S::CURRENT_P))
}
