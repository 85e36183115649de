//! Numbers that authorities of Finland, Sweden, Denmark and Poland give: all begin with a date of birth, or have a
//! weighted check digit.

use crate::calendar::is_day;
use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "FI_PERSONAL_IDENTITY_CODE",
        about: "Finnish personal identity code (henkilotunnus)",
        shapes: &[
            // Digits with a hyphen between them could be a date and the number of an order of that day.
            Shape::alone("[0-9]{6}(?:[+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]|-[0-9]{3}[A-FHJ-NPR-Y])", 50).after_letters(),
            Shape::in_context("[0-9]{6}(?i:[-+A-FU-Y])[0-9]{3}(?i:[0-9A-FHJ-NPR-Y])", 10),
        ],
        check: Some(finnish),
        checked_by: "date of birth, mod 31",
        context: &[
            "hetu",
            "henkilotunnus",
            "henkil tunnus",
            "personbeteckning",
            "personbeteckningen",
            "personal identity code",
        ],
        example: "131052-310V",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "SE_PERSONNUMMER",
        about: "Swedish personal identity or coordination number",
        shapes: &[
            // With a hyphen too it could be the number of an order of that day.
            Shape::in_context("(?:[12][0-9]{3}|[0-9]{2})[01][0-9]{3}[-+]?[0-9]{4}", 50),
        ],
        check: Some(swedish_person),
        checked_by: "date of birth, Luhn",
        context: &[
            "personnummer",
            "personnr",
            "pnr",
            "samordningsnummer",
            "svenskt personnummer",
            "personal identity number",
            "coordination number",
        ],
        example: "personnummer 19630712-4211",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "SE_ORGANISATIONSNUMMER",
        about: "Swedish organisation number",
        shapes: &[Shape::in_context("[0-9]{2}[2-9][0-9]{3}-?[0-9]{4}", 60).isolated()],
        check: Some(swedish_organisation),
        checked_by: "Luhn, third digit",
        context: &[
            "organisationsnummer",
            "orgnr",
            "org nr",
            "foretagsnummer",
            "f retagsnummer",
            "bolagsnummer",
            "organisation number",
            "organization number",
        ],
        example: "orgnr 556841-2737",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DK_CPR",
        about: "Danish civil registration number",
        shapes: &[Shape::in_context("[0-3][0-9][01][0-9]{3}[- ]?[0-9]{4}", 30)],
        check: Some(danish),
        checked_by: "date of birth; mod 11, which numbers given since 2007 need not pass",
        context: &["cpr", "cpr nummer", "cprnr", "personnummer", "civil registration number"],
        example: "CPR 140782-3121",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "PL_PESEL",
        about: "Polish personal number (PESEL)",
        shapes: &[Shape::in_context("[0-9]{2}(?:[02468][1-9]|[13579][0-2])[0-3][0-9]{6}", 40)],
        check: Some(pesel),
        checked_by: "date of birth with its century, mod 10",
        context: &["pesel", "numer pesel", "nr pesel"],
        example: "PESEL 72051843613",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "PL_NIP",
        about: "Polish tax identification number (NIP)",
        shapes: &[
            Shape::alone("[1-9][0-9]{2}-(?:[0-9]{3}-[0-9]{2}-[0-9]{2}|[0-9]{2}-[0-9]{2}-[0-9]{3})", 50).isolated(),
            Shape::alone("PL[1-9][0-9]{9}", 50),
            Shape::in_context("[1-9][0-9]{9}", 20),
        ],
        check: Some(nip),
        checked_by: "mod 11",
        context: &["nip", "nr nip", "numer nip", "identyfikacji podatkowej"],
        example: "731-264-80-51",
        ..ClassSpec::PERSONAL
    },
];

