//! Documents and payloads: what is masked in them, what stays as it was, and that JSON stays JSON.

mod generated;

use std::sync::LazyLock;

use vidimus_core::json::Limits;

use super::*;
use crate::{Operator, Selection, Settings};

static MASKER: LazyLock<Masker> = LazyLock::new(|| masker(&[], &[]));

fn masker(operators: &[(&str, Operator)], fields: &[(&str, &str)]) -> Masker {
    let settings = Settings {
        operators: operators.iter().map(|(class, operator)| ((*class).to_owned(), *operator)).collect(),
        fields: fields.iter().map(|(rule, class)| ((*rule).to_owned(), (*class).to_owned())).collect(),
        ..Settings::new(Selection::new(["EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN"]), [7; 32])
    };
    Masker::new(&settings).unwrap()
}

fn payload_with(masker: &Masker, text: &str, form: Form) -> String {
    let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
    let bytes = Bytes::from(text.to_owned());
    let (mut memory, mut tally) = (Memory::default(), Tally::default());
    let masked = masker.payload(&bytes, form, &scope, &mut memory, &mut tally).unwrap();
    String::from_utf8(masked.unwrap_or(bytes).to_vec()).unwrap()
}

fn payload(text: &str) -> String {
    payload_with(&MASKER, text, Form::Auto)
}

#[test]
fn only_what_holds_a_value_is_written_anew() {
    let text = "{ \"a\" : 1.50e+3,\n\t\"b\\u0062\": \"x\\/y\", \"mail\":[ \"jane@example.com\" ], \"n\" : -0.0 }";
    assert_eq!(payload(text), text.replace("jane@example.com", "<EMAIL_ADDRESS>"));
    assert_eq!(
        payload("{\"a\":\"\\u006aane\\u0040example.com\\n\\u0001\\\"\"}"),
        "{\"a\":\"<EMAIL_ADDRESS>\\n\\u0001\\\"\"}"
    );
}

