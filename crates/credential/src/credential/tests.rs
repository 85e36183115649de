//! Single flight, renewal, failures, and what is recorded, with a scripted authorization server and a paused clock.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use http::HeaderValue;
use vidimus_core::Timestamp;
use zeroize::Zeroizing;

use super::*;
use crate::rules::ClientAuthentication;
use crate::subject::Subjects;

/// Answers what it is told, the last again and again, and remembers what it was asked.
struct Server {
    answers: Mutex<VecDeque<Result<(u16, String), HttpError>>>,
    forms: Mutex<Vec<String>>,
}

/// How long an answer takes.
const TAKES: Duration = Duration::from_millis(20);

impl Server {
    fn new(answers: impl IntoIterator<Item = Result<(u16, String), HttpError>>) -> Arc<Self> {
        let answers = Mutex::new(answers.into_iter().collect());
        Arc::new(Self { answers, forms: Mutex::default() })
    }

    async fn answer(&self) -> Result<HttpAnswer, HttpError> {
        tokio::time::sleep(TAKES).await;
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        answer.unwrap().map(|(status, body)| HttpAnswer { status, body: body.into() })
    }

    fn asked(&self) -> usize {
        self.forms.lock().unwrap().len()
    }
}

impl TokenHttp for Server {
    fn get<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Result<HttpAnswer, HttpError>> + Send + 'a>> {
        self.forms.lock().unwrap().push(url.to_owned());
        Box::pin(self.answer())
    }

    fn post<'a>(
        &'a self,
        _url: &'a str,
        _authorization: Option<HeaderValue>,
        form: Zeroizing<String>,
    ) -> Pin<Box<dyn Future<Output = Result<HttpAnswer, HttpError>> + Send + 'a>> {
        self.forms.lock().unwrap().push(form.to_string());
        Box::pin(self.answer())
    }
}

#[derive(Default)]
struct Record {
    lines: Mutex<Vec<String>>,
    is_full: bool,
}

impl Observer for Record {
    fn asked<'a>(&'a self, asked: Asked<'a>) -> Pin<Box<dyn Future<Output = Result<(), CredentialError>> + Send + 'a>> {
        self.lines.lock().unwrap().push(format!("{} for {:?}", asked.grant.name(), asked.caller));
        let is_full = self.is_full;
        Box::pin(async move { if is_full { Err(CredentialError::Unrecorded) } else { Ok(()) } })
    }

    fn answered(&self, _: Asked<'_>, answer: Result<&Issued, &CredentialError>) -> Result<(), CredentialError> {
        self.lines.lock().unwrap().push(answer.map_or_else(|error| error.label().to_owned(), |_| "issued".to_owned()));
        Ok(())
    }
}

/// Stands still until it is told otherwise; what it tells of the day never changes.
#[derive(Default)]
struct Hand(Mutex<Duration>);

impl Hand {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_000)
    }

    fn elapsed(&self, _since: Instant) -> Duration {
        *self.0.lock().unwrap()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "an answer among failures")]
fn token(text: &str, lives: u64) -> Result<(u16, String), HttpError> {
    let kind = crate::rules::ACCESS_TOKEN;
    let body = format!(
        r#"{{"access_token":"{text}","token_type":"Bearer","expires_in":{lives},"issued_token_type":"{kind}"}}"#
    );
    Ok((200, body))
}

