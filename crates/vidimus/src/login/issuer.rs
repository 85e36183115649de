//! Who signs people in to a gateway: found from the gateway's address (RFC 9728 §3), as the issuer describes itself
//! (RFC 8414 §3, OpenID Connect Discovery 1.0 §4), and the client that asks there (RFC 7591).
//!
//! Refused: metadata of another resource or issuer than was asked for (RFC 9728 §3.3, RFC 8414 §3.3), addresses over which
//! tokens could be read, addresses on this machine that a gateway elsewhere names, issuers without PKCE.

use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::json;
use vidimus_mcp::WELL_KNOWN;

use super::{LoginError, web};

/// The redirect address as issuers are told it: they take any port on loopback (RFC 8252 §7.3).
const REDIRECT: &str = "http://127.0.0.1/callback";
/// The grant of the device flow (RFC 8628 §3.4).
pub(super) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// An endpoint of a gateway, as the gateway describes it.
#[derive(Deserialize)]
pub(super) struct Resource {
    #[serde(rename = "resource")]
    pub(super) url: String,
    #[serde(default, rename = "authorization_servers")]
    issuers: Vec<String>,
    #[serde(default, rename = "scopes_supported")]
    pub(super) scopes: Vec<String>,
}

/// An issuer, as it describes itself.
#[derive(Deserialize)]
pub(super) struct Issuer {
    #[serde(rename = "issuer")]
    pub(super) url: String,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: String,
    pub(super) device_authorization_endpoint: Option<String>,
    pub(super) revocation_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    /// Whether redirects say whose they are (RFC 9207 §3).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// This program as an issuer knows it. It has no secret: it could not keep one (RFC 8252 §8.5).
pub(super) struct Client {
    pub(super) id: String,
}

impl Resource {
    /// The metadata of `endpoint`, such as `https://mcp.example.com/mcp`.
    pub(super) async fn discover(endpoint: &str) -> Result<Self, LoginError> {
        let what = "the gateway's metadata";
        web::check("the gateway", endpoint)?;
        let url = well_known(endpoint, WELL_KNOWN);
        let resource: Option<Self> = web::get(what, &url).await?;
        let problem =
            "there is none: the gateway sends nobody to an identity provider, or the address is another server's";
        let resource = resource.ok_or_else(|| LoginError::Unavailable { what, url, problem: problem.to_owned() })?;
        if resource.url == endpoint {
            Ok(resource)
        } else {
            let own = &resource.url;
            let text = format!(
                "the gateway at {endpoint} calls itself {own}; use that address, without /mcp and what follows"
            );
            Err(LoginError::Unsuitable(text))
        }
    }

    /// The issuer that is asked for, or the first.
    pub(super) fn issuer(&self, wanted: Option<&str>) -> Result<&str, LoginError> {
        let found = match wanted {
            Some(wanted) => self.issuers.iter().find(|issuer| *issuer == wanted),
            None => self.issuers.first(),
        };
        found.map(String::as_str).ok_or_else(|| {
            LoginError::Unsuitable(format!("the gateway names these identity providers: {}", self.issuers.join(", ")))
        })
    }
}

impl Issuer {
    /// The metadata of an issuer that the gateway names.
    pub(super) async fn discover(issuer: &str, gateway: &str) -> Result<Self, LoginError> {
        let what = "the identity provider's metadata";
        web::check_named(gateway, "the identity provider", issuer)?;
        let base = issuer.trim_end_matches('/');
        let places = [
            well_known(base, "/.well-known/oauth-authorization-server"),
            well_known(base, "/.well-known/openid-configuration"),
            format!("{base}/.well-known/openid-configuration"),
        ];
        for url in &places {
            let Some(found) = web::get::<Self>(what, url).await? else { continue };
            if found.url != issuer {
                let text = format!("{url} is the metadata of another identity provider than {issuer}: {}", found.url);
                return Err(LoginError::Unsuitable(text));
            }
            found.check(gateway)?;
            return Ok(found);
        }
        let url = places.into_iter().next_back().unwrap_or_default();
        Err(LoginError::Unavailable { what, url, problem: "there is none".to_owned() })
    }

