//! Days, months of years, and instants (RFC 3339), as they are written with digits and short names of months.

use crate::class::Shape;

/// Parts of dates.
macro_rules! part {
    (day) => {
        "(?:0?[1-9]|[12][0-9]|3[01])"
    };
    (month) => {
        "(?:0?[1-9]|1[0-2])"
    };
    (name) => {
        "(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
    };
    (year) => {
        "(?:[0-9]{4}|[0-9]{2})"
    };
    (instant) => {
        "[Tt][0-2][0-9]:[0-5][0-9](?::[0-6][0-9](?:\\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-2][0-9]:?[0-5][0-9])?"
    };
}

pub(super) const SHAPES: &[Shape] = &[
    Shape::alone(concat!("[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])", part!(instant)), 80),
    Shape::alone(concat!("[0-9]{4}/", part!(month), "/", part!(day)), 60).unjoined(),
    Shape::alone(concat!("[0-9]{4}-", part!(month), "-", part!(day)), 60).unjoined(),
    Shape::alone(concat!(part!(month), "/", part!(day), "/", part!(year)), 60).unjoined(),
    Shape::alone(concat!(part!(day), "/", part!(month), "/", part!(year)), 60).unjoined(),
    Shape::alone(concat!(part!(month), "-", part!(day), "-", part!(year)), 60).unjoined(),
    Shape::alone(concat!(part!(day), "-", part!(month), "-", part!(year)), 60).unjoined(),
    Shape::alone(concat!(part!(day), "\\.", part!(month), "\\.", part!(year)), 60).unjoined(),
    Shape::alone(concat!("(?:", part!(day), "[- ])?", part!(name), "-", part!(year)), 60),
    Shape::alone(concat!(part!(day), "-", part!(name)), 60),
    Shape::alone(concat!(part!(month), "/[0-9]{4}"), 20).unjoined(),
    Shape::in_context(concat!(part!(month), "/[0-9]{2}"), 10).unjoined(),
];
