//! Wall time that follows tokio's clock, which simulations and tests control.

use tokio::time::Instant;

use crate::WallClock;

/// A wall clock that follows tokio's clock: where that is paused, it shows virtual time. Requires
/// the feature `tokio`.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    began: Instant,
    starts_ms: u64,
}

impl TokioClock {
    /// Creates a clock that reads `starts_ms` (milliseconds since the Unix epoch) now.
    #[must_use]
    pub fn new(starts_ms: u64) -> Self {
        Self {
            began: Instant::now(),
            starts_ms,
        }
    }
}

impl WallClock for TokioClock {
    fn now_ms(&self) -> u64 {
        let elapsed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.starts_ms.saturating_add(elapsed_ms)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokio_clock_follows_virtual_time() {
        let clock = TokioClock::new(5_000);
        assert_eq!(clock.now_ms(), 5_000);
        tokio::time::advance(Duration::from_micros(1_999)).await;
        assert_eq!(clock.now_ms(), 5_001);
    }
}
