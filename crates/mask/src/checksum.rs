//! Check digits by the names of their standards: Luhn (ISO/IEC 7812-1 annex B), mod 97-10 and mod 11,10 (ISO/IEC 7064),
//! Verhoeff, and weighted sums, which most national numbers are.
//!
//! All take ASCII bytes and skip what is no digit, so that separators may stay in.

/// The values of the digits in `text`, in order.
pub fn digits(text: &[u8]) -> impl DoubleEndedIterator<Item = u32> + Clone {
    text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

/// How many digits `text` has.
pub fn count(text: &[u8]) -> usize {
    digits(text).count()
}

/// Luhn: every second digit from the right doubled, cross sum, a multiple of ten.
pub fn luhn(text: &[u8]) -> bool {
    let sum: u32 = digits(text)
        .rev()
        .enumerate()
        .map(|(place, digit)| match digit * 2 {
            doubled if place % 2 == 1 => doubled / 10 + doubled % 10,
            _ => digit,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The sum of each digit times its weight; digits without a weight count nothing.
pub fn weighted(text: &[u8], weights: &[u32]) -> u32 {
    digits(text).zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// Verhoeff's check over the dihedral group D5; the last digit is the check digit.
pub fn verhoeff(text: &[u8]) -> bool {
    const POWERS: [u32; 8] = [1, 5, 8, 9, 4, 2, 7, 0];
    // The permutation applied `place` times, by following its cycle (1 5 8 9 4 2 7 0)(3 6).
    let permuted = |digit: u32, place: usize| match POWERS.iter().position(|power| *power == digit) {
        Some(at) => POWERS.get((at + place) % POWERS.len()).copied().unwrap_or(0),
        None if place.is_multiple_of(2) => digit,
        None => 9 - digit,
    };
    // In D5, digits below five are rotations and the others reflections.
    let product = |left: u32, right: u32| match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => (left + right - 5) % 5 + 5,
        (false, true) => (left - 5 + 5 - right) % 5 + 5,
        (false, false) => (left - 5 + 5 - (right - 5)) % 5,
    };
    digits(text).rev().enumerate().fold(0, |check, (place, digit)| product(check, permuted(digit, place))) == 0
}

/// ISO/IEC 7064 mod 97-10 over letters (A is 10) and digits: 1 for a valid text. Other bytes are skipped.
pub fn mod_97(text: impl IntoIterator<Item = u8>) -> u32 {
    text.into_iter().fold(0, |rest, byte| match byte.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => (rest * 10 + u32::from(digit - b'0')) % 97,
        letter @ b'A'..=b'Z' => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
        _ => rest,
    })
}

/// ISO/IEC 7064 mod 11,10 over all digits, the last of which is the check digit.
pub fn mod_11_10(text: &[u8]) -> bool {
    let mut all = digits(text);
    let Some(check) = all.next_back() else { return false };
    let product = all.fold(10, |product, digit| match (digit + product) % 10 {
        0 => 10 * 2 % 11,
        sum => sum * 2 % 11,
    });
    (11 - product) % 10 == check
}

/// The number that `length` digits from the place `from` on make; separators are skipped, missing digits left out.
pub fn part(text: &[u8], from: usize, length: usize) -> u64 {
    digits(text).skip(from).take(length).fold(0, |number, digit| number * 10 + u64::from(digit))
}

/// What a letter or digit counts: A is 10, Z is 35.
pub fn letter_or_digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(36)
}

/// The sum of the cross sums of each value times its weight; values without a weight count nothing.
pub fn cross_weighted(values: impl IntoIterator<Item = u32>, weights: &[u32]) -> u32 {
    values
        .into_iter()
        .zip(weights)
        .map(|(value, weight)| value * weight)
        .map(|product| product / 10 + product % 10)
        .sum()
}

/// Whether `check`, in either case, is the character of `alphabet` that the rest of `number` by its length selects.
pub fn selects(alphabet: &[u8], number: u64, check: Option<&u8>) -> bool {
    let rest = u64::try_from(alphabet.len()).ok().and_then(|length| number.checked_rem(length));
    let wanted = rest.and_then(|rest| usize::try_from(rest).ok()).and_then(|rest| alphabet.get(rest));
    wanted.zip(check).is_some_and(|(wanted, check)| wanted.eq_ignore_ascii_case(check))
}

/// ISO/IEC 7064 mod 11-2 over digits; the last, which checks the others, may be `X` for ten.
pub fn mod_11_2(text: &[u8]) -> bool {
    let rest = text.iter().filter_map(|byte| letter_or_digit(if matches!(byte, b'X' | b'x') { b'A' } else { *byte }));
    rest.fold(0, |rest, value| (rest * 2 + value) % 11) == 1
}

/// The check digit of travel documents (ICAO 9303 part 3, 4.9): weights 7, 3, 1 over letters and digits.
pub fn icao_9303(text: &[u8]) -> bool {
    let Some((check, body)) = text.split_last() else { return false };
    let values = body.iter().filter_map(|byte| letter_or_digit(*byte));
    let sum: u32 = values.zip([7, 3, 1].into_iter().cycle()).map(|(value, weight)| value * weight).sum();
    check.is_ascii_digit() && u32::from(check - b'0') == sum % 10
}

/// CRC-32 as in ISO/IEC 3309, Ethernet and zip.
pub fn crc_32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

/// Shannon entropy over bytes, in 1024ths of a bit, of at most 255 bytes; of more, 0.
pub fn entropy(text: &[u8]) -> u32 {
    let mut counts = [0_u8; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let log2 = |count: usize| LOG2.get(count).copied().unwrap_or(0);
    // Each byte contributes log2 of its count: their sum is the sum of count times log2 of count.
    let own: u32 =
        text.iter().filter_map(|byte| counts.get(usize::from(*byte))).map(|count| log2(usize::from(*count))).sum();
    match u32::try_from(text.len()) {
        Ok(length) if length > 0 => log2(text.len()).saturating_sub(own / length),
        _ => 0,
    }
}

/// The binary logarithm of small numbers, in 1024ths.
static LOG2: [u32; 256] = log2_table();

const fn log2_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut number = 1_u32;
    while number < 256 {
        let whole = number.ilog2();
        // The fraction bit by bit: squaring a number between 1 and 2 doubles its logarithm.
        let mut rest = (number as u64) << (30 - whole);
        let mut log = whole;
        let mut bit = 0;
        while bit < 10 {
            rest = (rest * rest) >> 30;
            log <<= 1;
            if rest >= 2 << 30 {
                rest >>= 1;
                log |= 1;
            }
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "runs when it is compiled")]
        {
            table[number as usize] = log;
        }
        number += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_of_the_standards_own_examples_hold_and_their_neighbours_do_not() {
        assert!(luhn(b"4111 1111 1111 1111") && !luhn(b"4111 1111 1111 1112"));
        // Verhoeff's usual example: 236 has the check digit 3.
        assert!(verhoeff(b"2363") && !verhoeff(b"2364") && !verhoeff(b"2633"));
        assert_eq!(mod_97(*b"3214282912345698765432161182"), 1);
        // ISO/IEC 7064's example for mod 11,10: 0794 has the check character 5.
        assert!(mod_11_10(b"07945") && !mod_11_10(b"07946"));
        // The check value of CRC-32's catalogue entry.
        assert_eq!(crc_32(b"123456789"), 0xCBF4_3926);
        assert_eq!(weighted(b"12-3", &[3, 2, 1]), 10);
        assert_eq!(cross_weighted(digits(b"859"), &[2, 1, 2]), 1 + 6 + 5 + 1 + 8);
        // The example of GB 11643, and ICAO 9303's own for a document number.
        assert!(mod_11_2(b"11010519491231002X") && !mod_11_2(b"110105194912310021"));
        assert!(icao_9303(b"L898902C36") && !icao_9303(b"L898902C37") && !icao_9303(b"L898902C3A"));
        assert!(selects(b"TRWAGMYFPDXBNJZSQVHLCKE", 12_345_678, Some(&b'z')));
        assert!(!selects(b"TRWAGMYFPDXBNJZSQVHLCKE", 12_345_678, Some(&b'A')) && !selects(b"", 1, Some(&b'A')));
        assert_eq!((part(b"12-34-56", 2, 2), part(b"12", 1, 5)), (34, 2));
    }

    #[test]
    fn entropy_is_that_of_shannon() {
        assert_eq!((entropy(b""), entropy(b"aaaa"), entropy(b"abab")), (0, 0, 1024));
        assert_eq!(entropy(b"0123456789abcdef"), 4 * 1024);
        // Three of one and one of another: 0.8113 bits.
        assert!(entropy(b"aaab").abs_diff(831) <= 2);
    }
}
