//! Every split gives what no split gives, and nothing waits without bound.

use proptest::prelude::*;
use std::sync::LazyLock;

use super::text::Text;
use super::*;
use crate::classes;
use crate::masker::Settings;
use crate::selection::Selection;

fn masker(selection: Selection) -> Masker {
    Masker::new(&Settings::new(selection, [7; 32])).unwrap()
}

static DEFAULT: LazyLock<Masker> = LazyLock::new(|| masker(Selection::new(["default", "secrets"])));
static ALL: LazyLock<Masker> = LazyLock::new(|| masker(Selection::new(["all"]).without_context()));

/// What came out, and what was counted.
type Outcome = (String, Tally);

fn whole(masker: &Masker, text: &[u8]) -> Outcome {
    let (mut memory, mut tally) = (Memory::default(), Tally::default());
    let out = masker.text(text, &[], &ClassSet::EMPTY, &mut memory, &mut tally);
    (String::from_utf8_lossy(&out).into_owned(), tally)
}

fn pieces<'p>(masker: &Masker, framing: Framing, pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
    let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
    let mut stream = masker.stream(framing, StreamScope::default());
    for piece in pieces {
        stream.push(piece, &mut memory, &mut tally, &mut out).unwrap();
    }
    stream.finish(&mut memory, &mut tally, &mut out).unwrap();
    (String::from_utf8_lossy(&out).into_owned(), tally)
}

/// Splits where the numbers say.
fn split_at<'t>(text: &'t [u8], sizes: &[usize]) -> Vec<&'t [u8]> {
    let (mut rest, mut pieces) = (text, Vec::new());
    for size in sizes.iter().cycle() {
        let (piece, more) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

/// A text with what classes find, and what nearly is, in odd company.
fn text() -> impl Strategy<Value = String> {
    let examples: Vec<String> = classes::all().map(|class| class.example.to_owned()).collect();
    let words: Vec<&str> = classes::all().flat_map(|class| class.context).copied().collect();
    let glue = [
        " ",
        "  ",
        "\n",
        "\\n",
        "\\t",
        ",",
        ": ",
        "=",
        "\"",
        "-",
        ".",
        "/",
        "@",
        "<",
        "**",
        "<US_SSN>",
        "<US_SSN_12",
        "_3>",
        "ssn",
        "card number",
        "passport",
        "x",
        "7",
        "é",
        "\r\n",
        "a.b",
        "12",
        "-----",
        "'",
        "(",
        ")",
        "+",
        ";",
        "https://",
        "token",
    ];
    let example = (0..examples.len()).prop_map(move |at| examples[at].clone());
    let part = prop_oneof![
        3 => example.clone(),
        3 => (0..glue.len()).prop_map(move |at| glue[at].to_owned()),
        1 => (example, any::<prop::sample::Index>()).prop_map(|(text, at)| {
            let at = at.index(text.len());
            text.get(at..).unwrap_or_default().to_owned()
        }),
        1 => prop::sample::select(words).prop_map(|word| format!("{word} ")),
        1 => "[0-9A-Za-z.-]{1,20}",
    ];
    prop::collection::vec(part, 1..20).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_split_of_a_text_gives_what_no_split_gives(text in text(), sizes in prop::collection::vec(1_usize..40, 1..6)) {
        for masker in [&*DEFAULT, &*ALL] {
            let expected = whole(masker, text.as_bytes());
            prop_assert_eq!(&expected, &pieces(masker, Framing::Text, split_at(text.as_bytes(), &sizes)));
            prop_assert_eq!(&expected, &pieces(masker, Framing::Text, text.as_bytes().chunks(1)));
        }
    }
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => text().prop_map(serde_json::Value::from),
        1 => any::<u32>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::from(4_111_111_111_111_111_u64)),
    ];
    let key = prop::sample::select(vec!["ssn", "card", "note", "a\"b", "text"]);
    let value = leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(serde_json::Value::from),
            prop::collection::hash_map(key.clone(), inner, 1..4)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    });
    (value, any::<bool>()).prop_map(|(value, pretty)| if pretty { format!("{value:#}") } else { value.to_string() })
}

/// Lines of JSON and of other things.
fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => json().prop_map(|json| json.replace('\n', " ")),
        2 => text(),
        1 => json(),
        1 => prop::sample::select(vec!["", " ", "[INFO] started", "{\"a\": 1} trailing", "{\"open\": ", "]", "\"quoted\" 078-05-1121"])
            .prop_map(str::to_owned),
    ];
    let end = prop::sample::select(vec!["\n", "\r\n", "\n\n"]);
    (prop::collection::vec((line, end), 1..6), any::<bool>()).prop_map(|(lines, ends)| {
        let mut all: String = lines.into_iter().flat_map(|(line, end)| [line, end.to_owned()]).collect();
        if !ends {
            all.pop();
        }
        all
    })
}

