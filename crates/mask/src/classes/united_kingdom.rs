//! Numbers and codes that authorities and banks of the United Kingdom give.

#[cfg(test)]
mod tests;

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "UK_NHS",
        about: "National Health Service number",
        shapes: &[
            Shape::alone(r"[0-9]{3}(?: [0-9]{3} |-[0-9]{3}-)[0-9]{4}", 50).isolated(),
            Shape::in_context(r"[0-9]{3}[- ]?[0-9]{3}[- ]?[0-9]{4}", 20).isolated(),
        ],
        check: Some(nhs),
        checked_by: "weighted sum modulo 11",
        context: &["nhs", "national health", "health service", "health authority", "nhs number"],
        example: "943 476 5919",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "UK_NINO",
        about: "United Kingdom national insurance number",
        shapes: &[
            Shape::alone(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]", 50).isolated(),
            Shape::alone(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] [0-9]{2} [0-9]{2} [0-9]{2} [A-D]", 50),
            Shape::in_context(
                r"(?i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]) ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?(?i:[A-D])",
                30,
            ),
        ],
        check: Some(nino),
        checked_by: "prefixes in use (HMRC)",
        context: &["national insurance", "ni number", "nino", "insurance number", "ni no"],
        example: "AB 12 34 56 C",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "UK_PASSPORT",
        about: "United Kingdom passport number (since 2015)",
        shapes: &[Shape::in_context(r"[A-Za-z]{2}[0-9]{7}", 10).isolated()],
        context: &["passport", "travel document", "hmpo"],
        example: "passport ZX1234567",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "UK_DRIVING_LICENCE",
        about: "United Kingdom driver number",
        shapes: &[
            Shape::alone(
                r"[A-Z][A-Z9]{4}[0-9](?:[05][1-9]|[16][0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9][A-Z9]{2}[0-9A-Z][A-Z]{2}",
                60,
            ),
            Shape::in_context(
                r"(?i:[A-Z][A-Z9]{4}[0-9](?:[05][1-9]|[16][0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9][A-Z9]{2}[0-9A-Z][A-Z]{2})",
                30,
            ),
        ],
        check: Some(driver),
        checked_by: "date of birth and padding in their places (DVLA)",
        context: &[
            "driving licence",
            "driving license",
            "drivers licence",
            "driver number",
            "dvla",
            "licence number",
            "license number",
            "licence",
            "dl number",
        ],
        example: "SAMPL801019XY9ZZ",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "UK_VEHICLE_REGISTRATION",
        about: "United Kingdom vehicle registration: current, prefix and suffix marks",
        shapes: &[
            Shape::in_context(r"(?i:[A-HJ-PR-Y]{2})[0-7][0-9][- ]?(?i:[A-HJ-PR-Z]{3})", 30).isolated(),
            Shape::in_context(r"(?i:[A-HJ-NPR-TV-Y])[0-9]{1,3}[- ]?(?i:[A-HJ-PR-Y][A-HJ-PR-Z]{2})", 20).isolated(),
            Shape::in_context(r"(?i:[A-HJ-PR-Z]{3})[- ]?[0-9]{1,3}[- ]?(?i:[A-HJ-NPR-TV-Y])", 15).isolated(),
        ],
        check: Some(vehicle),
        checked_by: "age identifiers given so far (DVLA)",
        context: &[
            "vehicle",
            "registration",
            "number plate",
            "licence plate",
            "license plate",
            "reg",
            "vrn",
            "vrm",
            "dvla",
            "v5c",
            "logbook",
            "mot",
            "car",
            "plate",
        ],
        example: "registration XY51 ZZZ",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "UK_POSTCODE",
        about: "United Kingdom postcode",
        shapes: &[
            Shape::alone(r"[A-PR-UWYZ][A-HK-Y]?[0-9][0-9A-Y]? [0-9][ABD-HJLNP-UW-Z]{2}", 50).isolated(),
            Shape::in_context(r"(?i:[A-PR-UWYZ][A-HK-Y]?[0-9][0-9A-Y]? ?[0-9][ABD-HJLNP-UW-Z]{2})", 10).isolated(),
            Shape::in_context(r"(?i:GIR ?0AA)", 30).isolated(),
        ],
        check: Some(postcode),
        checked_by: "postcode areas and letters in use by place (BS 7666)",
        context: &[
            "postcode",
            "post code",
            "postal code",
            "zip",
            "address",
            "delivery",
            "mailing",
            "shipping",
            "correspondence",
        ],
        example: "EH99 1SP",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "UK_UTR",
        about: "United Kingdom unique taxpayer reference",
        shapes: &[Shape::in_context(r"[0-9]{10}[Kk]?|[0-9]{5} [0-9]{5}[Kk]?", 10).isolated()],
        check: Some(taxpayer),
        checked_by: "weighted sum modulo 11",
        context: &["utr", "taxpayer reference", "tax reference", "unique taxpayer", "self assessment"],
        example: "UTR 9234567891",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "UK_SORT_CODE",
        about: "sort code of a bank in the United Kingdom",
        shapes: &[Shape::in_context(r"[0-9]{2}-[0-9]{2}-[0-9]{2}|[0-9]{2} [0-9]{2} [0-9]{2}|[0-9]{6}", 10).isolated()],
        context: &["sort code", "sortcode", "sort", "sorting code"],
        example: "sort code 12-34-56",
        ..ClassSpec::PERSONAL
    },
];

