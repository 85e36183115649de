//! The keys of `[webhooks.NAME]`.

use super::{Absent, Section, key};

pub(in crate::config) const WEBHOOK: Section = Section {
    heading: "webhooks.NAME",
    about: "Who is told of requests for approval: each step of each request is posted there as JSON, signed as Standard Webhooks \
            1.0 says (`webhook-id`, `webhook-timestamp`, `webhook-signature`). What is not answered with 2xx within 10 seconds \
            is sent again, after 1 second at first and 5 minutes at most, until the request is over or a day has passed. A \
            webhook that does not answer keeps nobody waiting, neither callers nor other webhooks.",
    keys: &[
        key("url", "URL", Absent::Refused, "Where to. `https`, unless `allow_private`."),
        key(
            "secret",
            "secret",
            Absent::Refused,
            "What bodies are signed with (HMAC-SHA-256): `whsec_` and the base64 of at least 24 bytes, as libraries for Standard \
             Webhooks take it, or those bytes as they are.",
        ),
        key(
            "rules",
            "list of names",
            Absent::Means("all of them"),
            "Tell of requests by these rules of `[approvals]` alone.",
        ),
        key(
            "allow_private",
            "true or false",
            Absent::Default("false"),
            "Whether it may be at a private address, and over plain HTTP.",
        ),
    ],
};
