//! How far the clocks of the regions' machines are ahead of the drill's, estimated by requests and
//! their answers.

use std::{collections::BTreeMap, time::Duration};

/// The error of a difference of times in whole milliseconds.
const RESOLUTION: Duration = Duration::from_millis(2);

/// The clocks of the machines of a drill's control services, which are numbered.
#[derive(Debug, Default)]
pub(super) struct MachineClocks(BTreeMap<usize, Estimate>);

/// How far a clock is ahead, by the answer that came back fastest: it cannot be wrong by more than
/// half of the time that it took.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    ahead_ms: i64,
    round_trip: Duration,
}

/// A request and its answer, by the clocks of both machines.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoundTrip {
    /// When the drill sent the request by its machine's clock, milliseconds since the Unix epoch.
    pub(super) sent_ms: u64,
    /// The time until the answer.
    pub(super) took: Duration,
    /// When the control service answered, by its machine's clock, milliseconds since the Unix
    /// epoch.
    pub(super) answered_ms: u64,
}

impl MachineClocks {
    /// Learns from a round trip to a control service, if it was the fastest so far.
    pub(super) fn learn(&mut self, service: usize, trip: RoundTrip) {
        if self.0.get(&service).is_some_and(|best| best.round_trip <= trip.took) {
            return;
        }
        let half = trip.took / 2;
        let middle_ms = trip.sent_ms + millis(half);
        let ahead_ms = trip.answered_ms.wrapping_sub(middle_ms).cast_signed();
        // Clocks that may be equal count as equal: most drills have one machine.
        let agree = ahead_ms.unsigned_abs() <= millis(half + RESOLUTION);
        let estimate = Estimate {
            ahead_ms: if agree { 0 } else { ahead_ms },
            round_trip: trip.took,
        };
        self.0.insert(service, estimate);
    }

    /// How far the clock of a control service's machine is ahead of the drill's, in milliseconds; 0
    /// if that is not known.
    pub(super) fn ahead_ms(&self, service: usize) -> i64 {
        self.0.get(&service).map_or(0, |estimate| estimate.ahead_ms)
    }

    /// The control services whose clocks are not the drill's: by how much they are ahead, in
    /// milliseconds, and how wrong that may be.
    pub(super) fn different(&self) -> impl Iterator<Item = (usize, i64, Duration)> {
        let all = self.0.iter().filter(|(_, estimate)| estimate.ahead_ms != 0);
        all.map(|(service, estimate)| (*service, estimate.ahead_ms, estimate.round_trip / 2 + RESOLUTION))
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(sent_ms: u64, took_ms: u64, answered_ms: u64) -> RoundTrip {
        RoundTrip {
            sent_ms,
            took: Duration::from_millis(took_ms),
            answered_ms,
        }
    }

    #[test]
    fn the_fastest_round_trip_tells_how_far_a_clock_is_ahead() {
        let mut clocks = MachineClocks::default();
        assert_eq!(clocks.ahead_ms(0), 0);
        // The way there took 90 ms of 100, so this is wrong by 40 ms.
        clocks.learn(0, trip(10_000, 100, 12_090));
        assert_eq!(clocks.ahead_ms(0), 2_040);
        clocks.learn(0, trip(20_000, 10, 22_004));
        clocks.learn(0, trip(30_000, 80, 32_070));
        assert_eq!(clocks.ahead_ms(0), 1_999);
        clocks.learn(1, trip(20_000, 4, 17_002));
        let different: Vec<_> = clocks.different().collect();
        let wrong = Duration::from_millis;
        assert_eq!(different, [(0, 1_999, wrong(7)), (1, -3_000, wrong(4))]);
    }

    #[test]
    fn clocks_that_may_be_equal_count_as_equal() {
        let mut clocks = MachineClocks::default();
        clocks.learn(0, trip(10_000, 30, 10_029));
        clocks.learn(1, trip(10_000, 0, 10_002));
        clocks.learn(2, trip(10_000, 0, 10_003));
        assert_eq!([0, 1, 2].map(|service| clocks.ahead_ms(service)), [0, 0, 3]);
        assert_eq!(clocks.different().count(), 1);
    }
}
