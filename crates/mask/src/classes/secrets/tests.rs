//! Every secret is found by its example; what stands for one, and what only looks like one, is not.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::engine::{End, Engine, Scan};
use crate::selection::Selection;

static DEFAULT: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Selection::new(["default"])).unwrap());
static SECRETS: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Selection::new(["secrets"])).unwrap());

/// Letters and digits without order, as many as asked for.
const RANDOM: &str = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0Op1Qr2St3Uv4Wx5Yz6Ab7Cd8Ef9Gh0Ij1Kl2";

fn found(engine: &Engine, text: &str, path: &[&str]) -> Vec<(String, String)> {
    let mut scan = Scan::default();
    engine.scan(text.as_bytes(), path, End::Final, &mut scan);
    let value = |start, end| text.get(start..end).unwrap().to_owned();
    scan.findings().iter().map(|found| (engine.name(found.class).to_owned(), value(found.start, found.end))).collect()
}

/// The class of what is found in `text`, or nothing.
fn classes(engine: &Engine, text: &str) -> HashSet<String> {
    found(engine, text, &[]).into_iter().map(|(class, _)| class).collect()
}

#[test]
fn every_class_finds_its_example_by_its_own_name() {
    for spec in super::TABLES.into_iter().flatten() {
        let engine = Engine::new(&Selection::new([spec.name])).unwrap();
        assert!(classes(&engine, spec.example).contains(spec.name), "{}: {}", spec.name, spec.example);
        assert!(spec.name.len() <= 48 && spec.name.starts_with("SECRET_") && !spec.about.is_empty(), "{}", spec.name);
    }
}

#[test]
fn a_beginning_of_the_issuers_own_is_enough_in_default() {
    let all = super::TABLES.into_iter().flatten().filter(|spec| spec.in_default && spec.keywords.is_empty());
    for spec in all {
        let found = classes(&DEFAULT, &format!("see\n{} there", spec.example));
        assert!(found.contains(spec.name), "{}: {found:?}", spec.name);
    }
}

#[test]
fn placeholders_are_no_secrets() {
    for text in [
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "AKIAXXXXXXXXXXXXXXXX",
        "api_key = <your api key>",
        "api_key = ${API_KEY}",
        "password = ${DB_PASSWORD}",
        "password: <SECRET_PASSWORD>",
        "password = \"********\"",
        "Authorization: Bearer <token>",
        "Authorization: Bearer $(print-token)",
        "postgres://app:${PASSWORD}@db/main",
        "postgres://app:<SECRET_URL_CREDENTIALS>@db/main",
        "curl -u \"$USER:$PASS\" https://example.com",
        "curl --user user:password https://example.com",
    ] {
        assert_eq!(found(&SECRETS, text, &[]), [], "{text}");
    }
}

#[test]
fn code_and_prose_about_secrets_hold_none() {
    for text in [
        "The key to the house is under the mat, and the password is known to both of us.",
        "const keyboardLayout = \"qwertz-105-german-v2\"",
        "author = \"jane-doe-1970-berlin\"",
        "public_key = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8",
        "key_name = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8",
        "password: string",
        "password = getPassword(user1)",
        "if token == previous_token_2 then",
        "primaryKey: userId_createdAt_v2",
        "self.secret_key = config.secrets.key1_default_value",
        "tokens: 4096, max_tokens=8192",
        "notes = \"Maven - com.example.token:qjwz-codec-2.10.14\"",
        "auth_module = \"qjwz-codec@1.12.3\"",
    ] {
        assert_eq!(found(&SECRETS, text, &[]), [], "{text}");
    }
}

#[test]
fn names_in_every_notation_tell_of_a_secret() {
    let value = &RANDOM[..24];
    for text in [
        format!("api_key = \"{value}\""),
        format!("{{\"apiKey\": \"{value}\"}}"),
        format!("{{\\\"accessToken\\\": \\\"{value}\\\"}}"),
        format!("export SERVICE_TOKEN={value}"),
        format!("https://example.com/?page=2&access_token={value}&x=1"),
        format!("<clientSecret>{value}</clientSecret>"),
        format!("- name: SERVICE_SECRET\n  value: {value}\n"),
        format!("config[\"auth_token\"] = '{value}'"),
        format!("setProperty(\"service.secret\", \"{value}\")"),
        format!("MYSERVICEAPIKEY={value}"),
    ] {
        let values: Vec<String> = found(&SECRETS, &text, &[]).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [value], "{text}");
        assert_eq!(found(&DEFAULT, &text, &[]), [], "default waits for a key that leads to it: {text}");
    }
}

#[test]
fn a_version_behind_a_secret_hides_nothing() {
    let value = format!("{}-1.12.3", &RANDOM[..24]);
    assert_eq!(found(&SECRETS, &format!("api_key = \"{value}\""), &[]), [("SECRET_GENERIC".to_owned(), value)]);
}

#[test]
fn a_password_ends_with_its_word_however_much_follows() {
    for length in [0, 1, 100, 127, 128, 129, 500] {
        let text = format!("password=tulip7Bulb {}", "a ".repeat(length));
        let found = found(&SECRETS, &text, &[]);
        assert_eq!(found, [("SECRET_PASSWORD".to_owned(), "tulip7Bulb".to_owned())], "{length}");
    }
}

