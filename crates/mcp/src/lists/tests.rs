//! Filtering keeps what stays byte for byte; what cannot be read for certain does not stay.

use proptest::prelude::*;

use super::*;
use crate::envelope::Sender;

fn answer(result: &str) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    Message::parse(text.into(), Sender::Server, &Limits::default()).unwrap()
}

fn filtered(result: &str, kind: ListKind, visible: impl FnMut(&str) -> bool) -> Result<Filtered, ListError> {
    filter(&answer(result), kind, &Limits::default(), (None, visible))
}

fn result_of(filtered: &Filtered) -> &str {
    filtered.document.root().get("result").unwrap().raw()
}

#[test]
fn takes_out_what_is_not_visible_and_nothing_else() {
    let result = r#"{ "x":1.0, "tools" : [ {"name":"a","x":1e0} , {"\u006eame":"b"},
        {"name":"c\u0041","_meta":{"k":[]}} ], "nextCursor":"p\/2","y":{} }"#;
    let page = filtered(result, ListKind::Tools, |name| name != "b").unwrap();
    assert_eq!((page.hidden, page.unreadable), (1, 0));
    assert_eq!(
        result_of(&page),
        r#"{ "x":1.0, "tools" : [ {"name":"a","x":1e0},
        {"name":"c\u0041","_meta":{"k":[]}} ], "nextCursor":"p\/2","y":{} }"#
    );
    let mut asked = Vec::new();
    filtered(result, ListKind::Tools, |name| {
        asked.push(name.to_owned());
        true
    })
    .unwrap();
    assert_eq!(asked, ["a", "b", "cA"]);
    let none = filtered(result, ListKind::Tools, |_| false).unwrap();
    assert_eq!(none.document.root().at(&["result", "tools"]).unwrap().elements().count(), 0);
    let message = answer(result);
    let all = filter(&message, ListKind::Tools, &Limits::default(), (None, |_: &str| true)).unwrap();
    assert_eq!(all.document.bytes().as_ptr(), message.bytes().as_ptr(), "not copied");
}

