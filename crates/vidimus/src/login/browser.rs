//! The way to the person's browser and back: opening a page, and taking the one redirect to this machine (RFC 8252 §7.3).
//!
//! The listener is on loopback alone, for one answer, and believes nobody who does not know `state`: other requests are
//! refused and the wait goes on. What it answers repeats nothing of the request. Arguments of programs can be read by
//! everybody on the machine, so the opener is given an address here, which leads to the real one once: whoever takes
//! somebody else's start is seen by that person's browser being refused.

use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The path of the redirect.
const PATH: &str = "/callback";
/// The path that leads to the page, before a secret.
const START: &str = "/start/";
/// What is answered to whoever starts a second time.
const USED: &str =
    "Somebody has opened this address already. If it was not you, press Ctrl-C in the terminal and start again.";
/// The largest head of a request; codes are some hundred bytes long.
const MAX_HEAD: usize = 16 << 10;
/// How long one visitor may take: another may be the right one.
const VISIT: Duration = Duration::from_secs(5);

/// Waits for the person to come back.
pub(super) struct Callback {
    listener: TcpListener,
    address: String,
}

/// What the person came back with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Returned {
    pub(super) code: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) error: Option<String>,
    pub(super) state: String,
}

impl Callback {
    /// Listens on a port of loopback, a free one if it does not matter.
    pub(super) async fn listen(port: Option<u16>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await?;
        let address = format!("http://{}{PATH}", listener.local_addr()?);
        Ok(Self { listener, address })
    }

    /// The redirect address (RFC 8252 §7.3).
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The address that leads to the page to sign in at, for whoever knows this secret first.
    pub(super) fn start(&self, secret: &str) -> String {
        format!("{}{START}{secret}", self.address.trim_end_matches(PATH))
    }

    /// The first answer that knows `state`. Until then who comes with the secret of the start is sent to the page, once.
    pub(super) async fn returned(&self, state: &str, (secret, goal): (&str, &str)) -> io::Result<Returned> {
        let mut is_started = false;
        loop {
            let (mut stream, _) = self.listener.accept().await?;
            let visit = async {
                let request = request(&mut stream).await;
                let start = request.as_deref().and_then(|target| target.strip_prefix(START));
                let is_start =
                    start.is_some_and(|start| verify_slices_are_equal(start.as_bytes(), secret.as_bytes()).is_ok());
                if is_start && !std::mem::replace(&mut is_started, true) {
                    let _ = stream.write_all(redirect(goal).as_bytes()).await;
                    let _ = stream.shutdown().await;
                    return None;
                }
                let known = request
                    .as_deref()
                    .and_then(returned)
                    .filter(|returned| verify_slices_are_equal(returned.state.as_bytes(), state.as_bytes()).is_ok());
                let (status, text) = match &known {
                    Some(Returned { error: None, .. }) => ("200 OK", "You are signed in. You may close this window."),
                    Some(_) => ("200 OK", "You are not signed in: the terminal says why. You may close this window."),
                    None if is_start => ("400 Bad Request", USED),
                    None => ("400 Bad Request", "This is not the answer that is waited for."),
                };
                // The browser may be gone; what it brought counts.
                let _ = stream.write_all(page(status, text).as_bytes()).await;
                let _ = stream.shutdown().await;
                known
            };
            if let Ok(Some(returned)) = tokio::time::timeout(VISIT, visit).await {
                return Ok(returned);
            }
        }
    }
}

/// Opens a page with the desktop's own opener, without a shell; whether one could be started. The address must have been
/// checked: it is `https`, or `http` to this machine.
pub(super) fn open(page: &str) -> bool {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = || Stdio::null();
    Command::new(opener).arg(page).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().is_ok()
}

/// The target of a GET request, once its head has come.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(part.get(..read)?);
        if head.len() > MAX_HEAD {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.lines().next()?.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    Some(target.to_owned())
}

/// The parameters of the redirect; none of any other path, or when one is there twice.
fn returned(target: &str) -> Option<Returned> {
    let query = target.strip_prefix(PATH)?.strip_prefix('?')?;
    let (mut returned, mut state) = (Returned::default(), None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=')?;
        let place = match name {
            "code" => &mut returned.code,
            "iss" => &mut returned.issuer,
            "error" => &mut returned.error,
            "state" => &mut state,
            _ => continue,
        };
        if place.replace(decoded(value)?).is_some() {
            return None;
        }
    }
    Some(Returned { state: state?, ..returned })
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// What sends the browser to an address, which is ASCII without controls: it was read as one.
fn redirect(goal: &str) -> String {
    format!(
        "HTTP/1.1 303 See Other\r\nlocation: {goal}\r\ncontent-length: 0\r\ncache-control: no-store\r\n\
         referrer-policy: no-referrer\r\nconnection: close\r\n\r\n"
    )
}

fn page(status: &str, text: &str) -> String {
    let body = format!("<!doctype html><meta charset=\"utf-8\"><title>Vidimus</title><p>{text}</p>\n");
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         content-security-policy: default-src 'none'; frame-ancestors 'none'\r\nreferrer-policy: no-referrer\r\n\
         x-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_read_once_and_in_one_way() {
        let good = returned("/callback?code=a%2Bb&iss=https%3A%2F%2Fx&state=s+1&session_state=z").unwrap();
        assert_eq!(
            (good.code.as_deref(), good.issuer.as_deref(), &*good.state),
            (Some("a+b"), Some("https://x"), "s 1")
        );
        for bad in [
            "/",
            "/callback",
            "/callbackx?code=a&state=s",
            "/callback?code=a",
            "/callback?code=a&code=b&state=s",
            "/callback?state=s&state=t",
            "/callback?code=%zz&state=s",
            "/callback?code=%f&state=s",
            "/callback?code&state=s",
            "/callback?state=%ff",
        ] {
            assert_eq!(returned(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn visitors_who_do_not_know_the_state_are_refused_and_the_wait_goes_on() {
        let callback = Callback::listen(None).await.unwrap();
        let address: http::Uri = callback.address().parse().unwrap();
        let visit = |request: String| {
            let authority = address.authority().unwrap().to_string();
            async move {
                let mut stream = TcpStream::connect(authority).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                answer
            }
        };
        let started = ("once", "https://login.example.com/authorize?x=1");
        let waiting = async { callback.returned("right", started).await.unwrap() };
        let visiting = async {
            for wrong in [
                "GET /callback?code=x&state=wrong HTTP/1.1",
                "POST /callback?code=x&state=right HTTP/1.1",
                "GET / HTTP/1.1",
            ] {
                let answer = visit(format!("{wrong}\r\nhost: x\r\n\r\n")).await;
                assert!(answer.starts_with("HTTP/1.1 400"), "{wrong}: {answer}");
            }
            let start = callback.start("once");
            let start = start.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| &rest[at..])).unwrap();
            for (path, expected) in [("/start/twice", "HTTP/1.1 400"), (start, "HTTP/1.1 303"), (start, "HTTP/1.1 400")]
            {
                let answer = visit(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
                assert!(answer.starts_with(expected), "{path}: {answer}");
                assert_eq!(
                    answer.contains("location: https://login.example.com/authorize?x=1\r\n"),
                    expected.ends_with("303")
                );
            }
            visit("GET /callback?code=<b>&state=right HTTP/1.1\r\nhost: x\r\n\r\n".to_owned()).await
        };
        let (returned, answer) = tokio::join!(waiting, visiting);
        assert_eq!(returned.code.as_deref(), Some("<b>"));
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("<b>"), "{answer}");
    }
}
