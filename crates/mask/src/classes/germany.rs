//! Numbers that German authorities and bodies give.
//!
//! Umlauts stand in context words as they are transliterated and, where a word begins with one letter and an umlaut, as
//! its two parts: `ü` is no ASCII letter and ends a word.

use crate::calendar::is_day;
use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "DE_TAX_ID",
        about: "German tax identification number of a person (section 139b AO)",
        shapes: &[Shape::in_context("[1-9][0-9]{10}", 50), Shape::in_context("[1-9][0-9](?: [0-9]{3}){3}", 50)],
        check: Some(tax_id),
        checked_by: "mod 11,10, no digit more than three times",
        context: &[
            "steuer id",
            "steueridentifikationsnummer",
            "steuerliche identifikationsnummer",
            "identifikationsnummer",
            "idnr",
            "steuer idnr",
            "steuernummer",
            "tax id",
            "tin",
            "bzst",
        ],
        example: "Steuer-ID 57284369503",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_TAX_NUMBER",
        about: "German tax number of a tax office, as notices and ELSTER write it",
        shapes: &[
            Shape::in_context("(?:0[1-9]|1[0-6])[0-9]{11}", 50),
            Shape::in_context("(?:1[01]|2[1-46-8]|3[0-2]|4[01]|[59][0-9])[0-9]{2}0[0-9]{8}", 50),
            Shape::in_context("[0-9]{2,3}/[0-9]{3,4}/[0-9]{4,5}", 40).isolated(),
        ],
        context: &[
            "steuernummer",
            "steuer nr",
            "st nr",
            "stnr",
            "finanzamt",
            "steuerbescheid",
            "einkommensteuer",
            "umsatzsteuer",
            "gewerbesteuer",
            "tax number",
        ],
        example: "Steuernummer 121/815/08153",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_VAT_ID",
        about: "German VAT identification number",
        shapes: &[
            Shape::alone("DE[0-9]{9}", 30),
            Shape::alone("DE[ .-][0-9]{3}[ .-]?[0-9]{3}[ .-]?[0-9]{3}", 30).isolated(),
            Shape::in_context("(?i:DE)[ .-]?[0-9]{3}[ .-]?[0-9]{3}[ .-]?[0-9]{3}", 40),
        ],
        check: Some(vat_id),
        checked_by: "mod 11,10",
        context: &["ust id", "ust idnr", "ustidnr", "umsatzsteuer", "mehrwertsteuer", "vat", "vat id", "rechnung"],
        example: "DE287654316",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_SOCIAL_SECURITY",
        about: "German pension insurance number (section 147 SGB VI)",
        shapes: &[
            Shape::alone("[0-9]{8}[A-Z][0-9]{3}", 50),
            Shape::in_context("[0-9]{2} ?[0-9]{6} ?[A-Za-z] ?[0-9]{3}", 50),
        ],
        check: Some(social_security),
        checked_by: "date of birth, weighted cross sums",
        context: &[
            "rentenversicherungsnummer",
            "sozialversicherungsnummer",
            "versicherungsnummer",
            "rvnr",
            "svnr",
            "sv nummer",
            "rentenversicherung",
            "sozialversicherung",
            "sozialversicherungsausweis",
            "social security",
        ],
        example: "53270139K107",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_HEALTH_INSURANCE",
        about: "German health insurance number, the part that stays for life (section 290 SGB V)",
        shapes: &[Shape::in_context("[A-Za-z][0-9]{9}", 30)],
        check: Some(health_insurance),
        checked_by: "Luhn with the letter as two digits",
        context: &[
            "kvnr",
            "krankenversicherungsnummer",
            "krankenversichertennummer",
            "versichertennummer",
            "krankenkasse",
            "krankenversicherung",
            "gesundheitskarte",
            "versichertenkarte",
            "egk",
            "gkv",
            "health insurance",
        ],
        example: "KVNR K735204181",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_ID_CARD",
        about: "serial number of a German identity card",
        shapes: &[Shape::in_context("(?i:[CFGHJ-NPRTV-Z][CFGHJ-NPRTV-Z0-9]{7}[0-9])", 40)],
        check: Some(id_card),
        checked_by: "ICAO 9303 check digit; none on cards with T and eight digits",
        context: &[
            "personalausweis",
            "personalausweisnummer",
            "ausweis",
            "ausweisnummer",
            "ausweis nr",
            "bundespersonalausweis",
            "npa",
            "seriennummer",
            "dokumentennummer",
            "identity card",
            "id card",
        ],
        example: "Personalausweis LF3ZT4WC1",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_PASSPORT",
        about: "serial number of a German passport",
        shapes: &[Shape::in_context("(?i:[CFGHJ-NPRTV-Z][CFGHJ-NPRTV-Z0-9]{7}[0-9])", 40)],
        check: Some(passport),
        checked_by: "ICAO 9303 check digit",
        context: &[
            "reisepass",
            "reisepassnummer",
            "passnummer",
            "pass nr",
            "passport",
            "dokumentennummer",
            "ausweisdokument",
            "mrz",
        ],
        example: "Reisepass CH7TZ62L3",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_FUEHRERSCHEIN",
        about: "number of a German driving licence",
        shapes: &[Shape::in_context("[A-Za-z]{2}[0-9]{8}[0-9A-Za-z]", 35)],
        context: &[
            "fuehrerschein",
            "f hrerschein",
            "fuehrerscheinnummer",
            "f hrerscheinnummer",
            "fahrerlaubnis",
            "fahrerlaubnisnummer",
            "driving licence",
            "driving license",
            "driver license",
            "drivers license",
        ],
        example: "Fuehrerschein RZ70481536C",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_KFZ",
        about: "German vehicle registration plate",
        shapes: &[
            Shape::in_context(PLATE, 30),
            // In lower case, `ist am 12` would be one too.
            Shape::in_context(LOWER_PLATE, 30),
        ],
        context: &[
            "kennzeichen",
            "kfz",
            "kraftfahrzeugkennzeichen",
            "autokennzeichen",
            "fahrzeugkennzeichen",
            "nummernschild",
            "fahrzeugschein",
            "zulassung",
            "license plate",
            "licence plate",
            "number plate",
        ],
        example: "Kennzeichen HD-QX 4711",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_PLZ",
        about: "German postal code",
        shapes: &[Shape::in_context("[0-9]{5}", 5)],
        check: Some(postal_code),
        checked_by: "range in use",
        context: &[
            "plz",
            "postleitzahl",
            "postanschrift",
            "anschrift",
            "adresse",
            "wohnort",
            "wohnanschrift",
            "lieferadresse",
            "rechnungsadresse",
            "postfach",
        ],
        example: "PLZ 60311",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_HANDELSREGISTER",
        about: "number in the German commercial register",
        shapes: &[Shape::alone("HR[AB] {0,2}[0-9]{3,6}", 50), Shape::in_context("(?i:HR[AB]) {0,2}[0-9]{1,6}", 50)],
        context: &[
            "handelsregister",
            "handelsregisternummer",
            "amtsgericht",
            "registergericht",
            "registerauszug",
            "hr nummer",
            "commercial register",
        ],
        example: "HRB 80417",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_LANR",
        about: "number of a German physician (LANR)",
        shapes: &[Shape::in_context("[0-9]{9}", 30)],
        check: Some(physician),
        checked_by: "mod 10, weights 4 and 9",
        context: &[
            "lanr",
            "arztnummer",
            "arzt nr",
            "arzt nummer",
            "vertragsarzt",
            "kassenarzt",
            "hausarzt",
            "facharzt",
            "physician number",
        ],
        example: "LANR 703518927",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DE_BSNR",
        about: "number of a German medical practice (BSNR)",
        shapes: &[Shape::in_context("[0-9]{9}", 20)],
        check: Some(practice),
        checked_by: "not all zeros",
        context: &[
            "bsnr",
            "betriebsstaettennummer",
            "betriebsst ttennummer",
            "betriebsstaette",
            "betriebsst tte",
            "nebenbetriebsstaette",
            "praxisnummer",
            "arztpraxis",
            "praxis",
        ],
        example: "BSNR 729144600",
        ..ClassSpec::PERSONAL
    },
];

