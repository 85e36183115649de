//! One pipe taken apart into streams. The program is `cat`: what is posted is what the server says.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body as _;
use tokio::time::timeout;
use vidimus_core::json::Limits;
use vidimus_stdio::{Answer, Beginning, Endpoint, Pool, PoolLimits};

use crate::sandbox::{LIMIT, Sandbox, kept, until};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":0,"result":{}}"#;
const LONG: Duration = Duration::from_mins(5);

struct World {
    endpoint: Endpoint,
    pool: Pool,
    /// What servers that were started wrote to their standard error.
    log: Arc<Mutex<String>>,
    _sandbox: Sandbox,
}

impl World {
    fn new(command: &[&str], idle: Duration) -> Self {
        let sandbox = Sandbox::new();
        let pool = Pool::new(PoolLimits::default());
        let launch = sandbox.launch(sandbox.confinement(command));
        let endpoint = Endpoint::new("t".to_owned(), launch, pool.clone(), Limits::default(), idle);
        Self { endpoint, pool, log: Arc::default(), _sandbox: sandbox }
    }

    async fn send(&self, method: Method, session: Option<&str>, message: &str) -> Response<Answer> {
        let mut head = HeaderMap::new();
        if let Some(session) = session {
            head.insert("mcp-session-id", session.parse().unwrap());
        }
        let message = Bytes::copy_from_slice(message.as_bytes());
        let sent = self.endpoint.send(method, &head, message, || Beginning {
            log: kept(&self.log),
            owner: "alice".into(),
            variables: Vec::new(),
        });
        timeout(LIMIT, sent).await.expect("no answer").unwrap()
    }

    /// Posts what asks for nothing.
    async fn says(&self, session: &str, message: &str) {
        assert_eq!(self.send(Method::POST, Some(session), message).await.status(), StatusCode::ACCEPTED, "{message}");
    }

    async fn asks(&self, session: &str, message: &str) -> Response<Answer> {
        let answer = self.send(Method::POST, Some(session), message).await;
        assert_eq!(answer.status(), StatusCode::OK, "{message}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        answer
    }

    /// A session whose handshake is over.
    async fn session(&self) -> String {
        let mut answer = self.send(Method::POST, None, INITIALIZE).await;
        let id = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        assert_eq!(next(&mut answer).await.as_deref(), Some(INITIALIZE));
        self.says(&id, INITIALIZED).await;
        assert_eq!(next(&mut answer).await.as_deref(), Some(INITIALIZED));
        assert_eq!(next(&mut answer).await, None);
        id
    }
}

/// The message of the next event.
async fn next(answer: &mut Response<Answer>) -> Option<String> {
    let frame = timeout(LIMIT, poll_fn(|context| Pin::new(&mut *answer.body_mut()).poll_frame(context)));
    let data = frame.await.expect("nothing came")?.unwrap().into_data().unwrap();
    let event = String::from_utf8(data.to_vec()).unwrap();
    Some(event.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap().to_owned())
}

fn call(id: &str, token: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"_meta":{{"progressToken":{token}}}}}}}"#)
}

