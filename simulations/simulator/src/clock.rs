//! A region's wall clock in simulation: virtual time, seen through an oscillator that may be wrong.

use beringia_clock::{SkewedClock, WallClock};
use beringia_scenario::ClockError;
use tokio::time::Instant;

/// What a simulated clock that is right reads at the beginning where nothing else is said, milliseconds since the Unix epoch:
/// 2025-01-01T00:00:00Z.
pub(crate) const STARTS_MS: u64 = 1_735_689_600_000;

/// A region's clock: virtual time, with an offset and a drift.
pub type SimulatedClock = SkewedClock<VirtualClock>;

/// A wall clock that follows virtual time and is right.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    began: Instant,
    starts_ms: u64,
}

impl VirtualClock {
    /// A clock that reads `starts_ms` (milliseconds since the Unix epoch) at the virtual moment `began`.
    #[must_use]
    pub const fn new(began: Instant, starts_ms: u64) -> Self {
        Self { began, starts_ms }
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
        self.starts_ms.saturating_add(elapsed_ms)
    }
}
