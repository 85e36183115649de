//! The small languages inside values: durations, sizes, URLs, names.
//!
//! Each function takes the text of a value and gives the typed one, or says what is expected instead.

use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;

/// The longest name of an issuer or gateway, in bytes.
const MAX_NAME: usize = 64;
/// The longest scope, in bytes; some are URLs.
const MAX_SCOPE: usize = 256;

/// `250ms`, `15s`, `5m`, `1h`: more than nothing, at most a day.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration of at most a day, such as \"250ms\", \"15s\", \"5m\" or \"1h\"".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    milliseconds.filter(|length| (1..=86_400_000).contains(length)).map(Duration::from_millis).ok_or_else(expected)
}

/// `90d`: 1 to 36,500 days.
pub(super) fn days(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').filter(|days| days.bytes().all(|byte| byte.is_ascii_digit()));
    let days = days.and_then(|days| days.parse().ok()).filter(|days| (1..=36_500).contains(days));
    days.map(|days: u64| Duration::from_hours(days * 24)).ok_or_else(|| "expected days, such as \"90d\"".to_owned())
}

/// `64KiB`, `16MiB`: at least 1 KiB, at most 1 GiB.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let expected = || "expected a size from 1KiB to 1024MiB, such as \"64KiB\" or \"16MiB\"".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: usize = number.parse().map_err(|_| expected())?;
    let bytes = match unit {
        "KiB" => number.checked_mul(1 << 10),
        "MiB" => number.checked_mul(1 << 20),
        _ => None,
    };
    bytes.filter(|bytes| (1 << 10..=1 << 30).contains(bytes)).ok_or_else(expected)
}

/// `512MiB`, `8GiB`, `2TiB`: at least 1 MiB.
pub(super) fn space(text: &str) -> Result<u64, String> {
    let expected = || "expected a size from 1MiB to 1024TiB, such as \"512MiB\" or \"8GiB\"".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let bytes = match unit {
        "MiB" => number.checked_mul(1 << 20),
        "GiB" => number.checked_mul(1 << 30),
        "TiB" => number.checked_mul(1 << 40),
        _ => None,
    };
    bytes.filter(|bytes| (1 << 20..=1 << 50).contains(bytes)).ok_or_else(expected)
}

/// `127.0.0.1:8080`, `[::1]:8080`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".to_owned())
}

/// The same on loopback only.
pub(super) fn loopback_address(text: &str) -> Result<SocketAddr, String> {
    let address = address(text)?;
    let refusal = "metrics and administration are offered on loopback only, such as \"127.0.0.1:9080\"";
    if address.ip().is_loopback() { Ok(address) } else { Err(refusal.to_owned()) }
}

/// A name that stands in ids, events and file names: letters, digits, `-`, `_`, `.`.
pub(super) fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("expected a name of letters, digits, `-`, `_` and `.`, at most 64 of them".to_owned())
    }
}

/// The issuer of principals on this machine: who speaks to the socket.
pub(crate) const LOCAL_ISSUER: &str = "local";
/// The issuer of the gateway's own principal: who reads the definitions of a target.
pub(crate) const OWN_ISSUER: &str = "vidimus";

/// `[a-z][a-z0-9-]*`: stands before `|` and `/` in principals and groups, so it holds neither. The gateway's own issuers
/// are taken: a provider of that name could put people into `local/owner`.
pub(super) fn issuer_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
    if [LOCAL_ISSUER, OWN_ISSUER].contains(&text) {
        Err(format!("the name `{text}` is the gateway's own: give the issuer another"))
    } else if starts_well && text.len() <= MAX_NAME && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("expected a name of a-z, 0-9 and `-`, starting with a letter, at most 64 characters".to_owned())
    }
}

/// One scope of OAuth (RFC 6749 §3.3): visible ASCII without `"` and `\`.
pub(super) fn scope(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if !text.is_empty() && text.len() <= MAX_SCOPE && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("expected one scope, such as \"mcp\" or \"api://vidimus/use\": no spaces, no `\"`, no `\\`".to_owned())
    }
}

/// Any text but an empty one.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("expected some text".to_owned()) } else { Ok(text.to_owned()) }
}

