//! `curl -u user:password`.

use crate::form::{Reading, has_entropy};
use crate::placeholder::is_placeholder;

/// Bytes of a command line that are read for its `-u`.
const MAX_COMMAND: usize = 1024;

/// Bytes of the argument, at most.
const MAX_ARGUMENT: usize = 256;

/// Reads on after `curl `. The next `curl` ends it, so that many commands are read once each.
pub(in super::super) fn read(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let rest = reading.rest(reading.from);
    let near = rest.get(..MAX_COMMAND).unwrap_or(rest);
    let mut at = 0;
    let mut before = b' ';
    while let Some(byte) = near.get(at) {
        let tail = near.get(at..)?;
        match byte {
            b'\n' if before != b'\\' => return None,
            b'c' if tail.starts_with(b"curl ") => return None,
            b'-' if before.is_ascii_whitespace() => {
                let flag = [&b"--user"[..], b"-u"].into_iter().find(|flag| tail.starts_with(flag));
                if let Some(flag) = flag
                    && let Some(argument) = argument(tail, flag.len())
                {
                    return credentials(reading, reading.from + at + argument);
                }
            }
            _ => {}
        }
        before = *byte;
        at += 1;
    }
    reading.open |= near.len() == rest.len();
    None
}

/// Where the argument of a flag begins.
fn argument(tail: &[u8], flag: usize) -> Option<usize> {
    let rest = tail.get(flag..)?;
    let blanks = rest.iter().take(5).take_while(|byte| matches!(byte, b' ' | b'\t' | b'=')).count();
    (blanks > 0).then_some(flag + blanks)
}

fn credentials(reading: &mut Reading<'_>, start: usize) -> Option<(usize, usize)> {
    let rest = reading.rest(start);
    let mut quote = None;
    let mut end = rest.len().min(MAX_ARGUMENT);
    for (at, byte) in rest.iter().enumerate().take(MAX_ARGUMENT) {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) | (None, b':') => {}
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, byte) if byte.is_ascii_whitespace() => {
                end = at;
                break;
            }
            (None, _) => {}
        }
    }
    let argument = rest.get(..end)?;
    reading.open |= end == rest.len();
    let colon = argument.iter().position(|byte| *byte == b':')?;
    let plain = |part: &[u8]| part.iter().filter(|byte| !matches!(byte, b'"' | b'\'')).count();
    let (user, password) = (argument.get(..colon)?, argument.get(colon + 1..)?);
    let quoted = |part: &[u8]| part.iter().position(|byte| !matches!(byte, b'"' | b'\'')).unwrap_or(part.len());
    let bare = password.get(quoted(password)..).unwrap_or_default();
    let name = user.get(quoted(user)..).unwrap_or_default();
    let made_up = |part: &[u8]| {
        const WORDS: [&[u8]; 7] = [b"password", b"pass", b"passwd", b"pwd", b"token", b"test", b"secret"];
        let end = part.iter().position(|byte| matches!(byte, b'"' | b'\'')).unwrap_or(part.len());
        part.get(..end)
            .is_some_and(|part| is_placeholder(part) || WORDS.iter().any(|word| word.eq_ignore_ascii_case(part)))
    };
    let empty = plain(password) == 0;
    let stands = plain(argument) >= 6
        && !bare.starts_with(b"$")
        && !name.starts_with(b"$")
        && (empty && plain(user) >= 6 || !empty && !made_up(bare))
        && has_entropy(argument, 21);
    stands.then_some((start, start + end))
}
