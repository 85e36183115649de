//! File paths in arguments: what climbs out of its directory, what is absolute, what lies outside of the roots.
//!
//! A text is a path where its key says so, and where it looks like one: it begins as paths do, or is one word with slashes
//! in it. `\` counts as `/`. Paths in a running text, as in source code, are none. A path is not resolved: no file system
//! is asked, so links are not seen.

use vidimus_core::PathFacts;
use vidimus_core::json::Value;

use crate::walk::{Role, Texts};
use crate::{insert, readings};

/// Keys whose values are paths, spelt as [`crate::walk::plain`] does.
const PATH_KEYS: &[&str] =
    &["path", "paths", "file", "files", "cwd", "workdir", "dest", "destination", "src", "root", "roots"];

/// Endings of such keys: `outputDir`, `file_name`.
const PATH_KEY_ENDINGS: &[&str] =
    &["path", "paths", "file", "filename", "filenames", "dir", "directory", "directories", "folder", "folders"];

/// Longer texts look like no path.
const MAX_LOOKED_AT: usize = 4_096;

/// Where files are that no program for files should get: other processes, open descriptors, devices.
const SPECIAL: &[&str] = &["/proc/", "/dev/", "/sys/"];
/// Devices that do no harm.
const HARMLESS: &[&str] = &["/dev/null", "/dev/stdout", "/dev/stderr"];

/// Directories that are usual at the root, in lower case.
const USUAL: &[&str] = &[
    "bin", "boot", "data", "dev", "etc", "export", "home", "lib", "lib64", "library", "media", "mnt", "net", "nfs",
    "opt", "private", "proc", "root", "run", "sbin", "srv", "sys", "system", "tmp", "users", "usr", "var", "volumes",
    "windows",
];

/// Files that hold credentials, by their last parts.
const SENSITIVE: &[&str] = &[
    "etc/passwd",
    "etc/shadow",
    "etc/gshadow",
    "etc/sudoers",
    "etc/master.passwd",
    "etc/security/opasswd",
    "etc/krb5.keytab",
    ".aws/credentials",
    ".aws/config",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".my.cnf",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".docker/config.json",
    ".kube/config",
    ".vault-token",
    ".htpasswd",
    ".bash_history",
    ".zsh_history",
    ".config/gcloud/credentials.db",
    ".config/gcloud/application_default_credentials.json",
    ".config/gh/hosts.yml",
    ".azure/accesstokens.json",
    ".cargo/credentials.toml",
    ".terraform.d/credentials.tfrc.json",
    "windows/system32/config/sam",
    "windows/system32/config/system",
    "windows/system32/config/security",
    "ntds.dit",
    ".env",
    ".env.local",
    ".env.production",
];
/// Directories that hold nothing else.
const SENSITIVE_DIRECTORIES: &[&str] = &[".ssh", ".gnupg", ".password-store"];
/// The same, by more parts than one.
const SENSITIVE_BELOW: &[&str] = &["/run/secrets/", "/etc/sudoers.d/", "/etc/ssl/private/", "/etc/kubernetes/pki/"];
/// Beginnings of the names of private keys.
const SENSITIVE_NAMES: &[&str] = &["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"];

/// The paths of arguments; `None` when there are too many.
pub(crate) fn of(arguments: Option<Value<'_>>, roots: &[String]) -> Option<PathFacts> {
    let mut facts = PathFacts::default();
    for text in Texts::of(arguments).filter(|text| text.role == Role::String) {
        let is_named = means_path(&text.key);
        for reading in readings::of(&text.value) {
            if is_named || looks_like_one(&reading) {
                let is_sure = is_named || !reading.trim().contains(char::is_whitespace) || begins_at_usual(&reading);
                judge(&reading, (is_sure, reading != text.value), roots, &mut facts)?;
            }
        }
    }
    Some(facts)
}

fn means_path(key: &str) -> bool {
    PATH_KEYS.contains(&key) || PATH_KEY_ENDINGS.iter().any(|ending| key.ends_with(ending))
}

const fn is_separator(character: char) -> bool {
    matches!(character, '/' | '\\')
}

