//! A region's wall clock in simulation: virtual time, seen through an oscillator that may be wrong.

use beringia_clock::{SkewedClock, TokioClock};
use beringia_scenario::ClockDeviation;

/// The time that a correct simulated clock shows at the beginning by default, in milliseconds since
/// the Unix epoch: 2025-01-01T00:00:00Z.
pub(crate) const STARTS_MS: u64 = 1_735_689_600_000;

/// A region's clock: virtual time with an offset and a drift.
pub type SimulatedClock = SkewedClock<TokioClock>;

/// Creates a clock with this error from now on.
pub(crate) fn skewed(right: TokioClock, error: ClockDeviation) -> SimulatedClock {
    let clock = SkewedClock::new(right);
    clock.step(error.offset_ms);
    clock.set_drift(error.drift_ppm);
    clock
}
