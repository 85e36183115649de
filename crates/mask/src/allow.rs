//! Values that are not masked: exact, with stars, and networks.
//!
//! An entry for one class exempts findings of that class. An entry for all classes exempts a finding that it matches, and
//! whatever else is found within the part that the entry spells out: allowing `*@example.com` shows the host name in the
//! address too, but not a card number before the `@`. Nothing is allowed by default. Entries that spell out next to nothing
//! are refused. What is allowed counts neither as masked nor as revealed.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;

use crate::class::ClassId;
use crate::engine::Finding;
use crate::error::ConfigError;

/// Entries with stars, which are tried one after the other; and all entries.
const MAX_PATTERNS: usize = 256;
const MAX_ENTRIES: usize = 10_000;

/// Bytes of an entry.
const MAX_ENTRY: usize = 1_024;

/// Bytes that an entry with stars must spell out.
const MIN_SPELLED: usize = 3;

/// The class whose values are compared as addresses.
const ADDRESS: &str = "IP_ADDRESS";

/// An entry of the allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The value, decoded; `*` stands for any bytes. An address, or a network such as `10.0.0.0/8`, allows `IP_ADDRESS`.
    pub value: String,
    /// The class it is allowed for; all if none is given.
    pub class: Option<String>,
}

/// An allow-list, compiled.
#[derive(Debug, Default)]
pub(crate) struct AllowList {
    values: HashMap<Box<[u8]>, Vec<Scope>>,
    patterns: Vec<(Pattern, Scope)>,
    networks: Vec<(Network, Scope)>,
    address: Option<ClassId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Class(ClassId),
}

#[derive(Debug)]
struct Pattern {
    before: Box<[u8]>,
    middle: Vec<Box<[u8]>>,
    after: Box<[u8]>,
}

#[derive(Debug)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl AllowList {
    /// Compiles entries; `class` looks classes up.
    pub(crate) fn new(
        entries: &[Allow],
        class: impl Fn(&str) -> Result<ClassId, ConfigError>,
    ) -> Result<Self, ConfigError> {
        if entries.len() > MAX_ENTRIES {
            return Err(ConfigError::TooMany { what: "entries of the allow-list", limit: MAX_ENTRIES });
        }
        let mut list = Self { address: class(ADDRESS).ok(), ..Self::default() };
        for (number, entry) in (1..).zip(entries) {
            let scope = match &entry.class {
                Some(name) => Scope::Class(class(name)?),
                None => Scope::All,
            };
            list.add(&entry.value, scope).map_err(|why| ConfigError::Allow { number, why })?;
        }
        if list.patterns.len() > MAX_PATTERNS {
            return Err(ConfigError::TooMany { what: "entries of the allow-list with *", limit: MAX_PATTERNS });
        }
        Ok(list)
    }

    fn add(&mut self, value: &str, scope: Scope) -> Result<(), &'static str> {
        if value.is_empty() || value.len() > MAX_ENTRY {
            return Err("a value has 1 to 1024 bytes");
        }
        if value.contains('*') {
            self.patterns.push((Pattern::new(value)?, scope));
        } else {
            if let Some(network) = Network::parse(value)? {
                self.networks.push((network, scope));
            }
            self.values.entry(value.as_bytes().into()).or_default().push(scope);
        }
        Ok(())
    }

    /// Whether nothing is allowed.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.patterns.is_empty()
    }

    /// Takes out what is allowed.
    pub(crate) fn exempt(&self, text: &[u8], findings: &mut Vec<Finding>) {
        let mut spelled = Vec::new();
        findings.retain(|finding| {
            let value = text.get(finding.start..finding.end).unwrap_or_default();
            let before = spelled.len();
            let exempt = self.allows(finding.class, value, &mut spelled);
            for range in spelled.iter_mut().skip(before) {
                *range = finding.start + range.start..finding.start + range.end;
            }
            !exempt
        });
        if spelled.is_empty() {
            return;
        }
        // Of all ranges that begin at or before a finding, the one that ends last holds it, or none does.
        spelled.sort_unstable_by_key(|range| range.start);
        let mut last = 0;
        for range in &mut spelled {
            last = range.end.max(last);
            range.end = last;
        }
        findings.retain(|finding| {
            let begun = spelled.partition_point(|range| range.start <= finding.start);
            let around = begun.checked_sub(1).and_then(|place| spelled.get(place));
            around.is_none_or(|range| range.end < finding.end)
        });
    }

    /// Whether a value of a class is allowed. Adds the parts of it that are allowed whatever they are found as.
    fn allows(&self, class: ClassId, value: &[u8], spelled: &mut Vec<Range<usize>>) -> bool {
        let whole = 0..value.len();
        let mut allowed = false;
        let mut take = |scope: Scope, parts: &[Range<usize>]| match scope {
            Scope::All => {
                spelled.extend_from_slice(parts);
                allowed = true;
            }
            Scope::Class(only) => allowed |= only == class,
        };
        for scope in self.values.get(value).into_iter().flatten() {
            take(*scope, std::slice::from_ref(&whole));
        }
        for (pattern, scope) in &self.patterns {
            if pattern.matches(value) {
                take(*scope, &[0..pattern.before.len(), value.len() - pattern.after.len()..value.len()]);
            }
        }
        if self.address == Some(class)
            && !self.networks.is_empty()
            && let Some(address) = address(value)
        {
            for (network, scope) in &self.networks {
                if network.holds(address) {
                    take(*scope, std::slice::from_ref(&whole));
                }
            }
        }
        allowed
    }
}

