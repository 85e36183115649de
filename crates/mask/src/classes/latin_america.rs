//! Numbers that authorities of Brazil, Mexico and Chile give.

use crate::calendar::is_day;
use crate::checksum;
use crate::class::{ClassSpec, Shape, Verdict};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "BR_CPF",
        about: "Brazilian number of a person (CPF)",
        shapes: &[
            Shape::alone(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", 50).isolated(),
            Shape::in_context("[0-9]{9}-?[0-9]{2}", 20),
        ],
        check: Some(person),
        checked_by: "two check digits, mod 11",
        context: &["cpf", "cpf cnpj", "cadastro de pessoas fisicas", "contribuinte"],
        example: "482.715.036-26",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "BR_CNPJ",
        about: "Brazilian number of a legal entity (CNPJ), in digits or with letters",
        shapes: &[
            Shape::alone(r"[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2}", 50).isolated(),
            Shape::in_context("[0-9A-Z]{12}[0-9]{2}", 20),
        ],
        check: Some(entity),
        checked_by: "two check digits, mod 11",
        context: &["cnpj", "cpf cnpj", "cadastro nacional"],
        example: "48.271.503/0001-28",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "MX_CURP",
        about: "Mexican population registry code (CURP)",
        shapes: &[Shape::alone(CURP, 50)],
        check: Some(curp),
        checked_by: "date of birth, state, check digit",
        context: &["curp", "clave unica", "registro de poblacion"],
        example: "MOGR840317MDFNRS02",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "CL_RUT",
        about: "Chilean tax and identity number (RUT, RUN)",
        shapes: &[
            Shape::alone(r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]", 50).isolated(),
            Shape::in_context("[0-9]{7,8}-?[0-9Kk]", 20),
        ],
        check: Some(rut),
        checked_by: "mod 11",
        context: &["rut", "rol unico tributario", "rol unico nacional"],
        example: "14.827.150-K",
        ..ClassSpec::PERSONAL
    },
];

/// Names, date of birth, sex, state, inner consonants of the names, a mark of the century, check digit.
const CURP: &str = "[A-Z][AEIOUX][A-Z]{2}[0-9]{2}[01][0-9][0-3][0-9][HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z][0-9]";

fn person(value: &[u8]) -> Verdict {
    let first = checksum::weighted(value, &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let second = checksum::weighted(value, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let mut digits = checksum::digits(value);
    let same = digits.next().is_some_and(|first| digits.all(|digit| digit == first));
    let mut last = checksum::digits(value).skip(9);
    Verdict::from(!same && last.next() == Some(brazilian(first)) && last.next() == Some(brazilian(second)))
}

/// A character counts its ASCII code less that of zero.
fn entity(value: &[u8]) -> Verdict {
    let values = || value.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(|byte| u32::from(byte - b'0'));
    let sum = |weights: &[u32]| values().zip(weights).map(|(value, weight)| value * weight).sum();
    let first: u32 = sum(&[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
    let second: u32 = sum(&[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
    let zero = values().all(|value| value == 0);
    let mut last = values().skip(12);
    Verdict::from(!zero && last.next() == Some(brazilian(first)) && last.next() == Some(brazilian(second)))
}

fn brazilian(sum: u32) -> u32 {
    match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

/// The alphabet has an N with a tilde, so the letters after N count one more.
fn curp(value: &[u8]) -> Verdict {
    const STATES: &[u8] = b"ASBCBSCCCLCMCSCHDFDGGTGRHGJCMCMNMSNTNLOCPLQTQRSPSLSRTCTSTLVZYNZSNE";
    let state = value.get(11..13).is_some_and(|state| STATES.chunks(2).any(|known| known == state));
    let date = value.get(4..10).unwrap_or_default();
    let [year, month, day] = [0, 2, 4].map(|place| checksum::part(date, place, 2));
    let places = value.iter().take(17).filter_map(|byte| checksum::letter_or_digit(*byte));
    let values = places.map(|place| if place > 23 { place + 1 } else { place });
    let sum: u32 = values.zip((2..=18).rev()).map(|(value, weight)| value * weight).sum();
    let check = checksum::digits(value).next_back();
    Verdict::from(state && is_day(year, month, day) && check == Some((10 - sum % 10) % 10))
}

/// Weights 2 to 7 from the right, again and again.
fn rut(value: &[u8]) -> Verdict {
    let Some((check, body)) = value.split_last() else { return Verdict::Invalid };
    let weights = (2..=7).cycle();
    let sum: u32 = checksum::digits(body).rev().zip(weights).map(|(digit, weight)| digit * weight).sum();
    let wanted = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    };
    Verdict::from(check.eq_ignore_ascii_case(&wanted))
}

#[cfg(test)]
mod tests {
    use crate::classes::tests::{assert_found, in_default};

    #[test]
    fn numbers_of_latin_america_pass_both_of_their_check_digits() {
        assert_found(
            &[
                ("BR_CPF", "111.444.777-35"),
                ("BR_CPF", "11144477735"),
                ("BR_CNPJ", "11.222.333/0001-81"),
                ("BR_CNPJ", "12.ABC.345/01DE-35"),
                ("MX_CURP", "HEGG560427MVZRRL04"),
                ("CL_RUT", "12.345.678-5"),
                ("CL_RUT", "14827150-k"),
            ],
            &[
                ("BR_CPF", "111.444.777-53"),
                ("BR_CPF", "111.111.111-11"),
                ("BR_CNPJ", "11.222.333/0001-82"),
                ("MX_CURP", "HEGG560427MVZRRL05"),
                ("MX_CURP", "HEGG560427MXXRRL04"),
                ("MX_CURP", "HEGG560431MVZRRL04"),
                ("CL_RUT", "12.345.678-6"),
            ],
        );
        assert_eq!(in_default("11144477735 of 14827150-K"), [""; 0]);
        assert_eq!(
            in_default("111.444.777-35 of 11.222.333/0001-81 and HEGG560427MVZRRL04"),
            ["BR_CPF", "BR_CNPJ", "MX_CURP"]
        );
        assert_eq!(in_default("CPF 11144477735, RUT 14827150-K"), ["BR_CPF", "CL_RUT"]);
    }
}
