//! Numbers that authorities of Spain, Portugal and Italy give.

use crate::calendar::is_day;
use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "ES_NIF",
        about: "Spanish tax and identity number (NIF, DNI)",
        shapes: &[Shape::in_context("[0-9]{7,8}-?[A-Za-z]", 50)],
        check: Some(nif),
        checked_by: "mod 23",
        context: &["nif", "dni", "documento nacional de identidad", "identificacion", "identificaci"],
        example: "DNI 48217305J",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ES_NIE",
        about: "Spanish identity number of a foreigner (NIE)",
        shapes: &[
            Shape::alone("[XYZ]-?[0-9]{7}-?[A-Z]", 50).isolated(),
            Shape::in_context("(?i:[XYZ]-?[0-9]{7}-?[A-Z])", 50),
        ],
        check: Some(nie),
        checked_by: "mod 23",
        context: &["nie", "extranjero", "identificacion de extranjero", "residencia"],
        example: "Y4825173V",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ES_PASSPORT",
        about: "Spanish passport number",
        shapes: &[Shape::in_context("[A-Za-z]{3}[0-9]{6}", 5)],
        context: &["pasaporte", "passport"],
        example: "pasaporte PRD482615",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "PT_NIF",
        about: "Portuguese tax number (NIF)",
        shapes: &[
            Shape::alone("PT[1-35689][0-9]{8}", 50),
            Shape::in_context("[1-35689][0-9]{2} ?[0-9]{3} ?[0-9]{3}", 20),
        ],
        check: Some(portuguese),
        checked_by: "mod 11",
        context: &["nif", "contribuinte", "numero de contribuinte", "nipc", "numero fiscal", "tax number"],
        example: "contribuinte 275481360",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IT_FISCAL_CODE",
        about: "Italian tax code (codice fiscale)",
        shapes: &[Shape::alone(FISCAL_CODE, 50), Shape::in_context(LOWER_FISCAL_CODE, 50)],
        check: Some(fiscal_code),
        checked_by: "name and date grammar, control character",
        context: &["codice fiscale", "cod fiscale", "cf", "tax code"],
        example: "BNCLCU84P53F205L",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IT_VAT_CODE",
        about: "Italian VAT number (partita IVA)",
        shapes: &[Shape::alone("IT[0-9]{11}", 50), Shape::in_context("(?:[0-9][ _]?){10}[0-9]", 10)],
        check: Some(italian_vat),
        checked_by: "Luhn",
        context: &["piva", "p iva", "partita iva", "iva", "vat", "vat number"],
        example: "partita IVA 04827150360",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IT_DRIVER_LICENSE",
        about: "number of an Italian driving licence",
        shapes: &[Shape::in_context("(?i:[A-Z]{2}[0-9]{7}[A-Z]|U1[B-HJ-NPR-UW-Z0-9]{7}[A-Z])", 20)],
        context: &["patente", "patente di guida", "licenza", "licenza di guida", "driving licence", "driver license"],
        example: "patente MI4820715K",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IT_IDENTITY_CARD",
        about: "number of an Italian identity card",
        shapes: &[Shape::in_context("(?i:[A-Z]{2} ?[0-9]{7}|[0-9]{7}[A-Z]{2}|[A-Z]{2}[0-9]{5}[A-Z]{2})", 1)],
        context: &[
            "carta di identita",
            "carta d identita",
            "carta d identit",
            "carta identita",
            "identita",
            "identit",
            "cie",
            "documento",
            "identity card",
            "id card",
        ],
        example: "carta d'identita CA48271QK",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IT_PASSPORT",
        about: "Italian passport number",
        shapes: &[Shape::in_context("[A-Za-z]{2}[0-9]{7}", 1)],
        context: &["passaporto", "passport", "documento", "dogana"],
        example: "passaporto YB4820715",
        ..ClassSpec::PERSONAL
    },
];

/// Surname and name as three letters each (consonants, then vowels, then X), year, month, day and sex, place, control;
/// the letters L, M, N and P to V stand for digits where two people would share a code.
const FISCAL_CODE: &str = "(?:[A-Z][AEIOU][AEIOUX]|[AEIOU]X{2}|[B-DF-HJ-NP-TV-Z]{2}[A-Z]){2}\
    [0-9LMNP-V]{2}[A-EHLMPR-T][0-7LMNP-T][0-9LMNP-V][A-MZ][0-9LMNP-V]{3}[A-Z]";

/// In small letters it begins like nearly every word of a text, so its first digit must not be spelt as a letter, which
/// is done from the last digit on.
const LOWER_FISCAL_CODE: &str = "(?i:(?:[A-Z][AEIOU][AEIOUX]|[AEIOU]X{2}|[B-DF-HJ-NP-TV-Z]{2}[A-Z]){2}\
    [0-9][0-9LMNP-V][A-EHLMPR-T][0-7LMNP-T][0-9LMNP-V][A-MZ][0-9LMNP-V]{3}[A-Z])";

