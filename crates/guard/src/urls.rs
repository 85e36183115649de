//! URLs and hosts in arguments (WHATWG URL standard, RFC 3986).
//!
//! Every text is searched, and every key. After `http:`, `https:`, `ws:`, `wss:` and `ftp:`, however many slashes follow
//! and whichever way they lean, and after `scheme://`, stands a host. What programs do not agree on — where it ends
//! when there is a `\`, and which of several `@` ends the user — is read every way. Besides, addresses of four numbers
//! and names of machines' own are found wherever they stand; under a key that means a host, the value is one.

use vidimus_core::UrlFacts;
use vidimus_core::json::Value;

use crate::hosts::{self, Reach};
use crate::walk::{Role, Texts};
use crate::{insert, readings};

/// The schemes whose URLs have a host with or without slashes.
const SPECIAL: &[&str] = &["http", "https", "ws", "wss", "ftp"];

/// Schemes that are told without `//` after them, at the beginning of a text.
const WITHOUT_SLASHES: &[&str] =
    &["javascript", "data", "file", "jar", "vbscript", "view-source", "blob", "php", "expect"];

/// The longest scheme that is looked for.
const MAX_SCHEME: usize = 32;

/// Keys whose values are hosts or URLs, spelt as [`crate::walk::plain`] does.
const HOST_KEYS: &[&str] = &[
    "url",
    "uri",
    "host",
    "hostname",
    "hosts",
    "hostnames",
    "server",
    "servers",
    "endpoint",
    "domain",
    "ip",
    "ipaddress",
    "ipaddr",
    "address",
    "addr",
    "link",
    "href",
    "origin",
    "proxy",
    "webhook",
    "callback",
    "redirect",
    "upstream",
    "remote",
    "urls",
    "uris",
    "endpoints",
    "domains",
    "ips",
    "links",
    "site",
    "website",
    "feed",
    "node",
    "peer",
    "gateway",
];

/// Endings of such keys: `baseUrl`, `redirect_uri`, `db-host`.
const HOST_KEY_ENDINGS: &[&str] = &["url", "uri", "host", "hostname", "endpoint", "ipaddress", "urls", "uris", "hosts"];

/// The URLs and hosts of arguments; `None` when there are too many.
pub(crate) fn of(arguments: Option<Value<'_>>) -> Option<UrlFacts> {
    let mut facts = UrlFacts::default();
    for text in Texts::of(arguments) {
        let is_host = text.role != Role::Key && means_host(&text.key);
        if text.role == Role::Number {
            if is_host {
                whole(&text.value, &mut facts)?;
            }
            continue;
        }
        for reading in readings::of(&text.value) {
            // The standard takes these out of URLs, wherever they stand.
            let reading: String =
                reading.chars().filter(|character| !matches!(character, '\t' | '\n' | '\r')).collect();
            search(&reading, is_version(&text.key), &mut facts)?;
            if is_host {
                whole(&reading, &mut facts)?;
            }
        }
        if text.value.contains(['\t', '\n', '\r']) {
            for reading in readings::of(&text.value) {
                search(&reading, is_version(&text.key), &mut facts)?;
            }
        }
    }
    Some(facts)
}

fn means_host(key: &str) -> bool {
    HOST_KEYS.contains(&key) || HOST_KEY_ENDINGS.iter().any(|ending| key.ends_with(ending))
}

/// Whether what stands under a key is a version, which may have four numbers.
fn is_version(key: &str) -> bool {
    ["version", "versions", "release", "ver"].iter().any(|ending| key.ends_with(ending))
}

/// Searches a text for URLs and for words that are hosts.
fn search(text: &str, is_version: bool, facts: &mut UrlFacts) -> Option<()> {
    let bytes = text.as_bytes();
    // Where the authority ends that was met last, by either reading: what begins before lies within it.
    let mut ends = [Authority::default(), Authority::default()];
    for (colon, _) in text.match_indices(':') {
        let Some(scheme) = scheme_before(text, colon) else { continue };
        let after = bytes.get(colon.saturating_add(1)..).unwrap_or_default();
        let slashes = after.iter().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
        let is_special = SPECIAL.contains(&scheme.as_str());
        let begins = colon.saturating_sub(scheme.len()) == 0;
        if !is_special && slashes < 2 {
            if begins && WITHOUT_SLASHES.contains(&scheme.as_str()) {
                insert(&mut facts.schemes, &scheme)?;
            }
            continue;
        }
        let start = colon.saturating_add(1).saturating_add(slashes);
        let mut is_one = false;
        for (authority, stops) in ends.iter_mut().zip(STOPS) {
            authority.reach(text, start, stops);
            is_one |= found(text, start, authority, &scheme, facts)?;
        }
        if is_one || slashes >= 2 {
            insert(&mut facts.schemes, &scheme)?;
        }
    }
    if let Some(rest) = text.strip_prefix("//").or_else(|| text.strip_prefix("\\\\")) {
        let rest = rest.trim_start_matches(['/', '\\']);
        let host = host_of(rest.split(STOPS[0]).next().unwrap_or(rest));
        if !rest.is_empty() && !host.is_empty() && hosts::reach(host) == Reach::Private {
            facts.private = true;
        }
    }
    words(text, is_version, facts)
}

