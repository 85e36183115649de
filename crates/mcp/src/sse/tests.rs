//! The decoder against the standard's own examples, every way of cutting a stream, and what is written.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 16;

fn decode(stream: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    Decoder::new(LIMIT).push(stream, &mut events).unwrap();
    events
}

/// A message as the gate frames it.
fn written(message: &Bytes, id: &str) -> Vec<u8> {
    [ID.as_bytes(), id.as_bytes(), b"\n", BEFORE, &flatten(message), AFTER].concat()
}

fn shown(events: &[Event]) -> Vec<(&str, &str, &str)> {
    events.iter().map(|event| (&*event.name, std::str::from_utf8(&event.data).unwrap(), &*event.id)).collect()
}

#[test]
fn reads_the_standards_examples() {
    for (stream, expected) in [
        ("data: YHOO\ndata: +2\ndata: 10\n\n", vec![("message", "YHOO\n+2\n10", "")]),
        (
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            vec![("message", "first event", "1"), ("message", "second event", ""), ("message", " third event", "")],
        ),
        ("data\n\ndata\ndata\n\ndata:", vec![("message", "", ""), ("message", "\n", "")]),
        ("data:test\n\ndata: test\n\n", vec![("message", "test", ""), ("message", "test", "")]),
        (
            "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
            vec![("add", "73857293", ""), ("remove", "2153", "")],
        ),
    ] {
        assert_eq!(shown(&decode(stream.as_bytes())), expected, "{stream:?}");
    }
}

#[test]
fn goes_on_after_the_last_whole_event_on_another_connection() {
    let mut decoder = Decoder::new(100);
    let mut events = Vec::new();
    decoder.push(b"retry: 1500\nid: 7\ndata: a\n\nretry: x\nid: 8\ndata: cut", &mut events).unwrap();
    assert_eq!((decoder.last_event_id(), decoder.retry()), ("7", Some(Duration::from_millis(1500))));
    decoder.reconnected();
    decoder.push(b" off\n\ndata: b\n\n", &mut events).unwrap();
    assert_eq!(shown(&events), [("message", "a", "7"), ("message", "b", "7")]);
    assert_eq!((decoder.last_event_id(), decoder.retry()), ("7", Some(Duration::from_millis(1500))));
}

#[test]
fn reads_every_line_end_and_what_stands_between() {
    for (stream, expected) in [
        (
            "\u{feff}data: a\r\rdata: b\r\n\r\ndata: c\n\n",
            vec![("message", "a", ""), ("message", "b", ""), ("message", "c", "")],
        ),
        ("data: a\r\ndata: b\n\rdata: c\r\r", vec![("message", "a\nb", ""), ("message", "c", "")]),
        // A byte order mark is one only at the start of the stream.
        ("\n\u{feff}data: a\n\ndata: b\n\n", vec![("message", "b", "")]),
        ("event: x\n\ndata: a\n\n", vec![("message", "a", "")]),
        ("id: 1\n\ndata: a\n\n", vec![("message", "a", "1")]),
        ("id: 1\0\ndata: a\n\n", vec![("message", "a", "")]),
        ("Data: a\nretry: x\nunknown: y\ndata: b\n\n", vec![("message", "b", "")]),
        ("data: never complete\n", vec![]),
        ("data: \u{2028}\u{85}\n\n", vec![("message", "\u{2028}\u{85}", "")]),
    ] {
        assert_eq!(shown(&decode(stream.as_bytes())), expected, "{stream:?}");
    }
}

#[test]
fn remembers_where_to_resume() {
    let mut decoder = Decoder::new(LIMIT);
    let mut events = Vec::new();
    decoder.push(b"retry: 1500\nid: 7\ndata:\n\n", &mut events).unwrap();
    assert_eq!(decoder.last_event_id(), "7");
    assert_eq!(shown(&events), [("message", "", "7")]);
    // The event is not complete, so the stream cannot be resumed after it.
    decoder.push(b"id: 8\ndata: x\n", &mut events).unwrap();
    assert_eq!(decoder.last_event_id(), "7");
    decoder.push(b"\n", &mut events).unwrap();
    assert_eq!(decoder.last_event_id(), "8");
}

