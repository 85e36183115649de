//! What reads as what, where it came from, and what is left as it stands.

use proptest::prelude::*;

use super::*;
use crate::class::{ClassId, ClassSet};
use crate::masker::{Masker, Memory, Settings, Tally};
use crate::selection::Selection;

fn read(text: &str) -> Option<String> {
    Reading::of(text.as_bytes()).map(|reading| String::from_utf8(reading.text).unwrap())
}

#[test]
fn a_character_reads_as_what_it_stands_for() {
    for (text, expected) in [
        (r"jane\u0040x \\\\u0040 a\/b", "jane@x @ a/b"),
        ("jane%40x %2540 %252540 100%25 x", "jane@x @ @ 100% x"),
        ("jane&#64;x &#x40;x &#0064x &commat; &amp;#64; &amp;amp;commat;", "jane@x @x @x @ @ @"),
        ("4&nbsp;1&#160;1\\u00a01", "4 1 1 1"),
        ("4\u{A0}1\u{2009}1\u{202F}1\u{2007}1\u{3000}1", "4 1 1 1 1 1"),
        ("219\u{2010}09\u{2011}9\u{2012}9\u{2013}9\u{2014}9\u{2015}9\u{2212}9", "219-09-9-9-9-9-9-9"),
        ("(415)\u{A0}555 GB\u{2011}B", "(415) 555 GB-B"),
        ("４１jane＠example．com \u{661}\u{6F2}\u{96F} 𝟎𝟗", "41jane@example.com 129 09"),
        ("41\u{200B}11 ja\u{AD}ne", "4111 jane"),
    ] {
        assert_eq!(read(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn a_reference_is_unfinished_only_while_its_letters_may_become_a_name() {
    for text in ["&", "&comm", "&commat", "&amp;", "&amp;per", "&sh"] {
        assert_eq!(spelling(text.as_bytes(), None), Spelling::Unfinished, "{text}");
    }
    for text in ["&other", "&& ", "&co ", "&commatx;", "&copy;", "&thinspace"] {
        assert_eq!(spelling(text.as_bytes(), None), Spelling::None, "{text}");
    }
}

#[test]
fn prose_and_code_read_as_they_stand() {
    for text in [
        "",
        "a & b && c &x &unknown; &#; &#x; 100% %zz \\n \\x41",
        "dix\u{A0}euros\u{202F}! na\u{EF}ve",
        "word\u{2014}word \u{2013} word",
        "密码，见（下）。",
        "\u{FEFF}text",
        "👩\u{200D}💻 \u{E9}\u{AD}",
        "&#1114112;",
        "\u{A0}5\u{A0}",
        "&#99999999999999;",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn a_finding_is_brought_back_to_where_it_stands() {
    for (text, value) in [
        ("to jane&#64;example.com.", "jane&#64;example.com"),
        ("%40 jane%40example.com%2C", "jane%40example.com"),
        ("x \u{200B}4\u{200B}1\u{200B}x", "4\u{200B}1"),
        ("4\u{A0}1", "4\u{A0}1"),
    ] {
        let reading = Reading::of(text.as_bytes()).unwrap();
        let wanted = Reading::of(value.as_bytes()).unwrap().text;
        let start = memchr::memmem::find(&reading.text, &wanted).unwrap();
        let finding = Finding { class: ClassId(0), start, end: start + wanted.len(), score: 1 };
        let origin = reading.origin(&finding);
        assert_eq!(&text[origin.start..origin.end], value);
        assert_eq!(reading.between(origin.start, origin.end), wanted);
    }
}

fn masked(text: &str) -> String {
    let masker = Masker::new(&Settings::new(Selection::new(["default"]), [7; 32])).unwrap();
    let out = masker.text(text.as_bytes(), &[], &ClassSet::EMPTY, &mut Memory::default(), &mut Tally::default());
    String::from_utf8(out.into_owned()).unwrap()
}

#[test]
fn a_value_is_found_however_it_is_spelled() {
    for (text, expected) in [
        ("card 4111\u{A0}1111\u{2009}1111\u{202F}1111.", "card <CREDIT_CARD>."),
        ("card ４１１１１１１１１１１１１１１１", "card <CREDIT_CARD>"),
        ("card 4111\u{200B}111111111111\u{200B}", "card <CREDIT_CARD>\u{200B}"),
        ("call 415\u{2011}555\u{2011}0132 or (415)&nbsp;555&#8209;0132", "call <PHONE_NUMBER> or <PHONE_NUMBER>"),
        ("her ssn: 219\u{2013}09\u{2013}9999", "her ssn: <US_SSN>"),
        (
            "john＠example.com, john&#64;example&period;com, john%2540example.com",
            "<EMAIL_ADDRESS>, <EMAIL_ADDRESS>, <EMAIL_ADDRESS>",
        ),
        ("phone \u{660}\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}\u{668}\u{669}", "phone <PHONE_NUMBER>"),
        ("2012\u{2013}2015, pages 10\u{2013}12, a\u{2014}b", "2012\u{2013}2015, pages 10\u{2013}12, a\u{2014}b"),
    ] {
        assert_eq!(masked(text), expected);
        assert_eq!(masked(expected), expected, "again");
    }
}

proptest! {
    #[test]
    fn places_lead_back(parts in prop::collection::vec(prop::sample::select(vec![
        "a", "1", "&#64;", "%40", "\u{200B}", "\u{A0}", "\\u0031", "é", "&amp;", "%25", " ", "\u{2013}", "４",
    ]), 0..12)) {
        let text = parts.concat();
        let Some(reading) = Reading::of(text.as_bytes()) else { return Ok(()) };
        let (mut last, mut all) = (0, Vec::new());
        for at in 0..reading.text.len() {
            let one = reading.origin(&Finding { class: ClassId(0), start: at, end: at + 1, score: 1 });
            prop_assert!(last <= one.start && one.start < one.end && one.end <= text.len());
            prop_assert_eq!(reading.between(one.start, one.end), &reading.text[at..=at]);
            last = one.end;
            all.push(one);
        }
        if let Some(first) = all.first() {
            prop_assert_eq!(reading.between(first.start, last), &*reading.text);
        }
    }
}
