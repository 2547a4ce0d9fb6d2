//! A region's wall clock in simulation: virtual time, seen through an oscillator that is wrong.

use std::sync::{Mutex, PoisonError};

use beringia_clock::WallClock;
use tokio::time::Instant;

/// What every simulated clock reads at the beginning, milliseconds since the Unix epoch: 2025-01-01T00:00:00Z.
pub(crate) const EPOCH_MS: u64 = 1_735_689_600_000;

/// A wall clock that follows virtual time, with an offset and a drift.
#[derive(Debug)]
pub struct SimulatedClock {
    began: Instant,
    error: Mutex<ClockError>,
}

#[derive(Debug, Clone, Copy, Default)]
struct ClockError {
    offset_ms: i64,
    drift_ppm: i64,
}

impl SimulatedClock {
    /// A clock that is right, and reads the beginning of 2025 at the virtual moment `began`.
    #[must_use]
    pub fn new(began: Instant) -> Self {
        Self {
            began,
            error: Mutex::default(),
        }
    }

    /// From now on the clock is wrong by so much, and gains so many millionths of the time since the beginning. It may jump.
    pub fn set_error(&self, offset_ms: i64, drift_ppm: i64) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = ClockError { offset_ms, drift_ppm };
    }
}

impl WallClock for SimulatedClock {
    fn now_ms(&self) -> u64 {
        let ClockError { offset_ms, drift_ppm } = *self.error.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let drifted_ms = i128::from(elapsed_ms) * i128::from(drift_ppm) / 1_000_000;
        let now_ms = i128::from(EPOCH_MS) + i128::from(elapsed_ms) + drifted_ms + i128::from(offset_ms);
        u64::try_from(now_ms).unwrap_or(0)
    }
}
