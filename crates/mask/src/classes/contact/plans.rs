//! Calling codes and how many digits follow them, of what was assigned by 2026 (ITU-T E.164 and its supplements).

use std::ops::RangeInclusive;
use std::sync::LazyLock;

/// Digits after a calling code, from and to, and the calling codes. Numbers shorter than six digits are left out unless
/// a country has none longer.
const PLANS: &[(usize, usize, &[u16])] = &[
    (4, 5, &[290]),
    (5, 5, &[247, 500, 682]),
    (6, 6, &[298, 299, 672, 681, 687]),
    (6, 7, &[597, 676, 677, 678, 683, 688, 690]),
    (6, 8, &[686]),
    (6, 9, &[27, 40, 252, 359, 376, 421, 508]),
    (6, 10, &[53, 63, 82, 95, 98, 358, 685, 880]),
    (6, 11, &[352]),
    (6, 12, &[39, 49]),
    (6, 13, &[43]),
    (7, 7, &[238, 239, 246, 248, 269, 291, 297, 501, 592, 673, 674, 679, 680, 691, 692, 960]),
    (7, 8, &[230, 241, 267, 372, 507, 599, 670, 675, 961, 975]),
    (7, 9, &[46, 48, 220, 231, 254, 265, 354, 423, 595, 967]),
    (7, 10, &[243, 353]),
    (7, 11, &[86]),
    (7, 12, &[62, 381, 882]),
    (
        8,
        8,
        &[
            45, 47, 65, 216, 222, 223, 226, 227, 228, 232, 235, 236, 253, 257, 266, 268, 350, 356, 357, 370, 371, 373,
            374, 382, 386, 389, 502, 503, 504, 505, 506, 509, 591, 598, 689, 800, 808, 852, 853, 965, 968, 973, 974,
            993,
        ],
    ),
    (8, 9, &[32, 36, 51, 66, 213, 224, 250, 258, 264, 355, 377, 385, 387, 593, 855, 886, 962, 963, 970, 971]),
    (8, 10, &[20, 57, 60, 64, 378, 850, 856, 964, 976, 977]),
    (8, 12, &[383, 883, 972]),
    (
        9,
        9,
        &[
            33, 34, 41, 56, 61, 93, 94, 211, 212, 218, 221, 233, 237, 240, 242, 244, 245, 249, 251, 255, 256, 260, 261,
            262, 263, 351, 375, 380, 420, 590, 594, 596, 966, 979, 992, 994, 995, 996, 998,
        ],
    ),
    (9, 10, &[44, 81, 84, 92, 881]),
    (9, 11, &[31]),
    (9, 12, &[870]),
    (10, 10, &[1, 7, 30, 52, 58, 90, 91, 225, 229, 234]),
    (10, 11, &[54, 55]),
    (11, 11, &[888]),
    (12, 12, &[878]),
];

/// The same by calling code; nothing may follow a code that is not assigned.
static BY_CODE: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
    let mut lengths = vec![(1, 0); 1000];
    for (from, to, codes) in PLANS {
        for code in *codes {
            if let Some(slot) = lengths.get_mut(usize::from(*code)) {
                *slot = (*from, *to);
            }
        }
    }
    lengths
});

/// How many digits the calling code has that a number begins with, and how many may follow.
pub(super) fn of(digits: &[u8]) -> Option<(usize, RangeInclusive<usize>)> {
    let mut code = 0;
    for (place, digit) in digits.iter().take(3).enumerate() {
        code = code * 10 + usize::from(*digit);
        match BY_CODE.get(code) {
            Some((from, to)) if from <= to => return Some((place + 1, *from..=*to)),
            _ => {}
        }
    }
    None
}
