//! Latencies in buckets of one per cent: small, of fixed size, exact enough for p50 and p99.
//!
//! Log-linear: values below 256 ns have a bucket each, and every doubling above is cut into 128 buckets.

/// Buckets per doubling.
const STEPS: u64 = 128;
/// Bits of `STEPS`.
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Counts of values.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u128,
}

impl Histogram {
    /// Counts one value, in nanoseconds.
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        let bucket = bucket(nanoseconds);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.total += 1;
        self.sum += u128::from(nanoseconds);
    }

    /// How many values were counted.
    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    /// The value that this share (0 to 1) of all values does not exceed, to one per cent; 0 without values.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
            if *count > 0 && seen as f64 >= self.total as f64 * share {
                return upper_end(bucket);
            }
        }
        0
    }

    /// The mean; 0 without values.
    pub(crate) fn mean(&self) -> u64 {
        let mean = self.sum.checked_div(u128::from(self.total)).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }
}

fn bucket(value: u64) -> usize {
    let doublings = u64::from((u64::BITS - value.leading_zeros()).saturating_sub(STEP_BITS + 1));
    // `value >> doublings` lies in STEPS..2*STEPS once there are doublings, so buckets follow each other without a gap.
    usize::try_from(doublings * STEPS + (value >> doublings)).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    let doublings = (bucket / STEPS).saturating_sub(1);
    let step = bucket - doublings * STEPS;
    ((step + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_buckets_are_one_per_cent_wide() {
        let mut value = 0_u64;
        while value < 1 << 40 {
            let end = upper_end(bucket(value));
            assert!(end >= value && end - value <= value / 100, "{value} is counted as {end}");
            assert!(value == 0 || bucket(value) >= bucket(value - 1), "buckets are in order at {value}");
            value += 1 + value / 77;
        }
    }

    #[test]
    fn quantiles_and_mean_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|value| histogram.record(value * 1000));
        assert_eq!(histogram.count(), 1000);
        assert_eq!(histogram.mean(), 500_500);
        for (share, expected) in [(0.5, 500_000), (0.99, 990_000), (1.0, 1_000_000)] {
            let found = histogram.quantile(share);
            assert!(found >= expected && found - expected <= expected / 100, "{share}: {found}");
        }
    }

    #[test]
    fn without_values_all_is_zero() {
        assert_eq!((Histogram::default().quantile(0.5), Histogram::default().mean()), (0, 0));
    }
}