#[test]
fn keys_that_lead_to_a_value_make_it_a_secret() {
    let secret = |key: &str, value: &str| found(&DEFAULT, value, &["user", key]).len() == 1;
    for key in ["password", "userPassword", "DB_PASSWD", "client_secret", "apiKey", "X-Api-Key", "refresh_token"] {
        assert!(secret(key, "tulip") && secret(key, "two words"), "{key}");
        for none in
            ["", "abc", "null", "true", "<SECRET_PASSWORD>", "<SECRET_GENERIC_2>", "[REDACTED]", "******", "${KEY}"]
        {
            assert!(!secret(key, none), "{key}: {none}");
        }
    }
    for key in ["password_policy", "secretName", "tokens", "key", "note", "passwordHint"] {
        assert!(!secret(key, "tulip"), "{key}");
    }
    assert!(secret("token", &RANDOM[..30]) && !secret("token", "next") && !secret("token", "page-2-of-the-whole-list"));
    let heroku = "01234567-89ab-cdef-0123-456789abcdef";
    assert_eq!(found(&SECRETS, heroku, &["heroku_api_key"]).len(), 2, "by the vendor's form and by the name");
    assert_eq!(found(&SECRETS, heroku, &["id"]), []);
}

#[test]
fn a_key_in_armour_is_one_finding_however_it_ends() {
    let (begin, end) =
        (format!("-----BEGIN RSA {}-----", "PRIVATE KEY"), format!("-----END RSA {}-----", "PRIVATE KEY"));
    let body = format!("{}\n{}\n", &RANDOM[..64], &RANDOM[..40]);
    let whole = format!("{begin}\nProc-Type: 4,ENCRYPTED\n\n{body}{end}");
    let key = |text: &str| {
        let found = found(&DEFAULT, text, &[]);
        assert_eq!(found.len(), 1, "{text}");
        found.into_iter().map(|(_, value)| value).next().unwrap()
    };
    assert_eq!(key(&format!("see\n{whole}\nthere")), whole);
    let escaped = whole.replace('\n', "\\n");
    assert_eq!(key(&format!("\"{escaped}\"")), escaped);
    let cut = format!("{begin}\n{}", body.trim_end());
    assert_eq!(key(&format!("{cut}\n\nThat was all.")), cut, "an end is missing");
    assert_eq!(key(&cut), cut);
    let public = whole.replace("PRIVATE", "PUBLIC");
    assert_eq!(found(&DEFAULT, &public, &[]), []);
    assert_eq!(found(&DEFAULT, &format!("{begin}\nanything\n{end}"), &[]), [], "an example");
}

#[test]
fn long_tokens_are_found_whole() {
    let payload = RANDOM.replace('_', "").repeat(200);
    let token = format!("eyJ{}.eyJ{payload}.{}", "hbGciOiJIUzI1NiJ9", &RANDOM[..43]);
    let all = found(&DEFAULT, &format!("Cookie: a={token}; b=1"), &[]);
    assert_eq!(all, [("SECRET_JWT".to_owned(), token)]);
}

#[test]
fn a_secrets_data_in_yaml_are_found_wherever_its_kind_stands() {
    let data = "  tls.key: >\n    QWIxQ2QyRWYzR2g0\n  user: QWIxQ2QyRWYzR2g0\n";
    for text in [
        format!("kind: Secret\nmetadata:\n  name: a\ndata:\n{data}type: Opaque\n"),
        format!("data:\n{data}kind: \"Secret\"\n"),
    ] {
        assert_eq!(found(&DEFAULT, &text, &[])[0].1, data.trim(), "{text}");
    }
    for text in [
        format!("kind: ConfigMap\ndata:\n{data}"),
        format!("kind: Secret\n---\nkind: ConfigMap\ndata:\n{data}"),
        format!("kind: ExternalSecret\ndata:\n{data}"),
        "kind: Secret\ndata:\n  user: \"\"\n".to_owned(),
    ] {
        assert_eq!(found(&DEFAULT, &text, &[]), [], "{text}");
    }
}

#[test]
fn github_tokens_prove_themselves_by_their_checksum() {
    let mut scan = Scan::default();
    let mut score = |token: &str| {
        DEFAULT.scan(token.as_bytes(), &[], End::Final, &mut scan);
        scan.findings()[0].score
    };
    // CRC-32 of the thirty letters and digits, in base62.
    let body = &RANDOM[..30];
    let mut rest = crate::checksum::crc_32(body.as_bytes());
    let mut check = String::new();
    for _ in 0..6 {
        let digit = u8::try_from(rest % 62).unwrap();
        check.insert(
            0,
            char::from(match digit {
                0..10 => b'0' + digit,
                10..36 => b'A' + digit - 10,
                _ => b'a' + digit - 36,
            }),
        );
        rest /= 62;
    }
    assert_eq!(score(&format!("ghp_{body}{check}")), 100);
    assert_eq!(score(&format!("ghp_{body}AAAAAA")), super::DISTINCTIVE);
}
