//! Numbers that authorities of India give.

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "IN_AADHAAR",
        about: "Indian Aadhaar number",
        shapes: &[
            // Three groups of four are written for much else: years in a row, order numbers.
            Shape::in_context("[2-9][0-9]{3}[- :]?[0-9]{4}[- :]?[0-9]{4}", 10).isolated(),
        ],
        check: Some(aadhaar),
        checked_by: "Verhoeff",
        context: &["aadhaar", "aadhar", "adhaar", "uidai"],
        example: "Aadhaar 4827 1503 6919",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IN_PAN",
        about: "Indian permanent account number",
        shapes: &[
            Shape::alone("[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]", 50),
            Shape::in_context("(?i:[A-Z]{5}[0-9]{4}[A-Z])", 20),
            Shape::in_context(FOUR_DIGITS_IN_TEN, 1),
        ],
        check: Some(permanent_account),
        checked_by: "four digits in a row among letters",
        context: &["pan", "pan number", "pan card", "permanent account number", "income tax"],
        example: "PAN BQKPT4827M",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IN_GSTIN",
        about: "Indian goods and services tax number",
        shapes: &[Shape::alone("[0-9]{2}(?i:[A-Z]{5}[0-9]{4}[A-Z][0-9A-Z]Z[0-9A-Z])", 60)],
        check: Some(gstin),
        checked_by: "state, mod 36; older numbers do not all pass",
        context: &["gstin", "gst", "gst number", "gst registration", "goods and services tax"],
        example: "29BQKPT4827M1ZW",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IN_PASSPORT",
        about: "Indian passport number",
        shapes: &[Shape::in_context("[A-Za-z][1-9][0-9] ?[0-9]{4}[1-9]", 10)],
        context: &["passport", "passport number", "indian passport"],
        example: "passport K4827156",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IN_VOTER",
        about: "Indian elector's photo identity card (EPIC)",
        shapes: &[Shape::in_context("[A-Za-z]{3}[0-9]{7}", 30)],
        context: &["voter", "voter id", "epic", "epic no", "elector", "election card"],
        example: "voter id WKQ4827150",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IN_VEHICLE_REGISTRATION",
        about: "Indian vehicle registration plate: state, Bharat, diplomatic, military and older series",
        shapes: &[
            Shape::in_context("(?i:[A-Z]{2}[0-9]{1,2}[A-Z]{1,3}[0-9]{4})", 50),
            Shape::in_context("[A-Z]{2}[ -][0-9]{1,2}[ -][A-Z]{1,3}[ -][0-9]{4}", 50),
            Shape::in_context("(?i:[A-Z]{1,3})[0-9]{4}", 10),
            Shape::in_context("(?i:I)[0-9]{5}", 10),
            Shape::in_context("[0-9]{1,3}(?i:CD|CC|UN)[1-9][0-9]{1,3}", 40),
            Shape::in_context("[2-9][1-9](?i:BH)[0-9]{4}(?i:[A-HJ-NP-Z]){2}", 85),
            Shape::in_context("[0-9]{2}(?i:[A-FHKPRX])[0-9]{6}(?i:[A-Z])", 85),
        ],
        check: Some(vehicle),
        checked_by: "number not zero; the state where parts stand apart",
        context: &["vehicle number", "vehicle registration", "registration number", "rto", "plate", "number plate"],
        example: "vehicle number MH12QK4827",
        ..ClassSpec::PERSONAL
    },
];

/// Ten letters and digits of which four digits stand together: spelt out by where they stand, so that a word without a
/// digit is passed at one look.
const FOUR_DIGITS_IN_TEN: &str = "[0-9]{4}[0-9A-Za-z]{6}|[0-9A-Za-z](?:[0-9]{4}[0-9A-Za-z]{5}|\
    [0-9A-Za-z](?:[0-9]{4}[0-9A-Za-z]{4}|[0-9A-Za-z](?:[0-9]{4}[0-9A-Za-z]{3}|\
    [0-9A-Za-z](?:[0-9]{4}[0-9A-Za-z]{2}|[0-9A-Za-z](?:[0-9]{4}[0-9A-Za-z]|[0-9A-Za-z][0-9]{4})))))";

