//! Recordings of statements, as they are shown.

use super::*;
use crate::api::SessionSummary;

fn session() -> SessionSummary {
    SessionSummary {
        id: "0199a1b2-0000-7000-8000-000000000001".into(),
        opened: "2026-11-20T23:47:40.123456789Z".into(),
        closed: None,
        reason: None,
        who: Some("demo|alice".into()),
        display: None,
        target: Some("orders".into()),
        protocol: Some("postgres".into()),
        durability: Some("strict".into()),
        record: Some("masked".into()),
        client: None,
        events: 4,
        operations: 2,
        denied: 1,
        parent: None,
    }
}

fn frame(seq: u64, direction: Direction, text: &str) -> RecordingFrame {
    RecordingFrame {
        seq,
        operation: Some("sql:select".into()),
        direction,
        time: format!("2026-11-20T23:47:41.{seq:03}000001Z"),
        bytes: 7,
        body: Some(FrameBody::Text(text.into())),
    }
}

fn end(intent: u64, seq: u64, status: &str) -> RecordedEnd {
    RecordedEnd { intent, seq, status: status.into(), us: Some(1_234), reason: None }
}

/// What is shown; nothing in it acts on a terminal.
fn shown(frames: Vec<RecordingFrame>, ends: Vec<RecordedEnd>) -> String {
    let mut out = Vec::new();
    write(&Recording { session: session(), frames, ends }, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
    text
}

use Direction::{Chunk, Request, Response};

#[test]
fn a_result_is_a_table() {
    let rows = concat!(
        "{\"columns\":[\"id\",\"email\",\"evil\\u001b]0;x\\u0007\"]}\n",
        "[\"1\",\"<EMAIL_ADDRESS>\",null]\n",
        "[\"20\",\"a\\nb\\u001b[31m\",\"é\u{202e}\"]\n",
    );
    let last = concat!(
        "{\"notice\":{\"severity\":\"NOTICE\",\"code\":\"00000\",\"message\":\"two\\nlines\"}}\n",
        "{\"done\":{\"tag\":\"SELECT 1000\"}}\n{\"omitted\":{\"rows\":998,\"sha256\":\"0f0f\"}}\n",
    );
    let asked = "{\"sql\":\"select id, email\\n  from people\\u001b\",\"parameters\":[\"7\",null,\"a\\nb\"],\
                 \"inferred\":[\"hr.people.ssn\"]}";
    // Answers come after further requests: each stands with what asked for it.
    let frames = vec![
        frame(1, Request, asked),
        frame(2, Request, "{\"sql\":\"begin\"}"),
        frame(1, Chunk, rows),
        frame(3, Response, last),
        frame(4, Response, "{\"done\":{\"tag\":\"BEGIN\"}}\n"),
    ];
    insta::assert_snapshot!(shown(frames, vec![end(1, 3, "ok"), end(2, 4, "ok")]));
}

#[test]
fn an_error_a_refusal_and_what_has_no_end_are_told() {
    let error = "{\"error\":{\"severity\":\"ERROR\",\"code\":\"42P01\",\"message\":\"no table\",\"hint\":\"look\"}}\n";
    let denied = RecordedEnd { us: None, reason: Some("whole".into()), ..end(3, 3, "denied") };
    let frames = vec![
        frame(1, Request, "{\"sql\":\"select 1; select x\"}"),
        frame(
            2,
            Response,
            &format!("{{\"columns\":[\"a\"]}}\n[\"1\"]\n{{\"done\":{{\"tag\":\"SELECT 1\"}}}}\n{error}"),
        ),
        frame(3, Request, "{\"sql\":\"delete from people\",\"bound\":[[\"1\"],[null]],\"prepared\":[\"select 2\"]}"),
        RecordingFrame { body: None, ..frame(4, Request, "") },
        frame(5, Request, "{\"sql\":\"select pg_sleep(9)\"}"),
        frame(9, Response, "{\"done\":{\"tag\":\"SELECT 1\"}}\n"),
    ];
    insta::assert_snapshot!(shown(frames, vec![end(1, 2, "error"), denied]));
}

#[test]
fn rows_of_a_statement_that_was_described_before_have_its_names_and_lines_of_copy_none() {
    let select = "{\"sql\":\"select n from lines\"}";
    let frames = vec![
        frame(1, Request, select),
        frame(2, Response, "{\"columns\":[\"n\"]}\n"),
        frame(3, Request, select),
        frame(4, Response, "[\"7\"]\n{\"done\":{\"tag\":\"SELECT 1\"}}\n"),
        frame(5, Request, "{\"sql\":\"copy lines to stdout\"}"),
        frame(6, Response, "[\"7\\tseven\\n\"]\n[null]\n{\"done\":{\"tag\":\"COPY 2\"}}\n"),
        frame(7, Request, "{\"sql\":\"execute p\"}"),
        frame(8, Response, "[\"7\",\"x\"]\n{\"done\":{\"tag\":\"SELECT 1\"}}\n"),
    ];
    let ends = vec![end(1, 2, "ok"), end(3, 4, "ok"), end(5, 6, "ok"), end(7, 8, "ok")];
    insta::assert_snapshot!(shown(frames, ends));
}

#[test]
fn what_is_of_another_form_is_shown_as_it_is() {
    let odd =
        "{\"columns\":7}\n{\"setting\":{\"name\":\"TimeZone\",\"value\":\"UTC\"}}\n[1]\nnone\n{\"a\":1,\"b\":2}\n";
    let frames = vec![
        frame(1, Request, "{\"sql\":\"select 1\"}"),
        frame(2, Response, odd),
        frame(3, Request, "{\"sql\":\"select 1\",\"further\":true}"),
        frame(4, Response, "{\"done\":{\"tag\":\"SELECT 1\"}}\n"),
    ];
    insta::assert_snapshot!(shown(frames, vec![end(1, 2, "ok"), end(3, 4, "ok")]));
}

#[test]
fn a_wide_value_is_cut_and_says_so() {
    let wide = format!("{{\"columns\":[\"w\"]}}\n[\"{}\"]\n", "é".repeat(250));
    let text = shown(vec![frame(1, Request, "{\"sql\":\"x\"}"), frame(2, Response, &wide)], vec![end(1, 2, "ok")]);
    let line = text.lines().find(|line| line.contains('é')).unwrap();
    assert_eq!(line.trim(), format!("{}… (150 more)", "é".repeat(100)));
}
