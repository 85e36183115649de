//! A host as programs read one, and whether it is of the public Internet.
//!
//! The host parser of the WHATWG URL standard (section "Host parsing"), with its numbers in decimal, octal and hexadecimal
//! and its short forms, and beside it the readings of stricter and laxer programs (`010.0.0.1` is 8.0.0.1 here and
//! 10.0.0.1 there). Names are not resolved; of a name it is asked what it says itself.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What a host says of where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// An address or a name of the public Internet, as far as can be told.
    Public,
    /// Loopback, private, link-local, metadata, multicast, reserved, or a name of such.
    Private,
}

/// Names that are no longer than that are looked at in full (RFC 1035 §2.3.4 allows 253 characters).
const MAX_HOST: usize = 1_024;

/// Where cloud machines ask for their credentials, and names that lead to the machine itself.
const NAMES: &[&str] = &[
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "ip6-loopback",
    "broadcasthost",
    "host.docker.internal",
    "metadata",
    "metadata.goog",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "metadata.packet.net",
    "instance-data",
    "rancher-metadata",
    "kubernetes",
    "kubernetes.default",
    "localtest.me",
    "lvh.me",
    "vcap.me",
    "lacolhost.com",
    "localho.st",
    "fuf.me",
    "spoofed.burpcollaborator.net",
];

/// Domains that are of one network only (RFC 6761, RFC 6762, RFC 8375), and names under which all names are the machine's
/// own.
const DOMAINS: &[&str] = &[
    ".localhost",
    ".local",
    ".internal",
    ".localdomain",
    ".home.arpa",
    ".intranet",
    ".corp",
    ".lan",
    ".private",
    ".svc",
    ".svc.cluster.local",
    ".localtest.me",
    ".lvh.me",
    ".vcap.me",
    ".lacolhost.com",
    ".localho.st",
    ".fuf.me",
];

/// Domains of names that say in hexadecimal which address they are.
const HEXADECIMAL_DOMAINS: &[&str] = &[".nip.io", ".sslip.io", ".xip.io"];

/// Public addresses that clouds answer for the machine itself: Azure's, and Oracle's in a range that is reserved anyway.
const METADATA_ADDRESSES: &[Ipv4Addr] = &[Ipv4Addr::new(168, 63, 129, 16)];

/// What a host in a URL says. `host` is plain, decoded, and without user, port and brackets around anything but IPv6.
pub(crate) fn reach(host: &str) -> Reach {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.len() > MAX_HOST {
        return Reach::Private;
    }
    let private = |is_private: bool| if is_private { Reach::Private } else { Reach::Public };
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or(inner);
        let inner = inner.split('%').next().unwrap_or(inner);
        // What is no address is not told from one.
        return private(inner.parse().map_or(true, is_private_v6));
    }
    if let Ok(address) = host.parse() {
        return private(is_private_v6(address));
    }
    if ends_in_a_number(&host) {
        let readings = numbers(&host);
        return private(readings.is_empty() || readings.into_iter().any(is_private_v4));
    }
    private(is_private_name(&host))
}

/// Whether a word that stands in a text and is no URL is such a host all the same: four numbers, or a name that is known.
pub(crate) fn is_private_word(word: &str) -> bool {
    let word = word.trim_matches('.');
    let labels = word.split('.').count();
    if labels == 4 && word.split('.').all(is_number) {
        return numbers(&word.to_ascii_lowercase()).into_iter().any(is_private_v4);
    }
    let word = word.to_ascii_lowercase();
    word.len() <= MAX_HOST
        && (NAMES.iter().any(|name| *name == word && (name.contains('.') || *name == "localhost"))
            || (labels > 2 && [".internal", ".svc", ".cluster.local"].iter().any(|domain| word.ends_with(domain)))
            || carries_private(&word) && HEXADECIMAL_DOMAINS.iter().any(|domain| word.ends_with(domain)))
}

fn is_private_name(name: &str) -> bool {
    NAMES.contains(&name) || DOMAINS.iter().any(|domain| name.ends_with(domain)) || carries_private(name)
}

/// Whether a name carries an address: `app.10.0.0.1.nip.io`, `10-0-0-1.example`, `7f000001.nip.io`.
fn carries_private(name: &str) -> bool {
    let parts: Vec<&str> = name.split(['.', '-']).collect();
    let four = parts.windows(4).any(|four| {
        let decimal = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        four.iter().all(decimal) && numbers(&four.join(".")).into_iter().any(is_private_v4)
    });
    let hexadecimal = HEXADECIMAL_DOMAINS.iter().any(|domain| name.ends_with(domain))
        && parts.iter().any(|part| {
            part.len() == 8 && u32::from_str_radix(part, 16).is_ok_and(|bits| is_private_v4(Ipv4Addr::from(bits)))
        });
    four || hexadecimal
}

