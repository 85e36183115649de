//! Numbers of Turkey: identity, plates, telephones.

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "TR_NATIONAL_ID",
        about: "Turkish identification number (T.C. kimlik no)",
        shapes: &[Shape::in_context("[1-9][0-9]{10}", 30)],
        check: Some(identity),
        checked_by: "two check digits",
        context: &[
            "tckn",
            "tc kimlik",
            "tc no",
            "kimlik no",
            "kimlik numarasi",
            "kimlik numaras",
            "kimlik",
            "nufus cuzdani",
            "turkish id",
            "national id",
        ],
        example: "TC kimlik no 48271503684",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "TR_LICENSE_PLATE",
        about: "Turkish vehicle registration plate",
        shapes: &[Shape::in_context(PLATE, 30)],
        context: &["plaka", "plakasi", "plakas", "plaka no", "license plate", "licence plate", "number plate", "plate"],
        example: "plaka 35 KRT 482",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "TR_PHONE_NUMBER",
        about: "Turkish telephone number",
        shapes: &[
            Shape::alone(r"\+90[ -]?\(?[2-5][0-9]{2}\)?[ .-]?[0-9]{3}[ .-]?[0-9]{2}[ .-]?[0-9]{2}", 60),
            Shape::in_context(r"(?:0 ?)?\(?[2-5][0-9]{2}\)?[ .-]?[0-9]{3}[ .-]?[0-9]{2}[ .-]?[0-9]{2}", 40),
        ],
        context: &[
            "telefon",
            "telefonu",
            "telefon no",
            "telefon numarasi",
            "cep",
            "cep no",
            "cep telefonu",
            "gsm",
            "phone",
            "mobile",
            "tel",
        ],
        example: "cep telefonu 0532 482 71 50",
        in_default: false,
        ..ClassSpec::PERSONAL
    },
];

/// Province 01 to 81, one to three letters of the Turkish alphabet without marks, two to four digits.
const PLATE: &str = "(?:0[1-9]|[1-7][0-9]|8[01])(?: ?(?i:[A-PR-VYZ]){1,3} ?|-(?i:[A-PR-VYZ]){1,3}-)[0-9]{2,4}";

/// The tenth digit is of the sums of odd and even places, the eleventh of all ten.
fn identity(value: &[u8]) -> Verdict {
    let tenth = checksum::weighted(value, &[7, 9, 7, 9, 7, 9, 7, 9, 7]) % 10;
    let eleventh = checksum::weighted(value, &[1; 10]) % 10;
    let mut last = checksum::digits(value).skip(9);
    Verdict::from(last.next() == Some(tenth) && last.next() == Some(eleventh))
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn turkish_numbers_need_two_check_digits_and_a_name() {
        assert_found(
            &[
                ("TR_NATIONAL_ID", "12345678950"),
                ("TR_LICENSE_PLATE", "35 KRT 482"),
                ("TR_LICENSE_PLATE", "35-krt-482"),
                ("TR_PHONE_NUMBER", "+90 (532) 482 71 50"),
                ("TR_PHONE_NUMBER", "05324827150"),
            ],
            &[
                ("TR_NATIONAL_ID", "12345678951"),
                ("TR_NATIONAL_ID", "12345678940"),
                ("TR_LICENSE_PLATE", "82 KRT 482"),
                ("TR_LICENSE_PLATE", "35 KWT 482"),
                ("TR_PHONE_NUMBER", "6324827150"),
            ],
        );
        assert_eq!(in_default("order 12345678950 in 35 KRT 482"), [""; 0]);
        assert_eq!(in_default("kimlik numarası 12345678950, plaka 35 KRT 482"), ["TR_NATIONAL_ID", "TR_LICENSE_PLATE"]);
    }
}
