//! Secrets of clouds, hosting and their networks.

use super::{LIKELY, begins, named, read, run, token, uuid, value};
use crate::class::{ClassSpec, Shape, Values, Verdict};
use crate::form::{Part, Set};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "SECRET_AWS_KEY",
        about: "AWS access key id, secret access key or Bedrock API key",
        shapes: &[
            begins("(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)", &[run(Set::Upper, 16)], 30),
            begins("ABSK", &[Part::Run(Set::Base64Padded, 109, 273)], 30),
            begins("bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t", &[Part::Run(Set::Base64Padded, 0, 4096)], 0),
        ],
        keywords: &[
            "aws_secret",
            "aws-secret",
            "awssecret",
            "secret_access_key",
            "secretaccesskey",
            "secret-access-key",
            "secret access key",
        ],
        values: Values::Forms(&[value(&[run(Set::Base64, 40)], 42)]),
        check: Some(aws),
        checked_by: "alphabet of access key ids, no example of AWS's manual",
        example: concat!("AKIA", "2ABCDEFGHIJKLMN7"),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_AZURE_SECRET",
        about: "Microsoft Entra client secret or Azure storage key",
        anchors: &[("q~", read::before::azure)],
        keywords: &["accountkey", "sharedaccesskey", "account_key"],
        values: Values::Forms(&[
            value(&[run(Set::Base64, 86), Part::Text("==")], 40),
            value(&[run(Set::Base64, 43), Part::Text("=")], 40),
        ]),
        in_default: false,
        example: "client secret: Ab18Q~Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2",
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_GOOGLE_KEY",
        about: "Google API key, OAuth token or OAuth client secret",
        shapes: &[
            begins("AIza", &[run(Set::Url, 35)], 40),
            begins("GOCSPX-", &[run(Set::Url, 28)], 35),
            begins("ya29\\.", &[Part::Run(Set::Url, 60, 1024)], 35),
        ],
        check: Some(google),
        checked_by: "no key that Google publishes",
        example: concat!("AIza", "SyAb1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1"),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_ALIBABA_KEY",
        about: "Alibaba Cloud access key id or secret",
        shapes: &[begins("LTAI", &[run(Set::Alnum, 20)], 25)],
        keywords: &["alibaba", "aliyun"],
        values: Values::Forms(&[value(&[run(Set::Alnum, 30)], 20)]),
        example: concat!("LTAI", "Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ..ClassSpec::SECRET
    },
    token(
        "SECRET_DIGITALOCEAN_TOKEN",
        "DigitalOcean personal access, OAuth or refresh token",
        &[begins("do[opr]_v1_", &[run(Set::LowerHex, 64)], 30)],
        concat!("dop", "_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
    ),
    ClassSpec {
        name: "SECRET_CLOUDFLARE_KEY",
        about: "Cloudflare API key, global API key or origin CA key",
        shapes: &[begins("v1\\.0-", &[run(Set::LowerHex, 24), Part::Text("-"), run(Set::LowerHex, 146)], 25)],
        keywords: &["cloudflare"],
        values: Values::Forms(&[value(&[run(Set::Url, 40)], 20), value(&[run(Set::Hex, 37)], 20)]),
        example: concat!(
            "v1",
            ".0-0123456789abcdef01234567-",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01"
        ),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_HEROKU_KEY",
        about: "Heroku API key",
        shapes: &[begins("HRKU-AA", &[run(Set::Url, 58)], 40)],
        keywords: &["heroku"],
        values: Values::Forms(&[uuid()]),
        example: concat!("HRKU", "-AAb1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn"),
        ..ClassSpec::SECRET
    },
    token(
        "SECRET_FLY_TOKEN",
        "Fly.io access token",
        &[
            begins("fo1_", &[run(Set::Url, 43)], 40),
            begins("fm(?:1[ar]|2)_", &[Part::Run(Set::Base64Padded, 100, 8192)], 40),
        ],
        concat!("fo1", "_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4C"),
    ),
    token(
        "SECRET_SCALINGO_TOKEN",
        "Scalingo API token",
        &[begins("tk-us-", &[run(Set::Url, 48)], 25)],
        concat!("tk-us", "-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6"),
    ),
    named(
        "SECRET_NETLIFY_TOKEN",
        "Netlify access token",
        &["netlify"],
        &[value(&[Part::Run(Set::UrlPadded, 40, 47)], 0)],
        "netlify_token = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4C",
    ),
    named(
        "SECRET_FASTLY_TOKEN",
        "Fastly API token",
        &["fastly"],
        &[value(&[run(Set::UrlPadded, 32)], 0)],
        "fastly_token = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv",
    ),
    named(
        "SECRET_MERAKI_KEY",
        "Cisco Meraki API key",
        &["meraki"],
        &[value(&[run(Set::LowerHex, 40)], 34)],
        "meraki_key = 0123456789abcdef0123456789abcdef01234567",
    ),
    token(
        "SECRET_DEFINED_NETWORKING_TOKEN",
        "Defined Networking API token",
        &[begins("dnkey-", &[run(Set::UrlPadded, 26), Part::Text("-"), run(Set::UrlPadded, 52)], 30)],
        concat!("dnkey", "-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7I"),
    ),
    token(
        "SECRET_TAILSCALE_KEY",
        "Tailscale key",
        &[begins("tskey-(?:auth|api|client|scim|webhook)-", &[Part::Run(Set::Url, 24, 80)], 30)],
        concat!("tskey", "-auth-Ab1Cd2Ef3CNTRL-Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"),
    ),
    ClassSpec {
        name: "SECRET_YANDEX_KEY",
        about: "Yandex Cloud API key, IAM token or static access key",
        shapes: &[
            begins(
                "t1\\.",
                &[Part::Run(Set::UrlPadded, 1, 400), Part::Text("."), Part::Run(Set::UrlPadded, 86, 88)],
                30,
            ),
            begins("AQVN", &[Part::Run(Set::Url, 35, 38)], 35),
        ],
        keywords: &["yandex"],
        values: Values::Forms(&[
            value(&[Part::Text("YC"), run(Set::Url, 38)], 0),
            value(&[Part::OneOf(&["AQVN"]), Part::Run(Set::Url, 35, 38)], 0),
        ]),
        example: concat!("AQVN", "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_VAULT_TOKEN",
        about: "HashiCorp Vault service or batch token, Terraform Cloud token",
        shapes: &[
            begins("hvs\\.", &[Part::Run(Set::Url, 24, 160)], 35),
            begins("hv[br]\\.", &[Part::Run(Set::Url, 90, 400)], 35),
            Shape::alone("s\\.", LIKELY).then(&[run(Set::Alnum, 24)], 35),
            Shape::alone("atlasv1\\.", 90).read_by(read::before::terraform).reaches_back(15),
        ],
        check: Some(vault),
        checked_by: "digits in tokens of the old form",
        example: concat!("hvs", ".Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8"),
        ..ClassSpec::SECRET
    },
    token(
        "SECRET_OPENSHIFT_TOKEN",
        "OpenShift user token",
        &[begins("sha256~", &[run(Set::Url, 43)], 35)],
        concat!("sha256", "~Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4C"),
    ),
    token(
        "SECRET_PULUMI_TOKEN",
        "Pulumi access token",
        &[begins("pul-", &[run(Set::LowerHex, 40)], 25)],
        concat!("pul", "-0123456789abcdef0123456789abcdef01234567"),
    ),
    token(
        "SECRET_INFRACOST_TOKEN",
        "Infracost API token",
        &[begins("ico-", &[run(Set::Alnum, 32)], 30)],
        concat!("ico", "-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv"),
    ),
    token(
        "SECRET_PREFECT_TOKEN",
        "Prefect API token",
        &[begins("pn[ub]_", &[run(Set::Alnum, 36)], 25)],
        concat!("pnu", "_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"),
    ),
    token(
        "SECRET_DOPPLER_TOKEN",
        "Doppler token",
        &[begins("dp\\.(?:pt|st|ct|sa|scim|audit)\\.", &[Part::Run(Set::Dotted, 40, 80)], 25)],
        concat!("dp.pt", ".Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4C"),
    ),
    token(
        "SECRET_ONEPASSWORD_KEY",
        "1Password secret key or service account token",
        &[
            begins(
                "A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-",
                &[run(Set::Upper, 5), Part::Text("-"), run(Set::Upper, 5), Part::Text("-"), run(Set::Upper, 5)],
                35,
            ),
            begins("ops_eyJ", &[Part::Run(Set::Base64Padded, 250, 8192)], 40),
        ],
        "A3-AB1CD2-EF3GH4-IJ5KL-6MN7O-P8QR9-ST0UV",
    ),
    token(
        "SECRET_AGE_KEY",
        "secret key of the encryption tool age",
        &[begins("AGE-SECRET-KEY-1", &[run(Set::Upper, 58)], 0)],
        concat!("AGE-SECRET-KEY", "-1QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE"),
    ),
    token(
        "SECRET_AUTHRESS_KEY",
        "Authress service client access key",
        &[begins(
            "(?:sc|ext|scauth|authress)_",
            &[
                Part::Run(Set::Alnum, 5, 30),
                Part::Text("."),
                Part::Run(Set::Alnum, 4, 6),
                Part::OneOf(&[".acc_", ".acc-"]),
                Part::Run(Set::Url, 10, 32),
                Part::Text("."),
                Part::Run(Set::Token, 30, 120),
            ],
            25,
        )],
        concat!("sc", "_ab1cd2ef.ab12.acc-ab1cd2ef3gh4.Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"),
    ),
    ClassSpec {
        name: "SECRET_OKTA_TOKEN",
        about: "Okta API token",
        keywords: &["okta"],
        values: Values::Forms(&[value(&[Part::Text("00"), run(Set::UrlPadded, 40)], 40)]),
        in_default: false,
        example: "okta_token = 00Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A",
        ..ClassSpec::SECRET
    },
    named(
        "SECRET_RAPIDAPI_KEY",
        "RapidAPI key",
        &["rapidapi", "x-rapidapi-key"],
        &[value(&[run(Set::Url, 50)], 0)],
        "rapidapi_key = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh",
    ),
];

/// Ids are base32 (A to Z and 2 to 7); the manual's end with EXAMPLE.
fn aws(value: &[u8]) -> Verdict {
    let is_id = value.len() == 20 && value.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let base32 = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7');
    let well_formed = value.get(4..).is_some_and(|rest| rest.iter().all(base32)) && !value.ends_with(b"EXAMPLE");
    if is_id && !well_formed { Verdict::Invalid } else { Verdict::Unproven }
}

/// The alphabet in order stands in documentation.
fn google(value: &[u8]) -> Verdict {
    if value.windows(16).any(|part| part == b"abcdefghijklmnop") { Verdict::Invalid } else { Verdict::Unproven }
}

/// `s.` and letters alone is code.
fn vault(value: &[u8]) -> Verdict {
    if value.starts_with(b"s.") && !value.iter().any(u8::is_ascii_digit) { Verdict::Invalid } else { Verdict::Unproven }
}
