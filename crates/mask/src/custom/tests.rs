//! What a custom class finds, and what of it is refused.

use super::*;
use crate::class::ClassSet;
use crate::masker::{Masker, Memory, Settings, Tally};
use crate::selection::Selection;

fn class(name: &str, patterns: &[&str], words: &[&str]) -> CustomClass {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    CustomClass { patterns: owned(patterns), words: owned(words), ..CustomClass::new(name) }
}

fn masked(custom: CustomClass, text: &str, path: &[&str]) -> String {
    let settings = Settings { custom: vec![custom], ..Settings::new(Selection::new(["default"]), [0; 32]) };
    let masker = Masker::new(&settings).unwrap();
    let masked = masker
        .text(text.as_bytes(), path, &ClassSet::EMPTY, &mut Memory::default(), &mut Tally::default())
        .into_owned();
    String::from_utf8(masked).unwrap()
}

fn refused(custom: CustomClass) -> String {
    let settings = Settings { custom: vec![custom], ..Settings::new(Selection::new(["default"]), [0; 32]) };
    Masker::new(&settings).map_or_else(|error| error.to_string(), |_| "it is fine".to_owned())
}

#[test]
fn patterns_and_words_are_found_as_whole_words() {
    let badge = class("BADGE", &["EMP-[0-9]{5}", "(?i)contractor [a-z]{2,8}"], &["Blue Heron", "Zoë's", "a.b|c"]);
    for (text, wanted) in [
        ("EMP-12345, emp-12345 EMP-123456 XEMP-12345", "<BADGE>, emp-12345 EMP-123456 XEMP-12345"),
        ("CONTRACTOR Smith!", "<BADGE>!"),
        ("project blue heron, blue herons", "project <BADGE>, blue herons"),
        ("zoë's A.B|C axb|c", "<BADGE> <BADGE> axb|c"),
    ] {
        assert_eq!(masked(badge.clone(), text, &[]), wanted);
    }
}

#[test]
fn a_validator_proves_and_context_names() {
    let number = class("LOYALTY_NUMBER", &["[0-9]{10}"], &[]);
    let checked = CustomClass { validator: Some("luhn".to_owned()), ..number.clone() };
    assert_eq!(masked(checked, "1234567897 1234567890", &[]), "<LOYALTY_NUMBER> 1234567890");
    let gated =
        CustomClass { needs_context: true, score: 5, context: vec!["Frequent  Flyer".to_owned()], ..number.clone() };
    assert_eq!(masked(gated.clone(), "order 1234567890", &[]), "order 1234567890");
    assert_eq!(masked(gated.clone(), "frequent flyer 1234567890", &[]), "frequent flyer <LOYALTY_NUMBER>");
    assert_eq!(masked(gated, "1234567890", &["loyaltyNumber"]), "<LOYALTY_NUMBER>", "its name is context");
    let kept = CustomClass { operator: Some(Operator::KeepLast(2)), ..number };
    assert_eq!(masked(kept, "1234567890", &[]), "********90");
    let none: CustomClass = CustomClass { validator: Some("verhoeff".to_owned()), ..class("CODE", &["[A-Z]{6}"], &[]) };
    assert_eq!(masked(none, "ABCDEF", &[]), "ABCDEF", "a sum over nothing proves nothing");
}

