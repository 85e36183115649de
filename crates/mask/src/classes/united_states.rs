//! Numbers that authorities of the United States give.

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[ClassSpec {
    name: "US_SSN",
    about: "United States social security number",
    shapes: &[
        Shape::alone(r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}", 50).isolated(),
        Shape::in_context(r"[0-8][0-9]{2}[ .]?[0-9]{2}[ .]?[0-9]{4}", 5).isolated(),
    ],
    check: Some(ssn),
    checked_by: "area, group and serial in use",
    context: &["ssn", "social security", "ssns", "ssid"],
    example: "078-05-1121",
    ..ClassSpec::PERSONAL
}];

/// No part is all zeros, and area 666 was never given (SSA, "SSN Randomization").
fn ssn(value: &[u8]) -> Verdict {
    let number = checksum::digits(value).fold(0_u64, |number, digit| number * 10 + u64::from(digit));
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    if area == 0 || area == 666 || group == 0 || serial == 0 { Verdict::Invalid } else { Verdict::Unproven }
}
