//! What finders find, beside what, and that a text that goes on is held back where it may matter.

use super::super::Engine;
use super::*;
use crate::selection::Selection;

fn engine(class: &str) -> Engine {
    Engine::new(&Selection::new([class]).without_context()).unwrap()
}

fn all(engine: &Engine, text: &str) -> Vec<String> {
    let mut scan = Scan::default();
    engine.scan(text.as_bytes(), &[], End::Final, &mut scan);
    scan.findings().iter().map(|finding| text.get(finding.start..finding.end).unwrap().to_owned()).collect()
}

#[test]
fn ipv6_addresses_are_found_in_every_spelling() {
    let engine = engine("IP_ADDRESS");
    let whole = [
        "2001:db8:0:0:8:800:200C:417A",
        "2001:db8::8:800:200c:417a",
        "fe80::5efe:c000:201%eth0",
        "fe80::5efe:c000:201%3/64",
        "2001:db8::/32",
        "64:ff9b::198.51.100.7",
        "::ffff:198.51.100.7",
        "::",
        "::1/128",
    ];
    for address in whole {
        assert_eq!(all(&engine, address), [address]);
        for text in
            [format!("[{address}]:443"), format!("at {address}."), format!("ip={address}, ok"), format!("é{address}é")]
        {
            assert_eq!(all(&engine, &text), [address], "{text}");
        }
    }
    assert_eq!(all(&engine, "client:2001:db8::7 went"), ["2001:db8::7"]);
    assert_eq!(all(&engine, r"row\n2001:db8::7"), ["2001:db8::7"]);
    assert_eq!(all(&engine, "ipv6:2001:db8::7 4111111111111111:2001:db8::7"), ["2001:db8::7", "2001:db8::7"]);
    // Any word is a label: what is masked may be one, and nobody can tell afterwards how long its last group was.
    assert_eq!(all(&engine, "decade:2001:db8::7 x2001:2001:db8::7"), ["2001:db8::7", "2001:db8::7"]);
    assert_eq!(all(&engine, "fe80::5efe:1%20x"), ["fe80::5efe:1"]);
    assert_eq!(all(&engine, "2001:db8::7/129"), ["2001:db8::7"]);
    assert_eq!(all(&engine, "2001:db8::zone"), ["2001:db8::"]);
}

#[test]
fn times_names_and_chains_are_no_addresses() {
    let engine = engine("IP_ADDRESS");
    for text in [
        "12:30:45",
        "1:2:3:4",
        "std::cafe",
        ":::",
        "2001:db8::7x",
        "2001:db8::256.1.1.1",
        "2001::db8::7",
        "1:2:3:4:5:6:7:8:9",
        "::ffff:198.51.100.300",
        "12345::1",
        "_::1",
    ] {
        assert_eq!(all(&engine, text), [""; 0], "{text}");
    }
}

#[test]
fn what_programs_write_too_proves_little() {
    let engine = engine("IP_ADDRESS");
    let score = |text: &str| {
        let mut scan = Scan::default();
        engine.scan(text.as_bytes(), &[], End::Final, &mut scan);
        scan.findings().first().unwrap().score
    };
    assert!(score("2001:db8::7") >= 40);
    for text in ["Fee::Bad", "rows[1::2]", "::", "::1"] {
        assert!(score(text) < 40, "{text}");
    }
}

#[test]
fn e_mail_addresses_are_whole_and_stand_alone() {
    let engine = engine("EMAIL_ADDRESS");
    for address in [
        "jane.o'neil+tag@sub.example.com",
        "_x@example.de",
        "josé@münchen.de",
        "a@xn--bcher-kva.example",
        "i@пример.рф",
    ] {
        assert_eq!(all(&engine, address), [address]);
        assert_eq!(all(&engine, &format!("('{address}').")), [address]);
        assert_eq!(all(&engine, &format!("https://h/p?mail={address}&x=1")), [address]);
        assert_eq!(all(&engine, &format!("联系{address}。")), [address]);
    }
    for text in ["jane@", "@example.com", "jane@host", "icon@2x.png", "jane@-a.com", "a @ b.com"] {
        assert_eq!(all(&engine, text), [""; 0], "{text}");
    }
    assert_eq!(
        all(&engine, "to jane@example.orgé, почтаjane@example.orgпри"),
        ["jane@example.org", "почтаjane@example.org"]
    );
}

#[test]
fn web_addresses_end_before_the_sentence_does() {
    let engine = engine("URL");
    for address in [
        "https://www.example.com/",
        "http://example.com:8080/a/b?c=d#e",
        "https://jane:secret@db.example.org/x",
        "ftp://files.example.net",
        "http://198.51.100.7/index",
        "www.example.museum",
        "example.co.uk/path",
    ] {
        assert_eq!(all(&engine, address), [address]);
        assert_eq!(all(&engine, &format!("see ({address}), or \"{address}\".")), [address, address]);
    }
    for text in ["http://example", "e.g. this", "main.c", "3.14", "jane@example.com", "...", "a..com", "1.2.3.4"] {
        assert_eq!(all(&engine, text), [""; 0], "{text}");
    }
}

#[test]
fn a_text_that_goes_on_is_held_back_from_where_more_could_matter() {
    for (class, text, from) in [
        ("IP_ADDRESS", "at 2001:db8::", 3),
        ("EMAIL_ADDRESS", "to jane@exam", 3),
        ("EMAIL_ADDRESS", "to jane", 3),
        ("URL", "at https://exa", 3),
        ("URL", "at https://example.com/pa", 3),
    ] {
        let mut scan = Scan::default();
        engine(class).scan(text.as_bytes(), &[], End::Open, &mut scan);
        assert!(scan.live_from() <= from, "{class} {text}: {}", scan.live_from());
    }
}

#[test]
fn time_is_linear_in_hostile_texts() {
    let classes = ["IP_ADDRESS", "EMAIL_ADDRESS", "URL"];
    let engine = Engine::new(&Selection::new(classes).without_context()).unwrap();
    for unit in ["::", "1:", "a.", "a@", "@", ".a-", "http://", "fe80::%", "a:b.", "x@y.z."] {
        let text = unit.repeat(200_000 / unit.len());
        let begun = std::time::Instant::now();
        all(&engine, &text);
        assert!(begun.elapsed().as_secs() < 20, "{unit}");
    }
}