/// The sign between the parts says the century; digits alone make the number that the control character is of.
fn finnish(value: &[u8]) -> Verdict {
    const CONTROL: &[u8] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let century = match value.get(6) {
        Some(b'+') => 1800,
        Some(b'-' | b'U'..=b'Y' | b'u'..=b'y') => 1900,
        _ => 2000,
    };
    let date = is_day(century + checksum::part(value, 4, 2), checksum::part(value, 2, 2), checksum::part(value, 0, 2));
    let (Some(born), Some(serial)) = (value.get(..6), value.get(7..10)) else { return Verdict::Invalid };
    let number = checksum::part(born, 0, 6) * 1000 + checksum::part(serial, 0, 3);
    Verdict::from(date && checksum::selects(CONTROL, number, value.last()))
}

/// Year, month, day (from 61 on: a coordination number), serial, check digit; the century does not count.
fn swedish_person(value: &[u8]) -> Verdict {
    let skipped = checksum::count(value).saturating_sub(10);
    let [year, month, day] = [0, 2, 4].map(|place| checksum::part(value, skipped + place, 2));
    let day = if day > 60 { day - 60 } else { day };
    Verdict::from(is_day(year, month, day) && luhn_of_last_ten(value))
}

fn swedish_organisation(value: &[u8]) -> Verdict {
    Verdict::from(checksum::luhn(value))
}

fn luhn_of_last_ten(value: &[u8]) -> bool {
    let signs = checksum::count(value).saturating_sub(10);
    value.get(signs..).is_some_and(checksum::luhn)
}

fn danish(value: &[u8]) -> Verdict {
    let [day, month, year] = [0, 2, 4].map(|place| checksum::part(value, place, 2));
    match checksum::weighted(value, &[4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11 {
        _ if !is_day(year, month, day) => Verdict::Invalid,
        0 => Verdict::Valid,
        _ => Verdict::Unproven,
    }
}

/// Twenty is added to the month for each century from 1900 on, and eighty for the one before.
fn pesel(value: &[u8]) -> Verdict {
    let [year, month, day] = [0, 2, 4].map(|place| checksum::part(value, place, 2));
    let century = match month / 20 {
        4 => 1800,
        later => 1900 + later * 100,
    };
    let sum = checksum::weighted(value, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    Verdict::from(is_day(century + year, month % 20, day) && sum.is_multiple_of(10))
}

fn nip(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[6, 5, 7, 2, 3, 4, 5, 6, 7]);
    Verdict::from(checksum::digits(value).next_back() == Some(sum % 11))
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn dates_and_check_digits_of_the_north_tell_numbers_from_chance() {
        assert_found(
            &[
                ("FI_PERSONAL_IDENTITY_CODE", "131052-308T"),
                ("SE_PERSONNUMMER", "811218-9876"),
                ("SE_PERSONNUMMER", "701063-2391"),
                ("SE_PERSONNUMMER", "198112189876"),
                ("SE_ORGANISATIONSNUMMER", "5568412737"),
                ("DK_CPR", "070761-4285"),
                ("DK_CPR", "0707614286"),
                ("PL_PESEL", "02271409867"),
                ("PL_NIP", "106-00-00-062"),
                ("PL_NIP", "PL1060000062"),
            ],
            &[
                ("FI_PERSONAL_IDENTITY_CODE", "131052-308U"),
                ("FI_PERSONAL_IDENTITY_CODE", "310252-308T"),
                ("SE_PERSONNUMMER", "811318-9876"),
                ("SE_PERSONNUMMER", "811218-9877"),
                ("SE_ORGANISATIONSNUMMER", "5518412737"),
                ("DK_CPR", "310261-4285"),
                ("PL_PESEL", "02271409868"),
                ("PL_NIP", "106-00-00-063"),
            ],
        );
        assert_eq!(in_default("order 811218-9876 of 070761-4285, 020594-9011, 02271409867"), [""; 0]);
        assert_eq!(in_default("order 811218-9876, personnummer 811218-9876"), ["SE_PERSONNUMMER"]);
        assert_eq!(in_default("131052-308T has the PESEL 02271409867"), ["FI_PERSONAL_IDENTITY_CODE", "PL_PESEL"]);
    }
}
