//! What each header may be, and that a second one is refused.

use http::HeaderValue;

use super::*;

fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn a_session_id_is_visible_and_alone() {
    assert_eq!(session_id(&headers(&[])), Ok(None));
    assert_eq!(session_id(&headers(&[(SESSION_ID, "0193-a!~")])), Ok(Some("0193-a!~")));
    for bad in ["", "a b", "a\tb"] {
        assert!(session_id(&headers(&[(SESSION_ID, bad)])).is_err(), "{bad}");
    }
    let mut odd = HeaderMap::new();
    odd.insert(SESSION_ID, HeaderValue::from_bytes(b"a\xE9").unwrap());
    assert!(session_id(&odd).is_err());
    assert!(session_id(&headers(&[(SESSION_ID, "a"), (SESSION_ID, "a")])).is_err());
    for (length, fits) in [(MAX_SESSION_ID_BYTES, true), (MAX_SESSION_ID_BYTES + 1, false)] {
        let mut long = HeaderMap::new();
        long.insert(SESSION_ID, "x".repeat(length).parse().unwrap());
        assert_eq!(session_id(&long).is_ok(), fits);
    }
}

#[test]
fn a_revision_is_one_that_is_spoken_and_agreed_on() {
    assert_eq!(protocol_version(&headers(&[])), Ok(None));
    let named = headers(&[(PROTOCOL_VERSION, "2025-06-18")]);
    assert_eq!(protocol_version(&named), Ok(Some(Revision::V2025_06_18)));
    assert_eq!(check_revision(&named, Revision::V2025_06_18), Ok(()));
    assert_eq!(check_revision(&named, Revision::V2025_11_25), Err(HeaderError::OtherRevision));
    assert_eq!(check_revision(&headers(&[]), Revision::V2025_11_25), Ok(()));
    for bad in ["2024-10-07", "2026-07-28", "x", ""] {
        assert!(protocol_version(&headers(&[(PROTOCOL_VERSION, bad)])).is_err(), "{bad}");
    }
    let twice = headers(&[(PROTOCOL_VERSION, "2025-06-18"), (PROTOCOL_VERSION, "2025-11-25")]);
    assert!(check_revision(&twice, Revision::V2025_06_18).is_err());
}

#[test]
fn a_body_is_json_as_it_stands() {
    for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"; x=y"] {
        assert!(is_json(&headers(&[(CONTENT_TYPE, good)])), "{good}");
    }
    for bad in [
        "text/plain",
        "application/json-rpc",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "",
    ] {
        assert!(!is_json(&headers(&[(CONTENT_TYPE, bad)])), "{bad}");
    }
    assert!(!is_json(&headers(&[])));
    assert!(!is_json(&headers(&[(CONTENT_TYPE, JSON), (CONTENT_TYPE, "text/plain")])));
    assert!(!is_json(&headers(&[(CONTENT_TYPE, JSON), (CONTENT_ENCODING, "gzip")])));
    assert!(is_event_stream(&headers(&[(CONTENT_TYPE, "text/event-stream; charset=utf-8")])));
    assert!(!is_event_stream(&headers(&[(CONTENT_TYPE, JSON)])));
    assert!(!is_event_stream(&headers(&[(CONTENT_TYPE, EVENT_STREAM), (CONTENT_ENCODING, "br")])));
}

#[test]
fn a_caller_says_what_it_takes() {
    for (accept, json, stream) in [
        ("application/json, text/event-stream", true, true),
        ("APPLICATION/JSON", true, false),
        ("*/*", true, true),
        ("text/*;q=0.5", false, true),
        ("application/json;q=0, text/event-stream;q=0.000, text/html", false, false),
        ("text/html", false, false),
        ("application/jsonl", false, false),
        ("", false, false),
    ] {
        let headers = headers(&[(ACCEPT, accept)]);
        assert_eq!((accepts(&headers, JSON), accepts(&headers, EVENT_STREAM)), (json, stream), "{accept}");
    }
    assert!(accepts(&headers(&[]), JSON));
    let two = headers(&[(ACCEPT, "application/json"), (ACCEPT, "text/event-stream")]);
    assert!(accepts(&two, JSON) && accepts(&two, EVENT_STREAM));
}
