//! Numbers that authorities and banks of the United States give.

#[cfg(test)]
mod tests;

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

/// What a Medicare beneficiary identifier is made of, the letters without those that look like digits.
macro_rules! mbi {
    ($flags:literal, $dash:literal) => {
        concat!($flags, "[1-9]", mbi!(), "[0-9]", $dash, mbi!(), "[0-9]", $dash, "[AC-HJKMNP-RT-Y]{2}[0-9]{2}")
    };
    () => {
        "[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]"
    };
}

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "US_SSN",
        about: "United States social security number",
        shapes: &[
            Shape::alone(r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}", 50).isolated(),
            Shape::in_context(r"[0-8][0-9]{2}(?:[ .][0-9]{2}[ .][0-9]{4}|-[0-9]{6})", 20).isolated(),
            Shape::in_context(r"[0-8][0-9]{4}-?[0-9]{4}", 5).isolated(),
        ],
        check: Some(ssn),
        proves: false,
        checked_by: "area, group and serial in use",
        context: &["ssn", "social security", "ssns", "ssid", "ss number", "soc sec"],
        example: "536-90-4399",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "US_ITIN",
        about: "United States individual taxpayer identification number",
        shapes: &[
            Shape::alone(r"9[0-9]{2}-(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])-[0-9]{4}", 50).isolated(),
            Shape::in_context(r"9[0-9]{2}[ -]?(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])[ -]?[0-9]{4}", 20).isolated(),
        ],
        checked_by: "groups in use (IRS)",
        context: &["itin", "individual taxpayer", "taxpayer", "tax id", "tin", "tax payer"],
        example: "912-71-3456",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "US_PASSPORT",
        about: "United States passport number",
        shapes: &[Shape::in_context(r"[0-9A-Za-z][0-9]{8}", 10).isolated()],
        context: &["passport", "travel document", "passport number", "passport no"],
        example: "passport A12345678",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "US_DRIVER_LICENSE",
        about: "United States driver's licence number, as any of the states writes it",
        shapes: &[
            Shape::in_context(r"[0-9]{6,14}|[0-9]{16}", 5).isolated(),
            Shape::in_context(r"[A-Za-z](?:[0-9]{3,14}|[0-9]{18}|[0-9]{6}[Rr])", 30).isolated(),
            Shape::in_context(r"[A-Za-z]{2}[0-9]{3,7}[A-Za-z]?|[A-Za-z][0-9][A-Za-z][0-9][A-Za-z]", 30).isolated(),
            Shape::in_context(r"[0-9]{7,9}[A-Za-z]|[0-9]{8}[A-Za-z]{2}", 30).isolated(),
            Shape::in_context(r"[0-9]{2}[A-Za-z]{3}[0-9]{5,6}|[0-9]{3}[A-Za-z]{2}[0-9]{4}", 30).isolated(),
            Shape::in_context(r"[A-Za-z][0-9]{2,3}-[0-9]{2,4}-[0-9]{2,4}(?:-[0-9]{1,3}){0,2}", 30).isolated(),
            Shape::in_context(r"[0-9]{2,4}-[0-9]{2,4}-[0-9]{3,4}", 5).isolated(),
        ],
        context: &[
            "driver license",
            "drivers license",
            "driver licence",
            "driver",
            "license",
            "licence",
            "permit",
            "lic",
            "dl",
            "dls",
            "cdl",
            "cdls",
            "driving",
            "license number",
            "dl number",
        ],
        example: "driver license F255-921-50-094-0",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "US_BANK_NUMBER",
        about: "United States bank account number, found only where something names it",
        shapes: &[Shape::in_context(r"[0-9]{8,17}", 5).isolated()],
        context: &[
            "bank account",
            "account number",
            "account no",
            "acct",
            "checking",
            "savings",
            "banking account",
            "bank",
            "checking account",
            "savings account",
            "account",
            "bank number",
        ],
        example: "bank account 000123456789",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ABA_ROUTING_NUMBER",
        about: "routing number of a bank in the United States",
        shapes: &[
            Shape::in_context(r"[0-368][0-9]{8}|7[0-2][0-9]{7}", 5).isolated(),
            Shape::in_context(r"[0-367][0-9]{3}-[0-9]{4}-[0-9]", 30).isolated(),
        ],
        check: Some(routing),
        checked_by: "weights 3, 7, 1 modulo 10, Federal Reserve prefixes",
        context: &["aba", "routing", "routing number", "routing transit", "rtn", "transit number", "bank routing"],
        example: "routing number 011000015",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "US_NPI",
        about: "United States national provider identifier (health care)",
        shapes: &[
            Shape::in_context(r"[12][0-9]{9}", 10).isolated(),
            Shape::in_context(r"[12][0-9]{3}(?: [0-9]{3} |-[0-9]{3}-)[0-9]{3}", 40).isolated(),
        ],
        check: Some(npi),
        checked_by: "Luhn with the prefix 80840",
        context: &["npi", "national provider", "provider id", "provider identifier", "provider number", "provider"],
        example: "NPI 1932456787",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "US_MBI",
        about: "Medicare beneficiary identifier",
        shapes: &[
            Shape::alone(mbi!("", ""), 40),
            Shape::alone(mbi!("(?i)", "-"), 50).isolated(),
            Shape::in_context(mbi!("(?i)", ""), 30),
        ],
        checked_by: "letters and digits in use by place (CMS)",
        context: &["medicare", "mbi", "beneficiary", "medicaid", "hicn", "cms"],
        example: "2GH7-MK6-RW94",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "MEDICAL_LICENSE",
        about: "DEA registration number of who may prescribe controlled substances in the United States",
        shapes: &[Shape::in_context(r"[ABCDEFGHJKLMPRSTUXabcdefghjklmprstux][A-Za-z9][0-9]{7}", 40)],
        check: Some(dea),
        checked_by: "check digit",
        context: &["dea", "medical", "certificate", "prescriber", "medical license", "dea number"],
        example: "DEA FS1234563",
        ..ClassSpec::PERSONAL
    },
];