/// District, letters and number; the district may hold an umlaut in UTF-8.
const PLATE: &str = r"[A-Z](?:[A-Z]|\xC3[\x84\x96\x9C]){0,2}(?: [A-Z]{1,2} |-[A-Z]{1,2}[- ])[0-9]{1,4}[EH]?";
const LOWER_PLATE: &str = r"(?i:[A-Z](?:[A-Z]|\xC3[\x84\x96\x9C\xA4\xB6\xBC]){0,2}(?: [A-Z]{1,2} (?:[0-9]{3,4}[EH]?|[0-9]{1,2}[EH])|-[A-Z]{1,2}[- ][0-9]{1,4}[EH]?))";

/// One of the first ten digits stands there twice or three times, none more often.
fn tax_id(value: &[u8]) -> Verdict {
    let often = (0..10).any(|wanted| checksum::digits(value).take(10).filter(|digit| *digit == wanted).count() > 3);
    Verdict::from(!often && checksum::mod_11_10(value))
}

/// Numbers are seen whose check digit does not fit: only context lets such a one count.
fn vat_id(value: &[u8]) -> Verdict {
    if checksum::mod_11_10(value) { Verdict::Valid } else { Verdict::Unproven }
}

/// Area, date of birth (a day from 51 on is a number given twice), initial, serial, check digit.
fn social_security(value: &[u8]) -> Verdict {
    const WEIGHTS: [u32; 12] = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let (day, month) = (checksum::part(value, 2, 2), checksum::part(value, 4, 2));
    let born = is_day(0, month, if day > 50 { day - 50 } else { day });
    let check = checksum::digits(value).next_back();
    let sum = checksum::cross_weighted(spelled(value), &WEIGHTS);
    Verdict::from(born && check == Some(sum % 10))
}