fn aadhaar(value: &[u8]) -> Verdict {
    let digits = checksum::digits(value);
    let palindrome = digits.clone().eq(digits.rev());
    Verdict::from(!palindrome && checksum::verhoeff(value))
}

/// The weakest shape is ten letters and digits, four digits together: a letter is among them.
fn permanent_account(value: &[u8]) -> Verdict {
    if value.iter().any(u8::is_ascii_alphabetic) { Verdict::Unproven } else { Verdict::Invalid }
}

/// State, permanent account number, registration in the state, Z, check character (Luhn's method by base 36).
fn gstin(value: &[u8]) -> Verdict {
    let Some((check, body)) = value.split_last() else { return Verdict::Invalid };
    let values = body.iter().filter_map(|byte| checksum::letter_or_digit(*byte));
    let products = values.zip([1, 2].into_iter().cycle()).map(|(value, factor)| value * factor);
    let sum: u32 = products.map(|product| product / 36 + product % 36).sum();
    let passes = checksum::letter_or_digit(*check) == Some((36 - sum % 36) % 36);
    match checksum::part(value, 0, 2) {
        1..=38 | 97 | 99 if passes => Verdict::Valid,
        1..=37 => Verdict::Unproven,
        _ => Verdict::Invalid,
    }
}

/// A date such as `IN 12 MAY 2024` has the form of a plate: parts that stand apart need a state.
fn vehicle(value: &[u8]) -> Verdict {
    const STATES: &[u8] = b"ANAPARASBRCGCHCTDDDHDLDNGAGJHPHRJHJKKAKLLALDMHMLMNMPMZNLODORPBPYRJSKTNTRTSUAUKULUPUTWB";
    let numbers = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let mut last =
        value.iter().rev().skip_while(|byte| !byte.is_ascii_digit()).take_while(|byte| byte.is_ascii_digit());
    // Eight digits: a military plate, whose number begins with the year.
    let zero = numbers != 8 && last.all(|byte| *byte == b'0');
    let apart = value.iter().any(|byte| matches!(byte, b' ' | b'-'));
    let state = value.get(..2).is_some_and(|state| STATES.chunks(2).any(|known| known == state));
    if zero || apart && !state { Verdict::Invalid } else { Verdict::Unproven }
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn indian_numbers_are_verhoeffs_or_a_grammar() {
        assert_found(
            &[
                ("IN_AADHAAR", "2345-6789-0124"),
                ("IN_AADHAAR", "2345 6789 0124"),
                ("IN_PAN", "BQKPT4827M"),
                ("IN_PAN", "4827BQKPTM"),
                ("IN_GSTIN", "27AAPFU0939F1ZV"),
                ("IN_GSTIN", "29BQKPT4827M1ZA"),
                ("IN_PASSPORT", "K48 27156"),
                ("IN_VEHICLE_REGISTRATION", "MH 12 QK 4827"),
                ("IN_VEHICLE_REGISTRATION", "22BH4827QK"),
                ("IN_VEHICLE_REGISTRATION", "03D153874K"),
                ("IN_VEHICLE_REGISTRATION", "77CD482"),
            ],
            &[
                ("IN_AADHAAR", "2345-6789-0125"),
                ("IN_AADHAAR", "1345-6789-0124"),
                ("IN_GSTIN", "38BQKPT4827M1ZA"),
                ("IN_GSTIN", "00AAPFU0939F1ZV"),
                ("IN_PAN", "BQKPTABCDM"),
                ("IN_VEHICLE_REGISTRATION", "IN 12 MAY 2024"),
                ("IN_VEHICLE_REGISTRATION", "MH12QK0000"),
            ],
        );
        assert_eq!(in_default("years 2345 6789 0124, item MH12QK4827"), [""; 0]);
        assert_eq!(in_default("2345-6789-0124 of 27AAPFU0939F1ZV"), ["IN_GSTIN"]);
        assert_eq!(
            in_default("Aadhaar 2345 6789 0124, vehicle number MH12QK4827"),
            ["IN_AADHAAR", "IN_VEHICLE_REGISTRATION"]
        );
    }
}
