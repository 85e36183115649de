//! `inet` and `cidr` in binary (`network_send`): family, bits of the network, whether it is a `cidr`, and the address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `PGSQL_AF_INET` and `PGSQL_AF_INET6`.
const IPV4: u8 = 2;
const IPV6: u8 = 3;

pub(super) fn to_text(value: &[u8], is_cidr: bool) -> Option<String> {
    let (address, bits, full) = match value {
        [IPV4, bits, _, 4, address @ ..] => (IpAddr::from(<[u8; 4]>::try_from(address).ok()?), *bits, 32),
        [IPV6, bits, _, 16, address @ ..] => (IpAddr::from(<[u8; 16]>::try_from(address).ok()?), *bits, 128),
        _ => return None,
    };
    if bits > full {
        return None;
    }
    let address = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => ipv6_to_text(address),
    };
    Some(if is_cidr || bits != full { format!("{address}/{bits}") } else { address })
}

/// PostgreSQL writes the last four bytes as an IPv4 address where all before them are zero (RFC 4291 §2.5.5.1).
fn ipv6_to_text(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            format!("::{}", Ipv4Addr::new(a, b, c, d))
        }
        _ => address.to_string(),
    }
}

pub(super) fn from_text(text: &str, is_cidr: bool) -> Option<Vec<u8>> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(super::plain::<u8>(bits)?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (family, full, bytes) = match address {
        IpAddr::V4(address) => (IPV4, 32, address.octets().to_vec()),
        IpAddr::V6(address) => (IPV6, 128, address.octets().to_vec()),
    };
    let bits = bits.unwrap_or(full);
    if bits > full || (is_cidr && !is_network(&bytes, bits)) {
        return None;
    }
    let mut value = vec![family, bits, u8::from(is_cidr), u8::try_from(bytes.len()).ok()?];
    value.extend(bytes);
    Some(value)
}

/// Whether no bit is set behind the network's: a `cidr` has none.
fn is_network(bytes: &[u8], bits: u8) -> bool {
    let bits = usize::from(bits);
    bytes.iter().enumerate().all(|(place, byte)| match bits.saturating_sub(place * 8) {
        0 => *byte == 0,
        kept @ 1..8 => byte << kept == 0,
        _ => true,
    })
}
