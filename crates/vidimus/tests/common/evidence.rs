//! What the gateway recorded, read as its command line reads it: over the socket in the data directory.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Gateway;

/// How long evidence may take from the journal to the index.
const LIMIT: Duration = Duration::from_secs(20);

impl Gateway {
    /// The answer of the socket's API to `GET path`.
    pub(crate) fn api(&self, path: &str) -> Value {
        let mut stream = UnixStream::connect(self.data().join("vidimus.sock")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "GET {path}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    /// The ids of all sessions, the gateway's own and its control sessions among them, after all that has happened
    /// so far is in the index.
    pub(crate) fn sessions(&self) -> Vec<String> {
        let appended = self.api("/v1/log/status")["appended"].as_u64().unwrap();
        let limit = Instant::now() + LIMIT;
        while self.api("/v1/log/status")["integrated"].as_u64().unwrap() < appended {
            assert!(Instant::now() < limit, "the log is not integrated:\n{}", self.process.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        let list = self.api("/v1/sessions?control=true&limit=10000");
        list["sessions"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    /// All events, in the order of the log.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut entries: Vec<Value> = self
            .sessions()
            .iter()
            .flat_map(|id| self.api(&format!("/v1/sessions/{id}"))["events"].as_array().unwrap().clone())
            .collect();
        entries.sort_by_key(|entry| entry["index"].as_u64());
        entries.into_iter().map(|mut entry| entry["event"].take()).collect()
    }

    /// All events, as soon as one of them is as `wanted`.
    pub(crate) fn events_once(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let limit = Instant::now() + LIMIT;
        loop {
            let events = self.events();
            if events.iter().any(&wanted) {
                return events;
            }
            assert!(Instant::now() < limit, "no such event among {events:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The frames of a session's recording; opening it checks every commitment.
    pub(crate) fn recording(&self, session: &str) -> Vec<Value> {
        self.api(&format!("/v1/sessions/{session}/recording"))["frames"].as_array().unwrap().clone()
    }
}

/// Events of one type.
pub(crate) fn of_type<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == name).collect()
}

/// The outcome of the last operation with this action.
pub(crate) fn outcome<'a>(events: &'a [Value], action: &str) -> Option<&'a str> {
    let mut outcomes = of_type(events, "operation.outcome").into_iter().rev();
    outcomes.find(|event| event["operation"]["action"] == action)?["outcome"]["status"].as_str()
}
