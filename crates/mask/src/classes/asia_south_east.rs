//! Numbers that authorities of Singapore, Thailand and the Philippines give.

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "SG_NRIC_FIN",
        about: "Singapore identity (NRIC) or foreigner (FIN) number",
        shapes: &[Shape::alone("[STFGM][0-9]{7}[A-Z]", 30), Shape::in_context("(?i:[A-Z])[0-9]{7}(?i:[A-Z])", 30)],
        check: Some(identity),
        checked_by: "mod 11 for the prefixes S, T, F, G and M",
        context: &["nric", "fin", "nric fin", "nric no", "fin no", "singapore id"],
        example: "S8271503G",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "SG_UEN",
        about: "Singapore unique entity number",
        shapes: &[
            Shape::alone("[TSR][0-9]{2}[A-Z]{2}[0-9]{4}[A-Z]", 30),
            Shape::in_context("(?i:[0-9]{8,9}[A-Z]|[TSR][0-9]{2}[A-Z]{2}[0-9]{4}[A-Z])", 30),
        ],
        check: Some(entity),
        checked_by: "mod 11, kind of entity",
        context: &["uen", "unique entity number", "business registration", "acra", "company registration"],
        example: "UEN 48271503X",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "TH_TNIN",
        about: "Thai national identification number",
        shapes: &[
            Shape::alone("[1-9]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]", 50).isolated(),
            Shape::in_context("[1-9] [0-9]{4} [0-9]{5} [0-9]{2} [0-9]", 50),
            Shape::in_context("[1-9][0-9]{12}", 50),
        ],
        check: Some(thai),
        checked_by: "province, mod 11",
        context: &["tnin", "thai national id", "thai id", "thai id number", "national id", "bat prachachon"],
        example: "3-4827-15036-91-5",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "PH_TIN",
        about: "Philippine taxpayer identification number",
        shapes: &[
            Shape::in_context("[0-9]{3}-[0-9]{3}-[0-9]{3}(?:-[0-9]{3})?", 5).isolated(),
            Shape::in_context("[0-9]{9}(?:[0-9]{3})?", 1),
        ],
        check: Some(philippine_tax),
        checked_by: "mod 11",
        context: &["tin", "taxpayer identification number", "taxpayer id", "tax id", "bir", "rdo"],
        example: "TIN 482-715-030-000",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "PH_UMID",
        about: "Philippine unified multi-purpose identification (common reference number)",
        shapes: &[Shape::in_context("[0-9]{4}-[0-9]{7}-[0-9]", 50).isolated(), Shape::in_context("[0-9]{12}", 30)],
        context: &["umid", "crn", "common reference number", "unified multi purpose id", "sss", "gsis", "philhealth"],
        example: "UMID 0482-7150369-1",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "PH_PASSPORT",
        about: "Philippine passport number",
        shapes: &[Shape::in_context("(?i:[A-Z][0-9]{7}[A-Z]|[A-Z]{2}[0-9]{7})", 10)],
        context: &["passport", "passport number", "passport no", "pasaporte", "travel document", "dfa"],
        example: "passport P4827150K",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "PH_MOBILE_NUMBER",
        about: "Philippine mobile telephone number",
        shapes: &[
            Shape::alone(r"\+63[ -]?\(?9[0-9]{2}\)?[ -]?[0-9]{3}[ -]?[0-9]{4}", 60),
            Shape::in_context(r"\(?09[0-9]{2}\)?[ -]?[0-9]{3}[ -]?[0-9]{4}", 40),
        ],
        context: &["mobile", "phone", "cell", "cellphone", "telepono", "numero", "contact number", "viber", "sms"],
        example: "cellphone 0917 482 7150",
        in_default: false,
        ..ClassSpec::PERSONAL
    },
];

/// What the century and kind add to the sum, and the letters of each kind.
fn identity(value: &[u8]) -> Verdict {
    let (adds, letters): (u64, &[u8]) = match value.first().map(u8::to_ascii_uppercase) {
        Some(b'S') => (0, b"JZIHGFEDCBA"),
        Some(b'T') => (4, b"JZIHGFEDCBA"),
        Some(b'F') => (0, b"XWUTRQPNMLK"),
        Some(b'G') => (4, b"XWUTRQPNMLK"),
        Some(b'M') => (3, b"XWUTRQPNJLK"),
        _ => return Verdict::Unproven,
    };
    let sum = u64::from(checksum::weighted(value, &[2, 7, 6, 5, 4, 3, 2])) + adds;
    if checksum::selects(letters, sum, value.last()) { Verdict::Valid } else { Verdict::Unproven }
}

