//! JSON numbers as Cedar decimals (four fractional digits, 64 bits), when that loses nothing.
//!
//! Cedar, "decimal": -922337203685477.5808 to 922337203685477.5807. A number that does not fit exactly is refused, not
//! rounded: a limit of 0.0001 must not let 0.00014 pass.

/// Fractional digits of a Cedar decimal.
const SCALE: i64 = 4;

/// The longest lexeme that is looked at; longer ones are refused.
const MAX_LEXEME: usize = 64;

/// The Cedar text of a JSON number (RFC 8259 §6), when it is exactly a decimal.
pub(crate) fn exact(lexeme: &str) -> Option<String> {
    if lexeme.len() > MAX_LEXEME {
        return None;
    }
    let (negative, unsigned) = lexeme.strip_prefix('-').map_or((false, lexeme), |rest| (true, rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some("0.0".to_owned());
    }

    // significant × 10^power ten-thousandths.
    let dropped = i64::try_from(digits.len().checked_sub(significant.len())?).ok()?;
    let power = exponent
        .parse::<i64>()
        .ok()?
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(dropped)?
        .checked_add(SCALE)?;
    let factor = 10_i128.checked_pow(u32::try_from(power).ok()?)?;
    let magnitude = significant.parse::<i128>().ok()?.checked_mul(factor)?;
    let scaled = if negative { magnitude.checked_neg()? } else { magnitude };
    let units = i64::try_from(scaled).ok()?.unsigned_abs();
    let sign = if negative { "-" } else { "" };
    Some(format!("{sign}{}.{:04}", units / 10_000, units % 10_000))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use cedar_policy::{Context, RestrictedExpression};

    use super::*;

    #[test]
    fn a_number_is_a_decimal_when_that_loses_nothing() {
        for (lexeme, expected) in [
            ("0", Some("0.0")),
            ("-0", Some("0.0")),
            ("-0.000", Some("0.0")),
            ("0e99", Some("0.0")),
            ("1", Some("1.0000")),
            ("1.5", Some("1.5000")),
            ("-0.0001", Some("-0.0001")),
            ("1.50000000", Some("1.5000")),
            ("1e2", Some("100.0000")),
            ("1.25E+1", Some("12.5000")),
            ("12500e-3", Some("12.5000")),
            ("922337203685477.5807", Some("922337203685477.5807")),
            ("-922337203685477.5808", Some("-922337203685477.5808")),
            ("922337203685477.5808", None),
            ("0.00001", None),
            ("1.00001", None),
            ("1e15", None),
            ("1e999999999999999999999", None),
            ("1e-999999999", None),
            ("9007199254740993", None),
        ] {
            assert_eq!(exact(lexeme).as_deref(), expected, "{lexeme}");
        }
    }

    proptest::proptest! {
        #[test]
        fn cedar_reads_every_one_of_them_as_the_same_number(units: i64, zeros in 0_usize..6) {
            let sign = if units < 0 { "-" } else { "" };
            let (whole, part) = (units.unsigned_abs() / 10_000, units.unsigned_abs() % 10_000);
            let lexeme = format!("{sign}{whole}.{part:04}{}", "0".repeat(zeros));
            let text = exact(&lexeme).unwrap();
            let plain = RestrictedExpression::from_str(&format!("decimal(\"{sign}{whole}.{part:04}\")")).unwrap();
            let ours = Context::from_pairs([("n".into(), RestrictedExpression::new_decimal(text))]).unwrap();
            proptest::prop_assert_eq!(ours.get("n"), Context::from_pairs([("n".into(), plain)]).unwrap().get("n"));
        }
    }
}
