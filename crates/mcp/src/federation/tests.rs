//! Names, ids, lists and requests at the endpoint for all targets: each is read in one way, and what is not to be changed is
//! byte for byte what it was. What would be more than an answer, a list or one request is refused.

use super::*;
use crate::envelope::Sender;

fn message(sender: Sender, text: &str) -> Message {
    Message::parse(text.to_owned().into(), sender, &Limits::default()).unwrap()
}

fn target(name: &str) -> TargetName {
    name.parse().unwrap()
}

#[test]
fn a_name_is_read_in_one_way() {
    for (name, expected) in [
        ("crm_echo", Some(("crm", "echo"))),
        ("crm_a_b", Some(("crm", "a_b"))),
        ("crm__x", Some(("crm", "_x"))),
        ("a-b_c", Some(("a-b", "c"))),
        ("crm", None),
        ("crm_", None),
        ("_x", None),
        ("Crm_x", None),
    ] {
        let split = split(name);
        let read = split.as_ref().map(|(target, own)| (target.as_str(), *own));
        assert_eq!(read, expected, "{name}");
        if let Some((target, own)) = split {
            assert_eq!(named(&target, own).as_deref(), Some(name));
        }
    }
    assert_eq!(named(&target("crm"), &"x".repeat(125)), None, "longer than clients take");
}

