//! What money moves by: cards and accounts.

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[ClassSpec {
    name: "CREDIT_CARD",
    about: "payment card number (ISO/IEC 7812)",
    shapes: &[
        Shape::alone(r"[3-6][0-9]{3}[- ]?[0-9]{4}[- ]?[0-9]{4}[- ]?[0-9]{4}", 30),
        Shape::alone(r"3[0-9]{3}[- ]?[0-9]{6}[- ]?[0-9]{5}", 30),
    ],
    check: Some(card),
    checked_by: "Luhn, issuer ranges",
    context: &["credit", "card", "visa", "mastercard", "amex", "debit", "pan"],
    example: "4111 1111 1111 1111",
    ..ClassSpec::PERSONAL
}];

fn card(value: &[u8]) -> Verdict {
    if checksum::luhn(value) { Verdict::Valid } else { Verdict::Invalid }
}
