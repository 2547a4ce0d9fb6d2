//! Regions that fail are started again.

use std::sync::Arc;

use beringia_node::RestartPauses;
use beringia_storage::logging_panics;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{host::Host, region::Hosted};

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
