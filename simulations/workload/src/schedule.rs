//! The times at which operations become due, independent of the results of earlier ones: at the
//! times of a Poisson process whose rate can change, or as recorded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beringia_clock::{Randomness, SeededRandomness};
use beringia_scenario::Recorded;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    job::Jobs,
    queue::{Due, Queue, Work},
    shared::Shared,
};

/// The rate of an open-loop schedule. Its owner changes it, and the schedule follows.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: Mutex<f64>,
    stopped: AtomicBool,
    changed: Notify,
}

impl Rate {
    pub(crate) fn new(per_second: f64) -> Self {
        Self {
            per_second: Mutex::new(per_second),
            stopped: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    pub(crate) fn set(&self, per_second: f64) {
        debug_assert!(
            per_second >= 0.0 && per_second.is_finite(),
            "a rate is a number, not below 0"
        );
        *self.per_second.lock() = per_second;
        self.changed.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    fn get(&self) -> f64 {
        *self.per_second.lock()
    }
}

/// The schedule of one workload in one region, and the queue that it fills.
pub(crate) struct Schedule {
    pub(crate) shared: Arc<Shared>,
    pub(crate) home: String,
    pub(crate) source: Source,
    pub(crate) rate: Arc<Rate>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// The source of due operations.
pub(crate) enum Source {
    /// Operations are drawn, at times that are drawn too.
    Drawn(Box<Drawn>),
    /// Operations were recorded, with their times.
    Recorded(Vec<Arc<Recorded>>),
}

pub(crate) struct Drawn {
    pub(crate) jobs: Jobs,
    pub(crate) dice: SeededRandomness,
}

impl Schedule {
    /// Adds due operations to the queue until the schedule's time ends or it is stopped.
    pub(crate) async fn run(mut self) {
        match std::mem::replace(&mut self.source, Source::Recorded(Vec::new())) {
            Source::Drawn(mut drawn) => self.draw(&mut drawn.jobs, &drawn.dice).await,
            Source::Recorded(recorded) => self.replay(recorded).await,
        }
    }

    /// Adds recorded operations at their times, counted from the workload's beginning, regardless
    /// of the rate.
    async fn replay(&self, recorded: Vec<Arc<Recorded>>) {
        let end = self.shared.began + self.until;
        for recorded in recorded {
            let due = self.shared.began + self.from + Duration::from_millis(recorded.at_ms);
            while !self.rate.stopped.load(Ordering::SeqCst) {
                if timeout_at(due.min(end), self.rate.changed.notified()).await.is_err() {
                    break;
                }
            }
            if due >= end || self.rate.stopped.load(Ordering::SeqCst) {
                return;
            }
            self.push(due, Work::Recorded(recorded));
        }
    }

    fn push(&self, due: Instant, work: Work) {
        let at_us = u64::try_from((due - self.shared.began).as_micros()).unwrap_or(u64::MAX);
        self.shared.note_due(&self.home);
        self.queue.push(Due { at_us, work });
    }

    async fn draw(&self, jobs: &mut Jobs, dice: &SeededRandomness) {
        let (began, end) = (self.shared.began, self.shared.began + self.until);
        sleep_until(began + self.from).await;
        let mut last = began + self.from;
        while !self.rate.stopped.load(Ordering::SeqCst) {
            let next = self
                .gap(dice)
                .and_then(|gap| last.checked_add(gap))
                .unwrap_or(end)
                .min(end);
            if timeout_at(next, self.rate.changed.notified()).await.is_ok() {
                // A Poisson process has no memory: a change of rate starts a new gap.
                last = Instant::now();
                continue;
            }
            if next >= end {
                return;
            }
            last = next;
            let Some(job) = jobs.next() else { return };
            self.push(next, Work::Job(job));
        }
    }

    /// The time until the next operation is due; `None` if there is none.
    fn gap(&self, dice: &SeededRandomness) -> Option<Duration> {
        gap(self.rate.get(), dice)
    }
}

/// Draws the time between two events of a Poisson process with this rate; `None` if it has none.
fn gap(per_second: f64, dice: &SeededRandomness) -> Option<Duration> {
    let seconds = -libm::log(1.0 - dice.unit_f64()) / per_second;
    (per_second > 0.0).then_some(())?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same on every machine and with every toolchain.
    #[test]
    fn a_seed_draws_the_recorded_gaps() {
        let dice = SeededRandomness::new(7).derive("gaps");
        let drawn: Vec<u128> = (0..6)
            .map(|_| gap(50.0, &dice).map_or(0, |gap| gap.as_nanos()))
            .collect();
        assert_eq!(
            drawn,
            [19_372_027, 2_163_984, 824_204, 37_504_072, 22_792_427, 28_223_598]
        );
        assert_eq!(gap(0.0, &dice), None, "no rate, no operation");
    }
}
