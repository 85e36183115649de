//! Whether a shape can hold without a digit near its beginning: most words have none, and most shapes want one.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Bytes of a word in which a digit is looked for.
pub(super) const NEAR: usize = 13;

/// What a part of a shape can be without a digit, in bytes at most.
#[derive(Debug, Clone, Copy)]
struct Free {
    /// Its beginning.
    prefix: usize,
    /// All of it.
    whole: Option<usize>,
}

/// Whether a text can match, or match so far, whose first [`NEAR`] bytes hold no digit. True if it cannot be told.
pub(super) fn may_be_free_of_digits(pattern: &str) -> bool {
    let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
    hir.is_ok_and(|hir| {
        let free = free(&hir);
        free.prefix >= NEAR || free.whole.is_some()
    })
}

fn free(hir: &Hir) -> Free {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Free { prefix: 0, whole: Some(0) },
        HirKind::Literal(literal) => match literal.0.iter().position(u8::is_ascii_digit) {
            Some(at) => Free { prefix: at, whole: None },
            None => Free { prefix: literal.0.len(), whole: Some(literal.0.len()) },
        },
        HirKind::Class(class) => {
            let other = match class {
                Class::Bytes(class) => class.ranges().iter().any(|range| range.start() < b'0' || range.end() > b'9'),
                Class::Unicode(class) => class.ranges().iter().any(|range| range.start() < '0' || range.end() > '9'),
            };
            if other { Free { prefix: 1, whole: Some(1) } } else { Free { prefix: 0, whole: None } }
        }
        HirKind::Repetition(repetition) => {
            let once = free(&repetition.sub);
            let most = repetition.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(NEAR);
            match once.whole {
                Some(whole) => {
                    let whole = whole.saturating_mul(most);
                    Free { prefix: whole.max(once.prefix), whole: Some(whole) }
                }
                None => Free { prefix: once.prefix, whole: (repetition.min == 0).then_some(0) },
            }
        }
        HirKind::Capture(capture) => free(&capture.sub),
        HirKind::Concat(parts) => {
            let (mut prefix, mut whole) = (0, 0_usize);
            for part in parts {
                let part = free(part);
                prefix = prefix.max(whole.saturating_add(part.prefix));
                match part.whole {
                    Some(more) => whole = whole.saturating_add(more),
                    None => return Free { prefix, whole: None },
                }
            }
            Free { prefix, whole: Some(whole) }
        }
        HirKind::Alternation(parts) => parts.iter().map(free).fold(Free { prefix: 0, whole: None }, |best, part| {
            Free { prefix: best.prefix.max(part.prefix), whole: best.whole.max(part.whole) }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::may_be_free_of_digits;

    #[test]
    fn a_shape_is_free_of_digits_only_if_a_text_can_be() {
        for pattern in ["[A-Z]{6}[A-Z0-9]{2}", "ghp_[0-9A-Za-z]{36}", "[a-z]+", "(?:[0-9]|[A-Z]{9})x", "[A-Z]{13}[0-9]"]
        {
            assert!(may_be_free_of_digits(pattern), "{pattern}");
        }
        for pattern in ["[A-Z]{5}[0-9]{4}[A-Z]", "[0-9]{9}", "(?:AB|[A-Z]{2})[ -]?[0-9]", "[A-Z]?[A-Z]?[0-9]x{20}"] {
            assert!(!may_be_free_of_digits(pattern), "{pattern}");
        }
    }
}
