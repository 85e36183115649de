//! Numbers that authorities of France, the Netherlands, Belgium and Ireland give.

use crate::calendar::is_day;
use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "FR_NIR",
        about: "French social security number (NIR)",
        shapes: &[
            Shape::alone("[1-478] [0-9]{2} [0-9]{2} [0-9][0-9AB] [0-9]{3} [0-9]{3} [0-9]{2}", 50).isolated(),
            Shape::in_context("[1-478] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3}[ -]?[0-9]{2}", 40),
        ],
        check: Some(french),
        checked_by: "month of birth, mod 97",
        context: &[
            "nir",
            "securite sociale",
            "s curit sociale",
            "numero de secu",
            "insee",
            "carte vitale",
            "assure social",
            "social security",
        ],
        example: "2 81 07 69 123 407 74",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "NL_BSN",
        about: "Dutch citizen service number (BSN)",
        shapes: &[Shape::alone(r"[0-9]{4}\.[0-9]{2}\.[0-9]{3}", 50).isolated(), Shape::in_context("[0-9]{9}", 20)],
        check: Some(dutch),
        checked_by: "mod 11",
        context: &["bsn", "burgerservicenummer", "sofinummer", "sofi nummer", "citizen service number"],
        example: "BSN 173504280",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "BE_NATIONAL_NUMBER",
        about: "Belgian national register or BIS number",
        shapes: &[
            Shape::alone(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}[-.][0-9]{3}[-.][0-9]{2}", 50).isolated(),
            Shape::in_context("[0-9]{6}[- ]?[0-9]{3}[-. ]?[0-9]{2}", 30),
        ],
        check: Some(belgian),
        checked_by: "date of birth, mod 97",
        context: &[
            "rijksregisternummer",
            "rijksregister",
            "rrn",
            "insz",
            "niss",
            "nationaal nummer",
            "registre national",
            "numero national",
            "national register",
            "national number",
        ],
        example: "72.04.19-254.37",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "IE_PPS",
        about: "Irish personal public service number",
        shapes: &[Shape::in_context("[0-9]{7}(?i:[A-W][A-IW]?)", 40)],
        check: Some(irish),
        checked_by: "mod 23",
        context: &["pps", "ppsn", "pps number", "pps no", "personal public service"],
        example: "PPSN 4731852CA",
        ..ClassSpec::PERSONAL
    },
];

/// Sex, year and month, department (2A and 2B count as 19 and 18), commune, serial, and 97 less the rest by 97.
fn french(value: &[u8]) -> Verdict {
    let letter = value.iter().find(|byte| byte.is_ascii_alphabetic());
    let (corsica, skipped) = match letter {
        Some(b'A') => (Some(19), 1),
        Some(_) => (Some(18), 1),
        None => (None, 0),
    };
    let department = corsica.unwrap_or_else(|| checksum::part(value, 5, 2));
    let before = checksum::part(value, 0, 5);
    let after = checksum::part(value, 7 - skipped, 6);
    let number = (before * 100 + department) * 1_000_000 + after;
    let month = matches!(checksum::part(value, 3, 2), 1..=12 | 20..=42 | 50..=99);
    let written = corsica.is_none() || checksum::digits(value).nth(5) == Some(2);
    Verdict::from(month && written && 97 - number % 97 == checksum::part(value, 13 - skipped, 2))
}

fn dutch(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[9, 8, 7, 6, 5, 4, 3, 2, 10]);
    Verdict::from(checksum::part(value, 0, 9) != 0 && sum.is_multiple_of(11))
}

/// Born from 2000 on, a two stands before the number that the check is of. An unknown
/// day is nought, and the month of a BIS number is raised by 20 or 40.
fn belgian(value: &[u8]) -> Verdict {
    let [year, month, day] = [0, 2, 4].map(|place| checksum::part(value, place, 2));
    let month = month % 20;
    let born = is_day(year, month, day) || day == 0 && month <= 12;
    let (number, check) = (checksum::part(value, 0, 9), checksum::part(value, 9, 2));
    let fits = |number: u64| 97 - number % 97 == check;
    Verdict::from(born && (fits(number) || year < 40 && fits(2_000_000_000 + number)))
}

/// A second letter counts nine times its place in the alphabet, where W is nought.
fn irish(value: &[u8]) -> Verdict {
    const LETTERS: &[u8] = b"WABCDEFGHIJKLMNOPQRSTUV";
    let place = |letter: &u8| LETTERS.iter().position(|known| known.eq_ignore_ascii_case(letter));
    let second = value.get(8).and_then(place).and_then(|place| u32::try_from(place).ok()).unwrap_or(0);
    let sum = checksum::weighted(value, &[8, 7, 6, 5, 4, 3, 2]) + second * 9;
    Verdict::from(checksum::selects(LETTERS, u64::from(sum), value.get(7)))
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn check_digits_of_the_west_are_of_97_of_11_and_of_23() {
        assert_found(
            &[
                ("FR_NIR", "2 69 05 49 588 157 80"),
                ("FR_NIR", "269054958815780"),
                ("FR_NIR", "2 84 05 2A 588 157 58"),
                ("NL_BSN", "111222333"),
                ("BE_NATIONAL_NUMBER", "85.07.30-033.28"),
                ("BE_NATIONAL_NUMBER", "17073003384"),
                ("IE_PPS", "1234567T"),
                ("IE_PPS", "1234567fa"),
            ],
            &[
                ("FR_NIR", "2 69 05 49 588 157 81"),
                ("FR_NIR", "2 69 15 49 588 157 44"),
                ("NL_BSN", "111222334"),
                ("NL_BSN", "000000000"),
                ("BE_NATIONAL_NUMBER", "85.07.30-033.29"),
                ("IE_PPS", "1234567U"),
            ],
        );
        assert_eq!(in_default("invoice 269054958815780 for 111222333"), [""; 0]);
        assert_eq!(in_default("269054958815780, 111222333 and 2 69 05 49 588 157 80"), ["FR_NIR"]);
        assert_eq!(in_default("BSN 111222333, numéro de sécurité sociale 269054958815780"), ["NL_BSN", "FR_NIR"]);
    }
}
