//! Regions that fail are started again, and panics of other tasks are logged.

use std::{panic::AssertUnwindSafe, sync::Arc};

use beringia_node::RestartPauses;
use beringia_storage::panic_message;
use futures_util::FutureExt as _;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{host::Host, region::Hosted};

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
    let mut pauses = RestartPauses::default();
    loop {
        let started = Instant::now();
        let mut reason = region.fails().await;
        pauses.ran_for(started.elapsed());
        loop {
            let pause = pauses.next_pause();
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