    fn check(&self, gateway: &str) -> Result<(), LoginError> {
        web::check_named(gateway, "the token endpoint", &self.token_endpoint)?;
        for (what, url) in [
            ("the authorization endpoint", &self.authorization_endpoint),
            ("the device endpoint", &self.device_authorization_endpoint),
            ("the revocation endpoint", &self.revocation_endpoint),
            ("the registration endpoint", &self.registration_endpoint),
        ] {
            if let Some(url) = url {
                web::check_named(gateway, what, url)?;
            }
        }
        Ok(())
    }

    /// MCP 2025-11-25, "Authorization Code Protection": a client must not go on with an issuer that does not name PKCE.
    pub(super) fn check_challenges(&self) -> Result<(), LoginError> {
        if self.code_challenge_methods_supported.iter().any(|method| method == "S256") {
            return Ok(());
        }
        let text =
            format!("the identity provider {} does not say that it supports PKCE (S256); try --device", self.url);
        Err(LoginError::Unsuitable(text))
    }
}

impl Client {
    /// Registers this program with an issuer.
    pub(super) async fn register(issuer: &Issuer) -> Result<Self, LoginError> {
        #[derive(Deserialize)]
        struct Registered {
            client_id: String,
            token_endpoint_auth_method: Option<String>,
        }
        let what = "a registration with the identity provider";
        let Some(url) = &issuer.registration_endpoint else {
            let text = format!("the identity provider {} registers no clients by itself", issuer.url);
            return Err(LoginError::Unsuitable(text));
        };
        let mut grants = vec!["authorization_code", "refresh_token"];
        if issuer.device_authorization_endpoint.is_some() {
            grants.push(DEVICE_GRANT);
        }
        let metadata = json!({
            "client_name": "Vidimus command line",
            "application_type": "native",
            "redirect_uris": [REDIRECT],
            "grant_types": grants,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        let (status, body) = web::post_json(what, url, &metadata).await?;
        if status != StatusCode::CREATED && status != StatusCode::OK {
            return Err(super::token::refused(status, &body));
        }
        let registered: Registered = web::parsed(what, url, &body)?;
        // RFC 7591 §3.2.1: the issuer may have registered something else than was asked for.
        match registered.token_endpoint_auth_method.as_deref() {
            None | Some("none") => Ok(Self { id: registered.client_id }),
            Some(method) => Err(LoginError::Unsuitable(format!(
                "the identity provider registered a client that needs a secret ({method}), which a program on this machine \
                 cannot keep"
            ))),
        }
    }
}

/// A well-known address (RFC 8615): between host and path.
fn well_known(url: &str, name: &str) -> String {
    let Ok(uri) = url.parse::<Uri>() else { return format!("{url}{name}") };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}{name}{}", uri.scheme_str().unwrap_or("https"), uri.path().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_elsewhere_sends_nobody_to_this_machine() {
        let issuer = |token: &str, device: &str| -> Issuer {
            let metadata = json!({
                "issuer": "https://login.example.com", "token_endpoint": token, "device_authorization_endpoint": device,
            });
            serde_json::from_value(metadata).unwrap()
        };
        let (here, there) = ("http://127.0.0.1:8443/mcp", "https://mcp.example.com/mcp");
        let (away, local) = ("https://login.example.com/x", "http://localhost:631/x");
        for (gateway, token, device, expected) in [
            (there, away, away, true),
            (there, local, away, false),
            (there, away, local, false),
            (there, away, "https://127.0.0.1/x", false),
            (there, away, "https://[::1]/x", false),
            (here, local, local, true),
            (here, away, "http://login.example.com/x", false),
        ] {
            let checked = issuer(token, device).check(gateway);
            assert_eq!(checked.is_ok(), expected, "{gateway} {token} {device}: {checked:?}");
        }
    }

    #[test]
    fn well_known_names_stand_between_host_and_path() {
        for (url, expected) in [
            ("https://a.example", "https://a.example/.well-known/x"),
            ("https://a.example/", "https://a.example/.well-known/x"),
            ("https://a.example:8443/realms/corp", "https://a.example:8443/.well-known/x/realms/corp"),
        ] {
            assert_eq!(well_known(url, "/.well-known/x"), expected);
        }
    }
}
