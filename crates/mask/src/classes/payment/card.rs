//! Payment card numbers: Luhn's check digit (ISO/IEC 7812-1 annex B), and which issuers give numbers of which length.

use crate::checksum;
use crate::class::Verdict;

/// Issuers by the first six digits, from and to, and the lengths they give.
const ISSUERS: &[(u32, u32, &[usize])] = &[
    // UATP.
    (100_000, 199_999, &[15]),
    // Mir.
    (220_000, 220_499, &[16, 17, 18, 19]),
    // JCB, the old way; `1800` is within UATP's range.
    (213_100, 213_199, &[15]),
    // Mastercard, Borica and the like, from 2005 to 2720.
    (220_500, 272_099, &[16]),
    // Diners Club.
    (300_000, 305_999, &[14, 16, 19]),
    (309_500, 309_599, &[14, 16, 19]),
    (360_000, 369_999, &[14, 16, 19]),
    (380_000, 399_999, &[14, 16, 19]),
    // American Express.
    (340_000, 349_999, &[15]),
    (370_000, 379_999, &[15]),
    // JCB (3528 to 3589) and RuPay (353, 356); test data has the rest of 35 too.
    (350_000, 359_999, &[16, 17, 18, 19]),
    // Visa.
    (400_000, 499_999, &[13, 16, 19]),
    // Maestro, and RuPay, Verve and Dankort beside it.
    (500_000, 509_999, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (510_000, 559_999, &[16]),
    (560_000, 699_999, &[12, 13, 14, 15, 16, 17, 18, 19]),
    // RuPay and UnionPay.
    (810_000, 829_999, &[16, 17, 18, 19]),
    // UzCard, Humo, Troy.
    (860_000, 860_099, &[16]),
    (979_200, 979_299, &[16]),
    (986_000, 986_099, &[16]),
];

pub(super) fn check(value: &[u8]) -> Verdict {
    let count = checksum::count(value);
    let issuer = checksum::digits(value).take(6).fold(0, |number, digit| number * 10 + digit);
    let issued = ISSUERS.iter().any(|(from, to, lengths)| (*from..=*to).contains(&issuer) && lengths.contains(&count));
    if issued && one_separator(value) && checksum::luhn(value) { Verdict::Valid } else { Verdict::Invalid }
}

/// Whether all separators are the same.
fn one_separator(value: &[u8]) -> bool {
    let mut separators = value.iter().filter(|byte| !byte.is_ascii_digit());
    let first = separators.next();
    separators.all(|separator| Some(separator) == first)
}
