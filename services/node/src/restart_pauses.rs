//! The pauses before a region that failed is started again.

use std::time::Duration;

/// The pause before a region that failed is started again.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The greatest pause: each failure soon after a start doubles it.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a region must run before its next failure counts as the first.
const STEADY: Duration = Duration::from_secs(120);

/// The pauses before the restarts of one region. Hosts and simulations wait equally long.
#[derive(Debug)]
pub struct RestartPauses(Duration);

impl Default for RestartPauses {
    fn default() -> Self {
        Self(PAUSE_MIN)
    }
}

impl RestartPauses {
    /// Notes how long the region ran before it failed.
    pub fn ran_for(&mut self, time: Duration) {
        if time >= STEADY {
            *self = Self::default();
        }
    }

    /// The pause before the next restart. Each is twice as long as the one before.
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_the_region_has_run_for_a_while() {
        let mut pauses = RestartPauses::default();
        assert_eq!([pauses.next_pause(), pauses.next_pause()], [PAUSE_MIN, 2 * PAUSE_MIN]);
        for _ in 0..20 {
            pauses.ran_for(STEADY / 2);
            pauses.next_pause();
        }
        assert_eq!(pauses.next_pause(), PAUSE_MAX);
        pauses.ran_for(STEADY);
        assert_eq!(pauses.next_pause(), PAUSE_MIN);
    }
}
