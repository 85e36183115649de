//! Tokens of an issuer: asked for by browser (RFC 6749 §4.1 with RFC 7636) or device (RFC 8628), refreshed, given back
//! (RFC 7009), and handed to whoever speaks to the gateway.
//!
//! Every request names the resource that the token is for (RFC 8707). Refreshing holds the lock of the logins' file: of two
//! programs that do it at once one waits and takes what the other got, since a refresh token that is used twice may be
//! taken for stolen.

use std::time::Duration;

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Deserialize;

use super::browser::{Callback, Returned};
use super::issuer::{Client, DEVICE_GRANT, Issuer};
use super::store::{Kept, Store, now};
use super::{LoginError, web};
use crate::output;

/// How often a device's code is asked for, unless the issuer says (RFC 8628 §3.2), and how much slower when told to.
const POLL: (u64, u64) = (5, 5);
/// How slowly at most.
const SLOWEST_POLL: u64 = 60;
/// The longest text of an issuer that is shown.
const MAX_SHOWN: usize = 300;

/// What a token is asked for.
pub(super) struct Asked<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) client: &'a Client,
    pub(super) resource: &'a str,
    pub(super) scope: String,
}

/// What an issuer gave (RFC 6749 §5.1).
#[derive(Deserialize)]
pub(super) struct Issued {
    pub(super) access_token: String,
    token_type: String,
    pub(super) expires_in: Option<u64>,
    pub(super) refresh_token: Option<String>,
    pub(super) scope: Option<String>,
}

/// Why it did not (RFC 6749 §5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Where the token for a gateway comes from.
pub(crate) enum Tokens {
    /// One that somebody else looks after.
    Given(String),
    /// One of the logins for these resources, the first that is there.
    Login { store: Store, resources: Vec<String> },
}

impl Tokens {
    /// A token that is good, as far as can be told; another one than `refused`, which the gateway did not take.
    pub(crate) async fn bearer(&self, refused: Option<&str>) -> Result<String, LoginError> {
        match self {
            Self::Given(token) => Ok(token.clone()),
            Self::Login { store, resources } => current(store, resources, refused).await,
        }
    }

    /// Whether another token may be had when one is not taken.
    pub(crate) const fn is_renewable(&self) -> bool {
        matches!(self, Self::Login { .. })
    }
}

/// Has a person sign in with the browser of this machine; `told` shows the page, and has a program open the address that
/// leads there once.
pub(super) async fn by_browser(
    asked: &Asked<'_>,
    port: Option<u16>,
    told: impl FnOnce(&str, &str),
) -> Result<Issued, LoginError> {
    let issuer = asked.issuer;
    issuer.check_challenges()?;
    let Some(endpoint) = &issuer.authorization_endpoint else {
        return Err(LoginError::Unsuitable("the identity provider has no page to sign in at; try --device".to_owned()));
    };
    let listening = Callback::listen(port).await;
    let failed = |error: std::io::Error| {
        LoginError::Unsuitable(format!(
            "cannot listen for the browser's answer: {error}; try another --port, or --device"
        ))
    };
    let callback = listening.map_err(failed)?;
    let (state, verifier, start) = (random()?, random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let mut query = vec![
        ("response_type", "code"),
        ("client_id", &*asked.client.id),
        ("redirect_uri", callback.address()),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("resource", asked.resource),
    ];
    if !asked.scope.is_empty() {
        query.push(("scope", &asked.scope));
    }
    // OpenID Connect Core §11: only with consent does an issuer give a token for when nobody is there.
    if asked.scope.split(' ').any(|scope| scope == "offline_access") {
        query.push(("prompt", "consent"));
    }
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    let page = format!("{endpoint}{separator}{}", web::encoded_form(&query));
    told(&page, &callback.start(&start));
    let code = code(callback.returned(&state, (&start, &page)).await.map_err(failed)?, issuer)?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", callback.address()),
        ("client_id", &asked.client.id),
        ("code_verifier", &verifier),
        ("resource", asked.resource),
    ];
    issued(&issuer.token_endpoint, &form).await?.map_err(LoginError::from)
}

