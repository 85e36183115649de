//! The endpoints as OAuth protected resources: metadata (RFC 9728), challenges (RFC 6750 §3) and audiences (RFC 8707).
//!
//! MCP 2025-11-25, "Authorization": a client that is refused reads `WWW-Authenticate`, fetches the metadata it names and
//! finds the identity provider there. What anybody may read is the same for every target name, whether there is such a
//! target or not: addresses as configured, and the scopes that all clients ask for. What one target asks for beyond them
//! is told to callers who have proved who they are.

use std::collections::BTreeMap;

use http::{HeaderValue, Uri};
use vidimus_core::TargetName;
use vidimus_core::canonical::write_string;

/// Where metadata is; the path of the resource follows (RFC 9728 §3.1).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The endpoint of all servers together; those of single ones are below it.
const ENDPOINT: &str = "/mcp";

/// The same for clients that speak HTTP with SSE alone.
pub(crate) const EVENTS: &str = "/sse";

/// What clients are told of where to get tokens, and for what those are.
#[derive(Debug, Clone)]
pub struct ProtectedResources {
    /// Scheme and authority of the address that clients use.
    origin: String,
    /// What stands before every path there, if a proxy takes it off; without a slash at the end.
    prefix: String,
    issuers: Vec<String>,
    scopes: Vec<String>,
    of_targets: BTreeMap<TargetName, Vec<String>>,
}

/// Why a request is answered with a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack<'a> {
    /// There is no token. RFC 6750 §3.1: then there is no error either.
    Token,
    /// The token is not one to accept.
    ValidToken,
    /// The token has not all scopes of this target.
    Scope(&'a TargetName),
}

impl ProtectedResources {
    /// The endpoints below `public_url`. Clients are sent to `issuers`, of which the first is the one that most choose, and
    /// ask for `scopes` there; `of_targets` says which scopes a token must have for a target. A scope is as RFC 6749 §3.3
    /// has it: visible ASCII without `"` and `\`.
    pub fn new(
        public_url: &Uri,
        issuers: Vec<String>,
        scopes: Vec<String>,
        of_targets: BTreeMap<TargetName, Vec<String>>,
    ) -> Self {
        let prefix = public_url.path().trim_end_matches('/').to_owned();
        Self { origin: origin(public_url), prefix, issuers, scopes, of_targets }
    }

    /// The metadata that this path of a request asks for; none when it is no such path, or clients are sent nowhere.
    pub fn metadata(&self, path: &str) -> Option<String> {
        let of = path.strip_prefix(WELL_KNOWN)?;
        let endpoint = endpoint(of.strip_prefix(&self.prefix).unwrap_or(of))?;
        if self.issuers.is_empty() {
            return None;
        }
        let mut json = b"{\"resource\":".to_vec();
        write_string(&mut json, &self.resource(endpoint));
        json.extend_from_slice(b",\"authorization_servers\":");
        write_strings(&mut json, &self.issuers);
        if !self.scopes.is_empty() {
            json.extend_from_slice(b",\"scopes_supported\":");
            write_strings(&mut json, &self.scopes);
        }
        json.extend_from_slice(b",\"bearer_methods_supported\":[\"header\"]}");
        String::from_utf8(json).ok()
    }

    /// Whom a token that is used at `path` may be for: this endpoint, or all of them. One for another endpoint is not taken.
    pub fn audiences(&self, path: &str) -> Vec<String> {
        let of_all = path.starts_with(EVENTS).then_some(EVENTS).into_iter().chain([ENDPOINT]);
        let own = endpoint(path).filter(|endpoint| ![ENDPOINT, EVENTS].contains(endpoint));
        own.into_iter().chain(of_all).map(|endpoint| self.resource(endpoint)).collect()
    }

    /// What stands before every path in the addresses that clients use; without a slash at the end.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The scopes that a token must have for a target.
    pub(crate) fn scopes_of(&self, target: &TargetName) -> &[String] {
        self.of_targets.get(target).map(Vec::as_slice).unwrap_or_default()
    }

    /// `WWW-Authenticate` for a request to `path`.
    pub(crate) fn challenge(&self, path: &str, lack: Lack<'_>) -> HeaderValue {
        let mut parameters = Vec::new();
        match lack {
            Lack::Token => {}
            Lack::ValidToken => parameters.push("error=\"invalid_token\"".to_owned()),
            Lack::Scope(_) => parameters.push("error=\"insufficient_scope\"".to_owned()),
        }
        let of_target = match lack {
            Lack::Scope(target) => self.scopes_of(target),
            Lack::Token | Lack::ValidToken => &[],
        };
        // All that the next token needs: a client asks for what stands here and for nothing else.
        let further = of_target.iter().filter(|scope| !self.scopes.contains(scope));
        let scopes: Vec<&str> = self.scopes.iter().chain(further).map(String::as_str).collect();
        if !scopes.is_empty() {
            parameters.push(format!("scope=\"{}\"", scopes.join(" ")));
        }
        if let Some(endpoint) = endpoint(path).filter(|_| !self.issuers.is_empty()) {
            let Self { origin, prefix, .. } = self;
            parameters.push(format!("resource_metadata=\"{origin}{WELL_KNOWN}{prefix}{endpoint}\""));
        }
        let challenge = format!("Bearer {}", parameters.join(", "));
        HeaderValue::from_str(challenge.trim_end()).unwrap_or(HeaderValue::from_static("Bearer"))
    }

