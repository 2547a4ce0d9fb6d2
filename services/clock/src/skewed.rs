//! A wall clock with a deliberate offset and drift, for drills.

use parking_lot::{Mutex, MutexGuard};

use crate::WallClock;

/// Another clock, read with an offset and a drift. It never reads less than zero.
#[derive(Debug, Default)]
pub struct SkewedClock<C> {
    right: C,
    skew: Mutex<Skew>,
}

/// The error of a clock: an offset at one instant, and the drift since then.
#[derive(Debug, Default, Clone, Copy)]
struct Skew {
    offset_ms: i64,
    /// When the drift began, by the correct clock, in milliseconds since the Unix epoch.
    since_ms: u64,
    drift_ppm: i64,
}

impl Skew {
    fn offset_ms(self, right_ms: u64) -> i64 {
        let drifted_ms = i128::from(right_ms.saturating_sub(self.since_ms)) * i128::from(self.drift_ppm) / 1_000_000;
        self.offset_ms.saturating_add(i64::try_from(drifted_ms).unwrap_or(0))
    }
}

impl<C: WallClock> SkewedClock<C> {
    /// Wraps a clock. The reading is correct until it is changed.
    pub fn new(right: C) -> Self {
        Self {
            right,
            skew: Mutex::default(),
        }
    }

    /// Moves the reading by `by_ms` milliseconds, forward or back.
    pub fn step(&self, by_ms: i64) {
        let mut skew = self.skew();
        skew.offset_ms = skew.offset_ms.saturating_add(by_ms);
    }

    /// Makes the clock gain `drift_ppm` millionths from now on, or lose them if negative. The
    /// reading does not jump.
    pub fn set_drift(&self, drift_ppm: i64) {
        let since_ms = self.right.now_ms();
        let mut skew = self.skew();
        *skew = Skew {
            offset_ms: skew.offset_ms(since_ms),
            since_ms,
            drift_ppm,
        };
    }

    /// Removes offset and drift. The reading jumps to the correct time.
    pub fn correct(&self) {
        *self.skew() = Skew::default();
    }

    /// How far the reading is ahead of the correct clock, in milliseconds; negative if it is
    /// behind.
    pub fn ahead_ms(&self) -> i64 {
        let right_ms = self.right.now_ms();
        self.skew().offset_ms(right_ms)
    }

    fn skew(&self) -> MutexGuard<'_, Skew> {
        self.skew.lock()
    }
}

impl<C: WallClock> WallClock for SkewedClock<C> {
    fn now_ms(&self) -> u64 {
        let right_ms = self.right.now_ms();
        right_ms.saturating_add_signed(self.skew().offset_ms(right_ms))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ManualClock;

    impl WallClock for Arc<ManualClock> {
        fn now_ms(&self) -> u64 {
            (**self).now_ms()
        }
    }

    #[test]
    fn skewed_clock_steps_drifts_and_can_be_corrected() {
        let right = Arc::new(ManualClock::new(1_000_000));
        let clock = SkewedClock::new(right.clone());
        assert_eq!((clock.now_ms(), clock.ahead_ms()), (1_000_000, 0));
        clock.step(250);
        clock.step(-100);
        assert_eq!(clock.now_ms(), 1_000_150);
        clock.set_drift(-1_000);
        assert_eq!(
            clock.now_ms(),
            1_000_150,
            "setting a drift does not make the reading jump"
        );
        right.set(1_010_000);
        assert_eq!(clock.now_ms(), 1_010_140);
        clock.set_drift(0);
        right.set(1_020_000);
        assert_eq!((clock.now_ms(), clock.ahead_ms()), (1_020_140, 140));
        clock.correct();
        assert_eq!(clock.now_ms(), 1_020_000);
    }
}