/// Has a person sign in with any browser; `told` shows the page and the code to compare or enter.
pub(super) async fn by_device(asked: &Asked<'_>, told: impl FnOnce(&str, &str)) -> Result<Issued, LoginError> {
    #[derive(Deserialize)]
    struct Begun {
        device_code: String,
        user_code: String,
        verification_uri: String,
        verification_uri_complete: Option<String>,
        interval: Option<u64>,
    }
    let what = "a code for this device";
    let Some(url) = &asked.issuer.device_authorization_endpoint else {
        return Err(LoginError::Unsuitable(
            "the identity provider has no device flow; sign in without --device".to_owned(),
        ));
    };
    let mut form = vec![("client_id", &*asked.client.id), ("resource", asked.resource)];
    if !asked.scope.is_empty() {
        form.push(("scope", &asked.scope));
    }
    let (status, body) = web::post_form(what, url, &form).await?;
    if status != StatusCode::OK {
        return Err(refused(status, &body));
    }
    let begun: Begun = web::parsed(what, url, &body)?;
    let page = begun.verification_uri_complete.as_ref().unwrap_or(&begun.verification_uri);
    web::check_named(asked.resource, "the page to sign in at", page)?;
    told(page, &begun.user_code);
    let form = [
        ("grant_type", DEVICE_GRANT),
        ("device_code", &*begun.device_code),
        ("client_id", &asked.client.id),
        ("resource", asked.resource),
    ];
    let mut pause = begun.interval.unwrap_or(POLL.0).clamp(1, SLOWEST_POLL);
    loop {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        match issued(&asked.issuer.token_endpoint, &form).await? {
            Ok(issued) => return Ok(issued),
            Err(refusal) if refusal.error == "authorization_pending" => {}
            Err(refusal) if refusal.error == "slow_down" => pause = SLOWEST_POLL.min(pause + POLL.1),
            Err(refusal) => return Err(refusal.into()),
        }
    }
}

/// Takes a login's tokens back, the lasting one first (RFC 7009 §2.1); false when the issuer does not do that.
pub(super) async fn revoke(kept: &Kept) -> Result<bool, LoginError> {
    let Some(url) = &kept.revocation_endpoint else { return Ok(false) };
    let (token, kind) = match &kept.refresh_token {
        Some(token) => (token, "refresh_token"),
        None => (&kept.access_token, "access_token"),
    };
    let form = [("token", &**token), ("token_type_hint", kind), ("client_id", &kept.client_id)];
    let (status, body) = web::post_form("the end of a token", url, &form).await?;
    if status == StatusCode::OK { Ok(true) } else { Err(refused(status, &body)) }
}

/// The words of an issuer that refuses.
pub(super) fn refused(status: StatusCode, body: &[u8]) -> LoginError {
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => refusal.into(),
        Err(_) => LoginError::Refused(format!("it answered {status}")),
    }
}

impl From<Refusal> for LoginError {
    fn from(refusal: Refusal) -> Self {
        let text = if refusal.error_description.is_empty() {
            refusal.error
        } else {
            format!("{} ({})", refusal.error_description, refusal.error)
        };
        Self::Refused(output::printable(&text.chars().take(MAX_SHOWN).collect::<String>()))
    }
}

async fn current(store: &Store, resources: &[String], refused: Option<&str>) -> Result<String, LoginError> {
    let (_, kept) = login(store, resources)?;
    if is_good(&kept, refused) {
        return Ok(kept.access_token);
    }
    // In a task of its own, which goes on when nobody waits any more: a refresh token may be good only once, so the one
    // that comes back must be kept.
    let (store, resources, refused) = (store.clone(), resources.to_vec(), refused.map(str::to_owned));
    let refreshing = tokio::spawn(async move { refreshed(&store, &resources, refused.as_deref()).await });
    refreshing
        .await
        .unwrap_or_else(|error| Err(LoginError::Unsuitable(format!("the token was not refreshed: {error}"))))
}

async fn refreshed(store: &Store, resources: &[String], refused: Option<&str>) -> Result<String, LoginError> {
    let _lock = store.lock().await?;
    // Another program may have been faster.
    let (resource, kept) = login(store, resources)?;
    if is_good(&kept, refused) {
        return Ok(kept.access_token);
    }
    let Some(refresh_token) = &kept.refresh_token else { return Err(signed_out(resources)) };
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &**refresh_token),
        ("client_id", &kept.client_id),
        ("resource", &resource),
    ];
    match issued(&kept.token_endpoint, &form).await? {
        Ok(issued) => {
            let token = issued.access_token.clone();
            let mut logins = store.read()?;
            logins.logins.insert(resource, kept.refreshed(issued));
            store.write(&logins)?;
            Ok(token)
        }
        // The person has been signed out, or the token was taken back.
        Err(refusal) if refusal.error == "invalid_grant" => Err(signed_out(resources)),
        Err(refusal) => Err(refusal.into()),
    }
}

fn is_good(kept: &Kept, refused: Option<&str>) -> bool {
    refused != Some(&*kept.access_token) && kept.is_good(now())
}

/// The login for the first of these resources that there is one for.
fn login(store: &Store, resources: &[String]) -> Result<(String, Kept), LoginError> {
    let logins = store.read()?;
    let found = resources.iter().find_map(|resource| logins.logins.get_key_value(resource));
    found.map(|(resource, kept)| (resource.clone(), kept.clone())).ok_or_else(|| signed_out(resources))
}

fn signed_out(resources: &[String]) -> LoginError {
    let gateway = resources.last().map_or("", |resource| resource.trim_end_matches("/mcp"));
    LoginError::SignedOut(gateway.to_owned())
}

