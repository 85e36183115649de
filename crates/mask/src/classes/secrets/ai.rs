//! Secrets of services that run models.

use super::{LIKELY, begins, named, run, token, value};
use crate::class::{ClassSpec, Shape, Verdict};
use crate::form::{Part, Set};

/// What stands in the middle of every key of `OpenAI`: its name in base64.
const OPENAI_MIDDLE: &[u8] = b"T3BlbkFJ";

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "SECRET_OPENAI_KEY",
        about: "OpenAI API key, and keys of others in its form",
        shapes: &[
            begins("sk-(?:proj|svcacct|admin)-", &[Part::Run(Set::Url, 40, 256)], 35),
            Shape::alone("sk-", LIKELY).then(&[Part::Run(Set::Alnum, 32, 64)], 35),
            Shape::alone("sk-or-v1-", 90).then(&[Part::Run(Set::LowerHex, 64, 64)], 30),
        ],
        check: Some(openai),
        checked_by: "OpenAI's mark in the middle",
        example: concat!("sk-", "proj-", "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8", "T3BlbkFJ", "Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6"),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_ANTHROPIC_KEY",
        about: "Anthropic API key or administration key",
        shapes: &[begins("sk-ant-(?:api|admin|oat|ort|sid)[0-9]{2}-", &[Part::Run(Set::Url, 80, 128)], 35)],
        example: concat!(
            "sk-ant-",
            "api03-",
            "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0Op1Qr2St3Uv4Wx5Yz6Ab7Cd8Ef9Gh0Ij1AA"
        ),
        ..ClassSpec::SECRET
    },
    token(
        "SECRET_HUGGING_FACE_TOKEN",
        "Hugging Face user or organisation token",
        &[
            begins("hf_", &[Part::Run(Set::Alnum, 34, 37)], 25),
            begins("api_org_", &[Part::Run(Set::Alnum, 34, 37)], 25),
        ],
        concat!("hf", "_AbCdEfGhIjKlMnOpQrStUvWxYzZyXwVuTs"),
    ),
    token(
        "SECRET_PERPLEXITY_KEY",
        "Perplexity API key",
        &[begins("pplx-", &[run(Set::Alnum, 48)], 40)],
        concat!("pplx", "-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6"),
    ),
    token(
        "SECRET_GROQ_KEY",
        "Groq API key",
        &[begins("gsk_", &[run(Set::Alnum, 52)], 35)],
        concat!("gsk", "_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7I"),
    ),
    token(
        "SECRET_XAI_KEY",
        "xAI API key",
        &[begins("xai-", &[Part::Run(Set::Alnum, 70, 90)], 35)],
        concat!("xai", "-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0Op1Qr2St3Uv4Wx5Yz6Ab7"),
    ),
    token(
        "SECRET_REPLICATE_TOKEN",
        "Replicate API token",
        &[begins("r8_", &[Part::Run(Set::Alnum, 37, 40)], 35)],
        concat!("r8", "_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Y"),
    ),
    token(
        "SECRET_LANGSMITH_KEY",
        "LangSmith API key",
        &[begins("lsv2_(?:pt|sk)_", &[run(Set::LowerHex, 32), Part::Text("_"), run(Set::LowerHex, 10)], 30)],
        concat!("lsv2", "_pt_0123456789abcdef0123456789abcdef_0123456789"),
    ),
    token(
        "SECRET_PINECONE_KEY",
        "Pinecone API key",
        &[begins("pcsk_", &[Part::Run(Set::Word, 60, 80)], 35)],
        concat!("pcsk", "_Ab1Cd2_Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6Gh7Ij8Kl9Mn0Op1Qr2"),
    ),
    named(
        "SECRET_COHERE_TOKEN",
        "Cohere API token",
        &["cohere", "co_api_key"],
        &[value(&[run(Set::Alnum, 40)], 40)],
        "cohere_api_key = Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A",
    ),
    named(
        "SECRET_PRIVATE_AI_TOKEN",
        "Private AI token",
        &["privateai", "private_ai", "private-ai"],
        &[value(&[run(Set::Alnum, 32)], 30)],
        "private_ai_token = ab1cd2ef3gh4ij5kl6mn7op8qr9st0uv",
    ),
];

fn openai(value: &[u8]) -> Verdict {
    if value.windows(OPENAI_MIDDLE.len()).any(|part| part == OPENAI_MIDDLE) {
        return Verdict::Valid;
    }
    let long = value.starts_with(b"sk-proj-") || value.starts_with(b"sk-svcacct-") || value.starts_with(b"sk-admin-");
    let mixed = value.iter().any(u8::is_ascii_digit) && value.iter().skip(3).any(u8::is_ascii_alphabetic);
    if long || mixed { Verdict::Unproven } else { Verdict::Invalid }
}
