//! Secrets of where code is kept, built, published and checked.

use super::{LIKELY, begins, named, read, run, token, uuid, value};
use crate::checksum;
use crate::class::{ClassSpec, Shape, Values, Verdict};
use crate::form::{Part, Set};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "SECRET_GITHUB_TOKEN",
        about: "GitHub token: personal, fine-grained, OAuth, app, refresh",
        shapes: &[
            begins("gh[pousr]_", &[Part::Run(Set::Alnum, 36, 255)], 30),
            begins("github_pat_", &[Part::Run(Set::Word, 82, 255)], 30),
        ],
        check: Some(github),
        checked_by: "CRC-32 at its end, for the score",
        example: concat!("ghp", "_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_GITLAB_TOKEN",
        about: "GitLab token: personal, deploy, feed, runner, job, agent, mail, trigger, session",
        shapes: &[
            begins("gl(?:pat|dt|ft|soat|rt|ffct|agent|imt|oas|ptt|cbt)-", &[Part::Run(Set::Url, 20, 300)], 30),
            begins("gl(?:pat|rt)-", &[Part::Run(Set::Url, 27, 300), Part::Text("."), run(Set::Lower, 9)], 40),
            begins("GR1348941", &[Part::Run(Set::Url, 20, 24)], 32),
            Shape::alone("gitlab_session=", 90).read_by(read::before::gitlab_session).reaches_back(1),
        ],
        example: concat!("glpat", "-Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ..ClassSpec::SECRET
    },
    token(
        "SECRET_NPM_TOKEN",
        "npm access token",
        &[begins("npm_", &[run(Set::Alnum, 36)], 25)],
        concat!("npm", "_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"),
    ),
    token(
        "SECRET_PYPI_TOKEN",
        "PyPI upload token",
        &[begins("pypi-Ag(?:EIcHlwaS5vcmc|ENdGVzdC5weXBpLm9yZw)", &[Part::Run(Set::Url, 50, 1000)], 30)],
        concat!("pypi", "-AgEIcHlwaS5vcmc", "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8"),
    ),
    token(
        "SECRET_RUBYGEMS_TOKEN",
        "RubyGems API token",
        &[begins("rubygems_", &[run(Set::LowerHex, 48)], 25)],
        concat!("rubygems", "_0123456789abcdef0123456789abcdef0123456789abcdef"),
    ),
    token(
        "SECRET_CLOJARS_TOKEN",
        "Clojars deploy token",
        &[begins("(?:CLOJARS|clojars)_", &[run(Set::Alnum, 60)], 25)],
        concat!("CLOJARS", "_0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"),
    ),
    token(
        "SECRET_DOCKER_TOKEN",
        "Docker Hub access token",
        &[begins("dckr_(?:pat|oat)_", &[Part::Run(Set::Url, 27, 40)], 30)],
        concat!("dckr", "_pat_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9"),
    ),
    ClassSpec {
        name: "SECRET_ARTIFACTORY_TOKEN",
        about: "JFrog Artifactory API key, reference token or identity token",
        shapes: &[begins("AKCp", &[run(Set::Alnum, 69)], 45), begins("cmVmd", &[run(Set::Alnum, 59)], 45)],
        keywords: &["jfrog", "artifactory", "bintray", "xray"],
        values: Values::Forms(&[value(&[run(Set::Alnum, 73)], 0), value(&[run(Set::Alnum, 64)], 0)]),
        example: concat!("cmVmd", "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ba4Dc5Fe6Hg7Ji8Lk9Nm"),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_ATLASSIAN_TOKEN",
        about: "Atlassian API token: Jira, Confluence, Bitbucket",
        shapes: &[
            begins("ATATT3", &[Part::Run(Set::UrlPadded, 100, 400)], 35),
            begins("AT(?:CTT3|BB)", &[Part::Run(Set::UrlPadded, 32, 400)], 35),
        ],
        keywords: &["atlassian", "confluence", "jira"],
        values: Values::Forms(&[value(&[run(Set::Alnum, 20), run(Set::Hex, 4)], 35)]),
        example: concat!("ATBB", "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv"),
        ..ClassSpec::SECRET
    },
    named(
        "SECRET_BITBUCKET_SECRET",
        "Bitbucket client id or secret",
        &["bitbucket"],
        &[value(&[run(Set::Alnum, 32)], 0), value(&[run(Set::UrlPadded, 64)], 0)],
        "bitbucket_secret = ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv",
    ),
    token(
        "SECRET_SOURCEGRAPH_TOKEN",
        "Sourcegraph access token",
        &[begins("sgp_", &[run(Set::Hex, 40)], 30), begins("sgp_(?:local|[0-9a-fA-F]{16})_", &[run(Set::Hex, 40)], 30)],
        concat!("sgp", "_0123456789abcdef0123456789abcdef01234567"),
    ),
    named(
        "SECRET_CODECOV_TOKEN",
        "Codecov access token",
        &["codecov"],
        &[value(&[run(Set::Alnum, 32)], 0), uuid()],
        "codecov_token = ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv",
    ),
    named(
        "SECRET_DRONE_CI_TOKEN",
        "Drone CI access token",
        &["droneci", "drone_ci", "drone-ci"],
        &[value(&[run(Set::Alnum, 32)], 0)],
        "droneci_token = ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv",
    ),
    named(
        "SECRET_TRAVIS_CI_TOKEN",
        "Travis CI access token",
        &["travis"],
        &[value(&[run(Set::Alnum, 22)], 0)],
        "travis_token = Ab1Cd2Ef3Gh4Ij5Kl6Mn7O",
    ),
    ClassSpec {
        name: "SECRET_SONAR_TOKEN",
        about: "SonarQube or SonarCloud token",
        shapes: &[begins("sq[pau]_", &[run(Set::Alnum, 40)], 30)],
        keywords: &["sonar.login", "sonar_login", "sonar-login", "sonarlogin", "sonar"],
        values: Values::Forms(&[
            value(&[run(Set::UrlPadded, 40)], 0),
            value(&[Part::OneOf(&["sqp_", "sqa_", "squ_"]), run(Set::UrlPadded, 40)], 0),
        ]),
        example: concat!("sqp", "_0123456789abcdef0123456789abcdef01234567"),
        ..ClassSpec::SECRET
    },
    named(
        "SECRET_SNYK_TOKEN",
        "Snyk API token",
        &["snyk"],
        &[uuid()],
        "snyk_token = 01234567-89ab-cdef-0123-456789abcdef",
    ),
    token(
        "SECRET_POSTMAN_TOKEN",
        "Postman API token",
        &[begins("PMAK-", &[run(Set::Hex, 24), Part::Text("-"), run(Set::Hex, 34)], 30)],
        concat!("PMAK", "-0123456789abcdef01234567-0123456789abcdef0123456789abcdef01"),
    ),
    token(
        "SECRET_README_TOKEN",
        "ReadMe API token",
        &[begins("rdme_", &[run(Set::Lower, 70)], 25)],
        concat!("rdme", "_ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv1wx2yz3ab4cd5ef6gh7ij8kl9mn0op1qr2st3u"),
    ),
    token(
        "SECRET_LINEAR_KEY",
        "Linear API key or client secret",
        &[begins("lin_api_", &[run(Set::Alnum, 40)], 25), begins("lin_oauth_", &[Part::Run(Set::Alnum, 40, 64)], 25)],
        concat!("lin_api", "_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A"),
    )
    .behind_names(&["linear"], &[value(&[run(Set::Hex, 32)], 20)]),
    token(
        "SECRET_NOTION_TOKEN",
        "Notion integration token",
        &[begins("ntn_", &[run(Set::Alnum, 46)], 40), Shape::alone("secret_", LIKELY).then(&[run(Set::Alnum, 43)], 40)],
        concat!("ntn", "_01234567890Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx"),
    ),
    ClassSpec {
        name: "SECRET_AIRTABLE_TOKEN",
        about: "Airtable API key or personal access token",
        shapes: &[begins("pat[0-9A-Za-z]{14}\\.", &[run(Set::LowerHex, 64)], 25)],
        keywords: &["airtable"],
        values: Values::Forms(&[value(&[run(Set::Alnum, 17)], 0)]),
        example: concat!("pat", "Ab1Cd2Ef3Gh4Ij.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        ..ClassSpec::SECRET
    },
    token(
        "SECRET_OCTOPUS_DEPLOY_KEY",
        "Octopus Deploy API key",
        &[begins("API-", &[run(Set::Upper, 26)], 30)],
        concat!("API", "-AB1CD2EF3GH4IJ5KL6MN7OP8QR"),
    ),
    token(
        "SECRET_HARNESS_KEY",
        "Harness personal or service access token",
        &[begins(
            "[ps]at\\.",
            &[run(Set::Url, 22), Part::Text("."), run(Set::Alnum, 24), Part::Text("."), run(Set::Alnum, 20)],
            30,
        )],
        concat!("pat", ".Ab1Cd2Ef3Gh4Ij5Kl6Mn7O.Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8.Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
    ),
    token(
        "SECRET_INTRA42_SECRET",
        "42 intranet client secret",
        &[begins("s-s4t2(?:ud|af)-", &[run(Set::Hex, 64)], 30)],
        concat!("s-s4t2", "ud-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
    ),
    named(
        "SECRET_SIDEKIQ_SECRET",
        "credentials of the Sidekiq gem servers",
        &["bundle_enterprise__contribsys__com", "bundle_gems__contribsys__com"],
        &[value(&[run(Set::Hex, 8), Part::Text(":"), run(Set::Hex, 8)], 0)],
        "BUNDLE_GEMS__CONTRIBSYS__COM=0123abcd:4567cdef",
    ),
    token(
        "SECRET_MAXMIND_KEY",
        "MaxMind licence key",
        &[Shape::alone("mmk", 90).read_by(read::before::maxmind).reaches_back(37)],
        concat!("Ab1Cd2_Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx", "_mmk"),
    ),
];

/// GitHub's tokens end with six base62 digits of a CRC-32 over what stands between the prefix and them. Tokens without
/// it are older or mistyped; they may still be secret.
fn github(value: &[u8]) -> Verdict {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let body = value.iter().rposition(|byte| *byte == b'_').and_then(|at| value.get(at + 1..));
    let Some((body, check)) = body.and_then(|body| body.split_last_chunk::<6>()) else { return Verdict::Unproven };
    let digit = |byte: &u8| DIGITS.iter().zip(0_u64..).find(|(digit, _)| *digit == byte).map_or(0, |(_, value)| value);
    let told = check.iter().fold(0, |number, byte| number * 62 + digit(byte));
    if u64::from(checksum::crc_32(body)) == told { Verdict::Valid } else { Verdict::Unproven }
}