#[test]
fn each_list_has_its_own_key_and_identity() {
    for (kind, result) in [
        (ListKind::Tools, r#"{"tools":[{"name":"a"},{"name":"b"}]}"#),
        (ListKind::Prompts, r#"{"prompts":[{"name":"a"},{"name":"b"}]}"#),
        (ListKind::Resources, r#"{"resources":[{"name":"b","uri":"a"},{"name":"a","uri":"b"}]}"#),
        (ListKind::ResourceTemplates, r#"{"resourceTemplates":[{"uriTemplate":"a"},{"uriTemplate":"b"}]}"#),
    ] {
        let page = filtered(result, kind, |name| name == "a").unwrap();
        assert_eq!(page.document.root().at(&["result", kind.key()]).unwrap().elements().count(), 1);
        assert!(matches!(filtered(r#"{"other":[]}"#, kind, |_| true), Err(ListError::NotAList { .. })));
    }
}

#[test]
fn takes_out_what_cannot_be_read_for_certain() {
    for element in [
        "1",
        "{}",
        r#"{"name":1}"#,
        r#"{"name":""}"#,
        r#"{"name":"a\n"}"#,
        r#"{"Name":"a"}"#,
        r#"{"name":"a","NAME":"b"}"#,
        r#"{"name":"a","InputSchema":{}}"#,
        r#"{"name":"a","annotation\u017f":{}}"#,
        r#"{"name":"a","annotations":[]}"#,
        r#"{"name":"a","annotations":{"readOnlyHint":"yes"}}"#,
        r#"{"name":"a","annotations":{"ReadOnlyHint":true}}"#,
    ] {
        let page =
            filtered(&format!(r#"{{"tools":[{element},{{"name":"good"}}]}}"#), ListKind::Tools, |_| true).unwrap();
        assert_eq!((page.hidden, page.unreadable), (0, 1), "{element}");
        assert_eq!(result_of(&page), r#"{"tools":[{"name":"good"}]}"#);
    }
}

#[test]
fn of_two_elements_with_one_name_the_first_counts() {
    let message = answer(
        r#"{"tools":[{"name":"a","inputSchema":{},"v":1},{"name":"\u0061","inputSchema":{},"annotations":{"readOnlyHint":true}}]}"#,
    );
    let page = filter(&message, ListKind::Tools, &Limits::default(), (None, |_: &str| true)).unwrap();
    assert_eq!((result_of(&page), page.unreadable), (r#"{"tools":[{"name":"a","inputSchema":{},"v":1}]}"#, 1));
    let page = tools(&message, &mut HashSet::new()).unwrap();
    assert_eq!((page.tools.len(), page.unreadable, page.tools[0].annotations.read_only), (1, 1, false));
}

#[test]
fn a_name_of_an_earlier_page_is_taken() {
    let mut seen = HashSet::new();
    let first = r#"{"tools":[{"name":"a","inputSchema":{}},{"name":"b"}],"nextCursor":"2"}"#;
    assert_eq!(tools(&answer(first), &mut seen).unwrap().tools.len(), 1);
    // `b` was there, if unreadable: a client may have seen it as it was.
    let second = r#"{"tools":[{"name":"a","inputSchema":{},"annotations":{"readOnlyHint":true}},
        {"name":"b","inputSchema":{}},{"name":"c","inputSchema":{}}]}"#;
    let page = tools(&answer(second), &mut seen).unwrap();
    let names: Vec<_> = page.tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!((names, page.unreadable), (vec!["c"], 2));
}

#[test]
fn refuses_answers_that_are_no_list() {
    for result in [r#"{"tools":{}}"#, r#"{"tools":null}"#, "{}"] {
        let error = filtered(result, ListKind::Tools, |_| true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Upstream, "{result}");
    }
    // A client that ignores letter case would show the second list, which nobody filtered.
    let error = filtered(r#"{"tools":[],"Tools":[{"name":"hidden"}]}"#, ListKind::Tools, |_| false).unwrap_err();
    assert!(matches!(error, ListError::CaseVariant { known: "tools" }));
    assert!(matches!(
        tools(&answer(r#"{"tools":[],"nextCursor":1}"#), &mut HashSet::new()),
        Err(ListError::NotAList { key: "nextCursor" })
    ));
    let refusal = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#;
    let refusal = Message::parse(refusal.into(), Sender::Server, &Limits::default()).unwrap();
    assert!(tools(&refusal, &mut HashSet::new()).is_err());
}

#[test]
fn reads_definitions_with_the_defaults_of_the_specification() {
    let message = answer(
        r#"{"tools":[
            {"name":"a","inputSchema": {"type" : "object"} },
            {"name":"b","annotations":{"readOnlyHint":true,"openWorldHint":false,"title":"B"},"inputSchema":{}},
            {"name":"no schema"},
            {"name":"no object","inputSchema":[]}
        ],"nextCursor":"2"}"#,
    );
    let page = tools(&message, &mut HashSet::new()).unwrap();
    let [a, b] = page.tools.as_slice() else { panic!("{:?}", page.tools) };
    assert_eq!(
        (&*a.name, &a.annotations, &a.input_schema[..]),
        ("a", &ToolAnnotations::default(), &br#"{"type" : "object"}"#[..])
    );
    assert_eq!(
        b.annotations,
        ToolAnnotations { read_only: true, destructive: true, idempotent: false, open_world: false }
    );
    assert_eq!((page.unreadable, page.next_cursor.as_deref()), (2, Some("2")));
    assert_eq!(tools(&answer(r#"{"tools":[],"nextCursor":null}"#), &mut HashSet::new()).unwrap().next_cursor, None);
}

#[test]
fn asks_for_pages() {
    let id = Id::from_number(2);
    assert_eq!(request(&id, ListKind::Tools, None), r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}"#);
    assert_eq!(
        request(&id, ListKind::Prompts, Some("\"x")),
        r#"{"jsonrpc":"2.0","id":2,"method":"prompts/list","params":{"cursor":"\"x"}}"#
    );
}

proptest! {
    #[test]
    fn what_stays_is_what_was(
        names in prop::collection::vec(("[a-c]{1,2}", "[ \n]{0,2}"), 0..10).prop_map(|mut names| {
            names.sort();
            names.dedup_by(|one, other| one.0 == other.0);
            names
        }),
        hidden in "[a-c]{1,2}"
    ) {
        let elements: Vec<_> =
            names.iter().map(|(name, space)| format!("{space}{{\"name\"{space}:\"{name}\",\"v\":1.0}}{space}")).collect();
        let page = filtered(&format!(r#"{{"tools":[{}],"z":0}}"#, elements.join(",")), ListKind::Tools, |name| {
            name != hidden
        })
        .unwrap();
        let expected: Vec<_> =
            names.iter().zip(&elements).filter(|((name, _), _)| *name != hidden).map(|(_, element)| element.trim()).collect();
        let found: Vec<_> =
            page.document.root().at(&["result", "tools"]).unwrap().elements().map(|element| element.raw().to_owned()).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(page.document.root().at(&["result", "z"]).unwrap().raw(), "0");
    }
}