fn events() -> impl Strategy<Value = String> {
    let end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    let field = prop_oneof![
        3 => json().prop_map(|json| format!("data: {}\n", json.replace('\n', "\ndata: "))),
        2 => text().prop_map(|text| format!("data:{}\n", text.replace('\r', "").replace('\n', "\ndata:"))),
        1 => text().prop_map(|text| format!(": {}\n", text.replace(['\r', '\n'], " "))),
        1 => prop::sample::select(vec!["data\n", "event: message\n", "id: 7\n", "retry: 10\n", "datax: 078-05-1121\n"])
            .prop_map(str::to_owned),
    ];
    let event = prop::collection::vec(field, 0..4).prop_map(|fields| fields.concat() + "\n");
    (prop::collection::vec(event, 1..4), end, any::<bool>(), any::<bool>()).prop_map(|(events, end, mark, ends)| {
        let mut all = events.concat();
        if !ends {
            all.pop();
        }
        format!("{}{}", if mark { "\u{feff}" } else { "" }, all.replace('\n', end))
    })
}

/// The data of the events in a stream, as a reader sees them.
fn data(events: &str) -> Vec<String> {
    let text = events.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let data = |event: &str| {
        let values = event.lines().filter_map(|line| line.strip_prefix("data"));
        let values: Vec<_> = values.filter(|rest| rest.is_empty() || rest.starts_with(':')).collect();
        let values = values
            .iter()
            .map(|rest| rest.strip_prefix(':').map_or(*rest, |rest| rest.strip_prefix(' ').unwrap_or(rest)));
        values.collect::<Vec<_>>().join("\n")
    };
    (text + "\n").split("\n\n").map(data).filter(|data| !data.is_empty()).collect()
}

fn payload(masker: &Masker, text: &str) -> Outcome {
    let (mut memory, mut tally) = (Memory::default(), Tally::default());
    let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let masked = masker.payload(&bytes, Form::Auto, &scope, &mut memory, &mut tally).unwrap().unwrap_or(bytes);
    (String::from_utf8_lossy(&masked).into_owned(), tally)
}

/// One piece gives what many do; returns that.
fn one(masker: &Masker, framing: Framing, text: &str, sizes: &[usize]) -> Result<Outcome, TestCaseError> {
    let one = pieces(masker, framing, [text.as_bytes()]);
    prop_assert_eq!(&one, &pieces(masker, framing, split_at(text.as_bytes(), sizes)));
    prop_assert_eq!(&one, &pieces(masker, framing, text.as_bytes().chunks(1)));
    Ok(one)
}

proptest! {
    #[test]
    fn json_in_pieces_is_masked_as_json(text in json(), sizes in prop::collection::vec(1_usize..40, 1..6)) {
        prop_assert_eq!(one(&DEFAULT, Framing::Auto, &text, &sizes)?, payload(&DEFAULT, &text));
    }

    #[test]
    fn lines_of_json_in_pieces_are_masked_as_that(
        values in prop::collection::vec(json(), 1..4), sizes in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let line = |json: &String| {
            let json = json.replace('\n', " ");
            if json.starts_with(['{', '[']) { json + "\n" } else { format!("[{json}]\n") }
        };
        let text: String = values.iter().map(line).collect();
        let expected = payload(&DEFAULT, &text);
        prop_assert_eq!(&one(&DEFAULT, Framing::Auto, &text, &sizes)?, &expected);
        prop_assert_eq!(&one(&DEFAULT, Framing::Lines, &text, &sizes)?, &expected);
    }

    #[test]
    fn lines_of_all_kinds_do_not_depend_on_the_split(text in lines(), sizes in prop::collection::vec(1_usize..40, 1..6)) {
        one(&DEFAULT, Framing::Lines, &text, &sizes)?;
        one(&DEFAULT, Framing::Auto, &text, &sizes)?;
    }

    #[test]
    fn escapes_in_text_are_read_across_splits(text in escaped(), sizes in prop::collection::vec(1_usize..40, 1..6)) {
        let text = format!("text {text}");
        prop_assert_eq!(&one(&DEFAULT, Framing::Auto, &text, &sizes)?, &payload(&DEFAULT, &text));
        prop_assert_eq!(&one(&ALL, Framing::Auto, &text, &sizes)?, &payload(&ALL, &text));
    }

    #[test]
    fn the_data_of_events_is_masked_as_a_reader_joins_it(
        text in events(), sizes in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let (masked, _) = one(&DEFAULT, Framing::EventStream, &text, &sizes)?;
        let expected: Vec<String> = data(&text).iter().map(|data| payload(&DEFAULT, data).0).collect();
        prop_assert_eq!(data(&masked), expected);
    }

    #[test]
    fn text_that_holds_nothing_leaves_as_it_came(text in "[a-z {}\\[\\]:\"\r\n]{0,80}", sizes in prop::collection::vec(1_usize..40, 1..6)) {
        for framing in [Framing::Text, Framing::Auto, Framing::Lines, Framing::EventStream] {
            prop_assert_eq!(&one(&DEFAULT, framing, &text, &sizes)?.0, &text);
        }
    }
}

