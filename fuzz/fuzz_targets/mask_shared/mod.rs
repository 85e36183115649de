//! What the targets for masking share: a masker whose operators keep nothing of a value, and the search for what is left.

use std::sync::OnceLock;

use vidimus_mask::{Masker, Operator, Scan, Selection, Settings};

/// A part of a value that must not be left, in bytes.
const TOLD: usize = 6;

/// The score from which findings are masked.
const MASKED_FROM: u8 = 40;

/// All classes as a gateway looks for them, with every operator that keeps nothing. What may be a number in JSON has none
/// that makes it another number: no mark says of a number that it was masked.
pub fn masker() -> &'static Masker {
    static MASKER: OnceLock<Masker> = OnceLock::new();
    MASKER.get_or_init(|| {
        let operators = [
            ("CREDIT_CARD", Operator::Nullify),
            ("EMAIL_ADDRESS", Operator::Token),
            ("IBAN_CODE", Operator::Hmac),
            ("IP_ADDRESS", Operator::Redact),
        ];
        let operators = operators.map(|(class, operator)| (class.to_owned(), operator)).into();
        let settings = Settings { operators, ..Settings::new(Selection::new(["default", "secrets"]), [7; 32]) };
        Masker::new(&settings).expect("classes that there are")
    })
}

/// Whether a text may spell characters in other ways. Masking such a text twice may mask what was no value in it until its
/// neighbour was masked (decision 0011); masking it a third time changes nothing.
pub fn may_spell(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'\\' | b'%' | b'&' | 0x80..))
}

/// Six bytes of a value that a text holds at a path, if they are in the masked text and were nowhere outside values.
pub fn left_over(masker: &Masker, text: &[u8], path: &[&str], masked: &[u8]) -> Option<String> {
    let mut findings = masker.findings(text, path, &mut Scan::default());
    findings.retain(|finding| finding.score >= MASKED_FROM);
    // What stays: the text around values, each stretch by itself, and what marks are made of.
    let mut stays: Vec<&[u8]> = Vec::new();
    let mut done = 0;
    for finding in &findings {
        stays.extend(text.get(done..finding.start));
        done = done.max(finding.end);
    }
    stays.extend(text.get(done..));
    let holds = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|window| window == part);
    for finding in &findings {
        let value = text.get(finding.start..finding.end)?;
        for part in value.windows(TOLD) {
            let mark = |class| format!("<{0}> <{0}_ <{0}: [REDACTED]", masker.engine().name(class));
            let in_mark = findings.iter().any(|other| holds(mark(other.class).as_bytes(), part));
            let elsewhere = in_mark || stays.iter().any(|stretch| holds(stretch, part));
            if !elsewhere && holds(masked, part) {
                return Some(String::from_utf8_lossy(part).into_owned());
            }
        }
    }
    None
}
