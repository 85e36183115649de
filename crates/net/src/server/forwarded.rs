//! Who the client is, where proxies stand before the gateway (RFC 7239; `X-Forwarded-For`).
//!
//! What a client says of itself is believed of nobody. Only a peer in one of the trusted networks is asked, and only in
//! the one header that those proxies are known to write: another one may be the client's own, passed on. Hops are read
//! from the right, where each trusted proxy has added whom it took the request from; the first that is no trusted proxy
//! is the client. What is no address ends the reading: then the last hop that was told counts. Every header of this kind is
//! taken out of the request, whoever sent it.

use std::net::IpAddr;

use http::HeaderMap;

/// The most hops that are read.
const MAX_HOPS: usize = 32;

/// Bits before the IPv4 address in an IPv4-mapped one.
const MAPPED_PREFIX: u8 = 96;

/// The headers in which hops speak of the client (and de-facto ones that others read).
const FORWARDED: &[&str] = &[
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

/// The header in which trusted proxies say for whom they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientHeader {
    /// `X-Forwarded-For: client, proxy`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239)
    Forwarded,
}

/// The proxies before the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    /// Where they are; nobody is believed when there are none.
    pub trusted: Vec<Network>,
    /// Where they say it.
    pub header: ClientHeader,
}

/// Addresses with a common prefix (CIDR, RFC 4632).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text names no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It is no address with a length of prefix.
    #[error("expected an address or a network, such as \"10.0.0.7\" or \"10.0.0.0/8\"")]
    Syntax,
    /// There are bits behind its prefix: one of the two is not meant.
    #[error("the address has bits behind the prefix; write the first address of the network")]
    HostBits,
}

impl Proxies {
    /// The client's address, as far as it is told by those who may; what tells of it is taken out.
    pub(super) fn client(&self, peer: IpAddr, headers: &mut HeaderMap) -> IpAddr {
        let client = if self.trusts(peer) { self.first_untrusted(peer, headers) } else { peer };
        for name in FORWARDED {
            headers.remove(*name);
        }
        client
    }

    fn first_untrusted(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let (name, parse): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ClientHeader::XForwardedFor => ("x-forwarded-for", node),
            ClientHeader::Forwarded => ("forwarded", element),
        };
        let mut lines: Vec<_> = headers.get_all(name).iter().collect();
        lines.reverse();
        let hops = lines.into_iter().flat_map(|line| line.to_str().unwrap_or("unreadable").rsplit(',')).take(MAX_HOPS);
        let mut last = peer;
        for hop in hops {
            let Some(address) = parse(hop.trim()) else { return last };
            last = address;
            if !self.trusts(address) {
                return address;
            }
        }
        last
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// The address in an element of `Forwarded`: `for=192.0.2.43;proto=https`, `for="[2001:db8::1]:4711"`.
fn element(text: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in text.split(';') {
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            let value = value.trim();
            let value = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
            // Twice in one element is the work of two.
            if found.replace(node(value)?).is_some() {
                return None;
            }
        }
    }
    found
}

/// An address, with or without a port: `192.0.2.43:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6);
    address.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

