//! Numbers of the United States, and what is none.

use super::super::tests::{assert_found, found, in_default};

#[test]
fn social_security_numbers_are_ones_that_were_given() {
    let genuine = ["536-90-4399", "536 90 4399", "536.90.4399", "536904399", "536-904399", "53690-4399"];
    let genuine: Vec<(&str, &str)> = genuine.into_iter().map(|number| ("US_SSN", number)).collect();
    let others =
        ["000-90-4399", "666-90-4399", "536-00-4399", "536-90-0000", "936-90-4399", "078-05-1120", "536-90.4399"];
    let others: Vec<(&str, &str)> = others.into_iter().map(|number| ("US_SSN", number)).collect();
    assert_found(&genuine, &others);
    assert_eq!(in_default("it says 536-90-4399 there"), ["US_SSN"]);
    assert_eq!(in_default("it says 536 90 4399 there"), [""; 0]);
    assert_eq!(in_default("it says 1-536-90-4399 there"), [""; 0]);
}

#[test]
fn taxpayer_numbers_have_a_group_in_use() {
    assert_found(
        &[("US_ITIN", "912-71-3456"), ("US_ITIN", "912713456"), ("US_ITIN", "912-713456")],
        &[("US_ITIN", "912-69-3456"), ("US_ITIN", "912-93-3456"), ("US_ITIN", "812-71-3456")],
    );
}

#[test]
fn check_digits_hold() {
    assert_found(
        &[
            ("ABA_ROUTING_NUMBER", "011000015"),
            ("ABA_ROUTING_NUMBER", "0110-0001-5"),
            ("US_NPI", "1932456787"),
            ("US_NPI", "1932-456-787"),
            ("MEDICAL_LICENSE", "FS1234563"),
            ("MEDICAL_LICENSE", "f91234563"),
        ],
        &[
            ("ABA_ROUTING_NUMBER", "011000016"),
            ("ABA_ROUTING_NUMBER", "000000000"),
            ("US_NPI", "1932456788"),
            ("US_NPI", "1111111112"),
            ("MEDICAL_LICENSE", "FS1234564"),
            ("MEDICAL_LICENSE", "NS1234563"),
        ],
    );
}

#[test]
fn medicare_beneficiaries_have_letters_and_digits_in_their_places() {
    assert_found(
        &[("US_MBI", "2GH7-MK6-RW94"), ("US_MBI", "2GH7MK6RW94"), ("US_MBI", "2gh7-mk6-rw94")],
        &[("US_MBI", "2SH7-MK6-RW94"), ("US_MBI", "0GH7-MK6-RW94"), ("US_MBI", "2GH7-MK6-RW9")],
    );
    assert_eq!(in_default("it says 2GH7MK6RW94 there"), ["US_MBI"]);
}

#[test]
fn what_has_no_check_digit_needs_a_name() {
    for (class, text) in [
        ("US_PASSPORT", "passport number A12345678"),
        ("US_DRIVER_LICENSE", "driver's license number is D123-4567-8901"),
        ("US_DRIVER_LICENSE", "license: 12ABC34567"),
        ("US_BANK_NUMBER", "checking account 0012345678901"),
    ] {
        assert!(in_default(text).contains(&class), "{text}: {:?}", in_default(text));
    }
    for text in ["it says A12345678 there", "it says 12ABC34567 there", "it says 0012345678901 there"] {
        assert_eq!(in_default(text), [""; 0], "{text}");
    }
    assert_eq!(found("US_DRIVER_LICENSE", "ABCDEFGH 12345"), [""; 0]);
}
