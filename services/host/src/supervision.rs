//! Regions that fail are started again, and panics of other tasks are logged.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use beringia_storage::panic_message;
use futures_util::FutureExt as _;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{host::Host, region::Hosted};

/// The pause before a region that failed is started again.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The greatest pause: each failure soon after a start doubles it.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a region must run before its next failure counts as the first.
const STEADY: Duration = Duration::from_secs(120);

/// Runs a task, and logs its panic.
pub(crate) async fn logging_panics(task: &'static str, future: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
        tracing::error!(task, panic = panic_message(&*panic), "a task panicked and has ended");
    }
}

/// Starts every region of the host again when it fails, until the tasks are dropped.
pub(crate) fn supervise(host: &Arc<Host>) -> JoinSet<()> {
    let places = 0..host.regions().len();
    let supervised = places.map(|place| {
        let host = Arc::clone(host);
        async move {
            if let Some(region) = host.regions().get(place) {
                logging_panics("restarting a region", restart_whenever_it_fails(region)).await;
            }
        }
    });
    supervised.collect()
}

async fn restart_whenever_it_fails(region: &Hosted) {
    let mut backoff = Backoff::default();
    loop {
        let started = Instant::now();
        let mut reason = region.fails().await;
        backoff.ran_for(started.elapsed());
        loop {
            let pause = backoff.next();
            tracing::error!(
                region = %region.name(),
                reason,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "the region failed, and is started again after a pause"
            );
            sleep(pause).await;
            match region.restart().await {
                Ok(()) => break,
                Err(error) => reason = error.to_string(),
            }
        }
    }
}

/// The pauses before restarts.
struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(PAUSE_MIN)
    }
}

impl Backoff {
    /// Notes how long the region ran before it failed.
    fn ran_for(&mut self, time: Duration) {
        if time >= STEADY {
            *self = Self::default();
        }
    }

    /// The pause before the next restart. Each is twice as long as the one before.
    fn next(&mut self) -> Duration {
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
        let mut backoff = Backoff::default();
        assert_eq!([backoff.next(), backoff.next()], [PAUSE_MIN, 2 * PAUSE_MIN]);
        for _ in 0..20 {
            backoff.ran_for(STEADY / 2);
            backoff.next();
        }
        assert_eq!(backoff.next(), PAUSE_MAX);
        backoff.ran_for(STEADY);
        assert_eq!(backoff.next(), PAUSE_MIN);
    }
}