/// Whether a text is a path although no key says so.
fn looks_like_one(text: &str) -> bool {
    let text = text.trim();
    if text.len() > MAX_LOOKED_AT || text.contains(['\n', '\r']) || text.trim_matches(is_separator).is_empty() {
        return false;
    }
    let is_file_url = begins_with_ignoring_case(text, "file:");
    if !is_file_url && text.contains("://") {
        return false;
    }
    let first = text.split(is_separator).next().unwrap_or(text);
    let is_word = !text.contains(char::is_whitespace);
    let has_separator = text.contains(is_separator);
    let begins = match first {
        "" => text.len() > 1 && !text.starts_with("/ ") && !text.starts_with("// "),
        "." | ".." | "~" => has_separator || text == "..",
        _ => is_file_url || (is_drive(first) && has_separator) || (is_home(first) && (has_separator || is_word)),
    };
    begins || (is_word && has_separator)
}

fn begins_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_drive(first: &str) -> bool {
    let mut characters = first.chars();
    let letter = characters.next().is_some_and(|letter| letter.is_ascii_alphabetic());
    letter && characters.next() == Some(':') && characters.next().is_none()
}

/// `~` and `~user`; `~$name` is what an office program leaves beside a document, `~5` an estimate.
fn is_home(first: &str) -> bool {
    first.strip_prefix('~').is_some_and(|user| {
        user.is_empty()
            || user
                .starts_with(|character: char| character.is_ascii_alphabetic() || matches!(character, '_' | '+' | '-'))
                && !user.contains(char::is_whitespace)
    })
}

/// Whether a text begins with a directory that is usual at the root: not what is said in a chat (`/deploy it now`).
fn begins_at_usual(text: &str) -> bool {
    let first = text.trim().split(is_separator).filter(|part| !part.is_empty()).find(|part| *part != ".");
    first.is_some_and(|first| USUAL.contains(&first.to_lowercase().as_str()) || is_drive(first))
}

/// Of one path: whether it surely is one, and whether it was written otherwise.
fn judge(text: &str, (is_sure, is_disguised): (bool, bool), roots: &[String], facts: &mut PathFacts) -> Option<()> {
    let text = text.trim();
    let (path, is_elsewhere) = without_scheme(text);
    let first = path.split(is_separator).next().unwrap_or(path);
    let normal = normal(path);
    let lower = normal.to_lowercase();
    let is_absolute = is_sure && (normal.starts_with('/') || is_drive(first));
    // `C:name` lies where the drive happens to stand, `name::$DATA` is `name` itself.
    let is_odd = first.len() > 2 && first.get(..2).is_some_and(is_drive) || lower.contains("::$");
    let is_share = (path.starts_with("\\\\") && path.len() > 2)
        || (path.starts_with("//") && path.len() > 2 && !path.starts_with("///"));
    let is_variable = first.starts_with("${")
        || first.starts_with("$HOME")
        || first.to_ascii_lowercase().starts_with("$env:")
        || (first.len() > 2 && first.starts_with('%') && first.ends_with('%'));
    let is_special =
        SPECIAL.iter().any(|prefix| lower.starts_with(prefix) || Some(lower.as_str()) == prefix.strip_suffix('/'))
            && !HARMLESS.contains(&lower.as_str());
    let leaves = climbs(path, if is_absolute { MIN_DEPTH } else { 0 }, is_disguised)
        || is_elsewhere
        || is_odd
        || is_share
        || is_home(first)
        || is_variable
        || is_special
        || path.contains('\0');
    facts.traversal |= leaves;
    facts.sensitive |= is_sensitive(&lower);
    if is_absolute {
        insert(&mut facts.absolute, &normal)?;
    }
    if !roots.is_empty() {
        let is_below = |root: &String| {
            let root = root.trim_end_matches('/');
            normal == root || normal.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
        };
        facts.outside |= leaves || (is_absolute && !roots.iter().any(is_below));
    }
    Some(())
}

/// The path of a `file:` URL, else the text itself; and whether it is another machine's.
fn without_scheme(text: &str) -> (&str, bool) {
    let Some(rest) = text.get("file:".len()..).filter(|_| begins_with_ignoring_case(text, "file:")) else {
        return (text, false);
    };
    let Some(rest) = rest.strip_prefix("//") else { return (rest, false) };
    let host_ends = rest.find(is_separator).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_ends);
    (path, !(host.is_empty() || host.eq_ignore_ascii_case("localhost")))
}

