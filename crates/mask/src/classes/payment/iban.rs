//! International bank account numbers: ISO 13616 with the structures that the countries registered with SWIFT.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::checksum;
use crate::class::Verdict;

/// What follows country and check digits: so many digits (`n`), letters (`a`), letters or digits (`c`).
const STRUCTURES: &str = "AD8n12c AE19n AL8n16c AT16n AZ4a20c BA16n BE12n BG4a6n8c BH4a14c BI23n BR23n1a1c BY4c4n16c \
    CH5n12c CR18n CY8n16c CZ20n DE18n DJ23n DK14n DO4c20n EE16n EG25n ES20n FI14n FK2a12n FO14n FR10n11c2n GB4a14n \
    GE2a16n GI4a15c GL14n GR7n16c GT24c HN4a20n HR17n HU24n IE4a14n IL19n IQ4a15n IS22n IT1a10n12c JO4a4n18c KW4a22c \
    KZ3n13c LB4n20c LC4a24c LI5n12c LT16n LU3n13c LV4a13c LY21n MC10n11c2n MD20c ME18n MK3n10c2n MN16n MR23n \
    MT4a5n18c MU4a19n3a NI4a20n NL4a10n NO11n OM3n16c PK4a16c PL24n PS4a21c PT21n QA4a21c RO4a16c RS18n RU14n15c \
    SA2n18c SC4a20n3a SD14n SE20n SI15n SK20n SM1a10n12c SO19n ST21n SV4a20n TL19n TN20n TR6n16c UA6n19c VA18n \
    VG4a16n XK16n YE4a4n18c";

/// The same by country.
static BY_COUNTRY: LazyLock<HashMap<[u8; 2], &[u8]>> = LazyLock::new(|| {
    let entries = STRUCTURES.split_ascii_whitespace().map(str::as_bytes);
    entries.filter_map(|entry| entry.split_first_chunk()).map(|(country, structure)| (*country, structure)).collect()
});

pub(super) fn check(value: &[u8]) -> Verdict {
    let mut all = value.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_uppercase);
    let (Some(first), Some(second)) = (all.next(), all.next()) else { return Verdict::Invalid };
    let structure = BY_COUNTRY.get(&[first, second]);
    let account = all.skip(2);
    let proven = structure.is_some_and(|structure| fits(account, structure)) && one_case(value) && proves(value);
    if proven { Verdict::Valid } else { Verdict::Invalid }
}

/// Whether characters are of the kinds that a structure tells, no more and no fewer.
fn fits(mut account: impl Iterator<Item = u8>, structure: &[u8]) -> bool {
    let mut count = 0_usize;
    for byte in structure {
        let kind: fn(&u8) -> bool = match byte {
            b'0'..=b'9' => {
                count = count * 10 + usize::from(byte - b'0');
                continue;
            }
            b'n' => u8::is_ascii_digit,
            b'a' => u8::is_ascii_alphabetic,
            _ => u8::is_ascii_alphanumeric,
        };
        if !(0..std::mem::take(&mut count)).all(|_| account.next().as_ref().is_some_and(kind)) {
            return false;
        }
    }
    account.next().is_none()
}

/// Nobody mixes cases in one number; random text does.
fn one_case(value: &[u8]) -> bool {
    !(value.iter().any(u8::is_ascii_lowercase) && value.iter().any(u8::is_ascii_uppercase))
}

/// The first four characters moved to the end, the whole is 1 modulo 97.
fn proves(value: &[u8]) -> bool {
    let all = || value.iter().copied().filter(u8::is_ascii_alphanumeric);
    checksum::mod_97(all().skip(4).chain(all().take(4))) == 1
}
