//! What fuzzing found, cut down: each text broke one of the properties that `fuzz/` looks for.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::LazyLock;

use bytes::Bytes;
use vidimus_mask::{ClassSet, Form, Framing, Masker, Memory, Operator, Scope, Selection, Settings, StreamScope, Tally};

/// As in `fuzz/fuzz_targets/mask_shared`.
static MASKER: LazyLock<Masker> = LazyLock::new(|| {
    let operators = [
        ("CREDIT_CARD", Operator::Nullify),
        ("EMAIL_ADDRESS", Operator::Token),
        ("IBAN_CODE", Operator::Hmac),
        ("IP_ADDRESS", Operator::Redact),
    ];
    let operators = operators.map(|(class, operator)| (class.to_owned(), operator)).into();
    Masker::new(&Settings { operators, ..Settings::new(Selection::new(["default", "secrets"]), [7; 32]) }).unwrap()
});

const FRAMINGS: [Framing; 4] = [Framing::Text, Framing::Auto, Framing::Lines, Framing::Terminal];

fn text(text: &[u8], memory: &mut Memory) -> String {
    let masked = MASKER.text(text, &[], &ClassSet::EMPTY, memory, &mut Tally::default());
    String::from_utf8_lossy(&masked).into_owned()
}

fn payload(text: &str, memory: &mut Memory) -> String {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let scope = Scope::new(&ClassSet::EMPTY, MASKER.fields());
    let masked = MASKER.payload(&bytes, Form::Auto, &scope, memory, &mut Tally::default()).unwrap();
    String::from_utf8_lossy(&masked.unwrap_or(bytes)).into_owned()
}