/// An absolute path that a step upwards takes to no more parts than that has left where it began, as far as can be told:
/// directories that files are served from lie about as deep.
const MIN_DEPTH: usize = 2;

/// Whether a path leads above the directory that it begins in, or to `least` parts or fewer; `always` counts every step.
fn climbs(path: &str, least: usize, always: bool) -> bool {
    let mut depth: usize = 0;
    for part in path.split(is_separator) {
        if is_up(part) {
            // What is no `..` yet becomes it in other hands.
            let Some(left) = depth.checked_sub(1).filter(|_| !always && part == "..") else { return true };
            if least > 0 && left <= least {
                return true;
            }
            depth = left;
        } else if !matches!(part, "" | ".") {
            depth = depth.saturating_add(1);
        }
    }
    false
}

/// `..`, also with what systems cut off (`.. `, `..;x`), and `....`, which becomes it where `..` is cut out once.
fn is_up(part: &str) -> bool {
    let part = part.split([';', '\0']).next().unwrap_or(part).trim();
    part == ".." || (part.len() > 3 && part.bytes().all(|byte| byte == b'.'))
}

/// Whether a path in lower case is a file that holds credentials.
pub(crate) fn is_sensitive(path: &str) -> bool {
    let path = path.trim_end_matches(['/', ' ', '.']);
    let is_named = |name: &&str| path == *name || path.strip_suffix(name).is_some_and(|before| before.ends_with('/'));
    let name = path.rsplit('/').next().unwrap_or(path);
    SENSITIVE.iter().any(is_named)
        || path.split('/').any(|part| SENSITIVE_DIRECTORIES.contains(&part))
        || SENSITIVE_BELOW.iter().any(|directory| path.contains(directory))
        || (SENSITIVE_NAMES.iter().any(|prefix| name.starts_with(prefix)) && name.strip_suffix(".pub").is_none())
}

/// Without `.`, `..` and empty parts, and with slashes.
pub(crate) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(is_separator) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let root = if path.starts_with(is_separator) { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Whether a pattern of a shell, in which `unknown` stands for any text, may be meant for a file that holds credentials.
pub(crate) fn may_be_sensitive(pattern: &str, unknown: char) -> bool {
    if pattern.len() > MAX_LOOKED_AT {
        return true;
    }
    let pattern = simplified(&pattern.to_lowercase(), unknown);
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let mut names = SENSITIVE_NAMES.iter().chain(SENSITIVE_DIRECTORIES);
    let has_part =
        |name: &&str| parts.iter().any(|part| literals(part) >= 3 && part.contains(['*', '?']) && fits(part, name));
    let names_file = |file: &&str| {
        let length = file.split('/').count();
        let ends = parts.len().checked_sub(length).and_then(|start| parts.get(start..));
        ends.is_some_and(|ends| {
            ends.iter().map(|part| literals(part)).sum::<usize>() >= MIN_LITERALS
                && ends.iter().zip(file.split('/')).all(|(part, name)| fits(part, name))
        })
    };
    SENSITIVE.iter().any(names_file) || names.any(has_part)
}

/// So many characters of a pattern say what is meant.
const MIN_LITERALS: usize = 2;

fn literals(part: &str) -> usize {
    part.chars().filter(|character| !matches!(character, '*' | '?')).count()
}

/// With `*` for what braces and unknown text become, and `?` for brackets.
fn simplified(pattern: &str, unknown: char) -> String {
    let mut simple = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        let (closing, stands_for) = match character {
            '{' => ('}', '*'),
            '[' => (']', '?'),
            _ => {
                simple.push(if character == unknown { '*' } else { character });
                continue;
            }
        };
        rest.by_ref().find(|character| *character == closing);
        simple.push(stands_for);
    }
    simple
}

/// Whether a name fits a pattern of `*` and `?`, neither of which stands for a first `.`.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut of_name) = (0_usize, 0_usize);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(of_name) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, of_name));
                at = at.saturating_add(1);
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                at = at.saturating_add(1);
                of_name = of_name.saturating_add(1);
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken.saturating_add(1)));
                at = place.saturating_add(1);
                of_name = taken.saturating_add(1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