const SPANISH_LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";

fn nif(value: &[u8]) -> Verdict {
    Verdict::from(checksum::selects(SPANISH_LETTERS, checksum::part(value, 0, 8), value.last()))
}

/// X, Y and Z stand for a first digit 0, 1 and 2.
fn nie(value: &[u8]) -> Verdict {
    let first = match value.first() {
        Some(b'X' | b'x') => 0,
        Some(b'Y' | b'y') => 10_000_000,
        _ => 20_000_000,
    };
    Verdict::from(checksum::selects(SPANISH_LETTERS, first + checksum::part(value, 0, 7), value.last()))
}

fn portuguese(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[9, 8, 7, 6, 5, 4, 3, 2]);
    Verdict::from(checksum::digits(value).next_back() == Some((11 - sum % 11) % 11 % 10))
}

/// The check on the control character of 1976 (a decree of 23 December); codes whose control does not fit are seen in
/// practice, and the rest of the grammar is told from chance without it.
fn fiscal_code(value: &[u8]) -> Verdict {
    const MONTHS: &[u8] = b"ABCDEHLMPRST";
    let Some((control, body)) = value.split_last() else { return Verdict::Invalid };
    let number = |from: usize, length: usize| {
        let places = value.iter().skip(from).take(length);
        places.fold(0, |number, byte| number * 10 + u64::from(omocode(*byte)))
    };
    let month = value.get(8).and_then(|letter| MONTHS.iter().position(|known| known.eq_ignore_ascii_case(letter)));
    let month = month.and_then(|month| u64::try_from(month + 1).ok()).unwrap_or(0);
    let day = number(9, 2);
    let born = is_day(number(6, 2), month, if day > 40 { day - 40 } else { day });
    let abroad = matches!(value.get(11), Some(b'Z' | b'z'));
    if !born || number(12, 3) < if abroad { 100 } else { 1 } {
        return Verdict::Invalid;
    }
    let sum: u64 = body.iter().enumerate().map(|(place, byte)| control_value(*byte, place % 2 == 0)).sum();
    if checksum::selects(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", sum, Some(control)) {
        Verdict::Valid
    } else {
        Verdict::Unproven
    }
}

/// The digit at a place that may bear a letter for it.
fn omocode(byte: u8) -> u8 {
    let letters = b"LMNPQRSTUV".iter().zip(0..).find(|(letter, _)| letter.eq_ignore_ascii_case(&byte));
    letters.map_or(byte.saturating_sub(b'0'), |(_, digit)| digit)
}

/// What a character counts: in even places its value, in odd ones a value of its own; digits count as the first letters.
fn control_value(byte: u8, odd: bool) -> u64 {
    const ODD: [u64; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let value = match byte.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => digit - b'0',
        letter => letter.saturating_sub(b'A'),
    };
    if odd { ODD.get(usize::from(value)).copied().unwrap_or(0) } else { u64::from(value) }
}

fn italian_vat(value: &[u8]) -> Verdict {
    Verdict::from(checksum::luhn(value) && checksum::digits(value).any(|digit| digit != 0))
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn letters_and_digits_of_the_south_check_each_other() {
        assert_found(
            &[
                ("ES_NIF", "12345678Z"),
                ("ES_NIF", "12345678-z"),
                ("ES_NIE", "X1234567L"),
                ("PT_NIF", "123456789"),
                ("PT_NIF", "PT123456789"),
                ("IT_FISCAL_CODE", "RSSMRA85T10A562S"),
                ("IT_FISCAL_CODE", "rssmra85t10a562x"),
                ("IT_FISCAL_CODE", "RSSMRAURTMLARSNA"),
                ("IT_VAT_CODE", "12345678903"),
                ("IT_VAT_CODE", "IT12345678903"),
                ("IT_IDENTITY_CARD", "CA48271QK"),
                ("IT_DRIVER_LICENSE", "U1K4827RKM"),
            ],
            &[
                ("ES_NIF", "12345678A"),
                ("ES_NIE", "X1234567M"),
                ("PT_NIF", "123456780"),
                ("IT_FISCAL_CODE", "RSSMRA85T32A562S"),
                ("IT_FISCAL_CODE", "RSSMRA85B30A562S"),
                ("IT_FISCAL_CODE", "RSSMRA85T10A000S"),
                ("IT_VAT_CODE", "12345678904"),
                ("IT_VAT_CODE", "00000000000"),
            ],
        );
        assert_eq!(in_default("items 12345678Z and 123456789"), [""; 0]);
        assert_eq!(in_default("X1234567L of RSSMRA85T10A562S"), ["ES_NIE", "IT_FISCAL_CODE"]);
        assert_eq!(in_default("DNI: 12345678Z, carta d'identità CA48271QK"), ["ES_NIF", "IT_IDENTITY_CARD"]);
    }
}
