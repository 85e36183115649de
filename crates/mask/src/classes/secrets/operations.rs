//! Secrets of databases, monitoring, feature flags and content.

use super::{begins, named, run, token, uuid, value};
use crate::class::{ClassSpec, Values};
use crate::form::{Part, Set};

pub(super) const CLASSES: &[ClassSpec] = &[
    token(
        "SECRET_DATABRICKS_TOKEN",
        "Databricks API token",
        &[
            begins("dapi", &[run(Set::LowerHex, 32)], 30),
            begins("dapi", &[run(Set::LowerHex, 32), Part::Text("-"), run(Set::Digit, 1)], 30),
        ],
        concat!("dapi", "0123456789abcdef0123456789abcdef"),
    ),
    token(
        "SECRET_PLANETSCALE_TOKEN",
        "PlanetScale password, API or OAuth token",
        &[begins("pscale_(?:tkn|oauth|pw)_", &[Part::Run(Set::DottedPadded, 32, 64)], 30)],
        concat!("pscale", "_tkn_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv"),
    ),
    token(
        "SECRET_CLICKHOUSE_KEY",
        "ClickHouse Cloud API secret key",
        &[begins("4b1d", &[run(Set::Alnum, 38)], 35)],
        concat!("4b1d", "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz"),
    ),
    named(
        "SECRET_CONFLUENT_KEY",
        "Confluent access token or secret key",
        &["confluent"],
        &[value(&[run(Set::Alnum, 16)], 0), value(&[run(Set::Alnum, 64)], 0)],
        "confluent_key = AB1CD2EF3GH4IJ5K",
    ),
    named(
        "SECRET_ALGOLIA_KEY",
        "Algolia API key",
        &["algolia"],
        &[value(&[run(Set::Alnum, 32)], 0)],
        "algolia_key = 0123456789abcdef0123456789abcdef",
    ),
    named(
        "SECRET_CONTENTFUL_TOKEN",
        "Contentful delivery token",
        &["contentful"],
        &[value(&[run(Set::UrlPadded, 43)], 0)],
        "contentful_token = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4C",
    ),
    named(
        "SECRET_MAPBOX_TOKEN",
        "Mapbox access token",
        &["mapbox"],
        &[value(
            &[Part::OneOf(&["pk.", "sk.", "tk."]), Part::Run(Set::Url, 60, 120), Part::Text("."), run(Set::Url, 22)],
            0,
        )],
        "mapbox_token = pk.Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0.Ab1Cd2Ef3Gh4Ij5Kl6Mn7O",
    ),
    named(
        "SECRET_LOOKER_SECRET",
        "Looker client id or secret",
        &["looker"],
        &[value(&[run(Set::Alnum, 20)], 0), value(&[run(Set::Alnum, 24)], 0)],
        "looker_secret = ab1cd2ef3gh4ij5kl6mn7op8",
    ),
    named(
        "SECRET_DATADOG_TOKEN",
        "Datadog API or application key",
        &["datadog", "dd_api_key", "dd_app_key"],
        &[value(&[run(Set::Alnum, 40)], 0), value(&[run(Set::LowerHex, 32)], 30)],
        "datadog_key = ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv1wx2yz3a",
    ),
    token(
        "SECRET_DYNATRACE_TOKEN",
        "Dynatrace API token",
        &[begins("dt0[a-z][0-9]{2}\\.", &[run(Set::Alnum, 24), Part::Text("."), run(Set::Alnum, 64)], 40)],
        concat!(
            "dt0c01",
            ".AB1CD2EF3GH4IJ5KL6MN7OP8.",
            "AB1CD2EF3GH4IJ5KL6MN7OP8QR9ST0UV1WX2YZ3AB4CD5EF6GH7IJ8KL9MN0OP1Q"
        ),
    ),
    token(
        "SECRET_GRAFANA_TOKEN",
        "Grafana API key, Cloud token or service account token",
        &[
            begins("eyJrIjoi", &[Part::Run(Set::Base64Padded, 70, 403)], 30),
            begins("glc_", &[Part::Run(Set::Base64Padded, 32, 403)], 30),
            begins("glsa_", &[run(Set::Alnum, 32), Part::Text("_"), run(Set::Hex, 8)], 30),
        ],
        concat!("glsa", "_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv_0123abcd"),
    ),
    ClassSpec {
        name: "SECRET_NEW_RELIC_KEY",
        about: "New Relic user, ingest or browser key",
        shapes: &[
            begins("NRAK-", &[run(Set::Alnum, 27)], 25),
            begins("NRJS-", &[run(Set::Hex, 19)], 25),
            begins("NRII-", &[run(Set::Url, 32)], 25),
        ],
        keywords: &["new-relic", "newrelic", "new_relic"],
        values: Values::Forms(&[value(&[run(Set::Alnum, 64)], 0)]),
        example: concat!("NRAK", "-AB1CD2EF3GH4IJ5KL6MN7OP8QR9"),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_SENTRY_TOKEN",
        about: "Sentry organisation, user or older token",
        shapes: &[
            begins("sntrys_eyJ", &[Part::Run(Set::Base64Padded, 30, 420), Part::Text("_"), run(Set::Base64, 43)], 40),
            begins("sntryu_", &[run(Set::LowerHex, 64)], 30),
        ],
        keywords: &["sentry"],
        values: Values::Forms(&[value(&[run(Set::Hex, 64)], 30)]),
        example: concat!("sntryu", "_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_SUMO_LOGIC_KEY",
        about: "Sumo Logic access id or key",
        keywords: &["sumo", "sumologic", "sumo_logic"],
        values: Values::Forms(&[
            value(&[Part::Text("su"), run(Set::Alnum, 12)], 30),
            value(&[run(Set::Alnum, 64)], 30),
        ]),
        in_default: false,
        example: "sumo_access_id = suAb1Cd2Ef3Gh4",
        ..ClassSpec::SECRET
    },
    named(
        "SECRET_LAUNCHDARKLY_TOKEN",
        "LaunchDarkly access token",
        &["launchdarkly"],
        &[value(&[run(Set::UrlPadded, 40)], 0)],
        "launchdarkly_token = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A",
    ),
    named(
        "SECRET_BEAMER_TOKEN",
        "Beamer API token",
        &["beamer"],
        &[value(&[Part::Text("b_"), run(Set::UrlPadded, 44)], 0)],
        "beamer_token = b_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd",
    ),
    named(
        "SECRET_ADAFRUIT_KEY",
        "Adafruit IO key",
        &["adafruit"],
        &[value(&[run(Set::Url, 32)], 0), value(&[Part::Text("aio_"), run(Set::Alnum, 28)], 0)],
        "adafruit_key = ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv",
    ),
    named(
        "SECRET_ADOBE_SECRET",
        "Adobe client id or secret",
        &["adobe"],
        &[value(&[run(Set::Hex, 32)], 20)],
        concat!("p8e", "-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv"),
    )
    .also(&[begins("p8e-", &[run(Set::Alnum, 32)], 25)]),
    named(
        "SECRET_ASANA_SECRET",
        "Asana client id or secret",
        &["asana"],
        &[value(&[run(Set::Digit, 16)], 0), value(&[run(Set::Alnum, 32)], 0)],
        "asana_secret = 0123456789abcdef0123456789abcdef",
    ),
    named(
        "SECRET_DROPBOX_TOKEN",
        "Dropbox API secret, long-lived or short-lived token",
        &["dropbox"],
        &[
            value(&[run(Set::Alnum, 15)], 0),
            value(&[run(Set::Alnum, 11), Part::Text("AAAAAAAAAA"), run(Set::UrlPadded, 43)], 0),
            value(&[Part::Run(Set::Alnum, 21, 21), run(Set::UrlPadded, 43)], 0),
            value(&[Part::Text("sl."), Part::Run(Set::UrlPadded, 130, 152)], 0),
        ],
        "dropbox_secret = ab1cd2ef3gh4ij5",
    ),
    token(
        "SECRET_FRAMEIO_TOKEN",
        "Frame.io API token",
        &[begins("fio-u-", &[run(Set::UrlPadded, 64)], 30)],
        concat!("fio-u", "-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0Op1Q"),
    ),
    token(
        "SECRET_TYPEFORM_TOKEN",
        "Typeform personal access token",
        &[begins("tfp_", &[run(Set::DottedPadded, 59)], 30)],
        concat!("tfp", "_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn"),
    ),
    named(
        "SECRET_ZENDESK_KEY",
        "Zendesk secret key",
        &["zendesk"],
        &[value(&[run(Set::Alnum, 40)], 0)],
        "zendesk_key = ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv1wx2yz3a",
    ),
    named(
        "SECRET_HUBSPOT_KEY",
        "HubSpot API key",
        &["hubspot"],
        &[uuid(), value(&[Part::OneOf(&["pat-na1-", "pat-eu1-"]), Part::Run(Set::Url, 36, 36)], 0)],
        "hubspot_key = 01234567-89ab-cdef-0123-456789abcdef",
    ),
    named(
        "SECRET_NYTIMES_TOKEN",
        "New York Times API key",
        &["nytimes", "new-york-times", "newyorktimes"],
        &[value(&[run(Set::UrlPadded, 32)], 0)],
        "nytimes_key = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv",
    ),
    token(
        "SECRET_SETTLEMINT_TOKEN",
        "SettleMint access token",
        &[begins("sm_[aps]at_", &[run(Set::Alnum, 16)], 30)],
        concat!("sm", "_pat_Ab1Cd2Ef3Gh4Ij5K"),
    ),
];
