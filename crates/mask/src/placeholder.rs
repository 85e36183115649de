//! Values that stand for a secret: `<password>`, `${TOKEN}`, `xxxx`, and what masking leaves.

/// What stands for a value whose class is not told.
pub(crate) const REDACTED: &[u8] = b"[REDACTED]";

/// Whether a value is no secret but the place of one.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let Some((first, rest)) = value.split_first() else { return true };
    let last = value.last().copied().unwrap_or(0);
    let template = match first {
        b'<' => last == b'>',
        b'[' => last == b']',
        b'{' => {
            value.starts_with(b"{{")
                || last == b'}' && rest.iter().all(|byte| is_name(*byte) && !byte.is_ascii_digit() || *byte == b'}')
        }
        b'$' => {
            rest.first().is_some_and(|byte| matches!(byte, b'{' | b'('))
                || !rest.is_empty() && rest.iter().all(|byte| is_name(*byte)) && !rest.iter().any(u8::is_ascii_digit)
        }
        b'%' => last == b'%' && value.len() > 1 || value.len() <= 3 || rest.starts_with(b"("),
        _ => false,
    };
    template || value.iter().all(|byte| byte == first) || is_starred(value) || is_crossed_out(value) || is_word(value)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Stars, and at most as much beside them.
fn is_starred(value: &[u8]) -> bool {
    let stars = memchr::memchr_iter(b'*', value).count();
    stars >= 2 && 2 * stars >= value.len()
}

/// Four or more of `x` one after the other, as in `AKIAXXXXXXXX`.
fn is_crossed_out(value: &[u8]) -> bool {
    value.windows(4).any(|part| part.eq_ignore_ascii_case(b"xxxx"))
}

fn is_word(value: &[u8]) -> bool {
    const WORDS: [&[u8]; 14] = [
        b"null",
        b"none",
        b"nil",
        b"true",
        b"false",
        b"undefined",
        b"string",
        b"redacted",
        b"password",
        b"passwd",
        b"your_password",
        b"your-password",
        b"changeme",
        b"placeholder",
    ];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(value))
}
