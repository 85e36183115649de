//! Numbers and codes of Canada.

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "CA_SIN",
        about: "Canadian social insurance number",
        shapes: &[
            Shape::alone(r"[1-79][0-9]{2}-[0-9]{3}-[0-9]{3}", 30).isolated(),
            Shape::in_context(r"[1-79][0-9]{2} [0-9]{3} [0-9]{3}", 30).isolated(),
            Shape::in_context(r"[1-79][0-9]{8}", 5).isolated(),
        ],
        check: Some(sin),
        checked_by: "Luhn",
        context: &["sin", "social insurance", "nas", "assurance sociale", "canada"],
        example: "123-456-782",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "CA_POSTAL_CODE",
        about: "Canadian postal code",
        shapes: &[
            Shape::alone(r"[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] [0-9][ABCEGHJ-NPRSTV-Z][0-9]", 50).isolated(),
            Shape::in_context(
                r"(?i:[ABCEGHJ-NPRSTVXY])[0-9](?i:[ABCEGHJ-NPRSTV-Z]) ?[0-9](?i:[ABCEGHJ-NPRSTV-Z])[0-9]",
                10,
            )
            .isolated(),
        ],
        checked_by: "letters in use by place",
        context: &[
            "postal code",
            "postcode",
            "code postal",
            "zip",
            "canada",
            "ontario",
            "quebec",
            "alberta",
            "british columbia",
            "address",
        ],
        example: "K1A 0B1",
        ..ClassSpec::PERSONAL
    },
];

fn sin(value: &[u8]) -> Verdict {
    if checksum::luhn(value) { Verdict::Valid } else { Verdict::Invalid }
}
