//! `vidimus sessions`: lists, events and recordings, as the running gateway shows them.
//!
//! What was recorded came from callers and targets: everything is escaped before it reaches the terminal. `--json`
//! prints the gateway's answer as it is.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;
use vidimus_gate::Selection;
use vidimus_store::{MAX_SESSIONS, SessionFilter};

use crate::api::{self, EventEntry, Recording, SessionDetail, SessionList, SessionSummary};
use crate::cli::{OneSession, Sessions};
use crate::output::{self, Table, printable, to_milliseconds, to_seconds};
use crate::{client, exports, replay};

/// Runs one of the commands.
pub(crate) async fn run(command: Sessions, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Sessions::List { gateway, filter, output } => {
            let path = format!("{}?{}", api::SESSIONS, api::to_query(&filter.into()));
            let list: SessionList = client::get(&gateway.places()?.1, &path).await?;
            if output.json { output::json(out, &list)? } else { write_list(&list, out)? }
        }
        Sessions::Show { session: OneSession { session, gateway, output }, with_targets } => {
            let socket = gateway.places()?.1;
            let detail = fetched(&socket, &session).await?;
            if with_targets {
                let all = with_those_at_targets(&socket, detail).await?;
                if output.json { output::json(out, &all)? } else { write_detail(&together(all)?, out)? }
            } else if output.json {
                output::json(out, &detail)?;
            } else {
                write_detail(&detail, out)?;
            }
        }
        Sessions::Replay(OneSession { session, gateway, output }) => {
            let path = format!("{}/{}/{}", api::SESSIONS, api::encode(&session), api::RECORDING);
            let recording: Recording = client::get(&gateway.places()?.1, &path).await?;
            if output.json { output::json(out, &recording)? } else { write_recording(&recording, out)? }
        }
        Sessions::Export { session, options } => {
            exports::run(Selection::Session(session), &options, out).await?;
        }
    }
    Ok(())
}

async fn fetched(socket: &Path, session: &str) -> anyhow::Result<SessionDetail> {
    Ok(client::get(socket, &format!("{}/{}", api::SESSIONS, api::encode(session))).await?)
}

/// A session, those that were opened for it, and those that were opened for them in turn.
async fn with_those_at_targets(socket: &Path, session: SessionDetail) -> anyhow::Result<Vec<SessionDetail>> {
    let mut all = vec![session];
    let mut asked = 0;
    // Nobody opens a session for one that comes after it, so there is an end.
    while let Some(session) = all.get(asked) {
        let parent = Some(session.session.id.parse()?);
        let filter = SessionFilter { parent, limit: MAX_SESSIONS, ..SessionFilter::default() };
        let list: SessionList = client::get(socket, &format!("{}?{}", api::SESSIONS, api::to_query(&filter))).await?;
        for row in list.sessions {
            all.push(fetched(socket, &row.id).await?);
        }
        asked += 1;
    }
    Ok(all)
}

/// Sessions as one, named as the first, with the events of all in the order of the log.
fn together(sessions: Vec<SessionDetail>) -> anyhow::Result<SessionDetail> {
    let mut sessions = sessions.into_iter();
    let mut first = sessions.next().context("no session")?;
    for SessionDetail { session, events } in sessions {
        first.session.events += session.events;
        first.session.operations += session.operations;
        first.session.denied += session.denied;
        first.events.extend(events);
    }
    first.events.sort_by_key(|entry| entry.index);
    // As the gateway's own session does, it tells of many targets.
    first.session.target = None;
    Ok(first)
}

