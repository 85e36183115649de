//! What tests of the log, and of whatever writes through [`crate::Storage`], share: disks that fail, and crashes by thousands.
//!
//! Compiled for tests only: for this crate's own, and with the feature `testing` for others'. Nothing here handles data of
//! strangers, so it unwraps and indexes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "test support"
)]

mod crashes;
mod disk;
mod faulty;

pub use self::crashes::{Counts, Crashes};
pub use self::disk::{Disk, Faults};
pub use self::faulty::{Faulty, Operation};

/// A small generator of numbers (xorshift64*), so that failures can be repeated.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The generator of a number, which may be any.
    pub const fn of(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// The next number, below a bound.
    pub const fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}