/// Businesses have eight digits and a letter, companies their year, five digits and a letter, all others a kind.
fn entity(value: &[u8]) -> Verdict {
    let businesses = checksum::weighted(value, &[10, 4, 9, 3, 8, 2, 7, 1]);
    let companies = checksum::weighted(value, &[10, 8, 6, 4, 9, 7, 5, 3, 1]);
    Verdict::from(match value {
        [b'R' | b'S' | b'T' | b'r' | b's' | b't', ..] => other_entity(value),
        [_, _, _, _, _, _, _, _, letter] => checksum::selects(b"XMKECAWLJDB", businesses.into(), Some(letter)),
        [.., letter] => {
            (1800..2100).contains(&checksum::part(value, 0, 4))
                && checksum::selects(b"ZKCMDNERGWH", companies.into(), Some(letter))
        }
        [] => false,
    })
}

/// Prefix, year, kind, number and a check character over a short alphabet.
fn other_entity(value: &[u8]) -> bool {
    const KINDS: &[u8] = b"CCCDCHCLCMCPCSCXDPFBFCFMFNGAGBGSHCHSLLLPMBMCMDMHMMMQNBNRPAPBPFRFRPSMSSTCTUVHXL";
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWX0123456789";
    let kind = value.get(3..5).unwrap_or_default();
    let place = |byte: &u8| ALPHABET.iter().position(|known| known.eq_ignore_ascii_case(byte));
    let values = value.iter().take(9).map(|byte| place(byte).and_then(|place| u64::try_from(place).ok()));
    let sum = values.zip([4, 3, 5, 3, 10, 2, 2, 5, 7]).map(|(value, weight)| value.map(|value| value * weight));
    let letters = ALPHABET.get(..11).unwrap_or_default();
    KINDS.chunks(2).any(|known| known.eq_ignore_ascii_case(kind))
        && sum.sum::<Option<u64>>().is_some_and(|sum| checksum::selects(letters, sum + 11 - 5, value.last()))
}

/// The second and third digit are a province.
fn thai(value: &[u8]) -> Verdict {
    let province = matches!(
        checksum::part(value, 1, 2),
        10..=27 | 30..=49 | 50..=58 | 60..=67 | 70..=77 | 80..=86 | 90..=96
    );
    let sum = checksum::weighted(value, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    Verdict::from(province && checksum::digits(value).next_back() == Some((11 - sum % 11) % 10))
}

fn philippine_tax(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[9, 8, 7, 6, 5, 4, 3, 2]);
    Verdict::from(checksum::digits(value).nth(8) == Some(sum % 11))
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn check_letters_and_provinces_of_the_south_east_are_asked_for() {
        assert_found(
            &[
                ("SG_NRIC_FIN", "S1234567D"),
                ("SG_NRIC_FIN", "M1234567K"),
                ("SG_NRIC_FIN", "b4827150q"),
                ("SG_UEN", "48271503X"),
                ("SG_UEN", "201948271H"),
                ("SG_UEN", "T08LP4827F"),
                ("TH_TNIN", "3-4827-15036-91-5"),
                ("TH_TNIN", "3482715036915"),
                ("PH_TIN", "482-715-030"),
                ("PH_TIN", "482715030000"),
                ("PH_PASSPORT", "P4827150K"),
                ("PH_MOBILE_NUMBER", "+63 917 482 7150"),
            ],
            &[
                ("SG_UEN", "48271503A"),
                ("SG_UEN", "T08ZZ4827F"),
                ("TH_TNIN", "3482715036916"),
                ("TH_TNIN", "3282715036913"),
                ("PH_TIN", "482-715-031"),
                ("PH_MOBILE_NUMBER", "9174827150"),
            ],
        );
        assert_eq!(in_default("S1234567A then S1234567D and 3482715036915"), ["SG_NRIC_FIN"]);
        assert_eq!(in_default("fin S1234567A, TNIN 3482715036915"), ["SG_NRIC_FIN", "TH_TNIN"]);
    }
}
