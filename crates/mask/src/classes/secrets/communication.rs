//! Secrets of mail, chat, telephony and social networks.

use super::{begins, named, run, token, uuid, value};
use crate::class::{ClassSpec, Shape, Values};
use crate::form::{Part, Set};

pub(super) const CLASSES: &[ClassSpec] = &[
    token(
        "SECRET_SLACK_TOKEN",
        "Slack bot, user, app, configuration or workspace token",
        &[
            begins("xoxb-[0-9]{8,14}-", &[Part::Run(Set::Url, 10, 200)], 20),
            begins("xox[pe](?:-[0-9]{9,13}){3}-", &[Part::Run(Set::Url, 28, 64)], 20),
            begins("xox[os]-[0-9]{1,14}-[0-9]{1,14}-[0-9]{1,14}-", &[Part::Run(Set::Hex, 6, 128)], 20),
            begins("xox[ar]-(?:[0-9]-)?", &[Part::Run(Set::Alnum, 8, 48)], 20),
            begins("xox[ar]-[0-9]-", &[Part::Run(Set::Url, 20, 200)], 20),
            begins("xoxe\\.xox[bp]-[0-9]-", &[Part::Run(Set::Alnum, 100, 400)], 20),
            begins("xoxe-[0-9]-", &[Part::Run(Set::Alnum, 100, 400)], 20),
            begins("xapp-[0-9]-[0-9A-Za-z]{1,16}-[0-9]{1,16}-", &[Part::Run(Set::Alnum, 4, 200)], 20),
        ],
        concat!("xoxb", "-0123456789-0123456789-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8"),
    ),
    token(
        "SECRET_SLACK_WEBHOOK",
        "Slack webhook address",
        &[Shape::alone("(?:https?://)?hooks\\.slack\\.com/(?:services|workflows|triggers)/", 90)
            .then(&[Part::Run(Set::Base64, 40, 128)], 0)],
        concat!("https://hooks.slack.com", "/services/T0123ABCD/B0123ABCD/Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8"),
    ),
    token(
        "SECRET_TEAMS_WEBHOOK",
        "Microsoft Teams webhook address",
        &[Shape::alone("https://[0-9a-z-]{1,40}\\.webhook\\.office\\.com/webhookb2/", 90)
            .then(&[Part::Run(Set::Token, 100, 300)], 0)],
        concat!(
            "https://example.webhook.office.com",
            "/webhookb2/01234567-89ab-cdef-0123-456789abcdef",
            "@01234567-89ab-cdef-0123-456789abcdef/IncomingWebhook/0123456789abcdef0123456789abcdef",
            "/01234567-89ab-cdef-0123-456789abcdef"
        ),
    ),
    token(
        "SECRET_DISCORD_WEBHOOK",
        "Discord webhook address",
        &[Shape::alone("https://(?:ptb\\.|canary\\.)?discord(?:app)?\\.com/api/webhooks/[0-9]{17,20}/", 90)
            .then(&[Part::Run(Set::Url, 60, 80)], 0)],
        concat!(
            "https://discord.com",
            "/api/webhooks/012345678901234567/",
            "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0Op1Qr2St"
        ),
    ),
    named(
        "SECRET_DISCORD_TOKEN",
        "Discord API token, client id or secret",
        &["discord"],
        &[
            value(&[run(Set::Hex, 64)], 0),
            value(&[run(Set::UrlPadded, 32)], 20),
            value(&[Part::Run(Set::Digit, 18, 19)], 20),
            value(
                &[
                    Part::Run(Set::Url, 23, 28),
                    Part::Text("."),
                    run(Set::Url, 6),
                    Part::Text("."),
                    Part::Run(Set::Url, 27, 40),
                ],
                35,
            ),
        ],
        "discord_secret = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv",
    ),
    ClassSpec {
        name: "SECRET_TELEGRAM_TOKEN",
        about: "Telegram bot token",
        shapes: &[begins("[0-9]{8,10}:AA", &[run(Set::Url, 33)], 35)],
        keywords: &["telegr"],
        values: Values::Forms(&[value(&[Part::Run(Set::Digit, 5, 16), Part::Text(":A"), run(Set::Url, 34)], 0)]),
        example: concat!("0123456789", ":AAb1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1W"),
        ..ClassSpec::SECRET
    },
    token(
        "SECRET_TWILIO_KEY",
        "Twilio API key",
        &[begins("SK", &[run(Set::Hex, 32)], 30)],
        concat!("SK", "0123456789abcdef0123456789abcdef"),
    )
    .behind_names(&["twilio"], &[value(&[run(Set::LowerHex, 32)], 30)]),
    token(
        "SECRET_SENDGRID_TOKEN",
        "SendGrid API key",
        &[
            begins("SG\\.", &[run(Set::Url, 22), Part::Text("."), run(Set::Url, 43)], 30),
            begins("SG\\.", &[run(Set::DottedPadded, 66)], 30),
        ],
        concat!("SG", ".Ab1Cd2Ef3Gh4Ij5Kl6Mn7O.Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4C"),
    ),
    token(
        "SECRET_SENDINBLUE_TOKEN",
        "Brevo (Sendinblue) API or SMTP key",
        &[begins("x(?:keys|smtps)ib-", &[run(Set::LowerHex, 64), Part::Text("-"), run(Set::Alnum, 16)], 25)],
        concat!("xkeysib", "-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef-Ab1Cd2Ef3Gh4Ij5K"),
    ),
    ClassSpec {
        name: "SECRET_MAILGUN_KEY",
        about: "Mailgun private, public or signing key",
        shapes: &[begins("(?:pub)?key-", &[run(Set::LowerHex, 32)], 30)],
        keywords: &["mailgun"],
        values: Values::Forms(&[value(
            &[run(Set::Alnum, 32), Part::Text("-"), run(Set::Alnum, 8), Part::Text("-"), run(Set::Alnum, 8)],
            0,
        )]),
        example: concat!("key", "-0123456789abcdef0123456789abcdef"),
        ..ClassSpec::SECRET
    },
    named(
        "SECRET_MAILCHIMP_KEY",
        "Mailchimp API key",
        &["mailchimp"],
        &[value(&[run(Set::Hex, 32), Part::Text("-us"), Part::Run(Set::Digit, 1, 2)], 0)],
        "mailchimp_key = 0123456789abcdef0123456789abcdef-us01",
    ),
    named(
        "SECRET_MESSAGEBIRD_KEY",
        "MessageBird API token or client id",
        &["messagebird", "message-bird", "message_bird"],
        &[value(&[run(Set::Alnum, 25)], 0), uuid()],
        "messagebird_key = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Q",
    ),
    named(
        "SECRET_MATTERMOST_TOKEN",
        "Mattermost access token",
        &["mattermost"],
        &[value(&[run(Set::Alnum, 26)], 0)],
        "mattermost_token = ab1cd2ef3gh4ij5kl6mn7op8qr",
    ),
    named(
        "SECRET_GITTER_TOKEN",
        "Gitter access token",
        &["gitter"],
        &[value(&[run(Set::Url, 40)], 0)],
        "gitter_token = ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv1wx2yz3a",
    ),
    named(
        "SECRET_INTERCOM_KEY",
        "Intercom access token",
        &["intercom"],
        &[value(&[run(Set::UrlPadded, 60)], 0)],
        "intercom_key = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0",
    ),
    named(
        "SECRET_SENDBIRD_TOKEN",
        "Sendbird access id or token",
        &["sendbird"],
        &[uuid(), value(&[run(Set::Hex, 40)], 0)],
        "sendbird_token = 0123456789abcdef0123456789abcdef01234567",
    ),
    ClassSpec {
        name: "SECRET_FACEBOOK_TOKEN",
        about: "Facebook app secret, app or page access token",
        shapes: &[
            begins("EAA[A-Z]", &[Part::Run(Set::Alnum, 100, 400)], 40),
            begins("[0-9]{15,16}[|%]", &[Part::Run(Set::Url, 27, 40)], 30),
        ],
        keywords: &["facebook"],
        values: Values::Forms(&[value(&[run(Set::Hex, 32)], 30)]),
        example: concat!("0123456789012345", "|Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9"),
        ..ClassSpec::SECRET
    },
    named(
        "SECRET_TWITTER_TOKEN",
        "Twitter (X) API key, access token, secret or bearer token",
        &["twitter"],
        &[
            value(&[run(Set::Alnum, 45)], 0),
            value(&[Part::Run(Set::Digit, 15, 25), Part::Text("-"), Part::Run(Set::Alnum, 20, 40)], 0),
            value(&[run(Set::Alnum, 25)], 0),
            value(&[run(Set::Alnum, 50)], 0),
        ],
        concat!(
            "AAAAAAAAAAAAAAAAAAAAAA",
            "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0Op1Qr2St3Uv4Wx5Yz6Ab7C"
        ),
    )
    .also(&[begins("A{22}", &[Part::Run(Set::Percent, 80, 100)], 30)]),
    named(
        "SECRET_LINKEDIN_SECRET",
        "LinkedIn client id or secret",
        &["linkedin", "linked_in", "linked-in"],
        &[value(&[run(Set::Alnum, 14)], 20), value(&[run(Set::Alnum, 16)], 20)],
        "linkedin_secret = Ab1Cd2Ef3Gh4Ij5K",
    ),
    named(
        "SECRET_TWITCH_TOKEN",
        "Twitch API token",
        &["twitch"],
        &[value(&[run(Set::Alnum, 30)], 0)],
        "twitch_token = ab1cd2ef3gh4ij5kl6mn7op8qr9st0",
    ),
    named(
        "SECRET_FLICKR_TOKEN",
        "Flickr access token",
        &["flickr"],
        &[value(&[run(Set::Alnum, 32)], 0)],
        "flickr_token = 0123456789abcdef0123456789abcdef",
    ),
];