fn pieces<'p>(framing: Framing, pieces: impl IntoIterator<Item = &'p [u8]>, idle: bool) -> String {
    let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
    let mut stream = MASKER.stream(framing, StreamScope::default());
    for piece in pieces {
        stream.push(piece, &mut memory, &mut tally, &mut out).unwrap();
        if idle {
            stream.idle(&mut memory, &mut tally, &mut out).unwrap();
        }
    }
    stream.finish(&mut memory, &mut tally, &mut out).unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn masked_again_nothing_changes() {
    for (case, expected) in [
        // A word counts no more behind what was masked, whatever stands for that.
        ("ssn 192.0.2.7 078051121", "ssn [REDACTED] 078051121"),
        ("row 192.0.2.7-078-05-1121", "row [REDACTED]-078-05-1121"),
        ("row 078-05-1121-192.0.2.7", "row 078-05-1121-[REDACTED]"),
        // What only one reading of the text holds names its class in the other too.
        ("0088 054 0%32 0217 00 (3) %20217 00", "<PHONE_NUMBER> (3) <PHONE_NUMBER>"),
        ("2001:db8::jane@corp.org", "[REDACTED]<EMAIL_ADDRESS_1>"),
        // In one reading a number stands alone, in the other something names it: the surer of the two counts.
        ("4::1\u{ad}ip 6.0.2.7(", "4::1\u{ad}ip [REDACTED]("),
        // What is masked to the end of its word is as near to what follows in both readings.
        (
            "+14111111111%41                                                                                                1111131",
            "<PHONE_NUMBER>                                                                                                <PHONE_NUMBER>",
        ),
        // What overlaps is masked in whole, however much of it would be a value by itself.
        ("ana@x.org^^^bob@x.org^^^", "<EMAIL_ADDRESS_1><EMAIL_ADDRESS_2>^^^"),
        ("184.0.2.1:db6::11", "[REDACTED]:[REDACTED]"),
        ("192.0.2.0/24:2001:db8::7", "[REDACTED]:[REDACTED]"),
        ("x.192.0.2.0/24:01:db8::7", "x.[REDACTED]:[REDACTED]"),
        (
            "192!.192.0.2.0/24:01:db8::7 2001:fb8::/32::1 ix..a19l2",
            "192!.[REDACTED]:[REDACTED] [REDACTED]::1 ix..a19l2",
        ),
        ("ip 2001:db8::01.192.0.2.7", "ip 2001:db8::01.[REDACTED]"),
        ("192.0.2.0/41:2001:db8::7", "[REDACTED]/[REDACTED]"),
        ("2001:db8::/32:2001:db8::7", "[REDACTED]:[REDACTED]"),
        ("2001:db8::/32::2001:db8:7", "[REDACTED]::2001:db8:7"),
        ("lic x1112:2001:db8::7", "lic <US_DRIVER_LICENSE>:[REDACTED]"),
        ("lic x1112::2001:db8:7", "lic <US_DRIVER_LICENSE>::2001:db8:7"),
        // Of what spells one character, no part is a value.
        ("dl\\u0011x111", "dl\\u0011<US_DRIVER_LICENSE>"),
        // A mark joins what it stands for, whatever hyphen does.
        ("row 192.0.2.7\u{2013}07%38-05-1121", "row [REDACTED]\u{2013}07%38-05-1121"),
        ("row 07%38-05-1121\u{2013}192.0.2.7", "row 07%38-05-1121\u{2013}[REDACTED]"),
        // Behind an address in what is none another may begin, as it does behind its mark.
        ("0b8::10.21.0.0:821b::7", "[REDACTED]:[REDACTED]"),
        ("201:db8::4:200.20.0.21:db8::4:200.20.0.21", "[REDACTED]:[REDACTED]"),
        ("2001:db8::4:4111111111111111 x", "[REDACTED]:<CREDIT_CARD> x"),
        ("x::10.21.0.0:821b::7", "x::[REDACTED]:[REDACTED]"),
        ("1::2::4111111111111111:821b::7", "1::2::<CREDIT_CARD>:[REDACTED]"),
        // A mark is part of the value that it stands in.
        ("pwd=DE.@<EMAIL_ADDRESS_1>i$1", "pwd=DE.@<EMAIL_ADDRESS_1>i$1"),
        ("pwd=<US_SSN>\u{a0}\u{e4}", "pwd=<US_SSN>\u{a0}\u{e4}"),
        ("01:db8::10.21.0.21:db8::10.2", "[REDACTED]:db8::10.2"),
        (r#"{"passwd0'::%5h8m0@er8colone":"078-05-112"}"#, r#"{"passwd0'::<SECRET_PASSWORD>":"078-05-112"}"#),
        ("pwd=|\u{e4} 17 ana@x.org", "pwd=|\u{e4} 17 <EMAIL_ADDRESS_1>"),
        ("pwd=|Ab<EMAIL_ADDRESS_1>17", "pwd=|Ab<EMAIL_ADDRESS_1>17"),
        ("phone 470401111%311111 0%32 02", "phone <PHONE_NUMBER> 0%32 02"),
        (
            "ana@example.\u{438}\u{441}\u{43f}V1111111111111111111111111111111111111111111111111111111111111",
            "<EMAIL_ADDRESS_1>V1111111111111111111111111111111111111111111111111111111111111",
        ),
        // What follows it may be of that script too, and part of the next value.
        ("a@b.ыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыы ana@x.org", "<EMAIL_ADDRESS_1>ыыыыыыы <EMAIL_ADDRESS_2>"),
        ("a@b.ыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыыы@x.org", "<EMAIL_ADDRESS_1><EMAIL_ADDRESS_2>"),
        // A value may follow a top-level domain of another script directly.
        ("ana@example.\u{438}\u{441}\u{43f}\u{44b}192.0.2.7", "<EMAIL_ADDRESS_1>[REDACTED]"),
        // Of two matches that overlap one stands; what that leaves of the other is one by itself.
        ("phone 344 053204 44 053204 0044", "phone <PHONE_NUMBER> <PHONE_NUMBER>"),
    ] {
        let mut memory = Memory::default();
        assert_eq!(text(case.as_bytes(), &mut memory), expected, "{case}");
        assert_eq!(payload(case, &mut memory), expected, "{case}");
        assert_eq!(text(expected.as_bytes(), &mut memory), expected, "{case}");
        assert_eq!(payload(expected, &mut memory), expected, "{case}");
    }
}

/// Each number is one in one reading only, and only the one before names it: each round of the readings finds two more.
#[test]
fn a_chain_of_names_from_reading_to_reading_is_followed_to_its_end() {
    let gap = " ".repeat(60);
    let chain = format!("1111131%41{gap}111%31131{gap}").repeat(30);
    let masked = text(format!("phone {chain}").as_bytes(), &mut Memory::default());
    assert_eq!(masked, format!("phone {}", format!("<PHONE_NUMBER>{gap}").repeat(60)));
    assert_eq!(text(masked.as_bytes(), &mut Memory::default()), masked);
}

#[test]
fn neither_splits_nor_pauses_matter() {
    let key = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A";
    let key = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY- ----then {} {key}", "x ".repeat(40));
    let cases: [&[u8]; 10] = [
        // What is struck over belongs to the space, not to what stands before it.
        b"ane@corp.org \x08vvvv",
        b"                                \x08\x08\x08\x12\x08\x08\x08\x08\x08\x08\x08\t\x08\x08\x08\x08\x08\x08\x08\x08  ana@x.org      ",
        b"card 4111 1111 1111 1111\x087 and\x08\x08more",
        b"card 4111 1111 11 \r11 1111 $ \rls",
        b"user@host:~$ ls /home/ana\r\nana: \r1",
        b"[::1:2:3: \r4:5:6:7]",
        key.as_bytes(),
        b"2001:db8::<US_SSN> 2001:db8::[REDACTED] 2001:db8::[1] 2001:db8::zane@x.org",
        b"0088 054 0%32 0217 00 (3) %20217 00 and 0%32 0217 00",
        b"pwd=DE.@<EMAIL_ADDRESS_1>i$1 token=Ab1Cd2Ef3Gh4Ij5K<US_SSN>Kl6",
    ];
    for (case, framing) in cases.iter().flat_map(|case| FRAMINGS.map(|framing| (*case, framing))) {
        let whole = pieces(framing, [case], false);
        for (size, idle) in (1..20).flat_map(|size| [(size, false), (size, true)]) {
            assert_eq!(pieces(framing, case.chunks(size), idle), whole, "{framing:?} in pieces of {size}");
        }
    }
}

#[test]
fn a_name_that_is_no_utf_8_is_context_all_the_same() {
    let bytes = Bytes::from_static(b"{\"login \xff_token\":\"Ab1Cd2Ef3Gh4Ij5Kl6Mn\"}");
    let scope = Scope::new(&ClassSet::EMPTY, MASKER.fields());
    let masked = MASKER.payload(&bytes, Form::Auto, &scope, &mut Memory::default(), &mut Tally::default()).unwrap();
    assert_eq!(masked.unwrap(), &b"{\"login \xff_token\":\"<SECRET_GENERIC>\"}"[..]);
}

/// The exception that decision 0011 names.
#[test]
fn what_was_no_value_until_its_neighbour_was_masked_is_masked_the_second_time_and_then_nothing_is() {
    let once = text(b"row 07%38-05-1121%34.0.2.1 x", &mut Memory::default());
    assert_eq!(once, "row 07%38-05-1121[REDACTED] x");
    let twice = text(once.as_bytes(), &mut Memory::default());
    assert_eq!(twice, "row <US_SSN>[REDACTED] x");
    assert_eq!(text(twice.as_bytes(), &mut Memory::default()), twice);
}