/// WHATWG URL, "ends in a number checker".
pub(crate) fn ends_in_a_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    is_number(last)
}

fn is_number(label: &str) -> bool {
    let label = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"))
        .map_or(label, |hexadecimal| if hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit()) { "0" } else { "x" });
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit())
}

/// The IPv4 addresses that a host of numbers is read as: with a leading zero for octal, as the standard has it and
/// `inet_aton`, and for decimal, as others do. None when it is no address at all.
fn numbers(host: &str) -> Vec<Ipv4Addr> {
    let parts: Vec<&str> = host.split('.').collect();
    if parts.len() > 4 {
        return Vec::new();
    }
    let read = |octal: bool| {
        let mut address: u64 = 0;
        for (place, part) in parts.iter().enumerate() {
            let value = number(part, octal)?;
            let left = 4_u32.checked_sub(u32::try_from(place).ok()?)?;
            let is_last = place.saturating_add(1) == parts.len();
            let limit = if is_last { 256_u64.checked_pow(left)? } else { 256 };
            if value >= limit {
                return None;
            }
            let shift = if is_last { 0 } else { left.saturating_sub(1).saturating_mul(8) };
            address |= value.checked_shl(shift)?;
        }
        u32::try_from(address).ok().map(Ipv4Addr::from)
    };
    let mut readings: Vec<_> = [true, false].into_iter().filter_map(read).collect();
    readings.dedup();
    readings
}

fn number(part: &str, octal: bool) -> Option<u64> {
    if let Some(digits) = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        return if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 16).ok() };
    }
    let is_octal = octal && part.len() > 1 && part.starts_with('0');
    u64::from_str_radix(part, if is_octal { 8 } else { 10 }).ok()
}

/// Not of the public Internet: the IANA registry of special-purpose addresses, multicast, and the clouds' own.
fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    METADATA_ADDRESSES.contains(&address)
        || matches!(
            (first, second, third),
            (0 | 10 | 127 | 224..=255, _, _)
                | (100, 64..=127, _)
                | (169, 254, _)
                | (172, 16..=31, _)
                | (192, 168, _)
                | (192, 0, 0)
                | (198, 18 | 19, _)
        )
}

/// The same, also for IPv4 addresses that IPv6 carries: mapped, compatible, translated (RFC 6052, RFC 8215), 6to4
/// (RFC 3056), Teredo (RFC 4380), ISATAP (RFC 5214).
fn is_private_v6(address: Ipv6Addr) -> bool {
    let v4 = |high: u16, low: u16| is_private_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => true,
        [0, 0, 0, 0, 0, 0 | 0xFFFF, high, low]
        | [0, 0, 0, 0, 0xFFFF, 0, high, low]
        | [0x64, 0xFF9B, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x200, 0x5EFE, high, low]
            if v4(high, low) =>
        {
            true
        }
        [0x64, 0xFF9B, 1, ..] => true,
        [0x2001, 0, _, _, _, _, high, low] if v4(!high, !low) => true,
        [first, ..] => {
            first & 0xFE00 == 0xFC00 || first & 0xFFC0 == 0xFE80 || first & 0xFFC0 == 0xFEC0 || first & 0xFF00 == 0xFF00
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "0",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "0177.0.0.1",
            "010.0.0.1",
            "10.0.0.1.",
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "100.64.0.1",
            "100.100.100.200",
            "172.31.255.255",
            "192.168.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "192.0.0.192",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::a00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[fd00:ec2::254]",
            "[fe80::1%eth0]",
            "[fec0::1]",
            "[ff02::1]",
            "[2001:0:4136:e378:8000:63bf:f5ff:fffe]",
            "[nonsense]",
            "[::1",
            "256.1.1.1.1",
            "999.1.1.1",
            "localhost",
            "LOCALHOST.",
            "app.localhost",
            "metadata.google.internal",
            "a.10.0.0.1.nip.io",
            "10-0-0-1.sslip.io",
            "7f000001.nip.io",
            "localtest.me",
            "printer.local",
            "kubernetes.default.svc",
        ] {
            assert_eq!(reach(host), Reach::Private, "{host}");
        }
    }

    #[test]
    fn public_hosts() {
        for host in [
            "example.com",
            "8.8.8.8",
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.2.1",
            "198.20.0.1",
            "169.253.1.1",
            "11.0.0.1",
            "[2606:4700::1111]",
            "[::ffff:8.8.8.8]",
            "[2002:808:808::]",
            "0x08080808",
            "134744072",
            "localhost.example.com",
            "internal.example.com",
            "mylocalhost",
            "10.example.com",
            "v1-2-3-4.example.com",
            "8-8-8-8.nip.io",
            "08080808.nip.io",
            "deadbeef.example.com",
        ] {
            assert_eq!(reach(host), Reach::Public, "{host}");
        }
    }
}
