//! What commands point at: files that hold credentials, places that a system lives in, connections.

use super::lexer::{UNKNOWN, Word};
use super::tables::{KEPT, STARTED, SYSTEM};
use crate::paths;

/// The last part of a path.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Bash's own devices for connections.
pub(super) fn is_connection(word: &Word) -> bool {
    word.text.contains("/dev/tcp/") || word.text.contains("/dev/udp/") || word.text.contains("docker.sock")
}

/// Whether a word names a file that holds credentials, or another process's.
pub(super) fn is_secret(word: &Word) -> bool {
    let text = &word.text;
    if text.contains(char::is_whitespace) && !text.starts_with(['/', '~']) {
        return false;
    }
    let is_pattern = word.is_pattern || word.is_unknown();
    text.split(['=', '@', ':', ',', '{', '}']).any(|part| {
        let path = paths::normal(part).to_lowercase();
        paths::is_sensitive(&path) || is_of_process(&path)
    }) || (is_pattern && text.contains('/') && paths::may_be_sensitive(text, UNKNOWN))
}

/// `/proc/1/environ` and the like.
fn is_of_process(path: &str) -> bool {
    path.strip_prefix("/proc/").is_some_and(|rest| {
        ["/environ", "/mem", "/root", "/cwd", "/maps"].iter().any(|end| rest.contains(end)) || rest.starts_with("kcore")
    })
}

/// Whether a directory is one that a system, or a person, lives in, or all that is in it.
pub(super) fn is_system(word: &Word) -> bool {
    let text = word.text.as_str();
    if text.starts_with('~') && !text.trim_end_matches(['/', '*', '.']).contains('/') {
        return true;
    }
    if !text.starts_with('/') {
        return text == "*" && !word.is_pattern;
    }
    let path = paths::normal(text);
    let path = path.trim_end_matches(['*', '.']).trim_end_matches('/');
    path.is_empty() || SYSTEM.contains(&path)
}

/// Whether what writes to this changes the system, what is run on its own, or a device.
pub(super) fn is_spoilt_by_writing(word: &Word) -> bool {
    let text = word.text.as_str();
    if let Some(device) = text.strip_prefix("/dev/") {
        return !(matches!(device, "null" | "stdout" | "stderr" | "stdin" | "tty" | "zero")
            || device.starts_with("fd/")
            || device.starts_with("shm/"));
    }
    let path = paths::normal(text);
    // What stands for a home: `~`, `$HOME`, `/home/ann`.
    let is_started = STARTED.iter().any(|name| {
        path == *name
            || path.strip_suffix(name).is_some_and(|before| before.ends_with('/'))
            || path.contains(&format!("{name}/"))
    });
    is_started || KEPT.iter().any(|directory| path.starts_with(directory)) || is_system(word)
}

/// Whether a search path has directories that anybody writes to before others.
pub(super) fn is_foreign_search_path(value: &str) -> bool {
    value.split(':').any(|directory| {
        directory.is_empty()
            || directory.starts_with('.')
            || ["/tmp", "/var/tmp", "/dev/shm"]
                .iter()
                .any(|place| directory.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    })
}