/// Its digits as one number.
fn number(value: &[u8]) -> u64 {
    checksum::digits(value).fold(0, |number, digit| number * 10 + u64::from(digit))
}

/// No part is all zeros, area 666 was never given (SSA, "SSN Randomization"), and one number that was printed on a
/// sample card is nobody's. Two separators are the same.
fn ssn(value: &[u8]) -> Verdict {
    let number = number(value);
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    let mut separators = value.iter().filter(|byte| !byte.is_ascii_digit());
    let mixed = matches!((separators.next(), separators.next()), (Some(first), Some(second)) if first != second);
    let printed = number == 78_051_120;
    let same = number.is_multiple_of(111_111_111);
    if area == 0 || area == 666 || group == 0 || serial == 0 || mixed || printed || same {
        Verdict::Invalid
    } else {
        Verdict::Unproven
    }
}

/// The first two digits tell a Federal Reserve district (1 to 12, and the same with 20 or 60 added) or traveller's
/// cheques (80).
fn routing(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[3, 7, 1, 3, 7, 1, 3, 7, 1]);
    let prefix = number(value) / 10_000_000;
    let known = matches!(prefix, 0..=12 | 21..=32 | 61..=72 | 80);
    if sum.is_multiple_of(10) && known && number(value) != 0 { Verdict::Valid } else { Verdict::Invalid }
}

/// Luhn over `80840` and the number; the prefix adds 24 to the sum. Nine equal digits are nobody's.
fn npi(value: &[u8]) -> Verdict {
    let mut prefixed = [0; 18];
    let prefix = b"80840";
    for (slot, byte) in prefixed.iter_mut().zip(prefix.iter().chain(value)) {
        *slot = *byte;
    }
    let mut digits = checksum::digits(value).take(9);
    let first = digits.next();
    let same = digits.all(|digit| Some(digit) == first);
    if checksum::luhn(&prefixed) && !same { Verdict::Valid } else { Verdict::Invalid }
}

/// The last digit is that of the first, third and fifth added to twice the others.
fn dea(value: &[u8]) -> Verdict {
    let number = value.get(2..).unwrap_or_default();
    let sum = checksum::weighted(number, &[1, 2, 1, 2, 1, 2]);
    let check = checksum::digits(number).next_back();
    if Some(sum % 10) == check { Verdict::Valid } else { Verdict::Invalid }
}