/// An absolute `http` or `https` URL without user information. (`http::Uri` takes no fragments: it drops them, so
/// they are refused here.)
pub(super) fn url(text: &str) -> Result<Uri, String> {
    let expected = || "expected an absolute URL, such as \"https://crm.internal/mcp\"".to_owned();
    let uri: Uri = text.parse().map_err(|_| expected())?;
    let known_scheme = uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    let host = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(expected)?;
    if host.as_str().contains('@') {
        return Err("a URL holds no user name or password; inject credentials with `headers` or `oauth`".to_owned());
    }
    if known_scheme && !text.contains('#') { Ok(uri) } else { Err(expected()) }
}

/// A URL over which secrets may pass: `https`, or `http` to this machine.
pub(crate) fn private_url(text: &str) -> Result<Uri, String> {
    let uri = url(text)?;
    if uri.scheme() == Some(&Scheme::HTTPS) || is_loopback(&uri) {
        Ok(uri)
    } else {
        Err("expected `https`: tokens would cross the network in the clear".to_owned())
    }
}

/// A URL with `https`.
pub(super) fn https_url(text: &str) -> Result<Uri, String> {
    let uri = url(text)?;
    if uri.scheme() == Some(&Scheme::HTTPS) {
        Ok(uri)
    } else {
        Err("expected `https`: secrets would cross the network in the clear".to_owned())
    }
}

/// `https://app.example.com`: scheme and host, no path. The form browsers send (RFC 6454 §6.2).
pub(super) fn origin(text: &str) -> Result<String, String> {
    let expected = || "expected scheme and host, such as \"https://app.example.com\"".to_owned();
    let uri = url(text).map_err(|_| expected())?;
    let bare = uri.authority().is_some_and(|authority| {
        uri.scheme_str().is_some_and(|scheme| text.eq_ignore_ascii_case(&format!("{scheme}://{authority}")))
    });
    if bare { Ok(text.to_ascii_lowercase()) } else { Err(expected()) }
}

/// Whether a URL names this machine by `localhost` or a loopback address.
pub(crate) fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || literal.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units_and_bounds() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("24h"), Ok(Duration::from_hours(24)));
        for bad in
            ["", "15", "s", "0s", "-1s", "1.5s", "25h", "1d", " 1s", "99999999999999999999s", "6000000000000000h"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(size("1KiB"), Ok(1_024));
        assert_eq!(size("1024MiB"), Ok(1 << 30));
        for bad in ["", "1", "0KiB", "1kb", "1025MiB", "1 MiB", "18446744073709551615MiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn retention_is_counted_in_days() {
        assert_eq!(days("90d"), Ok(Duration::from_hours(2_160)));
        for bad in ["", "d", "0d", "90", "90h", "-1d", "+1d", "36501d", "1.5d"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn room_on_a_disk_is_counted_from_a_mebibyte() {
        assert_eq!((space("1MiB"), space("1024TiB")), (Ok(1 << 20), Ok(1 << 50)));
        for bad in ["", "8", "0GiB", "8GB", "64KiB", "1025TiB", "-1GiB", "1.5GiB", "18446744073709551615TiB"] {
            assert!(space(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_are_absolute_without_credentials_or_fragment() {
        for good in ["http://127.0.0.1:9000/mcp", "https://crm.internal", "https://[::1]/x?y=1"] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/mcp", "crm:9000", "ftp://x/", "http://", "http://u:p@h/", "https://h/#f", "http://h/ x", "http://@h"]
        {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_pass_over_https_or_this_machine() {
        for good in ["https://x", "http://localhost:1", "http://127.9.9.9", "http://[::1]:80/"] {
            assert!(private_url(good).is_ok(), "{good}");
        }
        for bad in ["http://x", "http://localhost.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com"] {
            assert!(private_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_scheme_and_host() {
        assert_eq!(origin("https://App.example.com:8443").as_deref(), Ok("https://app.example.com:8443"));
        for bad in ["https://x/", "https://x/y", "*", "null", "x"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_scope_can_stand_in_a_challenge() {
        for good in ["use", "api://vidimus/use", "crm:write", "openid"] {
            assert_eq!(scope(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "a\"", "a\\", "a\r\nx: y", "é"] {
            assert!(scope(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn administration_stays_on_this_machine() {
        assert!(loopback_address("[::1]:1").is_ok() && loopback_address("127.0.0.1:0").is_ok());
        assert!(loopback_address("0.0.0.0:9080").is_err() && address("0.0.0.0:9080").is_ok());
        assert!(address("localhost:80").is_err() && address("127.0.0.1").is_err());
    }
}