fn write_list(list: &SessionList, out: &mut impl Write) -> io::Result<()> {
    if list.sessions.is_empty() {
        return writeln!(out, "no sessions");
    }
    // Few are opened for another one.
    let has_parents = list.sessions.iter().any(|session| session.parent.is_some());
    let mut heading = vec!["SESSION", "OPENED", "WHO", "TARGET", "OPERATIONS", "DENIED", "STATE"];
    heading.extend(has_parents.then_some("OPENED FOR"));
    let mut table = Table::new(&heading);
    for session in &list.sessions {
        let (operations, denied) = (session.operations.to_string(), session.denied.to_string());
        let (who, state) = (who(session), state(session));
        let target = session.target.as_deref().unwrap_or("(control)");
        let mut row = vec![&*session.id, to_seconds(&session.opened), &who, target, &operations, &denied, &state];
        row.extend(has_parents.then(|| session.parent.as_deref().unwrap_or("-")));
        table.row(row);
    }
    table.write(out)?;
    match &list.next {
        Some(next) => writeln!(out, "older ones: --after {}", printable(next)),
        None => Ok(()),
    }
}

/// Shows a session and its events.
pub(crate) fn write_detail(detail: &SessionDetail, out: &mut impl Write) -> io::Result<()> {
    write_head(&detail.session, out)?;
    // A client's session is one principal's, on one target; the gateway's own tells of many.
    let is_control = detail.session.target.is_none();
    let mut heading = vec!["SEQ", "TIME", "TYPE"];
    heading.extend(is_control.then_some("WHO"));
    heading.extend(["WHAT", "RESULT", "POLICIES", "EVENT"]);
    let mut table = Table::new(&heading);
    for EventEntry { event, .. } in &detail.events {
        // The gateway sends what is in the log; what is no event of this version still shows as a row.
        let event: Value = serde_json::from_str(event.get()).unwrap_or_default();
        table.row(event_row(&event, is_control));
    }
    table.write(out)?;
    match detail.unsigned() {
        0 => Ok(()),
        count => writeln!(out, "\n{count} more will show when the next checkpoint is signed, within about a second"),
    }
}

fn event_row(event: &Value, is_control: bool) -> Vec<String> {
    let text = |pointer: &str| match event.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let joined = |parts: &[&str]| {
        let parts: Vec<String> = parts.iter().map(|part| text(part)).filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    };
    let policies: Vec<&str> = event
        .pointer("/decision/policies")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut parts = vec!["/operation/action"];
    parts.extend(is_control.then_some("/target"));
    parts.extend(["/operation/object", "/limit/name", "/read/what", "/read/session"]);
    let what = match event.pointer("/address").and_then(Value::as_str) {
        Some(address) => format!("from {address}"),
        None => joined(&parts),
    };
    let mut result = joined(&["/decision/effect", "/decision/reason", "/outcome/status", "/limit/reason", "/reason"]);
    for (word, places) in [("masked", ["/masked", "/outcome/masked"]), ("revealed", ["/revealed", "/outcome/revealed"])]
    {
        let counts = places.into_iter().find_map(|place| event.pointer(place)).and_then(Value::as_object);
        let counts = counts.into_iter().flatten().map(|(class, count)| format!("{class} {count}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        if !counts.is_empty() {
            result = format!("{result}, {word} {counts}");
        }
    }
    // One event stands for as many failures as it counts, and for the lines it leaves out.
    let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64);
    let count = number("/limit/count").or_else(|| number("/count").filter(|_| text("/type") == "auth.failed"));
    let result = match (count, number("/left_out")) {
        (Some(count @ 2..), _) => format!("{result} ({count} times)"),
        (_, Some(lines @ 1..)) => format!("{lines} lines left out{result}"),
        _ => result,
    };
    let mut row = vec![text("/seq"), to_milliseconds(&text("/time")).to_owned(), text("/type")];
    row.extend(is_control.then(|| text("/who")));
    row.extend([what, result, policies.join(" "), text("/id")]);
    row
}

fn write_recording(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    write_head(&recording.session, out)?;
    replay::write(recording, out)
}