/// Where an authority ends: for one who takes `\` for `/`, and for one who does not. White space and quotes end any.
const STOPS: [fn(char) -> bool; 2] = [
    |character| matches!(character, '/' | '\\' | '?' | '#') || ends_text(character),
    |character| matches!(character, '/' | '?' | '#') || ends_text(character),
];

const fn ends_text(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '"' | '\'' | '<' | '>' | '`' | '{' | '}' | '|' | '^' | '\0' | ',' | ';' | ')')
}

/// The part of a text that an authority may take.
#[derive(Debug, Clone, Copy, Default)]
struct Authority {
    end: usize,
    /// After its last `@`, where it has one.
    after_at: usize,
}

impl Authority {
    fn reach(&mut self, text: &str, start: usize, stops: fn(char) -> bool) {
        if start < self.end {
            return;
        }
        let rest = text.get(start..).unwrap_or_default();
        let length = rest.find(stops).unwrap_or(rest.len());
        self.end = start.saturating_add(length);
        let at = rest.get(..length).and_then(|authority| authority.rfind('@'));
        self.after_at = at.map_or(start, |at| start.saturating_add(at).saturating_add(1));
    }
}

/// Of an authority, so much is read: more than a host may have, so that a longer one is refused.
const MAX_AUTHORITY: usize = 1_100;

/// The beginning of a part of a text.
fn near(text: &str, start: usize, end: usize) -> &str {
    let end = end.min(start.saturating_add(MAX_AUTHORITY));
    (0..4).find_map(|back| text.get(start..end.saturating_sub(back))).unwrap_or_default()
}

/// Notes the hosts of one authority. Whether there are any.
fn found(text: &str, start: usize, authority: &Authority, scheme: &str, facts: &mut UrlFacts) -> Option<bool> {
    let whole = near(text, start, authority.end);
    let last = near(text, authority.after_at.max(start), authority.end);
    // After the first `@`, as some read it; only where it is near.
    let first = whole.split('@').nth(1);
    let mut is_one = false;
    for host in [Some(last), first].into_iter().flatten() {
        let host = host_of(host).trim_end_matches(['.', ':', '!', '*', '_']);
        if host.is_empty() {
            continue;
        }
        is_one = true;
        insert(&mut facts.hosts, &host.to_lowercase())?;
        let is_local = SPECIAL.contains(&scheme) && !host.contains(['.', ':', '[', '$', '%']);
        facts.private |= is_local || hosts::reach(host) == Reach::Private;
    }
    Some(is_one)
}

/// Without port.
fn host_of(authority: &str) -> &str {
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    if authority.starts_with('[') {
        let end = authority.find(']').map_or(authority.len(), |end| end.saturating_add(1));
        return authority.get(..end).unwrap_or(authority);
    }
    authority.split(':').next().unwrap_or(authority)
}

/// The letters before a colon that are a scheme (RFC 3986 §3.1), in lower case.
fn scheme_before(text: &str, colon: usize) -> Option<String> {
    let bytes = text.as_bytes().get(colon.saturating_sub(MAX_SCHEME)..colon)?;
    let is_of_scheme = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let length = bytes.iter().rev().take_while(is_of_scheme).count();
    let scheme = text.get(colon.saturating_sub(length)..colon)?;
    let scheme = scheme.trim_start_matches(|character: char| !character.is_ascii_alphabetic());
    (!scheme.is_empty()).then(|| scheme.to_ascii_lowercase())
}

/// A value that is a host, or begins with one: `host`, `host:port`, `user@host/path`.
fn whole(text: &str, facts: &mut UrlFacts) -> Option<()> {
    let text = text.trim();
    let has_scheme = text.find(':').is_some_and(|colon| {
        let is_port =
            text.get(colon.saturating_add(1)..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        scheme_before(text, colon).is_some_and(|scheme| scheme.len() == colon) && !is_port
    });
    if text.is_empty() || (has_scheme && !text.starts_with('[')) || text.contains(char::is_whitespace) {
        return Some(());
    }
    let text = text.trim_start_matches(['/', '\\']);
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        facts.private |= hosts::reach(text) == Reach::Private;
        return insert(&mut facts.hosts, &text.to_lowercase());
    }
    let authority = text.split(STOPS[0]).next().unwrap_or(text);
    let host = host_of(authority).trim_end_matches('.');
    if host.is_empty() {
        return Some(());
    }
    insert(&mut facts.hosts, &host.to_lowercase())?;
    facts.private |= hosts::reach(host) == Reach::Private;
    Some(())
}

