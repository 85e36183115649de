//! Values that are easy to get wrong. `tests/values.rs` compares with a real server.

use proptest::prelude::*;

use super::*;

const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
const NUMERIC: u32 = 1700;
const INT4_ARRAY: u32 = 1007;
const TEXT_ARRAY: u32 = 1009;
const JSONB: u32 = 3802;
const VARCHAR: u32 = 1043;
/// `point`, which is not known.
const POINT: u32 = 600;

fn both_ways(type_id: u32, text: &str) {
    let value = from_text(type_id, Format::Binary, text).unwrap_or_else(|| panic!("{type_id} {text}"));
    assert_eq!(to_text(type_id, Format::Binary, &value).as_deref(), Some(text), "{type_id}");
    assert_eq!(from_text(type_id, Format::Text, text).as_deref(), Some(text.as_bytes()));
}

#[test]
fn text_becomes_a_value_and_text_again() {
    for (type_id, texts) in [
        (16, &["t", "f"][..]),
        (17, &["\\x", "\\x00ff"]),
        (18, &["", "a"]),
        (20, &["-9223372036854775808", "0"]),
        (21, &["-32768", "7"]),
        (23, &["2147483647"]),
        (26, &["4294967295"]),
        (114, &["{\"a\": [1, 2]}"]),
        (JSONB, &["null", "{}"]),
        (FLOAT4, &["1e+06", "3.4028235e+38", "-0", "NaN", "1.1"]),
        (FLOAT8, &["1e+15", "123456789012345", "0.0001", "1e-05", "-Infinity", "5e-324"]),
        (650, &["10.0.0.0/8", "2001:db8::/32"]),
        (869, &["10.1.2.3", "10.1.2.3/8", "::1", "::", "::ffff:1.2.3.4", "2001:db8::1/64"]),
        (1082, &["2000-01-01", "1999-02-28", "2024-02-29", "0001-01-01", "0001-12-31 BC", "10000-01-01", "infinity"]),
        (1083, &["00:00:00", "24:00:00", "23:59:59.999999", "01:02:03.5"]),
        (1114, &["1999-12-31 23:59:59.999999", "4713-01-01 00:00:00 BC", "-infinity"]),
        (1184, &["2024-07-01 12:00:00+00", "0044-03-15 10:00:00+00 BC"]),
        (1266, &["12:00:00+02", "12:00:00-05:30", "12:00:00+00", "12:00:00+00:00:01"]),
        (1186, &["00:00:00", "1 year 2 mons -3 days +04:05:06.789", "-1 years", "1 day", "-00:00:01", "100:00:00"]),
        (NUMERIC, &["0", "0.00", "-1.50", "12345678.90001", "0.00001", "10000", "1000000000000000000000", "NaN"]),
        (2950, &["f47ac10b-58cc-4372-a567-0e02b2c3d479"]),
        (INT4_ARRAY, &["{}", "{1,NULL,3}", "{{1,2},{3,4}}", "{{{1}},{{2}}}"]),
        (TEXT_ARRAY, &["{a,\"b c\",\"\",\"NULL\",NULL,\"{\",\"\\\"\\\\\"}", "{ü}"]),
        (VARCHAR, &["", "any text {\"'"]),
    ] {
        for text in texts {
            both_ways(type_id, text);
        }
    }
}

#[test]
fn text_that_is_not_of_the_type_is_none() {
    for (type_id, texts) in [
        (16, &["true", ""][..]),
        (17, &["00", "\\x0", "\\xzz", "\\xAB"]),
        (18, &["ab", "ü"]),
        (23, &["2147483648", "1.0", "+1", "01", "", "***", " 1"]),
        (FLOAT8, &["inf", "nan", "1e999", "", "-", "x"]),
        (869, &["10.1.2.3/33", "10.1.2", "::1/129", "10.0.0.1/08"]),
        (650, &["10.0.0.1/8", "2001:db8::1/32"]),
        (1082, &["2023-02-29", "2000-13-01", "2000-1-1", "0000-01-01", "x"]),
        (1083, &["25:00:00", "12:60:00", "1:00:00", "12:00", "12:00:00.1234567"]),
        (1114, &["2000-01-01", "2000-01-01 24:00:00", "2000-01-01 12:00:00+00"]),
        (1184, &["2000-01-01 12:00:00", "2000-01-01 12:00:00+99"]),
        (1186, &["1 month", "1", "1 days", "2 day", ""]),
        (NUMERIC, &["-0", "-0.00", "", ".", "1.", ".5", "00", "1e5", "-", "0x1", "***"]),
        (2950, &["f47ac10b58cc4372a5670e02b2c3d479", "x"]),
        (JSONB, &["", "{", "***"]),
        (
            INT4_ARRAY,
            &["", "{", "{1", "{1,}", "{1}x", "{{1},2}", "{1,{2}}", "{{1},{2,3}}", "{a}", "{{}}", "{{{{{{{1}}}}}}}"],
        ),
        (TEXT_ARRAY, &["{\"a}", "{a b}", "{null}"]),
        (25, &["a\0b"]),
        (POINT, &["(1,2)"]),
        (0, &["x"]),
    ] {
        for text in texts {
            for format in [Format::Text, Format::Binary] {
                assert_eq!(from_text(type_id, format, text), None, "{type_id} {text}");
            }
        }
    }
}