fn write_head(session: &SessionSummary, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["session", &session.id]);
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    let rows = [
        ("who", optional(&session.who)),
        ("name", optional(&session.display)),
        ("target", optional(&session.target)),
        ("opened for", optional(&session.parent)),
        ("client (claimed)", optional(&session.client)),
        ("opened", session.opened.clone()),
        ("closed", optional(&session.closed)),
        ("reason", optional(&session.reason)),
        ("durability", optional(&session.durability)),
        ("record", optional(&session.record)),
        ("events", session.events.to_string()),
        ("operations", format!("{}, {} denied", session.operations, session.denied)),
    ];
    for (key, value) in rows {
        if !value.is_empty() {
            table.row([key, &value]);
        }
    }
    table.write(out)?;
    writeln!(out)
}

/// `corp|8f2c (Alice)`: the id, which `--who` takes, and the name.
fn who(session: &SessionSummary) -> String {
    match (&session.who, &session.display) {
        (Some(who), Some(name)) => format!("{who} ({name})"),
        (who, _) => who.clone().unwrap_or_default(),
    }
}

fn state(session: &SessionSummary) -> String {
    match (&session.closed, &session.reason) {
        (None, _) => "open".to_owned(),
        (Some(_), Some(reason)) => format!("closed ({reason})"),
        (Some(_), None) => "closed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Direction, FrameBody, RecordingFrame};

    fn summary() -> SessionSummary {
        SessionSummary {
            id: "0199a1b2-0000-7000-8000-000000000001".into(),
            opened: "2026-11-20T23:47:40.123456789Z".into(),
            closed: Some("2026-11-20T23:48:00.000000000Z".into()),
            reason: Some("client".into()),
            who: Some("demo|alice".into()),
            display: Some("alice\u{1b}[31m@example.com".into()),
            target: Some("crm".into()),
            protocol: Some("mcp".into()),
            durability: Some("strict".into()),
            record: Some("masked".into()),
            client: Some("claude 1.0".into()),
            events: 4,
            operations: 2,
            denied: 1,
            parent: None,
        }
    }

    fn shown(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
        text
    }

    #[test]
    fn a_list_shows_who_did_how_much_on_what() {
        let open = SessionSummary { closed: None, display: None, ..summary() };
        let control = SessionSummary { who: None, target: None, display: None, reason: None, ..summary() };
        insta::assert_snapshot!(shown(|out| write_list(
            &SessionList { sessions: vec![summary(), open, control], next: None },
            out
        )));
        assert_eq!(shown(|out| write_list(&SessionList { sessions: vec![], next: None }, out)), "no sessions\n");
        let page = SessionList { sessions: vec![summary()], next: Some("0199\u{1b}".into()) };
        assert!(shown(|out| write_list(&page, out)).ends_with("older ones: --after 0199\\u{1b}\n"));
    }

    #[test]
    fn a_session_shows_its_events() {
        let event = |text: &str| EventEntry { index: 9, event: serde_json::from_str(text).unwrap() };
        let events = vec![
            event(
                r#"{"decision":{"effect":"allow","policies":["crm-connect"]},"id":"e0","seq":0,"time":"2026-11-20T23:47:40.123456789Z","type":"session.opened"}"#,
            ),
            event(
                r#"{"decision":{"effect":"deny","policies":["a","b"]},"id":"e1","operation":{"action":"crm/refund"},"seq":1,"time":"2026-11-20T23:47:41.000000000Z","type":"operation.denied"}"#,
            ),
            event(
                r#"{"id":"e2","operation":{"action":"resources/read","object":"file:///x\u001b[2J"},"outcome":{"status":"ok"},"seq":2,"time":"t","type":"operation.outcome"}"#,
            ),
            event(
                r#"{"id":"e3","left_out":7,"masked":{"EMAIL_ADDRESS":1},"seq":3,"time":"t","type":"program.logged"}"#,
            ),
            event(r#""strange""#),
        ];
        let mut detail = SessionDetail { session: SessionSummary { events: 5, ..summary() }, events };
        insta::assert_snapshot!(shown(|out| write_detail(&detail, out)));
        detail.events.pop();
        assert!(shown(|out| write_detail(&detail, out)).contains("\n1 more will show"));
    }

    #[test]
    fn a_session_with_those_at_targets_shows_what_happened_where_in_order() {
        let event = |index: u64, text: &str| EventEntry { index, event: serde_json::from_str(text).unwrap() };
        let of = |target: &str, events: Vec<EventEntry>| SessionDetail {
            session: SessionSummary { target: Some(target.into()), events: events.len() as u64, ..summary() },
            events,
        };
        let listed = r#"{"id":"e0","operation":{"action":"tools/list"},"seq":1,"target":"federation","time":"t","type":"operation.admitted"}"#;
        let called = r#"{"id":"e1","operation":{"action":"crm/find"},"seq":1,"target":"crm","time":"t","type":"operation.admitted"}"#;
        let ended = r#"{"id":"e2","operation":{"action":"tools/list"},"outcome":{"status":"ok"},"seq":2,"target":"federation","time":"t","type":"operation.outcome"}"#;
        let endpoint = of("federation", vec![event(3, listed), event(9, ended)]);
        let all = together(vec![endpoint, of("crm", vec![event(5, called)])]).unwrap();
        let text = shown(|out| write_detail(&all, out));
        let places: Vec<_> = ["e0", "e1", "e2"].into_iter().map(|id| text.find(id).unwrap()).collect();
        assert!(places.is_sorted() && text.contains("crm/find crm") && !text.contains("more will show"), "{text}");
    }

    #[test]
    fn the_gateways_own_session_shows_whom_each_event_concerns() {
        let event = |text: &str| EventEntry { index: 9, event: serde_json::from_str(text).unwrap() };
        let events = vec![
            event(r#"{"id":"e0","seq":0,"time":"t","type":"log.started"}"#),
            event(
                r#"{"address":"192.0.2.7","count":1,"id":"e1","reason":"missing","seq":1,"time":"t","type":"auth.failed"}"#,
            ),
            event(
                r#"{"address":"others","count":4990,"id":"e2","reason":"signature","seq":2,"time":"t","type":"auth.failed"}"#,
            ),
            event(
                r#"{"decision":{"effect":"deny","policies":[]},"id":"e3","operation":{"action":"connect"},"seq":3,"target":"crm","time":"t","type":"operation.denied","who":"demo|carol"}"#,
            ),
            event(
                r#"{"id":"e4","read":{"session":"0199a1b2-0000-7000-8000-000000000001","what":"session"},"seq":4,"time":"t","type":"recording.viewed","who":"local|0"}"#,
            ),
            event(
                r#"{"id":"e5","limit":{"count":412,"name":"agents","reason":"rate"},"seq":5,"target":"crm","time":"t","type":"limit.exceeded","who":"corp|ci"}"#,
            ),
        ];
        let session = SessionSummary { who: None, target: None, display: None, client: None, events: 6, ..summary() };
        insta::assert_snapshot!(shown(|out| write_detail(&SessionDetail { session, events }, out)));
    }

    #[test]
    fn a_replay_shows_payloads_in_order() {
        let frame = |direction, body| RecordingFrame {
            seq: 1,
            operation: Some("crm/get_customer".into()),
            direction,
            time: "2026-11-20T23:47:41.000000001Z".into(),
            bytes: 7,
            body,
        };
        let frames = vec![
            frame(Direction::Request, Some(FrameBody::Text(r#"{"id":7,"b":"\u001b[31m","a":"x"}"#.into()))),
            frame(Direction::Chunk, Some(FrameBody::Text("plain\r\n\u{1b}]0;x\u{7}".into()))),
            frame(Direction::Chunk, Some(FrameBody::Base64("/wA=".into()))),
            frame(Direction::Response, None),
            RecordingFrame {
                operation: None,
                ..frame(Direction::Log, Some(FrameBody::Text("no such table\n".into())))
            },
        ];
        insta::assert_snapshot!(shown(|out| write_recording(
            &Recording { session: summary(), frames, ends: vec![] },
            out
        )));
        let nothing =
            shown(|out| write_recording(&Recording { session: summary(), frames: vec![], ends: vec![] }, out));
        assert!(nothing.ends_with("nothing was recorded\n"));
    }
}
