//! Numbers that can be dialled and numbers that cannot; days.

use super::super::tests::{assert_found, found, in_default};

#[test]
fn international_numbers_have_a_calling_code_and_its_length() {
    let numbers = [
        "+1 202-555-0143",
        "+1 (202) 555-0143",
        "+44 (0)20 7946 0958",
        "+442079460958",
        "(+49) 30 1234567",
        "+49 30 / 1234567",
        "+33 1 98 76 54 32",
        "+1-202-555-0143x123",
        "001-202-555-0143",
    ];
    for number in numbers {
        assert_eq!(found("PHONE_NUMBER", number), [number]);
        assert_eq!(in_default(&format!("reach us: {number}.")), ["PHONE_NUMBER"], "{number}");
    }
    for other in ["+999 1234567", "+1 202-555-01432345", "+1 102-555-0143", "+500000000", "+20 00000000"] {
        assert_eq!(in_default(&format!("reach us: {other}.")), [""; 0], "{other}");
    }
}

#[test]
fn national_numbers_are_known_as_they_are_written() {
    let numbers = [
        "(202) 555-0143",
        "(202)555-0143",
        "202-555-0143",
        "1-202-555-0143",
        "202.555.0143",
        "020 7946 0958",
        "07700 900123",
        "(0161) 496 0000",
        "01 98 76 54 32",
        "01.98.76.54.32",
        "090-1234-5678",
        "044 668 18 00",
    ];
    for number in numbers {
        assert_eq!(found("PHONE_NUMBER", number), [number]);
        assert_eq!(in_default(&format!("it reads {number} there")), ["PHONE_NUMBER"], "{number}");
    }
    for other in ["102-555-0143", "911-555-0143", "202-055-0143", "202-555-0143-77", "5-202-555-0143"] {
        assert_eq!(in_default(&format!("it reads {other} there")), [""; 0], "{other}");
    }
}

#[test]
fn digits_are_a_number_to_call_only_where_something_says_so() {
    for number in ["45 67 89 01", "(37) 788-063", "358 0594", "2025550143", "07700 900 123 x12"] {
        assert_eq!(in_default(&format!("mobile: {number}")), ["PHONE_NUMBER"], "{number}");
        assert_eq!(in_default(&format!("weight: {}", number.trim_start_matches('0'))), [""; 0], "{number}");
    }
    for other in ["2026-03-15", "15.03.2026", "20260315", "12 000 000", "1111111111", "10.11.12.13"] {
        assert_eq!(found("PHONE_NUMBER", other), [""; 0], "{other}");
    }
}

#[test]
fn days_are_found_by_name_only() {
    let days = [
        "2026-03-15",
        "2026/3/15",
        "15.3.2026",
        "15.03.26",
        "3/15/2026",
        "15/3/26",
        "15-03-2026",
        "15-MAR-2026",
        "mar-2026",
        "15-mar",
        "3/2026",
        "2026-03-15T10:00Z",
        "2026-03-15T10:00:59.123456+05:30",
        "2026-03-15t10:00:59z",
    ];
    let days: Vec<(&str, &str)> = days.into_iter().map(|day| ("DATE_TIME", day)).collect();
    assert_found(&days, &[("DATE_TIME", "2026-13-15"), ("DATE_TIME", "35.03.2026"), ("DATE_TIME", "12:30:45")]);
    assert_eq!(in_default("on 2026-03-15 and 15.03.2026"), [""; 0]);
}
