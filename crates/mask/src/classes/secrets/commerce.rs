//! Secrets of payment, shops, banking data and exchanges.

use super::{begins, named, run, token, uuid, value};
use crate::class::{ClassSpec, Values};
use crate::form::{Part, Set};

pub(super) const CLASSES: &[ClassSpec] = &[
    token(
        "SECRET_STRIPE_KEY",
        "Stripe secret, restricted or webhook signing key",
        &[
            begins("[rs]k_(?:test|live|prod)_", &[Part::Run(Set::Alnum, 10, 247)], 25),
            begins("whsec_", &[Part::Run(Set::Base64Padded, 32, 64)], 30),
        ],
        concat!("sk", "_test_", "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8"),
    ),
    token(
        "SECRET_SQUARE_TOKEN",
        "Square access token or application secret",
        &[
            begins("EAAA", &[Part::Run(Set::Url, 22, 60)], 25),
            begins("sq0(?:atp|csp)-", &[Part::Run(Set::Url, 22, 60)], 25),
        ],
        concat!("sq0atp", "-Ab1Cd2Ef3Gh4Ij5Kl6Mn7O"),
    ),
    token(
        "SECRET_SHOPIFY_TOKEN",
        "Shopify access token or shared secret",
        &[begins("shp(?:at|ca|pa|ss)_", &[run(Set::Hex, 32)], 25)],
        concat!("shpat", "_0123456789abcdef0123456789abcdef"),
    ),
    token(
        "SECRET_FLUTTERWAVE_KEY",
        "Flutterwave secret, public or encryption key",
        &[
            begins("FLW(?:SEC|PUB)K(?:_TEST)?-", &[run(Set::Alnum, 32), Part::Text("-X")], 25),
            begins("FLWSECK_TEST", &[Part::OneOf(&["-"]), run(Set::Alnum, 12)], 25),
        ],
        concat!("FLWSECK", "_TEST-0123456789abcdef0123456789abcdef-X"),
    ),
    ClassSpec {
        name: "SECRET_PLAID_KEY",
        about: "Plaid access token, client id or secret",
        shapes: &[begins(
            "access-(?:sandbox|development|production)-",
            &[
                run(Set::Hex, 8),
                Part::Text("-"),
                run(Set::Hex, 4),
                Part::Text("-"),
                run(Set::Hex, 4),
                Part::Text("-"),
                run(Set::Hex, 4),
                Part::Text("-"),
                run(Set::Hex, 12),
            ],
            30,
        )],
        keywords: &["plaid"],
        values: Values::Forms(&[value(&[run(Set::Alnum, 24)], 35), value(&[run(Set::Alnum, 30)], 35)]),
        example: concat!("access", "-sandbox-01234567-89ab-cdef-0123-456789abcdef"),
        ..ClassSpec::SECRET
    },
    named(
        "SECRET_FINICITY_SECRET",
        "Finicity API token or client secret",
        &["finicity"],
        &[value(&[run(Set::Hex, 32)], 0), value(&[run(Set::Alnum, 20)], 0)],
        "finicity_token = 0123456789abcdef0123456789abcdef",
    ),
    named(
        "SECRET_FINNHUB_TOKEN",
        "Finnhub API key",
        &["finnhub"],
        &[value(&[run(Set::Alnum, 20)], 0)],
        "finnhub_token = ab1cd2ef3gh4ij5kl6mn",
    ),
    named(
        "SECRET_GOCARDLESS_TOKEN",
        "GoCardless access token",
        &["gocardless"],
        &[value(&[Part::OneOf(&["live_", "sandbox_"]), run(Set::UrlPadded, 40)], 0)],
        "gocardless_token = live_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A",
    ),
    named(
        "SECRET_FRESHBOOKS_TOKEN",
        "FreshBooks access token",
        &["freshbooks"],
        &[value(&[run(Set::Alnum, 64)], 0)],
        "freshbooks_token = 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ),
    named(
        "SECRET_BITTREX_KEY",
        "Bittrex access or secret key",
        &["bittrex"],
        &[value(&[run(Set::Alnum, 32)], 0)],
        "bittrex_key = 0123456789abcdef0123456789abcdef",
    ),
    named(
        "SECRET_COINBASE_TOKEN",
        "Coinbase access token",
        &["coinbase"],
        &[value(&[run(Set::Url, 64)], 0)],
        "coinbase_token = 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ),
    named(
        "SECRET_KRAKEN_TOKEN",
        "Kraken API key",
        &["kraken"],
        &[value(&[Part::Run(Set::Token, 80, 90)], 0)],
        "kraken_key = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0Op1Qr2St3Uv4Wx5Yz6Ab7Cd8Ef9==",
    ),
    named(
        "SECRET_KUCOIN_KEY",
        "KuCoin access token or secret key",
        &["kucoin"],
        &[value(&[run(Set::Hex, 24)], 0), uuid()],
        "kucoin_secret = 01234567-89ab-cdef-0123-456789abcdef",
    ),
    named(
        "SECRET_ETSY_TOKEN",
        "Etsy access token",
        &["etsy"],
        &[value(&[run(Set::Alnum, 24)], 30)],
        "etsy_token = ab1cd2ef3gh4ij5kl6mn7op8",
    ),
    named(
        "SECRET_SQUARESPACE_TOKEN",
        "Squarespace API key",
        &["squarespace"],
        &[uuid()],
        "squarespace_token = 01234567-89ab-cdef-0123-456789abcdef",
    ),
    token(
        "SECRET_DUFFEL_TOKEN",
        "Duffel API token",
        &[begins("duffel_(?:test|live)_", &[run(Set::UrlPadded, 43)], 25)],
        concat!("duffel", "_test_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4C"),
    ),
    token(
        "SECRET_EASYPOST_TOKEN",
        "EasyPost API token",
        &[begins("EZ[AT]K", &[run(Set::Alnum, 54)], 25)],
        concat!("EZAK", "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8"),
    ),
    token(
        "SECRET_SHIPPO_TOKEN",
        "Shippo API token",
        &[begins("shippo_(?:live|test)_", &[run(Set::Hex, 40)], 25)],
        concat!("shippo", "_test_0123456789abcdef0123456789abcdef01234567"),
    ),
    named(
        "SECRET_LOB_KEY",
        "Lob API key",
        &["lob"],
        &[
            value(&[Part::OneOf(&["live_pub_", "test_pub_"]), run(Set::Hex, 31)], 0),
            value(&[Part::OneOf(&["live_", "test_"]), run(Set::Hex, 35)], 0),
        ],
        "lob_key = test_0123456789abcdef0123456789abcdef012",
    ),
];
