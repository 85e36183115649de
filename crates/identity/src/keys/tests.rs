//! Keys against the specifications' own examples (RFC 7515 A.3, RFC 8037 A), and against everything a set may hold that
//! must not be used. That whole tokens are refused is tested in `tests/refusals.rs`, how sets follow each other in
//! `tests/key_rotation.rs`.

use super::*;

/// RFC 8037 appendix A: the public key of A.2, and the JWS of A.4.
const RFC_8037_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const RFC_8037_SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const RFC_8037_SIGNATURE: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/// RFC 7515 appendix A.3: an ES256 key and signature.
const RFC_7515_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const RFC_7515_SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                               cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RFC_7515_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

fn set(jwks: &str) -> Result<KeySet, KeySetError> {
    KeySet::parse(Bytes::from(format!(r#"{{"keys":[{jwks}]}}"#)), &Algorithm::DEFAULT)
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn with(jwk: &str, member: &str) -> String {
    format!("{{{member},{}", jwk.strip_prefix('{').unwrap())
}

#[test]
fn verifies_the_examples_of_the_specifications() {
    for (key, algorithm, signed, signature) in [
        (RFC_8037_KEY, Algorithm::EdDsa, RFC_8037_SIGNED, RFC_8037_SIGNATURE),
        (RFC_7515_KEY, Algorithm::Es256, RFC_7515_SIGNED, RFC_7515_SIGNATURE),
    ] {
        let keys = set(key).unwrap();
        let key = keys.select(None, algorithm).unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verifies(algorithm, signed.as_bytes(), &signature));
        assert!(!key.verifies(Algorithm::Rs256, signed.as_bytes(), &signature));
        assert!(!key.verifies(algorithm, &signed.as_bytes()[1..], &signature));
        signature[7] ^= 1;
        assert!(!key.verifies(algorithm, signed.as_bytes(), &signature));
    }
}

#[test]
fn unusable_keys_are_left_out_and_the_others_stay() {
    let modulus = encoded(&[0xc1; 256]);
    let unusable = [
        (r#"{"kty":"oct","k":"AAAA"}"#.to_owned(), "with its secret"),
        (with(RFC_8037_KEY, r#""d":"AAAA""#), "with its secret"),
        (with(RFC_8037_KEY, r#""use":"enc""#), "not for signatures"),
        (with(RFC_8037_KEY, r#""key_ops":["sign"]"#), "not for verifying"),
        (with(RFC_8037_KEY, r#""kid":7"#), "no string"),
        (with(RFC_8037_KEY, r#""alg":"HS256""#), "no public-key signature"),
        (with(RFC_8037_KEY, r#""alg":"ES256""#), "none of the issuer's algorithms"),
        (with(RFC_7515_KEY, r#""alg":"ES384""#), "none of the issuer's algorithms"),
        (RFC_7515_KEY.replace("P-256", "P-384"), "wrong length"),
        (RFC_7515_KEY.replace("P-256", "secp256k1"), "none of the issuer's algorithms"),
        (RFC_7515_KEY.replace("x_FEzRu9", "x_FEzRu8"), "no valid key"),
        (RFC_7515_KEY.replace("x_FEzRu9", "x_FEzRu9="), "no base64url"),
        (r#"{"kty":"OKP","crv":"X25519","x":"AAAA"}"#.to_owned(), "none of the issuer's algorithms"),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.to_owned(), "no valid key"),
        (r#"{"kty":"AKP","pub":"AAAA"}"#.to_owned(), "of a type other"),
        (format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, encoded(&[0xc1; 128])), "outside 2048"),
        (format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, encoded(&[0xc1; 1025])), "outside 2048"),
        (format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, encoded(&[[0; 64], [1; 64]].concat())), "outside 2048"),
        (format!(r#"{{"kty":"RSA","e":"AQ","n":"{modulus}"}}"#), "even or 1"),
        (format!(r#"{{"kty":"RSA","e":"Ag","n":"{modulus}"}}"#), "even or 1"),
        (format!(r#"{{"kty":"RSA","e":"","n":"{modulus}"}}"#), "even or 1"),
        (r#"{"kty":"RSA","e":"AQAB"}"#.to_owned(), "lacks a part"),
        ("7".to_owned(), "lacks `kty`"),
    ];
    for (jwk, expected) in unusable {
        match set(&jwk) {
            Err(KeySetError::Unusable(problem)) => assert!(problem.contains(expected), "{jwk}: {problem}"),
            other => panic!("{jwk}: {other:?}"),
        }
        assert_eq!(set(&format!("{jwk},{RFC_8037_KEY}")).unwrap().len(), 1, "{jwk}");
    }
}

#[test]
fn a_set_that_is_no_set_is_an_error() {
    let parse = |text: String| KeySet::parse(Bytes::from(text), &Algorithm::DEFAULT).unwrap_err();
    assert_eq!(parse(r#"{"keys":[]}"#.into()), KeySetError::Empty);
    assert_eq!(parse(format!(r#"{{"keys":[{}7]}}"#, "7,".repeat(MAX_KEYS))), KeySetError::TooMany);
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        assert_eq!(parse(text.into()), KeySetError::Malformed, "{text}");
    }
    let large = format!(r#"{{"keys":[{RFC_8037_KEY}],"x":"{}"}}"#, "x".repeat(MAX_JWKS_BYTES));
    assert_eq!(parse(large), KeySetError::Malformed);
}

#[test]
fn two_keys_that_fit_are_none() {
    let a = with(RFC_8037_KEY, r#""kid":"a""#);
    let b = with(RFC_8037_KEY, r#""kid":"b""#);
    let curve = with(RFC_7515_KEY, r#""kid":"a""#);

    let keys = set(&format!("{a},{curve}")).unwrap();
    assert!(keys.select(Some("a"), Algorithm::EdDsa).is_some(), "one id, two types: the algorithm tells them apart");
    assert!(keys.select(Some("a"), Algorithm::Es256).is_some());
    assert!(keys.select(Some("a"), Algorithm::Rs256).is_none());
    assert!(keys.select(None, Algorithm::EdDsa).is_some(), "without an id the only one that fits");
    assert!(keys.select(Some("b"), Algorithm::EdDsa).is_none());

    let keys = set(&format!("{a},{b}")).unwrap();
    assert!(keys.select(None, Algorithm::EdDsa).is_none());
    assert!(keys.select(Some("b"), Algorithm::EdDsa).is_some());
    assert!(set(&format!("{a},{a}")).unwrap().select(Some("a"), Algorithm::EdDsa).is_none());

    let nameless = set(RFC_8037_KEY).unwrap();
    assert!(nameless.select(Some("a"), Algorithm::EdDsa).is_none(), "a token that names a key means that key");
}

#[test]
fn a_key_that_leaves_is_retired_and_one_that_stays_is_not() {
    let a = with(RFC_8037_KEY, r#""kid":"a""#);
    let first = set(&format!("{a},{RFC_7515_KEY}")).unwrap();
    let (edwards, curve) = (Arc::clone(&first.keys[0]), Arc::clone(&first.keys[1]));

    let second = first.succeeded_by(set(&format!("{RFC_7515_KEY},{a}")).unwrap());
    assert!(!edwards.is_retired() && !curve.is_retired());
    assert!(Arc::ptr_eq(second.select(Some("a"), Algorithm::EdDsa).unwrap(), &edwards));

    // The same material under another id is another key.
    second.succeeded_by(set(&with(RFC_8037_KEY, r#""kid":"b""#)).unwrap());
    assert!(edwards.is_retired() && curve.is_retired());

    // And so it is for fewer algorithms: a signature by one that is gone is worth nothing.
    let rsa = format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, encoded(&[0xc1; 256]));
    let any = set(&rsa).unwrap();
    any.succeeded_by(set(&with(&rsa, r#""alg":"PS256""#)).unwrap());
    assert!(any.keys[0].is_retired());
}
