//! A token bucket: units arrive at a rate, accumulate for up to five minutes, and can be owed.

/// How much unused capacity is kept, in seconds of the rate (developer guide, "Burst and adaptive
/// capacity").
const BURST_SECONDS: f64 = 300.0;

/// The read or write units of one table or index.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bucket {
    /// Units that arrive per second.
    rate: f64,
    /// The available units; a negative number is owed.
    units: f64,
    /// When `units` was last updated, in ms since the epoch.
    at_ms: u64,
}

impl Bucket {
    /// A bucket of which nothing was taken for a long time.
    pub(super) fn full(rate: u64, now_ms: u64) -> Self {
        let rate = units(rate);
        Self {
            rate,
            units: rate * BURST_SECONDS,
            at_ms: now_ms,
        }
    }

    /// Adds the units that have arrived since the last update; from now on they arrive at `rate`. A
    /// clock that was set back adds nothing.
    pub(super) fn refill(&mut self, rate: u64, now_ms: u64) {
        #[expect(clippy::cast_precision_loss, reason = "an elapsed time is far less than 2^52 ms")]
        let elapsed = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        self.units += elapsed * self.rate;
        self.rate = units(rate);
        self.units = self.units.min(self.most());
        self.at_ms = now_ms;
        self.assert_bounded();
    }

    /// Whether the units can be taken. A full bucket also allows more than it can ever contain.
    pub(super) fn allows(&self, units: f64) -> bool {
        self.units >= units.min(self.most())
    }

    /// Takes units, or returns them if `units` is negative.
    pub(super) fn charge(&mut self, units: f64) {
        self.units = (self.units - units).min(self.most());
        self.assert_bounded();
    }

    /// Asserts that the bucket does not overflow, and that a debt is a finite number.
    fn assert_bounded(&self) {
        debug_assert!(
            self.units.is_finite() && self.units <= self.most(),
            "{} units of {}",
            self.units,
            self.most()
        );
    }

    fn most(&self) -> f64 {
        self.rate * BURST_SECONDS
    }
}

#[expect(clippy::cast_precision_loss, reason = "no table has 2^52 units a second")]
const fn units(rate: u64) -> f64 {
    rate as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_allows_a_burst_of_five_minutes_then_its_rate() {
        let mut bucket = Bucket::full(2, 1_000);
        assert!(bucket.allows(600.0));
        bucket.charge(600.0);
        assert!(!bucket.allows(0.5));
        bucket.refill(2, 1_249);
        assert!(!bucket.allows(0.5), "a quarter of a second adds half a unit");
        bucket.refill(2, 1_250);
        assert!(bucket.allows(0.5));
    }

    #[test]
    fn debt_is_paid_first() {
        let mut bucket = Bucket::full(10, 0);
        bucket.charge(3_025.0);
        bucket.refill(10, 2_500);
        assert!(!bucket.allows(1.0));
        bucket.refill(10, 2_600);
        assert!(bucket.allows(1.0));
    }

    #[test]
    fn bucket_keeps_at_most_five_minutes_of_units() {
        let mut bucket = Bucket::full(1, 0);
        bucket.charge(-50.0);
        bucket.refill(1, 3_600_000);
        bucket.charge(300.0);
        assert!(!bucket.allows(1.0));
    }

    #[test]
    fn full_bucket_allows_a_request_larger_than_itself() {
        let mut bucket = Bucket::full(1, 0);
        assert!(bucket.allows(400.0));
        bucket.charge(400.0);
        bucket.refill(1, 399_000);
        assert!(!bucket.allows(400.0));
        bucket.refill(1, 400_000);
        assert!(bucket.allows(400.0));
    }

    /// A clock that is set back adds no units.
    #[test]
    fn new_rate_applies_from_its_change_on() {
        let mut bucket = Bucket::full(10, 10_000);
        bucket.charge(3_000.0);
        bucket.refill(100, 11_000);
        assert!(
            bucket.allows(10.0) && !bucket.allows(11.0),
            "the second before the change added ten"
        );
        bucket.refill(100, 5_000);
        assert!(!bucket.allows(11.0));
        bucket.refill(100, 5_500);
        assert!(bucket.allows(60.0));
    }

    #[test]
    fn lower_rate_discards_units_above_its_capacity() {
        let mut bucket = Bucket::full(10, 0);
        bucket.refill(1, 0);
        bucket.charge(300.0);
        assert!(!bucket.allows(0.5));
    }
}
