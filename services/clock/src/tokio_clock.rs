//! Wall time that goes as tokio's clock does, which simulations and tests drive.

use tokio::time::Instant;

use crate::WallClock;

/// A wall clock that is right by tokio's clock: where that is paused, it shows virtual time. With feature `tokio`.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    began: Instant,
    starts_ms: u64,
}

impl TokioClock {
    /// A clock that reads `starts_ms` (milliseconds since the Unix epoch) now.
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
    async fn it_goes_as_virtual_time_does() {
        let clock = TokioClock::new(5_000);
        assert_eq!(clock.now_ms(), 5_000);
        tokio::time::advance(Duration::from_micros(1_999)).await;
        assert_eq!(clock.now_ms(), 5_001);
    }
}
