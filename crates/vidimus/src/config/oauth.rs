//! `[targets.NAME.oauth]`: tokens that the gateway asks for, to show them to a target.

use std::ops::Range;

use http::HeaderName;
use http::header::AUTHORIZATION;
use toml::de::DeTable;
use vidimus_core::CredentialKind;
use vidimus_credential::{ClientAuthentication, Endpoint, Grant, Rules};

use super::document::Document;
use super::sections::one_of;
use super::table::Table;
use super::{keys, value};
use crate::secret::{SecretError, SecretRef};

/// The longest client id, audience or resource.
const MAX_TEXT: usize = 1024;

/// How tokens for a target are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Oauth {
    /// Whose they are.
    pub(crate) grant: Grant,
    /// Where.
    pub(crate) endpoint: Endpoint,
    /// The gateway at the authorization server.
    pub(crate) client_id: String,
    /// Its secret.
    pub(crate) client_secret: SecretRef,
    authentication: ClientAuthentication,
    scopes: Vec<String>,
    resource: Option<String>,
    audience: Option<String>,
    /// Whether the authorization server may be on a private network.
    pub(crate) allow_private: bool,
}

impl Oauth {
    /// What the target is shown.
    pub(crate) const fn kind(&self) -> CredentialKind {
        match self.grant {
            Grant::ClientCredentials => CredentialKind::ClientCredentials,
            Grant::TokenExchange { .. } => CredentialKind::TokenExchange,
        }
    }

    /// The rules, with the secret.
    pub(crate) fn rules(&self) -> Result<Rules, SecretError> {
        Ok(Rules {
            grant: self.grant,
            endpoint: self.endpoint.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.resolve_text()?,
            authentication: self.authentication,
            scopes: self.scopes.clone(),
            resource: self.resource.clone(),
            audience: self.audience.clone(),
        })
    }
}

/// The table of a target; `Some(None)` when there is none. `headers` are those that the target has beside it.
#[expect(clippy::option_option, reason = "the outer one says whether a problem was noted, as everywhere here")]
pub(super) fn of_target<'a>(
    document: &'a Document,
    heading: String,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
    headers: Option<&[(HeaderName, SecretRef)]>,
) -> Option<Option<Box<Oauth>>> {
    let Some((place, table)) = found else { return Some(None) };
    let table = Table::new(document, &keys::TARGET_OAUTH, heading, place.clone(), table);
    let exchanges =
        table.parsed("grant", |text| one_of(text, &[("client-credentials", false), ("token-exchange", true)]));
    let allow_private = table.boolean("allow_private");
    let address = |text: &str| {
        let checked = if allow_private == Some(true) { value::url(text) } else { value::https_url(text) };
        checked.map(|_| text.to_owned())
    };
    let issuer = table.parsed("issuer", address).map(Endpoint::Issuer);
    let token_endpoint = table.parsed("token_endpoint", address).map(Endpoint::Token);
    let client_id = table.parsed("client_id", short);
    let client_secret = table.secret("client_secret");
    let authentication = table.parsed("auth_method", |text| {
        let methods =
            [("client_secret_basic", ClientAuthentication::Basic), ("client_secret_post", ClientAuthentication::Post)];
        one_of(text, &methods)
    });
    let scopes = table.list("scopes", value::scope);
    let resource = table.parsed("resource", |text| value::url(text).map(|_| text.to_owned()));
    let audience = table.parsed("audience", short);
    let subject_is_jwt =
        table.parsed("subject_token_type", |text| one_of(text, &[("access_token", false), ("jwt", true)]));
    let names_actor = table.boolean("actor_token");
    table.finish();
    let given = |name| table.value(name).is_some();
    let mut is_whole = true;
    let mut problem = |message: String, remedy: Option<&str>| {
        document.problem(place.clone(), message, remedy.map(str::to_owned));
        is_whole = false;
    };
    if given("issuer") == given("token_endpoint") {
        let message = format!("{table} must name exactly one of `issuer` and `token_endpoint`");
        problem(message, Some("`issuer` finds the token endpoint by the issuer's metadata"));
    }
    if exchanges == Some(false) {
        for of_exchange in ["subject_token_type", "actor_token"] {
            if given(of_exchange) {
                problem(format!("`{of_exchange}` is for grant = \"token-exchange\""), None);
            }
        }
        if headers.is_some_and(|headers| headers.iter().any(|(name, _)| *name == AUTHORIZATION)) {
            let remedy = "remove the header, or the table";
            problem(format!("{table} and the header `Authorization` are two credentials for one target"), Some(remedy));
        }
    }
    if !is_whole || given("resource") != resource.is_some() || given("audience") != audience.is_some() {
        return None;
    }
    let grant = if exchanges? {
        Grant::TokenExchange { subject_is_jwt: subject_is_jwt?, names_actor: names_actor? }
    } else {
        Grant::ClientCredentials
    };
    Some(Some(Box::new(Oauth {
        grant,
        endpoint: issuer.or(token_endpoint)?,
        client_id: client_id?,
        client_secret: client_secret?,
        authentication: authentication?,
        scopes: scopes?,
        resource,
        audience,
        allow_private: allow_private?,
    })))
}

/// Printable ASCII, as it may stand in a form of OAuth (RFC 6749 appendix A).
fn short(text: &str) -> Result<String, String> {
    let is_fine = !text.is_empty() && text.len() <= MAX_TEXT && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if is_fine { Ok(text.to_owned()) } else { Err("expected printable text".to_owned()) }
}