#[tokio::test]
async fn each_message_finds_the_stream_it_belongs_to() {
    let world = World::new(&["cat"], LONG);
    let session = world.session().await;
    // `cat` says a request again, so it comes as one of the server's, on the stream of the latest.
    let (one, two) = (call("1", "\"1\""), call("\"1\"", "1"));
    let mut first = world.asks(&session, &one).await;
    assert_eq!(next(&mut first).await.as_deref(), Some(&*one));
    let mut second = world.asks(&session, &two).await;
    assert_eq!(next(&mut second).await.as_deref(), Some(&*two));

    let progress = |token: &str| {
        let params = format!(r#"{{"progressToken":{token},"progress":1}}"#);
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#)
    };
    // A text and a number are different tokens, and different ids.
    world.says(&session, &progress("\"1\"")).await;
    world.says(&session, &progress("1")).await;
    assert_eq!(next(&mut first).await, Some(progress("\"1\"")));
    assert_eq!(next(&mut second).await, Some(progress("1")));

    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    world.says(&session, log).await;
    assert_eq!(next(&mut second).await.as_deref(), Some(log));
    // A response to nothing goes nowhere; the others end their streams, in any order.
    world.says(&session, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).await;
    let last = r#"{"jsonrpc":"2.0","id":"1","result":{}}"#;
    world.says(&session, last).await;
    assert_eq!((next(&mut second).await.as_deref(), next(&mut second).await), (Some(last), None));
    world.says(&session, log).await;
    assert_eq!(next(&mut first).await.as_deref(), Some(log));
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#;
    world.says(&session, error).await;
    assert_eq!((next(&mut first).await.as_deref(), next(&mut first).await), (Some(error), None));
}

#[tokio::test]
async fn what_belongs_to_no_request_waits_for_a_listener() {
    let world = World::new(&["cat"], LONG);
    let session = world.session().await;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    world.says(&session, changed).await;
    // A change does not go to a request, even when one runs.
    let request = call("1", "1");
    let mut running = world.asks(&session, &request).await;
    assert_eq!(next(&mut running).await.as_deref(), Some(&*request));
    world.says(&session, changed).await;

    let mut listening = world.send(Method::GET, Some(&session), "").await;
    assert_eq!(next(&mut listening).await.as_deref(), Some(changed));
    assert_eq!(next(&mut listening).await.as_deref(), Some(changed));
    assert_eq!(world.send(Method::GET, Some(&session), "").await.status(), StatusCode::CONFLICT);
    drop(listening);
    assert_eq!(world.send(Method::GET, Some(&session), "").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_session_is_a_program_of_its_own_and_ends_it() {
    let world = World::new(&["cat"], LONG);
    let (one, two) = (world.session().await, world.session().await);
    assert_ne!(one, two);
    assert_eq!(world.pool.state().running, 2);
    let _running = world.asks(&one, &call("5", "5")).await;
    assert_eq!(world.send(Method::POST, Some(&one), &call("5", "5")).await.status(), StatusCode::CONFLICT);
    let _other = world.asks(&two, &call("5", "5")).await;

    assert_eq!(world.send(Method::DELETE, Some(&one), "").await.status(), StatusCode::OK);
    until("the end", || world.pool.state().running == 1).await;
    for session in [one.as_str(), "77", "no-number"] {
        assert_eq!(world.send(Method::POST, Some(session), INITIALIZED).await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(world.send(Method::POST, None, INITIALIZED).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(world.send(Method::POST, None, "{").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_late_answer_is_not_taken_for_that_of_another_request() {
    let world = World::new(&["cat"], LONG);
    let session = world.session().await;
    drop(world.asks(&session, &call("5", "5")).await);
    // Nobody waits any more, and the server has not answered.
    assert_eq!(world.send(Method::POST, Some(&session), &call("5", "6")).await.status(), StatusCode::CONFLICT);
    world.says(&session, r#"{"jsonrpc":"2.0","id":5,"result":{}}"#).await;
    let mut taken = world.send(Method::POST, Some(&session), &call("5", "7")).await;
    let limit = tokio::time::Instant::now() + LIMIT;
    while taken.status() == StatusCode::CONFLICT && tokio::time::Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(10)).await;
        taken = world.send(Method::POST, Some(&session), &call("5", "7")).await;
    }
    assert_eq!(taken.status(), StatusCode::OK);

    // Nor is progress lost on a request that was given up, when a later one has its token.
    drop(world.asks(&session, &call("8", "8")).await);
    let request = call("9", "8");
    let mut later = world.asks(&session, &request).await;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":8,"progress":1}}"#;
    world.says(&session, progress).await;
    while let Some(message) = next(&mut later).await {
        if message == progress {
            return;
        }
    }
    panic!("the stream ended without the progress");
}

#[tokio::test]
async fn a_program_that_ends_ends_its_streams_and_its_session() {
    let world = World::new(&["sh", "-c", "read -r line; echo no message; echo \"$line\""], LONG);
    let mut answer = world.send(Method::POST, None, INITIALIZE).await;
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    // What is no message is not passed on.
    assert_eq!((next(&mut answer).await.as_deref(), next(&mut answer).await), (Some(INITIALIZE), None));
    until("the end", || world.pool.state().running == 0).await;
    assert_eq!(world.send(Method::POST, Some(&session), INITIALIZED).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_program_nobody_uses_is_ended_but_not_while_somebody_waits() {
    let world = World::new(&["cat"], Duration::from_millis(300));
    let session = world.session().await;
    let request = call("1", "1");
    let mut running = world.asks(&session, &request).await;
    assert_eq!(next(&mut running).await.as_deref(), Some(&*request));
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(world.pool.state().running, 1);
    drop(running);
    until("the end", || world.pool.state().running == 0).await;
}

#[tokio::test]
async fn why_a_server_ended_is_in_its_log_before_the_answer_ends() {
    let world = World::new(&["sh", "-c", "read line; exec 1>&-; echo last words >&2"], LONG);
    let mut answer = world.send(Method::POST, None, INITIALIZE).await;
    assert_eq!(next(&mut answer).await, None);
    // What is in the sink by then is taken a moment later.
    until("its log", || *world.log.lock().unwrap() == "last words\n").await;
}

/// Answers what it is first sent, then goes on with the rest of the script.
fn answering(script: &str) -> String {
    format!("import sys, time\nsys.stdin.readline()\nprint('{INITIALIZED}', flush=True)\n{script}")
}

#[tokio::test]
async fn what_nobody_hears_is_bounded_in_bytes() {
    let script = answering(
        "change = '{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":\"%s\"}}'\n\
         for number in range(40): print(change % ('x' * (1 << 16)), flush=True)\n\
         print(change % 'last', flush=True)\n\
         print('all', file=sys.stderr, flush=True)\nsys.stdin.read()",
    );
    let world = World::new(&["/usr/bin/python3", "-c", &script], LONG);
    let answer = world.send(Method::POST, None, INITIALIZE).await;
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    until("all it says", || *world.log.lock().unwrap() == "all\n").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut listening = world.send(Method::GET, Some(&session), "").await;
    let mut bytes = 0;
    loop {
        let message = next(&mut listening).await.unwrap();
        bytes += message.len();
        if message.contains("\"last\"") {
            break;
        }
    }
    assert!(bytes > 1 << 16 && bytes <= 256 << 10, "{bytes} bytes were kept");
}

#[tokio::test]
async fn what_nobody_takes_is_bounded_in_bytes() {
    let script = answering(
        "log = '{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":\"%s\"}}'\n\
         sys.stdin.readline()\n\
         for number in range(40):\n print(log % ('x' * (1 << 20)), flush=True)\n print(number, file=sys.stderr, flush=True)\n\
         print('{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}', flush=True)\nsys.stdin.read()",
    );
    let world = World::new(&["/usr/bin/python3", "-c", &script], LONG);
    let answer = world.send(Method::POST, None, INITIALIZE).await;
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let mut running = world.asks(&session, &call("1", "1")).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let said = world.log.lock().unwrap().lines().count();
    assert!((1..=12).contains(&said), "{said} messages of 1 MiB went somewhere");
    // It goes on as soon as somebody reads.
    let mut count = 0;
    while let Some(message) = next(&mut running).await {
        count += 1;
        assert_eq!(message.contains("\"result\""), count == 41);
    }
    assert_eq!(count, 41);
}

#[tokio::test]
async fn an_answer_no_parser_takes_ends_its_request() {
    let world = World::new(&["cat"], LONG);
    let session = world.session().await;
    let (one, two) = (call("1", "1"), call("2", "2"));
    for (unreadable, is_for_the_first) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{"text":"\ud800"}}"#, true),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}"#, true),
        (r#"{"jsonrpc":"2.0","id":1}"#, true),
        // Which request these are for nobody can tell.
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#, false),
        (r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#, false),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"#, false),
    ] {
        let mut first = world.asks(&session, &one).await;
        assert_eq!(next(&mut first).await.as_deref(), Some(&*one));
        let mut second = world.asks(&session, &two).await;
        assert_eq!(next(&mut second).await.as_deref(), Some(&*two));
        world.says(&session, "what a program prints").await;
        world.says(&session, r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"a":1,"a":2}}"#).await;
        world.says(&session, unreadable).await;
        let ended = if is_for_the_first { &mut first } else { &mut second };
        assert_eq!(next(ended).await.as_deref(), Some(unreadable));
        for id in ["1", "2"] {
            world.says(&session, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)).await;
        }
        let late = if is_for_the_first { None } else { Some(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#) };
        assert_eq!(next(&mut first).await.as_deref(), late, "{unreadable}");
        assert!(next(&mut second).await.unwrap().contains("\"id\":2"));
    }
}

#[tokio::test]
async fn a_response_without_an_id_answers_the_only_request_or_is_remarked() {
    let world = World::new(&["cat"], LONG);
    let session = world.session().await;
    let (one, two) = (call("1", "1"), call("2", "2"));
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#;
    for lost in [error, r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"}}"#] {
        let mut only = world.asks(&session, &one).await;
        assert_eq!(next(&mut only).await.as_deref(), Some(&*one));
        world.says(&session, lost).await;
        assert_eq!(next(&mut only).await.as_deref(), Some(lost));
        assert_eq!(next(&mut only).await, None);
    }
    // A request that nobody waits for may be the one that is meant.
    let mut first = world.asks(&session, &one).await;
    assert_eq!(next(&mut first).await.as_deref(), Some(&*one));
    drop(first);
    let mut second = world.asks(&session, &two).await;
    assert_eq!(next(&mut second).await.as_deref(), Some(&*two));
    assert!(world.log.lock().unwrap().is_empty());
    world.says(&session, error).await;
    until("the remark", || world.log.lock().unwrap().contains("while 2 requests ran")).await;
    for id in ["1", "2"] {
        world.says(&session, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)).await;
    }
    assert!(next(&mut second).await.unwrap().contains("\"id\":2"));
}

#[tokio::test]
async fn a_program_that_talks_on_is_idle_all_the_same() {
    let script = answering(
        "log = '{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}'\n\
         while True:\n print(log, flush=True)\n time.sleep(0.005)",
    );
    let world = World::new(&["/usr/bin/python3", "-c", &script], Duration::from_secs(1));
    let mut answer = world.send(Method::POST, None, INITIALIZE).await;
    assert_eq!(next(&mut answer).await.as_deref(), Some(INITIALIZED));
    drop(answer);
    until("the end", || world.pool.state().running == 0).await;
}
