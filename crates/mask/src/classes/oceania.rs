//! Numbers that authorities of Australia and New Zealand give.

use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "AU_ABN",
        about: "Australian business number",
        shapes: &[
            Shape::alone("(?:1[1-9]|[2-9][0-9]) [0-9]{3} [0-9]{3} [0-9]{3}", 10).isolated(),
            Shape::in_context("(?:1[1-9]|[2-9][0-9])[0-9]{9}", 1),
        ],
        check: Some(business),
        checked_by: "mod 89",
        context: &["abn", "australian business number", "business number"],
        example: "ABN 48 271 503 028",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "AU_ACN",
        about: "Australian company number",
        shapes: &[Shape::in_context("[0-9]{3} ?[0-9]{3} ?[0-9]{3}", 10).isolated()],
        check: Some(company),
        checked_by: "mod 10",
        context: &["acn", "australian company number", "company number"],
        example: "ACN 482 715 033",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "AU_TFN",
        about: "Australian tax file number",
        shapes: &[Shape::in_context("[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", 10).isolated()],
        check: Some(tax_file),
        checked_by: "mod 11",
        context: &["tfn", "tax file number", "tax file"],
        example: "TFN 482 715 039",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "AU_MEDICARE",
        about: "Australian Medicare number",
        shapes: &[Shape::alone("[2-6][0-9]{3} [0-9]{5} [0-9]", 10).isolated(), Shape::in_context("[2-6][0-9]{9}", 1)],
        check: Some(medicare),
        checked_by: "mod 10",
        context: &["medicare", "medicare number", "medicare card"],
        example: "Medicare 4827 15038 1",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "NZ_IRD",
        about: "New Zealand inland revenue number",
        shapes: &[Shape::in_context("[0-9]{2,3}[- ]?[0-9]{3}[- ]?[0-9]{3}", 10).isolated()],
        check: Some(inland_revenue),
        checked_by: "mod 11, twice weighted",
        context: &["ird", "ird number", "inland revenue", "ird no"],
        example: "IRD number 48-271-502",
        ..ClassSpec::PERSONAL
    },
];

/// One is taken from the first digit.
fn business(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    Verdict::from(sum % 89 == 10)
}

fn company(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    Verdict::from(sum.is_multiple_of(10))
}

fn tax_file(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[1, 4, 3, 7, 5, 8, 6, 9, 10]);
    Verdict::from(sum.is_multiple_of(11) && checksum::part(value, 0, 9) != 0)
}

/// Eight digits, their check digit, and the number of the card.
fn medicare(value: &[u8]) -> Verdict {
    let sum = checksum::weighted(value, &[1, 3, 7, 9, 1, 3, 7, 9]);
    Verdict::from(checksum::digits(value).nth(8) == Some(sum % 10))
}

/// Weights of a second round stand in where the first makes ten.
fn inland_revenue(value: &[u8]) -> Verdict {
    let skipped = 9_usize.saturating_sub(checksum::count(value));
    let check = |weights: &[u32]| {
        let sum = checksum::weighted(value, weights.get(skipped..).unwrap_or_default());
        (11 - sum % 11) % 11
    };
    let check = match check(&[3, 2, 7, 6, 5, 4, 3, 2]) {
        10 => check(&[7, 4, 3, 2, 5, 2, 7, 6]),
        check => check,
    };
    let used = (10_000_000..=150_000_000).contains(&checksum::part(value, 0, 9));
    Verdict::from(used && checksum::digits(value).next_back() == Some(check))
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn numbers_of_oceania_pass_their_weighted_sums() {
        assert_found(
            &[
                ("AU_ABN", "53 004 085 616"),
                ("AU_ACN", "004 085 616"),
                ("AU_TFN", "123 456 782"),
                ("AU_MEDICARE", "4827 15038 1"),
                ("NZ_IRD", "49-091-850"),
                ("NZ_IRD", "136410132"),
                ("NZ_IRD", "49-098-576"),
            ],
            &[
                ("AU_ABN", "53 004 085 617"),
                ("AU_ACN", "004 085 617"),
                ("AU_TFN", "123 456 783"),
                ("AU_TFN", "000 000 000"),
                ("AU_MEDICARE", "4827 15039 1"),
                ("NZ_IRD", "136410133"),
                ("NZ_IRD", "9-125-568"),
            ],
        );
        assert_eq!(in_default("004 085 616 and 123 456 782 at 49-091-850"), [""; 0]);
        assert_eq!(in_default("53 004 085 616"), ["AU_ABN"]);
        assert_eq!(in_default("TFN 123 456 782, ACN 004 085 616"), ["AU_TFN", "AU_ACN"]);
    }
}