#[test]
fn refuses_what_is_too_long_and_stays_refused() {
    for stream in [
        format!("data: {}\n\n", "x".repeat(100)),
        "data: xxxxxxxxxx\n".repeat(11),
        "data\n".repeat(102),
        format!(":{}", "x".repeat(100)),
        format!("event: {}", "x".repeat(100)),
        "x".repeat(101),
    ] {
        for size in [1, 7, stream.len()] {
            let mut decoder = Decoder::new(100);
            let mut events = Vec::new();
            let result = stream.as_bytes().chunks(size).try_for_each(|piece| decoder.push(piece, &mut events));
            assert_eq!(result, Err(SseError::TooLong { limit: 100 }), "{stream} by {size}");
            assert_eq!(decoder.push(b"\n\ndata: y\n\n", &mut events), result);
            assert!(events.is_empty());
        }
    }
    let fits = format!("data: {}\n\n", "x".repeat(94));
    let mut events = Vec::new();
    Decoder::new(100).push(fits.as_bytes(), &mut events).unwrap();
    assert_eq!(events.len(), 1);
}

#[test]
fn refuses_ids_that_are_no_text_or_too_long() {
    for stream in [b"id: \xFF\n".as_slice(), b"event: \xC0\xAF\n"] {
        assert_eq!(Decoder::new(LIMIT).push(stream, &mut Vec::new()), Err(SseError::InvalidUtf8));
    }
    let long = format!("id: {}\n", "x".repeat(MAX_EVENT_ID_BYTES + 1));
    let error = SseError::TooLong { limit: MAX_EVENT_ID_BYTES };
    assert_eq!(Decoder::new(LIMIT).push(long.as_bytes(), &mut Vec::new()), Err(error));
    // Data is a message, and whoever parses it refuses it.
    assert_eq!(decode(b"data: \xFF\n\n").len(), 1);
}

#[test]
fn a_message_stays_in_its_frame() {
    let message = Bytes::from_static(b"{\r\n\"a\":\n\r1,\"b\":\"\\n\"}");
    assert_eq!(flatten(&message), "{  \"a\":  1,\"b\":\"\\n\"}");
    let nested = Bytes::from_static(b"{\"a\":1,\n\ndata: {\"jsonrpc\":\"2.0\"}\n\n\"b\":2}");
    assert_eq!(decode(&written(&nested, "5")).len(), 1);
    let plain = Bytes::from_static(b"{}");
    assert_eq!(flatten(&plain).as_ptr(), plain.as_ptr(), "not copied");
}

proptest! {
    #[test]
    fn cutting_the_stream_changes_nothing(
        stream in "\u{feff}?((data|id|event|retry|x|)(: ?[a-z0-9é]{0,6})?(\r\n|\n|\r|\n\n|\r\n\r\n|\r\r)){0,12}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)
    ) {
        let stream = stream.as_bytes();
        let mut whole = Decoder::new(24);
        let mut expected = Vec::new();
        let result = whole.push(stream, &mut expected).and_then(|()| whole.push(b"", &mut expected));

        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.push(stream.len());
        places.sort_unstable();
        let mut decoder = Decoder::new(24);
        let (mut events, mut from) = (Vec::new(), 0);
        let mut cut_result = Ok(());
        for to in places {
            cut_result = cut_result.and(decoder.push(&stream[from..to], &mut events));
            from = to;
        }
        cut_result = cut_result.and_then(|()| decoder.push(b"", &mut events));
        prop_assert_eq!(&events, &expected);
        prop_assert_eq!(cut_result, result);
        prop_assert_eq!(decoder.last_event_id(), whole.last_event_id());

        let mut single = Decoder::new(24);
        let mut events = Vec::new();
        let mut one_by_one = Ok(());
        for byte in stream {
            one_by_one = one_by_one.and_then(|()| single.push(&[*byte], &mut events));
        }
        prop_assert_eq!(one_by_one.and_then(|()| single.push(b"", &mut events)), result);
        prop_assert_eq!(&events, &expected);
    }

    #[test]
    fn what_is_written_is_read(message in any::<Vec<u8>>(), id in "[ -~]{0,9}") {
        let message = Bytes::from(message);
        let events = decode(&written(&message, &id));
        prop_assert_eq!(events, vec![Event { name: "message".into(), data: flatten(&message), id: id.into() }]);
    }

    #[test]
    fn flattening_keeps_the_meaning(value in "[a-z\r\n\"\\\\]{0,20}", space in "[ \r\n\t]{0,4}") {
        let value = serde_json::json!({ "a": [value, 1], "b": null });
        let text = serde_json::to_string_pretty(&value).unwrap().replace(':', &format!("{space}:{space}"));
        let flat = flatten(&Bytes::from(text.clone()));
        prop_assert_eq!(flat.len(), text.len());
        prop_assert!(!flat.contains(&b'\n') && !flat.contains(&b'\r'));
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&flat).unwrap(), value);
    }
}
