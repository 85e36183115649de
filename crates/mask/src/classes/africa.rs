//! Numbers that authorities of Nigeria and South Africa give.

use crate::calendar::is_day;
use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "NG_NIN",
        about: "Nigerian national identification number",
        shapes: &[Shape::in_context("[0-9]{11}", 1)],
        check: Some(nigerian),
        checked_by: "Verhoeff",
        context: &[
            "nin",
            "nimc",
            "national identification number",
            "national identity number",
            "national identity",
            "nigerian id",
            "nigeria id",
        ],
        example: "NIN 48271503697",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "NG_VEHICLE_REGISTRATION",
        about: "Nigerian vehicle registration plate",
        shapes: &[Shape::in_context("(?i:[A-Z]{3}[- ]?[0-9]{3}[A-Z]{2})", 50)],
        context: &[
            "plate",
            "plate number",
            "license plate",
            "number plate",
            "vehicle registration",
            "registration number",
        ],
        example: "plate number LND-482KQ",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_ID_NUMBER",
        about: "South African identity number",
        shapes: &[Shape::in_context("[0-9]{10}[0-2][89][0-9]", 20)],
        check: Some(south_african),
        checked_by: "date of birth, Luhn",
        context: &[
            "id number",
            "identity number",
            "id no",
            "identity",
            "south african id",
            "rsa id",
            "sa id",
            "smart id",
            "national id",
        ],
        example: "ID number 8107244806084",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_PASSPORT",
        about: "South African passport number",
        shapes: &[Shape::in_context("(?i:[ADMT])[0-9]{8}", 20)],
        context: &["passport", "travel document", "south african passport", "rsa passport"],
        example: "passport A04827153",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_DRIVER_LICENSE",
        about: "number of a South African driving licence",
        shapes: &[Shape::in_context("[0-9]{6}[0-9A-Za-z]{4,8}", 30)],
        check: Some(licence),
        checked_by: "six to ten digits, then two to five letters and digits",
        context: &[
            "driving licence",
            "driving license",
            "driver licence",
            "driver license",
            "drivers licence",
            "drivers license",
            "driver s licence",
            "driver s license",
            "licence number",
            "license number",
            "enatis",
            "natis",
        ],
        example: "driving licence 40270048QK1M",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_LICENSE_PLATE",
        about: "South African vehicle registration plate",
        shapes: &[
            Shape::in_context("(?i:[A-Z]{2,4}[0-9]{2,4}[A-Z]{0,4}(?:[EFGLNWM]|Z)[CNPSW])", 30),
            Shape::in_context("(?i:[A-Z]{2,3} ?[0-9]{2,3} ?(?:[A-Z]{2} ?)?(?:[EFGLNWM]|Z)[CNPSW])", 30),
            Shape::in_context("[0-9]{2,3} ?(?i:[A-Z]{2,3} ?EC)", 30),
        ],
        check: Some(plate),
        checked_by: "province",
        context: &[
            "licence plate",
            "license plate",
            "number plate",
            "plate number",
            "plate",
            "registration",
            "vehicle registration",
            "enatis",
            "natis",
        ],
        example: "number plate KZ 48 PB GP",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_TRAFFIC_REGISTER_NUMBER",
        about: "South African traffic register number",
        shapes: &[Shape::in_context("[0-9]{13}", 5)],
        check: Some(traffic_register),
        checked_by: "no identity number",
        context: &["traffic register", "traffic register number", "trn", "enatis", "natis", "vehicle register"],
        example: "traffic register number 4827150369174",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_COMPANY_REGISTRATION",
        about: "South African company registration number",
        shapes: &[
            Shape::in_context("(?:19[0-9]|20[0-4])[0-9]/[0-9]{6}/[0-9]{2}", 50).isolated(),
            Shape::in_context("(?i:CK|NR|[BKMNTW])(?:1[89]|20)[0-9]{2}/[0-9]{6}", 30),
        ],
        context: &[
            "cipc",
            "company registration",
            "registration number",
            "company reg",
            "close corporation",
            "enterprise number",
        ],
        example: "company registration 2009/048271/07",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_INCOME_TAX_NUMBER",
        about: "South African income tax reference number",
        shapes: &[Shape::in_context("[01239][0-9]{9}", 5)],
        context: &["sars", "tax reference", "income tax", "tax number", "tax registration", "taxpayer", "itr"],
        example: "income tax 0482715036",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_VAT_NUMBER",
        about: "South African VAT number",
        shapes: &[Shape::in_context("4[0-9]{9}", 30)],
        context: &["vat", "vat number", "vat registration", "tax invoice", "sars", "value added tax"],
        example: "VAT number 4827150369",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_MOBILE_NUMBER",
        about: "South African mobile telephone number",
        shapes: &[
            Shape::alone(r"\+27[ -]?(?:\(0\) ?)?(?:[67][0-9]|8[1-5])[ -]?[0-9]{3}[ -]?[0-9]{4}", 60),
            Shape::in_context(r"\(?0(?:[67][0-9]|8[1-5])\)?[ -]?[0-9]{3}[ -]?[0-9]{4}", 40),
        ],
        context: &["mobile", "phone", "cell", "cellphone", "cellular", "contact number", "whatsapp", "sms", "tel"],
        example: "cell 072 482 7150",
        in_default: false,
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "ZA_TELEPHONE_NUMBER",
        about: "South African telephone number that is not mobile",
        shapes: &[
            Shape::alone(r"\+27[ -]?(?:\(0\) ?)?(?:[1-5][0-9]|8[067])[ -]?[0-9]{3}[ -]?[0-9]{4}", 60),
            Shape::in_context(r"\(?0(?:[1-5][0-9]|8[067])\)?[ -]?[0-9]{3}[ -]?[0-9]{4}", 40),
        ],
        context: &["telephone", "phone", "tel", "landline", "home number", "work number", "office number"],
        example: "telephone 021 482 7150",
        in_default: false,
        ..ClassSpec::PERSONAL
    },
];

