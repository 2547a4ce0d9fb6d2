//! When operations are due: a Poisson process whose rate can change, whatever becomes of what was due before.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beringia_clock::{Randomness, SeededRandomness};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    job::Jobs,
    queue::{Due, Queue},
    shared::Shared,
};

/// How often something is due; its owner changes it, its schedule follows.
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
        *self.per_second.lock().unwrap_or_else(PoisonError::into_inner) = per_second;
        self.changed.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    fn get(&self) -> f64 {
        *self.per_second.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One workload in one region.
pub(crate) struct Schedule {
    pub(crate) shared: Arc<Shared>,
    pub(crate) home: String,
    pub(crate) jobs: Jobs,
    pub(crate) dice: SeededRandomness,
    pub(crate) rate: Arc<Rate>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl Schedule {
    /// Lets operations become due until the end of its time, or until the rate is stopped.
    pub(crate) async fn run(mut self) {
        let (began, end) = (self.shared.began, self.shared.began + self.until);
        sleep_until(began + self.from).await;
        let mut last = began + self.from;
        while !self.rate.stopped.load(Ordering::SeqCst) {
            let next = self.gap().and_then(|gap| last.checked_add(gap)).unwrap_or(end).min(end);
            if timeout_at(next, self.rate.changed.notified()).await.is_ok() {
                // A Poisson process has no memory: from now on another rate is another gap.
                last = Instant::now();
                continue;
            }
            if next >= end {
                return;
            }
            last = next;
            let at_us = u64::try_from((next - began).as_micros()).unwrap_or(u64::MAX);
            let Some(job) = self.jobs.next() else { return };
            self.shared.note_due(&self.home);
            self.queue.push(Due { at_us, job });
        }
    }

    /// Until the next is due; `None`: for ever.
    fn gap(&self) -> Option<Duration> {
        let per_second = self.rate.get();
        let seconds = -(1.0 - self.dice.unit_f64()).ln() / per_second;
        (per_second > 0.0).then_some(())?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}
