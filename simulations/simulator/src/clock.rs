//! A region's wall clock in simulation: virtual time, seen through an oscillator that is wrong.

use std::sync::{Mutex, MutexGuard, PoisonError};

use beringia_clock::WallClock;
use beringia_scenario::ClockError;
use tokio::time::Instant;

/// What every simulated clock reads at the beginning, milliseconds since the Unix epoch: 2025-01-01T00:00:00Z.
pub(crate) const EPOCH_MS: u64 = 1_735_689_600_000;

/// A wall clock that follows virtual time, with an offset and a drift. It never reads less than zero.
#[derive(Debug)]
pub struct SimulatedClock {
    began: Instant,
    error: Mutex<Error>,
}

/// How wrong the clock is: by so much at that moment, and by the drift since.
#[derive(Debug, Clone, Copy)]
struct Error {
    since: Instant,
    error: ClockError,
}

impl Error {
    fn now_ms(self) -> i64 {
        let elapsed_ms = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        let drifted_ms = i128::from(elapsed_ms) * i128::from(self.error.drift_ppm) / 1_000_000;
        let drifted_ms = i64::try_from(drifted_ms).unwrap_or(0);
        self.error.offset_ms.saturating_add(drifted_ms)
    }
}

impl SimulatedClock {
    /// A clock that reads the beginning of 2025 at the virtual moment `began`, but for `error`.
    #[must_use]
    pub fn new(began: Instant, error: ClockError) -> Self {
        Self {
            began,
            error: Mutex::new(Error { since: began, error }),
        }
    }

    /// The clock jumps forward by so many milliseconds, or back.
    pub fn step(&self, by_ms: i64) {
        let mut error = self.error();
        error.error.offset_ms = error.error.offset_ms.saturating_add(by_ms);
    }

    /// From now on the clock gains so many millionths. It does not jump.
    pub fn set_drift(&self, drift_ppm: i64) {
        let mut error = self.error();
        let offset_ms = error.now_ms();
        *error = Error {
            since: Instant::now(),
            error: ClockError { offset_ms, drift_ppm },
        };
    }

    fn error(&self) -> MutexGuard<'_, Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WallClock for SimulatedClock {
    fn now_ms(&self) -> u64 {
        let elapsed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        (EPOCH_MS + elapsed_ms).saturating_add_signed(self.error().now_ms())
    }
}