#[test]
fn json_in_strings_of_json_is_masked_as_json() {
    let inner = r#"{"rows":[{"note":"row\n078-05-1121\tend","ssn":123456789}]}"#;
    let outer = |inner: &str| serde_json::json!({"content": [{"type": "text", "text": inner}]}).to_string();
    let masked = inner.replace("078-05-1121", "<US_SSN>").replace("123456789", "0");
    assert_eq!(payload(&outer(inner)), outer(&masked));
    assert_eq!(payload(&outer(&outer(&outer(inner)))), outer(&outer(&outer(&masked))));
    for between in ["\n", "", "\r\n\r\n", " "] {
        let several = |inner: &str| outer(&format!("{inner}{between}{inner}\n"));
        assert_eq!(payload(&several(inner)), several(&masked));
    }
}
#[test]
fn what_is_not_quite_json_hides_nothing_behind_its_escapes() {
    for wrong in [
        r#"{"a":"jane\u0040example.com","a":NaN}"#,
        r#"{"a":"row\n4111111111111111\tend",}"#,
        r#"{"a":"jane\u0040example.com"} {"b":"\ud800 4111 1111 1111 1111"}"#,
        r#"{"a":"jane\u0040example.com","#,
        r#"said {\"a\":\"jane\\u0040example.com\"} and https:\/\/x.example\/?mail=jane%40example.com"#,
    ] {
        for text in [wrong.to_owned(), serde_json::json!({ "text": wrong }).to_string()] {
            let masked = payload(&text);
            assert!(!masked.contains("jane") && !masked.contains("1111"), "{masked}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), masked.starts_with(r#"{"text""#));
        }
    }
}

#[test]
fn json_that_parsers_read_differently_is_still_masked_as_json() {
    let deep = format!("{}\"jane@example.com\"{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(payload(&deep), deep.replace("jane@example.com", "<EMAIL_ADDRESS>"));
    let twice = r#"{"ssn":123456789,"ssn":"jane\u0040example.com","x":"\ud800"}"#;
    assert_eq!(payload(twice), r#"{"ssn":0,"ssn":"<EMAIL_ADDRESS>","x":"\ud800"}"#);
}

#[test]
fn names_are_masked_and_stay_apart() {
    let text = r#"{"a@b.example":1,"c@d.example":2,"<EMAIL_ADDRESS>":3,"\u0065@f.example":4,"plain":5}"#;
    let masked = payload(text);
    let expected =
        r#"{"<EMAIL_ADDRESS>":1,"<EMAIL_ADDRESS>_2":2,"<EMAIL_ADDRESS>_3":3,"<EMAIL_ADDRESS>_4":4,"plain":5}"#;
    assert_eq!(masked, expected);
    assert_eq!(payload(&masked), masked);
    let before = r#"{"<EMAIL_ADDRESS>":1,"<EMAIL_ADDRESS>_2":2,"c@d.example":{"c@d.example":3}}"#;
    let expected = r#"{"<EMAIL_ADDRESS>":1,"<EMAIL_ADDRESS>_2":2,"<EMAIL_ADDRESS>_3":{"<EMAIL_ADDRESS>":3}}"#;
    assert_eq!(payload(before), expected);
}

#[test]
fn numbers_are_masked_by_numbers() {
    assert_eq!(payload(r#"{"ssn":123456789}"#), r#"{"ssn":0}"#);
    assert_eq!(payload(r#"{"ssn":[ 123456789.0 ,-123456789]}"#), r#"{"ssn":[ 0 ,0]}"#);
    assert_eq!(payload("[4111111111111111,1e9]"), "[0,1e9]");
    assert_eq!(payload(r#"{"ssn":1.23456789E8,"card":4.111111111111111e15}"#), r#"{"ssn":0,"card":0}"#);
    for same in [r#"{"order":123456789}"#, r#"{"ssn":1.23456789e7}"#, r#"{"ssn":123456.789}"#, "[411111111111.1111]"] {
        assert_eq!(payload(same), same);
    }
}

#[test]
fn operators_keep_strings_strings_and_numbers_numbers() {
    let text = r#"{"ssn":[123456789,"123456789",123456789,"ssn: 123456789","x"],"card":4111111111111111}"#;
    let masked =
        |operator| payload_with(&masker(&[("US_SSN", operator), ("CREDIT_CARD", operator)], &[]), text, Form::Auto);
    let expected = r#"{"ssn":[null,null,null,"ssn: <US_SSN>","x"],"card":null}"#;
    assert_eq!(masked(Operator::Nullify), expected);
    let expected = r#"{"ssn":[6789,"*****6789",6789,"ssn: *****6789","x"],"card":1111}"#;
    assert_eq!(masked(Operator::KeepLast(4)), expected);
    let expected = r#"{"ssn":[100000001,"<US_SSN_1>",100000001,"ssn: <US_SSN_1>","x"],"card":1000000000000001}"#;
    assert_eq!(masked(Operator::Token), expected);
    let hashed: serde_json::Value = serde_json::from_str(&masked(Operator::Hmac)).unwrap();
    assert_eq!(hashed["ssn"][0], hashed["ssn"][2]);
    assert_ne!(hashed["ssn"][0], 123_456_789);
    assert_eq!(hashed["ssn"][0].to_string().len(), 9);
    assert_eq!(hashed["card"].to_string().len(), 16);
}

#[test]
fn field_rules_mask_whole_values_and_begin_anew_in_a_document_of_its_own() {
    let rules = [("$.customer", "US_SSN"), ("*_mail", "EMAIL_ADDRESS")];
    let masker = masker(&[], &rules);
    let masked = |text: &str| payload_with(&masker, text, Form::Auto);
    let text = r#"{"customer":{"name":"Jane","age":42,"vip":true,"since":null,"tags":["a",""]},"name":"Jane","w_mail":"at work"}"#;
    let expected = r#"{"customer":{"name":"<US_SSN>","age":0,"vip":null,"since":null,"tags":["<US_SSN>",""]},"name":"Jane","w_mail":"<EMAIL_ADDRESS>"}"#;
    assert_eq!(masked(text), expected);
    assert_eq!(masked(expected), expected);
    assert_eq!(
        masked(&serde_json::json!({ "text": text }).to_string()),
        serde_json::json!({ "text": expected }).to_string()
    );
    assert_eq!(
        payload_with(&masker, "customer=Jane+Doe&w_mail=x&y=%41", Form::Form),
        "customer=%3CUS_SSN%3E&w_mail=%3CEMAIL_ADDRESS%3E&y=%41"
    );
}

#[test]
fn a_scope_keeps_members_of_the_protocol_and_says_where_rules_begin() {
    let masker = masker(&[], &[("$.id", "US_SSN")]);
    let text = r#"{"id":"jane@example.com","result":{"structuredContent":{"id":"x-1","a":["jane@example.com"]},"nextCursor":"jane@example.com","task":{"a":"jane@example.com"}}}"#;
    let scope = Scope {
        keep: &[&["id"], &["result", "nextCursor"], &["result", "task"]],
        roots: &[&["result", "structuredContent"]],
        ..Scope::new(&ClassSet::EMPTY, masker.fields())
    };
    let document = Document::parse(Bytes::from(text), &Limits::default()).unwrap();
    let masked = masker.json(&document, &scope, &mut Memory::default(), &mut Tally::default()).unwrap().unwrap();
    let expected = r#"{"id":"jane@example.com","result":{"structuredContent":{"id":"<US_SSN>","a":["<EMAIL_ADDRESS>"]},"nextCursor":"jane@example.com","task":{"a":"<EMAIL_ADDRESS>"}}}"#;
    assert_eq!(masked, expected);
}

#[test]
fn a_scope_can_leave_the_name_of_one_level_open() {
    let masker = masker(&[], &[]);
    let text = r#"{"asked":{"x":{"url":"jane@example.com","note":"jane@example.com"},"y":[{"url":"jane@example.com"}],"url":"jane@example.com"}}"#;
    let scope = Scope { keep: &[&["asked", "*", "url"]], ..Scope::new(&ClassSet::EMPTY, masker.fields()) };
    let document = Document::parse(Bytes::from(text), &Limits::default()).unwrap();
    let masked = masker.json(&document, &scope, &mut Memory::default(), &mut Tally::default()).unwrap().unwrap();
    let expected = r#"{"asked":{"x":{"url":"jane@example.com","note":"<EMAIL_ADDRESS>"},"y":[{"url":"jane@example.com"}],"url":"<EMAIL_ADDRESS>"}}"#;
    assert_eq!(masked, expected);
}

#[test]
fn what_policy_reveals_stays_and_is_counted() {
    let masker = masker(&[], &[("remark", "US_SSN")]);
    let mut revealed = ClassSet::EMPTY;
    revealed.insert(masker.engine().class("US_SSN").unwrap());
    let scope = Scope::new(&revealed, masker.fields());
    let text = Bytes::from(r#"{"ssn":123456789,"remark":"write to jane@example.com"}"#);
    let mut tally = Tally::default();
    let masked = masker.payload(&text, Form::Auto, &scope, &mut Memory::default(), &mut tally).unwrap().unwrap();
    assert_eq!(masked, r#"{"ssn":123456789,"remark":"write to <EMAIL_ADDRESS>"}"#);
    assert_eq!(tally.revealed.values().sum::<u64>(), 2);
    assert_eq!(tally.masked.values().sum::<u64>(), 1);
}

#[test]
fn structured_content_and_its_text_come_out_alike() {
    let masker = masker(&[("US_SSN", Operator::Token)], &[]);
    let data = serde_json::json!({"rows": [{"ssn": "123456789", "n": {"SSN": 123_456_789}}, {"name": "ssn", "value": "219099999"}]});
    let text = serde_json::json!({"result": {"content": [{"type": "text", "text": data.to_string()}], "structuredContent": data}});
    let masked: serde_json::Value =
        serde_json::from_str(&payload_with(&masker, &text.to_string(), Form::Auto)).unwrap();
    let twin = masked["result"]["content"][0]["text"].as_str().unwrap();
    let twin: serde_json::Value = serde_json::from_str(twin).unwrap();
    assert_eq!(masked["result"]["structuredContent"], twin);
    assert!(!twin.to_string().contains("6789") && !twin.to_string().contains("21909"), "{twin}");
}

#[test]
fn a_sibling_says_what_a_value_is() {
    for (text, expected) in [
        (r#"{"name":"ssn","value":"123456789"}"#, r#"{"name":"ssn","value":"<US_SSN>"}"#),
        (r#"{"value":123456789,"label":"SSN"}"#, r#"{"value":0,"label":"SSN"}"#),
        (r#"{"value":123456789,"x":{"a":[1]},"type":"ssn"}"#, r#"{"value":0,"x":{"a":[1]},"type":"ssn"}"#),
        (r#"{"name":"order","value":"123456789"}"#, r#"{"name":"order","value":"123456789"}"#),
        (r#"{"name":"ssn","total":"123456789"}"#, r#"{"name":"ssn","total":"123456789"}"#),
        (r#"[{"name":"ssn"},{"value":"123456789"}]"#, r#"[{"name":"ssn"},{"value":"123456789"}]"#),
    ] {
        assert_eq!(payload(text), expected);
    }
}

#[test]
fn a_table_beside_its_columns_is_read_by_columns() {
    for (text, expected) in [
        (
            r#"{"columns":["id","ssn"],"rows":[[219099999,219099999],["219099999","219099999",1]]}"#,
            r#"{"columns":["id","ssn"],"rows":[[219099999,0],["219099999","<US_SSN>",1]]}"#,
        ),
        (
            r#"{"fields": [{"type":"int", "name":"ssn"},{"a":{}}] ,"data": [ [219099999, 219099999], {"x":[219099999]} ]}"#,
            r#"{"fields": [{"type":"int", "name":"ssn"},{"a":{}}] ,"data": [ [0, 219099999], {"x":[219099999]} ]}"#,
        ),
        (r#"{"columns":["ssn"],"other":[[219099999]]}"#, r#"{"columns":["ssn"],"other":[[219099999]]}"#),
    ] {
        assert_eq!(payload(text), expected);
        let nested = |text: &str| serde_json::json!({ "text": text }).to_string();
        assert_eq!(payload(&nested(text)), nested(expected));
    }
}

#[test]
fn base64_of_text_is_masked_inside() {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let text = "first line?\nwrite to jane@example.com \u{1F600}>>>";
    let masked = text.replace("jane@example.com", "<EMAIL_ADDRESS>");
    let blob = |text: &str| format!(r#"{{"blob":"{text}"}}"#);
    assert_eq!(payload(&blob(&STANDARD.encode(text))), blob(&STANDARD.encode(&masked)));
    assert_eq!(payload(&blob(&URL_SAFE_NO_PAD.encode(text))), blob(&URL_SAFE_NO_PAD.encode(&masked)));
    let url = |text: &str| blob(&format!("data:text/plain;base64,{}", STANDARD.encode(text)));
    assert_eq!(payload(&url(text)), url(&masked));
    let inner = |mail: &str| blob(&STANDARD.encode(format!(r#"{{"mail":"{mail}"}}"#)));
    assert_eq!(payload(&inner("jane\\u0040example.com")), inner("<EMAIL_ADDRESS>"));
    for same in [STANDARD.encode([200; 40]), STANDARD.encode("nothing to see here, move on"), "0".repeat(64)] {
        assert_eq!(payload(&blob(&same)), blob(&same));
    }
}

#[test]
fn base64_that_changes_stays_apart_from_what_follows_it() {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    for before in ["", "1", "12", "123"] {
        let text = format!("{before}, write to jane@example.com");
        let (encoded, number) = (STANDARD.encode(&text), "078-05-1121");
        let masked = payload(&format!(r#"["{encoded}{number}"]"#));
        let expected = if encoded.ends_with('=') { "<US_SSN>" } else { number };
        assert!(masked.ends_with(&format!("{expected}\"]")), "{masked}");
        assert_eq!(payload(&masked), masked);
    }
}

#[test]
fn base64_is_found_within_text_in_lines_and_in_what_is_no_text() {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    let (value, mark) = ("please write to jane@example.com now", "please write to <EMAIL_ADDRESS> now");
    let long = |value: &str| format!("{value}, {}", "and some more words ".repeat(8));
    let wrap = |text: &str, end: &str| {
        let encoded = STANDARD.encode(text);
        encoded.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect::<Vec<_>>().join(end)
    };
    let cases = |value: &str| {
        [
            format!("Authorization: Basic {}.", STANDARD.encode(value)),
            format!("see data:text/plain;base64,{}) and <b>", STANDARD.encode(value)),
            format!("https://h.example/x/{}/y", STANDARD.encode(value)),
            format!("a {} b\n{}\n", STANDARD.encode(value), STANDARD.encode(value)),
            format!("Content:\r\n\r\n{}\r\n--end", wrap(&long(value), "\r\n")),
            wrap(&long(value), "\n"),
        ]
    };
    for (text, expected) in cases(value).iter().zip(cases(mark)) {
        let json = |text: &str| serde_json::json!({ "note": text }).to_string();
        assert_eq!(payload(&json(text)), json(&expected));
        assert_eq!(payload(&json(&expected)), json(&expected));
    }
    let binary = |text: &str| {
        let bytes = [&[0x89, b'P', 0, 0xFF, 200][..], text.as_bytes(), &[0, 1, 2, 0xFE], b"x", &[0; 30]].concat();
        format!(r#"{{"blob":"{}"}}"#, STANDARD.encode(bytes))
    };
    assert_eq!(payload(&binary(value)), binary("please write to **************** now"));
    for same in [STANDARD.encode([7; 90]), "SomeVeryLongIdentifierOfAProgramInCamelCase".to_owned(), "a".repeat(90)] {
        let json = format!(r#"{{"blob":"{same} {same}"}}"#);
        assert_eq!(payload(&json), json);
    }
}

#[test]
fn each_line_is_its_own_document() {
    let lines = "{\"ssn\":123456789}\r\n\n  [\"jane@example.com\"]\nssn 123456789\n{\"a\":\n";
    let expected = "{\"ssn\":0}\r\n\n  [\"<EMAIL_ADDRESS>\"]\nssn <US_SSN>\n{\"a\":\n";
    assert_eq!(payload_with(&MASKER, lines, Form::Lines), expected);
}

#[test]
fn a_payload_that_only_looks_like_json_is_text() {
    assert_eq!(payload("123456789"), "123456789");
    assert_eq!(payload("[INFO] ssn 123456789"), "[INFO] ssn <US_SSN>");
    assert_eq!(payload("\u{FEFF}{\"ssn\":123456789}"), "\u{FEFF}{\"ssn\":0}");
    assert_eq!(payload("\"jane\\u0040example.com\""), "\"<EMAIL_ADDRESS>\"");
    assert_eq!(payload_with(&MASKER, "\"ssn 123456789\" x", Form::Json), "\"ssn <US_SSN>\" x");
}

#[test]
fn a_form_is_masked_by_its_names_and_only_what_changed_is_written_anew() {
    let form = "a=%41b+c&mail=jane%40example.com&ssn=123456789&&=x&note=it%27s+%22jane%40example.com%22";
    let expected = "a=%41b+c&mail=%3CEMAIL_ADDRESS%3E&ssn=%3CUS_SSN%3E&&=x&note=it%27s+%22%3CEMAIL_ADDRESS%3E%22";
    assert_eq!(payload_with(&MASKER, form, Form::Form), expected);
}

#[test]
fn a_row_is_masked_under_its_columns() {
    let masker = masker(&[("US_SSN", Operator::Nullify)], &[("public.people.born", "US_SSN")]);
    let column = |name, label, kind| Column { schema: "public", table: "people", name, label, kind };
    let columns = [
        column("ssn", "x", ColumnKind::Text),
        column("", "ssn", ColumnKind::Number),
        column("mail", "mail", ColumnKind::Text),
        column("data", "data", ColumnKind::Json),
        column("born", "b", ColumnKind::Other),
        column("id", "id", ColumnKind::Number),
        column("ssn", "ssn", ColumnKind::Text),
    ];
    let cells: [Option<&[u8]>; 7] = [
        Some(b"123456789"),
        Some(b"123456789"),
        Some(b"to jane@example.com"),
        Some(br#"{"mail": "jane@example.com"}"#),
        Some(b"1970-01-01"),
        Some(b"123456789"),
        None,
    ];
    let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
    let (mut memory, mut tally) = (Memory::default(), Tally::default());
    let row = masker.row(&columns, &cells, &scope, &mut memory, &mut tally).unwrap();
    let text = |text: &'static str| Cell::Text(Bytes::from_static(text.as_bytes()));
    let expected = [
        Cell::Null,
        Cell::Null,
        text("to <EMAIL_ADDRESS>"),
        text(r#"{"mail": "<EMAIL_ADDRESS>"}"#),
        Cell::Null,
        Cell::Same,
        Cell::Same,
    ];
    assert_eq!(row, expected);
    let short = masker.row(&columns, &cells[..2], &scope, &mut memory, &mut tally);
    assert_eq!(short, Err(MaskError::Row { cells: 2, columns: 7 }));
}

#[test]
fn time_grows_with_the_text_and_not_faster() {
    // The best of three, because other tests run beside this one.
    let time = |text: &str| {
        let once = || {
            let start = std::time::Instant::now();
            assert!(!payload(text).is_empty());
            start.elapsed()
        };
        once().min(once()).min(once())
    };
    let members = |count: usize, member: fn(usize) -> String| {
        format!("{{{}\"x\":1}}", (0..count).map(member).collect::<Vec<_>>().concat())
    };
    let texts = |count: usize| {
        let deep = "{\"value\":1,\"b\":".repeat(200) + "1" + &"}".repeat(200) + ",";
        [
            format!("[{}1]", "\"a@b.example\",".repeat(count)),
            members(count, |at| format!("\"a{at}@b.example\":1,")),
            members(count, |at| format!("\"k{at}\":{{\"value\":1,\"b\":[]}},")),
            format!("[{}1]", deep.repeat(count / 200)),
            format!("[{}1]", "\"\\\\u0040[1]\",\"[[[[[[\",".repeat(count)),
            format!("{{\"a\":\"{}", "{\\\"a\\\\u0041\\n".repeat(count)),
        ]
    };
    for (few, many) in texts(2_000).iter().zip(&texts(20_000)) {
        let (few, many) = (time(few), time(many));
        assert!(many < few * 40 + std::time::Duration::from_millis(200), "{few:?} and ten times as much {many:?}");
    }
}

#[test]
fn field_rules_reach_json_within_text() {
    let masker = masker(&[], &[("secret_note", "US_SSN"), ("$.a.b", "EMAIL_ADDRESS")]);
    let masked = |text: &str| payload_with(&masker, text, Form::Auto);
    for (text, expected) in [
        ("Result: {\"secret_note\": \"x y\"}.", "Result: {\"secret_note\": \"<US_SSN>\"}."),
        (
            "```json\n{\"a\": {\"b\": \"x\", \"n\": 12}}\n```",
            "```json\n{\"a\": {\"b\": \"<EMAIL_ADDRESS>\", \"n\": 12}}\n```",
        ),
        ("[1] {x: {\"secret_note\": 7, \"k\": \"{\"}}", "[1] {x: {\"secret_note\": 0, \"k\": \"{\"}}"),
    ] {
        assert_eq!(masked(text), expected);
        assert_eq!(masked(expected), expected);
        let nested = |text: &str| serde_json::json!({ "text": text }).to_string();
        assert_eq!(masked(&nested(text)), nested(expected));
    }
    assert_eq!(payload("Result: {\"secret_note\": \"x y\"}"), "Result: {\"secret_note\": \"x y\"}", "no rules");
}

#[test]
fn under_a_rule_only_what_masking_wrote_is_left() {
    let rules = [("pin", "US_SSN"), ("mail", "EMAIL_ADDRESS")];
    let operators = [("US_SSN", Operator::KeepLast(4)), ("EMAIL_ADDRESS", Operator::Token)];
    let (plain, kept) = (masker(&[], &rules), masker(&operators, &rules));
    for value in
        ["***-**-6789", "4*** secret", "**** hunter2", "[REDACTED] 1", "<US_SSN_123456>", "<CREDIT_CARD>", "<US_SSN> x"]
    {
        let text = serde_json::json!({ "pin": value }).to_string();
        assert_eq!(payload_with(&plain, &text, Form::Auto), r#"{"pin":"<US_SSN>"}"#, "{value}");
    }
    for (text, expected) in [
        (r#"{"pin":"***-**-6789"}"#, r#"{"pin":"***-**-6789"}"#),
        (r#"{"pin":"***6789"}"#, r#"{"pin":"*****89"}"#),
        (r#"{"pin":"4*** secret"}"#, r#"{"pin":"**** ***ret"}"#),
        (r#"{"mail":"<EMAIL_ADDRESS_9>"}"#, r#"{"mail":"<EMAIL_ADDRESS_9>"}"#),
        (r#"{"mail":"<EMAIL_ADDRESS:abcdefghijklmnopabcdefgh>"}"#, r#"{"mail":"<EMAIL_ADDRESS_1>"}"#),
    ] {
        assert_eq!(payload_with(&kept, text, Form::Auto), expected);
        assert_eq!(payload_with(&kept, expected, Form::Auto), expected);
    }
}

#[test]
fn a_number_alone_stays_json() {
    assert_eq!(payload("4111111111111111"), "0");
    assert_eq!(payload(" 4111111111111111.0\n"), " 0\n");
    assert_eq!(payload("4111111111111111 is a card"), "<CREDIT_CARD> is a card");
    assert_eq!(payload("4111111111111111\n4111111111111111"), "<CREDIT_CARD>\n<CREDIT_CARD>");
    assert_eq!(payload("04111111111111111"), "04111111111111111");
}

#[test]
fn names_are_found_behind_the_rows_behind_escapes_and_around_wrappers() {
    for (text, expected) in [
        (
            r#"{"rows":[[219099999,"x"]],"n":{"columns":["y"]},"columns":["ssn","n"]}"#,
            r#"{"rows":[[0,"x"]],"n":{"columns":["y"]},"columns":["ssn","n"]}"#,
        ),
        (
            r#"{"data":[["219099999"]],"\u0063olumns":[{"name":"\u0073sn"}]}"#,
            r#"{"data":[["<US_SSN>"]],"\u0063olumns":[{"name":"\u0073sn"}]}"#,
        ),
        (r#"{"name":"\u0073sn","value":"219099999"}"#, r#"{"name":"\u0073sn","value":"<US_SSN>"}"#),
        (r#"{"value":"219099999","n\u0061me":"ss\u006e"}"#, r#"{"value":"<US_SSN>","n\u0061me":"ss\u006e"}"#),
        (
            r#"{"ssn":{"value":{"data":[{"text":{"content":"219099999"}}]}}}"#,
            r#"{"ssn":{"value":{"data":[{"text":{"content":"<US_SSN>"}}]}}}"#,
        ),
        (
            r#"{"rows":[[219099999]],"other":{"columns":["ssn"]}}"#,
            r#"{"rows":[[219099999]],"other":{"columns":["ssn"]}}"#,
        ),
        (r#"{"ssn":1,"value":{"data":"219099999"}}"#, r#"{"ssn":1,"value":{"data":"219099999"}}"#),
    ] {
        assert_eq!(payload(text), expected);
        assert_eq!(payload(expected), expected);
    }
}