/// A text with escapes in it.
fn escaped() -> impl Strategy<Value = String> {
    let escape = prop::sample::select(vec![
        "\\u0040",
        "%40",
        "\\/",
        "\\\\u0034",
        "%34",
        "\\n",
        "\\u00",
        "%",
        "%4",
        "\\",
        "\\\"",
        "\\u0020",
    ]);
    let place = any::<prop::sample::Index>();
    (text(), prop::collection::vec((place, escape), 0..6)).prop_map(|(mut text, escapes)| {
        for (place, escape) in escapes {
            let at = place.index(text.len() + 1);
            if text.is_char_boundary(at) {
                text.insert_str(at, escape);
            }
        }
        text.replace('@', "\\u0040")
    })
}

/// A text as a program writes it to a terminal.
fn terminal() -> impl Strategy<Value = Vec<u8>> {
    let control = prop::sample::select(vec![
        &b"\x1B[31m"[..],
        b"\x1B[0m",
        b"\x1B[1;32;40m",
        b"\x1B[K",
        b"\x1B[C",
        b"\x1B[2;5H",
        b"\x08",
        b"\r",
        b" \r",
        b"\x1B]0;jane@example.com\x07",
        b"\x1B]2;t\x1B\\",
        b"\x1BP1$r078-05-1121\x1B\\",
        b"\x1B_x\x1B\\",
        b"\xC3",
        b"\xFF",
        b"\x1B[3\x18",
        b"\x1B",
        b"\t",
        b"\x0E",
    ]);
    let place = any::<prop::sample::Index>();
    (text(), prop::collection::vec((place, control), 0..6)).prop_map(|(text, controls)| {
        let mut bytes = text.into_bytes();
        for (place, control) in controls {
            let place = place.index(bytes.len() + 1);
            bytes.splice(place..place, control.iter().copied());
        }
        bytes
    })
}

proptest! {
    #[test]
    fn output_for_a_terminal_does_not_depend_on_the_split(
        bytes in terminal(), sizes in prop::collection::vec(1_usize..40, 1..6),
    ) {
        for masker in [&*DEFAULT, &*ALL] {
            let one = pieces(masker, Framing::Terminal, [&*bytes]);
            prop_assert_eq!(&one, &pieces(masker, Framing::Terminal, split_at(&bytes, &sizes)));
            prop_assert_eq!(&one, &pieces(masker, Framing::Terminal, bytes.chunks(1)));
        }
    }

    #[test]
    fn plain_text_on_a_terminal_is_masked_as_text(text in text()) {
        let text = text.replace('\r', "");
        prop_assert_eq!(pieces(&DEFAULT, Framing::Terminal, text.as_bytes().chunks(1)), whole(&DEFAULT, text.as_bytes()));
    }
}

#[test]
fn control_sequences_neither_hide_a_value_nor_get_lost() {
    let masked = |text: &str| pieces(&DEFAULT, Framing::Terminal, text.as_bytes().chunks(1)).0;
    assert_eq!(masked("a \x1B[31m4111 1111\x1B[0m 1111 1111\x1B[1m b"), "a \x1B[31m<CREDIT_CARD>\x1B[0m\x1B[1m b");
    assert_eq!(masked("4111 1111 11 \r11 1111\r\n$ "), "<CREDIT_CARD>\r\n$ ", "wrapped");
    assert_eq!(masked("4\x084111 1111 1111 111\x0811 b"), "<CREDIT_CARD> b", "struck over");
    assert_eq!(masked("50%\r4111 1111 1111 1111\n"), "50%\r<CREDIT_CARD>\n", "the line begins anew");
    assert_eq!(masked("\x1B]0;jane@example.com\x07$ ls"), "\x1B]0;<EMAIL_ADDRESS>\x07$ ls", "a title");
    assert_eq!(masked("ssn\x1B[C078-05-1121 "), "ssn\x1B[C<US_SSN> ");
}

