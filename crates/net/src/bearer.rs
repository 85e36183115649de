//! The bearer token of a request (RFC 6750 §2.1). Refused: several `Authorization` headers, other schemes.

use http::{HeaderMap, header};

/// The token of `Authorization: Bearer …`; none when there is not exactly one.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token_is_read_and_nothing_else() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned)
        };
        for good in ["Bearer t", "bearer t", "BEARER  t"] {
            assert_eq!(read(&[good]).as_deref(), Some("t"), "{good}");
        }
        for bad in [&[][..], &["t"], &["Basic t"], &["Bearer"], &["Bearer t", "Bearer t"], &["Bearer t", "Basic t"]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
