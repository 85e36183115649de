//! Addresses and identifiers of machines.

#[cfg(test)]
mod tests;

use crate::class::{ClassSpec, Finder, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "IP_ADDRESS",
        about: "IPv4 or IPv6 address, with its prefix length if one is written",
        shapes: &[
            Shape::alone(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?", 30).undotted(),
            Shape::in_context(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?", 30),
        ],
        finder: Some(Finder::Ipv6),
        check: Some(ipv4),
        checked_by: "grammar (RFC 4291, RFC 6943); versions and object identifiers wait for context",
        context: &[
            "ip",
            "ipv4",
            "ipv6",
            "ip address",
            "client ip",
            "remote addr",
            "ipaddr",
            "host",
            "subnet",
            "gateway",
            "cidr",
        ],
        example: "198.51.100.7",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "MAC_ADDRESS",
        about: "hardware address of a network interface (IEEE 802)",
        shapes: &[
            Shape::alone(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}", 60),
            Shape::alone(r"[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}", 60).isolated(),
            Shape::alone(r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}", 60).isolated(),
        ],
        check: Some(mac),
        checked_by: "six bytes, neither all zeros nor all ones",
        context: &["mac", "mac address", "hardware address", "physical address", "ethernet", "hwaddr", "bssid"],
        example: "00-00-5E-00-53-2F",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "URL",
        about: "web address with a known top-level domain, with or without its scheme",
        finder: Some(Finder::Url),
        checked_by: "grammar, known top-level domain",
        context: &["url", "website", "link"],
        example: "https://www.example.com/",
        in_default: false,
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "UUID",
        about: "universally unique identifier (RFC 9562)",
        shapes: &[Shape::alone(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}", 60)],
        context: &["uuid", "guid", "unique identifier"],
        example: "00000000-0000-4000-8000-00000000002a",
        in_default: false,
        ..ClassSpec::PERSONAL
    },
];

/// Octets up to 255 without leading zeros, which some read as octal (RFC 6943 §3.1.1). Four small numbers are rather a
/// version, as is a number and three zeros, and nobody has an address that begins with zero: those prove nothing.
fn ipv4(value: &[u8]) -> Verdict {
    let slash = value.iter().rposition(|byte| *byte == b'/').unwrap_or(value.len());
    let (address, prefix) = value.split_at(slash);
    let Some(octets) = octets(address) else { return Verdict::Invalid };
    if prefix.get(1..).is_some_and(|prefix| decimal(prefix).is_none_or(|prefix| prefix > 32)) {
        return Verdict::Invalid;
    }
    let version = address.len() == value.len()
        && (octets.iter().all(|octet| *octet < 10) || octets[0] == 0 || octets[1..] == [0, 0, 0]);
    if version { Verdict::Unproven } else { Verdict::Valid }
}

fn octets(address: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0_u8; 4];
    let (mut place, mut begun) = (0, false);
    for byte in address {
        match byte {
            b'0'..=b'9' => {
                let octet = octets.get_mut(place).filter(|octet| !begun || **octet > 0)?;
                *octet = octet.checked_mul(10)?.checked_add(byte - b'0')?;
                begun = true;
            }
            b'.' if begun => (place, begun) = (place + 1, false),
            _ => return None,
        }
    }
    (place + 1 == octets.len() && begun).then_some(octets)
}

/// The number that up to three digits are.
fn decimal(digits: &[u8]) -> Option<u16> {
    let fits = (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    fits.then(|| digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
}

/// All zeros and all ones (broadcast) are nobody's.
fn mac(value: &[u8]) -> Verdict {
    let same = |wanted: u8| {
        value.iter().filter(|byte| byte.is_ascii_alphanumeric()).all(|byte| byte.eq_ignore_ascii_case(&wanted))
    };
    if same(b'0') || same(b'F') { Verdict::Invalid } else { Verdict::Unproven }
}