fn nigerian(value: &[u8]) -> Verdict {
    Verdict::from(checksum::verhoeff(value))
}

/// Date of birth, serial, citizenship (in the shape), a digit that was once for race, check digit.
fn south_african(value: &[u8]) -> Verdict {
    let [year, month, day] = [0, 2, 4].map(|place| checksum::part(value, place, 2));
    Verdict::from(is_day(year, month, day) && checksum::luhn(value))
}

fn traffic_register(value: &[u8]) -> Verdict {
    let citizenship = matches!(value.get(10..12), Some([b'0'..=b'2', b'8' | b'9']));
    if citizenship && south_african(value) == Verdict::Valid { Verdict::Invalid } else { Verdict::Unproven }
}

fn licence(value: &[u8]) -> Verdict {
    let Some(digits) = value.iter().position(u8::is_ascii_alphabetic) else { return Verdict::Invalid };
    let fits = digits.min(10).min(value.len().saturating_sub(2)) >= value.len().saturating_sub(5).max(6);
    if fits { Verdict::Unproven } else { Verdict::Invalid }
}

/// Ends with one of the nine provinces, or the older form of one.
fn plate(value: &[u8]) -> Verdict {
    const PROVINCES: [&[u8; 2]; 9] = [b"GP", b"ZN", b"WP", b"EC", b"NC", b"FS", b"LP", b"MP", b"NW"];
    let province = value.get(value.len().saturating_sub(2)..).unwrap_or_default();
    let known = PROVINCES.iter().any(|known| known.eq_ignore_ascii_case(province));
    if known { Verdict::Unproven } else { Verdict::Invalid }
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn african_numbers_are_dates_and_provinces_and_wait_for_their_names() {
        assert_found(
            &[
                ("NG_NIN", "48271503697"),
                ("ZA_ID_NUMBER", "8001015009087"),
                ("ZA_LICENSE_PLATE", "KZ48PBGP"),
                ("ZA_LICENSE_PLATE", "CA 482 EC"),
                ("ZA_LICENSE_PLATE", "048 KQ EC"),
                ("ZA_DRIVER_LICENSE", "40270048QK1M"),
                ("ZA_COMPANY_REGISTRATION", "CK1998/048271"),
                ("ZA_TRAFFIC_REGISTER_NUMBER", "4827150369174"),
                ("ZA_MOBILE_NUMBER", "+27 72 482 7150"),
                ("ZA_TELEPHONE_NUMBER", "021 482 7150"),
            ],
            &[
                ("NG_NIN", "48271503698"),
                ("ZA_ID_NUMBER", "8001015009088"),
                ("ZA_ID_NUMBER", "8013015009084"),
                ("ZA_LICENSE_PLATE", "KZ48PBGW"),
                ("ZA_DRIVER_LICENSE", "402700482715"),
                ("ZA_TRAFFIC_REGISTER_NUMBER", "8001015009087"),
                ("ZA_MOBILE_NUMBER", "021 482 7150"),
            ],
        );
        assert_eq!(in_default("order 8001015009087, 48271503697, LND-482KQ"), [""; 0]);
        assert_eq!(in_default("/2009/048271/07, CIPC 2009/048271/07"), ["ZA_COMPANY_REGISTRATION"]);
        assert_eq!(in_default("ID number 8001015009087, NIN 48271503697"), ["ZA_ID_NUMBER", "NG_NIN"]);
    }
}
