//! What money moves by: cards, accounts and those who keep them.

mod card;
mod iban;
#[cfg(test)]
mod tests;

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "CREDIT_CARD",
        about: "payment card number (ISO/IEC 7812)",
        shapes: &[
            Shape::alone(r"[2-689][0-9]{15}", 30).undotted().after_letters(),
            Shape::alone(r"[2-689][0-9]{3}(?: [0-9]{4}){3}(?: [0-9]{3})?", 30).undotted().after_letters(),
            Shape::alone(r"[2-689][0-9]{3}(?:-[0-9]{4}){3}(?:-[0-9]{3})?", 30).isolated().after_letters(),
            Shape::alone(r"[2-689][0-9]{3}(?:\.[0-9]{4}){3}", 30).undotted(),
            Shape::alone(r"3[47][0-9]{13}", 30).undotted().after_letters(),
            Shape::alone(r"3[47][0-9]{2}[- ][0-9]{6}[- ][0-9]{5}", 30).undotted().after_letters(),
            Shape::alone(r"3[0689][0-9]{12}", 30).undotted(),
            Shape::alone(r"3[0689][0-9]{2}[- ][0-9]{6}[- ][0-9]{4}", 30).undotted(),
            Shape::alone(r"(?:2131|1800)[0-9]{11}", 30).undotted(),
            Shape::in_context(r"[1-689][0-9]{11,18}", 30).undotted(),
            Shape::in_context(r"[1-689][0-9]{3}[- ]?[0-9]{3,4}[- ]?[0-9]{3,4}[- ]?[0-9]{3,5}", 30).undotted(),
        ],
        check: Some(card::check),
        checked_by: "Luhn, issuer ranges and their lengths",
        context: &[
            "credit",
            "card",
            "visa",
            "mastercard",
            "amex",
            "american express",
            "debit",
            "pan",
            "cc",
            "discover",
            "jcb",
            "diners",
            "maestro",
            "unionpay",
            "uatp",
            "ccn",
            "card number",
            "kreditkarte",
            "carte",
            "tarjeta",
        ],
        example: "4111 1111 1111 1111",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "CVV",
        about: "card verification value: three or four digits, found only where something names it",
        shapes: &[Shape::in_context(r"[0-9]{3,4}", 5).isolated()],
        context: &[
            "cvv",
            "cvc",
            "cvv2",
            "cvc2",
            "csc",
            "cav2",
            "card verification",
            "verification value",
            "security code",
            "card code",
            "card security",
        ],
        example: "CVV: 123",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IBAN_CODE",
        about: "international bank account number (ISO 13616)",
        shapes: &[
            Shape::alone(r"[A-Za-z]{2}[0-9]{2}[0-9A-Za-z]{11,30}", 30),
            Shape::alone(r"[A-Za-z]{2}[0-9]{2}(?: [0-9A-Za-z]{4}){2,7}(?: [0-9A-Za-z]{1,3})?", 30),
            Shape::alone(r"[A-Za-z]{2}[0-9]{2}(?:-[0-9A-Za-z]{4}){2,7}(?:-[0-9A-Za-z]{1,3})?", 30),
        ],
        check: Some(iban::check),
        checked_by: "mod 97-10, length and structure by country",
        context: &["iban", "bank", "account", "transaction"],
        example: "GB82 WEST 1234 5698 7654 32",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "SWIFT_CODE",
        about: "business identifier code of a bank (ISO 9362)",
        shapes: &[Shape::in_context(r"[A-Z]{6}[0-9A-Z]{2}(?:[0-9A-Z]{3})?", 20)],
        check: Some(swift),
        checked_by: "country code",
        context: &["swift", "bic", "swift code", "bank identifier", "iban"],
        example: "SWIFT DEUTDEFF500",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "CLABE",
        about: "Mexican bank account number",
        shapes: &[Shape::in_context(r"[0-9]{18}", 20).undotted()],
        check: Some(clabe),
        checked_by: "weighted sum modulo 10",
        context: &["clabe", "interbancaria", "cuenta", "banco"],
        example: "CLABE 012180001234567899",
        ..ClassSpec::PERSONAL
    },
];

/// ISO 3166-1 countries, and XK as in IBANs: two letters each.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET \
    FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ \
    IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML \
    MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS \
    PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL \
    TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// Four letters name the party, two its country.
fn swift(value: &[u8]) -> Verdict {
    let country = value.get(4..6).unwrap_or_default();
    let known = COUNTRIES.as_bytes().chunks(3).any(|known| known.get(..2) == Some(country));
    if known { Verdict::Unproven } else { Verdict::Invalid }
}

/// The last digit makes the sum of digits weighted 3, 7, 1, each modulo 10, a multiple of ten; 000 is no bank.
fn clabe(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1]);
    if sum.is_multiple_of(10) && !value.starts_with(b"000") { Verdict::Valid } else { Verdict::Invalid }
}
