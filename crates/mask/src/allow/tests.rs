//! What is allowed, and what is found all the same.

use super::*;
use crate::class::ClassSet;
use crate::masker::{Masker, Memory, Settings, Tally};
use crate::selection::Selection;

fn settings(entries: &[(&str, Option<&str>)]) -> Settings {
    let entry =
        |(value, class): &(&str, Option<&str>)| Allow { value: (*value).to_owned(), class: class.map(str::to_owned) };
    Settings { allow: entries.iter().map(entry).collect(), ..Settings::new(Selection::new(["default"]), [0; 32]) }
}

fn masked(entries: &[(&str, Option<&str>)], text: &str) -> (String, u64) {
    let masker = Masker::new(&settings(entries)).unwrap();
    let mut tally = Tally::default();
    let masked = masker.text(text.as_bytes(), &[], &ClassSet::EMPTY, &mut Memory::default(), &mut tally).into_owned();
    assert!(tally.revealed.is_empty());
    (String::from_utf8(masked).unwrap(), tally.masked.values().sum())
}

#[test]
fn values_are_allowed_exactly_and_not_counted() {
    let entries = [("jane@corp.io", None), ("4111 1111 1111 1111", Some("CREDIT_CARD"))];
    let (text, count) = masked(&entries, "jane@corp.io jane@corp.info xjane@corp.io JANE@corp.io");
    assert_eq!((text.as_str(), count), ("jane@corp.io <EMAIL_ADDRESS> <EMAIL_ADDRESS> <EMAIL_ADDRESS>", 3));
    assert_eq!(masked(&entries, "4111 1111 1111 1111 4111111111111111").0, "4111 1111 1111 1111 <CREDIT_CARD>");
    assert_eq!(masked(&[("jane@corp.io", Some("US_SSN"))], "jane@corp.io").0, "<EMAIL_ADDRESS>");
    assert_eq!(masked(&[], "jane@example.com").0, "<EMAIL_ADDRESS>", "nothing is allowed by itself");
}

#[test]
fn stars_allow_what_is_around_them() {
    let shown = |pattern, text| masked(&[(pattern, None)], text).1 == 0;
    assert!(shown("*@corp.io", "jane@corp.io") && !shown("*@corp.io", "jane@corp.io.evil.org"));
    assert!(shown("*@*.corp.io", "jane@mail.corp.io") && !shown("*@*.corp.io", "jane@corp.io"));
    assert!(shown("j*e@c*o*p.io", "jane@corp.io") && !shown("j*e@c*p*o.io", "jane@corp.io"));
    assert!(!shown("jane@corp.io*io", "jane@corp.io"), "what is before and after a star does not overlap");
}

#[test]
fn what_a_star_stands_for_is_not_allowed_as_another_class() {
    let finding = |class, start, end| Finding { class: ClassId(class), start, end, score: 100 };
    let text = b"4111@corp.io and 4111";
    let all = [finding(1, 0, 12), finding(2, 0, 4), finding(3, 5, 12), finding(4, 3, 11), finding(2, 17, 21)];
    let left = |value: &str, class: Option<u16>| {
        let entry = Allow { value: value.to_owned(), class: class.map(|class| class.to_string()) };
        let list = AllowList::new(&[entry], |name| {
            let unknown = ConfigError::UnknownClass { name: name.to_owned(), nearest: None };
            name.parse().map(ClassId).map_err(|_| unknown)
        });
        let mut findings = all.to_vec();
        list.unwrap().exempt(text, &mut findings);
        findings
    };
    assert_eq!(left("*@corp.io", None), [all[1], all[3], all[4]], "the host name is spelled out");
    assert_eq!(left("4111@corp.io", None), [all[4]]);
    assert_eq!(left("*@corp.io", Some(1)), [all[1], all[2], all[3], all[4]]);
    assert_eq!(left("4111", None), [all[0], all[2], all[3]]);
}

#[test]
fn networks_hold_addresses_however_they_are_written() {
    for (entry, address, wanted) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false),
        ("2001:db8::/32", "2001:0db8:0:0::9%eth0", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("::/0", "2001:db9::1", true),
        ("2001:db8::1", "2001:db8:0:0:0:0:0:1/64", true),
    ] {
        let network = Network::parse(entry).unwrap().unwrap();
        assert_eq!(network.holds(super::address(address.as_bytes()).unwrap()), wanted, "{entry} {address}");
    }
    assert!(Network::parse("jane/8").unwrap().is_none());
}

#[test]
fn entries_that_allow_too_much_or_mean_nothing_are_refused() {
    let long = "a".repeat(1_025);
    for (value, said) in [
        ("", "1 to 1024"),
        (long.as_str(), "1 to 1024"),
        ("*", "too little"),
        ("*@*", "too little"),
        ("10.0.0.0/33", "prefix length"),
        ("10.0.0.0/x", "prefix length"),
        ("10.1.0.0/8", "beyond"),
    ] {
        let error = Masker::new(&settings(&[("fine", None), (value, None)])).map(drop).unwrap_err().to_string();
        assert!(error.contains("entry 2") && error.contains(said), "{value}: {error}");
    }
    assert!(Masker::new(&settings(&[("a", Some("NOPE"))])).map(drop).unwrap_err().to_string().contains("NOPE"));
    assert!(
        Masker::new(&settings(&[("abc*", None); 257])).map(drop).unwrap_err().to_string().contains("more than 256")
    );
}