#[test]
fn unsafe_patterns_are_refused_with_what_to_write() {
    for (pattern, said) in [
        ("[0-9]+", "write {1,20} instead of + (at character 6)"),
        ("x[0-9]*", "an end"),
        ("[0-9]{3,}", "an end"),
        (r"\b[0-9]{5}", "not needed: a match begins and ends where a word does (at character 1)"),
        ("^abc$", "not needed"),
        ("(?=abc)abc", "look-around"),
        (r"(abc)\1", "backreferences"),
        ("abc.", "[!-~]"),
        ("[^,]{3}", "[!-~]"),
        (r"abc\W", "[!-~]"),
        ("abcé", "[!-~]"),
        (r"abc\xE9", "[!-~]"),
        (r"(?u)abc[à-é]", "[!-~]"),
        (r"abc\pL", "Unicode"),
        ("", "3 to 256 bytes"),
        ("a{0,3}", "3 to 256 bytes"),
        ("abc|d", "3 to 256 bytes"),
        ("(a{1,17}){1,17}", "3 to 256 bytes"),
        ("((a{1000}){1000}){1000}", "3 to 256 bytes"),
        ("[ab]{0,20}a[ab]{20}", "too large"),
        ("(abc", "unclosed group"),
        ("abc)", "unopened group"),
        ("[a", "unclosed character class"),
    ] {
        let error = refused(class("MINE", &[pattern], &[]));
        assert!(error.contains("\"MINE\"") && error.contains(said), "{pattern}: {error}");
    }
    let nested = format!("{}abc{}", "(".repeat(40), ")".repeat(40));
    assert!(refused(class("MINE", &[&nested], &[])).contains("nest"));
    assert!(refused(class("MINE", &[&"a".repeat(513)], &[])).contains("512 bytes"));
}

#[test]
fn a_class_must_be_whole_and_have_a_name_of_its_own() {
    let good = || class("MINE", &["abc"], &[]);
    for (custom, said) in [
        (class("", &["abc"], &[]), "capital letters"),
        (class("Mine", &["abc"], &[]), "capital letters"),
        (class("9MINE", &["abc"], &[]), "capital letters"),
        (class("MINE_12", &["abc"], &[]), "operator token"),
        (class(&"M".repeat(49), &["abc"], &[]), "48 characters"),
        (class("US_SSN", &["abc"], &[]), "built-in"),
        (class("MINE", &[], &[]), "neither patterns nor words"),
        (class("MINE", &[], &["ab"]), "word 1"),
        (class("MINE", &[], &["abc", " abc"]), "word 2"),
        (class("MINE", &[], &["a\nbc"]), "word 1"),
        (class("MINE", &["abc"; 17], &[]), "at most 16 patterns"),
        (CustomClass { score: 0, ..good() }, "1 to 100"),
        (CustomClass { validator: Some("crc".to_owned()), ..good() }, "luhn, mod11_10, mod97, verhoeff"),
        (CustomClass { context: vec![" ".to_owned()], ..good() }, "ASCII letters"),
        (CustomClass { context: vec!["größe".to_owned()], ..good() }, "ASCII letters"),
        (CustomClass { context: vec!["a b c d e".to_owned()], ..good() }, "one to 4 words"),
        (CustomClass { context: vec!["a".to_owned(); 32], ..good() }, "31 context"),
    ] {
        let error = refused(custom);
        assert!(error.contains(said), "{error}");
    }
    let settings = |custom| Settings { custom, ..Settings::new(Selection::new(["MINE"]), [0; 32]) };
    assert!(
        Masker::new(&settings(vec![good(), good()])).map(drop).unwrap_err().to_string().contains("two of this name")
    );
    assert!(Masker::new(&settings(vec![good(); 65])).map(drop).unwrap_err().to_string().contains("64 custom classes"));
    assert!(Masker::new(&settings(vec![good()])).is_ok(), "it is selected by its name");
    assert!(Masker::new(&settings(vec![])).map(drop).unwrap_err().to_string().contains("no data class"));
}

#[test]
fn validators_are_the_standards() {
    for (name, good, bad) in [
        ("luhn", "79927398713", "79927398710"),
        ("mod11_10", "07945", "07946"),
        ("mod97", "3214282912345698765432161182", "3214282912345698765432161183"),
        ("verhoeff", "2363", "2364"),
    ] {
        let check = validator(name).unwrap();
        assert_eq!((check(good.as_bytes()), check(bad.as_bytes())), (Verdict::Valid, Verdict::Invalid), "{name}");
    }
}