#[test]
fn offsets_of_a_session_are_understood() {
    let value = |text| from_text(1184, Format::Binary, text).unwrap();
    assert_eq!(value("2024-07-01 14:00:00+02"), value("2024-07-01 12:00:00+00"));
    assert_eq!(value("2024-06-30 23:00:00-05:30"), value("2024-07-01 04:30:00+00"));
}

#[test]
fn what_cannot_be_read_is_none() {
    assert_eq!(to_text(POINT, Format::Binary, &[0; 16]), None);
    assert_eq!(to_text(POINT, Format::Text, b"(1,2)").as_deref(), Some("(1,2)"));
    assert_eq!(to_text(25, Format::Text, b"\xFF"), None);
    assert_eq!(to_text(JSONB, Format::Binary, b"\x02{}"), None);
    assert_eq!(to_text(JSONB, Format::Binary, b""), None);
    // An array that says it has four billion elements.
    let header = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1];
    assert_eq!(to_text(INT4_ARRAY, Format::Binary, &header), None);
    let numeric = [0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10];
    assert_eq!(to_text(NUMERIC, Format::Binary, &numeric), None, "a digit of ten thousand");
    // A negative number that its decimal places do not show.
    let numeric = [0, 1, 0xFF, 0xFF, 0x40, 0, 0, 2, 0, 7];
    assert_eq!(to_text(NUMERIC, Format::Binary, &numeric).as_deref(), Some("0.00"));
}

#[test]
fn floats_between_two_others_take_more_digits() {
    // 2^-44: its shortest digits lie half-way to the number below.
    assert_eq!(float::float8_to_text(5.684_341_886_080_802e-14), "5.684341886080802e-14");
    assert_eq!(float::float8_to_text(9_007_199_254_740_993.0_f64), "9.007199254740992e+15");
    assert_eq!(float::float4_to_text(8_388_608.0), "8.388608e+06");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_what_is_read_is_written_again(type_index in 0..60_usize, value in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..40)) {
        const TYPES: [u32; 30] = [16, 17, 18, 19, 25, 20, 21, 23, 26, 114, 3802, 650, 869, 700, 701, 1082, 1083, 1114, 1184,
            1186, 1266, 1700, 2950, 1000, 1007, 1009, 1231, 1041, 3807, 1182];
        let type_id = TYPES[type_index % TYPES.len()];
        if let Some(text) = to_text(type_id, Format::Binary, &value) {
            // Not every value that a peer may send has a text that is taken back; one that is, is the same value.
            if let Some(again) = from_text(type_id, Format::Binary, &text) {
                prop_assert_eq!(to_text(type_id, Format::Binary, &again), Some(text));
            }
        }
    }

    #[test]
    fn any_text_is_taken_back_only_as_it_is(type_index in 0..60_usize, text in "[-0-9a-f:. {},\"\\\\+xBCNUL/]{0,16}") {
        const TYPES: [u32; 12] = [1082, 1083, 1114, 1266, 1186, 1700, 869, 650, 1007, 1009, 17, 23];
        let type_id = TYPES[type_index % TYPES.len()];
        if let Some(value) = from_text(type_id, Format::Binary, &text) {
            let again = to_text(type_id, Format::Binary, &value).unwrap();
            if !matches!(type_id, 869 | 650) {
                prop_assert_eq!(again, text);
            }
        }
    }
}
