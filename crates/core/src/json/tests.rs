//! What the parser accepts and refuses, against a table and against `serde_json`.

use proptest::prelude::*;

use super::*;

fn parse(text: impl AsRef<[u8]>) -> Result<Document, JsonError> {
    Document::parse(Bytes::copy_from_slice(text.as_ref()), &Limits::default())
}

#[test]
fn a_node_is_sixteen_bytes() {
    assert_eq!(size_of::<Node>(), 16);
}

#[test]
fn finds_values_by_path_and_shows_them_as_received() {
    let document = parse(r#" {"a" : [1, 1e0, "x\n\u00e9\ud83d\ude00"], "\u0062": {"c": true, "d": null}} "#).unwrap();
    let root = document.root();
    assert_eq!(root.kind(), Kind::Object);
    let elements: Vec<_> = root.get("a").unwrap().elements().collect();
    let raw: Vec<_> = elements.iter().map(Value::raw).collect();
    assert_eq!(raw, ["1", "1e0", r#""x\n\u00e9\ud83d\ude00""#]);
    assert_eq!(elements[1].as_number(), Some("1e0"));
    assert_eq!(elements[2].as_str().as_deref(), Some("x\né😀"));
    assert_eq!(root.at(&["b", "c"]).and_then(|value| value.as_bool()), Some(true));
    assert!(root.at(&["b", "d"]).unwrap().is_null());
    assert!(root.at(&["b", "c", "d"]).is_none());
    let keys: Vec<_> = root.entries().map(|(key, value)| (key.raw(), value.kind())).collect();
    assert_eq!(keys, [(r#""a""#, Kind::Array), (r#""\u0062""#, Kind::Object)]);
    assert_eq!(document.bytes()[root.span()].last(), Some(&b'}'));
}

#[test]
fn other_kinds_have_no_members_and_no_elements() {
    for text in ["[1,2]", "{\"a\":1}", "\"x\"", "7", "null"] {
        let document = parse(text).unwrap();
        let root = document.root();
        assert_eq!(root.members().count(), usize::from(root.is_object()), "{text}");
        assert_eq!(root.elements().count(), if root.is_array() { 2 } else { 0 }, "{text}");
        assert_eq!(root.as_str().is_some(), text == "\"x\"");
        assert_eq!(root.as_number().is_some(), text == "7");
    }
}

#[test]
fn debug_output_shows_no_content() {
    let document = parse(r#"{"password":"hunter2"}"#).unwrap();
    let shown = format!("{document:?} {:?}", document.root());
    assert!(!shown.contains("hunter2") && !shown.contains("password"), "{shown}");
}

#[test]
fn refuses_what_two_parsers_may_read_differently() {
    use Problem::*;
    let table: &[(&[u8], Problem, usize)] = &[
        (b"", UnexpectedEnd, 0),
        (b"  ", UnexpectedEnd, 2),
        (b"\xEF\xBB\xBF{}", ByteOrderMark, 0),
        (b"\xFF\xFE{\0}\0", InvalidUtf8, 0),
        (b"{\"a\":\"\xC0\xAF\"}", InvalidUtf8, 6),
        (b"{\"a\":\"\xED\xA0\x80\"}", InvalidUtf8, 6),
        (b"\"\xF4\x90\x80\x80\"", InvalidUtf8, 1),
        (b"\"\xE2\x82\"", InvalidUtf8, 1),
        (br#"{"a":1,"a":1}"#, DuplicateKey, 7),
        (br#"{"a":1,"\u0061":2}"#, DuplicateKey, 7),
        (br#"{"\/":1,"/":2}"#, DuplicateKey, 8),
        (br#"{"":1,"":2}"#, DuplicateKey, 6),
        (br#"[{"x":{"k":[{"a":1,"b":2,"a":3}]}}]"#, DuplicateKey, 25),
        (br#"{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"\u0033":0}"#, DuplicateKey, 55),
        ("{\"\u{1f600}\":1,\"\\ud83d\\ude00\":2}".as_bytes(), DuplicateKey, 10),
        (br#""\ud800""#, LoneSurrogate, 1),
        (br#""\udc00""#, LoneSurrogate, 1),
        (br#""\ud800\ud800""#, LoneSurrogate, 1),
        (br#""\ud800\udbff""#, LoneSurrogate, 1),
        (br#""\udbff\ue000""#, LoneSurrogate, 1),
        (br#""\ud800x\udc00""#, LoneSurrogate, 1),
        (br#"{"\udfff":1}"#, LoneSurrogate, 2),
        (br#""\ud83d\n""#, LoneSurrogate, 1),
        (br#""\u12g4""#, InvalidEscape, 1),
        (br#""\u+123""#, InvalidEscape, 1),
        (br#""\x41""#, InvalidEscape, 1),
        (br#""\'""#, InvalidEscape, 1),
        (br#""\U0041""#, InvalidEscape, 1),
        (br#""\u12"#, UnexpectedEnd, 5),
        (br#""\"#, UnexpectedEnd, 2),
        (b"\"abc", UnexpectedEnd, 4),
        (b"\"a\nb\"", ControlCharacter, 2),
        (b"\"0123456789\0\"", ControlCharacter, 11),
        (b"\"\x1f\"", ControlCharacter, 1),
        (b"\"\t\"", ControlCharacter, 1),
        (b"{} {}", TrailingData, 3),
        (b"{}\0", TrailingData, 2),
        (b"null,", TrailingData, 4),
        (b"1]", TrailingData, 1),
        (b"01", InvalidNumber, 1),
        (b"-01", InvalidNumber, 2),
        (b"-", InvalidNumber, 1),
        (b"1.", InvalidNumber, 2),
        (b"1.e1", InvalidNumber, 2),
        (b"1e", InvalidNumber, 2),
        (b"1e+", InvalidNumber, 3),
        (b"0x10", InvalidNumber, 1),
        (b"1_000", InvalidNumber, 1),
        (b"1.5f", InvalidNumber, 3),
        (b"+1", UnexpectedCharacter, 0),
        (b".5", UnexpectedCharacter, 0),
        (b"-Infinity", InvalidNumber, 1),
        (b"NaN", UnexpectedCharacter, 0),
        (b"nan", InvalidLiteral, 0),
        (b"tru", InvalidLiteral, 0),
        (b"TRUE", UnexpectedCharacter, 0),
        (b"truee", TrailingData, 4),
        (b"{'a':1}", UnexpectedCharacter, 1),
        (b"{a:1}", UnexpectedCharacter, 1),
        (b"{1:1}", UnexpectedCharacter, 1),
        (b"{\"a\" 1}", UnexpectedCharacter, 5),
        (b"{\"a\":1,}", UnexpectedCharacter, 7),
        (b"{,}", UnexpectedCharacter, 1),
        (b"[1,]", UnexpectedCharacter, 3),
        (b"[,1]", UnexpectedCharacter, 1),
        (b"[1 2]", UnexpectedCharacter, 3),
        (b"[1}", UnexpectedCharacter, 2),
        (b"{\"a\":1]", UnexpectedCharacter, 6),
        (b"{\"a\":1,\"b\"}", UnexpectedCharacter, 10),
        (b"[", UnexpectedEnd, 1),
        (b"{\"a\"", UnexpectedEnd, 4),
        (b"{\"a\":", UnexpectedEnd, 5),
        (b"[1,", UnexpectedEnd, 3),
        (b"// x\n1", UnexpectedCharacter, 0),
        (b"[1/**/]", UnexpectedCharacter, 2),
        (b"\xC2\xA01", UnexpectedCharacter, 0),
        (b"\x0C1", UnexpectedCharacter, 0),
    ];
    for (text, problem, offset) in table {
        let refused = parse(text).expect_err(&String::from_utf8_lossy(text));
        assert_eq!(refused, JsonError { problem: *problem, offset: *offset }, "{}", String::from_utf8_lossy(text));
        assert_eq!(refused.kind(), crate::ErrorKind::Malformed);
    }
}

#[test]
fn surrogate_pairs_decode_to_their_ends() {
    for (text, decoded) in [
        (r#""\ud800\udc00""#, "\u{10000}"),
        (r#""\uDBFF\uDFFF""#, "\u{10FFFF}"),
        (r#""\ud7ff\ue000\u0000""#, "\u{D7FF}\u{E000}\0"),
    ] {
        assert_eq!(parse(text).unwrap().root().as_str().unwrap(), decoded, "{text}");
    }
}

#[test]
fn limits_are_exact() {
    let limits = Limits { max_bytes: 20, max_depth: 3, max_nodes: 5 };
    let parse = |text: &str| Document::parse(Bytes::copy_from_slice(text.as_bytes()), &limits);
    for accepted in ["[[[1]]]", r#"{"a":[1,2]}"#, r#"{"a":1,"b":1}"#, "\"123456789012345678\""] {
        assert!(parse(accepted).is_ok(), "{accepted}");
    }
    let table = [
        ("[[[[]]]]", Problem::TooDeep, 3),
        (r#"[{"a":{"b":{}}}]"#, Problem::TooDeep, 11),
        ("[1,1,1,1,1]", Problem::TooManyValues, 9),
        (r#"{"a":1,"b":[1]}"#, Problem::TooManyValues, 12),
        ("\"1234567890123456789\"", Problem::TooLong, 20),
    ];
    for (text, problem, offset) in table {
        let refused = parse(text).expect_err(text);
        assert_eq!(refused, JsonError { problem, offset }, "{text}");
        assert_eq!(refused.kind(), crate::ErrorKind::Limit);
    }
}

#[test]
fn hostile_depth_and_width_cost_no_more_than_their_bytes() {
    // Deeper than any stack: refused at the limit, or accepted without recursion when the limit allows it.
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    assert_eq!(parse(&deep).unwrap_err().problem, Problem::TooDeep);
    let wide = Limits { max_depth: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
    let document = Document::parse(Bytes::from(deep), &wide).unwrap();
    assert_eq!(document.root().span(), 0..400_000);

    // 100,000 keys: a pairwise search would take minutes here.
    let keys: Vec<_> = (0..100_000).map(|key| format!("\"{key}\":0")).collect();
    let unique = format!("{{{}}}", keys.join(","));
    assert_eq!(parse(&unique).unwrap().root().entries().count(), 100_000);
    let twin = format!("{{{},\"\\u0037\":0}}", keys.join(","));
    let refused = parse(&twin).unwrap_err();
    assert_eq!((refused.problem, refused.offset), (Problem::DuplicateKey, twin.len() - 11));
}

#[test]
fn splices_by_span_and_refuses_spans_that_do_not_fit() {
    let text = Bytes::from_static(b"0123456789");
    let with = |span: Range<usize>, with: &'static str| Replacement { span, with: Bytes::from_static(with.as_bytes()) };
    assert_eq!(splice(&text, &[]).unwrap(), text);
    let spliced = splice(&text, &[with(0..0, "<"), with(2..4, ""), with(4..5, "four"), with(10..10, ">")]).unwrap();
    assert_eq!(spliced, "<01four56789>");
    let backwards = Range { start: 4, end: 3 };
    for wrong in [
        vec![with(5..6, ""), with(2..3, "")],
        vec![with(2..5, ""), with(4..6, "")],
        vec![with(9..11, "")],
        vec![with(backwards, "")],
    ] {
        assert!(splice(&text, &wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn takes_items_out_with_their_commas() {
    for (text, dropped, left) in [
        ("[1 , 2, 3]", "1", "[2, 3]"),
        ("[1 , 2, 3]", "2", "[1, 3]"),
        ("[1 , 2, 3 ]", "3", "[1 , 2 ]"),
        ("[1 , 2, 3]", "12", "[3]"),
        ("[1 , 2, 3]", "13", "[2]"),
        ("[1 , 2, 3]", "23", "[1]"),
        ("[ 1 , 2, 3 ]", "123", "[  ]"),
        ("[1]", "", "[1]"),
        ("{}", "1", "{}"),
        (r#"{"1" : [1,1], "2":2}"#, "1", r#"{"2":2}"#),
        (r#"{"0":0 ,"1" : [1,1], "2":2}"#, "1", r#"{"0":0, "2":2}"#),
        (r#"{"0":0 ,"\u0031" : [1,1]}"#, "1", r#"{"0":0}"#),
    ] {
        let document = parse(text).unwrap();
        let replacements = if document.root().is_array() {
            without_elements(document.root(), |element| dropped.contains(element.raw()))
        } else {
            without_members(document.root(), |key| dropped.contains(key))
        };
        assert_eq!(splice(document.bytes(), &replacements).unwrap(), left, "{text} without {dropped}");
    }
}

/// Any JSON value, small.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e15..1e15_f64).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Into::into),
            prop::collection::hash_map(any::<String>(), inner, 0..12)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Text that is often almost JSON.
fn almost_json() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"b\":",
        "\\",
        "\\u00",
        "\"\\u0061\"",
        "\\ud83d\\ude00",
        "\\udc00",
        "0",
        "-",
        "1",
        ".",
        "e",
        "+",
        "true",
        "null",
        " ",
        "\n",
        "\t",
        "é",
        "\u{0}",
        "\"x\":1",
        "[1,2]",
        "{}",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

fn same(ours: Value<'_>, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Theirs;
    match (ours.kind(), theirs) {
        (Kind::Null, Theirs::Null) => true,
        (Kind::Bool, Theirs::Bool(theirs)) => ours.as_bool() == Some(*theirs),
        // What serde_json prints it may read back one bit off, so either its text or its reading must agree.
        (Kind::Number, Theirs::Number(number)) => {
            number.to_string() == ours.raw() || serde_json::from_str(ours.raw()).is_ok_and(|own: Theirs| own == *theirs)
        }
        (Kind::String, Theirs::String(theirs)) => ours.is_string(theirs),
        (Kind::Array, Theirs::Array(theirs)) => {
            ours.elements().count() == theirs.len() && ours.elements().zip(theirs).all(|(own, their)| same(own, their))
        }
        (Kind::Object, Theirs::Object(theirs)) => {
            ours.members().count() == theirs.len()
                && ours.members().all(|(key, own)| theirs.get(&*key).is_some_and(|their| same(own, their)))
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn reads_what_serde_json_writes(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let document = parse(&text).unwrap();
        prop_assert!(same(document.root(), &value), "{}", text);
        prop_assert_eq!(document.root().raw(), text);
    }

    #[test]
    fn accepts_exactly_what_serde_json_accepts_without_twins(text in almost_json()) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match (parse(&text), theirs) {
            (Ok(document), Ok(theirs)) => prop_assert!(same(document.root(), &theirs), "{}", text),
            (Err(refused), Ok(_)) => prop_assert_eq!(refused.problem, Problem::DuplicateKey, "{}", text),
            (Err(_), Err(_)) => {}
            // A number past the range of a double is still a number.
            (Ok(_), Err(error)) => prop_assert!(error.to_string().starts_with("number out of range"), "{}: {}", text, error),
        }
    }

    #[test]
    fn what_is_left_after_taking_out_is_the_rest(
        members in prop::collection::vec((any_json(), any::<bool>(), "[ \n]{0,2}"), 0..12)
    ) {
        let text = |value: &serde_json::Value, space: &str| format!("{space}{value}{space}");
        let elements: Vec<_> = members.iter().map(|(value, _, space)| text(value, space)).collect();
        let document = parse(format!("[{}]", elements.join(","))).unwrap();
        let mut unwanted = members.iter().map(|(_, unwanted, _)| *unwanted);
        let replacements = without_elements(document.root(), |_| unwanted.next().unwrap());
        let left = parse(splice(document.bytes(), &replacements).unwrap()).unwrap();
        let expected: Vec<_> =
            members.iter().filter(|(_, unwanted, _)| !unwanted).map(|(value, ..)| value.to_string()).collect();
        let found: Vec<_> = left.root().elements().map(|element| element.raw().to_owned()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_bytes_make_it_fail_otherwise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(document) = parse(&bytes) {
            prop_assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&bytes).is_ok());
            prop_assert!(document.root().span().end <= bytes.len());
        }
    }

    #[test]
    fn every_special_byte_in_a_string_is_found(before in "[ -!#-\\[\\]-~é€😀]{0,40}", special: u8, after in "[a-z]{0,20}") {
        let mut text = format!("\"{before}").into_bytes();
        text.push(special);
        text.extend_from_slice(after.as_bytes());
        text.push(b'"');
        let accepted = serde_json::from_slice::<String>(&text);
        match parse(&text) {
            Ok(document) => prop_assert_eq!(document.root().as_str().unwrap(), accepted.unwrap()),
            Err(_) => prop_assert!(accepted.is_err()),
        }
    }
}