#[test]
fn a_prompt_shows_in_whole_at_once() {
    for prompt in ["host:~ % ", "[ana@host ~]$ ", "login: ", "Go on? (y/n) ", "\u{276f} "] {
        let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
        let mut stream = DEFAULT.stream(Framing::Terminal, StreamScope::default());
        stream.push(prompt.as_bytes(), &mut memory, &mut tally, &mut out).unwrap();
        stream.idle(&mut memory, &mut tally, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), prompt);
    }
}

/// What has come out before the end.
fn early(masker: &Masker, framing: Framing, text: &str) -> String {
    let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
    let mut stream = masker.stream(framing, StreamScope::default());
    for piece in text.as_bytes().chunks(1) {
        stream.push(piece, &mut memory, &mut tally, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn what_can_be_no_part_of_a_value_goes_out_at_once() {
    assert_eq!(
        early(&DEFAULT, Framing::Text, "the build is done: 3 warnings, see jane.doe"),
        "the build is done: 3 warnings, see "
    );
    assert_eq!(early(&DEFAULT, Framing::Text, "card 4111 1111 11"), "card ");
    assert_eq!(early(&DEFAULT, Framing::Text, "card 4111 1111 1111 1111, "), "card <CREDIT_CARD>, ");
}

/// Bytes that may wait in these tests.
const BOUND: usize = 4096;

/// Feeds `count` pieces: bytes scanned, and the most that waited.
fn cost(masker: &Masker, piece: &[u8], count: usize) -> (usize, usize) {
    let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
    let mut stream = masker.stream(Framing::Text, StreamScope::default());
    stream.framed = Framed::Text(Text::bounded(BOUND).into());
    let mut most = 0;
    for _ in 0..count {
        stream.push(piece, &mut memory, &mut tally, &mut out).unwrap();
        most = most.max(stream.pending());
        out.clear();
    }
    let Framed::Text(text) = &stream.framed else { unreachable!() };
    (text.scanned(), most)
}

#[test]
fn neither_time_nor_memory_grows_beyond_the_text() {
    let endless =
        ["7", "7-", "@", "a@", "-----BEGIN RSA PRIVATE KEY-----", "<US_SSN", "*", "eyJ", "A", "a.b@c.de.", "1.1.1.1."];
    for endless in endless {
        for (copies, bytes) in [(1, 1 << 13), (200, 1 << 14)] {
            let piece = endless.repeat(copies);
            let count = bytes / piece.len();
            let (once, waited) = cost(&ALL, piece.as_bytes(), count);
            let (twice, _) = cost(&ALL, piece.as_bytes(), 2 * count);
            let case = format!("{endless:?} in pieces of {}: {waited} wait, scanned {once}, {twice}", piece.len());
            assert!(once <= 18 * count * piece.len() + 2 * BOUND, "{case}");
            assert!(twice <= 2 * once + 8 * BOUND, "{case}");
            assert!(waited <= 2 * BOUND + piece.len(), "{case}");
        }
    }
}

#[test]
fn a_key_longer_than_what_may_wait_is_masked_once_and_swallowed_to_its_end() {
    let line = "MIIEowIBAAKCAQEA7x9kQ2vL0pZt3sYw8uRfJ1nGdHcE5bXoKq4mTzVaPiSgWlUe\n";
    let (begin, end) = ("-----BEGIN RSA PRIVATE KEY-----\n", "-----END RSA PRIVATE KEY-----");
    let text = format!("key: {begin}{}{end} and then jane@example.com.\n", line.repeat(200));
    for size in [1, 100, 100_000] {
        let (mut memory, mut tally, mut out) = (Memory::default(), Tally::default(), Vec::new());
        let mut stream = DEFAULT.stream(Framing::Text, StreamScope::default());
        stream.framed = Framed::Text(Text::bounded(BOUND).into());
        for piece in text.as_bytes().chunks(size) {
            stream.push(piece, &mut memory, &mut tally, &mut out).unwrap();
        }
        stream.finish(&mut memory, &mut tally, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(!out.contains("MIIE") && !out.contains("PiSgWlUe") && !out.contains("END RSA"), "{size}: {out}");
        assert!(out.starts_with("key: ") && out.ends_with(" and then <EMAIL_ADDRESS>.\n"), "{size}: {out}");
    }
}

#[test]
fn field_rules_reach_json_within_text_that_comes_in_pieces() {
    let fields = [("note".to_owned(), "US_SSN".to_owned())].into();
    let masker = Masker::new(&Settings { fields, ..Settings::new(Selection::new(["default"]), [7; 32]) }).unwrap();
    for text in [
        "Result: {\"note\": \"x y\"} for jane&#64;example.com",
        "```json\n{\"a\": [{\"note\": \"}\"}, 1]\n``` {\"note\": 7}",
        "[1] { \"note\": \"x",
    ] {
        let expected = payload(&masker, text);
        for framing in [Framing::Text, Framing::Auto] {
            for size in [1, 3, 7, 1000] {
                assert_eq!(pieces(&masker, framing, text.as_bytes().chunks(size)), expected, "{text}");
            }
        }
    }
}

/// Lines of a key's body: 33 bytes of base64 would be enough of one.
const KEY: [&str; 4] = [
    "MIIEowIBAAKCAQEA7x9kQ2vL0pZt3sYw8uRfJ1nGdHcE5bXoKq4mTzVaPiSgWlUe",
    "Jq8vL0pZt3sYw8uRfJ1nGdHcE5bXoKq4mTzVaPiSgWlUe7x9kQ2QEAMIIEowIBAA",
    "4mTzVaPiSgWlUe7x9kQ2QEAMIIEowIBAAJq8vL0pZt3sYw8uRfJ1nGdHcE5bXoKq",
    "wZ9aKk3Q==",
];

/// A key in a log, each of its lines as `line` writes it, with `between` after each; with its end or without.
fn logged(line: impl Fn(&str) -> String, between: &str, ends: bool) -> String {
    let (begin, end) = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----");
    let lines = [begin].into_iter().chain(KEY).chain(ends.then_some(end));
    let lines: Vec<String> = lines.map(|text| format!("{}\n{between}", line(text))).collect();
    let lines = lines.concat();
    format!("before\n{lines}and ada@example.com after\n")
}

#[test]
fn nothing_between_the_lines_of_a_key_makes_its_rest_visible() {
    let writers: [fn(&str) -> String; 4] = [
        str::to_owned,
        |line| format!("2026-11-21T16:40:00Z err: {line}"),
        |line| format!("3f9a0c1be7d24c55a8e6f1029b3c4d5e {line} [7]"),
        |line| format!(r#"{{"level":30,"msg":"{line}"}}"#),
    ];
    let between = ["", "{\"level\":30,\"msg\":\"tick\"}\n", "request done\n", "----- 200 OK -----\n", "[1]\n\n{}\n"];
    for (writer, between, ends) in writers
        .iter()
        .flat_map(|writer| between.map(|between| [(writer, between, true), (writer, between, false)]))
        .flatten()
    {
        let text = logged(writer, between, ends);
        for size in [1, 7, 100_000] {
            let (masked, tally) = pieces(&DEFAULT, Framing::Lines, text.as_bytes().chunks(size));
            let visible = KEY.iter().find(|line| masked.contains(&line[..8]));
            assert_eq!(visible, None, "in pieces of {size}:\n{text}\n{masked}");
            assert!(masked.starts_with("before\n"), "{masked}");
            assert!(masked.ends_with("and <EMAIL_ADDRESS> after\n"), "what follows is there: {masked}");
            assert_eq!(tally.masked.values().sum::<u64>(), 2, "the key counts once: {masked}");
        }
    }
}

#[test]
fn a_line_of_json_stays_json_after_lines_of_text_that_hold_nothing() {
    let text = "listening on port 8080 since 12:30\n{\"note\":\"call 12\",\"n\":123456789}\ndone in 12 ms\n[1]\n";
    assert_eq!(pieces(&DEFAULT, Framing::Lines, text.as_bytes().chunks(5)).0, text);
}

#[test]
fn who_speaks_of_the_beginning_of_a_key_does_not_hide_what_follows() {
    let lines: Vec<String> = (0..600).map(|number| format!("request {number} done by ada@example.com\n")).collect();
    let lines = lines.concat();
    let text = format!("a key must begin with -----BEGIN PRIVATE KEY-----\n{lines}");
    let (mut memory, mut tally, mut masked) = (Memory::default(), Tally::default(), Vec::new());
    let mut stream = DEFAULT.stream(Framing::Lines, StreamScope::default());
    for piece in text.as_bytes().chunks(500) {
        stream.push(piece, &mut memory, &mut tally, &mut masked).unwrap();
    }
    stream.idle(&mut memory, &mut tally, &mut masked).unwrap();
    let (masked, expected) = (String::from_utf8(masked).unwrap(), text.replace("ada@example.com", "<EMAIL_ADDRESS>"));
    assert!(expected.starts_with(&masked) && masked.len() > expected.len() / 2, "{}: {masked}", expected.len());
}