/// Words that are addresses or known names, wherever they stand. After `v` and `version`, four numbers are a version.
fn words(text: &str, is_version: bool, facts: &mut UrlFacts) -> Option<()> {
    let is_of_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
    let mut before = "";
    for word in text.split(|character: char| !is_of_word(character)) {
        if word.is_empty() {
            continue;
        }
        let follows = ["version", "release", "v", "ver", "ver."].iter().any(|name| before.eq_ignore_ascii_case(name));
        let is_number = (is_version || follows) && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        before = word;
        if !is_number && word.contains(['.', 'l', 'L']) && hosts::is_private_word(word) {
            facts.private = true;
            insert(&mut facts.hosts, &word.trim_matches('.').to_ascii_lowercase())?;
        }
    }
    if let Some(address) = text.trim().strip_prefix('[').and_then(|rest| rest.split(']').next()).or(Some(text.trim()))
        && address.contains(':')
        && let Ok(address) = address.parse::<std::net::Ipv6Addr>()
    {
        facts.private |= hosts::reach(&format!("[{address}]")) == Reach::Private;
        insert(&mut facts.hosts, &address.to_string())?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vidimus_core::json::{Document, Limits};

    use super::*;

    fn facts(arguments: &serde_json::Value) -> UrlFacts {
        let document = Document::parse(Bytes::from(arguments.to_string()), &Limits::default()).unwrap();
        of(Some(document.root())).unwrap()
    }

    #[test]
    fn hosts_and_schemes_are_found_where_they_stand() {
        for (text, hosts, schemes, private) in [
            ("https://Example.com:8443/a?b=c#d", &["example.com"][..], &["https"][..], false),
            ("see <http://a.example>, or ftp://b.example/x.", &["a.example", "b.example"], &["ftp", "http"], false),
            ("http://user:pass@a.example/", &["a.example"], &["http"], false),
            ("http://a.example@10.0.0.1@b.example/", &["10.0.0.1", "b.example"], &["http"], true),
            ("http:\\\\10.0.0.1\\x", &["10.0.0.1", "10.0.0.1\\x"], &["http"], true),
            ("ht\ntp://10.0.0.1/", &["10.0.0.1"], &["http", "tp"], true),
            ("javascript:alert(1)", &[], &["javascript"], false),
            ("note: a::b, 12:30", &[], &[], false),
            ("redis://cache:6379", &["cache"], &["redis"], false),
            ("http://intranet/", &["intranet"], &["http"], true),
            ("fe80::1", &["fe80::1"], &[], true),
            ("ping 192.168.0.1 now", &["192.168.0.1"], &[], true),
            ("version 10.0.0.1", &[], &[], false),
            ("//10.0.0.1/x", &["10.0.0.1"], &[], true),
        ] {
            let found = facts(&serde_json::json!({ "text": text }));
            let names = |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
            assert_eq!(
                (names(&found.schemes), found.private),
                (schemes.iter().map(ToString::to_string).collect(), private),
                "{text}"
            );
            assert!(hosts.iter().all(|host| found.hosts.contains(*host)), "{text}: {found:?}");
        }
    }

    #[test]
    fn keys_say_what_hosts_are() {
        for (arguments, private) in [
            (serde_json::json!({ "host": "2130706433" }), true),
            (serde_json::json!({ "host": 2_130_706_433 }), true),
            (serde_json::json!({ "amount": 2_130_706_433 }), false),
            (serde_json::json!({ "base_url": "metadata" }), true),
            (serde_json::json!({ "servers": ["a.example", { "host": "[::1]:80" }] }), true),
            (serde_json::json!({ "http://127.0.0.1/": 1 }), true),
            (serde_json::json!({ "version": "10.2.3.4" }), false),
            (serde_json::json!({ "url": "a.example:8080" }), false),
        ] {
            assert_eq!(facts(&arguments).private, private, "{arguments}");
        }
    }

    #[test]
    fn too_many_hosts_are_no_fact() {
        let text = (0..1_001).map(|number| format!("http://h{number}.example/")).collect::<Vec<_>>().join(" ");
        let document = Document::parse(Bytes::from(serde_json::json!([text]).to_string()), &Limits::default()).unwrap();
        assert_eq!(of(Some(document.root())), None);
    }
}