impl Network {
    /// Whether an address is of this network.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(address)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.prefix));
                own.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(address)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.prefix));
                own.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl std::str::FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Syntax)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= longest).ok_or(NetworkError::Syntax)?
            }
            Some(_) => return Err(NetworkError::Syntax),
        };
        let is_first = match address {
            IpAddr::V4(address) => address.to_bits().checked_shl(u32::from(prefix)).unwrap_or(0) == 0,
            IpAddr::V6(address) => address.to_bits().checked_shl(u32::from(prefix)).unwrap_or(0) == 0,
        };
        if !is_first {
            return Err(NetworkError::HostBits);
        }
        // Peers with IPv4-mapped addresses (RFC 4291 section 2.5.5.2) are known by their IPv4 addresses, so networks are too.
        Ok(match (address.to_canonical(), prefix.checked_sub(MAPPED_PREFIX)) {
            (mapped @ IpAddr::V4(_), Some(prefix)) if address.is_ipv6() => Self { address: mapped, prefix },
            _ => Self { address, prefix },
        })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Result<Network, NetworkError> {
        text.parse()
    }

    #[test]
    fn networks_hold_the_addresses_of_their_prefix() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("2001:db8::/32", "2001:db8:1::", "2001:db9::"),
            ("::1/128", "::1", "127.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", "::a01:203"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("::ffff:0:0/96", "203.0.113.1", "::1"),
        ] {
            let network = network(text).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{text} {outside}");
        }
        for bad in ["", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "::/129", "10.0.0/8"] {
            assert_eq!(network(bad), Err(NetworkError::Syntax), "{bad}");
        }
        assert_eq!(network("10.0.0.1/8"), Err(NetworkError::HostBits));
    }

    fn client(proxies: &Proxies, peer: &str, headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        map.append("x-forwarded-proto", "https".parse().unwrap());
        map.append("x-other", "stays".parse().unwrap());
        let client = proxies.client(peer.parse().unwrap(), &mut map);
        assert_eq!(map.len(), 1, "{map:?}");
        client.to_string()
    }

    #[test]
    fn the_client_is_the_right_most_hop_that_is_no_proxy() {
        let trusted = vec![network("10.0.0.0/8").unwrap(), network("fd00::/8").unwrap()];
        let proxies = Proxies { trusted: trusted.clone(), header: ClientHeader::XForwardedFor };
        let told = |peer, value| client(&proxies, peer, &[("x-forwarded-for", value)]);
        assert_eq!(told("10.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(told("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.2.2.2"), "203.0.113.9");
        assert_eq!(told("fd00::1", "2001:db8::9, [fd00::2]:80"), "2001:db8::9");
        assert_eq!(told("10.0.0.1", "203.0.113.9:4711"), "203.0.113.9");
        assert_eq!(told("10.0.0.1", "10.3.3.3, 10.2.2.2"), "10.3.3.3");
        // Nobody else is believed.
        assert_eq!(told("203.0.113.1", "1.1.1.1"), "203.0.113.1");
        // What is no address ends the reading.
        assert_eq!(told("10.0.0.1", "1.1.1.1, unknown, 10.2.2.2"), "10.2.2.2");
        assert_eq!(told("10.0.0.1", "1.1.1.1,"), "10.0.0.1");
        assert_eq!(told("10.0.0.1", ""), "10.0.0.1");
        // The proxies of this gateway do not write the other header: it is the client's own.
        assert_eq!(client(&proxies, "10.0.0.1", &[("forwarded", "for=1.1.1.1")]), "10.0.0.1");
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client(&proxies, "10.0.0.1", &lines), "203.0.113.9");
        assert_eq!(client(&Proxies::default(), "10.0.0.1", &lines), "10.0.0.1");
        let many = vec!["10.9.9.9"; 100].join(",");
        assert_eq!(client(&proxies, "10.0.0.1", &[("x-forwarded-for", &format!("1.1.1.1,{many}"))]), "10.9.9.9");
    }

    #[test]
    fn forwarded_is_read_where_proxies_write_it() {
        let trusted = vec![network("10.0.0.0/8").unwrap()];
        let proxies = Proxies { trusted, header: ClientHeader::Forwarded };
        let told = |value| client(&proxies, "10.0.0.1", &[("forwarded", value), ("x-forwarded-for", "1.1.1.1")]);
        assert_eq!(told("for=203.0.113.9;proto=https;by=10.0.0.1"), "203.0.113.9");
        assert_eq!(told("for=1.1.1.1, For=\"[2001:db8::9]:4711\", for=10.2.2.2"), "2001:db8::9");
        for hidden in ["for=_hidden", "for=unknown", "proto=https", "for=\"203.0.113.9", "for=1.1.1.1;for=2.2.2.2", "x"]
        {
            assert_eq!(told(hidden), "10.0.0.1", "{hidden}");
        }
    }
}