/// Asks the token endpoint.
async fn issued(url: &str, form: &[(&str, &str)]) -> Result<Result<Issued, Refusal>, LoginError> {
    let what = "a token";
    let (status, body) = web::post_form(what, url, form).await?;
    if status != StatusCode::OK {
        return match serde_json::from_slice(&body) {
            Ok(refusal) => Ok(Err(refusal)),
            Err(_) => Err(refused(status, &body)),
        };
    }
    let issued: Issued = web::parsed(what, url, &body)?;
    let is_sendable =
        !issued.access_token.is_empty() && issued.access_token.bytes().all(|byte| byte.is_ascii_graphic());
    if issued.token_type.eq_ignore_ascii_case("bearer") && is_sendable {
        Ok(Ok(issued))
    } else {
        Err(LoginError::Unsuitable("the identity provider gave a token of another kind than `Bearer`".to_owned()))
    }
}

/// The code of an answer that is the issuer's own (RFC 9207 §2.4).
fn code(returned: Returned, issuer: &Issuer) -> Result<String, LoginError> {
    let is_missing = returned.issuer.is_none() && issuer.authorization_response_iss_parameter_supported;
    if is_missing || returned.issuer.is_some_and(|named| named != issuer.url) {
        let text = "the answer in the browser came from another identity provider than was asked; start again";
        return Err(LoginError::Unsuitable(text.to_owned()));
    }
    if let Some(error) = returned.error {
        return Err(Refusal { error, error_description: String::new() }.into());
    }
    returned.code.ok_or_else(|| LoginError::Refused("its answer in the browser holds no code".to_owned()))
}

/// 256 random bits as text: a state, or a PKCE verifier (RFC 7636 §4.1).
fn random() -> Result<String, LoginError> {
    let mut bytes = [0; 32];
    let failed = |_| LoginError::Unsuitable("this machine has no random numbers".to_owned());
    rand::fill(&mut bytes).map_err(failed)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn issuer(says_whose: bool) -> Issuer {
        let metadata = serde_json::json!({
            "issuer": "https://login.example.com",
            "token_endpoint": "https://login.example.com/token",
            "authorization_response_iss_parameter_supported": says_whose,
        });
        serde_json::from_value(metadata).unwrap()
    }

    #[test]
    fn a_code_of_another_issuer_is_not_sent_to_this_one() {
        let returned = |issuer: Option<&str>| Returned {
            code: Some("c".to_owned()),
            issuer: issuer.map(str::to_owned),
            ..Returned::default()
        };
        let own = Some("https://login.example.com");
        assert_eq!(code(returned(own), &issuer(true)).unwrap(), "c");
        assert_eq!(code(returned(None), &issuer(false)).unwrap(), "c");
        for (issuer, named) in
            [(issuer(true), None), (issuer(true), Some("https://evil.example")), (issuer(false), Some(""))]
        {
            assert!(matches!(code(returned(named), &issuer), Err(LoginError::Unsuitable(_))), "{named:?}");
        }
    }

    #[test]
    fn a_refusal_cannot_act_on_a_terminal() {
        let error = refused(StatusCode::BAD_REQUEST, br#"{"error":"access_denied","error_description":"\u001b[2Jno"}"#);
        assert_eq!(error.to_string(), r"the identity provider refused: \u{1b}[2Jno (access_denied)");
        let error = refused(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(error.to_string(), "the identity provider refused: it answered 502 Bad Gateway");
    }

    #[tokio::test]
    async fn a_refresh_that_nobody_waits_for_any_more_is_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let asked = stream.read(&mut [0; 4096]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            let body = r#"{"access_token":"new","token_type":"Bearer","expires_in":600,"refresh_token":"second"}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            asked
        });
        let directory = tempfile::tempdir().unwrap();
        let store = Store::at(Some(directory.path().join("logins.json"))).unwrap();
        let kept: Kept = serde_json::from_value(serde_json::json!({
            "issuer": "https://login.example.com", "client_id": "app", "token_endpoint": endpoint,
            "access_token": "old", "refresh_token": "first", "expires": 1,
        }))
        .unwrap();
        let resource = "https://gw.example.com/mcp".to_owned();
        store.change(|logins| drop(logins.logins.insert(resource.clone(), kept))).await.unwrap();
        let resources = [resource.clone()];
        let waited = tokio::time::timeout(Duration::from_millis(100), current(&store, &resources, None)).await;
        assert!(waited.is_err(), "the client went first");
        assert!(answering.await.unwrap() > 0);
        assert_eq!(
            current(&store, &resources, None).await.unwrap(),
            "new",
            "waits for the lock, and asks nobody again"
        );
        assert_eq!(store.read().unwrap().logins[&resource].refresh_token.as_deref(), Some("second"));
    }
}
