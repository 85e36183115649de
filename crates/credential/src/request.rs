//! Requests for tokens: forms (RFC 6749 appendix B) and how the gateway shows who it is (RFC 6749 §2.3.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::rules::{ACCESS_TOKEN, ClientAuthentication, EXCHANGE, JWT, Rules};

/// The room for a form: tokens are the largest part.
const FORM_ROOM: usize = 16 << 10;

/// What a token is asked for with.
pub(crate) enum Proof<'a> {
    /// That it is the gateway.
    Client,
    /// The caller's token, and the gateway's own if it is to be named.
    Subject { token: &'a str, is_jwt: bool, actor: Option<&'a str> },
    /// A refresh token.
    Refresh(&'a str),
}

/// The form and the header `Authorization`.
pub(crate) fn form(rules: &Rules, proof: &Proof<'_>) -> (Zeroizing<String>, Option<HeaderValue>) {
    let mut fields: Vec<(&str, &str)> = Vec::with_capacity(12);
    match proof {
        Proof::Client => fields.push(("grant_type", "client_credentials")),
        Proof::Subject { token, is_jwt, actor } => {
            let kind = if *is_jwt { JWT } else { ACCESS_TOKEN };
            fields.extend([("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", kind)]);
            if let Some(actor) = actor {
                fields.extend([("actor_token", *actor), ("actor_token_type", ACCESS_TOKEN)]);
            }
        }
        Proof::Refresh(token) => fields.extend([("grant_type", "refresh_token"), ("refresh_token", token)]),
    }
    let scope = rules.scopes.join(" ");
    if !scope.is_empty() {
        fields.push(("scope", &scope));
    }
    fields.extend(rules.resource.iter().map(|resource| ("resource", &**resource)));
    fields.extend(rules.audience.iter().map(|audience| ("audience", &**audience)));
    let authorization = match rules.authentication {
        ClientAuthentication::Basic => basic(&rules.client_id, &rules.client_secret),
        ClientAuthentication::Post => {
            fields.extend([("client_id", &*rules.client_id), ("client_secret", &rules.client_secret)]);
            None
        }
    };
    // Room from the start: a growing text would leave unwiped copies behind.
    let room = FORM_ROOM + fields.iter().map(|(_, value)| value.len() * 3).sum::<usize>();
    let mut form = Zeroizing::new(String::with_capacity(room));
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        encode(value, &mut form);
    }
    (form, authorization)
}

fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let mut pair = Zeroizing::new(String::with_capacity((id.len() + secret.len()) * 3 + 1));
    encode(id, &mut pair);
    pair.push(':');
    encode(secret, &mut pair);
    let header = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut header = HeaderValue::from_str(&header).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Adds `text` as `application/x-www-form-urlencoded`; all but unreserved characters are escaped.
fn encode(text: &str, out: &mut String) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |half: u8| DIGITS.get(usize::from(half & 0xf)).copied().unwrap_or('0');
            out.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Endpoint, Grant};

    fn rules(authentication: ClientAuthentication) -> Rules {
        Rules {
            grant: Grant::ClientCredentials,
            endpoint: Endpoint::Token("https://idp.example/token".into()),
            client_id: "gate:way".into(),
            client_secret: Zeroizing::new("s&cr=t é".into()),
            authentication,
            scopes: vec!["read".into(), "api://crm/use".into()],
            resource: Some("https://crm.example/mcp".into()),
            audience: None,
        }
    }

    #[test]
    fn the_secret_is_escaped_before_it_is_encoded() {
        let (form, authorization) = form(&rules(ClientAuthentication::Basic), &Proof::Client);
        let expected =
            "grant_type=client_credentials&scope=read%20api%3A%2F%2Fcrm%2Fuse&resource=https%3A%2F%2Fcrm.example%2Fmcp";
        assert_eq!(*form, expected);
        let authorization = authorization.unwrap();
        let pair = authorization.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(pair).unwrap(), b"gate%3Away:s%26cr%3Dt%20%C3%A9");
        assert!(authorization.is_sensitive());
    }

    #[test]
    fn nothing_can_add_a_field() {
        let proof = Proof::Subject { token: "a&grant_type=x", is_jwt: false, actor: Some("b=c") };
        let (form, authorization) = form(&rules(ClientAuthentication::Post), &proof);
        assert!(authorization.is_none());
        let names: Vec<&str> = form.split('&').map(|field| field.split_once('=').unwrap().0).collect();
        let expected = [
            "grant_type",
            "subject_token",
            "subject_token_type",
            "actor_token",
            "actor_token_type",
            "scope",
            "resource",
            "client_id",
            "client_secret",
        ];
        assert_eq!(names, expected);
    }
}