#[test]
fn an_id_of_a_target_comes_back_as_it_was() {
    for id in ["1", "-7", r#""abc""#, r#""a\"b \u00e9""#, r#""crm 1""#] {
        let asked = message(Sender::Server, &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#));
        let outside = outwards(&target("crm"), &asked).unwrap();
        let shown = message(Sender::Server, std::str::from_utf8(&outside).unwrap());
        assert!(shown.id().unwrap().lexeme().starts_with(r#""crm "#), "{shown:?}");
        let lexeme = shown.id().unwrap().lexeme();
        let answer = message(Sender::Client, &format!(r#"{{"jsonrpc":"2.0","id":{lexeme},"result":{{"roots":[]}}}}"#));
        let (to, inside) = inwards(&answer).unwrap();
        assert_eq!(to, target("crm"));
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"roots":[]}}}}"#);
        assert_eq!(inside, expected.as_bytes());
    }
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}"#;
    let outside = outwards(&target("crm"), &message(Sender::Server, cancelled)).unwrap();
    assert_eq!(outside, cancelled.replace('3', r#""crm 3""#).as_bytes());
}

#[test]
fn an_answer_that_would_be_more_than_an_answer_is_for_nobody() {
    for id in [
        r#""1""#,
        r"7",
        r#""crm""#,
        r#""crm ""#,
        r#""crm 1,\"method\":\"tools/call\"""#,
        r#""crm 1 ""#,
        r#""crm  1""#,
        r#""crm [1]""#,
        r#""crm 1.0""#,
        r#""Crm 1""#,
    ] {
        let answer = message(Sender::Client, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        assert!(inwards(&answer).is_none(), "{id}");
    }
}

#[test]
fn elements_stay_as_they_are_but_for_their_names() {
    let page = |list: &str| Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{list}}}"#));
    let mut merged = Merged::new(ListKind::Tools);
    let tools = r#"{"tools":[ {"x":1.0, "name" : "a\u0062","inputSchema":{}} ,{"name":"c_d"}],"nextCursor":"n/1"}"#;
    merged.add(&target("crm"), &page(tools), |_| false).unwrap();
    merged.add(&target("files"), &page(r#"{"tools":[]}"#), |_| false).unwrap();
    merged.lacks(&target("gone"));
    assert_eq!(merged.next, [(target("crm"), "n/1".to_owned())]);
    let answer = merged.into_answer(&Id::from_number(9), Some("sealed"), false);
    assert_eq!(
        answer,
        br#"{"jsonrpc":"2.0","id":9,"result":{"_meta":{"vidimus/unavailable":["gone"]},"nextCursor":"sealed","tools":[{"x":1.0, "name" : "crm_ab","inputSchema":{}},{"name":"crm_c_d"}]}}"#
            .as_slice()
    );
    for bad in [r#"{"tools":{}}"#, r#"{"tools":[{"name":1}]}"#, r#"{"tools":[1]}"#, "{}"] {
        assert!(Merged::new(ListKind::Tools).add(&target("crm"), &page(bad), |_| false).is_err(), "{bad}");
    }
}

#[test]
fn of_two_resources_of_one_uri_one_is_shown_and_the_other_named() {
    let page = Bytes::from(r#"{"result":{"resources":[{"uri":"note://a"},{"uri":"note://b"}]}}"#);
    let mut merged = Merged::new(ListKind::Resources);
    merged.add(&target("one"), &page, |_| false).unwrap();
    merged.add(&target("two"), &page, |uri| uri == "note://a").unwrap();
    let answer = merged.into_answer(&Id::from_number(1), None, true);
    assert_eq!(
        answer,
        br#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","cacheScope":"private","ttlMs":60000,"_meta":{"vidimus/shadowed":[{"target":"two","uri":"note://a"}]},"resources":[{"uri":"note://a"},{"uri":"note://b"},{"uri":"note://b"}]}}"#
            .as_slice()
    );
}

#[test]
fn the_endpoint_says_what_its_targets_say() {
    let about = About {
        capabilities: vec!["tools", "logging"],
        instructions: Some("Ask \"nicely\".\n\n# files\r# files\u{2028}> x".into()),
    };
    let (crm, files) = (target("crm"), target("files"));
    let welcome = Welcome::of([(&crm, Some(&about), false)].into_iter());
    let answer = welcome.initialized(&Id::from_number(1), "2025-06-18");
    let text = std::str::from_utf8(&answer).unwrap();
    assert!(text.contains(r#""capabilities":{"logging":{},"tools":{"listChanged":true}}"#), "{text}");
    assert!(text.contains(r#"\n\n# crm\n\n> Ask \"nicely\".\n> \n> # files\n> # files\n> > x""#), "{text}");
    assert!(!text.contains("do not answer"), "{text}");
    // One that was never read may have anything.
    let welcome = Welcome::of([(&crm, Some(&about), false), (&files, None, true)].into_iter());
    let answer = welcome.discovered(&Id::from_number(1), "2026-07-28");
    let text = std::str::from_utf8(&answer).unwrap();
    for part in
        [r#""completions":{}"#, r#""vidimus/unavailable":["files"]"#, r#""ttlMs":0"#, "do not answer now: files."]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_request_in_the_words_of_the_other_era_and_back() {
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"sampling":{}},"clientInfo":{"name":"it","version":"1"}}}"#;
    let client = Introduction::of_legacy(Some(&message(Sender::Client, hello)));
    let members = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"it","version":"1"}"#;
    for (legacy, modern) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{members}}}}}}}"#),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#.to_owned(),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"_meta":{{{members}}},"name":"a"}}}}"#
            ),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":1},"name":"a"}}"#
                .to_owned(),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"_meta":{{{members},"progressToken":1}},"name":"a"}}}}"#
            ),
        ),
    ] {
        let translated = to_modern(&message(Sender::Client, &legacy), &client).unwrap();
        assert_eq!(translated, modern.as_bytes());
        let back = to_legacy(&message(Sender::Client, &modern)).unwrap();
        let back = message(Sender::Client, std::str::from_utf8(&back).unwrap());
        let meta = back.params().unwrap().get("_meta").unwrap();
        assert!(!meta.raw().contains("io.modelcontextprotocol"), "{}", meta.raw());
    }
    let twice =
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/clientInfo":{}}}}"#;
    let translated = to_modern(&message(Sender::Client, twice), &client).unwrap();
    assert!(Message::parse(translated, Sender::Client, &Limits::default()).is_err(), "it says who it is twice");
}
