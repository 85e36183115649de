//! `vidimus login` and `vidimus logout`: a token of the gateway's identity provider, for programs on this machine.
//!
//! The provider is found from the gateway's address alone (RFC 9728, RFC 8414). A person signs in with a browser on this
//! machine (authorization code with PKCE, RFC 8252) or on another one (device flow, RFC 8628). What is kept is in one file
//! that its owner alone can read; there is no copy of it in a key store (decision 0023).

mod browser;
mod issuer;
mod store;
mod token;
mod web;

use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use vidimus_core::{ErrorKind, Timestamp};

use crate::cli::{Login, Logout};
use crate::output;
use crate::resource_metadata::{PLACES, Places};
use issuer::{Client, Issuer, Resource};
use store::{Kept, Logins};

pub(crate) use store::Store;
pub(crate) use token::Tokens;

/// How long a person may take to sign in.
const PATIENCE: Duration = Duration::from_mins(10);

/// Why somebody is not signed in, or not any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// An address that tokens must not go to.
    #[error("{what} `{url}` is no address to sign in with: {problem}")]
    Address { what: &'static str, url: String, problem: String },
    /// A document or an answer did not come.
    #[error("{what} cannot be had from {url}: {problem}")]
    Unavailable { what: &'static str, url: String, problem: String },
    /// The gateway or the issuer says what is not to be gone on with.
    #[error("{0}")]
    Unsuitable(String),
    /// The issuer refused.
    #[error("the identity provider refused: {0}")]
    Refused(String),
    /// The person did not sign in.
    #[error("nobody signed in within {} minutes; start again", PATIENCE.as_secs() / 60)]
    Late,
    /// There is no token that is good.
    #[error("you are not signed in to {0}; run `vidimus login --url {0}`")]
    SignedOut(String),
    /// The file of logins.
    #[error("{problem} {}: {source}", path.display())]
    File { problem: &'static str, path: std::path::PathBuf, source: std::io::Error },
    /// It is open to others, or no such file.
    #[error("{0}")]
    Store(String),
}

impl LoginError {
    /// Who is at fault.
    pub(crate) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Address { .. } | Self::File { .. } | Self::Store(_) => ErrorKind::Configuration,
            Self::Unavailable { .. } | Self::Unsuitable(_) => ErrorKind::Upstream,
            Self::Refused(_) | Self::SignedOut(_) => ErrorKind::Unauthenticated,
            Self::Late => ErrorKind::Timeout,
        }
    }
}

/// Signs a person in and keeps the token.
pub(crate) async fn login(options: &Login, out: &mut impl Write) -> anyhow::Result<()> {
    let store = Store::at(options.place.file.clone())?;
    let endpoint = options.place.endpoint()?;
    let resource = Resource::discover(&endpoint).await?;
    let issuer = Issuer::discover(resource.issuer(options.issuer.as_deref())?, &resource.url).await?;
    let client = match &options.client_id {
        Some(id) => Client { id: id.clone() },
        None => registered(&store, &issuer).await?,
    };
    let scopes: Vec<String> = if options.scope.is_empty() { resource.scopes.clone() } else { options.scope.clone() };
    let asked = token::Asked { issuer: &issuer, client: &client, resource: &resource.url, scope: scopes.join(" ") };
    let signing_in = async {
        if options.device {
            token::by_device(&asked, told_of_device).await
        } else {
            let opens = !options.no_browser;
            token::by_browser(&asked, options.port, |page, start| told_of_page(page, opens.then_some(start))).await
        }
    };
    let issued = tokio::time::timeout(PATIENCE, signing_in).await.map_err(|_| LoginError::Late)??;
    let kept = Kept::new(&issuer, &client, issued);
    let shown = shown(&resource.url, &kept);
    store.change(|logins| drop(logins.logins.insert(resource.url.clone(), kept))).await?;
    if options.output.json {
        writeln!(out, "{shown}")?;
    } else {
        writeln!(out, "Signed in to {} by {}.", output::printable(&resource.url), output::printable(&issuer.url))?;
        writeln!(out, "The token is in {}.", store.path().display())?;
    }
    Ok(())
}

/// Where the gateway speaks other protocols.
pub(crate) async fn places(url: &str) -> Result<Places, LoginError> {
    let address = format!("{url}{PLACES}");
    let found = web::get("the places of the gateway", &address).await?;
    found.ok_or_else(|| LoginError::Unsuitable(format!("{url} does not say where databases are: is it a gateway?")))
}

/// Gives the tokens back to who issued them, and forgets them.
pub(crate) async fn logout(options: &Logout, out: &mut impl Write) -> anyhow::Result<()> {
    let store = Store::at(options.place.file.clone())?;
    let endpoint = if options.all { None } else { Some(options.place.endpoint()?) };
    let mut gone = Vec::new();
    let is_meant = |resource: &String| endpoint.as_ref().is_none_or(|endpoint| endpoint == resource);
    store
        .change(|logins: &mut Logins| gone = logins.logins.extract_if(.., |resource, _| is_meant(resource)).collect())
        .await?;
    let mut list = Vec::new();
    for (resource, kept) in gone {
        // The token is gone from here whatever the issuer says.
        let revoked = token::revoke(&kept).await;
        if let Err(error) = &revoked {
            note(&format!("{resource}: the token is forgotten here, but not taken back: {error}"));
        }
        list.push(json!({ "resource": resource, "revoked": revoked.is_ok_and(|revoked| revoked) }));
    }
    if options.output.json {
        writeln!(out, "{}", json!({ "logged_out": list }))?;
    } else if list.is_empty() {
        writeln!(out, "You were not signed in.")?;
    } else {
        for gone in &list {
            let resource = gone.get("resource").and_then(|resource| resource.as_str()).unwrap_or_default();
            writeln!(out, "Signed out of {}.", output::printable(resource))?;
        }
    }
    Ok(())
}

/// The client that an earlier login was registered as, or a new one.
async fn registered(store: &Store, issuer: &Issuer) -> anyhow::Result<Client> {
    if let Some(id) = store.read()?.clients.get(&issuer.url) {
        return Ok(Client { id: id.clone() });
    }
    let client = Client::register(issuer).await.context("give a client id that the issuer knows with --client-id")?;
    store.change(|logins| drop(logins.clients.insert(issuer.url.clone(), client.id.clone()))).await?;
    Ok(client)
}

fn shown(resource: &str, kept: &Kept) -> serde_json::Value {
    let expires = kept.expires.map(|expires| Timestamp::from_seconds(expires).to_string());
    json!({
        "resource": resource,
        "issuer": kept.issuer,
        "client_id": kept.client_id,
        "scope": kept.scope,
        "expires": expires,
        "refreshed_by_itself": kept.refresh_token.is_some(),
    })
}

fn told_of_page(page: &str, start: Option<&str>) {
    if start.is_some_and(browser::open) {
        note("Sign in with the browser that opens. If none does, open this address on this machine:");
    } else {
        note("Open this address in a browser on this machine:");
    }
    note(page);
}

fn told_of_device(page: &str, code: &str) {
    note("Open this address in any browser, and compare or enter the code:");
    note(page);
    note(code);
}

/// Says something to the person, on standard error.
pub(crate) fn note(text: &str) {
    // Nothing is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr(), "{}", output::printable(text));
}
