//! Numbers that authorities of Korea, China and Japan give.

use crate::calendar::is_day;
use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "KR_RRN",
        about: "Korean resident registration number",
        shapes: &[
            Shape::alone("[0-9]{2}[01][0-9][0-3][0-9]-[1-4][0-9]{6}", 50).isolated(),
            Shape::in_context("[0-9]{2}[01][0-9][0-3][0-9]-?[1-4][0-9]{6}", 50),
        ],
        check: Some(resident),
        checked_by: "date of birth; mod 11, which numbers given since October 2020 need not pass",
        context: &["rrn", "resident registration number", "resident registration", "korean rrn", "jumin"],
        example: "840317-1482711",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "KR_FRN",
        about: "Korean foreigner registration number",
        shapes: &[
            Shape::alone("[0-9]{2}[01][0-9][0-3][0-9]-[5-8][0-9]{6}", 50).isolated(),
            Shape::in_context("[0-9]{2}[01][0-9][0-3][0-9]-?[5-8][0-9]{6}", 50),
        ],
        check: Some(foreigner),
        checked_by: "date of birth; mod 11, which numbers given since October 2020 need not pass",
        context: &[
            "frn",
            "foreigner registration number",
            "foreigner registration",
            "alien registration",
            "korean frn",
        ],
        example: "840317-5482714",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "KR_BRN",
        about: "Korean business registration number",
        shapes: &[Shape::alone("[0-9]{3}-[0-9]{2}-[0-9]{5}", 50).isolated(), Shape::in_context("[0-9]{10}", 5)],
        check: Some(business),
        checked_by: "mod 10, weights 1, 3, 7 and 5",
        context: &["brn", "business registration number", "business registration", "business number", "korean brn"],
        example: "482-71-50361",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "KR_DRIVER_LICENSE",
        about: "number of a Korean driving licence",
        shapes: &[
            Shape::alone("(?:1[1-9]|2[0-68])-[0-9]{2}-[0-9]{6}-[0-9]{2}", 50).isolated(),
            Shape::in_context("(?:1[1-9]|2[0-68])[- ]?[0-9]{2}[- ]?[0-9]{6}[- ]?[0-9]{2}", 5),
        ],
        context: &[
            "driver license",
            "drivers license",
            "driver s license",
            "driving license",
            "driving licence",
            "license number",
            "korean license",
        ],
        example: "13-07-482715-36",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "KR_PASSPORT",
        about: "Korean passport number",
        shapes: &[Shape::in_context("(?i:[DMORS])[0-9]{3}(?i:[0-9A-Z])[0-9]{4}", 10)],
        context: &["passport", "passport number", "korean passport", "yeogwon"],
        example: "passport M482K7150",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "CN_RESIDENT_ID",
        about: "Chinese resident identity number (GB 11643)",
        shapes: &[Shape::alone("[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx]", 50)],
        check: Some(chinese),
        checked_by: "province, date of birth, mod 11-2",
        context: &["resident id", "resident identity", "shenfenzheng", "identity card", "id card", "chinese id"],
        example: "510104198307244825",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "JP_MY_NUMBER",
        about: "Japanese individual number (My Number)",
        shapes: &[Shape::in_context("[0-9]{4}[- ]?[0-9]{4}[- ]?[0-9]{4}", 10).isolated()],
        check: Some(japanese),
        checked_by: "mod 11",
        context: &["my number", "mynumber", "kojin bango", "individual number", "maina"],
        example: "My Number 482715036910",
        ..ClassSpec::PERSONAL
    },
];

/// The digit after the date says sex and century.
fn born(value: &[u8]) -> bool {
    let century = match checksum::part(value, 6, 1) {
        1 | 2 | 5 | 6 => 1900,
        _ => 2000,
    };
    let [year, month, day] = [0, 2, 4].map(|place| checksum::part(value, place, 2));
    is_day(century + year, month, day)
}

fn resident(value: &[u8]) -> Verdict {
    registered(value, 11)
}

fn foreigner(value: &[u8]) -> Verdict {
    registered(value, 13)
}

/// The region after the sex goes up to 95; the check digit is of `base` less the weighted sum.
fn registered(value: &[u8], base: u32) -> Verdict {
    let sum = checksum::weighted(value, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let check = checksum::digits(value).next_back();
    if !born(value) {
        Verdict::Invalid
    } else if checksum::part(value, 7, 2) <= 95 && check == Some((base - sum % 11) % 10) {
        Verdict::Valid
    } else {
        Verdict::Unproven
    }
}

/// The ninth digit counts five times, and its carry once more.
fn business(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[1, 3, 7, 1, 3, 7, 1, 3, 5, 1]);
    let ninth = checksum::digits(value).nth(8).unwrap_or(0);
    Verdict::from((sum + ninth * 5 / 10).is_multiple_of(10) && checksum::part(value, 0, 9) != 0)
}

fn chinese(value: &[u8]) -> Verdict {
    let province = matches!(
        checksum::part(value, 0, 2),
        11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91
    );
    let date = is_day(checksum::part(value, 6, 4), checksum::part(value, 10, 2), checksum::part(value, 12, 2));
    Verdict::from(province && date && checksum::mod_11_2(value))
}

fn japanese(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    let check = match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    Verdict::from(checksum::digits(value).next_back() == Some(check))
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn dates_and_regions_of_the_far_east_tell_numbers_from_chance() {
        assert_found(
            &[
                ("KR_RRN", "820701-2409184"),
                ("KR_RRN", "8407011482711"),
                ("KR_FRN", "840317-5482714"),
                ("KR_BRN", "220-81-62517"),
                ("KR_BRN", "2208162517"),
                ("KR_DRIVER_LICENSE", "28 07 482715 36"),
                ("KR_PASSPORT", "m482k7150"),
                ("CN_RESIDENT_ID", "11010519491231002X"),
                ("JP_MY_NUMBER", "1234 5678 9018"),
            ],
            &[
                ("KR_RRN", "821301-2409184"),
                ("KR_RRN", "820230-2409184"),
                ("KR_FRN", "840317-1482711"),
                ("KR_BRN", "220-81-62518"),
                ("KR_DRIVER_LICENSE", "27-07-482715-36"),
                ("CN_RESIDENT_ID", "110105194912310021"),
                ("CN_RESIDENT_ID", "11010519491331002X"),
                ("CN_RESIDENT_ID", "990105194912310020"),
                ("JP_MY_NUMBER", "1234 5678 9019"),
            ],
        );
        assert_eq!(in_default("order 8407011482711, 2208162517, 1234 5678 9018"), [""; 0]);
        assert_eq!(
            in_default("820701-2409184 220-81-62517 11010519491231002X"),
            ["KR_RRN", "KR_BRN", "CN_RESIDENT_ID"]
        );
        assert_eq!(in_default("My Number 1234 5678 9018"), ["JP_MY_NUMBER"]);
    }
}
