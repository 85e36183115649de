//! Numbers and codes of the United Kingdom, and what is none.

use super::super::tests::{assert_found, in_default};

#[test]
fn check_digits_hold() {
    assert_found(
        &[("UK_NHS", "943 476 5919"), ("UK_NHS", "4857773457"), ("UK_UTR", "9234567891"), ("UK_UTR", "92345 67891K")],
        &[("UK_NHS", "943 476 5918"), ("UK_NHS", "0000000000"), ("UK_UTR", "8234567891")],
    );
    assert_eq!(in_default("it says 943 476 5919 there"), ["UK_NHS"]);
    assert_eq!(in_default("it says 9434765919 there"), [""; 0]);
}

#[test]
fn insurance_numbers_have_a_prefix_that_is_given() {
    assert_found(
        &[("UK_NINO", "AB123456C"), ("UK_NINO", "ab 12 34 56 c")],
        &[("UK_NINO", "GB123456C"), ("UK_NINO", "QB123456C"), ("UK_NINO", "AO123456C"), ("UK_NINO", "AB123456E")],
    );
    assert_eq!(in_default("it says AB 12 34 56 C there"), ["UK_NINO"]);
}

#[test]
fn driver_numbers_hold_a_day_of_birth_and_padding_at_the_end_of_a_name() {
    assert_found(
        &[("UK_DRIVING_LICENCE", "SAMPL801019XY9ZZ"), ("UK_DRIVING_LICENCE", "FOX99851019A99ZZ")],
        &[
            ("UK_DRIVING_LICENCE", "SAMPL813019XY9ZZ"),
            ("UK_DRIVING_LICENCE", "SAMPL801329XY9ZZ"),
            ("UK_DRIVING_LICENCE", "F9XAB801019XY9ZZ"),
        ],
    );
}

#[test]
fn postcodes_begin_with_an_area() {
    let genuine = ["EH99 1SP", "M1 1AE", "B33 8TH", "W1A 0AX", "EC1A 1BB", "GIR 0AA", "ec1a1bb"];
    let genuine: Vec<(&str, &str)> = genuine.into_iter().map(|code| ("UK_POSTCODE", code)).collect();
    let others = ["XY1 1AE", "M1 1AC", "EC1Z 1BB", "W1L 0AX", "M111 1AE"];
    let others: Vec<(&str, &str)> = others.into_iter().map(|code| ("UK_POSTCODE", code)).collect();
    assert_found(&genuine, &others);
    assert_eq!(in_default("it says EH99 1SP there"), ["UK_POSTCODE"]);
    assert_eq!(in_default("it says EH991SP there"), [""; 0]);
}

#[test]
fn marks_of_vehicles_have_an_age_that_was_given() {
    assert_found(
        &[
            ("UK_VEHICLE_REGISTRATION", "XY51 ZZZ"),
            ("UK_VEHICLE_REGISTRATION", "A123 XYZ"),
            ("UK_VEHICLE_REGISTRATION", "XYZ 123A"),
        ],
        &[("UK_VEHICLE_REGISTRATION", "XY50 ZZZ"), ("UK_VEHICLE_REGISTRATION", "XQ51 ZZZ")],
    );
    assert_eq!(in_default("it says XY51 ZZZ there"), [""; 0]);
}

#[test]
fn what_has_no_check_digit_needs_a_name() {
    assert_eq!(in_default("sort code 12-34-56"), ["UK_SORT_CODE"]);
    assert!(in_default("passport ZX1234567").contains(&"UK_PASSPORT"));
    assert_eq!(in_default("it says 12-34-56 and ZX1234567 there"), [""; 0]);
}
