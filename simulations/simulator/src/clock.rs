//! A region's wall clock in simulation: virtual time, seen through an oscillator that may be wrong.

use beringia_clock::{SkewedClock, WallClock};
use beringia_scenario::ClockError;
use tokio::time::Instant;

/// What every simulated clock that is right reads at the beginning, milliseconds since the Unix epoch: 2025-01-01T00:00:00Z.
const EPOCH_MS: u64 = 1_735_689_600_000;

/// A region's clock: virtual time, with an offset and a drift.
pub type SimulatedClock = SkewedClock<VirtualClock>;

/// A wall clock that follows virtual time and is right.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    began: Instant,
}

impl VirtualClock {
    /// A clock that reads the beginning of 2025 at the virtual moment `began`.
    #[must_use]
    pub const fn new(began: Instant) -> Self {
        Self { began }
    }

    /// A clock that is wrong by so much from now on.
    #[must_use]
    pub fn skewed(self, error: ClockError) -> SimulatedClock {
        let clock = SkewedClock::new(self);
        clock.step(error.offset_ms);
        clock.set_drift(error.drift_ppm);
        clock
    }
}

impl WallClock for VirtualClock {
    fn now_ms(&self) -> u64 {
        let elapsed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        EPOCH_MS.saturating_add(elapsed_ms)
    }
}