#[expect(clippy::unnecessary_wraps, reason = "an answer among failures")]
fn refused(code: &str) -> Result<(u16, String), HttpError> {
    Ok((400, format!(r#"{{"error":"{code}"}}"#)))
}

/// A credential, and the clock by which it goes.
fn credential(grant: Grant, server: &Arc<Server>, record: &Arc<Record>) -> (Credential, Arc<Hand>) {
    let rules = Rules {
        grant,
        endpoint: Endpoint::Token("https://idp.example/token?tenant=1".into()),
        client_id: "gateway".into(),
        client_secret: Zeroizing::new("hunter2".into()),
        authentication: ClientAuthentication::Basic,
        scopes: Vec::new(),
        resource: None,
        audience: Some("crm".into()),
    };
    let (server, record): (Arc<Server>, Arc<Record>) = (Arc::clone(server), Arc::clone(record));
    let clock: Arc<Hand> = Arc::default();
    (Credential::new(rules, server, record, Arc::<Hand>::clone(&clock)), clock)
}

const EXCHANGE: Grant = Grant::TokenExchange { subject_is_jwt: false, names_actor: false };

fn alice(expires: u64) -> Arc<Subject> {
    Subjects::default().hold([1; 32], "callers-token", "corp|alice", Timestamp::from_seconds(expires))
}

async fn shown(credential: &Credential, holder: Holder<'_>) -> String {
    credential.token(holder, None).await.unwrap().expose().to_owned()
}

#[tokio::test]
async fn a_hundred_calls_at_once_ask_once() {
    let (server, record) = (Server::new([token("a", 100)]), Arc::default());
    let (credential, _) = credential(Grant::ClientCredentials, &server, &record);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let credential = credential.clone();
        calls.spawn(async move { credential.token(Holder::Gateway, None).await.unwrap().expose().to_owned() });
    }
    assert!(calls.join_all().await.iter().all(|token| token == "a"));
    assert_eq!(server.asked(), 1);
    assert_eq!(*record.lines.lock().unwrap(), ["client-credentials for None", "issued"]);
}

#[tokio::test]
async fn it_is_renewed_before_it_expires_and_nobody_waits() {
    let (server, record) = (Server::new([token("a", 100), token("b", 100)]), Arc::default());
    let (credential, clock) = credential(Grant::ClientCredentials, &server, &record);
    assert_eq!(shown(&credential, Holder::Gateway).await, "a");
    clock.advance(Duration::from_secs(89));
    assert_eq!(shown(&credential, Holder::Gateway).await, "a");
    assert_eq!(server.asked(), 1);
    clock.advance(Duration::from_secs(2));
    assert_eq!(shown(&credential, Holder::Gateway).await, "a", "the old one is good still");
    tokio::time::sleep(10 * TAKES).await;
    assert_eq!((shown(&credential, Holder::Gateway).await.as_str(), server.asked()), ("b", 2));
}

#[tokio::test]
async fn a_dead_endpoint_is_left_alone_and_a_good_token_used_on() {
    let down = || Err(HttpError::Failed("connection refused".into()));
    let (server, record) = (Server::new([token("a", 100), down()]), Arc::default());
    let (credential, clock) = credential(Grant::ClientCredentials, &server, &record);
    shown(&credential, Holder::Gateway).await;
    clock.advance(Duration::from_secs(95));
    // Four seconds that the token has left.
    for _ in 0..40 {
        assert_eq!(shown(&credential, Holder::Gateway).await, "a");
        tokio::time::sleep(TAKES).await;
        clock.advance(Duration::from_millis(100));
    }
    assert!((3..=4).contains(&server.asked()), "{}", server.asked());
    clock.advance(Duration::from_secs(2));
    let before = server.asked();
    for _ in 0..600 {
        let error = credential.token(Holder::Gateway, None).await.unwrap_err();
        assert!(matches!(error, CredentialError::Unavailable { .. }), "{error}");
        assert!(!error.to_string().contains("hunter2") && !error.to_string().contains("tenant"), "{error}");
        clock.advance(Duration::from_secs(1));
    }
    // Ten minutes, one a minute but for the first.
    assert!(server.asked() - before <= 16, "{}", server.asked() - before);
}

#[tokio::test]
async fn a_token_that_the_target_refuses_is_renewed_once() {
    let (server, record) = (Server::new([token("a", 100), token("b", 100), token("c", 100)]), Arc::default());
    let (credential, clock) = credential(Grant::ClientCredentials, &server, &record);
    let first = credential.token(Holder::Gateway, None).await.unwrap();
    let second = credential.token(Holder::Gateway, Some(&first)).await.unwrap();
    assert_eq!(second.expose(), "b");
    // Another request was refused with the first one too: there is a newer one already.
    assert_eq!(credential.token(Holder::Gateway, Some(&first)).await.unwrap().expose(), "b");
    // The target refuses whatever it is shown.
    let third = credential.token(Holder::Gateway, Some(&second)).await.unwrap();
    assert!(Arc::ptr_eq(&second, &third));
    assert_eq!(server.asked(), 2);
    clock.advance(Duration::from_secs(11));
    assert_eq!(credential.token(Holder::Gateway, Some(&second)).await.unwrap().expose(), "c");
}

#[tokio::test]
async fn what_one_caller_is_refused_takes_nothing_from_the_others() {
    let down = || Err(HttpError::Failed("connection refused".into()));
    let (server, record) = (Server::new([token("a", 3_600), down()]), Arc::default());
    let (of_gateway, _) = credential(Grant::ClientCredentials, &server, &record);
    let first = of_gateway.token(Holder::Gateway, None).await.unwrap();
    // The target may say so for what one caller did: the token is as good as before.
    of_gateway.token(Holder::Gateway, Some(&first)).await.unwrap_err();
    assert_eq!(shown(&of_gateway, Holder::Gateway).await, "a");

    let bob = Subjects::default().hold([2; 32], "bobs-token", "corp|bob", Timestamp::from_seconds(2_000));
    for answer in [token("b", 0), Ok((404, "<h1>No</h1>".to_owned()))] {
        let (server, record) = (Server::new([answer.clone(), token("good", 60)]), Arc::default());
        let (credential, _) = credential(EXCHANGE, &server, &record);
        credential.token(Holder::Caller(&alice(2_000)), None).await.unwrap_err();
        assert_eq!(shown(&credential, Holder::Caller(&bob)).await, "good", "after {answer:?}");
    }
}

#[tokio::test]
async fn a_callers_token_goes_to_the_endpoint_and_what_comes_back_is_its_own() {
    let (server, record) =
        (Server::new([token("for-alice", 100), token("for-bob", 100), token("own", 9)]), Arc::default());
    let (credential, _) = credential(EXCHANGE, &server, &record);
    let alice = alice(2_000);
    let bob = Subjects::default().hold([2; 32], "bobs-token", "corp|bob", Timestamp::from_seconds(2_000));
    for _ in 0..3 {
        assert_eq!(shown(&credential, Holder::Caller(&alice)).await, "for-alice");
        assert_eq!(shown(&credential, Holder::Caller(&bob)).await, "for-bob");
        assert_eq!(shown(&credential, Holder::Gateway).await, "own");
    }
    let forms = server.forms.lock().unwrap().clone();
    let [of_alice, of_bob, own] = forms.as_slice() else { panic!("{forms:?}") };
    assert!(of_alice.contains("subject_token=callers-token&") && of_alice.contains("audience=crm"), "{of_alice}");
    assert!(of_bob.contains("subject_token=bobs-token&") && own.starts_with("grant_type=client_credentials"), "{own}");
    let record = record.lines.lock().unwrap().clone();
    assert_eq!(record.first().unwrap(), "token-exchange for Some(\"corp|alice\")");
}

#[tokio::test]
async fn nothing_is_exchanged_for_a_token_that_has_expired_or_is_refused() {
    let (server, record) = (Server::new([refused("invalid_grant")]), Arc::default());
    let (credential, _) = credential(EXCHANGE, &server, &record);
    let error = credential.token(Holder::Caller(&alice(1_000)), None).await.unwrap_err();
    assert!(matches!(error, CredentialError::Expired));
    assert_eq!(server.asked(), 0);
    let error = credential.token(Holder::Caller(&alice(2_000)), None).await.unwrap_err();
    assert!(matches!(error, CredentialError::Subject { .. }), "{error}");
    assert!(error.public_message().contains("sign in again"));
    // One caller's refusal keeps nobody else from asking.
    let bob = Subjects::default().hold([2; 32], "bobs-token", "corp|bob", Timestamp::from_seconds(2_000));
    assert!(credential.token(Holder::Caller(&bob), None).await.is_err());
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_refresh_token_is_used_and_where_it_is_refused_the_callers() {
    let kind = crate::rules::ACCESS_TOKEN;
    let with_refresh = |text: &str| {
        let body = format!(
            r#"{{"access_token":"{text}","token_type":"Bearer","expires_in":10,"refresh_token":"r-{text}","issued_token_type":"{kind}"}}"#
        );
        Ok((200, body))
    };
    let answers = [with_refresh("a"), with_refresh("b"), refused("invalid_grant"), with_refresh("c")];
    let (server, record) = (Server::new(answers), Arc::default());
    let (credential, clock) = credential(EXCHANGE, &server, &record);
    let alice = alice(2_000);
    for expected in ["a", "b", "c"] {
        assert_eq!(shown(&credential, Holder::Caller(&alice)).await, expected);
        clock.advance(Duration::from_secs(11));
    }
    let forms = server.forms.lock().unwrap().clone();
    let grants: Vec<_> = forms.iter().map(|form| form.split('&').nth(1).unwrap().split_once('=').unwrap()).collect();
    let expected = [
        ("subject_token", "callers-token"),
        ("refresh_token", "r-a"),
        ("refresh_token", "r-b"),
        ("subject_token", "callers-token"),
    ];
    assert_eq!(grants, expected);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_asked_for() {
    let (server, record) = (Server::new([token("a", 100)]), Arc::new(Record { is_full: true, ..Record::default() }));
    let (credential, _) = credential(Grant::ClientCredentials, &server, &record);
    assert!(matches!(credential.token(Holder::Gateway, None).await, Err(CredentialError::Unrecorded)));
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn metadata_must_be_the_issuers_own() {
    for (body, problem) in [
        (r#"{"issuer":"https://other.example","token_endpoint":"https://idp.example/t"}"#, "another issuer's"),
        (r#"{"issuer":"https://idp.example/a","token_endpoint":"http://idp.example/t"}"#, "not https"),
        (r#"{"issuer":"https://idp.example/a"}"#, "names no token_endpoint"),
        ("<html>", "no strict JSON"),
    ] {
        let (server, record): (_, Arc<Record>) = (Server::new([Ok((200, body.to_owned()))]), Arc::default());
        let issuer = "https://idp.example/a".to_owned();
        let rules = Rules {
            grant: Grant::ClientCredentials,
            endpoint: Endpoint::Issuer(issuer),
            client_id: "g".into(),
            client_secret: Zeroizing::new("s".into()),
            authentication: ClientAuthentication::Post,
            scopes: Vec::new(),
            resource: None,
            audience: None,
        };
        let http: Arc<dyn TokenHttp> = Arc::<Server>::clone(&server);
        let credential = Credential::new(rules, http, Arc::<Record>::clone(&record), Arc::<Hand>::default());
        let error = credential.token(Holder::Gateway, None).await.unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert_eq!(*server.forms.lock().unwrap(), ["https://idp.example/.well-known/oauth-authorization-server/a"]);
        assert!(record.lines.lock().unwrap().is_empty(), "no token was asked for");
    }
}