fn health_insurance(value: &[u8]) -> Verdict {
    let check = checksum::digits(value).next_back();
    let sum = checksum::cross_weighted(spelled(value), &[1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
    Verdict::from(check == Some(sum % 10))
}

/// All but the last digit, letters as their two-digit place in the alphabet.
fn spelled(value: &[u8]) -> impl Iterator<Item = u32> {
    let body = value.split_last().map_or(value, |(_, body)| body);
    body.iter()
        .flat_map(|byte| match byte.to_ascii_uppercase() {
            digit @ b'0'..=b'9' => [Some(u32::from(digit - b'0')), None],
            letter @ b'A'..=b'Z' => [Some(u32::from(letter - b'@') / 10), Some(u32::from(letter - b'@') % 10)],
            _ => [None, None],
        })
        .flatten()
}

fn id_card(value: &[u8]) -> Verdict {
    match value {
        [b'T' | b't', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => Verdict::Unproven,
        _ => passport(value),
    }
}

fn passport(value: &[u8]) -> Verdict {
    Verdict::from(checksum::icao_9303(value))
}

/// The lowest and the highest code in use stand beside the limits.
fn postal_code(value: &[u8]) -> Verdict {
    if (1001..99_999).contains(&checksum::part(value, 0, 5)) { Verdict::Unproven } else { Verdict::Invalid }
}

/// Six digits, their check digit, and two for the specialty.
fn physician(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[4, 9, 4, 9, 4, 9]);
    Verdict::from(checksum::digits(value).nth(6) == Some((10 - sum % 10) % 10))
}

fn practice(value: &[u8]) -> Verdict {
    if checksum::digits(value).all(|digit| digit == 0) { Verdict::Invalid } else { Verdict::Unproven }
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn german_numbers_are_told_by_their_check_digits_and_plain_ones_by_what_names_them() {
        assert_found(
            &[
                ("DE_TAX_ID", "36574261809"),
                ("DE_TAX_NUMBER", "93/815/08152"),
                ("DE_TAX_NUMBER", "2893081508152"),
                ("DE_VAT_ID", "DE 287.654-316"),
                ("DE_SOCIAL_SECURITY", "65170839J003"),
                ("DE_HEALTH_INSURANCE", "k735204181"),
                ("DE_ID_CARD", "T48271503"),
                ("DE_PASSPORT", "CH7TZ62L3"),
                ("DE_KFZ", "GAP-WM 27E"),
                ("DE_KFZ", "LÖ-AB 12"),
                ("DE_KFZ", "hd-qx 471"),
                ("DE_PLZ", "99998"),
                ("DE_HANDELSREGISTER", "hrb 7"),
            ],
            &[
                ("DE_TAX_ID", "36574261890"),
                ("DE_TAX_ID", "11115678904"),
                ("DE_SOCIAL_SECURITY", "65320839J003"),
                ("DE_PASSPORT", "CH7TZ62L4"),
                ("DE_HEALTH_INSURANCE", "K735204182"),
                ("DE_KFZ", "ist am 12"),
                ("DE_PLZ", "99999"),
                ("DE_LANR", "703518127"),
                ("DE_BSNR", "000000000"),
            ],
        );
        assert_eq!(in_default("Auftrag 36574261809 nach 60311"), [""; 0]);
        assert_eq!(in_default("Rechnung DE287654316, Liste DE287654317 nach der Pause"), ["DE_VAT_ID", "DE_VAT_ID"]);
        assert_eq!(in_default("Liste DE287654317"), [""; 0]);
        assert_eq!(in_default("Führerschein RZ70481536C und Steuer-ID 36574261809"), ["DE_FUEHRERSCHEIN", "DE_TAX_ID"]);
    }
}