/// Digits weighted 10 down to 1 are a multiple of eleven.
fn nhs(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let mut digits = checksum::digits(value);
    let first = digits.next();
    let same = digits.all(|digit| Some(digit) == first);
    if sum.is_multiple_of(11) && !same { Verdict::Valid } else { Verdict::Invalid }
}

/// Prefixes that are not given.
fn nino(value: &[u8]) -> Verdict {
    let prefix = [0, 1].map(|at| value.get(at).map_or(0, u8::to_ascii_uppercase));
    match &prefix {
        b"BG" | b"GB" | b"NK" | b"KN" | b"NT" | b"TN" | b"ZZ" => Verdict::Invalid,
        _ => Verdict::Unproven,
    }
}

/// A surname shorter than five letters is filled up with nines at its end.
fn driver(value: &[u8]) -> Verdict {
    let surname = value.get(..5).unwrap_or_default();
    let letters = surname.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    if surname.iter().skip(letters).all(|byte| *byte == b'9') { Verdict::Unproven } else { Verdict::Invalid }
}

/// The number of a current mark tells the half-year of its giving: 02 to 29 since March, 51 to 79 since September.
fn vehicle(value: &[u8]) -> Verdict {
    let [first, second, tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..] = value else { return Verdict::Unproven };
    let current = first.is_ascii_alphabetic() && second.is_ascii_alphabetic();
    let age = (tens - b'0') * 10 + (ones - b'0');
    match age {
        _ if !current => Verdict::Unproven,
        2..=29 | 51..=79 => Verdict::Valid,
        _ => Verdict::Invalid,
    }
}

/// Postcode areas: the letters that postcodes begin with.
const AREAS: &str = "AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E \
    EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N \
    NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS \
    TW UB W WA WC WD WF WN WR WS WV YO ZE";

/// An area, a district of one or two digits or of a digit and a letter, and three characters of which the shape knows.
fn postcode(value: &[u8]) -> Verdict {
    if value.iter().take(3).map(u8::to_ascii_uppercase).eq(*b"GIR") {
        return Verdict::Valid;
    }
    let letters = value.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let area = value.get(..letters).unwrap_or_default();
    let known = AREAS.split_ascii_whitespace().any(|known| known.as_bytes().eq_ignore_ascii_case(area));
    let outward = value.get(letters..value.len().saturating_sub(3)).unwrap_or_default().trim_ascii_end();
    let last_letters: &[u8] = if letters == 1 { b"ABCDEFGHJKPSTUW" } else { b"ABEHMNPRVWXY" };
    let district = match outward {
        [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9'] => true,
        [b'0'..=b'9', letter] => last_letters.contains(&letter.to_ascii_uppercase()),
        _ => false,
    };
    // Its shape is all there is beyond the area: a code of a product may look the same.
    if known && district { Verdict::Unproven } else { Verdict::Invalid }
}

/// The first digit checks the others (HMRC).
fn taxpayer(value: &[u8]) -> Verdict {
    let mut digits = checksum::digits(value);
    let check = digits.next();
    let sum: u32 = digits.zip([6, 7, 8, 9, 10, 5, 4, 3, 2]).map(|(digit, weight)| digit * weight).sum();
    let expected = match sum % 11 {
        0 => 2,
        1 => 1,
        rest => 11 - rest,
    };
    if check == Some(expected) { Verdict::Valid } else { Verdict::Invalid }
}