    /// The canonical address of an endpoint.
    fn resource(&self, endpoint: &str) -> String {
        format!("{}{}{endpoint}", self.origin, self.prefix)
    }
}

/// The path of the endpoint that `path` is, when it is one that there could be.
fn endpoint(path: &str) -> Option<&str> {
    let below = path.strip_prefix(ENDPOINT).or_else(|| path.strip_prefix(EVENTS))?;
    let is_target = || below.strip_prefix('/').is_some_and(|name| name.parse::<TargetName>().is_ok());
    (below.is_empty() || is_target()).then_some(path)
}

/// Scheme and authority as clients write them (RFC 3986 §6.2.2.1, §6.2.3): lower case, no port that is the scheme's own.
fn origin(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let authority = url.authority().map(|authority| authority.as_str().to_ascii_lowercase()).unwrap_or_default();
    let own_port = if scheme == "https" { ":443" } else { ":80" };
    format!("{scheme}://{}", authority.strip_suffix(own_port).unwrap_or(&authority))
}

fn write_strings(json: &mut Vec<u8>, texts: &[String]) {
    for (index, text) in texts.iter().enumerate() {
        json.push(if index == 0 { b'[' } else { b',' });
        write_string(json, text);
    }
    json.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(public_url: &str) -> ProtectedResources {
        let crm = BTreeMap::from([("crm".parse().unwrap(), vec!["use".to_owned(), "crm:write".to_owned()])]);
        let issuers = vec!["https://login.example.com".to_owned()];
        ProtectedResources::new(&public_url.parse().unwrap(), issuers, vec!["use".to_owned()], crm)
    }

    #[test]
    fn metadata_is_that_of_the_endpoint_whether_it_is_there_or_not() {
        let resources = resources("https://GW.example.com:443/");
        for name in ["/mcp", "/mcp/crm", "/mcp/no-such-target", "/sse", "/sse/crm"] {
            let metadata = resources.metadata(&format!("{WELL_KNOWN}{name}")).unwrap();
            assert_eq!(
                metadata,
                format!(
                    r#"{{"resource":"https://gw.example.com{name}","authorization_servers":["https://login.example.com"],"scopes_supported":["use"],"bearer_methods_supported":["header"]}}"#
                )
            );
        }
        let no_endpoints =
            ["/mcp/", "/mcp/crm/", "/mcp/CRM", "/mcp/a/b", "/mcpx", "/mcp/%63rm", "/mcp/a\"b", "/sse/", "/ssex"];
        for none in ["", "/", "/log"].into_iter().chain(no_endpoints) {
            assert_eq!(resources.metadata(&format!("{WELL_KNOWN}{none}")), None, "{none}");
        }
        assert_eq!(resources.metadata("/mcp/crm"), None);
    }

    #[test]
    fn a_prefix_that_a_proxy_takes_off_is_part_of_every_address() {
        let resources = resources("https://example.com/gw/");
        for asked in ["/gw/mcp/crm", "/mcp/crm"] {
            let metadata = resources.metadata(&format!("{WELL_KNOWN}{asked}")).unwrap();
            assert!(metadata.contains(r#""resource":"https://example.com/gw/mcp/crm""#), "{metadata}");
        }
        assert_eq!(
            resources.challenge("/mcp/crm", Lack::Token),
            r#"Bearer scope="use", resource_metadata="https://example.com/.well-known/oauth-protected-resource/gw/mcp/crm""#
        );
        assert_eq!(resources.audiences("/mcp/crm"), ["https://example.com/gw/mcp/crm", "https://example.com/gw/mcp"]);
        let of_events = ["https://example.com/gw/sse/crm", "https://example.com/gw/sse", "https://example.com/gw/mcp"];
        assert_eq!(resources.audiences("/sse/crm"), of_events);
        assert_eq!(resources.audiences("/sse"), of_events[1..]);
    }

    #[test]
    fn a_challenge_names_all_scopes_that_the_next_token_needs() {
        let resources = resources("http://127.0.0.1:8080");
        let metadata = r#"resource_metadata="http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp/crm""#;
        assert_eq!(
            resources.challenge("/mcp/crm", Lack::ValidToken),
            &*format!(r#"Bearer error="invalid_token", scope="use", {metadata}"#)
        );
        let crm = "crm".parse().unwrap();
        assert_eq!(
            resources.challenge("/mcp/crm", Lack::Scope(&crm)),
            &*format!(r#"Bearer error="insufficient_scope", scope="use crm:write", {metadata}"#)
        );
        // No challenge tells more of one name than of another, and none repeats what is no endpoint.
        assert_eq!(resources.challenge("/mcp/crm\"", Lack::Token), r#"Bearer scope="use""#);
    }

    #[test]
    fn where_clients_are_sent_nowhere_there_is_no_metadata() {
        let resources = ProtectedResources::new(
            &"https://gw.example.com".parse().unwrap(),
            Vec::new(),
            Vec::new(),
            BTreeMap::new(),
        );
        assert_eq!(resources.metadata(&format!("{WELL_KNOWN}/mcp")), None);
        assert_eq!(resources.challenge("/mcp", Lack::Token), "Bearer");
        assert_eq!(resources.challenge("/mcp", Lack::ValidToken), r#"Bearer error="invalid_token""#);
    }
}