impl Pattern {
    fn new(value: &str) -> Result<Self, &'static str> {
        let parts: Vec<Box<[u8]>> = value.split('*').map(|part| part.as_bytes().into()).collect();
        if parts.iter().map(|part| part.len()).sum::<usize>() < MIN_SPELLED {
            return Err(
                "beside * it spells out too little; to show a whole class, leave the class out or permit reveal",
            );
        }
        let (Some((before, rest)), Some(after)) = (parts.split_first(), parts.last()) else {
            return Err("a value has 1 to 1024 bytes");
        };
        let middle = rest.split_last().map(|(_, middle)| middle.to_vec()).unwrap_or_default();
        Ok(Self { before: before.clone(), middle, after: after.clone() })
    }

    fn matches(&self, value: &[u8]) -> bool {
        let inner = value.strip_prefix(&*self.before).and_then(|rest| rest.strip_suffix(&*self.after));
        let Some(mut rest) = inner else { return false };
        self.middle.iter().filter(|part| !part.is_empty()).all(|part| match memchr::memmem::find(rest, part) {
            Some(at) => {
                rest = rest.get(at + part.len()..).unwrap_or_default();
                true
            }
            None => false,
        })
    }
}

impl Network {
    /// None if the text is no address and no network.
    fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else { return Ok(None) };
        let bits = if address.is_ipv4() { u32::BITS } else { u128::BITS };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits),
            None => Some(bits),
        };
        let network = Self { address, prefix: prefix.ok_or("a network ends in its prefix length: 10.0.0.0/8")? };
        if network.cut(address) != bits_of(address) {
            return Err("the address has bits beyond the prefix length of its network");
        }
        Ok(Some(network))
    }

    fn holds(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && self.cut(address) == self.cut(self.address)
    }

    fn cut(&self, address: IpAddr) -> u128 {
        let all = bits_of(address);
        let bits = if address.is_ipv4() { u32::BITS } else { u128::BITS };
        let beyond = bits - self.prefix.min(bits);
        all.checked_shr(beyond).unwrap_or(0).checked_shl(beyond).unwrap_or(0)
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address that a value is, without its zone and prefix length. One that IPv6 carries for IPv4 is that of IPv4.
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(value).ok()?;
    let text = text.split(['/', '%']).next()?;
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
