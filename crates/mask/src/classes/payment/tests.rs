//! Cards by issuer and length, accounts by country, and what only looks like them.

use super::super::tests::{assert_found, found, in_default};

#[test]
fn cards_are_told_by_issuer_length_and_check_digit() {
    let cards = [
        "4111112222333347",
        "2221000000000017",
        "378282246312340",
        "30569309025904",
        "6212345678901234569",
        "501812345673",
        "213112345678904",
        "122000000000011",
        "4000000000121",
        "9792000000000011",
        "670312345678901234",
        "4111 1122 2233 3347",
        "4111-1122-2233-3347",
        "3782 822463 12340",
    ];
    let cards: Vec<(&str, &str)> = cards.into_iter().map(|card| ("CREDIT_CARD", card)).collect();
    assert_found(
        &cards,
        &[
            ("CREDIT_CARD", "4111112222333348"),
            ("CREDIT_CARD", "7111112222333344"),
            ("CREDIT_CARD", "41111122223333470"),
            ("CREDIT_CARD", "4111-1122 2233-3347"),
            ("CREDIT_CARD", "0.4111112222333347"),
            ("CREDIT_CARD", "1700000000000"),
        ],
    );
}

#[test]
fn lengths_that_ids_and_times_have_too_need_a_name() {
    assert_eq!(in_default("paid with 4111112222333347 today"), ["CREDIT_CARD"]);
    assert_eq!(in_default("paid by card 501812345673 today"), ["CREDIT_CARD"]);
    assert_eq!(in_default("parcel 501812345673 today"), [""; 0]);
    assert_eq!(in_default("parcel 4000000000121 today"), [""; 0]);
    assert_eq!(in_default("parcel 6212345678901234569 today"), [""; 0]);
    assert_eq!(in_default("CVV 123"), ["CVV"]);
    assert_eq!(in_default("room 123"), [""; 0]);
}

#[test]
fn accounts_fit_the_structure_of_their_country() {
    assert_found(
        &[
            ("IBAN_CODE", "NL12BANK0123456789"),
            ("IBAN_CODE", "DE23 1000 0000 1234 5678 90"),
            ("IBAN_CODE", "DE23-1000-0000-1234-5678-90"),
            ("IBAN_CODE", "MT11MALT011000099999TESTACC001Z"),
            ("IBAN_CODE", "no71 1234 5678 903"),
            ("IBAN_CODE", "LC95TEST000100010012001200024444"),
        ],
        &[
            ("IBAN_CODE", "NL13BANK0123456789"),
            ("IBAN_CODE", "NL12BANK01234567890"),
            ("IBAN_CODE", "nL12BANK0123456789"),
            ("IBAN_CODE", "ZZ12BANK0123456789"),
            ("IBAN_CODE", "XNL12BANK0123456789"),
        ],
    );
    assert_eq!(found("IBAN_CODE", "to DE23 1000 0000 1234 5678 90 TODAY"), ["DE23 1000 0000 1234 5678 90"]);
    assert_eq!(in_default("to NL12BANK0123456789"), ["IBAN_CODE"]);
}

#[test]
fn banks_are_known_by_their_codes_where_something_says_so() {
    assert_eq!(in_default("SWIFT: TESTDEFF"), ["SWIFT_CODE"]);
    assert_eq!(in_default("the CUSTOMER said so"), [""; 0]);
    assert_found(
        &[("SWIFT_CODE", "TESTDEFFXXX"), ("CLABE", "012180001234567899")],
        &[("SWIFT_CODE", "TESTQQFF"), ("SWIFT_CODE", "TESTDEFFXX"), ("CLABE", "012180001234567890")],
    );
}
